package plan_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/trivet-dev/trivet/bootstrap/kube"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// movements are what a plan does, in order, as far as pods and those who send to them notice: restarts of kubelets, cordons and their ends, and hooks.
func movements(p *plan.Plan) []string {
	var out []string
	for _, ph := range p.Phases {
		for _, s := range ph.Steps {
			words := []string{ph.Name}
			for _, a := range s.Actions {
				switch {
				case a.Node != "":
					words = append(words, string(a.Verb), a.Node)
				case a.Hook != nil:
					words = append(words, "hook", a.Hook.Name)
				case a.Gate != nil:
					words = append(words, string(a.Gate.Kind))
				case a.ID == hostapi.ID{Kind: hostapi.KindUnit, Name: "kubelet.service"}:
					words = append(words, string(a.Verb), s.Host)
				}
			}
			if len(words) > 1 {
				out = append(out, strings.Join(words, " "))
			}
		}
	}
	return out
}

// TestUncordon wants nodes that a killed run left cordoned to take pods again before another goes away, and those that are not Ready when they are.
func TestUncordon(t *testing.T) {
	cordoned := func(in *plan.Input, host, state string) {
		n := in.Nodes[host]
		n.Unschedulable, n.CordonedByTrivet = true, true
		if state != "" {
			n.State = state
		}
		in.Nodes[host] = n
	}
	const kubelet = "/etc/kubernetes/kubelet.yaml"
	for name, c := range map[string]struct {
		change func(w *world)
		nodes  func(in *plan.Input)
		want   []string
	}{
		"nothing else to do": {
			func(*world) {}, func(in *plan.Input) { cordoned(in, "w2", "") },
			[]string{"uncordon uncordon w2"},
		},
		"another node goes": {
			func(w *world) { w.drift("w1", hostapi.KindFile, kubelet, "content differs") }, func(in *plan.Input) { cordoned(in, "w2", "") },
			[]string{"uncordon uncordon w2", "nodes restart w1 nodes-ready"},
		},
		"a control plane goes": {
			func(w *world) { w.drift("cp1", hostapi.KindFile, kubelet, "content differs") }, func(in *plan.Input) { cordoned(in, "w2", "") },
			[]string{"uncordon uncordon w2", "control-planes restart cp1"},
		},
		"it goes itself, and is not drained": {
			func(w *world) { w.drift("w2", hostapi.KindFile, kubelet, "content differs") }, func(in *plan.Input) { cordoned(in, "w2", "") },
			[]string{"uncordon uncordon w2", "nodes restart w2 nodes-ready"},
		},
		"it owes a hook": {
			func(w *world) { w.seen["w2"].Record.Owed = []hostapi.Owed{{Hook: "in", Step: "change"}} }, func(in *plan.Input) { cordoned(in, "w2", "") },
			[]string{"uncordon uncordon w2", "owed nodes-ready hook in"},
		},
		"it is not Ready, and another goes": {
			func(w *world) { w.drift("w1", hostapi.KindFile, kubelet, "content differs") }, func(in *plan.Input) { cordoned(in, "w2", "NotReady") },
			[]string{"nodes restart w1 nodes-ready", "uncordon-late uncordon w2"},
		},
		"it is not Ready, and its step brings it back": {
			func(w *world) {
				w.drift("w1", hostapi.KindFile, kubelet, "content differs")
				w.drift("w2", hostapi.KindFile, kubelet, "content differs")
			}, func(in *plan.Input) { cordoned(in, "w2", "NotReady") },
			[]string{"nodes restart w2 nodes-ready uncordon w2", "nodes restart w1 nodes-ready"},
		},
		"it is not Ready, since its kubelet is down": {
			func(w *world) {
				w.drift("w2", hostapi.KindUnit, "kubelet.service", "not running", hostapi.DriftDown)
			}, func(in *plan.Input) { cordoned(in, "w2", "NotReady") },
			[]string{"workers mend w2 nodes-ready uncordon w2"},
		},
		"somebody else cordoned it": {
			func(w *world) { w.drift("w1", hostapi.KindFile, kubelet, "content differs") },
			func(in *plan.Input) {
				in.Nodes["w2"] = kube.NodeInfo{Name: "w2", State: "Ready", NetworkReady: true, Unschedulable: true}
			},
			[]string{"nodes restart w1 nodes-ready"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := threeSites
			if name == "it owes a hook" {
				s.Cluster = "hook \"in\" {\n after = [\"change\"]\n command = [\"/sbin/lb\", \"in\"]\n}\n"
			}
			w := newWorld(t, s)
			w.settle()
			c.change(w)
			in := w.input()
			c.nodes(&in)
			p, err := plan.Make(in)
			if err != nil {
				t.Fatal(err)
			}
			same(t, "movements", c.want, movements(p))
		})
	}
}

// TestUncordonInAnUpgrade wants a node that has its release already, and was left cordoned, to take the pods of those that go next.
func TestUncordonInAnUpgrade(t *testing.T) {
	w := upgraded(t, "max_unavailable = 1")
	in := w.input()
	for _, h := range in.Desired.Hosts {
		if h.Name != "w1" {
			continue
		}
		w.seen["w1"].Record.Items = nil // as it will be
		for _, i := range h.Items {
			w.seen["w1"].Record.Items = append(w.seen["w1"].Record.Items, hostapi.RecordedItem{Item: w.recorded(i)})
		}
	}
	n := in.Nodes["w1"]
	n.CordonedByTrivet = true
	in.Nodes["w1"] = n
	p, err := plan.Make(in)
	if err != nil {
		t.Fatal(err)
	}
	got := movements(p)
	came, goes := slices.Index(got, "uncordon uncordon w1"), slices.IndexFunc(got, func(s string) bool { return strings.Contains(s, "drain") })
	if came < 0 || goes < came {
		t.Errorf("w1 takes pods again at %d, the first node goes at %d: %q", came, goes, got)
	}
}
