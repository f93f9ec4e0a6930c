package desired

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Allot brings an inventory up to a topology: names, addresses, machine ids, roles, and a pod range for every node without one: the lowest that is free. What was
// allotted before stays. Hosts without facts were not reached: they keep their entry as it is, and get none when they have none. Hosts that
// left the topology stay too, with their ranges taken, until they have been removed from the cluster. The inventory given, nil before the first bring-up, is not changed; the generation is not raised.
func Allot(inv *inventory.Inventory, c *topology.Cluster, facts map[string]hostapi.Facts) (*inventory.Inventory, error) {
	out := first(c)
	if inv != nil {
		if err := immutable(inv, c); err != nil {
			return nil, err
		}
		copied := *inv
		copied.Hosts = slices.Clone(inv.Hosts)
		out = &copied
		if out.Kubernetes != c.Kubernetes {
			out.Kubernetes, out.From = c.Kubernetes, inv.Kubernetes
		}
	}
	out.BringingUp = inv == nil || !inv.Complete() // an earlier build may have begun, and not marked it
	out.Settings = inventory.SettingsOf(c)
	for _, h := range sortedHosts(c) {
		if _, reached := facts[h.Name]; reached {
			out.Hosts = record(out.Hosts, h, facts)
		}
	}
	slices.SortFunc(out.Hosts, func(a, b inventory.Host) int { return strings.Compare(a.Name, b.Name) })
	out.Electorates = nil
	if inv != nil && inv.Initialised {
		out.Electorates = inv.Voters() // as it was before
		out.Elect(slices.DeleteFunc(out.With(topology.RoleControlPlane), func(name string) bool {
			return !slices.ContainsFunc(c.HostsWith(topology.RoleControlPlane), func(h *topology.Host) bool { return h.Name == name })
		}))
	}
	if err := oneMachineEach(out, c); err != nil {
		return nil, err
	}
	if err := podRanges(out, c, facts); err != nil {
		return nil, err
	}
	return out, nil
}

// first is the inventory of a cluster that does not exist yet.
func first(c *topology.Cluster) *inventory.Inventory {
	out := &inventory.Inventory{
		Format: inventory.Format, Cluster: c.Name, Kubernetes: c.Kubernetes, PodCIDR: c.PodCIDR, NodePrefix: c.NodePrefix, ServiceCIDR: c.ServiceCIDR,
		ServiceAccountIssuer: c.API.ServiceAccountIssuer, Domain: c.DNS.Domain,
	}
	for name, n := range c.Rotation.Generations {
		if n > 1 {
			if out.Rotations == nil {
				out.Rotations = map[string]inventory.Rotation{}
			}
			out.Rotations[name] = inventory.Rotation{Generation: n}
		}
	}
	return out
}

// immutable refuses changes that no running cluster survives.
func immutable(inv *inventory.Inventory, c *topology.Cluster) error {
	var problems []error
	fixed := func(what, was, is string) {
		if was != is {
			problems = append(problems, fmt.Errorf("%s: %s of cluster %q is %s and cannot change while the cluster lives: set it back from %s, or destroy the cluster and apply again", topology.Place(c.Range), what, c.Name, was, is))
		}
	}
	fixed("the name", inv.Cluster, c.Name)
	fixed("pod_cidr", inv.PodCIDR.String(), c.PodCIDR.String())
	fixed("node_prefix", fmt.Sprint(inv.NodePrefix), fmt.Sprint(c.NodePrefix))
	fixed("service_cidr", inv.ServiceCIDR.String(), c.ServiceCIDR.String())
	fixed("service_account_issuer", inv.ServiceAccountIssuer, c.API.ServiceAccountIssuer)
	fixed("the dns domain", inv.Domain, c.DNS.Domain)
	return errors.Join(problems...)
}

// record writes what the topology and the facts say of a host.
func record(hosts []inventory.Host, h *topology.Host, facts map[string]hostapi.Facts) []inventory.Host {
	i := slices.IndexFunc(hosts, func(r inventory.Host) bool { return r.Name == h.Name })
	if i < 0 {
		hosts = append(hosts, inventory.Host{Name: h.Name})
		i = len(hosts) - 1
	}
	r := &hosts[i]
	r.Address, r.Region, r.Site = h.Address, h.Site().Region.Name, h.Site().Name
	r.SSH = inventory.SSH{Address: h.SSHAddress, Port: h.Port, User: h.User}
	r.Roles = nil
	for _, role := range h.Roles {
		r.Roles = append(r.Roles, string(role))
	}
	if h.HostKey != "" {
		r.HostKey = h.HostKey
	}
	if f, ok := facts[h.Name]; ok && f.MachineID != "" {
		r.MachineID = f.MachineID
	}
	if !h.IsNode() {
		r.PodCIDR = netip.Prefix{}
	}
	return hosts
}

// oneMachineEach refuses two hosts with one machine id: a machine listed twice, or disks that were cloned, which Kubernetes and DHCP trip over as well.
func oneMachineEach(inv *inventory.Inventory, c *topology.Cluster) error {
	seen := map[string]string{}
	var problems []error
	for _, h := range sortedHosts(c) {
		rec := inv.Host(h.Name)
		if rec == nil {
			continue
		}
		id := rec.MachineID
		if other, ok := seen[id]; ok && id != "" {
			problems = append(problems, fmt.Errorf("hosts %s and %s have the same machine id %s: they are one machine, or clones; give clones their own with `rm /etc/machine-id && systemd-machine-id-setup`", other, h.Name, id))
			continue
		}
		seen[id] = h.Name
	}
	return errors.Join(problems...)
}

// podRanges gives every node that was reached and is without a range the lowest that is free.
func podRanges(inv *inventory.Inventory, c *topology.Cluster, facts map[string]hostapi.Facts) error {
	taken := map[netip.Prefix]string{}
	for _, h := range inv.Hosts {
		if !h.PodCIDR.IsValid() {
			continue
		}
		if other, ok := taken[h.PodCIDR]; ok {
			return fmt.Errorf("the inventory gives hosts %s and %s the same pod range %s: it was changed by hand; restore it from another control plane", other, h.Name, h.PodCIDR)
		}
		taken[h.PodCIDR] = h.Name
	}
	next, ok := netip.PrefixFrom(c.PodCIDR.Masked().Addr(), c.NodePrefix), true
	for _, h := range c.Nodes() {
		r := inv.Host(h.Name)
		if _, reached := facts[h.Name]; !reached || r.PodCIDR.IsValid() {
			continue
		}
		for ok && taken[next] != "" {
			next, ok = following(next, c.PodCIDR)
		}
		if !ok {
			return fmt.Errorf("%s: pod_cidr %s has no /%d left for host %s: all %d are taken", topology.Place(c.PodCIDRRange), c.PodCIDR, c.NodePrefix, h.Name, 1<<(c.NodePrefix-c.PodCIDR.Bits()))
		}
		r.PodCIDR, taken[next] = next, h.Name
	}
	return nil
}

// following returns the next range of the same size, and whether it lies in the whole.
func following(p, whole netip.Prefix) (netip.Prefix, bool) {
	a := p.Addr().AsSlice()
	for bit := p.Bits() - 1; bit >= 0; bit-- { // add one to the network's number, carrying
		mask := byte(0x80) >> (bit % 8)
		a[bit/8] ^= mask
		if a[bit/8]&mask != 0 {
			addr, _ := netip.AddrFromSlice(a)
			return netip.PrefixFrom(addr, p.Bits()), whole.Contains(addr)
		}
	}
	return p, false
}

// EqualInventory reports whether two inventories say the same but for their generation and the run that wrote them.
func EqualInventory(a, b *inventory.Inventory) bool {
	if a == nil || b == nil {
		return a == b
	}
	x, y := *a, *b
	x.Generation, y.Generation, x.Epoch, y.Epoch = 0, 0, 0, 0
	bx, errX := x.Marshal()
	by, errY := y.Marshal()
	return errX == nil && errY == nil && bytes.Equal(bx, by)
}
