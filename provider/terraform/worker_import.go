package terraform

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/resource"

	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/provider/door"
)

// imported writes what the cluster has of a worker into the state.
func (r *workerResource) imported(ctx context.Context, inv *inventory.Inventory, rec *inventory.Host, resp *resource.ImportStateResponse) {
	o := door.DescribedWorker(inv, rec)
	o["drift"] = []any{}
	fill(ctx, &resp.State, o, &resp.Diagnostics)
	r.store(ctx, inv, rec.Name, &resp.State, resp.Private, &resp.Diagnostics)
}
