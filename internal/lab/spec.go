//go:build linux

package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

// Spec is what a lab consists of.
type Spec struct {
	Name  string `json:"name"`
	Sites []Site `json:"sites"`
}

// Site is one bridge: its hosts reach each other without the router's firewall.
type Site struct {
	Name  string `json:"name"`
	Hosts []Host `json:"hosts"`
}

// Host is one machine of the lab. Network is the prefix of its rack; the rack's
// gateway is the first usable address of it that no host has.
type Host struct {
	Name    string       `json:"name"`
	Address netip.Addr   `json:"address"`
	Network netip.Prefix `json:"network"`
}

// linkLocal holds the addresses of the operator's link: no topology may use them for a
// host, so they collide with no address plan.
var linkLocal = netip.MustParsePrefix("169.254.0.0/16")

var nameForm = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

// maxLabName leaves room for the prefixes and suffixes of the names made from it.
const maxLabName = 32

func checkName(kind, name string, limit int) error {
	if len(name) > limit || !nameForm.MatchString(name) {
		return fmt.Errorf("%s name %q: use 1 to %d lower-case letters, digits and inner hyphens", kind, name, limit)
	}
	return nil
}

// check reports every mistake of a spec at once.
func (s Spec) check() error {
	errs := []error{checkName("lab", s.Name, maxLabName)}
	if s.hostCount() == 0 {
		errs = append(errs, fmt.Errorf("lab %q has no hosts: give it at least one site with one host", s.Name))
	}
	sites := map[string]bool{}
	hosts := map[string]string{}
	addresses := map[netip.Addr]string{}
	for _, site := range s.Sites {
		errs = append(errs, checkName("site", site.Name, 63))
		if sites[site.Name] {
			errs = append(errs, fmt.Errorf("site %q is there twice: rename one", site.Name))
		}
		sites[site.Name] = true
		for _, h := range site.Hosts {
			errs = append(errs, h.check())
			if other, ok := hosts[h.Name]; ok {
				errs = append(errs, fmt.Errorf("host %q is in site %q and in site %q: host names must differ", h.Name, other, site.Name))
			}
			hosts[h.Name] = site.Name
			if other, ok := addresses[h.Address]; ok && h.Address.IsValid() {
				errs = append(errs, fmt.Errorf("host %q and host %q both have the address %s", other, h.Name, h.Address))
			}
			addresses[h.Address] = h.Name
		}
	}
	errs = append(errs, s.checkNetworks()...)
	return errors.Join(errs...)
}

func (h Host) check() error {
	errs := []error{checkName("host", h.Name, 63)}
	switch {
	case !h.Network.IsValid():
		errs = append(errs, fmt.Errorf("host %q has no network: the lab needs the range (cidr) of its rack", h.Name))
	case !h.Network.Addr().Is4():
		errs = append(errs, fmt.Errorf("host %q: network %s is not an IPv4 prefix", h.Name, h.Network))
	case h.Network.Bits() > 30:
		errs = append(errs, fmt.Errorf("host %q: network %s has no room for a gateway: use a /30 or larger", h.Name, h.Network))
	case h.Network.Overlaps(linkLocal):
		errs = append(errs, fmt.Errorf("host %q: network %s overlaps %s, which the lab uses for the operator's link", h.Name, h.Network, linkLocal))
	case !h.Network.Contains(h.Address):
		errs = append(errs, fmt.Errorf("host %q: address %s is not in its network %s", h.Name, h.Address, h.Network))
	case h.Address == h.Network.Masked().Addr() || h.Address == lastAddress(h.Network):
		errs = append(errs, fmt.Errorf("host %q: address %s is the network or broadcast address of %s", h.Name, h.Address, h.Network))
	}
	return errors.Join(errs...)
}

// checkNetworks refuses networks that overlap without being the same network of the same site.
func (s Spec) checkNetworks() []error {
	type placed struct {
		prefix netip.Prefix
		site   string
	}
	var seen []placed
	var errs []error
	for _, site := range s.Sites {
	hosts:
		for _, h := range site.Hosts {
			if !h.Network.IsValid() {
				continue
			}
			p := placed{h.Network.Masked(), site.Name}
			for _, other := range seen {
				if other == p {
					continue hosts
				}
			}
			for _, other := range seen {
				if other.prefix.Overlaps(p.prefix) {
					errs = append(errs, fmt.Errorf("network %s of site %q overlaps network %s of site %q: racks need ranges of their own",
						p.prefix, p.site, other.prefix, other.site))
				}
			}
			seen = append(seen, p)
		}
	}
	return errs
}

func (s Spec) hostCount() int {
	n := 0
	for _, site := range s.Sites {
		n += len(site.Hosts)
	}
	return n
}

// host finds a host and its site by the host's name.
func (s Spec) host(name string) (Host, string, error) {
	var names []string
	for _, site := range s.Sites {
		for _, h := range site.Hosts {
			if h.Name == name {
				return h, site.Name, nil
			}
			names = append(names, h.Name)
		}
	}
	return Host{}, "", fmt.Errorf("lab %q has no host %q: its hosts are %s", s.Name, name, strings.Join(names, ", "))
}

func (s Spec) hasSite(name string) error {
	var names []string
	for _, site := range s.Sites {
		if site.Name == name {
			return nil
		}
		names = append(names, site.Name)
	}
	return fmt.Errorf("lab %q has no site %q: its sites are %s", s.Name, name, strings.Join(names, ", "))
}

// lastAddress is the broadcast address of an IPv4 prefix.
func lastAddress(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	return netip.AddrFrom4(b)
}

// gateways chooses a gateway for every network: the one recorded before, since hosts
// that run route through it, or the first usable address that no host has.
func (s Spec) gateways(recorded map[netip.Prefix]netip.Addr) (map[netip.Prefix]netip.Addr, error) {
	taken := map[netip.Addr]string{}
	for _, site := range s.Sites {
		for _, h := range site.Hosts {
			taken[h.Address] = h.Name
		}
	}
	chosen := map[netip.Prefix]netip.Addr{}
	var errs []error
	for _, site := range s.Sites {
		for _, h := range site.Hosts {
			network := h.Network.Masked()
			if _, done := chosen[network]; done {
				continue
			}
			if gw, ok := recorded[network]; ok {
				if name, used := taken[gw]; used {
					errs = append(errs, fmt.Errorf("host %q: address %s is the gateway of %s in the lab that is up: run trivet lab down first, or use another address",
						name, gw, network))
				}
				chosen[network] = gw
				continue
			}
			gw, err := firstFree(network, taken)
			if err != nil {
				errs = append(errs, err)
			}
			chosen[network] = gw
		}
	}
	return chosen, errors.Join(errs...)
}

func firstFree(network netip.Prefix, taken map[netip.Addr]string) (netip.Addr, error) {
	last := lastAddress(network)
	for a := network.Masked().Addr().Next(); a.Less(last); a = a.Next() {
		if _, used := taken[a]; !used {
			return a, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("network %s: its hosts use every address, so none is left for the gateway: use a larger prefix", network)
}

// merge adds to a new spec the hosts that only the old one has: a topology that drops a
// host does not make the machine vanish, and removing it from a cluster needs it alive.
func merge(old, next Spec) (merged Spec, kept []string) {
	merged = Spec{Name: next.Name}
	index := map[string]int{}
	present := map[string]bool{}
	for _, site := range next.Sites {
		index[site.Name] = len(merged.Sites)
		merged.Sites = append(merged.Sites, Site{Name: site.Name, Hosts: append([]Host(nil), site.Hosts...)})
		for _, h := range site.Hosts {
			present[h.Name] = true
		}
	}
	for _, site := range old.Sites {
		for _, h := range site.Hosts {
			if present[h.Name] {
				continue
			}
			i, ok := index[site.Name]
			if !ok {
				i = len(merged.Sites)
				index[site.Name] = i
				merged.Sites = append(merged.Sites, Site{Name: site.Name})
			}
			merged.Sites[i].Hosts = append(merged.Sites[i].Hosts, h)
			kept = append(kept, h.Name)
		}
	}
	return merged, kept
}
