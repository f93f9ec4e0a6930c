package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// refuseVersion refuses changes of the release that Kubernetes does not support (https://kubernetes.io/releases/version-skew-policy): minors that are skipped, and older releases,
// but for the one that an unfinished upgrade came from.
func refuseVersion(c *topology.Cluster, cur *inventory.Inventory) error {
	if cur.Kubernetes == c.Kubernetes {
		return nil
	}
	fail := func(format string, args ...any) error {
		return &RefusedError{"kubernetes", fmt.Sprintf("%s: cluster %q runs Kubernetes %s and the topology asks for %s: %s", topology.Place(c.KubernetesRange), c.Name, cur.Kubernetes, c.Kubernetes, fmt.Sprintf(format, args...))}
	}
	was, _ := release.ReadVersion(cur.Kubernetes)
	is, _ := release.ReadVersion(c.Kubernetes)
	switch {
	case !cur.Initialised:
		return fail("its first bring-up is not finished; finish it with kubernetes = %q, then upgrade", cur.Kubernetes)
	case cur.From == c.Kubernetes:
		return nil
	case cur.From != "":
		return fail("its upgrade from %s is not finished; finish it with kubernetes = %q, or go back with kubernetes = %q", cur.From, cur.Kubernetes, cur.From)
	case is.Compare(was) < 0:
		return fail("a release cannot be taken back once its upgrade is finished, since what is stored may be in its form; set kubernetes = %q", cur.Kubernetes)
	case is[0] != was[0] || is[1] > was[1]+1:
		return fail("minor releases cannot be skipped (https://kubernetes.io/releases/version-skew-policy); go to %d.%d first", was[0], was[1]+1)
	}
	return nil
}

// upgrades says whether the cluster is on its way to another release, back whether that is an older one: then nodes go first, since no kubelet may be newer than an API server.
func (m *maker) upgrades() (yes, back bool) {
	if m.fresh || m.Target.From == "" {
		return false, false
	}
	return true, release.CompareVersions(m.Target.Kubernetes, m.Target.From) < 0
}

// refuseStorage refuses to go back to an etcd that cannot read what is stored.
func (m *maker) refuseStorage() error {
	if _, back := m.upgrades(); !back || m.Members == nil || m.Members.Storage == "" {
		return nil
	}
	stored, _ := release.ReadVersion(m.Members.Storage)
	if wanted, _ := release.ReadVersion(m.Etcd); stored.Minor().Compare(wanted.Minor()) <= 0 {
		return nil
	}
	return fmt.Errorf("%s: cluster %q cannot go back to Kubernetes %s: all its etcd members are upgraded and store data in the form of etcd %s, which etcd %s does not read; finish the upgrade with kubernetes = %q",
		topology.Place(m.Cluster.KubernetesRange), m.Cluster.Name, m.Target.Kubernetes, m.Members.Storage, m.Etcd, m.Target.From)
}

// controlPlanePart says of an action that it belongs to etcd or the control plane.
func controlPlanePart(a Action) bool {
	switch a.Part {
	case desired.PartHost, desired.PartEtcd, desired.PartEtcdGuard, desired.PartAPIServer, desired.PartControllerManager, desired.PartScheduler:
		return true
	}
	return false
}

// nodeUnits are what a node's pods depend on while it restarts.
var nodeUnits = []string{"containerd.service", "kubelet.service", "kube-proxy.service", "flanneld.service"}

// takesAway says whether actions restart what a node's pods depend on.
func takesAway(actions []Action) bool {
	return slices.ContainsFunc(actions, func(a Action) bool {
		return a.Verb == Restart && slices.Contains(nodeUnits, a.ID.Name) && a.Item != nil && !a.Item.Unit.Reload
	})
}

// drains says whether the pods of a node have to leave it first: they do for another kubelet (https://kubernetes.io/docs/tasks/administer-cluster/cluster-upgrade).
func (m *maker) drains(h *topology.Host, actions []Action) bool {
	_, registered := m.Nodes[h.Name]
	return registered && slices.ContainsFunc(actions, func(a Action) bool {
		return a.Verb == Update && a.ID == hostapi.ID{Kind: hostapi.KindArtifact, Name: desired.KubeletProgram}
	})
}

// nodeStep changes one node: its pods leave where they have to, and come again once the node is Ready.
func (m *maker) nodeStep(h *topology.Host, actions []Action) Step {
	s := Step{Host: h.Name, Site: h.Site().Name, Actions: actions}
	ready := Action{Verb: Await, Gate: &Gate{Kind: GateNodes, Hosts: []string{h.Name}}, Part: desired.PartKubelet}
	if m.drains(h, actions) {
		drain := m.drain(h.Name, desired.PartKubelet, "the kubelet is exchanged")
		s.Actions = slices.Concat([]Action{drain}, actions, []Action{ready, {Verb: Uncordon, Node: h.Name, Part: desired.PartKubelet, Reason: "once it is Ready"}})
		m.uncordons[h.Name] = true
	} else if takesAway(actions) {
		s.Actions = append(slices.Clone(actions), ready)
	}
	return s
}

// nodes changes what runs on nodes: those of control planes one at a time, then the others, as many at once as the topology allows in each group. What takes nothing away goes at
// once, and so does what is new.
func (m *maker) nodes(voters, workers []*topology.Host) {
	var own []Step
	for _, h := range voters {
		if actions := m.kept(h); len(actions) > 0 {
			own = append(own, m.nodeStep(h, actions))
		}
	}
	workers = m.surgeComes(workers)
	m.phase(Phase{Name: "control-plane-nodes", Title: "Nodes of control planes, one at a time", Serial: true, Steps: own})
	var once, budgeted []Step
	for _, h := range workers {
		actions := m.actions[h.Name]
		if len(actions) == 0 || !takesAway(actions) && !m.hooked(h) { // a hook may take the node away
			once = append(once, Step{Host: h.Name, Site: h.Site().Name, Actions: actions})
			continue
		}
		s := m.nodeStep(h, actions)
		s.Group, _ = m.Cluster.Upgrade.Per.In(h)
		budgeted = append(budgeted, s)
	}
	m.phase(Phase{Name: "workers", Title: "Workers", Steps: once})
	limits, steps := m.budget(budgeted)
	m.phase(Phase{Name: "nodes", Title: "Nodes that are away while they change", Steps: steps, Limits: limits})
}

// group is a group of nodes of which some may be away at once.
type group struct {
	name   string
	nodes  int      // that it has
	broken []string // that do not change now
	surge  int      // hosts that stand in
}

// may is how many nodes of a group may be away at once, before those are counted that are.
func (m *maker) may(g *group) int {
	if m.Cluster.Upgrade.MaxUnavailable.None() {
		return g.surge
	}
	return max(m.Cluster.Upgrade.MaxUnavailable.Of(g.nodes), 1) + g.surge
}

// groups counts the nodes that are not control planes; steps are what changes some of them.
func (m *maker) groups(steps []Step) map[string]*group {
	groups, changes := map[string]*group{}, map[string]bool{}
	for _, s := range steps {
		changes[s.Host] = true
	}
	for _, h := range m.Cluster.Nodes() {
		if h.Has(topology.RoleControlPlane) {
			continue
		}
		key, name := m.Cluster.Upgrade.Per.In(h)
		g := groups[key]
		if g == nil {
			g = &group{name: name}
			groups[key] = g
		}
		switch {
		case h.Surge && m.standsIn(h):
			g.surge++
		case h.Surge:
		case m.unknown(h):
			// what has never been a node takes nothing away by not being there
		default:
			g.nodes++
			if !changes[h.Name] && m.broken(h.Name) {
				g.broken = append(g.broken, h.Name)
			}
		}
	}
	return groups
}

// unknown says whether a host has never been a node of the cluster.
func (m *maker) unknown(h *topology.Host) bool {
	_, node := m.Nodes[h.Name]
	return !node && m.Current.Host(h.Name) == nil
}

// budget is how many nodes of each group may be away at once, by the group's key. Where pods have to leave, a node that is not Ready for other reasons uses it up, and one that is to change
// and is not Ready costs nothing more: it goes first. Nodes for which nothing is left stay as they are.
func (m *maker) budget(steps []Step) (map[string]int, []Step) {
	groups, limits := m.groups(steps), map[string]int{}
	slices.SortStableFunc(steps, func(a, b Step) int { return cmp.Compare(m.rank(a.Host), m.rank(b.Host)) })
	var out []Step
	for _, s := range steps {
		g := groups[s.Group]
		if g.nodes+g.surge == 0 { // none of them is a node yet
			out = append(out, s)
			continue
		}
		left := m.may(g)
		if m.uncordons[s.Host] { // pods stay where nothing is drained
			left -= len(g.broken)
		}
		if left < 1 && m.uncordons[s.Host] && !m.broken(s.Host) {
			m.skipNamed(s.Host, m.noneLeft(g))
			continue
		}
		if limit, ok := limits[s.Group]; !ok || left < limit {
			limits[s.Group] = max(left, 1)
		}
		out = append(out, s)
	}
	return limits, out
}

// noneLeft says why no node of a group may go away, with the sum.
func (m *maker) noneLeft(g *group) string {
	may := fmt.Sprintf("of the %d nodes of the %s %d may be away (max_unavailable = %s", g.nodes, g.name, m.may(g), m.Cluster.Upgrade.MaxUnavailable)
	if g.surge > 0 {
		may += fmt.Sprintf(", and %s", number(g.surge, "surge hosts"))
	}
	if len(g.broken) == 0 {
		return may + "), and no surge host stands in: bring one, or allow one node to be away"
	}
	return may + fmt.Sprintf("), and %d %s: %s; bring them back first", len(g.broken), verb(len(g.broken), "is", "are"), strings.Join(g.broken, ", "))
}

// rank orders nodes that change: first those that are away already, or may be, since they owe a hook.
func (m *maker) rank(host string) int {
	if m.broken(host) || m.owes(host) {
		return 0
	}
	return 1
}

// broken says whether a node is not there for pods, as far as the API knows.
func (m *maker) broken(host string) bool {
	if m.Seen[host] == nil {
		return true
	}
	n, ok := m.Nodes[host]
	return ok && !n.Ready()
}

func (m *maker) skipNamed(host, reason string) {
	for _, h := range m.Cluster.Hosts {
		if h.Name == host {
			m.skip(h, reason)
		}
	}
}

// stopFirst has an API server end in order before the etcd member that it asks restarts: what asks it goes to another one meanwhile.
func (m *maker) stopFirst(h *topology.Host, actions []Action) []Action {
	restarts := slices.ContainsFunc(actions, func(a Action) bool { return a.Verb == Restart && a.ID.Name == desired.EtcdUnit })
	server := m.wanted(h.Name, hostapi.ID{Kind: hostapi.KindUnit, Name: apiServerUnit})
	if !restarts || server == nil || !recordsUnit(m.Seen[h.Name].Record, apiServerUnit) {
		return actions
	}
	out := []Action{{Verb: Stop, ID: server.ID(), Part: desired.PartAPIServer, Reason: "etcd on its host restarts"}}
	out = append(out, actions...)
	if !slices.ContainsFunc(actions, func(a Action) bool { return a.ID == server.ID() }) {
		out = append(out, Action{Verb: Start, ID: server.ID(), Part: desired.PartAPIServer, Reason: "etcd on its host has restarted", Item: server})
	}
	return out
}

// wanted is an item that is desired on a host, nil when there is none.
func (m *maker) wanted(host string, id hostapi.ID) *desired.Item {
	for _, h := range m.Desired.Hosts {
		for i := range h.Items {
			if h.Name == host && h.Items[i].ID() == id {
				return &h.Items[i]
			}
		}
	}
	return nil
}

// upgradeNotes tells of a change of release what the reader should know.
func (m *maker) upgradeNotes() {
	yes, back := m.upgrades()
	if !yes {
		return
	}
	what := "upgrade"
	if back {
		what = "way back"
	}
	note := fmt.Sprintf("%s from Kubernetes %s to %s: control planes one at a time, workers as max_unavailable = %s per %s allows; pods leave a node before its kubelet is exchanged. Interrupted, an apply goes on with it",
		what, m.Target.From, m.Target.Kubernetes, m.Cluster.Upgrade.MaxUnavailable, m.Cluster.Upgrade.Per)
	switch {
	case m.plan.Paused != nil:
		note = m.pausedNote(what)
	case !m.plan.Complete():
		note += "; it is not finished before the hosts that are skipped have changed too"
	}
	m.plan.Notes = append(append(m.plan.Notes, note), m.surgeNotes()...)
}
