package remotetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/remote"
)

// TestHost is what every remote.Host must do, whatever carries it and whatever handler answers. newHost returns a connected host that no cluster owns.
func TestHost(t *testing.T, newHost func(t *testing.T) remote.Host) {
	for _, tc := range []struct {
		name string
		run  func(t *testing.T, h remote.Host)
	}{
		{"observe", testObserve},
		{"step", testStep},
		{"epoch", testEpoch},
		{"other cluster", testOtherCluster},
		{"big content", testBigContent},
		{"upload", testUpload},
		{"wrong digest", testWrongDigest},
		{"short upload", testShortUpload},
		{"hold", testHold},
		{"dial", testDial},
		{"dial half-close", testDialHalfClose},
		{"dial deadline", testDialDeadline},
		{"dial refused", testDialRefused},
		{"at once", testAtOnce},
		{"cancelled before", testCancelledBefore},
		{"step cancelled", testStepCancelled},
		{"closed during a step", testClosedDuringStep},
		{"upload cancelled", testUploadCancelled},
		{"read only", testReadOnly},
		{"closed", testClosed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHost(t)
			t.Cleanup(func() { _ = h.Close() })
			tc.run(t, h)
		})
	}
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// code returns the code of the helper's error in err.
func code(err error) hostapi.Code {
	var e *hostapi.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func namesHost(t *testing.T, h remote.Host, err error) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), h.Name()) {
		t.Errorf("error %v does not name host %s", err, h.Name())
	}
}

func directory(path string) hostapi.Operation {
	return hostapi.Operation{Ensure: &hostapi.Item{Directory: &hostapi.Directory{Path: path, Mode: 0o755, Owner: "root", Group: "root"}}}
}

func file(path string, content []byte) hostapi.Operation {
	return hostapi.Operation{Ensure: &hostapi.Item{File: &hostapi.File{Path: path, Mode: 0o644, Owner: "root", Group: "root",
		SHA256: hostapi.Digest(content), Content: content}}}
}

func step(h remote.Host, epoch uint64, ops ...hostapi.Operation) *hostapi.Step {
	return &hostapi.Step{Epoch: epoch, Cluster: "suite", ClusterID: "c-1", Host: h.Name(), Actor: "suite@here", Ops: ops}
}

func testObserve(t *testing.T, h remote.Host) {
	before := h.Stats()
	o, err := h.Observe(within(t), hostapi.ObserveRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if o.Record != nil || o.Holder != nil {
		t.Errorf("a fresh host has record %v, holder %v", o.Record, o.Holder)
	}
	if o.Facts.Architecture == "" || o.Facts.Hostname == "" {
		t.Errorf("facts are missing: %+v", o.Facts)
	}
	after := h.Stats()
	if got := after.RoundTrips - before.RoundTrips; got != 1 {
		t.Errorf("observing took %d round trips", got)
	}
	if after.BytesSent <= before.BytesSent || after.BytesReceived <= before.BytesReceived {
		t.Errorf("no bytes counted: %+v, then %+v", before, after)
	}
}

func testStep(t *testing.T, h remote.Host) {
	ctx := within(t)
	var done []int
	err := h.Step(ctx, step(h, 1, directory("/etc/suite"), file("/etc/suite/a", []byte("one\n"))), func(e hostapi.Event) {
		if e.State == "done" || e.State == "unchanged" {
			done = append(done, e.Op)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{0, 1}, done); diff != "" {
		t.Errorf("operations done:\n%s", diff)
	}
	o, err := h.Observe(ctx, hostapi.ObserveRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if o.Record == nil || o.Record.ClusterID != "c-1" || len(o.Record.Items) != 2 || len(o.Drift) != 0 {
		t.Fatalf("record %+v, drift %v", o.Record, o.Drift)
	}
	if f := o.Record.Items[1].Item.File; f == nil || f.SHA256 != hostapi.Digest([]byte("one\n")) || f.Content != nil {
		t.Errorf("recorded file %+v", f)
	}
	if err := h.Step(ctx, step(h, 1, hostapi.Operation{Document: &hostapi.Document{Name: "inventory", Generation: 3, Content: []byte{0, 1, 0xff}}}), nil); err != nil {
		t.Fatal(err)
	}
	if o, err = h.Observe(ctx, hostapi.ObserveRequest{}); err != nil {
		t.Fatal(err)
	}
	if d := o.Documents["inventory"]; d.Generation != 3 || !bytes.Equal(d.Content, []byte{0, 1, 0xff}) {
		t.Errorf("document %+v", d)
	}
}

func testEpoch(t *testing.T, h remote.Host) {
	ctx := within(t)
	if err := h.Step(ctx, step(h, 5, directory("/etc/suite")), nil); err != nil {
		t.Fatal(err)
	}
	if err := h.RaiseEpoch(ctx, hostapi.RaiseEpoch{Epoch: 7, ClusterID: "c-1"}); err != nil {
		t.Fatal(err)
	}
	err := h.Step(ctx, step(h, 6, directory("/etc/suite")), nil)
	if code(err) != hostapi.CodeStaleEpoch {
		t.Errorf("a stale epoch gave %v", err)
	}
	namesHost(t, h, err)
}

func testOtherCluster(t *testing.T, h remote.Host) {
	ctx := within(t)
	if err := h.Step(ctx, step(h, 1, directory("/etc/suite")), nil); err != nil {
		t.Fatal(err)
	}
	other := step(h, 2, directory("/etc/suite"))
	other.ClusterID = "c-2"
	if err := h.Step(ctx, other, nil); code(err) != hostapi.CodeOtherCluster {
		t.Errorf("another cluster gave %v", err)
	}
}

func testBigContent(t *testing.T, h remote.Host) {
	content := noise(12 << 20)
	if err := h.Step(within(t), step(h, 1, directory("/etc/suite"), file("/etc/suite/big", content)), nil); err != nil {
		t.Fatal(err)
	}
}

func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b)
	return b
}

func testUpload(t *testing.T, h remote.Host) {
	ctx := within(t)
	content := noise(3<<20 + 17)
	blob := hostapi.Blob{SHA256: hostapi.Digest(content), Size: int64(len(content))}
	var last int64
	if err := h.Upload(ctx, bytes.NewReader(content), blob, func(n int64) {
		if n < last {
			t.Errorf("progress went from %d to %d", last, n)
		}
		last = n
	}); err != nil {
		t.Fatal(err)
	}
	if last != blob.Size {
		t.Errorf("progress ended at %d of %d", last, blob.Size)
	}
	o, err := h.Observe(ctx, hostapi.ObserveRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]hostapi.Blob{blob}, o.Blobs); diff != "" {
		t.Errorf("blobs:\n%s", diff)
	}
	if got := h.Stats().BytesSent; got < blob.Size {
		t.Errorf("%d bytes sent were counted", got)
	}
}

func testWrongDigest(t *testing.T, h remote.Host) {
	ctx := within(t)
	content := noise(1000)
	blob := hostapi.Blob{SHA256: hostapi.Digest([]byte("something else")), Size: 1000}
	err := h.Upload(ctx, bytes.NewReader(content), blob, nil)
	if code(err) != hostapi.CodeDigest {
		t.Errorf("a wrong digest gave %v", err)
	}
	namesHost(t, h, err)
	o, err := h.Observe(ctx, hostapi.ObserveRequest{})
	if err != nil || len(o.Blobs) != 0 {
		t.Errorf("blobs %v, %v", o, err)
	}
}

func testShortUpload(t *testing.T, h remote.Host) {
	content := noise(1000)
	blob := hostapi.Blob{SHA256: hostapi.Digest(content), Size: 2000}
	err := h.Upload(within(t), bytes.NewReader(content), blob, nil)
	namesHost(t, h, err)
	if err == nil || !strings.Contains(err.Error(), "1000 bytes early") {
		t.Errorf("a short upload gave %v", err)
	}
	if _, err := h.Observe(within(t), hostapi.ObserveRequest{}); err != nil {
		t.Errorf("the host is of no use after it: %v", err)
	}
}

func testHold(t *testing.T, h remote.Host) {
	ctx := within(t)
	ask := hostapi.Hold{Holder: hostapi.Holder{Actor: "ann@laptop", Purpose: "apply", Since: time.Unix(1_700_000_000, 0)}}
	release, lost, err := h.Hold(ctx, ask)
	if err != nil {
		t.Fatal(err)
	}
	o, err := h.Observe(ctx, hostapi.ObserveRequest{})
	if err != nil || o.Holder == nil || o.Holder.Actor != "ann@laptop" {
		t.Errorf("holder %v, %v", o, err)
	}
	_, _, err = h.Hold(ctx, hostapi.Hold{Holder: hostapi.Holder{Actor: "bob@desk"}})
	if code(err) != hostapi.CodeHeld || !strings.Contains(err.Error(), "ann@laptop") {
		t.Errorf("a second holder got %v", err)
	}
	if err := release.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-lost:
		t.Error("a released lock counts as lost")
	default:
	}
	// Release is done when Close has returned.
	release, lost, err = h.Hold(ctx, ask)
	if err != nil {
		t.Fatalf("after release: %v", err)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	select {
	case <-lost:
	case <-ctx.Done():
		t.Error("the lock was not reported lost with the connection")
	}
	_ = release.Close()
}

// listen serves each connection with f.
func listen(t *testing.T, f func(net.Conn)) hostapi.Endpoint {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				f(c)
			}()
		}
	}()
	return hostapi.Endpoint{Network: "tcp", Address: l.Addr().String()}
}

func testDial(t *testing.T, h remote.Host) {
	ctx := within(t)
	closed := make(chan struct{})
	to := listen(t, func(c net.Conn) {
		_, _ = io.Copy(c, c)
		close(closed)
	})
	c, err := h.Dial(ctx, to)
	if err != nil {
		t.Fatal(err)
	}
	content := noise(2 << 20)
	go func() {
		if _, err := c.Write(content); err != nil {
			t.Error(err)
		}
	}()
	got := make([]byte, len(content))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, content) {
		t.Errorf("what came back is different: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	select {
	case <-closed:
	case <-ctx.Done():
		t.Error("closing did not reach the other end")
	}
	if _, err := c.Read(got); !errors.Is(err, net.ErrClosed) {
		t.Errorf("reading after Close gave %v", err)
	}
}

func testDialHalfClose(t *testing.T, h remote.Host) {
	to := listen(t, func(c net.Conn) {
		b, _ := io.ReadAll(c)
		_, _ = c.Write(append([]byte("got "), b...))
	})
	c, err := h.Dial(within(t), to)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("all of it")); err != nil {
		t.Fatal(err)
	}
	hc, ok := c.(interface{ CloseWrite() error })
	if !ok {
		t.Fatalf("%T has no CloseWrite", c)
	}
	if err := hc.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil || string(got) != "got all of it" {
		t.Errorf("%q, %v", got, err)
	}
}

func testDialDeadline(t *testing.T, h remote.Host) {
	release := make(chan struct{})
	to := listen(t, func(c net.Conn) {
		<-release
		_, _ = c.Write([]byte("late"))
	})
	c, err := h.Dial(within(t), to)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	buf := make([]byte, 4)
	var ne net.Error
	if _, err := c.Read(buf); !errors.As(err, &ne) || !ne.Timeout() {
		t.Errorf("a passed deadline gave %v", err)
	}
	_ = c.SetReadDeadline(time.Time{})
	close(release)
	if _, err := io.ReadFull(c, buf); err != nil || string(buf) != "late" {
		t.Errorf("after the deadline: %q, %v", buf, err)
	}
}

func testDialRefused(t *testing.T, h remote.Host) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	_, err = h.Dial(within(t), hostapi.Endpoint{Network: "tcp", Address: address})
	namesHost(t, h, err)
	if err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("dialling a closed port gave %v", err)
	}
}

func testAtOnce(t *testing.T, h remote.Host) {
	ctx := within(t)
	to := listen(t, func(c net.Conn) { _, _ = io.Copy(c, c) })
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			if i%2 == 0 {
				if _, err := h.Observe(ctx, hostapi.ObserveRequest{}); err != nil {
					t.Error(err)
				}
				return
			}
			c, err := h.Dial(ctx, to)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			if _, err := c.Write([]byte("ping")); err != nil {
				t.Error(err)
			}
			got := make([]byte, 4)
			if _, err := io.ReadFull(c, got); err != nil || string(got) != "ping" {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	wg.Wait()
}

func testCancelledBefore(t *testing.T, h remote.Host) {
	ctx, cancel := context.WithCancel(within(t))
	cancel()
	if err := h.Step(ctx, step(h, 1, directory("/etc/suite")), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("step: %v", err)
	}
	if _, err := h.Dial(ctx, hostapi.Endpoint{Network: "tcp", Address: "127.0.0.1:1"}); !errors.Is(err, context.Canceled) {
		t.Errorf("dial: %v", err)
	}
	o, err := h.Observe(within(t), hostapi.ObserveRequest{})
	if err != nil || o.Record != nil {
		t.Errorf("record %v, %v", o, err)
	}
}

// testStepCancelled: Step returns when the host has ended the operation at hand, with it recorded and nothing after it begun.
func testStepCancelled(t *testing.T, h remote.Host) {
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	done := map[int]string{}
	err := h.Step(ctx, step(h, 1, directory("/etc/suite"), file(HeldPath, []byte("1\n")), file("/etc/suite/after", []byte("2\n"))), func(e hostapi.Event) {
		if done[e.Op] = e.State; e.Op == 1 && e.State == "started" {
			cancel()
		}
	})
	var he *hostapi.Error
	if !errors.Is(err, context.Canceled) || !errors.As(err, &he) || he.Code != hostapi.CodeCancelled || he.Op != 2 {
		t.Errorf("the cancelled step gave %v", err)
	}
	namesHost(t, h, err)
	if diff := cmp.Diff(map[int]string{0: "done", 1: "done"}, done); diff != "" {
		t.Errorf("last events of operations:\n%s", diff)
	}
	o, err := h.Observe(within(t), hostapi.ObserveRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if o.Record == nil || len(o.Record.Items) != 2 || o.Record.Items[1].Item.ID().Name != HeldPath || o.Record.Items[1].Pending {
		t.Errorf("record %+v", o.Record)
	}
}

// testClosedDuringStep: closing the connection does not wait for a step, and the step says that its end is not known.
func testClosedDuringStep(t *testing.T, h remote.Host) {
	begun := make(chan struct{})
	go func() {
		<-begun
		_ = h.Close()
	}()
	begin := time.Now()
	err := h.Step(within(t), step(h, 1, directory("/etc/suite"), file(HeldPath, []byte("1\n"))), func(e hostapi.Event) {
		if e.Op == 1 && e.State == "started" {
			close(begun)
		}
	})
	if !remote.IsLost(err) {
		t.Errorf("a step whose connection was closed gave %v", err)
	}
	namesHost(t, h, err)
	if d := time.Since(begin); d > 10*time.Second {
		t.Errorf("it took %s", d)
	}
}

func testUploadCancelled(t *testing.T, h remote.Host) {
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	content := &steady{cancel: cancel, after: 1 << 20}
	begin := time.Now()
	err := h.Upload(ctx, content, hostapi.Blob{SHA256: hostapi.Digest(nil), Size: 1 << 40}, nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("upload: %v", err)
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("it took %s", d)
	}
	if _, err := h.Observe(within(t), hostapi.ObserveRequest{}); err != nil {
		t.Errorf("the host is of no use after it: %v", err)
	}
}

// steady gives zeros for ever and cancels on the way.
type steady struct {
	cancel func()
	after  int
}

func (s *steady) Read(p []byte) (int, error) {
	clear(p)
	if s.after -= len(p); s.after < 0 {
		s.cancel()
	}
	return len(p), nil
}

func testReadOnly(t *testing.T, h remote.Host) {
	ctx := within(t)
	r := remote.ReadOnly(h)
	if _, err := r.Observe(ctx, hostapi.ObserveRequest{}); err != nil {
		t.Error(err)
	}
	_, _, hold := r.Hold(ctx, hostapi.Hold{})
	_, _, serve := r.Serve(ctx, &hostapi.Serve{})
	for what, err := range map[string]error{
		"step":   r.Step(ctx, step(h, 1, directory("/etc/suite")), nil),
		"epoch":  r.RaiseEpoch(ctx, hostapi.RaiseEpoch{Epoch: 9}),
		"upload": r.Upload(ctx, strings.NewReader(""), hostapi.Blob{SHA256: hostapi.Digest(nil)}, nil),
		"fetch":  r.Fetch(ctx, &hostapi.Fetch{}, nil),
		"hold":   hold,
		"serve":  serve,
	} {
		if !errors.Is(err, remote.ErrReadOnly) {
			t.Errorf("%s gave %v", what, err)
		}
	}
	o, err := h.Observe(ctx, hostapi.ObserveRequest{})
	if err != nil || o.Record != nil || o.Holder != nil {
		t.Errorf("something was changed: %+v, %v", o, err)
	}
}

func testClosed(t *testing.T, h remote.Host) {
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := h.Observe(within(t), hostapi.ObserveRequest{})
	namesHost(t, h, err)
}
