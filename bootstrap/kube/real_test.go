package kube_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/kube"
	"github.com/trivet-dev/trivet/bootstrap/kube/kubetest"
)

// object reads a manifest in YAML.
func object(t *testing.T, manifest string) desired.Object {
	t.Helper()
	raw, err := yaml.YAMLToJSON([]byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	return desired.Object{Manifest: raw}
}

// summary is "action fields" a difference.
func summary(diffs []kube.Difference) []string {
	var out []string
	for _, d := range diffs {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s", d.Object.Name, d.Action, strings.Join(d.Fields, " "))))
	}
	return out
}

func compare(t *testing.T, c *kube.Client, objs ...desired.Object) []string {
	t.Helper()
	diffs, err := c.Compare(t.Context(), objs)
	if err != nil {
		t.Fatalf("Compare: %v", err)
	}
	return summary(diffs)
}

func same(t *testing.T, what string, want, got []string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// TestRealServer runs against a kube-apiserver of its own: what defaults it fills in, and what it does with ownership, no fake knows.
func TestRealServer(t *testing.T) {
	server := kubetest.Start(t)
	deadline := time.AfterFunc(3*time.Minute, func() { panic("TestRealServer hangs") })
	defer deadline.Stop()
	dead := kube.Endpoint{Name: "cp1", Dial: func(context.Context) (net.Conn, error) { return nil, errors.New("ssh: cp1 is gone") }}
	c, err := kube.New([]kube.Endpoint{dead, server.Endpoint("cp2")})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // nothing is left to do
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	if err := c.HostsReady(ctx, []string{"cp2"}, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Ready(ctx, "cp1"); err == nil || !strings.Contains(err.Error(), "kube-apiserver on cp1 does not answer: ssh: cp1 is gone") {
		t.Errorf("Ready of a dead control plane: %v", err)
	}
	t.Run("objects", func(t *testing.T) { realObjects(t, c) })
	t.Run("owned fields", func(t *testing.T) { realOwnedFields(t, c) })
	t.Run("fixed fields", func(t *testing.T) { realFixedFields(t, c) })
	t.Run("prune", func(t *testing.T) { realPrune(t, c) })
	t.Run("nodes", func(t *testing.T) { realNodes(t, c) })
	t.Run("many nodes", func(t *testing.T) { realManyNodes(t, c) })
	t.Run("nodes ready", func(t *testing.T) { realNodesReady(t, c) })
	t.Run("nodes ready since", func(t *testing.T) { realNodesReadySince(t, c) })
	t.Run("refused", func(t *testing.T) { realRefused(t, server) })
	t.Run("deployment available", func(t *testing.T) { realDeploymentAvailable(t, c) })
	t.Run("certificate", func(t *testing.T) { realCertificate(t, c, server) })
	t.Run("outage", func(t *testing.T) { realOutage(t, c, server) })
}

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: kube-system, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      priorityClassName: system-cluster-critical
      tolerations:
      - {key: node-role.kubernetes.io/control-plane, effect: NoSchedule}
      topologySpreadConstraints:
      - {maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {app: web}}}
      containers:
      - name: web
        image: example.org/web:1
        args: [-conf, /etc/web]
        ports:
        - {containerPort: 53, name: dns, protocol: UDP}
        - {containerPort: 53, name: dns-tcp}
        resources: {requests: {cpu: "0.1", memory: 70Mi}, limits: {memory: 0.5Gi}}
        env:
        - {name: A, value: "1"}
        livenessProbe: {httpGet: {path: /health, port: 8080}, initialDelaySeconds: 60}
        securityContext: {readOnlyRootFilesystem: true, capabilities: {add: [NET_BIND_SERVICE], drop: [ALL]}}
        volumeMounts: [{name: conf, mountPath: /etc/web, readOnly: true}]
      volumes:
      - {name: conf, configMap: {name: web, items: [{key: Corefile, path: Corefile}]}}
`

// realObjects: what was applied compares as the same, whatever the server filled in.
func realObjects(t *testing.T, c *kube.Client) {
	objs := []desired.Object{
		object(t, deployment),
		object(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: web, namespace: kube-system}, data: {Corefile: ".:53 {}"}}`),
		object(t, `{apiVersion: v1, kind: Secret, metadata: {name: web, namespace: kube-system}, stringData: {token: abc}}`),
		object(t, `{apiVersion: v1, kind: ServiceAccount, metadata: {name: web, namespace: kube-system}}`),
		object(t, `{apiVersion: v1, kind: Service, metadata: {name: web, namespace: kube-system}, spec: {clusterIP: 10.96.0.10, selector: {app: web}, ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53}]}}`),
		object(t, `{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: web, namespace: kube-system}, spec: {maxUnavailable: 1, selector: {matchLabels: {app: web}}}}`),
		object(t, `{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: web}, rules: [{apiGroups: [""], resources: [nodes], verbs: [list, watch]}]}`),
		object(t, `{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: web}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: web}, subjects: [{kind: ServiceAccount, name: web, namespace: kube-system}]}`),
		object(t, `{apiVersion: v1, kind: Namespace, metadata: {name: extra}}`),
		object(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: extra, namespace: extra}, data: {a: b}}`),
	}
	for _, line := range compare(t, c, objs...) {
		if !strings.HasSuffix(line, " create") {
			t.Errorf("before: %s", line)
		}
	}
	for range 2 {
		if err := c.Apply(t.Context(), objs); err != nil {
			t.Fatal(err)
		}
		for _, line := range compare(t, c, objs...) {
			if !strings.HasSuffix(line, " same") {
				t.Errorf("after an apply: %s", line)
			}
		}
	}
	// Somebody changes things by hand.
	typed := c.Typed()
	patch := func(what string) {
		t.Helper()
		if _, err := typed.AppsV1().Deployments("kube-system").Patch(t.Context(), "web", types.StrategicMergePatchType, []byte(what), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	patch(`{"spec":{"replicas":5,"template":{"spec":{"containers":[{"name":"web","image":"example.org/web:2"}]}}}}`)
	same(t, "after a change by hand", []string{"web update spec.replicas spec.template.spec.containers"}, compare(t, c, objs[0]))
	patch(`{"metadata":{"annotations":{"note":"mine"}},"spec":{"replicas":2,"template":{"spec":{"containers":[{"name":"web","image":"example.org/web:1"}]}}}}`)
	same(t, "with the values back and an annotation of somebody's", []string{"web same"}, compare(t, c, objs[0]))
	if _, err := typed.CoreV1().ConfigMaps("kube-system").Patch(t.Context(), "web", types.MergePatchType, []byte(`{"data":{"Corefile":"x"}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	same(t, "a config map changed", []string{"web update data.Corefile"}, compare(t, c, objs[1]))
	if err := c.Apply(t.Context(), objs[1:2]); err != nil {
		t.Fatal(err)
	}
	same(t, "and mended", []string{"web same"}, compare(t, c, objs[1]))
}

// realOwnedFields: what a manifest no longer names goes, and what others put there stays.
func realOwnedFields(t *testing.T, c *kube.Client) {
	ctx := t.Context()
	full := object(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: owned, namespace: default, labels: {a: "1", b: "2"}}, data: {one: x, two: "y"}}`)
	less := object(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: owned, namespace: default, labels: {a: "1"}}, data: {one: x}}`)
	if _, err := c.Typed().CoreV1().ConfigMaps("default").Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "owned", Labels: map[string]string{
		"a": "1", "b": "2", kube.OwnerLabel: kube.Manager}}, Data: map[string]string{"one": "x", "two": "y", "three": "z"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	same(t, "as desired, but not applied by Trivet", []string{"owned update metadata.managedFields"}, compare(t, c, full))
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := c.Apply(ctx, []desired.Object{full}); err != nil {
		t.Fatal(err)
	}
	same(t, "applied", []string{"owned same"}, compare(t, c, full))
	other := object(t, strings.ReplaceAll(deployment, "name: web, namespace: kube-system", "name: less, namespace: default"))
	if err := c.Apply(ctx, []desired.Object{other}); err != nil {
		t.Fatal(err)
	}
	trimmed := desired.Object{Manifest: []byte(strings.Replace(string(other.Manifest), `"initialDelaySeconds":60,`, "", 1))}
	trimmed.Manifest = []byte(strings.Replace(string(trimmed.Manifest), `"env":[{"name":"A","value":"1"}],`, "", 1))
	if string(trimmed.Manifest) == string(other.Manifest) {
		t.Fatal("the manifest was not trimmed")
	}
	if got := compare(t, c, trimmed); len(got) != 1 || !strings.Contains(got[0], "less update") {
		t.Errorf("fields left out: %v", got)
	}
	if err := c.Apply(ctx, []desired.Object{trimmed, less}); err != nil {
		t.Fatal(err)
	}
	same(t, "trimmed", []string{"less same", "owned same"}, compare(t, c, trimmed, less))
	live, err := c.Typed().AppsV1().Deployments("default").Get(ctx, "less", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if env := live.Spec.Template.Spec.Containers[0].Env; len(env) != 0 {
		t.Errorf("the variable that is desired no longer is there: %v", env)
	}
	config, err := c.Typed().CoreV1().ConfigMaps("default").Get(ctx, "owned", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if config.Data["three"] != "z" {
		t.Errorf("somebody else's key is gone: %v", config.Data)
	}
}

// realFixedFields: what the API never changes is refused with a remedy, before anything is sent.
func realFixedFields(t *testing.T, c *kube.Client) {
	ctx := t.Context()
	binding := `{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: fixed}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: %s}, subjects: []}`
	if err := c.Apply(ctx, []desired.Object{object(t, fmt.Sprintf(binding, "view"))}); err != nil {
		t.Fatal(err)
	}
	changed := object(t, fmt.Sprintf(binding, "edit"))
	_, err := c.Compare(ctx, []desired.Object{changed})
	if err == nil || !strings.Contains(err.Error(), "ClusterRoleBinding fixed has roleRef") || !strings.Contains(err.Error(), "Delete the object and apply again") {
		t.Errorf("Compare: %v", err)
	}
	if err := c.Apply(ctx, []desired.Object{changed}); err == nil || !strings.Contains(err.Error(), "ClusterRoleBinding fixed") {
		t.Errorf("Apply: %v", err)
	}
	err = c.Apply(ctx, []desired.Object{object(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: bad, namespace: default}, data: {yes: true}}`)})
	if err == nil || !strings.Contains(err.Error(), "applying ConfigMap default/bad") || !strings.Contains(err.Error(), "correct the manifest") {
		t.Errorf("an object that does not fit its schema: %v", err)
	}
	err = c.Apply(ctx, []desired.Object{object(t, `{apiVersion: v1, kind: Service, metadata: {name: bad, namespace: default}, spec: {ports: [{port: 99999}]}}`)})
	if err == nil || !strings.Contains(err.Error(), "applying Service default/bad") || !strings.Contains(err.Error(), "correct the manifest") {
		t.Errorf("an invalid object: %v", err)
	}
}

// realPrune: only what Trivet applied goes, and never a Node.
func realPrune(t *testing.T, c *kube.Client) {
	ctx := t.Context()
	keep, err := c.Orphans(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range keep {
		keep[i] = object(t, fmt.Sprintf("{apiVersion: %s, kind: %s, metadata: {name: '%s', namespace: '%s'}}", o.APIVersion, o.Kind, o.Name, o.Namespace))
		keep[i].Manifest = []byte(strings.Replace(string(keep[i].Manifest), `,"namespace":""`, "", 1))
	}
	gone := []desired.Object{
		object(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: orphan, namespace: default}}`),
		object(t, `{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: orphan}, rules: []}`),
		object(t, `{apiVersion: v1, kind: Node, metadata: {name: orphan, labels: {a: b}}}`),
	}
	if err := c.Apply(ctx, gone); err != nil {
		t.Fatal(err)
	}
	// The label alone is no proof.
	if _, err := c.Typed().RbacV1().ClusterRoles().Create(ctx, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "labelled", Labels: map[string]string{
		kube.OwnerLabel: kube.Manager}}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	pruned, err := c.Orphans(ctx, keep)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, o := range pruned {
		names = append(names, o.Kind+" "+o.Name)
	}
	slices.Sort(names)
	same(t, "orphans", []string{"ClusterRole orphan", "ConfigMap orphan"}, names)
	labelled := desired.Object{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRole", Name: "labelled"}
	if err := c.DeleteOwn(ctx, append(pruned, labelled), nil); err != nil {
		t.Fatal(err)
	}
	if left, err := c.Orphans(ctx, keep); err != nil || len(left) != 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
	same(t, "after", []string{"orphan create", "orphan create", "orphan same"}, compare(t, c, gone...))
	if _, err := c.Typed().RbacV1().ClusterRoles().Get(ctx, "labelled", metav1.GetOptions{}); err != nil {
		t.Errorf("what was only labelled is gone: %v", err)
	}
}

func node(t *testing.T, name, cidr string, labels map[string]string, taints ...corev1.Taint) desired.Object {
	t.Helper()
	n := map[string]any{"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": name, "labels": labels}, "spec": map[string]any{
		"podCIDR": cidr, "podCIDRs": []string{cidr}, "taints": taints}}
	raw, err := json.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	return desired.Object{Manifest: raw}
}

func taintIDs(t *testing.T, c *kube.Client, name string) []string {
	t.Helper()
	n, err := c.Typed().CoreV1().Nodes().Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, taint := range n.Spec.Taints {
		out = append(out, fmt.Sprintf("%s=%s:%s", taint.Key, taint.Value, taint.Effect))
	}
	slices.Sort(out)
	return out
}

// realNodes: Nodes that a kubelet registered first get everything; taints of others stay, those of Trivet come and go.
func realNodes(t *testing.T, c *kube.Client) {
	ctx := t.Context()
	nodes := c.Typed().CoreV1().Nodes()
	if _, err := nodes.Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1", Labels: map[string]string{"kubernetes.io/hostname": "n1"}}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	cp := corev1.Taint{Key: "node-role.kubernetes.io/control-plane", Effect: corev1.TaintEffectNoSchedule}
	zone := map[string]string{"topology.kubernetes.io/zone": "bj1", "trivet.dev/rack": "a"}
	first, fresh := node(t, "n1", "10.128.0.0/24", zone, cp), node(t, "n2", "10.128.1.0/24", zone, cp)
	same(t, "registered by the kubelet, and not there", []string{
		"n1 update metadata.annotations.trivet.dev/taints metadata.labels.topology.kubernetes.io/zone metadata.labels.trivet.dev/rack spec.podCIDR spec.podCIDRs spec.taints",
		"n2 create"}, compare(t, c, first, fresh))
	if err := c.Apply(ctx, []desired.Object{first, fresh}); err != nil {
		t.Fatal(err)
	}
	same(t, "applied", []string{"n1 same", "n2 same"}, compare(t, c, first, fresh))
	want := []string{"node-role.kubernetes.io/control-plane=:NoSchedule", "node.kubernetes.io/not-ready=:NoSchedule"}
	same(t, "taints of n1", want, taintIDs(t, c, "n1"))
	same(t, "taints of n2", want, taintIDs(t, c, "n2"))

	// An operator cordons it; Trivet's taint goes and another comes.
	if _, err := nodes.Patch(ctx, "n1", types.JSONPatchType, []byte(`[{"op":"add","path":"/spec/taints/-","value":{"key":"mine","value":"v","effect":"NoExecute"}}]`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	same(t, "with a taint of somebody's", []string{"n1 same"}, compare(t, c, first))
	other := node(t, "n1", "10.128.0.0/24", zone, corev1.Taint{Key: "search", Value: "only", Effect: corev1.TaintEffectNoSchedule})
	same(t, "another taint", []string{"n1 update metadata.annotations.trivet.dev/taints spec.taints"}, compare(t, c, other))
	if err := c.Apply(ctx, []desired.Object{other}); err != nil {
		t.Fatal(err)
	}
	same(t, "taints of n1", []string{"mine=v:NoExecute", "node.kubernetes.io/not-ready=:NoSchedule", "search=only:NoSchedule"}, taintIDs(t, c, "n1"))
	none := node(t, "n1", "10.128.0.0/24", map[string]string{"topology.kubernetes.io/zone": "bj1"})
	same(t, "no taint and a label less", []string{"n1 update metadata.annotations.trivet.dev/taints metadata.labels.trivet.dev/rack spec.taints"}, compare(t, c, none))
	if err := c.Apply(ctx, []desired.Object{none}); err != nil {
		t.Fatal(err)
	}
	same(t, "applied again", []string{"n1 same"}, compare(t, c, none))
	same(t, "taints of n1", []string{"mine=v:NoExecute", "node.kubernetes.io/not-ready=:NoSchedule"}, taintIDs(t, c, "n1"))

	moved := node(t, "n1", "10.128.9.0/24", nil)
	if _, err := c.Compare(ctx, []desired.Object{moved}); err == nil || !strings.Contains(err.Error(), "kubectl delete node n1") {
		t.Errorf("Compare with another pod range: %v", err)
	}
	if err := c.Apply(ctx, []desired.Object{moved}); err == nil || !strings.Contains(err.Error(), "Node n1 has spec.podCIDR 10.128.0.0/24, and 10.128.9.0/24 is desired") {
		t.Errorf("Apply with another pod range: %v", err)
	}
}

// realManyNodes: a race with the kubelets of many nodes ends well.
func realManyNodes(t *testing.T, c *kube.Client) {
	const count = 60
	var objs []desired.Object
	for i := range count {
		objs = append(objs, node(t, fmt.Sprintf("many-%03d", i), fmt.Sprintf("10.129.%d.0/24", i), map[string]string{"rack": "a"}, corev1.Taint{Key: "k", Effect: corev1.TaintEffectNoSchedule}))
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range count {
			_, _ = c.Typed().CoreV1().Nodes().Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("many-%03d", count-1-i)}}, metav1.CreateOptions{})
		}
	})
	err := c.Apply(t.Context(), objs)
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range compare(t, c, objs...) {
		if !strings.HasSuffix(line, " same") {
			t.Error(line)
		}
	}
}

func setReady(t *testing.T, c *kube.Client, name string, status corev1.ConditionStatus, message string) {
	t.Helper()
	raw, err := json.Marshal(map[string]any{"status": map[string]any{"conditions": []corev1.NodeCondition{{Type: corev1.NodeReady, Status: status, Reason: "Test", Message: message}}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Typed().CoreV1().Nodes().PatchStatus(t.Context(), name, raw); err != nil {
		t.Fatal(err)
	}
}

func realNodesReady(t *testing.T, c *kube.Client) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	steps := []func(){
		func() { setReady(t, c, "n1", corev1.ConditionFalse, "network plugin is not ready") },
		func() { setReady(t, c, "n1", corev1.ConditionTrue, "") },
		func() { setReady(t, c, "n2", corev1.ConditionTrue, "") },
	}
	var seen []map[string]string
	err := c.NodesReady(ctx, []string{"n1", "n2"}, nil, func(now map[string]string) {
		seen = append(seen, now)
		if len(steps) > 0 {
			steps[0]()
			steps = steps[1:]
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	const silent = "the kubelet has not reported yet: look at the unit kubelet on the host"
	want := []map[string]string{{"n1": silent, "n2": silent}, {"n1": "Test: network plugin is not ready", "n2": silent}, {"n1": "", "n2": silent}, {"n1": "", "n2": ""}}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("reports (-want +got):\n%s", diff)
	}
	short, cancelShort := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancelShort()
	err = c.NodesReady(short, []string{"n1", "n9"}, nil, nil)
	if err == nil || !strings.Contains(err.Error(), "1 of 2 nodes are not ready: n9: no Node object") || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a node that does not come: %v", err)
	}
}

func realDeploymentAvailable(t *testing.T, c *kube.Client) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	deployments := c.Typed().AppsV1().Deployments("kube-system")
	short, cancelShort := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancelShort()
	if err := c.DeploymentReady(short, "kube-system", "web", 0); err == nil || !strings.Contains(err.Error(), "the controller manager has not seen its latest change") {
		t.Errorf("an untouched Deployment: %v", err)
	}
	done := make(chan error, 1)
	go func() { done <- c.DeploymentReady(ctx, "kube-system", "web", 0) }()
	live, err := deployments.Get(ctx, "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	live.Status = appsv1.DeploymentStatus{ObservedGeneration: live.Generation, Replicas: 2, UpdatedReplicas: 2, ReadyReplicas: 2, AvailableReplicas: 2,
		Conditions: []appsv1.DeploymentCondition{{Type: appsv1.DeploymentAvailable, Status: corev1.ConditionTrue}}}
	if _, err := deployments.UpdateStatus(ctx, live, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func request(t *testing.T, user string, groups ...string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: user, Organization: groups}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

func realCertificate(t *testing.T, c *kube.Client, server *kubetest.Server) {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	short, cancelShort := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancelShort()
	if _, err := c.AdminCertificate(short, "ada", time.Hour, request(t, "ada", kube.AdminGroup)); err == nil || !strings.Contains(err.Error(), "kube-controller-manager") {
		t.Errorf("without a signer: %v", err)
	}
	server.ControllerManager(t, "certificatesigningrequest-signing-controller")
	signed, err := c.AdminCertificate(ctx, "ada", time.Hour, request(t, "ada", kube.AdminGroup))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(signed)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if cert.Subject.CommonName != "ada" || !slices.Equal(cert.Subject.Organization, []string{kube.AdminGroup}) {
		t.Errorf("subject %s", cert.Subject)
	}
	if left := time.Until(cert.NotAfter); left > time.Hour || left < 50*time.Minute {
		t.Errorf("it is good for %s, want an hour", left)
	}
	list, err := c.Typed().CertificatesV1().CertificateSigningRequests().List(ctx, metav1.ListOptions{})
	if err != nil || len(list.Items) != 0 {
		t.Errorf("%d requests are left, %v", len(list.Items), err)
	}
}

// realOutage comes last: it kills the server.
func realOutage(t *testing.T, c *kube.Client, server *kubetest.Server) {
	server.Stop()
	_, err := c.Compare(t.Context(), []desired.Object{object(t, deployment)})
	var unreachable *kube.UnreachableError
	if !errors.As(err, &unreachable) || len(unreachable.Attempts) != 2 {
		t.Errorf("Compare: %v", err)
	}
	short, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
	defer cancel()
	err = c.Apply(short, []desired.Object{object(t, deployment)})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no control plane answers: ") || !strings.Contains(err.Error(), "cp1: ssh: cp1 is gone") {
		t.Errorf("Apply keeps trying and then says why: %v", err)
	}
	again, cancelAgain := context.WithTimeout(t.Context(), 400*time.Millisecond)
	defer cancelAgain()
	if err := c.HostsReady(again, []string{"cp2"}, nil); err == nil || !strings.Contains(err.Error(), "cp2") {
		t.Errorf("HostsReady: %v", err)
	}
}
