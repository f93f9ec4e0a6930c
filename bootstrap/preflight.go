package bootstrap

import (
	"context"
	"maps"

	"github.com/trivet-dev/trivet/bootstrap/observe"
	"github.com/trivet-dev/trivet/bootstrap/preflight"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Preflight looks at all hosts of the cluster, and at the ways between them, for what is in the way of it. It changes nothing. Hosts that do not answer are findings.
func (e *Engine) Preflight(ctx context.Context) (preflight.Report, error) {
	seen, failed := observe.Hosts(ctx, e.hosts, hostapi.ObserveRequest{}, e.parallel())
	maps.Copy(failed, e.failed)
	return preflight.Run(ctx, preflight.Config{Cluster: e.cluster, Hosts: e.hosts, Seen: seen, Failed: failed, Parallel: e.parallel(), Now: e.Now, Rand: e.Rand})
}
