package kube_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/kube"
)

// serve makes an endpoint of a handler.
func serve(t *testing.T, name string, handler http.HandlerFunc) kube.Endpoint {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return kube.Endpoint{Name: name, Dial: func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", server.Listener.Addr().String())
	}}
}

func client(t *testing.T, endpoints ...kube.Endpoint) *kube.Client {
	t.Helper()
	c, err := kube.New(endpoints)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}

func failure(w http.ResponseWriter, code int, reason, message string) {
	answer(w, code, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message})
}

// An admission plugin refuses with the code of an authorizer; it has nothing to do with who asked.
func TestAdmissionIsNoRefusal(t *testing.T) {
	c := client(t, serve(t, "cp1", func(w http.ResponseWriter, _ *http.Request) {
		failure(w, http.StatusForbidden, "Forbidden", `pods "a" is forbidden: violates PodSecurity "restricted"`)
	}))
	err := c.Apply(t.Context(), []desired.Object{object(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: b}}`)})
	var refused *kube.RefusedError
	if err == nil || errors.As(err, &refused) {
		t.Errorf("%v", err)
	}
}

func TestNextControlPlane(t *testing.T) {
	var dead, alive atomic.Int32
	gone := kube.Endpoint{Name: "cp1", Dial: func(context.Context) (net.Conn, error) {
		dead.Add(1)
		return nil, errors.New("no route to host")
	}}
	up := serve(t, "cp2", func(w http.ResponseWriter, _ *http.Request) {
		alive.Add(1)
		failure(w, http.StatusNotFound, "NotFound", "not there")
	})
	c := client(t, gone, up)
	obj := object(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: b}}`)
	for range 3 {
		diffs, err := c.Compare(t.Context(), []desired.Object{obj})
		if err != nil || diffs[0].Action != kube.ActionCreate {
			t.Fatalf("%v, %v", diffs, err)
		}
	}
	if dead.Load() != 1 || alive.Load() != 3 {
		t.Errorf("%d attempts at the dead one and %d requests to the living one, want 1 and 3", dead.Load(), alive.Load())
	}
	if _, err := client(t, gone).Compare(t.Context(), []desired.Object{obj}); err == nil || !strings.Contains(err.Error(), "no control plane answers: cp1: no route to host") {
		t.Errorf("with none alive: %v", err)
	}
}

// A thousand nodes are one LIST, in pages.
func TestManyNodesAreOneList(t *testing.T) {
	const count = 1200
	var requests atomic.Int32
	c := client(t, serve(t, "cp1", func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if r.Method != http.MethodGet || r.URL.Path != "/api/v1/nodes" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
		start, _ := strconv.Atoi(r.URL.Query().Get("continue"))
		if limit == 0 {
			t.Error("a LIST without a limit")
			limit = count
		}
		var items []any
		for i := start; i < min(start+limit, count); i++ {
			items = append(items, map[string]any{"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": fmt.Sprintf("n%04d", i), "labels": map[string]any{"rack": "a"},
				"managedFields": []any{map[string]any{"manager": "trivet", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": map[string]any{"f:metadata": map[string]any{"f:labels": map[string]any{"f:rack": map[string]any{}}}}}}}})
		}
		next := ""
		if start+limit < count {
			next = strconv.Itoa(start + limit)
		}
		answer(w, http.StatusOK, map[string]any{"apiVersion": "v1", "kind": "NodeList", "metadata": map[string]any{"resourceVersion": "1", "continue": next}, "items": items})
	}))
	var objs []desired.Object
	for i := range count {
		rack := "a"
		if i == 7 {
			rack = "b"
		}
		objs = append(objs, object(t, fmt.Sprintf(`{apiVersion: v1, kind: Node, metadata: {name: n%04d, labels: {rack: %s}}}`, i, rack)))
	}
	diffs, err := c.Compare(t.Context(), objs)
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range diffs {
		if want := i == 7; (d.Action == kube.ActionUpdate) != want || d.Action == kube.ActionCreate {
			t.Errorf("%s: %s %v", d.Object.Name, d.Action, d.Fields)
		}
	}
	if got := requests.Load(); got != 3 {
		t.Errorf("%d requests, want 3 pages", got)
	}
}

func TestApplyRepeatsWhatPasses(t *testing.T) {
	var tries atomic.Int32
	c := client(t, serve(t, "cp1", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPatch || r.URL.Query().Get("fieldManager") != "trivet" || r.URL.Query().Get("force") != "true" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		switch tries.Add(1) {
		case 1:
			failure(w, http.StatusConflict, "Conflict", "somebody was faster")
		case 2:
			failure(w, http.StatusServiceUnavailable, "ServiceUnavailable", "starting")
		case 3:
			connection, _, _ := w.(http.Hijacker).Hijack()
			_ = connection.Close()
		default:
			answer(w, http.StatusOK, map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "a", "namespace": "b"}})
		}
	}))
	if err := c.Apply(t.Context(), []desired.Object{object(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: b}}`)}); err != nil {
		t.Fatal(err)
	}
	if tries.Load() != 4 {
		t.Errorf("%d tries, want 4", tries.Load())
	}
}

func TestApplyGivesUpOnWhatStays(t *testing.T) {
	c := client(t, serve(t, "cp1", func(w http.ResponseWriter, _ *http.Request) {
		failure(w, http.StatusForbidden, "Forbidden", "you may not")
	}))
	err := c.Apply(t.Context(), []desired.Object{object(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: b}}`)})
	if err == nil || !strings.Contains(err.Error(), "applying ConfigMap b/a: you may not (the identity that Trivet uses") {
		t.Error(err)
	}
}

// Namespaces come before what is in them, and workloads last.
func TestApplyOrder(t *testing.T) {
	var order []string
	c := client(t, serve(t, "cp1", func(w http.ResponseWriter, r *http.Request) {
		order = append(order, r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:])
		answer(w, http.StatusOK, map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "x"}})
	}))
	objs := []desired.Object{
		object(t, `{apiVersion: apps/v1, kind: Deployment, metadata: {name: fourth, namespace: b}}`),
		object(t, `{apiVersion: v1, kind: Service, metadata: {name: third, namespace: b}}`),
		object(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: second, namespace: b}}`),
		object(t, `{apiVersion: v1, kind: Namespace, metadata: {name: first}}`),
	}
	if err := c.Apply(t.Context(), objs); err != nil {
		t.Fatal(err)
	}
	same(t, "order", []string{"first", "second", "third", "fourth"}, order)
}

func TestMistakesInManifests(t *testing.T) {
	c := client(t, kube.Endpoint{Name: "cp1", Dial: func(context.Context) (net.Conn, error) {
		t.Error("connected, although the manifests are wrong")
		return nil, net.ErrClosed
	}})
	_, err := c.Compare(t.Context(), []desired.Object{
		object(t, `{apiVersion: example.org/v1, kind: Widget, metadata: {name: a}}`),
		object(t, `{apiVersion: extensions/v1beta1, kind: Deployment, metadata: {name: a, namespace: b}}`),
		object(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}`),
		object(t, `{apiVersion: v1, kind: Node, metadata: {name: a, namespace: b}}`),
		object(t, `{apiVersion: v1, kind: Namespace, metadata: {name: twice}}`),
		object(t, `{apiVersion: v1, kind: Namespace, metadata: {name: twice}}`),
		{Kind: "Service", Namespace: "b", Name: "broken", Manifest: []byte("{")},
	})
	for _, want := range []string{
		"Widget a: kind Widget of example.org/v1 is not one that Trivet applies: apply it with kubectl; the known ones are ",
		"Deployment b/a: kind Deployment is known as apps/v1, not as extensions/v1beta1: change its apiVersion",
		"ConfigMap a has no metadata.namespace: name one",
		"Node b/a has a metadata.namespace",
		"Namespace twice is desired twice",
		"the manifest of Service b/broken cannot be read",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in\n%v", want, err)
		}
	}
}

func TestAdminCertificateRefuses(t *testing.T) {
	c := client(t, kube.Endpoint{Name: "cp1", Dial: func(context.Context) (net.Conn, error) {
		t.Error("connected, although the request is wrong")
		return nil, net.ErrClosed
	}})
	for want, try := range map[string]func() ([]byte, error){
		"10m0s at the least": func() ([]byte, error) {
			return c.AdminCertificate(t.Context(), "ada", time.Minute, request(t, "ada", kube.AdminGroup))
		},
		"is not PEM": func() ([]byte, error) { return c.AdminCertificate(t.Context(), "ada", time.Hour, []byte("x")) },
		"in trivet:admins": func() ([]byte, error) {
			return c.AdminCertificate(t.Context(), "ada", time.Hour, request(t, "ada", "system:masters"))
		},
		"it must be for ada ": func() ([]byte, error) {
			return c.AdminCertificate(t.Context(), "ada", time.Hour, request(t, "eve", kube.AdminGroup))
		},
	} {
		if _, err := try(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want …%s…", err, want)
		}
	}
}
