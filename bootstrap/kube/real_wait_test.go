package kube_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/kube"
	"github.com/trivet-dev/trivet/bootstrap/kube/kubetest"
)

// beat is a kubelet's report that its node is ready.
func beat(t *testing.T, c *kube.Client, name string, at time.Time) {
	t.Helper()
	raw, err := json.Marshal(map[string]any{"status": map[string]any{"conditions": []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady",
		LastHeartbeatTime: metav1.NewTime(at)}}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Typed().CoreV1().Nodes().PatchStatus(t.Context(), name, raw); err != nil {
		t.Fatal(err)
	}
}

// realNodesReadySince: a node that is Ready by the word of a kubelet that is no more is not ready.
func realNodesReadySince(t *testing.T, c *kube.Client) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	started := time.Date(2026, 5, 4, 3, 2, 1, 900_000_000, time.UTC)
	beat(t, c, "n1", started.Add(-time.Minute))
	beat(t, c, "n2", started.Add(-time.Minute))
	if err := c.NodesReady(ctx, []string{"n1", "n2"}, nil, nil); err != nil {
		t.Errorf("when no kubelet was started: %v", err)
	}
	var seen []map[string]string
	err := c.NodesReady(ctx, []string{"n1", "n2"}, map[string]time.Time{"n1": started}, func(now map[string]string) {
		if seen = append(seen, now); len(seen) == 1 {
			beat(t, c, "n1", started) // in the second in which it started: the API keeps no fractions
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []map[string]string{{"n1": "its kubelet, which was started, has not reported since: look at the unit kubelet on the host", "n2": ""}, {"n1": "", "n2": ""}}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("reports (-want +got):\n%s", diff)
	}
}

// realRefused: a server that answers with a refusal is not a server that does not answer.
func realRefused(t *testing.T, server *kubetest.Server) {
	ctx := t.Context()
	manifest := object(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: default}}`).Manifest
	objects := []desired.Object{{APIVersion: "v1", Kind: "ConfigMap", Namespace: "default", Name: "a", Manifest: manifest}}
	unbound := client(t, server.EndpointAs(t, "cp2", "ada", "trivet:admins"))
	for what, ask := range map[string]func() error{
		"Compare":         func() error { _, err := unbound.Compare(ctx, objects); return err },
		"Apply":           func() error { return unbound.Apply(ctx, objects) },
		"Delete":          func() error { return unbound.DeleteOwn(ctx, objects, nil) },
		"NodeInfos":       func() error { _, err := unbound.NodeInfos(ctx); return err },
		"NodesReady":      func() error { return unbound.NodesReady(ctx, []string{"n1", "n2"}, nil, nil) },
		"DeploymentReady": func() error { return unbound.DeploymentReady(ctx, "kube-system", "web", 1) },
	} {
		err := ask()
		var refused *kube.RefusedError
		var unreachable *kube.UnreachableError
		switch {
		case !errors.As(err, &refused) || errors.As(err, &unreachable):
			t.Errorf("%s: %v", what, err)
		case refused.User != "ada" || !slices.Equal(refused.Groups, []string{"trivet:admins"}):
			t.Errorf("%s: refused %s of %v", what, refused.User, refused.Groups)
		case !strings.Contains(err.Error(), "the API answers, and refuses user ada (of trivet:admins): ") || !strings.Contains(err.Error(), "trivet apply with the age identity binds it again"):
			t.Errorf("%s: %v", what, err)
		}
	}
	if allowed, err := unbound.Unrestricted(ctx); err != nil || allowed {
		t.Errorf("Unrestricted: %v, %v", allowed, err)
	}
	stranger := client(t, server.EndpointAsStranger(t, "cp2"))
	_, err := stranger.Compare(ctx, objects)
	var refused *kube.RefusedError
	if !errors.As(err, &refused) || refused.User != "" || !strings.Contains(err.Error(), "does not accept the certificate") {
		t.Errorf("a certificate of another authority: %v", err)
	}
}
