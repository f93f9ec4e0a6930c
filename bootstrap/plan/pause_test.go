package plan_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

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

// TestPausedRepair wants to be told how an etcd member is repaired that loses its data in a pause, and the way that is told to be one.
func TestPausedRepair(t *testing.T) {
	s := threeSites
	s.Kubernetes, s.Cluster = "1.36.3", "  upgrade {\n paused = true\n }"
	w := newWorld(t, s)
	w.settle()
	s.Kubernetes = "1.37.2"
	for _, c := range []struct{ kubernetes, fault string }{
		{"1.37.2", `host cp2 is to become a control plane or a member of etcd, which it cannot while others are of another release: it was there before, so it is to be repaired; set paused = false, or go back with kubernetes = "1.36.3", and apply`},
		{"1.36.3", ""},
	} {
		s.Kubernetes = c.kubernetes
		if err := w.fleet.Change(s); err != nil {
			t.Fatal(err)
		}
		w.observe()
		w.drift("cp2", hostapi.KindDirectory, "/var/lib/etcd", "its data is gone", hostapi.DriftDataGone)
		w.current.Kubernetes, w.current.From = "1.37.2", "1.36.3" // as the first apply of the upgrade left it
		p, err := plan.Make(w.input())
		switch {
		case c.fault != "":
			if err == nil || !strings.Contains(err.Error(), c.fault) {
				t.Errorf("with %s: %v", c.kubernetes, err)
			}
		case err != nil:
			t.Errorf("with %s: %v", c.kubernetes, err)
		case phaseOf(p, "members").Name == "":
			t.Errorf("with %s no member is made again: %q", c.kubernetes, outline(p))
		}
	}
}
