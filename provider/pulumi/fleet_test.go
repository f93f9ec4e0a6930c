package pulumi_test

import (
	"fmt"
	"strings"
	"testing"

	pulumisdk "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/provider/pulumi/minengine"
	"github.com/trivet-dev/trivet/provider/pulumi/sdk/go/trivet"
)

// two are the hosts of two clusters, one in each site. The fleet in memory has one API, so that they are previewed only; there, they are hosts of one cluster.
var (
	two = []fleettest.Host{
		{Name: "cp1", Site: "s1", Roles: control}, {Name: "w1", Site: "s1", Roles: []string{"worker"}}, {Name: "cp2", Site: "s2", Roles: control}, {Name: "w2", Site: "s2", Roles: []string{"worker"}},
	}
	ofOne = []fleettest.Host{two[0], two[1], {Name: "cp2", Site: "s2", Roles: []string{"worker"}}, two[3]}
)

// laid is what a fleet of these hosts is made of, one cluster over all sites.
func (w *world) laid(hosts []fleettest.Host) *trivet.FleetArgs {
	sites := map[string]trivet.FleetSiteArgs{}
	for _, h := range hosts {
		if sites[h.Site].Rooms == nil {
			sites[h.Site] = trivet.FleetSiteArgs{Rooms: map[string]trivet.FleetRoomArgs{"1": {Racks: map[string]trivet.FleetRackArgs{"a": {Hosts: map[string]trivet.FleetHostArgs{}}}}}}
		}
		sites[h.Site].Rooms["1"].Racks["a"].Hosts[h.Name] = trivet.FleetHostArgs{
			Address: pulumisdk.String(w.address(h.Name)), SshAddress: pulumisdk.String(w.ssh.Address(h.Name)), Roles: pulumisdk.ToStringArray(h.Roles),
		}
	}
	return &trivet.FleetArgs{
		DeletionProtection: pulumisdk.Bool(false), Regions: map[string]trivet.FleetRegionArgs{"r": {Sites: sites}},
		Clusters: map[string]trivet.FleetClusterArgs{"main": w.over()},
	}
}

// over is a cluster of a fleet, over the sites that are named, or all.
func (w *world) over(sites ...string) trivet.FleetClusterArgs {
	return trivet.FleetClusterArgs{Kubernetes: pulumisdk.String("1.37.2"), AgeRecipients: pulumisdk.StringArray{pulumisdk.String(w.Key.Recipient().String())}, Sites: sites}
}

// fleet declares a fleet.
func (w *world) fleet(args *trivet.FleetArgs) pulumisdk.RunFunc {
	return func(ctx *pulumisdk.Context) error {
		f, err := trivet.NewFleet(ctx, "fleet", args)
		if err != nil {
			return err
		}
		ctx.Export("sites", f.Sites)
		ctx.Export("clusters", f.Clusters)
		ctx.Export("kubeconfig", f.Clusters.MapIndex(pulumisdk.String("main")).Kubeconfig())
		return nil
	}
}

// TestFleet makes the cluster of a fleet of what stands where, with outputs by site and by cluster.
func TestFleet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	w.settings()
	args := w.laid(small)
	if err := w.Preview(w.fleet(args)); err != nil {
		t.Fatal(err)
	}
	w.did("fleet-main", minengine.Create)
	if !w.said("2 hosts") {
		t.Errorf("it says %v", w.Messages)
	}
	out, err := w.Up(w.fleet(args))
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprint(out["sites"].Mappable()); !strings.Contains(text, w.address("w1")) || !strings.Contains(text, "cluster:main") || !strings.Contains(text, "purpose:production") || !strings.Contains(text, "region:r") {
		t.Errorf("the sites are %s", text)
	}
	if main := out["clusters"].ObjectValue()["main"].ObjectValue(); main["kubeconfig"].StringValue() != out["kubeconfig"].StringValue() || main["clusterId"].StringValue() == "" || main["lock"].StringValue() == "" {
		t.Errorf("the cluster gives %v", main)
	}
	w.changes(w.fleet(args), "fleet-main", minengine.Same)

	// A host's own words are not lost on the way, and neither are the rack's and the site's.
	rack := args.Regions["r"].Sites["s1"].Rooms["1"].Racks["a"]
	h := rack.Hosts["w1"]
	h.ProductLine, h.Taints = pulumisdk.String("search"), []trivet.TaintArgs{{Key: pulumisdk.String("k"), Effect: trivet.TaintEffectNoSchedule}}
	rack.Hosts["w1"], rack.Labels = h, pulumisdk.StringMap{"of": pulumisdk.String("rack")}
	args.Regions["r"].Sites["s1"].Rooms["1"].Racks["a"] = rack
	site := args.Regions["r"].Sites["s1"]
	site.Purpose = trivet.SitePurposeLocalDr
	args.Regions["r"].Sites["s1"] = site
	w.changes(w.fleet(args), "fleet-main", minengine.Update, `hosts["w1"].productLine`, `hosts["w1"].taints`, `racks["s1/1/a"].labels`, `sites["s1"].purpose`)
	if node := string(w.Fleet.Objects()["Node/w1"]); !strings.Contains(node, `"of":"rack"`) || !strings.Contains(node, `"search"`) || !strings.Contains(node, `"NoSchedule"`) {
		t.Errorf("node: %s", node)
	}
	w.destroyed()
}

// TestFleetOfUnknown previews a fleet of which an address is another resource's output: every host of it is shown, and the cluster comes up once the address is known.
func TestFleetOfUnknown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	w.settings()
	address := func(ctx *pulumisdk.Context) (pulumisdk.StringInput, error) {
		return pulumisdk.String(w.address("w1")), nil
	}
	program := func(ctx *pulumisdk.Context) error {
		args := w.laid(small)
		hosts := args.Regions["r"].Sites["s1"].Rooms["1"].Racks["a"].Hosts
		h := hosts["w1"]
		var err error
		if h.Address, err = address(ctx); err != nil {
			return err
		}
		hosts["w1"] = h
		return w.fleet(args)(ctx)
	}
	known := address
	address = func(ctx *pulumisdk.Context) (pulumisdk.StringInput, error) { // something that is not there yet says where the machine is
		other, err := trivet.NewCluster(ctx, "other", w.args(small[:1]))
		if err != nil {
			return nil, err
		}
		return other.ClusterId.ApplyT(func(string) string { return w.address("w1") }).(pulumisdk.StringOutput), nil
	}
	if err := w.Preview(program); err != nil {
		t.Fatal(err)
	}
	w.did("fleet-main", minengine.Create)
	if !w.said("2 hosts, 1 of them with an address that is not known yet: w1") {
		t.Errorf("it says %v", w.Messages)
	}
	if nodes := w.Planned("fleet-main").GetFields()["nodes"].GetStructValue().GetFields(); len(nodes) != 2 {
		t.Errorf("the preview has the nodes %v", nodes)
	}
	address = known
	w.changes(program, "fleet-main", minengine.Create)
	w.changes(program, "fleet-main", minengine.Same)
}

// TestFleetOfTwo lays two clusters over a fleet. What holds of all of them, the fleet says, and a cluster otherwise for itself.
func TestFleetOfTwo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ofOne)
	w.settings()
	args := w.laid(two)
	other := w.over("s2")
	other.DeletionProtection = pulumisdk.Bool(true)
	args.Clusters = map[string]trivet.FleetClusterArgs{"main": w.over("s1"), "other": other}
	args.OnDestroy = trivet.OnDestroyForget
	if err := w.Preview(w.fleet(args)); err != nil {
		t.Fatal(err)
	}
	for name, protected := range map[string]bool{"main": false, "other": true} {
		w.did("fleet-"+name, minengine.Create)
		planned := w.Planned("fleet-" + name).GetFields()
		if planned["deletionProtection"].GetBoolValue() != protected || planned["onDestroy"].GetStringValue() != "forget" || planned["unreachable"].GetStringValue() != "fail" {
			t.Errorf("%s is previewed with %v", name, planned)
		}
		if hosts := planned["hosts"].GetStructValue().GetFields(); len(hosts) != 2 {
			t.Errorf("%s has the hosts %v", name, hosts)
		}
	}
}

// TestFleetOfTopology makes one cluster of each cluster block of a topology in its own language.
func TestFleetOfTopology(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	w.settings()
	text := "variable \"release\" {\n  type = string\n}\n" + strings.Replace(w.topology(small), `"1.37.2"`, "var.release", 1)
	args := &trivet.FleetArgs{Topology: &text, Variables: pulumisdk.StringMap{"release": pulumisdk.String("1.36.3")}, DeletionProtection: pulumisdk.Bool(false)}
	if err := w.Preview(w.fleet(args)); err != nil {
		t.Fatal(err)
	}
	w.did("fleet-main", minengine.Create)
	if !w.said("2 hosts") {
		t.Errorf("it says %v", w.Messages)
	}
	out, err := w.Up(w.fleet(args))
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprint(out["sites"].Mappable()); !strings.Contains(text, w.address("w1")) || !strings.Contains(text, "cluster:main") || !strings.Contains(text, "region:r") {
		t.Errorf("the sites are %s", text)
	}
	w.changes(w.fleet(args), "fleet-main", minengine.Same)
	args.Variables = pulumisdk.StringMap{"release": pulumisdk.String("1.37.2")}
	w.changes(w.fleet(args), "fleet-main", minengine.Update, `variables["release"]`, `nodes["w1"].kubernetes`)
	w.changes(w.fleet(args), "fleet-main", minengine.Same)

	// A value that is known later, or secret, says as well where hosts stand.
	release := pulumisdk.String("1.37.2").ToStringOutput()
	for name, later := range map[string]pulumisdk.StringMapInput{
		"output": pulumisdk.StringMap{"release": release}, "secret": pulumisdk.StringMap{"release": pulumisdk.ToSecret(release).(pulumisdk.StringOutput)},
	} {
		args.Variables = later
		if out, err = w.Up(w.fleet(args)); err != nil {
			t.Fatal(err)
		}
		w.did("fleet-main", minengine.Same)
		sites := out["sites"]
		if sites.IsSecret() != (name == "secret") {
			t.Errorf("%s: secret sites: %v", name, sites.IsSecret())
		}
		if sites.IsSecret() {
			sites = sites.SecretValue().Element
		}
		if text := fmt.Sprint(sites.Mappable()); !strings.Contains(text, w.address("w1")) || !strings.Contains(text, "cluster:main") {
			t.Errorf("%s: the sites are %s", name, text)
		}
	}
	w.destroyed()
}

// TestFleetMistakes tells what is wrong at the property, all of it at once.
func TestFleetMistakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ofOne)
	w.settings()
	text := w.topology(two)
	broken, empty := "region {", "fleet \"f\" {}\n"
	for name, c := range map[string]struct {
		change func(*trivet.FleetArgs)
		want   []string
	}{
		"nothing":    {func(a *trivet.FleetArgs) { *a = trivet.FleetArgs{} }, []string{"regions: a fleet is described by regions and clusters, or by a topology"}},
		"no cluster": {func(a *trivet.FleetArgs) { a.Clusters = nil }, []string{"clusters: there is none over the regions"}},
		"both":       {func(a *trivet.FleetArgs) { a.Topology = &text }, []string{"topology: it describes the fleet, so that regions and clusters have no place beside it"}},
		"variables":  {func(a *trivet.FleetArgs) { a.Variables = pulumisdk.StringMap{"a": pulumisdk.String("b")} }, []string{"variables: these are values of a topology's variables"}},
		"no HCL":     {func(a *trivet.FleetArgs) { *a = trivet.FleetArgs{Topology: &broken} }, []string{"topology:1"}},
		"no block":   {func(a *trivet.FleetArgs) { *a = trivet.FleetArgs{Topology: &empty} }, []string{"topology: it has no cluster block"}},
		"sites": {func(a *trivet.FleetArgs) {
			a.Clusters = map[string]trivet.FleetClusterArgs{"main": w.over("s1", "mars"), "other": w.over()}
		}, []string{`clusters["main"].sites[1]: there is no site "mars" in regions, which have s1, s2`, `clusters["other"].sites: site "s1" belongs to cluster "main" and to cluster "other"`}},
		"twice": {func(a *trivet.FleetArgs) {
			a.Regions["r"].Sites["s2"].Rooms["1"].Racks["a"].Hosts["w1"] = trivet.FleetHostArgs{Address: pulumisdk.String("10.12.1.99"), Roles: pulumisdk.StringArray{trivet.RoleWorker}}
		}, []string{`regions["r"].sites["s2"].rooms["1"].racks["a"].hosts["w1"]: there is a host of this name at regions["r"].sites["s1"].rooms["1"].racks["a"].hosts["w1"]`}},
		"role": {func(a *trivet.FleetArgs) {
			hosts := a.Regions["r"].Sites["s1"].Rooms["1"].Racks["a"].Hosts
			h := hosts["w1"]
			h.Roles = pulumisdk.StringArray{pulumisdk.String("wrker")}
			hosts["w1"] = h
		}, []string{`hosts["w1"].roles[0]: Unknown role`}},
	} {
		args := w.laid(two)
		c.change(args)
		err := w.Preview(w.fleet(args))
		t.Logf("%s: %v", name, err)
		wantError(t, err, c.want...)
	}
}
