package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// owner tells apart the objects that Trivet applies: by the field manager, and by a label to find them by.
type owner struct {
	manager, label, value string
	force                 bool // take over what others set
}

// own are the objects without which there is no cluster.
var own = owner{Manager, OwnerLabel, Manager, true}

// ManifestsManager is the field manager under which Trivet applies manifests.
const ManifestsManager = "trivet-manifests"

// manifestsOf are the objects that a cluster's topology names.
func manifestsOf(cluster string) owner {
	return owner{manager: ManifestsManager, label: topology.ManifestsLabel, value: cluster}
}

// owns says whether a live object is the owner's: the label alone is no proof, since controllers copy labels, and so do people.
func (w owner) owns(u *unstructured.Unstructured) (bool, error) {
	owned, err := ownedFields(u, w.manager)
	return owned != nil && u.GetLabels()[w.label] == w.value && metav1.GetControllerOf(u) == nil, err
}

// ownKinds are those of Trivet's own objects, in this version and in earlier ones, apart from Nodes, which go with their hosts.
var ownKinds = []string{"ClusterRole", "ClusterRoleBinding", "ServiceAccount", "ConfigMap", "Deployment", "PodDisruptionBudget", "Service"}

// Orphans lists Trivet's own objects that keep no longer holds. Nodes are never among them.
func (c *Client) Orphans(ctx context.Context, keep []desired.Object) ([]desired.Object, error) {
	parsed, err := parse(keep)
	if err != nil {
		return nil, err
	}
	var among []*kind
	for i := range kinds {
		if slices.Contains(ownKinds, kinds[i].Kind) {
			among = append(among, &kinds[i])
		}
	}
	return c.orphans(ctx, own, among, parsed)
}

// orphans lists an owner's objects of some kinds that keep does not hold. What is on its way out already is not among them.
func (c *Client) orphans(ctx context.Context, of owner, among []*kind, keep []*object) ([]desired.Object, error) {
	kept := make(map[string]bool)
	for _, o := range keep {
		kept[o.kind.Group+"/"+o.String()] = true
	}
	perKind := make([][]desired.Object, len(among))
	var indices []int
	for i := range among {
		indices = append(indices, i)
	}
	err := each(ctx, indices, func(ctx context.Context, i int) error {
		k := among[i]
		all, err := c.list(ctx, k, "", metav1.ListOptions{LabelSelector: of.label + "=" + of.value})
		if apierrors.IsNotFound(err) {
			return nil // not served, so there are none
		}
		if err != nil {
			return err
		}
		for _, u := range all {
			mine, err := of.owns(u)
			if err != nil {
				return err
			}
			if mine && !kept[k.Group+"/"+describe(k.Kind, u.GetNamespace(), u.GetName())] && u.GetDeletionTimestamp() == nil {
				perKind[i] = append(perKind[i], desired.Object{APIVersion: k.GroupVersion().String(), Kind: k.Kind, Namespace: u.GetNamespace(), Name: u.GetName()})
			}
		}
		return nil
	})
	return slices.Concat(perKind...), err
}

// DeleteOwn deletes objects of Trivet's own, and returns when they are gone. report gets what is waited for.
func (c *Client) DeleteOwn(ctx context.Context, objs []desired.Object, report func(string)) error {
	return c.delete(ctx, own, objs, report, nil)
}

// DeleteManifests deletes objects that came from manifests of the cluster, and returns when they are gone: a controller is not deleted before the objects that it has to finish. report
// gets what is waited for, and done each object as soon as it is gone. Both may be nil, and are called from several goroutines.
func (c *Client) DeleteManifests(ctx context.Context, cluster string, objs []desired.Object, report func(string), done func(*desired.Object)) error {
	return c.delete(ctx, manifestsOf(cluster), objs, report, done)
}

// delete deletes what needs others first, dependents in the background. What is gone, or is the owner's no more, is left alone.
func (c *Client) delete(ctx context.Context, of owner, objs []desired.Object, report func(string), done func(*desired.Object)) error {
	if done == nil {
		done = func(*desired.Object) {}
	}
	type target struct {
		kind   *kind
		object *desired.Object
	}
	var targets []target
	mapper := c.mapper()
	for i := range objs {
		o := &objs[i]
		k, err := mapper.kind(ctx, o.APIVersion, o.Kind)
		if notServed(err) {
			done(o)
			continue
		}
		if err != nil {
			return err
		}
		targets = append(targets, target{k, o})
	}
	slices.SortStableFunc(targets, func(a, b target) int { return b.kind.rank - a.kind.rank })
	return byRank(targets, func(t target) int { return t.kind.rank }, func(part []target) error {
		return each(ctx, part, func(ctx context.Context, t target) error {
			if err := c.deleteOne(ctx, of, t.kind, t.object.Namespace, t.object.Name, report); err != nil {
				return fmt.Errorf("deleting %s: %w", describe(t.kind.Kind, t.object.Namespace, t.object.Name), err)
			}
			done(t.object)
			return nil
		})
	})
}

func (c *Client) deleteOne(ctx context.Context, of owner, k *kind, namespace, name string, report func(string)) error {
	var gone func(*unstructured.Unstructured) bool
	err := c.again(ctx, func(ctx context.Context) error {
		gone = nil
		live, err := c.resource(k, namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		uid := live.GetUID()
		gone = func(u *unstructured.Unstructured) bool { return u.GetUID() != uid }
		if live.GetDeletionTimestamp() != nil {
			return nil
		}
		if mine, err := of.owns(live); err != nil || !mine {
			gone = nil
			return err
		}
		background := metav1.DeletePropagationBackground
		return c.resource(k, namespace).Delete(ctx, name, metav1.DeleteOptions{PropagationPolicy: &background, Preconditions: &metav1.Preconditions{UID: &uid}})
	})
	if err == nil && gone != nil {
		err = c.waitGone(ctx, k, namespace, name, gone, report)
	}
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// waitGone waits until an object that is being deleted is not there, or is another one.
func (c *Client) waitGone(ctx context.Context, k *kind, namespace, name string, gone func(*unstructured.Unstructured) bool, report func(string)) error {
	still := &stillThereError{what: describe(k.Kind, namespace, name)}
	err := retry(ctx, 100*time.Millisecond, 2*time.Second, func(err error) bool { return err == error(still) || temporary(err) }, func(ctx context.Context) error { //nolint:errorlint // this very one
		live, err := c.resource(k, namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil || gone(live) {
			return err
		}
		still.finalizers = live.GetFinalizers()
		if report != nil {
			report(still.Error())
		}
		return still
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// stillThereError says that an object is being deleted and what is waited for.
type stillThereError struct {
	what       string
	finalizers []string
}

// Error implements error.
func (e *stillThereError) Error() string {
	if len(e.finalizers) == 0 {
		return e.what + " is being deleted"
	}
	return fmt.Sprintf("%s is being deleted, and its finalizers keep it (%s): look at the controllers that should take them off", e.what, strings.Join(e.finalizers, ", "))
}
