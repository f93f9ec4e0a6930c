package kube

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

func TestCheckManifests(t *testing.T) {
	list := []topology.Manifest{
		{APIVersion: "v1", Kind: "Node", Name: "n"},
		{APIVersion: "v1", Kind: "Namespace", Name: "kube-system"},
		{APIVersion: "v1", Kind: "Namespace", Name: "shop"},
		{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "kube-system", Name: "coredns"},
		{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRole", Name: "trivet:flannel"},
		{APIVersion: "v1", Kind: "ConfigMap", Namespace: "kube-system", Name: "trivet-manifests"},
		{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"},
		{APIVersion: "storage.k8s.io/v1", Kind: "StorageClass", Namespace: "shop", Name: "fast"},
		{APIVersion: "apiextensions.k8s.io/v1", Kind: "CustomResourceDefinition", Name: "widgets.example.org",
			JSON: []byte(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","spec":{"group":"example.org","scope":"Namespaced","names":{"kind":"Widget","plural":"widgets"},"versions":[{"name":"v1","served":true}]}}`)},
		{APIVersion: "example.org/v1", Kind: "Widget", Name: "w"},
		{APIVersion: "example.net/v1", Kind: "Gadget", Name: "only the API knows"},
	}
	var got []string
	for _, e := range CheckManifests(&topology.Cluster{Name: "blue", Manifests: list}) {
		got = append(got, fmt.Sprintf("%s (%s): %s", list[e.Manifest].String(), strings.Join(e.Field, "."), e.Detail))
	}
	want := []string{
		"Node n (kind): Nodes are Trivet's own: labels, annotations and taints belong into the host's or the rack's block.",
		"Namespace kube-system (metadata.name): The API server makes Namespace kube-system itself, and would lose it when the manifest is taken out. Leave it out: other objects may be in it.",
		"Deployment kube-system/coredns (metadata.name): Deployment kube-system/coredns is Trivet's own, and two cannot keep it. Give the object another name, or set it in the topology.",
		"ClusterRole trivet:flannel (metadata.name): ClusterRole trivet:flannel is Trivet's own, and two cannot keep it. Give the object another name, or set it in the topology.",
		"ConfigMap kube-system/trivet-manifests (metadata.name): ConfigMap kube-system/trivet-manifests is Trivet's own, and two cannot keep it. Give the object another name, or set it in the topology.",
		"Deployment web (metadata): Deployment web is in no namespace. Write which one as metadata.namespace.",
		"StorageClass shop/fast (metadata.namespace): Objects of kind StorageClass are in no namespace. Leave metadata.namespace out.",
		"Widget w (metadata): Widget w is in no namespace. Write which one as metadata.namespace.",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mistakes (-want +got):\n%s", diff)
	}
}

// TestOwnKinds: what Trivet does not need any more is looked for among all kinds of its objects.
func TestOwnKinds(t *testing.T) {
	for _, o := range desired.Own() {
		if !slices.Contains(ownKinds, o.Kind) {
			t.Errorf("%s %s would never be found once it is not needed: add its kind to ownKinds", o.Kind, o.Name)
		}
	}
}

// conflictOf is what the API server answers, with messages as it words them.
func conflictOf(messages ...string) error {
	var causes []metav1.StatusCause
	for _, m := range messages {
		field, message, _ := strings.Cut(m, ": ")
		causes = append(causes, metav1.StatusCause{Type: metav1.CauseTypeFieldManagerConflict, Field: field, Message: message})
	}
	return apierrors.NewApplyConflict(causes, "Apply failed")
}

func TestConflicts(t *testing.T) {
	version := apierrors.NewConflict(anyResource, "web", errors.New("the object has been modified"))
	edit := `.spec.replicas: conflict with "kubectl-edit" using apps/v1 at 2026-01-01T00:00:00Z`
	for what, x := range map[string]struct {
		err              error
		temporary, field bool
		hands            string
	}{
		"another version":                 {version, true, false, ""},
		"kubectl edit":                    {conflictOf(edit), false, true, "kubectl-edit"},
		"kubectl edit, kubectl scale":     {conflictOf(edit, `.spec.paused: conflict with "kubectl" with subresource "scale" using apps/v1`), false, true, "kubectl, kubectl-edit"},
		"somebody who applied by kubectl": {conflictOf(`.spec.replicas: conflict with "kubectl"`), false, true, ""},
		"a controller":                    {conflictOf(`.spec.replicas: conflict with "kube-controller-manager" with subresource "scale" using apps/v1 at 2026-01-01T00:00:00Z`), false, true, ""},
		"one by hand and one not":         {conflictOf(edit, `.spec.paused: conflict with "helm" using apps/v1`), false, true, ""},
		"a name like kubectl":             {conflictOf(`.spec.replicas: conflict with "kubectlish" using apps/v1`), false, true, ""},
	} {
		if got := temporary(x.err); got != x.temporary {
			t.Errorf("%s: tried again: %t", what, got)
		}
		if got := fieldConflict(x.err); got != x.field {
			t.Errorf("%s: a conflict of fields: %t", what, got)
		}
		if byHand, hands := onlyByHand(x.err); byHand != (x.hands != "") || hands != x.hands {
			t.Errorf("%s: by hand: %t, %q", what, byHand, hands)
		}
	}
	o := &object{Object: desired.Object{Kind: "Deployment", Namespace: "shop", Name: "web"}, owner: manifestsOf("blue")}
	err := conflictError(o, conflictOf(`.spec.replicas: conflict with "b" using apps/v1`, `.spec.paused: conflict with "a\"x"`, `.metadata.labels.x: conflict with "b" using v1`))
	if want := `Deployment shop/web: somebody else has fields that the manifest sets: a\"x has spec.paused; b has metadata.labels.x, spec.replicas. Take them out`; !strings.HasPrefix(err.Error(), want) {
		t.Errorf("told: %v", err)
	}
}

// TestWithoutValues: nothing that a server says of a Secret's content comes through.
func TestWithoutValues(t *testing.T) {
	secret := &object{Object: desired.Object{Kind: "Secret"}}
	for _, err := range []error{
		apierrors.NewInternalError(errors.New("failed to create typed patch object: .data.a: expected string, got planted")),
		apierrors.NewBadRequest("illegal base64: planted"),
		apierrors.NewForbidden(anyResource, "s", errors.New("a policy says: planted is too short")),
		&apierrors.StatusError{ErrStatus: metav1.Status{Reason: metav1.StatusReasonInvalid, Code: 422, Message: "planted", Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{
			{Type: metav1.CauseTypeFieldValueInvalid, Field: "data.key", Message: "Invalid value: planted"}}}}},
	} {
		for what, e := range map[string]error{"as it is": err, "wrapped": fmt.Errorf("more: %w", err)} {
			if got := secret.withoutValues(e).Error(); strings.Contains(got, "planted") {
				t.Errorf("%s: %s", what, got)
			}
			if got := explain(secret, "applying", e).Error(); strings.Contains(got, "planted") {
				t.Errorf("explained, %s: %s", what, got)
			}
		}
	}
	if got := secret.withoutValues(conflictOf(`.data.a: conflict with "x"`)); !fieldConflict(got) {
		t.Errorf("a conflict: %v", got)
	}
	if got := (&object{Object: desired.Object{Kind: "ConfigMap"}}).withoutValues(apierrors.NewBadRequest("said")).Error(); got != "said" {
		t.Errorf("of another kind: %s", got)
	}
}

var anyResource = schema.GroupResource{Group: "apps", Resource: "deployments"}

func TestPodNotReady(t *testing.T) {
	ready := corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}
	waiting := corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{{Name: "web", State: corev1.ContainerState{
		Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImageNeverPull", Message: "no image"}}}}}
	evicted := corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "Pod was rejected: The node had condition: [DiskPressure]. "}
	for want, status := range map[string]corev1.PodStatus{"": ready, "container web: ErrImageNeverPull: no image": waiting,
		"Evicted: Pod was rejected: The node had condition: [DiskPressure].": evicted, "NodeLost": {Phase: corev1.PodUnknown, Reason: "NodeLost"}} {
		if got := PodNotReady(&corev1.Pod{Status: status}); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
