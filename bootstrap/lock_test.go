package bootstrap_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/hostapi/wire"
)

// onPhase runs something, once, when a run begins a phase.
func onPhase(phase string, do func()) func(*bootstrap.Options) {
	var once sync.Once
	return func(o *bootstrap.Options) {
		o.Events = func(e event.Event) {
			if e.Kind == event.PhaseStarted && e.Phase == phase {
				once.Do(do)
			}
		}
	}
}

func lockOf(t testing.TB, e *bootstrap.Engine) *bootstrap.LockState {
	t.Helper()
	s, err := e.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestTwoAppliesAtOnce: the second is told who is at it, and changes nothing.
func TestTwoAppliesAtOnce(t *testing.T) {
	for _, phase := range []string{"seed", "configure", "start", "objects"} {
		t.Run(phase, func(t *testing.T) {
			f := newFleet(t, three)
			second := open(t, f)
			p := planOf(t, second)
			var refused error
			var clock atomic.Int64
			holders := 0
			ticks := func(o *bootstrap.Options) {
				o.Now = func() time.Time { return fleettest.Now.Add(time.Duration(clock.Add(1)) * time.Millisecond) }
			}
			first := open(t, f, ticks, onPhase(phase, func() {
				before := trees(t, f)
				refused = second.Apply(t.Context(), p)
				holders = len(lockOf(t, second).Holders())
				unchanged(t, f, before)
			}))
			apply(t, first)
			if holders != 1 {
				t.Errorf("the one run looks like %d holders", holders)
			}
			var held *bootstrap.HeldError
			if !errors.As(refused, &held) || held.Host != "cp1" || held.Holder.Actor != bootstrap.Actor() || held.Holder.Purpose != "apply" {
				t.Fatalf("the second apply gives %v", refused)
			}
			wants(t, refused, "host cp1", bootstrap.Actor(), "for apply", "since ", "2 of 3", "Nothing was changed", "trivet lock --take-over")
			if p := planOf(t, open(t, f)); !p.Empty() {
				t.Error("the first apply did not finish its work")
			}
		})
	}
}

// TestAppliesRace starts applies at the same moment: one wins, and the others change nothing of it.
func TestAppliesRace(t *testing.T) {
	f := newFleet(t, three)
	const n = 4
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		e := open(t, f)
		p := planOf(t, e)
		wg.Go(func() { errs[i] = e.Apply(t.Context(), p) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		var held *bootstrap.HeldError
		var stale *bootstrap.StaleError
		switch {
		case err == nil:
			won++
		case errors.As(err, &held), errors.As(err, &stale):
		default:
			t.Errorf("a loser got %v", err)
		}
	}
	if won != 1 {
		t.Errorf("%d applies won: %v", won, errs)
	}
	if p := planOf(t, open(t, f)); !p.Empty() {
		t.Error("the work is not done")
	}
}

func TestLockState(t *testing.T) {
	f := newFleet(t, three)
	fresh := trees(t, f)
	e := open(t, f)
	if s := lockOf(t, e); len(s.Holders()) != 0 || s.Epoch != 0 || len(s.Hosts) != 3 {
		t.Errorf("before the bring-up: %+v", s)
	}
	unchanged(t, f, fresh)
	apply(t, e)
	hold(t, f, "cp2", "ann@desk[12]")
	f.Unreachable["cp3"] = true
	s := lockOf(t, open(t, f, func(o *bootstrap.Options) { o.Now = func() time.Time { return fleettest.Now.Add(90 * time.Second) } }))
	ann := &hostapi.Holder{Actor: "ann@desk[12]", Purpose: "apply", Since: fleettest.Now, Epoch: 7}
	want := &bootstrap.LockState{Cluster: "main", Epoch: 1, Hosts: []bootstrap.LockHost{
		{Host: "cp1", Site: "s1", Epoch: 1},
		{Host: "cp2", Site: "s2", Epoch: 1, Holder: ann, Age: 90 * time.Second},
		{Host: "cp3", Site: "s3", Error: "host cp3: connect to 10.13.1.11: no route to host"},
	}}
	if d := cmp.Diff(want, s); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if held, answered := s.Held(); held != 1 || answered != 2 || len(s.Holders()) != 1 {
		t.Errorf("held on %d of %d, by %v", held, answered, s.Holders())
	}
	f.Unreachable["cp1"], f.Unreachable["cp2"] = true, true
	_, err := open(t, f).Lock(t.Context())
	wants(t, err, "no control plane answers", "host cp1", "host cp2", "host cp3")
}

func TestTakeOver(t *testing.T) {
	f := newFleet(t, three)
	apply(t, open(t, f))
	hold(t, f, "cp1", "ann@desk[12]")
	hold(t, f, "cp2", "ann@desk[12]")
	f.Unreachable["cp3"] = true // a minority may be away
	e := open(t, f)
	shown := lockOf(t, e).Holders()
	out, err := e.TakeOver(t.Context(), shown)
	if err != nil {
		t.Fatal(err)
	}
	want := &bootstrap.TakenOver{Cluster: "main", Epoch: 2, Ended: shown, Hosts: []string{"cp1", "cp2"}, Fenced: []string{"cp1", "cp2"}, Away: []string{"cp3"}}
	if d := cmp.Diff(want, out); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if got := epochs(t, f); got != "2 2 1" {
		t.Errorf("the epochs are %s", got)
	}
	if s := lockOf(t, open(t, f)); len(s.Holders()) != 0 {
		t.Errorf("the take-over did not let go: %+v", s)
	}
	f.Unreachable["cp3"] = false
	apply(t, open(t, f))
}

// TestTakeOverNeedsMajority ends nobody where the lock could not be had anyway.
func TestTakeOverNeedsMajority(t *testing.T) {
	f := newFleet(t, three)
	hold(t, f, "cp3", "ann@desk[12]")
	f.Unreachable["cp1"], f.Unreachable["cp2"] = true, true
	e := open(t, f)
	_, err := e.TakeOver(t.Context(), lockOf(t, e).Holders())
	wants(t, err, "2 of 3", "host cp1", "host cp2", "no route to host")
	if who := lockOf(t, e).Holders(); len(who) != 1 || who[0].Actor != "ann@desk[12]" {
		t.Errorf("the lock is held by %v", who)
	}
}

// TestTakeOverOfAnother ends only the run that the user was shown.
func TestTakeOverOfAnother(t *testing.T) {
	f := newFleet(t, three)
	hold(t, f, "cp1", "bob@desk[13]")
	e := open(t, f)
	_, err := e.TakeOver(t.Context(), []hostapi.Holder{{Actor: "ann@desk[12]", Purpose: "apply", Since: fleettest.Now}})
	wants(t, err, "bob@desk[13]", "host cp1")
	if who := lockOf(t, e).Holders(); len(who) != 1 || who[0].Actor != "bob@desk[13]" {
		t.Errorf("the lock is held by %v", who)
	}
}

// TestTakeOverOfRunningApply: the apply stops and says why, its later steps are refused, and the next one finishes the work.
func TestTakeOverOfRunningApply(t *testing.T) {
	for _, phase := range []string{"seed", "configure", "start", "objects"} {
		t.Run(phase, func(t *testing.T) {
			f := newFleet(t, three)
			other := open(t, f)
			var takeErr error
			first := open(t, f, onPhase(phase, func() {
				s, err := other.Lock(t.Context())
				if err == nil {
					_, err = other.TakeOver(t.Context(), s.Holders())
				}
				takeErr = err
			}))
			err := first.Apply(t.Context(), planOf(t, first))
			if takeErr != nil {
				t.Fatal(takeErr)
			}
			wants(t, err, "the run lock", "took it over", "trivet lock")
			apply(t, open(t, f))
			if p := planOf(t, open(t, f)); !p.Empty() {
				t.Error("the next apply did not finish the work")
			}
		})
	}
}

// TestTakeOversRace: whoever loses is told, nobody is left holding the lock, and one wins.
func TestTakeOversRace(t *testing.T) {
	for range 20 {
		f := newFleet(t, three)
		for _, name := range []string{"cp1", "cp2", "cp3"} {
			hold(t, f, name, "ann@desk[12]")
		}
		shown := lockOf(t, open(t, f)).Holders()
		const n = 3
		errs := make([]error, n)
		var wg sync.WaitGroup
		for i := range n {
			e := open(t, f)
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				_, errs[i] = e.TakeOver(ctx, shown)
			})
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			switch {
			case err == nil:
				won++
			case !strings.Contains(err.Error(), "run lock"):
				t.Errorf("a loser got %v", err)
			}
		}
		if won == 0 {
			t.Fatalf("nobody won: %v", errs)
		}
		if s := lockOf(t, open(t, f)); len(s.Holders()) != 0 {
			t.Fatalf("somebody is left holding the lock: %+v", s)
		}
	}
}

// TestLostLock: a link that was cut is told as that, and not as a lock that somebody may have taken over.
func TestLostLock(t *testing.T) {
	cut := bootstrap.LostLock("cp1", &wire.LostError{Diagnosis: "no answer to keepalives for 15s"})
	wants(t, cut, "the connection to host cp1 was lost: no answer to keepalives for 15s", "run lock", "trivet lock")
	if strings.Contains(cut.Error(), "took it over") {
		t.Errorf("%v", cut)
	}
	for _, why := range []error{nil, &wire.LostError{}, errors.New("the helper ended the request")} {
		wants(t, bootstrap.LostLock("cp1", why), "the run lock on host cp1 was lost", "took it over", "trivet lock")
	}
}

// TestStepThatHangs: whoever waits for the end of another run's step is told, in time, on which host it is and what it is at.
func TestStepThatHangs(t *testing.T) {
	f := newFleet(t, three)
	apply(t, open(t, f))
	o, err := f.Observe("cp3")
	if err != nil {
		t.Fatal(err)
	}
	begun, release, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	f.Machines["cp3"].Hooks.Programs["/sbin/slow"] = func(context.Context, []string, io.Writer) error {
		close(begun)
		<-release
		return nil
	}
	step := &hostapi.Step{Epoch: o.Record.Epoch, Cluster: "main", ClusterID: o.Record.ClusterID, Host: "cp3", Actor: "ann@desk[12]",
		Ops: []hostapi.Operation{{Hook: &hostapi.Hook{Name: "slow", Command: []string{"/sbin/slow"}, Timeout: time.Hour}}}}
	go func() { ended <- f.Machines["cp3"].Host().Step(t.Context(), step, nil) }()
	<-begun
	e := open(t, f, func(o *bootstrap.Options) { o.GateTimeout = 50 * time.Millisecond })
	wants(t, e.Apply(t.Context(), planOf(t, e)), "host cp3", `"run hook slow" of ann@desk[12]`, "within 50ms", "run the same command again")
	close(release)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	apply(t, open(t, f))
}
