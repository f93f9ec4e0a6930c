package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/trivet-dev/trivet/bootstrap/desired"
)

// Action is what it takes to make an object as desired.
type Action string

// Actions.
const (
	ActionCreate Action = "create"
	ActionUpdate Action = "update"
	ActionDelete Action = "delete"
	ActionSame   Action = "same"
)

// Difference is how a desired object and the live one differ. It holds no values, since those of a Secret are none of a plan's business.
type Difference struct {
	Object desired.Object `json:"object"`
	Action Action         `json:"action"`
	Fields []string       `json:"fields,omitempty"` // paths, with ActionUpdate
	Reason string         `json:"reason,omitempty"` // of a manifest, where there is more to say
	// Problem says why a manifest cannot be applied, with its place.
	Problem string `json:"problem,omitempty"`
}

// ownership stands for Fields of an object that is as desired but that Trivet has not applied: from then on it minds what others change.
const ownership = "metadata.managedFields"

const (
	// listFrom is the number of objects of a kind in a namespace from which one LIST is cheaper than GETs.
	listFrom = 5
	pageSize = 500
)

// Compare tells, in the order of objs, what applying them would change. It changes nothing: what cannot be told from the live object alone, such as a default,
// is settled by a dry run of the apply. The error joins everything that cannot be applied at all.
func (c *Client) Compare(ctx context.Context, objs []desired.Object) ([]Difference, error) {
	parsed, err := parse(objs)
	if err != nil {
		return nil, err
	}
	live, err := c.live(ctx, parsed)
	if err != nil {
		return nil, err
	}
	out := make([]Difference, len(parsed))
	var indices []int
	for i := range parsed {
		indices = append(indices, i)
	}
	err = each(ctx, indices, func(ctx context.Context, i int) error {
		d, err := c.compare(ctx, parsed[i], live[parsed[i]])
		out[i] = d
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (c *Client) compare(ctx context.Context, o *object, live *unstructured.Unstructured) (Difference, error) {
	d := Difference{Object: o.Object, Action: ActionCreate}
	if live == nil {
		return d, nil
	}
	if live.GetDeletionTimestamp() != nil {
		return d, fmt.Errorf("%s is being deleted: wait until it is gone, or look at its finalizers (%s)", o, strings.Join(live.GetFinalizers(), ", "))
	}
	if err := checkFixed(o, live); err != nil {
		return d, err
	}
	fields, sure, err := compareLocally(o, live)
	if err != nil {
		return d, err
	}
	if len(fields) > 0 && !sure {
		if fields, err = c.dryRun(ctx, o, live); err != nil {
			return d, err
		}
	}
	if o.kind.Kind == nodeKind {
		_, changed, err := mergeTaints(live, o.taints)
		if err != nil {
			return d, err
		}
		if changed {
			fields = append(fields, "spec.taints")
		}
	}
	d.Action = ActionSame
	if len(fields) > 0 {
		slices.Sort(fields)
		d.Action, d.Fields = ActionUpdate, slices.Compact(fields)
	}
	return d, nil
}

// compareLocally tells what differs as far as the two objects show. sure is false where the server's defaults may explain it.
func compareLocally(o *object, live *unstructured.Unstructured) (fields []string, sure bool, err error) {
	want := content(o.body.Object)
	fields = missing(want, live.Object, nil)
	sure = o.kind.Kind == nodeKind || !slices.ContainsFunc(fields, func(f string) bool { return !plain(f) })
	owned, err := ownedFields(live, o.owner.manager)
	if err != nil {
		return nil, false, err
	}
	if owned == nil {
		if len(fields) == 0 {
			fields = []string{ownership}
		}
		return fields, sure, nil
	}
	if gone := dropped(owned, want); len(gone) > 0 {
		fields, sure = append(fields, gone...), sure && o.kind.Kind == nodeKind
	}
	return fields, sure, nil
}

// content is the object without what is certain: its own kind and name.
func content(object map[string]any) map[string]any {
	out := make(map[string]any, len(object))
	for k, v := range object {
		if k != "apiVersion" && k != "kind" {
			out[k] = v
		}
	}
	return out
}

// dryRun asks the server what the object would be after the apply.
func (c *Client) dryRun(ctx context.Context, o *object, live *unstructured.Unstructured) ([]string, error) {
	var after *unstructured.Unstructured
	err := c.soon(ctx, func(ctx context.Context) (err error) {
		options := metav1.ApplyOptions{FieldManager: o.owner.manager, Force: o.owner.force, DryRun: []string{metav1.DryRunAll}}
		after, err = c.resource(o.kind, o.Namespace).Apply(ctx, o.Name, o.body, options)
		return err
	})
	if err != nil {
		return nil, explain(o, "trying the apply of", err)
	}
	fields := changes(lasting(live), lasting(after), nil)
	before, err := ownedFields(live, o.owner.manager)
	if err != nil {
		return nil, err
	}
	owned, err := ownedFields(after, o.owner.manager)
	if err != nil {
		return nil, err
	}
	if len(fields) == 0 && (before == nil || owned == nil || !before.Equals(owned)) {
		fields = []string{ownership}
	}
	return fields, nil
}

// checkFixed refuses a change of a field that can never change.
func checkFixed(o *object, live *unstructured.Unstructured) error {
	for _, field := range o.kind.fixed {
		path := strings.Split(field, ".")
		want, wanted, _ := unstructured.NestedFieldNoCopy(o.body.Object, path...)
		have, set, _ := unstructured.NestedFieldNoCopy(live.Object, path...)
		if !wanted || !set || len(missing(want, have, path)) == 0 {
			continue
		}
		if o.Kind == "Secret" {
			return fmt.Errorf("%s: %s cannot change once it is set: delete the Secret and apply again", o, field)
		}
		if o.Kind == nodeKind {
			return fmt.Errorf("%s has %s %v, and %v is desired: the API lets nobody change it. Drain the node, run kubectl delete node %s and apply again",
				o, field, have, want, o.Name)
		}
		return fmt.Errorf("%s has %s %v, and %v is desired: the API lets nobody change it. Delete the object and apply again", o, field, have, want)
	}
	return nil
}

// live fetches the live counterparts of objects. A missing one has no entry.
func (c *Client) live(ctx context.Context, objs []*object) (map[*object]*unstructured.Unstructured, error) {
	type group struct {
		kind      *kind
		namespace string
	}
	members := make(map[group][]*object)
	var groups []group
	for _, o := range objs {
		g := group{o.kind, o.Namespace}
		if members[g] == nil {
			groups = append(groups, g)
		}
		members[g] = append(members[g], o)
	}
	type found struct {
		o *object
		u *unstructured.Unstructured
	}
	results := make(chan found, len(objs))
	err := each(ctx, groups, func(ctx context.Context, g group) error {
		if len(members[g]) < listFrom {
			for _, o := range members[g] {
				u, err := c.get(ctx, g.kind, o.Namespace, o.Name)
				if err != nil {
					return err
				}
				results <- found{o, u}
			}
			return nil
		}
		all, err := c.list(ctx, g.kind, g.namespace, metav1.ListOptions{})
		if err != nil {
			return err
		}
		byName := make(map[string]*unstructured.Unstructured, len(all))
		for _, u := range all {
			byName[u.GetName()] = u
		}
		for _, o := range members[g] {
			results <- found{o, byName[o.Name]}
		}
		return nil
	})
	close(results)
	if err != nil {
		return nil, err
	}
	out := make(map[*object]*unstructured.Unstructured, len(objs))
	for f := range results {
		if f.u != nil {
			out[f.o] = f.u
		}
	}
	return out, nil
}

// get gives nil when there is no such object.
func (c *Client) get(ctx context.Context, k *kind, namespace, name string) (*unstructured.Unstructured, error) {
	var u *unstructured.Unstructured
	err := c.soon(ctx, func(ctx context.Context) (err error) {
		u, err = c.resource(k, namespace).Get(ctx, name, metav1.GetOptions{})
		return err
	})
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", describe(k.Kind, namespace, name), err)
	}
	return u, nil
}

// list reads all pages. A list that grew too old between two pages is read again.
func (c *Client) list(ctx context.Context, k *kind, namespace string, options metav1.ListOptions) ([]*unstructured.Unstructured, error) {
	var out []*unstructured.Unstructured
	restarts := 0
	options.Limit, options.Continue = pageSize, ""
	for {
		var page *unstructured.UnstructuredList
		err := c.soon(ctx, func(ctx context.Context) (err error) {
			page, err = c.resource(k, namespace).List(ctx, options)
			return err
		})
		if apierrors.IsResourceExpired(err) && options.Continue != "" && restarts < 3 {
			out, options.Continue, restarts = nil, "", restarts+1
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w", k.resource, err)
		}
		for i := range page.Items {
			out = append(out, &page.Items[i])
		}
		if options.Continue = page.GetContinue(); options.Continue == "" {
			return out, nil
		}
	}
}
