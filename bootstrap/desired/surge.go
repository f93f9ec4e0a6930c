package desired

import (
	"cmp"
	"slices"

	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// Surge lists the surge hosts that a cluster may have now: all of them while a change of release is asked for or under way, and none otherwise. A paused one takes in no further ones.
func Surge(inv *inventory.Inventory, c *topology.Cluster) []*topology.Host {
	if inv == nil || !inv.Initialised || (inv.From == "" && inv.Kubernetes == c.Kubernetes) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(c.Surge), func(h *topology.Host) bool { return c.Upgrade.Paused && inv.Host(h.Name) == nil })
}

// Members is the cluster that there is to be now: the topology's, with those of its surge hosts that have come already or could, and with the elastic workers. All else is worked out
// from it, so that such a host is one like others while it is there; after an upgrade the inventory has a surge host that the cluster is not to have, which leaves as any other does.
func Members(inv *inventory.Inventory, c *topology.Cluster, answers func(*topology.Host) bool) *topology.Cluster {
	come := slices.DeleteFunc(Surge(inv, c), func(h *topology.Host) bool { return inv.Host(h.Name) == nil && !answers(h) })
	come = append(come, Elastic(inv, c)...)
	if len(come) == 0 {
		return c
	}
	out := *c
	out.Hosts = slices.Concat(c.Hosts, come)
	slices.SortStableFunc(out.Hosts, func(a, b *topology.Host) int { return cmp.Compare(a.Name, b.Name) })
	return &out
}
