package execute_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
)

// rotation asks for a new one of all that can be replaced.
const rotation = `
  rotation {
    etcd_ca             = 2
    kubernetes_ca       = 2
    front_proxy_ca      = 2
    online_ca           = 2
    service_account_key = 2
    encryption_key      = 2
    rest                = "0s"
  }`

// rotate is one life of the command that replaces authorities and keys: plan after plan, until none follows.
func rotate(ctx context.Context, f *fleettest.Fleet) (points int, killedAt string, err error) {
	end := f.Begin()
	err = func() error {
		for range 20 {
			e, err := connect(ctx, f, nil)
			if err != nil {
				return err
			}
			p, err := e.Plan(ctx)
			if err != nil {
				return errors.Join(err, e.Close())
			}
			if p.Empty() {
				return errors.Join(e.Settle(ctx, p), e.Close())
			}
			if err := errors.Join(e.Apply(ctx, p), e.Close()); err != nil || !p.GoesOn {
				return err
			}
		}
		return errors.New("there is no end to it")
	}()
	points, killedAt = end()
	return points, killedAt, err
}

// TestRotationKilled kills the replacement of all authorities and keys around the documents, steps, gates and the rewriting of objects of every stage, then goes on. The end has to
// be that of the uninterrupted run.
func TestRotationKilled(t *testing.T) {
	grown := func(t *testing.T) *fleettest.Fleet {
		f := newFleet(t, threeHosts)
		if _, _, _, err := apply(t.Context(), f, nil); err != nil {
			t.Fatal(err)
		}
		asked := threeHosts
		asked.Cluster = rotation
		if err := f.Change(asked); err != nil {
			t.Fatal(err)
		}
		return f
	}
	f, r := grown(t), &reference{}
	f.OnPoint = func(host, point string) {
		r.passed++
		word, _, _ := strings.Cut(point, " ")
		if host == "api" || strings.Contains(point, inventory.Document) || strings.Contains(point, identity.Document) || slices.Contains([]string{"stepped", "intended"}, word) {
			r.points = append(r.points, killPoint{r.passed, host + ": " + point})
		}
	}
	if _, _, err := rotate(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	f.OnPoint = nil
	r.end = canonicalOf(t, f)
	t.Logf("%d points of interest", len(r.points))
	if most := 40; len(r.points) > most {
		r.points = every(r.points, len(r.points)/most+1)
	}
	r.each(t, func(t *testing.T, p killPoint) {
		f := grown(t)
		f.Cut = fleettest.Cut{N: p.n}
		if _, where, err := rotate(t.Context(), f); err == nil || where != p.where {
			t.Fatalf("it was to be killed at %q, it was at %q and ended with %v", p.where, where, err)
		}
		f.Cut = fleettest.Cut{}
		if _, _, err := rotate(t.Context(), f); err != nil {
			t.Fatalf("after it: %v", err)
		}
		if d := cmp.Diff(r.end, canonicalOf(t, f)); d != "" {
			t.Fatalf("the end differs from that of the uninterrupted run (-want +got):\n%s", d)
		}
		if err := f.Coherent(); err != nil {
			t.Fatal(err)
		}
	})
}
