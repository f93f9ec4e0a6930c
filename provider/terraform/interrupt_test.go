package terraform_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/trivet-dev/trivet/bootstrap"
	events "github.com/trivet-dev/trivet/bootstrap/event"
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
