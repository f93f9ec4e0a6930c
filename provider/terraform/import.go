package terraform

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

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
	region := &topology.Region{Name: "unknown"}
	top := &topology.Topology{Fleet: topology.Fleet{Name: name, SSH: c.ssh}, Regions: []*topology.Region{region}}
	cluster := &topology.Cluster{Name: name, Kubernetes: release.Supported()[len(release.Supported())-1], API: topology.API{Port: 6443, LocalPort: 7443}}
	for _, e := range endpoints {
		site := &topology.Site{Name: "of " + e.Host, Region: region}
		if e.Bastion != nil {
			site.Bastions = []topology.Bastion{*e.Bastion}
		}
		room := &topology.Room{Name: "1", Site: site}
		rack := &topology.Rack{Name: "a", Room: room}
		room.Racks, site.Rooms = []*topology.Rack{rack}, []*topology.Room{room}
		h := &topology.Host{Name: e.Host, Rack: rack, SSHAddress: e.Address, Port: e.Port, User: e.User, HostKey: e.HostKey, Roles: []topology.Role{topology.RoleControlPlane}}
		if a, err := netip.ParseAddr(e.Address); err == nil {
			h.Address = a
		}
		rack.Hosts = []*topology.Host{h}
		region.Sites, cluster.Sites, cluster.Hosts = append(region.Sites, site), append(cluster.Sites, site), append(cluster.Hosts, h)
	}
	top.Clusters = []*topology.Cluster{cluster}
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
	if inv.Domain != "" && inv.Domain != "cluster.local" {
		set(path.Root("dns").AtName("domain"), inv.Domain)
	}
}
