package topology

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// LossKind says what is lost.
type LossKind string

// Kinds of losses.
const (
	LossOfSite   LossKind = "site"
	LossOfRegion LossKind = "region"
)

// Loss says what the loss of one site or region leaves of a cluster.
type Loss struct {
	Kind              LossKind
	Name              string
	MembersLeft       int // etcd members
	MembersTotal      int
	Quorum            bool // whether those left are a majority, so that the API keeps taking writes
	ControlPlanesLeft int
	WorkersLeft       int
}

// Majority is how many of n make a majority.
func Majority(n int) int { return n/2 + 1 }

// Quorum tells what the loss of each site, and of each region, of a cluster leaves: sites in the order of the cluster, then
// regions in the order of their first site.
func Quorum(c *Cluster) []Loss {
	var out []Loss
	var regions []*Region
	seen := map[*Region]bool{}
	for _, s := range c.Sites {
		out = append(out, lossOf(c, LossOfSite, s.Name, func(h *Host) bool { return h.Site() == s }))
		if !seen[s.Region] {
			seen[s.Region] = true
			regions = append(regions, s.Region)
		}
	}
	for _, r := range regions {
		out = append(out, lossOf(c, LossOfRegion, r.Name, func(h *Host) bool { return h.Site().Region == r }))
	}
	return out
}

func lossOf(c *Cluster, kind LossKind, name string, lost func(*Host) bool) Loss {
	l := Loss{Kind: kind, Name: name}
	for _, h := range c.Hosts {
		gone := lost(h)
		if h.Has(RoleEtcd) {
			l.MembersTotal++
			if !gone {
				l.MembersLeft++
			}
		}
		if h.Has(RoleControlPlane) && !gone {
			l.ControlPlanesLeft++
		}
		if h.Has(RoleWorker) && !gone {
			l.WorkersLeft++
		}
	}
	l.Quorum = l.MembersTotal > 0 && l.MembersLeft >= Majority(l.MembersTotal)
	return l
}

// Writable says what becomes of the API in one word or a few.
func (l Loss) Writable() string {
	switch {
	case l.Quorum && l.ControlPlanesLeft > 0:
		return "yes"
	case l.Quorum:
		return "no: no control plane left"
	case l.MembersLeft == 0:
		return "no: restore from a backup"
	}
	return fmt.Sprintf("no: %d of %d needed", Majority(l.MembersTotal), l.MembersTotal)
}

// WriteLossTable prints losses as a table for people.
func WriteLossTable(w io.Writer, losses []Loss) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "LOSS OF\tETCD LEFT\tCONTROL PLANES LEFT\tWORKERS LEFT\tAPI WRITABLE")
	for _, l := range losses {
		fmt.Fprintf(tw, "%s %s\t%d of %d\t%d\t%d\t%s\n", l.Kind, l.Name, l.MembersLeft, l.MembersTotal, l.ControlPlanesLeft, l.WorkersLeft, l.Writable())
	}
	return tw.Flush()
}
