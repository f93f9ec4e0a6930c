package bootstrap

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/trivet-dev/trivet/bootstrap/execute"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/observe"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// PlanDestroy says what a destroy would remove. It changes nothing. Where no host has anything of the cluster it is empty; a destroy then takes the helper off them, which the look put there.
func (e *Engine) PlanDestroy(ctx context.Context) (*plan.Plan, error) {
	p, blank, err := e.planDestroy(ctx)
	if blank {
		p.Phases = nil
	}
	return p, err
}

// planDestroy also says whether all hosts that answer are blank.
func (e *Engine) planDestroy(ctx context.Context) (p *plan.Plan, blank bool, err error) {
	s, err := e.look(ctx, false)
	if err != nil {
		return nil, false, err
	}
	if err := e.awayErrors(s); err != nil && !e.ForgetUnreachable {
		return nil, false, err // what they hold would stay there
	}
	if err := e.ours(s.seen); err != nil {
		return nil, false, err
	}
	blank = true
	for _, o := range s.seen {
		blank = blank && o.Blank()
	}
	return plan.Destroy(e.cluster, e.everyone(), s.documents.Inventory, s.seen, reasons(s.away)), blank, nil
}

// ours refuses hosts that belong to another cluster: a destroy gives back its own hosts only.
func (e *Engine) ours(seen map[string]*hostapi.Observation) error {
	var errs []error
	for _, h := range e.everyone() {
		if o := seen[h.Name]; o != nil && o.Record != nil && o.Record.Cluster != "" && o.Record.Cluster != e.cluster.Name {
			errs = append(errs, &ForeignError{Host: h.Name, Cluster: o.Record.Cluster, ID: o.Record.ClusterID, Mine: e.cluster.Name})
		}
	}
	return errors.Join(errs...)
}

// ForeignError says that a host belongs to another cluster.
type ForeignError struct{ Host, Cluster, ID, Mine string }

// Error implements error.
func (e *ForeignError) Error() string {
	return "host " + e.Host + " belongs to cluster \"" + e.Cluster + "\" (" + e.ID + "), not to \"" + e.Mine + "\": take it out of this topology, or destroy that cluster with its own"
}

func (e *Engine) destroy(ctx context.Context, epoch uint64) error {
	p, _, err := e.planDestroy(ctx)
	if err != nil {
		return err
	}
	return execute.Run(ctx, execute.Config{
		Topology: e.cluster, Hosts: e.hosts, Epoch: epoch, Actor: Actor(), Parallel: e.parallel(),
		GateTimeout: e.GateTimeout, Now: e.Now, Rand: e.Rand, Events: e.Events,
	}, p)
}

// Inventory is what the cluster remembers of itself, from those control planes that answer; nil before the first bring-up.
func (e *Engine) Inventory(ctx context.Context) (*inventory.Inventory, error) { return e.memory(ctx) }

// memory reads the cluster's inventory from those control planes that answer; nil before the first bring-up.
func (e *Engine) memory(ctx context.Context) (*inventory.Inventory, error) {
	seen, failed := e.observe(ctx, e.connectedVoters(), hostapi.ObserveRequest{})
	if len(seen) == 0 {
		return nil, errors.Join(append([]error{errors.New("no control plane answers"), e.Unreachable()}, slices.Collect(maps.Values(failed))...)...)
	}
	docs, err := observe.Documents(e.cluster, seen)
	if err != nil {
		return nil, err
	}
	return docs.Inventory, nil
}
