package remote

import (
	"context"
	"io"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

func (c *client) Probe(ctx context.Context, req *hostapi.ProbeRequest) (*hostapi.ProbeResult, error) {
	r, err := c.wire.Probe(ctx, req)
	return r, c.wrap("probing", err)
}

func (c *client) ProbeListen(ctx context.Context, req *hostapi.ProbeListen) (hostapi.ProbeListening, io.Closer, error) {
	r, listening, err := c.wire.ProbeListen(ctx, req)
	if err != nil {
		return hostapi.ProbeListening{}, nil, c.wrap("listening for probes", err)
	}
	return listening, r, nil
}
