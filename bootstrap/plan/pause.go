package plan

import (
	"fmt"
	"slices"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Paused is how far a change of release will have come that the topology has paused.
type Paused struct {
	Kubernetes string `json:"kubernetes"` // that it goes to
	// Workers and Others, which are control planes and etcd members, that will have it, of how many there are.
	Workers   int `json:"workers"`
	OfWorkers int `json:"ofWorkers"`
	Others    int `json:"others"`
	OfOthers  int `json:"ofOthers"`
	// Waiting are hosts of which some or all stays as it is.
	Waiting []string `json:"waiting"`
}

// String says how far it is.
func (p *Paused) String() string {
	return fmt.Sprintf("paused: %d of %s and %d of %s on Kubernetes %s", p.Workers, number(p.OfWorkers, "workers"), p.Others, number(p.OfOthers, "control planes"), p.Kubernetes)
}

// pause has hosts wait that have not begun to change their release, where the topology says so. What belongs to a control plane and what runs on it as on other nodes change apart from
// each other, and wait apart. What has begun is finished.
func (m *maker) pause() error {
	upgrades, back := m.upgrades()
	if !upgrades || !m.Cluster.Upgrade.Paused {
		return nil
	}
	p := &Paused{Kubernetes: m.Target.Kubernetes, OfWorkers: m.workers(), OfOthers: len(m.Cluster.Hosts) - m.workers() - m.surging()}
	programs := m.programs()
	control, node := map[string]bool{}, map[string]bool{} // hosts where that part waits
	for _, h := range m.hosts {
		control[h.Name] = m.mayWait(h) && m.untouched(h, programs[true])
		node[h.Name] = m.untouched(h, programs[false]) && !m.Nodes[h.Name].CordonedByTrivet
	}
	first := slices.ContainsFunc(m.hosts, func(h *topology.Host) bool { return control[h.Name] || back && node[h.Name] })
	for _, h := range slices.Clone(m.hosts) {
		voter := h.Has(topology.RoleEtcd) || h.Has(topology.RoleControlPlane)
		switch waits := control[h.Name] || node[h.Name]; {
		case first && voter && (m.unborn(h) || m.members.joins[h.Name] != nil):
			return fmt.Errorf("%s: the upgrade of cluster %q is paused, and host %s is to become a control plane or a member of etcd, which it cannot while others are of another release: %s",
				m.Cluster.Upgrade.Range, m.Cluster.Name, h.Name, m.unpause(h))
		case first && !back && !voter && m.isNew(h): // no kubelet may be newer than an API server
			m.leaveOut(h)
			p.Waiting = append(p.Waiting, h.Name)
		case waits:
			m.wait(h, control[h.Name], node[h.Name])
			p.Waiting = append(p.Waiting, h.Name)
			if voter && !control[h.Name] {
				p.Others++ // its kubelet is the last thing to change
			}
		case voter:
			p.Others++
		case !h.Surge:
			p.Workers++
		}
	}
	if m.objectsWait = slices.ContainsFunc(m.hosts, func(h *topology.Host) bool { return control[h.Name] }); len(p.Waiting) > 0 {
		m.plan.Paused = p
	}
	return nil
}

// unpause says what to do about a host that is to become a control plane or a member of etcd during a pause. One that was there before cannot be left out without a loss.
func (m *maker) unpause(h *topology.Host) string {
	if m.Current.Host(h.Name) == nil {
		return "set paused = false, or leave the host out for now"
	}
	return fmt.Sprintf("it was there before, so it is to be repaired; set paused = false, or go back with kubernetes = %q, and apply", m.Target.From)
}

// programs are those that come with the release: true has those of control planes.
func (m *maker) programs() map[bool][]string {
	out := map[bool][]string{true: {desired.PartAPIServer, desired.PartControllerManager, desired.PartScheduler}, false: {desired.PartKubelet, desired.PartProxy}}
	if was, err := release.Lookup(m.Target.From); err == nil && was.Etcd != m.Etcd {
		out[true] = append(out[true], desired.PartEtcd)
	}
	return out
}

// mayWait says whether a control plane can stay as it is: not where its member of etcd comes, moves or goes.
func (m *maker) mayWait(h *topology.Host) bool { return !m.changesMember(h.Name) && !m.retires(h) }

// untouched says whether a host has programs of some parts, and all of them of the release that is left, with no change begun.
func (m *maker) untouched(h *topology.Host, parts []string) bool {
	changes := map[hostapi.ID]bool{}
	for _, a := range m.actions[h.Name] {
		changes[a.ID] = changes[a.ID] || a.Verb == Update
	}
	record, found := m.Seen[h.Name].Record, false
	if record == nil {
		return false
	}
	own := m.partsOf(h.Name, parts)
	for _, i := range record.Items {
		id := i.Item.ID()
		switch {
		case !own[id]:
		case i.Pending, id.Kind == hostapi.KindArtifact && !changes[id]:
			return false
		case id.Kind == hostapi.KindArtifact:
			found = true
		}
	}
	return found
}

// partsOf are the items that a host is to have of some parts.
func (m *maker) partsOf(host string, parts []string) map[hostapi.ID]bool {
	out := map[hostapi.ID]bool{}
	for _, h := range m.Desired.Hosts {
		if h.Name != host {
			continue
		}
		for i := range h.Items {
			if slices.Contains(parts, h.Items[i].Part) {
				out[h.Items[i].ID()] = true
			}
		}
	}
	return out
}

// wait takes out of a host's actions what waits. Certificates are renewed all the same, what nobody accepts any more is replaced, what is down of a control plane comes up, and images
// come: pods of the release may land anywhere.
func (m *maker) wait(h *topology.Host, control, node bool) {
	worker := !h.Has(topology.RoleControlPlane) && !h.Has(topology.RoleEtcd)
	void, _ := m.voided(h)
	raise, _ := m.raising(h)
	at := map[hostapi.ID]bool{}
	for _, a := range slices.Concat(void, raise) {
		at[a.ID] = true
	}
	m.actions[h.Name] = slices.DeleteFunc(slices.Clone(m.actions[h.Name]), func(a Action) bool {
		waits := node
		if !worker && m.asControlPlane(h, a) {
			waits = control
		}
		return waits && !at[a.ID] && kindOf(a) != hostapi.KindKeyPair && (kindOf(a) != hostapi.KindImage || a.Verb == Remove) && (a.Verb != Restart || a.Item != nil)
	})
}

// surging counts the hosts that are there for the time of the upgrade.
func (m *maker) surging() int {
	n := 0
	for _, h := range m.Cluster.Hosts {
		if h.Surge {
			n++
		}
	}
	return n
}

// pausedNote says what waits.
func (m *maker) pausedNote(what string) string {
	p := m.plan.Paused
	return fmt.Sprintf("%s from Kubernetes %s is %s; %s, and what has begun is finished. Set paused = false in the upgrade block (%s) and apply to go on",
		what, m.Target.From, p, p.waits(), m.Cluster.Upgrade.Range)
}

// waits names the hosts that wait.
func (p *Paused) waits() string {
	return fmt.Sprintf("%s %s", desired.Few(p.Waiting), verb(len(p.Waiting), "waits", "wait"))
}
