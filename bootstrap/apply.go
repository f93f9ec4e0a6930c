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

// Apply executes a plan. Under the lock it looks at the hosts again, and refuses the plan when it would now be another one.
func (e *Engine) Apply(ctx context.Context, p *plan.Plan) error {
	if p.Cluster != e.cluster.Name {
		return fmt.Errorf("the plan is for cluster %q, this is %q", p.Cluster, e.cluster.Name)
	}
	held, err := e.lock(ctx, "apply")
	if err != nil {
		return err
	}
	defer held.release()
	ctx, cancel := held.context(ctx)
	defer cancel(nil)
	now, s, err := e.plan(ctx, false)
	if err != nil {
		return err
	}
	if err := stale(p, now); err != nil {
		return err
	}
	if p.Empty() {
		return nil
	}
	k := &keys{engine: e, documents: s.documents}
	if p.Issues && !p.NewIdentity {
		if _, err := k.open(); errors.Is(err, errNoIdentity) {
			return fmt.Errorf("this plan issues certificates or writes secrets: %w", err)
		} else if err != nil {
			return err
		}
	}
	blobs := map[string]int{}
	for i, x := range s.entries {
		blobs[x.SHA256] = i
	}
	api := e.API(e, k.open)
	defer api.Close()
	err = execute.Run(ctx, execute.Config{
		Topology: e.cluster, Hosts: e.hosts, Cluster: api,
		Open: func(ctx context.Context, b hostapi.Blob) (io.ReadCloser, error) {
			i, ok := blobs[b.SHA256]
			if !ok {
				return nil, fmt.Errorf("no artifact has the digest %s: the artifacts changed since the plan was made; plan again", b.SHA256)
			}
			return e.Artifacts.Open(ctx, s.entries[i])
		},
		Identity: k.identity, Sealed: s.documents.Sealed, NewIdentity: k.learn,
		Epoch: held.epoch, Actor: Actor(), Parallel: e.parallel(), GateTimeout: e.GateTimeout,
		Now: e.Now, Rand: e.Rand, Events: e.Events,
	}, p)
	if err != nil && ctx.Err() != nil {
		if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
			return errors.Join(cause, err)
		}
	}
	return err
}

// stale compares a plan with the one that would be made now.
func stale(was, now *plan.Plan) error {
	var changed []string
	if was.Generation != now.Generation || was.ClusterID != now.ClusterID {
		changed = append(changed, "the cluster's inventory")
	}
	for _, host := range slices.Sorted(maps.Keys(now.Facts)) {
		if was.Facts[host] != now.Facts[host] {
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
