package pulumi_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumisdk "github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	host "github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/provider/door/doortest"
	"github.com/trivet-dev/trivet/provider/pulumi"
	"github.com/trivet-dev/trivet/provider/pulumi/minengine"
	"github.com/trivet-dev/trivet/provider/pulumi/sdk/go/trivet"
)

// hosts of a cluster with one control plane and a worker, and of one with three.
var (
	control = []string{"control-plane", "etcd"}
	small   = []fleettest.Host{{Name: "cp1", Site: "s1", Roles: control}, {Name: "w1", Site: "s1", Roles: []string{"worker"}}}
	three   = []fleettest.Host{
		{Name: "cp1", Site: "s1", Roles: control}, {Name: "cp2", Site: "s2", Roles: control}, {Name: "cp3", Site: "s3", Roles: control}, {Name: "w1", Site: "s1", Roles: []string{"worker"}},
	}
)

// world is a fleet that SSH reaches, and an engine with the provider over it.
type world struct {
	*doortest.Hosts
	*minengine.Engine
	ssh *doortest.SSH
	t   *testing.T
}

func newWorld(t *testing.T, hosts []fleettest.Host) *world {
	t.Helper()
	f, err := fleettest.New(fleettest.Dir(t), fleettest.Settings{Hosts: hosts})
	if err != nil {
		t.Fatal(err)
	}
	h := &doortest.Hosts{Fleet: f}
	return (&world{Hosts: h, ssh: doortest.Listen(t, h), t: t}).another()
}

// another is the same fleet, and an engine whose state has nothing of it.
func (w *world) another() *world {
	w.t.Helper()
	out := &world{Hosts: w.Hosts, ssh: w.ssh, t: w.t}
	e, err := minengine.New(w.t.Context(), func(h *host.HostClient) pulumirpc.ResourceProviderServer {
		return conforming(w.t, pulumi.New(h, "test", w.ssh.Adapt))
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(e.Close)
	out.Engine = e
	return out
}

// provider declares a provider with the keys of the fleet; change, which may be nil, changes its settings.
func (w *world) provider(ctx *pulumisdk.Context, change func(*trivet.ProviderArgs)) (pulumisdk.ResourceOrInvokeOption, error) {
	args := &trivet.ProviderArgs{
		Ssh: &trivet.SshArgs{
			User: pulumisdk.String("ops"), Port: pulumisdk.Int(w.ssh.Port), PrivateKey: pulumisdk.String(w.ssh.PrivateKey), SudoPassword: pulumisdk.String(doortest.SudoPassword),
			KnownHosts: pulumisdk.String(w.ssh.KnownHosts()),
		},
		AgeIdentity: pulumisdk.String(w.Key.String()),
	}
	if change != nil {
		change(args)
	}
	p, err := trivet.NewProvider(ctx, "hosts", args)
	return pulumisdk.Provider(p), err
}

// cluster declares the cluster of a fleet; change, which may be nil, changes what it is made of.
func (w *world) cluster(hosts []fleettest.Host, change func(*trivet.ClusterArgs)) pulumisdk.RunFunc {
	return func(ctx *pulumisdk.Context) error {
		_, err := w.declare(ctx, hosts, change)
		return err
	}
}

func (w *world) declare(ctx *pulumisdk.Context, hosts []fleettest.Host, change func(*trivet.ClusterArgs)) (*trivet.Cluster, error) {
	c, _, err := w.declareWith(ctx, hosts, change, nil)
	return c, err
}

// declareWith gives the provider, too, for what else a program declares.
func (w *world) declareWith(ctx *pulumisdk.Context, hosts []fleettest.Host, change func(*trivet.ClusterArgs), settings func(*trivet.ProviderArgs)) (*trivet.Cluster, pulumisdk.ResourceOrInvokeOption, error) {
	p, err := w.provider(ctx, settings)
	if err != nil {
		return nil, nil, err
	}
	args := w.args(hosts)
	if change != nil {
		change(args)
	}
	c, err := trivet.NewCluster(ctx, "main", args, p)
	if err != nil {
		return nil, nil, err
	}
	ctx.Export("kubeconfig", c.Kubeconfig)
	return c, p, nil
}

// args is what a cluster of these hosts is made of.
func (w *world) args(hosts []fleettest.Host) *trivet.ClusterArgs {
	args := &trivet.ClusterArgs{
		Kubernetes: pulumisdk.String("1.37.2"), AgeRecipients: pulumisdk.StringArray{pulumisdk.String(w.Key.Recipient().String())}, DeletionProtection: pulumisdk.Bool(false),
		Sites: map[string]trivet.SiteArgs{}, Hosts: map[string]trivet.HostArgs{},
	}
	for _, h := range hosts {
		args.Sites[h.Site] = trivet.SiteArgs{Region: pulumisdk.String("r")}
		args.Hosts[h.Name] = trivet.HostArgs{
			Site: pulumisdk.String(h.Site), Address: pulumisdk.String(w.address(h.Name)), SshAddress: pulumisdk.String(w.ssh.Address(h.Name)), Roles: pulumisdk.ToStringArray(h.Roles),
		}
	}
	return args
}

// hostOf changes a host of what a cluster is made of.
func hostOf(name string, change func(*trivet.HostArgs)) func(*trivet.ClusterArgs) {
	return func(a *trivet.ClusterArgs) {
		h := a.Hosts[name]
		change(&h)
		a.Hosts[name] = h
	}
}

func maxPods(args *trivet.ClusterArgs) {
	args.Components = []trivet.ComponentArgs{{Name: trivet.ComponentNameKubelet, Settings: pulumisdk.Map{"maxPods": pulumisdk.Int(42)}}}
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

// spare gives the fleet a machine that no topology names.
func (w *world) spare(name, address string) {
	w.t.Helper()
	if err := w.Spare(name, address); err != nil {
		w.t.Fatal(err)
	}
	w.ssh.Start(name)
}

// reimage installs a machine anew.
func (w *world) reimage(name string) {
	w.t.Helper()
	if err := w.Reimage(name); err != nil {
		w.t.Fatal(err)
	}
	w.ssh.Start(name)
}

// spot declares an elastic worker on a spare machine.
func (w *world) spot(ctx *pulumisdk.Context, c *trivet.Cluster, name string, change func(*trivet.WorkerArgs), opts ...pulumisdk.ResourceOption) error {
	return w.spotAs(ctx, c, name, name, change, opts...)
}

// spotAs declares one by another name than the machine's.
func (w *world) spotAs(ctx *pulumisdk.Context, c *trivet.Cluster, name, machine string, change func(*trivet.WorkerArgs), opts ...pulumisdk.ResourceOption) error {
	args := &trivet.WorkerArgs{Cluster: c.Access, Address: pulumisdk.String(spareAddress(machine)), SshAddress: pulumisdk.String(w.ssh.Address(machine)), Site: pulumisdk.String("s1")}
	if change != nil {
		change(args)
	}
	_, err := trivet.NewWorker(ctx, name, args, opts...)
	return err
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

// fails runs a program, and wants its error to have all of some texts.
func (w *world) fails(program pulumisdk.RunFunc, texts ...string) {
	w.t.Helper()
	_, err := w.Up(program)
	wantError(w.t, err, texts...)
}

// cancels runs a program, and cancels what it does when the worker w1 has come to a point.
func (w *world) cancels(point string, program pulumisdk.RunFunc, texts ...string) {
	w.t.Helper()
	var sent atomic.Bool
	w.OnPoint = func(at, came string) {
		if at == "w1" && came == point && !sent.Swap(true) {
			if err := w.Cancel(); err != nil {
				w.t.Error(err)
			}
		}
	}
	w.fails(program, append(texts, "interrupted", "run `pulumi up` again")...)
	if w.OnPoint = nil; !sent.Load() {
		w.t.Fatal("nothing was cancelled")
	}
}

// changed is what properties are, as they are sent, after a change.
func changed(t *testing.T, sent *structpb.Struct, change func(resource.PropertyMap)) *structpb.Struct {
	t.Helper()
	how := plugin.MarshalOptions{KeepSecrets: true, KeepUnknowns: true}
	m, err := plugin.UnmarshalProperties(sent, how)
	if err != nil {
		t.Fatal(err)
	}
	change(m)
	out, err := plugin.MarshalProperties(m, how)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func wantError(t *testing.T, err error, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("the error is\n%v\nand should have %q", err, text)
		}
	}
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
	w.t.Errorf("nothing was done about %s", name)
}

// differs wants the difference of a resource, in the last run, to have these paths and no others.
func (w *world) differs(name string, paths ...string) {
	w.t.Helper()
	var got []string
	for _, s := range w.Steps {
		if s.URN.Name() == name {
			for p := range s.Diff {
				got = append(got, p)
			}
		}
	}
	slices.Sort(got)
	slices.Sort(paths)
	if !slices.Equal(got, paths) {
		w.t.Errorf("%s differs in %q, want %q", name, got, paths)
	}
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

// properties are the state of a resource.
func (w *world) properties(name string) resource.PropertyMap {
	w.t.Helper()
	r := w.State(name)
	if r == nil {
		w.t.Fatalf("the state has no %s", name)
	}
	m, err := r.Properties()
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// settings gives the default provider the keys of the fleet, as the configuration of a stack does.
func (w *world) settings() {
	w.t.Helper()
	ssh, err := json.Marshal(map[string]any{"user": "ops", "port": w.ssh.Port, "privateKey": w.ssh.PrivateKey, "sudoPassword": doortest.SudoPassword, "knownHosts": w.ssh.KnownHosts()})
	if err != nil {
		w.t.Fatal(err)
	}
	w.Config = map[string]string{"ssh": string(ssh), "ageIdentity": w.Key.String()}
}

// topology describes a fleet in its own language, as the fleet's SSH servers are reached.
func (w *world) topology(hosts []fleettest.Host) string {
	w.t.Helper()
	sites := map[string][]fleettest.Host{}
	for _, h := range hosts {
		sites[h.Site] = append(sites[h.Site], h)
	}
	var b strings.Builder
	b.WriteString("fleet \"f\" {}\nregion \"r\" {\n")
	for _, site := range slices.Sorted(maps.Keys(sites)) {
		fmt.Fprintf(&b, "  site %q {\n    room \"1\" {\n      rack \"a\" {\n", site)
		for _, h := range sites[site] {
			fmt.Fprintf(&b, "        host %q {\n          address     = %q\n          ssh_address = %q\n          roles       = [\"%s\"]\n        }\n", h.Name, w.address(h.Name), w.ssh.Address(h.Name), strings.Join(h.Roles, `", "`))
		}
		b.WriteString("      }\n    }\n  }\n")
	}
	fmt.Fprintf(&b, "}\ncluster \"main\" {\n  kubernetes     = \"1.37.2\"\n  sites          = [\"%s\"]\n  age_recipients = [%q]\n}\n", strings.Join(slices.Sorted(maps.Keys(sites)), `", "`), w.Key.Recipient())
	return b.String()
}

// damage removes a file that every host has.
func (w *world) damage(name string) {
	w.t.Helper()
	if err := os.Remove(w.Machines[name].Path("/etc/containerd/config.toml")); err != nil {
		w.t.Fatal(err)
	}
}

// inventory is what the fleet's cluster remembers.
func (w *world) inventory() *inventory.Inventory {
	w.t.Helper()
	o := bootstrap.Options{Topology: w.Fleet.Topology, Identities: w.Identities}
	w.Adapt(&o)
	e, err := bootstrap.Connect(w.t.Context(), o)
	if err != nil {
		w.t.Fatal(err)
	}
	defer e.Close() //nolint:errcheck // it was only read
	inv, err := e.Inventory(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return inv
}

// destroyed destroys all there is, after which no host keeps anything.
func (w *world) destroyed() {
	w.t.Helper()
	if err := w.Destroy(); err != nil {
		w.t.Fatal(err)
	}
	if n := w.managed(); n > 0 {
		w.t.Errorf("after it was destroyed, %d hosts keep something", n)
	}
}
