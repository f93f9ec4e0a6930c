package pulumi

import (
	"context"
	"errors"
	"fmt"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/provider/door"
	"github.com/trivet-dev/trivet/provider/input"
)

// function is a function of the provider.
type function struct {
	token, about    string
	inputs, outputs []input.Attribute
	call            func(op *operation, o input.Object) (input.Object, error)
}

func functions() []function {
	var asked, answered []input.Attribute
	for _, a := range input.Status(words) {
		if a.Name == "id" {
			a.Name = "cluster_id"
		}
		if a.Given {
			asked = append(asked, a)
		}
		if a.Computed {
			a.Given, a.Always = false, a.Always || a.Name == "name"
			answered = append(answered, a)
		}
	}
	access := input.Attribute{Name: "cluster", Type: input.Access(words), Required: true, Given: true, Meaning: words.Say("The `access` of a {cluster}.")}
	config := input.Attribute{Name: "kubeconfig", Computed: true, Always: true, Meaning: "The kubeconfig."}
	return []function{
		{statusToken, words.Say(input.AboutStatus), asked, answered, getStatus},
		{kubeconfigToken, "A kubeconfig without a secret, the same as the `kubeconfig` of a Cluster, for programs that have the cluster's `access` alone. It asks a control plane for the cluster's authority.",
			[]input.Attribute{access}, []input.Attribute{config}, getKubeconfig},
	}
}

// Invoke implements pulumirpc.ResourceProviderServer.
func (p *Provider) Invoke(ctx context.Context, req *pulumirpc.InvokeRequest) (*pulumirpc.InvokeResponse, error) {
	for _, f := range functions() {
		if f.token != req.GetTok() {
			continue
		}
		args, err := read(req.GetArgs())
		if err != nil {
			return nil, err
		}
		o, failures := objectOf(f.inputs, args)
		if failures = append(failures, unreached(o)...); len(failures) > 0 {
			return &pulumirpc.InvokeResponse{Failures: failed(failures)}, nil
		}
		op, end := p.operate(ctx, "", 0, args)
		defer end()
		if err := op.client.Known(); err != nil {
			return nil, op.fail(f.token, err)
		}
		answer, err := f.call(op, o)
		if err != nil {
			return nil, op.fail(f.token, err)
		}
		out, err := write(propertiesOf(f.outputs, answer))
		return &pulumirpc.InvokeResponse{Return: out}, err
	}
	return nil, status.Errorf(codes.InvalidArgument, "the provider has no function %s", req.GetTok())
}

// unreached tells of an access by which nobody is reached.
func unreached(o input.Object) []failure {
	access, given := o["cluster"].(input.Object)
	if endpoints, _ := access["endpoints"].([]any); !given || len(endpoints) > 0 {
		return nil
	}
	return []failure{{"cluster.endpoints", "it names no control plane, so that there is nobody to ask. Give the access of a Cluster as it is."}}
}

func getStatus(op *operation, o input.Object) (input.Object, error) {
	access, given := o["cluster"].(input.Object)
	text, described := o["topology"].(string)
	if given == described {
		return nil, errors.New("which cluster is asked for is told by cluster, the access of a Cluster, or by topology, and not by both")
	}
	var s *bootstrap.Status
	var err error
	renew := time.Duration(0)
	if given {
		s, renew, err = op.client.RecordedStatus(op, op.client.AccessIn(access))
	} else {
		f, problems := op.client.Fleet(input.Object{"name": o["name"], "topology": text, "variables": o["variables"]})
		if failures := op.told(problems); len(failures) > 0 {
			return nil, fmt.Errorf("%s: %s", failures[0].property, failures[0].reason)
		}
		if f.Cluster == nil {
			return nil, errors.New("too much of what describes it is not known")
		}
		s, err = op.client.Status(op, f)
		renew = f.Cluster.Certificates.RenewBefore
	}
	if err != nil {
		return nil, err
	}
	out := door.StatusOf(s, renew, words)
	out["cluster_id"] = out["id"]
	return out, nil
}

func getKubeconfig(op *operation, o input.Object) (input.Object, error) {
	access, _ := o["cluster"].(input.Object)
	e, err := op.client.Connect(op, op.client.FleetAt(op.client.AccessIn(access)), door.NoPins(), func(o *bootstrap.Options) { o.Majority = true })
	if err != nil {
		return nil, err
	}
	defer e.Close()
	inv, err := e.Inventory(op)
	if err != nil {
		return nil, err
	}
	if inv == nil {
		return nil, errors.Join(fmt.Errorf("the control planes that answer know of no cluster"), e.Unreachable())
	}
	return input.Object{"kubeconfig": door.Kubeconfig(access, inv)}, nil
}
