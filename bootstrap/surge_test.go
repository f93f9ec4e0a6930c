package bootstrap_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/plan"
)

var withSurge = fleettest.Settings{
	Kubernetes: "1.36.3", Cluster: "  upgrade {\n    max_unavailable = 0\n  }",
	Hosts: []fleettest.Host{
		{Name: "cp1", Site: "s1", Roles: []string{"control-plane", "etcd"}}, {Name: "w1", Site: "s1", Roles: []string{"worker"}},
		{Name: "x1", Site: "s1", Roles: []string{"worker"}, Surge: true},
	},
}

var errDrain = errors.New("a budget allows no eviction")

// asked asks a fleet for the next release.
func asked(t *testing.T, f *fleettest.Fleet, s fleettest.Settings) {
	t.Helper()
	s.Kubernetes = "1.37.2"
	if err := f.Change(s); err != nil {
		t.Fatal(err)
	}
}

func hostsOf(t *testing.T, e *bootstrap.Engine) (names []string, status *bootstrap.Status) {
	t.Helper()
	s, err := e.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range s.Hosts {
		names = append(names, h.Name)
	}
	return names, s
}

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// TestSurgeHostsInStatus: they are shown while they are part of the cluster, and not missed otherwise.
func TestSurgeHostsInStatus(t *testing.T) {
	f := newFleet(t, withSurge)
	f.Unreachable["x1"] = true
	apply(t, open(t, f))
	names, s := hostsOf(t, open(t, f))
	same(t, "before", []string{"cp1", "w1"}, names)
	if !s.Healthy() {
		t.Errorf("a surge host that is switched off: %+v", s)
	}

	asked(t, f, withSurge)
	f.Unreachable["x1"] = false
	names, _ = hostsOf(t, open(t, f))
	same(t, "asked for", []string{"cp1", "w1"}, names)

	e := open(t, f)
	p := planOf(t, e)
	apply(t, e) // without the plan that follows on it
	if names, _ = hostsOf(t, e); !p.GoesOn || len(names) != 2 {
		t.Errorf("the upgrade is over: goes on %t, %v", p.GoesOn, names)
	}
	after := planOf(t, e)
	same(t, "leaving", []string{"x1"}, after.Leaving)
	if err := e.Apply(t.Context(), after); err != nil || after.GoesOn {
		t.Errorf("goes on %t, %v", after.GoesOn, err)
	}
	if o, err := f.Observe("x1"); err != nil || o.Record != nil {
		t.Errorf("x1 was not given back: %+v, %v", o, err)
	}
	if names, s = hostsOf(t, open(t, f)); len(names) != 2 || !s.Healthy() {
		t.Errorf("afterwards: %v, %+v", names, s)
	}
}

// TestSurgeHostUnderWay: a run that ended with the surge host in the cluster.
func TestSurgeHostUnderWay(t *testing.T) {
	f := newFleet(t, withSurge)
	apply(t, open(t, f))
	asked(t, f, withSurge)
	f.FailDrain("w1", errDrain)
	e := open(t, f)
	wants(t, e.Apply(t.Context(), planOf(t, e)), "host w1", errDrain.Error())
	names, s := hostsOf(t, open(t, f))
	same(t, "under way", []string{"cp1", "w1", "x1"}, names)
	same(t, "how far", &bootstrap.Progress{OfWorkers: 1, ControlPlanes: 1, OfControlPlanes: 1}, s.Progress)
	if s.Paused || s.Healthy() || len(s.Leaving) > 0 || len(s.UnknownNodes) > 0 {
		t.Errorf("%+v", s)
	}
	if x1 := s.Hosts[2]; x1.Node != "Ready" || !x1.Managed || x1.Error != "" {
		t.Errorf("%+v", x1)
	}
	f.Unreachable["x1"] = true
	_, s = hostsOf(t, open(t, f))
	if x1 := s.Hosts[2]; x1.Error == "" || s.Healthy() {
		t.Errorf("%+v", x1)
	}

	// Destroyed in the midst of it, surge hosts are given back as the others are.
	wants(t, open(t, f).Destroy(t.Context()), "host x1", "no route to host")
	f.Unreachable["x1"] = false
	if err := open(t, f).Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if o, err := f.Observe("x1"); err != nil || o.Record != nil {
		t.Errorf("x1 was not given back: %+v, %v", o, err)
	}
}

// TestSurgeHostsAndTakeOver: hosts refuse a run whose lock was taken over, also those that are there for the time of the upgrade.
func TestSurgeHostsAndTakeOver(t *testing.T) {
	f := newFleet(t, withSurge)
	apply(t, open(t, f))
	asked(t, f, withSurge)
	f.FailDrain("w1", errDrain)
	e := open(t, f)
	wants(t, e.Apply(t.Context(), planOf(t, e)), "host w1")
	out, err := open(t, f).TakeOver(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "fenced", []string{"cp1", "w1", "x1"}, out.Fenced)
	var p *plan.Plan
	f.FailDrain("w1", nil)
	for e := open(t, f); p == nil || p.GoesOn; {
		p = planOf(t, e)
		if err := e.Apply(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	if p := planOf(t, open(t, f)); !p.Empty() {
		t.Errorf("there is more to do: %v", p.Phases)
	}
}

// TestPausedUpgrade: what is paused ends in an error of its own, and no replacement of authorities begins in the midst of it. Afterwards both go on.
func TestPausedUpgrade(t *testing.T) {
	f := newFleet(t, withSurge)
	apply(t, open(t, f))
	s := withSurge
	rotation := "\n  rotation {\n    etcd_ca = 2\n    rest    = \"0s\"\n  }"
	s.Cluster = "  upgrade {\n    paused = true\n  }" + rotation
	asked(t, f, s)
	e := open(t, f)
	var partial *bootstrap.PartialError
	if err := e.Apply(t.Context(), planOf(t, e)); !errors.As(err, &partial) || partial.Paused == nil || len(partial.Skipped) > 0 {
		t.Fatalf("paused, it ended with %v", err)
	}
	if _, st := hostsOf(t, e); !st.Paused || st.From != "1.36.3" || st.Progress.Workers != 0 || !st.Healthy() {
		t.Errorf("status: %+v", st)
	}
	wants(t, partial, "the upgrade is paused: 0 of 1 worker and 0 of 1 control plane on Kubernetes 1.37.2", "set paused = false")
	e = open(t, f)
	p := planOf(t, e)
	if !p.Empty() || len(p.Turns) > 0 || p.GoesOn || p.Inventory.Host("x1") != nil {
		t.Errorf("nothing is to be done: %+v", p)
	}
	if err := e.Settle(t.Context(), p); !errors.As(err, &partial) {
		t.Errorf("settled: %v", err)
	}

	s.Cluster = rotation
	asked(t, f, s)
	e = open(t, f)
	for p = planOf(t, e); !p.Empty(); p = planOf(t, e) {
		if err := e.Apply(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	if p.Inventory.From != "" || p.Inventory.Rotation("etcd_ca").Generation != 2 || p.Inventory.Host("x1") != nil {
		t.Errorf("in the end: from %q, etcd_ca %+v, x1 %+v", p.Inventory.From, p.Inventory.Rotation("etcd_ca"), p.Inventory.Host("x1"))
	}
}
