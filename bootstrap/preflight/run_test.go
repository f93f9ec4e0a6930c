package preflight_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/observe"
	"github.com/trivet-dev/trivet/bootstrap/preflight"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/remote"
)

var (
	control = []string{"control-plane", "etcd"}
	worker  = []string{"worker"}
	places  = fleettest.Settings{Parallel: 8, Hosts: []fleettest.Host{
		{Name: "cp1", Site: "s1", Roles: control}, {Name: "cp2", Site: "s2", Roles: control}, {Name: "cp3", Site: "s3", Roles: control},
		{Name: "w1", Site: "s1", Roles: worker}, {Name: "w3", Site: "s3", Roles: worker},
	}}
)

// world is a fleet with connections to its hosts.
type world struct {
	*fleettest.Fleet
	hosts  map[string]remote.Host
	before map[string]int
}

func newWorld(t *testing.T, s fleettest.Settings) *world {
	t.Helper()
	f, err := fleettest.New(fleettest.Dir(t), s)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Fleet: f, hosts: map[string]remote.Host{}, before: map[string]int{}}
	for _, h := range f.Cluster.Hosts {
		if w.hosts[h.Name], err = f.Connect(t.Context(), h); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = w.hosts[h.Name].Close() })
	}
	return w
}

// config observes the fleet.
func (w *world) config(t *testing.T) preflight.Config {
	t.Helper()
	seen, failed := observe.Hosts(t.Context(), w.hosts, hostapi.ObserveRequest{}, 8)
	for n, h := range w.hosts {
		w.before[n] = h.Stats().RoundTrips
	}
	return preflight.Config{Cluster: w.Cluster, Hosts: w.hosts, Seen: seen, Failed: failed, Parallel: 8, Now: func() time.Time { return fleettest.Now }, Rand: rand.Reader}
}

// trips are the requests to each host since it was observed.
func (w *world) trips() map[string]int {
	out := map[string]int{}
	for n, h := range w.hosts {
		out[n] = h.Stats().RoundTrips - w.before[n]
	}
	return out
}

func run(t *testing.T, c preflight.Config) preflight.Report {
	t.Helper()
	in, err := preflight.Look(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return preflight.Check(in)
}

func found(r preflight.Report) []string {
	out := []string{}
	for _, f := range r.Findings {
		out = append(out, fmt.Sprintf("%s %s %s", f.Severity, f.Check, f.Place()))
	}
	return out
}

// TestRun asks each host twice and leaves nothing behind.
func TestRun(t *testing.T) {
	w := newWorld(t, places)
	whole := func() map[string]map[string]string {
		out := map[string]map[string]string{}
		for n := range w.hosts {
			tree, err := w.Whole(n)
			if err != nil {
				t.Fatal(err)
			}
			out[n] = tree
		}
		return out
	}
	before := whole()
	r := run(t, w.config(t))
	if d := cmp.Diff([]string{}, found(r)); d != "" {
		t.Errorf("findings (-want +got):\n%s", d)
	}
	// 6 between members, 6 of API servers to etcd, 12 of nodes to API servers, 12 to kubelets, 20 of the pod network.
	if len(r.Hosts) != 5 || r.Ways != 56 || r.Etcd == nil || r.Etcd.Heartbeat != 100*time.Millisecond {
		t.Errorf("%+v", r)
	}
	if d := cmp.Diff(map[string]int{"cp1": 2, "cp2": 2, "cp3": 2, "w1": 2, "w3": 2}, w.trips()); d != "" {
		t.Errorf("requests (-want +got):\n%s", d)
	}
	if d := cmp.Diff(before, whole()); d != "" {
		t.Errorf("hosts changed (-before +after):\n%s", d)
	}
	if again := run(t, w.config(t)); len(again.Findings) > 0 { // the ports are free again
		t.Errorf("the second run found %v", again.Findings)
	}
}

func TestRunFinds(t *testing.T) {
	w := newWorld(t, places)
	w.Machines["w1"].Clock = func() time.Time { return fleettest.Now.Add(-time.Minute) }
	w.Way = func(from, to string, p hostapi.ProbeTarget) hostapi.Reached {
		if to == "cp3" {
			return hostapi.Reached{State: hostapi.ReachTimeout, Error: "i/o timeout"}
		}
		r := hostapi.Reached{State: hostapi.ReachOK, RTT: 40 * time.Millisecond, PacketSize: p.PacketSize}
		if from == "w3" && p.PacketSize > 0 {
			r.PacketSize = 1450
		}
		return r
	}
	c := w.config(t)
	c.Failed = map[string]error{"cp2": errors.New("host cp2: observing: the connection was lost")}
	delete(c.Seen, "cp2")
	r := run(t, c)
	want := []string{
		"error mtu ", "error connect cp2", "error network cp3", "error clock w1",
	}
	if d := cmp.Diff(want, found(r)); d != "" {
		t.Errorf("findings (-want +got):\n%s", d)
	}
	if n := w.trips()["cp2"]; n != 0 {
		t.Errorf("%d requests to a host that was not observed", n)
	}
}

// TestRunForNewHosts leaves hosts alone that nothing new needs, and stays out of the way of what runs.
func TestRunForNewHosts(t *testing.T) {
	w := newWorld(t, places)
	for _, n := range []string{"cp1", "cp2", "cp3", "w1"} {
		step := &hostapi.Step{Epoch: 1, Cluster: "main", ClusterID: "id", Host: n, Ops: []hostapi.Operation{
			{Ensure: &hostapi.Item{Directory: &hostapi.Directory{Path: "/var/lib/kubelet", Mode: 0o700, Data: true}}},
		}}
		if err := w.hosts[n].Step(t.Context(), step, nil); err != nil {
			t.Fatal(err)
		}
	}
	c := w.config(t)
	c.OnlyNew = true
	r := run(t, c)
	if d := cmp.Diff([]string{}, found(r)); d != "" || cmp.Diff([]string{"w3"}, r.Hosts) != "" {
		t.Errorf("hosts %v, findings (-want +got):\n%s", r.Hosts, d)
	}
	// Control planes try its kubelet and its network; they do not listen.
	if d := cmp.Diff(map[string]int{"cp1": 1, "cp2": 1, "cp3": 1, "w1": 0, "w3": 2}, w.trips()); d != "" {
		t.Errorf("requests (-want +got):\n%s", d)
	}
}

func TestRunCancelled(t *testing.T) {
	w := newWorld(t, places)
	c := w.config(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := preflight.Look(ctx, c); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
