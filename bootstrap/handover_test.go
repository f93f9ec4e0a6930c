package bootstrap_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/remote"
)

// handovers are edits after which every control plane is another host.
var handovers = map[string]struct{ from, to fleettest.Settings }{
	"hosts that come and go": {controlPlanes("a", "b", "c"), controlPlanes("a", "d", "e")}, // somebody has to know of the cluster
	"hosts that change roles": {
		withWorkers(controlPlanes("a", "b", "c"), "d", "e", "f"),
		withWorkers(controlPlanes("d", "e", "f"), "a", "b", "c"),
	},
}

func controlPlanes(names ...string) fleettest.Settings {
	var s fleettest.Settings
	for _, name := range names {
		s.Hosts = append(s.Hosts, fleettest.Host{Name: name, Site: site(name), Roles: []string{"control-plane", "etcd"}, Address: address(name)})
	}
	return s
}

func withWorkers(s fleettest.Settings, names ...string) fleettest.Settings {
	for _, name := range names {
		s.Hosts = append(s.Hosts, fleettest.Host{Name: name, Site: site(name), Roles: []string{"worker"}, Address: address(name)})
	}
	return s
}

// site and address are those of a host named by a letter, in any topology.
func site(name string) string { return fmt.Sprintf("s%d", (name[0]-'a')%3+1) }

func address(name string) string {
	return fmt.Sprintf("10.%d.1.%d", 11+(name[0]-'a')%3, 11+name[0]-'a')
}

// TestHandover wants all control planes to be replaced in one edit.
func TestHandover(t *testing.T) {
	for name, c := range handovers {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, c.from)
			apply(t, open(t, f))
			must(t, f.Change(c.to))
			apply(t, open(t, f))
			if p := planOf(t, open(t, f)); !p.Empty() {
				t.Errorf("after it a plan has %d actions", p.Actions())
			}
		})
	}
}

// TestHandoverLock: while control planes change hands, nobody who has the topology before takes the run lock beside somebody who has the one after, whoever of them cannot reach whom.
// Whoever reaches all of them can go on, and end a run that is under way.
func TestHandoverLock(t *testing.T) {
	for name, c := range handovers {
		for _, phase := range []string{"inventory", "handover", "members"} { // before which the first apply is stopped
			t.Run(name+" until "+phase, func(t *testing.T) {
				f := newFleet(t, c.from)
				apply(t, open(t, f))
				must(t, f.Change(c.to))
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				first := open(t, f, onPhase(phase, stop))
				if err := first.Apply(ctx, planOf(t, first)); !errors.Is(err, context.Canceled) {
					t.Fatalf("the apply that was to be stopped: %v", err)
				}
				after, here := open(t, f, cannotReach(f, "b", "c")), open(t, f)
				must(t, f.Change(c.from))
				before := open(t, f, cannotReach(f, "a"))
				releaseAfter, errAfter := after.Hold(t.Context())
				releaseBefore, errBefore := before.Hold(t.Context())
				if errAfter == nil && errBefore == nil {
					t.Error("two runs hold the run lock at once")
				}
				t.Logf("after: %v; before: %v", errAfter, errBefore)
				for _, release := range []func(){releaseAfter, releaseBefore} {
					if release != nil {
						release()
					}
				}
				must(t, f.Change(c.to))
				planOf(t, here) // which finds whom the cluster has besides
				release, err := here.Hold(t.Context())
				must(t, err)
				defer release()
				again := open(t, f)
				planOf(t, again)
				if out, err := again.TakeOver(t.Context(), lockOf(t, again).Holders()); err != nil || len(out.Ended) != 1 {
					t.Errorf("taken over: %+v, %v", out, err)
				}
				apply(t, open(t, f))
			})
		}
	}
}

// cannotReach has an engine do without some hosts.
func cannotReach(f *fleettest.Fleet, hosts ...string) func(*bootstrap.Options) {
	return func(o *bootstrap.Options) {
		o.Connect = func(ctx context.Context, h *topology.Host) (remote.Host, error) {
			if slices.Contains(hosts, h.Name) {
				return nil, fmt.Errorf("host %s: no route to host", h.Name)
			}
			return f.Connect(ctx, h)
		}
	}
}
