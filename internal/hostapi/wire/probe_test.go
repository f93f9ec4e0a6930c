package wire

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// probed answers probes.
type probed struct {
	hostapi.Handler
	probe  func(*hostapi.ProbeRequest) (*hostapi.ProbeResult, error)
	listen func(context.Context, *hostapi.ProbeListen, func(hostapi.ProbeListening)) error
}

func (p *probed) Probe(_ context.Context, req *hostapi.ProbeRequest) (*hostapi.ProbeResult, error) {
	return p.probe(req)
}

func (p *probed) ProbeListen(ctx context.Context, req *hostapi.ProbeListen, listening func(hostapi.ProbeListening)) error {
	return p.listen(ctx, req, listening)
}

func TestProbeOverTheWire(t *testing.T) {
	asked := hostapi.ProbeRequest{
		Units: []string{"a"}, Paths: []string{"/b"}, Features: []string{"c"}, SyncPath: "/d", Token: "e", Timeout: time.Second,
		Targets: []hostapi.ProbeTarget{{Network: "tcp", Address: netip.MustParseAddrPort("192.0.2.1:2380"), Echo: true, Count: 5, PacketSize: 1500}},
	}
	answer := hostapi.ProbeResult{
		Clock: hostapi.ClockSynchronised, Units: map[string]hostapi.UnitFound{"a": {Active: "active", Load: "loaded", Started: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)}},
		Paths:    map[string]hostapi.PathFound{"/b": {Exists: true, Entries: 1, Mount: "/", FSType: "ext4", ReadOnly: true, NoExec: true, Free: 1, Total: 2, FreeInodes: -1}},
		Features: map[string]bool{"c": false}, Container: "f", SELinux: "enforcing",
		Sync:    hostapi.SyncLatency{Path: "/", Writes: 1, Median: 2, P99: 3, Max: 4, Error: "g"},
		Reached: []hostapi.Reached{{State: hostapi.ReachOK, Error: "h", RTT: 5, Worst: 6, PacketSize: 7}},
	}
	var got hostapi.ProbeRequest
	c, _ := connect(t, &probed{probe: func(req *hostapi.ProbeRequest) (*hostapi.ProbeResult, error) {
		got = *req
		return &answer, nil
	}})
	r, err := c.Probe(t.Context(), &asked)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(asked, got, cmpopts.EquateComparable(netip.AddrPort{})); d != "" {
		t.Errorf("request (-want +got):\n%s", d)
	}
	if d := cmp.Diff(&answer, r); d != "" {
		t.Errorf("result (-want +got):\n%s", d)
	}
}

func TestProbeListenOverTheWire(t *testing.T) {
	want := hostapi.ProbeListening{Time: time.Unix(1_700_000_000, 5).UTC(), Ports: []hostapi.ProbePortState{{Listening: true}, {Taken: true}, {Error: "no"}}}
	ended := make(chan struct{})
	c, _ := connect(t, &probed{listen: func(ctx context.Context, req *hostapi.ProbeListen, listening func(hostapi.ProbeListening)) error {
		listening(want)
		<-ctx.Done()
		close(ended)
		return nil
	}})
	r, got, err := c.ProbeListen(t.Context(), &hostapi.ProbeListen{Token: "e"})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	<-ended
	refused, _ := connect(t, &probed{listen: func(context.Context, *hostapi.ProbeListen, func(hostapi.ProbeListening)) error {
		return &hostapi.Error{Code: hostapi.CodeFailed, Op: -1, Message: "33 ports are too many"}
	}})
	if _, _, err := refused.ProbeListen(t.Context(), &hostapi.ProbeListen{}); err == nil || !strings.Contains(err.Error(), "too many") {
		t.Errorf("got %v", err)
	}
}
