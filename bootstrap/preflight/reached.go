package preflight

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// tried is a way with what came of it.
type tried struct {
	way
	hostapi.Reached
}

func (t tried) pair() string { return t.from.Name + " → " + t.to.Name }

// ways judges the attempts.
func (c *checker) ways() {
	var all []tried
	ways := c.waysTo()
	for _, from := range sortedKeys(ways) {
		p := c.Probes[from]
		if p == nil {
			continue
		}
		for i, w := range ways[from] {
			if i < len(p.Reached) {
				all = append(all, tried{w, p.Reached[i]})
			}
		}
	}
	c.report.Ways = len(all)
	rest := c.cutOff(all)
	rest = c.silentHosts(rest)
	c.sitesNotReached(all, c.hostsNotReached(rest))
	c.packets(all)
	c.timing(all)
}

// lostWith groups attempts and returns the groups of which none arrived: several, on more than one port, that all ended in the same way.
func lostWith[K comparable](all []tried, key func(tried) (K, bool)) map[K][]tried {
	groups := map[K][]tried{}
	for _, t := range all {
		if k, ok := key(t); ok {
			groups[k] = append(groups[k], t)
		}
	}
	for k, g := range groups {
		differ := func(t tried) bool { return t.State != g[0].State || t.State == hostapi.ReachOK }
		if slices.ContainsFunc(g, differ) || !slices.ContainsFunc(g, func(t tried) bool { return t.use != g[0].use }) {
			delete(groups, k)
		}
	}
	return groups
}

// without leaves out the attempts of groups that were told of.
func without[K comparable](all []tried, told map[K][]tried, key func(tried) (K, bool)) []tried {
	return slices.DeleteFunc(slices.Clone(all), func(t tried) bool {
		k, ok := key(t)
		return ok && told[k] != nil
	})
}

// cutOff tells of sites between which nothing arrives at all, and returns the other attempts.
func (c *checker) cutOff(all []tried) []tried {
	between := func(t tried) ([2]string, bool) {
		a, b := t.from.Site().Name, t.to.Site().Name
		return [2]string{min(a, b), max(a, b)}, a != b
	}
	lost := lostWith(all, between)
	for _, k := range slices.SortedFunc(maps.Keys(lost), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		g := lost[k]
		c.add(CheckNetwork, Error, "", fmt.Sprintf("nothing arrives between site %s and site %s in %d attempts: %s", k[0], k[1], len(g), said(g[0].Reached)),
			fmt.Sprintf("see to a route between them, and allow %s both ways", strings.Join(ports(g), ", ")))
	}
	return without(all, lost, between)
}

// silentHosts tells of hosts at which nothing arrives at all, and returns the other attempts.
func (c *checker) silentHosts(all []tried) []tried {
	target := func(t tried) (string, bool) { return t.to.Name, true }
	lost := lostWith(all, target)
	if len(lost) > someHosts {
		return all
	}
	for _, name := range sortedKeys(lost) {
		g := lost[name]
		var from []string
		for _, t := range g {
			if !slices.Contains(from, t.from.Name) {
				from = append(from, t.from.Name)
			}
		}
		c.add(CheckNetwork, Error, name, fmt.Sprintf("nothing arrives from %s on %s: %s", desired.Few(from), strings.Join(ports(g), ", "), said(g[0].Reached)),
			fmt.Sprintf("see to a route to %s, and to a firewall on the host or on the way", g[0].to.Address))
	}
	return without(all, lost, target)
}

// ports lists the ports of attempts.
func ports(all []tried) []string {
	var out []string
	for _, t := range all {
		if !slices.Contains(out, t.port()) {
			out = append(out, t.port())
		}
	}
	slices.Sort(out)
	return out
}

// someHosts is up to how many hosts are told of one by one: where there are more, something between them is more likely.
const someHosts = 8

// hostsNotReached tells of hosts that nobody reaches on a port, and returns the other failures.
func (c *checker) hostsNotReached(all []tried) (rest []tried) {
	type port struct {
		to  *topology.Host
		use string
	}
	by := map[port][]tried{}
	for _, t := range all {
		by[port{t.to, t.use}] = append(by[port{t.to, t.use}], t)
	}
	lost := map[port]bool{}
	perUse, targets := map[string]int{}, map[string]int{}
	for p, ts := range by {
		targets[p.use]++
		if len(ts) > 1 && !slices.ContainsFunc(ts, func(t tried) bool { return t.State != ts[0].State || t.State == hostapi.ReachOK }) {
			lost[p] = true
			perUse[p.use]++
		}
	}
	told := map[port]bool{}
	for _, t := range all {
		p := port{t.to, t.use}
		switch {
		case t.State == hostapi.ReachOK:
		case !lost[p] || perUse[t.use] > someHosts || perUse[t.use] > 1 && perUse[t.use] == targets[t.use]:
			rest = append(rest, t)
		case !told[p]:
			told[p] = true
			var from []string
			for _, x := range by[p] {
				from = append(from, x.from.Name)
			}
			c.add(CheckNetwork, Error, t.to.Name, fmt.Sprintf("port %s is not reached from %s: %s (%s)", t.port(), desired.Few(from), said(t.Reached), t.use), c.way(t, ""))
		}
	}
	return rest
}

// sitesNotReached sums up failures between two sites.
func (c *checker) sitesNotReached(all, failed []tried) {
	type between struct {
		from, to *topology.Site
		use      string
		state    hostapi.ReachState
	}
	groups, order := map[between][]tried{}, []between(nil)
	for _, t := range failed {
		b := between{t.from.Site(), t.to.Site(), t.use, t.State}
		if groups[b] == nil {
			order = append(order, b)
		}
		groups[b] = append(groups[b], t)
	}
	for _, b := range order {
		g := groups[b]
		first := g[0]
		if len(g) == 1 {
			c.report.Findings = append(c.report.Findings, Finding{Check: CheckNetwork, Severity: Error, Host: first.from.Name, Peer: first.to.Name,
				Message: fmt.Sprintf("port %s is not reached: %s (%s)", first.port(), said(first.Reached), b.use), Remedy: c.way(first, first.from.Name)})
			continue
		}
		total := 0
		for _, t := range all {
			if t.from.Site() == b.from && t.to.Site() == b.to && t.use == b.use {
				total++
			}
		}
		var pairs []string
		for _, t := range g {
			pairs = append(pairs, t.pair())
		}
		c.add(CheckNetwork, Error, "", fmt.Sprintf("port %s is not reached %s in %d of %d attempts: %s (%s; %s)", first.port(), sites(b.from, b.to), len(g), total, said(first.Reached), b.use, desired.Few(pairs)),
			c.way(first, "the hosts of "+b.from.Name))
	}
}

func (w way) port() string { return fmt.Sprintf("%d/%s", w.target.Address.Port(), w.target.Network) }

func sites(from, to *topology.Site) string {
	if from == to {
		return "inside site " + from.Name
	}
	return fmt.Sprintf("from site %s to site %s", from.Name, to.Name)
}

// said words how an attempt ended.
func said(r hostapi.Reached) string {
	switch r.State {
	case hostapi.ReachRefused:
		return "refused"
	case hostapi.ReachTimeout:
		return "no answer"
	case hostapi.ReachUnreachable:
		return "unreachable"
	case hostapi.ReachForeign:
		return "something else answers"
	}
	return r.Error
}

// way words what to do about a way that is not open; an empty from stands for every other host.
func (c *checker) way(t tried, from string) string {
	allow := fmt.Sprintf("allow %s from %s to %s", t.port(), from, t.to.Name)
	switch {
	case from == "":
		allow = fmt.Sprintf("allow %s to %s from the other hosts", t.port(), t.to.Name)
	case t.from.Site() != t.to.Site():
		allow = fmt.Sprintf("allow %s from site %s to site %s", t.port(), t.from.Site().Name, t.to.Site().Name)
	}
	switch t.State {
	case hostapi.ReachRefused:
		return allow + ": a firewall rejects it, on the host or on the way"
	case hostapi.ReachTimeout:
		return allow + ": a firewall drops it, on the host or on the way, or there is no route back"
	case hostapi.ReachUnreachable:
		return fmt.Sprintf("see to a route to %s (ip route get %s), and to a firewall that rejects packets", t.to.Address, t.to.Address)
	case hostapi.ReachForeign:
		return fmt.Sprintf("find what answers in its place: a proxy or an address translation on the way, or another machine with the address %s", t.to.Address)
	}
	return "mend what the message says, and try again"
}

// packets tells of ways that are too narrow for the pod network.
func (c *checker) packets(all []tried) {
	type between struct{ from, to *topology.Site }
	narrow, order := map[between][]tried{}, []between(nil)
	smallest := 0
	for _, t := range all {
		if t.State != hostapi.ReachOK || t.target.PacketSize == 0 || t.PacketSize >= t.target.PacketSize {
			continue
		}
		b := between{t.from.Site(), t.to.Site()}
		if narrow[b] == nil {
			order = append(order, b)
		}
		narrow[b] = append(narrow[b], t)
		if t.PacketSize > 0 && (smallest == 0 || t.PacketSize < smallest) {
			smallest = t.PacketSize
		}
	}
	for _, b := range order {
		g := narrow[b]
		worst := slices.MinFunc(g, func(a, b tried) int { return cmp.Compare(a.PacketSize, b.PacketSize) })
		f := Finding{Check: CheckMTU, Severity: Error}
		if len(g) == 1 {
			f.Host, f.Peer = worst.from.Name, worst.to.Name
		}
		if worst.PacketSize == 0 {
			f.Message = fmt.Sprintf("packets that may not be cut into fragments do not arrive %s, however small (%s)", sites(b.from, b.to), worst.pair())
			f.Remedy = "find what drops packets with the don't-fragment bit on the way"
		} else {
			f.Message = fmt.Sprintf("packets of %d bytes do not arrive %s, the largest that do have %d (%s): what pods send would vanish", worst.target.PacketSize, sites(b.from, b.to), worst.PacketSize, worst.pair())
			f.Remedy = fmt.Sprintf("set mtu = %d in the network block, or have the way carry %d bytes", smallest-desired.VXLANOverhead, worst.target.PacketSize)
		}
		c.report.Findings = append(c.report.Findings, f)
	}
}
