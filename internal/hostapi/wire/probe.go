package wire

import (
	"context"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Probe calls hostapi.Handler.Probe.
func (c *Client) Probe(ctx context.Context, req *hostapi.ProbeRequest) (*hostapi.ProbeResult, error) {
	out := new(hostapi.ProbeResult)
	if err := c.call(ctx, methodProbe, req, out, nil); err != nil {
		return nil, err
	}
	return out, nil
}

// ProbeListen calls hostapi.Handler.ProbeListen and returns once the host listens. ctx bounds the time until then.
func (c *Client) ProbeListen(ctx context.Context, req *hostapi.ProbeListen) (*Running, hostapi.ProbeListening, error) {
	r, rdy, err := c.running(ctx, methodListen, req)
	return r, rdy.Listening, err
}
