package sshhost_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/trivet-dev/trivet/internal/remote"
	"github.com/trivet-dev/trivet/internal/remote/remotetest"
	"github.com/trivet-dev/trivet/internal/remote/sshhost"
)

// fixture has the operator's side: a key, a known_hosts file, a helper.
type fixture struct {
	t          *testing.T
	dir        string
	keyPath    string
	public     ssh.PublicKey
	knownHosts string
	helper     string
	pool       *sshhost.Pool
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{t: t, dir: t.TempDir(), pool: sshhost.NewPool(sshhost.Options{})}
	f.keyPath, f.public = writeKey(t, f.dir, "fleet")
	f.knownHosts = filepath.Join(f.dir, "known_hosts")
	f.helper = filepath.Join(f.dir, "trivet-host")
	write(t, f.helper, strings.Repeat("the helper ", 10_000))
	t.Cleanup(func() { _ = f.pool.Close() })
	return f
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// writeKey makes a private key file.
func writeKey(t *testing.T, dir, name string) (path string, public ssh.PublicKey) {
	t.Helper()
	pub, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "test")
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, name)
	write(t, path, string(pem.EncodeToMemory(block)))
	if public, err = ssh.NewPublicKey(pub); err != nil {
		t.Fatal(err)
	}
	return path, public
}

// server starts a server that knows the fixture's key, and answers with a memory handler unless told otherwise.
func (f *fixture) server(o remotetest.ServerOptions) *remotetest.Server {
	f.t.Helper()
	if o.Authorized == nil {
		o.Authorized = []ssh.PublicKey{f.public}
	}
	if o.Staging == "" {
		o.Staging = f.t.TempDir()
	}
	if o.Helper == nil {
		o.Helper = remotetest.ServeHandler(remotetest.Held(new(remotetest.Handler)))
	}
	s, err := remotetest.NewServer(o)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		_ = s.Close()
		if u := s.Unexpected(); len(u) > 0 {
			f.t.Errorf("commands the server does not know: %q", u)
		}
	})
	return s
}

// config reaches s, whose key is pinned.
func (f *fixture) config(s *remotetest.Server) sshhost.Config {
	return sshhost.Config{
		Name: "bj1-cp1", Address: s.Address().Host(), Port: s.Address().Port, User: "ops",
		PrivateKeys: []string{f.keyPath}, HostKey: s.HostKey(), KnownHosts: []string{f.knownHosts},
		Helper:         func(string) (string, error) { return f.helper, nil },
		ConnectTimeout: 10 * time.Second,
	}
}

func (f *fixture) hop(s *remotetest.Server, name string) sshhost.Hop {
	return sshhost.Hop{Name: name, Address: s.Address().Host(), Port: s.Address().Port, User: "ops", PrivateKeys: []string{f.keyPath}, HostKey: s.HostKey()}
}

func (f *fixture) connect(cfg sshhost.Config) remote.Host {
	f.t.Helper()
	h, err := f.pool.Connect(within(f.t), cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = h.Close() })
	return h
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// until waits for a condition that something else brings about.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for ctx := within(t); !cond(); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s did not come about", what)
		}
	}
}

// refused checks kind and words of an error.
func refused(t *testing.T, err, kind error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if kind != nil && !is(err, kind) {
		t.Errorf("%v is not of kind %q", err, kind)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not contain %q", err, w)
		}
	}
}
