package bootstrap

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// everyone lists the hosts that the cluster is to have, those that it has besides, as far as they are known, and machines that hosts were, as far as they
// answer.
func (e *Engine) everyone() []*topology.Host {
	return slices.Concat(e.cluster.Hosts, e.departing, e.reachedFormers())
}

// allWith lists those of everyone with a role.
func (e *Engine) allWith(r topology.Role) []*topology.Host {
	return slices.DeleteFunc(e.everyone(), func(h *topology.Host) bool { return !h.Has(r) })
}

// rememberRoles keeps which hosts run a member of etcd or an API server, whatever the topology says.
func (e *Engine) rememberRoles(seen map[string]*hostapi.Observation) {
	e.runs = map[string][]topology.Role{}
	for name, o := range seen {
		for role, unit := range map[topology.Role]string{topology.RoleEtcd: desired.EtcdUnit, topology.RoleControlPlane: "kube-apiserver.service"} {
			if o.Record.Has(hostapi.ID{Kind: hostapi.KindUnit, Name: unit}) {
				e.runs[name] = append(e.runs[name], role)
			}
		}
	}
}

// lookAtDeparting looks at the hosts that the inventory has and the cluster is not to have, connecting to those that nobody has met; one of them may know of more.
func (e *Engine) lookAtDeparting(ctx context.Context, s *sight, req hostapi.ObserveRequest) error {
	looked := 0
	for {
		_ = e.meetDeparting(ctx, s.documents.Inventory)
		hosts := e.departing[looked:]
		if looked = len(e.departing); len(hosts) == 0 {
			return e.lookAtFormers(ctx, s, req)
		}
		if err := e.lookAtRemembered(ctx, s, hosts, req); err != nil {
			return err
		}
	}
}

// lookAtRemembered looks at machines that are known by the inventory alone, and lets go of what answers in their place.
func (e *Engine) lookAtRemembered(ctx context.Context, s *sight, hosts []*topology.Host, req hostapi.ObserveRequest) error {
	seen, failed := e.observe(ctx, e.connected(hosts), req)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	maps.Copy(s.away, failed)
	for name, o := range seen {
		if why := e.stranger(name, o, s.documents.Inventory); why != "" {
			e.disown(s, name, why)
		} else {
			s.seen[name] = o
		}
	}
	return e.documents(s)
}

// disown ends the connection to something that is not the cluster's.
func (e *Engine) disown(s *sight, name, why string) {
	_ = e.hosts[name].Close()
	delete(e.hosts, name)
	e.failed[name] = fmt.Errorf("host %s: %s", name, why)
	s.away[name] = e.failed[name]
}

// meetDeparting connects to hosts of the inventory that the cluster is not to have, and gives those that nobody had met.
func (e *Engine) meetDeparting(ctx context.Context, inv *inventory.Inventory) []*topology.Host {
	if inv == nil || !inv.Initialised {
		return nil
	}
	var unmet []*topology.Host
	for i := range inv.Hosts {
		rec := &inv.Hosts[i]
		if !slices.ContainsFunc(e.everyone(), func(h *topology.Host) bool { return h.Name == rec.Name }) {
			unmet = append(unmet, e.departingHost(rec))
		}
	}
	e.departing = append(e.departing, unmet...)
	e.connectTo(ctx, slices.DeleteFunc(slices.Clone(unmet), func(h *topology.Host) bool { return e.hosts[h.Name] != nil })) // a surge host was met when it came
	return unmet
}

// stranger says why what answers at the address of a host that leaves is not that host; "" where it is. Nothing on a stranger is the cluster's.
func (e *Engine) stranger(name string, o *hostapi.Observation, inv *inventory.Inventory) string {
	known := []string{name}
	if f := e.former(name); f != nil {
		known = append(known, f.Of) // until it is being given back
	}
	rec := inv.Host(known[len(known)-1])
	switch {
	case rec == nil:
		return "the cluster does not know it any more"
	case rec.MachineID != "" && o.Facts.MachineID != rec.MachineID:
		return "another machine answers at its address"
	case o.Record != nil && o.Record.ClusterID != "" && o.Record.ClusterID != inv.ClusterID:
		return "it belongs to another cluster by now"
	case o.Record != nil && o.Record.Host != "" && !slices.Contains(known, o.Record.Host):
		return "it is host " + o.Record.Host + " by now"
	}
	return ""
}

// departingHost is a surge host as the topology has it, or a host as the inventory remembers it, reached as the hosts of its site are.
func (e *Engine) departingHost(rec *inventory.Host) *topology.Host {
	if i := slices.IndexFunc(e.declared.Surge, func(h *topology.Host) bool { return h.Name == rec.Name }); i >= 0 {
		return e.declared.Surge[i]
	}
	return rec.Rejoin(e.Topology.AllSites())
}

// departed lists the hosts that leave, by an inventory.
func (e *Engine) departed(inv *inventory.Inventory) []*topology.Host {
	return slices.DeleteFunc(slices.Clone(e.departing), func(h *topology.Host) bool { return inv == nil || inv.Host(h.Name) == nil })
}
