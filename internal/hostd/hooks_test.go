package hostd_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/hostd/hostdtest"
)

const balancer = "/usr/local/sbin/balancer"

func hookOp(name string, pays bool, args ...string) hostapi.Operation {
	return hostapi.Operation{Hook: &hostapi.Hook{
		Name: name, Command: append([]string{balancer}, args...), Environment: []string{"TRIVET_HOST=node1"}, Timeout: time.Minute, Pays: pays,
	}}
}

func oweOp(names ...string) hostapi.Operation {
	var list []hostapi.Owed
	for _, n := range names {
		list = append(list, hostapi.Owed{Hook: n, Step: "change"})
	}
	return hostapi.Operation{Owe: list}
}

func owedOn(t *testing.T, m *hostdtest.Machine) []string {
	t.Helper()
	o, err := m.Host().Observe(t.Context(), hostapi.ObserveRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, x := range o.Record.Owed {
		out = append(out, x.Hook+" of "+x.Step)
	}
	return out
}

// TestHooksAreOwed holds that what is owed is in the record before anything else of the step happens, until the hook has run to a good end.
func TestHooksAreOwed(t *testing.T) {
	m := newMachine(t)
	var fails error
	m.Hooks.Programs[balancer] = func(_ context.Context, args []string, out io.Writer) error {
		fmt.Fprintf(out, "going %s\n", args)
		return fails
	}
	step := testStep(oweOp("in", "tell"), hookOp("out", false, "out"), hookOp("in", true, "in"), hookOp("tell", true, "tell"))

	fails = errors.New("exit status 3")
	var seen []string
	err := m.Host().Step(t.Context(), step, func(e hostapi.Event) { seen = append(seen, fmt.Sprintf("%d %s %s", e.Op, e.State, e.Message)) })
	var he *hostapi.Error
	if !errors.As(err, &he) || he.Op != 1 || he.Code != hostapi.CodeFailed {
		t.Fatalf("the hook failed with %#v", err)
	}
	want := "hook:out: " + balancer + " failed: exit status 3\n  its last lines:\n  going [out] (mend what it needs, or the command in the topology, and apply again: it runs again then)"
	if err.Error() != want {
		t.Errorf("the hook failed with\n%s\nnot with\n%s", err, want)
	}
	if d := cmp.Diff([]string{"0 started note which hooks are owed", "1 started run hook out", "1 progress going [out]"}, slices.DeleteFunc(seen, func(s string) bool {
		return strings.Contains(s, "failed") || strings.Contains(s, "done")
	})); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"in of change", "tell of change"}, owedOn(t, m)); d != "" {
		t.Errorf("owed after the first hook failed (-want +got):\n%s", d)
	}

	fails = nil
	if err := m.Host().Step(t.Context(), testStep(step.Ops[:3]...), nil); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"tell of change"}, owedOn(t, m)); d != "" {
		t.Errorf("owed (-want +got):\n%s", d)
	}
	if err := m.Host().Step(t.Context(), testStep(hostapi.Operation{Waive: "tell"}, hostapi.Operation{Waive: "nobody"}), nil); err != nil {
		t.Fatal(err)
	}
	if owed := owedOn(t, m); len(owed) > 0 {
		t.Errorf("owed after all: %s", owed)
	}
	var ran []string
	for _, r := range m.Hooks.Runs() {
		ran = append(ran, r.Command+" on "+r.Variable("TRIVET_HOST"))
	}
	if d := cmp.Diff([]string{balancer + " out on node1", balancer + " out on node1", balancer + " in on node1"}, ran); d != "" {
		t.Errorf("runs (-want +got):\n%s", d)
	}
}

// TestHookKilled kills the helper at every point of a step with hooks: whatever was owed and did not run is owed still.
func TestHookKilled(t *testing.T) {
	points := 0
	run := func(m *hostdtest.Machine, at int) (cut bool) {
		n := 0
		m.Hook = func(string) {
			if n++; n == at {
				panic("killed")
			}
		}
		defer func() {
			cut = recover() != nil
			points, m.Hook = n, nil
		}()
		if err := m.Host().Step(t.Context(), testStep(oweOp("in"), hookOp("out", false, "out"), hookOp("in", true, "in")), nil); err != nil {
			t.Fatal(err)
		}
		return false
	}
	machine := func() (m *hostdtest.Machine, ran map[string]int) {
		m, ran = newMachine(t), map[string]int{}
		m.NoSync = true
		m.Hooks.Programs[balancer] = func(_ context.Context, args []string, _ io.Writer) error {
			ran[args[0]]++
			return nil
		}
		return m, ran
	}
	m, _ := machine()
	run(m, 0)
	all := points
	if all < 6 {
		t.Fatalf("only %d points", all)
	}
	for at := 1; at <= all; at++ {
		m, ran := machine()
		if !run(m, at) {
			t.Fatalf("not killed at point %d of %d", at, all)
		}
		o, err := m.Host().Observe(t.Context(), hostapi.ObserveRequest{})
		if err != nil {
			t.Fatal(err)
		}
		owed := o.Record != nil && len(o.Record.Owed) > 0
		if ran["out"] > 0 && ran["in"] == 0 && !owed {
			t.Errorf("killed at point %d, nobody knows that the second hook is owed", at)
		}
		if err := m.Host().Step(t.Context(), testStep(hookOp("in", true, "in")), nil); err != nil {
			t.Fatal(err)
		}
		if ran["in"] < 1 || len(owedOn(t, m)) > 0 {
			t.Errorf("killed at point %d and gone on, the second hook ran %d times, and is owed: %s", at, ran["in"], owedOn(t, m))
		}
	}
}

// TestHookOutputIsBounded holds that a hook that prints without end fills neither the stream of events nor its error, and that no line obeys a terminal's language.
func TestHookOutputIsBounded(t *testing.T) {
	m := newMachine(t)
	m.Hooks.Programs[balancer] = func(_ context.Context, _ []string, out io.Writer) error {
		for i := range 10_000 {
			fmt.Fprintf(out, "\x1b[2Jline %d %s\r\n", i, strings.Repeat("x", 1000))
		}
		return errors.New("exit status 1")
	}
	lines, bytes := 0, 0
	err := m.Host().Step(t.Context(), testStep(hookOp("out", false)), func(e hostapi.Event) {
		if e.State == "progress" {
			lines++
			bytes += len(e.Message)
			if strings.Contains(e.Message, "\x1b") {
				t.Errorf("a line has a control character: %q", e.Message)
			}
		}
	})
	if err == nil || lines != 201 || bytes > 100_000 || len(err.Error()) > 10_000 {
		t.Errorf("%d lines with %d bytes were told, and an error of %d bytes", lines, bytes, len(err.Error()))
	}
	if !strings.Contains(err.Error(), "line 9999 x") || strings.Contains(err.Error(), "line 9979 x") {
		t.Errorf("the error does not have the last 20 lines:\n%s", err)
	}
}

func TestHookRefused(t *testing.T) {
	m := newMachine(t)
	for want, k := range map[string]hostapi.Hook{
		"is not a name":              {Name: "../out", Command: []string{balancer}, Timeout: time.Second},
		"has no full path":           {Name: "out", Command: []string{"balancer"}, Timeout: time.Second},
		"has no full path of a pro":  {Name: "out", Timeout: time.Second},
		"has no time to run":         {Name: "out", Command: []string{balancer}},
		"something without a value":  {Name: "out", Command: []string{balancer}, Environment: []string{"X"}, Timeout: time.Second},
		"is not on the host, or wha": {Name: "out", Command: []string{"/usr/bin/nothing"}, Timeout: time.Second},
	} {
		if err := m.Host().Step(t.Context(), testStep(hostapi.Operation{Hook: &k}), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want an error with %q", k, err, want)
		}
	}
}
