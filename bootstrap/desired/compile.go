package desired

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/artifact"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Compile computes the desired state. It reports everything that is wrong at once.
func Compile(in Input) (*Cluster, error) {
	if err := check(in); err != nil {
		return nil, err
	}
	store, shared := index(in.Artifacts), overlays{}
	out := &Cluster{}
	var problems []error
	for _, h := range sortedHosts(in.Cluster) {
		facts, reached := in.Facts[h.Name]
		if !reached {
			continue
		}
		b := newBuilder(&in, store, shared, h, facts)
		b.build()
		if err := b.err(); err != nil {
			problems = append(problems, err)
			continue
		}
		out.Hosts = append(out.Hosts, &Host{Name: h.Name, Items: b.items})
	}
	objects, err := objects(&in)
	if err != nil {
		problems = append(problems, err)
	}
	out.Objects, out.Manifests = objects, Manifests(in.Cluster)
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return out, nil
}

// Wants lists the artifacts that the hosts need whose facts are known, each once, sorted.
func Wants(c *topology.Cluster, r *release.Release, facts map[string]hostapi.Facts, verify bool) []artifact.Want {
	var out []artifact.Want
	for _, h := range c.Hosts {
		if f, ok := facts[h.Name]; ok {
			out = append(out, r.Wants(need(c, h, f.Architecture, verify))...)
			if c.KeepsSnapshots(h) {
				out = append(out, artifact.Want{Name: SnapshotProgram, Arch: f.Architecture, Kind: artifact.Binary})
			}
		}
	}
	slices.SortFunc(out, artifact.Want.Compare)
	return slices.Compact(out)
}

func need(c *topology.Cluster, h *topology.Host, arch string, verify bool) release.Need {
	n := release.Need{Arch: arch, Roles: h.Roles, Plugin: c.Network.Plugin, ProxyMode: c.Network.ProxyMode, Verify: verify}
	for _, img := range c.Images {
		n.Images = append(n.Images, img.Reference)
	}
	return n
}

func sortedHosts(c *topology.Cluster) []*topology.Host {
	hosts := slices.Clone(c.Hosts)
	slices.SortFunc(hosts, func(a, b *topology.Host) int { return strings.Compare(a.Name, b.Name) })
	return hosts
}

// check refuses what no host can be compiled from.
func check(in Input) error {
	c := in.Cluster
	var problems []error
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	for _, h := range sortedHosts(c) {
		f, reached := in.Facts[h.Name]
		if !reached {
			continue
		}
		switch rec := in.Inventory.Host(h.Name); {
		case rec == nil:
			add("host %s is not in the inventory: allot it first", h.Name)
		case h.IsNode() && !rec.PodCIDR.IsValid():
			add("host %s has no pod range in the inventory: allot it first", h.Name)
		}
		if f.Architecture != "amd64" && f.Architecture != "arm64" {
			add("host %s is a %s machine: Trivet runs Kubernetes on amd64 and arm64", h.Name, f.Architecture)
		}
		if h.IsNode() && c.Network.ProxyMode == release.ModeNFTables && KernelBelow(f.Kernel, NFTablesKernel) {
			add("host %s runs kernel %s, and kube-proxy's nftables mode needs %s: upgrade it, or set proxy_mode = \"iptables\" in the network block%s", h.Name, f.Kernel, NFTablesKernel, topology.Aside(c.Network.Range))
		}
	}
	switch c.Network.Plugin {
	case release.PluginFlannel:
	case release.PluginBridge:
		if err := oneRack(c); err != nil {
			problems = append(problems, err)
		}
	default:
		add("%s: there is no network plugin %q: it is flannel or bridge", topology.Place(c.Network.Range), c.Network.Plugin)
	}
	for _, comp := range c.Components {
		for _, e := range in.Release.CheckSettings(comp.Name, comp.Settings) {
			where := comp.Range
			if len(e.Path) > 0 {
				if r, ok := comp.SettingsRange[e.Path[0]]; ok {
					where = r
				}
			}
			add("%s: component %s: %s: %s", topology.Place(where), comp.Name, e.Summary, e.Detail)
		}
	}
	return errors.Join(problems...)
}

// oneRack refuses static routes between hosts that are not neighbours: a route's next hop must be on the link.
func oneRack(c *topology.Cluster) error {
	if c.Network.Routes == "external" {
		return nil
	}
	nodes := c.Nodes()
	for _, h := range nodes {
		if first := nodes[0]; h.Rack != first.Rack && (h.Rack.CIDR != first.Rack.CIDR || !h.Rack.CIDR.IsValid()) {
			return fmt.Errorf("%s: the bridge plugin with static routes serves one layer-2 domain, and hosts %s (%s) and %s (%s) are in different ones: set routes = \"external\" and give your routers the routes, or plugin = \"flannel\"",
				topology.Place(c.Network.Range), first.Name, first.Rack.Where(), h.Name, h.Rack.Where())
		}
	}
	return nil
}

// NFTablesKernel is the oldest kernel for kube-proxy's nftables mode.
const NFTablesKernel = "5.13"

// KernelBelow compares "6.1.0-18-amd64" with "5.13". What cannot be read is taken as new enough.
func KernelBelow(kernel, least string) bool {
	have, ok := release.ReadVersion(kernel)
	want, _ := release.ReadVersion(least)
	return ok && have.Minor().Compare(want) < 0
}
