package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/trivet-dev/trivet/bootstrap/desired"
)

// ApplyManifests applies objects of a cluster's manifests: namespaces and definitions of kinds first, and others when their kinds are there. It takes no field that another manager
// has, but for what was changed by hand. It repeats what fails for a passing reason until ctx ends; report gets what is waited for, and done each object as soon as it is applied. Both
// may be nil, and are called from several goroutines.
func (c *Client) ApplyManifests(ctx context.Context, cluster string, objs []desired.Object, report func(string), done func(*desired.Object)) error {
	if report == nil {
		report = func(string) {}
	}
	if done == nil {
		done = func(*desired.Object) {}
	}
	objs = slices.Clone(objs)
	rank := func(o desired.Object) int { return rankOf(o.GroupKind()) }
	slices.SortStableFunc(objs, func(a, b desired.Object) int { return rank(a) - rank(b) })
	return byRank(objs, rank, func(part []desired.Object) error {
		parsed := make([]*object, len(part))
		for i, o := range part {
			k, err := c.awaitKind(ctx, o, report)
			if err != nil {
				return at(o, fmt.Errorf("%s: %w", describe(o.Kind, o.Namespace, o.Name), err))
			}
			if parsed[i], err = manifestObject(o, k, manifestsOf(cluster)); err != nil {
				return at(o, err)
			}
		}
		return each(ctx, parsed, func(ctx context.Context, o *object) error {
			if err := c.applyManifest(ctx, o, report); err != nil {
				return at(o.Object, err)
			}
			if o.Kind == definitionKind {
				if err := c.waitEstablished(ctx, o, report); err != nil {
					return at(o.Object, err)
				}
			}
			done(&o.Object)
			return nil
		})
	})
}

// awaitKind finds an object's kind. One that was just defined, maybe by a run that was killed, is served a moment later.
func (c *Client) awaitKind(ctx context.Context, o desired.Object, report func(string)) (k *kind, err error) {
	deadline := time.Now().Add(grace)
	err = retry(ctx, 200*time.Millisecond, 2*time.Second, func(err error) bool {
		report(err.Error())
		return temporary(err) || (notServed(err) || silent(err)) && time.Now().Before(deadline)
	}, func(ctx context.Context) error {
		k, err = c.mapper().kind(ctx, o.APIVersion, o.Kind)
		return err
	})
	return k, err
}

func (c *Client) applyManifest(ctx context.Context, o *object, report func(string)) error {
	deadline := time.Now().Add(grace)
	may := func(err error) bool {
		switch {
		case malformed(err), fieldConflict(err):
			return false
		case calledWebhook(err):
			report(fmt.Sprintf("%s: %v", o, o.withoutValues(err))) // it may be served by what was applied just before
			return true
		case namespaceMissing(err), apierrors.IsNotFound(err), apierrors.IsInternalError(err), apierrors.IsUnexpectedServerError(err):
			return time.Now().Before(deadline)
		}
		return temporary(err) || apierrors.IsAlreadyExists(err)
	}
	for {
		var made *unstructured.Unstructured
		err := retry(ctx, 100*time.Millisecond, 2*time.Second, may, func(ctx context.Context) (err error) {
			if made, err = c.apply(ctx, o, o.body, false, false); fieldConflict(err) {
				made, err = c.takeBack(ctx, o, err)
			}
			return err
		})
		switch {
		case fieldConflict(err):
			return conflictError(o, err)
		case err != nil:
			return explain(o, "applying", c.refusal(ctx, err))
		case made.GetDeletionTimestamp() == nil:
			return nil
		}
		// It was on its way out, and so is what the apply made of it.
		uid := made.GetUID()
		if err := c.waitGone(ctx, o.kind, o.Namespace, o.Name, func(u *unstructured.Unstructured) bool { return u.GetUID() != uid }, report); err != nil {
			return err
		}
	}
}

// takeBack sets fields again that were changed by hand on an object that came from this manifest: as it was looked at, so that a manager that comes in between keeps what it takes.
func (c *Client) takeBack(ctx context.Context, o *object, why error) (*unstructured.Unstructured, error) {
	if byHand, _ := onlyByHand(why); !byHand {
		return nil, why
	}
	live, err := c.resource(o.kind, o.Namespace).Get(ctx, o.Name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	if owned, err := ownedFields(live, o.owner.manager); err != nil || owned == nil {
		return nil, errors.Join(err, why)
	}
	body := o.body.DeepCopy()
	body.SetResourceVersion(live.GetResourceVersion())
	if _, err := c.apply(ctx, o, body, false, true); err != nil {
		if byHand, _ := onlyByHand(err); !byHand {
			return nil, err
		}
	}
	return c.apply(ctx, o, body, true, false)
}

func (c *Client) apply(ctx context.Context, o *object, body *unstructured.Unstructured, force, dryRun bool) (*unstructured.Unstructured, error) {
	options := metav1.ApplyOptions{FieldManager: o.owner.manager, Force: force}
	if dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	return c.resource(o.kind, o.Namespace).Apply(ctx, o.Name, body, options)
}

// calledWebhook reports whether an admission webhook did not answer.
func calledWebhook(err error) bool {
	return apierrors.IsInternalError(err) && strings.Contains(err.Error(), "failed calling webhook")
}

// waitEstablished waits until the API serves a kind that was defined.
func (c *Client) waitEstablished(ctx context.Context, o *object, report func(string)) error {
	waiting := errors.New("its kind is not served yet")
	err := retry(ctx, 50*time.Millisecond, time.Second, func(err error) bool { return err == waiting || temporary(err) }, func(ctx context.Context) error { //nolint:errorlint // this very one
		live, err := c.resource(o.kind, "").Get(ctx, o.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		conditions, _, _ := unstructured.NestedSlice(live.Object, "status", "conditions")
		for _, x := range conditions {
			condition, _ := x.(map[string]any)
			switch {
			case condition["type"] == "Established" && condition["status"] == "True":
				return nil
			case condition["type"] == "NamesAccepted" && condition["status"] == "False":
				return fmt.Errorf("its names are not accepted: %v: give the kind other names, or delete the definition that has them", condition["message"])
			}
		}
		report(fmt.Sprintf("%s: %v", o, waiting))
		return waiting
	})
	if err != nil {
		return fmt.Errorf("%s: %w", o, err)
	}
	return nil
}
