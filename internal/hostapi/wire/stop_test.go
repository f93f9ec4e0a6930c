package wire

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// slowStep is a handler whose step reports an operation and ends with what finish gives, which gets the step's context.
func slowStep(finish func(context.Context) error) *scripted {
	return &scripted{step: func(ctx context.Context, _ *hostapi.Step, emit func(hostapi.Event)) error {
		emit(hostapi.Event{Op: 1, State: "started", Message: "ensure package:haproxy"})
		return finish(ctx)
	}}
}

// cancelWhenBegun runs a step of three operations that is cancelled once its second has begun.
func cancelWhenBegun(t *testing.T, c *Client) error {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	return c.Step(ctx, &hostapi.Step{Ops: make([]hostapi.Operation, 3)}, func(e hostapi.Event) {
		if e.State == "started" {
			cancel(errStop)
		}
	})
}

var errStop = errors.New("the user wants to stop")

func TestCancelledStepIsWaitedFor(t *testing.T) {
	ended := &hostapi.Error{Code: hostapi.CodeCancelled, Op: 2, Message: "the step was cancelled before operation 3 of 3"}
	failed := &hostapi.Error{Code: hostapi.CodeDiskFull, Op: 1, Message: "no space left"}
	for _, tc := range []struct {
		name string
		err  error // of the host
		is   []error
	}{
		{"ended in order", ended, []error{errStop}},
		{"done all the same", nil, nil},
		{"failed meanwhile", failed, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			done := false
			c, _ := connect(t, slowStep(func(ctx context.Context) error {
				<-ctx.Done()
				done = true
				return tc.err
			}))
			err := cancelWhenBegun(t, c)
			if !done {
				t.Error("Step returned before the host had ended the operation")
			}
			if (err == nil) != (tc.err == nil) {
				t.Fatalf("got %v, the host said %v", err, tc.err)
			}
			if err == nil {
				return
			}
			var he *hostapi.Error
			if !errors.As(err, &he) || he.Message != tc.err.(*hostapi.Error).Message {
				t.Errorf("got %v, the host said %v", err, tc.err)
			}
			if errors.Is(err, errStop) != (len(tc.is) > 0) {
				t.Errorf("%v: has the cause: %t", err, errors.Is(err, errStop))
			}
		})
	}
}

func TestBusyHostIsNamed(t *testing.T) {
	release := make(chan struct{})
	c, served := connect(t, slowStep(func(context.Context) error { <-release; return nil }))
	c.patience = 20 * time.Millisecond
	err := cancelWhenBegun(t, c)
	var busy *BusyError
	if !errors.As(err, &busy) || busy.Op != 1 {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"operation 2 of 3 (ensure package:haproxy)", "20ms after", "apply again"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	if errors.Is(err, context.Canceled) {
		t.Error("a host that is still at work counts as stopped")
	}
	close(release)
	_ = c.Close()
	<-served
}

func TestCloseEndsTheWait(t *testing.T) {
	release, told := make(chan struct{}), make(chan struct{})
	c, served := connect(t, slowStep(func(ctx context.Context) error {
		<-ctx.Done()
		close(told)
		<-release
		return nil
	}))
	go func() {
		<-told
		_ = c.Close()
	}()
	begin := time.Now()
	if err := cancelWhenBegun(t, c); !errors.As(err, new(*LostError)) {
		t.Errorf("got %v", err)
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("it took %s", d)
	}
	close(release)
	<-served
}

// TestCancelledWhileSending: a request that never was sent as a whole is never begun, and not waited for long.
func TestCancelledWhileSending(t *testing.T) {
	stuck := make(chan struct{})
	c, served := connect(t, &scripted{step: func(context.Context, *hostapi.Step, func(hostapi.Event)) error {
		t.Error("a step was begun whose request was cut off")
		return nil
	}})
	defer close(stuck)
	c.rw.rw = &stuckWriter{c.rw.rw, stuck}
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(errStop) })
	begin := time.Now()
	big := &hostapi.Step{Ops: []hostapi.Operation{{Document: &hostapi.Document{Name: "big", Content: make([]byte, 1<<20)}}}}
	if err := c.Step(ctx, big, nil); !errors.Is(err, errStop) {
		t.Errorf("got %v", err)
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("it took %s", d)
	}
	_ = c.Close()
	<-served
}

// stuckWriter takes nothing any more.
type stuckWriter struct {
	io.ReadWriteCloser
	stuck <-chan struct{}
}

func (s *stuckWriter) Write(p []byte) (int, error) {
	<-s.stuck
	return len(p), nil
}
