package wire

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// closeWait bounds how long Close of a Running waits for the host.
const closeWait = 3 * time.Second

// Running is a request that goes on after it reported ready.
type Running struct {
	p       *pending
	done    chan struct{}
	mu      sync.Mutex
	closing bool
	err     error
}

// Done is closed when the request ended on the host or the connection was lost.
func (r *Running) Done() <-chan struct{} { return r.done }

// Err says, after Done, why it ended; nil after Close.
func (r *Running) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Close ends the request on the host and waits, within bounds, until it has ended there.
func (r *Running) Close() error {
	r.mu.Lock()
	r.closing = true
	r.mu.Unlock()
	go r.p.stream.Close()
	select {
	case <-r.done:
	case <-time.After(closeWait):
		r.p.stop()
	}
	return nil
}

func (r *Running) ended(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closing {
		r.err = err
	}
}

// running sends a request and returns when it is ready; ctx bounds only that.
func (c *Client) running(ctx context.Context, method string, body any) (*Running, ready, error) {
	var rdy ready
	if ctx.Err() != nil {
		return nil, rdy, context.Cause(ctx)
	}
	p, err := c.start(method, body)
	if err != nil {
		return nil, rdy, err
	}
	f, err := p.next(ctx)
	if err == nil && f.kind != kindEvent {
		err = errors.New("the helper ended the request before it was ready")
	}
	if err == nil {
		err = json.Unmarshal(f.payload, &rdy)
	}
	if err != nil {
		p.stop()
		return nil, rdy, err
	}
	r := &Running{p: p, done: make(chan struct{})}
	go r.watch()
	return r, rdy, nil
}

func (r *Running) watch() {
	defer close(r.done)
	defer r.p.stop()
	for {
		select {
		case <-r.p.quit:
			return
		case f := <-r.p.frames:
			switch f.kind {
			case kindEvent:
				continue
			case kindError:
				r.ended(decodeError(f.payload))
			default:
				r.ended(errors.New("the helper ended the request"))
			}
			return
		case err := <-r.p.failed:
			r.ended(r.p.c.lost(err))
			return
		}
	}
}

// Serve calls Handler.Serve and returns once the host listens.
func (c *Client) Serve(ctx context.Context, req *hostapi.Serve) (*Running, int, error) {
	r, rdy, err := c.running(ctx, methodServe, req)
	return r, rdy.Port, err
}

// Hold calls Handler.Hold and returns once the lock is held.
func (c *Client) Hold(ctx context.Context, req *hostapi.Hold) (*Running, error) {
	r, _, err := c.running(ctx, methodHold, req)
	return r, err
}
