package terraform

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/provider/input"
)

// imported writes what an inventory says into the state. What it does not have, an apply adds, without touching hosts.
func (r *clusterResource) imported(ctx context.Context, inv *inventory.Inventory, resp *resource.ImportStateResponse) {
	set := func(p path.Path, v any) { resp.Diagnostics.Append(resp.State.SetAttribute(ctx, p, v)...) }
	resp.State.Raw = tftypes.NewValue(resp.State.Schema.Type().TerraformType(ctx), nil)
	set(path.Root("name"), inv.Cluster)
	set(path.Root("id"), inv.ClusterID)
	set(path.Root("kubernetes"), inv.Kubernetes)
	set(path.Root("pod_cidr"), inv.PodCIDR.String())
	set(path.Root("service_cidr"), inv.ServiceCIDR.String())
	set(path.Root("node_prefix"), int64(inv.NodePrefix))
	set(path.Root("age_recipients"), inv.Recipients)
	set(path.Root("deletion_protection"), true)
	set(path.Root("on_destroy"), input.OnDestroyReset)
	set(path.Root("unreachable"), input.UnreachableFail)
	for _, h := range inv.Hosts {
		if h.Elastic != nil {
			continue
		}
		set(path.Root("sites").AtMapKey(h.Site).AtName("region"), h.Region)
		at := path.Root("hosts").AtMapKey(h.Name)
		set(at.AtName("site"), h.Site)
		set(at.AtName("address"), h.Address.String())
		set(at.AtName("roles"), h.Roles)
		if h.HostKey != "" {
			set(at.AtName("ssh_host_key"), h.HostKey)
		}
	}
	if inv.Domain != "" && inv.Domain != "cluster.local" {
		set(path.Root("dns").AtName("domain"), inv.Domain)
	}
}
