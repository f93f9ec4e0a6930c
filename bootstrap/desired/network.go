package desired

import (
	"net/netip"
	"slices"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/templates"
)

// VXLANOverhead is what a VXLAN header takes of each packet over IPv4.
const VXLANOverhead = 50

// routeProtocol marks the routes that Trivet sets, so that they can be found again. The number is not among those of iproute2's rt_protos.
const routeProtocol = 201

// FlannelUnit is flanneld's unit.
const FlannelUnit = "flanneld.service"

// network makes the pod network of the node: the bridge that pods hang on, and how it reaches the bridges of other nodes.
func (b *builder) network() {
	b.part = PartNetwork
	link, ok := b.link()
	if !ok {
		return
	}
	mtu := link.MTU
	if b.cluster.Network.Plugin == release.PluginFlannel {
		mtu -= VXLANOverhead
	}
	if b.cluster.Network.MTU > 0 {
		mtu = b.cluster.Network.MTU
	}
	if b.cluster.Network.Plugin == release.PluginFlannel {
		b.flannel(link.Name, mtu)
	} else if b.cluster.Network.Routes != "external" {
		b.routes()
	}
	b.folder("/etc/cni", "/etc/cni/net.d")
	b.render("/etc/cni/net.d/10-trivet.conflist", templates.CNIConfig{MTU: mtu, PodCIDR: b.record.PodCIDR, PortmapBackend: b.cluster.Network.ProxyMode})
}

// Link finds the interface that carries a host's address, or that the topology names.
func Link(h *topology.Host, f hostapi.Facts) (hostapi.Interface, bool) {
	for _, i := range f.Interfaces {
		if h.Interface != "" && i.Name == h.Interface {
			return i, true
		}
		if h.Interface == "" && slices.ContainsFunc(i.Addresses, func(p netip.Prefix) bool { return p.Addr() == h.Address }) {
			return i, true
		}
	}
	return hostapi.Interface{}, false
}

// link is Link of the host that is built, which must have one.
func (b *builder) link() (hostapi.Interface, bool) {
	if i, ok := Link(b.host, b.facts); ok {
		return i, true
	}
	if b.host.Interface != "" {
		b.fail("it has no interface %s%s: correct interface, or leave it out to have it derived from the address", b.host.Interface, topology.Aside(b.host.Range))
	} else {
		b.fail("none of its interfaces carries %s%s: correct address, or name the interface with interface = \"…\"", b.host.Address, topology.Aside(b.host.AddressRange))
	}
	return hostapi.Interface{}, false
}

func (b *builder) flannel(link string, mtu int) {
	bin := b.binary("flanneld", b.in.Release.Flannel)
	ca := b.trust(kubernetesCA, certs.Kubernetes)
	access := b.kubeconfig("flannel", b.anyAPI(), certs.UserFlannel, b.keyPair(certs.Flannel))
	b.folder("/etc/trivet")
	config := b.render("/etc/trivet/flannel.json", templates.FlannelConfig{
		PodCIDR: b.cluster.PodCIDR, NFTables: b.cluster.Network.ProxyMode == release.ModeNFTables, InterfaceMTU: mtu + VXLANOverhead,
	})
	b.unit(FlannelUnit, templates.FlannelUnit{Name: b.host.Name, Address: b.host.Address, Interface: link}, start{noWait: true}, bin, access, config, ca, flannelLink(b.in).ID())
}

// routes makes static routes to the other nodes, which stand in the same layer-2 domain.
func (b *builder) routes() {
	b.folder("/etc/trivet")
	list := b.render("/etc/trivet/routes", templates.Routes{Protocol: routeProtocol, Peers: routesBut(b.cluster, b.in.Inventory, b.host.Name)})
	masquerade := b.render("/etc/trivet/masquerade.nft", templates.Masquerade{PodCIDR: b.cluster.PodCIDR})
	b.unit("trivet-routes.service", templates.RoutesUnit{Protocol: routeProtocol}, start{reload: true}, list, masquerade)
}

// Routes lists where each node's pods are reached: the table that routers need with routes = "external".
func Routes(c *topology.Cluster, inv *inventory.Inventory) []templates.Route {
	return routesBut(c, inv, "")
}

func routesBut(c *topology.Cluster, inv *inventory.Inventory, host string) []templates.Route {
	var out []templates.Route
	for _, h := range c.Nodes() {
		if rec := inv.Host(h.Name); rec != nil && h.Name != host && rec.PodCIDR.IsValid() {
			out = append(out, templates.Route{PodCIDR: rec.PodCIDR, Address: h.Address})
		}
	}
	return out
}
