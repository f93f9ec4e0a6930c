package topology

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// Upgrade says how changes that take nodes away for a while go through a cluster: new releases, and settings of what runs on nodes.
type Upgrade struct {
	Paused         bool          // no host begins to change its release
	MaxUnavailable Share         // nodes at once, in each group; none where surge hosts stand in
	Per            Group         // what the share is of
	DrainTimeout   time.Duration // for the pods of one node
	DrainForce     bool          // pods that nothing makes anew are evicted, too
	MaxFailed      Share         // workers that may fail before an apply stops; of the cluster's workers
	Range          hcl.Range
}

// Group is what a share of nodes is counted in.
type Group string

// Groups of nodes.
const (
	PerCluster     Group = "cluster"
	PerSite        Group = "site"
	PerRack        Group = "rack"
	PerProductLine Group = "product_line"
)

// Share is a number of nodes, or a percentage of them.
type Share struct {
	Count   int
	Percent int // of those there are; 0 where Count says how many
}

// Of is how many of n nodes the share is, rounded down.
func (s Share) Of(n int) int {
	if s.Percent > 0 {
		return n * s.Percent / 100
	}
	return s.Count
}

// None says whether the share is of no nodes, however many there are.
func (s Share) None() bool { return s == Share{} }

// String writes the share as the topology does.
func (s Share) String() string {
	if s.Percent > 0 {
		return fmt.Sprintf("%d%%", s.Percent)
	}
	return strconv.Itoa(s.Count)
}

// In is the group that a host is counted in, with a name for the reader.
func (g Group) In(h *Host) (key, name string) {
	site := h.Site().Name
	switch g {
	case PerSite:
		return site, "site " + site
	case PerRack:
		rack := site + "/" + h.Rack.Room.Name + "/" + h.Rack.Name
		return rack, "rack " + rack
	case PerProductLine:
		if h.ProductLine == "" {
			return "", "hosts without a product line"
		}
		return h.ProductLine, "product line " + h.ProductLine
	}
	return "", "cluster"
}

var upgradeBlock = &blockType{
	name:    "upgrade",
	meaning: "How changes that take nodes away for a while go through the cluster: new releases, and settings of what runs on nodes. Control planes change one at a time, whatever this says.",
	attrs: []attribute{
		{name: "paused", kind: "bool", def: "`false`", meaning: "`true`: no further host begins to change its release; one that has begun is finished. Without a change of release it means nothing."},
		{name: "max_unavailable", kind: "number or percentage", def: "`\"10%\"`", meaning: "How many nodes of a group may be away at once, such as `2` or `\"10%\"`; of a percentage at least one. Nodes that are not Ready for other reasons count. While the release changes, each surge host of the group allows one more; `0` is for groups that have some."},
		{name: "per", kind: "string", def: "`\"cluster\"`", words: []string{string(PerCluster), string(PerSite), string(PerRack), string(PerProductLine)}, meaning: "What the group is: `\"cluster\"`, `\"site\"`, `\"rack\"` or `\"product_line\"`, the pool of machines of one team or product."},
		{name: "drain_timeout", kind: "duration", def: "`\"5m\"`", meaning: "How long the pods of a node may take to leave it. PodDisruptionBudgets are respected; after it the apply stops and says what blocks."},
		{name: "drain_force", kind: "bool", def: "`false`", meaning: "Whether pods without a controller are evicted, too. Nothing makes them anew: they are lost. Otherwise they stop the drain of their node before anything is changed."},
		{name: "max_failed", kind: "number or percentage", def: "`0`", meaning: "How many workers may fail before an apply stops. It goes on with the others, names those that failed, and ends with exit code 6."},
	},
}

func (d *decoder) decodeUpgrade(cluster *block, at *clusterPlaces) Upgrade {
	b, _ := cluster.child("upgrade")
	at.unavailable = b.at("max_unavailable")
	return Upgrade{
		Paused:         b.boolean("paused", false),
		MaxUnavailable: b.share("max_unavailable", Share{Percent: 10}),
		Per:            Group(b.oneOf("per", string(PerCluster))),
		DrainTimeout:   b.duration("drain_timeout", 5*time.Minute),
		DrainForce:     b.boolean("drain_force", false),
		MaxFailed:      b.share("max_failed", Share{}),
		Range:          b.rng,
	}
}

// checkUpgrade finds groups of workers that could never change: none of them may be away, and no surge host stands in.
func (d *decoder) checkUpgrade(c *Cluster, at *clusterPlaces) {
	if !c.Upgrade.MaxUnavailable.None() {
		return
	}
	helped, told := map[string]bool{}, map[string]bool{}
	for _, h := range c.Surge {
		key, _ := c.Upgrade.Per.In(h)
		helped[key] = true
	}
	for _, h := range c.HostsWith(RoleWorker) {
		key, name := c.Upgrade.Per.In(h)
		if h.Has(RoleControlPlane) || helped[key] || told[key] {
			continue
		}
		told[key] = true
		d.errorf(at.unavailable, c.Upgrade.Range, "Nothing could ever change", "No worker may be away (max_unavailable = 0), and no surge host stands in for those of the group %q, such as %s. "+
			"Write max_unavailable = 1, or have a host with surge = true there.", name, h.Name)
	}
}

// share reads a number of nodes, or a percentage.
func (b *block) share(name string, otherwise Share) Share {
	s, shown, ok := b.text(name)
	if !ok {
		return otherwise
	}
	text, percent := strings.CutSuffix(s, "%")
	n, err := strconv.Atoi(text)
	switch {
	case err != nil || n < 0:
		b.errorf(name, "Wrong "+name, "%s is neither a number of nodes nor a percentage, such as 2 or \"10%%\".", shown)
	case percent && (n < 1 || n > 100):
		b.errorf(name, "Wrong "+name, "%s is not a percentage from 1%% to 100%%.", shown)
	case percent:
		return Share{Percent: n}
	default:
		return Share{Count: n}
	}
	return otherwise
}
