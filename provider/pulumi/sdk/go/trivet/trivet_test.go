package trivet_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivet-dev/trivet/provider/pulumi/sdk/go/trivet"
)

// mocks stand for the engine and the provider, as in the tests of whoever writes programs with this SDK.
type mocks struct {
	mu     sync.Mutex
	made   map[string]resource.PropertyMap // inputs, by name
	called map[string]resource.PropertyMap // arguments, by token
}

// text is a value of the provider's, and object several.
func text(s string) resource.PropertyValue { return resource.NewProperty(s) }

func object(m resource.PropertyMap) resource.PropertyValue { return resource.NewProperty(m) }

var access = object(resource.PropertyMap{
	"name": text("main"), "id": text("0123"), "endpoints": resource.NewProperty([]resource.PropertyValue{object(resource.PropertyMap{"host": text("cp1"), "address": text("10.11.1.11")})}),
})

// NewResource implements pulumi.MockResourceMonitor.
func (m *mocks) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.made[args.Name] = args.Inputs
	state := args.Inputs.Copy()
	switch args.TypeToken {
	case "trivet:index:Cluster":
		for name, v := range map[resource.PropertyKey]resource.PropertyValue{
			"clusterId": text("0123"), "access": access, "kubeconfig": text("kind: Config"), "lock": text("{}"), "name": text(args.Name), "objects": object(nil),
			"nodes": object(resource.PropertyMap{"w1": object(resource.PropertyMap{"address": text("10.11.1.101"), "machineId": text("abcd"), "drift": resource.NewProperty([]resource.PropertyValue{text("a file")}), "roles": resource.NewProperty([]resource.PropertyValue{})})}),
		} {
			state[name] = v
		}
	case "trivet:index:Worker":
		state["machineId"] = text("machine of " + args.Name)
	}
	return args.Name + "-id", state, nil
}

// Call implements pulumi.MockResourceMonitor.
func (m *mocks) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.called[args.Token] = args.Args
	switch args.Token {
	case "trivet:index:getKubeconfig":
		return resource.PropertyMap{"kubeconfig": text("kind: Config")}, nil
	case "trivet:index:getClusterStatus":
		return resource.PropertyMap{
			"name": text("main"), "kubernetes": text("1.37.2"), "healthy": resource.NewProperty(true), "complete": resource.NewProperty(true), "notes": resource.NewProperty([]resource.PropertyValue{}),
			"problems": resource.NewProperty([]resource.PropertyValue{text("a problem")}), "hosts": object(resource.PropertyMap{"w1": object(resource.PropertyMap{"node": text("Ready")})}), "etcdMembers": resource.NewProperty([]resource.PropertyValue{}),
		}, nil
	}
	return nil, fmt.Errorf("there is no function %s", args.Token)
}

func run(t *testing.T, program pulumi.RunFunc) *mocks {
	t.Helper()
	m := &mocks{made: map[string]resource.PropertyMap{}, called: map[string]resource.PropertyMap{}}
	if err := pulumi.RunErr(program, pulumi.WithMocks("project", "stack", m)); err != nil {
		t.Fatal(err)
	}
	return m
}

// is wants an output to come to be a value.
func is(t *testing.T, what string, o pulumi.Output, want any) {
	t.Helper()
	o.ApplyT(func(v any) error {
		if s, ok := v.(*string); ok && s != nil {
			v = *s
		}
		if fmt.Sprint(v) != fmt.Sprint(want) {
			t.Errorf("%s is %v, want %v", what, v, want)
		}
		return nil
	})
}

// pool is a component of a user's own: a cluster, and workers of it.
type pool struct {
	pulumi.ResourceState
	machines []pulumi.StringOutput
}

func newPool(ctx *pulumi.Context, name string, args *trivet.ClusterArgs, spots map[string]pulumi.StringInput, opts ...pulumi.ResourceOption) (*pool, *trivet.Cluster, error) {
	p := &pool{}
	if err := ctx.RegisterComponentResource("user:index:Pool", name, p, opts...); err != nil {
		return nil, nil, err
	}
	c, err := trivet.NewCluster(ctx, name+"-cluster", args, pulumi.Parent(p))
	if err != nil {
		return nil, nil, err
	}
	for spot, address := range spots {
		w, err := trivet.NewWorker(ctx, spot, &trivet.WorkerArgs{Cluster: c.Access, Address: address}, pulumi.Parent(p))
		if err != nil {
			return nil, nil, err
		}
		p.machines = append(p.machines, w.MachineId)
	}
	return p, c, nil
}

// TestResources: what programs give arrives as it is, whatever of it is an output of something else, and every property of a resource is there, optional ones as well.
func TestResources(t *testing.T) {
	m := run(t, func(ctx *pulumi.Context) error {
		machine := pulumi.String("10.11.1.101").ToStringOutput() // as another resource computes it
		p, c, err := newPool(ctx, "pool", &trivet.ClusterArgs{
			Kubernetes: pulumi.String("1.37.2"), PodCidr: pulumi.String("10.64.0.0/12"), OnDestroy: trivet.OnDestroyForget,
			Sites: map[string]trivet.SiteArgs{"bj1": {Region: pulumi.String("beijing"), Purpose: trivet.SitePurposeRemoteDr}},
			Hosts: map[string]trivet.HostArgs{
				"cp1": {Address: pulumi.String("10.11.1.11"), Roles: pulumi.StringArray{trivet.RoleEtcd, trivet.RoleControlPlane}},
				"w1":  {Address: machine, Roles: pulumi.StringArray{trivet.RoleWorker}, Taints: []trivet.TaintArgs{{Key: pulumi.String("k"), Effect: trivet.TaintEffectNoSchedule}}},
			},
			Etcd:       &trivet.EtcdArgs{Snapshots: &trivet.SnapshotsArgs{Keep: pulumi.Int(3)}},
			Components: []trivet.ComponentArgs{{Name: trivet.ComponentNameKubelet, Settings: pulumi.Map{"maxPods": pulumi.Int(42)}}},
		}, map[string]pulumi.StringInput{"spot-1": machine})
		if err != nil {
			return err
		}
		is(t, "machineId", p.machines[0], "machine of spot-1")
		is(t, "kubeconfig", c.Kubeconfig, "kind: Config")
		is(t, "an endpoint", c.Access.Endpoints().Index(pulumi.Int(0)).Address(), "10.11.1.11")
		is(t, "beyond the endpoints", c.Access.Endpoints().Index(pulumi.Int(7)).Address(), "")
		is(t, "a node", c.Nodes.MapIndex(pulumi.String("w1")).MachineId(), "abcd")
		is(t, "its drift", c.Nodes.MapIndex(pulumi.String("w1")).Drift(), "[a file]")
		is(t, "no node", c.Nodes.MapIndex(pulumi.String("w9")).Address(), "")
		is(t, "a host", c.Hosts.MapIndex(pulumi.String("w1")).Address(), "10.11.1.101")
		is(t, "a region", c.Sites.MapIndex(pulumi.String("bj1")).Region(), "beijing")
		is(t, "podCidr", c.PodCidr.Elem(), "10.64.0.0/12")
		is(t, "etcd", c.Etcd.Snapshots().Keep().Elem(), 3)
		is(t, "api", c.Api.Port().Elem(), 0) // nothing is said of it
		is(t, "a component", c.Components.Index(pulumi.Int(0)).Name(), "kubelet")
		return nil
	})
	cluster := m.made["pool-cluster"]
	w1 := cluster["hosts"].ObjectValue()["w1"].ObjectValue()
	if w1["address"].StringValue() != "10.11.1.101" || fmt.Sprint(w1["taints"].Mappable()) != "[map[effect:NoSchedule key:k]]" || fmt.Sprint(w1["roles"].Mappable()) != "[worker]" {
		t.Errorf("w1 is %v", w1)
	}
	if cluster["onDestroy"].StringValue() != "forget" || cluster["podCidr"].StringValue() != "10.64.0.0/12" || fmt.Sprint(cluster["components"].Mappable()) != "[map[name:kubelet settings:map[maxPods:42]]]" {
		t.Errorf("the cluster is %v", cluster)
	}
	if _, there := cluster["api"]; there {
		t.Errorf("what was not given is sent: %v", cluster["api"])
	}
	if at := m.made["spot-1"]["cluster"]; !at.DeepEquals(access) {
		t.Errorf("the worker's cluster is %v", at)
	}
}

// TestFunctions: what is asked while the program runs has plain arguments, and what is asked once something is known has outputs.
func TestFunctions(t *testing.T) {
	m := run(t, func(ctx *pulumi.Context) error {
		config, err := trivet.GetKubeconfig(ctx, &trivet.GetKubeconfigArgs{Cluster: trivet.Access{Name: "main", Id: "0123", Endpoints: []trivet.Endpoint{{Host: "cp1", Address: "10.11.1.11"}}}})
		if err != nil {
			return err
		}
		if config.Kubeconfig != "kind: Config" {
			t.Errorf("kubeconfig: %+v", config)
		}
		topology := "cluster {}"
		status, err := trivet.GetClusterStatus(ctx, &trivet.GetClusterStatusArgs{Topology: &topology})
		if err != nil {
			return err
		}
		if !status.Healthy || *status.Hosts["w1"].Node != "Ready" || status.UpgradeFrom != nil {
			t.Errorf("status: %+v", status)
		}
		c, err := trivet.NewCluster(ctx, "main", nil)
		if err != nil {
			return err
		}
		later := trivet.GetClusterStatusOutput(ctx, trivet.GetClusterStatusOutputArgs{Cluster: c.Access})
		is(t, "healthy", later.Healthy(), true)
		is(t, "problems", later.Problems(), "[a problem]")
		is(t, "the node", later.Hosts().MapIndex(pulumi.String("w1")).Node(), "Ready")
		is(t, "the kubeconfig", trivet.GetKubeconfigOutput(ctx, trivet.GetKubeconfigOutputArgs{Cluster: c.Access}).Kubeconfig(), "kind: Config")
		return nil
	})
	if at := m.called["trivet:index:getKubeconfig"]["cluster"]; !at.DeepEquals(access) {
		t.Errorf("getKubeconfig is asked about %v", at)
	}
}

// TestGet reads what is there by its id.
func TestGet(t *testing.T) {
	run(t, func(ctx *pulumi.Context) error {
		c, err := trivet.GetCluster(ctx, "main", pulumi.ID("main@10.11.1.11"), nil)
		if err != nil {
			return err
		}
		is(t, "the cluster's id", c.ClusterId, "0123")
		w, err := trivet.GetWorker(ctx, "spot", pulumi.ID("main@10.11.1.11/spot"), nil)
		if err != nil {
			return err
		}
		is(t, "the machine", w.MachineId, "machine of spot")
		return nil
	})
}

// TestSecrets: what is secret among a provider's settings is sent as such, whether the program says so or not.
func TestSecrets(t *testing.T) {
	m := run(t, func(ctx *pulumi.Context) error {
		args := &trivet.ProviderArgs{AgeIdentity: pulumi.String("AGE-SECRET-KEY-1PLANTED"), Ssh: &trivet.SshArgs{User: pulumi.String("ops"), PrivateKey: pulumi.StringPtr("planted"), SudoPassword: pulumi.String("planted").ToStringOutput()}}
		_, err := trivet.NewProvider(ctx, "hosts", args)
		if args.Ssh.User != pulumi.String("ops") || args.AgeIdentity != pulumi.String("AGE-SECRET-KEY-1PLANTED") {
			t.Errorf("what the program has is changed: %+v", args)
		}
		return err
	})
	settings := m.made["hosts"]
	ssh := settings["ssh"].ObjectValue()
	for name, v := range map[string]resource.PropertyValue{"ageIdentity": settings["ageIdentity"], "privateKey": ssh["privateKey"], "sudoPassword": ssh["sudoPassword"]} {
		if text := fmt.Sprint(v); !v.IsSecret() && !strings.Contains(text, "secret") {
			t.Errorf("%s is sent as %s", name, text)
		}
	}
	if ssh["user"].StringValue() != "ops" {
		t.Errorf("the user is %v", ssh["user"])
	}
}
