package preflight

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

const (
	vxlanPort = 8472
	// wholeMesh is up to how many nodes every pair of them is tried.
	wholeMesh = 8
	// kubeletsEach bounds how many kubelets one control plane tries, sourcesEach from how many other sites a node is tried.
	kubeletsEach, sourcesEach = 64, 16
	// trips are timed between etcd's members: several where a probe listens, one where etcd itself would log each of them.
	trips = 5
)

// Uses of ways between hosts.
const (
	useEtcdPeers  = "etcd's members to one another"
	useEtcdClient = "API servers to etcd"
	useAPI        = "nodes to the API server"
	useKubelet    = "API servers to kubelets"
	usePods       = "the pod network (VXLAN)"
	useSnapshots  = "copies of etcd's snapshots"
)

// way is one attempt from a host to another.
type way struct {
	from, to *topology.Host
	use      string
	target   hostapi.ProbeTarget
}

func overlay(c *topology.Cluster) bool { return c.Network.Plugin == release.PluginFlannel }

// waysTo lists, by source, the ways that are tried: a number for each host that does not grow with the fleet.
func (in *Input) waysTo() map[string][]way {
	out := map[string][]way{}
	add := func(from, to *topology.Host, use, network string, number, count, packet int) {
		if from == to {
			return
		}
		known := in.member(from.Name) && in.member(to.Name)
		if known && (in.OnlyNew || use != useEtcdPeers) {
			return // the cluster runs over it
		}
		echo, served := in.served(to, network, number)
		if !served {
			return
		}
		if !echo {
			count = 1
		}
		out[from.Name] = append(out[from.Name], way{from, to, use, hostapi.ProbeTarget{
			Network: network, Address: netip.AddrPortFrom(to.Address, uint16(number)), Echo: echo, Count: count, PacketSize: packet,
		}})
	}
	members, controls := in.seen(in.Cluster.HostsWith(topology.RoleEtcd)), in.seen(in.Cluster.HostsWith(topology.RoleControlPlane))
	nodes := spread(in.seen(in.Cluster.Nodes()))
	for _, to := range members {
		for _, from := range members {
			add(from, to, useEtcdPeers, hostapi.ProbeTCP, 2380, trips, 0)
		}
		for _, from := range controls {
			add(from, to, useEtcdClient, hostapi.ProbeTCP, 2379, 1, 0)
		}
	}
	for _, from := range members {
		for _, to := range in.seen(in.Cluster.SnapshotCopies(from)) {
			add(from, to, useSnapshots, hostapi.ProbeTCP, topology.SnapshotPort, 1, 0)
		}
	}
	for _, to := range controls {
		for _, from := range nodes {
			add(from, to, useAPI, hostapi.ProbeTCP, in.Cluster.API.Port, 1, 0)
		}
	}
	for from, targets := range kubelets(controls, nodes) {
		for _, to := range targets {
			add(from, to, useKubelet, hostapi.ProbeTCP, 10250, 1, 0)
		}
	}
	if overlay(in.Cluster) {
		// Of hosts that are there already, only control planes are asked: a new worker is no reason to go to others.
		sources := slices.DeleteFunc(slices.Clone(nodes), func(h *topology.Host) bool { return !in.concerns(h.Name) && !h.Has(topology.RoleControlPlane) })
		for _, pair := range meshed(sources) {
			add(pair[0], pair[1], usePods, hostapi.ProbeUDP, vxlanPort, 1, in.outerMTU(pair[0]))
		}
	}
	for _, ways := range out {
		slices.SortStableFunc(ways, func(a, b way) int { return cmp.Or(cmp.Compare(a.use, b.use), cmp.Compare(a.to.Name, b.to.Name)) })
	}
	return out
}

// seen leaves out hosts that were not observed.
func (in *Input) seen(hosts []*topology.Host) []*topology.Host {
	return slices.DeleteFunc(hosts, func(h *topology.Host) bool { return in.Seen[h.Name] == nil })
}

// served reports whether something listens on a host's port: a probe, which echoes, or the cluster's own component.
func (in *Input) served(h *topology.Host, network string, number int) (echo, ok bool) {
	states := in.Listening[h.Name].Ports
	for i, p := range in.bound(h) {
		if p.network == network && p.number == number {
			return true, i < len(states) && states[i].Listening
		}
	}
	if network != hostapi.ProbeTCP {
		return false, false
	}
	for _, p := range portsOf(in.Cluster, h) {
		if p.network == network && p.number == number && p.bind {
			_, ok = takenBy(h, in.Seen[h.Name], p)
		}
	}
	return false, ok
}

// outerMTU is the size of the largest packets that a node sends to others for its pods.
func (in *Input) outerMTU(h *topology.Host) int {
	if in.Cluster.Network.MTU > 0 {
		return in.Cluster.Network.MTU + desired.VXLANOverhead
	}
	link, _ := desired.Link(h, in.Seen[h.Name].Facts) // every caller has looked at the host
	return link.MTU
}

// spread orders hosts so that neighbours in the list stand in different racks.
func spread(hosts []*topology.Host) []*topology.Host {
	at, number := map[*topology.Rack]int{}, map[*topology.Host]int{}
	for _, h := range hosts {
		number[h] = at[h.Rack]
		at[h.Rack]++
	}
	out := slices.Clone(hosts)
	slices.SortStableFunc(out, func(a, b *topology.Host) int { return cmp.Compare(number[a], number[b]) })
	return out
}

// kubelets says which control plane tries which nodes: each node by all of few, by one of them in a large fleet.
func kubelets(controls, nodes []*topology.Host) map[*topology.Host][]*topology.Host {
	out := map[*topology.Host][]*topology.Host{}
	if len(controls) == 0 {
		return out
	}
	if len(nodes) <= kubeletsEach/len(controls) {
		for _, c := range controls {
			out[c] = nodes
		}
		return out
	}
	for i, n := range nodes {
		c := controls[i%len(controls)]
		if c == n {
			c = controls[(i+1)%len(controls)]
		}
		if len(out[c]) < kubeletsEach {
			out[c] = append(out[c], n)
		}
	}
	return out
}

// meshed pairs sources with targets: all with all while they are few, else each node with one of its own and one of every other site.
func meshed(nodes []*topology.Host) [][2]*topology.Host {
	var out [][2]*topology.Host
	if len(nodes) <= wholeMesh {
		for _, from := range nodes {
			for _, to := range nodes {
				if from != to {
					out = append(out, [2]*topology.Host{from, to})
				}
			}
		}
		return out
	}
	var sites []*topology.Site
	bySite := map[*topology.Site][]*topology.Host{}
	for _, n := range nodes {
		s := n.Site()
		if bySite[s] == nil {
			sites = append(sites, s)
		}
		bySite[s] = append(bySite[s], n)
	}
	for i, to := range nodes {
		own := slices.Index(sites, to.Site())
		for k := range min(len(sites), sourcesEach) {
			hosts := bySite[sites[(own+k)%len(sites)]]
			from := hosts[i%len(hosts)]
			if from == to {
				from = hosts[(i+1)%len(hosts)]
			}
			if from != to {
				out = append(out, [2]*topology.Host{from, to})
			}
		}
	}
	return out
}

// linkMTUs compares interfaces with what is wanted of them, and with one another where there is no overlay to hide their differences.
func (c *checker) linkMTUs() {
	by := map[string][]string{}
	for _, h := range c.Cluster.Nodes() {
		o := c.Seen[h.Name]
		if o == nil {
			continue
		}
		link, ok := desired.Link(h, o.Facts)
		if !ok || link.MTU == 0 {
			continue
		}
		by[fmt.Sprint(link.MTU)] = append(by[fmt.Sprint(link.MTU)], h.Name)
		wanted := c.Cluster.Network.MTU
		if wanted > 0 && overlay(c.Cluster) {
			wanted += desired.VXLANOverhead
		}
		if wanted > link.MTU && c.concerns(h.Name) {
			c.add(CheckMTU, Error, h.Name, fmt.Sprintf("packets of %d bytes will be sent over %s, which takes %d", wanted, link.Name, link.MTU),
				fmt.Sprintf("lower mtu in the network block by %d or more, or raise that of the interface", wanted-link.MTU))
		}
	}
	if overlay(c.Cluster) || c.Cluster.Network.MTU > 0 || len(by) < 2 {
		return
	}
	var parts []string
	for _, mtu := range sortedKeys(by) {
		parts = append(parts, fmt.Sprintf("%s on %s", mtu, desired.Few(by[mtu])))
	}
	c.add(CheckMTU, Warning, "", "interfaces differ in the size of packets that they take: "+strings.Join(parts, ", "), "make them the same, or set mtu in the network block to the smallest")
}
