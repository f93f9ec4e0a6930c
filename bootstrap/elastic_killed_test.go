package bootstrap_test

import (
	"testing"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
)

// TestElasticKilledAnywhere kills a join, and then a leave, at one point after the other: the cluster still takes an apply's plan, and the same call again ends as one that was not killed.
func TestElasticKilledAnywhere(t *testing.T) {
	f := newFleet(t, small)
	apply(t, open(t, f))
	workers := spares(t, f, spot(1))
	step := 11
	if testing.Short() {
		step = 40
	}
	joins := func() (map[string]error, error) {
		return fromRecord(t, f).Join(t.Context(), workers, bootstrap.ElasticOptions{})
	}
	leaves := func() (map[string]error, error) {
		return fromRecord(t, f).Leave(t.Context(), []string{"spot-1"}, bootstrap.ElasticOptions{})
	}
	for n, more := 1, true; more; n += step {
		more = false
		for _, c := range []struct {
			name string
			do   func() (map[string]error, error)
			ends func()
		}{
			{"join", joins, func() {
				s, err := open(t, f).Status(t.Context())
				if err != nil || !s.Healthy() {
					t.Errorf("not healthy: %+v, %v", s, err)
				}
			}},
			{"leave", leaves, func() {
				if o, err := f.Observe("spot-1"); err != nil || o.Record != nil || len(o.Blobs) > 0 || f.Objects()["Node/spot-1"] != nil {
					t.Errorf("something is left: %+v, %v", o, err)
				}
				noStray(t, f)
			}},
		} {
			f.Cut = fleettest.Cut{N: n}
			end := f.Begin()
			failed, err := c.do()
			_, where := end()
			f.Cut = fleettest.Cut{}
			f.Begin()
			if more = more || where != ""; where != "" {
				if _, err := open(t, f).Plan(t.Context()); err != nil {
					t.Errorf("%s, killed at %d (%s): no plan: %v", c.name, n, where, err)
				}
				failed, err = c.do()
			}
			if err != nil || len(failed) > 0 {
				t.Fatalf("%s, killed at %d (%s), again: %v, %v", c.name, n, where, err, failed)
			}
			c.ends()
			if p := planOf(t, open(t, f)); !p.Empty() {
				t.Fatalf("%s, killed at %d (%s), again: the cluster has something to do:\n%s", c.name, n, where, planText(t, p))
			}
			if t.Failed() {
				t.Fatalf("%s, killed at %d (%s)", c.name, n, where)
			}
		}
	}
}
