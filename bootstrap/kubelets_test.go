package bootstrap_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/remote"
)

// wiretap is a host whose probes are counted, and whose API server is api.
type wiretap struct {
	remote.Host
	probes func(host string)
	api    http.Handler
}

func (w *wiretap) Probe(ctx context.Context, req *hostapi.ProbeRequest) (*hostapi.ProbeResult, error) {
	w.probes(w.Name())
	return w.Host.Probe(ctx, req)
}

// Dial serves one connection.
func (w *wiretap) Dial(context.Context, hostapi.Endpoint) (net.Conn, error) {
	here, there := net.Pipe()
	l := &oneConn{conn: there, done: make(chan struct{})}
	go func() { _ = http.Serve(l, w.api) }() //nolint:gosec // a pipe in memory, which ends with the test
	return &closing{here, sync.OnceFunc(func() { close(l.done) })}, nil
}

// closing tells when a connection was closed.
type closing struct {
	net.Conn
	closed func()
}

func (c *closing) Close() error {
	c.closed()
	return c.Conn.Close()
}

// oneConn is a listener that accepts one connection.
type oneConn struct {
	conn net.Conn
	done chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.done
	return nil, net.ErrClosed
}
func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return &net.UnixAddr{} }

// tap makes wiretaps of a fleet's hosts, and gives the names of those that were probed, in order.
func tap(f *fleettest.Fleet, api http.Handler) (change func(*bootstrap.Options), probed func() []string) {
	var mu sync.Mutex
	var names []string
	change = func(o *bootstrap.Options) {
		o.Connect = func(ctx context.Context, h *topology.Host) (remote.Host, error) {
			conn, err := f.Connect(ctx, h)
			if err != nil {
				return nil, err
			}
			return &wiretap{conn, func(host string) {
				mu.Lock()
				defer mu.Unlock()
				names = append(names, host)
			}, api}, nil
		}
	}
	return change, func() []string {
		mu.Lock()
		defer mu.Unlock()
		out := slices.Sorted(slices.Values(names))
		names = nil
		return out
	}
}

// TestKubeletStarts: what the look at the hosts told is not asked again, but of hosts that the run changed.
func TestKubeletStarts(t *testing.T) {
	f := newFleet(t, small)
	clock := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	for _, m := range f.Machines {
		m.Units.Now = func() time.Time { return clock }
	}
	nodes := []string{"cp1", "w1"}
	change, probed := tap(f, nil)
	e := open(t, f, change)
	apply(t, e)
	probed() // the preflight's, too
	first := clock
	if d := cmp.Diff(map[string]time.Time{"cp1": first, "w1": first}, e.KubeletStarts(t.Context(), nodes)); d != "" {
		t.Errorf("after the bring-up (-want +got):\n%s", d)
	}
	if d := cmp.Diff(nodes, probed()); d != "" {
		t.Errorf("asked after the bring-up (-want +got):\n%s", d)
	}

	e = open(t, f, change)
	if err := e.Settle(t.Context(), planOf(t, e)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]time.Time{"cp1": first, "w1": first}, e.KubeletStarts(t.Context(), nodes)); d != "" {
		t.Errorf("with nothing to do (-want +got):\n%s", d)
	}
	if got := probed(); len(got) != 0 {
		t.Errorf("asked with nothing to do: %v", got)
	}

	clock = clock.Add(time.Hour)
	if err := os.Remove(f.Machines["w1"].Path("/etc/kubernetes/kubelet.yaml")); err != nil {
		t.Fatal(err)
	}
	apply(t, e)
	if d := cmp.Diff(map[string]time.Time{"cp1": first, "w1": clock}, e.KubeletStarts(t.Context(), nodes)); d != "" {
		t.Errorf("after a restart on w1 (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"w1"}, probed()); d != "" {
		t.Errorf("asked after a restart on w1 (-want +got):\n%s", d)
	}

	if err := f.Machines["w1"].Units.Stop(t.Context(), "kubelet.service", true); err != nil {
		t.Fatal(err)
	}
	if got := e.KubeletStarts(t.Context(), nodes)["w1"]; !got.Equal(fleettest.Now) { // what stands in the API is not the word of one that is to come
		t.Errorf("the kubelet on w1, which does not run, began at %s, want now, %s", got, fleettest.Now)
	}
}

// nodesAPI serves nodes that are Ready by the word of kubelets as of heartbeat; watches give the reports of later.
type nodesAPI struct {
	heartbeat map[string]time.Time
	later     chan map[string]time.Time
}

func readyNode(name string, at time.Time) map[string]any {
	return map[string]any{"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": name, "resourceVersion": "7"}, "status": map[string]any{"conditions": []any{
		map[string]any{"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": at.Format(time.RFC3339), "lastTransitionTime": "2026-01-01T00:00:00Z"}}}}
}

func (a *nodesAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.URL.Path != "/api/v1/nodes":
		w.WriteHeader(http.StatusNotFound)
	case r.URL.Query().Get("watch") == "":
		var items []any
		for name, at := range a.heartbeat {
			items = append(items, readyNode(name, at))
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"apiVersion": "v1", "kind": "NodeList", "metadata": map[string]any{"resourceVersion": "5"}, "items": items})
	default:
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		select {
		case beats := <-a.later:
			for name, at := range beats {
				_ = json.NewEncoder(w).Encode(map[string]any{"type": "MODIFIED", "object": readyNode(name, at)})
			}
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		case <-r.Context().Done():
		}
	}
}

// TestNodesReadyAfterRestart: the gate does not believe what a kubelet said before the one that runs now began, and waits no longer than for its first report.
func TestNodesReadyAfterRestart(t *testing.T) {
	f := newFleet(t, small)
	started := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	for _, m := range f.Machines {
		m.Units.Now = func() time.Time { return started }
	}
	apply(t, open(t, f))

	api := &nodesAPI{heartbeat: map[string]time.Time{"cp1": started.Add(time.Minute), "w1": started.Add(-time.Second)}, later: make(chan map[string]time.Time, 1)}
	var waited []string
	change, probed := tap(f, api)
	live := open(t, f, change, func(o *bootstrap.Options) { o.API = nil })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := bootstrap.NodesReady(ctx, live, []string{"cp1", "w1"}, func(missing string) {
		if waited = append(waited, missing); len(waited) == 1 {
			api.later <- map[string]time.Time{"w1": started}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"node w1: its kubelet, which was started, has not reported since: look at the unit kubelet on the host", ""}
	if d := cmp.Diff(want, waited); d != "" {
		t.Errorf("waited for (-want +got):\n%s", d)
	}
	if got := strings.Join(probed(), " "); got != "cp1 w1" {
		t.Errorf("an engine that has not looked asked %q", got)
	}
}
