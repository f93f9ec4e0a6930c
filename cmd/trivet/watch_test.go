package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// TestChanges writes the first status whole, and then what comes and goes.
func TestChanges(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.Local)
	status := func(drift ...string) *bootstrap.Status {
		at = at.Add(10 * time.Second)
		h := bootstrap.HostStatus{Name: "a", Managed: true, Node: "Ready"}
		for _, d := range drift {
			h.Drift = append(h.Drift, hostapi.Drift{ID: hostapi.ID{Kind: hostapi.KindFile, Name: d}, What: "missing"})
		}
		return &bootstrap.Status{Cluster: "main", ClusterID: "c1", Kubernetes: "1.37.2", Initialised: true, Time: at, Hosts: []bootstrap.HostStatus{h}}
	}
	var out bytes.Buffer
	c := &changes{session: &session{global: &global{}, out: &out, cluster: &topology.Cluster{}}}
	for _, round := range []struct {
		status *bootstrap.Status
		want   string
	}{
		{status(), ""},
		{status(), ""},
		{status("/etc/x", "/etc/y"), "12:00:30 gone: ✓ All is well: 1 host as recorded, 1 node Ready, 0 etcd members healthy.\n" +
			"12:00:30 ✗ host a: /etc/x: missing (trivet apply mends it)\n12:00:30 ✗ host a: /etc/y: missing (trivet apply mends it)\n"},
		{status("/etc/y"), "12:00:40 gone: ✗ host a: /etc/x: missing (trivet apply mends it)\n"},
		{status(), "12:00:50 gone: ✗ host a: /etc/y: missing (trivet apply mends it)\n12:00:50 ✓ All is well: 1 host as recorded, 1 node Ready, 0 etcd members healthy.\n"},
	} {
		out.Reset()
		first := !c.begun
		if err := c.show(round.status); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); first {
			if !strings.HasPrefix(got, `Cluster "main"`) || !strings.Contains(got, "All is well") {
				t.Errorf("the first: %s", got)
			}
		} else if d := cmp.Diff(round.want, got); d != "" {
			t.Errorf("-want +got:\n%s", d)
		}
	}
}

// TestFailedLooks are told once for each reason, and end nothing.
func TestFailedLooks(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.Local)
	st := &bootstrap.Status{Cluster: "main", ClusterID: "c1", Kubernetes: "1.37.2", Initialised: true, Time: at, Hosts: []bootstrap.HostStatus{{Name: "a", Managed: true, Node: "Ready"}}}
	var out bytes.Buffer
	s := &session{global: &global{}, out: &out, cluster: &topology.Cluster{Name: "main"}}
	c := &changes{session: s}
	const one, two = "12:00:10 ✗ this look failed: host a: torn,  mend it\n", "12:00:30 ✗ this look failed: host b: torn\n"
	for _, round := range []struct {
		at, fault string
		status    *bootstrap.Status
		want      string // what stands there, or the beginning of a whole status
	}{
		{"12:00:10", "host a: torn,\n mend it", nil, one},
		{"12:00:20", "host a: torn,\n mend it", nil, ""},
		{"12:00:30", "host b: torn", nil, two},
		{"", "", st, "12:00:00 gone: ✗ this look failed: host b: torn\nCluster \"main\", Kubernetes 1.37.2, id c1\n"},
		{"", "", st, ""},
		{"12:00:30", "host b: torn", nil, two},
		{"", "", st, "12:00:00 gone: ✗ this look failed: host b: torn\n"},
	} {
		out.Reset()
		show := func() error { return c.show(round.status) }
		if round.status == nil {
			show = func() error { return c.failed(round.at, errors.New(round.fault)) }
		}
		if err := show(); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); got != round.want && !(strings.Contains(round.want, "Cluster") && strings.HasPrefix(got, round.want)) {
			t.Errorf("written: %q, want %q", got, round.want)
		}
	}

	out.Reset()
	v := &redrawn{session: s, every: 10 * time.Second}
	for _, do := range []func() error{func() error { return v.failed("12:00:10", errors.New("torn")) }, func() error { return v.show(st) }, func() error { return v.failed("12:00:20", errors.New("torn")) }} {
		out.Reset()
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	const head = "12:00:20, every 10s until Ctrl-C\n✗ this look failed: torn\nThe last that did not, at 12:00:00:\nCluster \"main\""
	if got := strings.ReplaceAll(out.String(), "\x1b[K", ""); !strings.HasPrefix(got, "\x1b[H"+head) {
		t.Errorf("drawn: %q", got)
	}

	out.Reset()
	if err := s.writeFailedLook(at.UTC(), errors.New("torn")); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(`{"type":"status","healthy":false,"cluster":"main","error":"torn","time":"`+at.UTC().Format(time.RFC3339)+"\"}\n", out.String()); d != "" {
		t.Errorf("as JSON (-want +got):\n%s", d)
	}
}

// TestPage fits what is shown into the terminal.
func TestPage(t *testing.T) {
	const k = "\x1b[K"
	for _, c := range []struct {
		text       string
		wide, high int
		want       string
	}{
		{"a\nb\n", 10, 5, "a" + k + "\nb" + k},
		{"a\nb\nc\n", 10, 3, "a" + k + "\nb" + k + "\nc" + k},
		{"a\nb\nc\nd\n", 10, 3, "a" + k + "\nb" + k + "\n… and 2 more lines" + k},
		{"a\n0123456789abc\nc\nd\n", 10, 4, "a" + k + "\n0123456789abc" + k + "\n… and 2 more lines" + k},
	} {
		if d := cmp.Diff("\x1b[H"+c.want+"\x1b[J", page(c.text, c.wide, c.high)); d != "" {
			t.Errorf("%q in %d by %d (-want +got):\n%s", c.text, c.wide, c.high, d)
		}
	}
}

// interrupting is where output goes; after so many lines it has the process interrupted, as Ctrl-C does.
type interrupting struct {
	mu    sync.Mutex
	out   bytes.Buffer
	after int
}

func (w *interrupting) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.out.Write(b)
	if w.after -= bytes.Count(b, []byte("\n")); w.after <= 0 && w.after > -1000 {
		w.after = -1000
		if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

// TestWatchCommand writes an object a round, and Ctrl-C is how it ends, whatever was seen.
func TestWatchCommand(t *testing.T) {
	m := newMemoryFleet(t, threeSites)
	m.trivet(exitOK, "apply", "--yes")
	m.Unreachable["w2"] = true
	root, g := newRoot()
	g.adapt = func(o *bootstrap.Options) {
		o.Connect, o.Artifacts = m.Connect, m.Fleet
		o.API = func(_ *bootstrap.Engine, id func() (*identity.Identity, error)) bootstrap.API { return m.API(id) }
	}
	out := &interrupting{after: 2}
	root.SetOut(out)
	if code := g.run(root, []string{"status", "--watch", "--interval", "1s", "--json", "-f", m.dir}); code != exitOK {
		t.Errorf("it ends with %d: %s", code, out.out.String())
	}
	lines := strings.Split(strings.TrimSpace(out.out.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines: %s", len(lines), out.out.String())
	}
	for _, l := range lines {
		var got struct {
			Type    string
			Healthy bool
			Hosts   []bootstrap.HostStatus
		}
		if err := json.Unmarshal([]byte(l), &got); err != nil || got.Type != "status" || got.Healthy || len(got.Hosts) != 5 {
			t.Errorf("%v: %s", err, l)
		}
	}
	for _, args := range [][]string{{"--interval", "5s"}, {"--watch", "--deep"}, {"--watch", "--interval", "1ms"}} {
		m.trivet(exitFailed, append([]string{"status"}, args...)...)
	}
}
