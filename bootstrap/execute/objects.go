package execute

import (
	"context"
	"fmt"
	"slices"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/plan"
)

// objects carries out actions on objects of the API: all of a part, and all deletions or none. Those of manifests, which may be many and take long, are told one by one.
func (r *run) objects(ctx context.Context, s plan.Step) error {
	objs := make([]desired.Object, 0, len(s.Actions))
	for _, a := range s.Actions {
		objs = append(objs, *a.Object)
	}
	first := s.Actions[0]
	done := func(o *desired.Object) {
		if i := slices.IndexFunc(s.Actions, func(a plan.Action) bool { return a.Object.Same(o) }); i >= 0 {
			r.emit(event.Event{Kind: event.ActionDone, Item: actionName(s.Actions[i]), State: "changed"})
		}
	}
	var err error
	switch manifests, deletes := first.Part == plan.PartManifests, first.Verb == plan.Delete; {
	case manifests && deletes:
		err = r.bounded(ctx, r.GateTimeout, "", "manifests", func(ctx context.Context, report func(string)) error {
			return r.Cluster.DeleteManifests(ctx, objs, report, done)
		})
	case manifests:
		if objs, err = r.withValues(objs); err == nil {
			err = r.bounded(ctx, r.GateTimeout, "", "manifests", func(ctx context.Context, report func(string)) error {
				return r.Cluster.ApplyManifests(ctx, objs, report, done)
			})
		}
	case deletes:
		err = r.bounded(ctx, r.GateTimeout, "", "objects", func(ctx context.Context, report func(string)) error {
			return r.Cluster.DeleteObjects(ctx, objs, report)
		})
	default:
		err = r.Cluster.ApplyObjects(ctx, objs)
	}
	if err != nil {
		return fmt.Errorf("objects in the API: %w", err)
	}
	for i := range s.Actions {
		if first.Part != plan.PartManifests {
			done(s.Actions[i].Object)
		}
	}
	return nil
}

// withValues gives Secrets the values that a plan does not hold, and all objects the places of their manifests.
func (r *run) withValues(objs []desired.Object) ([]desired.Object, error) {
	all := desired.Manifests(r.Topology)
	for i := range objs {
		x := slices.IndexFunc(all, func(o desired.Object) bool { return o.Same(&objs[i]) })
		switch {
		case x >= 0 && objs[i].Withheld:
			objs[i] = all[x]
		case x >= 0:
			objs[i].Origin = all[x].Origin
		case objs[i].Withheld:
			return nil, fmt.Errorf("no manifest has the values of Secret %s/%s any more: plan again", objs[i].Namespace, objs[i].Name)
		}
	}
	return objs, nil
}

// objectName names the object of an action; one of a manifest with its namespace, since names are the user's.
func objectName(a plan.Action) string {
	name := a.Object.Kind + " " + a.Object.Name
	if a.Part == plan.PartManifests && a.Object.Namespace != "" {
		name = a.Object.Kind + " " + a.Object.Namespace + "/" + a.Object.Name
	}
	if a.Verb == plan.Delete {
		name = "delete " + name
	}
	return name
}
