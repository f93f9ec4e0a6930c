package terraform

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/identityschema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"

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
}

// clusterSchema is the schema of trivet_cluster, version 0.
func clusterSchema() schema.Schema {
	cluster := topology.Describe("cluster")
	// Components are a list of objects of any shape; images are the list that the language has beside blocks.
	out := attributes(cluster, "sites", "component", "image")
	for name, a := range map[string]schema.Attribute{
		"id": schema.StringAttribute{Computed: true, MarkdownDescription: "The cluster's id, made at its first bring-up.", PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown()}},
		"name": schema.StringAttribute{Required: true, MarkdownDescription: "The name of the cluster. Another one is another cluster.",
			PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()}},
		"topology":  schema.StringAttribute{Optional: true, MarkdownDescription: "The topology in its own language, in place of `sites`, `racks`, `hosts` and all that describes the cluster: `file(\"main.hcl\")`. It has a cluster block of the resource's name."},
		"variables": schema.MapAttribute{Optional: true, ElementType: types.StringType, MarkdownDescription: "Values of the topology's variables, written as on the command line. With `addresses`, say, `jsonencode(local.addresses)`."},
		"sites": schema.MapNestedAttribute{Optional: true, MarkdownDescription: "Data centres, by name. All of them belong to the cluster.",
			NestedObject: schema.NestedAttributeObject{Attributes: siteAttributes()}},
		"racks": schema.MapNestedAttribute{Optional: true, MarkdownDescription: "What is common to the hosts of a rack, by `site/room/rack`. Racks that hosts name need no element here.",
			NestedObject: schema.NestedAttributeObject{Attributes: rackAttributes()}},
		"hosts": schema.MapNestedAttribute{Optional: true, MarkdownDescription: "Machines, by a stable name, which is their identity and becomes the node's name. The map, or what is in it, may be unknown at plan.",
			NestedObject: schema.NestedAttributeObject{Attributes: hostAttributes()}},
		"components": schema.DynamicAttribute{Optional: true,
			MarkdownDescription: "Settings of components: a list of objects with `name` (`kubelet`, `kube-apiserver` …), `settings`, and `role` where they are for hosts with that role. They are checked against the fields that the release has."},
		"deletion_protection": schema.BoolAttribute{Optional: true, Computed: true, Default: booldefault.StaticBool(true),
			MarkdownDescription: "Refuse to destroy or replace the cluster. Default: `true`."},
		"on_destroy": schema.StringAttribute{Optional: true, Computed: true, Default: stringdefault.StaticString(onDestroyReset),
			MarkdownDescription: "`reset` gives the hosts back as they were; `forget` leaves the cluster running. Default: `reset`. The provider block can override it."},
		"unreachable": schema.StringAttribute{Optional: true, Computed: true, Default: stringdefault.StaticString(unreachableFail),
			MarkdownDescription: "What to do about hosts that do not answer. `fail`: a create, an update or a destroy that needs them fails. `forget`: they are left out. Default: `fail`. The provider block can override it."},
		"lock": schema.StringAttribute{Optional: true, Computed: true, PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown()},
			MarkdownDescription: "The digests of all programs, images and packages that hosts are given, as the text of a lock file. Left out, it is filled at the first apply, grows with what a change needs besides, and what differs from it is refused. Given, such as by `file(\"artifacts.lock\")`, it has to name everything, and anything else is refused."},
		"adopt": schema.BoolAttribute{Optional: true, MarkdownDescription: "Take over a cluster of this name that its hosts have already, which is refused otherwise. Default: `false`."},
		"access": schema.SingleNestedAttribute{Computed: true, MarkdownDescription: "How the cluster is reached, for other resources. Nothing in it is secret.",
			Attributes: map[string]schema.Attribute{
				"name": schema.StringAttribute{Computed: true, MarkdownDescription: "The name of the cluster."},
				"id":   schema.StringAttribute{Computed: true, MarkdownDescription: "The cluster's id."},
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
		"nodes": schema.MapNestedAttribute{Computed: true, MarkdownDescription: "What the cluster has, by host: the plan shows here, for each host, what an apply changes.",
			NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
				"address":       schema.StringAttribute{Computed: true, MarkdownDescription: "The address in the cluster."},
				"roles":         schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "The roles it plays."},
				"kubernetes":    schema.StringAttribute{Computed: true, MarkdownDescription: "The release it runs."},
				"configuration": schema.StringAttribute{Computed: true, MarkdownDescription: "A digest of all that is configured for this host."},
				"drift":         schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "What is not on the host as it was put there. An apply mends it."},
				"machine_id":    schema.StringAttribute{Computed: true, MarkdownDescription: "Which machine it is."},
				"ssh_host_key":  schema.StringAttribute{Computed: true, MarkdownDescription: "The public key of its sshd, where it is known."},
			}}},
	} {
		out[name] = a
	}
	// What needs a default in the language, and what must be given unless the topology is a text, is checked by the language.
	out["kubernetes"] = optional(out["kubernetes"])
	return schema.Schema{MarkdownDescription: "A Kubernetes cluster on machines that SSH reaches.", Attributes: out}
}

// optional is a text attribute that need not be given.
func optional(a schema.Attribute) schema.Attribute {
	s, ok := a.(schema.StringAttribute)
	if ok {
		s.Required, s.Optional = false, true
		return s
	}
	return a
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
