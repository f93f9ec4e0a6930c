package fleettest

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/etcd"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostd/hostdtest"
	"github.com/trivet-dev/trivet/templates"
)

// memberData is what stands for a member's data: who it is.
const memberData = desired.EtcdData + "/member/wal/0.wal"

// startEtcd does what etcd does at a start: without data it makes a cluster or joins one as the member that was added for it; with data it is who it was, as long as that is a
// member. Whatever is not in order makes the start fail, as it does in earnest.
func (f *Fleet) startEtcd(m *hostdtest.Machine, name string) {
	const why = "etcd: "
	if result, fails := m.Units.FailStart[desired.EtcdUnit]; fails && !strings.HasPrefix(result, why) {
		return // a test wants it to fail
	}
	delete(m.Units.FailStart, desired.EtcdUnit)
	if err := f.runEtcd(m, name); err != nil {
		m.Units.FailStart[desired.EtcdUnit], m.Units.Words[desired.EtcdUnit] = why+err.Error(), err.Error()+"\n"
	}
}

// errGarbled is what etcd writes about a log in which bits have changed.
var errGarbled = errors.New(`{"level":"fatal","caller":"etcdmain/etcd.go:157","msg":"discovery failed","error":"walpb: crc mismatch: expected: 59c28b4d computed: 3c453b98"}`)

// garbled stands for data that etcd cannot read.
const garbled = "garbled"

// GarbleMember damages the data of a host's member, and has it start again.
func (f *Fleet) GarbleMember(ctx context.Context, name string) error {
	m := f.Machines[name]
	if err := os.WriteFile(m.Path(memberData), []byte(garbled), 0o600); err != nil {
		return err
	}
	return m.Units.Restart(ctx, desired.EtcdUnit, false)
}

func (f *Fleet) runEtcd(m *hostdtest.Machine, name string) error {
	f.api.mu.Lock()
	defer f.api.mu.Unlock()
	peer := desired.PeerURL(f.addresses[name])
	if who, err := os.ReadFile(m.Path(memberData)); err == nil {
		if string(who) == garbled {
			return errGarbled
		}
		if f.api.member(func(x etcd.Member) bool {
			return fmt.Sprint(x.ID) == string(who) && slices.Equal(x.PeerURLs, []string{peer}) || len(f.api.members) == 1
		}) == nil {
			return fmt.Errorf("the member %s has been permanently removed from the cluster, or is not reached at %s", who, peer)
		}
		return nil
	}
	if _, err := os.Stat(m.Path(desired.EtcdInitialised)); err == nil {
		return errors.New("assertion failed: there is no data")
	}
	if _, err := os.Stat(m.Path(desired.EtcdExisting)); err != nil {
		x := etcd.Member{ID: idOf(name, 0), Name: name, PeerURLs: []string{peer}}
		f.api.members = append(f.api.members, x)
		return writeMember(m, x.ID)
	}
	x := f.api.member(func(x etcd.Member) bool { return x.Name == "" && slices.Contains(x.PeerURLs, peer) })
	if x == nil {
		return fmt.Errorf("no member was added for %s", peer)
	}
	x.Name = name
	if err := f.api.agrees(m); err != nil {
		x.Name = ""
		return err
	}
	return writeMember(m, x.ID)
}

func idOf(name string, again int) uint64 {
	h := fnv.New64a()
	fmt.Fprint(h, name, again)
	return h.Sum64() >> 12 // which JSON keeps as it is
}

func writeMember(m *hostdtest.Machine, id uint64) error {
	if err := os.MkdirAll(filepath.Dir(m.Path(memberData)), 0o700); err != nil {
		return err
	}
	return os.WriteFile(m.Path(memberData), []byte(fmt.Sprint(id)), 0o600)
}

// agrees wants the members that a host was given to be those of the list, as etcd does.
func (s *apiState) agrees(m *hostdtest.Machine) error {
	b, err := os.ReadFile(m.Path(desired.InitialClusterFile))
	if err != nil {
		return err
	}
	var want []templates.Peer
	for _, x := range s.members {
		want = append(want, templates.Peer{Name: x.Name, URL: x.PeerURLs[0]})
	}
	content, err := desired.InitialCluster(want)
	if err != nil {
		return err
	}
	if sortedPeers(string(content)) != sortedPeers(string(b)) {
		return fmt.Errorf("error validating peerURLs: member count is unequal or names differ: given %q, the list is %q", b, content)
	}
	return nil
}

func sortedPeers(env string) string {
	_, list, _ := strings.Cut(strings.TrimSpace(env), "ETCD_INITIAL_CLUSTER=")
	peers := strings.Split(list, ",")
	slices.Sort(peers)
	return strings.Join(peers, ",")
}

func (s *apiState) member(is func(etcd.Member) bool) *etcd.Member {
	for i := range s.members {
		if is(s.members[i]) {
			return &s.members[i]
		}
	}
	return nil
}

func named(name string) func(etcd.Member) bool {
	return func(x etcd.Member) bool { return x.Name == name }
}

// MemberNames lists the voting members, and with a question mark those that are none yet.
func (f *Fleet) MemberNames() []string {
	f.api.mu.Lock()
	defer f.api.mu.Unlock()
	var out []string
	for _, x := range f.api.members {
		name := x.Name
		if x.Learner {
			name += "?"
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// AddStranger puts a member into the list that Trivet knows nothing of.
func (f *Fleet) AddStranger(name string) {
	f.api.mu.Lock()
	defer f.api.mu.Unlock()
	f.api.members = append(f.api.members, etcd.Member{ID: idOf(name, 99), Name: name, PeerURLs: []string{"https://192.0.2.9:2380"}})
}

// Reimage installs a host anew: an empty disk and another machine id.
func (f *Fleet) Reimage(name string) error {
	f.mu.Lock()
	f.images++
	dir := fmt.Sprintf("%s-%d", name, f.images)
	f.mu.Unlock()
	for _, h := range f.everyHost() {
		if h.Name == name {
			return f.machineIn(dir, h)
		}
	}
	return fmt.Errorf("no host %s", name)
}

// Replace gives a host's name to another machine, which Change gives its address; the one before runs on at its own, under the name that it gives back.
func (f *Fleet) Replace(name string) (string, error) {
	before := plan.FormerName(name, f.addresses[name])
	f.mu.Lock()
	f.Machines[before] = f.Machines[name]
	f.mu.Unlock()
	return before, f.Reimage(name)
}

func (f *Fleet) setAddress(name string, a netip.Addr) {
	if f.addresses == nil {
		f.addresses = map[string]netip.Addr{}
	}
	f.addresses[name] = a
	if m := f.Machines[name]; m != nil {
		m.Kernel.Links[1].Addresses = []netip.Prefix{netip.PrefixFrom(a, 24)}
	}
}

// quorum fails where too few voters run.
func (a *API) quorum() error {
	voters, healthy := 0, 0
	for _, x := range a.members() {
		if !x.Learner {
			voters++
			if a.trouble(x) == "" {
				healthy++
			}
		}
	}
	if need := etcd.Quorum(voters); healthy < need {
		return fmt.Errorf("%d of %d members of etcd answer, %d are needed", healthy, voters, need)
	}
	return nil
}

func (a *API) members() []etcd.Member {
	a.fleet.api.mu.Lock()
	defer a.fleet.api.mu.Unlock()
	out := slices.Clone(a.fleet.api.members)
	slices.SortFunc(out, func(x, y etcd.Member) int { return strings.Compare(x.Name, y.Name) })
	return out
}

// trouble says what is wrong with a member.
func (a *API) trouble(x etcd.Member) string {
	m := a.fleet.Machines[x.Name]
	switch {
	case x.Name == "":
		return "it never started"
	case m == nil:
		return ""
	}
	if err := a.running(desired.EtcdUnit, []string{x.Name}); err != nil {
		return err.Error()
	}
	if who, err := os.ReadFile(m.Path(memberData)); err != nil || string(who) != fmt.Sprint(x.ID) {
		return "its data are not its own"
	}
	return ""
}

// Membership implements the engine's API.
func (a *API) Membership(context.Context) (*etcd.Membership, error) {
	out := &etcd.Membership{}
	members := a.members()
	for _, h := range a.fleet.Cluster.HostsWith(topology.RoleEtcd) {
		s := etcd.Status{Name: h.Name}
		if i := slices.IndexFunc(members, named(h.Name)); i >= 0 {
			s.Error = a.trouble(members[i])
		} else if err := a.running(desired.EtcdUnit, []string{h.Name}); err != nil {
			s.Error = err.Error()
		}
		out.Status = append(out.Status, s)
	}
	if err := a.quorum(); err != nil && len(members) > 0 {
		out.Err = err
		return out, nil
	}
	out.Members, out.Wrong, out.Corrupt = members, map[uint64]string{}, map[uint64]bool{}
	for _, x := range members {
		if why := a.trouble(x); why != "" {
			out.Wrong[x.ID] = why
		}
		if x.Name == "" || !slices.ContainsFunc(out.Status, func(s etcd.Status) bool { return s.Name == x.Name }) {
			s := etcd.Status{Name: x.Name, ID: x.ID, Learner: x.Learner, Unknown: x.Name != "", Unstarted: x.Name == "", Error: "it is in the member list, and the topology has no such etcd host"}
			out.Status = append(out.Status, s)
		}
	}
	return out, nil
}

// change is a change of the member list: at a point, with a quorum.
func (a *API) change(ctx context.Context, what string, do func(*apiState) error) error {
	if a.fleet.point("api", what) || a.fleet.currentSession().isDead() {
		return errDead
	}
	if err := errors.Join(ctx.Err(), a.quorum()); err != nil {
		return err
	}
	a.fleet.api.mu.Lock()
	err := do(a.fleet.api)
	a.fleet.api.mu.Unlock()
	if err == nil && a.fleet.point("api", what+", done") {
		return errDead
	}
	return err
}

// AddMember implements execute.Cluster.
func (a *API) AddMember(ctx context.Context, m plan.Member, _ func(string)) (peers []templates.Peer, err error) {
	err = a.change(ctx, "add "+m.Name, func(s *apiState) error {
		if s.member(func(x etcd.Member) bool { return x.Learner && !slices.Contains(x.PeerURLs, m.Peer) }) != nil {
			return errors.New("there is a learner already")
		}
		if s.member(func(x etcd.Member) bool { return slices.Contains(x.PeerURLs, m.Peer) }) == nil {
			s.added++
			s.members = append(s.members, etcd.Member{ID: idOf(m.Name, s.added), PeerURLs: []string{m.Peer}, Learner: true})
		}
		for _, x := range s.members {
			name := x.Name
			if name == "" {
				name = m.Name
			}
			peers = append(peers, templates.Peer{Name: name, URL: x.PeerURLs[0]})
		}
		return nil
	})
	return peers, err
}

// PromoteMember implements execute.Cluster.
func (a *API) PromoteMember(ctx context.Context, m plan.Member, _ func(string)) error {
	return a.change(ctx, "promote "+m.Name, func(s *apiState) error {
		x := s.member(named(m.Name))
		if x == nil {
			return fmt.Errorf("no member %s has started: %v", m.Name, a.fleet.Machines[m.Name].Units.FailStart)
		}
		x.Learner = false
		return nil
	})
}

// RemoveMember implements execute.Cluster.
func (a *API) RemoveMember(ctx context.Context, m plan.Member, _ func(string)) error {
	voters, healthy, fine := 0, 0, false
	for _, x := range a.members() {
		if !x.Learner {
			voters++
			if a.trouble(x) == "" {
				healthy++
			}
		}
		if x.ID == m.ID {
			fine = a.trouble(x) == ""
		}
	}
	return a.change(ctx, "remove "+m.Name, func(s *apiState) error {
		x := s.member(func(x etcd.Member) bool { return x.ID == m.ID })
		if x == nil {
			return nil
		}
		if ok, sum := etcd.CanRemove(voters, healthy, fine); !ok && !x.Learner {
			return errors.New(sum)
		}
		s.members = slices.DeleteFunc(s.members, func(x etcd.Member) bool { return x.ID == m.ID })
		return nil
	})
}

// MoveMember implements execute.Cluster.
func (a *API) MoveMember(ctx context.Context, m plan.Member, _ func(string)) error {
	return a.change(ctx, "move "+m.Name, func(s *apiState) error {
		if x := s.member(named(m.Name)); x != nil {
			x.PeerURLs = []string{m.Peer}
		}
		return nil
	})
}
