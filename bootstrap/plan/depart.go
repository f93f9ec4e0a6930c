package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/etcd"
	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// retires says whether a host that stays gives up being an etcd member or a control plane.
func (m *maker) retires(h *topology.Host) bool {
	o := m.Seen[h.Name]
	return !h.Has(topology.RoleEtcd) && hasMember(o.Record) || !h.Has(topology.RoleControlPlane) && (recordsUnit(o.Record, apiServerUnit) || len(o.Documents) > 0)
}

// leave takes hosts out of the cluster that the topology has no more: their pods go elsewhere, their members leave etcd, they are given back, and their Nodes are deleted. What no
// longer answers is taken out through the others. It ends with an inventory without them.
func (m *maker) leave() {
	var voters, workers []Step
	for _, h := range m.hosts {
		if m.retires(h) {
			voters = append(voters, m.retireStep(h))
		}
	}
	voters = append(voters, m.strangers()...)
	for _, h := range m.Departing {
		if m.skipped(h.Name) {
			continue
		}
		m.plan.Leaving = append(m.plan.Leaving, h.Name)
		s := m.departStep(h)
		if h.Has(topology.RoleEtcd) || h.Has(topology.RoleControlPlane) {
			voters = append(voters, s)
		} else {
			workers = append(workers, s)
		}
	}
	m.phase(Phase{Name: "leave", Title: "Hosts that leave: etcd members and control planes, one at a time", Serial: true, Steps: voters})
	m.phase(Phase{Name: "leave-workers", Title: "Hosts that leave: workers", Steps: workers})
}

// finish keeps an inventory without what was left behind: hosts, and the release that all hosts have left.
func (m *maker) finish() {
	var reasons []string
	if len(m.plan.Leaving) > 0 {
		reasons = append(reasons, "without "+strings.Join(m.plan.Leaving, ", "))
	}
	if yes, _ := m.upgrades(); yes && m.plan.Complete() {
		m.plan.Settles = true
		reasons = append(reasons, "every host has left Kubernetes "+m.Target.From)
	}
	m.store(PhaseFinish, "Inventory without what was left", "", strings.Join(reasons, "; "))
}

func (m *maker) skipped(host string) bool {
	return slices.ContainsFunc(m.plan.Skipped, func(s Skip) bool { return s.Host == host })
}

// unwanted says why a host is taken out.
func unwanted(h *topology.Host) string {
	if h.Elastic {
		return "leaves the cluster"
	}
	if h.Surge {
		return "is there for the time of an upgrade only"
	}
	return "is no longer in the topology"
}

// departStep takes one host out.
func (m *maker) departStep(h *topology.Host) Step {
	s := Step{Host: h.Name, Site: h.Site().Name}
	o := m.Seen[h.Name]
	_, node := m.Nodes[h.Name]
	var stop, rest []Action
	if o != nil {
		m.plan.Facts[h.Name] = factsDigest(o)
		stop, rest = split(removeAll(o, "the host "+unwanted(h)), stopsFirst)
		if node && len(stop) > 0 {
			s.Actions = append(s.Actions, m.drain(h.Name, "api", "the host "+unwanted(h)))
		}
		if recordsUnit(o.Record, apiServerUnit) {
			s.Guards = append(s.Guards, Gate{Kind: GuardAPI, Hosts: []string{h.Name}})
		}
	}
	s.Actions = append(s.Actions, stop...)
	s.Actions = append(s.Actions, m.memberLeaves(h.Name)...)
	s.Actions = append(s.Actions, rest...)
	if node {
		s.Actions = append(s.Actions, Action{Verb: Delete, Node: h.Name, Part: "api", Reason: m.whyDelete(h)})
	}
	return s
}

// drain takes the pods off a node.
func (m *maker) drain(node, part, reason string) Action {
	disrupts := "its pods, as their PodDisruptionBudgets allow"
	if m.Cluster.Upgrade.DrainForce {
		disrupts += "; those without a controller are lost"
	}
	return Action{Verb: Drain, Node: node, Part: part, Reason: reason, Disrupts: disrupts}
}

// stopsFirst says of a removal that it ends what uses etcd: an API server that loses it while it shuts down waits for it.
func stopsFirst(a Action) bool { return a.ID.Kind == hostapi.KindUnit && a.ID.Name != desired.EtcdUnit }

func (m *maker) whyDelete(h *topology.Host) string {
	if m.Seen[h.Name] == nil {
		return "the host " + unwanted(h) + " and does not answer"
	}
	return "the host " + unwanted(h)
}

// memberLeaves takes a host's member out that is still one.
func (m *maker) memberLeaves(host string) []Action {
	for _, x := range m.members.leave {
		if x.Name == host {
			return []Action{removal(x, m.whyGone(x))}
		}
	}
	return nil
}

// retireStep takes what a host has of a role that it has no more.
func (m *maker) retireStep(h *topology.Host) Step {
	s := Step{Host: h.Name, Site: h.Site().Name}
	o := m.Seen[h.Name]
	removals, _ := split(m.actions[h.Name], func(a Action) bool { return a.Verb == Remove })
	stop, rest := split(removals, stopsFirst)
	if slices.ContainsFunc(stop, func(a Action) bool { return a.ID.Name == apiServerUnit }) {
		s.Guards = append(s.Guards, Gate{Kind: GuardAPI, Hosts: []string{h.Name}})
	}
	s.Actions = slices.Concat(stop, m.memberLeaves(h.Name), rest)
	if !h.Has(topology.RoleControlPlane) {
		for _, name := range []string{identity.Document, inventory.Document} {
			if _, ok := o.Documents[name]; ok {
				s.Actions = append(s.Actions, Action{Verb: Discard, Document: name, Reason: "the host is no control plane any more"})
			}
		}
	}
	return s
}

// strangers takes members out that are no host's.
func (m *maker) strangers() []Step {
	var out []Step
	for _, x := range m.members.leave {
		if m.stepOf(x.Name).Host == "" {
			out = append(out, Step{Actions: []Action{removal(x, m.whyGone(x))}})
		}
	}
	return out
}

// leaveOutDeparting keeps hosts in the cluster that cannot be taken out now.
func (m *maker) leaveOutDeparting() {
	for _, h := range m.Departing {
		switch {
		case m.Nodes == nil && h.IsNode():
			m.skip(h, "it "+unwanted(h)+", and cannot be taken out while the API does not answer")
		case m.Members == nil && h.Has(topology.RoleEtcd):
			m.skip(h, "it "+unwanted(h)+", and cannot be taken out while etcd does not answer: "+cmp.Or(m.MembersError, "no member could be asked"))
		case m.Seen[h.Name] == nil:
			m.plan.Notes = append(m.plan.Notes, fmt.Sprintf("host %s %s and does not answer (%s): it is taken out of the cluster without it, and what is on it stays. It must not come back as it is: install it anew, or bring it back now and plan again",
				h.Name, unwanted(h), bare(h.Name, cmp.Or(m.Away[h.Name], "it was not observed"))))
		}
	}
}

// departed are members whose hosts leave, for sums.
func departed(list []etcd.Member, name string) bool {
	return slices.ContainsFunc(list, func(x etcd.Member) bool { return x.Name == name })
}
