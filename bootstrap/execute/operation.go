package execute

import (
	"errors"
	"fmt"
	"slices"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/templates"
)

// operation turns an action into what the helper carries out, making certificates and secret content on the way.
func (r *run) operation(a plan.Action, members []templates.Peer) (hostapi.Operation, error) {
	switch {
	case a.Verb == plan.Remove:
		id := a.ID
		return hostapi.Operation{Remove: &id}, nil
	case a.Verb == plan.Forget:
		return hostapi.Operation{Forget: true}, nil
	case a.Verb == plan.Prune:
		return hostapi.Operation{Prune: true}, nil
	case a.Verb == plan.Restart && a.Item == nil:
		return hostapi.Operation{Unit: &hostapi.UnitAction{Name: a.ID.Name, Verb: "restart", Wait: true}}, nil
	case a.Verb == plan.Stop:
		return hostapi.Operation{Unit: &hostapi.UnitAction{Name: a.ID.Name, Verb: "stop", Wait: true}}, nil
	case a.Verb == plan.Discard:
		return hostapi.Operation{Discard: a.Document}, nil
	case a.Verb == plan.Run:
		k := a.Hook
		return hostapi.Operation{Hook: &hostapi.Hook{Name: k.Name, Command: k.Command, Environment: k.Environment, Timeout: k.Timeout, Pays: k.When == plan.After}}, nil
	case a.Verb == plan.Owe:
		return hostapi.Operation{Owe: a.Owe}, nil
	case a.Verb == plan.Waive:
		return hostapi.Operation{Waive: a.Hook.Name}, nil
	case a.Verb == plan.Store:
		doc, err := r.document(a.Document)
		return hostapi.Operation{Document: doc}, err
	case a.Item == nil:
		return hostapi.Operation{}, fmt.Errorf("action %s %s has nothing to do: the plan was made by another version of trivet", a.Verb, a.ID)
	}
	item, err := r.resolve(a.Item, members)
	return hostapi.Operation{Ensure: item}, err
}

// resolve gives an item its bytes. members are those of etcd, where the step has joined it.
func (r *run) resolve(i *desired.Item, members []templates.Peer) (*hostapi.Item, error) {
	out := i.Item
	switch {
	case i.Certificate != nil:
		if r.identity == nil {
			return nil, errNoIdentity
		}
		cert, key, err := certs.Issue(r.Rand, r.Now(), *i.Certificate, r.identity.Authority(i.Certificate.Authority))
		if err != nil {
			return nil, err
		}
		kp := *out.KeyPair
		kp.Certificate, kp.Key = cert, key
		out.KeyPair = &kp
	case i.Secret != "":
		if r.identity == nil {
			return nil, errNoIdentity
		}
		content, version, err := r.identity.SecretContent(string(i.Secret))
		if err != nil {
			return nil, err
		}
		f := *out.File
		f.Content, f.Version = content, version
		out.File = &f
	case i.InitialCluster && members != nil:
		content, err := desired.InitialCluster(members)
		if err != nil {
			return nil, err
		}
		f := *out.File
		f.Content, f.SHA256 = content, hostapi.Digest(content)
		out.File = &f
	case len(i.Trust) > 0 || i.TrustServiceAccount:
		content, err := desired.TrustContent(r.public(), i)
		if err != nil {
			return nil, err
		}
		f := *out.File
		f.Content, f.SHA256 = content, hostapi.Digest(content)
		out.File = &f
	}
	return &out, nil
}

var errNoIdentity = errors.New("the cluster's identity is sealed: this step issues certificates or writes secrets and needs the age identity (--identity FILE, or TRIVET_AGE_IDENTITY)")

// public is the public half of the identity: of the one just made, or as the inventory has it.
func (r *run) public() inventory.Public {
	if r.identity != nil {
		return r.identity.Public()
	}
	return r.plan.Inventory.Public
}

// document makes the next generation of a cluster document.
func (r *run) document(name string) (*hostapi.Document, error) {
	switch name {
	case identity.Document:
		if len(r.sealed) == 0 {
			return nil, errors.New("there is no sealed identity to store: the plan was made by another version of trivet")
		}
		return &hostapi.Document{Name: name, Generation: max(r.SealedGeneration, 1), Content: r.sealed}, nil
	case inventory.Document:
		inv := *r.plan.Inventory
		inv.ClusterID, inv.Epoch = r.clusterID(), r.Epoch
		inv.Public = r.public()
		inv.Recipients = r.sealedTo(&inv)
		if r.plan.NewIdentity {
			inv.Recipients = slices.Compact(slices.Sorted(slices.Values(r.Topology.AgeRecipients)))
		}
		// The first write of a bring-up comes before etcd exists, all later ones after it has formed.
		inv.Initialised = inv.Initialised && r.phase != plan.PhaseIdentity
		inv.Generation = r.plan.GenerationIn(r.phase)
		if r.phase == plan.PhaseHandOver {
			inv.HandOver()
		}
		inv.BringingUp = inv.BringingUp && (r.phase != plan.PhaseBroughtUp || len(r.failed) > 0)
		if r.phase == plan.PhaseFinish || r.phase == plan.PhaseBroughtUp {
			if r.plan.Settles && len(r.failed) == 0 { // a worker that failed has not left the old release
				inv.From = ""
			}
			inv.Hosts = slices.DeleteFunc(slices.Clone(inv.Hosts), func(h inventory.Host) bool { return slices.Contains(r.plan.Leaving, h.Name) && !r.hasFailed(h.Name) })
			if handed := slices.ContainsFunc(r.plan.Phases, func(ph plan.Phase) bool { return ph.Name == plan.PhaseHandOver }); handed || len(inv.Electorates) == 1 {
				inv.HandOver()
			}
		}
		content, err := inv.Marshal()
		if err != nil {
			return nil, fmt.Errorf("write the inventory: %w", err)
		}
		return &hostapi.Document{Name: name, Generation: inv.Generation, Content: content}, nil
	}
	return nil, fmt.Errorf("unknown document %q: the plan was made by another version of trivet", name)
}
