package topology

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// SnapshotPort is where hosts take snapshots from other sites' members.
const SnapshotPort = 2383

// Snapshots says when etcd's members take snapshots, how many are kept and where else.
type Snapshots struct {
	// Wanted is set by the block alone: the folder is on the hosts. Enabled is false where nothing is to be taken for now.
	Wanted, Enabled bool
	Schedule        Calendar
	Keep            int           // of each member, on each host
	KeepFor         time.Duration // the newest of a host stays, however old
	Copies          int           // how many other sites get each
	Range           hcl.Range
}

const defaultSchedule = "*-*-* 00/6:00:00"

func (d *decoder) decodeSnapshots(etcd *block) Snapshots {
	b, present := etcd.child("snapshots")
	if !present {
		return Snapshots{}
	}
	s := Snapshots{Wanted: true, Enabled: b.boolean("enabled", true), KeepFor: b.duration("keep_for", 7*24*time.Hour), Range: b.rng}
	s.Keep, _ = b.integer("keep", 8, 1, 1000)
	s.Copies, _ = b.integer("copies", 1, 0, 100)
	var err error
	text := b.str("schedule", defaultSchedule)
	if s.Schedule, err = ParseCalendar(text); err != nil {
		b.errorf("schedule", "Wrong schedule", "%s is not a calendar expression of systemd: %s. Write one such as %q, \"hourly\", \"daily\" or \"Mon..Fri 03:00\"; times are in UTC.",
			show(text), strings.ReplaceAll(err.Error(), "\n", "; "), defaultSchedule)
	}
	return s
}

// checkSnapshots finds copies that there is no site for.
func (d *decoder) checkSnapshots(c *Cluster) {
	s := c.Etcd.Snapshots
	others := -1
	for _, site := range c.Sites {
		if c.snapshotHost(site) != nil {
			others++
		}
	}
	if s.Copies > 1 && s.Copies > others && s.Wanted {
		d.warnf(s.Range, c.Etcd.Range, "More copies than sites", "Each snapshot of etcd is to go to %d other sites, and cluster %s has %s with hosts. Write copies = %d.",
			s.Copies, c.Name, sites(max(others, 0)), max(others, 0))
	}
}

func sites(n int) string {
	if n == 1 {
		return "1 other site"
	}
	return fmt.Sprintf("%d other sites", n)
}

// snapshotHost is the host of a site that takes copies: a member, else a control plane, else a worker, the first by name. nil when the site has none of them.
func (c *Cluster) snapshotHost(site *Site) *Host {
	for _, role := range []Role{RoleEtcd, RoleControlPlane, RoleWorker} {
		for _, h := range c.HostsWith(role) { // in name order
			if h.Site() == site {
				return h
			}
		}
	}
	return nil
}

// SnapshotCopies lists the hosts that get copies of a member's snapshots: one in each of as many other sites as there are to be copies. Those of other regions come first, and the
// members' sites begin at different ones, so that copies spread.
func (c *Cluster) SnapshotCopies(member *Host) []*Host {
	if !c.Etcd.Snapshots.Wanted || !member.Has(RoleEtcd) {
		return nil
	}
	own := slices.Index(c.Sites, member.Site())
	var others []*Site
	for i := range c.Sites {
		site := c.Sites[(own+i)%len(c.Sites)]
		if site != member.Site() && c.snapshotHost(site) != nil {
			others = append(others, site)
		}
	}
	slices.SortStableFunc(others, func(a, b *Site) int { return cmp.Compare(same(a, member), same(b, member)) })
	var out []*Host
	for _, site := range others[:min(len(others), c.Etcd.Snapshots.Copies)] {
		out = append(out, c.snapshotHost(site))
	}
	return out
}

func same(s *Site, h *Host) int {
	if s.Region == h.Site().Region {
		return 1
	}
	return 0
}

// SnapshotSources lists the members of which a host gets copies.
func (c *Cluster) SnapshotSources(receiver *Host) []*Host {
	var out []*Host
	for _, m := range c.HostsWith(RoleEtcd) {
		if slices.Contains(c.SnapshotCopies(m), receiver) {
			out = append(out, m)
		}
	}
	return out
}

// KeepsSnapshots reports whether a host has a folder of snapshots: of its own member, or of others.
func (c *Cluster) KeepsSnapshots(h *Host) bool {
	return c.Etcd.Snapshots.Wanted && (h.Has(RoleEtcd) || len(c.SnapshotSources(h)) > 0)
}
