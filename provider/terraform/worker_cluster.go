package terraform

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/provider/input"
)

// What a trivet_cluster has to do with workers that are none of its hosts.

// planAccess keeps what is known of a cluster's access where its hosts are not: a cluster with the same id has the same workers.
func planAccess(ctx context.Context, state input.Object, p *tfsdk.Plan, diags *diag.Diagnostics) {
	id, _ := state["id"].(string)
	name, _ := state["name"].(string)
	if id == "" {
		return
	}
	endpoints := types.ListUnknown(types.ObjectType{AttrTypes: endpointTypes})
	set(ctx, p, diags, "access", types.ObjectValueMust(connectionTypes, map[string]attr.Value{"name": types.StringValue(name), "id": types.StringValue(id), "endpoints": endpoints, "api_port": types.Int64Unknown(), "api_local_port": types.Int64Unknown()}))
}

// refuseWorkers refuses to destroy a cluster with workers that are no hosts of this resource: others may own their machines.
func refuseWorkers(inv *inventory.Inventory, diags *diag.Diagnostics) {
	var names []string
	for _, h := range inv.ElasticHosts() {
		names = append(names, h.Name)
	}
	if len(names) == 0 || inv.Destroying {
		return
	}
	diags.AddError("Cluster has workers", fmt.Sprintf("Cluster %q has workers that are no hosts of this resource: %s. Nothing was changed. Destroy their trivet_worker resources first, which other configurations may have. "+
		"Where nobody has them any more, have them leave with `trivet worker leave`, or give back the cluster with all of its machines with `trivet destroy`.", inv.Cluster, strings.Join(names, ", ")))
}

func elasticHost(e *session, name string) bool {
	return slices.ContainsFunc(e.Cluster().Hosts, func(h *topology.Host) bool { return h.Elastic && h.Name == name })
}

// onlyElastic says whether all that was left out are such workers: one of them that is gone keeps nothing from being changed.
func onlyElastic(e *session, skipped []plan.Skip) bool {
	return !slices.ContainsFunc(skipped, func(s plan.Skip) bool { return !elasticHost(e, s.Host) })
}

// warnElastic tells of those that were left out.
func warnElastic(e *session, left []string, diags *diag.Diagnostics) {
	var names []string
	for _, name := range left {
		if elasticHost(e, name) {
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		diags.AddWarning("Workers were left out", fmt.Sprintf("These workers do not answer, and are as they were: %s. Once they do, the next apply of the cluster brings them up to date; remove the trivet_worker of one that is gone. An upgrade is not finished before.", strings.Join(names, ", ")))
	}
}
