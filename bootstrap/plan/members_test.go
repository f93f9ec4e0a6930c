package plan_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/etcd"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/kube"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// deeds tells of a phase, by step, what concerns members and nodes, with what else happens as far as its order matters.
func deeds(p *plan.Plan, phase string) []string {
	var out []string
	for _, ph := range p.Phases {
		if ph.Name != phase {
			continue
		}
		for _, s := range ph.Steps {
			var did []string
			add := func(what string) {
				if !slices.Contains(did, what) {
					did = append(did, what)
				}
			}
			for _, a := range s.Actions {
				switch {
				case a.Member != nil:
					add(strings.ReplaceAll(strings.TrimSuffix(string(a.Verb), "-member"), "-", " ") + " " + a.Member.String())
				case a.Node != "":
					add(string(a.Verb) + " node " + a.Node)
				case a.Verb == plan.Forget:
					add("forget")
				case a.Verb == plan.Discard:
					add("discard " + a.Document)
				case a.ID.Name == desired.EtcdUnit && a.Verb == plan.Remove:
					add("stop etcd")
				case a.ID.Name == desired.EtcdUnit:
					add("start etcd")
				case a.ID.Name == "kube-apiserver.service" && a.Verb == plan.Remove:
					add("stop the API server")
				case a.ID.Name == desired.EtcdData && a.Verb == plan.Remove:
					add("clear data")
				case a.ID.Name == desired.EtcdInitialised && a.Verb != plan.Remove:
					add("guard")
				}
			}
			out = append(out, strings.TrimPrefix(s.Host+": ", ": ")+strings.Join(did, ", "))
		}
	}
	return out
}

// TestMembership: what becomes of members, and in what order.
func TestMembership(t *testing.T) {
	gone := func(w *world, host string) {
		w.drift(host, hostapi.KindDirectory, desired.EtcdData, "its data is gone", hostapi.DriftDataGone)
		w.drift(host, hostapi.KindUnit, desired.EtcdUnit, "not running (failed)", hostapi.DriftDown)
	}
	stranger := etcd.Member{ID: 9, Name: "x", PeerURLs: []string{"https://192.0.2.1:2380"}}
	for _, c := range []struct {
		name                 string
		change               func(w *world, in *plan.Input)
		dead, members, leave []string
		held                 []string
	}{
		{"nothing", func(*world, *plan.Input) {}, nil, nil, nil, nil},
		{"data gone", func(w *world, _ *plan.Input) { gone(w, "cp2") }, nil,
			[]string{"cp2: remove etcd member cp2, stop etcd, clear data, add etcd member cp2, start etcd, promote etcd member cp2, guard"}, nil, nil},
		{"data corrupt", func(_ *world, in *plan.Input) { in.Members.Corrupt[2], in.Members.Trouble[2] = true, "corrupt" }, nil,
			[]string{"cp2: remove etcd member cp2, stop etcd, clear data, add etcd member cp2, start etcd, promote etcd member cp2, guard"}, nil, nil},
		{"taken out of the list", func(_ *world, in *plan.Input) { in.Members.List = in.Members.List[:2] }, nil,
			[]string{"cp3: stop etcd, clear data, add etcd member cp3, start etcd, promote etcd member cp3, guard"}, nil, nil},
		{"a learner, of a run that was killed", func(_ *world, in *plan.Input) { in.Members.List[2].Learner = true }, nil,
			[]string{"cp3: add etcd member cp3, promote etcd member cp3"}, nil, nil},
		{"added and never started, of a run that was killed", func(_ *world, in *plan.Input) { in.Members.List[2].Learner, in.Members.List[2].Name = true, "" }, nil,
			[]string{"cp3: add etcd member cp3, promote etcd member cp3"}, nil, nil},
		{"another address", func(_ *world, in *plan.Input) { in.Members.List[1].PeerURLs = []string{"https://192.0.2.7:2380"} }, nil, []string{"cp2: move etcd member cp2"}, nil, nil},
		{"a stranger", func(_ *world, in *plan.Input) { in.Members.List = append(in.Members.List, stranger) }, nil, nil, []string{"remove etcd member x"}, nil},
		{"a stranger that never started", func(_ *world, in *plan.Input) {
			in.Members.List = append(in.Members.List, etcd.Member{ID: 9, PeerURLs: stranger.PeerURLs})
		}, []string{"remove etcd member 9 at https://192.0.2.1:2380"}, nil, nil, nil},
		{"two without data", func(w *world, in *plan.Input) {
			gone(w, "cp2")
			gone(w, "cp3")
			in.Members.Trouble = map[uint64]string{2: "down", 3: "down"}
		}, nil, nil, nil, []string{"cp2", "cp3"}},
		{"etcd cannot be asked", func(w *world, in *plan.Input) {
			gone(w, "cp2")
			in.Members, in.MembersError = nil, "no member answers"
		}, nil, nil, nil, []string{"cp2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, threeSites)
			w.settle()
			in := w.input()
			c.change(w, &in)
			p, err := plan.Make(in)
			if err != nil {
				t.Fatal(err)
			}
			same(t, "members that go first", c.dead, deeds(p, "dead-members"))
			same(t, "members that are made", c.members, deeds(p, "members"))
			same(t, "members that leave", c.leave, deeds(p, "leave"))
			var held []string
			for _, s := range p.Skipped {
				held = append(held, s.Host)
			}
			same(t, "left out", c.held, held)
			for _, host := range c.held {
				same(t, "actions of "+host, true, touchedAt(p, host) == 0)
			}
		})
	}
}

func touchedAt(p *plan.Plan, host string) int {
	n := 0
	for _, ph := range p.Phases {
		for _, s := range ph.Steps {
			if s.Host == host {
				n += len(s.Actions)
			}
		}
	}
	return n
}

// TestDeparture takes hosts out of the topology of a cluster.
func TestDeparture(t *testing.T) {
	for _, c := range []struct {
		name    string
		leaves  string
		answers bool
		want    []string
	}{
		{"a worker", "w1", true, []string{"leave-workers: w1: drain node w1, forget, delete node w1"}},
		{"a worker that is gone", "w1", false, []string{"leave-workers: w1: delete node w1"}},
		{"a control plane, for which another comes", "cp3", true, []string{"members: cp4: add etcd member cp4, start etcd, promote etcd member cp4, guard",
			"leave: cp3: drain node cp3, stop the API server, remove etcd member cp3, stop etcd, clear data, forget, delete node cp3"}},
		{"a control plane that is gone, for which another comes", "cp3", false, []string{"dead-members: cp3: remove etcd member cp3",
			"members: cp4: add etcd member cp4, start etcd, promote etcd member cp4, guard", "leave: cp3: delete node cp3"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, threeSites)
			w.settle()
			gone := w.host(c.leaves)
			var without fleettest.Settings
			for _, h := range threeSites.Hosts {
				if h.Name == "cp3" && c.leaves == "cp3" {
					h.Name = "cp4"
				}
				if h.Name != c.leaves {
					without.Hosts = append(without.Hosts, h)
				}
			}
			if err := w.fleet.Change(without); err != nil {
				t.Fatal(err)
			}
			for _, h := range w.fleet.Cluster.Hosts { // no other changes: the addresses stay
				if rec := w.current.Host(h.Name); rec != nil {
					h.Address = rec.Address
				}
			}
			seen := w.seen[c.leaves]
			delete(w.seen, c.leaves)
			w.observe()
			in := w.input()
			in.Members.Trouble = map[uint64]string{}
			in.Departing = []*topology.Host{gone}
			in.Nodes[c.leaves] = kube.NodeInfo{Name: c.leaves, State: "Ready", NetworkReady: true}
			if c.answers {
				in.Seen[c.leaves] = seen
			} else {
				in.Away = map[string]string{c.leaves: "no route to host"}
				for _, x := range in.Members.List {
					if x.Name == c.leaves {
						in.Members.Trouble[x.ID] = "it does not answer"
					}
				}
			}
			p, err := plan.Make(in)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, phase := range []string{"dead-members", "members", "leave", "leave-workers"} {
				for _, d := range deeds(p, phase) {
					got = append(got, phase+": "+d)
				}
			}
			same(t, "what happens", c.want, got)
			same(t, "leaving", []string{c.leaves}, p.Leaving)
			same(t, "generation at the end", true, p.GenerationIn(plan.PhaseFinish) > p.Generation)
			same(t, "noted", !c.answers, strings.Contains(strings.Join(p.Notes, " "), "must not come back"))
			if inv := p.Inventory; inv.Host(c.leaves) == nil {
				t.Error("the inventory forgets the host before it is out")
			}
		})
	}
}

func (w *world) host(name string) *topology.Host {
	for _, h := range w.fleet.Cluster.Hosts {
		if h.Name == name {
			return h
		}
	}
	return nil
}

// TestSilentNetwork restarts a flanneld that runs and says nothing.
func TestSilentNetwork(t *testing.T) {
	w := newWorld(t, threeSites)
	w.settle()
	in := w.input()
	in.Nodes["w2"] = kube.NodeInfo{Name: "w2", State: "Ready"}
	p, err := plan.Make(in)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "restarted", []string{"w2"}, w.touched(p, desired.FlannelUnit))
	same(t, "nothing else", 1, p.Actions())
}

// TestRoleGivenUp: a host that stays and is no control plane any more keeps nothing of one.
func TestRoleGivenUp(t *testing.T) {
	w := newWorld(t, threeSites)
	w.settle()
	less := threeSites
	less.Hosts = slices.Clone(threeSites.Hosts)
	less.Hosts[2].Roles = []string{"worker"}
	less.Hosts[3].Roles = []string{"control-plane", "etcd", "worker"}
	if err := w.fleet.Change(less); err != nil {
		t.Fatal(err)
	}
	p := w.plan()
	same(t, "who joins", []string{"w1: add etcd member w1, start etcd, promote etcd member w1, guard"}, deeds(p, "members"))
	same(t, "what happens", []string{"cp3: stop the API server, remove etcd member cp3, stop etcd, clear data, discard identity.age, discard " + inventory.Document}, deeds(p, "leave"))
	same(t, "left out", 0, len(p.Skipped))
}

// TestMemberThatDiffers makes a member again whose data differ from those of a quorum, and throws nothing away where it may be one of those who are right.
func TestMemberThatDiffers(t *testing.T) {
	for name, c := range map[string]struct {
		from  []string // whom cp2 differs from
		again bool
		note  string
	}{
		"from all others": {[]string{"cp1", "cp3"}, true, ""},
		"from one":        {[]string{"cp3"}, false, "etcd on host cp2 does not start, since its data differ from those of cp3, which is no quorum of 3 voting members: nobody can say whose are right, and nothing is thrown away."},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, threeSites)
			w.settle()
			w.drift("cp2", hostapi.KindUnit, "etcd.service", "not running", hostapi.DriftDown)
			words := ""
			for _, other := range c.from {
				words += `{"level":"warn","caller":"etcdserver/corrupt.go:130","msg":"found different hash values from remote peer","local-member-hash":1,"remote-peer-id":"0","remote-peer-endpoints":["` +
					desired.PeerURL(w.current.Host(other).Address) + "\"],\"remote-peer-hash\":2}\n"
			}
			words += `{"level":"fatal","caller":"etcdmain/etcd.go:157","msg":"discovery failed","error":"6b70ef84b5f3d5c4 found data inconsistency with peers"}` + "\n"
			w.seen["cp2"].LastWords = map[string]string{"etcd.service": words}
			in := w.input()
			in.Members.Trouble[2] = "it does not answer"
			p, err := plan.Make(in)
			if err != nil {
				t.Fatal(err)
			}
			if again := len(deeds(p, "members")) > 0; again != c.again {
				t.Errorf("it is made again: %t, %q", again, outline(p))
			}
			if told := slices.ContainsFunc(p.Notes, func(n string) bool { return c.note != "" && strings.HasPrefix(n, c.note) }); told != (c.note != "") {
				t.Errorf("notes: %q", p.Notes)
			}
		})
	}
}
