// Package execute runs a plan: phases in order, hosts of a phase at once or one at a time, gates after them. It carries out what the plan says and decides nothing of its own.
package execute

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/kube"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/remote"
	"github.com/trivet-dev/trivet/templates"
)

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
	// recipients are those of an identity that this run sealed anew.
	recipients []string

	mu     sync.Mutex
	failed map[string]error // workers that failed and that the plan can do without
}

// FailedError says that an apply did without workers that failed: it did all the rest.
type FailedError struct {
	Hosts map[string]error
	Most  int // that may fail
}

// Error implements error.
func (e *FailedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the rest is done, and %d of the workers failed, of which %d may (max_failed); mend them and apply again:", len(e.Hosts), e.Most)
	for _, name := range slices.Sorted(maps.Keys(e.Hosts)) {
		fmt.Fprintf(&b, "\n  %s", strings.ReplaceAll(e.Hosts[name].Error(), "\n", "\n    "))
	}
	return b.String()
}

// Run executes the plan. Cancelling ctx stops it after the operations that are under way; what was done is recorded on the hosts, and planning again shows the rest.
func Run(ctx context.Context, cfg Config, p *plan.Plan) error {
	r := &run{Config: cfg, plan: p, identity: cfg.Identity, sealed: cfg.Sealed, failed: map[string]error{}}
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
	if len(r.failed) > 0 {
		return &FailedError{r.failed, p.MaxFailed}
	}
	return nil
}

// tolerates says whether the run goes on although a host failed: it is a worker, and not more have failed than may.
func (r *run) tolerates(ctx context.Context, host string, err error) bool {
	if ctx.Err() != nil || !r.worker(host) {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed[host] == nil && len(r.failed) >= r.plan.MaxFailed {
		return false
	}
	r.failed[host] = err
	return true
}

// worker says whether a host is a worker and nothing else. One that stands in for others is not: without it too many of them would be away.
func (r *run) worker(host string) bool {
	return slices.ContainsFunc(r.Topology.Hosts, func(h *topology.Host) bool {
		return h.Name == host && !h.Surge && !h.Has(topology.RoleControlPlane) && !h.Has(topology.RoleEtcd)
	})
}

func (r *run) hasFailed(host string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed[host] != nil
}

// keptByMajority refuses a plan that would keep a new inventory on so few control planes that others could go on with the old one.
func (r *run) keptByMajority() error {
	all := len(r.Topology.HostsWith(topology.RoleControlPlane))
	need := topology.Majority(all)
	for _, ph := range r.plan.Phases {
		n := 0
		for _, s := range ph.Steps {
			keeps := slices.ContainsFunc(s.Actions, func(a plan.Action) bool { return a.Verb == plan.Store && a.Document == inventory.Document })
			if keeps && slices.ContainsFunc(r.Topology.HostsWith(topology.RoleControlPlane), func(h *topology.Host) bool { return h.Name == s.Host }) {
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
	default:
		return r.turn()
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
		}
	default:
		err = r.parallel(ctx, ph.Steps, ph.Limits, r.step)
	}
	if err == nil {
		err = r.gates(ctx, ph.Gates)
	}
	if err != nil {
		return fmt.Errorf("phase %q: %w", ph.Name, err)
	}
	r.emit(event.Event{Kind: event.PhaseDone, Message: ph.Title, Elapsed: r.Now().Sub(start)})
	return nil
}

// parallel runs the steps at once, bounded, in order as far as there is room; those of a group that has a limit no more than that at once. All that began are waited for; every failure
// is reported. Where there are limits, no step begins after one has failed: what takes one node away may take all of them.
func (r *run) parallel(ctx context.Context, steps []plan.Step, limits map[string]int, do func(context.Context, plan.Step) error) error {
	type end struct {
		step int
		err  error
	}
	errs, failed := make([]error, len(steps)), false // in the order of the steps
	ended, running, inGroup := make(chan end), 0, map[string]int{}
	room := func(i int) bool {
		group := steps[i].Group
		limit, limited := limits[group]
		return !limited || inGroup[group] < max(limit, 1)
	}
	pending := make([]int, len(steps))
	for i := range steps {
		pending[i] = i
	}
	for {
		next := -1
		if running < max(r.Parallel, 1) && ctx.Err() == nil && (limits == nil || !failed) {
			next = slices.IndexFunc(pending, room)
		}
		if next >= 0 {
			i := pending[next]
			pending = slices.Delete(pending, next, next+1)
			running++
			inGroup[steps[i].Group]++
			go func() { ended <- end{i, do(ctx, steps[i])} }()
			continue
		}
		if running == 0 {
			return errors.Join(append(errs, ctx.Err())...)
		}
		e := <-ended
		running--
		inGroup[steps[e.step].Group]--
		errs[e.step], failed = e.err, failed || e.err != nil
	}
}

// step carries out one step of a phase, with what must be true before and after it.
func (r *run) step(ctx context.Context, s plan.Step) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.hasFailed(s.Host) {
		return nil
	}
	if err := r.gates(ctx, s.Guards); err != nil {
		if ctx.Err() != nil {
			return err
		}
		return fmt.Errorf("host %s was left as it is: %w", s.Host, err)
	}
	if s.Host == "" {
		if err := r.actions(ctx, s); err != nil {
			return err
		}
		return r.gates(ctx, s.Gates)
	}
	start := r.Now()
	r.emit(event.Event{Kind: event.HostStarted, Host: s.Host, Total: int64(len(s.Actions))})
	err := r.actions(ctx, s)
	if err != nil {
		if ctx.Err() != nil {
			return err // stopped, not failed
		}
		err = goOn(err)
		r.emit(event.Event{Kind: event.HostFailed, Host: s.Host, Message: err.Error(), Elapsed: r.Now().Sub(start)})
		if r.tolerates(ctx, s.Host, err) {
			return nil
		}
		return err
	}
	r.emit(event.Event{Kind: event.HostDone, Host: s.Host, Elapsed: r.Now().Sub(start)})
	return r.gates(ctx, s.Gates)
}

// actions carries out the actions of a step in order: those on the host that follow each other at once, under its lock; those on the cluster between them.
func (r *run) actions(ctx context.Context, s plan.Step) error {
	var members []templates.Peer
	for rest := s.Actions; len(rest) > 0; {
		a := rest[0]
		if a.Gate != nil {
			if err := r.gate(ctx, *a.Gate); err != nil {
				return inStep(s, err)
			}
			rest = rest[1:]
			continue
		}
		if a.Node != "" || a.Member != nil || a.Key != "" || a.Kinds != nil {
			if err := r.ask(ctx, s.Host, a, &members); err != nil {
				return inStep(s, err)
			}
			rest = rest[1:]
			continue
		}
		n := 1
		for n < len(rest) && rest[n].OnHost() == a.OnHost() && (a.OnHost() || rest[n].Object != nil && rest[n].Part == a.Part && (rest[n].Verb == plan.Delete) == (a.Verb == plan.Delete)) {
			n++
		}
		part := s
		part.Actions, rest = rest[:n], rest[n:]
		var err error
		if a.OnHost() {
			err = r.hostStep(ctx, part, members)
		} else {
			err = r.objects(ctx, part)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// inStep names the host that an error is about.
func inStep(s plan.Step, err error) error {
	if s.Host == "" {
		return err
	}
	return fmt.Errorf("host %s: %w", s.Host, err)
}

// goOn adds to a lost connection what becomes of the work.
func goOn(err error) error {
	if !remote.IsLost(err) {
		return err
	}
	return fmt.Errorf("%w; what was done there is recorded on the host: apply again when it answers, and the rest is done", err)
}

func (r *run) hostStep(ctx context.Context, s plan.Step, members []templates.Peer) error {
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
		op, err := r.operation(a, members)
		if err != nil {
			return fmt.Errorf("host %s: %s: %w", s.Host, actionName(a), err)
		}
		step.Ops = append(step.Ops, op)
		acts = append(acts, a)
	}
	if len(step.Ops) == 0 {
		return nil
	}
	err := host.Step(ctx, step, func(e hostapi.Event) {
		if e.Op < 0 || e.Op >= len(acts) || acts[e.Op].Verb == plan.Owe {
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
		case "progress":
			ev.Kind, ev.Message = event.Output, e.Message
		default:
			return
		}
		r.emit(ev)
	})
	return hookFailed(err, acts)
}

// hookFailed adds to the failure of a hook what has become of its host's step.
func hookFailed(err error, acts []plan.Action) error {
	var he *hostapi.Error
	if !errors.As(err, &he) || he.Op < 0 || he.Op >= len(acts) || acts[he.Op].Verb != plan.Run {
		return err
	}
	k := acts[he.Op].Hook
	if k.When == plan.Before {
		return fmt.Errorf("%w\nthe step %q was not begun on the host", err, k.Step)
	}
	return fmt.Errorf("%w\nthe step %q is done on the host; the hook is owed, and the next apply runs it", err, k.Step)
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
	case a.Hook != nil:
		return a.Hook.String()
	case a.Verb == plan.Owe:
		return "hooks that are owed"
	case a.Object != nil:
		return objectName(a)
	case a.Kinds != nil:
		return "record of kinds"
	case a.Node != "":
		return string(a.Verb) + " node " + a.Node
	case a.Member != nil:
		return strings.TrimSuffix(string(a.Verb), "-member") + " " + a.Member.String()
	case a.Verb == plan.Forget:
		return "record and store"
	case a.Verb == plan.Prune:
		return "store"
	case a.Verb == plan.Rewrite:
		return "Secrets and ConfigMaps"
	}
	return a.ID.String()
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
	g = r.without(g)
	err := r.bounded(ctx, r.GateTimeout, "", string(g.Kind), func(ctx context.Context, report func(string)) error {
		switch g.Kind {
		case plan.GateEtcd:
			return r.Cluster.EtcdHealthy(ctx, g.Hosts, report)
		case plan.GateAPI:
			return r.Cluster.APIReady(ctx, g.Hosts, report)
		case plan.GateNodes:
			return r.Cluster.NodesReady(ctx, g.Hosts, report)
		case plan.GateNetworks:
			return r.Cluster.NetworksReady(ctx, g.Hosts, report)
		case plan.GateDNS:
			return r.Cluster.DNSAvailable(ctx, g.Minimum, report)
		case plan.GatePublished:
			return r.published(ctx, report)
		case plan.GuardEtcd, plan.GuardAPI:
			return r.guard(ctx, g, report)
		}
		return fmt.Errorf("unknown gate %q: the plan was made by another version of trivet", g.Kind)
	})
	if err != nil && !r.lateNodes(ctx, g, err) {
		return fmt.Errorf("gate %s: %w", g.Kind, err)
	}
	r.emit(event.Event{Kind: event.ActionDone, Item: "gate " + string(g.Kind), State: "unchanged", Elapsed: r.Now().Sub(start)})
	return nil
}

// without leaves out of a gate what has failed.
func (r *run) without(g plan.Gate) plan.Gate {
	r.mu.Lock()
	failed := len(r.failed) > 0
	r.mu.Unlock()
	g.Hosts = slices.DeleteFunc(slices.Clone(g.Hosts), r.hasFailed)
	if g.Kind == plan.GateDNS && failed {
		g.Minimum = max(g.Minimum, 1)
	}
	return g
}

// lateNodes says whether a gate over nodes may be passed without those that did not come: they count as failed.
func (r *run) lateNodes(ctx context.Context, g plan.Gate, err error) bool {
	var late *kube.NodesError
	if !errors.As(err, &late) || len(g.Hosts) < 2 {
		return false
	}
	for _, name := range slices.Sorted(maps.Keys(late.State)) {
		if why := late.State[name]; why != "" && !r.tolerates(ctx, name, fmt.Errorf("host %s: its node is not ready: %s", name, why)) {
			return false
		}
	}
	return true
}
