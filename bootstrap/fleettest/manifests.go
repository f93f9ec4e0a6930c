package fleettest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// manifestsDir is the folder of the topology, as far as its manifests know.
const manifestsDir = "/topology"

// withManifests lets a topology read the files of the settings.
func (s Settings) withManifests(o topology.Options) topology.Options {
	o.Dir = manifestsDir
	o.ReadFile = func(name string) ([]byte, error) {
		if text, ok := s.Manifests[path.Base(name)]; ok {
			return []byte(text), nil
		}
		return nil, fs.ErrNotExist
	}
	o.Glob = func(pattern string) (out []string, err error) {
		for name := range s.Manifests {
			if ok, err := path.Match(pattern, path.Join(manifestsDir, name)); err != nil {
				return nil, err
			} else if ok {
				out = append(out, path.Join(manifestsDir, name))
			}
		}
		return out, nil
	}
	return o
}

const recordObject = "ConfigMap/" + desired.RecordNamespace + "/" + desired.RecordName

// manifestsState is what the API knows of objects that came from manifests.
type manifestsState struct {
	from    map[string]bool   // objects by name
	own     map[string]bool   // objects of Trivet's own
	taken   map[string]string // objects of which somebody else has a field: who
	refused map[string]bool   // objects that the API refuses when they are applied
}

func newManifestsState() manifestsState {
	return manifestsState{from: map[string]bool{}, own: map[string]bool{}, taken: map[string]string{}, refused: map[string]bool{}}
}

// SetObject puts an object into the API as somebody else would, who takes a field of it if there is a name.
func (f *Fleet) SetObject(text, manager string) error {
	raw, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		return err
	}
	var head struct {
		Kind     string
		Metadata struct{ Namespace, Name string }
	}
	if err := yaml.Unmarshal(raw, &head); err != nil {
		return err
	}
	name := objectName(&desired.Object{Kind: head.Kind, Namespace: head.Metadata.Namespace, Name: head.Metadata.Name})
	f.api.mu.Lock()
	defer f.api.mu.Unlock()
	f.api.objects[name] = raw
	if f.api.taken[name] = manager; manager == "" {
		delete(f.api.taken, name)
	}
	return nil
}

// RefuseObject makes the API refuse an object of a manifest, or take it again.
func (f *Fleet) RefuseObject(name string, refused bool) {
	f.api.mu.Lock()
	defer f.api.mu.Unlock()
	f.api.refused[name] = refused
}

// SetOwn puts an object there that an earlier version of Trivet applied.
func (f *Fleet) SetOwn(name string) {
	f.api.mu.Lock()
	defer f.api.mu.Unlock()
	f.api.objects[name], f.api.own[name] = []byte("{}"), true
}

func (a *API) readable() error {
	switch err := a.answers(); {
	case err != nil:
		return err
	case !a.bound():
		return errors.New("forbidden: the operator may not read objects")
	}
	return nil
}

// Orphans implements the engine's API.
func (a *API) Orphans(_ context.Context, keep []desired.Object) ([]desired.Object, error) {
	if err := a.readable(); err != nil {
		return nil, err
	}
	return a.left(a.fleet.api.own, keep, func(name string) bool { return !strings.HasPrefix(name, "Node/") }), nil
}

// left lists what is of a set, is not kept, and is looked for.
func (a *API) left(set map[string]bool, keep []desired.Object, looked func(string) bool) []desired.Object {
	kept := map[string]bool{}
	for i := range keep {
		kept[objectName(&keep[i])] = true
	}
	a.fleet.api.mu.Lock()
	defer a.fleet.api.mu.Unlock()
	var out []desired.Object
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if a.fleet.api.objects[name] == nil || kept[name] || !looked(name) {
			continue
		}
		kind, rest, _ := strings.Cut(name, "/")
		namespace, last, namespaced := strings.Cut(rest, "/")
		if !namespaced {
			namespace, last = "", rest
		}
		var head struct{ APIVersion string }
		_ = yaml.Unmarshal(a.fleet.api.objects[name], &head) // what is there was applied
		out = append(out, desired.Object{APIVersion: head.APIVersion, Kind: kind, Namespace: namespace, Name: last})
	}
	return out
}

// recorded reads the record of kinds.
func (a *API) recorded() []string {
	raw := a.fleet.Objects()[recordObject]
	var record struct{ Data map[string]string }
	_ = yaml.Unmarshal(raw, &record) // it is written below
	return slices.Sorted(maps.Keys(record.Data))
}

// CompareManifests implements the engine's API. It looks for what is in no manifest any more among the kinds that are recorded and those of now, as the real one does.
func (a *API) CompareManifests(ctx context.Context, manifests []desired.Object) (*plan.Manifests, error) {
	if err := a.readable(); err != nil {
		return nil, err
	}
	out := &plan.Manifests{Recorded: a.recorded()}
	have := a.fleet.Objects()
	for i := range manifests {
		name := objectName(&manifests[i])
		a.fleet.api.mu.Lock()
		who := a.fleet.api.taken[name]
		a.fleet.api.mu.Unlock()
		live, ok := have[name]
		state := plan.ObjectState{Object: &manifests[i], Exists: ok}
		if ok && !bytes.Equal(live, manifests[i].Manifest) {
			state.Fields = []string{"spec"}
			if who != "" {
				state.Problem = fmt.Sprintf("%s: %s: %s has spec", manifests[i].Origin, name, who)
			}
		}
		out.Objects = append(out.Objects, state)
	}
	kinds := slices.Concat(out.Recorded, desired.KindsOf(manifests))
	out.Orphans = a.left(a.fleet.api.from, manifests, func(name string) bool {
		kind, _, _ := strings.Cut(name, "/")
		return slices.ContainsFunc(kinds, func(k string) bool { return schema.ParseGroupKind(k).Kind == kind })
	})
	return out, nil
}

// alter changes the objects at a point where the run may be killed.
func (a *API) alter(ctx context.Context, point string, do func(*apiState) error) error {
	if a.fleet.point("api", point) || a.fleet.currentSession().isDead() {
		return errDead
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	a.fleet.api.mu.Lock()
	defer a.fleet.api.mu.Unlock()
	return do(a.fleet.api)
}

// ApplyManifests takes the objects in order, and none of a kind that is not recorded.
func (a *API) ApplyManifests(ctx context.Context, objects []desired.Object, _ func(string), done func(*desired.Object)) error {
	recorded := a.recorded()
	for i := range objects {
		o := &objects[i]
		switch {
		case o.Withheld:
			return fmt.Errorf("fleettest: %s has no values", objectName(o))
		case !slices.Contains(recorded, o.GroupKind().String()):
			return fmt.Errorf("fleettest: an object of kind %s, which is not recorded", o.GroupKind())
		}
		if err := a.alter(ctx, "manifest "+objectName(o), func(s *apiState) error {
			if s.refused[objectName(o)] {
				return fmt.Errorf("%s: %s: the API refuses it", o.Origin, objectName(o))
			}
			s.objects[objectName(o)], s.from[objectName(o)] = bytes.Clone(o.Manifest), true
			return nil
		}); err != nil {
			return err
		}
		done(o)
	}
	return a.alter(ctx, "manifests applied", func(*apiState) error { return nil })
}

func (a *API) deleteFrom(ctx context.Context, set map[string]bool, objects []desired.Object, done func(*desired.Object)) error {
	for i := range objects {
		name := objectName(&objects[i])
		if err := a.alter(ctx, "delete "+name, func(s *apiState) error {
			if set[name] {
				delete(s.objects, name)
				delete(set, name)
			}
			return nil
		}); err != nil {
			return err
		}
		done(&objects[i])
	}
	return a.alter(ctx, "deleted", func(*apiState) error { return nil })
}

// DeleteManifests deletes objects that came from manifests.
func (a *API) DeleteManifests(ctx context.Context, objects []desired.Object, _ func(string), done func(*desired.Object)) error {
	return a.deleteFrom(ctx, a.fleet.api.from, objects, done)
}

// DeleteObjects deletes objects of Trivet's own.
func (a *API) DeleteObjects(ctx context.Context, objects []desired.Object, _ func(string)) error {
	return a.deleteFrom(ctx, a.fleet.api.own, objects, func(*desired.Object) {})
}

// RecordKinds adds kinds to the record.
func (a *API) RecordKinds(ctx context.Context, kinds []string) error {
	return a.record(ctx, "record", slices.Concat(a.recorded(), kinds))
}

// ForgetKinds takes kinds out of the record.
func (a *API) ForgetKinds(ctx context.Context, kinds []string) error {
	return a.record(ctx, "forget kinds", slices.DeleteFunc(a.recorded(), func(k string) bool { return slices.Contains(kinds, k) }))
}

func (a *API) record(ctx context.Context, point string, kinds []string) error {
	err := a.alter(ctx, point, func(s *apiState) error {
		delete(s.objects, recordObject)
		if len(kinds) > 0 {
			s.objects[recordObject] = fmt.Appendf(nil, `{"apiVersion":"v1","data":{"%s":""}}`, strings.Join(slices.Compact(slices.Sorted(slices.Values(kinds))), `":"","`))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return a.alter(ctx, point+" done", func(*apiState) error { return nil })
}
