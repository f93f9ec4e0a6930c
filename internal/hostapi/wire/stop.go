package wire

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

const (
	// stopPatience bounds how long a cancelled step is waited for: a host ends the operation at hand first.
	stopPatience = 30 * time.Second
	// unsentPatience bounds it where the host has not got the whole request.
	unsentPatience = 500 * time.Millisecond
)

// CancelledError reports a step that the host ended in order after it was cancelled: what was begun is done and recorded. Both the host's error and the cause of
// the cancellation are in its tree.
type CancelledError struct {
	Host  *hostapi.Error
	Cause error
}

// Error implements error.
func (e *CancelledError) Error() string { return e.Host.Error() }

// Unwrap returns what the host said and why it was told to stop.
func (e *CancelledError) Unwrap() []error { return []error{e.Host, e.Cause} }

// BusyError reports that a host did not end its step in time after it was told to stop. It goes on with the operation at hand, records it, and stops then.
type BusyError struct {
	Op        int    // index into Step.Ops, -1 when none was begun
	Ops       int    // how many there are
	Operation string // in words
	After     time.Duration
}

// Error implements error.
func (e *BusyError) Error() string {
	at := "its step"
	if e.Op >= 0 {
		at = fmt.Sprintf("operation %d of %d", e.Op+1, e.Ops)
		if e.Operation != "" {
			at += " (" + e.Operation + ")"
		}
	}
	return fmt.Sprintf("the host is still working on %s, %s after it was told to stop; it ends after that operation: wait for it, then apply again", at, e.After)
}

// Step calls Handler.Step. When ctx ends, the host is told to stop after the operation at hand, and its answer is waited for within a bound, so that whoever returns
// from here knows what was done: nil when the step was carried out all the same, a *CancelledError, or a *BusyError. Close ends the wait.
func (c *Client) Step(ctx context.Context, step *hostapi.Step, emit func(hostapi.Event)) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	p, err := c.start(methodStep, step)
	if err != nil {
		return err
	}
	defer p.stop()
	busy := &BusyError{Op: -1, Ops: len(step.Ops), After: c.patience}
	watch := func(e hostapi.Event) {
		if e.State == "started" {
			busy.Op, busy.Operation = e.Op, e.Message
		}
		if emit != nil {
			emit(e)
		}
	}
	err = p.collect(ctx, nil, watch)
	if !errors.As(err, new(*givenUp)) {
		return err
	}
	return p.windDown(ctx, busy, watch)
}

// windDown tells the host to stop and waits for its answer.
func (p *pending) windDown(ctx context.Context, busy *BusyError, watch func(hostapi.Event)) error {
	cause, patience := context.Cause(ctx), p.c.patience
	if !p.sent.Load() {
		patience = min(patience, unsentPatience)
	}
	p.closeStream()
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	err := p.collect(wait, nil, watch)
	var he *hostapi.Error
	switch {
	case err == nil:
		return nil
	case !p.sent.Load():
		return cause // the host never got the whole request, so nothing was begun
	case errors.As(err, new(*givenUp)):
		return busy
	case errors.As(err, &he) && he.Code == hostapi.CodeCancelled:
		return &CancelledError{Host: he, Cause: cause}
	}
	return err
}

// givenUp reports that the caller's ctx ended before the answer came.
type givenUp struct{ cause error }

func (g *givenUp) Error() string { return g.cause.Error() }
func (g *givenUp) Unwrap() error { return g.cause }
