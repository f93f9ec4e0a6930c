package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// scripted is a handler whose methods are given one by one; the others fail.
type scripted struct {
	hostapi.Handler
	observe func(context.Context) (*hostapi.Observation, error)
	step    func(context.Context, *hostapi.Step, func(hostapi.Event)) error
	serve   func(context.Context, func(int)) error
	fetch   func(context.Context, func(hostapi.Event)) error
	hold    func(context.Context, func()) error
	dial    func(context.Context) (net.Conn, error)
}

func (s *scripted) Observe(ctx context.Context, _ hostapi.ObserveRequest) (*hostapi.Observation, error) {
	return s.observe(ctx)
}
func (s *scripted) Step(ctx context.Context, st *hostapi.Step, emit func(hostapi.Event)) error {
	return s.step(ctx, st, emit)
}
func (s *scripted) Serve(ctx context.Context, _ *hostapi.Serve, ready func(int)) error {
	return s.serve(ctx, ready)
}
func (s *scripted) Fetch(ctx context.Context, _ *hostapi.Fetch, emit func(hostapi.Event)) error {
	return s.fetch(ctx, emit)
}
func (s *scripted) Hold(ctx context.Context, _ *hostapi.Hold, held func()) error {
	return s.hold(ctx, held)
}
func (s *scripted) Dial(ctx context.Context, _ *hostapi.Endpoint) (net.Conn, error) {
	return s.dial(ctx)
}

// connect serves h and returns a client, and what Serve returned.
func connect(t *testing.T, h hostapi.Handler) (*Client, <-chan error) {
	t.Helper()
	here, there := net.Pipe()
	served := make(chan error, 1)
	go func() { served <- Serve(t.Context(), there, h) }()
	c, err := NewClient(t.Context(), here)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, served
}

func TestErrorsSurvive(t *testing.T) {
	given := &hostapi.Error{Code: hostapi.CodeDiskFull, Op: 3, Item: "file:/etc/x", Message: "no space left", Remedy: "free 12 MiB"}
	for _, tc := range []struct {
		name string
		err  error
		want *hostapi.Error
	}{
		{"typed", given, given},
		{"wrapped", fmt.Errorf("under load: %w", given),
			&hostapi.Error{Code: hostapi.CodeDiskFull, Op: 3, Message: "under load: file:/etc/x: no space left (free 12 MiB)"}},
		{"plain", io.ErrNoProgress, &hostapi.Error{Code: hostapi.CodeFailed, Op: -1, Message: io.ErrNoProgress.Error()}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, _ := connect(t, &scripted{step: func(context.Context, *hostapi.Step, func(hostapi.Event)) error { return tc.err }})
			err := c.Step(t.Context(), &hostapi.Step{}, nil)
			var got *hostapi.Error
			if !errors.As(err, &got) {
				t.Fatalf("got %v", err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEventsComeInOrder(t *testing.T) {
	c, _ := connect(t, &scripted{fetch: func(_ context.Context, emit func(hostapi.Event)) error {
		for i := range 1000 {
			emit(hostapi.Event{State: "progress", Bytes: int64(i), Elapsed: time.Second})
		}
		return nil
	}})
	var got []int64
	if err := c.Fetch(t.Context(), &hostapi.Fetch{}, func(e hostapi.Event) { got = append(got, e.Bytes) }); err != nil {
		t.Fatal(err)
	}
	for i, b := range got {
		if int64(i) != b {
			t.Fatalf("event %d has %d bytes", i, b)
		}
	}
	if len(got) != 1000 {
		t.Errorf("%d events", len(got))
	}
}

func TestServeReportsItsPort(t *testing.T) {
	ended := make(chan struct{})
	c, _ := connect(t, &scripted{serve: func(ctx context.Context, ready func(int)) error {
		ready(4711)
		<-ctx.Done()
		close(ended)
		return nil
	}})
	r, port, err := c.Serve(t.Context(), &hostapi.Serve{})
	if err != nil || port != 4711 {
		t.Fatalf("port %d, %v", port, err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	<-ended
	<-r.Done()
	if r.Err() != nil {
		t.Errorf("after Close: %v", r.Err())
	}
}

func TestServeFails(t *testing.T) {
	c, _ := connect(t, &scripted{serve: func(context.Context, func(int)) error { return errors.New("address in use") }})
	if _, _, err := c.Serve(t.Context(), &hostapi.Serve{}); err == nil || !strings.Contains(err.Error(), "address in use") {
		t.Errorf("got %v", err)
	}
}

func TestHoldThatEndsByItself(t *testing.T) {
	c, _ := connect(t, &scripted{hold: func(_ context.Context, held func()) error {
		held()
		return &hostapi.Error{Code: hostapi.CodeHeld, Op: -1, Message: "taken over by bob"}
	}})
	r, err := c.Hold(t.Context(), &hostapi.Hold{})
	if err != nil {
		t.Fatal(err)
	}
	<-r.Done()
	if r.Err() == nil || !strings.Contains(r.Err().Error(), "taken over by bob") {
		t.Errorf("got %v", r.Err())
	}
}

func TestAnswerTooBig(t *testing.T) {
	c, _ := connect(t, &scripted{observe: func(context.Context) (*hostapi.Observation, error) {
		return &hostapi.Observation{Contents: map[string][]byte{"/x": make([]byte, MaxMessage)}}, nil
	}})
	if _, err := c.Observe(t.Context(), hostapi.ObserveRequest{}); err == nil || !strings.Contains(err.Error(), "protocol's limit") {
		t.Errorf("got %v", err)
	}
	huge := &hostapi.Step{Ops: []hostapi.Operation{{Document: &hostapi.Document{Content: make([]byte, MaxMessage)}}}}
	if err := c.Step(t.Context(), huge, nil); !errors.As(err, new(*SizeError)) || !strings.Contains(err.Error(), "step request") {
		t.Errorf("got %v", err)
	}
}

func TestUnknownMethod(t *testing.T) {
	c, _ := connect(t, &scripted{})
	if err := c.call(t.Context(), "reboot", struct{}{}, nil, nil); err == nil || !strings.Contains(err.Error(), `unknown method "reboot"`) {
		t.Errorf("got %v", err)
	}
}

// TestStepFinishesWithoutEngine: the helper outlives its channel until the operation at hand is done.
func TestStepFinishesWithoutEngine(t *testing.T) {
	started, release := make(chan struct{}), make(chan struct{})
	c, served := connect(t, &scripted{step: func(ctx context.Context, _ *hostapi.Step, _ func(hostapi.Event)) error {
		close(started)
		<-ctx.Done()
		<-release
		return ctx.Err()
	}})
	result := make(chan error, 1)
	go func() { result <- c.Step(t.Context(), &hostapi.Step{}, nil) }()
	<-started
	_ = c.Close()
	if err := <-result; !errors.As(err, new(*LostError)) {
		t.Errorf("the engine got %v", err)
	}
	select {
	case err := <-served:
		t.Fatalf("Serve returned %v while an operation ran", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestCancelledDial(t *testing.T) {
	cancelled := make(chan struct{})
	started := make(chan struct{})
	c, _ := connect(t, &scripted{dial: func(ctx context.Context) (net.Conn, error) {
		close(started)
		<-ctx.Done()
		close(cancelled)
		return nil, ctx.Err()
	}})
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() {
		_, err := c.Dial(ctx, &hostapi.Endpoint{})
		result <- err
	}()
	<-started
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	<-cancelled
}

// stuck is standard input that no Close ends.
type stuck struct {
	net.Conn
	release chan struct{}
}

func (s *stuck) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if err != nil {
		<-s.release
	}
	return n, err
}

func TestServeEndsOnStuckInput(t *testing.T) {
	here, there := net.Pipe()
	in := &stuck{Conn: there, release: make(chan struct{})}
	defer close(in.release)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	target, other := net.Pipe()
	defer other.Close()
	go func() {
		served <- Serve(ctx, in, &scripted{dial: func(context.Context) (net.Conn, error) { return target, nil }})
	}()
	c, err := NewClient(t.Context(), here)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Dial(t.Context(), &hostapi.Endpoint{}); err != nil { // a relay is running
		t.Fatal(err)
	}
	cancel()
	select {
	case err := <-served:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Serve: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Serve hangs")
	}
}

func TestGreeting(t *testing.T) {
	v := func(n byte) string { return string(magic) + string([]byte{0, n}) }
	for _, tc := range []struct{ name, host, want string }{
		{"noise before", "Welcome!\n" + v(Version), ""},
		{"other version", v(Version + 1), "protocol version 2 on the other side, 1 here"},
		{"no helper", "bash: no such file\n", `before that the host printed "bash: no such file"`},
		{"nothing", "", "ended without a word"},
		{"endless noise", strings.Repeat("x", maxNoise+2), "no preamble within"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			here, there := net.Pipe()
			go func() {
				_, _ = io.WriteString(there, tc.host)
				if tc.want == "" {
					_, _, _ = readPreamble(there)
				}
				_ = there.Close()
			}()
			c, err := NewClient(t.Context(), here)
			if tc.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				_ = c.Close()
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// TestServerSkipsNoise: what sudo left unread comes before the engine's preamble, and is in no message.
func TestServerSkipsNoise(t *testing.T) {
	const secret = "planted-password\n"
	here, there := net.Pipe()
	served := make(chan error, 1)
	go func() { served <- Serve(t.Context(), there, &scripted{}) }()
	if _, _, err := readPreamble(here); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(here, secret)
	_ = here.Close()
	if err := <-served; err == nil || strings.Contains(err.Error(), "planted") {
		t.Errorf("got %v", err)
	}
}
