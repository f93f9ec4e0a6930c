package kube_test

import (
	"encoding/json"
	"net/http"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap/kube"
)

// oneNode serves the node n1 and remembers the patches that are sent. The first conflicts.
func oneNode(t *testing.T, live map[string]any) (c *kube.Client, patches func() []string) {
	t.Helper()
	var mu sync.Mutex
	var sent []string
	live["apiVersion"], live["kind"] = "v1", "Node"
	endpoint := serve(t, "cp1", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case r.URL.Path != "/api/v1/nodes/n1":
			failure(w, http.StatusNotFound, "NotFound", "nodes \"n2\" not found")
		case r.Method == http.MethodGet:
			answer(w, http.StatusOK, live)
		case r.Method == http.MethodPatch && r.URL.Query().Get("fieldManager") == "trivet-cordon":
			var patch map[string]any
			_ = json.NewDecoder(r.Body).Decode(&patch)
			raw, _ := json.Marshal(patch)
			if sent = append(sent, string(raw)); len(sent) == 1 {
				failure(w, http.StatusConflict, "Conflict", "somebody was faster")
				return
			}
			answer(w, http.StatusOK, live)
		default:
			t.Errorf("%s %s", r.Method, r.URL)
		}
	})
	return client(t, endpoint), func() []string { return sent }
}

func TestCordonAndUncordon(t *testing.T) {
	meta := func(annotations map[string]any) map[string]any {
		return map[string]any{"name": "n1", "resourceVersion": "7", "annotations": annotations}
	}
	ours := map[string]any{kube.CordonAnnotation: "true"}
	cordoned := map[string]any{"unschedulable": true}
	const (
		cordon   = `{"metadata":{"annotations":{"trivet.dev/cordoned":"true"},"resourceVersion":"7"},"spec":{"unschedulable":true}}`
		uncordon = `{"metadata":{"annotations":{"trivet.dev/cordoned":null},"resourceVersion":"7"},"spec":{"unschedulable":null}}`
		forget   = `{"metadata":{"annotations":{"trivet.dev/cordoned":null},"resourceVersion":"7"}}`
	)
	for _, test := range []struct {
		name             string
		meta, spec       map[string]any
		cordon, uncordon string // patches; "" for none
	}{
		{"nobody's", meta(nil), nil, cordon, ""},
		{"Trivet's", meta(ours), cordoned, "", uncordon},
		{"a user's", meta(nil), cordoned, "", ""},
		{"Trivet's, which a user ended", meta(ours), nil, cordon, forget},
	} {
		t.Run(test.name, func(t *testing.T) {
			for what, want := range map[string]string{"Cordon": test.cordon, "Uncordon": test.uncordon} {
				c, patches := oneNode(t, map[string]any{"metadata": test.meta, "spec": test.spec})
				do := map[string]func() error{
					"Cordon":   func() error { return c.Cordon(t.Context(), "n1") },
					"Uncordon": func() error { return c.Uncordon(t.Context(), "n1") },
				}
				if err := do[what](); err != nil {
					t.Errorf("%s: %v", what, err)
				}
				var all []string
				if want != "" {
					all = []string{want, want} // once more after the conflict
				}
				if diff := cmp.Diff(all, patches()); diff != "" {
					t.Errorf("%s (-want +got):\n%s", what, diff)
				}
			}
		})
	}
}

func TestNodesThatAreGone(t *testing.T) {
	c, _ := oneNode(t, map[string]any{"metadata": map[string]any{"name": "n1"}})
	if err := c.Uncordon(t.Context(), "n2"); err != nil {
		t.Errorf("Uncordon: %v", err)
	}
	if err := c.DeleteNode(t.Context(), "n2"); err != nil {
		t.Errorf("DeleteNode: %v", err)
	}
	if err := c.Cordon(t.Context(), "n2"); err == nil || err.Error() != `cordon node n2: nodes "n2" not found` {
		t.Errorf("Cordon: %v", err)
	}
}

func TestNodeInfos(t *testing.T) {
	c := client(t, serve(t, "cp1", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"apiVersion": "v1", "kind": "NodeList", "metadata": map[string]any{"resourceVersion": "1"}, "items": []any{
			map[string]any{"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": "n1", "annotations": map[string]any{kube.CordonAnnotation: "true"},
				"labels": map[string]any{"trivet.dev/rack": "a", "trivet.dev.node-restriction.kubernetes.io/line": "b", "trivet.developers/x": "c", "kubernetes.io/os": "linux"}},
				"spec": map[string]any{"unschedulable": true},
				"status": map[string]any{
					"conditions": []any{map[string]any{"type": "Ready", "status": "True"}},
					"addresses":  []any{map[string]any{"type": "Hostname", "address": "n1"}, map[string]any{"type": "InternalIP", "address": "10.0.0.1"}, map[string]any{"type": "InternalIP", "address": "fd00::1"}},
					"nodeInfo":   map[string]any{"kubeletVersion": "v1.37.2", "machineID": "abc"}}},
			map[string]any{"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": "n2"}, "spec": map[string]any{"unschedulable": true},
				"status": map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "message": "Kubelet stopped posting node status."}}}},
		}})
	}))
	got, err := c.NodeInfos(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]kube.NodeInfo{
		"n1": {Name: "n1", State: "Ready", Unschedulable: true, CordonedByTrivet: true, KubeletVersion: "v1.37.2", InternalIP: "10.0.0.1", MachineID: "abc",
			Labels: map[string]string{"trivet.dev/rack": "a", "trivet.dev.node-restriction.kubernetes.io/line": "b"}},
		"n2": {Name: "n2", State: "NodeStatusUnknown: Kubelet stopped posting node status.", Unschedulable: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
