package sshhost_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/trivet-dev/trivet/internal/hostapi/wire"
	"github.com/trivet-dev/trivet/internal/remote"
	"github.com/trivet-dev/trivet/internal/remote/remotetest"
	"github.com/trivet-dev/trivet/internal/remote/sshhost"
)

// TestMain is also the helper: the test program itself is placed on the "host" that a real sshd is, and started there as "trivet-host-… serve".
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "serve" && strings.HasPrefix(filepath.Base(os.Args[0]), "trivet-host-") {
		if err := wire.Serve(context.Background(), stdio{}, remotetest.Held(new(remotetest.Handler))); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

type stdio struct{}

func (stdio) Read(p []byte) (int, error)  { return os.Stdin.Read(p) }
func (stdio) Write(p []byte) (int, error) { return os.Stdout.Write(p) }
func (stdio) Close() error                { return os.Stdout.Close() }

// sshd is OpenSSH's server on a loopback port.
type sshd struct {
	port    int
	hostKey string // authorized_keys form
	log     *bytes.Buffer
}

// startSSHD starts sshd with host keys of the given types, letting the fixture's key in as root. extra goes to its configuration.
func (f *fixture) startSSHD(types []string, extra string) *sshd {
	t := f.t
	t.Helper()
	program, err := exec.LookPath("/usr/sbin/sshd")
	if err != nil {
		t.Skip("sshd is not installed: install openssh-server")
	}
	if os.Geteuid() != 0 {
		t.Skip("sshd for other users needs root")
	}
	dir := t.TempDir()
	var keys strings.Builder
	for _, kind := range types {
		path := filepath.Join(dir, "host_"+kind)
		if out, err := exec.Command("ssh-keygen", "-q", "-t", kind, "-N", "", "-f", path).CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen: %v %s", err, out)
		}
		fmt.Fprintf(&keys, "HostKey %s\n", path)
	}
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "authorized_keys"), string(ssh.MarshalAuthorizedKey(f.public)))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	config := filepath.Join(dir, "sshd_config")
	write(t, config, fmt.Sprintf("ListenAddress 127.0.0.1:%d\n%sAuthorizedKeysFile %s/authorized_keys\nStrictModes no\nPidFile none\nUsePAM no\n"+
		"PasswordAuthentication no\nPermitRootLogin yes\n%s\n", port, keys.String(), dir, extra))
	d := &sshd{port: port, log: new(bytes.Buffer)}
	if b, err := os.ReadFile(filepath.Join(dir, "host_"+types[0]+".pub")); err == nil {
		d.hostKey = string(b)
	}
	cmd := exec.Command(program, "-D", "-e", "-f", config)
	cmd.Stderr = d.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("sshd:\n%s", d.log)
		}
	})
	until(t, "sshd", func() bool {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return d
}

func (f *fixture) sshdConfig(d *sshd) sshhost.Config {
	self, err := os.Executable()
	if err != nil {
		f.t.Fatal(err)
	}
	return sshhost.Config{Name: "real1", Address: "127.0.0.1", Port: d.port, User: "root", PrivateKeys: []string{f.keyPath}, HostKey: d.hostKey,
		KnownHosts: []string{f.knownHosts}, Helper: func(string) (string, error) { return self, nil }, Staging: filepath.Join(f.dir, "staging"), AnyInit: true}
}

func TestSSHD(t *testing.T) {
	f := newFixture(t)
	d := f.startSSHD([]string{"ed25519"}, "AllowTcpForwarding no\n")
	remotetest.TestHost(t, func(t *testing.T) remote.Host {
		h, err := f.pool.Connect(within(t), f.sshdConfig(d))
		if err != nil {
			t.Fatal(err)
		}
		return h
	})
	entries, err := os.ReadDir(filepath.Join(f.dir, "staging"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "trivet-host-") {
			t.Errorf("%s was left in the staging folder", e.Name())
		}
	}
}

// TestSSHDKeyTypes: the server has two keys, known_hosts has the one that it would not show first.
func TestSSHDKeyTypes(t *testing.T) {
	for _, known := range []string{"rsa", "ecdsa", "ed25519"} {
		t.Run(known, func(t *testing.T) {
			f := newFixture(t)
			types := []string{known, "ed25519", "rsa"}
			if known != "ecdsa" {
				types = []string{known, map[string]string{"rsa": "ed25519", "ed25519": "rsa"}[known]}
			}
			d := f.startSSHD(types, "")
			cfg := f.sshdConfig(d)
			write(t, f.knownHosts, fmt.Sprintf("[127.0.0.1]:%d %s", d.port, d.hostKey))
			cfg.HostKey = ""
			f.connect(cfg)
		})
	}
}

func TestSSHDRefusesOpenStaging(t *testing.T) {
	f := newFixture(t)
	d := f.startSSHD([]string{"ed25519"}, "")
	cfg := f.sshdConfig(d)
	for _, tc := range []struct {
		name string
		make func(path string) error
		word string
	}{
		{"open", func(p string) error { return chain(os.Mkdir(p, 0o755), os.Chmod(p, 0o755)) }, "open to others"},
		{"foreign", func(p string) error { return chain(os.Mkdir(p, 0o700), os.Chown(p, 65534, 65534)) }, "belongs to uid 65534"},
		{"link", func(p string) error { return os.Symlink(t.TempDir(), p) }, "not a folder"},
		{"below a file", func(string) error { return nil }, "cannot be made"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg.Staging = filepath.Join(t.TempDir(), "staging")
			if err := tc.make(cfg.Staging); err != nil {
				t.Fatal(err)
			}
			if tc.word == "cannot be made" {
				cfg.Staging = filepath.Join(f.keyPath, "x")
			}
			_, err := f.pool.Connect(within(t), cfg)
			refused(t, err, sshhost.ErrHelper, "host real1", tc.word)
		})
	}
}

func TestSSHDLoginShellPrints(t *testing.T) {
	f := newFixture(t)
	d := f.startSSHD([]string{"ed25519"}, `ForceCommand /bin/sh -c 'echo Welcome to the host; exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"'`)
	_, err := f.pool.Connect(within(t), f.sshdConfig(d))
	refused(t, err, sshhost.ErrHelper, "host real1", "prints something at login", ".bashrc")
}

func TestSSHDRestrictedShell(t *testing.T) {
	f := newFixture(t)
	d := f.startSSHD([]string{"ed25519"}, "ForceCommand echo This account is not available.")
	_, err := f.pool.Connect(within(t), f.sshdConfig(d))
	refused(t, err, sshhost.ErrUnsupported, "host real1", "not available", "ForceCommand")
}

func chain(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
