// Package remote is the engine's view of a host: typed operations that the helper carries out there, over whatever carries bytes to it.
package remote

import (
	"context"
	"io"
	"net"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Observer reads a host.
type Observer interface {
	Observe(ctx context.Context, req hostapi.ObserveRequest) (*hostapi.Observation, error)
	Logs(ctx context.Context, req hostapi.Logs) (string, error)
}

// Stepper changes a host.
type Stepper interface {
	// Step returns, when ctx ends, once the host has ended the operation at hand: with a *wire.CancelledError, or a *wire.BusyError when it takes too long.
	Step(ctx context.Context, step *hostapi.Step, progress func(hostapi.Event)) error
	RaiseEpoch(ctx context.Context, req hostapi.RaiseEpoch) error
}

// Transferrer moves blobs into a host's store.
type Transferrer interface {
	// Upload sends a blob from the operator's machine; progress gets the bytes sent so far.
	Upload(ctx context.Context, content io.Reader, blob hostapi.Blob, progress func(int64)) error
	Fetch(ctx context.Context, req *hostapi.Fetch, progress func(hostapi.Event)) error
	// Serve returns the port once the host listens; closing the returned Closer ends it.
	Serve(ctx context.Context, req *hostapi.Serve) (port int, stop io.Closer, err error)
}

// Dialer connects from the host.
type Dialer interface {
	Dial(ctx context.Context, to hostapi.Endpoint) (net.Conn, error)
}

// Locker takes the host's run lock.
type Locker interface {
	// Hold returns when the lock is held; closing the Closer, or losing the connection, lets it go. When it was lost, lost gets the reason, once.
	Hold(ctx context.Context, req hostapi.Hold) (release io.Closer, lost <-chan error, err error)
}

// Prober finds out whether hosts reach one another, and what is in the way of a cluster on them. It leaves nothing behind.
type Prober interface {
	Probe(ctx context.Context, req *hostapi.ProbeRequest) (*hostapi.ProbeResult, error)
	// ProbeListen returns once the host listens; closing the returned Closer ends it.
	ProbeListen(ctx context.Context, req *hostapi.ProbeListen) (listening hostapi.ProbeListening, stop io.Closer, err error)
}

// Host is one connected host.
type Host interface {
	Name() string
	Observer
	Prober
	Stepper
	Transferrer
	Dialer
	Locker
	Stats() Stats
	io.Closer
}

// Stats counts what a connection cost.
type Stats struct {
	RoundTrips    int   // requests that waited for an answer, after connecting
	BytesSent     int64 // to the host
	BytesReceived int64
}
