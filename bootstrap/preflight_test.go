package bootstrap_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/preflight"
	"github.com/trivet-dev/trivet/internal/artifact"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// TestPreflight looks at fresh hosts, at those of a running cluster, and at one that does not answer.
func TestPreflight(t *testing.T) {
	f := newFleet(t, three)
	f.Way = func(from, to string, p hostapi.ProbeTarget) hostapi.Reached {
		return hostapi.Reached{State: hostapi.ReachOK, RTT: 120 * time.Millisecond, PacketSize: p.PacketSize}
	}
	e := open(t, f)
	fresh := trees(t, f)
	r, err := e.Preflight(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !r.OK() || len(r.Hosts) != 3 || r.Etcd == nil || r.Etcd.Heartbeat != 120*time.Millisecond || r.Etcd.Election != 1200*time.Millisecond {
		t.Errorf("fresh hosts: %+v", r)
	}
	unchanged(t, f, fresh)

	f.Way = nil
	apply(t, e)
	if r, err = e.Preflight(t.Context()); err != nil || len(r.Findings) > 0 || len(r.Hosts) != 3 {
		t.Errorf("a running cluster: %+v, %v", r, err)
	}

	f.Unreachable["cp2"] = true
	r, err = open(t, f).Preflight(t.Context())
	if err != nil || len(r.Errors()) != 1 || r.Errors()[0].Host != "cp2" || !strings.Contains(r.Errors()[0].Message, "no route to host") {
		t.Errorf("a host away: %+v, %v", r, err)
	}
}

// TestPreflightLooksAtSurgeHosts: they are looked at with the others, before an upgrade needs them, and one that is switched off is nothing in the way.
func TestPreflightLooksAtSurgeHosts(t *testing.T) {
	s := small
	s.Cluster = "hook \"lb\" {\n before = [\"upgrade\"]\n roles = [\"worker\"]\n command = [\"/sbin/lb\"]\n}\n"
	s.Hosts = append(slices.Clone(small.Hosts), fleettest.Host{Name: "x1", Site: "s1", Roles: []string{"worker"}, Surge: true})
	f := newFleet(t, s)
	must(t, os.MkdirAll(f.Machines["w1"].Path("/sbin"), 0o755))
	must(t, os.WriteFile(f.Machines["w1"].Path("/sbin/lb"), []byte("#!/bin/sh\n"), 0o755))
	apply(t, open(t, f))
	f.Machines["x1"].Clock = func() time.Time { return fleettest.Now.Add(-time.Minute) }
	r, err := open(t, f).Preflight(t.Context())
	if err != nil || len(r.Hosts) != 3 {
		t.Fatalf("%+v, %v", r, err)
	}
	var found []string
	for _, x := range r.Findings {
		found = append(found, string(x.Severity)+" "+x.Check+" "+x.Host)
	}
	same(t, "findings", []string{"error clock x1", "warning hooks x1"}, found)

	f.Unreachable["x1"] = true
	if r, err = open(t, f).Preflight(t.Context()); err != nil || !r.OK() || len(r.Warnings()) != 1 || !strings.Contains(r.Warnings()[0].Remedy, "before the next upgrade") {
		t.Errorf("switched off: %+v, %v", r, err)
	}
}

// TestPlanLooksAtNewHosts refuses to go on with something in the way, changes nothing then, and derives the intervals of etcd from what it measured.
func TestPlanLooksAtNewHosts(t *testing.T) {
	f := newFleet(t, three)
	f.Way = func(from, to string, p hostapi.ProbeTarget) hostapi.Reached {
		return hostapi.Reached{State: hostapi.ReachOK, RTT: 120 * time.Millisecond, PacketSize: p.PacketSize}
	}
	f.Machines["cp2"].Clock = func() time.Time { return fleettest.Now.Add(-time.Minute) }
	fresh := trees(t, f)
	_, err := open(t, f).Plan(t.Context())
	wants(t, err, "nothing was changed", "cp2: its clock is 1m0s behind", "--skip-preflight=clock")
	if !errors.As(err, new(*preflight.Errors)) {
		t.Errorf("a %T", err)
	}
	unchanged(t, f, fresh)

	skip := func(o *bootstrap.Options) { o.SkipPreflight = []string{preflight.CheckClock} }
	p := planOf(t, open(t, f, skip))
	if p.Preflight == nil || len(p.Preflight.Hosts) != 3 || len(p.Preflight.Warnings()) != 2 { // the clock, and members far apart
		t.Fatalf("the plan has %+v", p.Preflight)
	}
	if want := (inventory.Etcd{Heartbeat: 120 * time.Millisecond, Election: 1200 * time.Millisecond}); p.Inventory.Etcd != want {
		t.Errorf("etcd's intervals are %+v, want %+v", p.Inventory.Etcd, want)
	}
	// Another process applies the plan: it looks again, and keeps to what the plan measured.
	wants(t, open(t, f).Apply(t.Context(), p), "its clock is 1m0s behind")
	unchanged(t, f, fresh)
	f.Machines["cp2"].Clock = func() time.Time { return fleettest.Now }
	f.Way = nil
	if err := open(t, f).Apply(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	for name, tree := range trees(t, f) {
		if unit := tree["/etc/systemd/system/etcd.service"]; !strings.Contains(unit, "--heartbeat-interval=120 ") || !strings.Contains(unit, "--election-timeout=1200 ") {
			t.Errorf("etcd's unit on %s:\n%s", name, unit)
		}
	}
	e := open(t, f)
	if p := planOf(t, e); !p.Empty() || p.Preflight != nil {
		t.Errorf("after it there are %d actions, and the preflight %+v", p.Actions(), p.Preflight)
	}
}

// huge artifacts have 10 GiB each.
type huge struct{ *fleettest.Fleet }

func (h huge) Resolve(ctx context.Context, wants []artifact.Want) ([]artifact.Entry, error) {
	entries, err := h.Fleet.Resolve(ctx, wants)
	for i := range entries {
		entries[i].Size = 10 << 30
	}
	return entries, err
}

// TestPreflightKnowsWhatIsSent finds a disk too small once it is known what a host will get.
func TestPreflightKnowsWhatIsSent(t *testing.T) {
	f := newFleet(t, small)
	fresh := trees(t, f)
	_, err := open(t, f, func(o *bootstrap.Options) { o.Artifacts = huge{f} }).Plan(t.Context())
	wants(t, err, "w1: 100 GiB are free on", "for artifacts, images and containers (disk)", "GiB are needed", "--skip-preflight=disk")
	unchanged(t, f, fresh)
}

// TestWorkerWithoutRoomIsLeftOut: that a disk is too small is known only once it is known what a host will get.
func TestWorkerWithoutRoomIsLeftOut(t *testing.T) {
	f := newFleet(t, small)
	apply(t, open(t, f))
	s := small
	s.Hosts = append(slices.Clone(small.Hosts), fleettest.Host{Name: "w2", Site: "s1", Roles: []string{"worker"}})
	if err := f.Change(s); err != nil {
		t.Fatal(err)
	}
	e := open(t, f, func(o *bootstrap.Options) { o.Artifacts = huge{f} })
	p := planOf(t, e)
	if len(p.Skipped) != 1 || p.Skipped[0].Host != "w2" || !strings.Contains(p.Skipped[0].Reason, "GiB are needed") {
		t.Fatalf("left out: %+v", p.Skipped)
	}
}

// TestUnfitWorkerIsLeftOut: what the preflight finds on a new worker keeps that one out, with the reason, and nobody else.
func TestUnfitWorkerIsLeftOut(t *testing.T) {
	s := three
	s.Hosts = append(slices.Clone(three.Hosts), fleettest.Host{Name: "w1", Site: "s1", Roles: []string{"worker"}}, fleettest.Host{Name: "w2", Site: "s1", Roles: []string{"worker"}})
	f := newFleet(t, s)
	late := func(name string, by time.Duration) {
		f.Machines[name].Clock = func() time.Time { return fleettest.Now.Add(-by) }
	}
	late("w1", time.Minute)
	f.Way = func(from, to string, p hostapi.ProbeTarget) hostapi.Reached {
		return hostapi.Reached{State: hostapi.ReachOK, RTT: time.Millisecond, PacketSize: p.PacketSize}
	}
	leftOut := func(e *bootstrap.Engine, host string, words ...string) *plan.Plan {
		t.Helper()
		p := planOf(t, e)
		if len(p.Skipped) != 1 || p.Skipped[0].Host != host || p.Inventory.Host(host) != nil {
			t.Fatalf("left out: %+v", p.Skipped)
		}
		wants(t, errors.New(p.Skipped[0].Reason), words...)
		return p
	}
	e := open(t, f)
	p := leftOut(e, "w1", "it is not fit for the cluster: its clock is 1m0s behind", "(clock)")
	saved := leftOut(open(t, f), "w1")
	var partial *bootstrap.PartialError
	if err := e.Apply(t.Context(), p); !errors.As(err, &partial) || len(partial.Skipped) != 1 {
		t.Fatalf("apply: %v", err)
	}
	if objects := f.Objects(); objects["Node/w2"] == nil || objects["Node/w1"] != nil {
		t.Error("w2 is no node, or w1 is one")
	}
	wants(t, open(t, f).Apply(t.Context(), saved), "stale")

	// Nothing else is to be done: another process applies what is left once the worker is fit.
	if p := leftOut(open(t, f), "w1"); !p.Empty() {
		t.Errorf("there is more to do: %v", actions(p))
	}
	late("w1", 0)
	apply(t, open(t, f))
	if p := planOf(t, open(t, f)); !p.Empty() || !p.Complete() {
		t.Errorf("afterwards: %v, %v", actions(p), p.Skipped)
	}

	// A control plane is not left out.
	s.Hosts = append(s.Hosts, fleettest.Host{Name: "cp4", Site: "s1", Roles: []string{"control-plane"}})
	if err := f.Change(s); err != nil {
		t.Fatal(err)
	}
	late("cp4", time.Minute)
	_, err := open(t, f).Plan(t.Context())
	wants(t, err, "nothing was changed", "cp4: its clock is 1m0s behind")
}
