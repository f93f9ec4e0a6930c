package topology

import (
	"fmt"
	"slices"
)

// checkQuorum explains placements of etcd members that cannot survive what they could.
func (d *decoder) checkQuorum(c *Cluster, at *clusterPlaces) {
	members := c.HostsWith(RoleEtcd)
	n := len(members)
	if n == 0 {
		return // reported as a role that nobody has
	}
	losses := Quorum(c)
	accepted := d.acceptedLosses(c, at, losses)
	switch {
	case n%2 == 0:
		d.errorf(c.SitesRange, c.Range, "Even number of etcd members", "%s", evenDetail(c, n))
		return // what a loss leaves is another question once the number is odd
	case n > 7:
		d.warnf(c.SitesRange, c.Range, "Many etcd members",
			"Cluster %s has %d etcd members. Each write waits for %d of them; etcd advises seven at most, and five are enough to lose two.", c.Name, n, Majority(n))
	}
	covered := map[string]bool{} // regions whose one site was reported
	for _, l := range losses {
		if l.Quorum || accepted[l.Name] {
			continue
		}
		switch l.Kind {
		case LossOfSite:
			if len(c.Sites) == 1 {
				continue // there is nowhere else to put a member
			}
			covered[c.regionOf(l.Name)] = true
			d.warnf(c.SitesRange, c.Range, fmt.Sprintf("Site %s holds the etcd majority", l.Name), "%s", siteDetail(c, l))
		case LossOfRegion:
			if covered[l.Name] || c.regions() == 1 || accepted[c.onlyMemberSite(l.Name)] {
				continue
			}
			d.warnf(c.SitesRange, c.Range, fmt.Sprintf("Region %s holds the etcd majority", l.Name), "%s", regionDetail(c, l))
		}
	}
}

// acceptedLosses reads accept_loss, and reports names that mean nothing.
func (d *decoder) acceptedLosses(c *Cluster, at *clusterPlaces, losses []Loss) map[string]bool {
	var names []string
	for _, l := range losses {
		names = append(names, l.Name)
	}
	out := map[string]bool{}
	for _, a := range at.acceptLoss {
		stops := false
		for _, l := range losses {
			stops = stops || l.Name == a.v && !l.Quorum
		}
		switch {
		case !slices.Contains(names, a.v):
			d.errorf(a.rng, c.Etcd.Range, "Unknown site or region", "Cluster %s has no site or region %s.%s", c.Name, show(a.v), Suggest(a.v, names))
		case !stops:
			d.warnf(a.rng, c.Etcd.Range, "Nothing to accept", "The loss of %s does not stop etcd. Remove it from accept_loss.", show(a.v))
		default:
			out[a.v] = true
		}
	}
	return out
}

func evenDetail(c *Cluster, n int) string {
	const gone = " In the place of a member whose host is gone, give the role etcd to another host in the same edit."
	if n == 2 {
		return fmt.Sprintf("Cluster %s has 2 etcd members, which both must be there: the loss of either stops it, so two are worse than one. "+
			"Two places cannot fail over by themselves, since neither can tell the other's death from a cut line. Use three members, the third in a third place."+gone, c.Name)
	}
	return fmt.Sprintf("Cluster %s has %d etcd members, of which %d must be there: it bears the loss of %d, no more than %d members do, and each write waits for one more. Use %d or %d."+gone,
		c.Name, n, Majority(n), n-Majority(n), n-1, n-1, n+1)
}

func siteDetail(c *Cluster, l Loss) string {
	remedy := "Spread the members over three sites or more, so that none holds a majority"
	sites := c.memberSites()
	if sites == 2 {
		remedy = "With members in two sites, one always holds the majority, and its loss stops the cluster; only a member in a third site, which may be an arbiter, changes that"
	}
	return lossDetail(l, remedy)
}

func regionDetail(c *Cluster, l Loss) string {
	remedy := "With two regions, one always holds the majority; only a member in a third region changes that"
	if c.regions() > 2 {
		remedy = "Spread the members over three regions, so that none holds a majority"
	}
	return lossDetail(l, remedy)
}

func lossDetail(l Loss, remedy string) string {
	has := fmt.Sprintf("%d of the %s", l.MembersTotal-l.MembersLeft, Count(l.MembersTotal, "etcd member"))
	if l.MembersTotal == 1 {
		has = "the only etcd member"
	}
	return fmt.Sprintf("It has %s. The loss of the %s leaves %d, short of the majority of %d: the API then takes no writes until the cluster is recovered. %s. If this is known and accepted, write etcd { accept_loss = [%q] }.",
		has, l.Kind, l.MembersLeft, Majority(l.MembersTotal), remedy, l.Name)
}

// regionOf names the region of one of the cluster's sites.
func (c *Cluster) regionOf(site string) string {
	for _, s := range c.Sites {
		if s.Name == site {
			return s.Region.Name
		}
	}
	return ""
}

// regions counts the regions that the cluster lies over.
func (c *Cluster) regions() int {
	seen := map[*Region]bool{}
	for _, s := range c.Sites {
		seen[s.Region] = true
	}
	return len(seen)
}

// memberSites counts the sites with etcd members.
func (c *Cluster) memberSites() int {
	seen := map[*Site]bool{}
	for _, h := range c.HostsWith(RoleEtcd) {
		seen[h.Site()] = true
	}
	return len(seen)
}

// onlyMemberSite names the one site of a region that has etcd members, or "" when there are several.
func (c *Cluster) onlyMemberSite(region string) string {
	name := ""
	for _, h := range c.HostsWith(RoleEtcd) {
		if s := h.Site(); s.Region.Name == region && s.Name != name {
			if name != "" {
				return ""
			}
			name = s.Name
		}
	}
	return name
}
