package plan_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// done lists, by host, the kinds of what a plan does there.
func done(p *plan.Plan) map[string]string {
	kinds := map[string]map[string]bool{}
	for _, ph := range p.Phases {
		for _, s := range ph.Steps {
			for _, a := range s.Actions {
				kind := string(a.ID.Kind)
				if kind == "" {
					kind = string(a.Verb)
				}
				if kinds[s.Host] == nil {
					kinds[s.Host] = map[string]bool{}
				}
				kinds[s.Host][kind] = true
			}
		}
	}
	out := map[string]string{}
	for host, k := range kinds {
		out[host] = strings.Join(slices.Sorted(maps.Keys(k)), " ")
	}
	return out
}

// TestPaused wants what waits to stay as it is, but for images, what was renewed, and what has begun.
func TestPaused(t *testing.T) {
	const paused = "paused = true"
	images := map[string]string{"cp1": "image store transfer", "w1": "image transfer", "w2": "image transfer", "w3": "image transfer", "w4": "image transfer"}
	with := func(host, kinds string) map[string]string {
		out := maps.Clone(images)
		out[host] = kinds
		return out
	}
	all := []string{"cp1", "w1", "w2", "w3", "w4"}
	for _, c := range []struct {
		name    string
		change  func(w *world, in *plan.Input)
		done    map[string]string
		waiting []string
	}{
		{"not begun", func(*world, *plan.Input) {}, images, all},
		{"a worker that was drained", func(_ *world, in *plan.Input) {
			n := in.Nodes["w2"]
			n.CordonedByTrivet = true
			in.Nodes["w2"] = n
		}, with("w2", "artifact await drain image transfer uncordon unit"), []string{"cp1", "w1", "w3", "w4"}},
		{"a worker in the midst of it", func(w *world, _ *plan.Input) { pending(w, "w3", "/opt/trivet/bin/kube-proxy") },
			with("w3", "artifact await drain image transfer uncordon unit"), []string{"cp1", "w1", "w2", "w4"}},
		{"a control plane in the midst of it: what runs there as on other nodes waits", func(w *world, _ *plan.Input) { pending(w, "cp1", "/opt/trivet/bin/kube-scheduler") },
			with("cp1", "artifact image store transfer unit"), all},
		{"certificates that are due", func(_ *world, in *plan.Input) { in.Now = in.Now.AddDate(0, 11, 10) },
			map[string]string{"cp1": "image keypair store transfer", "w1": "image keypair transfer", "w2": "image keypair transfer", "w3": "image keypair transfer", "w4": "image keypair transfer"}, all},
		{"etcd that is down", func(w *world, _ *plan.Input) {
			w.drift("cp1", hostapi.KindUnit, "etcd.service", "not running", hostapi.DriftDown)
		}, with("cp1", "artifact image store transfer unit"), all},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := upgraded(t, paused)
			in := w.input()
			c.change(w, &in)
			p, err := plan.Make(in)
			if err != nil {
				t.Fatal(err)
			}
			same(t, "done", c.done, done(p))
			if p.Paused == nil {
				t.Fatal("it is not paused")
			}
			slices.Sort(p.Paused.Waiting)
			same(t, "waiting", c.waiting, p.Paused.Waiting)
			if p.Complete() || p.Settles || p.GoesOn || p.Inventory.From == "" || phaseOf(p, "prune").Name != "" || phaseOf(p, "old-images").Name != "" {
				t.Errorf("complete %t, settles %t, goes on %t, from %q, phases %q", p.Complete(), p.Settles, p.GoesOn, p.Inventory.From, outline(p))
			}
		})
	}
}

func pending(w *world, host, artifact string) {
	items := w.seen[host].Record.Items
	i := slices.IndexFunc(items, func(i hostapi.RecordedItem) bool {
		return i.Item.ID() == hostapi.ID{Kind: hostapi.KindArtifact, Name: artifact}
	})
	items[i].Pending = true
}

// TestPausedWithNothingLeft wants an upgrade to end that nobody waits for.
func TestPausedWithNothingLeft(t *testing.T) {
	w := upgraded(t, "paused = true")
	w.settle()
	w.current.From = "1.36.3"
	p := w.plan()
	if p.Paused != nil || !p.Settles {
		t.Errorf("paused %v, settles %t", p.Paused, p.Settles)
	}
}

// TestPausedMeansReleases wants other changes to go on.
func TestPausedMeansReleases(t *testing.T) {
	w := upgraded(t, "paused = true")
	w.settle()
	w.drift("w1", hostapi.KindFile, "/etc/kubernetes/kubelet.yaml", "content differs")
	p := w.plan()
	if p.Paused != nil || touchedAt(p, "w1") == 0 {
		t.Errorf("paused %v, %q", p.Paused, outline(p))
	}
}

// TestPausedText tells what waits and how to go on.
func TestPausedText(t *testing.T) {
	p := &plan.Plan{Cluster: "main", Kubernetes: "1.37.2", From: "1.36.3", Inventory: &inventory.Inventory{}, Paused: &plan.Paused{Kubernetes: "1.37.2", Workers: 3, OfWorkers: 40, Others: 3, OfOthers: 3, Waiting: []string{"w4", "w5"}}}
	var out strings.Builder
	if err := p.WriteText(&out, plan.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	same(t, "text", "Cluster \"main\": Kubernetes 1.37.2, from 1.36.3. No changes while the upgrade is paused: w4, w5 wait.\n", out.String())
	same(t, "how far", "paused: 3 of 40 workers and 3 of 3 control planes on Kubernetes 1.37.2", p.Paused.String())
}

// TestPausedRepair leaves a control plane or member of etcd out that is to be repaired in a pause, says why and what to do, and does the rest. The ways that are told are some.
func TestPausedRepair(t *testing.T) {
	const remedy = `, which it cannot be while the upgrade is paused and others are of another release: set paused = false in the upgrade block (fleet.hcl:`
	lose := func(w *world) {
		w.drift("cp2", hostapi.KindDirectory, "/var/lib/etcd", "its data is gone", hostapi.DriftDataGone)
	}
	others := map[string]string{"cp1": "image transfer", "cp3": "image transfer", "w1": "image transfer", "w2": "image transfer"}
	for _, c := range []struct {
		name, kubernetes, upgrade string
		befalls                   func(w *world)
		skipped                   map[string]string // how the reasons begin, and what they have
		done                      map[string]string // to hosts, where others wait
	}{
		{"a member without its data", "1.37.2", "paused = true", lose,
			map[string]string{"cp2": "it is to be repaired (the data of its etcd member, /var/lib/etcd, are gone)" + remedy}, others},
		{"another machine", "1.37.2", "paused = true", func(w *world) {
			o := w.seen["cp2"]
			o.Record, o.Documents, o.Blobs = nil, nil, nil
			o.Facts.MachineID = "00000000000000000000000000000abc"
		}, map[string]string{"cp2": "it is to be repaired (it is another machine than before)" + remedy}, // whose id is noted
			map[string]string{"cp1": "image store transfer", "cp3": "image store transfer", "w1": "image transfer", "w2": "image transfer"}},
		{"a member without its data, while another has begun", "1.37.2", "paused = true", func(w *world) {
			lose(w)
			pending(w, "cp1", "/opt/trivet/bin/etcd")
		}, map[string]string{
			"cp1": "held back, since its etcd would restart: of 3 members 1 is away or lost (cp2), without cp1 1 is left, and 2 are needed",
			"cp2": "it is to be repaired (the data of its etcd member, /var/lib/etcd, are gone)" + remedy,
		}, nil},
		{"without a pause", "1.37.2", "paused = false", lose, nil, nil},
		{"on the way back", "1.36.3", "paused = true", lose, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := threeSites
			s.Kubernetes, s.Cluster = "1.36.3", "  upgrade {\n "+c.upgrade+"\n  }"
			w := newWorld(t, s)
			w.settle()
			s.Kubernetes = c.kubernetes
			if err := w.fleet.Change(s); err != nil {
				t.Fatal(err)
			}
			w.observe()
			c.befalls(w)
			w.current.Kubernetes, w.current.From = "1.37.2", "1.36.3" // as the first apply of the upgrade left it
			p := w.plan()
			if len(p.Skipped) != len(c.skipped) {
				t.Errorf("skipped: %+v", p.Skipped)
			}
			for _, k := range p.Skipped {
				if want := c.skipped[k.Host]; want == "" || !strings.HasPrefix(k.Reason, want) {
					t.Errorf("%s is skipped: %s", k.Host, k.Reason)
				}
			}
			if repaired := phaseOf(p, "members").Name != ""; repaired != (c.skipped == nil) {
				t.Errorf("a member is made again: %t, %q", repaired, outline(p))
			}
			if c.done == nil {
				return
			}
			same(t, "done", c.done, done(p))
			same(t, "waiting", []string{"cp1", "cp3", "w1", "w2"}, p.Paused.Waiting)
			if p.Paused.Others != 0 || p.Complete() {
				t.Errorf("%+v, complete %t", p.Paused, p.Complete())
			}
		})
	}
}

// TestPausedGrowth refuses a control plane that is new in a pause: the inventory would count on it.
func TestPausedGrowth(t *testing.T) {
	s := threeSites
	s.Kubernetes, s.Cluster = "1.36.3", "  upgrade {\n paused = true\n  }"
	w := newWorld(t, s)
	w.settle()
	s.Kubernetes, s.Hosts = "1.37.2", slices.Concat(s.Hosts, []fleettest.Host{{Name: "cp4", Site: "s1", Roles: []string{"control-plane"}}})
	if err := w.fleet.Change(s); err != nil {
		t.Fatal(err)
	}
	w.observe()
	_, err := plan.Make(w.input())
	const want = `and host cp4 is to become a control plane or a member of etcd, which it cannot while others are of another release: set paused = false, or leave the host, or its new role, out for now`
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v", err)
	}
}
