package kube

import (
	"fmt"
	"slices"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// systemNamespaces are the API server's own: a manifest of one would have it deleted when it is taken out.
var systemNamespaces = []string{"default", "kube-system", "kube-public", "kube-node-lease"}

// CheckManifests finds in a cluster's manifests what is Trivet's own, what a cluster has of itself, and namespaces that do not fit the kind, as far as the kind is known without
// asking an API. It fits topology.Options.CheckManifests.
func CheckManifests(c *topology.Cluster) []topology.ManifestError {
	var out []topology.ManifestError
	objs := desired.Manifests(c)
	definitions := definitionsIn(objs)
	for i, o := range objs {
		wrong := func(detail string, field ...string) {
			out = append(out, topology.ManifestError{Manifest: i, Field: field, Summary: "Wrong manifest", Detail: detail})
		}
		name := describe(o.Kind, o.Namespace, o.Name)
		switch {
		case o.Kind == nodeKind && o.APIVersion == "v1":
			wrong("Nodes are Trivet's own: labels, annotations and taints belong into the host's or the rack's block.", "kind")
			continue
		case o.Kind == "Namespace" && slices.Contains(systemNamespaces, o.Name):
			wrong(fmt.Sprintf("The API server makes %s itself, and would lose it when the manifest is taken out. Leave it out: other objects may be in it.", name), "metadata", "name")
			continue
		case desired.Keeps(o):
			wrong(fmt.Sprintf("%s is Trivet's own, and two cannot keep it. Give the object another name, or set it in the topology.", name), "metadata", "name")
			continue
		}
		k, err := lookup(o.APIVersion, o.Kind)
		if d := slices.IndexFunc(definitions, func(d definition) bool { return d.defines(o) }); err != nil && d >= 0 {
			k, err = definitions[d].kind(o), nil
		}
		switch {
		case err != nil: // the API knows
		case k.namespaced && o.Namespace == "":
			wrong(fmt.Sprintf("%s is in no namespace. Write which one as metadata.namespace.", name), "metadata")
		case !k.namespaced && o.Namespace != "":
			wrong(fmt.Sprintf("Objects of kind %s are in no namespace. Leave metadata.namespace out.", o.Kind), "metadata", "namespace")
		}
	}
	return out
}
