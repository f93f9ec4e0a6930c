package bootstrap_test

import (
	"errors"
	"testing"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/plan"
)

const flanneld = "flanneld.service"

// routes sets how many routes lead to other nodes on a host.
func routes(f *fleettest.Fleet, host string, n int) {
	f.Machines[host].Kernel.LinkRoutes = map[string]int{"flannel.1": n}
}

// applied applies what is planned, and gives how often flanneld was started on cp1 by that.
func applied(t *testing.T, f *fleettest.Fleet) (starts int, err error) {
	t.Helper()
	before := f.Machines["cp1"].Units.Starts[flanneld]
	e := open(t, f)
	err = e.Apply(t.Context(), planOf(t, e))
	return f.Machines["cp1"].Units.Starts[flanneld] - before, err
}

// TestNoRouteToNobody: no route is to be expected while no other node runs flanneld, and restarting it brings none.
func TestNoRouteToNobody(t *testing.T) {
	f := newFleet(t, small)
	routes(f, "cp1", 0)
	routes(f, "w1", 0)
	f.Machines["w1"].Units.FailStart[flanneld] = "failed"
	down := errors.New("flanneld.service on host w1 is failed")
	for i := range 3 {
		want := 0
		if i == 0 {
			want = 1
		}
		f.FailGate(plan.GateNetworks, down)
		if n, err := applied(t, f); n != want || !errors.Is(err, down) {
			t.Errorf("apply %d starts flanneld on cp1 %d times, and ends with %v", i, n, err)
		}
	}
	f.FailGate(plan.GateNetworks, nil)
	delete(f.Machines["w1"].Units.FailStart, flanneld)
	if n, err := applied(t, f); n != 0 || err != nil {
		t.Errorf("with flanneld on w1 raised: %d starts on cp1, %v", n, err)
	}
	// The routes that are due now and do not come are mended.
	if n, err := applied(t, f); n != 1 || err != nil {
		t.Errorf("with flanneld on w1 up: %d starts on cp1, %v", n, err)
	}
	routes(f, "cp1", 1)
	routes(f, "w1", 1)
	if p := planOf(t, open(t, f)); !p.Empty() {
		t.Errorf("still %d actions", p.Actions())
	}
}

// TestNoRouteToHostsAway: what cannot be told of nodes that are away is left until they are back.
func TestNoRouteToHostsAway(t *testing.T) {
	f := newFleet(t, small)
	f.Unreachable["w1"] = true
	routes(f, "cp1", 0)
	var partial *bootstrap.PartialError
	for i := range 3 {
		if n, err := applied(t, f); (i == 0) != (n == 1) || !errors.As(err, &partial) {
			t.Errorf("apply %d starts flanneld on cp1 %d times, and ends with %v", i, n, err)
		}
	}
	f.Unreachable["w1"] = false
	if n, err := applied(t, f); n != 0 || err != nil {
		t.Errorf("with w1: %d starts on cp1, %v", n, err)
	}
	routes(f, "cp1", 1)
	if p := planOf(t, open(t, f)); !p.Empty() {
		t.Errorf("still %d actions", p.Actions())
	}
	routes(f, "cp1", 0)
	f.Unreachable["w1"] = true
	if n, err := applied(t, f); n != 0 || !errors.As(err, &partial) {
		t.Errorf("with w1 away again: %d starts on cp1, %v", n, err)
	}
	f.Unreachable["w1"] = false
	if n, err := applied(t, f); n != 1 || err != nil {
		t.Errorf("with w1 back: %d starts on cp1, %v", n, err)
	}
}
