package terraform

import (
	"context"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/identityschema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// Words of on_destroy and unreachable.
const (
	onDestroyReset    = "reset"
	onDestroyForget   = "forget"
	unreachableFail   = "fail"
	unreachableForget = "forget"
)

var (
	onDestroyWords   = []string{onDestroyReset, onDestroyForget}
	unreachableWords = []string{unreachableFail, unreachableForget}
)

// nodeTypes are the attributes of an element of nodes.
var nodeTypes = map[string]attr.Type{
	"address": types.StringType, "roles": types.ListType{ElemType: types.StringType}, "kubernetes": types.StringType, "configuration": types.StringType,
	"drift": types.ListType{ElemType: types.StringType}, "machine_id": types.StringType, "ssh_host_key": types.StringType,
}

// endpointTypes are the attributes of an element of connection.endpoints.
var endpointTypes = map[string]attr.Type{
	"host": types.StringType, "address": types.StringType, "port": types.Int64Type, "user": types.StringType, "ssh_host_key": types.StringType,
	"bastion": types.ObjectType{AttrTypes: bastionTypes},
}

var bastionTypes = map[string]attr.Type{"address": types.StringType, "port": types.Int64Type, "user": types.StringType, "ssh_host_key": types.StringType}

var connectionTypes = map[string]attr.Type{
	"name": types.StringType, "id": types.StringType, "endpoints": types.ListType{ElemType: types.ObjectType{AttrTypes: endpointTypes}},
	"api_port": types.Int64Type, "api_local_port": types.Int64Type,
}

// clusterSchema is the schema of trivet_cluster, version 0.
func clusterSchema() schema.Schema {
	cluster := topology.Describe("cluster")
	// Components are a list of objects of any shape; images are the list that the language has beside blocks.
	out := attributes(cluster, "sites", "component", "image")
	for name, a := range map[string]schema.Attribute{
		"id": schema.StringAttribute{Computed: true, MarkdownDescription: "The cluster's id, made at its first bring-up. It stays the same for as long as there is the cluster.", PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown()}},
		"name": schema.StringAttribute{Required: true, MarkdownDescription: "The name of the cluster. With another name this cluster is destroyed and another one is made, which `deletion_protection` refuses.",
			PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()}},
		"topology":  schema.StringAttribute{Optional: true, MarkdownDescription: "The topology [in its own language](" + documentation + "topology.md), in place of `sites`, `racks`, `hosts` and all that describes the cluster: `file(\"main.hcl\")`. It has a cluster block of the resource's name. How hosts are reached comes from the provider block."},
		"variables": schema.MapAttribute{Optional: true, ElementType: types.StringType, MarkdownDescription: "Values of the variables of `topology`, by name. A text stands as it is; of a list, a map or a number, it is the `jsonencode(…)`."},
		"sites": schema.MapNestedAttribute{Optional: true, MarkdownDescription: "Data centres, by name, which becomes the node label `topology.kubernetes.io/zone`. All of them belong to the cluster.",
			NestedObject: schema.NestedAttributeObject{Attributes: siteAttributes()}},
		"racks": schema.MapNestedAttribute{Optional: true, MarkdownDescription: "What is common to the hosts of a rack, by `site/room/rack`. Racks that hosts name need no element here.",
			NestedObject: schema.NestedAttributeObject{Attributes: rackAttributes()}},
		"hosts": schema.MapNestedAttribute{Optional: true, MarkdownDescription: "Machines, by a stable name, which is their identity and becomes the node's name: lower-case letters, digits and hyphens. A host that is added joins the cluster, one that is taken out is drained, leaves it and is given back. The map, or what is in it, may be unknown at plan.",
			NestedObject: schema.NestedAttributeObject{Attributes: hostAttributes()}},
		"components": schema.DynamicAttribute{Optional: true,
			MarkdownDescription: "Settings of components: a list of objects with `name` (" + componentNames() + "), `settings`, an object of the fields of the component's configuration file or of its flags, spelled as Kubernetes does, and `role` where they are for the hosts with that role alone. They are checked against the release. Changes restart what they touch, node by node."},
		"deletion_protection": schema.BoolAttribute{Optional: true, Computed: true, Default: booldefault.StaticBool(true),
			MarkdownDescription: "Whether a plan that would destroy or replace the cluster is refused. To destroy it, set this to `false` and apply that first. Default: `true`."},
		"on_destroy": schema.StringAttribute{Optional: true, Computed: true, Default: stringdefault.StaticString(onDestroyReset),
			MarkdownDescription: "What a destroy does. `reset`: the hosts are given back as they were, and all that the cluster stored is lost. `forget`: the cluster goes on running, and Terraform knows it no more. `on_destroy` of the provider block goes before it. Default: `reset`."},
		"unreachable": schema.StringAttribute{Optional: true, Computed: true, Default: stringdefault.StaticString(unreachableFail),
			MarkdownDescription: "What a create, an update or a destroy does about hosts that do not answer. `fail`: it fails, before anything is changed. `forget`: it does without them; a later apply brings those up to date that answer again, and those that a destroy has left out must be installed anew. `unreachable` of the provider block goes before it. Default: `fail`."},
		"lock": schema.StringAttribute{Optional: true, Computed: true, PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown()},
			MarkdownDescription: "The digests of all programs, images and packages that hosts are given, as the text of a lock file. Left out, it is filled at the first apply, grows with what a change needs besides, and what differs from it is refused. Given, such as by `file(\"artifacts.lock\")`, it has to name everything, and anything else is refused."},
		"restore": schema.DynamicAttribute{Optional: true, MarkdownDescription: "Reserved: it cannot be set yet."},
		"backup":  schema.DynamicAttribute{Optional: true, MarkdownDescription: "Reserved: it cannot be set yet."},
		"adopt":   schema.BoolAttribute{Optional: true, MarkdownDescription: "Whether a create takes over a cluster of this name that the hosts have already and whose bring-up has come to its end, and changes it to what is described here. Otherwise that is refused. A bring-up that failed is gone on with in any case. Default: `false`."},
		"access": schema.SingleNestedAttribute{Computed: true, MarkdownDescription: "How the cluster is reached, for `cluster` of other resources and of `trivet_kubeconfig`. Nothing in it is secret.",
			Attributes: map[string]schema.Attribute{
				"name":           schema.StringAttribute{Computed: true, MarkdownDescription: "The name of the cluster."},
				"id":             schema.StringAttribute{Computed: true, MarkdownDescription: "The cluster's id."},
				"api_port":       schema.Int64Attribute{Computed: true, MarkdownDescription: "The port of the API servers on control planes; null where it is 6443."},
				"api_local_port": schema.Int64Attribute{Computed: true, MarkdownDescription: "The port of the balancer on every node; null where it is 7443."},
				"endpoints": schema.ListNestedAttribute{Computed: true, MarkdownDescription: "The control planes.",
					NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
						"host":         schema.StringAttribute{Computed: true, MarkdownDescription: "The host's name."},
						"address":      schema.StringAttribute{Computed: true, MarkdownDescription: "Where SSH reaches it."},
						"port":         schema.Int64Attribute{Computed: true, MarkdownDescription: "The port of its sshd; null where the provider's holds."},
						"user":         schema.StringAttribute{Computed: true, MarkdownDescription: "The user to log in as; null where the provider's holds."},
						"ssh_host_key": schema.StringAttribute{Computed: true, MarkdownDescription: "Its public key, where the configuration gives it."},
						"bastion": schema.SingleNestedAttribute{Computed: true, MarkdownDescription: "The jump host in front of it.", Attributes: map[string]schema.Attribute{
							"address":      schema.StringAttribute{Computed: true, MarkdownDescription: "Where it is reached."},
							"port":         schema.Int64Attribute{Computed: true, MarkdownDescription: "The port of its sshd."},
							"user":         schema.StringAttribute{Computed: true, MarkdownDescription: "The user to log in as."},
							"ssh_host_key": schema.StringAttribute{Computed: true, MarkdownDescription: "Its public key, where the configuration gives it."},
						}},
					}}},
			}},
		"objects": objectsAttribute(),
		"nodes": schema.MapNestedAttribute{Computed: true, MarkdownDescription: "The cluster's hosts as they were seen last, by name. A plan shows here what its apply changes, host by host.",
			NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
				"address":       schema.StringAttribute{Computed: true, MarkdownDescription: "The address in the cluster."},
				"roles":         schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "The roles it plays."},
				"kubernetes":    schema.StringAttribute{Computed: true, MarkdownDescription: "The Kubernetes release that it runs. Unknown while an upgrade is half done."},
				"configuration": schema.StringAttribute{Computed: true, MarkdownDescription: "A digest of all that this host's setup follows from in the configuration: where it changes, the apply changes that host."},
				"drift":         schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "What the last refresh found otherwise than it was put there: files, units, settings, the Node. The next apply mends it."},
				"machine_id":    schema.StringAttribute{Computed: true, MarkdownDescription: "The machine id of its installation. It tells a machine that was installed anew, or put in another one's place, from the one before."},
				"ssh_host_key":  schema.StringAttribute{Computed: true, MarkdownDescription: "The public key of its sshd, where it is known."},
			}}},
	} {
		out[name] = a
	}
	// What needs a default in the language, and what must be given unless the topology is a text, is checked by the language.
	out["kubernetes"] = optional(out["kubernetes"], "The Kubernetes release: "+releases()+". Needed unless there is a `topology`. Another patch or the next minor release is an upgrade, node by node, as `upgrade` says; no minor release can be skipped.")
	return schema.Schema{MarkdownDescription: "A Kubernetes cluster on machines that SSH reaches. A create brings it up from bare Linux hosts; an update adds, changes, upgrades, mends and removes what differs, host by host, without lowering a quorum of etcd; a destroy gives the hosts back.", Attributes: out}
}

// optional is a text attribute that need not be given.
func optional(a schema.Attribute, text string) schema.Attribute {
	s, ok := a.(schema.StringAttribute)
	if ok {
		s.Required, s.Optional, s.MarkdownDescription = false, true, text
		return s
	}
	return a
}

// releases lists what kubernetes may be.
func releases() string { return quoted(release.Supported(), "or") }

// componentNames lists what a component's name may be.
func componentNames() string { return quoted(release.Components(), "or") }

// quoted lists words as code.
func quoted(words []string, conjunction string) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = "`" + w + "`"
	}
	if last := len(out) - 1; last > 0 {
		return strings.Join(out[:last], ", ") + " " + conjunction + " " + out[last]
	}
	return strings.Join(out, "")
}

// Schema implements resource.Resource.
func (r *clusterResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = clusterSchema()
}

// IdentitySchema implements resource.ResourceWithIdentity.
func (r *clusterResource) IdentitySchema(_ context.Context, _ resource.IdentitySchemaRequest, resp *resource.IdentitySchemaResponse) {
	resp.IdentitySchema = identityschema.Schema{Attributes: map[string]identityschema.Attribute{
		"name":    identityschema.StringAttribute{RequiredForImport: true, Description: "The name of the cluster."},
		"address": identityschema.StringAttribute{RequiredForImport: true, Description: "Where SSH reaches one of its control planes."},
	}}
}
