package kube_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/kube"
	"github.com/trivet-dev/trivet/bootstrap/kube/kubetest"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// cluster is what objects of manifests are labelled with in tests.
const cluster = "blue"

// manifestsOf reads manifests as a topology does.
func manifestsOf(t *testing.T, text string) []desired.Object {
	t.Helper()
	source := `
fleet "f" {}
region "r" {
  site "s" {
    room "1" {
      rack "a" {
        cidr = "10.11.1.0/24"
        host "h1" {
          address = "10.11.1.11"
          roles   = ["etcd", "control-plane", "worker"]
        }
      }
    }
  }
}
cluster "blue" {
  kubernetes     = "1.37.2"
  sites          = ["s"]
  pod_cidr       = "10.128.0.0/12"
  service_cidr   = "10.96.0.0/16"
  age_recipients = ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"]
  manifests      = ["m.yaml"]
}
`
	topo, _, diags := topology.Parse(map[string][]byte{"main.hcl": []byte(source)}, topology.Options{Dir: "/topology", CheckManifests: kube.CheckManifests,
		ReadFile: func(string) ([]byte, error) { return []byte(text), nil }, Glob: func(p string) ([]string, error) { return []string{p}, nil }})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return desired.Manifests(topo.Clusters[0])
}

// look compares manifests: "Kind name action fields; reason" an object, then what is in none any more.
func look(t *testing.T, c *kube.Client, objs []desired.Object) (*kube.Manifests, []string) {
	t.Helper()
	m, err := c.CompareManifests(t.Context(), cluster, objs)
	if err != nil {
		t.Fatalf("CompareManifests: %v", err)
	}
	var out []string
	for _, d := range m.Differences {
		text := strings.TrimSpace(fmt.Sprintf("%s %s %s %s", d.Object.Kind, d.Object.Name, d.Action, strings.Join(d.Fields, " ")))
		if d.Reason != "" && d.Action != kube.ActionCreate {
			text += "; " + d.Reason
		}
		out = append(out, text)
	}
	for _, o := range m.Orphans {
		out = append(out, o.Kind+" "+o.Name+" left")
	}
	return m, out
}

// problems are those of manifests that cannot be applied, a line each.
func problems(t *testing.T, c *kube.Client, objs []desired.Object) error {
	t.Helper()
	m, err := c.CompareManifests(t.Context(), cluster, objs)
	if err != nil {
		t.Fatal(err)
	}
	var errs []error
	for _, d := range m.Differences {
		if d.Problem != "" {
			errs = append(errs, errors.New(d.Problem))
		}
	}
	return errors.Join(errs...)
}

func looks(t *testing.T, what string, c *kube.Client, objs []desired.Object, want ...string) *kube.Manifests {
	t.Helper()
	m, got := look(t, c, objs)
	same(t, what, want, got)
	return m
}

func applyManifests(t *testing.T, c *kube.Client, objs []desired.Object) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.RecordKinds(ctx, desired.KindsOf(objs)); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var done, want []string
	if err := c.ApplyManifests(ctx, cluster, objs, func(what string) { t.Log(what) }, func(o *desired.Object) {
		mu.Lock()
		defer mu.Unlock()
		done = append(done, o.Kind+" "+o.Namespace+"/"+o.Name)
	}); err != nil {
		t.Fatal(err)
	}
	for _, o := range objs {
		want = append(want, o.Kind+" "+o.Namespace+"/"+o.Name)
	}
	slices.Sort(done)
	slices.Sort(want)
	same(t, "told as applied", want, done)
}

const widgets = `
apiVersion: example.org/v1
kind: Widget
metadata: {name: w, namespace: shop}
spec: {size: 3, parts: [b, a], image: one}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.org}
spec:
  group: example.org
  scope: Namespaced
  names: {kind: Widget, plural: widgets, singular: widget, listKind: WidgetList}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              size: {type: integer, maximum: 9}
              image: {type: string}
              colour: {type: string, default: red}
              parts: {type: array, items: {type: string}}
`

const shop = `
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: "example.org/web:1", resources: {limits: {memory: 0.5Gi}}}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {}
  ingress: [{ports: [{protocol: TCP, port: 80}, {protocol: TCP, port: 443}]}]
---
apiVersion: v1
kind: Secret
metadata: {name: key, namespace: shop}
stringData: {password: planted-value}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: conf, namespace: shop}
data: {a: "1", b: "2"}
---
apiVersion: autoscaling/v1
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: shop}
spec: {maxReplicas: 4, scaleTargetRef: {kind: Deployment, name: web, apiVersion: apps/v1}}
`

// TestRealManifests runs against a kube-apiserver of its own.
func TestRealManifests(t *testing.T) {
	server := kubetest.Start(t)
	deadline := time.AfterFunc(4*time.Minute, func() { panic("TestRealManifests hangs") })
	defer deadline.Stop()
	c := client(t, server.Endpoint("cp1"))
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	if err := c.HostsReady(ctx, []string{"cp1"}, nil); err != nil {
		t.Fatal(err)
	}
	server.ControllerManager(t, "namespace-controller,garbage-collector-controller")
	t.Run("life", func(t *testing.T) { manifestsLife(t, c) })
	t.Run("drift", func(t *testing.T) { manifestsDrift(t, c) })
	t.Run("conflict", func(t *testing.T) { manifestsConflict(t, c) })
	t.Run("mistakes", func(t *testing.T) { manifestsMistakes(t, c) })
	t.Run("definitions", func(t *testing.T) { manifestsDefinitions(t, c) })
	t.Run("adopted", func(t *testing.T) { manifestsAdopted(t, c) })
	t.Run("silent group", func(t *testing.T) { manifestsSilent(t, c) })
	t.Run("prune", func(t *testing.T) { manifestsPrune(t, c) })
}

// manifestsSilent: while an extension API server does not answer, its kinds are neither forgotten nor called mistakes.
func manifestsSilent(t *testing.T, c *kube.Client) {
	ctx := t.Context()
	service := manifestsOf(t, `{apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: {name: v1.silent.example.org}, spec: {group: silent.example.org, version: v1,
  groupPriorityMinimum: 100, versionPriority: 10, insecureSkipTLSVerify: true, service: {name: nobody, namespace: shop}}}`)
	if err := c.ApplyManifests(ctx, cluster, service, nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.RecordKinds(ctx, []string{"Thing.silent.example.org", "Gone.example.net"}); err != nil {
		t.Fatal(err)
	}
	thing := "{apiVersion: silent.example.org/v1, kind: Thing, metadata: {name: t, namespace: shop}}"
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); { // the list of groups is made anew from time to time
		if err = problems(t, c, manifestsOf(t, thing)); err != nil && strings.Contains(err.Error(), "does not answer") {
			break
		}
	}
	if err == nil || !strings.Contains(err.Error(), "m.yaml:1: Thing shop/t: the extension API server of silent.example.org does not answer") {
		t.Errorf("an object of the group: %v", err)
	}
	m, _ := look(t, c, service)
	if slices.Contains(m.Recorded, "Thing.silent.example.org") || !slices.Contains(m.Recorded, "Gone.example.net") {
		t.Errorf("kinds that may be forgotten: %v", m.Recorded)
	}
	if err := c.DeleteManifests(ctx, cluster, service, nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.ForgetKinds(ctx, []string{"Thing.silent.example.org", "Gone.example.net"}); err != nil {
		t.Fatal(err)
	}
}

// manifestsLife: what was applied compares as the same, objects of a kind of their own among it, in whatever order they are written.
func manifestsLife(t *testing.T, c *kube.Client) {
	objs := manifestsOf(t, widgets+"---"+shop)
	m := looks(t, "before", c, objs, "Widget w create", "CustomResourceDefinition widgets.example.org create", "Namespace shop create", "Deployment web create", "NetworkPolicy web create",
		"Secret key create", "ConfigMap conf create", "HorizontalPodAutoscaler web create")
	same(t, "kinds before", nil, m.Recorded)
	applyManifests(t, c, objs)
	m = looks(t, "after", c, objs, "Widget w same", "CustomResourceDefinition widgets.example.org same", "Namespace shop same", "Deployment web same", "NetworkPolicy web same",
		"Secret key same", "ConfigMap conf same", "HorizontalPodAutoscaler web same")
	same(t, "kinds after", []string{"ConfigMap", "CustomResourceDefinition.apiextensions.k8s.io", "Deployment.apps", "HorizontalPodAutoscaler.autoscaling", "Namespace",
		"NetworkPolicy.networking.k8s.io", "Secret", "Widget.example.org"}, m.Recorded)
	applyManifests(t, c, objs)

	// A list that is one value: its order and what is missing from it count, for kinds of any origin.
	objs = manifestsOf(t, strings.NewReplacer("[b, a]", "[a]", "80}, {protocol: TCP, port: 443}", "443}, {protocol: TCP, port: 80}", "replicas: 2", "replicas: 3", `b: "2"`, "c: x", "planted-value", "other-value").Replace(widgets+"---"+shop))
	looks(t, "changed", c, objs, "Widget w update spec.parts", "CustomResourceDefinition widgets.example.org same", "Namespace shop same", "Deployment web update spec.replicas",
		"NetworkPolicy web update spec.ingress", "Secret key update data.password", "ConfigMap conf update data.b data.c", "HorizontalPodAutoscaler web same")
	applyManifests(t, c, objs)
	if _, got := look(t, c, objs); slices.ContainsFunc(got, func(s string) bool { return !strings.HasSuffix(s, " same") }) {
		t.Errorf("applied, and then: %v", got)
	}
	applyManifests(t, c, manifestsOf(t, widgets+"---"+shop))
}

// manifestsDrift: what is gone or was changed by hand is found and mended, also by an apply whose plan did not know of it.
func manifestsDrift(t *testing.T, c *kube.Client) {
	ctx, objs := t.Context(), manifestsOf(t, widgets+"---"+shop)
	if err := c.Typed().CoreV1().ConfigMaps("shop").Delete(ctx, "conf", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Typed().AppsV1().Deployments("shop").Patch(ctx, "web", types.MergePatchType, []byte(`{"metadata":{"labels":{"trivet.dev/manifests":null}},"spec":{"replicas":7,"paused":true}}`),
		metav1.PatchOptions{FieldManager: "kubectl-edit"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Typed().CoreV1().Secrets("shop").Patch(ctx, "key", types.MergePatchType, []byte(`{"data":{"password":"eA==","more":"eA=="}}`), metav1.PatchOptions{FieldManager: "kubectl-patch"}); err != nil {
		t.Fatal(err)
	}
	looks(t, "drifted", c, objs, "Widget w same", "CustomResourceDefinition widgets.example.org same", "Namespace shop same",
		"Deployment web update metadata.labels spec.replicas; changed by kubectl-edit", "NetworkPolicy web same",
		"Secret key update data.password; changed by kubectl-patch", "ConfigMap conf create", "HorizontalPodAutoscaler web same")
	applyManifests(t, c, objs)
	if _, got := look(t, c, objs); slices.ContainsFunc(got, func(s string) bool { return !strings.HasSuffix(s, " same") }) {
		t.Errorf("mended, and then: %v", got)
	}
	web, err := c.Typed().AppsV1().Deployments("shop").Get(ctx, "web", metav1.GetOptions{})
	if err != nil || *web.Spec.Replicas != 2 || !web.Spec.Paused {
		t.Errorf("fields that no manifest names are left alone: %v, %v", web.Spec, err)
	}
}

// manifestsConflict: a field that a controller keeps, or that somebody else applied, is not taken, and whose it is is told.
func manifestsConflict(t *testing.T, c *kube.Client) {
	ctx, objs := t.Context(), manifestsOf(t, shop)
	if _, err := c.Typed().AppsV1().Deployments("shop").Patch(ctx, "web", types.MergePatchType, []byte(`{"spec":{"replicas":5}}`), metav1.PatchOptions{FieldManager: "scaler"}); err != nil {
		t.Fatal(err)
	}
	force := true
	if _, err := c.Typed().CoreV1().Secrets("shop").Patch(ctx, "key", types.ApplyPatchType, []byte(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"key"},"data":{"password":"cGxhbnRlZC1vdGhlcg=="}}`),
		metav1.PatchOptions{FieldManager: "kubectl", Force: &force}); err != nil {
		t.Fatal(err)
	}
	check := func(what string, err error, wants ...string) {
		t.Helper()
		if err == nil {
			t.Fatalf("%s: no error", what)
		}
		for _, want := range wants {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s does not say %q: %v", what, want, err)
			}
		}
		if strings.Contains(err.Error(), "planted") || strings.Contains(err.Error(), "cGxhbnRlZC") {
			t.Errorf("%s shows a value: %v", what, err)
		}
	}
	found := problems(t, c, objs)
	check("CompareManifests", found, "m.yaml:6: Deployment shop/web: somebody else has fields that the manifest sets: scaler has spec.replicas.", "Take them out", "--field-manager=trivet-manifests",
		"m.yaml:24: Secret shop/key: somebody else has fields that the manifest sets: kubectl has data.password")
	if n := len(strings.Split(found.Error(), "\n")); n != 2 {
		t.Errorf("%d problems, not two: %v", n, found)
	}
	start := time.Now()
	check("ApplyManifests", c.ApplyManifests(ctx, cluster, objs, nil, nil), "m.yaml:24: Secret shop/key: somebody else has fields", "kubectl has data.password")
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("a conflict was tried again for %s", took)
	}
	// The remedies: one field goes from the manifest, one back to it.
	if _, err := c.Typed().CoreV1().Secrets("shop").Patch(ctx, "key", types.ApplyPatchType, []byte(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"key"}}`),
		metav1.PatchOptions{FieldManager: "kubectl", Force: &force}); err != nil {
		t.Fatal(err)
	}
	objs = manifestsOf(t, strings.Replace(shop, "  replicas: 2\n", "", 1))
	applyManifests(t, c, objs)
	web, err := c.Typed().AppsV1().Deployments("shop").Get(ctx, "web", metav1.GetOptions{})
	if err != nil || *web.Spec.Replicas != 5 {
		t.Errorf("the scaler's replicas: %v, %v", web.Spec.Replicas, err)
	}
}

// manifestsMistakes: what the API would refuse, or does not know, is told with its place before anything is done.
func manifestsMistakes(t *testing.T, c *kube.Client) {
	for what, x := range map[string]struct{ text, want string }{
		"an unknown kind":      {"{apiVersion: example.net/v1, kind: Gadget, metadata: {name: g, namespace: shop}}", "m.yaml:1: Gadget shop/g: the API serves no kind Gadget of example.net/v1: correct the two, or add the CustomResourceDefinition"},
		"another version":      {"{apiVersion: apps/v1beta1, kind: Deployment, metadata: {name: g, namespace: shop}}", "the API serves Deployment as apps/v1, not as apps/v1beta1: change its apiVersion"},
		"no namespace":         {"{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: g}, addressType: IPv4, endpoints: []}", "m.yaml:1: EndpointSlice g has no metadata.namespace: name one"},
		"a namespace too much": {"{apiVersion: certificates.k8s.io/v1, kind: CertificateSigningRequest, metadata: {name: g, namespace: shop}}", "objects of kind CertificateSigningRequest are in none"},
		"an unknown field":     {"{apiVersion: v1, kind: Service, metadata: {name: g, namespace: shop}, spec: {porst: []}}", "m.yaml:1: trying the apply of Service shop/g"},
		"a wrong value":        {"{apiVersion: example.org/v1, kind: Widget, metadata: {name: g, namespace: shop}, spec: {size: 10}}", "spec.size"},
		"an immutable field": {strings.Split(shop, "---")[1] + "---\n" + "{apiVersion: v1, kind: ConfigMap, metadata: {name: conf, namespace: shop}}",
			""},
		"a field of a Secret": {"{apiVersion: v1, kind: Secret, metadata: {name: new, namespace: shop}, stringData: {planted: planted-value}, immutable: planted-value}", "what it says is left out"},
		"a Secret's key":      {"{apiVersion: v1, kind: Secret, metadata: {name: new, namespace: shop}, stringData: {'wrong/key': planted-value}}", "what it says is left out"},
	} {
		err := problems(t, c, manifestsOf(t, x.text))
		switch {
		case x.want == "" && err == nil:
		case err == nil || !strings.Contains(err.Error(), x.want):
			t.Errorf("%s: %v", what, err)
		case strings.Contains(err.Error(), "planted-value"):
			t.Errorf("%s: a value is told: %v", what, err)
		}
	}
	// Which object is meant is not certain, so that none of its kind counts as left.
	wrong := manifestsOf(t, "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n---\n{apiVersion: autoscaling/v3, kind: HorizontalPodAutoscaler, metadata: {name: web, namespace: shop}, spec: {maxReplicas: 4}}")
	if _, got := look(t, c, wrong); slices.Contains(got, "HorizontalPodAutoscaler web left") || !slices.Contains(got, "Deployment web left") {
		t.Errorf("with a manifest whose kind is not known: %v", got)
	}
	err := c.ApplyManifests(t.Context(), cluster, manifestsOf(t, "{apiVersion: v1, kind: Secret, metadata: {name: new, namespace: shop}, stringData: {planted: planted-value}, immutable: planted-value}"), nil, nil)
	if err == nil || strings.Contains(err.Error(), "planted-value") || !strings.Contains(err.Error(), "m.yaml:1: applying Secret shop/new") {
		t.Errorf("ApplyManifests of a wrong Secret: %v", err)
	}
}

// manifestsDefinitions: an object that needs the definition as it will be is no mistake.
func manifestsDefinitions(t *testing.T, c *kube.Client) {
	with := strings.NewReplacer("maximum: 9", "maximum: 99", "size: 3", "size: 30", "colour: {type: string, default: red}", "taste: {type: string}", "image: one", "taste: sweet")
	objs := manifestsOf(t, with.Replace(widgets))
	if _, got := look(t, c, objs); got[0] != "Widget w update; its definition changes before" || !strings.HasPrefix(got[1], "CustomResourceDefinition widgets.example.org update spec.versions") {
		t.Errorf("differences: %v", got)
	}
	applyManifests(t, c, objs)
	if _, got := look(t, c, objs); got[0] != "Widget w same" || got[1] != "CustomResourceDefinition widgets.example.org same" {
		t.Errorf("afterwards: %v", got)
	}
}

// manifestsAdopted: an object that others made is taken over where that changes nothing of theirs.
func manifestsAdopted(t *testing.T, c *kube.Client) {
	ctx := t.Context()
	if _, err := c.Typed().CoreV1().ConfigMaps("shop").Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "theirs"}, Data: map[string]string{"a": "1"}},
		metav1.CreateOptions{FieldManager: "kubectl-create"}); err != nil {
		t.Fatal(err)
	}
	const text = "{apiVersion: v1, kind: ConfigMap, metadata: {name: theirs, namespace: shop}, data: {a: '%d'}}"
	// Who made it did not do so on top of a manifest.
	if err := problems(t, c, manifestsOf(t, fmt.Sprintf(text, 2))); err == nil || !strings.Contains(err.Error(), "kubectl-create has data.a") {
		t.Errorf("an object of others with another value: %v", err)
	}
	objs := manifestsOf(t, fmt.Sprintf(text, 1))
	if m, _ := look(t, c, objs); m.Differences[0].Action != kube.ActionUpdate || !strings.Contains(m.Differences[0].Reason, "made by others") {
		t.Errorf("an object of others: %v", m.Differences)
	}
	applyManifests(t, c, objs)
	if m, _ := look(t, c, objs); m.Differences[0].Action != kube.ActionSame {
		t.Errorf("taken over: %v", m.Differences)
	}
}

// manifestsPrune: what is in no manifest goes, of kinds that no manifest has any more as well, and nothing else does.
func manifestsPrune(t *testing.T, c *kube.Client) {
	ctx := t.Context()
	// The label alone is no proof.
	if _, err := c.Typed().CoreV1().ConfigMaps("default").Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "labelled", Labels: map[string]string{
		topology.ManifestsLabel: cluster}}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	objs := manifestsOf(t, "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}")
	m, got := look(t, c, objs)
	slices.Sort(got)
	same(t, "left", []string{"ConfigMap conf left", "ConfigMap theirs left", "CustomResourceDefinition widgets.example.org left", "Deployment web left", "HorizontalPodAutoscaler web left",
		"Namespace shop same", "NetworkPolicy web left", "Secret key left", "Widget w left"}, got)
	// A finalizer keeps the object, and the definition waits for it.
	if err := c.FinalizeForTest(ctx, m.Orphans, "Widget", "example.org/hold"); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	reports := make(chan string, 100)
	err := c.DeleteManifests(short, cluster, m.Orphans, func(s string) { reports <- s }, nil)
	if err == nil || !strings.Contains(err.Error(), "its finalizers keep it (example.org/hold)") {
		t.Errorf("with a finalizer: %v", err)
	}
	if first := <-reports; !strings.Contains(first, "Widget shop/w is being deleted") {
		t.Errorf("told: %s", first)
	}
	if m, got = look(t, c, objs); slices.Contains(got, "Widget w left") || !slices.Contains(got, "CustomResourceDefinition widgets.example.org left") {
		t.Errorf("while it is held: %v", got)
	}
	if err := c.FinalizeForTest(ctx, []desired.Object{{APIVersion: "example.org/v1", Kind: "Widget", Namespace: "shop", Name: "w"}}, "Widget", ""); err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteManifests(ctx, cluster, m.Orphans, nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteManifests(ctx, cluster, m.Orphans, nil, nil); err != nil {
		t.Errorf("again: %v", err)
	}
	var old []string
	for _, k := range m.Recorded {
		if k != "Namespace" {
			old = append(old, k)
		}
	}
	if err := c.ForgetKinds(ctx, old); err != nil {
		t.Fatal(err)
	}
	m = looks(t, "pruned", c, objs, "Namespace shop same")
	same(t, "kinds", []string{"Namespace"}, m.Recorded)
	if _, err := c.Typed().CoreV1().ConfigMaps("default").Get(ctx, "labelled", metav1.GetOptions{}); err != nil {
		t.Errorf("what was only labelled is gone: %v", err)
	}
	// The last one, and the record with it. What is made anew waits until the old one is gone.
	ended, end := context.WithTimeout(ctx, time.Minute)
	defer end()
	m = looks(t, "none", c, nil, "Namespace shop left")
	if err := c.Typed().CoreV1().Namespaces().Delete(ctx, "shop", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := c.ApplyManifests(ended, cluster, objs, nil, nil); err != nil {
		t.Fatal(err)
	}
	looks(t, "made anew", c, objs, "Namespace shop same")
	if err := c.DeleteManifests(ended, cluster, m.Orphans, nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.ForgetKinds(ctx, []string{"Namespace"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Typed().CoreV1().ConfigMaps(desired.RecordNamespace).Get(ctx, desired.RecordName, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the record: %v", err)
	}
	if err := c.ForgetKinds(ctx, []string{"Namespace"}); err != nil {
		t.Errorf("nothing to forget: %v", err)
	}
}
