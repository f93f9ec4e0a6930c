package kube_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/kube"
	"github.com/trivet-dev/trivet/bootstrap/kube/kubetest"
)

// TestRealDrain drains nodes of a real API server, whose budgets a real controller works out. There is no kubelet: the test ends pods.
func TestRealDrain(t *testing.T) {
	server := kubetest.Start(t)
	deadline := time.AfterFunc(5*time.Minute, func() { panic("TestRealDrain hangs") })
	defer deadline.Stop()
	c := client(t, server.Endpoint("cp1"))
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	if err := c.HostsReady(ctx, []string{"cp1"}, nil); err != nil {
		t.Fatal(err)
	}
	server.ControllerManager(t, "disruption-controller,pod-garbage-collector-controller,replicaset-controller")
	for _, name := range []string{"n1", "n2"} {
		if _, err := c.Typed().CoreV1().Nodes().Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		setReady(t, c, name, corev1.ConditionTrue, "")
	}
	t.Run("cordon", func(t *testing.T) { realCordon(t, c) })
	t.Run("many", func(t *testing.T) { realDrainMany(t, c) })
	t.Run("budget", func(t *testing.T) { realDrainBudget(t, c) })
	t.Run("delete", func(t *testing.T) { realDeleteNode(t, c) })
}

func realCordon(t *testing.T, c *kube.Client) {
	state := func() string {
		t.Helper()
		infos, err := c.NodeInfos(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("unschedulable %t, ours %t", infos["n1"].Unschedulable, infos["n1"].CordonedByTrivet)
	}
	byHand := func(value string) {
		t.Helper()
		if _, err := c.Typed().CoreV1().Nodes().Patch(t.Context(), "n1", types.MergePatchType, []byte(`{"spec":{"unschedulable":`+value+`}}`), metav1.PatchOptions{FieldManager: "by-hand"}); err != nil {
			t.Fatal(err)
		}
	}
	do := func(what func(context.Context, string) error) {
		t.Helper()
		for range 2 {
			if err := what(t.Context(), "n1"); err != nil {
				t.Fatal(err)
			}
		}
	}
	const none, ours, theirs = "unschedulable false, ours false", "unschedulable true, ours true", "unschedulable true, ours false"
	for _, step := range []struct {
		what string
		do   func()
		want string
	}{
		{"Trivet cordons", func() { do(c.Cordon) }, ours},
		{"Trivet applies its Node", func() {
			if err := c.Apply(t.Context(), []desired.Object{node(t, "n1", "10.128.0.0/24", map[string]string{"trivet.dev/rack": "a"})}); err != nil {
				t.Fatal(err)
			}
		}, ours},
		{"Trivet uncordons", func() { do(c.Uncordon) }, none},
		{"a user cordons", func() { byHand("true") }, theirs},
		{"Trivet cordons a user's", func() { do(c.Cordon) }, theirs},
		{"Trivet uncordons a user's", func() { do(c.Uncordon) }, theirs},
		{"the user uncordons, Trivet cordons", func() { byHand("null"); do(c.Cordon) }, ours},
		{"Trivet uncordons again", func() { do(c.Uncordon) }, none},
	} {
		step.do()
		if got := state(); got != step.want {
			t.Errorf("%s: %s, want %s", step.what, got, step.want)
		}
	}
}

// runPod makes a pod that runs and is ready on a node, of a controller unless alone.
func runPod(t *testing.T, c *kube.Client, node, name string, labels map[string]string, alone bool) {
	t.Helper()
	ctx := t.Context()
	zero := int64(0) // the API deletes it at once: no kubelet is to end it
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", Labels: labels},
		Spec: corev1.PodSpec{NodeName: node, TerminationGracePeriodSeconds: &zero, AutomountServiceAccountToken: new(bool), Containers: []corev1.Container{{Name: "a", Image: "example.org/a"}}}}
	if !alone {
		yes := true
		p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "example.org/v1", Kind: "Set", Name: "web", UID: "1", Controller: &yes}}
	}
	made, err := c.Typed().CoreV1().Pods("default").Create(ctx, p, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	made.Status = corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}
	if _, err := c.Typed().CoreV1().Pods("default").UpdateStatus(ctx, made, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func podsOn(t *testing.T, c *kube.Client, node string) int {
	t.Helper()
	list, err := c.Typed().CoreV1().Pods("").List(t.Context(), metav1.ListOptions{FieldSelector: "spec.nodeName=" + node})
	if err != nil {
		t.Fatal(err)
	}
	return len(list.Items)
}

func serviceAccount(t *testing.T, c *kube.Client) {
	t.Helper()
	if _, err := c.Typed().CoreV1().ServiceAccounts("default").Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func realDrainMany(t *testing.T, c *kube.Client) {
	serviceAccount(t, c)
	for i := range 120 {
		runPod(t, c, "n1", fmt.Sprintf("many-%03d", i), nil, false)
	}
	runPod(t, c, "n2", "elsewhere", nil, false)
	var last string
	if err := c.Drain(t.Context(), "n1", kube.DrainOptions{Timeout: 2 * time.Minute}, func(s string) { last = s }); err != nil {
		t.Fatal(err)
	}
	if n := podsOn(t, c, "n1"); n != 0 || last != "120 of 120 pods have left" || podsOn(t, c, "n2") != 1 {
		t.Errorf("%d pods are left, %q", n, last)
	}
	if err := c.Drain(t.Context(), "n1", kube.DrainOptions{}, nil); err != nil {
		t.Errorf("once more: %v", err)
	}
}

func realDrainBudget(t *testing.T, c *kube.Client) {
	ctx := t.Context()
	labels := map[string]string{"app": "guarded"}
	budgets := c.Typed().PolicyV1().PodDisruptionBudgets("default")
	two := intstr.FromInt32(2)
	if _, err := budgets.Create(ctx, &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Name: "guarded"}, Spec: policyv1.PodDisruptionBudgetSpec{
		MinAvailable: &two, Selector: &metav1.LabelSelector{MatchLabels: labels}}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	runPod(t, c, "n1", "guarded-1", labels, false)
	runPod(t, c, "n2", "guarded-2", labels, false)
	runPod(t, c, "n1", "alone", nil, true)
	var unmanaged *kube.UnmanagedError
	if err := c.Drain(ctx, "n1", kube.DrainOptions{}, nil); !errors.As(err, &unmanaged) {
		t.Errorf("a pod without a controller: %v", err)
	}
	var said string
	err := c.Drain(ctx, "n1", kube.DrainOptions{Timeout: 15 * time.Second, Force: true}, func(s string) { said = s })
	var blocked *kube.DrainError
	if !errors.As(err, &blocked) || len(blocked.Left) != 1 || blocked.Left[0].Pod != "default/guarded-1" ||
		!strings.Contains(err.Error(), "PodDisruptionBudget default/guarded allows 0 disruptions: 2 of 2 pods are healthy and 2 must be: it never allows one with so many pods") {
		t.Errorf("a budget that allows none: %v", err)
	}
	if !strings.Contains(said, "such as default/guarded-1: The disruption budget guarded needs 2 healthy pods and has 2 currently") {
		t.Errorf("it said %q", said)
	}
	// Another replica comes: the eviction is allowed then.
	runPod(t, c, "n2", "guarded-3", labels, false)
	if err := c.Drain(ctx, "n1", kube.DrainOptions{Timeout: time.Minute}, nil); err != nil {
		t.Errorf("with another replica: %v", err)
	}
	if n := podsOn(t, c, "n1"); n != 0 {
		t.Errorf("%d pods are left", n)
	}
}

// realDeleteNode: the garbage collector takes away what was on a node that is no more, its pods that nobody ends among it.
func realDeleteNode(t *testing.T, c *kube.Client) {
	if err := c.DeleteNode(t.Context(), "n2"); err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteNode(t.Context(), "n2"); err != nil {
		t.Errorf("once more: %v", err)
	}
	if testing.Short() {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	start := time.Now()
	for podsOn(t, c, "n2") > 0 {
		select {
		case <-ctx.Done():
			t.Fatal("the garbage collector has not taken its pods")
		case <-time.After(time.Second):
		}
	}
	t.Logf("its pods were gone after %s", time.Since(start).Round(time.Second))
}
