package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/observe"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

const (
	// takeOver is the purpose of a hold that ends another one.
	takeOver = "lock --take-over"
	// takeOverTries bounds how often a lock is taken again that changed hands meanwhile, to a take-over that began at the same time.
	takeOverTries = 5
	// lockTimeout bounds the look at the control planes: one that went silent is told as such.
	lockTimeout = 20 * time.Second
)

// LockState is the run lock as the control planes have it.
type LockState struct {
	Cluster string     `json:"cluster"`
	Epoch   uint64     `json:"epoch"` // the highest seen, that of the last run
	Hosts   []LockHost `json:"hosts"` // control planes, by name
}

// LockHost is the run lock on one control plane.
type LockHost struct {
	Host   string          `json:"host"`
	Site   string          `json:"site"`
	Epoch  uint64          `json:"epoch"`            // 0 on a host without a record
	Holder *hostapi.Holder `json:"holder,omitempty"` // nil when nobody holds the lock there
	Age    time.Duration   `json:"age,omitempty"`    // of the hold, nanoseconds
	Error  string          `json:"error,omitempty"`  // why the host does not answer
}

// Holders lists who holds the lock somewhere, each once.
func (s *LockState) Holders() []hostapi.Holder {
	var out []hostapi.Holder
	for _, h := range s.Hosts {
		if h.Holder != nil && !slices.ContainsFunc(out, h.Holder.Same) {
			out = append(out, *h.Holder)
		}
	}
	return out
}

// Held counts the control planes where the lock is held, and those that answered.
func (s *LockState) Held() (held, answered int) {
	for _, h := range s.Hosts {
		if h.Error == "" {
			answered++
		}
		if h.Holder != nil {
			held++
		}
	}
	return held, answered
}

// Lock reads who holds the run lock. Control planes that do not answer are part of the answer; it is an error when none does.
func (e *Engine) Lock(ctx context.Context) (*LockState, error) {
	seen, failed := observe.Hosts(ctx, patientHosts(e.connectedVoters(), lockTimeout), hostapi.ObserveRequest{}, e.parallel())
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out := &LockState{Cluster: e.cluster.Name}
	var errs []error
	for _, name := range e.voters() {
		h := LockHost{Host: name, Site: e.site(name)}
		o := seen[name]
		switch err := failed[name]; {
		case o != nil:
			h.Holder = o.Holder
			if o.Holder != nil {
				h.Age = e.age(o.Holder)
			}
			if o.Record != nil {
				h.Epoch = o.Record.Epoch
			}
		case err == nil:
			err = e.away(name)
			fallthrough
		default:
			h.Error = err.Error()
			errs = append(errs, err)
		}
		out.Epoch = max(out.Epoch, h.Epoch)
		out.Hosts = append(out.Hosts, h)
	}
	if len(seen) == 0 {
		return nil, fmt.Errorf("no control plane answers: %w", errors.Join(errs...))
	}
	return out, nil
}

func (e *Engine) site(host string) string {
	for _, h := range e.cluster.Hosts {
		if h.Name == host {
			return h.Site().Name
		}
	}
	return ""
}

// TakenOver is what a take-over did.
type TakenOver struct {
	Cluster string           `json:"cluster"`
	Epoch   uint64           `json:"epoch"`          // hosts refuse every earlier run now
	Ended   []hostapi.Holder `json:"ended"`          // the runs that held the lock
	Hosts   []string         `json:"hosts"`          // where the lock was taken
	Fenced  []string         `json:"fenced"`         // hosts that were raised to the epoch; hosts without a record have nothing to fence
	Away    []string         `json:"away,omitempty"` // hosts that did not answer: the next run that reaches them fences them
}

// TakeOver ends the runs that hold the run lock, which must be those of shown, and lets the lock go again. It returns once every step that such a run had under way has ended
// on the hosts that answer, and they refuse its later ones. A majority of the control planes is needed.
//
// Of several take-overs at once the one wins that got the first control plane last: it may take the others from whoever lost.
func (e *Engine) TakeOver(ctx context.Context, shown []hostapi.Holder) (*TakenOver, error) {
	l := e.newLock(takeOver)
	defer l.release()
	if err := e.majorityAnswers(); err != nil {
		return nil, err // before anybody is ended in vain
	}
	t := &takingOver{lock: l, shown: shown, out: &TakenOver{Cluster: e.cluster.Name}}
	l.more = t.take
	var errs []error
	for _, name := range e.voters() {
		err := t.take(ctx, name)
		if errs = append(errs, err); errors.As(err, new(*HeldError)) || ctx.Err() != nil {
			break
		}
	}
	if err := l.enough(e.voters(), errs); err != nil {
		return nil, err
	}
	if err := t.keep(ctx); err != nil {
		return nil, err
	}
	if err := l.fence(ctx); err != nil {
		return nil, err
	}
	if err := t.keep(ctx); err != nil {
		return nil, err
	}
	t.out.Epoch, t.out.Hosts, t.out.Fenced = l.epoch, t.taken, l.fenced
	for _, h := range e.cluster.Hosts {
		if !l.seen[h.Name] {
			t.out.Away = append(t.out.Away, h.Name)
		}
	}
	return t.out, nil
}

// majorityAnswers fails where too few control planes are connected for the lock.
func (e *Engine) majorityAnswers() error {
	var away []error
	voters := e.voters()
	for _, name := range voters {
		if e.hosts[name] == nil {
			away = append(away, e.away(name))
		}
	}
	if have := len(voters) - len(away); have < topology.Majority(len(voters)) {
		return fmt.Errorf("the run lock needs a majority of the control planes, %d of %d, and %d answer. Nothing was changed; bring the others back, then run the same command again: %w",
			topology.Majority(len(voters)), len(voters), have, errors.Join(away...))
	}
	return nil
}

// takingOver is a take-over under way.
type takingOver struct {
	*lock
	shown []hostapi.Holder
	taken []string // in order; the first one decides between take-overs
	out   *TakenOver
}

// take takes the lock of a control plane, from its holder if that is one that may be ended.
func (t *takingOver) take(ctx context.Context, name string) error {
	err := t.lock.take(ctx, name, nil)
	var held *HeldError
	for try := 0; errors.As(err, &held) && try < takeOverTries; try++ {
		from := held.Holder
		if !t.mayEnd(from) {
			return err
		}
		// Refused again, the lock has changed hands since it was looked at.
		if err = t.lock.take(ctx, name, &from); err == nil && !slices.ContainsFunc(t.out.Ended, from.Same) {
			t.out.Ended = append(t.out.Ended, from)
		}
	}
	if err == nil && !slices.Contains(t.taken, name) {
		t.taken = append(t.taken, name)
	}
	return err
}

// mayEnd allows to end a run that was shown to the user, and, for whoever has the first control plane, another take-over.
func (t *takingOver) mayEnd(h hostapi.Holder) bool {
	if slices.ContainsFunc(t.shown, h.Same) {
		return true
	}
	return h.Purpose == takeOver && len(t.taken) > 0 && t.has(t.taken[0])
}

// keep makes sure that the lock is still held where it was taken, and takes it back from a take-over that has lost.
func (t *takingOver) keep(ctx context.Context) error {
	for try := 0; ; try++ {
		i := slices.IndexFunc(t.taken, func(name string) bool { return !t.has(name) })
		switch {
		case i < 0:
			return nil
		case i == 0 || try == takeOverTries:
			return t.outdone(ctx, t.taken[i])
		}
		if err := t.take(ctx, t.taken[i]); err != nil {
			return err
		}
	}
}

// outdone tells who has the lock instead.
func (t *takingOver) outdone(ctx context.Context, name string) error {
	lost := &lostError{host: name}
	if host := t.engine.hosts[name]; host != nil {
		if held := t.engine.heldBy(ctx, host, lost); held.Holder.Actor != "" {
			return held
		}
	}
	return lost
}
