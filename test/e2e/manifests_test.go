//go:build e2e

package e2e

import (
	"crypto/rand"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const shopManifest = `apiVersion: v1
kind: Namespace
metadata:
  name: shop
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
  labels: {tier: front}
spec:
  replicas: 1
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - name: web
        image: IMAGE
        imagePullPolicy: Never
        args: [netexec, --http-port=8080]
        envFrom: [{secretRef: {name: key}}]
---
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Secret
metadata:
  name: key
  namespace: shop
stringData:
  PASSWORD: VALUE
`

// The object stands before the definition of its kind.
const widgetManifest = `apiVersion: example.org/v1
kind: Widget
metadata:
  name: one
  namespace: shop
spec:
  size: 1
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: widgets.example.org
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
              size: {type: integer}
`

// manifest writes a file of the topology's manifests, or removes it where there is no text.
func (o *operator) manifest(name, text string) {
	o.t.Helper()
	path := filepath.Join(o.dir, "manifests", name)
	if text == "" {
		if err := os.Remove(path); err != nil {
			o.t.Fatal(err)
		}
		return
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		o.t.Fatal(err)
	}
}

// TestManifests takes the objects of manifests through their life: they come with the cluster, are changed by a run that is killed and one that is not, mended after they were changed
// by hand, left alone where somebody else keeps a field, and deleted with their files.
func TestManifests(t *testing.T) {
	const fleet = "e2e-manifests"
	folder := filepath.Join(os.TempDir(), "trivet-"+fleet, "manifests")
	if err := os.RemoveAll(folder); err != nil { // a killed run's
		t.Fatal(err)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	planted := "planted-" + rand.Text()
	if err := os.WriteFile(filepath.Join(folder, "widgets.yaml"), []byte(widgetManifest), 0o600); err != nil {
		t.Fatal(err)
	}
	const named = "  manifests = [\"manifests/*.yaml\"]"
	o := newOperator(t, fleet, small("flannel", named))
	before := o.inspectAll(smallHosts)
	versions := o.must("version", "--json").stdout
	_, image, _ := strings.Cut(versions, `"kubernetes":"1.37.2"`)
	_, image, _ = strings.Cut(image, `"agnhost":"`)
	image, _, _ = strings.Cut(image, `"`)
	shop := strings.NewReplacer("IMAGE", image, "VALUE", planted).Replace(shopManifest)
	o.manifest("shop.yaml", shop)

	file := filepath.Join(o.dir, "plan.json")
	o.exits(2, "plan", "--out", file)
	o.says(o.exits(2, "plan").stdout, "manifests", "+ Widget shop/one", "+ CustomResourceDefinition widgets.example.org", "+ Secret shop/key")
	o.must("apply", "--yes")
	o.must("kubectl", "-n", "shop", "rollout", "status", "deployment/web", "--timeout=120s")
	o.must("kubectl", "-n", "shop", "get", "widget", "one")
	if got := o.must("kubectl", "-n", "shop", "get", "secret", "key", "-o", "jsonpath={.metadata.labels.trivet\\.dev/manifests}").stdout; got != "small" {
		t.Errorf("the label is %q", got)
	}
	o.unchanged()
	o.must("status")

	t.Run("a change, killed", func(t *testing.T) { o.at(t).manifestsKilled(shop, file) })
	t.Run("drift", func(t *testing.T) { o.at(t).manifestsDrift() })
	t.Run("conflict", func(t *testing.T) { o.at(t).manifestsConflict() })
	t.Run("prune", func(t *testing.T) { o.at(t).manifestsPrune() })

	// Nothing that was told or saved has the value, as it is or encoded.
	saved, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for where, text := range map[string]string{"what the command says": strings.Join(o.said.text, "\n"), "the saved plan": string(saved)} {
		for _, value := range []string{planted, base64.StdEncoding.EncodeToString([]byte(planted))} {
			if strings.Contains(text, value) {
				t.Errorf("the Secret's value is in %s", where)
			}
		}
	}
	o.must("destroy", "--confirm", "small")
	o.asBefore(before)
}

// manifestsKilled changes objects, with runs that are killed at every point, and a saved plan.
func (o *operator) manifestsKilled(shop, file string) {
	changed := strings.Replace(strings.Replace(shop, "replicas: 1", "replicas: 2", 1), "tier: front", "tier: back", 1)
	o.manifest("shop.yaml", changed)
	o.manifest("more.yaml", "{apiVersion: batch/v1, kind: CronJob, metadata: {name: tidy, namespace: shop}, spec: {schedule: '0 0 1 1 *', suspend: true, jobTemplate: {spec: {template: {spec: {restartPolicy: Never, "+
		"containers: [{name: c, image: none}]}}}}}}")
	o.says(o.exits(2, "plan").stdout, "~ Deployment shop/web", "spec.replicas", "metadata.labels.tier", "+ CronJob shop/tidy", "record of CronJob.batch")
	o.killUntilDone()
	o.unchanged()
	if got := o.must("kubectl", "-n", "shop", "get", "deployment", "web", "-o", "jsonpath={.spec.replicas}").stdout; got != "2" {
		o.t.Errorf("replicas: %s", got)
	}
	o.manifest("more.yaml", "")
	o.manifest("shop.yaml", shop)
	o.exits(2, "plan", "--out", file)
	o.must("apply", "--plan", file)
	o.unchanged()
	if r := o.must("kubectl", "-n", "shop", "get", "cronjob", "-o", "name"); strings.Contains(r.stdout, "tidy") {
		o.t.Error("the CronJob is in no manifest any more, and still there")
	}
}

// manifestsDrift deletes an object and changes others by hand.
func (o *operator) manifestsDrift() {
	o.must("kubectl", "-n", "shop", "delete", "service", "web")
	o.must("kubectl", "-n", "shop", "scale", "deployment/web", "--replicas=3")
	o.must("kubectl", "-n", "shop", "patch", "widget", "one", "--type=merge", "-p", `{"spec":{"size":7}}`)
	o.must("kubectl", "-n", "shop", "label", "secret", "key", "trivet.dev/manifests-")
	o.says(o.exits(2, "plan").stdout, "+ Service shop/web", "~ Deployment shop/web  (apply: changed by kubectl", "~ Widget shop/one  (apply: changed by kubectl-patch: spec.size)", "~ Secret shop/key")
	o.says(o.exits(1, "status").stdout, "Service shop/web", "Widget shop/one")
	o.must("apply", "--yes")
	o.unchanged()
	if got := o.must("kubectl", "-n", "shop", "get", "widget", "one", "-o", "jsonpath={.spec.size}").stdout; got != "1" {
		o.t.Errorf("the widget's size: %s", got)
	}
}

// manifestsConflict has somebody take a field who means to keep it.
func (o *operator) manifestsConflict() {
	file := filepath.Join(o.dir, "theirs.json")
	apply := func(labels string) {
		o.t.Helper()
		text := `{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"` + labels + `}}`
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			o.t.Fatal(err)
		}
		o.must("kubectl", "apply", "--server-side", "--force-conflicts", "--field-manager=team-b", "-f", file)
	}
	apply(`, "labels": {"tier": "theirs"}`)
	o.manifest("more.yaml", "{apiVersion: v1, kind: ConfigMap, metadata: {name: more, namespace: shop}}")
	o.exits(2, "plan")
	r := o.exits(5, "apply", "--yes") // all but that one
	o.says(r.stdout+r.stderr, "ConfigMap shop/more", "the rest is done, and 1 object of a manifest cannot be applied")
	r = o.exits(5, "plan")
	o.says(o.exits(1, "status").stdout, "Deployment shop/web: cannot be applied")
	o.says(r.stdout+r.stderr, "manifests/shop.yaml:", "Deployment shop/web", "team-b has metadata.labels.tier", "--field-manager=trivet-manifests")
	apply("")
	o.exits(2, "plan")
	o.must("apply", "--yes")
	o.unchanged()
}

// manifestsPrune takes files away, until the topology names none.
func (o *operator) manifestsPrune() {
	o.manifest("widgets.yaml", "")
	o.says(o.exits(2, "plan").stdout, "- Widget shop/one", "- CustomResourceDefinition widgets.example.org", "record of CustomResourceDefinition.apiextensions.k8s.io, Widget.example.org")
	o.killUntilDone()
	o.unchanged()
	if r := o.run("kubectl", "get", "customresourcedefinition", "widgets.example.org"); r.code == 0 {
		o.t.Error("the definition is still there")
	}
	o.write(small("flannel", ""))
	o.says(o.exits(2, "plan").stdout, "- Namespace shop", "- Deployment shop/web", "- Secret shop/key")
	o.must("apply", "--yes")
	o.unchanged()
	o.must("status")
	for _, gone := range []string{"namespace/shop", "--namespace=kube-system configmap/trivet-manifests"} {
		if r := o.run(append([]string{"kubectl", "get"}, strings.Fields(gone)...)...); r.code == 0 {
			o.t.Errorf("%s is still there", gone)
		}
	}
}
