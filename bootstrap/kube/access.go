package kube

import (
	"context"
	"fmt"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Unrestricted reports whether the client's identity may do everything: false in a cluster where its group is not bound to a role yet.
func (c *Client) Unrestricted(ctx context.Context) (bool, error) {
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "*", Group: "*", Resource: "*"},
	}}
	answer, err := c.typed.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("ask the API what this identity may do: %w", err)
	}
	return answer.Status.Allowed, nil
}

// NodeStates tells of every node "Ready", or why it is not.
func (c *Client) NodeStates(ctx context.Context) (map[string]string, error) {
	list, err := c.typed.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	out := map[string]string{}
	for i := range list.Items {
		state := NotReady(&list.Items[i])
		if state == "" {
			state = "Ready"
		}
		out[list.Items[i].Name] = state
	}
	return out, nil
}
