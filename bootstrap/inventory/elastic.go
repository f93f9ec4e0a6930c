package inventory

import (
	"cmp"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// Elastic is what the topology would say of a host besides its name, address and site.
type Elastic struct {
	Room        string            `json:"room"`
	Rack        string            `json:"rack"`
	Interface   string            `json:"interface,omitempty"`
	ProductLine string            `json:"productLine,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"` // without those of the rack, as below
	Annotations map[string]string `json:"annotations,omitempty"`
	Taints      []topology.Taint  `json:"taints,omitempty"`
}

// ElasticHosts lists the workers that were joined without the topology, by name.
func (inv *Inventory) ElasticHosts() []Host {
	if inv == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(inv.Hosts), func(h Host) bool { return h.Elastic == nil })
}

// Rejoin makes the host of a topology that an elastic worker is, in one of the sites: with what its rack has for all of its hosts. A site or a rack that is not there is made up, and is
// no part of the topology.
func (h *Host) Rejoin(sites []*topology.Site) *topology.Host {
	e := h.Elastic
	if e == nil {
		e = &Elastic{}
	}
	rack := rackIn(siteNamed(sites, h.Site, h.Region), e.Room, e.Rack)
	out := &topology.Host{
		Name: h.Name, Rack: rack, Address: h.Address, SSHAddress: h.SSH.Address, Port: h.SSH.Port, User: h.SSH.User, HostKey: h.HostKey, ProductLine: e.ProductLine,
		Interface: e.Interface, Elastic: h.Elastic != nil, Labels: over(rack.Labels, e.Labels), Annotations: over(rack.Annotations, e.Annotations), Taints: slices.Clone(rack.Taints),
		Range: place(h), AddressRange: place(h),
	}
	for _, r := range h.Roles {
		out.Roles = append(out.Roles, topology.Role(r))
	}
	for _, t := range e.Taints {
		if i := slices.IndexFunc(out.Taints, func(x topology.Taint) bool { return x.Key == t.Key && x.Effect == t.Effect }); i >= 0 {
			out.Taints[i] = t
		} else {
			out.Taints = append(out.Taints, t)
		}
	}
	return out
}

// place stands where messages name a place in the topology.
func place(h *Host) hcl.Range {
	start := hcl.Pos{Line: 1, Column: 1}
	return hcl.Range{Filename: "host " + h.Name + " in the cluster's inventory", Start: start, End: start}
}

func siteNamed(sites []*topology.Site, name, region string) *topology.Site {
	if i := slices.IndexFunc(sites, func(s *topology.Site) bool { return s.Name == name }); i >= 0 {
		return sites[i]
	}
	return &topology.Site{Name: name, Region: &topology.Region{Name: region}}
}

func rackIn(site *topology.Site, room, rack string) *topology.Rack {
	for _, r := range site.Rooms {
		for _, k := range r.Racks {
			if r.Name == room && k.Name == rack {
				return k
			}
		}
	}
	return &topology.Rack{Name: rack, Room: &topology.Room{Name: room, Site: site}}
}

func over(below, above map[string]string) map[string]string {
	if len(below) == 0 {
		return maps.Clone(above)
	}
	out := maps.Clone(below)
	maps.Copy(out, above)
	return out
}

// Topology makes a topology of what the cluster remembers: its settings, sites and hosts, reached by ssh where their site has nothing else. It serves to join workers and to take them
// out; the cluster's own hosts are in it as far as that needs them.
func (inv *Inventory) Topology(ssh topology.SSH) (*topology.Topology, error) {
	c, sites, err := inv.Settings.restore(ssh)
	if err != nil {
		return nil, err
	}
	return inv.topology(c, sites, ssh), nil
}

// Outline is Topology for who only looks at the cluster. Where the settings are not recorded, or by another version, it has the hosts alone: sites by their names, and the API at the
// ports that it has unless a topology says otherwise.
func (inv *Inventory) Outline(ssh topology.SSH) *topology.Topology {
	c, sites, err := inv.Settings.restore(ssh)
	if err != nil {
		c, sites = &topology.Cluster{API: topology.API{Port: topology.APIPort, LocalPort: topology.APILocalPort}}, inv.sites()
	}
	return inv.topology(c, sites, ssh)
}

// sites are those of the hosts.
func (inv *Inventory) sites() []*topology.Site {
	var sites []*topology.Site
	regions := map[string]*topology.Region{}
	for _, h := range inv.Hosts {
		if slices.ContainsFunc(sites, func(s *topology.Site) bool { return s.Name == h.Site }) {
			continue
		}
		if regions[h.Region] == nil {
			regions[h.Region] = &topology.Region{Name: h.Region}
		}
		site := &topology.Site{Name: h.Site, Region: regions[h.Region]}
		site.Region.Sites, sites = append(site.Region.Sites, site), append(sites, site)
	}
	return sites
}

// topology puts the hosts into sites.
func (inv *Inventory) topology(c *topology.Cluster, sites []*topology.Site, ssh topology.SSH) *topology.Topology {
	c.Name, c.Kubernetes = inv.Cluster, inv.Kubernetes
	top := &topology.Topology{Fleet: topology.Fleet{Name: inv.Cluster, SSH: ssh}, Clusters: []*topology.Cluster{c}}
	for i := range inv.Hosts {
		c.Hosts = append(c.Hosts, inv.Hosts[i].Rejoin(sites))
	}
	slices.SortFunc(c.Hosts, func(a, b *topology.Host) int { return cmp.Compare(a.Name, b.Name) })
	c.Sites = sites
	for _, s := range sites {
		if !slices.Contains(top.Regions, s.Region) {
			top.Regions = append(top.Regions, s.Region)
		}
	}
	return top
}
