package execute_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// killPoint is where a run is killed.
type killPoint struct {
	n     int
	where string
}

// reference is an uninterrupted run: the points that it passed, of those that leave the same state behind the first, and how it ended.
type reference struct {
	settings fleettest.Settings
	points   []killPoint
	passed   int
	end      *fleettest.Canonical
}

// newReference runs without interruption. Points that keep says no to are left out.
func newReference(t *testing.T, s fleettest.Settings, keep func(host, point string) bool) *reference {
	t.Helper()
	r := &reference{settings: s}
	f := newFleet(t, s)
	last := map[string]string{}
	f.OnPoint = func(host, point string) {
		r.passed++
		if !keep(host, point) {
			return
		}
		state, err := f.Fingerprint(host)
		if err != nil {
			t.Error(err)
		}
		if state != last[host] {
			last[host] = state
			r.points = append(r.points, killPoint{r.passed, host + ": " + point})
		}
	}
	if _, points, _, err := apply(t.Context(), f, nil); err != nil || points != r.passed {
		t.Fatalf("the uninterrupted run passed %d points, %d were seen: %v", points, r.passed, err)
	}
	f.OnPoint = nil
	r.end = canonicalOf(t, f)
	return r
}

func canonicalOf(t testing.TB, f *fleettest.Fleet) *fleettest.Canonical {
	t.Helper()
	c, err := f.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// oneHostReference is shared: what kills it compares with is the same for all tests.
func oneHostReference(t *testing.T) reference {
	t.Helper()
	shared.once.Do(func() { shared.r = newReference(t, oneHost, func(string, string) bool { return true }) })
	if shared.r == nil {
		t.Fatal("the uninterrupted run failed, see above")
	}
	return *shared.r
}

var shared struct {
	once sync.Once
	r    *reference
}

// each runs check for every point, several at once, and stops at the first few failures.
func (r *reference) each(t *testing.T, check func(t *testing.T, p killPoint)) {
	if testing.Short() {
		r.points = every(r.points, 10)
	}
	t.Logf("%d points, %d different states", r.passed, len(r.points))
	work := make(chan killPoint)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for p := range work {
				if !t.Failed() {
					t.Run(fmt.Sprintf("%d %s", p.n, p.where), func(t *testing.T) { check(t, p) })
				}
			}
		})
	}
	for _, p := range r.points {
		work <- p
	}
	close(work)
	wg.Wait()
}

func every(points []killPoint, n int) []killPoint {
	var out []killPoint
	for i, p := range points {
		if i%n == 0 {
			out = append(out, p)
		}
	}
	return out
}

// killed is a fleet on which a run was killed.
func (r *reference) killed(t *testing.T, p killPoint) *fleettest.Fleet {
	t.Helper()
	f := newFleet(t, r.settings)
	f.Cut = fleettest.Cut{N: p.n}
	_, _, where, err := apply(t.Context(), f, nil)
	if err == nil || where != p.where {
		t.Fatalf("the run was to be killed at %q, it was at %q and ended with %v", p.where, where, err)
	}
	f.Cut = fleettest.Cut{}
	return f
}

// resume applies again and wants the end of the uninterrupted run.
func (r *reference) resume(t *testing.T, f *fleettest.Fleet) {
	t.Helper()
	if _, _, _, err := apply(t.Context(), f, nil); err != nil {
		t.Fatalf("apply after it: %v", err)
	}
	if d := cmp.Diff(r.end, canonicalOf(t, f)); d != "" {
		t.Fatalf("the end differs from that of the uninterrupted run (-want +got):\n%s", d)
	}
	if err := f.Coherent(); err != nil {
		t.Fatal(err)
	}
	noStray(t, f)
	if p := planOf(t, f); !p.Empty() {
		t.Fatalf("after it a plan still has %d actions", p.Actions())
	}
}

// noStray wants the helper to be on no host that has left.
func noStray(t testing.TB, f *fleettest.Fleet) {
	t.Helper()
	if stray, err := f.Stray(); err != nil || len(stray) > 0 {
		t.Fatalf("the helper is left on hosts that have nothing else: %v, %v", stray, err)
	}
}

// planOf is what is left to do.
func planOf(t *testing.T, f *fleettest.Fleet) *plan.Plan {
	t.Helper()
	end := f.Begin()
	defer end()
	e, err := connect(t.Context(), f, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	p, err := e.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// completeIsDone: where a control plane says that the first bring-up has come to its end, nothing of it is left to do but to tell the others.
func completeIsDone(t *testing.T, f *fleettest.Fleet) {
	t.Helper()
	complete := false
	for _, h := range f.Cluster.HostsWith(topology.RoleControlPlane) {
		o, err := f.Observe(h.Name)
		if err != nil {
			t.Fatal(err)
		}
		if d, ok := o.Documents[inventory.Document]; ok {
			inv, err := inventory.Parse(d.Content)
			if err != nil {
				t.Fatal(err)
			}
			complete = complete || inv.Complete()
		}
	}
	if !complete {
		return
	}
	for _, ph := range planOf(t, f).Phases {
		if len(ph.Steps) > 0 && ph.Name != "inventory" {
			t.Errorf("the first bring-up has come to its end, and phase %q is left", ph.Name)
		}
	}
}

var (
	oneHost    = fleettest.Settings{Hosts: []fleettest.Host{{Name: "cp1", Site: "s1", Roles: []string{"etcd", "control-plane", "worker"}}}}
	threeHosts = fleettest.Settings{Hosts: []fleettest.Host{
		{Name: "cp1", Site: "s1", Roles: []string{"control-plane", "etcd"}},
		{Name: "cp2", Site: "s1", Roles: []string{"control-plane"}},
		{Name: "w1", Site: "s2", Roles: []string{"worker"}},
	}}
)

// TestKilledAnywhere kills the bring-up of one host before every operation, in the midst of it, and after its effect but before its record; then plans and applies again. The end
// has to be that of the uninterrupted run.
func TestKilledAnywhere(t *testing.T) {
	r := oneHostReference(t)
	if len(r.points) < 200 {
		t.Fatalf("only %d points of interest: the hooks are gone", len(r.points))
	}
	r.each(t, func(t *testing.T, p killPoint) {
		f := r.killed(t, p)
		completeIsDone(t, f)
		r.resume(t, f)
	})
}

// TestKilledBetweenHosts kills the bring-up of several hosts wherever hosts wait for one another: around steps, their records, the cluster's documents, transfers inside a site,
// gates and objects. What goes on inside an operation of a host is the same as with one host.
func TestKilledBetweenHosts(t *testing.T) {
	settings := threeHosts
	settings.Manifests = map[string]string{"shop.yaml": "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: conf, namespace: shop}}"}
	r := newReference(t, settings, func(host, point string) bool {
		word, _, _ := strings.Cut(point, " ")
		return host == "api" || strings.Contains(point, inventory.Document) || strings.Contains(point, "identity.age") ||
			slices.Contains([]string{"hold", "raise", "raised", "serve", "fetch", "fetched", "intended", "settled"}, word)
	})
	r.each(t, func(t *testing.T, p killPoint) {
		f := r.killed(t, p)
		completeIsDone(t, f)
		r.resume(t, f)
	})
}

// change is a change of a cluster: what it is changed from, what befalls it, and the topology that it is changed to.
type change struct {
	from, to fleettest.Settings
	befalls  func(f *fleettest.Fleet) error
}

// made is a cluster about to be changed.
func (c change) made(t *testing.T) *fleettest.Fleet {
	t.Helper()
	f := newFleet(t, c.from)
	if _, _, _, err := apply(t.Context(), f, nil); err != nil {
		t.Fatal(err)
	}
	if err := f.Change(c.to); err != nil {
		t.Fatal(err)
	}
	if c.befalls != nil {
		if err := c.befalls(f); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func at(name, site, address string, roles ...string) fleettest.Host {
	return fleettest.Host{Name: name, Site: site, Roles: roles, Address: address}
}

// TestChangeKilledAnywhere kills runs that add, remove, replace and renumber hosts, wherever hosts and the cluster wait for one another; the end has to be that of the uninterrupted run.
func TestChangeKilledAnywhere(t *testing.T) {
	cp1, cp2, cp3 := at("cp1", "s1", "10.11.1.11", "control-plane", "etcd"), at("cp2", "s1", "10.11.1.12", "control-plane", "etcd"), at("cp3", "s1", "10.11.1.13", "etcd")
	cp4, w1, w2 := at("cp4", "s1", "10.11.1.14", "control-plane", "etcd"), at("w1", "s1", "10.11.1.21", "worker"), at("w2", "s1", "10.11.1.22", "worker")
	moved, moved1 := cp3, w1
	moved.Address, moved1.Address = "10.11.1.33", "10.11.1.41"
	hosts := func(list ...fleettest.Host) fleettest.Settings { return fleettest.Settings{Hosts: list} }
	old := hosts(cp1, cp2, cp3, w1)
	old.Kubernetes = "1.36.3"
	x1 := at("x1", "s1", "10.11.1.31", "worker")
	x1.Surge = true
	surge := hosts(cp1, w1, x1)
	surge.Cluster = "  upgrade {\n    max_unavailable = 0\n  }"
	oldSurge := surge
	oldSurge.Kubernetes = "1.36.3"
	with := func(s fleettest.Settings, files ...string) fleettest.Settings {
		s.Manifests = map[string]string{}
		for i, text := range files {
			s.Manifests[fmt.Sprintf("%d.yaml", i)] = text
		}
		return s
	}
	settings := hosts(cp1, cp2, cp3, w1)
	settings.Cluster = "  component \"kubelet\" {\n    settings = { maxPods = 100 }\n  }\n  etcd {\n    compaction_retention = \"15m\"\n  }"
	// halfWay has a run to the newer release end once the first member has changed, and takes the release back.
	halfWay := func(f *fleettest.Fleet) error {
		if err := f.Change(hosts(cp1, cp2, cp3, w1)); err != nil {
			return err
		}
		f.Cut = fleettest.Cut{Host: "api", Point: "gate etcd-healthy"}
		if _, _, where, err := apply(t.Context(), f, nil); where == "" {
			return fmt.Errorf("the run to the newer release was not killed: %w", err)
		}
		f.Cut = fleettest.Cut{}
		return f.Change(old)
	}
	// another has another machine be host w1.
	another := func(f *fleettest.Fleet) error {
		if err := f.Change(hosts(cp1, w1, w2)); err != nil {
			return err
		}
		if _, err := f.Replace("w1"); err != nil {
			return err
		}
		return f.Change(hosts(cp1, moved1, w2))
	}
	const shop = "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}"
	const site = "{apiVersion: v1, kind: Secret, metadata: {name: key, namespace: shop}, stringData: {a: b}}\n--- \n{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}}"
	const site2 = "{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: web, namespace: shop}}"
	for name, c := range map[string]change{
		"a worker for another":                   {hosts(cp1, w1), hosts(cp1, w2), nil},
		"a worker that is gone":                  {hosts(cp1, w1, w2), hosts(cp1, w1), func(f *fleettest.Fleet) error { f.Unreachable["w2"] = true; return nil }},
		"a machine whose name another has":       {hosts(cp1, w1, w2), hosts(cp1, moved1, w2), another},
		"a member for another":                   {hosts(cp1, cp2, cp3), hosts(cp1, cp4, cp3), nil},
		"every control plane for another":        {hosts(cp1, w1), hosts(at("cp1", "s1", "10.11.1.11", "worker"), at("w1", "s1", "10.11.1.21", "control-plane", "etcd")), nil},
		"a member that moves":                    {hosts(cp1, cp2, cp3), hosts(cp1, cp2, moved), nil},
		"a control plane that is installed anew": {hosts(cp1, cp2, cp3), hosts(cp1, cp2, cp3), func(f *fleettest.Fleet) error { return f.Reimage("cp2") }},
		"a new release":                          {old, hosts(cp1, cp2, cp3, w1), nil},
		"the way back":                           {old, old, halfWay},
		"settings of etcd and kubelets":          {hosts(cp1, cp2, cp3, w1), settings, nil},
		"a new release with a surge host":        {oldSurge, surge, nil},
		"other manifests and one more worker":    {with(hosts(cp1), shop, site), with(hosts(cp1, w1), shop, site2), nil},
		"no manifests any more":                  {with(hosts(cp1), shop, site), hosts(cp1), nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := &reference{}
			f := c.made(t)
			f.OnPoint = func(host, point string) {
				r.passed++
				word, _, _ := strings.Cut(point, " ")
				if host == "api" || strings.Contains(point, inventory.Document) || strings.Contains(point, "forg") || strings.Contains(point, "etcd") ||
					slices.Contains([]string{"hold", "raise", "serve", "fetched"}, word) {
					r.points = append(r.points, killPoint{r.passed, host + ": " + point})
				}
			}
			if _, _, _, err := apply(t.Context(), f, nil); err != nil {
				t.Fatal(err)
			}
			f.OnPoint = nil
			r.end = canonicalOf(t, f)
			r.each(t, func(t *testing.T, p killPoint) {
				f := c.made(t)
				f.Cut = fleettest.Cut{N: p.n}
				if _, _, where, err := apply(t.Context(), f, nil); err == nil || where != p.where {
					t.Fatalf("the run was to be killed at %q, it was at %q and ended with %v", p.where, where, err)
				}
				f.Cut = fleettest.Cut{}
				r.resume(t, f)
			})
		})
	}
}

// TestKilledTwice kills the run that is to finish the work of a killed one.
func TestKilledTwice(t *testing.T) {
	r := oneHostReference(t)
	r.points = every(r.points, 12)
	r.each(t, func(t *testing.T, p killPoint) {
		f := r.killed(t, p)
		f.Cut = fleettest.Cut{N: 1 + p.n*7%60}
		if _, points, where, err := apply(t.Context(), f, nil); err == nil && where != "" {
			t.Fatalf("killed at %s (point %d), and the run says that all went well", where, points)
		}
		f.Cut = fleettest.Cut{}
		r.resume(t, f)
	})
}

// TestKilledThenDestroyed gives hosts back after a run was killed: they have to be as they were before it.
func TestKilledThenDestroyed(t *testing.T) {
	r := oneHostReference(t)
	fresh := newFleet(t, oneHost).Trees(t)
	r.points = every(r.points, 6)
	r.each(t, func(t *testing.T, p killPoint) {
		f := r.killed(t, p)
		if _, _, err := destroy(t.Context(), f); err != nil {
			t.Fatalf("destroy after it: %v", err)
		}
		if d := cmp.Diff(fresh, f.Trees(t)); d != "" {
			t.Fatalf("the host is not as it was (-want +got):\n%s", d)
		}
		noStray(t, f)
	})
}

// TestDestroyKilledAnywhere kills the destroy of a whole cluster, then destroys again; the hosts have to be as they were before the cluster.
func TestDestroyKilledAnywhere(t *testing.T) {
	fresh := newFleet(t, threeHosts).Trees(t)
	whole := func() *fleettest.Fleet {
		f := newFleet(t, threeHosts)
		if _, _, _, err := apply(t.Context(), f, nil); err != nil {
			t.Fatal(err)
		}
		return f
	}
	f := whole()
	r := &reference{}
	f.OnPoint = func(host, point string) {
		r.passed++
		word, _, _ := strings.Cut(point, " ")
		if host != "api" && (strings.Contains(point, inventory.Document) || strings.Contains(point, "forg") ||
			slices.Contains([]string{"hold", "raised", "intended"}, word)) {
			r.points = append(r.points, killPoint{r.passed, host + ": " + point})
		}
	}
	if _, _, err := destroy(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(fresh, f.Trees(t)); d != "" {
		t.Fatalf("destroyed without interruption, the hosts are not as they were (-want +got):\n%s", d)
	}
	r.each(t, func(t *testing.T, p killPoint) {
		f := whole()
		f.Cut = fleettest.Cut{N: p.n}
		if _, where, err := destroy(t.Context(), f); err == nil || where != p.where {
			t.Fatalf("the destroy was to be killed at %q, it was at %q and ended with %v", p.where, where, err)
		}
		f.Cut = fleettest.Cut{}
		if _, _, err := destroy(t.Context(), f); err != nil {
			t.Fatalf("destroy again: %v", err)
		}
		if d := cmp.Diff(fresh, f.Trees(t)); d != "" {
			t.Fatalf("the hosts are not as they were (-want +got):\n%s", d)
		}
		noStray(t, f)
	})
}

// TestCancelled cancels runs between operations: what was done is recorded, nothing is left half done, and the next run finishes.
func TestCancelled(t *testing.T) {
	r := oneHostReference(t)
	for _, after := range []string{"kubelet", "user:etcd", "module:overlay", "unit:kube-apiserver.service", "identity.age", "gate etcd-healthy"} {
		t.Run(after, func(t *testing.T) {
			f := newFleet(t, oneHost)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			met := false
			_, _, _, err := apply(ctx, f, func(e event.Event) {
				if e.Kind == event.ActionDone && e.Item == after {
					met = true
					cancel()
				}
			})
			if !met || !errors.Is(err, context.Canceled) {
				t.Fatalf("cancelled after %s (met: %t), the run ended with %v", after, met, err)
			}
			o, err := f.Observe("cp1")
			if err != nil {
				t.Fatal(err)
			}
			if o.Record != nil {
				for _, i := range o.Record.Items {
					if i.Pending {
						t.Errorf("%s is pending", i.Item.ID())
					}
				}
			}
			r.resume(t, f)
		})
	}
}
