package terraform

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// endpoint is a control plane as a connection has it.
type endpoint struct {
	Host, Address, User, HostKey string
	Port                         int
	Bastion                      *topology.Bastion
}

// controlPlanes is a fleet of the control planes alone, for what asks no other host.
func (c *client) controlPlanes(name string, endpoints []endpoint) *fleet {
	inv := &inventory.Inventory{Cluster: name, Kubernetes: release.Supported()[len(release.Supported())-1]}
	for _, e := range endpoints {
		address, _ := netip.ParseAddr(e.Address) // it may be a name
		inv.Hosts = append(inv.Hosts, inventory.Host{Name: e.Host, Address: address, Site: "of " + e.Host, Region: "unknown", Roles: []string{string(topology.RoleControlPlane)}})
	}
	return c.remembered(inv, endpoints)
}

// remembered is the fleet that an inventory describes. How control planes are reached, the endpoints say, and so the other hosts of their sites are reached, unless they have a user or
// port of their own. Of sites without a control plane the inventory knows.
func (c *client) remembered(inv *inventory.Inventory, endpoints []endpoint) *fleet {
	top := inv.Outline(c.ssh)
	cluster := top.Clusters[0]
	like := map[*topology.Site]endpoint{}
	for _, h := range cluster.Hosts {
		i := slices.IndexFunc(endpoints, func(e endpoint) bool { return e.Host == h.Name })
		if i < 0 {
			continue
		}
		e := endpoints[i]
		h.SSHAddress, h.Port, h.User, h.HostKey = e.Address, e.Port, e.User, e.HostKey
		site := h.Site()
		site.SSH, site.Bastions, like[site] = nil, nil, e
		if e.Bastion != nil {
			site.Bastions = []topology.Bastion{*e.Bastion}
		}
	}
	for _, h := range cluster.Hosts {
		e := like[h.Site()]
		h.Port, h.User = cmp.Or(h.Port, e.Port), cmp.Or(h.User, e.User)
	}
	return &fleet{topology: top, cluster: cluster, whole: true}
}

// inventoryAt reads what a cluster remembers of itself from one of its control planes.
func (c *client) inventoryAt(ctx context.Context, name, address string) (*inventory.Inventory, error) {
	f := c.controlPlanes(name, []endpoint{{Host: name, Address: address}})
	e, err := c.connect(ctx, f, noPins(), func(o *bootstrap.Options) { o.Majority = true })
	if err != nil {
		return nil, err
	}
	defer e.Close()
	if err := e.Unreachable(); err != nil {
		return nil, err
	}
	inv, err := e.Inventory(ctx)
	switch {
	case err != nil:
		return nil, err
	case inv == nil:
		return nil, fmt.Errorf("the host at %s keeps no cluster's inventory: name the address of a control plane", address)
	case inv.Cluster != name:
		return nil, fmt.Errorf("the host at %s is a control plane of cluster %q, not of %q", address, inv.Cluster, name)
	case !inv.Initialised:
		return nil, errors.New("the cluster's bring-up was not finished: an apply goes on with it, without an import")
	}
	return inv, nil
}

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
	set(path.Root("on_destroy"), onDestroyReset)
	set(path.Root("unreachable"), unreachableFail)
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
	if inv.Settings.Usable() {
		api := inv.Outline(topology.SSH{}).Clusters[0].API
		for name, port := range map[string]struct{ is, otherwise int }{"port": {api.Port, topology.APIPort}, "local_port": {api.LocalPort, topology.APILocalPort}} {
			if port.is != port.otherwise {
				set(path.Root("api").AtName(name), int64(port.is))
			}
		}
	}
	if inv.Domain != "" && inv.Domain != "cluster.local" {
		set(path.Root("dns").AtName("domain"), inv.Domain)
	}
}
