package bootstrap

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/observe"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// lookAtMembers makes the cluster the one that there is to be now, with the elastic workers. Surge hosts are connected to only while they may be a part of it; one that does not answer is
// none, unless it has come before.
func (e *Engine) lookAtMembers(ctx context.Context, s *sight, req hostapi.ObserveRequest) error {
	inv := s.documents.Inventory
	hosts := slices.Concat(desired.Surge(inv, e.declared), desired.Elastic(inv, e.declared))
	e.meet(ctx, hosts)
	seen, failed := e.observe(ctx, e.connected(hosts), req)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	maps.Copy(s.seen, seen)
	e.cluster = desired.Members(inv, e.declared, func(h *topology.Host) bool { return seen[h.Name] != nil })
	e.departing = slices.DeleteFunc(e.departing, func(h *topology.Host) bool { return named(e.cluster.Hosts, h.Name) })
	s.absent = map[string]error{}
	for _, h := range hosts {
		why := cmp.Or(failed[h.Name], e.failed[h.Name])
		switch member := named(e.cluster.Hosts, h.Name); {
		case why != nil && member:
			s.away[h.Name] = why
		case why != nil:
			s.absent[h.Name] = why
		}
	}
	return e.documents(s)
}

func named(hosts []*topology.Host, name string) bool {
	return slices.ContainsFunc(hosts, func(h *topology.Host) bool { return h.Name == name })
}

// meet connects to hosts that are no part of the topology's cluster, each once.
func (e *Engine) meet(ctx context.Context, hosts []*topology.Host) {
	e.connectTo(ctx, slices.DeleteFunc(slices.Clone(hosts), func(h *topology.Host) bool { return e.hosts[h.Name] != nil || e.failed[h.Name] != nil }))
}

// lookAtJoined makes the cluster the one with the elastic workers and the surge hosts that have come, and looks at them as well. Those that could come are no matter of a status.
func (e *Engine) lookAtJoined(ctx context.Context, inv *inventory.Inventory, seen map[string]*hostapi.Observation, failed map[string]error, req hostapi.ObserveRequest, patience time.Duration) {
	e.cluster = desired.Members(inv, e.declared, func(*topology.Host) bool { return false })
	come := slices.DeleteFunc(slices.Clone(e.cluster.Hosts), func(h *topology.Host) bool {
		return !h.Surge && !h.Elastic || seen[h.Name] != nil || failed[h.Name] != nil
	})
	e.meet(ctx, come)
	more, silent := observe.Hosts(ctx, patientHosts(e.connected(come), patience), req, e.parallel())
	maps.Copy(seen, more)
	maps.Copy(failed, silent)
}
