package pulumi_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"filippo.io/age"
	pulumisdk "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivet-dev/trivet/provider/door/doortest"
	"github.com/trivet-dev/trivet/provider/pulumi/minengine"
	"github.com/trivet-dev/trivet/provider/pulumi/sdk/go/trivet"
)

// TestMistakes tells what is wrong at the property, with what to do, before a host is contacted.
func TestMistakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	text := w.topology(small)
	for name, c := range map[string]struct {
		change func(*trivet.ClusterArgs)
		want   []string
	}{
		"role":       {hostOf("w1", func(h *trivet.HostArgs) { h.Roles = pulumisdk.StringArray{pulumisdk.String("wrker")} }), []string{`hosts["w1"].roles[0]: Unknown role`}},
		"no roles":   {hostOf("w1", func(h *trivet.HostArgs) { h.Roles = nil }), []string{`hosts["w1"]`, "roles"}},
		"address":    {hostOf("w1", func(h *trivet.HostArgs) { h.Address = pulumisdk.String("300.1.1.1") }), []string{`hosts["w1"].address`, "300.1.1.1"}},
		"no address": {hostOf("w1", func(h *trivet.HostArgs) { h.Address = nil }), []string{`hosts["w1"]`, "address"}},
		"twice":      {hostOf("w1", func(h *trivet.HostArgs) { h.Address = pulumisdk.String(w.address("cp1")) }), []string{`hosts["w1"].address`, "cp1"}},
		"site":       {hostOf("w1", func(h *trivet.HostArgs) { h.Site = pulumisdk.String("mars") }), []string{"mars"}},
		"host key":   {hostOf("w1", func(h *trivet.HostArgs) { h.SshHostKey = pulumisdk.String("ssh-ed25519 nonsense") }), []string{`hosts["w1"].sshHostKey`}},
		"label":      {hostOf("w1", func(h *trivet.HostArgs) { h.Labels = pulumisdk.StringMap{"kubernetes.io/x": pulumisdk.String("y")} }), []string{`hosts["w1"].labels["kubernetes.io/x"]: Reserved label`}},
		"taint": {hostOf("w1", func(h *trivet.HostArgs) {
			h.Taints = []trivet.TaintArgs{{Key: pulumisdk.String("a"), Effect: pulumisdk.String("NoSchedul")}}
		}), []string{`hosts["w1"].taints[0].effect`, "NoSchedule"}},
		"range":      {func(a *trivet.ClusterArgs) { a.PodCidr = pulumisdk.String("10.11.0.0/16") }, []string{"podCidr", "10.11.0.0/16"}},
		"release":    {func(a *trivet.ClusterArgs) { a.Kubernetes = pulumisdk.String("1.99.0") }, []string{"kubernetes: ", "1.37.2"}},
		"no release": {func(a *trivet.ClusterArgs) { a.Kubernetes = nil }, []string{"kubernetes: Missing kubernetes"}},
		"no hosts":   {func(a *trivet.ClusterArgs) { a.Hosts = nil }, []string{"hosts: Missing hosts"}},
		"no members": {hostOf("cp1", func(h *trivet.HostArgs) { h.Roles = pulumisdk.StringArray{trivet.RoleControlPlane} }), []string{"etcd"}},
		"recipient":  {func(a *trivet.ClusterArgs) { a.AgeRecipients = pulumisdk.StringArray{pulumisdk.String("age1nonsense")} }, []string{"ageRecipients"}},
		"setting": {func(a *trivet.ClusterArgs) {
			a.Components = []trivet.ComponentArgs{{Name: trivet.ComponentNameKubelet, Settings: pulumisdk.Map{"maxPod": pulumisdk.Int(1)}}}
		}, []string{`components[0].settings["maxPod"]`, "maxPods"}},
		"component": {func(a *trivet.ClusterArgs) {
			a.Components = []trivet.ComponentArgs{{Name: pulumisdk.String("kublet"), Settings: pulumisdk.Map{}}}
		}, []string{"components[0]", "kublet", "kubelet"}},
		"onDestroy":   {func(a *trivet.ClusterArgs) { a.OnDestroy = pulumisdk.String("burn") }, []string{`onDestroy: "burn" is not one of reset and forget`}},
		"unreachable": {func(a *trivet.ClusterArgs) { a.Unreachable = pulumisdk.String("maybe") }, []string{`unreachable: "maybe" is not one of fail and forget`}},
		"lock":        {func(a *trivet.ClusterArgs) { a.Lock = pulumisdk.String("{\n\"format\": 1,\n\"artifacts\": [") }, []string{"lock: ", "line 3"}},
		"manifests":   {func(a *trivet.ClusterArgs) { a.Manifests = pulumisdk.StringArray{pulumisdk.String("nowhere/*.yaml")} }, []string{"manifests[0]", "nowhere/*.yaml"}},
		"both":        {func(a *trivet.ClusterArgs) { a.Topology = pulumisdk.String(text) }, []string{"hosts: Described twice"}},
		"topology": {func(a *trivet.ClusterArgs) {
			*a = trivet.ClusterArgs{Topology: pulumisdk.String(strings.Replace(text, `"worker"`, `"wrker"`, 1))}
		}, []string{"topology: ", "topology:14", "wrker"}},
		"block": {func(a *trivet.ClusterArgs) {
			*a = trivet.ClusterArgs{Topology: pulumisdk.String(strings.Replace(text, `cluster "main"`, `cluster "other"`, 1))}
		}, []string{"Unknown cluster", `"main"`, "it has other"}},
		"rack": {func(a *trivet.ClusterArgs) {
			a.Racks = map[string]trivet.RackArgs{"s1/1/a": {Cidr: pulumisdk.String("10.99.1.0/24")}}
		}, []string{`hosts["`, "10.99.1.0/24"}},
		"name": {func(a *trivet.ClusterArgs) {
			a.Hosts["W_2"] = trivet.HostArgs{Address: pulumisdk.String("10.11.1.13"), Site: pulumisdk.String("s1"), Roles: pulumisdk.StringArray{trivet.RoleWorker}}
		}, []string{`hosts["W_2"]`}},
	} {
		err := w.Preview(w.cluster(small, c.change))
		t.Logf("%s: %v", name, err)
		wantError(t, err, c.want...)
	}
	if n := w.managed(); n > 0 {
		t.Errorf("%d hosts have something", n)
	}
}

// TestUntyped: programs in other languages may send anything. What it should be is told at the path.
func TestUntyped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	w.settings()
	for name, c := range map[string]struct {
		change func(pulumisdk.Map)
		want   string
	}{
		"text for a map":   {func(m pulumisdk.Map) { m["hosts"] = pulumisdk.String("w1") }, "hosts: must be a map, and is a string"},
		"map for a text":   {func(m pulumisdk.Map) { m["kubernetes"] = pulumisdk.Map{} }, "kubernetes: must be a text, and is a object"},
		"fraction":         {func(m pulumisdk.Map) { m["nodePrefix"] = pulumisdk.Float64(24.5) }, "nodePrefix: must be a whole number"},
		"text for a flag":  {func(m pulumisdk.Map) { m["adopt"] = pulumisdk.String("yes") }, "adopt: must be true or false"},
		"unknown name":     {func(m pulumisdk.Map) { m["podCIDR"] = pulumisdk.String("10.0.0.0/8") }, "podCIDR: there is no such property here: it is called podCidr"},
		"Terraform's name": {func(m pulumisdk.Map) { m["pod_cidr"] = pulumisdk.String("10.0.0.0/8") }, "pod_cidr: there is no such property here: it is called podCidr"},
		"nested": {func(m pulumisdk.Map) {
			m["hosts"] = pulumisdk.Map{"w1": pulumisdk.Map{"adress": pulumisdk.String("10.11.1.12")}}
		}, `hosts["w1"].adress: there is no such property here`},
		"computed":          {func(m pulumisdk.Map) { m["kubeconfig"] = pulumisdk.String("mine") }, "kubeconfig: there is no such property here"},
		"list with a gap":   {func(m pulumisdk.Map) { m["images"] = pulumisdk.Array{pulumisdk.String("a"), nil} }, "images[1]"},
		"list of something": {func(m pulumisdk.Map) { m["images"] = pulumisdk.Array{pulumisdk.Map{}} }, "images[0]: must be a text"},
	} {
		m := pulumisdk.Map{
			"kubernetes": pulumisdk.String("1.37.2"), "ageRecipients": pulumisdk.ToStringArray([]string{w.Key.Recipient().String()}), "sites": pulumisdk.Map{"s1": pulumisdk.Map{"region": pulumisdk.String("r")}},
			"hosts": pulumisdk.Map{"cp1": pulumisdk.Map{"address": pulumisdk.String("10.11.1.11"), "roles": pulumisdk.ToStringArray(control)}},
		}
		c.change(m)
		err := w.Preview(func(ctx *pulumisdk.Context) error {
			var r trivet.Cluster
			return ctx.RegisterResource("trivet:index:Cluster", "main", m, &r)
		})
		t.Logf("%s: %v", name, err)
		wantError(t, err, c.want)
	}
}

// TestSettingsMistakes tells what is wrong in the provider's settings: at once where that can be seen, and by the host where it comes to be seen.
func TestSettingsMistakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	anotherKey, _ := doortest.Key(t)
	anotherIdentity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change  func(*trivet.ProviderArgs)
		cluster func(*trivet.ClusterArgs)
		want    []string
	}{
		"port":          {func(p *trivet.ProviderArgs) { p.Ssh.Port = pulumisdk.Int(99999) }, nil, []string{"ssh.port: ", "65535"}},
		"unreachable":   {func(p *trivet.ProviderArgs) { p.Unreachable = pulumisdk.String("maybe") }, nil, []string{"unreachable: ", "forget"}},
		"key":           {func(p *trivet.ProviderArgs) { p.Ssh.PrivateKey = pulumisdk.String("nonsense") }, nil, []string{"privateKey"}},
		"another key":   {func(p *trivet.ProviderArgs) { p.Ssh.PrivateKey = pulumisdk.String(anotherKey) }, nil, []string{"host cp1", "host w1", "ops"}},
		"user":          {func(p *trivet.ProviderArgs) { p.Ssh.User = pulumisdk.String("nobody") }, nil, []string{"host cp1", "nobody"}},
		"no user":       {func(p *trivet.ProviderArgs) { p.Ssh.User = nil }, nil, []string{"user"}},
		"sudo":          {func(p *trivet.ProviderArgs) { p.Ssh.SudoPassword = pulumisdk.String("not-this-one") }, nil, []string{"host cp1", "sudo", "the password is wrong"}},
		"no sudo":       {func(p *trivet.ProviderArgs) { p.Ssh.SudoPassword = nil }, nil, []string{"host cp1", "sudo"}},
		"no known host": {func(p *trivet.ProviderArgs) { p.Ssh.KnownHosts = pulumisdk.String("# none\n") }, nil, []string{"host cp1", "host w1"}},
		"host key":      {nil, hostOf("w1", func(h *trivet.HostArgs) { h.SshHostKey = pulumisdk.String(w.ssh.HostKey("cp1")) }), []string{"host w1", "HOST KEY CHANGED"}},
		"address":       {nil, hostOf("w1", func(h *trivet.HostArgs) { h.SshAddress = pulumisdk.String("127.0.0.1") }), []string{"host w1", "connection refused"}},
		"artifacts":     {func(p *trivet.ProviderArgs) { p.Artifacts = pulumisdk.String("/nowhere") }, nil, []string{"/nowhere"}},
	} {
		_, err := w.another().Up(func(ctx *pulumisdk.Context) error {
			_, _, err := w.declareWith(ctx, small, c.cluster, c.change)
			return err
		})
		t.Logf("%s: %v", name, err)
		wantError(t, err, c.want...)
	}
	if n := w.managed(); n > 0 {
		t.Errorf("%d hosts have something", n)
	}
	// The identity is asked for by what issues certificates, which a first bring-up does with keys that it makes.
	w.up(w.cluster(small, nil), minengine.Create)
	if err := os.Remove(w.Machines["cp1"].Path("/etc/kubernetes/encryption.yaml")); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		identity pulumisdk.StringPtrInput
		want     []string
	}{
		"nonsense": {pulumisdk.String("nonsense"), []string{"ageIdentity"}},
		"none":     {nil, []string{"ageIdentity in the provider", "TRIVET_AGE_IDENTITY"}},
		"another":  {pulumisdk.String(anotherIdentity.String()), []string{"none of the 1 age keys given", "ageRecipients"}},
	} {
		_, err := w.Up(func(ctx *pulumisdk.Context) error {
			_, _, err := w.declareWith(ctx, small, nil, func(p *trivet.ProviderArgs) { p.AgeIdentity = c.identity })
			return err
		})
		t.Logf("%s: %v", name, err)
		if wantError(t, err, c.want...); strings.Contains(fmt.Sprint(err), "AGE-SECRET-KEY-1") {
			t.Errorf("%s: a secret is told", name)
		}
	}
}

// TestWorkerMistakes tells what is wrong at the property, or at the worker where only the cluster knows.
func TestWorkerMistakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	w.spares(2)
	w.up(w.cluster(small, nil), minengine.Create)
	w.join("spot-2")
	if _, err := w.Replace("spot-2"); err != nil {
		t.Fatal(err)
	}
	w.ssh.Start("spot-2")
	for name, c := range map[string]struct {
		machine string
		change  func(*trivet.WorkerArgs)
		want    []string
	}{
		"label":      {"spot-1", func(a *trivet.WorkerArgs) { a.Labels = pulumisdk.StringMap{"kubernetes.io/x": pulumisdk.String("y")} }, []string{`labels["kubernetes.io/x"]: Reserved label`}},
		"address":    {"spot-1", func(a *trivet.WorkerArgs) { a.Address = pulumisdk.String("300.1.1.1") }, []string{"address: ", "300.1.1.1"}},
		"no address": {"spot-1", func(a *trivet.WorkerArgs) { a.Address = nil }, []string{"address: it has to be given"}},
		"no cluster": {"spot-1", func(a *trivet.WorkerArgs) { a.Cluster = nil }, []string{"cluster: it has to be given"}},
		"name":       {"spot-1", func(a *trivet.WorkerArgs) { a.Name = pulumisdk.String("Spot_1") }, []string{"name: ", "Spot_1"}},
		"policy":     {"spot-1", func(a *trivet.WorkerArgs) { a.Unreachable = pulumisdk.String("maybe") }, []string{`unreachable: "maybe" is not one of fail and forget`}},
		"site":       {"spot-1", func(a *trivet.WorkerArgs) { a.Site = pulumisdk.String("mars") }, []string{"Worker not joined", `no site "mars", it has s1`}},
		"host":       {"spot-1", func(a *trivet.WorkerArgs) { a.Name = pulumisdk.String("w1") }, []string{"Worker not joined", "by its topology"}},
		"taken":      {"spot-1", func(a *trivet.WorkerArgs) { a.Address = pulumisdk.String(w.address("w1")) }, []string{"Worker not joined", w.address("w1"), "host w1"}},
		"another":    {"spot-2", nil, []string{"Worker not joined", "has a worker of this name already", "trivet worker leave spot-2"}},
	} {
		_, err := w.Up(func(ctx *pulumisdk.Context) error {
			cluster, p, err := w.declareWith(ctx, small, nil, nil)
			if err != nil {
				return err
			}
			return w.spot(ctx, cluster, c.machine, c.change, p)
		})
		t.Logf("%s: %v", name, err)
		wantError(t, err, c.want...)
		if r := w.State(c.machine); r != nil || strings.Contains(fmt.Sprint(err), "has recorded") {
			t.Errorf("%s: the state has %+v, of which nothing was made", name, r) // and a destroy would take somebody else's away
		}
	}
	w.elastic("spot-2")
}
