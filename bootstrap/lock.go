package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

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
