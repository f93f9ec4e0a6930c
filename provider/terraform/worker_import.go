package terraform

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/provider/door"
	"github.com/trivet-dev/trivet/provider/input"
)

// imported writes what the cluster has of a worker into the state.
func (r *workerResource) imported(ctx context.Context, inv *inventory.Inventory, rec *inventory.Host, resp *resource.ImportStateResponse) {
	set := func(name string, v any) {
		resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root(name), v)...)
	}
	resp.State.Raw = tftypes.NewValue(resp.State.Schema.Type().TerraformType(ctx), nil)
	set("cluster", connectionValue(door.RememberedAccess(inv)))
	set("name", rec.Name)
	set("address", rec.Address.String())
	set("on_destroy", input.OnDestroyReset)
	set("unreachable", input.UnreachableFail)
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
