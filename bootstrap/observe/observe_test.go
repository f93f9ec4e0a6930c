package observe_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/observe"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/remote"
)

func observation(change ...func(*hostapi.Observation)) *hostapi.Observation {
	o := &hostapi.Observation{Documents: map[string]hostapi.Document{}}
	for _, c := range change {
		c(o)
	}
	return o
}

func keeps(cluster, id string, generation uint64) func(*hostapi.Observation) {
	return func(o *hostapi.Observation) {
		b, err := (&inventory.Inventory{Format: inventory.Format, Cluster: cluster, ClusterID: id, Generation: generation}).Marshal()
		if err != nil {
			panic(err)
		}
		o.Documents[inventory.Document] = hostapi.Document{Name: inventory.Document, Generation: generation, Content: b}
	}
}

// wrote keeps an inventory that the run of an epoch wrote.
func wrote(epoch, generation uint64) func(*hostapi.Observation) {
	return func(o *hostapi.Observation) {
		b, err := (&inventory.Inventory{Format: inventory.Format, Cluster: "main", ClusterID: "1", Epoch: epoch, Generation: generation}).Marshal()
		if err != nil {
			panic(err)
		}
		o.Documents[inventory.Document] = hostapi.Document{Name: inventory.Document, Generation: generation, Content: b}
	}
}

func sealed(content string, generation uint64) func(*hostapi.Observation) {
	return func(o *hostapi.Observation) {
		o.Documents[identity.Document] = hostapi.Document{Name: identity.Document, Generation: generation, Content: []byte(content)}
	}
}

func belongs(cluster, id string, epoch uint64) func(*hostapi.Observation) {
	return func(o *hostapi.Observation) {
		o.Record = &hostapi.Record{Cluster: cluster, ClusterID: id, Epoch: epoch}
	}
}

func broken(o *hostapi.Observation) {
	o.Documents[inventory.Document] = hostapi.Document{Name: inventory.Document, Content: []byte("{")}
}

type hosts = map[string]*hostapi.Observation

func TestDocuments(t *testing.T) {
	for _, c := range []struct {
		name   string
		seen   hosts
		want   string // "generation sealed epoch"
		errors []string
	}{
		{"fresh hosts", hosts{"a": observation(), "b": observation()}, "0  0", nil},
		{"the highest generation counts", hosts{
			"a": observation(keeps("main", "1", 2), sealed("old", 1), belongs("main", "1", 4)),
			"b": observation(keeps("main", "1", 3), sealed("new", 2), belongs("main", "1", 5)),
			"c": observation(keeps("main", "1", 1), belongs("main", "1", 3)),
		}, "3 new 5", nil},
		{"what a later run wrote counts, whatever its generation", hosts{
			"a": observation(wrote(5, 9), belongs("main", "1", 5)), "b": observation(wrote(7, 8), belongs("main", "1", 7)), "c": observation(wrote(6, 10), belongs("main", "1", 6)),
		}, "8  7", nil},
		{"identity alone", hosts{"a": observation(sealed("s", 1), belongs("main", "1", 1))}, "0 s 1", nil},
		{"another cluster's control plane", hosts{"a": observation(keeps("other", "9", 2))}, "", []string{"host a", `"other" (9)`, `not to "main"`}},
		{"two clusters of one name", hosts{"a": observation(keeps("main", "1", 2)), "b": observation(keeps("main", "2", 1))}, "", []string{"hosts a and b", "(1 and 2)", "destroyed first"}},
		{"another cluster's worker", hosts{"a": observation(keeps("main", "1", 2)), "w": observation(belongs("other", "9", 1)), "v": observation(belongs("main", "1", 1))},
			"", []string{"host w", `"other" (9)`, "(1)", "trivet destroy"}},
		{"an inventory that does not read", hosts{"a": observation(keeps("main", "1", 2)), "b": observation(broken)}, "", []string{"host b", "cannot be read"}},
		{"everything wrong at once", hosts{"a": observation(keeps("other", "9", 2)), "b": observation(broken)}, "", []string{"host a", "host b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := observe.Documents(&topology.Cluster{Name: "main"}, c.seen)
			if len(c.errors) > 0 {
				if err == nil {
					t.Fatal("no error")
				}
				for _, w := range c.errors {
					if !strings.Contains(err.Error(), w) {
						t.Errorf("%q is missing in: %v", w, err)
					}
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			generation := uint64(0)
			if got.Inventory != nil {
				generation = got.Inventory.Generation
			}
			if s := fmt.Sprintf("%d %s %d", generation, got.Sealed, got.Epoch); s != c.want {
				t.Errorf("got %q, want %q", s, c.want)
			}
		})
	}
}

// slowHost answers after a second. Every other call is a mistake, and a nil dereference.
type slowHost struct {
	remote.Host
	name       string
	now, peak  *atomic.Int64
	err        error
	gotRequest *hostapi.ObserveRequest
}

func (h *slowHost) Observe(ctx context.Context, req hostapi.ObserveRequest) (*hostapi.Observation, error) {
	n := h.now.Add(1)
	defer h.now.Add(-1)
	for p := h.peak.Load(); n > p && !h.peak.CompareAndSwap(p, n); p = h.peak.Load() {
	}
	h.gotRequest = &req
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return &hostapi.Observation{Facts: hostapi.Facts{Hostname: h.name}}, h.err
}

func fleet(n int) (map[string]remote.Host, *atomic.Int64) {
	now, peak := new(atomic.Int64), new(atomic.Int64)
	out := map[string]remote.Host{}
	for i := range n {
		name := fmt.Sprintf("h%d", i)
		out[name] = &slowHost{name: name, now: now, peak: peak}
	}
	return out, peak
}

func TestHosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, peak := fleet(10)
		all["h3"].(*slowHost).err = errors.New("host h3: disk on fire")
		start := time.Now()
		seen, failed := observe.Hosts(t.Context(), all, hostapi.ObserveRequest{Contents: true}, 4)
		if took := time.Since(start); took != 3*time.Second || peak.Load() != 4 {
			t.Errorf("10 hosts, 4 at once: %s, %d at once", took, peak.Load())
		}
		if len(seen) != 9 || len(failed) != 1 || failed["h3"] == nil || seen["h3"] != nil {
			t.Errorf("seen %d, failed %v", len(seen), failed)
		}
		for name, o := range seen {
			if o.Facts.Hostname != name || !all[name].(*slowHost).gotRequest.Contents {
				t.Errorf("host %s: %+v", name, o.Facts)
			}
		}
	})
}

// TestHostsCancelled ends at once, with every host that did not answer named.
func TestHostsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, _ := fleet(10)
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		start := time.Now()
		seen, failed := observe.Hosts(ctx, all, hostapi.ObserveRequest{}, 4)
		if took := time.Since(start); took != 1500*time.Millisecond || len(seen) != 4 || len(failed) != 6 {
			t.Errorf("after %s: seen %d, failed %d", took, len(seen), len(failed))
		}
	})
}
