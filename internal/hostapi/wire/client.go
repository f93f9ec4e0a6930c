package wire

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/yamux"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Diagnoser is implemented by a transport that can say why it ended: the helper's standard error, its exit status, missed keepalives.
type Diagnoser interface {
	// Diagnosis is called after the transport ended and may wait a moment for the last words. It is empty when there is nothing to say.
	Diagnosis() string
}

// LostError reports that the transport or the helper ended while an answer was awaited. What the request did on the host is not known.
type LostError struct {
	Diagnosis string
	Err       error
}

// Error implements error.
func (e *LostError) Error() string {
	s := "the connection to the helper was lost"
	if e.Diagnosis != "" {
		return s + ": " + e.Diagnosis
	}
	if e.Err != nil && !errors.Is(e.Err, io.EOF) {
		return s + ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *LostError) Unwrap() error { return e.Err }

// Client is the engine's end.
type Client struct {
	session *yamux.Session
	rw      *transport
	trips   atomic.Int64
	// patience bounds how long a cancelled step is waited for.
	patience time.Duration
}

// NewClient greets the helper on rw. ctx bounds the greeting only. rw belongs to the client, and is closed on error.
func NewClient(ctx context.Context, rw io.ReadWriteCloser) (*Client, error) {
	type greeting struct {
		version uint16
		noise   []byte
		err     error
	}
	got := make(chan greeting, 1)
	go func() {
		v, noise, err := readPreamble(rw)
		if err == nil && v == Version {
			err = writePreamble(rw)
		}
		got <- greeting{v, noise, err}
	}()
	var g greeting
	select {
	case g = <-got:
	case <-ctx.Done():
		_ = rw.Close()
		return nil, fmt.Errorf("waiting for the helper's greeting: %w", context.Cause(ctx))
	}
	if g.err != nil {
		_ = rw.Close()
		return nil, greetingError(rw, g.noise, g.err)
	}
	if g.version != Version {
		_ = rw.Close()
		return nil, &VersionError{Ours: Version, Theirs: g.version}
	}
	c := &Client{rw: newTransport(rw), patience: stopPatience}
	var err error
	if c.session, err = yamux.Client(c.rw, sessionConfig()); err != nil {
		_ = rw.Close()
		return nil, err
	}
	return c, nil
}

func greetingError(rw io.ReadWriteCloser, noise []byte, err error) error {
	said := printable(noise)
	if d, ok := rw.(Diagnoser); ok {
		if diagnosis := d.Diagnosis(); diagnosis != "" {
			return fmt.Errorf("the helper did not start: %s", diagnosis)
		}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("it ended without a word")
	}
	if said != "" {
		return fmt.Errorf("the helper did not start: %w; before that the host printed %q", err, said)
	}
	return fmt.Errorf("the helper did not start: %w", err)
}

// Close ends the connection; the helper finishes the operation at hand and ends. It does not wait long for a transport that is stuck.
func (c *Client) Close() error {
	closed := make(chan error, 1)
	go func() { closed <- c.session.Close() }()
	select {
	case err := <-closed:
		return err
	case <-time.After(time.Second):
		return nil
	}
}

// Done is closed when the connection has ended.
func (c *Client) Done() <-chan struct{} { return c.session.CloseChan() }

// Counters returns the number of requests and the bytes that passed.
func (c *Client) Counters() (trips int, sent, received int64) {
	return int(c.trips.Load()), c.rw.sent.Load(), c.rw.received.Load()
}

// lost makes the error for a stream that ended without an answer.
func (c *Client) lost(err error) error {
	// The end of the stream may be seen a moment before the end of the session.
	select {
	case <-c.session.CloseChan():
	case <-time.After(200 * time.Millisecond):
	}
	e := &LostError{Err: err}
	if d, ok := c.rw.rw.(Diagnoser); ok && c.session.IsClosed() {
		e.Diagnosis = d.Diagnosis()
	}
	return e
}

// pending is a request that was sent, or is being sent.
type pending struct {
	c      *Client
	frames chan frame
	failed chan error // gets one error when the stream ends without an answer
	quit   chan struct{}
	once   sync.Once
	sent   atomic.Bool // the whole request

	mu     sync.Mutex
	stream *yamux.Stream
	r      *bufio.Reader
	ended  bool // closeStream was called
}

// start sends a request from a goroutine of its own, so that nothing here can keep a caller from returning when its context ends.
func (c *Client) start(method string, body any) (*pending, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	payload, err := json.Marshal(request{Method: method, Body: raw})
	if err != nil {
		return nil, err
	}
	if len(payload) > MaxMessage {
		return nil, &SizeError{What: method + " request", Size: len(payload), Limit: MaxMessage}
	}
	c.trips.Add(1)
	p := &pending{c: c, frames: make(chan frame), failed: make(chan error, 1), quit: make(chan struct{})}
	go p.run(payload)
	return p, nil
}

func (p *pending) run(payload []byte) {
	stream, err := p.c.session.OpenStream()
	if err != nil {
		p.failed <- err
		return
	}
	p.mu.Lock()
	p.stream, p.r = stream, bufio.NewReaderSize(stream, 32<<10)
	ended := p.ended
	p.mu.Unlock()
	if ended {
		_ = stream.Close()
		p.failed <- yamux.ErrStreamClosed
		return
	}
	if err := writeFrame(stream, kindRequest, payload); err != nil {
		p.failed <- err
		return
	}
	p.sent.Store(true)
	for {
		f, err := readFrame(p.r)
		if err != nil {
			p.failed <- err
			return
		}
		select {
		case p.frames <- f:
		case <-p.quit:
			return
		}
		if f.kind == kindResult || f.kind == kindError {
			return
		}
	}
}

// stop ends the request: the helper cancels what it is doing.
func (p *pending) stop() {
	p.once.Do(func() {
		close(p.quit)
		p.closeStream()
	})
}

// closeStream ends what is sent: the helper cancels what it is doing. Its answer can still be read.
func (p *pending) closeStream() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	if p.stream != nil {
		// Sending the end may wait for the transport, the caller must not.
		go p.stream.Close()
	}
}

// next returns the next event or result frame. An error frame is returned as its error.
func (p *pending) next(ctx context.Context) (frame, error) {
	select {
	case f := <-p.frames:
		if f.kind != kindError {
			return f, nil
		}
		return frame{}, decodeError(f.payload)
	case err := <-p.failed:
		return frame{}, p.c.lost(err)
	case <-ctx.Done():
		return frame{}, &givenUp{context.Cause(ctx)}
	}
}

func decodeError(payload []byte) error {
	e := new(hostapi.Error)
	if err := json.Unmarshal(payload, e); err != nil {
		return fmt.Errorf("decoding the helper's error: %w", err)
	}
	return e
}

// call sends a request and waits for its result; events go to onEvent on the caller's goroutine.
func (c *Client) call(ctx context.Context, method string, body, result any, onEvent func(hostapi.Event)) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	p, err := c.start(method, body)
	if err != nil {
		return err
	}
	defer p.stop()
	if err := p.collect(ctx, result, onEvent); !errors.As(err, new(*givenUp)) {
		return err
	}
	return context.Cause(ctx)
}

// collect waits for the result and decodes it, unless it is nil. Its error is a *givenUp when ctx ended before.
func (p *pending) collect(ctx context.Context, result any, onEvent func(hostapi.Event)) error {
	for {
		f, err := p.next(ctx)
		if err != nil {
			return err
		}
		if f.kind == kindResult {
			if result == nil {
				return nil
			}
			if err := json.Unmarshal(f.payload, result); err != nil {
				return fmt.Errorf("decoding the helper's answer: %w", err)
			}
			return nil
		}
		if f.kind != kindEvent || onEvent == nil {
			continue
		}
		var e hostapi.Event
		if err := json.Unmarshal(f.payload, &e); err != nil {
			return fmt.Errorf("decoding the helper's event: %w", err)
		}
		onEvent(e)
	}
}

// Observe calls Handler.Observe.
func (c *Client) Observe(ctx context.Context, req hostapi.ObserveRequest) (*hostapi.Observation, error) {
	o := new(hostapi.Observation)
	if err := c.call(ctx, methodObserve, req, o, nil); err != nil {
		return nil, err
	}
	return o, nil
}

// Receive calls Handler.Receive.
func (c *Client) Receive(ctx context.Context, req *hostapi.Receive) error {
	return c.call(ctx, methodReceive, req, nil, nil)
}

// Fetch calls Handler.Fetch.
func (c *Client) Fetch(ctx context.Context, req *hostapi.Fetch, emit func(hostapi.Event)) error {
	return c.call(ctx, methodFetch, req, nil, emit)
}

// RaiseEpoch calls Handler.RaiseEpoch.
func (c *Client) RaiseEpoch(ctx context.Context, req *hostapi.RaiseEpoch) error {
	return c.call(ctx, methodRaiseEpoch, req, nil, nil)
}

// Logs calls Handler.Logs.
func (c *Client) Logs(ctx context.Context, req *hostapi.Logs) (string, error) {
	var s string
	err := c.call(ctx, methodLogs, req, &s, nil)
	return s, err
}

// Dial calls Handler.Dial; ctx bounds only the connecting.
func (c *Client) Dial(ctx context.Context, to *hostapi.Endpoint) (net.Conn, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	p, err := c.start(methodDial, to)
	if err != nil {
		return nil, err
	}
	f, err := p.next(ctx)
	if err == nil && f.kind != kindResult {
		err = fmt.Errorf("unexpected frame %q in answer to dial", string(rune(f.kind)))
	}
	if err != nil {
		p.stop()
		return nil, err
	}
	return newConn(c, p.stream, p.r, to), nil
}
