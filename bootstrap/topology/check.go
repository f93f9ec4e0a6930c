package topology

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// check looks for mistakes that show only when all blocks are seen together. It must bear a topology with holes, where
// something was wrong already.
func (d *decoder) check(t *Topology) {
	d.checkAddresses(t)
	d.checkRanges(t)
	used := map[*Site]bool{}
	for _, c := range t.Clusters {
		at := d.clusters[c]
		for _, s := range c.Sites {
			used[s] = true
		}
		d.checkPodRange(c, at)
		d.checkPorts(c, at, t.Fleet.SSH.Port)
		d.checkNetwork(c, at)
		if !d.holes && !at.partial {
			d.checkRoles(c)
			d.checkQuorum(c, at)
			d.checkSnapshots(c)
			d.checkUpgrade(c, at)
		}
	}
	if len(t.Clusters) == 0 {
		if !d.holes && t.Fleet.Range.Filename != "" {
			d.warnf(t.Fleet.Range, t.Fleet.Range, "No cluster", "The topology has no cluster block, so there is nothing to bring up.")
		}
		return
	}
	for _, s := range t.AllSites() {
		if h := firstWithRole(s); h != nil && !used[s] && !d.diags.HasErrors() {
			d.warnf(s.Range, s.Range, "Site in no cluster",
				"Hosts of %s have roles, %s for one, but no cluster names the site in its list of sites, so nothing is done with them.", show(s.Name), h.Name)
		}
	}
}

func firstWithRole(s *Site) *Host {
	for _, room := range s.Rooms {
		for _, rack := range room.Racks {
			for _, h := range rack.Hosts {
				if len(h.Roles) > 0 {
					return h
				}
			}
		}
	}
	return nil
}

// checkAddresses finds hosts that share an address, or that SSH would reach in the same place.
func (d *decoder) checkAddresses(t *Topology) {
	type endpoint struct {
		site    *Site
		address string
		port    int
	}
	byAddress := map[netip.Addr]*Host{}
	byEndpoint := map[endpoint]*Host{}
	reported := map[hcl.Range]bool{} // once for a hosts block
	for _, h := range t.AllHosts() {
		if !h.Address.IsValid() {
			continue
		}
		if first := byAddress[h.Address]; first != nil {
			if !reported[h.AddressRange] {
				reported[h.AddressRange] = true
				d.errorf(h.AddressRange, h.Range, "Duplicate address",
					"%s would have the address %s, which is the address of %s at %s. Give one of the two another address.",
					h.Name, h.Address, first.Name, Place(first.AddressRange))
			}
			continue
		}
		byAddress[h.Address] = h
		if h.SSHAddress == "" {
			continue
		}
		e := endpoint{h.Site(), h.SSHAddress, h.Port}
		if first := byEndpoint[e]; first != nil {
			d.errorf(h.Range, h.Range, "Duplicate ssh_address",
				"SSH would reach %s in the same place as %s at %s. Give them different addresses or ports.", h.Name, first.Name, Place(first.Range))
			continue
		}
		byEndpoint[e] = h
	}
}

// span is a range with what it is for.
type span struct {
	prefix  netip.Prefix
	name    string
	rng     hcl.Range
	context hcl.Range
}

// checkRanges finds overlaps of racks with each other, and of a cluster's pod and Service ranges with racks and each other.
func (d *decoder) checkRanges(t *Topology) {
	var racks []span
	for _, r := range t.AllRacks() {
		if r.CIDR.IsValid() {
			name := fmt.Sprintf("rack %s of room %s of site %s", r.Name, r.Room.Name, r.Room.Site.Name)
			racks = append(racks, span{r.CIDR, name, d.rackRanges[r], r.Range})
		}
	}
	for i, b := range racks {
		d.overlap(b, racks[:i])
	}
	machines := loose(t)
	for _, c := range t.Clusters {
		others := slices.Concat(racks, machines)
		if c.PodCIDR.IsValid() {
			pods := span{c.PodCIDR, "pod_cidr of cluster " + c.Name, c.PodCIDRRange, c.Range}
			d.overlap(pods, others)
			others = append(others, pods)
		}
		if c.ServiceCIDR.IsValid() {
			d.overlap(span{c.ServiceCIDR, "service_cidr of cluster " + c.Name, c.ServiceRange, c.Range}, others)
		}
	}
}

// loose are the addresses of hosts whose racks have no range.
func loose(t *Topology) []span {
	var out []span
	for _, h := range t.AllHosts() {
		if !h.Rack.CIDR.IsValid() && h.Address.IsValid() {
			out = append(out, span{netip.PrefixFrom(h.Address, h.Address.BitLen()), "address of host " + h.Name, h.AddressRange, h.Range})
		}
	}
	return out
}

// overlap reports the first of the others that shares addresses with a range.
func (d *decoder) overlap(s span, others []span) {
	for _, o := range others {
		if s.prefix.Overlaps(o.prefix) {
			d.errorf(s.rng, s.context, "Overlapping ranges",
				"%s (%s) and %s (%s, at %s) share addresses. Every rack, and the pods and Services of a cluster, need a range of their own.",
				s.prefix, s.name, o.prefix, o.name, Place(o.rng))
			return
		}
	}
}

// checkRoles finds roles that nobody has.
func (d *decoder) checkRoles(c *Cluster) {
	if len(c.Sites) == 0 {
		return // reported
	}
	for _, r := range []struct {
		role Role
		why  string
	}{
		{RoleEtcd, "the cluster's data would be nowhere"},
		{RoleControlPlane, "the cluster would have no API server"},
	} {
		if len(c.HostsWith(r.role)) == 0 {
			d.errorf(c.SitesRange, c.Range, "Role that nobody has",
				"No host of cluster %s has the role %q, so %s. Add it to the roles of a host in one of its sites.", c.Name, r.role, r.why)
		}
	}
	if len(c.HostsWith(RoleWorker)) == 0 {
		d.warnf(c.SitesRange, c.Range, "No worker", "No host of cluster %s has the role %q, so no workload can run, nor the cluster's DNS.", c.Name, RoleWorker)
	}
}

// checkPodRange compares the pod range with the number of nodes and of pods on a node.
func (d *decoder) checkPodRange(c *Cluster, at *clusterPlaces) {
	if !c.PodCIDR.IsValid() {
		return
	}
	nodes := len(c.Nodes()) + len(c.Surge)
	if c.NodePrefix < c.PodCIDR.Bits() {
		d.errorf(at.nodePrefix, c.Range, "pod_cidr too small",
			"A node's part of /%d is larger than pod_cidr %s. Use a larger pod_cidr, or a node_prefix of more than %d.", c.NodePrefix, c.PodCIDR, c.PodCIDR.Bits())
	} else if parts := 1 << (c.NodePrefix - c.PodCIDR.Bits()); parts < nodes {
		need := c.NodePrefix
		for need > 0 && 1<<(c.NodePrefix-need) < nodes {
			need--
		}
		d.errorf(c.PodCIDRRange, c.Range, "pod_cidr too small",
			"%s holds %s of /%d, but cluster %s has %s. Use a pod_cidr of /%d or larger, or make the parts smaller with node_prefix.",
			c.PodCIDR, Count(parts, "part"), c.NodePrefix, c.Name, Count(nodes, "node"), need)
	}
	// The network, broadcast and gateway addresses of a node's part go to no pod.
	usable := int64(1)<<(32-c.NodePrefix) - 3
	limits := at.maxPods
	if len(limits) == 0 {
		limits = []located[int64]{{110, at.nodePrefix}} // kubelet's default
	}
	for _, limit := range limits {
		if limit.v <= usable {
			continue
		}
		need := c.NodePrefix
		for need > 0 && int64(1)<<(32-need)-3 < limit.v {
			need--
		}
		d.errorf(limit.rng, c.Range, "node_prefix too small for maxPods",
			"A node's part of /%d has addresses for %d pods, but its kubelet may run %d (maxPods). Use node_prefix = %d, or set maxPods of component \"kubelet\" to %d or less.",
			c.NodePrefix, usable, limit.v, need, max(usable, 1))
	}
}

// takenPorts are TCP ports that the cluster's own programs listen on.
var takenPorts = map[int]string{
	2379: "etcd clients", 2380: "etcd members among each other", 2381: "etcd metrics", 2382: "etcd's HTTP gateway",
	SnapshotPort: "copies of etcd's snapshots",
	10248:        "the kubelet's health", 10249: "kube-proxy's metrics", 10250: "the kubelet", 10256: "kube-proxy's health",
	10257: "kube-controller-manager", 10259: "kube-scheduler",
}

// checkPorts finds ports of the API that something else listens on.
func (d *decoder) checkPorts(c *Cluster, at *clusterPlaces, fleetSSH int) {
	const firstNodePort, lastNodePort = 30000, 32767 // kube-apiserver's default range
	sshPorts := map[int]string{cmp.Or(fleetSSH, 22): "sshd"}
	for _, h := range slices.Concat(c.Hosts, c.Surge) {
		port := cmp.Or(h.Port, fleetSSH, 22)
		if s := h.Site().SSH; s != nil && h.Port == 0 {
			port = cmp.Or(s.Port, 22)
		}
		if h.SSHAddress == "" { // behind a forwarded address the port is another machine's
			sshPorts[port] = "sshd of " + h.Name
		}
	}
	for i, p := range at.ports {
		what := takenPorts[p.v]
		switch {
		case what != "":
		case sshPorts[p.v] != "":
			what = sshPorts[p.v]
		case p.v >= firstNodePort && p.v <= lastNodePort:
			what = fmt.Sprintf("Services of type NodePort (%d to %d)", firstNodePort, lastNodePort)
		case i == 1 && p.v == at.ports[0].v:
			what = "kube-apiserver itself (port), which listens on all addresses"
		default:
			continue
		}
		name := []string{"port", "local_port"}[i]
		d.errorf(p.rng, c.API.Range, "Port taken", "The %s of the API is %d, where something else listens: %s. Choose another.", name, p.v, what)
	}
}

// checkNetwork finds networks that the placement of hosts cannot carry.
func (d *decoder) checkNetwork(c *Cluster, at *clusterPlaces) {
	if c.Network.Plugin != "bridge" || c.Network.Routes != "static" {
		return
	}
	nodes := slices.Concat(c.Nodes(), c.Surge)
	for _, h := range nodes {
		if h.Rack != nodes[0].Rack {
			d.errorf(at.plugin, c.Network.Range, "Static routes across racks",
				"The bridge plugin with static routes serves one layer-2 domain, that is one rack, but %s is in %s and %s in %s. Use plugin = \"flannel\", or routes = \"external\" and let your routers carry the pod ranges.",
				nodes[0].Name, nodes[0].Rack.Where(), h.Name, h.Rack.Where())
			return
		}
	}
}
