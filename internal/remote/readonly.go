package remote

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// ErrReadOnly is what a read-only host answers to everything that could change it.
var ErrReadOnly = errors.New("the host is opened for reading only")

// ReadOnly returns h without what could change it. Dial is left: observing asks etcd and the API server through it. So
// are probes, which leave nothing behind.
func ReadOnly(h Host) Host { return readOnly{h} }

type readOnly struct{ Host }

func (r readOnly) refuse(what string) error {
	return fmt.Errorf("host %s: %s: %w", r.Name(), what, ErrReadOnly)
}

func (r readOnly) Step(context.Context, *hostapi.Step, func(hostapi.Event)) error {
	return r.refuse("step")
}

func (r readOnly) RaiseEpoch(context.Context, hostapi.RaiseEpoch) error {
	return r.refuse("raise epoch")
}

func (r readOnly) Upload(context.Context, io.Reader, hostapi.Blob, func(int64)) error {
	return r.refuse("upload")
}

func (r readOnly) Fetch(context.Context, *hostapi.Fetch, func(hostapi.Event)) error {
	return r.refuse("fetch")
}

func (r readOnly) Serve(context.Context, *hostapi.Serve) (int, io.Closer, error) {
	return 0, nil, r.refuse("serve")
}

func (r readOnly) Hold(context.Context, hostapi.Hold) (io.Closer, <-chan error, error) {
	return nil, nil, r.refuse("hold")
}
