package desired

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/templates"
)

// The record of the kinds of which there may be objects that came from manifests.
const (
	RecordNamespace = "kube-system"
	RecordName      = "trivet-manifests"
)

// GroupKind is what the object is, whatever the version.
func (o *Object) GroupKind() schema.GroupKind {
	return schema.FromAPIVersionAndKind(o.APIVersion, o.Kind).GroupKind()
}

// Same says whether two are one and the same object of the API.
func (o *Object) Same(x *Object) bool {
	return o.GroupKind() == x.GroupKind() && o.Namespace == x.Namespace && o.Name == x.Name
}

// Manifests are the objects that a cluster's topology names, Secrets with their values.
func Manifests(c *topology.Cluster) []Object {
	var out []Object
	for _, m := range c.Manifests {
		out = append(out, Object{Manifest: m.JSON, APIVersion: m.APIVersion, Kind: m.Kind, Namespace: m.Namespace, Name: m.Name,
			Origin: topology.Place(m.Range)})
	}
	return out
}

// WithoutValues is the object as a plan has it: of a Secret without values, which come from the manifest when the plan is carried out.
func (o Object) WithoutValues() (Object, error) {
	if o.Kind != "Secret" || len(o.Manifest) == 0 { // one that is to go has none
		return o, nil
	}
	var body map[string]any
	if err := json.Unmarshal(o.Manifest, &body); err != nil {
		return Object{}, fmt.Errorf("%s: the manifest of Secret %s/%s cannot be read", o.Origin, o.Namespace, o.Name)
	}
	for _, field := range []string{"data", "stringData"} {
		values, _ := body[field].(map[string]any)
		for key := range values {
			values[key] = nil
		}
	}
	// Where kubectl apply leaves the whole object.
	if metadata, ok := body["metadata"].(map[string]any); ok {
		if annotations, ok := metadata["annotations"].(map[string]any); ok {
			for key := range annotations {
				annotations[key] = nil
			}
		}
	}
	manifest, err := json.Marshal(body)
	if err != nil {
		return Object{}, fmt.Errorf("%s: the manifest of Secret %s/%s cannot be written", o.Origin, o.Namespace, o.Name)
	}
	o.Manifest, o.Withheld = manifest, true
	return o, nil
}

// KindsOf lists the kinds of objects, as the record has them, sorted.
func KindsOf(objs []Object) []string {
	kinds := map[string]bool{}
	for i := range objs {
		kinds[objs[i].GroupKind().String()] = true
	}
	return slices.Sorted(maps.Keys(kinds))
}

// Own are Trivet's objects but for Nodes, in any cluster: what they are called, not what they hold.
var Own = sync.OnceValue(func() []Object {
	out := []Object{{APIVersion: "v1", Kind: "ConfigMap", Namespace: RecordNamespace, Name: RecordName}}
	for _, t := range []templates.Template{templates.RBAC{AdminGroup: certs.GroupAdmins, KubeletGroup: certs.GroupKubeletAPI}, templates.FlannelRBAC{User: certs.UserFlannel},
		templates.CoreDNS{Domain: "cluster.local", Replicas: 1, Image: "coredns", Address: netip.IPv4Unspecified()}} {
		text, err := templates.Render(t)
		if err != nil {
			panic("desired: " + err.Error()) // templates are this repository's
		}
		list, err := manifests(text)
		if err != nil {
			panic("desired: " + err.Error())
		}
		out = append(out, list...)
	}
	return out
})

// Keeps says whether an object is one of Trivet's own, by what it is called.
func Keeps(o Object) bool {
	return slices.ContainsFunc(Own(), func(x Object) bool { return x.Same(&o) })
}
