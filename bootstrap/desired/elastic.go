package desired

import (
	"slices"

	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// Elastic lists the workers that were joined without the topology, as hosts of it. One whose name the topology has given to another host is left out: plan.Refuse tells.
func Elastic(inv *inventory.Inventory, c *topology.Cluster) []*topology.Host {
	var out []*topology.Host
	for _, rec := range inv.ElasticHosts() {
		if !slices.ContainsFunc(slices.Concat(c.Hosts, c.Surge), func(h *topology.Host) bool { return h.Name == rec.Name }) {
			out = append(out, rec.Rejoin(c.Sites))
		}
	}
	return out
}
