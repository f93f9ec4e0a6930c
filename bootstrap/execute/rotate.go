package execute

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
)

// turn takes the identity to where the plan's turns lead, and seals it anew where its content changes. Sealed, it keeps what the inventory no longer names until the turn that
// ends a replacement: an inventory from before, on a control plane that was away, finds all of its keys in it.
func (r *run) turn() error {
	if r.identity == nil {
		if len(r.plan.Turns) > 0 && r.plan.Seals() {
			return errNoIdentity
		}
		return nil
	}
	var names []string
	for _, t := range r.plan.Turns {
		if t.Make {
			names = append(names, t.Name)
		}
	}
	id, err := r.identity.With(r.Rand, r.Now(), r.Topology, names...)
	if err != nil {
		return fmt.Errorf("make the cluster's new authorities and keys: %w", err)
	}
	if r.plan.Seals() {
		recipients := slices.Compact(slices.Sorted(slices.Values(r.Topology.AgeRecipients)))
		if r.sealed, err = id.Seal(recipients); err != nil {
			return fmt.Errorf("seal the cluster's identity: %w", err)
		}
		// Not only one more: a run that was cut short may have left that one where nobody saw it. No other run has this epoch.
		r.SealedGeneration = max(r.SealedGeneration+1, r.Epoch)
		r.recipients = recipients
	}
	public := id.Public()
	for _, t := range r.plan.Turns {
		if public, err = t.Public(public); err != nil {
			return err
		}
	}
	r.identity, err = id.As(public)
	return err
}

// published waits for the authorities that the plan leads to.
func (r *run) published(ctx context.Context, report func(string)) error {
	if r.plan.Inventory == nil {
		return errors.New("the plan has no inventory: it was made by another version of trivet")
	}
	return r.Cluster.AuthoritiesPublished(ctx, r.plan.Inventory.Public.Authorities[string(certs.Kubernetes)], report)
}

// sealedTo are the recipients that an inventory is to name.
func (r *run) sealedTo(inv *inventory.Inventory) []string {
	if r.recipients != nil {
		return r.recipients
	}
	return inv.Recipients
}
