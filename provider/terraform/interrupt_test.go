package terraform_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap"
	events "github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/remote"
)

// stepped is a host that remembers the context of its step.
type stepped struct {
	remote.Host
	begin func(ctx context.Context)
}

// Step implements remote.Host.
func (s stepped) Step(ctx context.Context, step *hostapi.Step, emit func(hostapi.Event)) error {
	s.begin(ctx)
	return s.Host.Step(ctx, step, emit)
}

// interrupted has terraform interrupted while a host carries out an operation, which ends once the provider knows of it.
func (w *world) interrupted(t *testing.T, c *command, host string) (string, error) {
	t.Helper()
	var mu sync.Mutex
	var current context.Context
	var cmd *exec.Cmd
	started := make(chan struct{})
	w.wrap = func(h remote.Host) remote.Host {
		if h.Name() != host {
			return h
		}
		return stepped{h, func(ctx context.Context) {
			mu.Lock()
			defer mu.Unlock()
			current = ctx
		}}
	}
	var sent atomic.Bool
	w.fleet.OnPoint = func(at, _ string) {
		mu.Lock()
		ctx := current
		mu.Unlock()
		if at != host || ctx == nil || sent.Swap(true) {
			return
		}
		<-started
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		<-ctx.Done()
	}
	cmd, wait := c.start("apply", "-auto-approve")
	close(started)
	out, err := wait()
	w.wrap, w.fleet.OnPoint = nil, nil
	return out, err
}

// words has a text on one line, since terraform breaks lines.
func words(text string) string { return strings.Join(strings.Fields(text), " ") }

// made counts what a host has, and fails where something was begun and not ended.
func (w *world) made(t *testing.T, host string) int {
	t.Helper()
	o, err := w.fleet.Observe(host)
	if err != nil {
		t.Fatal(err)
	}
	if o.Record == nil {
		return 0
	}
	for _, i := range o.Record.Items {
		if i.Pending {
			t.Errorf("host %s: %s was begun and not ended", host, i.Item.ID())
		}
	}
	return len(o.Record.Items)
}

// TestInterrupted: Ctrl-C lets the operation at hand end, keeps what was done, and the next apply goes on.
func TestInterrupted(t *testing.T) {
	w := newWorld(t, small)
	c := w.command(t, w.adapt)
	c.write(w.config(small, ""))
	out, err := w.interrupted(t, c, "w1")
	if text := words(out); err == nil || !strings.Contains(text, "Cluster not created") || !strings.Contains(text, "interrupted") || !strings.Contains(text, "run `terraform apply` again to go on") {
		t.Fatalf("%v\n%s", err, out)
	}
	if list := c.must("state", "list"); strings.Contains(list, main) {
		t.Errorf("a create that was interrupted is in the state: %s", list)
	}
	before := w.made(t, "w1") // none, where the first operation had not begun
	c.must("apply", "-auto-approve")
	c.empty()
	whole := w.made(t, "w1")
	if whole <= before {
		t.Errorf("the interrupted apply made %d items, both %d", before, whole)
	}

	c.write(w.config(small, `components = [{ name = "kubelet", settings = { maxPods = 42 } }]`))
	out, err = w.interrupted(t, c, "w1")
	if text := words(out); err == nil || !strings.Contains(text, "Cluster not changed as planned") || !strings.Contains(text, "interrupted") {
		t.Fatalf("%v\n%s", err, out)
	}
	w.made(t, "w1")
	if list := c.must("state", "list"); !strings.Contains(list, main) {
		t.Errorf("a change that was interrupted took the cluster out of the state: %s", list)
	}
	if out, err := c.run("plan", "-detailed-exitcode"); exitCode(err) != 2 {
		t.Errorf("after a change that was interrupted, a plan ends in %v:\n%s", err, out)
	}
	c.must("apply", "-auto-approve")
	c.empty()
	c.must("destroy", "-auto-approve")
}

func exitCode(err error) int {
	if e, ok := err.(*exec.ExitError); ok {
		return e.ExitCode()
	}
	return -1
}

// during does something while a run from elsewhere, as another process makes it, is in the midst of its work.
func (w *world) during(t *testing.T, do func()) {
	t.Helper()
	reached, release := make(chan struct{}), make(chan struct{})
	w.wrap = func(h remote.Host) remote.Host {
		if h.Name() != "w1" {
			return h
		}
		var held atomic.Bool
		return stepped{h, func(context.Context) {
			if !held.Swap(true) {
				close(reached)
				<-release
			}
		}}
	}
	e, err := bootstrap.Connect(t.Context(), w.options())
	w.wrap = nil // the other run is that of its connections
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close() //nolint:errcheck // what was done is done
	ended := make(chan error, 1)
	go func() {
		p, err := e.Plan(t.Context())
		if err == nil {
			err = e.Apply(t.Context(), p)
		}
		ended <- err
	}()
	select {
	case <-reached:
		do()
		close(release)
		err = <-ended
	case err = <-ended:
		t.Error("the other run came to no work on w1")
	}
	if err != nil {
		t.Errorf("the other run: %v", err)
	}
}

// TestTwoApplies: of two applies at once, from two places, one is refused and told who is at it. Nothing is lost.
func TestTwoApplies(t *testing.T) {
	w := newWorld(t, small)
	c := w.command(t, w.adapt)
	refused := func() {
		t.Helper()
		out, err := c.run("apply", "-auto-approve")
		if text := words(out); err == nil || !strings.Contains(text, "the run lock of cluster \"main\" is held") || !strings.Contains(text, bootstrap.Actor()+" holds it for apply since") {
			t.Errorf("the second apply: %v\n%s", err, out)
		}
	}
	c.write(w.config(small, ""))
	w.during(t, refused)
	if list := c.must("state", "list"); strings.Contains(list, main) {
		t.Errorf("a create that was refused is in the state: %s", list)
	}
	c.must("import", main, "main@10.11.1.11")
	c.must("apply", "-auto-approve")
	c.empty()

	if err := os.Remove(w.fleet.Machines["w1"].Path("/etc/containerd/config.toml")); err != nil { // for the other one to mend
		t.Fatal(err)
	}
	c.write(w.config(small, `components = [{ name = "kubelet", settings = { maxPods = 42 } }]`))
	w.during(t, refused)
	c.must("apply", "-auto-approve")
	c.empty()
	c.must("destroy", "-auto-approve")
}

// mute is a host that answers no looks once it has gone silent.
type mute struct {
	remote.Host
	silent *atomic.Bool
}

// Observe implements remote.Host.
func (m mute) Observe(ctx context.Context, req hostapi.ObserveRequest) (*hostapi.Observation, error) {
	if m.silent.Load() {
		return nil, errors.New("host " + m.Name() + ": planted silence")
	}
	return m.Host.Observe(ctx, req)
}

// TestUnread: a cluster that cannot be read after its create is in the state all the same, and not as one to be replaced. The next refresh reads the rest.
func TestUnread(t *testing.T) {
	w := newWorld(t, small)
	var silent atomic.Bool
	w.wrap = func(h remote.Host) remote.Host { return mute{h, &silent} }
	c := w.command(t, func(o *bootstrap.Options) {
		tell := o.Events
		o.Events = func(e events.Event) {
			if e.Kind == events.PhaseDone && e.Phase == "ready" {
				silent.Store(true)
			}
			tell(e)
		}
		w.adapt(o)
	})
	c.write(w.config(small, ""))
	out := c.must("apply", "-auto-approve")
	if text := words(out); !strings.Contains(text, "State of the cluster not read") || !strings.Contains(text, "planted silence") || !silent.Load() {
		t.Errorf("the cluster was read:\n%s", out)
	}
	silent.Store(false)
	c.empty()
	c.must("apply", "-auto-approve") // keeps what the refresh has read
	if show := c.must("state", "show", main); strings.Contains(show, "tainted") || !strings.Contains(show, "machine_id") {
		t.Errorf("the state after a refresh:\n%s", show)
	}
	c.must("destroy", "-auto-approve")
}

// killPoint is a point of a create at which it is killed.
type killPoint struct {
	n     int
	where string
}

// killPoints lists the points of a create at which hosts wait for one another: around steps, documents, transfers, gates and objects. What leaves the same behind is there once.
func (w *world) killPoints(t *testing.T) []killPoint {
	t.Helper()
	var out []killPoint
	passed, last := 0, map[string]string{}
	w.fleet.OnPoint = func(host, point string) {
		passed++
		word, _, _ := strings.Cut(point, " ")
		if host != "api" && !strings.Contains(point, inventory.Document) && !strings.Contains(point, "identity.age") &&
			!slices.Contains([]string{"hold", "step", "stepped", "raise", "raised", "serve", "fetch", "fetched", "received"}, word) {
			return
		}
		state, err := w.fleet.Fingerprint(host)
		if err != nil {
			t.Error(err)
		}
		if state != last[host] {
			last[host] = state
			out = append(out, killPoint{passed, host + ": " + point})
		}
	}
	if err := w.created(t, w.adapt); err != nil {
		t.Fatal(err)
	}
	w.fleet.OnPoint = nil
	return out
}

// TestCreateKilledAnywhere kills a create wherever hosts wait for one another, and creates again, as terraform does where nothing is in the state: a record that is not complete is gone
// on with, and only the last phase makes it complete.
func TestCreateKilledAnywhere(t *testing.T) {
	whole := newWorld(t, small)
	points := whole.killPoints(t)
	if err := whole.created(t, whole.adapt); err == nil || !strings.Contains(err.Error(), "Cluster exists already") {
		t.Errorf("a cluster that is complete is created again: %v", err)
	}
	want, err := whole.fleet.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	if len(points) < 30 {
		t.Fatalf("only %d points of interest: the hooks are gone", len(points))
	}
	t.Logf("%d points", len(points))
	for i, p := range points {
		if testing.Short() && i%5 != 0 && i < len(points)-5 {
			continue
		}
		t.Run(fmt.Sprintf("%d %s", p.n, p.where), func(t *testing.T) {
			t.Parallel()
			killedAt(t, p, want)
		})
	}
}

// killedAt kills a create at a point, and creates again.
func killedAt(t *testing.T, p killPoint, want *fleettest.Canonical) {
	w := newWorld(t, small)
	w.fleet.Cut = fleettest.Cut{N: p.n}
	phase, at := "", ""
	w.fleet.OnPoint = func(host, point string) { at = host + ": " + point }
	err := w.created(t, func(o *bootstrap.Options) {
		tell := o.Events
		o.Events = func(e events.Event) {
			if e.Kind == events.PhaseStarted {
				phase = e.Phase
			}
			tell(e)
		}
		w.adapt(o)
	})
	if err == nil || at != p.where {
		t.Fatalf("the create was to be killed at %q, it was at %q and ended with %v", p.where, at, err)
	}
	w.fleet.Cut, w.fleet.OnPoint = fleettest.Cut{}, nil
	complete := w.complete(t)
	if complete && phase != plan.PhaseBroughtUp {
		t.Errorf("killed in phase %q, the cluster counts as complete", phase)
	}
	switch err := w.created(t, w.adapt); {
	case complete && (err == nil || !strings.Contains(err.Error(), "Cluster exists already")):
		t.Errorf("a cluster that is complete is created again: %v", err)
	case complete:
		return // nothing was left to do but to write it into the state
	case err != nil:
		t.Fatalf("created again: %v", err)
	}
	got, err := w.fleet.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the end differs from that of a create that was not killed (-want +got):\n%s", d)
	}
	if !w.complete(t) {
		t.Error("the cluster that was gone on with does not count as complete")
	}
}

// created is one life of a provider that creates the cluster of the small fleet.
func (w *world) created(t *testing.T, adapt func(*bootstrap.Options)) error {
	t.Helper()
	end := w.fleet.Begin()
	defer end()
	_, err := w.direct(t, adapt).create(t.Context(), t, "trivet_cluster", w.attributes(small))
	return err
}

// complete says whether the cluster counts as brought up.
func (w *world) complete(t *testing.T) bool {
	t.Helper()
	end := w.fleet.Begin()
	defer end()
	inv, err := w.inventory()
	if err != nil {
		t.Fatal(err)
	}
	return inv != nil && inv.Complete()
}
