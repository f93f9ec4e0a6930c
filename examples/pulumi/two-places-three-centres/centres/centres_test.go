package centres_test

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivet-dev/trivet/examples/pulumi/two-places-three-centres/centres"
)

// mocks stand for the engine and the provider: a fleet comes up at once, and says of its sites and clusters what the provider would.
type mocks struct {
	mu   sync.Mutex
	made map[string]pulumi.MockResourceArgs // by type
}

// NewResource implements pulumi.MockResourceMonitor.
func (m *mocks) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	m.mu.Lock()
	m.made[args.TypeToken] = args
	m.mu.Unlock()
	if args.TypeToken != "trivet:index:Fleet" {
		return args.Name, args.Inputs, nil
	}
	sites := resource.PropertyMap{}
	for region, r := range args.Inputs["regions"].ObjectValue() {
		for name, s := range r.ObjectValue()["sites"].ObjectValue() {
			hosts := resource.PropertyMap{}
			for _, room := range s.ObjectValue()["rooms"].ObjectValue() {
				for _, rack := range room.ObjectValue()["racks"].ObjectValue() {
					for host, h := range rack.ObjectValue()["hosts"].ObjectValue() {
						hosts[host] = h.ObjectValue()["address"]
					}
				}
			}
			sites[name] = resource.NewProperty(resource.PropertyMap{"region": resource.NewProperty(string(region)), "cluster": resource.NewProperty("main"), "hosts": resource.NewProperty(hosts)})
		}
	}
	clusters := resource.PropertyMap{}
	for name := range args.Inputs["clusters"].ObjectValue() {
		clusters[name] = resource.NewProperty(resource.PropertyMap{
			"clusterId": resource.NewProperty("id of " + string(name)), "kubeconfig": resource.NewProperty("kubeconfig of " + string(name)), "lock": resource.NewProperty("{}"),
			"access": resource.NewProperty(resource.PropertyMap{"name": resource.NewProperty(string(name)), "id": resource.NewProperty("id"), "endpoints": resource.NewProperty([]resource.PropertyValue{})}),
		})
	}
	return "", resource.PropertyMap{"sites": resource.NewProperty(sites), "clusters": resource.NewProperty(clusters)}, nil
}

// Call implements pulumi.MockResourceMonitor.
func (*mocks) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return nil, fmt.Errorf("the program calls %s", args.Token)
}

// run runs a program with some settings of the stack, and gives the resources that it declared.
func run(t *testing.T, program pulumi.RunFunc, config map[string]string) map[string]pulumi.MockResourceArgs {
	t.Helper()
	m := &mocks{made: map[string]pulumi.MockResourceArgs{}}
	settings := func(info *pulumi.RunInfo) { info.Config = config }
	if err := pulumi.RunErr(program, pulumi.WithMocks("two-places-three-centres", "test", m), settings); err != nil {
		t.Fatal(err)
	}
	return m.made
}

// TestCentres: the team's component lays its centres out, and gives what the clusters and the sites of the fleet do.
func TestCentres(t *testing.T) {
	made := run(t, func(ctx *pulumi.Context) error {
		c, err := centres.New(ctx, "meridian", centres.Args{
			Kubernetes: "1.37.2", Recipients: pulumi.StringArray{pulumi.String("age1mock")}, Workers: map[string]int{"bj1": 2, "sh1": 1}, Protected: true,
		})
		if err != nil {
			return err
		}
		pulumi.All(c.Kubeconfig, c.Workers).ApplyT(func(all []any) error {
			if all[0] != "kubeconfig of main" {
				t.Errorf("kubeconfig: %v", all[0])
			}
			workers := all[1].(map[string][]string)
			slices.Sort(workers["bj1"])
			if fmt.Sprint(workers) != "map[bj1:[10.11.1.101 10.11.1.102] sh1:[10.21.1.101]]" {
				t.Errorf("workers: %v", workers)
			}
			return nil
		})
		return nil
	}, nil)
	fleet := made["trivet:index:Fleet"].Inputs
	if !fleet["deletionProtection"].BoolValue() {
		t.Error("the fleet is not protected")
	}
	regions := fleet["regions"].ObjectValue()
	if names := slices.Sorted(maps.Keys(regions)); fmt.Sprint(names) != "[beijing shanghai]" {
		t.Errorf("regions: %v", names)
	}
	bj2 := regions["beijing"].ObjectValue()["sites"].ObjectValue()["bj2"].ObjectValue()
	hosts := bj2["rooms"].ObjectValue()["201"].ObjectValue()["racks"].ObjectValue()["a"].ObjectValue()["hosts"].ObjectValue()
	if bj2["purpose"].StringValue() != "local-dr" || len(hosts) != 1 || fmt.Sprint(hosts["bj2-cp1"].ObjectValue()["roles"].Mappable()) != "[etcd control-plane]" {
		t.Errorf("bj2 is %v", bj2)
	}
	if main := fleet["clusters"].ObjectValue()["main"].ObjectValue(); main["kubernetes"].StringValue() != "1.37.2" || fmt.Sprint(main["etcd"].Mappable()) != "map[acceptLoss:[beijing]]" {
		t.Errorf("the cluster is %v", main)
	}
	if made["meridian:index:Centres"].Name != "meridian" {
		t.Error("the component is not there")
	}
}

// TestProgram declares the centres by the configuration of the stack, and says what is missing there.
func TestProgram(t *testing.T) {
	made := run(t, centres.Program, map[string]string{"two-places-three-centres:recipients": `["age1mock"]`, "two-places-three-centres:protected": "false"})
	fleet := made["trivet:index:Fleet"].Inputs
	if fleet["deletionProtection"].BoolValue() || fmt.Sprint(fleet["clusters"].ObjectValue()["main"].ObjectValue()["ageRecipients"].Mappable()) != "[age1mock]" {
		t.Errorf("the fleet is %v", fleet)
	}
	err := pulumi.RunErr(centres.Program, pulumi.WithMocks("two-places-three-centres", "test", &mocks{made: map[string]pulumi.MockResourceArgs{}}))
	if err == nil {
		t.Error("a stack without recipients is taken")
	}
}
