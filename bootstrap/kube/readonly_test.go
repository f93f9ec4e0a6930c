package kube_test

import (
	"errors"
	"net/http"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/trivet-dev/trivet/bootstrap/kube"
)

// TestReadOnlySendsQuestionsOnly: what would change something does not reach the server, whichever way it is asked for.
func TestReadOnlySendsQuestionsOnly(t *testing.T) {
	var gets, others atomic.Int64
	endpoint := serve(t, "cp1", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			others.Add(1)
		}
		if a := r.UserAgent(); a != "trivet" {
			t.Errorf("the user agent is %q", a)
		}
		gets.Add(1)
		answer(w, http.StatusOK, corev1.Node{TypeMeta: metav1.TypeMeta{Kind: "Node", APIVersion: "v1"}, ObjectMeta: metav1.ObjectMeta{Name: "n", ResourceVersion: "1"}})
	})
	c, err := kube.NewReadOnly([]kube.Endpoint{endpoint})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, nodes := t.Context(), c.Typed().CoreV1().Nodes()
	if _, err := nodes.Get(ctx, "n", metav1.GetOptions{}); err != nil || gets.Load() != 1 {
		t.Fatalf("a question gave %v", err)
	}
	_, create := nodes.Create(ctx, &corev1.Node{}, metav1.CreateOptions{})
	_, update := nodes.Update(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}}, metav1.UpdateOptions{})
	_, patch := nodes.Patch(ctx, "n", types.MergePatchType, []byte("{}"), metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
	for what, err := range map[string]error{
		"create": create, "update": update, "patch": patch,
		"delete":     nodes.Delete(ctx, "n", metav1.DeleteOptions{}),
		"collection": nodes.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}),
		"cordon":     c.Cordon(ctx, "n"),
	} {
		if !errors.Is(err, kube.ErrReadOnly) {
			t.Errorf("%s gave %v", what, err)
		}
	}
	if n := others.Load(); n != 0 {
		t.Errorf("%d requests that are not GET came to the server", n)
	}
}
