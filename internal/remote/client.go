package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/hostapi/wire"
)

// Uploader brings bytes to a host, outside the helper's protocol.
type Uploader interface {
	// Stage stores content under a fresh name and returns the path. What an error leaves behind is the Uploader's to remove. progress, which
	// may be nil, gets the bytes sent so far.
	Stage(ctx context.Context, content io.Reader, blob hostapi.Blob, progress func(int64)) (path string, err error)
}

// IsLost tells whether err means that the connection to a host was lost, so that what a request did there is not known.
func IsLost(err error) bool { return errors.As(err, new(*wire.LostError)) }

// WhyLost says why a connection was lost, "" where err means no such thing or nobody knows: a helper that was told to end says nothing.
func WhyLost(err error) string {
	var lost *wire.LostError
	if errors.As(err, &lost) {
		return lost.Diagnosis
	}
	return ""
}

// NewClient greets the helper at the other end of rw and returns its host. ctx bounds the greeting. Without an Uploader the host takes no uploads.
// Closing the host closes rw. The ctx of Serve and Hold bounds the time until they are ready, the ctx of Dial the connecting.
func NewClient(ctx context.Context, name string, rw io.ReadWriteCloser, up Uploader) (Host, error) {
	c, err := wire.NewClient(ctx, rw)
	if err != nil {
		return nil, fmt.Errorf("host %s: %w", name, err)
	}
	return &client{name: name, wire: c, up: up}, nil
}

type client struct {
	name string
	wire *wire.Client
	up   Uploader

	uploads  atomic.Int64
	uploaded atomic.Int64
}

// wrap names the host. The engine finds *hostapi.Error and *wire.LostError below.
func (c *client) wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	if errors.As(err, new(*hostapi.Error)) {
		return fmt.Errorf("host %s: %w", c.name, err)
	}
	return fmt.Errorf("host %s: %s: %w", c.name, doing, err)
}

func (c *client) Name() string { return c.name }

func (c *client) Observe(ctx context.Context, req hostapi.ObserveRequest) (*hostapi.Observation, error) {
	o, err := c.wire.Observe(ctx, req)
	return o, c.wrap("observing", err)
}

func (c *client) Logs(ctx context.Context, req hostapi.Logs) (string, error) {
	s, err := c.wire.Logs(ctx, &req)
	return s, c.wrap("reading logs of "+req.Unit, err)
}

func (c *client) Step(ctx context.Context, step *hostapi.Step, progress func(hostapi.Event)) error {
	return c.wrap("carrying out a step", c.wire.Step(ctx, step, progress))
}

func (c *client) RaiseEpoch(ctx context.Context, req hostapi.RaiseEpoch) error {
	return c.wrap("raising the epoch", c.wire.RaiseEpoch(ctx, &req))
}

func (c *client) Fetch(ctx context.Context, req *hostapi.Fetch, progress func(hostapi.Event)) error {
	return c.wrap("fetching from "+req.From, c.wire.Fetch(ctx, req, progress))
}

func (c *client) Upload(ctx context.Context, content io.Reader, blob hostapi.Blob, progress func(int64)) error {
	doing := "uploading sha256:" + blob.SHA256
	if c.up == nil {
		return c.wrap(doing, errors.New("this host takes no uploads"))
	}
	if progress == nil {
		progress = func(int64) {}
	}
	c.uploads.Add(1)
	path, err := c.up.Stage(ctx, content, blob, func(n int64) { progress(n) })
	if err != nil {
		return c.wrap(doing, err)
	}
	c.uploaded.Add(blob.Size)
	return c.wrap(doing, c.wire.Receive(ctx, &hostapi.Receive{Path: path, Blob: blob}))
}

func (c *client) Serve(ctx context.Context, req *hostapi.Serve) (int, io.Closer, error) {
	r, port, err := c.wire.Serve(ctx, req)
	if err != nil {
		return 0, nil, c.wrap("serving on "+req.Address, err)
	}
	return port, r, nil
}

func (c *client) Hold(ctx context.Context, req hostapi.Hold) (io.Closer, <-chan error, error) {
	r, err := c.wire.Hold(ctx, &req)
	if err != nil {
		return nil, nil, c.wrap("taking the run lock", err)
	}
	h := &held{running: r, released: make(chan struct{}), lost: make(chan error, 1)}
	go h.watch()
	return h, h.lost, nil
}

// held is a run lock. Releasing it is not losing it.
type held struct {
	running  *wire.Running
	once     sync.Once
	released chan struct{}
	lost     chan error
}

func (h *held) watch() {
	<-h.running.Done()
	select {
	case <-h.released:
	default:
		h.lost <- h.running.Err()
	}
}

// Close lets the lock go.
func (h *held) Close() error {
	h.once.Do(func() { close(h.released) })
	return h.running.Close()
}

func (c *client) Dial(ctx context.Context, to hostapi.Endpoint) (net.Conn, error) {
	conn, err := c.wire.Dial(ctx, &to)
	if err != nil {
		return nil, c.wrap("connecting to "+to.Address, err)
	}
	return conn, nil
}

func (c *client) Stats() Stats {
	trips, sent, received := c.wire.Counters()
	return Stats{
		RoundTrips:    trips + int(c.uploads.Load()),
		BytesSent:     sent + c.uploaded.Load(),
		BytesReceived: received,
	}
}

func (c *client) Close() error { return c.wire.Close() }
