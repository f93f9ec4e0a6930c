package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/execute"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// StaleError says that hosts changed between the plan and the apply.
type StaleError struct{ Changed []string }

// Error implements error.
func (e *StaleError) Error() string {
	return "the plan is stale, nothing was done: since it was made, " + strings.Join(e.Changed, ", ") + " changed; plan again"
}

// PartialError says that an apply did all that it could do, and that its plan left hosts or objects out, or has some wait in an upgrade that is paused.
type PartialError struct {
	Skipped []plan.Skip
	Blocked []plan.Block
	Paused  *plan.Paused
}

// Error implements error.
func (e *PartialError) Error() string {
	var parts []string
	if e.Paused != nil {
		parts = append(parts, fmt.Sprintf("the upgrade is %s; set paused = false in the upgrade block and apply to go on", e.Paused))
	}
	if len(e.Skipped) > 0 {
		parts = append(parts, e.skipped())
	}
	if len(e.Blocked) > 0 {
		objects := "1 object of a manifest"
		if n := len(e.Blocked); n != 1 {
			objects = fmt.Sprintf("%d objects of manifests", n)
		}
		text := fmt.Sprintf("the rest is done, and %s cannot be applied:", objects)
		for _, b := range e.Blocked {
			text += "\n  " + strings.ReplaceAll(b.Reason, "\n", "\n    ")
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "\n")
}

func (e *PartialError) skipped() string {
	var b strings.Builder
	hosts := "1 host was"
	if n := len(e.Skipped); n != 1 {
		hosts = fmt.Sprintf("%d hosts were", n)
	}
	fmt.Fprintf(&b, "the rest is done, and %s skipped; apply again when they can take part:", hosts)
	for _, s := range e.Skipped {
		fmt.Fprintf(&b, "\n  host %s (site %s): %s", s.Host, s.Site, strings.ReplaceAll(s.Reason, "\n", "\n    "))
	}
	return b.String()
}

// outcome is how the apply of a plan ends that was carried out.
func outcome(p *plan.Plan) error {
	if p.Complete() && len(p.Blocked) == 0 {
		return nil
	}
	return &PartialError{p.Skipped, p.Blocked, p.Paused}
}

// Apply executes a plan. Under the lock it looks at the hosts again, and refuses the plan when it would now be another one. A plan that leaves
// hosts out ends in a *PartialError once the rest is done.
func (e *Engine) Apply(ctx context.Context, p *plan.Plan) error {
	if p.Cluster != e.cluster.Name {
		return fmt.Errorf("the plan is for cluster %q, this is %q", p.Cluster, e.cluster.Name)
	}
	if e.preflight == nil { // a saved plan: much may have come in its way since
		s, err := e.look(ctx, false)
		if err != nil {
			return err
		}
		if err := e.lookAtNew(ctx, s); err != nil {
			return err
		}
	}
	held, err := e.lock(ctx, "apply")
	if err != nil {
		return err
	}
	defer held.release()
	ctx, cancel := held.context(ctx)
	defer cancel(nil)
	s, err := e.state(ctx, false)
	if err != nil {
		return err
	}
	if p.Inventory != nil {
		s.time(p.Inventory.Etcd) // as it was measured for the plan
	}
	if err := e.identityNeeded(s); err != nil {
		return err
	}
	now, _, err := e.fit(ctx, s)
	if err != nil {
		return err
	}
	if err := stale(p, now); err != nil {
		return err
	}
	k := &keys{engine: e, documents: s.documents}
	if p.Issues && !p.NewIdentity {
		if _, err := k.open(); errors.Is(err, errNoIdentity) {
			return fmt.Errorf("this plan issues certificates or writes secrets: %w", err)
		} else if err != nil {
			return err
		}
	}
	e.forgetStarts(p)
	api := e.API(e, k.open)
	defer api.Close()
	err = execute.Run(ctx, execute.Config{
		Topology: e.cluster, Hosts: e.hosts, Cluster: api,
		Open: func(ctx context.Context, b hostapi.Blob) (io.ReadCloser, error) {
			return e.openBlob(ctx, s, b)
		},
		Identity: k.identity, Sealed: s.documents.Sealed, SealedGeneration: s.documents.SealedGeneration, NewIdentity: k.learn,
		Epoch: held.epoch, Actor: Actor(), Parallel: e.parallel(), GateTimeout: e.GateTimeout,
		Now: e.Now, Rand: e.Rand, Events: e.Events,
	}, p)
	if err := lockLost(ctx, err); err != nil {
		return withSkipped(err, p)
	}
	return outcome(p)
}

// withSkipped adds what a plan left out to workers that failed while the rest was done: that they did is what counts for whoever asks what kind of error it is.
func withSkipped(err error, p *plan.Plan) error {
	var partial *PartialError
	if !errors.As(err, new(*execute.FailedError)) || !errors.As(outcome(p), &partial) {
		return err
	}
	return fmt.Errorf("%w\n%v", err, partial)
}

// lockLost is how a run ended, with why its context did.
func lockLost(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
			if errors.As(cause, new(*lostError)) {
				return cause // all that ended for it says the same
			}
			return errors.Join(cause, err)
		}
	}
	return err
}

// Settle waits for the conditions with which a plan without actions ends. It changes nothing, and takes no lock. A saved plan is refused when there is something to do by now.
func (e *Engine) Settle(ctx context.Context, p *plan.Plan) error {
	if !p.Empty() {
		return fmt.Errorf("the plan for cluster %q has %d actions: apply it", p.Cluster, p.Actions())
	}
	if e.preflight == nil {
		now, err := e.Plan(ctx)
		if err != nil {
			return err
		}
		if err := stale(p, now); err != nil {
			return err
		}
	}
	api := e.API(e, nil)
	defer api.Close()
	if err := execute.Run(ctx, execute.Config{Topology: e.cluster, Cluster: api, GateTimeout: e.GateTimeout, Now: e.Now, Events: e.Events}, p); err != nil {
		return err
	}
	return outcome(p)
}

// stale compares a plan with the one that would be made now.
func stale(was, now *plan.Plan) error {
	var changed []string
	if was.Generation != now.Generation || was.ClusterID != now.ClusterID {
		changed = append(changed, "the cluster's inventory")
	}
	hosts := maps.Clone(now.Facts)
	maps.Copy(hosts, was.Facts)
	for _, host := range slices.Sorted(maps.Keys(hosts)) {
		before, then := was.Facts[host]
		after, answers := now.Facts[host]
		switch {
		case !then && slices.ContainsFunc(was.Skipped, func(s plan.Skip) bool { return s.Host == host }):
			changed = append(changed, "host "+host+" (it did not answer then)")
		case !answers:
			changed = append(changed, "host "+host+" (it does not answer now)")
		case before != after:
			changed = append(changed, "host "+host)
		}
	}
	if len(changed) == 0 && !plan.SameWork(was, now) {
		changed = append(changed, "the topology, the artifacts or objects in the API")
	}
	if len(changed) > 0 {
		return &StaleError{changed}
	}
	return nil
}

func (e *Engine) warn(format string, args ...any) {
	e.Events(event.Event{Time: e.Now(), Kind: event.Warning, Message: fmt.Sprintf(format, args...)})
}
