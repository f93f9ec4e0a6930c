package bootstrap

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/observe"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Rekeyed is what sealing the identity anew did.
type Rekeyed struct {
	Cluster string   `json:"cluster"`
	Before  []string `json:"before"` // age recipients that could open it
	After   []string `json:"after"`  // those that can now
	Hosts   []string `json:"hosts"`  // control planes that got it; none when all that answer had it
	Away    []string `json:"away,omitempty"`
}

// recipientsNote tells of a sealed identity that is not for the recipients of the topology; "" where it is, or where nobody knows.
func (e *Engine) recipientsNote(inv *inventory.Inventory) string {
	if inv == nil || len(inv.Recipients) == 0 {
		return ""
	}
	was, is := sortedUnique(inv.Recipients), sortedUnique(e.cluster.AgeRecipients)
	if slices.Equal(was, is) {
		return ""
	}
	without := func(all, some []string) string {
		return strings.Join(slices.DeleteFunc(slices.Clone(all), func(r string) bool { return slices.Contains(some, r) }), ", ")
	}
	note := "age_recipients changed and the cluster's identity is still sealed as before"
	if added := without(is, was); added != "" {
		note += "; it cannot be opened yet by " + added
	}
	if gone := without(was, is); gone != "" {
		note += "; it can still be opened by " + gone
	}
	return note + ": run `trivet identity rekey`"
}

func sortedUnique(list []string) []string {
	out := slices.Clone(list)
	slices.Sort(out)
	return slices.Compact(out)
}

// Rekey seals the cluster's identity to the recipients of the topology, on every control plane that answers; a majority is needed. Nothing else of the identity changes. A control
// plane that lags behind, since it did not answer the last time, gets what the others have.
func (e *Engine) Rekey(ctx context.Context) (*Rekeyed, error) {
	held, err := e.lock(ctx, "identity rekey")
	if err != nil {
		return nil, err
	}
	defer held.release()
	ctx, cancel := held.context(ctx)
	defer cancel(nil)
	seen, failed := e.observe(ctx, e.connectedVoters(), hostapi.ObserveRequest{})
	docs, err := observe.Documents(e.cluster, seen)
	if err != nil {
		return nil, err
	}
	if docs.Inventory == nil || len(docs.Sealed) == 0 {
		return nil, fmt.Errorf("cluster %q has no sealed identity yet: apply first", e.cluster.Name)
	}
	if err := plan.RefuseAway(e.cluster, docs.Inventory, seen, e.awayVoters(seen, failed)); err != nil {
		return nil, err
	}
	id, err := (&keys{engine: e, documents: docs}).open()
	if err != nil {
		return nil, err
	}
	r := &rekeying{engine: e, epoch: held.epoch, out: &Rekeyed{Cluster: e.cluster.Name, Before: id.Recipients(), After: sortedUnique(e.cluster.AgeRecipients)}}
	if err := r.seal(id, docs); err != nil {
		return nil, err
	}
	return r.out, r.store(ctx, docs.Inventory.ClusterID, seen)
}

// awayVoters says why control planes were not seen.
func (e *Engine) awayVoters(seen map[string]*hostapi.Observation, failed map[string]error) map[string]string {
	out := map[string]string{}
	for _, name := range e.voters() {
		if seen[name] == nil {
			out[name] = cmp.Or(failed[name], e.away(name)).Error()
		}
	}
	return out
}

// rekeying is a rekey under way.
type rekeying struct {
	engine              *Engine
	epoch               uint64
	identity, inventory hostapi.Document
	out                 *Rekeyed
}

// seal makes the documents: new ones, or those that the newest control plane has when the recipients are right there.
func (r *rekeying) seal(id *identity.Identity, docs *observe.Cluster) error {
	r.identity = hostapi.Document{Name: identity.Document, Generation: docs.SealedGeneration, Content: docs.Sealed}
	inv := *docs.Inventory
	if !slices.Equal(r.out.Before, r.out.After) || !slices.Equal(sortedUnique(inv.Recipients), r.out.After) {
		sealed, err := id.Seal(r.out.After)
		if err != nil {
			return err
		}
		r.identity.Content = sealed
		// Not only one more: a rekey that was cut short may have left that one where nobody saw it. No other run has this epoch.
		r.identity.Generation = max(r.identity.Generation+1, r.epoch)
		inv.Recipients = r.out.After
		inv.Generation++
		inv.Epoch = r.epoch
	}
	content, err := inv.Marshal()
	if err != nil {
		return fmt.Errorf("write the inventory: %w", err)
	}
	r.inventory = hostapi.Document{Name: inventory.Document, Generation: inv.Generation, Content: content}
	return nil
}

// store brings the documents to the control planes that do not have them.
func (r *rekeying) store(ctx context.Context, clusterID string, seen map[string]*hostapi.Observation) error {
	e := r.engine
	var errs []error
	voters, have := e.voters(), 0
	for _, name := range voters {
		o := seen[name]
		if o == nil {
			r.out.Away = append(r.out.Away, name)
			errs = append(errs, e.away(name))
			continue
		}
		step := &hostapi.Step{Epoch: r.epoch, Cluster: e.cluster.Name, ClusterID: clusterID, Host: name, Actor: Actor()}
		// The identity goes first: an inventory that names recipients it is not sealed to would hide that.
		for _, doc := range []hostapi.Document{r.identity, r.inventory} {
			if !bytes.Equal(o.Documents[doc.Name].Content, doc.Content) {
				step.Ops = append(step.Ops, hostapi.Operation{Document: &doc})
			}
		}
		if len(step.Ops) == 0 {
			have++
			continue
		}
		if err := e.hosts[name].Step(ctx, step, func(hostapi.Event) {}); err != nil {
			errs = append(errs, err)
			continue
		}
		have++
		r.out.Hosts = append(r.out.Hosts, name)
	}
	if have < topology.Majority(len(voters)) {
		return fmt.Errorf("the newly sealed identity is on %d of %d control planes and must be on a majority: run `trivet identity rekey` again: %w", have, len(voters), errors.Join(errs...))
	}
	return nil
}
