package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/trivet-dev/trivet/bootstrap/desired"
)

// Manifests is how a cluster's manifests compare with what its API has.
type Manifests struct {
	Differences []Difference     // in the order of the manifests
	Recorded    []string         // kinds of which there may be objects, as the API keeps them, sorted
	Orphans     []desired.Object // what came from a manifest that is there no more
}

// CompareManifests tells what applying a cluster's manifests would change, and which of them cannot be applied. It changes nothing: of an object that is there, a dry run of the apply
// tells; no table knows the lists of every kind.
func (c *Client) CompareManifests(ctx context.Context, cluster string, objs []desired.Object) (*Manifests, error) {
	out := &Manifests{}
	var err error
	if out.Recorded, err = c.recordedKinds(ctx); err != nil {
		return nil, err
	}
	r := &manifests{Client: c, mapper: c.mapper(), owner: manifestsOf(cluster), definitions: definitionsIn(objs)}
	all, err := r.parse(ctx, objs)
	if err != nil {
		return nil, err
	}
	if out.Differences, err = r.compare(ctx, all); err != nil {
		return nil, err
	}
	var unknown []string
	if out.Orphans, unknown, err = r.orphans(ctx, out.Recorded, all); err != nil {
		return nil, err
	}
	wanted := desired.KindsOf(objs)
	// Whether there are objects of a kind that is not known is not known, so that it stays in the record.
	out.Recorded = slices.DeleteFunc(out.Recorded, func(k string) bool { return slices.Contains(unknown, k) && !slices.Contains(wanted, k) })
	return out, nil
}

// manifests is one look at the manifests of a cluster.
type manifests struct {
	*Client
	mapper      *mapper
	owner       owner
	definitions []definition
	changing    []definition // those of definitions that are not as desired yet
}

// manifest is an object with what is known of its kind.
type manifest struct {
	*object
	served  bool  // otherwise its kind comes with the manifests
	problem error // that its kind is not known, or does not fit
}

// at puts the place of a manifest before an error.
func at(o desired.Object, err error) error {
	if err == nil || o.Origin == "" {
		return err
	}
	return fmt.Errorf("%s: %w", o.Origin, err)
}

// parse finds out about the kinds of all objects.
func (r *manifests) parse(ctx context.Context, objs []desired.Object) ([]*manifest, error) {
	out := make([]*manifest, len(objs))
	for i, d := range objs {
		m := &manifest{object: &object{Object: d, owner: r.owner}, served: true}
		out[i] = m
		k, err := r.mapper.kind(ctx, d.APIVersion, d.Kind)
		if notServed(err) {
			if x := slices.IndexFunc(r.definitions, func(x definition) bool { return x.defines(d) }); x >= 0 {
				k, err, m.served = r.definitions[x].kind(d), nil, false
			}
		}
		switch {
		case notServed(err), silent(err):
			m.problem = fmt.Errorf("%s: %w", m, err)
		case err != nil:
			return nil, err
		default:
			m.object, m.problem = manifestObject(d, k, r.owner)
		}
	}
	return out, nil
}

func manifestObject(d desired.Object, k *kind, of owner) (*object, error) {
	var u unstructured.Unstructured
	o := &object{Object: d, owner: of, kind: k, body: &u}
	if err := u.UnmarshalJSON(d.Manifest); err != nil {
		return o, fmt.Errorf("the manifest of %s cannot be read", describe(d.Kind, d.Namespace, d.Name)) // the error may hold values
	}
	return o, o.prepare()
}

// compare looks at definitions of kinds first: objects of those that change cannot be judged by what is there now.
func (r *manifests) compare(ctx context.Context, all []*manifest) ([]Difference, error) {
	var served []*object
	for _, m := range all {
		if m.served && m.problem == nil {
			served = append(served, m.object)
		}
	}
	live, err := r.live(ctx, served)
	if err != nil {
		return nil, err
	}
	out := make([]Difference, len(all))
	look := func(definitions bool) error {
		var part []int
		for i, m := range all {
			if (m.Kind == definitionKind) == definitions {
				part = append(part, i)
			}
		}
		return each(ctx, part, func(ctx context.Context, i int) (err error) {
			out[i], err = r.compareOne(ctx, all[i], live[all[i].object])
			return err
		})
	}
	if err := look(true); err != nil {
		return nil, err
	}
	for i, d := range out {
		if d.Object.Kind == definitionKind && d.Action != ActionSame && d.Problem == "" {
			r.changing = append(r.changing, definitionsIn([]desired.Object{all[i].Object})...)
		}
	}
	return out, look(false)
}

func (r *manifests) compareOne(ctx context.Context, m *manifest, live *unstructured.Unstructured) (Difference, error) {
	d := Difference{Object: m.Object, Action: ActionCreate, Reason: "not there yet"}
	wrong := func(err error) (Difference, error) {
		d.Problem, d.Reason = at(m.Object, err).Error(), ""
		return d, nil
	}
	changing := slices.ContainsFunc(r.changing, func(x definition) bool { return x.defines(m.Object) })
	switch {
	case m.problem != nil:
		return wrong(m.problem)
	case !m.served:
		return d, nil
	case live == nil:
		// What can be told of an object that is not there is whether the server would take it, as far as that does not depend on others.
		err := r.tryApply(ctx, m.object, m.owner.force, nil)
		if !changing && (apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) && !noDryRun(err) || malformed(err)) {
			return wrong(explain(m.object, "trying the apply of", err))
		}
		return d, nil
	case live.GetDeletionTimestamp() != nil:
		d.Reason = "the one that is there is being deleted"
		return d, nil
	}
	if err := checkFixed(m.object, live); err != nil {
		return wrong(err)
	}
	d.Action, d.Reason = ActionUpdate, ""
	owned, err := ownedFields(live, m.owner.manager)
	if err != nil {
		return d, err
	}
	after := &unstructured.Unstructured{}
	err = r.tryApply(ctx, m.object, false, after)
	if byHand, hands := onlyByHand(err); byHand && owned != nil {
		d.Reason = "changed by " + hands
		err = r.tryApply(ctx, m.object, true, after)
	}
	switch {
	case err == nil:
	case noDryRun(err):
		if d.Fields, _, err = compareLocally(m.object, live); err != nil {
			return d, err
		}
		return d.settled(), nil
	case changing:
		d.Reason = "its definition changes before"
		return d, nil
	case fieldConflict(err):
		return wrong(conflictError(m.object, err))
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsForbidden(err), malformed(err):
		return wrong(explain(m.object, "trying the apply of", r.refusal(ctx, err)))
	default:
		// Such as a webhook that does not answer: that must not keep a plan from bringing back its host.
		d.Reason = fmt.Sprintf("could not be compared: %v", m.withoutValues(err))
		return d, nil
	}
	if owned == nil {
		d.Reason = "there already, made by others: from now on it goes with its manifest"
	}
	d.Fields = changes(lasting(live), lasting(after), nil)
	then, err := ownedFields(after, m.owner.manager)
	if err != nil {
		return d, err
	}
	if len(d.Fields) == 0 && (owned == nil || then == nil || !owned.Equals(then)) {
		d.Fields = []string{ownership}
	}
	return d.settled(), nil
}

// settled says that nothing changes where no field does.
func (d Difference) settled() Difference {
	if len(d.Fields) == 0 {
		d.Action, d.Reason = ActionSame, ""
	}
	slices.Sort(d.Fields)
	d.Fields = slices.Compact(d.Fields)
	return d
}

// tryApply is an apply that changes nothing. after gets what would be there.
func (c *Client) tryApply(ctx context.Context, o *object, force bool, after *unstructured.Unstructured) error {
	deadline := time.Now().Add(5 * time.Second)
	may := func(err error) bool { return temporary(err) && !calledWebhook(err) && time.Now().Before(deadline) }
	return retry(ctx, 100*time.Millisecond, time.Second, may, func(ctx context.Context) error {
		made, err := c.apply(ctx, o, o.body, force, true)
		if err == nil && after != nil {
			*after = *made
		}
		return err
	})
}

// noDryRun reports whether a webhook does not allow dry runs.
func noDryRun(err error) bool {
	return apierrors.IsBadRequest(err) && strings.Contains(err.Error(), "does not support dry run")
}

// orphans lists what came from manifests of any kind, of those that were recorded and those of now, and is in none any more.
// unknown are kinds of which nobody can tell now.
func (r *manifests) orphans(ctx context.Context, recorded []string, all []*manifest) (left []desired.Object, unknown []string, err error) {
	var among []*kind
	var keep []*object
	have := map[schema.GroupKind]bool{}
	for _, m := range all {
		if m.problem != nil {
			have[m.GroupKind()] = true // which object it means is not certain: none of the kind is deleted
		}
	}
	for _, m := range all {
		if m.problem != nil {
			continue
		}
		keep = append(keep, m.object)
		if gk := m.kind.GroupKind(); m.served && !have[gk] {
			have[gk] = true
			among = append(among, m.kind)
		}
	}
	for _, name := range recorded {
		gk := schema.ParseGroupKind(name)
		if have[gk] {
			continue
		}
		have[gk] = true
		k, err := r.mapper.anyVersion(ctx, gk)
		if notServed(err) {
			continue // its objects went with the kind
		}
		if silent(err) {
			unknown = append(unknown, name)
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		among = append(among, k)
	}
	left, err = r.Client.orphans(ctx, r.owner, among, keep)
	return left, unknown, err
}

// definition is what a CustomResourceDefinition says of its kind.
type definition struct {
	group, name, resource string
	namespaced            bool
	versions              []string // that are served
}

// definitionsIn reads those among objects. What one lacks, the API server complains about.
func definitionsIn(objs []desired.Object) []definition {
	var out []definition
	for _, o := range objs {
		if gk := schema.FromAPIVersionAndKind(o.APIVersion, o.Kind).GroupKind(); gk != (schema.GroupKind{Group: "apiextensions.k8s.io", Kind: definitionKind}) {
			continue
		}
		var u unstructured.Unstructured
		if u.UnmarshalJSON(o.Manifest) != nil {
			continue
		}
		var d definition
		d.group, _, _ = unstructured.NestedString(u.Object, "spec", "group")
		d.name, _, _ = unstructured.NestedString(u.Object, "spec", "names", "kind")
		d.resource, _, _ = unstructured.NestedString(u.Object, "spec", "names", "plural")
		scope, _, _ := unstructured.NestedString(u.Object, "spec", "scope")
		d.namespaced = scope == "Namespaced"
		versions, _, _ := unstructured.NestedSlice(u.Object, "spec", "versions")
		for _, v := range versions {
			if fields, ok := v.(map[string]any); ok && fields["served"] != false {
				name, _ := fields["name"].(string)
				d.versions = append(d.versions, name)
			}
		}
		out = append(out, d)
	}
	return out
}

func (d definition) defines(o desired.Object) bool {
	gvk := schema.FromAPIVersionAndKind(o.APIVersion, o.Kind)
	return gvk.Group == d.group && gvk.Kind == d.name && slices.Contains(d.versions, gvk.Version)
}

func (d definition) kind(o desired.Object) *kind {
	return &kind{GroupVersionKind: schema.FromAPIVersionAndKind(o.APIVersion, o.Kind), resource: d.resource, namespaced: d.namespaced, rank: rankOther}
}
