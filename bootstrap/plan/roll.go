package plan

import (
	"slices"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// roll orders changes of a running cluster. What is down comes up first; then etcd gets its members, control planes change one at a time, and workers together. What leaves goes
// last, so that what comes is there to take its place.
func (m *maker) roll() {
	var voters, workers []*topology.Host
	for _, h := range m.hosts {
		if h.Has(topology.RoleEtcd) || h.Has(topology.RoleControlPlane) || m.retires(h) {
			voters = append(voters, h)
		} else {
			workers = append(workers, h)
		}
	}
	m.turn()
	m.giveBackFormers()
	m.remember()
	if len(m.Target.Electorates) > 1 {
		m.store(PhaseHandOver, "Inventory: control planes have changed hands", "", "those of the topology alone count from now on")
	}
	m.void()
	m.revive(voters)
	m.removeDead()
	m.joinMembers()
	nodes, objects := split(m.objectActions(), func(a Action) bool { return m.Objects != nil && a.Verb == Create && a.Object.Kind == "Node" })
	m.phase(Phase{Name: "node-objects", Title: "Nodes with their pod ranges, before their kubelets", Steps: []Step{{Actions: nodes}}})
	upgrades, back := m.upgrades()
	var old []Step
	if upgrades {
		old = m.images()
	}
	if back {
		m.nodes(m.setAside(voters), workers)
		if m.holdServers(voters) {
			objects = nil
		}
	}
	if m.plan.Paused != nil || m.objectsWait {
		old = nil // pods of either release may land anywhere
	}
	own := m.controlPlanes(voters)
	if gates := m.published(); len(gates) > 0 {
		m.plan.Phases = append(m.plan.Phases, Phase{Name: "published", Title: "Authorities in every namespace", Gates: gates})
	}
	m.objects(objects)
	if !back {
		m.nodes(own, workers)
	}
	m.phase(Phase{Name: "old-images", Title: "Images that no pod wants any more", Steps: old})
	m.uncordon()
	m.leave()
	m.finish()
}

// images brings the images of another release to all nodes before a pod may want them, and gives the removals of the old ones, for when no pod wants them any more.
func (m *maker) images() (old []Step) {
	var come []Step
	for _, h := range m.hosts {
		images, rest := split(m.actions[h.Name], func(a Action) bool { return kindOf(a) == hostapi.KindImage })
		if m.unborn(h) || !m.imports(h) {
			continue // containerd comes with the rest
		}
		m.actions[h.Name] = rest
		gone, news := split(images, func(a Action) bool { return a.Verb == Remove })
		come = append(come, Step{Host: h.Name, Site: h.Site().Name, Actions: news})
		old = append(old, Step{Host: h.Name, Site: h.Site().Name, Actions: gone})
	}
	m.phase(Phase{Name: "images", Title: "Images of the release, on all nodes", Steps: come})
	return old
}

// imports says whether images can be brought to a host now: its containerd was set up, and no run was killed while it did that, or restarted it.
func (m *maker) imports(h *topology.Host) bool {
	return m.Seen[h.Name].Record.Made(unitID("containerd.service"))
}

// setAside takes what control planes do as such out of their actions, for later.
func (m *maker) setAside(voters []*topology.Host) []*topology.Host {
	for _, h := range voters {
		m.aside[h.Name], m.actions[h.Name] = split(m.actions[h.Name], func(a Action) bool { return m.asControlPlane(h, a) || m.unborn(h) })
	}
	return voters
}

// controlPlanes changes etcd members and control planes one at a time, each with the conditions after it that all still run.
// While the release changes, what runs on them as on other nodes waits until all API servers have changed: no kubelet may be newer than one. Hosts for which something waits are returned.
func (m *maker) controlPlanes(voters []*topology.Host) (later []*topology.Host) {
	upgrades, back := m.upgrades()
	for _, h := range voters {
		switch {
		case back:
			m.actions[h.Name] = m.aside[h.Name]
		case upgrades && !m.unborn(h):
			m.actions[h.Name], m.aside[h.Name] = split(m.actions[h.Name], func(a Action) bool { return m.asControlPlane(h, a) })
			later = append(later, h)
		}
	}

	// A unit that an interrupted run was about to restart may be down: its host goes first, or the gates after another host would wait for it in vain. So does one that owes a hook. New API servers go last.
	order := func(h *topology.Host) int {
		n := -m.unsettled(h)
		if m.owes(h.Name) {
			n -= 100
		}
		if m.unborn(h) {
			n += 1000
		}
		return n
	}
	slices.SortStableFunc(voters, func(a, b *topology.Host) int { return order(a) - order(b) })
	steps := m.each(voters, func(Action) bool { return true })
	for i, h := range voters {
		steps[i].Actions = m.kept(h)
	}
	up := m.up()
	for i := range steps {
		steps[i].Guards = m.guards(steps[i])
		if first, rest := split(steps[i].Actions, guard); hasMember(m.Seen[steps[i].Host].Record) { // of a member that a killed run had just made
			steps[i].Actions = slices.Concat(first, rest)
		}
		steps[i].Actions = m.balancerFirst(voters[i], m.stopFirst(voters[i], steps[i].Actions))
		up[steps[i].Host] = true
		steps[i].Gates = m.controlPlaneGates(up)
	}
	m.phase(Phase{Name: "control-planes", Title: "etcd and control planes, one at a time", Serial: true, Steps: steps})
	for _, h := range later {
		m.actions[h.Name] = m.aside[h.Name]
	}
	return later
}

// asControlPlane says of an action of a host that it belongs to the control plane there; removals do, unless the host gives something up, which goes last.
func (m *maker) asControlPlane(h *topology.Host, a Action) bool {
	return controlPlanePart(a) || a.Verb == Remove && !m.retires(h)
}

// kept are a host's actions without what it gives up, which goes last.
func (m *maker) kept(h *topology.Host) []Action {
	if !m.retires(h) {
		return m.actions[h.Name]
	}
	_, rest := split(m.actions[h.Name], func(a Action) bool { return a.Verb == Remove })
	return rest
}

// unborn says whether a control plane's API server was never set up.
func (m *maker) unborn(h *topology.Host) bool {
	return h.Has(topology.RoleControlPlane) && !recordsUnit(m.Seen[h.Name].Record, apiServerUnit)
}

// up are the hosts whose part of the control plane can be waited for: those with a member that is lost, or without an API server, are left out.
func (m *maker) up() map[string]bool {
	out := map[string]bool{}
	for _, h := range m.hosts {
		if !m.lost[h.Name] && !m.unborn(h) {
			out[h.Name] = true
		}
	}
	return out
}

func recordsUnit(r *hostapi.Record, unit string) bool { return r.Has(unitID(unit)) }

// revive brings back etcd members and API servers that do not run, with what they read, on all hosts at once: they have nothing to lose, and the gates between control planes
// wait for all of them.
func (m *maker) revive(voters []*topology.Host) {
	var steps []Step
	for _, h := range voters {
		if m.changesMember(h.Name) {
			continue
		}
		s := Step{Host: h.Name, Site: h.Site().Name}
		s.Actions, m.actions[h.Name] = m.raising(h)
		steps = append(steps, s)
	}
	up := m.up()
	for name := range up {
		up[name] = !m.changesMember(name)
	}
	m.phase(Phase{Name: "revive", Title: "etcd members and API servers that are down", Steps: steps, Gates: m.controlPlaneGates(up)})
}

// changesMember says whether a host's member joins or moves: it can be waited for only once it has.
func (m *maker) changesMember(host string) bool {
	_, moves := m.members.moves[host]
	return moves || m.members.joins[host] != nil
}

// raising splits a host's actions: those that bring back what is down there and can take nothing away, and the rest.
func (m *maker) raising(h *topology.Host) (raise, rest []Action) {
	down := m.down(m.Seen[h.Name])
	if len(down) == 0 {
		return nil, m.actions[h.Name]
	}
	for _, a := range m.actions[h.Name] {
		if a.Part == desired.PartHost || ((a.Part == desired.PartEtcd || a.Part == desired.PartAPIServer) && (kindOf(a) != hostapi.KindUnit || down[a.ID.Name])) {
			raise = append(raise, a)
		} else {
			rest = append(rest, a)
		}
	}
	return raise, rest
}

const (
	apiServerUnit = "kube-apiserver.service"
	kubeletUnit   = "kubelet.service"
)

// down lists etcd and the API server as far as the host should run them and does not.
func (m *maker) down(o *hostapi.Observation) map[string]bool {
	down := map[string]bool{}
	for _, d := range o.Drift {
		if d.ID.Kind == hostapi.KindUnit && (d.ID.Name == desired.EtcdUnit || d.ID.Name == apiServerUnit) && d.Code == hostapi.DriftDown {
			down[d.ID.Name] = true
		}
	}
	return down
}

// unsettled counts the units of a host whose end was not recorded.
func (m *maker) unsettled(h *topology.Host) int {
	n := 0
	if r := m.Seen[h.Name].Record; r != nil {
		for _, i := range r.Items {
			if i.Pending && i.Item.Unit != nil {
				n++
			}
		}
	}
	return n
}

// controlPlaneGates want those of the hosts that are etcd members or control planes to answer. With its member lost an API server, which asks no other, does not.
func (m *maker) controlPlaneGates(up map[string]bool) []Gate {
	away := func(h *topology.Host) bool { return !up[h.Name] }
	members, servers := slices.DeleteFunc(m.with(topology.RoleEtcd), away), slices.DeleteFunc(m.with(topology.RoleControlPlane), away)
	gates := []Gate{{Kind: GateEtcd, Hosts: names(members)}, {Kind: GateAPI, Hosts: names(servers)}}
	return slices.DeleteFunc(gates, func(g Gate) bool { return len(g.Hosts) == 0 })
}

// everything are the gates of a first bring-up: whatever was seen.
func (m *maker) everything() map[string]bool {
	out := map[string]bool{}
	for _, h := range m.hosts {
		out[h.Name] = true
	}
	return out
}

// remember brings the documents of a running cluster up to date, before hosts take up what was allotted to them.
func (m *maker) remember() {
	reason := m.behind()
	if !desired.EqualInventory(m.Current, m.Target) {
		reason = "names, addresses, roles or pod ranges changed"
		if like := *m.Target; m.Current != nil {
			if like.Settings = m.Current.Settings; desired.EqualInventory(m.Current, &like) {
				reason = "the settings that workers are joined by changed"
			}
		}
	}
	if text := m.turnText(); text != "" {
		reason = text
	}
	m.store(phaseInventory, "Inventory", "missing on this control plane", reason)
}

// wakeNetworks restarts flanneld where it runs and has not said that the node's network is up: it may have lost its connection to the API while it began, and stays up for good doing
// nothing (main.go of flannel 0.28.10 waits for what never ends).
func (m *maker) wakeNetworks() {
	id := hostapi.ID{Kind: hostapi.KindUnit, Name: desired.FlannelUnit}
	for _, h := range m.hosts {
		n, known := m.Nodes[h.Name]
		acted := slices.ContainsFunc(m.actions[h.Name], func(a Action) bool { return a.ID == id })
		if m.Cluster.Network.Plugin != release.PluginFlannel || !known || n.NetworkReady || acted || !recordsUnit(m.Seen[h.Name].Record, desired.FlannelUnit) {
			continue
		}
		m.actions[h.Name] = append(m.actions[h.Name], Action{Verb: Restart, ID: id, Part: desired.PartNetwork, Reason: "it runs, and has not said that the node's pod network is up"})
	}
}

// register restarts the kubelet, and flanneld, of a host whose Node somebody deleted: the kubelet labels its Node, and flanneld notes its address there and says that the network is up, as
// they begin and never again (kubelet_node_status.go of Kubernetes 1.37, main.go of flannel 0.28.10). What waits for the node would wait in vain.
func (m *maker) register() {
	for _, h := range m.hosts {
		if _, known := m.Nodes[h.Name]; known || m.Nodes == nil || !h.IsNode() {
			continue
		}
		for _, unit := range []struct{ name, part string }{{kubeletUnit, desired.PartKubelet}, {desired.FlannelUnit, desired.PartNetwork}} {
			id := unitID(unit.name)
			acted := slices.ContainsFunc(m.actions[h.Name], func(a Action) bool { return a.ID == id })
			if !acted && recordsUnit(m.Seen[h.Name].Record, unit.name) && m.wanted(h.Name, id) != nil {
				m.actions[h.Name] = append(m.actions[h.Name], Action{Verb: Restart, ID: id, Part: unit.part, Reason: "the host's Node is gone, and is made anew"})
			}
		}
	}
}

// uncordon lets pods on nodes again that an interrupted run took them off, or that are drained for another machine of their name. Those that are Ready take them before any node goes,
// since pods have to go somewhere; the others at the end of the step that brings them back, or last where none does.
func (m *maker) uncordon() {
	var early, late []Action
	for _, h := range m.hosts {
		n, drained := m.Nodes[h.Name], slices.Contains(m.drained, h.Name)
		a := Action{Verb: Uncordon, Node: h.Name, Reason: "an earlier run took its pods off and did not end"}
		switch {
		case m.uncordons[h.Name] || !drained && !(h.IsNode() && n.CordonedByTrivet) || drained && m.skipped(h.Name):
			continue
		case drained:
			a.Reason = "the machine that it was has been drained"
		case n.Ready():
			early = append(early, a)
			continue
		}
		if s := m.waking(h); s != nil {
			s.Actions = slices.Concat(s.Actions, awaits(nodeReady(h, s.Actions)), []Action{a})
		} else {
			late = append(late, a)
		}
	}
	phases := m.plan.Phases
	at := slices.IndexFunc(phases, func(ph Phase) bool { return slices.Contains(hookedPhases, ph.Name) })
	if at < 0 {
		at = len(phases)
	}
	m.plan.Phases = slices.Clone(phases[:at])
	m.phase(Phase{Name: "uncordon", Title: "Nodes that may take pods again", Steps: []Step{{Actions: early}}})
	m.plan.Phases = append(m.plan.Phases, phases[at:]...)
	m.phase(Phase{Name: "uncordon-late", Title: "Nodes that were not Ready and may take pods again", Steps: []Step{{Actions: late}}})
}

// waking is the last step of a host after which its node is back: one that starts its kubelet, or restarts what its pods depend on; nil where there is none.
func (m *maker) waking(h *topology.Host) *Step {
	var out *Step
	for i := range m.plan.Phases {
		for j := range m.plan.Phases[i].Steps {
			s := &m.plan.Phases[i].Steps[j]
			if s.Host == h.Name && (takesAway(s.Actions) || slices.ContainsFunc(s.Actions, func(a Action) bool { return a.ID == unitID(kubeletUnit) })) {
				out = s
			}
		}
	}
	return out
}
