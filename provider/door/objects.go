package door

import (
	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/provider/input"
)

// Object is an element of objects: an object of the API that comes from a manifest. An empty configuration is one that nobody knows, as of an object that no manifest has any more.
type Object struct {
	Configuration string
	Drift         []string
}

// ObjectsOf reads those of a state.
func ObjectsOf(v any) map[string]Object {
	out := map[string]Object{}
	m, _ := v.(input.Object)
	for name, x := range m {
		o, _ := x.(input.Object)
		out[name] = Object{textIn(o, "configuration"), Texts(o["drift"])}
	}
	return out
}

// ObjectsIn writes them as attributes.
func ObjectsIn(objects map[string]Object) input.Object {
	out := input.Object{}
	for name, o := range objects {
		out[name] = input.Object{"configuration": orUnknown(o.Configuration, false), "drift": AnyOf(o.Drift)}
	}
	return out
}

// PlannedObjects are those that the manifests of a configuration have; known is false where it is not known yet which manifests there are.
func PlannedObjects(f *Fleet, config input.Object) (objects map[string]Object, known bool) {
	if HasUnknown(config["manifests"]) {
		return nil, false
	}
	return DescribedObjects(f.Cluster), true
}

// DescribedObjects are those that the manifests have.
func DescribedObjects(c *topology.Cluster) map[string]Object {
	out := map[string]Object{}
	for _, o := range desired.Manifests(c) {
		plain, err := o.WithoutValues()
		if err != nil {
			panic("provider: " + err.Error()) // it was read before
		}
		out[objectName(o.GroupKind().String(), o.Namespace, o.Name)] = Object{Configuration: hostapi.Digest(plain.Manifest)[:12]}
	}
	return out
}

func objectName(kind, namespace, name string) string {
	if namespace != "" {
		name = namespace + "/" + name
	}
	return kind + " " + name
}

// SeenObjects says what the API has, by a look at the cluster. What is as its manifest has it now was applied, whoever did; of the rest the prior state knows. Objects that are yet to come
// are none of them.
func SeenObjects(c *topology.Cluster, s *bootstrap.Status, prior map[string]Object) map[string]Object {
	if s.APIError != "" || s.ObjectsError != "" || !s.Initialised {
		return prior
	}
	drift, unwanted := map[string][]string{}, map[string]bool{}
	for _, d := range s.Objects {
		if d.Manifest {
			name := objectName(d.GroupKind, d.Namespace, d.Name)
			drift[name], unwanted[name] = append(drift[name], d.What()), d.Unwanted
		}
	}
	out := map[string]Object{}
	for name, o := range DescribedObjects(c) {
		if len(drift[name]) == 0 {
			out[name] = o
		}
	}
	for name, what := range drift {
		if was, ok := prior[name]; ok || unwanted[name] {
			out[name] = Object{was.Configuration, what}
		}
	}
	return out
}

// ownDrift tells the drift of Trivet's own objects in the API, but for those of nodes.
func ownDrift(s *bootstrap.Status) []string {
	var out []string
	for _, d := range s.Objects {
		if !d.Manifest && d.Kind != "Node" {
			out = append(out, "in the API: "+d.String()+": "+d.What())
		}
	}
	return out
}
