package plan_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// steps are what happens to each host of a plan, as far as hooks are concerned: items are summed up.
func steps(p *plan.Plan) []string {
	var out []string
	for _, ph := range p.Phases {
		for _, s := range ph.Steps {
			var words []string
			for _, a := range s.Actions {
				word := "…"
				switch {
				case a.Hook != nil && a.Verb == plan.Waive:
					word = "waive " + a.Hook.Name
				case a.Hook != nil:
					word = a.Hook.Name + "(" + string(a.Hook.When) + " " + string(a.Hook.Step) + ")"
				case a.Gate != nil:
					word = "await " + string(a.Gate.Kind)
				case a.Node != "":
					word = string(a.Verb)
				case a.Verb == plan.Forget:
					word = "forget"
				case a.Owe != nil:
					word = "owe"
					for _, o := range a.Owe {
						word += " " + o.Hook
					}
				}
				if len(words) == 0 || word != "…" || words[len(words)-1] != "…" {
					words = append(words, word)
				}
			}
			if slices.ContainsFunc(s.Actions, func(a plan.Action) bool { return a.Hook != nil || a.Owe != nil }) {
				out = append(out, fmt.Sprintf("%s %s: %s", ph.Name, s.Host, strings.Join(words, ", ")))
			}
		}
	}
	return out
}

const threeHooks = `
hook "out" {
  before  = ["change", "upgrade", "remove"]
  roles   = ["worker"]
  command = ["/sbin/lb", "out"]
}
hook "in" {
  after   = ["install", "change", "upgrade"]
  roles   = ["worker"]
  command = ["/sbin/lb", "in"]
}
hook "note" {
  before  = ["remove"]
  after   = ["change", "remove"]
  command = ["/bin/note"]
}
`

func hookedWorld(t *testing.T) *world {
	s := threeSites
	s.Cluster = threeHooks
	return newWorld(t, s)
}

func TestHooks(t *testing.T) {
	w := hookedWorld(t)
	same(t, "a first bring-up", []string{
		"before-install w1: owe in", "before-install w2: owe in", "after-install w1: in(after install)", "after-install w2: in(after install)",
	}, steps(w.plan()))

	w.settle()
	if p := w.plan(); !p.Empty() || len(steps(p)) > 0 {
		t.Errorf("with nothing to do there are %d actions: %s", p.Actions(), steps(p))
	}

	w.drift("w1", hostapi.KindFile, "/etc/kubernetes/kubelet.yaml", "content differs")
	w.drift("w2", hostapi.KindFile, "/etc/containerd/config.toml", "mode 0777, recorded 0644", hostapi.DriftAccess)
	w.drift("cp1", hostapi.KindFile, "/etc/kubernetes/kubelet.yaml", "content differs")
	p := w.plan()
	same(t, "drift", []string{
		"control-planes cp1: owe note, …, await etcd-healthy, await api-ready, await nodes-ready, note(after change)",
		"nodes w1: owe in note, out(before change), …, await nodes-ready, in(after change), note(after change)",
		"nodes w2: owe in note, out(before change), …, in(after change), note(after change)",
	}, steps(p))
	for _, ph := range p.Phases {
		if limit := ph.Limits[""]; ph.Name == "nodes" && limit != 1 {
			t.Errorf("%d nodes may go at once", limit)
		}
	}
	var text strings.Builder
	if err := p.WriteText(&text, plan.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"▸ hook out before change  (run: /sbin/lb out)", "0 to remove, 7 hooks to run."} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the plan does not say %q:\n%s", want, text.String())
		}
	}
	var run *plan.Hook
	for _, ph := range p.Phases {
		for _, s := range ph.Steps {
			for _, a := range s.Actions {
				if a.Hook != nil && s.Host == "w1" && a.Hook.Name == "out" {
					run = a.Hook
				}
			}
		}
	}
	b, err := json.Marshal(run)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "a hook as JSON", `{"name":"out","when":"before","step":"change","command":["/sbin/lb","out"],"environment":["TRIVET_CLUSTER=main","TRIVET_KUBERNETES=1.37.2",`+
		`"TRIVET_HOST=w1","TRIVET_ADDRESS=10.11.1.12","TRIVET_SITE=s1","TRIVET_ROLES=worker","TRIVET_HOOK=out","TRIVET_WHEN=before","TRIVET_STEP=change"],"timeout":300000000000}`, string(b))

	again := w.input()
	changed := slices.Clone(again.Cluster.Hooks)
	changed[0].Command = []string{"/sbin/lb", "out", "--now"}
	c := *again.Cluster
	c.Hooks, again.Cluster = changed, &c
	other, err := plan.Make(again)
	if err != nil {
		t.Fatal(err)
	}
	if plan.SameWork(p, other) || !plan.SameWork(p, w.plan()) {
		t.Error("a plan with another command of a hook is the same work")
	}
}

// TestHooksKeepGuards holds that what had to be true before a step is so still once its hooks have run.
func TestHooksKeepGuards(t *testing.T) {
	s := threeSites
	s.Cluster = "hook \"slow\" {\n before = [\"change\"]\n command = [\"/bin/slow\"]\n}\n"
	w := newWorld(t, s)
	w.settle()
	w.drift("cp1", hostapi.KindUnit, "etcd.service", "its unit file differs")
	p := w.plan()
	same(t, "a control plane", []string{"control-planes cp1: slow(before change), await etcd-spare, await api-spare, …"}, steps(p))
	for _, ph := range p.Phases {
		if ph.Name == "control-planes" && (len(ph.Steps[0].Guards) != 2 || len(ph.Steps[0].Gates) != 2) {
			t.Errorf("the step's guards are %v and its gates %v", ph.Steps[0].Guards, ph.Steps[0].Gates)
		}
	}
}

// TestHooksOwed holds that what a host owes comes before another node goes, and that its own step comes first where it has one.
func TestHooksOwed(t *testing.T) {
	w := hookedWorld(t)
	w.settle()
	w.seen["w2"].Record.Owed = []hostapi.Owed{{Hook: "in", Step: "change"}, {Hook: "gone", Step: "change"}, {Hook: "note", Step: "upgrade"}}
	same(t, "nothing but debts", []string{"owed w2: waive gone, waive note, await nodes-ready, in(after change)"}, steps(w.plan()))

	w.drift("w1", hostapi.KindFile, "/etc/kubernetes/kubelet.yaml", "content differs")
	same(t, "debts and another node", []string{
		"owed w2: waive gone, waive note, await nodes-ready, in(after change)",
		"nodes w1: owe in note, out(before change), …, await nodes-ready, in(after change), note(after change)",
	}, steps(w.plan()))

	in := w.input()
	n := in.Nodes["w2"]
	n.State = "NotReady"
	in.Nodes["w2"] = n
	p, err := plan.Make(in)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "debts of a node that is not Ready", []string{
		"nodes w1: owe in note, out(before change), …, await nodes-ready, in(after change), note(after change)",
		"owed-late w2: waive gone, waive note, await nodes-ready, in(after change)",
	}, steps(p))

	w.drift("w2", hostapi.KindFile, "/etc/kubernetes/kubelet.yaml", "content differs")
	same(t, "debts of a node that goes itself", []string{
		"owed w2: waive gone",
		"nodes w2: owe in note, out(before change), …, await nodes-ready, in(after change), note(after change)",
		"nodes w1: owe in note, out(before change), …, await nodes-ready, in(after change), note(after change)",
	}, steps(w.plan()))

	w.seen["w2"].Record.Owed = []hostapi.Owed{{Hook: "in", Step: "install"}}
	same(t, "debts of an installation", []string{
		"before-install w2: owe in",
		"nodes w2: …, await nodes-ready, in(after install)",
		"nodes w1: owe in note, out(before change), …, await nodes-ready, in(after change), note(after change)",
	}, steps(w.plan()))
}

// TestHooksOfHostsThatLeave holds where hooks stand when a host is given back, and that nobody is told that they ran on one that is gone.
func TestHooksOfHostsThatLeave(t *testing.T) {
	w := hookedWorld(t)
	w.settle()
	in := w.input()
	c := *in.Cluster
	c.Hosts = slices.DeleteFunc(slices.Clone(c.Hosts), func(h *topology.Host) bool { return h.Has(topology.RoleWorker) })
	in.Departing = slices.DeleteFunc(slices.Clone(in.Cluster.Hosts), func(h *topology.Host) bool { return !h.Has(topology.RoleWorker) })
	in.Cluster = &c
	in.Desired.Hosts = slices.DeleteFunc(in.Desired.Hosts, func(h *desired.Host) bool { return h.Name == "w1" || h.Name == "w2" })
	delete(w.seen, "w2")
	in.Away = map[string]string{"w2": "no route to host"}
	p, err := plan.Make(in)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "a worker that leaves", []string{"leave-workers w1: owe note, out(before remove), note(before remove), drain, …, note(after remove), forget, delete"}, steps(p))
	if want := "host w2 does not answer: the hooks of its removal are not run (out, note)"; !slices.Contains(p.Notes, want) {
		t.Errorf("notes: %q, want %q", p.Notes, want)
	}

	w = hookedWorld(t)
	w.settle()
	same(t, "destroy", []string{
		"workers w1: owe note, out(before remove), note(before remove), …, note(after remove), forget",
		"workers w2: owe note, out(before remove), note(before remove), …, note(after remove), forget",
		"stop cp1: owe note, note(before remove), …", "stop cp2: owe note, note(before remove), …", "stop cp3: owe note, note(before remove), …",
		"control-planes cp1: …, note(after remove), forget", "control-planes cp2: …, note(after remove), forget", "control-planes cp3: …, note(after remove), forget",
	}, steps(plan.Destroy(w.fleet.Cluster, w.fleet.Cluster.Hosts, w.current, w.seen, nil)))
}
