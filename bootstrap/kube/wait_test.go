package kube_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap/kube"
)

func TestReadySaysWhatFails(t *testing.T) {
	var asked atomic.Int32
	c := client(t, serve(t, "cp1", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			t.Errorf("asked %s", r.URL)
		}
		if asked.Add(1) < 3 {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = fmt.Fprint(w, "[+]ping ok\n[-]etcd failed: reason withheld\n[+]log ok\nreadyz check failed\n")
		}
	}))
	err := c.Ready(t.Context(), "cp1")
	if want := "kube-apiserver on cp1 is not ready: /readyz says 500 Internal Server Error: [-]etcd failed: reason withheld; readyz check failed"; err == nil || err.Error() != want {
		t.Errorf("Ready: %v\nwant %s", err, want)
	}
	if err := c.HostsReady(t.Context(), nil, nil); err != nil || asked.Load() != 3 {
		t.Errorf("HostsReady: %v after %d questions", err, asked.Load())
	}
	if err := c.Ready(t.Context(), "cp7"); err == nil || !strings.Contains(err.Error(), "no control plane is called cp7: there are cp1") {
		t.Errorf("an unknown name: %v", err)
	}
}

// One look at every control plane: those that are away are named with the reason.
func TestReadyHosts(t *testing.T) {
	c := client(t,
		serve(t, "cp1", func(http.ResponseWriter, *http.Request) {}),
		serve(t, "cp2", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = fmt.Fprint(w, "[-]etcd failed: reason withheld\n")
		}),
		kube.Away("cp3", errors.New("ssh: no route to host")))
	got := make(map[string]string)
	for name, err := range c.ReadyHosts(t.Context()) {
		if got[name] = "ready"; err != nil {
			got[name] = err.Error()
		}
	}
	want := map[string]string{"cp1": "ready", "cp2": "kube-apiserver on cp2 is not ready: /readyz says 500 Internal Server Error: [-]etcd failed: reason withheld",
		"cp3": "kube-apiserver on cp3 does not answer: ssh: no route to host"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range c.ReadyHosts(ended) {
		if err == nil {
			t.Errorf("%s is ready although nobody was asked", name)
		}
	}
}

func TestHostsReadyReports(t *testing.T) {
	var asked atomic.Int32
	c := client(t, serve(t, "cp1", func(http.ResponseWriter, *http.Request) {}), serve(t, "cp2", func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) < 3 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	var reports []map[string]string
	if err := c.HostsReady(t.Context(), nil, func(now map[string]string) { reports = append(reports, now) }); err != nil {
		t.Fatal(err)
	}
	want := []map[string]string{{"cp1": "", "cp2": "kube-apiserver on cp2 is not ready: /readyz says 500 Internal Server Error: "}, {"cp1": "", "cp2": ""}}
	if diff := cmp.Diff(want, reports); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Thousands of nodes come in pages; one that expires in between is asked for anew.
func TestNodeInfosInPages(t *testing.T) {
	var expired, requests atomic.Int32
	c := client(t, serve(t, "cp1", func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
		start, _ := strconv.Atoi(r.URL.Query().Get("continue"))
		if limit == 0 {
			t.Error("a LIST without a limit")
		}
		if start > 0 && expired.Add(1) == 1 {
			failure(w, http.StatusGone, "Expired", "the continue token is too old")
			return
		}
		var items []any
		for i := start; i < min(start+limit, 2*limit); i++ {
			items = append(items, map[string]any{"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": fmt.Sprintf("n%04d", i)}, "status": map[string]any{"conditions": []any{
				map[string]any{"type": "Ready", "status": "True"}}}})
		}
		next := ""
		if start == 0 {
			next = strconv.Itoa(limit)
		}
		answer(w, http.StatusOK, map[string]any{"apiVersion": "v1", "kind": "NodeList", "metadata": map[string]any{"resourceVersion": "1", "continue": next}, "items": items})
	}))
	infos, err := c.NodeInfos(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if last := infos["n0999"]; len(infos) != 1000 || !last.Ready() || requests.Load() != 4 {
		t.Errorf("%d nodes with %d requests, the last is %+v", len(infos), requests.Load(), last)
	}
}

// With hosts away, some replicas of the latest template are enough.
func TestDeploymentReady(t *testing.T) {
	state := func(desired, replicas, updated, available int, condition string) map[string]any {
		return map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "coredns", "namespace": "kube-system", "generation": 2, "resourceVersion": "5"},
			"spec": map[string]any{"replicas": desired, "selector": map[string]any{"matchLabels": map[string]any{"a": "b"}}},
			"status": map[string]any{"observedGeneration": 2, "replicas": replicas, "updatedReplicas": updated, "availableReplicas": available,
				"conditions": []any{map[string]any{"type": "Available", "status": condition}}}}
	}
	for _, test := range []struct {
		name    string
		live    map[string]any
		minimum int
		want    string // "" when it is ready
	}{
		{"all, and all are wanted", state(3, 3, 3, 3, "True"), 0, ""},
		{"one of three, and all are wanted", state(3, 3, 3, 1, "False"), 0, "1 of 3 replicas available, 3 of the latest template"},
		{"one is missing, which an update may take away, so that the condition holds", state(3, 3, 3, 2, "True"), 0, "2 of 3 replicas available, 3 of the latest template"},
		{"the only one is missing, and the condition holds", state(1, 1, 1, 0, "True"), 0, "0 of 1 replicas available"},
		{"one of three is enough", state(3, 3, 3, 1, "False"), 1, ""},
		{"two of three are enough", state(3, 3, 3, 1, "False"), 2, "1 of 3 replicas available"},
		{"no more than there are", state(1, 1, 1, 1, "True"), 3, ""},
		{"the one may be of the template before", state(3, 4, 1, 1, "False"), 1, "1 of 3 replicas available, 1 of the latest template"},
		{"none", state(3, 0, 0, 0, "False"), 1, "0 of 3 replicas available"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := client(t, serve(t, "cp1", func(w http.ResponseWriter, r *http.Request) {
				switch {
				case strings.HasSuffix(r.URL.Path, "/pods"):
					answer(w, http.StatusOK, map[string]any{"apiVersion": "v1", "kind": "PodList", "items": []any{}})
				case r.URL.Query().Get("watch") != "":
					<-r.Context().Done()
				default:
					answer(w, http.StatusOK, map[string]any{"apiVersion": "apps/v1", "kind": "DeploymentList", "metadata": map[string]any{"resourceVersion": "5"}, "items": []any{test.live}})
				}
			}))
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			err := c.DeploymentReady(ctx, "kube-system", "coredns", test.minimum)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

// TestDeploymentUnknown: who did not answer has not said that there is none.
func TestDeploymentUnknown(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"etcd has no leader": func(w http.ResponseWriter, _ *http.Request) {
			answer(w, http.StatusServiceUnavailable, map[string]any{"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": 503, "message": "etcdserver: no leader"})
		},
		"silence": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			err := client(t, serve(t, "cp1", handler)).DeploymentReady(ctx, "kube-system", "coredns", 0)
			if err == nil || !strings.Contains(err.Error(), "is not known") || strings.Contains(err.Error(), "does not exist") {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestManyNodesInOneMessage(t *testing.T) {
	c := client(t, serve(t, "cp1", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("watch") != "" {
			<-r.Context().Done()
			return
		}
		answer(w, http.StatusOK, map[string]any{"apiVersion": "v1", "kind": "NodeList", "metadata": map[string]any{"resourceVersion": "5"}, "items": []any{}})
	}))
	var names []string
	for i := range 40 {
		names = append(names, fmt.Sprintf("n%02d", i))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	err := c.NodesReady(ctx, names, nil, nil)
	if err == nil || !strings.Contains(err.Error(), "40 of 40 nodes are not ready: n00: no Node object") || !strings.Contains(err.Error(), "; and 35 more: ") || strings.Contains(err.Error(), "n05") {
		t.Errorf("%v", err)
	}
}

// A watch that breaks is made anew, and does not lose the answer.
func TestNodesReadySurvivesBrokenWatches(t *testing.T) {
	var lists atomic.Int32
	node := func(ready string) map[string]any {
		return map[string]any{"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": "n1", "resourceVersion": "5"}, "status": map[string]any{"conditions": []any{
			map[string]any{"type": "Ready", "status": ready, "reason": "KubeletNotReady", "message": "no network yet"}}}}
	}
	c := client(t, serve(t, "cp1", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("fieldSelector") != "metadata.name=n1" {
			t.Errorf("asked for more than the one node: %s", r.URL)
		}
		if r.URL.Query().Get("watch") != "" {
			if lists.Load() == 1 {
				failure(w, http.StatusGone, "Expired", "too old")
				return
			}
			answer(w, http.StatusOK, map[string]any{"type": "MODIFIED", "object": node("True")})
			return
		}
		lists.Add(1)
		answer(w, http.StatusOK, map[string]any{"apiVersion": "v1", "kind": "NodeList", "metadata": map[string]any{"resourceVersion": "5"}, "items": []any{node("False")}})
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var reports []string
	if err := c.NodesReady(ctx, []string{"n1"}, nil, func(now map[string]string) { reports = append(reports, now["n1"]) }); err != nil {
		t.Fatal(err)
	}
	same(t, "reports", []string{"KubeletNotReady: no network yet", ""}, reports)
	if lists.Load() != 2 {
		t.Errorf("%d lists, want 2", lists.Load())
	}
}
