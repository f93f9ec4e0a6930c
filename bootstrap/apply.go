package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/execute"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/topology"
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

// lock is the run lock of a cluster: held on a majority of its control planes, with an epoch above every one seen.
type lock struct {
	release func()
	epoch   uint64
	lost    <-chan struct{}
}

var errLockLost = errors.New("the connection that held the run lock was lost, so this run stopped; what was done is recorded on the hosts: plan and apply again")

// context derives a context that ends when the lock is lost.
func (l *lock) context(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-l.lost:
			cancel(errLockLost)
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// lock takes the run lock on every control plane that answers; a majority is needed. Then it raises the epoch on every host that has a record, which waits for steps of
// an earlier run that are still under way there.
func (e *Engine) lock(ctx context.Context, purpose string) (*lock, error) {
	_, docs, err := e.look(ctx, false)
	if err != nil {
		return nil, err
	}
	epoch := docs.Epoch + 1
	voters := e.cluster.HostsWith(topology.RoleControlPlane)
	var releases []io.Closer
	done := make(chan struct{})
	release := sync.OnceFunc(func() {
		close(done)
		for _, c := range releases {
			c.Close()
		}
	})
	lost := make(chan struct{}, len(voters))
	var errs []error
	for _, h := range voters {
		c, gone, err := e.hosts[h.Name].Hold(ctx, hostapi.Hold{Holder: hostapi.Holder{Actor: Actor(), Purpose: purpose, Since: e.Now(), Epoch: epoch}})
		if err != nil {
			errs = append(errs, err)
			var he *hostapi.Error
			if errors.As(err, &he) && he.Code == hostapi.CodeHeld {
				break
			}
			continue
		}
		releases = append(releases, c)
		go func() {
			select {
			case <-gone:
				lost <- struct{}{}
			case <-done:
			}
		}()
	}
	if len(releases) <= len(voters)/2 {
		release()
		return nil, fmt.Errorf("the run lock needs a majority of the control planes, %d of %d, and could be taken on %d: %w", len(voters)/2+1, len(voters), len(releases), errors.Join(errs...))
	}
	if err := e.raise(ctx, epoch); err != nil {
		release()
		return nil, err
	}
	return &lock{release: release, epoch: epoch, lost: lost}, nil
}

// raise fences off earlier runs.
func (e *Engine) raise(ctx context.Context, epoch uint64) error {
	seen, docs, err := e.look(ctx, false)
	if err != nil {
		return err
	}
	errs := make([]error, len(e.cluster.Hosts))
	slots := make(chan struct{}, e.parallel())
	var wg sync.WaitGroup
	for i, h := range e.cluster.Hosts {
		o := seen[h.Name]
		if o == nil || o.Record == nil {
			continue
		}
		// A run that was interrupted at its beginning, or a destroy at its end, leaves a record and no inventory.
		id := o.Record.ClusterID
		if docs.Inventory != nil {
			id = docs.Inventory.ClusterID
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs[i] = e.hosts[h.Name].RaiseEpoch(ctx, hostapi.RaiseEpoch{Epoch: epoch, ClusterID: id})
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (e *Engine) warn(format string, args ...any) {
	e.Events(event.Event{Time: e.Now(), Kind: event.Warning, Message: fmt.Sprintf(format, args...)})
}
