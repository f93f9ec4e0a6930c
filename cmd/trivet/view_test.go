package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/internal/artifact"
)

// terminalOf plays what was written to a terminal and gives the lines that a user sees.
func terminalOf(t *testing.T, written string) []string {
	t.Helper()
	lines, row, column := []string{""}, 0, 0
	for i := 0; i < len(written); {
		rest := written[i:]
		var n int
		switch {
		case strings.HasPrefix(rest, "\x1b[K"):
			lines[row] = string([]rune(lines[row])[:column])
			i += 3
		case strings.HasPrefix(rest, "\x1b["):
			var final byte
			if _, err := fmt.Sscanf(rest, "\x1b[%d%c", &n, &final); err != nil || final != 'A' {
				t.Fatalf("unexpected escape sequence in %q", rest[:min(len(rest), 10)])
			}
			if row -= n; row < 0 {
				t.Fatalf("the cursor went above the first line: %q", written)
			}
			i += len(fmt.Sprintf("\x1b[%dA", n))
		case rest[0] == '\r':
			column, i = 0, i+1
		case rest[0] == '\n':
			row, column, i = row+1, 0, i+1
			if row == len(lines) {
				lines = append(lines, "")
			}
		default:
			r := []rune(rest)[0]
			have := []rune(lines[row])
			if column < len(have) {
				have[column] = r
			} else {
				have = append(have, r)
			}
			lines[row] = string(have)
			column, i = column+1, i+len(string(r))
		}
	}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

func TestScreenLeavesNothingBehind(t *testing.T) {
	var out bytes.Buffer
	s := &screen{out: &out}
	see := func(want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, terminalOf(t, out.String())); diff != "" {
			t.Errorf("on the screen (-want +got):\n%s", diff)
		}
	}
	s.show([]string{"phase", "  a long line of host one", "  host two"})
	see("phase", "  a long line of host one", "  host two")
	s.show([]string{"phase", "  short"})
	see("phase", "  short")
	s.above("✓ something stays\n")
	see("✓ something stays", "phase", "  short")
	s.above("two lines\nstay\n")
	see("✓ something stays", "two lines", "stay", "phase", "  short")
	s.show(nil)
	see("✓ something stays", "two lines", "stay")
	before := out.Len()
	s.show(nil)
	if out.Len() != before {
		t.Error("showing the same again wrote something")
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		line string
		wide int
		want string
	}{
		{"short", 10, "short"},
		{"0123456789", 10, "012345678…"},
		{"two\nlines", 20, "two lines"},
		{"北京上海", 6, "北京…"},
		{"", 10, ""},
	} {
		if got := cut(c.line, c.wide); got != c.want {
			t.Errorf("cut(%q, %d) = %q, want %q", c.line, c.wide, got, c.want)
		}
	}
}

// bringUp is a run in which one of two hosts fails.
func bringUp() []event.Event {
	return []event.Event{
		{Kind: event.PhaseStarted, Phase: "identity", Message: "Cluster identity"},
		{Kind: event.HostStarted, Host: "cp1"},
		{Kind: event.ActionDone, Host: "cp1", Item: "inventory.json", State: "changed"},
		{Kind: event.HostDone, Host: "cp1"},
		{Kind: event.PhaseDone, Phase: "identity", Message: "Cluster identity", Elapsed: 1500 * time.Millisecond},
		{Kind: event.PhaseStarted, Phase: "configure", Message: "Files"},
		{Kind: event.HostStarted, Host: "w1"},
		{Kind: event.Warning, Host: "w1", Message: "cannot take artifacts from cp1"},
		{Kind: event.HostFailed, Host: "w1", Message: "host w1: file:/etc/x: no space left on device"},
	}
}

func TestPlainView(t *testing.T) {
	var out bytes.Buffer
	v := newView(&out, false, false, false)
	for _, e := range bringUp() {
		v.event(e)
	}
	v.event(event.Event{Kind: event.Output, Host: "w1", Item: "hook out before change", Message: "no such pool"})
	v.close()
	want := `Cluster identity …
✓ Cluster identity                                1.5 s
Files …
! w1: cannot take artifacts from cp1
✗ host w1: file:/etc/x: no space left on device
  w1: hook out before change: no such pool
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestPlainViewSaysWhatTakesLong(t *testing.T) {
	var out bytes.Buffer
	v := newView(&out, false, false, false)
	v.event(event.Event{Kind: event.PhaseStarted, Message: "Nodes Ready"})
	v.event(event.Event{Kind: event.Waiting, Item: "nodes-ready", Message: "node w1: the kubelet has not reported yet"})
	v.mu.Lock()
	v.deadline = v.since.Add(10 * time.Minute)
	v.sayLong(v.since.Add(sayEvery / 2))
	v.sayLong(v.since.Add(sayEvery))
	v.sayLong(v.since.Add(sayEvery + time.Second))
	v.mu.Unlock()
	v.close()
	want := "Nodes Ready …\n  Nodes Ready: waiting for node w1: the kubelet has not reported yet (15 s, gives up in 9 min 45 s)\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestSaysWhatGoesOn: without a live view, long work is told as it goes on, once in a while.
func TestSaysWhatGoesOn(t *testing.T) {
	build := func(v *view) {
		v.artifact(artifact.Event{Kind: artifact.Noted, Task: "artifacts", Line: "upstream is out of reach: building from Go modules"})
		v.artifact(artifact.Event{Kind: artifact.Started, Task: "kubernetes from source", Line: "about 10 minutes"})
		for i := range 1000 {
			v.artifact(artifact.Event{Kind: artifact.Logged, Task: "kubernetes from source", Line: fmt.Sprintf("k8s.io/package%d", i)})
		}
		v.mu.Lock()
		at := v.tasks[0].since
		for _, after := range []time.Duration{sayLongEvery - 1, sayLongEvery, sayLongEvery + time.Second, 2 * sayLongEvery} {
			v.sayLong(at.Add(after))
		}
		v.mu.Unlock()
		v.artifact(artifact.Event{Kind: artifact.Done, Task: "kubernetes from source", Seconds: 61})
		v.event(event.Event{Kind: event.PhaseStarted, Phase: "configure", Message: "Files"})
		for _, h := range []string{"w1", "w2", "w3", "w4"} {
			v.event(event.Event{Kind: event.ActionStarted, Host: h, Item: "package:haproxy"})
		}
		v.mu.Lock()
		v.sayLong(v.said.Add(sayLongEvery - 1))
		v.sayLong(v.said.Add(sayLongEvery + time.Second))
		v.mu.Unlock()
		v.event(event.Event{Kind: event.PhaseDone, Phase: "configure", Message: "Files", Elapsed: 40 * time.Second})
		v.mu.Lock()
		v.sayLong(v.said.Add(time.Hour)) // nothing goes on
		v.mu.Unlock()
		v.close()
	}
	t.Run("plain", func(t *testing.T) {
		var out bytes.Buffer
		build(newView(&out, false, false, false))
		want := `  upstream is out of reach: building from Go modules
  getting kubernetes from source: about 10 minutes
  kubernetes from source, 30 s: k8s.io/package999
  kubernetes from source, 1 min 00 s: k8s.io/package999
  have kubernetes from source (61 s)
Files …
  Files: w1: package haproxy; w2: package haproxy; w3: package haproxy; and 1 more host (31 s)
✓ Files                                          40.0 s
`
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
	t.Run("json", func(t *testing.T) {
		var out bytes.Buffer
		build(newView(&out, true, false, false))
		var got []string
		for line := range strings.Lines(out.String()) {
			var e event.Event
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%s %s %s", e.Kind, e.Item, e.Message))
		}
		want := []string{
			"message artifacts upstream is out of reach: building from Go modules",
			"message kubernetes from source getting kubernetes from source: about 10 minutes",
			"message kubernetes from source kubernetes from source, 30 s: k8s.io/package999",
			"message kubernetes from source kubernetes from source, 1 min 00 s: k8s.io/package999",
			"message kubernetes from source have kubernetes from source (61 s)",
			"phase-started  Files",
			"action-started package:haproxy ", "action-started package:haproxy ", "action-started package:haproxy ", "action-started package:haproxy ",
			"message  Files (31 s)",
			"phase-done  Files",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
	t.Run("live", func(t *testing.T) {
		var out bytes.Buffer
		v := newView(&out, false, true, false)
		v.status("getting artifacts")
		v.artifact(artifact.Event{Kind: artifact.Started, Task: "etcd", Line: "about a minute"})
		v.artifact(artifact.Event{Kind: artifact.Logged, Task: "etcd", Line: "go.etcd.io/etcd"})
		v.mu.Lock()
		v.draw(v.tasks[0].since.Add(3 * time.Second))
		v.mu.Unlock()
		lines := terminalOf(t, out.String())
		if len(lines) != 3 || lines[0] != "  getting etcd: about a minute" || lines[2] != "    etcd, 3 s: go.etcd.io/etcd" {
			t.Errorf("on the screen:\n%s", strings.Join(lines, "\n"))
		}
		v.close()
	})
}

func TestLiveView(t *testing.T) {
	var out bytes.Buffer
	v := newView(&out, false, true, false)
	for _, e := range bringUp()[:7] {
		v.event(e)
	}
	see := func(want string) {
		t.Helper()
		v.mu.Lock()
		v.draw(v.since)
		v.mu.Unlock()
		if lines := terminalOf(t, out.String()); lines[len(lines)-1] != want {
			t.Errorf("on the screen:\n%s\nwant %q", strings.Join(lines, "\n"), want)
		}
	}
	v.event(event.Event{Kind: event.ActionDone, Host: "w1", Item: "sysctl:kernel.pid_max", State: "changed"})
	v.event(event.Event{Kind: event.ActionStarted, Host: "w1", Item: "package:haproxy"})
	see("    w1                   package haproxy")
	v.event(event.Event{Kind: event.ActionDone, Host: "w1", Item: "package:haproxy", State: "changed"})
	see("    w1                   after package haproxy")
	v.event(event.Event{Kind: event.Progress, Host: "w1", Item: "kubelet", Bytes: 5 << 20, Total: 10 << 20})
	see("    w1                   kubelet 50 % of 10 MiB")
	lines := terminalOf(t, out.String())
	if len(lines) != 3 || lines[0] != "✓ Cluster identity                                1.5 s" || !strings.HasSuffix(lines[1], "0 s  Files") ||
		lines[2] != "    w1                   kubelet 50 % of 10 MiB" {
		t.Errorf("on the screen:\n%s", strings.Join(lines, "\n"))
	}
	v.close()
	if lines := terminalOf(t, out.String()); len(lines) != 1 {
		t.Errorf("left on the screen:\n%s", strings.Join(lines, "\n"))
	}
}

func TestJSONView(t *testing.T) {
	var out bytes.Buffer
	v := newView(&out, true, false, false)
	for _, e := range bringUp() {
		v.event(e)
	}
	v.interrupted()
	v.close()
	n := 0
	for line := range strings.Lines(out.String()) {
		var got struct {
			Type string     `json:"type"`
			Kind event.Kind `json:"kind"`
		}
		if err := json.Unmarshal([]byte(line), &got); err != nil || got.Type != "event" || got.Kind != bringUp()[n].Kind {
			t.Errorf("line %d is %s (%v)", n+1, line, err)
		}
		n++
	}
	if n != len(bringUp()) {
		t.Errorf("%d lines, want %d", n, len(bringUp()))
	}
}

func TestShorten(t *testing.T) {
	one, two := errors.New("host w1: disk full"), errors.New("host w2: unit x: failed\nlast lines of its journal")
	shown := []event.Event{{Kind: event.HostFailed, Host: "w1", Message: one.Error()}, {Kind: event.HostFailed, Host: "w2", Message: two.Error()}}
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"all were shown", fmt.Errorf("phase %q: %w", "configure", errors.Join(one, two)), `phase "configure": 2 hosts failed, see above: w1, w2`},
		{"in another order", fmt.Errorf("phase %q: %w", "configure", errors.Join(two, one)), `phase "configure": 2 hosts failed, see above: w1, w2`},
		{"without a phase", errors.Join(one, two), "2 hosts failed, see above: w1, w2"},
		{"more than was shown", errors.Join(one, two, errors.New("the lock was lost")), "2 hosts failed, see above: w1, w2\nthe lock was lost"},
		{"something else", errors.New("gate nodes-ready: time-out"), "gate nodes-ready: time-out"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			v := newView(&out, false, false, false)
			defer v.close()
			for _, e := range shown {
				v.event(e)
			}
			got := v.shorten(c.err)
			if diff := cmp.Diff(c.want, got.Error()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if !errors.Is(got, c.err) {
				t.Error("the error itself cannot be found any more")
			}
		})
	}
}
