package execute_test

import (
	"context"
	"errors"
	"os"
	"runtime/debug"
	"testing"
	"time"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/plan"
)

func newFleet(t testing.TB, s fleettest.Settings) *fleettest.Fleet {
	t.Helper()
	f, err := fleettest.New(fleettest.Dir(t), s)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// connect is the engine over a fleet.
func connect(ctx context.Context, f *fleettest.Fleet, events event.Sink) (*bootstrap.Engine, error) {
	return bootstrap.Connect(ctx, bootstrap.Options{
		Topology: f.Topology, Connect: f.Connect, Artifacts: f, Identities: f.Identities, Events: events,
		API: func(_ *bootstrap.Engine, id func() (*identity.Identity, error)) bootstrap.API { return f.API(id) },
		Now: func() time.Time { return fleettest.Now }, GateTimeout: time.Minute,
	})
}

// apply is one life of `trivet apply`, with the plans that follow on the first. It returns the last one, which may be nil when there is an error.
func apply(ctx context.Context, f *fleettest.Fleet, events event.Sink) (p *plan.Plan, points int, killedAt string, err error) {
	end := f.Begin()
	p, err = func() (*plan.Plan, error) {
		e, err := connect(ctx, f, events)
		if err != nil {
			return nil, err
		}
		defer e.Close()
		for {
			p, err := e.Plan(ctx)
			if err != nil {
				return nil, err
			}
			if err := e.Apply(ctx, p); err != nil || !p.GoesOn {
				return p, err
			}
		}
	}()
	points, killedAt = end()
	return p, points, killedAt, err
}

// destroy is one life of `trivet destroy`.
func destroy(ctx context.Context, f *fleettest.Fleet) (points int, killedAt string, err error) {
	end := f.Begin()
	e, err := connect(ctx, f, nil)
	if err == nil {
		err = errors.Join(e.Destroy(ctx), e.Close())
	}
	points, killedAt = end()
	return points, killedAt, err
}

// TestMain trades memory, of which hundreds of small fleets take little, for time.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}
