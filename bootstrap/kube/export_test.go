package kube

import (
	"context"
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/trivet-dev/trivet/bootstrap/desired"
)

// FinalizeForTest gives objects of a kind a finalizer, or takes it off, as a controller does.
func (c *Client) FinalizeForTest(ctx context.Context, objs []desired.Object, kind, finalizer string) error {
	finalizers := []string{}
	if finalizer != "" {
		finalizers = append(finalizers, finalizer)
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"finalizers": finalizers}})
	if err != nil {
		return err
	}
	for _, o := range objs {
		if o.Kind != kind {
			continue
		}
		k, err := c.mapper().kind(ctx, o.APIVersion, o.Kind)
		if err != nil {
			return err
		}
		if _, err := c.resource(k, o.Namespace).Patch(ctx, o.Name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
			return err
		}
	}
	return nil
}
