package sshhost_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/remote"
	"github.com/trivet-dev/trivet/internal/remote/remotetest"
	"github.com/trivet-dev/trivet/internal/remote/sshhost"
)

func is(err, kind error) bool { return errors.Is(err, kind) }

func TestInProcessServer(t *testing.T) {
	remotetest.TestHost(t, func(t *testing.T) remote.Host {
		f := newFixture(t)
		return f.connect(f.config(f.server(remotetest.ServerOptions{UID: 1000})))
	})
}

func TestThroughBastionWithoutForwardingOnTheHost(t *testing.T) {
	f := newFixture(t)
	gate := f.server(remotetest.ServerOptions{Forward: true})
	remotetest.TestHost(t, func(t *testing.T) remote.Host {
		cfg := f.config(f.server(remotetest.ServerOptions{Forward: false}))
		cfg.Bastions = []sshhost.Hop{f.hop(gate, "gate")}
		return f.connect(cfg)
	})
	if got := gate.Connections(); got != 1 {
		t.Errorf("%d connections to the bastion", got)
	}
}

func TestHelperIsPlacedOnce(t *testing.T) {
	f := newFixture(t)
	staging := t.TempDir()
	s := f.server(remotetest.ServerOptions{Staging: staging})
	f.connect(f.config(s))
	entries, err := os.ReadDir(staging)
	if err != nil || len(entries) != 1 || !strings.HasPrefix(entries[0].Name(), "trivet-host-") {
		t.Fatalf("staging holds %v, %v", entries, err)
	}
	placed := filepath.Join(staging, entries[0].Name())
	before, err := os.Stat(placed)
	if err != nil {
		t.Fatal(err)
	}
	h := f.connect(f.config(s))
	if after, err := os.Stat(placed); err != nil || !os.SameFile(before, after) {
		t.Errorf("a second connection placed the helper again: %v", err)
	}
	if got := h.Stats().RoundTrips; got != 0 {
		t.Errorf("%d round trips after connecting", got)
	}
	// A file cut short by a full disk is not taken for the helper.
	if err := os.Truncate(placed, 10); err != nil {
		t.Fatal(err)
	}
	f.connect(f.config(s))
	if after, err := os.Stat(placed); err != nil || after.Size() != before.Size() {
		t.Errorf("a truncated helper was not replaced: %v, %v", after, err)
	}
}

func TestRefusedHosts(t *testing.T) {
	for _, tc := range []struct {
		name    string
		options remotetest.ServerOptions
		kind    error
		words   []string
	}{
		{"not Linux", remotetest.ServerOptions{System: "FreeBSD amd64"}, sshhost.ErrUnsupported, []string{"FreeBSD", "host bj1-cp1"}},
		{"architecture", remotetest.ServerOptions{System: "Linux riscv64"}, sshhost.ErrUnsupported, []string{"riscv64", "host bj1-cp1"}},
		{"no systemd", remotetest.ServerOptions{NoSystemd: true}, sshhost.ErrUnsupported, []string{"systemd", "host bj1-cp1"}},
		{"no scp", remotetest.ServerOptions{NoSCP: true}, sshhost.ErrUnsupported, []string{"scp is not installed", "openssh-client"}},
		{"sudo asks", remotetest.ServerOptions{UID: 1000, Sudo: remotetest.SudoPassword}, sshhost.ErrSudo,
			[]string{"sudo refused for ops", "host bj1-cp1", "NOPASSWD", "sudo_password_file"}},
		{"sudo denies", remotetest.ServerOptions{UID: 1000, Sudo: remotetest.SudoDenied}, sshhost.ErrSudo, []string{"not in the sudoers file"}},
		{"sudo wants a terminal", remotetest.ServerOptions{UID: 1000, Sudo: remotetest.SudoTTY}, sshhost.ErrSudo, []string{"requiretty"}},
		{"helper fails", remotetest.ServerOptions{Helper: func(_ context.Context, _ io.ReadWriteCloser, stderr io.Writer) int {
			fmt.Fprintln(stderr, "trivet-host: no space left on device")
			return 3
		}}, sshhost.ErrHelper, []string{"status 3", "no space left on device", "host bj1-cp1"}},
		{"helper says something else", remotetest.ServerOptions{Helper: func(_ context.Context, rw io.ReadWriteCloser, _ io.Writer) int {
			fmt.Fprint(rw, "Welcome to the jungle\n")
			return 0
		}}, sshhost.ErrHelper, []string{"Welcome to the jungle"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t)
			_, err := f.pool.Connect(within(t), f.config(f.server(tc.options)))
			refused(t, err, tc.kind, tc.words...)
			if strings.Count(err.Error(), "bj1-cp1") != 1 {
				t.Errorf("%q names the host more or less than once", err)
			}
		})
	}
}

func TestStagingOfSomebodyElse(t *testing.T) {
	f := newFixture(t)
	cfg := f.config(f.server(remotetest.ServerOptions{}))
	cfg.Staging = "/var/tmp/$(id)"
	_, err := f.pool.Connect(within(t), cfg)
	refused(t, err, nil, "bj1-cp1", "staging")
}

func TestSudoPassword(t *testing.T) {
	const right = "correct horse $battery"
	for _, tc := range []struct {
		name  string
		given string
		sudo  remotetest.Sudo
		asked int
		words []string
	}{
		{"right", right, remotetest.SudoPassword, 1, nil},
		{"not needed", right, remotetest.SudoFree, 0, nil},
		{"wrong", "planted-wrong-password", remotetest.SudoPassword, 1, []string{"sudo refused for ops", "password is wrong", "host bj1-cp1"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t)
			cfg := f.config(f.server(remotetest.ServerOptions{UID: 1000, Sudo: tc.sudo, Password: right}))
			asked := 0
			cfg.SudoPassword = func(context.Context) (string, error) { asked++; return tc.given, nil }
			h, err := f.pool.Connect(within(t), cfg)
			if asked != tc.asked {
				t.Errorf("the password was asked for %d times", asked)
			}
			if tc.words != nil {
				refused(t, err, sshhost.ErrSudo, tc.words...)
				if strings.Contains(err.Error(), tc.given) {
					t.Errorf("the password is in %q", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			if _, err := h.Observe(within(t), hostapi.ObserveRequest{}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestLogin(t *testing.T) {
	f := newFixture(t)
	other, otherPublic := writeKey(t, f.dir, "other")
	s := f.server(remotetest.ServerOptions{})

	t.Run("wrong key", func(t *testing.T) {
		cfg := f.config(s)
		cfg.PrivateKeys = []string{other}
		before := s.Connections()
		_, err := f.pool.Connect(within(t), cfg)
		refused(t, err, sshhost.ErrAuth, "user ops", other, ssh.FingerprintSHA256(otherPublic), "authorized_keys")
		if got := s.Connections() - before; got != 1 {
			t.Errorf("%d connections were made", got)
		}
	})
	t.Run("second key", func(t *testing.T) {
		cfg := f.config(s)
		cfg.PrivateKeys = []string{other, f.keyPath}
		f.connect(cfg)
	})
	t.Run("key without a file", func(t *testing.T) {
		text, err := os.ReadFile(f.keyPath)
		if err != nil {
			t.Fatal(err)
		}
		cfg := f.config(s)
		cfg.PrivateKeys = []string{"the key of the run"}
		pool := sshhost.NewPool(sshhost.Options{Keys: map[string][]byte{"the key of the run": text}})
		defer pool.Close()
		h, err := pool.Connect(within(t), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		cfg.PrivateKeys = []string{"a broken key"}
		broken := sshhost.NewPool(sshhost.Options{Keys: map[string][]byte{"a broken key": []byte("PLANTED")}})
		defer broken.Close()
		_, err = broken.Connect(within(t), cfg)
		refused(t, err, sshhost.ErrAuth, "a broken key", "not usable")
		if strings.Contains(err.Error(), "PLANTED") {
			t.Errorf("the error repeats the key: %v", err)
		}
	})
	t.Run("missing key file", func(t *testing.T) {
		cfg := f.config(s)
		cfg.PrivateKeys = []string{filepath.Join(f.dir, "none")}
		before := s.Connections()
		_, err := f.pool.Connect(within(t), cfg)
		refused(t, err, sshhost.ErrAuth, "none", "bj1-cp1")
		if got := s.Connections() - before; got != 0 {
			t.Errorf("%d connections were made", got)
		}
	})
	t.Run("encrypted key", func(t *testing.T) {
		encrypted, public := encryptedKey(t, f.dir, "phrase of passing")
		s := f.server(remotetest.ServerOptions{Authorized: []ssh.PublicKey{public}})
		cfg := f.config(s)
		cfg.PrivateKeys = []string{encrypted}
		_, err := f.pool.Connect(within(t), cfg)
		refused(t, err, sshhost.ErrAuth, encrypted, "passphrase", "agent")
		if s.Connections() != 0 {
			t.Error("the host was contacted")
		}
		cfg.Passphrase = func(context.Context, string) (string, error) { return "phrase of passing", nil }
		f.connect(cfg)
	})
	t.Run("agent", func(t *testing.T) {
		startAgent(t, f.keyPath)
		cfg := f.config(s)
		cfg.PrivateKeys, cfg.Agent = nil, true
		f.connect(cfg)
	})
	t.Run("no agent", func(t *testing.T) {
		t.Setenv("SSH_AUTH_SOCK", "")
		cfg := f.config(s)
		cfg.PrivateKeys, cfg.Agent = nil, true
		_, err := sshhost.NewPool(sshhost.Options{}).Connect(within(t), cfg)
		refused(t, err, sshhost.ErrAuth, "SSH_AUTH_SOCK")
	})
	t.Run("no agent, but a key", func(t *testing.T) {
		t.Setenv("SSH_AUTH_SOCK", "")
		cfg := f.config(s)
		cfg.Agent = true
		h, err := sshhost.NewPool(sshhost.Options{}).Connect(within(t), cfg)
		if err != nil {
			t.Fatal(err)
		}
		_ = h.Close()
	})
}

func TestUnreachable(t *testing.T) {
	f := newFixture(t)
	s := f.server(remotetest.ServerOptions{})
	cfg := f.config(s)
	_ = s.Close()
	_, err := f.pool.Connect(within(t), cfg)
	refused(t, err, sshhost.ErrUnreachable, "host bj1-cp1", "connection refused")
}

func TestSilentServer(t *testing.T) {
	f := newFixture(t)
	s := f.server(remotetest.ServerOptions{})
	defer s.Freeze()()
	cfg := f.config(s)
	cfg.ConnectTimeout = 100 * time.Millisecond
	_, err := f.pool.Connect(within(t), cfg)
	refused(t, err, sshhost.ErrUnreachable, "host bj1-cp1", "within 100ms")
}

func TestBastionChain(t *testing.T) {
	f := newFixture(t)
	outer, inner := f.server(remotetest.ServerOptions{Forward: true}), f.server(remotetest.ServerOptions{Forward: true})
	bastions := []sshhost.Hop{f.hop(outer, "outer"), f.hop(inner, "inner")}
	var servers []*remotetest.Server
	for range 20 {
		servers = append(servers, f.server(remotetest.ServerOptions{}))
	}
	var wg sync.WaitGroup
	for i, s := range servers {
		wg.Go(func() {
			cfg := f.config(s)
			cfg.Name, cfg.Bastions = fmt.Sprint("w", i), bastions
			h, err := f.pool.Connect(within(t), cfg)
			if err != nil {
				t.Error(err)
				return
			}
			defer h.Close()
			if _, err := h.Observe(within(t), hostapi.ObserveRequest{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, s := range append(servers, outer, inner) {
		if got := s.Connections(); got != 1 {
			t.Errorf("%d connections to one of the servers", got)
		}
	}
}

func TestBastionKeyIsChecked(t *testing.T) {
	f := newFixture(t)
	outer, inner, target := f.server(remotetest.ServerOptions{Forward: true}), f.server(remotetest.ServerOptions{Forward: true}), f.server(remotetest.ServerOptions{})
	for _, tc := range []struct {
		name  string
		spoil func(*sshhost.Config)
		words string
	}{
		{"first", func(c *sshhost.Config) { c.Bastions[0].HostKey = inner.HostKey() }, "bastion outer"},
		{"second", func(c *sshhost.Config) { c.Bastions[1].HostKey = outer.HostKey() }, "bastion inner"},
		{"host", func(c *sshhost.Config) { c.HostKey = outer.HostKey() }, "host bj1-cp1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := f.config(target)
			cfg.Bastions = []sshhost.Hop{f.hop(outer, "outer"), f.hop(inner, "inner")}
			tc.spoil(&cfg)
			_, err := f.pool.Connect(within(t), cfg)
			refused(t, err, sshhost.ErrHostKey, tc.words, "HOST KEY CHANGED")
		})
	}
}

func TestRefusedBastionIsAskedOnce(t *testing.T) {
	f := newFixture(t)
	gate := f.server(remotetest.ServerOptions{Forward: true, Authorized: []ssh.PublicKey{}})
	target := f.server(remotetest.ServerOptions{})
	cfg := f.config(target)
	cfg.Bastions = []sshhost.Hop{f.hop(gate, "gate")}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			_, err := f.pool.Connect(within(t), cfg)
			if !is(err, sshhost.ErrAuth) || !strings.Contains(err.Error(), "bastion gate") || !strings.Contains(err.Error(), "bj1-cp1") {
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
	if got := gate.Connections(); got != 1 {
		t.Errorf("the bastion was asked %d times", got)
	}
}

func TestBastionWithoutForwarding(t *testing.T) {
	f := newFixture(t)
	gate := f.server(remotetest.ServerOptions{})
	cfg := f.config(f.server(remotetest.ServerOptions{}))
	cfg.Bastions = []sshhost.Hop{f.hop(gate, "gate")}
	_, err := f.pool.Connect(within(t), cfg)
	refused(t, err, sshhost.ErrUnreachable, "host bj1-cp1", "bastion gate", "AllowTcpForwarding")
}

// TestCancelledBastionBuilder: the one that dials a bastion for all gives up; the others must not fail for it.
func TestCancelledBastionBuilder(t *testing.T) {
	f := newFixture(t)
	hold := make(chan struct{})
	gate := f.server(remotetest.ServerOptions{Forward: true, HoldLogin: hold})
	cfg := f.config(f.server(remotetest.ServerOptions{}))
	cfg.Bastions = []sshhost.Hop{f.hop(gate, "gate")}
	ctx, cancel := context.WithCancel(within(t))
	first := make(chan error, 1)
	go func() {
		_, err := f.pool.Connect(ctx, cfg)
		first <- err
	}()
	until(t, "the first login", func() bool { return gate.Logins() > 0 })
	second := make(chan error, 1)
	go func() {
		h, err := f.pool.Connect(within(t), cfg)
		if err == nil {
			err = h.Close()
		}
		second <- err
	}()
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the first: %v", err)
	}
	close(hold)
	if err := <-second; err != nil {
		t.Errorf("the second: %v", err)
	}
}

// TestMaxStartups: sshd drops unauthenticated connections from the tenth on; ours stay below, whatever is asked at once.
func TestMaxStartups(t *testing.T) {
	f := newFixture(t)
	hold := make(chan struct{})
	s := f.server(remotetest.ServerOptions{HoldLogin: hold})
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			cfg := f.config(s)
			cfg.Name = fmt.Sprint("h", i)
			h, err := f.pool.Connect(within(t), cfg)
			if err != nil {
				t.Error(err)
				return
			}
			_ = h.Close()
		})
	}
	until(t, "the limit", func() bool { return s.Unauthenticated() == 8 })
	close(hold)
	wg.Wait()
	if s.Peak() > 8 {
		t.Errorf("%d connections at once were not logged in", s.Peak())
	}
}

// TestCancelled: a cancelled ctx takes effect within a second, wherever the connection is.
func TestCancelled(t *testing.T) {
	quick := func(t *testing.T, cancel func(), do func() error, when func()) {
		t.Helper()
		done := make(chan error, 1)
		go func() { done <- do() }()
		when()
		begin := time.Now()
		cancel()
		err := <-done
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if d := time.Since(begin); d > time.Second {
			t.Errorf("it took %s", d)
		}
	}
	t.Run("handshake", func(t *testing.T) {
		f := newFixture(t)
		s := f.server(remotetest.ServerOptions{})
		defer s.Freeze()()
		ctx, cancel := context.WithCancel(within(t))
		quick(t, cancel, func() error { _, err := f.pool.Connect(ctx, f.config(s)); return err },
			func() { until(t, "the connection", func() bool { return s.Unauthenticated() == 1 }) })
	})
	t.Run("login", func(t *testing.T) {
		f := newFixture(t)
		s := f.server(remotetest.ServerOptions{HoldLogin: make(chan struct{})})
		ctx, cancel := context.WithCancel(within(t))
		quick(t, cancel, func() error { _, err := f.pool.Connect(ctx, f.config(s)); return err },
			func() { until(t, "the login", func() bool { return s.Logins() == 1 }) })
	})
	t.Run("start of the helper", func(t *testing.T) {
		f := newFixture(t)
		started := make(chan struct{})
		s := f.server(remotetest.ServerOptions{Helper: func(ctx context.Context, _ io.ReadWriteCloser, _ io.Writer) int {
			close(started)
			<-ctx.Done()
			return 0
		}})
		ctx, cancel := context.WithCancel(within(t))
		quick(t, cancel, func() error { _, err := f.pool.Connect(ctx, f.config(s)); return err }, func() { <-started })
	})
	t.Run("step", func(t *testing.T) {
		f := newFixture(t)
		started, ended := make(chan struct{}), make(chan struct{})
		h := f.connect(f.config(f.server(remotetest.ServerOptions{Helper: remotetest.ServeHandler(&remotetest.Handler{
			OnStep: func(ctx context.Context, _ int, _ *hostapi.Step) error {
				close(started)
				<-ctx.Done()
				close(ended)
				return ctx.Err()
			}})})))
		ctx, cancel := context.WithCancel(within(t))
		quick(t, cancel, func() error { return h.Step(ctx, oneStep(h), nil) }, func() { <-started })
		<-ended // the helper's ctx was cancelled too
	})
	t.Run("request to a silent host", func(t *testing.T) {
		f := newFixture(t)
		s := f.server(remotetest.ServerOptions{})
		h := f.connect(f.config(s))
		defer s.Freeze()()
		ctx, cancel := context.WithCancel(within(t))
		quick(t, cancel, func() error { _, err := h.Observe(ctx, hostapi.ObserveRequest{}); return err }, func() {})
	})
	t.Run("upload to a silent host", func(t *testing.T) {
		f := newFixture(t)
		s := f.server(remotetest.ServerOptions{})
		h := f.connect(f.config(s))
		ctx, cancel := context.WithCancel(within(t))
		var thaw func()
		begun := make(chan struct{})
		var once sync.Once
		quick(t, cancel, func() error {
			return h.Upload(ctx, zeros{}, hostapi.Blob{SHA256: hostapi.Digest(nil), Size: 1 << 40}, func(int64) { once.Do(func() { close(begun) }) })
		}, func() {
			<-begun
			thaw = s.Freeze()
		})
		defer thaw()
		begin := time.Now()
		_ = h.Close()
		if d := time.Since(begin); d > 2*time.Second {
			t.Errorf("closing a silent host took %s", d)
		}
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func oneStep(h remote.Host) *hostapi.Step {
	return &hostapi.Step{Epoch: 1, Cluster: "c", ClusterID: "c-1", Host: h.Name(), Ops: []hostapi.Operation{
		{Ensure: &hostapi.Item{Directory: &hostapi.Directory{Path: "/etc/x", Mode: 0o755, Owner: "root", Group: "root"}}}}}
}

func TestKeepAlive(t *testing.T) {
	f := newFixture(t)
	s := f.server(remotetest.ServerOptions{})
	cfg := f.config(s)
	cfg.KeepAlive = 20 * time.Millisecond
	h := f.connect(cfg)
	if _, err := h.Observe(within(t), hostapi.ObserveRequest{}); err != nil {
		t.Fatal(err)
	}
	defer s.Freeze()()
	_, err := h.Observe(within(t), hostapi.ObserveRequest{})
	refused(t, err, nil, "host bj1-cp1", "no sign of life")
	if !remote.IsLost(err) {
		t.Errorf("%v does not count as a lost connection", err)
	}
}

func TestKeepAliveOfBastion(t *testing.T) {
	f := newFixture(t)
	gate := f.server(remotetest.ServerOptions{Forward: true})
	cfg := f.config(f.server(remotetest.ServerOptions{}))
	cfg.Bastions = []sshhost.Hop{f.hop(gate, "gate")}
	cfg.KeepAlive = 20 * time.Millisecond
	h := f.connect(cfg)
	defer gate.Freeze()()
	_, err := h.Observe(within(t), hostapi.ObserveRequest{})
	refused(t, err, nil, "host bj1-cp1", "no sign of life")
}

func TestConnectionCut(t *testing.T) {
	t.Run("during an upload", func(t *testing.T) {
		f := newFixture(t)
		s := f.server(remotetest.ServerOptions{})
		h := f.connect(f.config(s))
		s.CutAfter(1 << 20)
		content := bytes.Repeat([]byte("x"), 8<<20)
		err := h.Upload(within(t), bytes.NewReader(content), hostapi.Blob{SHA256: hostapi.Digest(content), Size: int64(len(content))}, nil)
		refused(t, err, nil, "host bj1-cp1", "lost")
		if !remote.IsLost(err) {
			t.Errorf("%v does not count as a lost connection", err)
		}
	})
	t.Run("during a step", func(t *testing.T) {
		f := newFixture(t)
		ended := make(chan struct{})
		var s *remotetest.Server
		s = f.server(remotetest.ServerOptions{Helper: remotetest.ServeHandler(&remotetest.Handler{
			OnStep: func(ctx context.Context, _ int, _ *hostapi.Step) error {
				s.Cut()
				<-ctx.Done()
				close(ended)
				return ctx.Err()
			}})})
		h := f.connect(f.config(s))
		err := h.Step(within(t), oneStep(h), nil)
		refused(t, err, nil, "host bj1-cp1", "lost")
		if !remote.IsLost(err) {
			t.Errorf("%v does not count as a lost connection", err)
		}
		<-ended
	})
}

func TestHelperDies(t *testing.T) {
	t.Run("panic of a handler", func(t *testing.T) {
		f := newFixture(t)
		h := f.connect(f.config(f.server(remotetest.ServerOptions{Helper: remotetest.ServeHandler(&remotetest.Handler{
			OnStep: func(context.Context, int, *hostapi.Step) error { panic("index out of range") }})})))
		err := h.Step(within(t), oneStep(h), nil)
		refused(t, err, nil, "host bj1-cp1", "panicked", "index out of range")
	})
	t.Run("death of the process", func(t *testing.T) {
		f := newFixture(t)
		h := f.connect(f.config(f.server(remotetest.ServerOptions{Helper: func(ctx context.Context, rw io.ReadWriteCloser, stderr io.Writer) int {
			ctx, cancel := context.WithCancel(ctx)
			_ = remotetest.ServeHandler(&remotetest.Handler{OnObserve: func(ctx context.Context) error {
				_ = rw.Close()
				cancel()
				<-ctx.Done()
				return ctx.Err()
			}})(ctx, rw, io.Discard)
			fmt.Fprintf(stderr, "panic: runtime error: invalid memory address\n\ngoroutine 7 [running]:\n%s", strings.Repeat("stack\n", 10_000))
			return 2
		}})))
		_, err := h.Observe(within(t), hostapi.ObserveRequest{})
		refused(t, err, nil, "host bj1-cp1", "status 2", "panic: runtime error: invalid memory address")
		if len(err.Error()) > 1000 {
			t.Errorf("the message has %d bytes", len(err.Error()))
		}
	})
}
