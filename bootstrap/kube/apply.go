package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/trivet-dev/trivet/bootstrap/desired"
)

// grace is how long an object may wait for its namespace, since the API server makes kube-system and its like only after it is ready, and for the end of
// errors that the server calls its own: most pass, some never do.
const grace = 15 * time.Second

// Apply makes objects as desired by server-side apply, taking over fields that others set. What other objects need comes first. It repeats what fails for a
// passing reason until ctx ends.
func (c *Client) Apply(ctx context.Context, objs []desired.Object) error {
	parsed, err := parse(objs)
	if err != nil {
		return err
	}
	slices.SortStableFunc(parsed, func(a, b *object) int { return a.kind.rank - b.kind.rank })
	return byRank(parsed, func(o *object) int { return o.kind.rank }, func(part []*object) error { return each(ctx, part, c.applyOne) })
}

// byRank takes items that are in the order of their ranks, those of each rank together.
func byRank[T any](items []T, rank func(T) int, do func([]T) error) error {
	for len(items) > 0 {
		first := rank(items[0])
		n := slices.IndexFunc(items, func(t T) bool { return rank(t) != first })
		if n < 0 {
			n = len(items)
		}
		if err := do(items[:n]); err != nil {
			return err
		}
		items = items[n:]
	}
	return nil
}

func (c *Client) applyOne(ctx context.Context, o *object) error {
	deadline := time.Now().Add(grace)
	may := func(err error) bool {
		passes := namespaceMissing(err) || apierrors.IsInternalError(err) || apierrors.IsUnexpectedServerError(err)
		return passes && !malformed(err) && time.Now().Before(deadline) || !passes && (temporary(err) || apierrors.IsAlreadyExists(err))
	}
	err := retry(ctx, 100*time.Millisecond, 2*time.Second, may, func(ctx context.Context) error {
		if o.kind.Kind == nodeKind {
			return c.applyNode(ctx, o)
		}
		_, err := c.serverSideApply(ctx, o)
		return err
	})
	if err != nil {
		return explain(o, "applying", c.refusal(ctx, err))
	}
	return nil
}

func (c *Client) serverSideApply(ctx context.Context, o *object) (*unstructured.Unstructured, error) {
	return c.resource(o.kind, o.Namespace).Apply(ctx, o.Name, o.body, metav1.ApplyOptions{FieldManager: o.owner.manager, Force: o.owner.force})
}

// applyNode applies a Node whether or not its kubelet has registered it yet. Taints of a node that exists are set before the note of them changes: an
// interruption between the two forgets none.
func (c *Client) applyNode(ctx context.Context, o *object) error {
	live, err := c.resource(o.kind, "").Get(ctx, o.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		created, err := c.serverSideApply(ctx, o)
		if err != nil {
			return err
		}
		return c.setTaints(ctx, o, created)
	case err != nil:
		return err
	}
	if err := checkFixed(o, live); err != nil {
		return err
	}
	if err := c.setTaints(ctx, o, live); err != nil {
		return err
	}
	_, err = c.serverSideApply(ctx, o)
	return err
}

// setTaints writes the whole list, and only onto the very version that it was read from: controllers write it too.
func (c *Client) setTaints(ctx context.Context, o *object, live *unstructured.Unstructured) error {
	merged, changed, err := mergeTaints(live, o.taints)
	if err != nil || !changed {
		return err
	}
	list := make([]any, 0, len(merged))
	for _, t := range merged {
		list = append(list, t.json())
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": live.GetResourceVersion()},
		"spec":     map[string]any{"taints": list},
	})
	if err != nil {
		return err
	}
	// Under a manager of its own, so that server-side apply never takes the list for something that it may remove.
	_, err = c.resource(o.kind, "").Patch(ctx, o.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: Manager + "-taints"})
	return err
}

// namespaceMissing reports whether an object cannot be made because its namespace is not there.
func namespaceMissing(err error) bool {
	var status apierrors.APIStatus
	return apierrors.IsNotFound(err) && errors.As(err, &status) && status.Status().Details != nil && status.Status().Details.Kind == "namespaces"
}

// explain adds the object and a remedy to what the server said.
func explain(o *object, doing string, err error) error {
	remedy := ""
	var refused *RefusedError
	switch {
	case errors.As(err, &refused): // it has a remedy of its own
	case namespaceMissing(err):
		remedy = fmt.Sprintf("no namespace %s: add a Namespace object, or create it", o.Namespace)
	case apierrors.IsInvalid(err) && strings.Contains(err.Error(), "immutable"):
		remedy = "the API lets nobody change that field: delete the object and apply again"
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), malformed(err):
		remedy = "correct the manifest"
	case apierrors.IsForbidden(err):
		remedy = "the identity that Trivet uses on the control plane may not do this: check the ClusterRoleBindings of its group, or the admission policy named above"
	case apierrors.IsNotFound(err):
		remedy = fmt.Sprintf("this API server does not serve %s: check the cluster's Kubernetes release", o.APIVersion)
	}
	err = o.withoutValues(err)
	if remedy == "" {
		return fmt.Errorf("%s %s: %w", doing, o, err)
	}
	return fmt.Errorf("%s %s: %w (%s)", doing, o, err, remedy)
}
