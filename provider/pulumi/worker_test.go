package pulumi_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	pulumisdk "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/provider/pulumi/minengine"
	"github.com/trivet-dev/trivet/provider/pulumi/sdk/go/trivet"
)

// spares gives the fleet machines that no topology names.
func (w *world) spares(n int) []string {
	w.t.Helper()
	var out []string
	for i := range n {
		name := fmt.Sprintf("spot-%d", i+1)
		w.spare(name, spareAddress(name))
		out = append(out, name)
	}
	return out
}

func spareAddress(name string) string { return "10.11.1.20" + strings.TrimPrefix(name, "spot-") }

// withWorkers declares the cluster of the small fleet, and elastic workers of it.
func (w *world) withWorkers(names []string, change func(*trivet.WorkerArgs), cluster func(*trivet.ClusterArgs), settings func(*trivet.ProviderArgs)) pulumisdk.RunFunc {
	return func(ctx *pulumisdk.Context) error {
		c, p, err := w.declareWith(ctx, small, cluster, settings)
		for _, name := range names {
			if err == nil {
				err = w.spot(ctx, c, name, change, p)
			}
		}
		return err
	}
}

// elastic wants the cluster to have these workers, and no others.
func (w *world) elastic(want ...string) {
	w.t.Helper()
	var got []string
	for _, h := range w.inventory().ElasticHosts() {
		got = append(got, h.Name)
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		w.t.Errorf("the cluster has the workers %q, want %q", got, want)
	}
}

// TestWorkers joins workers to the cluster of the same program, changes them, has one leave, and all of them before the cluster goes. None of it is a matter of the cluster's.
func TestWorkers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	names := w.spares(3)
	pool := func(name string) func(*trivet.WorkerArgs) {
		return func(a *trivet.WorkerArgs) { a.Labels = pulumisdk.StringMap{"pool": pulumisdk.String(name)} }
	}
	program := func(names []string, p string) pulumisdk.RunFunc { return w.withWorkers(names, pool(p), nil, nil) }
	if err := w.Preview(program(names, "spot")); err != nil {
		t.Fatal(err)
	}
	w.did("spot-1", minengine.Create)
	w.up(program(names, "spot"), minengine.Create)
	w.did("spot-1", minengine.Create)
	w.elastic(names...)
	if g := w.inventory().Generation; g > 8 {
		t.Errorf("the inventory has generation %d: workers that are asked for at once were joined one by one", g)
	}
	got := w.properties("spot-1")
	if got["machineId"].StringValue() == "" || !strings.HasSuffix(got["podCidr"].StringValue(), "/24") || len(got["drift"].ArrayValue()) > 0 || got["name"].StringValue() != "spot-1" {
		t.Errorf("the worker is %v", got)
	}
	w.up(program(names, "spot"), minengine.Same)
	w.did("spot-1", minengine.Same)

	w.up(program(names, "other"), minengine.Same)
	w.did("spot-1", minengine.Update, `labels["pool"]`)
	w.differs("spot-1", `labels["pool"]`)
	if node := string(w.Fleet.Objects()["Node/spot-1"]); !strings.Contains(node, `"pool":"other"`) {
		t.Errorf("node: %s", node)
	}
	if err := w.Preview(program(names[:2], "other")); err != nil {
		t.Fatal(err)
	}
	w.did("spot-3", minengine.Delete)
	w.elastic(names...)
	w.up(program(names[:2], "other"), minengine.Same)
	w.did("spot-3", minengine.Delete)
	w.elastic(names[:2]...)
	if d := w.Fleet.Drained(); !slices.Contains(d, "spot-3") {
		t.Errorf("drained: %v", d)
	}
	if err := w.Destroy(); err != nil {
		t.Fatal(err)
	}
	if n := w.managed(); n > 0 {
		t.Errorf("after all was destroyed, %d hosts keep something", n)
	}
}

// TestWorkerResumed: a join that stopped before the cluster had recorded anything is a create again; one that stopped later is in the state, and gone on with.
func TestWorkerResumed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	names := w.spares(2)
	program := w.withWorkers(names, nil, nil, nil)
	w.up(w.cluster(small, nil), minengine.Create)
	w.ssh.Stop("spot-2")
	w.fails(program, "Worker not joined", "spot-2", "connection refused")
	if w.State("spot-2") != nil || w.State("spot-1") == nil {
		t.Errorf("the state has %v and %v", w.State("spot-1"), w.State("spot-2"))
	}
	w.ssh.Start("spot-2")
	w.FailGate(plan.GateNodes, errors.New("planted failure"))
	w.fails(program, "Worker not joined", "planted failure", "run `pulumi up` again to go on from there")
	r := w.State("spot-2")
	if r == nil || len(r.InitErrors) == 0 || !strings.HasSuffix(r.ID, "/spot-2") {
		t.Fatalf("the state has %+v", r)
	}
	if why := w.properties("spot-2")["unfinished"]; !why.IsString() || !strings.Contains(why.StringValue(), "planted failure") {
		t.Errorf("it is unfinished since %v", why)
	}
	w.elastic(names...)
	w.FailGate(plan.GateNodes, nil)
	w.changes(program, "spot-2", minengine.Update, "unfinished")
	w.did("spot-1", minengine.Same)
	w.changes(program, "spot-2", minengine.Same)

	// A change that stops is gone on with likewise.
	label := w.withWorkers(names, func(a *trivet.WorkerArgs) { a.Labels = pulumisdk.StringMap{"a": pulumisdk.String("b")} }, nil, nil)
	w.ssh.Stop("spot-2")
	w.fails(label, "Worker not changed", "spot-2")
	w.did("spot-1", minengine.Update)
	w.ssh.Start("spot-2")
	w.changes(label, "spot-2", minengine.Update, "unfinished") // what it was given is in the state
	w.changes(label, "spot-2", minengine.Same)
}

// TestWorkerMended: a refresh finds drift and another machine, which a run shows and mends.
func TestWorkerMended(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	names := w.spares(2)
	program := w.withWorkers(names, nil, nil, nil)
	w.up(program, minengine.Create)
	w.damage("spot-1")
	if err := w.Refresh(); err != nil {
		t.Fatal(err)
	}
	if drift := toText(w.properties("spot-1")["drift"].Mappable()); !strings.Contains(drift, "/etc/containerd/config.toml") {
		t.Errorf("a refresh finds %q", drift)
	}
	w.changes(program, "spot-1", minengine.Update, "drift")
	w.differs("spot-1", "drift")
	w.did("spot-2", minengine.Same)
	w.changes(program, "spot-1", minengine.Same)

	was := w.properties("spot-2")["machineId"].StringValue()
	w.reimage("spot-2")
	if err := w.Preview(program); err != nil {
		t.Fatal(err)
	}
	w.did("spot-2", minengine.Update, "drift")
	if planned := w.Planned("spot-2").GetFields()["machineId"].GetStringValue(); planned == was {
		t.Error("a preview has the machine before stay")
	}
	w.changes(program, "spot-2", minengine.Update, "drift")
	if now := w.properties("spot-2")["machineId"].StringValue(); now == was || now == "" {
		t.Errorf("it is the machine %q", now)
	}
	w.changes(program, "spot-2", minengine.Same)
}

// TestWorkerGone: the state of a worker that does not answer is kept, the cluster is changed without it, and it is taken out through the others where that is allowed.
func TestWorkerGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	names := w.spares(2)
	w.up(w.withWorkers(names, nil, nil, nil), minengine.Create)
	w.ssh.Stop("spot-2")
	if err := w.Refresh(); err != nil {
		t.Fatal(err)
	}
	if w.State("spot-2") == nil || !w.said("What the state has of spot-2 is kept") {
		t.Errorf("it says %v", w.Messages)
	}
	w.changes(w.withWorkers(names, nil, maxPods, nil), "main", minengine.Update)
	if !w.said("These workers do not answer, and are as they were: spot-2") {
		t.Errorf("it says %v", w.Messages)
	}
	w.fails(w.withWorkers(names[:1], nil, maxPods, nil), "Worker not taken out", "spot-2", "connection refused", `unreachable = "forget"`)
	w.elastic(names...)
	w.changes(w.withWorkers(names[:1], nil, maxPods, func(p *trivet.ProviderArgs) { p.Unreachable = trivet.UnreachableForget }), "spot-2", minengine.Delete)
	w.elastic("spot-1")
}

// TestWorkerUpgraded: an upgrade of the cluster takes its workers along, which leaves nothing to do for them.
func TestWorkerUpgraded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	names := w.spares(1)
	release := func(v string) pulumisdk.RunFunc {
		return w.withWorkers(names, nil, func(a *trivet.ClusterArgs) { a.Kubernetes = pulumisdk.String(v) }, nil)
	}
	w.up(release("1.36.3"), minengine.Create)
	w.up(release("1.37.2"), minengine.Update, "kubernetes", `nodes["cp1"].kubernetes`, `nodes["w1"].kubernetes`)
	w.did("spot-1", minengine.Same)
	if d := w.Fleet.Drained(); !slices.Contains(d, "spot-1") {
		t.Errorf("drained: %v", d)
	}
	w.up(release("1.37.2"), minengine.Same)
	w.did("spot-1", minengine.Same)
}

// join has an elastic worker join, by no provider.
func (w *world) join(name string) {
	w.t.Helper()
	o := bootstrap.Options{Topology: w.Fleet.Topology, Identities: w.Identities}
	w.Adapt(&o)
	e, err := bootstrap.Connect(w.t.Context(), o)
	if err != nil {
		w.t.Fatal(err)
	}
	defer e.Close() //nolint:errcheck // what was done is done
	failed, err := e.Join(w.t.Context(), []bootstrap.Worker{{
		Name: name, Address: netip.MustParseAddr(spareAddress(name)), SSH: inventory.SSH{Address: w.ssh.Address(name)}, Elastic: inventory.Elastic{Room: "1", Rack: "a", Labels: map[string]string{"a": "b"}},
	}}, bootstrap.ElasticOptions{})
	if err != nil || len(failed) > 0 {
		w.t.Fatal(err, failed)
	}
}

// TestWorkerImported takes over a worker that somebody joined by other means: as `pulumi import` does, and as a program does that says so. It keeps the cluster from being destroyed.
func TestWorkerImported(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	names := w.spares(1)
	w.up(w.cluster(small, nil), minengine.Create)
	w.join("spot-1")
	wantError(t, w.Destroy(), "Cluster not destroyed", "workers that are no hosts of this resource: spot-1", "trivet worker leave", "Worker resources")
	id := "main@" + w.ssh.Address("cp1") + "/spot-1"
	labelled := func(opts ...pulumisdk.ResourceOption) pulumisdk.RunFunc {
		return func(ctx *pulumisdk.Context) error {
			c, p, err := w.declareWith(ctx, small, nil, nil)
			if err != nil {
				return err
			}
			return w.spot(ctx, c, "spot-1", func(a *trivet.WorkerArgs) { a.Site, a.Labels = nil, pulumisdk.StringMap{"a": pulumisdk.String("b")} }, append(opts, p)...)
		}
	}
	w.changes(labelled(pulumisdk.Import(pulumisdk.ID(id))), "spot-1", minengine.Import)
	w.changes(labelled(), "spot-1", minengine.Same)
	w.elastic(names...)

	other := w.another()
	other.settings()
	if err := other.Import("trivet:index:Worker", "spot-1", id); err != nil {
		t.Fatal(err)
	}
	if got, want := other.properties("spot-1"), w.properties("spot-1"); got["machineId"].StringValue() != want["machineId"].StringValue() || !got["labels"].DeepEquals(want["labels"]) || !got["cluster"].DeepEquals(want["cluster"]) {
		t.Errorf("imported\n%v\nwant\n%v", got, want)
	}
	if err := other.Refresh(); err != nil {
		t.Fatal(err)
	}
	if drift := other.properties("spot-1")["drift"]; len(drift.ArrayValue()) > 0 {
		t.Errorf("after an import it drifts: %v", drift)
	}
	for id, want := range map[string]string{
		"spot-1":                                    `"spot-1" is not CLUSTER@ADDRESS/WORKER`,
		"main@" + w.ssh.Address("cp1"):              "is not CLUSTER@ADDRESS/WORKER",
		"main@" + w.ssh.Address("cp1") + "/w1":      `cluster "main" has no worker "w1" that was joined without its topology`,
		"other@" + w.ssh.Address("cp1") + "/spot-1": `is a control plane of cluster "main", not of "other"`,
	} {
		third := w.another()
		third.settings()
		wantError(t, third.Import("trivet:index:Worker", "spot-1", id), "Worker not imported", want)
	}
	if err := w.Destroy(); err != nil {
		t.Fatal(err)
	}
	if n := w.managed(); n > 0 {
		t.Errorf("after all was destroyed, %d hosts keep something", n)
	}
}

// TestWorkerReplaced: another name is another worker. On the same machine it comes once the first has gone, on another one before that goes. What is forgotten stays in the cluster.
func TestWorkerReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	w.spares(2)
	program := func(name, machine string, change func(*trivet.WorkerArgs)) pulumisdk.RunFunc {
		return func(ctx *pulumisdk.Context) error {
			c, p, err := w.declareWith(ctx, small, nil, nil)
			if err != nil {
				return err
			}
			return w.spotAs(ctx, c, "worker", machine, func(a *trivet.WorkerArgs) {
				a.Name = pulumisdk.String(name)
				if change != nil {
					change(a)
				}
			}, p)
		}
	}
	first := func() bool {
		t.Helper()
		w.did("worker", minengine.Replace, "name")
		return slices.ContainsFunc(w.Steps, func(s minengine.Step) bool { return s.Op == minengine.Replace && s.DeletesFirst })
	}
	w.up(program("spot-1", "spot-1", nil), minengine.Create)
	if err := w.Preview(program("spot-2", "spot-1", nil)); err != nil {
		t.Fatal(err)
	}
	if !first() {
		t.Error("one machine would be two workers")
	}
	both := false
	w.Fleet.OnPoint = func(string, string) {
		objects := w.Fleet.Objects()
		both = both || objects["Node/spot-1"] != nil && objects["Node/spot-2"] != nil
	}
	w.changes(program("spot-2", "spot-2", nil), "worker", minengine.Replace)
	w.Fleet.OnPoint = nil
	if first() || !both {
		t.Error("the worker went before the one that takes its place had come")
	}
	w.elastic("spot-2")
	w.changes(program("spot-2", "spot-2", nil), "worker", minengine.Same)
	w.changes(program("spot-2", "spot-2", func(a *trivet.WorkerArgs) { a.OnDestroy = trivet.OnDestroyForget }), "worker", minengine.Update, "onDestroy")
	w.changes(w.cluster(small, nil), "worker", minengine.Delete)
	w.elastic("spot-2")
}
