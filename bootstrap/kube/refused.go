package kube

import (
	"context"
	"errors"
	"fmt"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// RefusedError says that the API answered, and refused a request because of who asked.
type RefusedError struct {
	User    string   // who the server takes the client for; "" when it knows it not at all
	Groups  []string // of that user
	Refusal error    // what the server said
}

// Error implements error.
func (e *RefusedError) Error() string {
	if apierrors.IsUnauthorized(e.Refusal) {
		return fmt.Sprintf("the API answers, and does not accept the certificate that it was asked with: %v (it may have expired, be of an authority that this cluster "+
			"no longer has, or the clock of the control plane may be wrong: trivet status shows when certificates end, trivet apply renews them)", e.Refusal)
	}
	who := "the identity that asked"
	if e.User != "" {
		who = "user " + e.User
	}
	if len(e.Groups) > 0 {
		who += " (of " + strings.Join(e.Groups, ", ") + ")"
	}
	return fmt.Sprintf("the API answers, and refuses %s: %v (the group %s must be bound to the ClusterRole cluster-admin: trivet apply with the age identity binds it again)",
		who, e.Refusal, AdminGroup)
}

// Unwrap gives what the server said.
func (e *RefusedError) Unwrap() error { return e.Refusal }

// identity is who the server takes a client for.
type identity struct {
	user   string
	groups []string
}

// refusal makes a RefusedError of an error that is one, and leaves others alone.
func (c *Client) refusal(ctx context.Context, err error) error {
	var known *RefusedError
	switch {
	case err == nil, errors.As(err, &known):
		return err
	case apierrors.IsUnauthorized(err):
		return &RefusedError{Refusal: err}
	case unauthorised(err):
		who := c.whoAmI(ctx)
		return &RefusedError{User: who.user, Groups: who.groups, Refusal: err}
	}
	return err
}

// unauthorised reports whether an authorizer refused a request. Admission plugins answer with the same code, for reasons that have nothing to do with who asks.
func unauthorised(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "User \"") && strings.Contains(err.Error(), " cannot ")
}

// whoAmI asks the server who the client is. Every authenticated user may ask that; what cannot be found out is left empty.
func (c *Client) whoAmI(ctx context.Context) identity {
	c.identityMu.Lock()
	defer c.identityMu.Unlock()
	if c.identity != nil {
		return *c.identity
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), diagnosis)
	defer cancel()
	review, err := c.typed.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return identity{}
	}
	who := identity{user: review.Status.UserInfo.Username}
	for _, group := range review.Status.UserInfo.Groups {
		if group != "system:authenticated" {
			who.groups = append(who.groups, group)
		}
	}
	c.identity = &who
	return who
}
