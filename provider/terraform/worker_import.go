package terraform

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/provider/input"
)

// imported writes what the cluster has of a worker into the state.
func (r *workerResource) imported(ctx context.Context, inv *inventory.Inventory, rec *inventory.Host, resp *resource.ImportStateResponse) {
	set := func(name string, v any) {
		resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root(name), v)...)
	}
	resp.State.Raw = tftypes.NewValue(resp.State.Schema.Type().TerraformType(ctx), nil)
	set("cluster", accessOf(inv))
	set("name", rec.Name)
	set("address", rec.Address.String())
	set("on_destroy", onDestroyReset)
	set("unreachable", unreachableFail)
	set("drift", noDrift())
	if inv.Settings != nil && len(inv.Settings.Sites) > 1 {
		set("site", rec.Site)
	}
	e := rec.Elastic
	for name, s := range map[string]string{
		"ssh_host_key": rec.HostKey, "ssh_address": rec.SSH.Address, "user": rec.SSH.User, "interface": e.Interface, "product_line": e.ProductLine,
		"room": unless(e.Room, input.DefaultRoom), "rack": unless(e.Rack, input.DefaultRack),
	} {
		if s != "" {
			set(name, s)
		}
	}
	if rec.SSH.Port != 0 {
		set("port", int64(rec.SSH.Port))
	}
	if len(e.Labels) > 0 {
		set("labels", e.Labels)
	}
	if len(e.Annotations) > 0 {
		set("annotations", e.Annotations)
	}
	for i, t := range e.Taints {
		at := path.Root("taints").AtListIndex(i)
		for name, s := range map[string]string{"key": t.Key, "value": t.Value, "effect": t.Effect} {
			if s != "" {
				resp.Diagnostics.Append(resp.State.SetAttribute(ctx, at.AtName(name), s)...)
			}
		}
	}
	r.store(ctx, inv, rec.Name, &resp.State, resp.Private, &resp.Diagnostics)
}

func unless(s, otherwise string) string {
	if s == otherwise {
		return ""
	}
	return s
}

// accessOf is the access of a trivet_cluster, by what the cluster remembers.
func accessOf(inv *inventory.Inventory) types.Object {
	var api topology.API // without ports where the cluster has not recorded them
	if inv.Settings.Usable() {
		api = inv.Outline(topology.SSH{}).Clusters[0].API
	}
	endpointType := types.ObjectType{AttrTypes: endpointTypes}
	var endpoints []attr.Value
	for _, e := range endpointsOf(inv) {
		bastion := types.ObjectNull(bastionTypes)
		if b := e.Bastion; b != nil {
			bastion = types.ObjectValueMust(bastionTypes, map[string]attr.Value{"address": types.StringValue(b.Address), "port": number(b.Port), "user": textOrNull(b.User), "ssh_host_key": textOrNull(b.HostKey)})
		}
		endpoints = append(endpoints, types.ObjectValueMust(endpointTypes, map[string]attr.Value{
			"host": types.StringValue(e.Host), "address": types.StringValue(e.Address), "port": number(e.Port), "user": textOrNull(e.User), "ssh_host_key": textOrNull(e.HostKey), "bastion": bastion,
		}))
	}
	return types.ObjectValueMust(connectionTypes, map[string]attr.Value{
		"name": types.StringValue(inv.Cluster), "id": types.StringValue(inv.ClusterID), "endpoints": types.ListValueMust(endpointType, endpoints),
		"api_port": another(api.Port, topology.APIPort), "api_local_port": another(api.LocalPort, topology.APILocalPort),
	})
}
