package pulumi

import (
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/provider/input"
)

// Tokens of the provider's resources and functions.
const (
	clusterToken    = "trivet:index:Cluster"
	workerToken     = "trivet:index:Worker"
	fleetToken      = "trivet:index:Fleet"
	providerToken   = "pulumi:providers:trivet"
	statusToken     = "trivet:index:getClusterStatus"
	kubeconfigToken = "trivet:index:getKubeconfig"
)

// kind is a kind of resource.
type kind struct {
	token, about string
	imported     string // what the id of one is that is there already, and an example; "" where none is imported
	example      string
	in, out      []input.Attribute
}

// name is what programs call it.
func (k kind) name() string {
	if k.token == providerToken {
		return "Provider"
	}
	return k.token[strings.LastIndex(k.token, ":")+1:]
}

// kinds are those of native resources.
func kinds() []kind {
	clusters, workers := clusterAttributes(), workerAttributes()
	return []kind{
		{clusterToken, words.Say(input.AboutCluster), "NAME@ADDRESS: the cluster's name, and where SSH reaches one of its control planes", "main main@10.11.1.11", given(clusters), clusters},
		{workerToken, words.Say(input.AboutWorker), "CLUSTER@ADDRESS/WORKER: the cluster's name, where SSH reaches one of its control planes, and the worker's name", "spot-1 main@10.11.1.11/spot-1", given(workers), workers},
	}
}

// fleetKind is that of the component.
func fleetKind() kind {
	return kind{token: fleetToken, about: words.Say(input.AboutFleet), in: fleetAttributes(), out: input.FleetOutputs(words)}
}

// providerKind is that of the provider itself.
func providerKind() kind {
	return kind{token: providerToken, about: "how hosts are reached, and with which keys. Secrets that are in the environment instead are never in the state.", in: input.Provider(words)}
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
		unfinishedAttribute(),
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
	return append(out, unfinishedAttribute())
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
