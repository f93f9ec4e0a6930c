package inventory_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap/inventory"
)

// TestElect counts sets of control planes while they change, and the last one alone afterwards.
func TestElect(t *testing.T) {
	inv := &inventory.Inventory{}
	hosts := func(names ...string) {
		inv.Hosts = nil
		for _, n := range names {
			inv.Hosts = append(inv.Hosts, inventory.Host{Name: n, Roles: []string{"control-plane"}})
		}
	}
	want := func(what string, sets ...[]string) {
		t.Helper()
		if d := cmp.Diff(sets, inv.Voters()); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
	}
	old, next := []string{"a", "b", "c"}, []string{"a", "d", "e"}
	hosts(old...)
	inv.Elect(old)
	want("as it was", old)
	if inv.Electorates != nil {
		t.Errorf("written down without need: %v", inv.Electorates)
	}
	inv.Elect(next) // before its hosts are there
	want("changing", old, next)
	inv.Elect(old)
	want("taken back", next, old)
	inv.Elect(next)
	hosts("a", "b", "c", "d", "e")
	want("changing again", old, next)
	inv.HandOver()
	want("handed over, and b and c are still there", next)
	inv.Elect(next)
	want("the same again", next)
	hosts(next...)
	inv.HandOver()
	want("they have left", next)
	if inv.Electorates != nil {
		t.Errorf("written down without need: %v", inv.Electorates)
	}
}
