package main

import (
	"context"
	"fmt"
)

// onePart and fivePart are what Trivet is allowed of kubeadm's time.
const (
	onePart     = 1. / 4
	fivePart    = 1. / 5
	fiveSeconds = 60
)

// runOne brings one host up by each side, until a pod answers by Service name.
func runOne(ctx context.Context, e *env, r *Result) error {
	s, err := openStore()
	if err != nil {
		return err
	}
	rival, err := oneByKubeadm(ctx, e, s, r)
	if err != nil {
		return err
	}
	seconds, err := oneByTrivet(ctx, e, s, r)
	if err != nil {
		return err
	}
	r.against("until a pod answers by Service name", "s", seconds, rival, onePart)
	r.note("kubeadm %s: images imported, containerd running and the CNI configuration written before the clock starts; then kubeadm init, flannel's DaemonSet, the same pods and probe.", kubernetes)
	r.note("trivet: artifacts in the host's store, nothing else: packages, containerd and the import of the images are inside its time.")
	return nil
}

func oneByTrivet(ctx context.Context, e *env, s *store, r *Result) (seconds float64, err error) {
	source, err := example("single")
	if err != nil {
		return 0, err
	}
	l, err := e.bringUp(ctx, "bench-one", source)
	if err != nil {
		return 0, err
	}
	defer l.cleanUp(&err)
	if err := l.seed(ctx, s); err != nil {
		return 0, err
	}
	host := l.names()[0]
	if err := l.pushWeb(ctx, s, host); err != nil {
		return 0, err
	}
	e.say("trivet: clock starts")
	clock := newLap()
	a, err := l.apply(ctx)
	if err != nil {
		return 0, err
	}
	clock.next()
	r.Phases = append(r.Phases, a.phases...)
	if err := l.answer(ctx, host, operatorKubectl()); err != nil {
		return 0, err
	}
	r.phase("trivet", "apply", clock.total())
	r.phase("trivet", "pods answer", clock.next())
	e.say("trivet: %.1f s", clock.total().Seconds())
	return clock.total().Seconds(), nil
}

// pushWeb gives a host kubectl and what is to be deployed, as kubeadm's host has them.
func (l *labHosts) pushWeb(ctx context.Context, s *store, host string) error {
	kubectl, err := s.path(ctx, "kubectl")
	if err != nil {
		return err
	}
	web, err := render("web.yaml", parameters{Agnhost: s.release.AgnhostImage()})
	if err != nil {
		return err
	}
	return l.push(ctx, host, []file{{path: "/usr/local/bin/kubectl", mode: 0o755, from: kubectl}, {path: "/etc/web.yaml", mode: 0o644, content: web}})
}

func oneByKubeadm(ctx context.Context, e *env, s *store, r *Result) (seconds float64, err error) {
	source, err := example("single")
	if err != nil {
		return 0, err
	}
	l, err := e.bringUp(ctx, "bench-one", source)
	if err != nil {
		return 0, err
	}
	defer l.cleanUp(&err)
	k, err := newKubeadm(ctx, l, s, l.names()[:1])
	if err != nil {
		return 0, err
	}
	e.say("kubeadm: clock starts")
	clock := newLap()
	if err := k.init(ctx); err != nil {
		return 0, err
	}
	r.phase("kubeadm", "init", clock.next())
	if err := k.applyFlannel(ctx); err != nil {
		return 0, err
	}
	r.phase("kubeadm", "flannel applied", clock.next())
	if err := k.answer(ctx, k.first, adminKubectl); err != nil {
		return 0, err
	}
	r.phase("kubeadm", "pods answer", clock.next())
	e.say("kubeadm: %.1f s", clock.total().Seconds())
	return clock.total().Seconds(), nil
}

// runFive brings the example topology up by each side.
func runFive(ctx context.Context, e *env, r *Result) error {
	s, err := openStore()
	if err != nil {
		return err
	}
	rival, err := fiveByKubeadm(ctx, e, s, r)
	if err != nil {
		return err
	}
	seconds, err := fiveByTrivet(ctx, e, s, r)
	if err != nil {
		return err
	}
	r.against("until verify passes; kubeadm: until all are Ready", "s", seconds, rival, fivePart)
	r.atMost("until verify passes", "s", seconds, fiveSeconds)
	r.note("kubeadm: init, then the joins of two control planes and two workers back to back, prepared as for one host.")
	r.note("trivet: artifacts in the hosts' stores. The time is apply's; `trivet verify`, started at once, passed with no more waiting than its own work.")
	return nil
}

const fiveTopology = "two-places-three-centres"

func fiveByTrivet(ctx context.Context, e *env, s *store, r *Result) (seconds float64, err error) {
	source, err := example(fiveTopology)
	if err != nil {
		return 0, err
	}
	l, err := e.bringUp(ctx, "bench-five", source)
	if err != nil {
		return 0, err
	}
	defer l.cleanUp(&err)
	if err := l.seed(ctx, s); err != nil {
		return 0, err
	}
	e.say("trivet: clock starts")
	clock := newLap()
	a, err := l.apply(ctx)
	if err != nil {
		return 0, err
	}
	clock.next()
	seconds = clock.total().Seconds()
	e.say("trivet: apply %.1f s", seconds)
	r.Phases = append(r.Phases, a.phases...)
	if _, err := l.trivet(ctx, "verify"); err != nil {
		return 0, err
	}
	r.phase("trivet", "apply", clock.total())
	r.phase("trivet", "verify", clock.next())
	return seconds, l.noop(ctx, s, r)
}

// noop plans a cluster that is as it should be, and counts round trips.
func (l *labHosts) noop(ctx context.Context, s *store, r *Result) error {
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
		return fmt.Errorf("a plan after apply and verify has %d actions", p.Actions())
	}
	most := 0
	for _, h := range e.Hosts() {
		most = max(most, h.Stats().RoundTrips)
	}
	r.value("plan with nothing to do, after connecting", "s", clock.next().Seconds())
	r.atMost("its round trips per host", "", float64(most), tripsAim)
	return nil
}

func fiveByKubeadm(ctx context.Context, e *env, s *store, r *Result) (seconds float64, err error) {
	source, err := example(fiveTopology)
	if err != nil {
		return 0, err
	}
	l, err := e.bringUp(ctx, "bench-five", source)
	if err != nil {
		return 0, err
	}
	defer l.cleanUp(&err)
	k, err := newKubeadm(ctx, l, s, []string{"bj1-cp1", "bj2-cp1", "sh1-cp1", "bj1-w1", "sh1-w1"})
	if err != nil {
		return 0, err
	}
	e.say("kubeadm: clock starts")
	clock := newLap()
	if err := k.init(ctx); err != nil {
		return 0, err
	}
	if err := k.applyFlannel(ctx); err != nil {
		return 0, err
	}
	r.phase("kubeadm", "init "+k.first, clock.next())
	for _, h := range k.order[1:] {
		if err := k.join(ctx, h); err != nil {
			return 0, err
		}
		r.phase("kubeadm", "join "+h, clock.next())
	}
	if err := k.waitReady(ctx); err != nil {
		return 0, err
	}
	r.phase("kubeadm", "all Ready", clock.next())
	e.say("kubeadm: %.1f s", clock.total().Seconds())
	return clock.total().Seconds(), nil
}
