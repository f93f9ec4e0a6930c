package plan_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// members is a cluster whose etcd stands on hosts of its own.
func members(n int) fleettest.Settings {
	var s fleettest.Settings
	for i := range n {
		s.Hosts = append(s.Hosts, fleettest.Host{Name: fmt.Sprintf("e%d", i+1), Site: fmt.Sprintf("s%d", i+1), Roles: []string{"etcd"}})
	}
	for i := range 3 {
		s.Hosts = append(s.Hosts, fleettest.Host{Name: fmt.Sprintf("cp%d", i+1), Site: fmt.Sprintf("s%d", i+1), Roles: []string{"control-plane"}})
	}
	return s
}

// away has hosts not be seen.
func (w *world) away(hosts ...string) map[string]string {
	out := map[string]string{}
	for _, h := range hosts {
		delete(w.seen, h)
		out[h] = "host " + h + " (10.0.0.1:22): no route to host"
	}
	return out
}

// stale has a unit wait for a restart.
func (w *world) stale(unit string, hosts ...string) {
	w.t.Helper()
	for _, h := range hosts {
		items := w.seen[h].Record.Items
		i := slices.IndexFunc(items, func(r hostapi.RecordedItem) bool { return r.Item.Unit != nil && r.Item.Unit.Name == unit })
		if i < 0 {
			w.t.Fatalf("host %s has no unit %s", h, unit)
		}
		items[i].Stale = true
	}
}

func skipped(p *plan.Plan) []string {
	var out []string
	for _, s := range p.Skipped {
		out = append(out, s.Host+": "+s.Reason)
	}
	return out
}

// TestEtcdArithmetic holds back every restart of a member that the others could not bear.
func TestEtcdArithmetic(t *testing.T) {
	const etcd = "etcd.service"
	for _, c := range []struct {
		name      string
		members   int
		change    func(w *world)
		away      []string
		restarted []string
		held      []string
	}{
		{"one, all there", 1, func(w *world) { w.stale(etcd, "e1") }, nil, []string{"e1"}, nil},
		{"three, all there", 3, func(w *world) { w.stale(etcd, "e1", "e2", "e3") }, nil, []string{"e1", "e2", "e3"}, nil},
		{"three, one away", 3, func(w *world) { w.stale(etcd, "e1", "e2") }, []string{"e3"}, nil, []string{"e1", "e2"}},
		{"three, two away", 3, func(w *world) { w.stale(etcd, "e1") }, []string{"e2", "e3"}, nil, []string{"e1"}},
		{"five, one away", 5, func(w *world) { w.stale(etcd, "e1", "e2") }, []string{"e5"}, []string{"e1", "e2"}, nil},
		{"five, two away", 5, func(w *world) { w.stale(etcd, "e1", "e2") }, []string{"e4", "e5"}, nil, []string{"e1", "e2"}},
		{"three, one away, one to change by other things", 3, func(w *world) {
			w.drift("e1", hostapi.KindFile, "/etc/etcd/initial-cluster.env", "missing")
			w.stale(etcd, "e2")
		}, []string{"e3"}, nil, []string{"e2"}},
		{"three, one away, one down: it is raised", 3, func(w *world) {
			w.drift("e1", hostapi.KindUnit, etcd, "not running (failed)", hostapi.DriftDown)
			w.stale(etcd, "e1")
		}, []string{"e3"}, []string{"e1"}, nil},
		{"three, one down: it is raised and counts", 3, func(w *world) {
			w.drift("e1", hostapi.KindUnit, etcd, "not running (failed)", hostapi.DriftDown)
			w.stale(etcd, "e2")
		}, nil, []string{"e1", "e2"}, nil},
		{"three, one not enabled and one away", 3, func(w *world) { w.drift("e1", hostapi.KindUnit, etcd, "not enabled (disabled)") }, []string{"e3"}, nil, []string{"e1"}},
		{"three, one without its data", 3, func(w *world) {
			w.drift("e3", hostapi.KindDirectory, "/var/lib/etcd", "its data is gone", hostapi.DriftDataGone)
			w.drift("e3", hostapi.KindUnit, etcd, "not running (inactive)", hostapi.DriftDown)
			w.stale(etcd, "e1")
		}, nil, []string{"e3", "e1"}, nil},
		{"one without its data", 1, func(w *world) {
			w.drift("e1", hostapi.KindDirectory, "/var/lib/etcd", "its data is gone", hostapi.DriftDataGone)
			w.drift("e1", hostapi.KindUnit, etcd, "not running (inactive)", hostapi.DriftDown)
		}, nil, nil, []string{"e1"}},
		{"control planes one by one, one away", 3, func(w *world) { w.stale("kube-apiserver.service", "cp1", "cp2") }, []string{"cp3"}, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, members(c.members))
			w.settle()
			c.change(w)
			in := w.input()
			in.Away = w.away(c.away...)
			in.Desired.Hosts = slices.DeleteFunc(in.Desired.Hosts, func(h *desired.Host) bool { return w.seen[h.Name] == nil })
			p, err := plan.Make(in)
			if err != nil {
				t.Fatal(err)
			}
			same(t, "restarted", c.restarted, w.touched(p, etcd))
			var held []string
			for _, s := range p.Skipped {
				if !slices.Contains(c.away, s.Host) {
					held = append(held, s.Host)
				}
			}
			same(t, "held back", c.held, held)
			for _, h := range held {
				for _, ph := range p.Phases {
					for _, s := range ph.Steps {
						if s.Host == h {
							t.Errorf("host %s is held back and has %d actions in %s", h, len(s.Actions), ph.Name)
						}
					}
				}
			}
		})
	}
}

// touched lists the hosts on which a unit is acted on. Where that disrupts what others have to bear there is a guard.
func (w *world) touched(p *plan.Plan, unit string) []string {
	var out []string
	// An API server is as good as the member on its host.
	guards := map[string][]plan.GateKind{"etcd.service": {plan.GuardEtcd, plan.GuardAPI}, "kube-apiserver.service": {plan.GuardAPI}}
	for _, ph := range p.Phases {
		for _, s := range ph.Steps {
			for _, a := range s.Actions {
				for _, guard := range guards[a.ID.Name] {
					if guard == plan.GuardAPI && !slices.ContainsFunc(w.fleet.Cluster.HostsWith("control-plane"), func(h *topology.Host) bool { return h.Name == s.Host }) {
						continue
					}
					if ph.Name != "revive" && ph.Name != "members" && len(w.fleet.Cluster.HostsWith("etcd")) > 1 &&
						!slices.ContainsFunc(s.Guards, func(g plan.Gate) bool { return g.Kind == guard && slices.Equal(g.Hosts, []string{s.Host}) }) {
						w.t.Errorf("%s: %s of host %s has no guard %s: %v", ph.Name, a.ID, s.Host, guard, s.Guards)
					}
				}
				if a.ID.Name == unit && !slices.Contains(out, s.Host) {
					out = append(out, s.Host)
				}
			}
			if ph.Name == "revive" && len(s.Guards) > 0 {
				w.t.Errorf("raising host %s is guarded by %v", s.Host, s.Guards)
			}
		}
	}
	return out
}

// TestAway leaves out what was not seen, asks no gate about it, and refuses what too many absent hosts forbid.
func TestAway(t *testing.T) {
	for _, c := range []struct {
		name   string
		fresh  bool
		away   []string
		gates  []string
		refuse []string
	}{
		{"a worker", false, []string{"w2"}, []string{"nodes-ready of cp1 cp2 cp3 w1", "networks-ready of cp1 cp2 cp3 w1", "dns-available"}, nil},
		{"a site", false, []string{"cp1", "w1", "w2"}, []string{"nodes-ready of cp2 cp3", "networks-ready of cp2 cp3", "dns-available"}, nil},
		{"the majority", false, []string{"cp1", "cp2"}, nil,
			[]string{`1 of 3 control planes of cluster "main" answers, 2 are needed`, "host cp1: 10.0.0.1:22: no route to host", "host cp2: 10.0.0.1:22: no route to host", "Bring one of them back"}},
		{"a worker at the bring-up", true, []string{"w2"}, []string{"nodes-ready of cp1 cp2 cp3 w1", "networks-ready of cp1 cp2 cp3 w1", "dns-available"}, nil},
		{"a control plane at the bring-up", true, []string{"cp3", "w1"}, nil, []string{"no host that answers has the cluster's inventory", "of which 1 does not answer", "host cp3: 10.0.0.1:22: no route to host"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, threeSites)
			if !c.fresh {
				w.settle()
				w.drift("cp2", hostapi.KindFile, "/etc/kubernetes/kubelet.yaml", "missing")
			}
			away := w.away(c.away...)
			in := w.input()
			in.Away = away
			p, err := plan.Make(in)
			if len(c.refuse) > 0 {
				if err == nil {
					t.Fatal("not refused")
				}
				for _, s := range c.refuse {
					if !strings.Contains(err.Error(), s) {
						t.Errorf("%q is missing in: %v", s, err)
					}
				}
				if strings.Contains(err.Error(), "w1") {
					t.Errorf("a worker is named: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, h := range c.away {
				want = append(want, h+": 10.0.0.1:22: no route to host")
			}
			same(t, "skipped", want, skipped(p))
			for _, line := range outline(p) {
				for _, h := range c.away {
					if slices.Contains(strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" ;:", r) }), h) {
						t.Errorf("host %s takes part: %s", h, line)
					}
				}
				if gates, ok := strings.CutPrefix(line, "ready; "); ok {
					same(t, "gates", strings.Join(c.gates, "; "), gates)
				}
			}
			for _, ph := range p.Phases {
				for _, g := range ph.Gates {
					if g.Kind == plan.GateDNS && g.Minimum != 1 {
						t.Errorf("CoreDNS is to have %d replicas", g.Minimum)
					}
				}
			}
			b, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			var saved plan.Plan
			if err := json.Unmarshal(b, &saved); err != nil || saved.Digest() != p.Digest() || saved.Complete() {
				t.Errorf("saved and read again it is another plan: %v", err)
			}
		})
	}
}

// TestPrune takes away what nothing on the host will use, and only where nobody is missing who may want it.
func TestPrune(t *testing.T) {
	litter := hostapi.Blob{SHA256: strings.Repeat("ab", 32), Size: 3 << 20}
	w := newWorld(t, threeSites)
	w.settle()
	for _, h := range []string{"cp2", "w1"} {
		w.seen[h].Blobs = append(w.seen[h].Blobs, litter)
	}
	p := w.plan()
	same(t, "phases", []string{"ready; nodes-ready of cp1 cp2 cp3 w1 w2; networks-ready of cp1 cp2 cp3 w1 w2; dns-available", "prune: cp2 w1"}, outline(p))
	if got := p.Phases[1].Steps[0].Actions; len(got) != 1 || got[0].Verb != plan.Prune || !slices.Equal(got[0].Unused, []hostapi.Blob{litter}) {
		t.Errorf("%+v", got)
	}
	// What is replaced goes with the change, not with the next one.
	w = newWorld(t, threeSites)
	w.settle()
	old := litter
	for i := range w.seen["w1"].Record.Items {
		if a := w.seen["w1"].Record.Items[i].Item.Artifact; a != nil && strings.HasSuffix(a.Path, "/kubelet") {
			replaced := *a
			replaced.Blob = old
			w.seen["w1"].Record.Items[i].Item.Artifact = &replaced
		}
	}
	w.seen["w1"].Blobs = append(w.seen["w1"].Blobs, old)
	if got := outline(w.plan()); len(got) == 0 || got[len(got)-1] != "prune: w1" {
		t.Errorf("%v", got)
	}
	w = newWorld(t, threeSites)
	w.settle()
	w.seen["w1"].Blobs = append(w.seen["w1"].Blobs, litter)
	away := w.away("w2")
	in := w.input()
	in.Away = away
	if p, err := plan.Make(in); err != nil || !p.Empty() {
		t.Errorf("with a host of the site away: %v, %v", outline(p), err)
	}
}

// TestAuthorityNotes warns early of the end of an authority.
func TestAuthorityNotes(t *testing.T) {
	w := newWorld(t, threeSites)
	w.settle()
	end := w.id.Authority(certs.Etcd).Certificate()
	life := end.NotAfter.Sub(end.NotBefore)
	for _, c := range []struct {
		left time.Duration
		want string
	}{
		{life - time.Hour, ""}, {life/5 + time.Hour, ""}, {life/5 - time.Hour, "ends on "}, {10 * 24 * time.Hour, "in 10 days"}, {-time.Hour, "ended on "},
	} {
		in := w.input()
		in.Now = end.NotAfter.Add(-c.left)
		p, err := plan.Make(in)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, note := range p.Notes {
			if strings.Contains(note, `the authority "etcd"`) && strings.Contains(note, end.NotAfter.UTC().Format(time.DateOnly)) && strings.Contains(note, c.want) {
				n++
			}
		}
		if (n == 1) != (c.want != "") {
			t.Errorf("%s before the end: %q", c.left, p.Notes)
		}
	}
}

// TestOverrideNotes tells of foreign drop-ins, and changes nothing about them.
func TestOverrideNotes(t *testing.T) {
	w := newWorld(t, threeSites)
	w.settle()
	for _, h := range []string{"w1", "w2"} {
		w.seen[h].Overrides = []hostapi.Drift{{ID: hostapi.ID{Kind: hostapi.KindUnit, Name: "kubelet.service"}, What: "drop-in /etc/systemd/system/kubelet.service.d/mine.conf is not Trivet's"}}
	}
	p := w.plan()
	if !p.Empty() || len(p.Notes) != 1 || !strings.Contains(p.Notes[0], "mine.conf") || !strings.Contains(p.Notes[0], "on w1, w2") {
		t.Errorf("%v, notes %q", outline(p), p.Notes)
	}
}
