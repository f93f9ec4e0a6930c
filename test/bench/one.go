package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/trivet-dev/trivet/test/bench/simhosts"
	"github.com/trivet-dev/trivet/test/kubeadm"
)

// onePart and fivePart are what Trivet is allowed of kubeadm's time.
const (
	onePart     = 1. / 4
	fivePart    = 1. / 5
	fiveSeconds = 60
)

// runOne brings one host up by each side, until a pod answers by Service name.
func runOne(ctx context.Context, e *env, r *Result) error {
	s, err := kubeadm.OpenStore()
	if err != nil {
		return err
	}
	rival, own, err := bothSides(ctx, e, s, r, oneByKubeadm, oneByTrivet)
	if err != nil || e.side != "" {
		return err
	}
	r.against("until a pod answers by Service name", "s", own.seconds, rival.seconds, onePart)
	r.against("the same, kubeadm's images imported before", "s", own.seconds, rival.ahead, onePart)
	r.beside("CPU time of the host until then", "s", own.cpu, rival.cpu)
	r.note("Before the clock starts both sides have the same files on the host and nothing running: trivet its store, kubeadm %s programs, units and image archives; kubeadm's host has the packages, too. Both start containerd and import images inside their time; kubeadm's then does init, flannel's DaemonSet and the CNI configuration.", kubeadm.Kubernetes)
	r.note("The stop probe runs from the start of the clock: it makes two pods and a Service as soon as the API takes them, and asks one pod to reach the other.")
	return nil
}

// took is what one side took. ahead is the time without that of starting containerd and importing the images, cpu the CPU time of the hosts.
type took struct{ seconds, ahead, cpu float64 }

type bringUpBy func(context.Context, *env, *kubeadm.Store, *Result) (took, error)

// bothSides runs kubeadm's side and then Trivet's, or the one that was asked for.
func bothSides(ctx context.Context, e *env, s *kubeadm.Store, r *Result, kubeadm, trivet bringUpBy) (rival, own took, err error) {
	if e.side != sideTrivet {
		if rival, err = kubeadm(ctx, e, s, r); err != nil {
			return rival, own, fmt.Errorf("by kubeadm: %w", err)
		}
	}
	if e.side != sideKubeadm {
		if own, err = trivet(ctx, e, s, r); err != nil {
			return rival, own, fmt.Errorf("by trivet: %w", err)
		}
	}
	if e.side != "" {
		r.value("CPU time of the hosts", "s", rival.cpu+own.cpu)
	}
	return rival, own, nil
}

func oneByTrivet(ctx context.Context, e *env, s *kubeadm.Store, r *Result) (t took, err error) {
	source, err := example("single-host")
	if err != nil {
		return t, err
	}
	l, err := e.bringUp(ctx, "bench-one", source)
	if err != nil {
		return t, err
	}
	defer l.cleanUp(&err)
	if err := l.seed(ctx, s); err != nil {
		return t, err
	}
	host := l.Names()[0]
	if err := l.prepareAsk(ctx, s, host); err != nil {
		return t, err
	}
	if err := l.startCPU(); err != nil {
		return t, err
	}
	e.say("trivet: clock starts")
	clock := newLap()
	wait := l.startAsk(ctx, host, trivetCredentials)
	a, err := l.apply(ctx)
	if err != nil {
		return t, err
	}
	r.Phases = append(r.Phases, a.phases...)
	r.phase("trivet", "apply", clock.next())
	return l.finishAsk(wait, clock, "trivet", r)
}

// finishAsk waits for the stop probe, and returns the time on the clock.
func (l *labHosts) finishAsk(wait func() (*asked, error), clock *lap, of string, r *Result) (t took, err error) {
	a, err := wait()
	if err != nil {
		return t, err
	}
	r.phase(of, "then until a pod answers", clock.next())
	l.say("%s: %.1f s; the API took the pods after %.1f s", of, clock.total().Seconds(), a.Made)
	r.note("%s: the API took the pods after %.1f s.", of, a.Made)
	t.seconds = clock.total().Seconds()
	t.cpu, err = l.cpuSince()
	return t, err
}

func oneByKubeadm(ctx context.Context, e *env, s *kubeadm.Store, r *Result) (t took, err error) {
	source, err := example("single-host")
	if err != nil {
		return t, err
	}
	l, err := e.bringUp(ctx, "bench-one", source)
	if err != nil {
		return t, err
	}
	defer l.cleanUp(&err)
	k, err := kubeadm.New(ctx, l.Lab, s, l.dir, l.Names()[:1])
	if err != nil {
		return t, err
	}
	if err := l.prepareAsk(ctx, s, k.First); err != nil {
		return t, err
	}
	if err := l.startCPU(); err != nil {
		return t, err
	}
	e.say("kubeadm: clock starts")
	clock := newLap()
	if err := k.ImportImages(ctx); err != nil {
		return t, err
	}
	imported := clock.next()
	r.phase("kubeadm", "containerd and images", imported)
	wait := l.startAsk(ctx, k.First, kubeadmCredentials)
	if err := k.Init(ctx); err != nil {
		return t, err
	}
	r.phase("kubeadm", "init", clock.next())
	if err := k.Network(ctx); err != nil {
		return t, err
	}
	r.phase("kubeadm", "flannel applied", clock.next())
	t, err = l.finishAsk(wait, clock, "kubeadm", r)
	t.ahead = t.seconds - imported.Seconds()
	return t, err
}

// runFive brings the example topology up by each side.
func runFive(ctx context.Context, e *env, r *Result) error {
	s, err := kubeadm.OpenStore()
	if err != nil {
		return err
	}
	rival, own, err := bothSides(ctx, e, s, r, fiveByKubeadm, fiveByTrivet)
	if err != nil || e.side != "" {
		return err
	}
	r.against("until verify passes; kubeadm: until all are Ready", "s", own.seconds, rival.seconds, fivePart)
	r.against("the same, kubeadm's images imported before", "s", own.seconds, rival.ahead, fivePart)
	r.atMost("until verify passes", "s", own.seconds, fiveSeconds)
	r.beside("CPU time of the hosts until then", "s", own.cpu, rival.cpu)
	r.note("Both sides start as for one host. kubeadm: images imported on all hosts at once, init, then the joins of two control planes and two workers back to back.")
	r.note("trivet: artifacts in the hosts' stores. The time is apply's; `trivet verify`, started at once, passed with no more waiting than its own work.")
	return nil
}

const fiveTopology = "two-places-three-centres"

// fiveHosts are its hosts in the order in which they join.
var fiveHosts = []string{"bj1-cp1", "bj2-cp1", "sh1-cp1", "bj1-w1", "sh1-w1"}

// bringUpFive makes a lab of the example topology with changes.
func (e *env) bringUpFive(ctx context.Context, fleet string, changes ...func([]byte) ([]byte, error)) (*labHosts, error) {
	source, err := example(fiveTopology)
	for _, change := range changes {
		if err == nil {
			source, err = change(source)
		}
	}
	if err != nil {
		return nil, err
	}
	return e.bringUp(ctx, fleet, source)
}

func fiveByTrivet(ctx context.Context, e *env, s *kubeadm.Store, r *Result) (t took, err error) {
	l, err := e.bringUpFive(ctx, "bench-five")
	if err != nil {
		return t, err
	}
	defer l.cleanUp(&err)
	if err := l.seed(ctx, s); err != nil {
		return t, err
	}
	if err := l.startCPU(); err != nil {
		return t, err
	}
	e.say("trivet: clock starts")
	clock := newLap()
	a, err := l.apply(ctx)
	if err != nil {
		return t, err
	}
	clock.next()
	t.seconds = clock.total().Seconds()
	if t.cpu, err = l.cpuSince(); err != nil {
		return t, err
	}
	e.say("trivet: apply %.1f s", t.seconds)
	r.Phases = append(r.Phases, a.phases...)
	if _, err := l.trivet(ctx, "verify"); err != nil {
		return t, err
	}
	r.phase("trivet", "apply", clock.total())
	r.phase("trivet", "verify", clock.next())
	return t, l.noop(ctx, s, r)
}

// noop plans a cluster that is as it should be, and counts round trips.
func (l *labHosts) noop(ctx context.Context, s *kubeadm.Store, r *Result) error {
	e, err := l.engine(ctx, s)
	if err != nil {
		return err
	}
	defer e.Close()
	clock := newLap()
	p, err := e.Plan(ctx)
	if err != nil {
		return err
	}
	if !p.Empty() {
		return fmt.Errorf("a plan after apply and verify has %d actions, the first: %s", p.Actions(), simhosts.First(p))
	}
	// One control plane carries the requests to the API, over several connections at once; each counts.
	var trips []int
	for _, h := range e.Hosts() {
		trips = append(trips, h.Stats().RoundTrips)
	}
	slices.Sort(trips)
	r.value("plan with nothing to do, after connecting", "s", clock.next().Seconds())
	r.atMost("its round trips: of the host through which the API is asked", "", float64(trips[len(trips)-1]), tripsAim)
	r.atMost("its round trips: of any other host", "", float64(trips[len(trips)-2]), tripsAim)
	return nil
}

func fiveByKubeadm(ctx context.Context, e *env, s *kubeadm.Store, r *Result) (t took, err error) {
	l, err := e.bringUpFive(ctx, "bench-five")
	if err != nil {
		return t, err
	}
	defer l.cleanUp(&err)
	k, err := kubeadm.New(ctx, l.Lab, s, l.dir, fiveHosts)
	if err != nil {
		return t, err
	}
	if err := l.startCPU(); err != nil {
		return t, err
	}
	e.say("kubeadm: clock starts")
	clock := newLap()
	if err := k.ImportImages(ctx); err != nil {
		return t, err
	}
	imported := clock.next()
	r.phase("kubeadm", "containerd and images", imported)
	if err := k.Init(ctx); err != nil {
		return t, err
	}
	if err := k.Network(ctx); err != nil {
		return t, err
	}
	r.phase("kubeadm", "init "+k.First, clock.next())
	for _, h := range k.Order[1:] {
		if err := k.Join(ctx, h); err != nil {
			return t, err
		}
		r.phase("kubeadm", "join "+h, clock.next())
	}
	if err := k.WaitReady(ctx); err != nil {
		return t, err
	}
	r.phase("kubeadm", "all Ready", clock.next())
	e.say("kubeadm: %.1f s", clock.total().Seconds())
	t.seconds = clock.total().Seconds()
	t.ahead = t.seconds - imported.Seconds()
	t.cpu, err = l.cpuSince()
	return t, err
}
