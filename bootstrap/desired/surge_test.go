package desired_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

func TestMembers(t *testing.T) {
	c := &topology.Cluster{Kubernetes: "1.37.2", Hosts: []*topology.Host{{Name: "cp"}, {Name: "w"}}, Surge: []*topology.Host{{Name: "x1", Surge: true}, {Name: "a2", Surge: true}}}
	with := func(kubernetes, from string, hosts ...string) *inventory.Inventory {
		inv := &inventory.Inventory{Initialised: true, Kubernetes: kubernetes, From: from}
		for _, h := range hosts {
			inv.Hosts = append(inv.Hosts, inventory.Host{Name: h})
		}
		return inv
	}
	begun := with("1.36.3", "")
	begun.Initialised = false
	for _, x := range []struct {
		name    string
		inv     *inventory.Inventory
		answers []string
		paused  bool
		want    []string
	}{
		{"first bring-up", nil, []string{"x1", "a2"}, false, []string{"cp", "w"}},
		{"a first bring-up that is not finished", begun, []string{"x1", "a2"}, false, []string{"cp", "w"}},
		{"no upgrade", with("1.37.2", ""), []string{"x1", "a2"}, false, []string{"cp", "w"}},
		{"over, and one is still there", with("1.37.2", "", "x1"), []string{"x1", "a2"}, false, []string{"cp", "w"}},
		{"asked for", with("1.36.3", ""), []string{"x1", "a2"}, false, []string{"a2", "cp", "w", "x1"}},
		{"asked for, and one does not answer", with("1.36.3", ""), []string{"x1"}, false, []string{"cp", "w", "x1"}},
		{"under way, and one that came does not answer", with("1.37.2", "1.36.3", "a2"), nil, false, []string{"a2", "cp", "w"}},
		{"the way back", with("1.36.3", "1.37.2", "x1"), []string{"x1"}, false, []string{"cp", "w", "x1"}},
		{"paused", with("1.37.2", "1.36.3", "a2"), []string{"a2", "x1"}, true, []string{"a2", "cp", "w"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			c.Upgrade.Paused = x.paused
			var got []string
			for _, h := range desired.Members(x.inv, c, func(h *topology.Host) bool { return slices.Contains(x.answers, h.Name) }).Hosts {
				got = append(got, h.Name)
			}
			if d := cmp.Diff(x.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if len(c.Hosts) != 2 {
				t.Error("the topology was changed")
			}
		})
	}
}
