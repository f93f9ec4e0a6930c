// Package execute runs a plan: phases in order, hosts of a phase at once or one at a time, gates after them. It carries out what the plan says and decides nothing of its own.
package execute

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/remote"
)

// Cluster is what the executor asks of etcd and the API. Every method returns when the condition holds or ctx ends; report gets what is still missing.
type Cluster interface {
	EtcdHealthy(ctx context.Context, members []string, report func(string)) error
	APIReady(ctx context.Context, hosts []string, report func(string)) error
	NodesReady(ctx context.Context, nodes []string, report func(string)) error
	NetworksReady(ctx context.Context, nodes []string, report func(string)) error
	// DNSAvailable wants all replicas, or, with a minimum above 0, that many.
	DNSAvailable(ctx context.Context, minimum int, report func(string)) error
	// EtcdSpare wants the members other than the one on the host to be healthy and a quorum of the member list, as the members themselves have it.
	EtcdSpare(ctx context.Context, host string, report func(string)) error
	// APISpare wants another API server than the host's to be ready.
	APISpare(ctx context.Context, host string, report func(string)) error
	ApplyObjects(ctx context.Context, objects []desired.Object) error
}

// Config is what a run needs besides the plan.
type Config struct {
	Topology *topology.Cluster
	Hosts    map[string]remote.Host // by name, connected
	Cluster  Cluster
	// Open opens a blob on the operator's machine.
	Open func(ctx context.Context, b hostapi.Blob) (io.ReadCloser, error)
	// Identity is the opened identity, nil when the plan makes a new one or needs none.
	Identity *identity.Identity
	// Sealed is the sealed identity as found on a control plane, nil before the first bring-up.
	Sealed []byte
	// SealedGeneration is the generation of that document.
	SealedGeneration uint64
	// NewIdentity is told of an identity that this run made; nil when nobody wants to know.
	NewIdentity func(*identity.Identity)
	Epoch       uint64
	Actor       string
	Parallel    int // hosts at once
	// GateTimeout bounds each gate.
	GateTimeout time.Duration
	Now         func() time.Time
	Rand        io.Reader
	Events      event.Sink
}

// run is one execution.
type run struct {
	Config
	plan     *plan.Plan
	identity *identity.Identity
	sealed   []byte
	phase    string
}

// Run executes the plan. Cancelling ctx stops it after the operations that are under way; what was done is recorded on the hosts, and planning again shows the rest.
func Run(ctx context.Context, cfg Config, p *plan.Plan) error {
	r := &run{Config: cfg, plan: p, identity: cfg.Identity, sealed: cfg.Sealed}
	if err := r.keptByMajority(); err != nil {
		return err
	}
	if err := r.prepareIdentity(); err != nil {
		return err
	}
	for _, ph := range p.Phases {
		if err := r.runPhase(ctx, ph); err != nil {
			return err
		}
	}
	return nil
}

// keptByMajority refuses a plan that would keep a new inventory on so few control planes that others could go on with the old one.
func (r *run) keptByMajority() error {
	all := len(r.Topology.HostsWith(topology.RoleControlPlane))
	need := topology.Majority(all)
	for _, ph := range r.plan.Phases {
		n := 0
		for _, s := range ph.Steps {
			if slices.ContainsFunc(s.Actions, func(a plan.Action) bool { return a.Document == inventory.Document }) {
				n++
			}
		}
		// A destroy marks what is left of a cluster, and an interrupted one may have few left.
		if inv := r.plan.Inventory; n > 0 && n < need && (inv == nil || !inv.Destroying) {
			return fmt.Errorf("phase %q would keep the cluster's inventory on %d of %d control planes, %d are needed: bring the others back and plan again", ph.Name, n, all, need)
		}
	}
	return nil
}

func (r *run) prepareIdentity() error {
	switch {
	case r.plan.NewIdentity:
		id, err := identity.New(r.Rand, r.Now(), r.Topology)
		if err != nil {
			return fmt.Errorf("make the cluster's identity: %w", err)
		}
		if r.plan.ClusterID != "" { // of a run that was interrupted before it had stored its identity
			id.ClusterID = r.plan.ClusterID
		}
		sealed, err := id.Seal(r.Topology.AgeRecipients)
		if err != nil {
			return fmt.Errorf("seal the cluster's identity: %w", err)
		}
		r.identity, r.sealed = id, sealed
		if r.NewIdentity != nil {
			r.NewIdentity(id)
		}
	case r.identity != nil && r.plan.ClusterID != "" && r.identity.ClusterID != r.plan.ClusterID:
		return fmt.Errorf("the sealed identity is of the cluster with the id %s, the hosts are of %s: use the %s of this cluster, from another control plane or from a backup",
			r.identity.ClusterID, r.plan.ClusterID, identity.Document)
	case r.plan.Issues && r.identity == nil:
		return errors.New("this plan issues certificates or writes secrets: it needs the age identity (--identity FILE, or TRIVET_AGE_IDENTITY)")
	}
	return nil
}

func (r *run) emit(e event.Event) {
	e.Time = r.Now()
	if e.Phase == "" {
		e.Phase = r.phase
	}
	r.Events(e)
}

func (r *run) runPhase(ctx context.Context, ph plan.Phase) error {
	start := r.Now()
	r.phase = ph.Name
	r.emit(event.Event{Kind: event.PhaseStarted, Message: ph.Title, Total: int64(len(ph.Steps))})
	var err error
	switch {
	case ph.Name == plan.PhaseSpread:
		err = r.spread(ctx, ph)
	case ph.Serial:
		for _, s := range ph.Steps {
			if err = r.step(ctx, s); err != nil {
				break
			}
			if err = r.gates(ctx, ph.Gates); err != nil {
				break
			}
		}
	default:
		if err = r.parallel(ctx, ph.Steps, r.step); err == nil {
			err = r.gates(ctx, ph.Gates)
		}
	}
	if err != nil {
		return fmt.Errorf("phase %q: %w", ph.Name, err)
	}
	r.emit(event.Event{Kind: event.PhaseDone, Message: ph.Title, Elapsed: r.Now().Sub(start)})
	return nil
}

// parallel runs the steps at once, bounded. All that began are waited for; every failure is reported.
func (r *run) parallel(ctx context.Context, steps []plan.Step, do func(context.Context, plan.Step) error) error {
	sem := semaphore.NewWeighted(int64(max(r.Parallel, 1)))
	errs := make([]error, len(steps))
	var wg sync.WaitGroup
	for i, s := range steps {
		if err := sem.Acquire(ctx, 1); err != nil {
			errs[i] = err
			break
		}
		wg.Go(func() {
			defer sem.Release(1)
			errs[i] = do(ctx, s)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// step carries out one host's part of a phase.
func (r *run) step(ctx context.Context, s plan.Step) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.Host == "" {
		return r.objects(ctx, s)
	}
	if err := r.gates(ctx, s.Guards); err != nil {
		if ctx.Err() != nil {
			return err
		}
		return fmt.Errorf("host %s was left as it is: %w", s.Host, err)
	}
	start := r.Now()
	r.emit(event.Event{Kind: event.HostStarted, Host: s.Host, Total: int64(len(s.Actions))})
	err := r.hostStep(ctx, s)
	if err != nil {
		if ctx.Err() != nil {
			return err // stopped, not failed
		}
		err = goOn(err)
		r.emit(event.Event{Kind: event.HostFailed, Host: s.Host, Message: err.Error(), Elapsed: r.Now().Sub(start)})
		return err
	}
	r.emit(event.Event{Kind: event.HostDone, Host: s.Host, Elapsed: r.Now().Sub(start)})
	return nil
}

// goOn adds to a lost connection what becomes of the work.
func goOn(err error) error {
	if !remote.IsLost(err) {
		return err
	}
	return fmt.Errorf("%w; what was done there is recorded on the host: apply again when it answers, and the rest is done", err)
}

func (r *run) hostStep(ctx context.Context, s plan.Step) error {
	host := r.Hosts[s.Host]
	if host == nil {
		return fmt.Errorf("host %s: not connected", s.Host)
	}
	step := &hostapi.Step{Epoch: r.Epoch, Cluster: r.plan.Cluster, ClusterID: r.clusterID(), Host: s.Host, Actor: r.Actor}
	var acts []plan.Action
	for _, a := range s.Actions {
		if a.Transfer != nil {
			if err := r.upload(ctx, host, a); err != nil {
				return err
			}
			continue
		}
		op, err := r.operation(a)
		if err != nil {
			return fmt.Errorf("host %s: %s: %w", s.Host, actionName(a), err)
		}
		step.Ops = append(step.Ops, op)
		acts = append(acts, a)
	}
	if len(step.Ops) == 0 {
		return nil
	}
	return host.Step(ctx, step, func(e hostapi.Event) {
		if e.Op < 0 || e.Op >= len(acts) {
			return
		}
		ev := event.Event{Host: s.Host, Item: actionName(acts[e.Op]), Message: e.Message, Elapsed: e.Elapsed}
		switch e.State {
		case "started":
			ev.Kind, ev.Message = event.ActionStarted, "" // the item's name says it
		case "done":
			ev.Kind, ev.State = event.ActionDone, "changed"
		case "unchanged":
			ev.Kind, ev.State = event.ActionDone, "unchanged"
		default:
			return
		}
		r.emit(ev)
	})
}

func (r *run) clusterID() string {
	if r.plan.ClusterID != "" {
		return r.plan.ClusterID
	}
	if r.identity != nil {
		return r.identity.ClusterID
	}
	return ""
}

func actionName(a plan.Action) string {
	switch {
	case a.Transfer != nil:
		return a.Transfer.Name
	case a.Document != "":
		return a.Document
	case a.Object != nil:
		return a.Object.Kind + " " + a.Object.Name
	case a.Verb == plan.Forget:
		return "record and store"
	case a.Verb == plan.Prune:
		return "store"
	}
	return a.ID.String()
}

func (r *run) objects(ctx context.Context, s plan.Step) error {
	objs := make([]desired.Object, 0, len(s.Actions))
	for _, a := range s.Actions {
		objs = append(objs, *a.Object)
	}
	if err := r.Cluster.ApplyObjects(ctx, objs); err != nil {
		return fmt.Errorf("objects in the API: %w", err)
	}
	for _, a := range s.Actions {
		r.emit(event.Event{Kind: event.ActionDone, Item: actionName(a), State: "changed"})
	}
	return nil
}

// gates waits for conditions, each bounded by GateTimeout.
func (r *run) gates(ctx context.Context, gates []plan.Gate) error {
	for _, g := range gates {
		if err := r.gate(ctx, g); err != nil {
			return err
		}
	}
	return nil
}

// guard looks, right before a step, whether its host can be spared.
func (r *run) guard(ctx context.Context, g plan.Gate, report func(string)) error {
	spare := r.Cluster.EtcdSpare
	if g.Kind == plan.GuardAPI {
		spare = r.Cluster.APISpare
	}
	for _, h := range g.Hosts {
		if err := spare(ctx, h, report); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) gate(ctx context.Context, g plan.Gate) error {
	start := r.Now()
	gctx, cancel := context.WithTimeout(ctx, r.GateTimeout)
	defer cancel()
	report := func(missing string) {
		if missing == "" {
			return // the gate is about to pass
		}
		r.emit(event.Event{Kind: event.Waiting, Item: string(g.Kind), Message: missing, Deadline: start.Add(r.GateTimeout)})
	}
	var err error
	switch g.Kind {
	case plan.GateEtcd:
		err = r.Cluster.EtcdHealthy(gctx, g.Hosts, report)
	case plan.GateAPI:
		err = r.Cluster.APIReady(gctx, g.Hosts, report)
	case plan.GateNodes:
		err = r.Cluster.NodesReady(gctx, g.Hosts, report)
	case plan.GateNetworks:
		err = r.Cluster.NetworksReady(gctx, g.Hosts, report)
	case plan.GateDNS:
		err = r.Cluster.DNSAvailable(gctx, g.Minimum, report)
	case plan.GuardEtcd, plan.GuardAPI:
		err = r.guard(gctx, g, report)
	default:
		err = fmt.Errorf("unknown gate %q: the plan was made by another version of trivet", g.Kind)
	}
	if err != nil {
		if ctx.Err() == nil && gctx.Err() != nil {
			err = fmt.Errorf("%w (waited %s)", err, r.GateTimeout)
		}
		return fmt.Errorf("gate %s: %w", g.Kind, err)
	}
	r.emit(event.Event{Kind: event.ActionDone, Item: "gate " + string(g.Kind), State: "unchanged", Elapsed: r.Now().Sub(start)})
	return nil
}
