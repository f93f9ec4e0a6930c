package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"flag"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"
)

var update = flag.Bool("update", false, "write the expected output of scripts anew")

func TestMain(m *testing.M) {
	if role, ok := roles[os.Getenv(roleVariable)]; ok {
		role()
		return
	}
	testscript.Main(m, map[string]func(){"trivet": main})
}

// TestScripts runs the command as a user would, without hosts: testdata/script/*.txt. Each script finds in its folder a topology in fleet/, an SSH key, and a file in place of
// the host helper; port $REFUSED refuses connections, port $SILENT takes them and says nothing.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		UpdateScripts:       *update,
		Setup:               setUpScript,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    exits,
			"connects": connects,
		},
	})
}

type connected struct{} // key of the channel that tells of connections to $SILENT

func setUpScript(env *testscript.Env) error {
	work := env.WorkDir
	silent, err := net.Listen("tcp4", ":0")
	if err != nil {
		return err
	}
	seen := make(chan struct{}, 64)
	go func() {
		var held []net.Conn // never answered, and open until the script has ended
		defer func() {
			for _, c := range held {
				c.Close()
			}
		}()
		for {
			c, err := silent.Accept()
			if err != nil {
				return
			}
			held = append(held, c)
			seen <- struct{}{}
		}
	}()
	env.Defer(func() { silent.Close() })
	env.Values[connected{}] = seen

	// A port that was free a moment ago and has nobody listening.
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	refused := free.Addr().(*net.TCPAddr).Port
	if err := free.Close(); err != nil {
		return err
	}
	env.Setenv("REFUSED", strconv.Itoa(refused))
	env.Setenv("SILENT", strconv.Itoa(silent.Addr().(*net.TCPAddr).Port))
	env.Setenv("HOME", filepath.Join(work, "home"))
	env.Setenv("XDG_CACHE_HOME", filepath.Join(work, "cache"))
	env.Setenv("XDG_CONFIG_HOME", filepath.Join(work, "config"))
	env.Setenv("TRIVET_ARTIFACTS", "source")
	env.Setenv("TRIVET_HELPER_DIR", filepath.Join(work, "helper"))
	return errors.Join(
		copyFile(filepath.Join(work, "fleet", "main.hcl"), "testdata/fleet.hcl"),
		writeFile(filepath.Join(work, "fleet", "known_hosts"), nil),
		writeFile(filepath.Join(work, "helper", "trivet-host-linux-amd64"), []byte("no program")),
		writeSSHKey(filepath.Join(work, "fleet", "key")),
	)
}

func copyFile(to, from string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return writeFile(to, b)
}

func writeFile(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o600)
}

func writeSSHKey(path string) error {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(key, "test")
	if err != nil {
		return err
	}
	return writeFile(path, pem.EncodeToMemory(block))
}

// exits runs a program that has to end with an exit code: exits CODE PROGRAM [ARG …].
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARG …]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	start := time.Now()
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	ts.Logf("[exit code %d]", code)
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
	// Nothing in these scripts may wait for a time-out: the shortest is that of an SSH connection, 15 s.
	if took := time.Since(start); took > 14*time.Second {
		ts.Fatalf("took %s", took)
	}
}

// connects waits until somebody has connected to $SILENT.
func connects(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: connects")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	select {
	case <-ts.Value(connected{}).(chan struct{}):
	case <-ctx.Done():
		ts.Fatalf("nobody connected")
	}
}
