package kube_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/kube"
)

// nodeOfPods is an API with the node n1 and its pods. What it does not know fails the test.
type nodeOfPods struct {
	t     *testing.T
	evict func(f *nodeOfPods, name string, w http.ResponseWriter) // with mu held

	mu       sync.Mutex
	version  int
	ready    string // status of the condition
	pods     map[string]map[string]any
	watchers []chan map[string]any
	evicted  []string // in order, every try
	cordons  int
	running  int // evictions at once
	most     int
	budgets  []any
	lease    map[string]any // of the controller managers; nil where there is none
	leased   chan map[string]any
}

func newNodeOfPods(t *testing.T, pods ...map[string]any) *nodeOfPods {
	f := &nodeOfPods{t: t, ready: "True", pods: make(map[string]map[string]any), evict: func(f *nodeOfPods, name string, w http.ResponseWriter) {
		f.remove(name)
		answer(w, http.StatusCreated, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Success"})
	}}
	for _, p := range pods {
		f.put(p)
	}
	return f
}

// pod has a controller unless changed.
func pod(name string, change func(meta, spec, status map[string]any)) map[string]any {
	meta := map[string]any{"name": name, "namespace": "default", "uid": "uid-" + name, "labels": map[string]any{"app": "web"},
		"ownerReferences": []any{map[string]any{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "1", "controller": true}}}
	spec, status := map[string]any{"nodeName": "n1"}, map[string]any{"phase": "Running"}
	if change != nil {
		change(meta, spec, status)
	}
	return map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": status}
}

func ending(grace int) func(meta, spec, status map[string]any) {
	return func(meta, _, _ map[string]any) {
		meta["deletionTimestamp"], meta["deletionGracePeriodSeconds"] = "2026-01-01T00:00:00Z", grace
	}
}

func podName(p map[string]any) string { return p["metadata"].(map[string]any)["name"].(string) }

func (f *nodeOfPods) tell(kind string, p map[string]any) {
	f.version++
	p["metadata"].(map[string]any)["resourceVersion"] = fmt.Sprint(f.version)
	for _, w := range f.watchers {
		w <- map[string]any{"type": kind, "object": p}
	}
}

func (f *nodeOfPods) put(p map[string]any) {
	f.pods[podName(p)] = p
	f.tell("MODIFIED", p)
}

func (f *nodeOfPods) remove(name string) {
	if p := f.pods[name]; p != nil {
		delete(f.pods, name)
		f.tell("DELETED", p)
	}
}

func (f *nodeOfPods) node() map[string]any {
	return map[string]any{"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": "n1", "resourceVersion": "1"}, "spec": map[string]any{},
		"status": map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": f.ready, "reason": "Test", "message": "by the test"}}}}
}

func (f *nodeOfPods) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	watching := r.URL.Query().Get("watch") != ""
	name, isEviction := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/api/v1/namespaces/default/pods/"), "/eviction")
	switch {
	case r.URL.Path == "/api/v1/pods" && r.URL.Query().Get("fieldSelector") == "spec.nodeName=n1" && watching:
		f.stream(w, r, true)
	case r.URL.Path == "/api/v1/pods" && r.URL.Query().Get("fieldSelector") == "spec.nodeName=n1":
		items := []any{}
		for _, p := range f.pods {
			items = append(items, p)
		}
		answer(w, http.StatusOK, map[string]any{"apiVersion": "v1", "kind": "PodList", "metadata": map[string]any{"resourceVersion": fmt.Sprint(f.version)}, "items": items})
	case r.URL.Path == "/api/v1/nodes" && watching:
		f.stream(w, r, false)
	case r.URL.Path == "/api/v1/nodes":
		answer(w, http.StatusOK, map[string]any{"apiVersion": "v1", "kind": "NodeList", "metadata": map[string]any{"resourceVersion": "1"}, "items": []any{f.node()}})
	case r.URL.Path == "/api/v1/nodes/n1":
		if r.Method == http.MethodPatch {
			f.cordons++
		}
		answer(w, http.StatusOK, f.node())
	case strings.HasPrefix(r.URL.Path, "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases") && watching:
		f.streamOf(w, r, f.leased)
	case strings.HasPrefix(r.URL.Path, "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"):
		items := []any{}
		if f.lease != nil {
			items = append(items, f.lease)
		}
		answer(w, http.StatusOK, map[string]any{"apiVersion": "coordination.k8s.io/v1", "kind": "LeaseList", "metadata": map[string]any{"resourceVersion": "1"}, "items": items})
	case isEviction:
		f.eviction(w, r, name)
	case r.URL.Path == "/apis/policy/v1/namespaces/default/poddisruptionbudgets":
		answer(w, http.StatusOK, map[string]any{"apiVersion": "policy/v1", "kind": "PodDisruptionBudgetList", "metadata": map[string]any{}, "items": f.budgets})
	default:
		failure(w, http.StatusNotFound, "NotFound", r.Method+" "+r.URL.String())
	}
}

func (f *nodeOfPods) eviction(w http.ResponseWriter, r *http.Request, name string) {
	f.evicted = append(f.evicted, name)
	f.running++
	f.most = max(f.most, f.running)
	f.mu.Unlock()
	var body struct {
		DeleteOptions struct {
			Preconditions struct{ UID string } `json:"preconditions"`
		} `json:"deleteOptions"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.DeleteOptions.Preconditions.UID != "uid-"+name {
		f.t.Errorf("an eviction of %s for the UID %q: %v", name, body.DeleteOptions.Preconditions.UID, err)
	}
	f.mu.Lock()
	f.running--
	f.evict(f, name, w)
}

// stream is a watch; mu is held when it is called and let go of.
func (f *nodeOfPods) stream(w http.ResponseWriter, r *http.Request, pods bool) {
	events := make(chan map[string]any, 1000)
	if pods {
		from := r.URL.Query().Get("resourceVersion")
		if from != fmt.Sprint(f.version) { // something happened in between
			failure(w, http.StatusGone, "Expired", "too old")
			return
		}
		f.watchers = append(f.watchers, events)
	}
	f.streamOf(w, r, events)
}

// streamOf is a watch of events.
func (f *nodeOfPods) streamOf(w http.ResponseWriter, r *http.Request, events chan map[string]any) {
	f.mu.Unlock()
	defer f.mu.Lock()
	w.Header().Set("Content-Type", "application/json")
	w.(http.Flusher).Flush()
	for {
		select {
		case event := <-events:
			raw, _ := json.Marshal(event)
			_, _ = w.Write(append(raw, '\n'))
			w.(http.Flusher).Flush()
		case <-r.Context().Done():
			return
		}
	}
}

func (f *nodeOfPods) client() *kube.Client { return client(f.t, serve(f.t, "cp1", f.serve)) }

func tooMany(w http.ResponseWriter, seconds int, message string) {
	if seconds > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(seconds))
	}
	answer(w, http.StatusTooManyRequests, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "TooManyRequests", "code": http.StatusTooManyRequests,
		"message": "Cannot evict pod as it would violate the pod's disruption budget.",
		"details": map[string]any{"retryAfterSeconds": seconds, "causes": []any{map[string]any{"reason": "DisruptionBudget", "message": message}}}})
}

// leaseOf is the controller managers' lease: who has it, since when and renewed when, in seconds.
func leaseOf(holder string, acquired, renewed, lasts int) map[string]any {
	at := func(second int) string { return fmt.Sprintf("2026-01-01T00:00:%02d.000000Z", second) }
	return map[string]any{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": map[string]any{"name": "kube-controller-manager", "namespace": "kube-system", "resourceVersion": fmt.Sprint(renewed)},
		"spec": map[string]any{"holderIdentity": holder, "acquireTime": at(acquired), "renewTime": at(renewed), "leaseDurationSeconds": lasts}}
}

// Pods are evicted once a controller manager leads: a lease that was renewed before says nothing, nor does one that is taken just now.
func TestDrainWaitsForALeader(t *testing.T) {
	f := newNodeOfPods(t, pod("web", nil))
	f.lease, f.leased = leaseOf("dead", 1, 20, 15), make(chan map[string]any, 10)
	led := false
	evict := f.evict
	f.evict = func(f *nodeOfPods, name string, w http.ResponseWriter) {
		if !led {
			t.Error("a pod was evicted while nobody led")
		}
		evict(f, name, w)
	}
	waited := false
	if err := f.client().Drain(t.Context(), "n1", kube.DrainOptions{}, func(s string) {
		if !waited && strings.Contains(s, "0 of 1 pods have left, the rest waits for a kube-controller-manager that leads") {
			waited = true
			f.leased <- map[string]any{"type": "MODIFIED", "object": leaseOf("next", 40, 40, 15)}
			time.AfterFunc(50*time.Millisecond, func() { // it need not come first for the test to hold
				f.mu.Lock()
				led = true
				f.mu.Unlock()
				f.leased <- map[string]any{"type": "MODIFIED", "object": leaseOf("next", 40, 42, 15)}
			})
		}
	}); err != nil {
		t.Fatal(err)
	}
	if !waited || len(f.evicted) != 1 {
		t.Errorf("waited: %v, evicted: %v", waited, f.evicted)
	}
}

// Where nobody leads in time the drain goes on: the controller managers may be what is to be mended.
func TestDrainWithoutALeader(t *testing.T) {
	t.Parallel()
	f := newNodeOfPods(t, pod("web", nil))
	f.lease, f.leased = leaseOf("dead", 1, 20, 1), make(chan map[string]any)
	began := time.Now()
	if err := f.client().Drain(t.Context(), "n1", kube.DrainOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	if waited := time.Since(began); waited < time.Second || len(f.evicted) != 1 {
		t.Errorf("it waited %s, evicted: %v", waited, f.evicted)
	}
}

// Many pods leave, a bounded number at once; those that belong to the node stay.
func TestDrainMany(t *testing.T) {
	f := newNodeOfPods(t,
		pod("mirror", func(meta, _, _ map[string]any) {
			meta["annotations"] = map[string]any{"kubernetes.io/config.mirror": "x"}
			delete(meta, "ownerReferences")
		}),
		pod("daemon", func(meta, _, _ map[string]any) {
			meta["ownerReferences"] = []any{map[string]any{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "uid": "2", "controller": true}}
		}),
		pod("finished", func(meta, _, status map[string]any) {
			status["phase"] = "Succeeded"
			delete(meta, "ownerReferences")
		}),
		pod("scratch", func(_, spec, _ map[string]any) {
			spec["volumes"] = []any{map[string]any{"name": "tmp", "emptyDir": map[string]any{}}}
		}))
	for i := range 150 {
		f.put(pod(fmt.Sprintf("web-%03d", i), nil))
	}
	var said []string
	if err := f.client().Drain(t.Context(), "n1", kube.DrainOptions{}, func(s string) { said = append(said, s) }); err != nil {
		t.Fatal(err)
	}
	if len(f.pods) != 3 || f.pods["scratch"] != nil || len(f.evicted) != 151 || f.cordons != 1 {
		t.Errorf("%d pods are left after %d evictions and %d cordons", len(f.pods), len(f.evicted), f.cordons)
	}
	if f.most > 8 {
		t.Errorf("%d evictions at once", f.most)
	}
	if last := said[len(said)-1]; last != "151 of 151 pods have left" {
		t.Errorf("reports end with %q", last)
	}
}

// Evictions that a budget does not allow are tried again after as long as the server says, and the report names the budget.
func TestDrainWaitsForABudget(t *testing.T) {
	f := newNodeOfPods(t, pod("a", nil), pod("b", nil))
	var first time.Time
	allow := f.evict
	f.evict = func(f *nodeOfPods, name string, w http.ResponseWriter) {
		if name == "b" && first.IsZero() {
			first = time.Now()
			tooMany(w, 1, "The disruption budget web needs 1 healthy pods and has 1 currently")
			return
		}
		if name == "b" && time.Since(first) < 900*time.Millisecond {
			t.Errorf("tried again after %s", time.Since(first))
		}
		allow(f, name, w)
	}
	var said []string
	if err := f.client().Drain(t.Context(), "n1", kube.DrainOptions{}, func(s string) { said = append(said, s) }); err != nil {
		t.Fatal(err)
	}
	if want := "1 of 2 pods have left, 1 may not be evicted yet, such as default/b: The disruption budget web needs 1 healthy pods and has 1 currently"; !slices.Contains(said, want) {
		t.Errorf("no %q in %q", want, said)
	}
}

func TestDrainSaysWhatBlocks(t *testing.T) {
	f := newNodeOfPods(t, pod("held-1", nil), pod("held-2", nil), pod("slow", ending(3600)),
		pod("kept", func(meta, spec, status map[string]any) {
			ending(0)(meta, spec, status)
			meta["finalizers"] = []any{"example.org/keep"}
		}), pod("fine", nil))
	f.budgets = []any{
		map[string]any{"metadata": map[string]any{"name": "web", "namespace": "default", "generation": 1}, "spec": map[string]any{"selector": map[string]any{"matchLabels": map[string]any{"app": "web"}}},
			"status": map[string]any{"observedGeneration": 1, "disruptionsAllowed": 0, "currentHealthy": 2, "desiredHealthy": 2, "expectedPods": 3}},
		map[string]any{"metadata": map[string]any{"name": "other", "namespace": "default"}, "spec": map[string]any{"selector": map[string]any{"matchLabels": map[string]any{"app": "other"}}}},
	}
	allow := f.evict
	f.evict = func(f *nodeOfPods, name string, w http.ResponseWriter) {
		if name == "fine" {
			allow(f, name, w)
			return
		}
		tooMany(w, 0, "The disruption budget web needs 2 healthy pods and has 2 currently")
	}
	err := f.client().Drain(t.Context(), "n1", kube.DrainOptions{Timeout: 1500 * time.Millisecond}, nil)
	var blocked *kube.DrainError
	if !errors.As(err, &blocked) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%v", err)
	}
	const want = "node n1 is not drained after 2s: 4 of 5 pods are left: " +
		"default/held-1, default/held-2: PodDisruptionBudget default/web allows 0 disruptions: 2 of 3 pods are healthy and 2 must be: bring the others to health, or add replicas, or relax the budget; " +
		"default/kept: it is deleted and held by its finalizers example.org/keep: look at the controller that set them; " +
		"default/slow: it is ending, for which it has 1h0m0s (terminationGracePeriodSeconds): allow more time, or make its processes end " +
		"(the node stays cordoned; then apply again): context deadline exceeded"
	if err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
	if slices.Contains(f.evicted, "slow") || slices.Contains(f.evicted, "kept") {
		t.Errorf("what is ending was evicted: %q", f.evicted)
	}
}

func TestDrainRefuses(t *testing.T) {
	alone := func(meta, _, _ map[string]any) { delete(meta, "ownerReferences") }
	f := newNodeOfPods(t, pod("web", nil), pod("b", alone), pod("a", alone))
	c := f.client()
	err := c.Drain(t.Context(), "n1", kube.DrainOptions{}, nil)
	var unmanaged *kube.UnmanagedError
	if !errors.As(err, &unmanaged) || !slices.Equal(unmanaged.Pods, []string{"default/a", "default/b"}) || f.cordons != 0 || len(f.evicted) != 0 {
		t.Errorf("%v, with %d cordons and %d evictions", err, f.cordons, len(f.evicted))
	}
	if err := c.Drain(t.Context(), "n1", kube.DrainOptions{Force: true}, nil); err != nil || len(f.pods) != 0 {
		t.Errorf("by force: %v, %d pods are left", err, len(f.pods))
	}
}

func TestDrainGivesUpOnTwoBudgets(t *testing.T) {
	f := newNodeOfPods(t, pod("web", nil))
	for _, name := range []string{"one", "two"} {
		f.budgets = append(f.budgets, map[string]any{"metadata": map[string]any{"name": name, "namespace": "default"},
			"spec": map[string]any{"selector": map[string]any{"matchLabels": map[string]any{"app": "web"}}}})
	}
	f.evict = func(_ *nodeOfPods, _ string, w http.ResponseWriter) {
		failure(w, http.StatusInternalServerError, "", "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.")
	}
	err := f.client().Drain(t.Context(), "n1", kube.DrainOptions{}, nil)
	if err == nil || err.Error() != "pod default/web cannot be evicted from node n1: it has more than one PodDisruptionBudget (one, two), which the API does not evict: leave one of them" {
		t.Error(err)
	}
}

// Nobody tells that a pod ended whose kubelet is away.
func TestDrainOfADeadNode(t *testing.T) {
	f := newNodeOfPods(t, pod("old", ending(1)), pod("web", nil))
	f.ready = "Unknown"
	f.evict = func(f *nodeOfPods, name string, w http.ResponseWriter) {
		f.put(pod(name, ending(0)))
		answer(w, http.StatusCreated, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Success"})
	}
	var said []string
	if err := f.client().Drain(t.Context(), "n1", kube.DrainOptions{Timeout: 20 * time.Second}, func(s string) { said = append(said, s) }); err != nil {
		t.Fatal(err)
	}
	if last := said[len(said)-1]; last != "0 of 2 pods have left, 2 end, which the node, not Ready, does not confirm" || !slices.Equal(f.evicted, []string{"web"}) {
		t.Errorf("reports end with %q, evicted %q", last, f.evicted)
	}
}

// A pod that was being bound when the cordon came is evicted; one that tolerates the cordon comes again and again.
func TestDrainAndPodsThatCome(t *testing.T) {
	f := newNodeOfPods(t, pod("web", nil))
	allow := f.evict
	f.evict = func(f *nodeOfPods, name string, w http.ResponseWriter) {
		if name == "web" {
			f.put(pod("late", nil))
			f.put(pod("stubborn", func(_, spec, _ map[string]any) {
				spec["tolerations"] = []any{map[string]any{"operator": "Exists"}}
			}))
		}
		allow(f, name, w)
	}
	if err := f.client().Drain(t.Context(), "n1", kube.DrainOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(f.evicted, []string{"web", "late"}) {
		t.Errorf("evicted %q", f.evicted)
	}
}
