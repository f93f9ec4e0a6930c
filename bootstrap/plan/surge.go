package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/topology"
)

const phaseSurge = "surge"

// standsIn says whether a surge host makes up for a node that is away: it is Ready, or will be before others change.
func (m *maker) standsIn(h *topology.Host) bool {
	n, registered := m.Nodes[h.Name]
	return m.Seen[h.Name] != nil && (len(m.actions[h.Name]) > 0 || registered && n.Ready())
}

// spare leaves surge hosts out that have not come yet where there is nobody to stand in for, as on the way back from an upgrade that has come to no worker.
func (m *maker) spare() {
	if upgrades, _ := m.upgrades(); !upgrades || slices.ContainsFunc(m.hosts, func(h *topology.Host) bool {
		return !h.Surge && !h.Has(topology.RoleControlPlane) && m.drains(h, m.actions[h.Name])
	}) {
		return
	}
	for _, h := range slices.Clone(m.hosts) {
		if h.Surge && m.isNew(h) {
			m.leaveOut(h)
		}
	}
}

// isNew says whether a host's kubelet was never set up.
func (m *maker) isNew(h *topology.Host) bool { return !recordsUnit(m.Seen[h.Name].Record, kubeletUnit) }

// leaveOut has a host that is new wait: nothing is done to it, its Node is not made, and nobody waits for it.
func (m *maker) leaveOut(h *topology.Host) {
	m.hosts = slices.DeleteFunc(m.hosts, func(x *topology.Host) bool { return x == h })
	m.actions[h.Name], m.out[h.Name] = nil, true
}

// surgeComes brings surge hosts into the cluster before any node goes away, with the release that the others are to have, and waits until they are Ready. The other workers are returned,
// and with them surge hosts that run already and change as workers do.
func (m *maker) surgeComes(workers []*topology.Host) (others []*topology.Host) {
	var steps []Step
	var ready []string
	for _, h := range workers {
		if !h.Surge {
			others = append(others, h)
			continue
		}
		if m.standsIn(h) {
			ready = append(ready, h.Name)
		} else {
			m.plan.Notes = append(m.plan.Notes, fmt.Sprintf("surge host %s is not Ready: it stands in for nobody", h.Name))
		}
		if takesAway(m.actions[h.Name]) || len(m.actions[h.Name]) > 0 && m.hooked(h) {
			others = append(others, h)
			continue
		}
		steps = append(steps, Step{Host: h.Name, Site: h.Site().Name, Actions: m.actions[h.Name]})
	}
	if len(ready) == 0 {
		return others
	}
	m.plan.Surge = ready
	m.plan.Phases = append(m.plan.Phases, Phase{Name: phaseSurge, Title: "Surge hosts, for the time of the upgrade", Steps: withActions(steps), Gates: []Gate{{Kind: GateNodes, Hosts: ready}}})
	return others
}

// surgeAway notes that a surge host that has come does not answer: the upgrade does without.
func (m *maker) surgeAway(h *topology.Host, why string) {
	m.plan.Notes = append(m.plan.Notes, fmt.Sprintf("surge host %s does not answer (%s): it stands in for nobody, and the upgrade goes on without it", h.Name, why))
}

// surgeLeaves says whether surge hosts are to leave once the plan is carried out.
func (m *maker) surgeLeaves() bool {
	return m.plan.Settles && slices.ContainsFunc(m.Cluster.Hosts, func(h *topology.Host) bool { return h.Surge })
}

// surgeNotes tell of hosts that are there for the time of a change of release.
func (m *maker) surgeNotes() []string {
	var out []string
	if names := m.plan.Surge; len(names) > 0 {
		out = append(out, fmt.Sprintf("%s %s part of the cluster for the time of the upgrade: %s. They come before any worker goes away, allow as many more to be away at once, and leave when every host has changed",
			number(len(names), "surge hosts"), verb(len(names), "is", "are"), strings.Join(names, ", ")))
	}
	for _, name := range slices.Sorted(maps.Keys(m.Absent)) {
		out = append(out, fmt.Sprintf("surge host %s does not answer (%s): the upgrade goes on without it", name, bare(name, m.Absent[name])))
	}
	return out
}
