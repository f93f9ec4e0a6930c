package verify

import (
	"fmt"
	"slices"
	"strings"
)

// blame finds the hosts that explain why connections between nodes fail: those of whose connections none works, while the others reach each other. Their names go
// into the remedies. When most hosts fail alike, nobody is blamed: what they have in common may be anything.
func (r *Report) blame(plugin string) {
	var between []*Check
	for i := range r.Checks {
		c := &r.Checks[i]
		if (c.Name == CheckNodeToPod || c.Name == CheckPodToPod) && c.Host != c.Peer {
			between = append(between, c)
		}
	}
	nodes := make(map[string]bool)
	for _, c := range between {
		nodes[c.Host], nodes[c.Peer] = true, true
	}
	guilty := suspects(between)
	if len(guilty) == 0 || 2*len(guilty) >= len(nodes) {
		return
	}
	for _, c := range between {
		for _, host := range []string{c.Host, c.Peer} {
			if !c.OK && slices.Contains(guilty, host) {
				c.Remedy = pathRemedy(plugin, host)
				break
			}
		}
	}
	for i := range r.Checks {
		// A Service leads to the pods of any node, and names are asked of pods too.
		if c := &r.Checks[i]; !c.OK && slices.Contains([]string{CheckDNS, CheckFromPod, CheckFromHost}, c.Name) {
			c.Remedy = fmt.Sprintf("mend the pod network of %s first, which may be all that is wrong; else %s", strings.Join(guilty, ", "), c.Remedy)
		}
	}
}

// suspects takes the host with the most failures aside, as long as nothing to or from it works, until no failure is left. When that does not come about, there are
// none.
func suspects(checks []*Check) []string {
	var out []string
	for {
		failed, total := make(map[string]int), make(map[string]int)
		worst := ""
		for _, c := range checks {
			for _, host := range []string{c.Host, c.Peer} {
				total[host]++
				if c.OK {
					continue
				}
				failed[host]++
				if worst == "" || failed[host] > failed[worst] || failed[host] == failed[worst] && host < worst {
					worst = host
				}
			}
		}
		if worst == "" {
			return out
		}
		if failed[worst] < total[worst] {
			return nil
		}
		out = append(out, worst)
		checks = slices.DeleteFunc(slices.Clone(checks), func(c *Check) bool { return c.Host == worst || c.Peer == worst })
	}
}

// pathRemedy tells what to do about a host whose pods reach no other host's.
func pathRemedy(plugin, host string) string {
	if plugin == "flannel" {
		return fmt.Sprintf("no connection of %s with another node's pods works, and the others reach each other: look at its routes by ip route show dev flannel.1, which must have "+
			"one for each other node; where they are missing, systemctl restart flanneld on %s makes them again; where they are there, see whether UDP port 8472 passes to and from it", host, host)
	}
	return fmt.Sprintf("no connection of %s with another node's pods works, and the others reach each other: look at ip route on %s, and at the router next to it: each other "+
		"node's pod range must lead to its host, and its own to it", host, host)
}
