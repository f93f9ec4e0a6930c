package bootstrap

import (
	"context"
	"slices"

	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// lookAtFormers looks at the machines that hosts were, where others have their names at other addresses now: one that still runs would go on as the same node and member.
func (e *Engine) lookAtFormers(ctx context.Context, s *sight, req hostapi.ObserveRequest) error {
	e.meetFormers(ctx, s)
	if len(e.formers) == 0 {
		return nil
	}
	var hosts []*topology.Host
	for _, f := range e.formers {
		hosts = append(hosts, f.Host)
	}
	if err := e.lookAtRemembered(ctx, s, hosts, req); err != nil {
		return err
	}
	for _, h := range hosts {
		if e.hosts[h.Name] == nil {
			s.away[h.Name] = e.away(h.Name)
		}
	}
	return nil
}

// meetFormers connects to those that nobody has met. An address that the topology gives to another host is not tried: whoever answers there is looked at as that host.
func (e *Engine) meetFormers(ctx context.Context, s *sight) {
	inv := s.documents.Inventory
	if inv == nil || !inv.Initialised {
		return
	}
	var unmet []*topology.Host
	for _, h := range e.cluster.Hosts {
		rec := inv.Host(h.Name)
		if rec == nil || !replaced(rec, h, s.seen[h.Name]) || slices.ContainsFunc(e.cluster.Hosts, func(other *topology.Host) bool { return other.Address == rec.Address }) {
			continue
		}
		before := e.departingHost(rec)
		before.Name = plan.FormerName(h.Name, rec.Address)
		if e.former(before.Name) == nil {
			e.formers = append(e.formers, plan.Former{Of: h.Name, Host: before})
			unmet = append(unmet, before)
		}
	}
	e.connectTo(ctx, unmet)
}

// replaced says whether a host is another machine, at another address, than the cluster remembers.
func replaced(rec *inventory.Host, h *topology.Host, o *hostapi.Observation) bool {
	return o != nil && rec.MachineID != "" && rec.MachineID != o.Facts.MachineID && rec.Address != h.Address
}

// former finds the machine that goes by a name here, nil where there is none.
func (e *Engine) former(name string) *plan.Former {
	for i := range e.formers {
		if e.formers[i].Host.Name == name {
			return &e.formers[i]
		}
	}
	return nil
}

// formersOf are those that the inventory still has in place of the present machines.
func (e *Engine) formersOf(s *sight) []plan.Former {
	return slices.DeleteFunc(slices.Clone(e.formers), func(f plan.Former) bool {
		rec := s.documents.Inventory.Host(f.Of)
		i := slices.IndexFunc(e.cluster.Hosts, func(h *topology.Host) bool { return h.Name == f.Of })
		return rec == nil || i < 0 || !replaced(rec, e.cluster.Hosts[i], s.seen[f.Of])
	})
}

// reachedFormers are those that are connected.
func (e *Engine) reachedFormers() []*topology.Host {
	var out []*topology.Host
	for _, f := range e.formers {
		if e.hosts[f.Host.Name] != nil {
			out = append(out, f.Host)
		}
	}
	return out
}
