package adopt

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// largestRack is how many hosts a rack of a topology may have.
const largestRack = 48

// rack is a range with the hosts in it, which share a site.
type rack struct {
	cidr  netip.Prefix
	hosts []*node
}

// place is where a node stands.
type place struct{ region, site string }

const (
	labelRegion = "topology.kubernetes.io/region"
	labelZone   = "topology.kubernetes.io/zone"
)

// placeOf reads a node's labels.
func (d *describer) placeOf(n *node) place {
	return place{d.placeName(n, labelRegion, d.o.Region), d.placeName(n, labelZone, d.o.Site)}
}

// placeName is a label as a name of the topology, or the default.
func (d *describer) placeName(n *node, label, otherwise string) string {
	value := n.kube.Labels[label]
	if value == "" {
		d.unplaced[label] = append(d.unplaced[label], n.name)
		return otherwise
	}
	if name := nameOf(value); name != value {
		d.find(Risk, n.name, fmt.Sprintf("its label %s=%s becomes %s: names of regions and sites have lower-case letters, digits and hyphens", label, value, name),
			"check what selects nodes by this label")
		return name
	}
	return value
}

// nameOf makes a name that a topology takes.
func nameOf(s string) string {
	if len(validation.IsDNS1123Label(s)) == 0 {
		return s
	}
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(s))
	if len(s) > validation.DNS1123LabelMaxLength {
		s = s[:validation.DNS1123LabelMaxLength]
	}
	return cmp.Or(strings.Trim(s, "-"), "x")
}

// oneRegionEach gives sites names that are unique: a zone of one name in two regions is two sites.
func (d *describer) oneRegionEach() {
	regions := map[string][]string{}
	for _, n := range d.nodes {
		if !slices.Contains(regions[n.place.site], n.place.region) {
			regions[n.place.site] = append(regions[n.place.site], n.place.region)
		}
	}
	for _, n := range d.nodes {
		if len(regions[n.place.site]) > 1 {
			site := nameOf(n.place.region + "-" + n.place.site)
			d.find(Risk, n.name, fmt.Sprintf("its zone %s is a name in several regions, so the site is %s and the label %s changes", n.place.site, site, labelZone), "check what selects nodes by this label")
			n.place.site = site
		}
	}
}

// racks lays racks over the hosts: the subnets that their interfaces are in, taken apart as far as sites, other racks and their size ask for it.
func (d *describer) racks() map[place][]rack {
	var subnets []netip.Prefix
	for _, n := range d.nodes {
		if n.address.IsValid() {
			subnets = append(subnets, d.subnet(n))
		}
	}
	slices.SortFunc(subnets, func(a, b netip.Prefix) int {
		return cmp.Or(cmp.Compare(a.Bits(), b.Bits()), a.Addr().Compare(b.Addr()))
	})
	var ranges []netip.Prefix // disjoint: the wider of two wins
	for _, s := range subnets {
		if !slices.ContainsFunc(ranges, s.Overlaps) {
			ranges = append(ranges, s)
		}
	}
	out := map[place][]rack{}
	for _, r := range ranges {
		var in []*node
		for _, n := range d.nodes {
			if r.Contains(n.address) {
				in = append(in, n)
			}
		}
		before := racksIn(out)
		d.split(out, r, in)
		if n := racksIn(out) - before; n > 1 {
			d.find(Note, "racks", fmt.Sprintf("the subnet %s is in %d racks of the topology: a rack is a range of one site, of %d hosts at most, whose first and last address are no host's", r, n, largestRack),
				"lay the racks as they are: they become labels, and the limits of upgrades per rack")
		}
	}
	for _, list := range out {
		slices.SortFunc(list, func(a, b rack) int { return a.cidr.Addr().Compare(b.cidr.Addr()) })
	}
	return out
}

func racksIn(places map[place][]rack) (n int) {
	for _, list := range places {
		n += len(list)
	}
	return n
}

// split halves a range until the hosts in each part are of one site and fit a rack.
func (d *describer) split(out map[place][]rack, cidr netip.Prefix, hosts []*node) {
	if len(hosts) == 0 {
		return
	}
	// A part must not make a host's address the first or the last of its range.
	apart := slices.ContainsFunc(hosts, func(n *node) bool {
		return n.place != hosts[0].place || cidr.Bits() < 31 && (n.address == cidr.Addr() || !cidr.Contains(n.address.Next()))
	})
	if !apart && len(hosts) <= largestRack || cidr.Bits() >= 32 {
		out[hosts[0].place] = append(out[hosts[0].place], rack{cidr, hosts})
		return
	}
	halves := [2]netip.Prefix{netip.PrefixFrom(cidr.Addr(), cidr.Bits()+1), {}}
	b := cidr.Addr().As4()
	b[cidr.Bits()/8] |= 0x80 >> (cidr.Bits() % 8)
	halves[1] = netip.PrefixFrom(netip.AddrFrom4(b), cidr.Bits()+1)
	for _, h := range halves {
		var in []*node
		for _, n := range hosts {
			if h.Contains(n.address) {
				in = append(in, n)
			}
		}
		d.split(out, h, in)
	}
}

// subnet is the range of the interface that carries a host's address; a /24 where the host was not read.
func (d *describer) subnet(n *node) netip.Prefix {
	if n.seen.read() {
		for _, i := range n.seen.Facts.Interfaces {
			for _, a := range i.Addresses {
				if a.Addr() == n.address && a.Bits() < 31 {
					return a.Masked()
				}
			}
		}
	}
	return netip.PrefixFrom(n.address, 24).Masked()
}

// labels are the node's own, less those of Kubernetes and of Trivet.
func labels(n *node) map[string]string {
	out := map[string]string{}
	for k, v := range n.kube.Labels {
		if topology.ReservedLabel(k) == "" && !slices.Contains(kubeadmLabels, k) && !strings.HasPrefix(k, "node.kubernetes.io/instance-type") {
			out[k] = v
		}
	}
	return out
}

// kubeadmLabels are labels that kubeadm sets on control planes, as Trivet does.
var kubeadmLabels = []string{"node.kubernetes.io/exclude-from-external-load-balancers", "node-role.kubernetes.io/control-plane"}

const controlPlaneLabel = "node-role.kubernetes.io/control-plane"

// taints are the node's own, less those that follow from its state and its roles.
func taints(n *node) (out []topology.Taint) {
	for _, t := range n.kube.Spec.Taints {
		if strings.HasPrefix(t.Key, "node.kubernetes.io/") || strings.HasPrefix(t.Key, "node.cloudprovider.kubernetes.io/") || t.Key == controlPlaneLabel {
			continue
		}
		out = append(out, topology.Taint{Key: t.Key, Value: t.Value, Effect: string(t.Effect)})
	}
	return out
}
