package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/plan"
)

// TestWindows wants as many nodes of each group to change at once as the topology says, by number and by percentage, whatever the group is, and none where those that are away use that up.
func TestWindows(t *testing.T) {
	s := fleettest.Settings{Kubernetes: "1.36.3", Hosts: []fleettest.Host{{Name: "cp1", Site: "s1", Roles: []string{"control-plane", "etcd"}}}}
	for i := range 7 { // w1 to w4 in the first site, w1 and w2 in a rack of their own; w1 to w5 in a pool
		s.Hosts = append(s.Hosts, fleettest.Host{Name: fmt.Sprintf("w%d", i+1), Site: []string{"s1", "s2"}[i/4], Roles: []string{"worker"}})
	}
	const pool, rest = "of the 5 nodes of the product line search", "of the 2 nodes of the hosts without a product line"
	for _, c := range []struct {
		name, upgrade string
		limits        map[string]int
		away          string
		skipped       string // why the others of its group are
	}{
		{"number, of the cluster", "max_unavailable = 3", map[string]int{"": 3}, "", ""},
		{"percentage, rounded down", "max_unavailable = \"50%\"", map[string]int{"": 3}, "", ""},
		{"percentage, at least one", "max_unavailable = \"1%\"", map[string]int{"": 1}, "", ""},
		{"site", "max_unavailable = \"50%\"\nper = \"site\"", map[string]int{"s1": 2, "s2": 1}, "", ""},
		{"rack", "max_unavailable = \"50%\"\nper = \"rack\"", map[string]int{"s1/1/a": 1, "s1/1/own": 1, "s2/1/a": 1}, "", ""},
		{"number, rack", "max_unavailable = 2\nper = \"rack\"", map[string]int{"s1/1/a": 2, "s1/1/own": 2, "s2/1/a": 2}, "", ""},
		{"pool", "max_unavailable = \"40%\"\nper = \"product_line\"", map[string]int{"search": 2, "": 1}, "", ""},
		{"pool, one away", "max_unavailable = 2\nper = \"product_line\"", map[string]int{"search": 1, "": 2}, "w1", ""},
		{"pool, used up", "max_unavailable = \"20%\"\nper = \"product_line\"", map[string]int{"": 1}, "w1", pool + " 1 may be away (max_unavailable = 20%), and 1 is: w1"},
		{"another pool, used up", "max_unavailable = 1\nper = \"product_line\"", map[string]int{"search": 1}, "w7", rest + " 1 may be away (max_unavailable = 1), and 1 is: w7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := s
			s.Cluster = "  upgrade {\n" + c.upgrade + "\n  }"
			w := newWorld(t, s)
			w.settle()
			s.Kubernetes = "1.37.2"
			if err := w.fleet.Change(s); err != nil {
				t.Fatal(err)
			}
			delete(w.seen, c.away)
			in := w.input()
			in.Away = map[string]string{c.away: "no route to host"}
			for _, h := range in.Cluster.Hosts {
				if slices.Contains([]string{"w1", "w2"}, h.Name) {
					own := *h.Rack
					own.Name, h.Rack = "own", &own
				}
				if !slices.Contains([]string{"cp1", "w6", "w7"}, h.Name) {
					h.ProductLine = "search"
				}
			}
			p, err := plan.Make(in)
			if err != nil {
				t.Fatal(err)
			}
			same(t, "limits", c.limits, phaseOf(p, "nodes").Limits)
			told := 0
			for _, k := range p.Skipped {
				if k.Host != c.away && c.skipped != "" && strings.Contains(k.Reason, c.skipped) {
					told++
				}
			}
			if steps := len(phaseOf(p, "nodes").Steps); steps+len(p.Skipped) != 7 || (told > 0) != (c.skipped != "") {
				t.Errorf("%d nodes change, %d of the others are skipped for the sum: %+v", steps, told, p.Skipped)
			}
		})
	}
}
