package hostd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/hostd/hostdtest"
)

// serveOn serves a machine's store until the test ends.
func serveOn(t *testing.T, m *hostdtest.Machine, a *authority) (address string) {
	t.Helper()
	cert, key := a.issue(t, "seed")
	ctx, cancel := context.WithCancel(context.Background())
	port, done := make(chan int, 1), make(chan error, 1)
	go func() {
		done <- m.Host().Serve(ctx, &hostapi.Serve{Address: "127.0.0.1", Certificate: cert, Key: key, Authority: a.pem}, func(p int) { port <- p })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	select {
	case p := <-port:
		return fmt.Sprintf("127.0.0.1:%d", p)
	case err := <-done:
		done <- nil
		t.Fatalf("Serve: %v", err)
		return ""
	}
}

func TestFetch(t *testing.T) {
	a := newAuthority(t)
	seed := newMachine(t)
	big := bytes.Repeat([]byte("kubelet "), 1<<20)
	good, err := seed.PutBlob(big)
	must(t, err)
	small, err := seed.PutBlob([]byte("small"))
	must(t, err)
	tampered, err := seed.PutBlob([]byte("will be tampered with"))
	must(t, err)
	spoilt := seed.Path("/opt/trivet/store/sha256/" + tampered.SHA256)
	must(t, os.Chmod(spoilt, 0o644))
	must(t, os.WriteFile(spoilt, []byte("HAS BEEN tampered wit"), 0o644))
	address := serveOn(t, seed, a)
	cert, key := a.issue(t, "peer")
	request := func(blobs ...hostapi.Blob) *hostapi.Fetch {
		return &hostapi.Fetch{From: address, ServerName: "seed", Certificate: cert, Key: key, Authority: a.pem, Blobs: blobs}
	}
	t.Run("several peers at once", func(t *testing.T) {
		var wg sync.WaitGroup
		for range 4 {
			m := newMachine(t)
			wg.Go(func() {
				var ev events
				if err := m.Host().Fetch(t.Context(), request(good, small, good), ev.emit); err != nil {
					t.Errorf("Fetch: %v", err)
					return
				}
				if ev.all() != "done done unchanged" {
					t.Errorf("events: %s", ev.all())
				}
				p := m.Path("/opt/trivet/store/sha256/" + good.SHA256)
				if b, err := os.ReadFile(p); err != nil || !bytes.Equal(b, big) {
					t.Errorf("the blob did not arrive whole: %v", err)
				}
				if fi, err := os.Stat(p); err != nil || fi.Mode() != 0o555 {
					t.Errorf("the blob has mode %v, want 0555", fi.Mode())
				}
			})
		}
		wg.Wait()
	})
	t.Run("tampered", func(t *testing.T) {
		m := newMachine(t)
		err := m.Host().Fetch(t.Context(), request(small, tampered), nil)
		he := wantCode(t, err, hostapi.CodeDigest)
		if he.Op != 1 || !strings.Contains(he.Error(), tampered.SHA256) {
			t.Errorf("error %v does not say which blob", he)
		}
		names, _ := os.ReadDir(m.Path("/opt/trivet/store/sha256"))
		if len(names) != 1 || names[0].Name() != small.SHA256 {
			t.Errorf("the store holds %v, want the good blob alone", names)
		}
	})
	t.Run("not there", func(t *testing.T) {
		err := newMachine(t).Host().Fetch(t.Context(), request(hostapi.Blob{SHA256: strings.Repeat("0", 64), Size: 1}), nil)
		wantCode(t, err, hostapi.CodeFailed)
	})
	t.Run("peer of another run", func(t *testing.T) {
		other := newAuthority(t)
		r := request(small)
		r.Certificate, r.Key = other.issue(t, "peer")
		wantCode(t, newMachine(t).Host().Fetch(t.Context(), r, nil), hostapi.CodeFailed)
		r = request(small)
		r.Authority = other.pem
		wantCode(t, newMachine(t).Host().Fetch(t.Context(), r, nil), hostapi.CodeFailed)
	})
	t.Run("wrong server name", func(t *testing.T) {
		r := request(small)
		r.ServerName = "someone-else"
		wantCode(t, newMachine(t).Host().Fetch(t.Context(), r, nil), hostapi.CodeFailed)
	})
}

func TestReceive(t *testing.T) {
	m := newMachine(t)
	stage := func(content string) string {
		must(t, os.WriteFile(m.Path("/var/tmp/staged"), []byte(content), 0o600))
		return "/var/tmp/staged"
	}
	blob := hostapi.Blob{SHA256: hostapi.Digest([]byte("good")), Size: 4}
	for name, content := range map[string]string{"other bytes": "evil", "more bytes": "good and more", "fewer bytes": "goo"} {
		t.Run(name, func(t *testing.T) {
			err := m.Host().Receive(t.Context(), &hostapi.Receive{Path: stage(content), Blob: blob})
			wantCode(t, err, hostapi.CodeDigest)
			if _, err := os.Lstat(m.Path("/var/tmp/staged")); err == nil {
				t.Error("the staged file is still there")
			}
		})
	}
	t.Run("link", func(t *testing.T) {
		secret := filepath.Join(t.TempDir(), "secret")
		must(t, os.WriteFile(secret, []byte("good"), 0o600))
		must(t, os.Symlink(secret, m.Path("/var/tmp/staged")))
		if err := m.Host().Receive(t.Context(), &hostapi.Receive{Path: "/var/tmp/staged", Blob: blob}); err == nil {
			t.Error("a link was followed")
		}
	})
	if err := m.Host().Receive(t.Context(), &hostapi.Receive{Path: stage("good"), Blob: blob}); err != nil {
		t.Fatal(err)
	}
	large := strings.Repeat("0123456789abcdef", 9<<20/16) // is written out on the way
	digest := hostapi.Digest([]byte(large))
	if err := m.Host().Receive(t.Context(), &hostapi.Receive{Path: stage(large), Blob: hostapi.Blob{SHA256: digest, Size: int64(len(large))}}); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(m.Path("/opt/trivet/store/sha256/" + digest)); err != nil || string(b) != large {
		t.Errorf("of %d bytes %d came: %v", len(large), len(b), err)
	}
	left := filepath.Join(m.Path("/opt/trivet/store/sha256"), ".incoming-left")
	must(t, os.WriteFile(left, []byte("half"), 0o600))
	run(t, m, hostapi.Operation{Prune: true})
	names, err := os.ReadDir(m.Path("/opt/trivet/store/sha256"))
	if err != nil || len(names) != 0 {
		t.Errorf("after Prune the store holds %v (%v)", names, err)
	}
}

func TestHold(t *testing.T) {
	m := newMachine(t)
	before := tree(t, m.Root)
	hold := func(ctx context.Context, actor string, from *hostapi.Holder) (held chan struct{}, done chan error) {
		held, done = make(chan struct{}), make(chan error, 1)
		go func() {
			done <- m.Host().Hold(ctx, &hostapi.Hold{From: from, Holder: hostapi.Holder{Actor: actor, Purpose: "apply", Epoch: 3}}, func() { close(held) })
		}()
		return held, done
	}
	ctx, cancel := context.WithCancel(t.Context())
	held, first := hold(ctx, "ann@desk", nil)
	<-held
	if who := observe(t, m).Holder; who == nil || who.Actor != "ann@desk" || who.Epoch != 3 {
		t.Errorf("the holder is shown as %+v", who)
	}
	he := wantCode(t, m.Host().Hold(t.Context(), &hostapi.Hold{Holder: hostapi.Holder{Actor: "bob"}}, func() {}), hostapi.CodeHeld)
	if !strings.Contains(he.Message, "ann@desk") || !strings.Contains(he.Message, "apply") {
		t.Errorf("the error does not say who holds it: %s", he.Message)
	}
	held2, second := hold(ctx, "bob@desk", observe(t, m).Holder)
	<-held2
	must(t, <-first)
	if who := observe(t, m).Holder; who == nil || who.Actor != "bob@desk" {
		t.Errorf("after a takeover the holder is %+v", who)
	}
	cancel()
	must(t, <-second)
	if who := observe(t, m).Holder; who != nil {
		t.Errorf("after release the holder is %+v", who)
	}
	sameTree(t, "a host that was held and not touched", before, tree(t, m.Root))
}

// TestHoldOfADeadHelper: what a helper that was killed left says nothing.
func TestHoldOfADeadHelper(t *testing.T) {
	m := newMachine(t)
	run(t, m, ensure(hostapi.Item{Directory: &hostapi.Directory{Path: "/etc/a", Mode: 0o755}})...)
	must(t, os.WriteFile(m.Path("/var/lib/trivet/run.lock"), nil, 0o600))
	must(t, os.WriteFile(m.Path("/var/lib/trivet/holder.json"), []byte(`{"actor":"ghost","pid":1,"start":"0"}`), 0o600))
	if who := observe(t, m).Holder; who != nil {
		t.Errorf("a stale holder file makes a holder: %+v", who)
	}
	ctx, cancel := context.WithCancel(t.Context())
	must(t, m.Host().Hold(ctx, &hostapi.Hold{Holder: hostapi.Holder{Actor: "ann"}}, cancel))
}

func TestDial(t *testing.T) {
	m := newMachine(t)
	l, err := net.Listen("unix", m.Path("/run/x.sock"))
	must(t, err)
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err == nil {
			_, _ = io.Copy(c, c)
			c.Close()
		}
	}()
	c, err := m.Host().Dial(t.Context(), &hostapi.Endpoint{Network: "unix", Address: "/run/x.sock"})
	must(t, err)
	defer c.Close()
	_, err = c.Write([]byte("hello"))
	must(t, err)
	buf := make([]byte, 5)
	if _, err := io.ReadFull(c, buf); err != nil || string(buf) != "hello" {
		t.Errorf("echoed %q, %v", buf, err)
	}
	_, err = m.Host().Dial(t.Context(), &hostapi.Endpoint{Network: "unix", Address: "/run/nothing.sock"})
	wantCode(t, err, hostapi.CodeFailed)
}

func TestDialTLSWithKeysOfTheHost(t *testing.T) {
	a := newAuthority(t)
	seed, m := newMachine(t), newMachine(t)
	_, err := seed.PutBlob([]byte("x"))
	must(t, err)
	address := serveOn(t, seed, a) // a server that wants a client's certificate
	cert, key := a.issue(t, "client")
	must(t, os.WriteFile(m.Path("/etc/ca.pem"), a.pem, 0o644))
	must(t, os.WriteFile(m.Path("/etc/c.pem"), cert, 0o644))
	must(t, os.WriteFile(m.Path("/etc/k.pem"), key, 0o600))
	c, err := m.Host().Dial(t.Context(), &hostapi.Endpoint{Network: "tcp", Address: address, TLS: &hostapi.TLS{
		Authority: "/etc/ca.pem", Certificate: "/etc/c.pem", Key: "/etc/k.pem", ServerName: "seed", Protocols: []string{"http/1.1"},
	}})
	must(t, err)
	defer c.Close()
	_, err = io.WriteString(c, "GET /nothing HTTP/1.1\r\nHost: seed\r\nConnection: close\r\n\r\n")
	must(t, err)
	b, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 404") {
		t.Errorf("answer %q, %v", b, err)
	}
	_, err = m.Host().Dial(t.Context(), &hostapi.Endpoint{Network: "tcp", Address: address, TLS: &hostapi.TLS{Authority: "/etc/ca.pem", ServerName: "other"}})
	wantCode(t, err, hostapi.CodeFailed)
}

// TestDiskFull works on a small file system, so it needs the rights to mount one.
func TestDiskFull(t *testing.T) {
	m := smallDisk(t, "1m")
	small := hostapi.Item{File: &hostapi.File{Path: "/etc/a/small", Mode: 0o644, Content: []byte("x")}}
	large := hostapi.Item{File: &hostapi.File{Path: "/etc/a/large", Mode: 0o644, Content: bytes.Repeat([]byte("x"), 2<<20)}}
	he := wantCode(t, stepErr(m, t.Context(), ensure(small, large)...), hostapi.CodeDiskFull)
	if he.Op != 1 || he.Remedy == "" {
		t.Errorf("error %+v, want operation 1 and a remedy", he)
	}
	if _, err := os.Lstat(m.Path("/etc/a/large")); !errors.Is(err, os.ErrNotExist) {
		t.Error("the file that did not fit is there in part")
	}
	o := observe(t, m)
	if len(o.Record.Items) != 2 || o.Record.Items[0].Pending || !o.Record.Items[1].Pending {
		t.Errorf("recorded: %+v", o.Record.Items)
	}
	_, err := m.PutBlob(bytes.Repeat([]byte("y"), 600<<10))
	wantCode(t, err, hostapi.CodeDiskFull)
	large.File.Content = []byte("fits")
	run(t, m, ensure(small, large)...)
	if d := observe(t, m).Drift; len(d) != 0 {
		t.Errorf("drift after space was found: %v", d)
	}
}
