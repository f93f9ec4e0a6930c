package kube

import (
	"context"
	"fmt"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Unrestricted reports whether the client's identity may do everything: false in a cluster where its group is not bound to a role yet.
func (c *Client) Unrestricted(ctx context.Context) (bool, error) {
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "*", Group: "*", Resource: "*"},
	}}
	answer, err := c.typed.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("ask the API what this identity may do: %w", c.refusal(ctx, err))
	}
	return answer.Status.Allowed, nil
}

// NodeStates tells of every node "Ready", or why it is not.
func (c *Client) NodeStates(ctx context.Context) (map[string]string, error) {
	var items map[string]*unstructured.Unstructured
	err := c.soon(ctx, func(ctx context.Context) (err error) {
		items, _, err = c.snapshot(ctx, must("v1", nodeKind), "", metav1.ListOptions{})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	out := make(map[string]string, len(items))
	for name, u := range items {
		node, err := Convert[corev1.Node](u)
		if err != nil {
			return nil, err
		}
		state := NotReady(node)
		if state == "" {
			state = "Ready"
		}
		out[name] = state
	}
	return out, nil
}
