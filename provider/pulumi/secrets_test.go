package pulumi_test

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumisdk "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/provider/door/doortest"
	"github.com/trivet-dev/trivet/provider/pulumi/minengine"
	"github.com/trivet-dev/trivet/provider/pulumi/sdk/go/trivet"
)

// Signatures of values in what is sent: https://www.pulumi.com/docs/iac/guides/building-extending/providers/
const (
	signature = "4dabf18193072939515e22adb298388d"
	isSecret  = "1b47061264138c4ac30d75fd1eb44270"
	isOutput  = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
)

// open is a message without what is marked as a secret, which is encrypted wherever it rests.
func open(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if v[signature] == isSecret || v[signature] == isOutput && v["secret"] == true {
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

// search looks for secrets in all that was sent and stored, and for the beginnings of private keys. It counts those that are marked.
func (w *world) search(secrets map[string]string) (marked int) {
	w.t.Helper()
	secrets["the beginning of a private key"] = "PRIVATE KEY-----"
	forms := map[string][]string{}
	for name, secret := range secrets {
		forms[name] = doortest.Forms(secret)
	}
	in := func(text string) (names []string) {
		for name, all := range forms {
			if slices.ContainsFunc(all, func(form string) bool { return strings.Contains(text, form) }) {
				names = append(names, name)
			}
		}
		return names
	}
	for _, sent := range w.Sent {
		if len(in(sent)) == 0 {
			continue
		}
		marked++
		var v any
		if err := json.Unmarshal([]byte(sent), &v); err != nil {
			w.t.Fatal(err)
		}
		b, err := json.Marshal(open(v))
		if err != nil {
			w.t.Fatal(err)
		}
		for _, name := range in(string(b)) {
			w.t.Errorf("%s is in %.400s", name, b)
		}
	}
	for _, m := range w.Messages {
		if names := in(m.Text); len(names) > 0 {
			w.t.Errorf("%v is said: %s", names, m.Text)
		}
	}
	return marked
}

// TestSecretsStayOut goes through a whole life, failures included, and looks for the secrets of the provider and of the cluster in every message that crossed a connection either way, and in
// the state, wherever nothing marks them as secrets.
func TestSecretsStayOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	names := w.spares(1)
	program := func(change func(*trivet.ClusterArgs)) pulumisdk.RunFunc {
		return func(ctx *pulumisdk.Context) error {
			c, p, err := w.declareWith(ctx, small, change, nil)
			if err != nil {
				return err
			}
			ctx.Export("config", trivet.GetKubeconfigOutput(ctx, trivet.GetKubeconfigOutputArgs{Cluster: c.Access}, p).Kubeconfig())
			ctx.Export("status", trivet.GetClusterStatusOutput(ctx, trivet.GetClusterStatusOutputArgs{Cluster: c.Access}, p))
			return w.spot(ctx, c, names[0], nil, p)
		}
	}
	wrong := func(ctx *pulumisdk.Context) error {
		_, _, err := w.declareWith(ctx, small, nil, func(p *trivet.ProviderArgs) {
			p.Ssh.SudoPassword = pulumisdk.String(doortest.SudoPassword + "-wrong")
		})
		return err
	}
	w.fails(wrong, "Cluster not created", "sudo") // who is refused tells nothing of what it tried
	w.FailGate(plan.GateNodes, errors.New("planted failure with "+doortest.SudoPassword+" in it"))
	w.fails(program(nil), "planted failure with [secret] in it")
	w.FailGate(plan.GateNodes, nil)
	w.up(program(nil), minengine.Update)
	secrets := w.ssh.Secrets(t)
	if err := w.Preview(program(maxPods)); err != nil {
		t.Fatal(err)
	}
	// A file that is a secret is found to be gone, and made again.
	if err := os.Remove(w.Machines["cp1"].Path("/etc/kubernetes/encryption.yaml")); err != nil {
		t.Fatal(err)
	}
	_, err := w.Up(func(ctx *pulumisdk.Context) error {
		_, _, err := w.declareWith(ctx, small, maxPods, func(p *trivet.ProviderArgs) {
			p.AgeIdentity = pulumisdk.String(strings.Replace(w.Key.String(), "AGE-SECRET-KEY-1", "AGE-SECRET-KEY-1Q", 1))
		})
		return err
	})
	if err == nil || strings.Contains(err.Error(), w.Key.String()[20:]) {
		t.Errorf("with an identity that is none: %v", err)
	}
	w.up(program(maxPods), minengine.Update, `nodes["cp1"].drift`)
	// A host's address that is a secret is nowhere either, nor what follows from it.
	const address = "10.11.1.12"
	hidden := func(a *trivet.ClusterArgs) {
		maxPods(a)
		hostOf("w1", func(h *trivet.HostArgs) {
			h.Address = pulumisdk.ToSecret(pulumisdk.String(address)).(pulumisdk.StringOutput)
		})(a)
	}
	w.up(w.cluster(small, hidden), minengine.Same) // the worker goes
	w.up(w.cluster(small, func(a *trivet.ClusterArgs) {
		hidden(a)
		a.Images = pulumisdk.StringArray{pulumisdk.String("registry.k8s.io/pause:3.10.1")}
	}), minengine.Update)
	if err := w.Refresh(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []resource.PropertyKey{"nodes", "access", "kubeconfig"} {
		if !w.properties("main")[name].IsSecret() {
			t.Errorf("%s follows from a secret, and is none", name)
		}
	}
	if err := w.Destroy(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d secrets in %d messages", len(secrets), len(w.Sent))
	if w.search(secrets) == 0 {
		t.Error("the search would find nothing: no message has a secret, marked or not")
	}
}

// TestSecretsInConfiguration: what the configuration of a stack gives to the default provider is marked by the provider, whoever wrote it.
func TestSecretsInConfiguration(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	w.settings()
	c := func(ctx *pulumisdk.Context) error {
		_, err := trivet.NewCluster(ctx, "main", w.args(small))
		return err
	}
	w.changes(c, "main", minengine.Create)
	secrets := w.ssh.Secrets(t)
	if err := w.Destroy(); err != nil {
		t.Fatal(err)
	}
	if asked := w.withoutConfiguration(); asked != 2 { // by the run and by the destroy, which have a provider each
		t.Errorf("CheckConfig was asked %d times", asked)
	}
	if w.search(secrets) == 0 {
		t.Error("no message has a secret, marked or not")
	}
}

// withoutConfiguration leaves out what CheckConfig was asked about, which is what the user wrote, and counts how often it was.
func (w *world) withoutConfiguration() int {
	had := len(w.Sent)
	w.Sent = slices.DeleteFunc(w.Sent, func(sent string) bool {
		return strings.Contains(sent, "pulumi:providers:trivet::default") && strings.Contains(sent, `"news"`)
	})
	return had - len(w.Sent)
}

// TestSecretsInFleet: a secret that is given to the component is one in all that is made of it, and an import tells none.
func TestSecretsInFleet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	w.settings()
	args := w.laid(small)
	hosts := args.Regions["r"].Sites["s1"].Rooms["1"].Racks["a"].Hosts
	h := hosts["w1"]
	h.Address = pulumisdk.ToSecret(pulumisdk.String(w.address("w1"))).(pulumisdk.StringOutput)
	hosts["w1"] = h
	out, err := w.Up(w.fleet(args))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []resource.PropertyKey{"sites", "clusters", "kubeconfig"} {
		if !out[name].ContainsSecrets() {
			t.Errorf("%s follows from a secret, and is none", name)
		}
	}
	if err := w.Refresh(); err != nil {
		t.Fatal(err)
	}
	if err := w.Preview(w.fleet(args)); err != nil {
		t.Fatal(err)
	}
	secrets := w.ssh.Secrets(t)
	other := w.another()
	other.settings()
	if err := other.Import("trivet:index:Cluster", "main", "main@"+w.ssh.Address("cp1")); err != nil {
		t.Fatal(err)
	}
	other.withoutConfiguration()
	other.search(maps.Clone(secrets))
	secrets["the address"] = w.address("w1")
	w.withoutConfiguration()
	if w.search(secrets) == 0 {
		t.Error("no message has a secret, marked or not")
	}
}

// TestSecretsHideNoNames: where an address is a secret, messages leave it out, and still say which host they are about, and what is done to it.
func TestSecretsHideNoNames(t *testing.T) {
	t.Parallel()
	hosts := []fleettest.Host{{Name: "first-control", Site: "s1", Roles: control}, {Name: "second-worker", Site: "s1", Roles: []string{"worker"}}}
	w := newWorld(t, hosts)
	const address = "10.11.1.12"
	hidden := func(a *trivet.ClusterArgs) {
		hostOf("second-worker", func(h *trivet.HostArgs) {
			h.Address = pulumisdk.ToSecret(pulumisdk.String(address)).(pulumisdk.StringOutput)
		})(a)
	}
	w.up(w.cluster(hosts, hidden), minengine.Create)
	w.up(w.cluster(hosts, func(a *trivet.ClusterArgs) { maxPods(a); hidden(a) }), minengine.Update)
	if !w.said("first-control") || w.said("[secret]s") || w.said(address) {
		t.Errorf("it says %v", w.Messages)
	}
	w.FailGate(plan.GateNodes, errors.New("planted failure of etcd on first-control beside "+address))
	w.fails(w.cluster(hosts, hidden), "planted failure of etcd on first-control beside [secret]")
}
