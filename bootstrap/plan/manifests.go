package plan

import (
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/desired"
)

// PartManifests is the part of actions on what the topology's manifests have, or had.
const PartManifests = "manifests"

// Manifests is how the API compares with the topology's manifests.
type Manifests struct {
	Objects  []ObjectState
	Recorded []string         // kinds of which there may be objects, sorted
	Orphans  []desired.Object // what came from a manifest that is there no more
}

// manifests brings the objects of manifests up to date once all else is there, and deletes what is in none any more. The API keeps a record of their kinds: it has each before there is
// an object of it, and loses it after the last is gone.
func (m *maker) manifests() error {
	kinds := desired.KindsOf(m.Desired.Manifests)
	var recorded []string
	var actions []Action
	if m.Manifests != nil {
		recorded = m.Manifests.Recorded
	}
	if news := without(kinds, recorded); len(news) > 0 {
		actions = append(actions, Action{Verb: Record, Kinds: news, Part: PartManifests, Reason: "before there are objects of them"})
	}
	changes := m.changes(m.Desired.Manifests, m.stateOfManifests(), PartManifests)
	if m.Manifests != nil {
		changes = append(changes, deletions(m.Manifests.Orphans, PartManifests, "in no manifest any more")...)
	}
	actions = append(actions, changes...)
	if old := without(recorded, kinds); len(old) > 0 {
		actions = append(actions, Action{Verb: Unrecord, Kinds: old, Part: PartManifests, Reason: "no manifest has one any more"})
	}
	for i := range actions {
		if actions[i].Object == nil {
			continue
		}
		o, err := actions[i].Object.WithoutValues()
		if err != nil {
			return err
		}
		actions[i].Object = &o
	}
	m.phase(Phase{Name: "manifests", Title: "Manifests", Steps: []Step{{Actions: actions}}})
	return nil
}

func (m *maker) stateOfManifests() []ObjectState {
	if m.Manifests == nil {
		return nil
	}
	return slices.Concat([]ObjectState{}, m.Manifests.Objects)
}

// leftObjects deletes Trivet's own objects that the cluster needs no more.
func (m *maker) leftObjects() {
	if m.objectsWait {
		return
	}
	m.phase(Phase{Name: "left-objects", Title: "Objects of Trivet's own that nothing needs any more", Steps: []Step{{Actions: deletions(m.Orphans, "api", "nothing needs it any more")}}})
}

// deletions tell of what else goes with an object.
func deletions(objs []desired.Object, part, reason string) []Action {
	var out []Action
	for i := range objs {
		why := reason
		switch objs[i].Kind {
		case "Namespace":
			why += "; all that is in it goes with it"
		case "CustomResourceDefinition":
			why += "; all objects of the kind go with it"
		}
		out = append(out, Action{Verb: Delete, Object: &objs[i], Part: part, Reason: why})
	}
	return out
}

// without lists what is in a and not in b.
func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}

// why says what an apply changes.
func (o *ObjectState) why() string {
	fields := strings.Join(o.Fields, ", ")
	switch {
	case o.Reason == "":
		return fields
	case fields == "":
		return o.Reason
	}
	return o.Reason + ": " + fields
}
