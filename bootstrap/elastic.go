package bootstrap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Worker is a machine that is to be a worker of a cluster without being in its topology: an elastic one.
type Worker struct {
	Name    string
	Address netip.Addr
	HostKey string // SSH public key, "" for what known hosts say
	Site    string // "" where the cluster has one
	SSH     inventory.SSH
	// New refuses a name that the cluster has for another machine. Otherwise that one is replaced.
	New bool
	inventory.Elastic
}

// record is the worker as the inventory has it. What it was allotted before stays.
func (w *Worker) record(site *topology.Site, was *inventory.Host) inventory.Host {
	out := inventory.Host{Name: w.Name, Address: w.Address, HostKey: w.HostKey, Site: site.Name, Region: site.Region.Name, Roles: []string{string(topology.RoleWorker)}, SSH: w.SSH, Elastic: &w.Elastic}
	if was != nil {
		out.MachineID, out.PodCIDR = was.MachineID, was.PodCIDR
		out.HostKey = cmp.Or(w.HostKey, was.HostKey)
	}
	return out
}

// ElasticOptions say how a run on elastic workers goes.
type ElasticOptions struct {
	// ClusterID is that of the cluster that is meant; "" for whichever the control planes have.
	ClusterID string
	// Wait is how long to wait for the run lock while somebody else holds it.
	Wait time.Duration
	// ForgetUnreachable takes workers out that do not answer; what is on them stays there.
	ForgetUnreachable bool
}

// lockEvery is how often the lock is tried that somebody else holds.
const lockEvery = time.Second

// lockPatiently waits for the run lock while somebody else holds it, and tells who.
func (e *Engine) lockPatiently(ctx context.Context, purpose string, wait time.Duration) (*lock, error) {
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	tick := time.NewTicker(lockEvery)
	defer tick.Stop()
	var told hostapi.Holder
	for {
		l, err := e.lock(ctx, purpose)
		var held *HeldError
		if err == nil || !errors.As(err, &held) {
			return l, err
		}
		if !told.Same(held.Holder) {
			told = held.Holder
			e.emit(event.Event{Kind: event.Message, Host: held.Host, Message: fmt.Sprintf("waiting for the run lock, at most %s: %s", wait, DescribeHolder(held.Holder, held.Age))})
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			return nil, fmt.Errorf("waited %s for the run lock: %w", wait, err)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// elastic is a run on elastic workers.
type elastic struct {
	*Engine
	ElasticOptions
	lock    *lock
	sight   *sight
	current *inventory.Inventory
	failed  map[string]error // by worker
}

// elastic takes the lock and looks at the control planes. The engine's cluster is the recorded one from then on: the topology may be ahead of what was applied, or have nothing but
// control planes.
func (e *Engine) elastic(ctx context.Context, purpose string, o ElasticOptions) (*elastic, error) {
	inv, err := e.memory(ctx)
	if err != nil {
		return nil, err
	}
	r := &elastic{Engine: e, ElasticOptions: o, failed: map[string]error{}}
	if err := r.recorded(inv); err != nil {
		return nil, err
	}
	if err := e.as(inv); err != nil {
		return nil, err
	}
	e.meet(ctx, e.cluster.HostsWith(topology.RoleControlPlane))
	if r.lock, err = e.lockPatiently(ctx, purpose, o.Wait); err != nil {
		return nil, err
	}
	if err := r.look(ctx); err != nil {
		r.lock.release()
		return nil, err
	}
	return r, nil
}

// look reads the control planes, under the lock.
func (r *elastic) look(ctx context.Context) error {
	e := r.Engine
	r.sight = &sight{away: map[string]error{}, absent: map[string]error{}}
	controlPlanes := e.cluster.HostsWith(topology.RoleControlPlane)
	seen, failed := e.observe(ctx, e.connected(controlPlanes), hostapi.ObserveRequest{})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r.sight.seen = seen
	for _, h := range controlPlanes {
		if seen[h.Name] == nil {
			r.sight.away[h.Name] = cmp.Or(failed[h.Name], e.away(h.Name))
		}
	}
	if err := e.documents(r.sight); err != nil {
		return err
	}
	r.current = r.sight.documents.Inventory
	if err := r.recorded(r.current); err != nil {
		return err
	}
	return e.as(r.current)
}

// recorded says whether a cluster can take workers in and let them go.
func (r *elastic) recorded(inv *inventory.Inventory) error {
	switch {
	case inv == nil || !inv.Initialised:
		return r.exists(nil)
	case inv.Destroying:
		return fmt.Errorf("cluster %q is being destroyed: run the destroy again, with `trivet destroy` or what began it", inv.Cluster)
	case r.ClusterID != "" && inv.ClusterID != r.ClusterID:
		return fmt.Errorf("the control planes have cluster %q with the id %s, and the one that is meant has the id %s: it was made anew, or the addresses are another cluster's", inv.Cluster, inv.ClusterID, r.ClusterID)
	}
	return nil
}

// as makes the recorded cluster the engine's. How hosts and sites are reached is as the engine's topology says, where it has them.
func (e *Engine) as(inv *inventory.Inventory) error {
	if e.given == nil {
		e.given = e.Topology
	}
	ssh := e.given.Fleet.SSH
	top, err := inv.Topology(ssh)
	if err != nil {
		return err
	}
	rel, err := release.Lookup(inv.Kubernetes)
	if err != nil {
		return err
	}
	for _, s := range top.AllSites() {
		if i := slices.IndexFunc(e.given.AllSites(), func(x *topology.Site) bool { return x.Name == s.Name }); i >= 0 {
			s.SSH, s.Bastions = e.given.AllSites()[i].SSH, e.given.AllSites()[i].Bastions
		}
	}
	for _, h := range e.given.AllHosts() {
		for _, x := range top.Clusters[0].Hosts {
			if x.Name == h.Name && !x.Elastic {
				x.SSHAddress, x.Port, x.User, x.HostKey = h.SSHAddress, h.Port, h.User, cmp.Or(h.HostKey, x.HostKey)
			}
		}
	}
	e.Topology, e.declared, e.cluster, e.release, e.departing = top, top.Clusters[0], top.Clusters[0], rel, nil
	return nil
}

// without is the inventory with these records in place of those of the same names.
func withRecords(inv *inventory.Inventory, records []inventory.Host) *inventory.Inventory {
	out := *inv
	out.Hosts = slices.DeleteFunc(slices.Clone(inv.Hosts), func(h inventory.Host) bool {
		return slices.ContainsFunc(records, func(r inventory.Host) bool { return r.Name == h.Name })
	})
	out.Hosts = append(out.Hosts, records...)
	slices.SortFunc(out.Hosts, func(a, b inventory.Host) int { return strings.Compare(a.Name, b.Name) })
	return &out
}

// meetElastic makes the elastic workers that the cluster remembers a part of it, connects to those that nobody had met, and gives them.
func (e *Engine) meetElastic(ctx context.Context, inv *inventory.Inventory) []*topology.Host {
	unmet := slices.DeleteFunc(desired.Elastic(inv, e.declared), func(h *topology.Host) bool { return named(e.cluster.Hosts, h.Name) })
	if len(unmet) == 0 {
		return nil
	}
	c := *e.cluster
	c.Hosts = slices.Concat(c.Hosts, unmet)
	slices.SortStableFunc(c.Hosts, func(a, b *topology.Host) int { return cmp.Compare(a.Name, b.Name) })
	e.cluster = &c
	e.departing = slices.DeleteFunc(e.departing, func(h *topology.Host) bool { return named(unmet, h.Name) })
	e.meet(ctx, unmet)
	return unmet
}
