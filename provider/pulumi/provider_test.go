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

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumisdk "github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	host "github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/provider/door"
	"github.com/trivet-dev/trivet/provider/door/doortest"
	"github.com/trivet-dev/trivet/provider/pulumi"
	"github.com/trivet-dev/trivet/provider/pulumi/minengine"
	"github.com/trivet-dev/trivet/provider/pulumi/sdk/go/trivet"
)

var small = []fleettest.Host{{Name: "cp1", Site: "s1", Roles: []string{"control-plane", "etcd"}}, {Name: "w1", Site: "s1", Roles: []string{"worker"}}}

// world is a fleet in memory, and an engine with the provider over it.
type world struct {
	*doortest.Hosts
	*minengine.Engine
	t *testing.T
}

func newWorld(t *testing.T, hosts []fleettest.Host) *world {
	t.Helper()
	f, err := fleettest.New(fleettest.Dir(t), fleettest.Settings{Hosts: hosts})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Hosts: &doortest.Hosts{Fleet: f}, t: t}
	w.Engine, err = minengine.New(t.Context(), func(h *host.HostClient) pulumirpc.ResourceProviderServer { return pulumi.New(h, "test", w.Adapt) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Engine.Close)
	return w
}

// cluster declares the cluster of a fleet; change, which may be nil, changes what it is made of.
func (w *world) cluster(hosts []fleettest.Host, change func(*trivet.ClusterArgs)) pulumisdk.RunFunc {
	return func(ctx *pulumisdk.Context) error {
		_, err := w.declare(ctx, hosts, change)
		return err
	}
}

func (w *world) declare(ctx *pulumisdk.Context, hosts []fleettest.Host, change func(*trivet.ClusterArgs)) (*trivet.Cluster, error) {
	p, err := trivet.NewProvider(ctx, "hosts", &trivet.ProviderArgs{
		SSH: &trivet.SSHArgs{User: pulumisdk.String("ops")}, AgeIdentity: pulumisdk.ToSecret(pulumisdk.String(w.Key.String())).(pulumisdk.StringOutput),
	})
	if err != nil {
		return nil, err
	}
	args := &trivet.ClusterArgs{
		Kubernetes: pulumisdk.String("1.37.2"), AgeRecipients: pulumisdk.StringArray{pulumisdk.String(w.Key.Recipient().String())}, DeletionProtection: pulumisdk.Bool(false),
		Sites: map[string]trivet.SiteArgs{}, Hosts: map[string]trivet.HostArgs{},
	}
	for _, h := range hosts {
		args.Sites[h.Site] = trivet.SiteArgs{Region: pulumisdk.String("r")}
		args.Hosts[h.Name] = trivet.HostArgs{Site: pulumisdk.String(h.Site), Address: pulumisdk.String(w.address(h.Name)), Roles: pulumisdk.ToStringArray(h.Roles)}
	}
	if change != nil {
		change(args)
	}
	c, err := trivet.NewCluster(ctx, "main", args, pulumisdk.Provider(p))
	if err != nil {
		return nil, err
	}
	ctx.Export("kubeconfig", c.Kubeconfig)
	return c, nil
}

func (w *world) address(name string) string {
	for _, h := range w.Fleet.Cluster.Hosts {
		if h.Name == name {
			return h.Address.String()
		}
	}
	w.t.Fatalf("the fleet has no host %s", name)
	return ""
}

// up runs a program while all hosts answer, and wants something to be done to its cluster.
func (w *world) up(program pulumisdk.RunFunc, want minengine.Op, paths ...string) {
	w.t.Helper()
	w.changes(program, "main", want, paths...)
	if w.said("not read") {
		w.t.Errorf("it says %v", w.Messages)
	}
}

// changes runs a program, and wants something to be done to a resource.
func (w *world) changes(program pulumisdk.RunFunc, name string, want minengine.Op, paths ...string) {
	w.t.Helper()
	if _, err := w.Up(program); err != nil {
		w.t.Fatal(err)
	}
	w.did(name, want, paths...)
}

// did wants the last run to have done something to a resource, and the difference to have these paths.
func (w *world) did(name string, want minengine.Op, paths ...string) {
	w.t.Helper()
	for _, s := range w.Steps {
		if s.URN.Name() != name {
			continue
		}
		if s.Op != want {
			w.t.Errorf("%s: %s, want %s; it differs in %v", name, s.Op, want, s.Diff)
		}
		for _, p := range paths {
			if s.Diff[p] == nil {
				w.t.Errorf("%s: no difference at %s, of %v", name, p, s.Diff)
			}
		}
		return
	}
	w.t.Errorf("nothing was done about %s: %v", name, w.Steps)
}

// said says whether a message of the last run has a text.
func (w *world) said(text string) bool {
	return slices.ContainsFunc(w.Messages, func(m minengine.Message) bool { return strings.Contains(m.Text, text) })
}

// managed counts the hosts that keep something of a cluster.
func (w *world) managed() int {
	n := 0
	for name := range w.Machines {
		o, err := w.Observe(name)
		if err != nil {
			w.t.Fatal(err)
		}
		if o.Record != nil && len(o.Record.Items) > 0 {
			n++
		}
	}
	return n
}

func maxPods(args *trivet.ClusterArgs) {
	args.Components = []trivet.ComponentArgs{{Name: pulumisdk.String(trivet.ComponentNameKubelet), Settings: pulumisdk.Map{"maxPods": pulumisdk.Int(42)}}}
}

// TestLife previews a cluster, creates it, finds nothing to do, changes it, and destroys it.
func TestLife(t *testing.T) {
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
	w.up(changed, minengine.Update, "components", `nodes["w1"].configuration`)
	w.up(changed, minengine.Same)
	outputs, err = w.State("main").Properties()
	if err != nil {
		t.Fatal(err)
	}
	if outputs["kubeconfig"].StringValue() != config {
		t.Error("the kubeconfig is another one after a change")
	}
	if err := w.Destroy(); err != nil {
		t.Fatal(err)
	}
	if n := w.managed(); n > 0 {
		t.Errorf("after it was destroyed, %d hosts keep something", n)
	}
}

// TestMistakes tells what is wrong at the property.
func TestMistakes(t *testing.T) {
	w := newWorld(t, small)
	for name, c := range map[string]struct {
		change func(*trivet.ClusterArgs)
		want   string
	}{
		"role": {func(a *trivet.ClusterArgs) {
			h := a.Hosts["w1"]
			h.Roles = pulumisdk.ToStringArray([]string{"wrker"})
			a.Hosts["w1"] = h
		}, `hosts["w1"].roles[0]: Unknown role`},
		"range":     {func(a *trivet.ClusterArgs) { a.PodCIDR = pulumisdk.String("10.11.0.0/16") }, "podCidr"},
		"onDestroy": {func(a *trivet.ClusterArgs) { a.OnDestroy = pulumisdk.String("burn") }, `onDestroy: "burn" is not one of reset and forget`},
	} {
		t.Run(name, func(t *testing.T) {
			if err := w.Preview(w.cluster(small, c.change)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

// TestUnknown previews machines that do not exist yet: every host is counted.
func TestUnknown(t *testing.T) {
	w := newWorld(t, small)
	err := w.Preview(w.cluster(small, func(a *trivet.ClusterArgs) {
		h := a.Hosts["w1"]
		h.Address = pulumisdk.String(plugin.UnknownStringValue)
		a.Hosts["w1"] = h
	}))
	if err != nil {
		t.Fatal(err)
	}
	if !w.said("2 hosts, 1 of them with an address that is not known yet: w1") {
		t.Errorf("it says %v", w.Messages)
	}
}

// TestResumed goes on with a create that did not come to its end.
func TestResumed(t *testing.T) {
	w := newWorld(t, small)
	w.FailGate(plan.GateNodes, errors.New("planted"))
	if _, err := w.Up(w.cluster(small, nil)); err == nil || !strings.Contains(err.Error(), "planted") || !strings.Contains(err.Error(), "pulumi up") {
		t.Fatalf("%v", err)
	}
	if r := w.State("main"); r == nil || len(r.InitErrors) == 0 {
		t.Fatalf("the state has %+v", r)
	}
	w.FailGate(plan.GateNodes, nil)
	w.up(w.cluster(small, nil), minengine.Update)
	w.up(w.cluster(small, nil), minengine.Same)
}

// TestCancelled: Cancel lets the operation at hand end, keeps what was done, and the next run goes on. At the end of a run it does nothing.
func TestCancelled(t *testing.T) {
	w := newWorld(t, small)
	var sent atomic.Bool
	w.OnPoint = func(at, _ string) {
		if at == "w1" && !sent.Swap(true) {
			if err := w.Cancel(); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := w.Up(w.cluster(small, nil)); err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Fatalf("%v", err)
	}
	w.OnPoint = nil
	op := minengine.Update
	if w.State("main") == nil {
		op = minengine.Create // nothing had been recorded
	}
	w.up(w.cluster(small, nil), op)
	if err := w.Cancel(); err != nil {
		t.Fatal(err)
	}
	w.up(w.cluster(small, nil), minengine.Same)
}

// TestDrift shows on `up` what was changed by hand, and mends it.
func TestDrift(t *testing.T) {
	w := newWorld(t, small)
	w.up(w.cluster(small, nil), minengine.Create)
	if err := os.Remove(w.Machines["w1"].Path("/etc/containerd/config.toml")); err != nil {
		t.Fatal(err)
	}
	w.up(w.cluster(small, nil), minengine.Update, `nodes["w1"].drift`)
	w.up(w.cluster(small, nil), minengine.Same)
}

// TestObjects: what becomes of manifests' objects is in the differences, object by object. Of a Secret's values nothing is in the state.
func TestObjects(t *testing.T) {
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
		secret = `{apiVersion: v1, kind: Secret, metadata: {name: key, namespace: default}, stringData: {word: "planted"}}`
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
		if strings.Contains(sent, "planted") {
			t.Fatalf("a value of the Secret is in %.300s", sent)
		}
	}
}

// TestPorts: access has the ports of the API, and so has what is imported.
func TestPorts(t *testing.T) {
	w := newWorld(t, small)
	if err := w.Change(fleettest.Settings{Hosts: small, Cluster: "api {\n port = 8443\n local_port = 9443\n}"}); err != nil {
		t.Fatal(err)
	}
	w.Config = map[string]string{"ssh": `{"user":"ops"}`, "ageIdentity": w.Key.String()}
	program := func(ctx *pulumisdk.Context) error {
		c, err := w.declare(ctx, small, func(a *trivet.ClusterArgs) {
			a.API = &trivet.ApiArgs{Port: pulumisdk.Int(8443), LocalPort: pulumisdk.Int(9443)}
		})
		if err != nil {
			return err
		}
		ctx.Export("access", c.Access)
		return nil
	}
	w.up(program, minengine.Create)
	ports := func(what string) {
		t.Helper()
		outputs, err := w.State("main").Properties()
		if err != nil {
			t.Fatal(err)
		}
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
	ports("created")
	var status trivet.LookupClusterStatusResult
	asked := func(ctx *pulumisdk.Context) error {
		if err := program(ctx); err != nil {
			return err
		}
		port, local := 8443, 9443
		access := trivet.Access{Name: "main", Endpoints: []trivet.Endpoint{{Host: "cp1", Address: w.address("cp1")}}, APIPort: &port, APILocalPort: &local}
		return ctx.Invoke("trivet:index:getClusterStatus", &struct {
			Cluster trivet.Access `pulumi:"cluster"`
		}{access}, &status)
	}
	w.up(asked, minengine.Same)
	if !status.Healthy {
		t.Errorf("status: %+v", status)
	}
	other := newWorld(t, small)
	other.Hosts, other.Config = w.Hosts, w.Config
	if err := other.Import("trivet:index:Cluster", "main", "main@"+w.address("cp1")); err != nil {
		t.Fatal(err)
	}
	w = other
	ports("imported")
}

// TestAway keeps what the state has of hosts that do not answer.
func TestAway(t *testing.T) {
	w := newWorld(t, small)
	w.up(w.cluster(small, nil), minengine.Create)
	w.Unreachable["w1"], w.Unreachable["cp1"] = true, true
	if err := w.Refresh(); err != nil {
		t.Fatal(err)
	}
	if w.State("main") == nil || !w.said("kept as it was") {
		t.Errorf("it says %v", w.Messages)
	}
	w.Unreachable["cp1"] = false
	w.up(w.cluster(small, nil), minengine.Same)
	if _, err := w.Up(w.cluster(small, maxPods)); err == nil || !strings.Contains(err.Error(), `unreachable = "forget"`) {
		t.Errorf("%v", err)
	}
}

// TestImport reads a cluster that another program made.
func TestImport(t *testing.T) {
	w := newWorld(t, small)
	w.up(w.cluster(small, nil), minengine.Create)
	other := newWorld(t, small)
	other.Hosts = w.Hosts
	other.Config = map[string]string{"ssh": `{"user":"ops"}`, "ageIdentity": w.Key.String()}
	if err := other.Import("trivet:index:Cluster", "main", "main@"+w.address("cp1")); err != nil {
		t.Fatal(err)
	}
	outputs, err := other.State("main").Properties()
	if err != nil {
		t.Fatal(err)
	}
	if got := outputs["hosts"].ObjectValue()["w1"].ObjectValue()["address"].StringValue(); got != w.address("w1") {
		t.Errorf("w1 is at %s", got)
	}
}

// TestProtected refuses to destroy or to replace what is protected.
func TestProtected(t *testing.T) {
	w := newWorld(t, small)
	protected := func(a *trivet.ClusterArgs) { a.DeletionProtection = nil }
	w.up(w.cluster(small, protected), minengine.Create)
	if err := w.Destroy(); err == nil || !strings.Contains(err.Error(), "protected") {
		t.Errorf("%v", err)
	}
	if err := w.Preview(w.cluster(small, func(a *trivet.ClusterArgs) { a.DeletionProtection, a.Name = nil, pulumisdk.String("other") })); err == nil || !strings.Contains(err.Error(), "protected") {
		t.Errorf("%v", err)
	}
	w.Unreachable["w1"], w.Unreachable["cp1"] = true, true // what the provider alone keeps to is none of the hosts
	w.changes(w.cluster(small, nil), "main", minengine.Update, "deletionProtection")
}

// TestWorker joins a worker to the cluster of the same program, and has it leave first.
func TestWorker(t *testing.T) {
	w := newWorld(t, small)
	if err := w.Spare("spot-1", "10.11.1.201"); err != nil {
		t.Fatal(err)
	}
	program := func(ctx *pulumisdk.Context) error {
		c, err := w.declare(ctx, small, nil)
		if err != nil {
			return err
		}
		_, err = trivet.NewWorker(ctx, "spot-1", &trivet.WorkerArgs{Cluster: c.Access, Address: pulumisdk.String("10.11.1.201"), Site: pulumisdk.String("s1")})
		return err
	}
	w.Config = map[string]string{"ssh": `{"user":"ops"}`, "ageIdentity": w.Key.String()}
	w.up(program, minengine.Create)
	w.did("spot-1", minengine.Create)
	w.up(program, minengine.Same)
	w.did("spot-1", minengine.Same)
	if err := w.Destroy(); err != nil {
		t.Fatal(err)
	}
	if n := w.managed(); n > 0 {
		t.Errorf("after all was destroyed, %d hosts keep something", n)
	}
}

// The signature of a secret in what is sent: https://www.pulumi.com/docs/iac/guides/building-extending/providers/
const signature, secret = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"

// open is a message without what is marked as a secret, which is encrypted wherever it rests.
func open(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if v[signature] == secret {
			return nil
		}
		for k, x := range v {
			v[k] = open(x)
		}
	case []any:
		for i, x := range v {
			v[i] = open(x)
		}
	}
	return v
}

// TestSecretsStayOut looks for the secrets of the provider in all that is sent and stored without a mark.
func TestSecretsStayOut(t *testing.T) {
	w := newWorld(t, small)
	w.FailGate(plan.GateNodes, errors.New("planted"))
	if _, err := w.Up(w.cluster(small, nil)); err == nil {
		t.Fatal("it did not fail")
	}
	w.FailGate(plan.GateNodes, nil)
	w.up(w.cluster(small, nil), minengine.Update)
	w.up(w.cluster(small, maxPods), minengine.Update)
	if err := errors.Join(w.Refresh(), w.Destroy()); err != nil {
		t.Fatal(err)
	}
	marked := 0
	for _, sent := range w.Sent {
		var v any
		if err := json.Unmarshal([]byte(sent), &v); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(sent, w.Key.String()) {
			marked++
		}
		b, err := json.Marshal(open(v))
		if err != nil {
			t.Fatal(err)
		}
		if text := string(b); strings.Contains(text, w.Key.String()) || strings.Contains(text, "PRIVATE KEY") {
			t.Errorf("a secret is in %.300s", text)
		}
	}
	if marked == 0 {
		t.Error("the search would find nothing: no message has the age identity")
	}
}

// TestFleet makes the clusters of a fleet of what stands where.
func TestFleet(t *testing.T) {
	w := newWorld(t, small)
	w.Config = map[string]string{"ssh": `{"user":"ops"}`, "ageIdentity": w.Key.String()}
	program := func(ctx *pulumisdk.Context) error {
		hosts := map[string]trivet.FleetHostArgs{}
		for _, h := range small {
			hosts[h.Name] = trivet.FleetHostArgs{Address: pulumisdk.String(w.address(h.Name)), Roles: pulumisdk.ToStringArray(h.Roles)}
		}
		f, err := trivet.NewFleet(ctx, "fleet", &trivet.FleetArgs{
			DeletionProtection: pulumisdk.Bool(false),
			Regions: map[string]trivet.FleetRegionArgs{"r": {Sites: map[string]trivet.FleetSiteArgs{"s1": {Rooms: map[string]trivet.FleetRoomArgs{"1": {Racks: map[string]trivet.FleetRackArgs{
				"a": {CIDR: pulumisdk.String("10.11.1.0/24"), Hosts: hosts}}}}}}}},
			Clusters: map[string]trivet.FleetClusterArgs{"main": {Kubernetes: pulumisdk.String("1.37.2"), AgeRecipients: pulumisdk.StringArray{pulumisdk.String(w.Key.Recipient().String())}}},
		})
		if err != nil {
			return err
		}
		ctx.Export("sites", f.Sites)
		return nil
	}
	if err := w.Preview(program); err != nil {
		t.Fatal(err)
	}
	w.did("fleet-main", minengine.Create)
	out, err := w.Up(program)
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprint(out["sites"].Mappable()); !strings.Contains(text, w.address("w1")) || !strings.Contains(text, "cluster:main") {
		t.Errorf("the sites are %s", text)
	}
	w.changes(program, "fleet-main", minengine.Same)
}
