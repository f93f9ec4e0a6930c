package topology

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/util/validation"
)

// HostsInRack is how many machines one access switch serves.
const HostsInRack = 48

func (d *decoder) decodeRegion(b *block, around SSH) *Region {
	r := &Region{Name: b.label, Range: b.rng}
	d.labelSyntax(b, "region", content.IsLabelValue, labelValueRule)
	d.unique("region", "", b.label, b.labelAt, b.rng)
	for _, child := range b.children("site") {
		r.Sites = append(r.Sites, d.decodeSite(child, r, around))
	}
	return r
}

func (d *decoder) decodeSite(b *block, region *Region, around SSH) *Site {
	s := &Site{Name: b.label, Region: region, Range: b.rng}
	d.labelSyntax(b, "site", content.IsLabelValue, labelValueRule)
	d.unique("site", "", b.label, b.labelAt, b.rng)
	s.Purpose = Purpose(b.oneOf("purpose", string(PurposeProduction)))
	effective := around
	if child, present := b.child("ssh"); present {
		effective = d.decodeSSH(child, around)
		s.SSH = &effective
	}
	for _, child := range b.children("bastion") {
		d.unique("bastion", b.label, child.label, child.labelAt, child.rng)
		s.Bastions = append(s.Bastions, d.decodeBastion(child, effective))
	}
	for _, child := range b.children("room") {
		s.Rooms = append(s.Rooms, d.decodeRoom(child, s))
	}
	return s
}

func (d *decoder) decodeRoom(b *block, site *Site) *Room {
	r := &Room{Name: b.label, Site: site, Range: b.rng}
	d.labelSyntax(b, "room", content.IsLabelValue, labelValueRule)
	d.unique("room", site.Name, b.label, b.labelAt, b.rng)
	for _, child := range b.children("rack") {
		r.Racks = append(r.Racks, d.decodeRack(child, r))
	}
	return r
}

func (d *decoder) decodeRack(b *block, room *Room) *Rack {
	r := &Rack{Name: b.label, Room: room, Range: b.rng}
	d.labelSyntax(b, "rack", content.IsLabelValue, labelValueRule)
	d.unique("rack", room.Site.Name+"/"+room.Name, b.label, b.labelAt, b.rng)
	r.CIDR, _ = b.prefix("cidr")
	d.rackRanges[r] = b.at("cidr")
	r.Labels = d.decodeLabels(b, nil)
	r.Annotations = d.decodeAnnotations(b, nil)
	r.Taints = d.decodeTaints(b, nil)
	full := false
	for _, child := range d.machines(b) {
		room := HostsInRack - len(r.Hosts)
		hosts := d.decodeHosts(child, r)
		if len(hosts) > room && !full {
			full = true
			d.errorf(child.crowd(), child.rng, "More hosts than the rack holds",
				"Rack %s has %s up to here; one access switch serves at most %d. Put the others into another rack.",
				r.Name, Count(len(r.Hosts)+len(hosts), "host"), HostsInRack)
		}
		r.Hosts = append(r.Hosts, hosts...)
	}
	return r
}

// machines opens host and hosts blocks in the order in which they are written.
func (d *decoder) machines(rack *block) []*block {
	all := append(rack.children("host"), rack.children("hosts")...)
	slices.SortStableFunc(all, func(a, b *block) int {
		switch {
		case precedes(a.rng, b.rng):
			return -1
		case precedes(b.rng, a.rng):
			return 1
		}
		return 0
	})
	return all
}

// crowd is the place to point at when a block brings too many hosts.
func (b *block) crowd() hcl.Range {
	if b.typ == hostsBlock {
		return b.at("count")
	}
	return b.labelAt
}

// decodeHosts decodes a host block or a hosts block.
func (d *decoder) decodeHosts(b *block, rack *Rack) []*Host {
	alike := d.decodeMachine(b, rack)
	if b.typ == hostBlock {
		h := alike
		h.Name = b.label
		h.SSHAddress = b.hostOrAddress("ssh_address")
		h.HostKey = b.publicKey("host_key")
		h.AddressRange = b.at("address")
		if a, ok := b.address("address"); ok {
			h.Address = a
			if summary, detail := hostAddressFault(a, rack.CIDR); summary != "" {
				b.errorf("address", summary, "%s", detail)
			}
		}
		if d.hostName(b, h.Name) {
			d.unique("host", "", h.Name, b.labelAt, b.rng)
		}
		return []*Host{&h}
	}
	return d.decodeSeries(b, rack, alike)
}

// decodeSeries makes the hosts of a hosts block. Faults of many hosts with one cause are reported once.
func (d *decoder) decodeSeries(b *block, rack *Rack, alike Host) []*Host {
	n, ok := b.integer("count", 0, 0, HostsInRack, "One access switch serves no more; put the others into another rack.")
	first, _ := b.address("first_address")
	number, _ := b.integer("first_number", 1, 0, 1_000_000)
	if !ok {
		d.holes = true
		return nil
	}
	var out []*Host
	faulty := false
	for i := range n {
		h := alike
		h.Name = b.label + strconv.Itoa(number+i)
		h.Roles = slices.Clone(alike.Roles)
		h.Labels, h.Annotations, h.Taints = maps.Clone(alike.Labels), maps.Clone(alike.Annotations), slices.Clone(alike.Taints)
		h.AddressRange = b.at("first_address")
		if first.IsValid() {
			h.Address = nth(first, i)
			if summary, detail := seriesFault(h.Address, rack.CIDR); summary != "" {
				if !faulty {
					b.errorf(seriesCulprit(i), summary, "%s would have this address: %s", h.Name, detail)
				}
				faulty = true
				h.Address = netip.Addr{}
			}
		}
		named := d.hostName(b, h.Name)
		if named {
			named = d.unique("host", "", h.Name, b.labelAt, b.rng)
		}
		out = append(out, &h)
		if !named {
			d.holes = true
			break // the others would fail alike
		}
	}
	return out
}

func seriesFault(a netip.Addr, rack netip.Prefix) (summary, detail string) {
	if !a.IsValid() {
		return "Address outside its rack", "there is none after 255.255.255.255."
	}
	return hostAddressFault(a, rack)
}

// seriesCulprit is the argument that makes the i-th address wrong.
func seriesCulprit(i int) string {
	if i == 0 {
		return "first_address"
	}
	return "count"
}

// hostName checks a name that becomes the node's.
func (d *decoder) hostName(b *block, name string) bool {
	why := dnsLabelRule
	if name == "localhost" {
		why = "It always means the machine itself."
	} else if len(validation.IsDNS1123Label(name)) == 0 {
		return true
	}
	d.errorf(b.labelAt, b.rng, "Wrong name of a host", "%s cannot be a node's name. %s", show(name), why)
	return false
}

// decodeMachine decodes what host and hosts have in common.
func (d *decoder) decodeMachine(b *block, rack *Rack) Host {
	h := Host{Rack: rack, Range: b.rng}
	h.Port = b.port("port", 0)
	h.User = b.user("user", "")
	roles, known := d.decodeRoles(b)
	h.Roles = roles
	if h.Surge = b.boolean("surge", false); h.Surge && known && !slices.Equal(h.Roles, []Role{RoleWorker}) {
		b.errorf("roles", "Wrong roles of a surge host", "A host that is there for the time of an upgrade is a worker and nothing else. Write roles = [\"worker\"], or remove surge.")
	}
	if s, shown, ok := b.text("product_line"); ok {
		if msgs := content.IsLabelValue(s); len(msgs) > 0 || s == "" {
			b.errorf("product_line", "Wrong product line", "%s cannot be used. %s", shown, labelValueRule)
		} else {
			h.ProductLine = s
		}
	}
	if s, shown, ok := b.text("interface"); ok {
		if s == "" || len(s) > 15 || strings.ContainsAny(s, " /\t\n\x00") || s == "." || s == ".." {
			b.errorf("interface", "Wrong interface", "%s is not the name of a Linux network interface, such as \"eth0\".", shown)
		} else {
			h.Interface = s
		}
	}
	h.Labels = d.decodeLabels(b, rack.Labels)
	h.Annotations = d.decodeAnnotations(b, rack.Annotations)
	h.Taints = d.decodeTaints(b, rack.Taints)
	return h
}

// decodeRoles also says whether that is all of them.
func (d *decoder) decodeRoles(b *block) (out []Role, known bool) {
	words := b.typ.attr("roles").words
	listed, known := b.texts("roles")
	for _, r := range listed {
		switch {
		case !slices.Contains(words, r.v):
			known = false
			d.errorf(r.rng, b.rng, "Unknown role", "%s is not one of %s.%s", show(r.v), list(words, "and"), Suggest(r.v, words))
		case slices.Contains(out, Role(r.v)):
			d.errorf(r.rng, b.rng, "Duplicate role", "%s is in the list twice. Remove one.", show(r.v))
		default:
			out = append(out, Role(r.v))
		}
	}
	d.holes = d.holes || !known
	slices.Sort(out)
	return out, known
}
