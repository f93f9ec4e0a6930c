package pulumi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumisdk "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/provider/door"
	"github.com/trivet-dev/trivet/provider/pulumi/minengine"
	"github.com/trivet-dev/trivet/provider/pulumi/sdk/go/trivet"
)

// TestLife previews a cluster, creates it, finds nothing to do, changes it, and destroys it.
func TestLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	program := w.cluster(small, nil)
	if err := w.Preview(program); err != nil {
		t.Fatal(err)
	}
	w.did("main", minengine.Create)
	if !w.said("2 hosts") || w.managed() > 0 {
		t.Errorf("the preview says %v, and %d hosts have something", w.Messages, w.managed())
	}
	w.up(program, minengine.Create)
	shown := slices.ContainsFunc(w.Messages, func(m minengine.Message) bool { return m.Ephemeral && strings.Contains(m.Text, "w1") })
	if !shown {
		t.Errorf("no progress was shown: %v", w.Messages)
	}
	before := w.State("main")
	outputs, err := before.Properties()
	if err != nil {
		t.Fatal(err)
	}
	config := outputs["kubeconfig"].StringValue()
	if !strings.Contains(config, "127.0.0.1:16443") || strings.Contains(config, "PRIVATE") || strings.Contains(config, "client-key-data") || !strings.Contains(config, "credential") {
		t.Errorf("kubeconfig:\n%s", config)
	}
	w.up(program, minengine.Same)
	changed := w.cluster(small, maxPods)
	if err := w.Preview(changed); err != nil {
		t.Fatal(err)
	}
	// What it makes of the kubeconfig is planned as well: one that is unknown has all that is in the cluster replaced.
	planned, err := plugin.UnmarshalProperties(w.Planned("main"), plugin.MarshalOptions{KeepUnknowns: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := planned["kubeconfig"]; !got.IsString() || got.StringValue() != config {
		t.Errorf("a preview of a change has the kubeconfig %v", got)
	}
	w.up(changed, minengine.Update, "components", `nodes["w1"].configuration`)
	w.up(changed, minengine.Same)
	outputs, err = w.State("main").Properties()
	if err != nil {
		t.Fatal(err)
	}
	if outputs["kubeconfig"].StringValue() != config {
		t.Error("the kubeconfig is another one after a change")
	}
	w.destroyed()
}

// TestKubeconfigOfChanges: what a preview says of the kubeconfig is what comes of it, the same text over an upgrade and renewals, and unknown where an authority is replaced.
func TestKubeconfigOfChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	const day = 24 * time.Hour
	release := func(release string, rotation *trivet.RotationArgs) pulumisdk.RunFunc {
		return w.cluster(small, func(a *trivet.ClusterArgs) { a.Kubernetes, a.Rotation = pulumisdk.String(release), rotation })
	}
	authority, key := &trivet.RotationArgs{KubernetesCa: pulumisdk.Int(2)}, &trivet.RotationArgs{KubernetesCa: pulumisdk.Int(2), EncryptionKey: pulumisdk.Int(2)}
	had, changes := "", 0
	for _, c := range []struct {
		what    string
		later   time.Duration
		program pulumisdk.RunFunc
		known   bool
		paths   []string
	}{
		{"create", 0, release("1.36.3", nil), false, nil},
		{"upgrade", 0, release("1.37.2", nil), true, []string{"kubernetes"}},
		{"renewal", 340 * day, release("1.37.2", nil), true, []string{`nodes["w1"].drift`}},
		{"rotation", 340 * day, release("1.37.2", authority), false, []string{"rotation"}},
		{"its second stage", 342 * day, release("1.37.2", authority), false, []string{`nodes["cp1"].drift`}},
		{"its last stage", 344 * day, release("1.37.2", authority), false, []string{`nodes["cp1"].drift`}},
		{"renewal after it", 680 * day, release("1.37.2", authority), true, []string{`nodes["w1"].drift`}},
		{"rotation of a key", 680 * day, release("1.37.2", key), true, []string{`rotation.encryptionKey`}},
	} {
		w.Later = c.later
		if err := w.Preview(c.program); err != nil {
			t.Fatal(err)
		}
		planned, err := plugin.UnmarshalProperties(w.Planned("main"), plugin.MarshalOptions{KeepUnknowns: true})
		if err != nil {
			t.Fatal(err)
		}
		said := planned["kubeconfig"]
		if said.IsString() != c.known || !c.known && !said.IsComputed() {
			t.Errorf("%s: a preview has the kubeconfig %v", c.what, said)
		}
		op := minengine.Update
		if had == "" {
			op = minengine.Create
		}
		w.up(c.program, op, c.paths...)
		now := w.properties("main")["kubeconfig"].StringValue()
		if c.known && (now != said.StringValue() || now != had) {
			t.Errorf("%s: the kubeconfig is another one", c.what)
		}
		if now != had {
			changes++
		}
		had = now
	}
	if changes < 3 {
		t.Errorf("the kubeconfig changed %d times: by no rotation", changes)
	}
}

// TestUnknown previews machines that do not exist yet: every host is counted, and the state that is planned has each of them.
func TestUnknown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, three)
	unknown := func(names ...string) pulumisdk.RunFunc {
		return w.cluster(three, func(a *trivet.ClusterArgs) {
			for _, name := range names {
				hostOf(name, func(h *trivet.HostArgs) { h.Address = pulumisdk.String(plugin.UnknownStringValue) })(a)
			}
		})
	}
	if err := w.Preview(unknown("w1", "cp2")); err != nil {
		t.Fatal(err)
	}
	w.did("main", minengine.Create)
	if !w.said("4 hosts, 2 of them with an address that is not known yet: cp2, w1") {
		t.Errorf("it says %v", w.Messages)
	}
	planned, err := plugin.UnmarshalProperties(w.Planned("main"), plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true})
	if err != nil {
		t.Fatal(err)
	}
	nodes := planned["nodes"].ObjectValue()
	if len(nodes) != len(three) {
		t.Errorf("the preview has %d nodes", len(nodes))
	}
	for name, n := range nodes {
		if address, open := n.ObjectValue()["address"], name == "w1" || name == "cp2"; open != address.IsComputed() || !open && address.StringValue() != w.address(string(name)) {
			t.Errorf("%s is previewed at %v", name, address)
		}
	}
	w.up(w.cluster(three, nil), minengine.Create)

	// A machine that is made anew: of the others nothing is said, and all are counted.
	if err := w.Preview(unknown("w1")); err != nil {
		t.Fatal(err)
	}
	w.did("main", minengine.Update, `hosts["w1"].address`)
	w.differs("main", `hosts["w1"].address`, `nodes["w1"].address`)
	if !w.said("4 hosts, 1 of them with an address that is not known yet: w1") {
		t.Errorf("it says %v", w.Messages)
	}
	// Neither a topology nor a whole map can be seen through, and the program is told so rather than shown nothing. Where there is one member of etcd no other can go with it.
	w = newWorld(t, small)
	w.up(w.cluster(small, nil), minengine.Create)
	if err := w.Preview(w.cluster(small, func(a *trivet.ClusterArgs) {
		*a = trivet.ClusterArgs{Topology: pulumisdk.String(plugin.UnknownStringValue), DeletionProtection: pulumisdk.Bool(false)}
	})); err != nil {
		t.Fatal(err)
	}
	w.did("main", minengine.Update, "topology")
}

// TestResumed goes on with a create, and with a change, that did not come to its end: also where all is in place and only nobody has seen it work, where a refresh comes between, and where
// the next run would change nothing but what the provider keeps to.
func TestResumed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	stopped := func(change func(*trivet.ClusterArgs), texts ...string) {
		t.Helper()
		w.FailGate(plan.GateNodes, errors.New("planted"))
		w.fails(w.cluster(small, change), append(texts, "planted", "pulumi up")...)
		w.FailGate(plan.GateNodes, nil)
		for _, look := range []func() error{w.Refresh, w.Refresh, func() error { return w.Preview(w.cluster(small, change)) }} {
			if err := look(); err != nil {
				t.Fatal(err)
			}
			if r := w.State("main"); r == nil || len(r.InitErrors) == 0 || !strings.Contains(fmt.Sprint(w.properties("main")["unfinished"]), "planted") {
				t.Fatalf("the state has %+v", r)
			}
			if !w.said("unhealthy state:\n* Cluster not c") || w.said("unhealthy state:\n* Cluster not changed") != (change != nil) {
				t.Errorf("it says %v", w.Messages)
			}
		}
		w.did("main", minengine.Update, "unfinished") // by the preview
	}
	stopped(nil, "Cluster not created")
	w.up(w.cluster(small, nil), minengine.Update, "unfinished", `nodes["cp1"].drift`)
	if why, ok := w.properties("main")["unfinished"]; ok {
		t.Errorf("it is unfinished since %v", why)
	}
	w.up(w.cluster(small, nil), minengine.Same)

	stopped(maxPods, "Cluster not changed as planned")
	policy := func(a *trivet.ClusterArgs) {
		maxPods(a)
		a.OnDestroy = trivet.OnDestroyForget
	}
	w.up(w.cluster(small, policy), minengine.Update, "unfinished", "onDestroy", `nodes["w1"].configuration`)
	for _, name := range []string{"cp1", "w1"} {
		if b, err := os.ReadFile(w.Machines[name].Path("/etc/kubernetes/kubelet.yaml")); err != nil || !strings.Contains(string(b), "maxPods: 42") {
			t.Errorf("host %s did not get the change: %v\n%s", name, err, b)
		}
	}
	w.up(w.cluster(small, policy), minengine.Same)
}

// TestBegun: a create that left something on hosts, and nothing that tells of a cluster, stays in the state, for it to be given back.
func TestBegun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	begin := func() {
		t.Helper()
		w.cancels("stepped", w.cluster(small, nil), "Cluster not created")
		w.reimage("cp1")
		if err := w.Refresh(); err != nil {
			t.Fatal(err)
		}
		if r := w.State("main"); r == nil || len(r.InitErrors) == 0 || w.managed() != 1 {
			t.Fatalf("%d hosts have something, and the state has %+v", w.managed(), r)
		}
	}
	begin()
	w.destroyed()

	// The engine refuses to go on with a cluster of which it has the key no more. Nothing is begun by that, and the state says what was.
	begin()
	w.fails(w.cluster(small, nil), "Cluster not changed", "host w1", "no control plane has the inventory of it", "trivet destroy")
	if why := w.properties("main")["unfinished"].StringValue(); !strings.Contains(why, "interrupted") {
		t.Errorf("it is unfinished since %v", why)
	}
	w.destroyed()

	// Where no host has anything, there is nothing to go on with.
	begin()
	w.reimage("w1")
	w.up(w.cluster(small, nil), minengine.Create)
}

// TestReimaged: of a host that was installed anew a preview does not promise which machine it will be.
func TestReimaged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	w.up(w.cluster(small, nil), minengine.Create)
	machine := func() string {
		return w.properties("main")["nodes"].ObjectValue()["w1"].ObjectValue()["machineId"].StringValue()
	}
	was := machine()
	w.reimage("w1")
	if err := w.Preview(w.cluster(small, nil)); err != nil {
		t.Fatal(err)
	}
	nodes := w.Planned("main").GetFields()["nodes"].GetStructValue().GetFields()
	if got := nodes["w1"].GetStructValue().GetFields()["machineId"].GetStringValue(); got != plugin.UnknownStringValue {
		t.Errorf("a preview says that w1 will be the machine %s", got)
	}
	w.up(w.cluster(small, nil), minengine.Update, `nodes["w1"].drift`)
	if now := machine(); now == was || now == "" {
		t.Errorf("w1 is the machine %q, and was %q", now, was)
	}
	w.up(w.cluster(small, nil), minengine.Same)
}

// TestImportUnfinished: of a cluster whose first bring-up stopped at its last wait, an import says so, and the next run goes on.
func TestImportUnfinished(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	w.FailGate(plan.GateNodes, errors.New("planted"))
	w.fails(w.cluster(small, nil), "Cluster not created", "planted")
	w.FailGate(plan.GateNodes, nil)
	other := w.another()
	other.settings()
	if err := other.Import("trivet:index:Cluster", "main", "main@"+w.ssh.Address("cp1")); err != nil {
		t.Fatal(err)
	}
	if drift := fmt.Sprint(other.properties("main")["nodes"].ObjectValue()["cp1"].ObjectValue()["drift"].Mappable()); !strings.Contains(drift, "its first bring-up has not come to its end") {
		t.Errorf("the drift is %s", drift)
	}
	other.up(w.cluster(small, nil), minengine.Update, `nodes["cp1"].drift`)
	other.up(w.cluster(small, nil), minengine.Same)
	if inv := w.inventory(); !inv.Complete() {
		t.Error("the bring-up has not come to its end")
	}
}

// TestCut: a create whose hosts went out of reach under way, so that nobody knows what they have, stays in the state, and is gone on with once they answer.
func TestCut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	var cut atomic.Bool
	w.OnPoint = func(at, came string) {
		if at == "w1" && came == "step" && !cut.Swap(true) {
			go func() {
				w.ssh.Stop("w1")
				w.ssh.Stop("cp1")
			}()
		}
	}
	w.fails(w.cluster(small, nil), "Cluster not created", "run `pulumi up` again")
	w.OnPoint = nil
	if r := w.State("main"); r == nil || len(r.InitErrors) == 0 {
		t.Fatalf("the state has %+v", r)
	}
	if err := w.Refresh(); err != nil {
		t.Fatal(err)
	}
	if r := w.State("main"); r == nil || len(r.InitErrors) == 0 {
		t.Fatalf("after a refresh that reaches nobody, the state has %+v", r)
	}
	w.ssh.Start("w1")
	w.ssh.Start("cp1")
	w.up(w.cluster(small, nil), minengine.Update, "unfinished")
	w.up(w.cluster(small, nil), minengine.Same)
	w.destroyed()
}

// TestCancelled: Cancel lets the operation at hand end, keeps what was done, and the next run goes on, of a create and of an update. At the end of a run it does nothing.
func TestCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	cancelled := func(program pulumisdk.RunFunc, texts ...string) {
		t.Helper()
		w.cancels("step", program, texts...)
		for name := range w.Machines {
			o, err := w.Observe(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range o.Record.Items {
				if i.Pending {
					t.Errorf("host %s: %s was begun and not ended", name, i.Item.ID())
				}
			}
		}
		if r := w.State("main"); r == nil || len(r.InitErrors) == 0 {
			t.Errorf("the state has %+v", r)
		}
	}
	cancelled(w.cluster(small, nil), "Cluster not created")
	w.up(w.cluster(small, nil), minengine.Update)
	if err := w.Cancel(); err != nil {
		t.Fatal(err)
	}
	w.up(w.cluster(small, nil), minengine.Same)
	cancelled(w.cluster(small, maxPods), "Cluster not changed as planned")
	w.up(w.cluster(small, maxPods), minengine.Update)
	w.up(w.cluster(small, maxPods), minengine.Same)
}

// TestDrift shows on `up` what was changed by hand, and mends it.
func TestDrift(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	w.up(w.cluster(small, nil), minengine.Create)
	w.damage("w1")
	if err := w.Refresh(); err != nil {
		t.Fatal(err)
	}
	if drift := w.properties("main")["nodes"].ObjectValue()["w1"].ObjectValue()["drift"]; !strings.Contains(fmt.Sprint(drift.Mappable()), "/etc/containerd/config.toml") {
		t.Errorf("a refresh finds %v", drift)
	}
	if err := w.Preview(w.cluster(small, nil)); err != nil {
		t.Fatal(err)
	}
	w.did("main", minengine.Update)
	w.differs("main", `nodes["w1"].drift`)
	w.up(w.cluster(small, nil), minengine.Update, `nodes["w1"].drift`)
	w.up(w.cluster(small, nil), minengine.Same)
	w.damage("w1") // with no refresh between: a run reads before it compares
	w.up(w.cluster(small, nil), minengine.Update, `nodes["w1"].drift`)
	w.up(w.cluster(small, nil), minengine.Same)
}

// TestObjects: what becomes of manifests' objects is in the differences, object by object. Of a Secret's values nothing is in the state.
func TestObjects(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	folder := t.TempDir()
	manifest := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const (
		conf   = `{apiVersion: v1, kind: ConfigMap, metadata: {name: conf, namespace: default}, data: {size: "1"}}`
		secret = `{apiVersion: v1, kind: Secret, metadata: {name: key, namespace: default}, stringData: {word: "hidden-in-a-secret"}}`
	)
	manifest("conf.yaml", conf)
	manifest("key.yaml", secret)
	from := func(files pulumisdk.StringInput) pulumisdk.RunFunc {
		return w.cluster(small, func(a *trivet.ClusterArgs) { a.Manifests = pulumisdk.StringArray{files} })
	}
	program := from(pulumisdk.String(filepath.Join(folder, "*.yaml")))
	w.up(program, minengine.Create)
	w.up(program, minengine.Same)
	outputs, err := w.State("main").Properties()
	if err != nil {
		t.Fatal(err)
	}
	if objects := fmt.Sprint(outputs["objects"].Mappable()); !strings.Contains(objects, "ConfigMap default/conf") || !strings.Contains(objects, "Secret default/key") {
		t.Errorf("objects are %s", objects)
	}
	// A file that is edited is seen without a look at the API, and one that is not known yet leaves the hosts alone.
	manifest("conf.yaml", strings.Replace(conf, `"1"`, `"2"`, 1))
	if err := w.Preview(program); err != nil {
		t.Fatal(err)
	}
	w.did("main", minengine.Update, `objects["ConfigMap default/conf"].configuration`)
	if err := w.Preview(from(pulumisdk.String(plugin.UnknownStringValue))); err != nil {
		t.Fatal(err)
	}
	w.did("main", minengine.Update, "manifests[0]")
	for _, s := range w.Steps {
		for path := range s.Diff {
			if strings.HasPrefix(path, "nodes") {
				t.Errorf("manifests that are not known change %s", path)
			}
		}
	}
	w.up(program, minengine.Update, `objects["ConfigMap default/conf"].configuration`)
	w.up(program, minengine.Same)
	// What somebody did to an object is mended, and what is in no manifest any more goes.
	if err := w.SetObject(conf, ""); err != nil {
		t.Fatal(err)
	}
	w.up(program, minengine.Update, `objects["ConfigMap default/conf"].drift`)
	w.up(program, minengine.Same)
	if err := os.Remove(filepath.Join(folder, "key.yaml")); err != nil {
		t.Fatal(err)
	}
	w.up(program, minengine.Update, `objects["Secret default/key"]`)
	w.up(program, minengine.Same)
	if _, there := w.Fleet.Objects()["Secret/default/key"]; there {
		t.Error("the Secret is still there")
	}
	for _, sent := range w.Sent {
		if strings.Contains(sent, "hidden-in-a-secret") {
			t.Fatalf("a value of the Secret is in %.300s", sent)
		}
	}
}

// TestPorts: access has the ports of the API, and so has what is imported.
func TestPorts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	if err := w.Change(fleettest.Settings{Hosts: small, Cluster: "api {\n port = 8443\n local_port = 9443\n}"}); err != nil {
		t.Fatal(err)
	}
	ports := func(w *world, what string) {
		t.Helper()
		outputs := w.properties("main")
		text, err := json.Marshal(outputs["access"].Mappable()) // as pulumi stack output --json has it
		if err != nil {
			t.Fatal(err)
		}
		access, err := door.ParseAccess(string(text))
		if err != nil {
			t.Fatal(err)
		}
		if a := (&door.Client{}).AccessIn(access); a.APIPort != 8443 || a.APILocalPort != 9443 {
			t.Errorf("%s: the access %s has the ports %d and %d", what, text, a.APIPort, a.APILocalPort)
		}
		if config := outputs["kubeconfig"].StringValue(); !strings.Contains(config, `"api_port":8443`) {
			t.Errorf("%s: the kubeconfig asks for certificates by an access without ports:\n%s", what, config)
		}
	}
	w.up(w.cluster(small, func(a *trivet.ClusterArgs) {
		a.Api = &trivet.ApiArgs{Port: pulumisdk.Int(8443), LocalPort: pulumisdk.Int(9443)}
	}), minengine.Create)
	ports(w, "created")
	other := w.another()
	other.settings()
	if err := other.Import("trivet:index:Cluster", "main", "main@"+w.ssh.Address("cp1")); err != nil {
		t.Fatal(err)
	}
	ports(other, "imported")
}

// TestAway keeps what the state has of hosts that do not answer, fails what needs them before anything is changed, and does without them where that is allowed.
func TestAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	w.up(w.cluster(small, nil), minengine.Create)
	w.ssh.Stop("w1")
	w.ssh.Stop("cp1")
	if err := w.Refresh(); err != nil {
		t.Fatal(err)
	}
	if w.State("main") == nil || !w.said("kept as it was") {
		t.Errorf("it says %v", w.Messages)
	}
	w.ssh.Start("cp1")
	w.changes(w.cluster(small, nil), "main", minengine.Same)
	if !w.said("What the state has of them is kept") || !w.said("w1") {
		t.Errorf("it says %v", w.Messages)
	}
	w.fails(w.cluster(small, maxPods), "host w1", "connection refused", "nothing was done", `unreachable = "forget" in the provider`)

	// The provider's own unreachable holds for a change that the resource's would need the dead host for.
	forget := func(ctx *pulumisdk.Context) error {
		_, _, err := w.declareWith(ctx, small, maxPods, func(p *trivet.ProviderArgs) { p.Unreachable = trivet.UnreachableForget })
		return err
	}
	w.changes(forget, "main", minengine.Update, `nodes["cp1"].configuration`, `nodes["w1"].configuration`)
	if left := w.properties("main")["leftOut"]; fmt.Sprint(left.Mappable()) != "[w1]" {
		t.Errorf("left out: %v", left)
	}
	w.ssh.Start("w1")
	if err := w.Preview(w.cluster(small, maxPods)); err != nil {
		t.Fatal(err)
	}
	if left := w.Planned("main").GetFields()["leftOut"]; left.GetStringValue() != plugin.UnknownStringValue {
		t.Errorf("a preview says that %v will be left out", left)
	}
	w.up(w.cluster(small, maxPods), minengine.Update, `nodes["w1"].configuration`)
	if left, ok := w.properties("main")["leftOut"]; ok {
		t.Errorf("left out: %v", left)
	}
	w.up(w.cluster(small, maxPods), minengine.Same)

	// A destroy fails likewise, and forgets where it may.
	w.ssh.Stop("w1")
	wantError(t, w.Destroy(), "Cluster not destroyed", "w1", `unreachable = "forget" in the provider`)
	if w.State("main") == nil {
		t.Fatal("a destroy that failed took the cluster out of the state")
	}
	w.changes(forget, "main", minengine.Same)
	if err := w.Destroy(); err != nil {
		t.Fatal(err)
	}
	if !w.said("they must not come back as they are") || w.managed() != 1 {
		t.Errorf("%d hosts keep something, and it says %v", w.managed(), w.Messages)
	}
}

// TestUnreachableForget: what a cluster itself says of hosts that do not answer holds as well, and for its create, too.
func TestUnreachableForget(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	forget := w.cluster(small, func(a *trivet.ClusterArgs) { a.Unreachable = trivet.UnreachableForget })
	w.ssh.Stop("w1")
	w.fails(w.cluster(small, nil), "Cluster not created", "host w1", "nothing was done")
	if w.State("main") != nil || w.managed() > 0 {
		t.Errorf("a create that changed nothing is in the state: %+v", w.State("main"))
	}
	w.up(forget, minengine.Create)
	if n := w.managed(); n != 1 {
		t.Errorf("%d hosts are in the cluster", n)
	}
	w.ssh.Start("w1")
	w.up(forget, minengine.Update, `nodes["w1"]`)
	w.up(forget, minengine.Same)
	if n := w.managed(); n != 2 {
		t.Errorf("%d hosts are in the cluster", n)
	}
}

// TestImport reads a cluster that another program made; a program that describes it finds nothing to do, goes on from there, and may import it by itself.
func TestImport(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	w.up(w.cluster(small, nil), minengine.Create)
	other := w.another()
	other.settings()
	id := "main@" + w.ssh.Address("cp1")
	if err := other.Import("trivet:index:Cluster", "main", id); err != nil {
		t.Fatal(err)
	}
	got := other.properties("main")
	if at := got["hosts"].ObjectValue()["w1"].ObjectValue()["address"].StringValue(); at != w.address("w1") {
		t.Errorf("w1 is at %s", at)
	}
	want := w.properties("main")
	for _, name := range []resource.PropertyKey{"kubeconfig", "nodes", "access", "clusterId", "hosts", "sites"} {
		if !got[name].DeepEquals(want[name]) {
			t.Errorf("imported %s\n%v\nwant\n%v", name, got[name], want[name])
		}
	}
	described := func(change func(*trivet.ClusterArgs), opts ...pulumisdk.ResourceOption) pulumisdk.RunFunc {
		return func(ctx *pulumisdk.Context) error {
			a := w.args(small)
			if change != nil {
				change(a)
			}
			_, err := trivet.NewCluster(ctx, "main", a, opts...)
			return err
		}
	}
	// What was imported has what holds where the program says nothing: to say nothing changes nothing on the hosts.
	other.up(described(nil), minengine.Update, "deletionProtection")
	other.differs("main", "deletionProtection")
	other.up(described(nil), minengine.Same)
	other.up(described(maxPods), minengine.Update, "components", `nodes["w1"].configuration`)
	other.up(described(maxPods), minengine.Same)

	// A program that says where it is takes it over, and changes in the same run what it says otherwise.
	said := w.another()
	said.settings()
	said.up(described(maxPods, pulumisdk.Import(pulumisdk.ID(id))), minengine.Import)
	if !slices.ContainsFunc(said.Steps, func(s minengine.Step) bool {
		return s.Op == minengine.Update && s.Diff[`nodes["w1"].configuration`] != nil
	}) {
		t.Errorf("it did %d things, and no update of w1", len(said.Steps))
	}
	said.up(described(maxPods), minengine.Same)

	for id, want := range map[string]string{
		"main":                          `"main" is not NAME@ADDRESS: the cluster's name, and where SSH reaches one of its control planes`,
		"other@" + w.ssh.Address("cp1"): `is a control plane of cluster "main", not of "other"`,
		"main@" + w.ssh.Address("w1"):   "keeps no cluster's inventory: name the address of a control plane",
		"main@127.0.0.1":                "127.0.0.1",
	} {
		third := w.another()
		third.settings()
		wantError(t, third.Import("trivet:index:Cluster", "main", id), "Cluster not imported", want)
	}
}

// TestGet reads a cluster that the program does not own, for its access: as another stack does that has workers of it.
func TestGet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	w.up(w.cluster(small, nil), minengine.Create)
	w.spare("spot-1", "10.11.1.201")
	other := w.another()
	other.settings()
	program := func(ctx *pulumisdk.Context) error {
		c, err := trivet.GetCluster(ctx, "main", pulumisdk.ID("main@"+w.ssh.Address("cp1")), nil)
		if err != nil {
			return err
		}
		ctx.Export("region", c.Sites.MapIndex(pulumisdk.String("s1")).Region())
		ctx.Export("endpoint", c.Access.Endpoints().Index(pulumisdk.Int(0)).Host())
		return w.spot(ctx, c, "spot-1", nil)
	}
	out, err := other.Up(program)
	if err != nil {
		t.Fatal(err)
	}
	if out["region"].StringValue() != "r" || out["endpoint"].StringValue() != "cp1" {
		t.Errorf("exported: %v", out)
	}
	other.did("spot-1", minengine.Create)
	other.changes(program, "spot-1", minengine.Same)
	if err := other.Destroy(); err != nil {
		t.Fatal(err)
	}
	w.up(w.cluster(small, nil), minengine.Same)
}

// TestProtected refuses to destroy or to replace what is protected.
func TestProtected(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	protected := func(a *trivet.ClusterArgs) { a.DeletionProtection = nil }
	w.up(w.cluster(small, protected), minengine.Create)
	wantError(t, w.Destroy(), "is protected", "deletionProtection")
	wantError(t, w.Preview(w.cluster(small, func(a *trivet.ClusterArgs) { a.DeletionProtection, a.Name = nil, pulumisdk.String("other") })), "is protected", "deletionProtection")
	w.ssh.Stop("w1") // what the provider alone keeps to is none of the hosts
	w.ssh.Stop("cp1")
	w.changes(w.cluster(small, nil), "main", minengine.Update, "deletionProtection")
}

// TestReplaced: another name is another cluster, which takes the hosts once the first has given them back.
func TestReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	w.up(w.cluster(small, nil), minengine.Create)
	before := w.inventory().ClusterID
	renamed := w.cluster(small, func(a *trivet.ClusterArgs) { a.Name = pulumisdk.String("other") })
	if err := w.Preview(renamed); err != nil {
		t.Fatal(err)
	}
	w.did("main", minengine.Replace)
	w.changes(renamed, "main", minengine.Replace)
	if got := w.properties("main"); got["clusterId"].StringValue() == before || got["access"].ObjectValue()["name"].StringValue() != "other" {
		t.Errorf("the cluster is %v", got["access"])
	}
}

// TestOnDestroy forgets a cluster, which goes on, rather than giving its hosts back: as the resource says, and as the provider says before it.
func TestOnDestroy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	for name, program := range map[string]pulumisdk.RunFunc{
		"resource": w.cluster(small, func(a *trivet.ClusterArgs) { a.OnDestroy, a.Adopt = trivet.OnDestroyForget, pulumisdk.Bool(true) }),
		"provider": func(ctx *pulumisdk.Context) error {
			_, _, err := w.declareWith(ctx, small, func(a *trivet.ClusterArgs) { a.Adopt = pulumisdk.Bool(true) }, func(p *trivet.ProviderArgs) { p.OnDestroy = trivet.OnDestroyForget })
			return err
		},
	} {
		other := w.another()
		other.up(program, minengine.Create)
		if err := other.Destroy(); err != nil {
			t.Fatal(err)
		}
		if n := w.managed(); other.State("main") != nil || n != 2 {
			t.Errorf("%s: forgotten, %d hosts are in the cluster", name, n)
		}
	}
	// To adopt it has to be said.
	w.fails(w.cluster(small, nil), "Cluster exists already", "pulumi import trivet:index:Cluster NAME main@ADDRESS", "adopt = true")
	w.up(w.cluster(small, func(a *trivet.ClusterArgs) { a.Adopt = pulumisdk.Bool(true) }), minengine.Create)
	if err := w.Destroy(); err != nil {
		t.Fatal(err)
	}
	if n := w.managed(); n != 0 {
		t.Errorf("reset, %d hosts keep something", n)
	}
}

// TestDifferences: what changes is told host by host, at the paths of what was given and of what comes of it.
func TestDifferences(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	w.up(w.cluster(small, nil), minengine.Create)
	more := append(slices.Clone(small), fleettest.Host{Name: "w2", Site: "s1", Roles: []string{"worker"}})
	if err := w.Change(fleettest.Settings{Hosts: more}); err != nil {
		t.Fatal(err)
	}
	w.ssh.Start("w2")
	for name, c := range map[string]struct {
		hosts  []fleettest.Host
		change func(*trivet.ClusterArgs)
		paths  []string
	}{
		"a host more": {more, nil, []string{`hosts["w2"]`}},
		"a host less": {small[:1], nil, []string{`hosts["w1"]`}},
		"address":     {small, hostOf("w1", func(h *trivet.HostArgs) { h.Address = pulumisdk.String("10.11.1.77") }), []string{`hosts["w1"].address`, `nodes["w1"].address`}},
		"label": {small, hostOf("w1", func(h *trivet.HostArgs) { h.Labels = pulumisdk.StringMap{"a.b/c": pulumisdk.String("d")} }),
			[]string{`hosts["w1"].labels`, `nodes["w1"].configuration`}},
		"taint": {small, hostOf("w1", func(h *trivet.HostArgs) {
			h.Taints = []trivet.TaintArgs{{Key: pulumisdk.String("k"), Effect: trivet.TaintEffectNoSchedule}}
		}), []string{`hosts["w1"].taints`, `nodes["w1"].configuration`}},
		"protection": {small, func(a *trivet.ClusterArgs) { a.DeletionProtection = pulumisdk.Bool(true) }, []string{"deletionProtection"}},
	} {
		if err := w.Preview(w.cluster(c.hosts, c.change)); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		w.did("main", minengine.Update)
		w.differs("main", c.paths...)
	}
	labelled := func(value string) pulumisdk.RunFunc {
		return w.cluster(small, hostOf("w1", func(h *trivet.HostArgs) { h.Labels = pulumisdk.StringMap{"a.b/c": pulumisdk.String(value)} }))
	}
	w.up(labelled("d"), minengine.Update)
	if err := w.Preview(labelled("e")); err != nil {
		t.Fatal(err)
	}
	w.differs("main", `hosts["w1"].labels["a.b/c"]`, `nodes["w1"].configuration`)
}
