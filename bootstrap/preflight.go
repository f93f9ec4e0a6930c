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
	return preflight.Run(ctx, e.preflightOf(seen, failed))
}

// preflightNew is Preflight of the hosts, among those that were seen, that are no part of a cluster yet. needs are the bytes of artifacts that they will get, by host, where that is
// known. Without such hosts it asks nothing of anybody, and the report is empty.
func (e *Engine) preflightNew(ctx context.Context, seen map[string]*hostapi.Observation, needs map[string]int64) (preflight.Report, error) {
	cfg := e.preflightOf(seen, nil)
	cfg.OnlyNew, cfg.Needs = true, needs
	return preflight.Run(ctx, cfg)
}

func (e *Engine) preflightOf(seen map[string]*hostapi.Observation, failed map[string]error) preflight.Config {
	return preflight.Config{Cluster: e.cluster, Hosts: e.hosts, Seen: seen, Failed: failed, Parallel: e.parallel(), Now: e.Now, Rand: e.Rand}
}
