package execute_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap/fleettest"
)

// pool is a load balancer that hooks take hosts out of and put them in again.
type pool struct {
	mu   sync.Mutex
	out  map[string]bool
	most int // workers, or control planes, that were out at once
	ran  int
}

// serve gives the hosts of a fleet a program that talks to the pool.
func (p *pool) serve(f *fleettest.Fleet) {
	p.out = map[string]bool{}
	for name, m := range f.Machines {
		m.Hooks.Programs["/sbin/lb"] = func(_ context.Context, args []string, out io.Writer) error {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.ran++
			switch args[0] {
			case "out":
				p.out[name] = true
				alike := 0
				for other := range p.out {
					if other[0] == name[0] {
						alike++
					}
				}
				p.most = max(p.most, alike)
			case "in":
				delete(p.out, name)
			default:
				return fmt.Errorf("the pool does not know %q", args)
			}
			fmt.Fprintln(out, len(p.out), "out")
			return nil
		}
	}
}

const poolHooks = `
hook "out" {
  before  = ["change", "upgrade", "remove"]
  command = ["/sbin/lb", "out"]
}
hook "in" {
  after   = ["install", "change", "upgrade"]
  command = ["/sbin/lb", "in"]
}
`

// TestHooksKilledAnywhere kills runs with hooks around every hook and what stands between them, and applies again: at the end no host is out of the pool,
// and at no time were there two workers, or two control planes, out of it.
func TestHooksKilledAnywhere(t *testing.T) {
	hosts := []fleettest.Host{at("cp1", "s1", "", "control-plane", "etcd"), at("w1", "s1", "", "worker"), at("w2", "s1", "", "worker")}
	for name, c := range map[string]change{
		"settings":  {fleettest.Settings{Hosts: hosts, Cluster: poolHooks}, fleettest.Settings{Hosts: hosts, Cluster: poolHooks + "component \"kubelet\" {\n settings = { maxPods = 99 }\n}\n"}, nil},
		"release":   {fleettest.Settings{Hosts: hosts, Cluster: poolHooks, Kubernetes: "1.36.3"}, fleettest.Settings{Hosts: hosts, Cluster: poolHooks}, nil},
		"bring-up":  {fleettest.Settings{Hosts: hosts[:1], Cluster: poolHooks}, fleettest.Settings{Hosts: hosts, Cluster: poolHooks}, nil},
		"went back": {fleettest.Settings{Hosts: hosts, Cluster: poolHooks}, fleettest.Settings{Hosts: hosts, Cluster: poolHooks + "component \"containerd\" {\n settings = { log_level = \"debug\" }\n}\n"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			made := func() (*fleettest.Fleet, *pool) {
				f, p := newFleet(t, c.from), &pool{}
				p.serve(f)
				if _, _, _, err := apply(t.Context(), f, nil); err != nil {
					t.Fatal(err)
				}
				if err := f.Change(c.to); err != nil {
					t.Fatal(err)
				}
				p = &pool{}
				p.serve(f)
				return f, p
			}
			r := &reference{}
			f, p := made()
			f.OnPoint = func(host, point string) {
				r.passed++
				if strings.Contains(point, "hook") || strings.Contains(point, "unit:kubelet") || strings.Contains(point, "drain") || strings.Contains(point, "uncordon") || point == "stepped" {
					r.points = append(r.points, killPoint{r.passed, host + ": " + point})
				}
			}
			if _, _, _, err := apply(t.Context(), f, nil); err != nil {
				t.Fatal(err)
			}
			f.OnPoint = nil
			if name == "release" {
				r.points = every(r.points, 2) // most of them are not about hooks
			}
			r.end = canonicalOf(t, f)
			if p.ran == 0 || len(p.out) > 0 || p.most > 1 {
				t.Fatalf("%d hooks ran, %d were out at once, and at the end %v", p.ran, p.most, p.out)
			}
			r.each(t, func(t *testing.T, at killPoint) {
				f, p := made()
				f.Cut = fleettest.Cut{N: at.n}
				if _, _, where, err := apply(t.Context(), f, nil); err == nil || where != at.where {
					t.Fatalf("the run was to be killed at %q, it was at %q and ended with %v", at.where, where, err)
				}
				f.Cut = fleettest.Cut{}
				if name == "went back" {
					if err := f.Change(c.from); err != nil {
						t.Fatal(err)
					}
					if _, _, _, err := apply(t.Context(), f, nil); err != nil {
						t.Fatal(err)
					}
				} else {
					r.resume(t, f)
				}
				if len(p.out) > 0 || p.most > 1 {
					t.Fatalf("%d hosts were out at once, and at the end %v", p.most, slices.Sorted(maps.Keys(p.out)))
				}
			})
		})
	}
}

// TestHookStopped stops a run while a hook runs: it is ended, the run ends as a stopped one does, and the next run goes on.
func TestHookStopped(t *testing.T) {
	hosts := []fleettest.Host{at("cp1", "s1", "", "control-plane", "etcd"), at("w1", "s1", "", "worker")}
	f, p := newFleet(t, fleettest.Settings{Hosts: hosts, Cluster: poolHooks}), &pool{}
	p.serve(f)
	if _, _, _, err := apply(t.Context(), f, nil); err != nil {
		t.Fatal(err)
	}
	if err := f.Change(fleettest.Settings{Hosts: hosts, Cluster: poolHooks + "component \"kubelet\" {\n settings = { maxPods = 99 }\n}\n"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f.Machines["w1"].Hooks.Programs["/sbin/lb"] = func(hook context.Context, _ []string, _ io.Writer) error {
		cancel()
		<-hook.Done()
		return hook.Err()
	}
	if _, _, _, err := apply(ctx, f, nil); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "/sbin/lb was ended with the run") {
		t.Fatalf("the run ended with %v", err)
	}
	p.serve(f)
	if _, _, _, err := apply(t.Context(), f, nil); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]bool{}, p.out); d != "" || p.ran == 0 {
		t.Errorf("after %d hooks, out of the pool (-want +got):\n%s", p.ran, d)
	}
}
