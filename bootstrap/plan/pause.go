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

// waiting are the hosts of which a part has not begun to change its release, and waits: what belongs to a control plane, and what runs there as on other nodes. They change apart from
// each other.
type waiting struct{ control, node map[string]bool }

// waits has hosts wait that have not begun to change their release where the topology has that paused; nil where it has not. What has begun is finished. A control plane or member of etcd
// that is to be repaired is left out while others wait, since it would come back with the release that they have not; the way to it is told.
func (m *maker) waits() (*waiting, error) {
	upgrades, back := m.upgrades()
	if !upgrades || !m.Cluster.Upgrade.Paused {
		return nil, nil
	}
	programs, w := m.programs(), &waiting{map[string]bool{}, map[string]bool{}}
	for _, h := range m.hosts {
		w.control[h.Name] = m.mayWait(h) && m.untouched(h, programs[true])
		w.node[h.Name] = m.untouched(h, programs[false]) && !m.Nodes[h.Name].CordonedByTrivet
	}
	if !slices.ContainsFunc(m.hosts, func(h *topology.Host) bool { return w.control[h.Name] || back && w.node[h.Name] }) {
		return m.held(w), nil
	}
	for _, h := range slices.Clone(m.hosts) {
		voter, join := h.Has(topology.RoleEtcd) || h.Has(topology.RoleControlPlane), m.members.joins[h.Name]
		switch {
		case voter && (m.unborn(h) || join != nil):
			if !m.repairs(h) {
				return nil, fmt.Errorf("%s: the upgrade of cluster %q is paused, and host %s is to become a control plane or a member of etcd, which it cannot while others are of another release: set paused = false, or leave the host, or its new role, out for now",
					topology.Place(m.Cluster.Upgrade.Range), m.Cluster.Name, h.Name)
			}
			m.leaveRepair(h, join)
			delete(w.control, h.Name)
			delete(w.node, h.Name)
		case !back && !voter && m.isNew(h): // no kubelet may be newer than an API server
			m.leaveOut(h)
			w.node[h.Name] = true
		}
	}
	return m.held(w), nil
}

// held takes out of hosts' actions what waits.
func (m *maker) held(w *waiting) *waiting {
	for _, h := range m.hosts {
		if control, node := w.control[h.Name], w.node[h.Name]; control || node {
			m.wait(h, control, node)
		}
	}
	return w
}

// repairs says whether a control plane or member of etcd that is to be set up was there before.
func (m *maker) repairs(h *topology.Host) bool {
	old := m.Current.Host(h.Name)
	return old != nil && !slices.ContainsFunc([]topology.Role{topology.RoleEtcd, topology.RoleControlPlane}, func(r topology.Role) bool { return h.Has(r) && !old.Has(r) })
}

// leaveRepair leaves a host out that cannot be repaired before the pause ends. Its member counts as lost until then.
func (m *maker) leaveRepair(h *topology.Host, j *join) {
	why := "its control plane is to be set up again"
	if j != nil {
		why = j.reason
	}
	m.leaveMemberOut(h, fmt.Sprintf("it is to be repaired (%s), which it cannot be while the upgrade is paused and others are of another release: set paused = false in the upgrade block (%s), or go back with kubernetes = %q, and apply",
		why, topology.Place(m.Cluster.Upgrade.Range), m.Target.From))
	delete(m.members.joins, h.Name)
	delete(m.members.moves, h.Name)
	m.Formers = slices.DeleteFunc(m.Formers, func(f Former) bool { return f.Of == h.Name })
	if m.unborn(h) {
		m.leaveOut(h)
	}
}

// pause says how far the release will have come, once it is known which hosts are held back.
func (m *maker) pause(w *waiting) {
	if w == nil {
		return
	}
	p := &Paused{Kubernetes: m.Target.Kubernetes, OfWorkers: m.workers(), OfOthers: len(m.Cluster.Hosts) - m.workers() - m.surging()}
	for _, h := range m.Cluster.Hosts {
		voter := h.Has(topology.RoleEtcd) || h.Has(topology.RoleControlPlane)
		switch control, node := w.control[h.Name], w.node[h.Name]; {
		case control || node:
			p.Waiting = append(p.Waiting, h.Name)
			if voter && !control {
				p.Others++ // its kubelet is the last thing to change
			}
		case m.Seen[h.Name] == nil, m.skipped(h.Name), m.out[h.Name]:
		case voter:
			p.Others++
		case !h.Surge:
			p.Workers++
		}
		m.objectsWait = m.objectsWait || w.control[h.Name]
	}
	if len(p.Waiting) > 0 {
		m.plan.Paused = p
	}
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
		what, m.Target.From, p, p.waits(), topology.Place(m.Cluster.Upgrade.Range))
}

// waits names the hosts that wait.
func (p *Paused) waits() string {
	return fmt.Sprintf("%s %s", desired.Few(p.Waiting), verb(len(p.Waiting), "waits", "wait"))
}
