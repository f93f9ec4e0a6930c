package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/etcd"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Members is etcd as a quorum of its members has it.
type Members struct {
	List []etcd.Member
	// Trouble says, by ID, what is wrong with a member; those that are healthy are not in it. Corrupt has those whose data differ from the others'.
	Trouble map[uint64]string
	Corrupt map[uint64]bool
	// Storage is the version that the data are stored in the form of, such as "3.7.0"; empty where nobody said.
	Storage string
}

// healthy counts the voting members that answer.
func (m *Members) healthy() int {
	n := 0
	for _, x := range m.List {
		if !x.Learner && m.fine(x) {
			n++
		}
	}
	return n
}

func (m *Members) fine(x etcd.Member) bool { return x.Name != "" && m.Trouble[x.ID] == "" }

// membership is what becomes of etcd's members.
type membership struct {
	joins map[string]*join       // by host: those that become members, for the first time or again
	moves map[string]etcd.Member // by host: members whose host has another address
	dead  []etcd.Member          // that go first: they count and do not answer
	leave []etcd.Member          // that go last
}

// join is how a host's member gets into the list.
type join struct {
	old    *etcd.Member // which it was, and cannot be again
	reason string
	clear  []hostapi.ID // what is left of that on the host
}

// without is a host's observation as it will be once what is left of its old member is gone.
func (s *membership) without(host string, o *hostapi.Observation) *hostapi.Observation {
	j := s.joins[host]
	if j == nil || len(j.clear) == 0 || o.Record == nil {
		return o
	}
	out, record := *o, *o.Record
	record.Items = slices.DeleteFunc(slices.Clone(record.Items), func(i hostapi.RecordedItem) bool { return slices.Contains(j.clear, i.Item.ID()) })
	out.Drift = slices.DeleteFunc(slices.Clone(o.Drift), func(d hostapi.Drift) bool { return slices.Contains(j.clear, d.ID) })
	out.Record = &record
	return &out
}

// compareMembers compares the member list with the topology. Where etcd has no quorum the list cannot change: hosts that would need that are left out, with the sum.
func (m *maker) compareMembers() {
	m.members = membership{joins: map[string]*join{}, moves: map[string]etcd.Member{}}
	if m.fresh {
		return
	}
	stays := map[uint64]bool{}
	for _, h := range m.Cluster.HostsWith(topology.RoleEtcd) {
		member := m.memberOf(h)
		if member != nil {
			stays[member.ID] = true
		}
		if m.Seen[h.Name] != nil {
			m.compareMember(h, member)
		}
	}
	if m.Members == nil {
		return
	}
	for _, x := range m.Members.List {
		switch {
		case stays[x.ID]:
		case m.Members.fine(x):
			m.members.leave = append(m.members.leave, x)
		default:
			m.members.dead = append(m.members.dead, x)
		}
	}
	m.sumUp()
}

// memberOf finds a host's member: by its name, or by its address while it has none.
func (m *maker) memberOf(h *topology.Host) *etcd.Member {
	if m.Members == nil {
		return nil
	}
	for i, x := range m.Members.List {
		if x.Name == h.Name || x.Name == "" && slices.Contains(x.PeerURLs, desired.PeerURL(h.Address)) {
			return &m.Members.List[i]
		}
	}
	return nil
}

// compareMember says what becomes of the member on a host that answers.
func (m *maker) compareMember(h *topology.Host, member *etcd.Member) {
	o := m.Seen[h.Name]
	lost := m.loss(h)
	if m.Members == nil {
		if lost != "" || !hasMember(o.Record) {
			m.leaveMemberOut(h, cmp.Or(lost, "it is to become a member of etcd")+", and etcd cannot be asked: "+cmp.Or(m.MembersError, "no member answers"))
		}
		return
	}
	j := &join{}
	switch {
	case member != nil && member.Name != "" && lost != "":
		j.old, j.reason = member, lost
	case member != nil && m.Members.Corrupt[member.ID]:
		j.old, j.reason = member, "the data of its etcd member are corrupt"
	case member == nil && hasMember(o.Record) && !m.onItsWay(h):
		j.reason = cmp.Or(lost, "its etcd member was taken out of the member list")
	case member == nil:
		j.reason = "to become a member of etcd"
	case member.Learner || member.Name == "":
		j.reason = "its etcd member has not joined yet"
	case !slices.Contains(member.PeerURLs, desired.PeerURL(h.Address)):
		m.members.moves[h.Name] = *member
		return
	default:
		return
	}
	if j.old != nil || member == nil {
		j.clear = leftOfMember(o.Record)
	}
	m.members.joins[h.Name] = j
}

// onItsWay says whether a host's member was set up and never started.
func (m *maker) onItsWay(h *topology.Host) bool {
	return !recordsUnit(m.Seen[h.Name].Record, desired.EtcdUnit)
}

// loss says why what a host has of its member is no longer it; "" where it is.
func (m *maker) loss(h *topology.Host) string {
	o := m.Seen[h.Name]
	switch {
	case m.replaced(h):
		return "it is another machine than before"
	case Forgot(m.Current, h, o):
		return "it remembers nothing of its etcd member"
	case hasMember(o.Record) && m.dataGone(h):
		return "the data of its etcd member, " + desired.EtcdData + ", are gone"
	}
	if what := m.damage(h); what != "" {
		return "the data of its etcd member are damaged, so that it does not start: " + what
	}
	return ""
}

// damage says what is wrong with the data of a member that fails again and again; "" where they are not known to be damaged.
func (m *maker) damage(h *topology.Host) string {
	if member := m.memberOf(h); member != nil && m.Members.fine(*member) {
		return "" // it is up by now
	}
	words := m.Seen[h.Name].LastWords[desired.EtcdUnit]
	what := etcd.Damage(words)
	if what != etcd.Differ || m.Members == nil {
		return what
	}
	// Those who are a quorum without it are right. Where fewer differ from it, it may be one of those who are.
	var others []string
	peers := etcd.Differing(words)
	for _, x := range m.Members.List {
		if !x.Learner && slices.ContainsFunc(x.PeerURLs, func(url string) bool { return slices.Contains(peers, url) }) {
			others = append(others, x.Name)
		}
	}
	if voters := etcd.Voters(m.Members.List); len(others) < etcd.Quorum(voters) {
		m.plan.Notes = append(m.plan.Notes, fmt.Sprintf("etcd on host %s does not start, since its data differ from those of %s, which is no quorum of %d voting members: nobody can say whose are right, and nothing is thrown away. "+
			"Where only one member differs from all others (journalctl -u etcd on each host says: found different hash values), stop etcd there and apply: the others start, and then it is made again", h.Name, cmp.Or(strings.Join(others, ", "), "nobody who is a member"), voters))
		return ""
	}
	return what
}

// replaced says whether the machine behind a name is another one than the cluster knows.
func (m *maker) replaced(h *topology.Host) bool {
	old := m.Current.Host(h.Name)
	return old != nil && old.MachineID != "" && old.MachineID != m.Seen[h.Name].Facts.MachineID
}

// leftOfMember lists what a record has of a member that must go before the host can be another one.
func leftOfMember(r *hostapi.Record) []hostapi.ID {
	var out []hostapi.ID
	for _, id := range []hostapi.ID{
		{Kind: hostapi.KindUnit, Name: desired.EtcdUnit},
		{Kind: hostapi.KindFile, Name: desired.EtcdInitialised},
		{Kind: hostapi.KindFile, Name: desired.InitialClusterFile},
		{Kind: hostapi.KindDirectory, Name: desired.EtcdData},
	} {
		if r.Has(id) {
			out = append(out, id)
		}
	}
	return out
}

// leaveMemberOut leaves a host out whose member cannot be made now.
func (m *maker) leaveMemberOut(h *topology.Host, reason string) {
	m.lost[h.Name] = true
	m.skip(h, reason)
}

// sumUp leaves out changes of the member list that etcd, as it is now, cannot bear, with the sum.
func (m *maker) sumUp() {
	voters, healthy := etcd.Voters(m.Members.List), m.Members.healthy()
	need := etcd.Quorum(voters)
	if healthy >= need {
		m.sumRemovals(voters, healthy)
		return
	}
	sum := fmt.Sprintf("of %d voting members of etcd %d %s (%s), and %d are needed to change the member list", voters, healthy, verb(healthy, "is healthy", "are healthy"), m.troubles(), need)
	for _, h := range m.Cluster.HostsWith(topology.RoleEtcd) {
		_, moves := m.members.moves[h.Name]
		if j := m.members.joins[h.Name]; j != nil {
			m.leaveMemberOut(h, j.reason+", but "+sum)
		} else if moves {
			m.leaveMemberOut(h, "its etcd member has a new address, but "+sum)
		}
	}
	for _, x := range slices.Concat(m.members.dead, m.members.leave) {
		m.holdMember(x, sum)
	}
	m.members = membership{joins: map[string]*join{}, moves: map[string]etcd.Member{}}
}

func (m *maker) troubles() string {
	var out []string
	for _, x := range m.Members.List {
		if !x.Learner && !m.Members.fine(x) {
			out = append(out, cmp.Or(x.Name, strings.Join(x.PeerURLs, ", "))+": "+cmp.Or(m.Members.Trouble[x.ID], "it does not answer"))
		}
	}
	return strings.Join(out, "; ")
}

// sumRemovals takes members out in thought, in the order in which they go, and keeps those whose going would leave too few.
func (m *maker) sumRemovals(voters, healthy int) {
	keep := func(list []etcd.Member) []etcd.Member {
		return slices.DeleteFunc(list, func(x etcd.Member) bool {
			if x.Learner {
				return false
			}
			ok, sum := etcd.CanRemove(voters, healthy, m.Members.fine(x))
			if !ok {
				m.holdMember(x, sum)
				return true
			}
			voters--
			if m.Members.fine(x) {
				healthy--
			}
			return false
		})
	}
	m.members.dead = keep(m.members.dead)
	for _, j := range m.members.joins { // each is counted again once it has joined
		if j.old == nil {
			voters, healthy = voters+1, healthy+1
		} else if !m.Members.fine(*j.old) {
			healthy++
		}
	}
	m.members.leave = keep(m.members.leave)
}

// holdMember notes that a member stays, and with it its host where that was to leave.
func (m *maker) holdMember(x etcd.Member, why string) {
	for _, h := range slices.Concat(m.Departing, m.Cluster.Hosts) {
		if h.Name == x.Name {
			m.lost[h.Name] = m.lost[h.Name] || m.Seen[h.Name] == nil
			m.skip(h, "its etcd member cannot be removed: "+why)
			return
		}
	}
	m.plan.Notes = append(m.plan.Notes, fmt.Sprintf("%s is not in the topology and cannot be removed: %s", memberOf(x), why))
}

func memberOf(x etcd.Member) Member {
	return Member{Name: x.Name, ID: x.ID, Peer: strings.Join(x.PeerURLs, ",")}
}

func removal(x etcd.Member, reason string) Action {
	member := memberOf(x)
	return Action{Verb: RemoveMember, Member: &member, Part: desired.PartEtcd, Reason: reason}
}

// removeDead takes members out that count and do not answer, before any other changes.
func (m *maker) removeDead() {
	var steps []Step
	for _, x := range m.members.dead {
		s := m.stepOf(x.Name)
		s.Actions = []Action{removal(x, m.whyGone(x)+", and does not answer")}
		steps = append(steps, s)
	}
	m.phase(Phase{Name: "dead-members", Title: "etcd members that are gone", Serial: true, Steps: steps})
}

// whyGone says why a member is to leave.
func (m *maker) whyGone(x etcd.Member) string {
	switch {
	case x.Name == "":
		return "it was added and has never started"
	case slices.ContainsFunc(m.Departing, func(h *topology.Host) bool { return h.Name == x.Name }):
		return "its host is no longer in the topology"
	case slices.ContainsFunc(m.Cluster.Hosts, func(h *topology.Host) bool { return h.Name == x.Name }):
		return "its host has not the role etcd any more"
	}
	return "no host of the topology is it: somebody added it by hand"
}

// stepOf is an empty step for a host, or for the cluster where there is no such host.
func (m *maker) stepOf(host string) Step {
	for _, h := range slices.Concat(m.Departing, m.Cluster.Hosts) {
		if h.Name == host {
			return Step{Host: h.Name, Site: h.Site().Name}
		}
	}
	return Step{}
}

// joinMembers makes etcd members, and moves those with new addresses, one at a time: never is more than one voter on its way.
func (m *maker) joinMembers() {
	var steps []Step
	for _, h := range m.hosts {
		if _, ok := m.members.moves[h.Name]; ok {
			steps = append(steps, m.moveStep(h))
		}
	}
	// What was a member counts among the voters as long as it is not one again.
	for _, again := range []bool{true, false} {
		for _, h := range m.hosts {
			if j := m.members.joins[h.Name]; j != nil && (j.old != nil) == again {
				steps = append(steps, m.joinStep(h, j))
			}
		}
	}
	m.phase(Phase{Name: "members", Title: "etcd members, one at a time", Serial: true, Steps: steps})
}

// joinStep makes a member: a learner in the list, then what etcd needs on the host, then a voter once it has caught up.
func (m *maker) joinStep(h *topology.Host, j *join) Step {
	s := Step{Host: h.Name, Site: h.Site().Name, Gates: []Gate{{Kind: GateEtcd, Hosts: []string{h.Name}}}}
	if j.old != nil {
		s.Actions = append(s.Actions, removal(*j.old, j.reason))
	}
	for _, id := range j.clear {
		s.Actions = append(s.Actions, Action{Verb: Remove, ID: id, Part: desired.PartEtcd, Reason: j.reason})
	}
	files, unit, guard := m.takeMember(h)
	member := &Member{Name: h.Name, Peer: desired.PeerURL(h.Address)}
	s.Actions = append(s.Actions, Action{Verb: AddMember, Member: member, Part: desired.PartEtcd, Reason: j.reason})
	s.Actions = slices.Concat(s.Actions, files, unit)
	s.Actions = append(s.Actions, Action{Verb: PromoteMember, Member: member, Part: desired.PartEtcd, Reason: "once it has caught up"})
	s.Actions = append(s.Actions, guard...)
	return s
}

// moveStep gives a member its new address. The others are told first; the only one there is tells itself, once it runs.
func (m *maker) moveStep(h *topology.Host) Step {
	s := Step{Host: h.Name, Site: h.Site().Name, Gates: []Gate{{Kind: GateEtcd, Hosts: []string{h.Name}}}}
	x := m.members.moves[h.Name]
	member := memberOf(x)
	member.Peer = desired.PeerURL(h.Address)
	move := Action{Verb: MoveMember, Member: &member, Part: desired.PartEtcd, Reason: "its host has a new address", Before: strings.Join(x.PeerURLs, ","), After: member.Peer}
	files, unit, guard := m.takeMember(h)
	if etcd.Voters(m.Members.List) > 1 {
		s.Guards = []Gate{{Kind: GuardEtcd, Hosts: []string{h.Name}}}
		s.Actions = slices.Concat([]Action{move}, files, unit, guard)
	} else {
		s.Actions = slices.Concat(files, unit, guard, []Action{move})
	}
	return s
}

// takeMember takes a host's actions that are about its member out of the others: what it reads, its unit, and what may be there only once it has joined.
func (m *maker) takeMember(h *topology.Host) (files, unit, guard []Action) {
	var rest []Action
	for _, a := range m.actions[h.Name] {
		switch {
		case a.Verb == Remove:
			rest = append(rest, a)
		case a.ID == hostapi.ID{Kind: hostapi.KindFile, Name: desired.EtcdInitialised}:
			guard = append(guard, a)
		case a.ID == hostapi.ID{Kind: hostapi.KindUnit, Name: desired.EtcdUnit}:
			unit = append(unit, a)
		case a.Part == desired.PartHost || a.Part == desired.PartEtcd || a.Part == desired.PartEtcdGuard || kindOf(a) == hostapi.KindUser:
			files = append(files, a)
		default:
			rest = append(rest, a)
		}
	}
	m.actions[h.Name] = rest
	return files, unit, guard
}

// Forgot says whether a host of a running cluster has no record of the etcd member on it. Set up as a new host it would come back under its old name without what it has voted for,
// since what keeps it from starting without its data went with the record: it has to become a new member.
func Forgot(cur *inventory.Inventory, h *topology.Host, o *hostapi.Observation) bool {
	if cur == nil || !cur.Initialised || o == nil {
		return false
	}
	if old := cur.Host(h.Name); old == nil || !old.Has(topology.RoleEtcd) {
		return false
	}
	return !hasMember(o.Record)
}
