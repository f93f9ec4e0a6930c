package main

import (
	"bytes"
	"context"
	"fmt"

	"github.com/trivet-dev/trivet/test/kubeadm"
)

// formerly is the release that an upgrade comes from.
const formerly = "1.36.3"

// runUpgrade takes the example topology from one minor release to the next by each side.
func runUpgrade(ctx context.Context, e *env, r *Result) error {
	s, err := kubeadm.OpenStore()
	if err != nil {
		return err
	}
	rival, own, err := bothSides(ctx, e, s, r, upgradeByKubeadm, upgradeByTrivet)
	if err != nil || e.side != "" {
		return err
	}
	const nodes = 5
	r.beside(fmt.Sprintf("Kubernetes %s to %s, per node of five", formerly, kubeadm.Kubernetes), "s", own.seconds/nodes, rival.seconds/nodes)
	r.beside("the same, kubeadm's images imported before", "s", own.seconds/nodes, rival.ahead/nodes)
	r.beside("CPU time of the hosts meanwhile", "s", own.cpu, rival.cpu)
	r.note("Before the clock starts the hosts have the files of the release by both sides. kubeadm, back to back by a script: images imported on all hosts at once; `kubeadm upgrade apply`, then `kubeadm upgrade node` on the others; each node drained, its kubelet exchanged, waited for until it is Ready, uncordoned. trivet: one apply, which does the same and exchanges etcd, kube-proxy and the images.")
	r.note("Nothing but CoreDNS and the pod network runs in the cluster, so that drains have little to wait for.")
	return nil
}

// at is the text of a topology with another release.
func at(release string) func([]byte) ([]byte, error) {
	return func(source []byte) ([]byte, error) {
		was, is := []byte(fmt.Sprintf("kubernetes = %q", kubeadm.Kubernetes)), []byte(fmt.Sprintf("kubernetes = %q", formerly))
		if release == kubeadm.Kubernetes {
			was, is = is, was
		}
		if n := bytes.Count(source, was); n != 1 {
			return nil, fmt.Errorf("the topology has %q %d times", was, n)
		}
		return bytes.Replace(source, was, is, 1), nil
	}
}

func upgradeByTrivet(ctx context.Context, e *env, s *kubeadm.Store, r *Result) (t took, err error) {
	l, err := e.bringUpFive(ctx, "bench-upgrade", at(formerly))
	if err != nil {
		return t, err
	}
	defer l.cleanUp(&err)
	if _, err := l.apply(ctx); err != nil {
		return t, err
	}
	if err := l.edit(ctx, at(kubeadm.Kubernetes)); err != nil {
		return t, err
	}
	if err := l.seed(ctx, s); err != nil {
		return t, err
	}
	if err := l.startCPU(); err != nil {
		return t, err
	}
	e.say("trivet: clock starts")
	a, err := l.apply(ctx)
	if err != nil {
		return t, err
	}
	e.say("trivet: %.1f s", a.seconds)
	r.Phases = append(r.Phases, a.phases...)
	t.seconds = a.seconds
	if t.cpu, err = l.cpuSince(); err != nil {
		return t, err
	}
	if _, err := l.trivet(ctx, "plan"); err != nil {
		return t, fmt.Errorf("after the upgrade there is something to do: %w", err)
	}
	return t, nil
}

func upgradeByKubeadm(ctx context.Context, e *env, s *kubeadm.Store, r *Result) (t took, err error) {
	before, err := kubeadm.OpenStoreOf(formerly)
	if err != nil {
		return t, err
	}
	l, err := e.bringUpFive(ctx, "bench-upgrade")
	if err != nil {
		return t, err
	}
	defer l.cleanUp(&err)
	k, err := kubeadm.New(ctx, l.Lab, before, l.dir, fiveHosts)
	if err != nil {
		return t, err
	}
	if err := k.Whole(ctx); err != nil {
		return t, err
	}
	if err := k.PrepareUpgrade(ctx, s); err != nil {
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
	r.phase("kubeadm", "images", imported)
	for _, h := range k.Order {
		if err := k.Upgrade(ctx, h); err != nil {
			return t, err
		}
		r.phase("kubeadm", h, clock.next())
	}
	e.say("kubeadm: %.1f s", clock.total().Seconds())
	t.seconds = clock.total().Seconds()
	t.ahead = t.seconds - imported.Seconds()
	if t.cpu, err = l.cpuSince(); err != nil {
		return t, err
	}
	return t, k.AllAt(ctx, s.Release.Kubernetes)
}
