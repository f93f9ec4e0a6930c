package terraform

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"

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
