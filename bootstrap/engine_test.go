package bootstrap_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/remote"
	"github.com/trivet-dev/trivet/internal/remote/sshhost"
)

var (
	control = []string{"control-plane", "etcd"}
	small   = fleettest.Settings{Hosts: []fleettest.Host{{Name: "cp1", Site: "s1", Roles: control}, {Name: "w1", Site: "s1", Roles: []string{"worker"}}}}
	three   = fleettest.Settings{Hosts: []fleettest.Host{
		{Name: "cp1", Site: "s1", Roles: control}, {Name: "cp2", Site: "s2", Roles: control}, {Name: "cp3", Site: "s3", Roles: control},
	}}
)

func newFleet(t testing.TB, s fleettest.Settings) *fleettest.Fleet {
	t.Helper()
	f, err := fleettest.New(fleettest.Dir(t), s)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// open connects to a fleet. The end of the test closes the engine, if nobody did.
func open(t testing.TB, f *fleettest.Fleet, change ...func(*bootstrap.Options)) *bootstrap.Engine {
	t.Helper()
	o := bootstrap.Options{
		Topology: f.Topology, Connect: f.Connect, Artifacts: f, Identities: f.Identities, GateTimeout: time.Minute, Now: func() time.Time { return fleettest.Now },
		API: func(_ *bootstrap.Engine, id func() (*identity.Identity, error)) bootstrap.API { return f.API(id) },
	}
	for _, c := range change {
		c(&o)
	}
	e, err := bootstrap.Connect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func planOf(t testing.TB, e *bootstrap.Engine) *plan.Plan {
	t.Helper()
	p, err := e.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func apply(t testing.TB, e *bootstrap.Engine) {
	t.Helper()
	if err := e.Apply(t.Context(), planOf(t, e)); err != nil {
		t.Fatal(err)
	}
}

// wants looks for words in an error.
func wants(t testing.TB, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q is missing in: %v", w, err)
		}
	}
}

func trees(t testing.TB, f *fleettest.Fleet) map[string]map[string]string {
	t.Helper()
	return f.Trees(t)
}

// unchanged wants hosts to be as they were.
func unchanged(t testing.TB, f *fleettest.Fleet, before map[string]map[string]string) {
	t.Helper()
	if d := cmp.Diff(before, trees(t, f)); d != "" {
		t.Errorf("hosts changed (-before +after):\n%s", d)
	}
}

// TestNothingToGoBy refuses to plan for a control plane that nobody looked at, and to destroy what does not answer.
func TestNothingToGoBy(t *testing.T) {
	f := newFleet(t, small)
	fresh := trees(t, f)
	f.Unreachable["cp1"] = true
	e := open(t, f)
	wants(t, e.Unreachable(), "host cp1", "no route to host")
	_, err := e.Plan(t.Context())
	wants(t, err, "no host that answers has the cluster's inventory", "of which 1 does not answer", "host cp1: connect to 10.11.1.11: no route to host")
	wants(t, e.Destroy(t.Context()), "host cp1")
	s, err := e.Status(t.Context())
	if err != nil || len(s.Hosts) != 2 || s.Hosts[1].Error != "" || !strings.Contains(s.Hosts[0].Error, "no route to host") {
		t.Errorf("status: %+v, %v", s, err)
	}
	unchanged(t, f, fresh)

	f.Unreachable["cp1"], f.Unreachable["w1"] = false, true
	wants(t, open(t, f).Destroy(t.Context()), "host w1", "no route to host")
	unchanged(t, f, fresh)
}

// TestWorkerAway applies to the others, says who was left out, and makes up for it later.
func TestWorkerAway(t *testing.T) {
	f := newFleet(t, small)
	f.Unreachable["w1"] = true
	skipped := []plan.Skip{{Host: "w1", Site: "s1", Reason: "connect to 10.11.1.12: no route to host"}}
	for _, again := range []bool{false, true} {
		e := open(t, f)
		p := planOf(t, e)
		if p.Complete() || p.Empty() != again {
			t.Errorf("again %t: the plan leaves out %v, empty: %t", again, p.Skipped, p.Empty())
		}
		var partial *bootstrap.PartialError
		if err := e.Apply(t.Context(), p); !errors.As(err, &partial) {
			t.Fatalf("again %t: %v", again, err)
		}
		if d := cmp.Diff(skipped, partial.Skipped); d != "" {
			t.Error(d)
		}
		wants(t, partial, "1 host was skipped", "host w1 (site s1): connect to 10.11.1.12: no route to host", "apply again")
	}
	if f.Objects()["Node/w1"] != nil {
		t.Error("a node was made of a host that nobody has seen")
	}
	before := planOf(t, open(t, f))
	f.Unreachable["w1"] = false
	e := open(t, f)
	wants(t, e.Apply(t.Context(), before), "stale", "host w1 (it did not answer then)")
	apply(t, e)
	if p := planOf(t, e); !p.Empty() || !p.Complete() {
		t.Errorf("there is still something to do: %v", p.Phases)
	}

	// One that left makes a plan stale as well, and keeps its place in the cluster.
	before = planOf(t, e)
	f.Unreachable["w1"] = true
	e = open(t, f)
	wants(t, e.Apply(t.Context(), before), "stale", "host w1 (it does not answer now)")
	if p := planOf(t, e); !p.Empty() || p.Complete() || p.Inventory.Host("w1") == nil {
		t.Errorf("a host that is away is nothing to change for: %v", p.Phases)
	}
	if f.Objects()["Node/w1"] == nil {
		t.Error("the node of a host that is away is gone")
	}
}

// TestHostLostWhilePlanning leaves out the host whose connection breaks, with the reason.
func TestHostLostWhilePlanning(t *testing.T) {
	f := newFleet(t, small)
	e := open(t, f)
	if err := e.Hosts()["w1"].Close(); err != nil {
		t.Fatal(err)
	}
	p := planOf(t, e)
	if len(p.Skipped) != 1 || p.Skipped[0].Host != "w1" || !strings.Contains(p.Skipped[0].Reason, "lost") && !strings.Contains(p.Skipped[0].Reason, "closed") {
		t.Errorf("left out: %+v", p.Skipped)
	}
}

func TestPlanChangesNothing(t *testing.T) {
	f := newFleet(t, small)
	fresh := trees(t, f)
	e := open(t, f)
	p := planOf(t, e)
	if p.Empty() || !p.NewIdentity {
		t.Error("there is nothing to do on fresh hosts")
	}
	for name, h := range e.Hosts() {
		if n := h.Stats().RoundTrips; n > 3 {
			t.Errorf("the plan took %d round trips to host %s", n, name)
		}
	}
	unchanged(t, f, fresh)
}

// noStray wants the helper to be on no host that has nothing else of Trivet's.
func noStray(t testing.TB, f *fleettest.Fleet) {
	t.Helper()
	if stray, err := f.Stray(); err != nil || len(stray) > 0 {
		t.Errorf("the helper is left on %v: %v", stray, err)
	}
}

// hold takes a host's run lock as somebody else.
func hold(t testing.TB, f *fleettest.Fleet, name, actor string) io.Closer {
	t.Helper()
	for _, h := range f.Cluster.Hosts {
		if h.Name != name {
			continue
		}
		conn, err := f.Connect(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if _, _, err := conn.Hold(t.Context(), hostapi.Hold{Holder: hostapi.Holder{Actor: actor, Purpose: "apply", Since: fleettest.Now, Epoch: 7}}); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	t.Fatalf("no host %s", name)
	return nil
}

func TestLockHeldByAnother(t *testing.T) {
	f := newFleet(t, three)
	fresh := trees(t, f)
	held := hold(t, f, "cp1", "ann@desk[12]")
	e := open(t, f)
	err := e.Apply(t.Context(), planOf(t, e))
	since := fleettest.Now.Format("2006-01-02 15:04:05 UTC")
	wants(t, err, "needs a majority", "2 of 3", "host cp1", "ann@desk[12]", "for apply", "since "+since)
	wants(t, e.Destroy(t.Context()), "ann@desk[12]")
	var he *hostapi.Error
	if !errors.As(err, &he) || he.Code != hostapi.CodeHeld {
		t.Errorf("the error has no code that says that the lock is held: %#v", err)
	}
	s, serr := e.Status(t.Context())
	if serr != nil || s.Holder == nil || s.Holder.Actor != "ann@desk[12]" {
		t.Errorf("status does not name the holder: %+v, %v", s, serr)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	unchanged(t, f, fresh)
	apply(t, e)
	// A finished run has let the lock go.
	apply(t, open(t, f))
}

// TestLockOfMinority goes on when the majority is free: whoever holds the rest cannot get one.
func TestLockOfMinority(t *testing.T) {
	f := newFleet(t, three)
	hold(t, f, "cp3", "ann@desk[12]")
	apply(t, open(t, f))
}

func epochs(t testing.TB, f *fleettest.Fleet) string {
	t.Helper()
	var out []string
	for _, h := range f.Cluster.Hosts {
		o, err := f.Observe(h.Name)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprint(o.Record.Epoch))
	}
	return strings.Join(out, " ")
}

// TestEpochFencesOff raises the epoch of every host with each run, also where the run has nothing to do, so that steps of an older run are refused.
func TestEpochFencesOff(t *testing.T) {
	f := newFleet(t, small)
	for i := range 3 {
		e := open(t, f)
		apply(t, e)
		if got, want := epochs(t, f), fmt.Sprintf("%d %d", i+1, i+1); got != want {
			t.Errorf("after run %d the epochs are %s, not %s", i+1, got, want)
		}
	}
	o, err := f.Observe("w1")
	if err != nil {
		t.Fatal(err)
	}
	id := o.Record.Items[0].Item.ID()
	err = open(t, f).Hosts()["w1"].Step(t.Context(), &hostapi.Step{Epoch: 2, Cluster: "main", ClusterID: o.Record.ClusterID, Host: "w1", Ops: []hostapi.Operation{{Remove: &id}}}, nil)
	var he *hostapi.Error
	if !errors.As(err, &he) || he.Code != hostapi.CodeStaleEpoch {
		t.Errorf("a step of an earlier run gives %v", err)
	}
}

func TestStalePlan(t *testing.T) {
	f := newFleet(t, small)
	e := open(t, f)
	before := planOf(t, e)
	apply(t, e)
	if err := os.WriteFile(f.Machines["w1"].Path("/etc/kubernetes/kubelet.yaml"), []byte("mine\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		p    *plan.Plan
		want []string
	}{
		{"of the bring-up", before, []string{"the plan is stale, nothing was done", "inventory", "host cp1", "host w1", "plan again"}},
		{"of another cluster", &plan.Plan{Cluster: "other"}, []string{`for cluster "other"`, `this is "main"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			was, err := f.Canonical()
			if err != nil {
				t.Fatal(err)
			}
			wants(t, open(t, f).Apply(t.Context(), c.p), c.want...)
			is, err := f.Canonical()
			if d := cmp.Diff(was, is); err != nil || d != "" {
				t.Errorf("something was done: %v\n%s", err, d)
			}
		})
	}
	drift := planOf(t, e)
	f.ForgetObject("Node/w1")
	var stale *bootstrap.StaleError
	if err := e.Apply(t.Context(), drift); !errors.As(err, &stale) || !strings.Contains(err.Error(), "objects in the API") {
		t.Errorf("an object that went is no reason: %v", err)
	}
}

// TestIdentityNeeded says what is missing before anything is done.
func TestIdentityNeeded(t *testing.T) {
	f := newFleet(t, small)
	apply(t, open(t, f, func(o *bootstrap.Options) { o.Identities = nil })) // it makes one
	if err := os.Remove(f.Machines["w1"].Path("/etc/kubernetes/pki/kubelet-client.key")); err != nil {
		t.Fatal(err)
	}
	e := open(t, f, func(o *bootstrap.Options) { o.Identities = nil })
	wants(t, e.Apply(t.Context(), planOf(t, e)), "age identity", "--identity")

	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	e = open(t, f, func(o *bootstrap.Options) {
		o.Identities = func() ([]age.Identity, error) { return []age.Identity{other}, nil }
	})
	if err := e.Apply(t.Context(), planOf(t, e)); err == nil {
		t.Error("a stranger's key opens the identity")
	}
	apply(t, open(t, f))
	if p := planOf(t, open(t, f)); !p.Empty() {
		t.Error("the key was not mended")
	}
}

func TestHostOfAnotherCluster(t *testing.T) {
	theirs := newFleet(t, small)
	apply(t, open(t, theirs))
	var mine *fleettest.Fleet
	steal := func(name string) *bootstrap.Engine {
		mine = newFleet(t, fleettest.Settings{Name: name, Hosts: small.Hosts})
		mine.Machines["w1"] = theirs.Machines["w1"]
		return open(t, mine)
	}
	before := trees(t, theirs)

	_, err := steal("other").Plan(t.Context())
	wants(t, err, `host w1 was set up for cluster "main"`, `not for "other"`, "trivet destroy")
	e := steal("other")
	var foreign *bootstrap.ForeignError
	if err := e.Destroy(t.Context()); !errors.As(err, &foreign) || foreign.Host != "w1" || foreign.Cluster != "main" {
		t.Errorf("destroy gives %v", err)
	}

	_, err = steal("main").Plan(t.Context())
	wants(t, err, "host w1", "no control plane has the inventory", "trivet destroy")

	e = steal("main")
	w1 := mine.Machines["w1"]
	delete(mine.Machines, "w1")
	if err := mine.Change(small); err != nil {
		t.Fatal(err)
	}
	apply(t, open(t, mine))
	mine.Machines["w1"] = w1
	_, err = open(t, mine).Plan(t.Context())
	wants(t, err, "host w1 was set up for cluster \"main\"", "not for this one")
	if d := cmp.Diff(before["w1"]["/etc/kubernetes/kubelet.yaml"], trees(t, theirs)["w1"]["/etc/kubernetes/kubelet.yaml"]); d != "" {
		t.Error(d)
	}

	// A control plane of another cluster brings its inventory along.
	mine = newFleet(t, fleettest.Settings{Name: "other", Hosts: small.Hosts})
	mine.Machines["cp1"] = theirs.Machines["cp1"]
	_, err = open(t, mine).Plan(t.Context())
	wants(t, err, `host cp1 belongs to cluster "main"`, `not to "other"`)
}

func TestStatus(t *testing.T) {
	f := newFleet(t, small)
	e := open(t, f)
	s, err := e.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.Initialised || s.Healthy() || s.ClusterID != "" || s.Cluster != "main" || len(s.Hosts) != 2 {
		t.Errorf("before the bring-up: %+v", s)
	}
	for _, h := range s.Hosts {
		if h.Managed || h.Error != "" || len(h.Units) > 0 || h.Node != "" || h.NextExpiry != nil {
			t.Errorf("before the bring-up: %+v", h)
		}
	}

	apply(t, e)
	if s, err = e.Status(t.Context()); err != nil || !s.Healthy() || !s.Initialised || len(s.Etcd) != 1 {
		t.Fatalf("after the bring-up: %+v, %v", s, err)
	}
	w1 := s.Hosts[1]
	if w1.Name != "w1" || !w1.Managed || w1.Node != "Ready" || len(w1.Units) == 0 || w1.NextExpiry == nil || !w1.NextExpiry.NotAfter.After(fleettest.Now) {
		t.Errorf("after the bring-up: %+v", w1)
	}

	if err := f.Machines["w1"].Units.Stop(t.Context(), "kubelet.service", true); err != nil {
		t.Fatal(err)
	}
	if s, err = e.Status(t.Context()); err != nil || s.Healthy() {
		t.Errorf("with a kubelet that does not run: %+v, %v", s, err)
	}
	for _, u := range s.Hosts[1].Units {
		if want := u.Name != "kubelet.service"; u.OK != want || (!u.OK && !strings.Contains(u.State, "not running")) {
			t.Errorf("unit %+v", u)
		}
	}
	if s.Hosts[1].Node == "Ready" || len(s.Hosts[1].Drift) != 1 {
		t.Errorf("%+v", s.Hosts[1])
	}
}

// TestDestroyGivesBack wants hosts to be as they were, with what was in the way of a file back in its place, and ready for the next apply.
func TestDestroyGivesBack(t *testing.T) {
	f := newFleet(t, three)
	foreign := map[string]string{"/etc/kubernetes/kubelet.yaml": "somebody's\n", "/etc/kubernetes/notes.txt": "not ours\n", "/etc/sysctl.d/10-local.conf": "vm.x = 1\n"}
	if err := os.MkdirAll(f.Machines["cp2"].Path("/etc/kubernetes"), 0o755); err != nil {
		t.Fatal(err)
	}
	for p, content := range foreign {
		if err := os.WriteFile(f.Machines["cp2"].Path(p), []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	before := trees(t, f)
	e := open(t, f)
	p, err := e.PlanDestroy(t.Context())
	if err != nil || !p.Empty() {
		t.Errorf("there is nothing to give back: %d actions, %v", p.Actions(), err)
	}
	if err := e.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	unchanged(t, f, before)
	noStray(t, f)

	apply(t, e)
	if err := e.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil { // takes the folder for uploads along
		t.Fatal(err)
	}
	unchanged(t, f, before)
	noStray(t, f)
	for n, m := range f.Machines {
		if len(m.Units.Active) > 0 {
			t.Errorf("host %s still runs %v", n, m.Units.Active)
		}
	}
	for name := range f.Objects() { // of a cluster that is gone
		f.ForgetObject(name)
	}
	apply(t, open(t, f))
	if err := f.Coherent(); err != nil {
		t.Error(err)
	}
}

// TestCancelledConnect reports the cancellation and leaves nothing open.
func TestCancelledConnect(t *testing.T) {
	f := newFleet(t, small)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := bootstrap.Connect(ctx, bootstrap.Options{Topology: f.Topology, Connect: f.Connect, Artifacts: f}); !errors.Is(err, context.Canceled) {
		t.Errorf("Connect gives %v", err)
	}
}

// TestSettle waits for nodes where nothing is left to be done: the run that did the rest may have been killed before it saw them ready.
func TestSettle(t *testing.T) {
	f := newFleet(t, small)
	f.FailGate(plan.GateNodes, errors.New("node w1: not ready"))
	e := open(t, f)
	wants(t, e.Apply(t.Context(), planOf(t, e)), `phase "ready"`, "node w1: not ready")

	// Of a first bring-up it is left to note that it has come to its end, which it has not before nodes are ready.
	e = open(t, f)
	p := planOf(t, e)
	if last := p.Phases[len(p.Phases)-1]; p.Actions() != 1 || last.Name != plan.PhaseBroughtUp {
		t.Fatalf("there are %d actions left, in phase %q", p.Actions(), last.Name)
	}
	wants(t, e.Apply(t.Context(), p), `phase "ready"`, "node w1: not ready")
	f.FailGate(plan.GateNodes, nil)
	apply(t, open(t, f))

	f.FailGate(plan.GateNodes, errors.New("node w1: not ready"))
	e = open(t, f)
	p = planOf(t, e)
	if !p.Empty() {
		t.Fatalf("there are %d actions left", p.Actions())
	}
	wants(t, e.Settle(t.Context(), p), `phase "ready"`, "node w1: not ready")
	wants(t, e.Apply(t.Context(), p), "node w1: not ready")
	f.FailGate(plan.GateNodes, nil)
	if err := e.Settle(t.Context(), p); err != nil {
		t.Error(err)
	}
	if err := f.Machines["w1"].Units.Stop(t.Context(), "kubelet.service", true); err != nil {
		t.Fatal(err)
	}
	wants(t, e.Settle(t.Context(), planOf(t, open(t, f))), "actions: apply it")
	// A saved plan, in another process: there is something to do since.
	var stale *bootstrap.StaleError
	if err := open(t, f).Settle(t.Context(), p); !errors.As(err, &stale) || !strings.Contains(err.Error(), "host w1") {
		t.Errorf("a plan that is stale: %v", err)
	}
}

// TestStrangers does nothing anywhere while one host shows another key than the known one, a worker's too.
func TestStrangers(t *testing.T) {
	f := newFleet(t, small)
	apply(t, open(t, f))
	f.ForgetObject("Deployment/kube-system/coredns")
	before := trees(t, f)
	e := open(t, f, func(o *bootstrap.Options) {
		o.Connect = func(ctx context.Context, h *topology.Host) (remote.Host, error) {
			if h.Name == "w1" {
				return nil, &sshhost.Error{Kind: sshhost.ErrHostKey, Target: "host w1", Message: "HOST KEY CHANGED"}
			}
			return f.Connect(ctx, h)
		}
	})
	_, err := e.Plan(t.Context())
	wants(t, err, "nothing was done", "host w1: HOST KEY CHANGED")
	unchanged(t, f, before)
}

// TestMajority waits no longer for a host that does not answer once most others do; what is connected stays so.
func TestMajority(t *testing.T) {
	f := newFleet(t, three)
	apply(t, open(t, f))
	ended := make(chan error, 1)
	e := open(t, f, func(o *bootstrap.Options) {
		o.Majority = true
		o.Connect = func(ctx context.Context, h *topology.Host) (remote.Host, error) {
			if h.Name == "cp2" {
				<-ctx.Done()
				ended <- context.Cause(ctx)
				return nil, ctx.Err()
			}
			return f.Connect(ctx, h)
		}
	})
	wants(t, <-ended, "no connection within")
	wants(t, e.Unreachable(), "host cp2: no connection within 2s")
	if s, err := e.Lock(t.Context()); err != nil || len(e.Hosts()) != 2 || s.Hosts[0].Error != "" {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestDestroyForgets goes on without hosts that do not answer, where that is asked for, and leaves them as they are, even where they are most control planes.
func TestDestroyForgets(t *testing.T) {
	f := newFleet(t, three)
	fresh := trees(t, f)
	first := open(t, f)
	apply(t, first)
	if err := first.Close(); err != nil { // takes the folder for uploads along
		t.Fatal(err)
	}
	whole := trees(t, f)
	f.Unreachable["cp2"], f.Unreachable["cp3"] = true, true
	second := open(t, f)
	wants(t, second.Destroy(t.Context()), "of the control planes, 2 of 3", "host cp2", "no route to host")
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}

	e := open(t, f, func(o *bootstrap.Options) { o.ForgetUnreachable = true })
	p, err := e.PlanDestroy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Skipped) != 2 || p.Skipped[0].Host != "cp2" || !strings.Contains(p.Skipped[0].Reason, "install it anew") || len(p.Notes) > 0 {
		t.Errorf("skipped: %+v, notes: %q", p.Skipped, p.Notes)
	}
	if err := e.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	after := trees(t, f)
	if d := cmp.Diff(fresh["cp1"], after["cp1"]); d != "" {
		t.Errorf("cp1 is not as it was (-before +after):\n%s", d)
	}
	if d := cmp.Diff(whole["cp2"], after["cp2"]); d != "" {
		t.Errorf("cp2 was changed:\n%s", d)
	}

	// Whoever holds the lock on a control plane that answers is not passed over.
	f = newFleet(t, three)
	apply(t, open(t, f))
	held, err := open(t, f).Hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer held()
	f.Unreachable["cp2"], f.Unreachable["cp3"] = true, true
	err = open(t, f, func(o *bootstrap.Options) { o.ForgetUnreachable = true }).Destroy(t.Context())
	wants(t, err, "the run lock of cluster \"main\" is held")
}
