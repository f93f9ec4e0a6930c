package bootstrap_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
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
