package plan

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/kube"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// ObjectState is how an API object compares with what is desired.
type ObjectState struct {
	Object *desired.Object
	Exists bool
	Fields []string // that differ; with an empty Reason, empty when the object is as desired
	Reason string   // of a manifest, where there is more to say
	// Problem says why a manifest cannot be applied.
	Problem string
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
	// Departing are the hosts that Current has and Cluster does not; those that answer are in Seen, the others in Away.
	Departing []*topology.Host
	// Absent says why a surge host does not come.
	Absent map[string]string
	// Formers are the machines that hosts were, where others have their names at other addresses.
	Formers []Former
	// Members is etcd as its members have it; nil where nobody could be asked, for the reason in MembersError.
	Members      *Members
	MembersError string
	// Objects is the state of API objects; nil when the API does not exist yet, or could not be asked.
	Objects []ObjectState
	// Orphans are Trivet's own objects that are not desired any more.
	Orphans []desired.Object
	// Manifests is how the API compares with them; nil as Objects.
	Manifests *Manifests
	// Nodes are those of the API by name; nil when it could not be asked.
	Nodes map[string]kube.NodeInfo
	// BlobNames names blobs for the reader.
	BlobNames map[string]string
	Etcd      string // version of etcd that the release goes with
	// Renew asks for certificates that are not due; nil for none.
	Renew *Renewal
	// Turns are the replacements of authorities and keys that go on with this plan; Target has them already.
	Turns []Turn
	Now   time.Time
}

// maker carries the intermediate results of Make.
type maker struct {
	Input
	fresh   bool
	hosts   []*topology.Host    // that were seen
	lost    map[string]bool     // hosts whose etcd member has lost its data, and that cannot be rebuilt now
	members membership          // what becomes of etcd's members
	actions map[string][]Action // by host, in order
	aside   map[string][]Action // what waits for a later phase
	out     map[string]bool     // new hosts that wait
	// kubelets are the hosts that are to have another one.
	kubelets map[string]bool
	// objectsWait is true while a control plane waits for its release: objects are of the new one.
	objectsWait bool
	// uncordons are nodes that a step lets take pods again.
	uncordons map[string]bool
	drained   []string // nodes that are drained for another machine of their name
	plan      *Plan
}

func newMaker(in Input) *maker {
	m := &maker{Input: in, fresh: in.Current == nil || !in.Current.Initialised, lost: map[string]bool{}, uncordons: map[string]bool{}, aside: map[string][]Action{}, out: map[string]bool{}, actions: map[string][]Action{}}
	m.plan = &Plan{Format: Format, Cluster: in.Cluster.Name, Kubernetes: in.Cluster.Kubernetes, Inventory: in.Target, Facts: map[string]string{}}
	if in.Current != nil {
		m.plan.ClusterID, m.plan.Generation = in.Current.ClusterID, in.Current.Generation
	}
	return m
}

// Make computes the plan.
func Make(in Input) (*Plan, error) {
	m := newMaker(in)
	if err := errors.Join(m.refuse(), m.refuseStorage()); err != nil {
		return nil, err
	}
	m.plan.From, m.plan.MaxFailed = in.Target.From, in.Cluster.Upgrade.MaxFailed.Of(m.workers())
	m.leaveOutAway()
	m.compareMembers()
	m.compareFormers()
	for _, h := range in.Desired.Hosts {
		seen := in.Seen[h.Name]
		if seen == nil {
			return nil, fmt.Errorf("host %s was not observed: a plan needs every host that it changes", h.Name)
		}
		m.plan.Facts[h.Name] = factsDigest(seen)
		actions, err := diffHost(h, m.members.without(h.Name, seen), in.Target.Public, in.Now, func(d hostapi.Drift) bool { return d.Code == hostapi.DriftNoRoute && !m.routed(h.Name) }, in.Renew)
		if err != nil {
			return nil, err
		}
		m.actions[h.Name] = actions
	}
	if m.plan.Turns = in.Turns; m.makes() {
		m.keys()
		m.tell()
		return m.plan, nil
	}
	if !m.fresh {
		m.wakeNetworks()
		m.register()
		servers := m.programsChange(desired.PartAPIServer)
		m.kubelets = m.programsChange(desired.PartKubelet)
		w, err := m.waits()
		if err != nil {
			return nil, err
		}
		m.holdBack()
		m.holdNodes(servers)
		m.pause(w)
		m.spare()
	}
	m.transfers()
	m.documents(m.fresh)
	if m.fresh {
		m.bringUp()
	} else {
		m.roll()
	}
	m.settle()
	m.hooks()
	m.leftObjects()
	if err := m.manifests(); err != nil {
		return nil, err
	}
	m.prune()
	m.broughtUp()
	m.upgradeNotes()
	m.tell()
	m.plan.Issues = m.fresh || m.issues() || m.plan.Seals()
	m.plan.NewIdentity = m.sealedOn() == 0 && m.fresh
	return m.plan, nil
}

// tell adds what the reader should know.
func (m *maker) tell() {
	m.plan.Notes = slices.Concat(m.plan.Notes, AuthorityNotes(m.Target.Public, m.Now), m.rotationNotes(), overrideNotes(m.Seen))
	m.plan.GoesOn = m.goesOn() || m.surgeLeaves()
}

// routed says whether routes to other nodes are to be expected on a host: flanneld makes one to each node on which it was up, and takes it away with the Node. Restarting it where no
// other node was seen that runs it brings none, and would be done again at each apply.
func (m *maker) routed(host string) bool {
	id := hostapi.ID{Kind: hostapi.KindUnit, Name: desired.FlannelUnit}
	return slices.ContainsFunc(m.hosts, func(h *topology.Host) bool {
		o := m.Seen[h.Name]
		if _, known := m.Nodes[h.Name]; !known && m.Nodes != nil {
			return false
		}
		return h.Name != host && o.Record.Made(id) &&
			!slices.ContainsFunc(o.Drift, func(d hostapi.Drift) bool { return d.ID == id && d.Code == hostapi.DriftDown })
	})
}

// factsDigest sums up what a plan relies on of one host. Times and free space are left out: they always change and nothing depends on them.
func factsDigest(o *hostapi.Observation) string {
	var record struct {
		ClusterID, Host string
		Items           []hostapi.RecordedItem
		Owed            []hostapi.Owed `json:",omitempty"`
	}
	if o.Record != nil {
		record.ClusterID, record.Host, record.Items, record.Owed = o.Record.ClusterID, o.Record.Host, o.Record.Items, o.Record.Owed
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

// workers counts the hosts that are workers alone, but for those that are there for the time of an upgrade.
func (m *maker) workers() int {
	n := 0
	for _, h := range m.Cluster.Hosts {
		if !h.Has(topology.RoleControlPlane) && !h.Has(topology.RoleEtcd) && !h.Surge {
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
	for _, ph := range m.plan.Phases {
		for _, s := range ph.Steps {
			if slices.ContainsFunc(s.Actions, m.signs) {
				return true
			}
		}
	}
	return false
}

// signs says whether an action takes the identity.
func (m *maker) signs(a Action) bool {
	return a.Item != nil && (a.Item.Certificate != nil || a.Item.Secret != "" ||
		((len(a.Item.Trust) > 0 || a.Item.TrustServiceAccount) && !m.Target.Public.Known()))
}

// phase appends a phase when it has steps.
func (m *maker) phase(p Phase) {
	if p.Steps = withActions(p.Steps); len(p.Steps) > 0 {
		m.plan.Phases = append(m.plan.Phases, p)
	}
}

func withActions(steps []Step) (out []Step) {
	for _, s := range steps {
		if len(s.Actions) > 0 {
			out = append(out, s)
		}
	}
	return out
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
	for _, h := range slices.Concat(m.with(topology.RoleControlPlane), m.predecessors()) {
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
		if d, ok := m.Seen[h.Name].Documents[identity.Document]; identityReason != "" && (!ok || d.Generation < newest || m.reseals(name)) {
			if m.plan.Seals() {
				identityReason = m.turnText()
			}
			s.Actions = append(s.Actions, Action{Verb: Store, Document: identity.Document, Reason: identityReason})
		}
		if inventoryReason != "" {
			s.Actions = append(s.Actions, Action{Verb: Store, Document: inventory.Document, Reason: inventoryReason})
		}
		steps = append(steps, s)
	}
	if inventoryReason != "" && name != PhaseFinish && name != PhaseBroughtUp {
		for _, h := range m.predecessors() {
			steps = append(steps, Step{Host: h.Name, Site: h.Site().Name, Actions: []Action{{Verb: Store, Document: inventory.Document, Reason: inventoryReason}}})
		}
	}
	m.phase(Phase{Name: name, Title: title, Steps: steps})
}

// predecessors are hosts that count as control planes, keep the inventory, and are to be none any more. They learn of the change before they go: whoever has the topology before it finds
// there that others count as well.
func (m *maker) predecessors() []*topology.Host {
	if m.Current == nil {
		return nil
	}
	voters := slices.Concat(m.Current.Voters()...)
	return slices.DeleteFunc(slices.Concat(m.hosts, m.Departing), func(h *topology.Host) bool {
		o := m.Seen[h.Name]
		stays := slices.ContainsFunc(m.Cluster.HostsWith(topology.RoleControlPlane), func(x *topology.Host) bool { return x.Name == h.Name })
		return stays || !slices.Contains(voters, h.Name) || o == nil || !remembers(o)
	})
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
	m.plan.Phases = append(m.plan.Phases, Phase{Name: "quorum", Title: "etcd and API answer", Gates: m.controlPlaneGates(m.everything())})
	m.phase(Phase{Name: PhaseSeal, Title: "Guard against a second bootstrap", Steps: steps})
	m.objects(m.objectActions())
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

// objectActions are for the API objects that are missing or differ.
func (m *maker) objectActions() []Action {
	return slices.DeleteFunc(m.differing(), func(a Action) bool {
		node := a.Object.Kind == "Node"
		return node && m.out[a.Object.Name] || !node && m.objectsWait
	})
}

func (m *maker) differing() []Action { return m.changes(m.Desired.Objects, m.Objects, "api") }

// changes are what it takes to make objects as desired; with nil states, all are made.
func (m *maker) changes(objects []desired.Object, states []ObjectState, part string) []Action {
	var out []Action
	if states == nil {
		for i := range objects {
			out = append(out, Action{Verb: Create, Object: &objects[i], Part: part, Reason: "not there yet"})
		}
	}
	for _, o := range states {
		switch {
		case o.Problem != "":
			m.plan.Blocked = append(m.plan.Blocked, Block{Object: (&Action{Object: o.Object}).on(), Reason: o.Problem})
		case !o.Exists:
			out = append(out, Action{Verb: Create, Object: o.Object, Part: part, Reason: cmp.Or(o.Reason, "not there yet")})
		case len(o.Fields) > 0 || o.Reason != "":
			out = append(out, Action{Verb: Apply, Object: o.Object, Part: part, Reason: o.why()})
		}
	}
	return out
}

func (m *maker) objects(actions []Action) {
	m.phase(Phase{Name: "objects", Title: "Objects in the API", Steps: []Step{{Actions: actions}}})
}

// settle ends a plan with the conditions under which it counts as done, also one without actions: a run that was interrupted may have left nodes on their way.
func (m *maker) settle() {
	var nodes []string
	for _, h := range m.hosts {
		if h.IsNode() {
			nodes = append(nodes, h.Name)
		}
	}
	gates := m.nodeGates(nodes)
	dns := Gate{Kind: GateDNS}
	if len(nodes) < len(m.Cluster.Nodes()) {
		dns.Minimum = 1 // pods of a node that died stay with it until they are evicted
	}
	gates = append(gates, dns)
	m.plan.Phases = append(m.plan.Phases, Phase{Name: "ready", Title: "Nodes Ready, DNS available", Gates: gates})
}

// broughtUp notes, last of all, that the first bring-up has come to its end. One that leaves out something of the topology has not; elastic workers are none of it.
func (m *maker) broughtUp() {
	leftOut := slices.ContainsFunc(m.plan.Skipped, func(s Skip) bool {
		return !slices.ContainsFunc(m.Cluster.Hosts, func(h *topology.Host) bool { return h.Elastic && h.Name == s.Host })
	})
	if m.Target.BringingUp && !leftOut && m.plan.Paused == nil && len(m.plan.Blocked) == 0 {
		m.store(PhaseBroughtUp, "Inventory: the cluster is complete", "", "the first bring-up has come to its end")
	}
}

// nodeGates wait until nodes are Ready, and pods on them can talk.
func (m *maker) nodeGates(nodes []string) []Gate {
	gates := []Gate{{Kind: GateNodes, Hosts: nodes}}
	if m.Cluster.Network.Plugin == release.PluginFlannel {
		gates = append(gates, Gate{Kind: GateNetworks, Hosts: nodes})
	}
	return gates
}

func names(hosts []*topology.Host) []string {
	out := make([]string, len(hosts))
	for i, h := range hosts {
		out[i] = h.Name
	}
	sort.Strings(out)
	return out
}
