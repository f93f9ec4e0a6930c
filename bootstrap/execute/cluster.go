package execute

import (
	"context"
	"fmt"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/templates"
)

// Cluster is what the executor asks of etcd and the API. Every method returns when the condition holds or ctx ends; report gets what is still missing. All may be asked again
// for what they have done already.
type Cluster interface {
	EtcdHealthy(ctx context.Context, members []string, report func(string)) error
	APIReady(ctx context.Context, hosts []string, report func(string)) error
	NodesReady(ctx context.Context, nodes []string, report func(string)) error
	NetworksReady(ctx context.Context, nodes []string, report func(string)) error
	// DNSAvailable wants all replicas, or, with a minimum above 0, that many.
	DNSAvailable(ctx context.Context, minimum int, report func(string)) error
	// EtcdSpare wants the members other than the one on the host to be healthy and a quorum of the member list, as the members themselves have it.
	EtcdSpare(ctx context.Context, host string, report func(string)) error
	// APISpare wants another API server than the host's to be ready.
	APISpare(ctx context.Context, host string, report func(string)) error
	ApplyObjects(ctx context.Context, objects []desired.Object) error
	// DeleteObjects deletes objects of Trivet's own, and returns when they are gone.
	DeleteObjects(ctx context.Context, objects []desired.Object, report func(string)) error
	// ApplyManifests applies objects of manifests, which have their values, without taking fields from others. done is told of each as soon as it is applied, from any goroutine.
	ApplyManifests(ctx context.Context, objects []desired.Object, report func(string), done func(*desired.Object)) error
	// DeleteManifests deletes objects that came from manifests, and returns when they are gone. done is told of each as soon as it is.
	DeleteManifests(ctx context.Context, objects []desired.Object, report func(string), done func(*desired.Object)) error
	// RecordKinds and ForgetKinds change the record of the kinds of which there may be objects of manifests.
	RecordKinds(ctx context.Context, kinds []string) error
	ForgetKinds(ctx context.Context, kinds []string) error

	// Drain takes the pods off a node and keeps new ones away.
	Drain(ctx context.Context, node string, report func(string)) error
	// Uncordon ends what Drain began.
	Uncordon(ctx context.Context, node string) error
	DeleteNode(ctx context.Context, node string) error
	// AddMember adds a learner, and gives the members of etcd with it.
	AddMember(ctx context.Context, m plan.Member, report func(string)) ([]templates.Peer, error)
	// PromoteMember makes a learner vote once it has caught up.
	PromoteMember(ctx context.Context, m plan.Member, report func(string)) error
	// RemoveMember takes a member out where the others keep a quorum without it.
	RemoveMember(ctx context.Context, m plan.Member, report func(string)) error
	// MoveMember tells the others of a member's new address.
	MoveMember(ctx context.Context, m plan.Member, report func(string)) error

	// AuthoritiesPublished wants every namespace to have these authorities, in PEM, for its pods.
	AuthoritiesPublished(ctx context.Context, authorities string, report func(string)) error
	// RewriteStored has every Secret and ConfigMap stored again that etcd does not hold under the encryption key of that name.
	RewriteStored(ctx context.Context, key string, report func(string)) error
}

// ask carries out an action on the cluster. members is what the step knows of etcd's members.
func (r *run) ask(ctx context.Context, host string, a plan.Action, members *[]templates.Peer) error {
	start := r.Now()
	r.emit(event.Event{Kind: event.ActionStarted, Host: host, Item: actionName(a)})
	patience := r.GateTimeout
	if a.Verb == plan.Drain {
		patience = max(patience, r.Topology.Upgrade.DrainTimeout+time.Minute) // it ends by itself, and knows why
	}
	err := r.bounded(ctx, patience, host, actionName(a), func(ctx context.Context, report func(string)) (err error) {
		switch a.Verb {
		case plan.Drain:
			return r.Cluster.Drain(ctx, a.Node, report)
		case plan.Uncordon:
			return r.Cluster.Uncordon(ctx, a.Node)
		case plan.Delete:
			return r.Cluster.DeleteNode(ctx, a.Node)
		case plan.AddMember:
			*members, err = r.Cluster.AddMember(ctx, *a.Member, report)
			return err
		case plan.PromoteMember:
			return r.Cluster.PromoteMember(ctx, *a.Member, report)
		case plan.RemoveMember:
			return r.Cluster.RemoveMember(ctx, *a.Member, report)
		case plan.MoveMember:
			return r.Cluster.MoveMember(ctx, *a.Member, report)
		case plan.Record:
			return r.Cluster.RecordKinds(ctx, a.Kinds)
		case plan.Unrecord:
			return r.Cluster.ForgetKinds(ctx, a.Kinds)
		case plan.Rewrite:
			return r.Cluster.RewriteStored(ctx, a.Key, report)
		}
		return fmt.Errorf("unknown action %q: the plan was made by another version of trivet", a.Verb)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", actionName(a), err)
	}
	r.emit(event.Event{Kind: event.ActionDone, Host: host, Item: actionName(a), State: "changed", Elapsed: r.Now().Sub(start)})
	return nil
}

// bounded gives a wait some time, and says when that was not enough.
func (r *run) bounded(ctx context.Context, patience time.Duration, host, item string, wait func(context.Context, func(string)) error) error {
	deadline := r.Now().Add(patience)
	wctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := wait(wctx, func(missing string) {
		if missing != "" { // otherwise it is about to end
			r.emit(event.Event{Kind: event.Waiting, Host: host, Item: item, Message: missing, Deadline: deadline})
		}
	})
	if err != nil && ctx.Err() == nil && wctx.Err() != nil {
		err = fmt.Errorf("%w (waited %s)", err, patience.Round(time.Second))
	}
	return err
}
