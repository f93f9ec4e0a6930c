package bootstrap

import (
	"context"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/verify"
)

// Verify checks the running cluster by using it.
func (e *Engine) Verify(ctx context.Context, timeout time.Duration) (verify.Report, error) {
	if err := e.Unreachable(); err != nil {
		return verify.Report{}, err
	}
	client, err := e.kube()
	if err != nil {
		return verify.Report{}, err
	}
	defer client.Close()
	return verify.Run(ctx, verify.Config{Client: client, Cluster: e.cluster, Hosts: e.hosts, Image: e.release.AgnhostImage(), Timeout: timeout,
		Report: func(c verify.Check) {
			if !c.OK {
				e.emit(event.Event{Kind: event.Warning, Host: c.Host, Message: c.Name + ": " + c.Detail})
			}
		}})
}
