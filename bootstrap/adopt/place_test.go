package adopt_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/trivet-dev/trivet/bootstrap/adopt"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// TestRacks lays racks over more hosts than one takes, and over zones that share a subnet, also one address after the other. What comes out is always a topology.
func TestRacks(t *testing.T) {
	for name, tc := range map[string]struct {
		hosts int
		zone  func(i int) string
		racks func(n int) bool
	}{
		"one rack":          {40, func(int) string { return "a" }, func(n int) bool { return n == 1 }},
		"too many for one":  {200, func(int) string { return "a" }, func(n int) bool { return n >= 5 }},
		"zones in halves":   {200, func(i int) string { return []string{"a", "b"}[i/100] }, func(n int) bool { return n >= 5 }},
		"zones by turns":    {60, func(i int) string { return []string{"a", "b"}[i%2] }, func(n int) bool { return n >= 30 }},
		"a zone in regions": {30, func(int) string { return "a" }, func(n int) bool { return n >= 1 }},
	} {
		t.Run(name, func(t *testing.T) {
			found := &adopt.Found{Address: "10.9.0.1", First: "h0", Hosts: map[string]*adopt.Host{}, ClusterConfig: "clusterName: c\nkubernetesVersion: v1.37.2\nnetworking: {podSubnet: 10.128.0.0/12}\n"}
			for i := range tc.hosts {
				n := corev1.Node{}
				n.Name = fmt.Sprintf("h%d", i)
				n.Labels = map[string]string{"topology.kubernetes.io/zone": tc.zone(i)}
				if name == "a zone in regions" {
					n.Labels["topology.kubernetes.io/region"] = []string{"north", "south"}[i%2]
				}
				n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: fmt.Sprintf("10.9.0.%d", i+1)}}
				if i == 0 {
					n.Labels["node-role.kubernetes.io/control-plane"] = ""
				}
				found.Nodes = append(found.Nodes, n)
				found.Hosts[n.Name] = &adopt.Host{Problem: "away"}
			}
			found.ClusterConfig += "etcd: {external: {endpoints: [https://10.0.0.1:2379]}}\n" // so that the control plane, which is not read, has the role etcd
			d, err := adopt.Describe(found, adopt.Options{AgeRecipients: []string{recipient}, Now: now})
			if err != nil || len(d.Incomplete) > 0 {
				t.Fatalf("%v %v", err, d.Incomplete)
			}
			top, _, diags := topology.Parse(map[string][]byte{"main.hcl": []byte(d.Topology)}, topology.Options{Dir: "/", Releases: release.Known})
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			split := slices.ContainsFunc(d.Report.Findings, func(f adopt.Finding) bool { return strings.Contains(f.What, "the subnet 10.9.0.0/24 is in") })
			if n := len(top.AllRacks()); split != (n > 1) {
				t.Errorf("%d racks, told of: %v", n, split)
			}
			if n := len(top.AllHosts()); n != tc.hosts {
				t.Errorf("%d hosts of %d", n, tc.hosts)
			}
			if n := len(top.AllRacks()); !tc.racks(n) {
				t.Errorf("%d racks", n)
			}
			for _, h := range top.AllHosts() {
				var i int
				if _, err := fmt.Sscanf(h.Name, "h%d", &i); err != nil {
					t.Fatal(err)
				}
				if want := tc.zone(i); h.Site().Name != want && name != "a zone in regions" {
					t.Errorf("%s stands in %s, not %s", h.Name, h.Site().Name, want)
				}
			}
		})
	}
}
