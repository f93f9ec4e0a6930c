package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// ObjectState is how an API object compares with what is desired.
type ObjectState struct {
	Object *desired.Object
	Exists bool
	Fields []string // that differ; empty when the object is as desired
}

// Input is everything that a plan depends on.
type Input struct {
	Cluster *topology.Cluster
	// Current is the inventory found on the control planes, nil before the first bring-up; Target is what it is to be, its generation not raised.
	Current, Target *inventory.Inventory
	// Desired is compiled against Target.
	Desired *desired.Cluster
	Seen    map[string]*hostapi.Observation
	// Away says why a host of the cluster was not seen.
	Away map[string]string
	// Objects is the state of API objects; nil when the API does not exist yet.
	Objects []ObjectState
	// BlobNames names blobs for the reader.
	BlobNames map[string]string
	Now       time.Time
}

// maker carries the intermediate results of Make.
type maker struct {
	Input
	fresh   bool
	hosts   []*topology.Host    // that were seen
	lost    map[string]bool     // hosts whose etcd member has lost its data
	actions map[string][]Action // by host, in order
	plan    *Plan
}

// Make computes the plan.
func Make(in Input) (*Plan, error) {
	m := &maker{Input: in, fresh: in.Current == nil || !in.Current.Initialised, lost: map[string]bool{}, actions: map[string][]Action{}}
	m.plan = &Plan{Format: Format, Cluster: in.Cluster.Name, Kubernetes: in.Cluster.Kubernetes, Inventory: in.Target, Facts: map[string]string{}}
	if in.Current != nil {
		m.plan.ClusterID, m.plan.Generation = in.Current.ClusterID, in.Current.Generation
	}
	if err := m.refuse(); err != nil {
		return nil, err
	}
	m.leaveOutAway()
	for _, h := range in.Desired.Hosts {
		seen := in.Seen[h.Name]
		if seen == nil {
			return nil, fmt.Errorf("host %s was not observed: a plan needs every host that it changes", h.Name)
		}
		m.plan.Facts[h.Name] = factsDigest(seen)
		actions, err := diffHost(h, seen, in.Target.Public, in.Now, func(d hostapi.Drift) bool { return d.Code == hostapi.DriftNoRoute && !m.routed(h.Name) })
		if err != nil {
			return nil, err
		}
		m.actions[h.Name] = actions
	}
	if !m.fresh {
		m.holdBack()
	}
	m.transfers()
	m.documents(m.fresh)
	if m.fresh {
		m.bringUp()
	} else {
		m.roll()
		m.objects()
	}
	m.settle()
	m.prune()
	m.plan.Notes = slices.Concat(authorityNotes(in.Target.Public, in.Now), overrideNotes(in.Seen))
	m.plan.Issues = m.fresh || m.issues()
	m.plan.NewIdentity = m.sealedOn() == 0 && m.fresh
	return m.plan, nil
}

// routed says whether routes to other nodes are to be expected on a host: flanneld makes one to each node on which it was up. Restarting it where no other node was seen that runs
// it brings none, and would be done again at each apply.
func (m *maker) routed(host string) bool {
	id := hostapi.ID{Kind: hostapi.KindUnit, Name: desired.FlannelUnit}
	return slices.ContainsFunc(m.hosts, func(h *topology.Host) bool {
		o := m.Seen[h.Name]
		return h.Name != host && o.Record != nil &&
			slices.ContainsFunc(o.Record.Items, func(i hostapi.RecordedItem) bool { return i.Item.ID() == id && !i.Pending }) &&
			!slices.ContainsFunc(o.Drift, func(d hostapi.Drift) bool { return d.ID == id && d.Code == hostapi.DriftDown })
	})
}

// factsDigest sums up what a plan relies on of one host. Times and free space are left out: they always change and nothing depends on them.
func factsDigest(o *hostapi.Observation) string {
	var record struct {
		ClusterID, Host string
		Items           []hostapi.RecordedItem
	}
	if o.Record != nil {
		record.ClusterID, record.Host, record.Items = o.Record.ClusterID, o.Record.Host, o.Record.Items
	}
	b, err := json.Marshal(struct {
		Machine, Boot, Arch string
		Cgroup              int
		Record              any
		Drift               []hostapi.Drift
	}{o.Facts.MachineID, o.Facts.BootID, o.Facts.Architecture, o.Facts.CgroupVersion, record, o.Drift})
	if err != nil {
		panic("plan: " + err.Error()) // plain data
	}
	return short(hostapi.Digest(b))
}

func (m *maker) sealedOn() int {
	n := 0
	for _, h := range m.with(topology.RoleControlPlane) {
		if _, ok := m.Seen[h.Name].Documents[identity.Document]; ok {
			n++
		}
	}
	return n
}

// with lists the hosts with a role that were seen.
func (m *maker) with(r topology.Role) []*topology.Host {
	var out []*topology.Host
	for _, h := range m.hosts {
		if h.Has(r) {
			out = append(out, h)
		}
	}
	return out
}

func (m *maker) issues() bool {
	for _, as := range m.actions {
		for _, a := range as {
			if a.Item != nil && (a.Item.Certificate != nil || a.Item.Secret != "" ||
				((len(a.Item.Trust) > 0 || a.Item.TrustServiceAccount) && !m.Target.Public.Known())) {
				return true
			}
		}
	}
	return false
}

// phase appends a phase when it has steps.
func (m *maker) phase(p Phase) {
	var steps []Step
	for _, s := range p.Steps {
		if len(s.Actions) > 0 {
			steps = append(steps, s)
		}
	}
	if p.Steps = steps; len(steps) > 0 {
		m.plan.Phases = append(m.plan.Phases, p)
	}
}

// each makes a step for every host of a list from the actions that keep lets through.
func (m *maker) each(hosts []*topology.Host, keep func(Action) bool) []Step {
	var out []Step
	for _, h := range hosts {
		s := Step{Host: h.Name, Site: h.Site().Name}
		for _, a := range m.actions[h.Name] {
			if keep(a) {
				s.Actions = append(s.Actions, a)
			}
		}
		out = append(out, s)
	}
	return out
}

// documents stores the first documents of a new cluster, or what an interrupted run did not get to.
func (m *maker) documents(first bool) {
	if !first {
		return
	}
	reason := m.behind()
	if m.Current == nil {
		reason = "names, addresses, roles and pod ranges"
	}
	m.store(PhaseIdentity, "Cluster identity", "the cluster's authorities and secrets, sealed, before anything depends on them", reason)
}

// behind says which control plane lacks the newest inventory, "" when all have it.
func (m *maker) behind() string {
	for _, h := range m.with(topology.RoleControlPlane) {
		d, ok := m.Seen[h.Name].Documents[inventory.Document]
		if !ok || m.Current == nil || older(d, m.Current) {
			return "missing or behind on host " + h.Name
		}
	}
	return ""
}

// sealedGeneration is that of the newest sealed identity, 0 when there is none.
func (m *maker) sealedGeneration() uint64 {
	newest := uint64(0)
	for _, h := range m.with(topology.RoleControlPlane) {
		newest = max(newest, m.Seen[h.Name].Documents[identity.Document].Generation)
	}
	return newest
}

// store puts the identity on control planes that lack it or have it sealed as it was before, and, when there is a reason, a new generation of the inventory on all of them: one that kept an older generation would be
// behind for good.
func (m *maker) store(name, title, identityReason, inventoryReason string) {
	var steps []Step
	newest := m.sealedGeneration()
	for _, h := range m.with(topology.RoleControlPlane) {
		s := Step{Host: h.Name, Site: h.Site().Name}
		if d, ok := m.Seen[h.Name].Documents[identity.Document]; !ok || d.Generation < newest {
			s.Actions = append(s.Actions, Action{Verb: Store, Document: identity.Document, Reason: identityReason})
		}
		if inventoryReason != "" {
			s.Actions = append(s.Actions, Action{Verb: Store, Document: inventory.Document, Reason: inventoryReason})
		}
		steps = append(steps, s)
	}
	m.phase(Phase{Name: name, Title: title, Steps: steps})
}

func kindOf(a Action) hostapi.Kind { return a.ID.Kind }

func guard(a Action) bool { return a.Part == desired.PartEtcdGuard }

// early says of an action that it belongs to what takes longest to come up and what all else waits for: etcd and the API servers.
func early(a Action) bool {
	return a.Part == desired.PartEtcd || a.Part == desired.PartAPIServer || kindOf(a) == hostapi.KindUser
}

// runtime says of an action that it starts what images are imported into, or what nodes reach the API through.
func runtime(a Action) bool {
	return kindOf(a) == hostapi.KindUnit && (a.Part == desired.PartContainerd || a.Part == desired.PartBalancer)
}

// bringUp orders the first bring-up: there is nothing to lose yet, so all hosts go at once. etcd and the API servers start as early as they can, and nodes are prepared while they
// come up. What talks to the API starts once it answers and has the nodes: started before, it would fail and wait longer each time before it tries again.
func (m *maker) bringUp() {
	unit := func(a Action) bool { return kindOf(a) == hostapi.KindUnit }
	image := func(a Action) bool { return kindOf(a) == hostapi.KindImage }
	m.phase(Phase{Name: "configure", Title: "etcd and API servers: files, certificates", Steps: m.each(m.hosts, func(a Action) bool { return early(a) && !unit(a) })})
	m.phase(Phase{Name: "start", Title: "etcd and API servers: start", Steps: m.each(m.hosts, func(a Action) bool { return early(a) && unit(a) })})
	m.phase(Phase{Name: "install", Title: "Packages, files and certificates", Steps: m.each(m.hosts, func(a Action) bool {
		return !early(a) && !unit(a) && !image(a) && !guard(a)
	})})
	m.phase(Phase{Name: "images", Title: "Images, pinned", Steps: m.each(m.hosts, func(a Action) bool { return runtime(a) || image(a) })})
	steps := m.each(m.hosts, guard)
	for i := range steps {
		if m.isControlPlane(steps[i].Host) {
			steps[i].Actions = append(steps[i].Actions, Action{Verb: Store, Document: inventory.Document, Reason: "etcd has formed: no member ever bootstraps again"})
		}
	}
	m.plan.Phases = append(m.plan.Phases, Phase{Name: "quorum", Title: "etcd and API answer", Gates: m.controlPlaneGates()})
	m.phase(Phase{Name: PhaseSeal, Title: "Guard against a second bootstrap", Steps: steps})
	m.objects()
	m.phase(Phase{Name: "join", Title: "Controllers, kubelets and pod network", Steps: m.each(m.hosts, func(a Action) bool { return unit(a) && !early(a) && !runtime(a) })})
}

func (m *maker) isControlPlane(name string) bool {
	for _, h := range m.Cluster.HostsWith(topology.RoleControlPlane) {
		if h.Name == name {
			return true
		}
	}
	return false
}

// roll orders changes of a running cluster: etcd members and control planes one at a time with gates after each, then the workers together.
func (m *maker) roll() {
	var voters, workers []*topology.Host
	for _, h := range m.hosts {
		if h.Has(topology.RoleEtcd) || h.Has(topology.RoleControlPlane) {
			voters = append(voters, h)
		} else {
			workers = append(workers, h)
		}
	}
	all := func(Action) bool { return true }
	m.remember()
	m.revive(voters)
	// A unit that an interrupted run was about to restart may be down: its host goes first, or the gates after another host would wait for it in vain.
	slices.SortStableFunc(voters, func(a, b *topology.Host) int { return m.unsettled(b) - m.unsettled(a) })
	steps := m.each(voters, all)
	for i := range steps {
		steps[i].Guards = m.guards(steps[i])
	}
	m.phase(Phase{Name: "control-planes", Title: "etcd and control planes, one at a time", Serial: true, Steps: steps, Gates: m.controlPlaneGates()})
	m.phase(Phase{Name: "workers", Title: "Workers", Steps: m.each(workers, all)})
}

// revive brings back etcd members and API servers that do not run, with what they read, on all hosts at once: they have nothing to lose, and the gates between control planes
// wait for all of them.
func (m *maker) revive(voters []*topology.Host) {
	var steps []Step
	for _, h := range voters {
		s := Step{Host: h.Name, Site: h.Site().Name}
		s.Actions, m.actions[h.Name] = m.raising(h)
		steps = append(steps, s)
	}
	m.phase(Phase{Name: "revive", Title: "etcd members and API servers that are down", Steps: steps, Gates: m.controlPlaneGates()})
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

const apiServerUnit = "kube-apiserver.service"

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

func (m *maker) controlPlaneGates() []Gate {
	lost := func(h *topology.Host) bool { return m.lost[h.Name] } // with the member its API server, which asks no other
	members, servers := slices.DeleteFunc(m.with(topology.RoleEtcd), lost), slices.DeleteFunc(m.with(topology.RoleControlPlane), lost)
	gates := []Gate{{Kind: GateEtcd, Hosts: names(members)}, {Kind: GateAPI, Hosts: names(servers)}}
	return slices.DeleteFunc(gates, func(g Gate) bool { return len(g.Hosts) == 0 })
}

// remember brings the documents of a running cluster up to date, before hosts take up what was allotted to them.
func (m *maker) remember() {
	reason := m.behind()
	if !desired.EqualInventory(m.Current, m.Target) {
		reason = "names, addresses, roles or pod ranges changed"
	}
	m.store("inventory", "Inventory", "missing on this control plane", reason)
}

// objects adds the API objects that are missing or differ.
func (m *maker) objects() {
	s := Step{}
	if m.Objects == nil {
		for i := range m.Desired.Objects {
			o := &m.Desired.Objects[i]
			s.Actions = append(s.Actions, Action{Verb: Create, Object: o, Part: "api", Reason: "not there yet"})
		}
	}
	for _, o := range m.Objects {
		switch {
		case !o.Exists:
			s.Actions = append(s.Actions, Action{Verb: Create, Object: o.Object, Part: "api", Reason: "not there yet"})
		case len(o.Fields) > 0:
			s.Actions = append(s.Actions, Action{Verb: Apply, Object: o.Object, Part: "api", Reason: fmt.Sprint(o.Fields)})
		}
	}
	m.phase(Phase{Name: "objects", Title: "Objects in the API", Steps: []Step{s}})
}

// settle ends a plan with the conditions under which it counts as done, also one without actions: a run that was interrupted may have left nodes on their way.
func (m *maker) settle() {
	var nodes []string
	for _, h := range m.hosts {
		if h.IsNode() {
			nodes = append(nodes, h.Name)
		}
	}
	gates := []Gate{{Kind: GateNodes, Hosts: nodes}}
	if m.Cluster.Network.Plugin == release.PluginFlannel {
		gates = append(gates, Gate{Kind: GateNetworks, Hosts: nodes})
	}
	dns := Gate{Kind: GateDNS}
	if len(nodes) < len(m.Cluster.Nodes()) {
		dns.Minimum = 1 // pods of a node that died stay with it until they are evicted
	}
	gates = append(gates, dns)
	m.plan.Phases = append(m.plan.Phases, Phase{Name: "ready", Title: "Nodes Ready, DNS available", Gates: gates})
}

func names(hosts []*topology.Host) []string {
	out := make([]string, len(hosts))
	for i, h := range hosts {
		out[i] = h.Name
	}
	sort.Strings(out)
	return out
}
