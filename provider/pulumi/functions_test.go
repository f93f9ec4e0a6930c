package pulumi_test

import (
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumisdk "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivet-dev/trivet/provider/pulumi/minengine"
	"github.com/trivet-dev/trivet/provider/pulumi/sdk/go/trivet"
)

// asked runs a program that asks for something beside the cluster, and gives the answer.
func (w *world) asked(ask func(*pulumisdk.Context, *trivet.Cluster, pulumisdk.InvokeOption) (pulumisdk.Input, error)) (resource.PropertyValue, error) {
	out, err := w.Up(func(ctx *pulumisdk.Context) error {
		c, p, err := w.declareWith(ctx, small, nil, nil)
		if err != nil {
			return err
		}
		answer, err := ask(ctx, c, p)
		if err != nil {
			return err
		}
		ctx.Export("answer", answer)
		return nil
	})
	return out["answer"], err
}

// must is the answer to what has to be answered.
func (w *world) must(ask func(*pulumisdk.Context, *trivet.Cluster, pulumisdk.InvokeOption) (pulumisdk.Input, error)) resource.PropertyMap {
	w.t.Helper()
	v, err := w.asked(ask)
	if err != nil {
		w.t.Fatal(err)
	}
	return v.ObjectValue()
}

// accessOf is the access of the small fleet's cluster, as a program has it that has nothing else.
func (w *world) accessOf(id string) *trivet.Access {
	return &trivet.Access{Name: "main", Id: id, Endpoints: []trivet.Endpoint{{Host: "cp1", Address: w.ssh.Address("cp1")}}}
}

// TestClusterStatus asks for a status by the access of a cluster, which may be known only once the cluster is there, and by a topology.
func TestClusterStatus(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	byAccess := func(ctx *pulumisdk.Context, c *trivet.Cluster, p pulumisdk.InvokeOption) (pulumisdk.Input, error) {
		status := trivet.GetClusterStatusOutput(ctx, trivet.GetClusterStatusOutputArgs{Cluster: c.Access}, p)
		return pulumisdk.Map{
			"healthy": status.Healthy(), "complete": status.Complete(), "name": status.Name(), "kubernetes": status.Kubernetes(), "problems": status.Problems(), "id": status.ClusterId(),
			"node": status.Hosts().MapIndex(pulumisdk.String("w1")).Node(), "drift": status.Hosts().MapIndex(pulumisdk.String("w1")).Drift(), "error": status.Hosts().MapIndex(pulumisdk.String("w1")).Error(),
			"member": status.EtcdMembers().Index(pulumisdk.Int(0)).Name(), "same": pulumisdk.All(status.ClusterId(), c.ClusterId).ApplyT(func(ids []any) bool { return *ids[0].(*string) == ids[1].(string) }),
		}, nil
	}
	// Nobody is asked about a cluster that is not there yet.
	if err := w.Preview(func(ctx *pulumisdk.Context) error {
		c, p, err := w.declareWith(ctx, small, nil, nil)
		if err != nil {
			return err
		}
		_, err = byAccess(ctx, c, p)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, sent := range w.Sent {
		if strings.Contains(sent, `"tok":"trivet:index:getClusterStatus"`) {
			t.Errorf("a preview asks %s", sent)
		}
	}
	got := w.must(byAccess)
	w.did("main", minengine.Create)
	for name, want := range map[resource.PropertyKey]any{"healthy": true, "complete": true, "name": "main", "kubernetes": "1.37.2", "node": "Ready", "member": "cp1", "same": true} {
		if got[name].V != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}

	id := got["id"].StringValue()
	plain := func(args *trivet.GetClusterStatusArgs) func(*pulumisdk.Context, *trivet.Cluster, pulumisdk.InvokeOption) (pulumisdk.Input, error) {
		return func(ctx *pulumisdk.Context, _ *trivet.Cluster, p pulumisdk.InvokeOption) (pulumisdk.Input, error) {
			status, err := trivet.GetClusterStatus(ctx, args, p)
			if err != nil {
				return nil, err
			}
			return pulumisdk.Map{"healthy": pulumisdk.Bool(status.Healthy), "problems": pulumisdk.ToStringArray(status.Problems), "w1": pulumisdk.ToStringArray(status.Hosts["w1"].Drift), "hosts": pulumisdk.Int(len(status.Hosts))}, nil
		}
	}
	text := w.topology(small)
	both := map[string]*trivet.GetClusterStatusArgs{"access": {Cluster: w.accessOf(id)}, "topology": {Topology: &text}}
	for name, args := range both {
		if got := w.must(plain(args)); got["healthy"].V != true || got["hosts"].NumberValue() != 2 {
			t.Errorf("by %s it is %v", name, got)
		}
	}
	w.ssh.Stop("w1")
	for name, args := range both {
		got := w.must(plain(args))
		if problems := got["problems"].Mappable(); got["healthy"].V != false || !strings.Contains(strings.ToLower(toText(problems)), "w1") {
			t.Errorf("by %s, w1 being away, it is %v", name, got)
		}
	}
	if got := w.must(byAccess); !strings.Contains(got["error"].StringValue(), "connection refused") || got["healthy"].V != false {
		t.Errorf("w1 being away, it is %v", got)
	}
	w.ssh.Start("w1")
	wrong := "cluster \"main\" {"
	for name, c := range map[string]struct {
		args *trivet.GetClusterStatusArgs
		want []string
	}{
		"neither":  {&trivet.GetClusterStatusArgs{}, []string{"told by cluster, the access of a Cluster, or by topology"}},
		"both":     {&trivet.GetClusterStatusArgs{Cluster: w.accessOf(id), Topology: &text}, []string{"and not by both"}},
		"no HCL":   {&trivet.GetClusterStatusArgs{Topology: &wrong}, []string{"topology: ", "topology:1"}},
		"no hosts": {&trivet.GetClusterStatusArgs{Cluster: &trivet.Access{Name: "main", Id: id}}, []string{"cluster.endpoints", "it names no control plane"}},
	} {
		_, err := w.asked(plain(c.args))
		t.Logf("%s: %v", name, err)
		wantError(t, err, append(c.want, "getClusterStatus")...)
	}
}

func toText(v any) string {
	list, _ := v.([]any)
	var out []string
	for _, x := range list {
		s, _ := x.(string)
		out = append(out, s)
	}
	return strings.Join(out, "\n")
}

// TestKubeconfig gives the kubeconfig of the cluster to a program that has its access alone, byte for byte.
func TestKubeconfig(t *testing.T) {
	t.Parallel()
	w := newWorld(t, small)
	got := w.must(func(ctx *pulumisdk.Context, c *trivet.Cluster, p pulumisdk.InvokeOption) (pulumisdk.Input, error) {
		config := trivet.GetKubeconfigOutput(ctx, trivet.GetKubeconfigOutputArgs{Cluster: c.Access}, p)
		return pulumisdk.Map{"its": c.Kubeconfig, "asked": config.Kubeconfig(), "id": c.ClusterId}, nil
	})
	if got["its"].StringValue() == "" || got["asked"].StringValue() != got["its"].StringValue() {
		t.Errorf("asked for, it is\n%v\nand the cluster's is\n%v", got["asked"], got["its"])
	}
	plain := func(access *trivet.Access) func(*pulumisdk.Context, *trivet.Cluster, pulumisdk.InvokeOption) (pulumisdk.Input, error) {
		return func(ctx *pulumisdk.Context, _ *trivet.Cluster, p pulumisdk.InvokeOption) (pulumisdk.Input, error) {
			config, err := trivet.GetKubeconfig(ctx, &trivet.GetKubeconfigArgs{Cluster: *access}, p)
			if err != nil {
				return nil, err
			}
			return pulumisdk.Map{"asked": pulumisdk.String(config.Kubeconfig)}, nil
		}
	}
	id := got["id"].StringValue()
	if again := w.must(plain(w.accessOf(id))); again["asked"].StringValue() != got["its"].StringValue() {
		t.Errorf("asked for by a literal, it is\n%v", again["asked"])
	}
	// An access whose parts are outputs, as that of a stack's reference is.
	parts := w.must(func(ctx *pulumisdk.Context, c *trivet.Cluster, p pulumisdk.InvokeOption) (pulumisdk.Input, error) {
		first := c.Access.Endpoints().Index(pulumisdk.Int(0))
		access := trivet.AccessArgs{Name: c.Access.Name(), Id: c.Access.Id(), Endpoints: trivet.EndpointArray{trivet.EndpointArgs{Host: first.Host(), Address: first.Address()}}}
		return pulumisdk.Map{"asked": trivet.GetKubeconfigOutput(ctx, trivet.GetKubeconfigOutputArgs{Cluster: access}, p).Kubeconfig()}, nil
	})
	if parts["asked"].StringValue() != got["its"].StringValue() {
		t.Errorf("asked for by outputs, it is\n%v", parts["asked"])
	}
	_, err := w.asked(plain(&trivet.Access{Name: "other", Id: id, Endpoints: w.accessOf(id).Endpoints}))
	wantError(t, err, "getKubeconfig", `"other"`)
	_, err = w.asked(plain(&trivet.Access{Name: "main", Id: id, Endpoints: []trivet.Endpoint{{Host: "w1", Address: w.ssh.Address("w1")}}}))
	wantError(t, err, "getKubeconfig", "know of no cluster")
	_, err = w.asked(plain(&trivet.Access{Name: "main", Id: id}))
	wantError(t, err, "getKubeconfig", "cluster.endpoints", "it names no control plane")
	w.ssh.Stop("cp1")
	_, err = w.asked(plain(w.accessOf(id)))
	wantError(t, err, "getKubeconfig", "host cp1", "connection refused")
}
