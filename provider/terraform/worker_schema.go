package terraform

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// Schema implements resource.Resource. It is version 0.
func (r *workerResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	out := hostAttributes()
	for _, mine := range []string{"roles", "surge"} {
		delete(out, mine)
	}
	kept := []planmodifier.String{stringplanmodifier.UseStateForUnknown()}
	for name, a := range map[string]schema.Attribute{
		"cluster": schema.ObjectAttribute{Required: true, AttributeTypes: connectionTypes,
			MarkdownDescription: "The `access` of a `trivet_cluster`. A cluster with another `id` is another cluster, which replaces the worker; what else changes in it does not change the worker."},
		"name": schema.StringAttribute{Required: true, PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()},
			MarkdownDescription: "The worker's name, which is its identity and becomes the node's name. Another one is another worker."},
		"site": schema.StringAttribute{Optional: true, MarkdownDescription: "The site of the cluster that it stands in. Default: the only one."},
		"lock": schema.StringAttribute{Optional: true,
			MarkdownDescription: "The digests of what the machine may be given: the `lock` of the `trivet_cluster`. It holds when the worker is set up or changed; another one alone changes nothing."},
		"on_destroy": schema.StringAttribute{Optional: true, Computed: true, Default: stringdefault.StaticString(onDestroyReset),
			MarkdownDescription: "`reset` drains the node, deletes it and gives the machine back as it was; `forget` leaves it in the cluster. Default: `reset`. The provider block can override it."},
		"unreachable": schema.StringAttribute{Optional: true, Computed: true, Default: stringdefault.StaticString(unreachableFail),
			MarkdownDescription: "What to do about a machine that does not answer when it is to leave. `fail`: the destroy fails. `forget`: the cluster goes on without it, and what is on it stays. Default: `fail`. The provider block can override it."},

		"id":         schema.StringAttribute{Computed: true, MarkdownDescription: "The cluster's id and the worker's name.", PlanModifiers: kept},
		"pod_cidr":   schema.StringAttribute{Computed: true, MarkdownDescription: "The range of the addresses of its pods.", PlanModifiers: kept},
		"machine_id": schema.StringAttribute{Computed: true, MarkdownDescription: "Which machine it is. Where another one answers in its place, the plan shows it, and an apply sets that one up."},
		"drift":      schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "What is not on the machine as it was put there. An apply mends it."},
	} {
		out[name] = a
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "A worker that joins a cluster without being one of its `hosts`: for machines that come and go, as by `for_each`. The cluster records it, upgrades it with the other workers, in the same budget, and never takes it out by itself. " +
			"Joining and leaving have to do with the machine, a host of its site and the control planes only. Several that Terraform begins at the same time are one run. It begins ten at a time unless told otherwise: with hundreds of workers, `terraform apply -parallelism=100` makes fewer runs, and the provider's `ssh.parallel` says on how many machines one is at work at once.",
		Attributes: out,
	}
}
