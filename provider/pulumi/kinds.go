package pulumi

import (
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/provider/input"
)

// Tokens of the provider's resources and functions.
const (
	clusterToken    = "trivet:index:Cluster"
	workerToken     = "trivet:index:Worker"
	fleetToken      = "trivet:index:Fleet"
	statusToken     = "trivet:index:getClusterStatus"
	kubeconfigToken = "trivet:index:getKubeconfig"
)

// kind is a kind of native resource.
type kind struct {
	token, about string
	attributes   []input.Attribute
}

func kinds() []kind {
	return []kind{
		{clusterToken, words.Say(input.AboutCluster), clusterAttributes()},
		{workerToken, words.Say(input.AboutWorker), workerAttributes()},
	}
}

// clusterAttributes are those of a cluster. The resource's id is Pulumi's own, so that the cluster's has another name; the name of the resource is that of the cluster unless it is given.
func clusterAttributes() []input.Attribute {
	var out []input.Attribute
	for _, a := range input.Cluster(words) {
		switch a.Name {
		case "id":
			a.Name = "cluster_id"
		case "name":
			a.Required, a.Computed = false, true
			a.Meaning += " Default: the resource's name."
		case "components":
			a.Type = input.Type{Kind: input.KindList, Of: &input.Type{Kind: input.KindFields, Label: "Component", Attributes: componentAttributes()}}
			a.Meaning = "Settings of components. They are checked against the release. Changes restart what they touch, node by node."
		}
		out = append(out, a)
	}
	return append(out,
		input.Attribute{Name: "kubeconfig", Computed: true, Always: true, Meaning: "A kubeconfig without a secret, the same for as long as the cluster has its control planes and its authority: the API through `trivet tunnel` on port 16443 of this machine, and certificates of a short life by `trivet credential`."},
		input.Attribute{Name: "left_out", Type: input.Type{Kind: input.KindList, Of: &input.Type{Kind: input.KindText}}, Computed: true, Meaning: "Hosts that the last change left out, since they did not answer. Once they do, a preview shows them."},
	)
}

func componentAttributes() []input.Attribute {
	b := topology.Describe("cluster", "component")
	return []input.Attribute{
		{Name: "name", Type: input.Type{Kind: input.KindText, Words: release.Components()}, Required: true, Given: true, Meaning: "The component."},
		{Name: "role", Type: input.Type{Kind: input.KindText, Words: []string{string(topology.RoleControlPlane), string(topology.RoleEtcd), string(topology.RoleWorker)}}, Given: true, Meaning: b.Argument("role").Meaning + " Default: every role."},
		{Name: "settings", Type: input.Type{Kind: input.KindMap, Of: &input.Type{Kind: input.KindAny}}, Required: true, Given: true, Meaning: b.Argument("settings").Meaning},
	}
}

// workerAttributes are those of an elastic worker, whose id is the resource's.
func workerAttributes() []input.Attribute {
	var out []input.Attribute
	for _, a := range input.Elastic(words) {
		switch a.Name {
		case "id":
			continue
		case "name":
			a.Required, a.Computed = false, true
			a.Meaning += " Default: the resource's name."
		}
		out = append(out, a)
	}
	return out
}

// given are the attributes that users may give.
func given(all []input.Attribute) []input.Attribute {
	var out []input.Attribute
	for _, a := range all {
		if a.Given {
			out = append(out, a)
		}
	}
	return out
}

// fleetAttributes are those of the component, whose clusters have components as clusters do.
func fleetAttributes() []input.Attribute {
	out := input.Fleet(words)
	clusters := input.Find(out, "clusters")
	components := input.Find(clusterAttributes(), "components")
	if c := input.Find(clusters.Of.Attributes, "components"); c != nil {
		*c = *components
	}
	return out
}
