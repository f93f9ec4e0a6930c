package bootstrap_test

import (
	"strings"
	"testing"
	"time"

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
