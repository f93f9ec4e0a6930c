package terraform

import (
	"sort"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/provider/input"
)

// manifestObject is an element of objects: an object of the API that comes from a manifest. An empty configuration is one that nobody knows, as of an object that no manifest has any more.
type manifestObject struct {
	Configuration string
	Drift         []string
}

var objectTypes = map[string]attr.Type{"configuration": types.StringType, "drift": types.ListType{ElemType: types.StringType}}

// objectsAttribute is objects.
func objectsAttribute() schema.Attribute {
	return schema.MapNestedAttribute{Computed: true, MarkdownDescription: "The objects that come from `manifests`, as they were seen last, by kind and name, such as `Deployment.apps shop/web`. A plan shows here what its apply changes: files are read when the plan is made.",
		NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
			"configuration": schema.StringAttribute{Computed: true, MarkdownDescription: "A digest of the manifest that was applied. The values of a Secret are not in it: what differs there is found as drift."},
			"drift":         schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "How the object in the API differs from its manifest. The next apply mends it."},
		}}}
}

// objectsValue writes them.
func objectsValue(objects map[string]manifestObject) types.Map {
	out := map[string]attr.Value{}
	for name, o := range objects {
		out[name] = types.ObjectValueMust(objectTypes, map[string]attr.Value{"configuration": textOrNull(o.Configuration), "drift": texts(o.Drift, false)})
	}
	return types.MapValueMust(types.ObjectType{AttrTypes: objectTypes}, out)
}

// objectsOf reads those of a state.
func objectsOf(v any) map[string]manifestObject {
	out := map[string]manifestObject{}
	m, _ := v.(input.Object)
	for name, x := range m {
		o, _ := x.(input.Object)
		digest, _ := o["configuration"].(string)
		out[name] = manifestObject{digest, list(o["drift"])}
	}
	return out
}

// describedObjects are those that the manifests have.
func describedObjects(c *topology.Cluster) map[string]manifestObject {
	out := map[string]manifestObject{}
	for _, o := range desired.Manifests(c) {
		plain, err := o.WithoutValues()
		if err != nil {
			panic("provider: " + err.Error()) // it was read before
		}
		out[objectName(o.GroupKind().String(), o.Namespace, o.Name)] = manifestObject{Configuration: hostapi.Digest(plain.Manifest)[:12]}
	}
	return out
}

func objectName(kind, namespace, name string) string {
	if namespace != "" {
		name = namespace + "/" + name
	}
	return kind + " " + name
}

// seenObjects says what the API has, by a look at the cluster. What is as its manifest has it now was applied, whoever did; of the rest the prior state knows. Objects that are yet to come
// are none of them.
func seenObjects(c *topology.Cluster, s *bootstrap.Status, prior map[string]manifestObject) map[string]manifestObject {
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
	out := map[string]manifestObject{}
	for name, o := range describedObjects(c) {
		if len(drift[name]) == 0 {
			out[name] = o
		}
	}
	for name, what := range drift {
		if was, ok := prior[name]; ok || unwanted[name] {
			out[name] = manifestObject{was.Configuration, what}
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
	sort.Strings(out)
	return out
}
