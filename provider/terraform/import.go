package terraform

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/provider/door"
	"github.com/trivet-dev/trivet/provider/input"
)

// imported writes what an inventory says into the state.
func (r *clusterResource) imported(ctx context.Context, inv *inventory.Inventory, resp *resource.ImportStateResponse) {
	o := door.Described(inv)
	o["id"] = inv.ClusterID
	fill(ctx, &resp.State, o, &resp.Diagnostics)
}

// fill writes attributes into an empty state.
func fill(ctx context.Context, state *tfsdk.State, o input.Object, diags *diag.Diagnostics) {
	state.Raw = tftypes.NewValue(state.Schema.Type().TerraformType(ctx), nil)
	typ, _ := state.Schema.Type().(attr.TypeWithAttributeTypes)
	for name, v := range o {
		diags.Append(state.SetAttribute(ctx, path.Root(name), valueOf(typ.AttributeTypes()[name], v))...)
	}
}
