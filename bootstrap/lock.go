package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/observe"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/remote"
)

const (
	// fenceTries bounds how often an epoch is chosen anew because somebody else raised it meanwhile.
	fenceTries = 3
	// fencePatience is how long raising a host's epoch may take before it is said that a step is still running there.
	fencePatience = 2 * time.Second
)

// lock is the run lock of a cluster: held on a majority of its control planes, with an epoch above every one seen.
type lock struct {
	engine  *Engine
	purpose string
	since   time.Time
	epoch   uint64
	lost    chan *lostError // what was lost first
	done    chan struct{}
	once    sync.Once

	mu    sync.Mutex
	grips map[string]io.Closer // by host

	more   func(ctx context.Context, name string) error // takes the lock of a control plane that only the inventory names
	seen   map[string]bool                              // hosts that answered
	fenced []string                                     // hosts that were raised to the epoch
}

// HeldError says that somebody else holds the run lock.
type HeldError struct {
	Cluster string
	Host    string         // the control plane that said so
	Holder  hostapi.Holder // no Actor when it could not be read
	Age     time.Duration  // of the hold, 0 when it cannot be told
	Voters  int            // control planes
	Err     error          // what that host answered
}

// Error implements error.
func (e *HeldError) Error() string {
	who := "somebody else has just taken it"
	if e.Holder.Actor != "" {
		who = DescribeHolder(e.Holder, e.Age)
	}
	return fmt.Sprintf("the run lock of cluster %q is held: on host %s %s. A run needs a majority of the control planes, %d of %d. Nothing was changed; wait until that run has ended, or, when nobody is at it any more, end it with `trivet lock --take-over`",
		e.Cluster, e.Host, who, topology.Majority(e.Voters), e.Voters)
}

// Unwrap returns what the host answered.
func (e *HeldError) Unwrap() error { return e.Err }

// DescribeHolder writes who holds the run lock, for what and since when. An age of 0 is left out.
func DescribeHolder(h hostapi.Holder, age time.Duration) string {
	out := fmt.Sprintf("%s holds it for %s", h.Actor, h.Purpose)
	if !h.Since.IsZero() {
		out += " since " + h.Since.UTC().Format("2006-01-02 15:04:05 UTC")
	}
	if age > 0 {
		out += fmt.Sprintf(" (%s ago)", age.Truncate(time.Second))
	}
	return out
}

// lostError says that a run lost the lock.
type lostError struct {
	host string
	why  error // what became of the hold, where that is known
}

func (e *lostError) Error() string {
	if why := remote.WhyLost(e.why); why != "" {
		return fmt.Sprintf("the connection to host %s was lost: %s. The run lock there went with it, so this run stopped; what was done is recorded on the hosts. Look with `trivet lock` whether somebody has it now, then plan and apply again", e.host, why)
	}
	return fmt.Sprintf("the run lock on host %s was lost, by a lost connection or because somebody took it over, so this run stopped; what was done is recorded on the hosts. Look with `trivet lock` who holds it, then plan and apply again", e.host)
}

// context derives a context that ends when the lock is lost.
func (l *lock) context(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case err := <-l.lost:
			cancel(err)
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// release lets the lock go.
func (l *lock) release() {
	l.once.Do(func() {
		close(l.done)
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, c := range l.grips {
			_ = c.Close() // it ends with the connection otherwise
		}
	})
}

// purposeDestroy is what a destroy takes the lock for.
const purposeDestroy = "destroy"

// lock takes the run lock on every control plane that answers; a majority is needed. Then it raises the epoch on every host that answers and has a record, which waits for
// steps of an earlier run that are still under way there.
func (e *Engine) lock(ctx context.Context, purpose string) (*lock, error) {
	l, voters := e.newLock(purpose), e.voters()
	var errs []error
	for _, name := range voters {
		err := l.take(ctx, name, nil)
		// Whoever is refused stops asking: so of several at once, who all ask in the same order, one gets it.
		if errs = append(errs, err); isHeld(err) {
			break
		}
	}
	err := l.enough(voters, errs)
	if err == nil {
		err = l.fence(ctx)
	}
	if err != nil {
		l.release()
		return nil, err
	}
	return l, nil
}

func (e *Engine) newLock(purpose string) *lock {
	l := &lock{engine: e, purpose: purpose, since: e.Now(), lost: make(chan *lostError, 1), done: make(chan struct{}), grips: map[string]io.Closer{}}
	l.more = func(ctx context.Context, name string) error { return l.take(ctx, name, nil) }
	return l
}

// voters are the control planes, in an order that every run has in common; those that leave are among them as long as they are known.
func (e *Engine) voters() []string {
	var names []string
	for _, h := range e.allWith(topology.RoleControlPlane) {
		if e.former(h.Name) == nil { // of one name there is one vote
			names = append(names, h.Name)
		}
	}
	slices.Sort(names)
	return names
}

// connectedVoters are the control planes that are connected.
func (e *Engine) connectedVoters() map[string]remote.Host {
	out := map[string]remote.Host{}
	for _, name := range e.voters() {
		if conn := e.hosts[name]; conn != nil {
			out[name] = conn
		}
	}
	return out
}

// away is why a host is not connected.
func (e *Engine) away(name string) error {
	if err := e.failed[name]; err != nil {
		return err
	}
	return fmt.Errorf("host %s: not connected", name)
}

// take takes the lock of one control plane, from its holder where one is given. Refused, it says who holds it.
func (l *lock) take(ctx context.Context, name string, from *hostapi.Holder) error {
	e := l.engine
	host := e.hosts[name]
	if host == nil {
		return e.away(name)
	}
	req, wait := hostapi.Hold{From: from, Holder: hostapi.Holder{Actor: Actor(), Purpose: l.purpose, Since: l.since}}, lockTimeout
	if from != nil { // it may have to wait for an operation of the present holder
		req.Patience = e.GateTimeout
		wait += req.Patience
	}
	hctx, cancel := patient(ctx, wait)
	grip, gone, err := host.Hold(hctx, req)
	cancel()
	switch {
	case isHeld(err):
		return e.heldBy(ctx, host, err)
	case err != nil && ctx.Err() == nil:
		return silent(hctx, name, err)
	case err != nil:
		return err
	}
	l.mu.Lock()
	l.grips[name] = grip
	l.mu.Unlock()
	go func() {
		select {
		case why := <-gone:
			l.drop(name, grip, why)
		case <-l.done:
		}
	}()
	return nil
}

// drop notes that the lock of a host was lost.
func (l *lock) drop(name string, grip io.Closer, why error) {
	l.mu.Lock()
	if l.grips[name] == grip {
		delete(l.grips, name)
	}
	l.mu.Unlock()
	select {
	case l.lost <- &lostError{name, why}:
	default: // one is enough
	}
}

// has reports whether the lock of a control plane is held now.
func (l *lock) has(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.grips[name] != nil
}

func isHeld(err error) bool {
	var he *hostapi.Error
	return errors.As(err, &he) && he.Code == hostapi.CodeHeld
}

// heldBy asks a control plane that refused the lock who holds it.
func (e *Engine) heldBy(ctx context.Context, host remote.Host, refused error) *HeldError {
	held := &HeldError{Cluster: e.cluster.Name, Host: host.Name(), Voters: len(e.voters()), Err: refused}
	if o, err := host.Observe(ctx, hostapi.ObserveRequest{}); err == nil && o.Holder != nil {
		held.Holder, held.Age = *o.Holder, e.age(o.Holder)
	}
	return held
}

// age is how long ago a hold began, by this machine's clock; 0 where the clocks make no sense of it.
func (e *Engine) age(h *hostapi.Holder) time.Duration {
	if h.Since.IsZero() {
		return 0
	}
	return max(e.Now().Sub(h.Since), 0)
}

// enough fails unless the lock is held on a majority of the voters. errs are the reasons why it is not held on some.
func (l *lock) enough(voters []string, errs []error) error {
	have := 0
	for _, name := range voters {
		if l.has(name) {
			have++
		}
	}
	if have >= topology.Majority(len(voters)) {
		return nil
	}
	var held *HeldError
	if l.forgets() && have == len(l.engine.connectedVoters()) && !slices.ContainsFunc(errs, isHeld) {
		return nil
	}
	if i := slices.IndexFunc(errs, func(err error) bool { return errors.As(err, &held) }); i >= 0 {
		return errors.Join(held, errors.Join(errs[:i]...)) // those before it did not answer, or would have been taken
	}
	err := errors.Join(errs...)
	return fmt.Errorf("the run lock needs a majority of the control planes, %d of %d, and could be taken on %d. Nothing was changed; bring the others back, then run the same command again: %w",
		topology.Majority(len(voters)), len(voters), have, err)
}

// fence looks at the hosts, chooses an epoch above all that it sees, and raises the hosts to it, so that no earlier run changes them any more. The control planes come first:
// whoever holds the lock later sees the epoch of at least one of them.
func (l *lock) fence(ctx context.Context) error {
	e := l.engine
	for try := 1; ; try++ {
		seen, _ := e.observe(ctx, e.hosts, hostapi.ObserveRequest{})
		if err := ctx.Err(); err != nil {
			return err
		}
		docs, err := observe.Documents(e.cluster, seen)
		if err != nil {
			return err
		}
		if met := slices.Concat(e.meetElastic(ctx, docs.Inventory), e.meetDeparting(ctx, docs.Inventory)); len(met) > 0 {
			for _, h := range met {
				if h.Has(topology.RoleControlPlane) {
					_ = l.take(ctx, h.Name, nil) // whether it is missed is told by the sum
				}
			}
			continue
		}
		if err := l.recorded(ctx, docs.Inventory); err != nil {
			return err
		}
		l.epoch, l.fenced, l.seen = docs.Epoch+1, nil, map[string]bool{}
		for name := range seen {
			l.seen[name] = true
		}
		err = l.raise(ctx, docs.Inventory, seen)
		var he *hostapi.Error
		if try < fenceTries && errors.As(err, &he) && he.Code == hostapi.CodeStaleEpoch {
			continue
		}
		return err
	}
}

// forgets says whether the run does without a majority: it gives back what answers, and nothing depends on the rest.
func (l *lock) forgets() bool { return l.purpose == purposeDestroy && l.engine.ForgetUnreachable }

// recorded fails unless the lock is held on a majority of each set of control planes that the cluster itself remembers: the topology may have others. Those are taken here.
func (l *lock) recorded(ctx context.Context, inv *inventory.Inventory) error {
	if inv == nil || l.forgets() {
		return nil
	}
	for _, all := range inv.Voters() {
		var errs []error
		for _, name := range all {
			if !l.has(name) {
				errs = append(errs, l.more(ctx, name))
			}
		}
		missing := slices.DeleteFunc(slices.Clone(all), l.has)
		if len(all)-len(missing) >= topology.Majority(len(all)) || len(all) == 0 {
			continue
		}
		var held *HeldError
		if i := slices.IndexFunc(errs, func(err error) bool { return errors.As(err, &held) }); i >= 0 {
			return held
		}
		return fmt.Errorf("the run lock needs a majority of the control planes that the cluster has recorded, %d of %d, and is missing on %s. Nothing was changed; bring them back, or name them in the topology again: %w",
			topology.Majority(len(all)), len(all), strings.Join(missing, ", "), errors.Join(errs...))
	}
	return nil
}

// raise fences off earlier runs on every host that was seen and has a record.
func (l *lock) raise(ctx context.Context, inv *inventory.Inventory, seen map[string]*hostapi.Observation) error {
	var first, second []string
	voters := l.engine.voters()
	for _, h := range l.engine.everyone() {
		switch o := seen[h.Name]; {
		case o == nil || o.Record == nil:
		case slices.Contains(voters, h.Name):
			first = append(first, h.Name)
		default:
			second = append(second, h.Name)
		}
	}
	for _, names := range [][]string{first, second} {
		if err := l.raiseAll(ctx, names, inv, seen); err != nil {
			return err
		}
	}
	return nil
}

// raiseAll raises hosts at once, bounded. Hosts that are lost are left out: a lost control plane ends the lock anyway. So is a worker whose disk takes no record: it is like one that
// is away, and its disk keeps earlier runs from changing it too. Any other refusal is an error.
func (l *lock) raiseAll(ctx context.Context, names []string, inv *inventory.Inventory, seen map[string]*hostapi.Observation) error {
	errs, lost, voters := make([]error, len(names)), make([]bool, len(names)), l.engine.voters()
	slots := make(chan struct{}, l.engine.parallel())
	var wg sync.WaitGroup
	for i, name := range names {
		// A run that was interrupted at its beginning, or a destroy at its end, leaves a record and no inventory.
		id := seen[name].Record.ClusterID
		if inv != nil {
			id = inv.ClusterID
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			err := l.engine.raiseHost(ctx, name, hostapi.RaiseEpoch{Epoch: l.epoch, ClusterID: id})
			switch {
			case remote.IsLost(err):
				lost[i] = true
			case cannotWrite(err) && !slices.Contains(voters, name):
				lost[i] = true
				l.engine.emit(event.Event{Kind: event.Warning, Host: name, Message: "earlier runs could not be fenced off there: " + err.Error()})
			default:
				errs[i] = err
			}
		})
	}
	wg.Wait()
	for i, name := range names {
		if lost[i] {
			l.seen[name] = false
		} else if errs[i] == nil {
			l.fenced = append(l.fenced, name)
		}
	}
	return errors.Join(errs...)
}

// cannotWrite says whether a host has no room for its record, or a disk that is not what it should be.
func cannotWrite(err error) bool {
	var he *hostapi.Error
	return errors.As(err, &he) && (he.Code == hostapi.CodeDiskFull || he.Code == hostapi.CodeFailed)
}

// raiseHost raises one host, and says so when that takes long, as it does while a step runs there. A step that does not end in time is an error: it may go on at any moment.
func (e *Engine) raiseHost(ctx context.Context, name string, req hostapi.RaiseEpoch) error {
	req.Patience = e.GateTimeout
	timer := time.AfterFunc(fencePatience, func() {
		e.emit(event.Event{Kind: event.Message, Host: name, Message: fmt.Sprintf("a step of an earlier run is still under way there; waiting for its end, at most %s", req.Patience)})
	})
	defer timer.Stop()
	ctx, cancel := patient(ctx, req.Patience+lockTimeout)
	defer cancel()
	return silent(ctx, name, e.hosts[name].RaiseEpoch(ctx, req))
}
