// Package observe reads hosts and gathers what a plan rests on: facts, records, drift and the cluster's documents. Nothing here can change a host.
package observe

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/remote"
)

// Hosts reads every host, at most parallel at once. A host that fails has an entry in failed and none in seen.
func Hosts(ctx context.Context, hosts map[string]remote.Host, req hostapi.ObserveRequest, parallel int) (seen map[string]*hostapi.Observation, failed map[string]error) {
	seen, failed = map[string]*hostapi.Observation{}, map[string]error{}
	sem := semaphore.NewWeighted(int64(max(parallel, 1)))
	var mu sync.Mutex
	var wg sync.WaitGroup
	for name, h := range hosts {
		wg.Go(func() {
			o, err := read(ctx, sem, h, req)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed[name] = err
				return
			}
			seen[name] = o
		})
	}
	wg.Wait()
	return seen, failed
}

func read(ctx context.Context, sem *semaphore.Weighted, h remote.Host, req hostapi.ObserveRequest) (*hostapi.Observation, error) {
	if err := sem.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer sem.Release(1)
	return h.Observe(ctx, req)
}

// Cluster is what the control planes remember.
type Cluster struct {
	Inventory *inventory.Inventory // nil before the first bring-up
	Sealed    []byte               // the sealed identity, nil before the first bring-up
	// SealedGeneration counts how often the identity was sealed anew.
	SealedGeneration uint64
	Epoch            uint64 // the highest seen
}

// Documents finds the cluster's inventory and sealed identity among the observations. Of several inventories the newest counts; control planes that
// belong to different clusters are an error.
func Documents(c *topology.Cluster, seen map[string]*hostapi.Observation) (*Cluster, error) {
	out := &Cluster{}
	names := make([]string, 0, len(seen))
	for n := range seen {
		names = append(names, n)
	}
	sort.Strings(names)
	var errs []error
	from := ""
	for _, n := range names {
		o := seen[n]
		if o.Record != nil {
			out.Epoch = max(out.Epoch, o.Record.Epoch)
		}
		if d, ok := o.Documents[identity.Document]; ok && (out.Sealed == nil || d.Generation > out.SealedGeneration) {
			out.Sealed, out.SealedGeneration = d.Content, d.Generation
		}
		d, ok := o.Documents[inventory.Document]
		if !ok {
			continue
		}
		inv, err := inventory.Parse(d.Content)
		if err != nil {
			errs = append(errs, fmt.Errorf("host %s: %w", n, err))
			continue
		}
		switch {
		case inv.Cluster != c.Name:
			errs = append(errs, &ForeignError{Host: n, Cluster: inv.Cluster, ID: inv.ClusterID, Mine: c.Name})
		case out.Inventory == nil:
			out.Inventory, from = inv, n
		case inv.ClusterID != out.Inventory.ClusterID:
			errs = append(errs, fmt.Errorf("hosts %s and %s belong to different clusters of the same name (%s and %s): one of them has to be destroyed first", from, n, out.Inventory.ClusterID, inv.ClusterID))
		case inv.Newer(out.Inventory):
			out.Inventory, from = inv, n
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return out, foreign(out, seen, names)
}

// ForeignError says that a host is a control plane of another cluster.
type ForeignError struct{ Host, Cluster, ID, Mine string }

// Error implements error.
func (e *ForeignError) Error() string {
	return fmt.Sprintf("host %s belongs to cluster %q (%s), not to %q: destroy that cluster first, or take the host out of this topology", e.Host, e.Cluster, e.ID, e.Mine)
}

// foreign reports hosts whose record names another cluster than the inventory, or any cluster when there is no inventory but a complete record.
func foreign(c *Cluster, seen map[string]*hostapi.Observation, names []string) error {
	var errs []error
	for _, n := range names {
		r := seen[n].Record
		if r == nil || r.ClusterID == "" || c.Inventory == nil || r.ClusterID == c.Inventory.ClusterID {
			continue
		}
		errs = append(errs, fmt.Errorf("host %s was set up for cluster %q (%s), not for this one (%s): run `trivet destroy` with the topology of that cluster, or take the host out of this one",
			n, r.Cluster, r.ClusterID, c.Inventory.ClusterID))
	}
	return errors.Join(errs...)
}
