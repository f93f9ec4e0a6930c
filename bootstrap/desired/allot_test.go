package desired_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

var comparePrefixes = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

func ranges(inv *inventory.Inventory) map[string]string {
	out := map[string]string{}
	for _, h := range inv.Hosts {
		if h.PodCIDR.IsValid() {
			out[h.Name] = h.PodCIDR.String()
		}
	}
	return out
}

func allot(t *testing.T, inv *inventory.Inventory, f *fixture) *inventory.Inventory {
	t.Helper()
	out, err := desired.Allot(inv, f.cluster, f.facts)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAllotFirst(t *testing.T) {
	f := bridge(t, "1.37.2")
	inv := allot(t, nil, f)
	if diff := cmp.Diff(map[string]string{"cp": "10.128.0.0/24", "w1": "10.128.1.0/24", "w2": "10.128.2.0/24"}, ranges(inv)); diff != "" {
		t.Errorf("an etcd member alone has no pods: %s", diff)
	}
	want := inventory.Host{
		Name: "cp", Address: netip.MustParseAddr("10.5.0.10"), MachineID: f.facts["cp"].MachineID, Region: "north", Site: "n1",
		Roles: []string{"control-plane"}, PodCIDR: netip.MustParsePrefix("10.128.0.0/24"),
	}
	if diff := cmp.Diff(want, *inv.Host("cp"), comparePrefixes, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	if inv.Generation != 0 || inv.Initialised || !inv.BringingUp || inv.ClusterID != "" || inv.Format != inventory.Format {
		t.Errorf("inventory %+v", inv)
	}
}

func TestAllotKeepsWhatIsThere(t *testing.T) {
	f := bridge(t, "1.37.2")
	first := allot(t, nil, f)
	first.Generation, first.Initialised, first.ClusterID = 5, true, "id"
	if again := allot(t, first, f); !desired.EqualInventory(first, again) || again.Generation != 5 {
		t.Error("allotting again changed something")
	}
	for _, c := range []struct{ initialised, before, after bool }{{false, false, true}, {true, true, true}, {true, false, false}} {
		marked := *first
		marked.Initialised, marked.BringingUp = c.initialised, c.before
		if got := allot(t, &marked, f).BringingUp; got != c.after {
			t.Errorf("of a record with %+v the mark is %t", c, got)
		}
	}

	// A host leaves, a host comes, and one moves.
	rack := f.cluster.Hosts[0].Rack
	f.cluster.Hosts = slices.DeleteFunc(f.cluster.Hosts, func(h *topology.Host) bool { return h.Name == "w1" })
	f.host(rack, "a-new", "10.5.0.99", worker)
	f.cluster.Hosts[f.index("w2")].Address = netip.MustParseAddr("10.5.0.77")
	f.cluster.Hosts[f.index("w2")].HostKey = "ssh-ed25519 AAAA"
	f.fact("w2", func(x *hostapi.Facts) { x.MachineID = "another" })
	before, err := first.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	second := allot(t, first, f)
	want := map[string]string{"a-new": "10.128.3.0/24", "cp": "10.128.0.0/24", "w1": "10.128.1.0/24", "w2": "10.128.2.0/24"}
	if diff := cmp.Diff(want, ranges(second)); diff != "" {
		t.Error(diff)
	}
	w2 := second.Host("w2")
	if w2.Address.String() != "10.5.0.77" || w2.MachineID != "another" || w2.HostKey != "ssh-ed25519 AAAA" {
		t.Errorf("w2 is %+v", w2)
	}
	if second.Generation != 5 || !second.Initialised || desired.EqualInventory(first, second) {
		t.Errorf("generation %d, initialised %t", second.Generation, second.Initialised)
	}
	after, err := first.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(before), string(after)); diff != "" {
		t.Errorf("the inventory given was changed: %s", diff)
	}

	// Once the one that left is removed, its range is the lowest that is free.
	second.Hosts = slices.DeleteFunc(second.Hosts, func(h inventory.Host) bool { return h.Name == "w1" })
	f.host(rack, "b-new", "10.5.0.98", worker)
	if got := ranges(allot(t, second, f))["b-new"]; got != "10.128.1.0/24" {
		t.Errorf("b-new has %s", got)
	}
}

func TestAllotUnreachableHostKeepsItsMachine(t *testing.T) {
	f := bridge(t, "1.37.2")
	first := allot(t, nil, f)
	id := f.facts["w2"].MachineID
	delete(f.facts, "w2")
	if got := allot(t, first, f).Host("w2").MachineID; got != id {
		t.Errorf("machine id %q, was %q", got, id)
	}

	// What the topology changed of it waits until it answers; one that is new waits altogether, and takes no range.
	f.cluster.Hosts[f.index("w2")].Address = netip.MustParseAddr("10.5.0.77")
	rack := f.cluster.Hosts[0].Rack
	f.host(rack, "a-new", "10.5.0.99", worker)
	delete(f.facts, "a-new")
	second := allot(t, first, f)
	if !desired.EqualInventory(first, second) {
		t.Errorf("absent hosts changed the inventory: %+v", second.Hosts)
	}
	f.host(rack, "b-new", "10.5.0.98", worker)
	if got := ranges(allot(t, second, f)); got["b-new"] != "10.128.3.0/24" || got["a-new"] != "" {
		t.Errorf("ranges %v", got)
	}
	in := f.input()
	in.Inventory = second
	delete(in.Facts, "b-new")
	c, err := desired.Compile(in)
	if err != nil {
		t.Fatal(err)
	}
	var nodes []string
	for _, o := range c.Objects {
		if o.Kind == "Node" {
			nodes = append(nodes, o.Name)
		}
	}
	if diff := cmp.Diff([]string{"cp", "w1", "w2"}, nodes); diff != "" {
		t.Errorf("nodes: %s", diff)
	}
}

// TestAllotEdges takes every range of an odd size to the last.
func TestAllotEdges(t *testing.T) {
	f := newFixture(t, "1.37.2")
	f.cluster.PodCIDR, f.cluster.NodePrefix = netip.MustParsePrefix("10.0.254.0/23"), 26
	rack := f.rack("r", "s", "1", "a", "192.0.2.0/24")
	for i := range 8 {
		f.host(rack, fmt.Sprintf("w%d", i), fmt.Sprintf("192.0.2.%d", 10+i), worker)
	}
	inv := allot(t, nil, f)
	if got := ranges(inv); got["w0"] != "10.0.254.0/26" || got["w3"] != "10.0.254.192/26" || got["w4"] != "10.0.255.0/26" || got["w7"] != "10.0.255.192/26" {
		t.Errorf("ranges %v", got)
	}
	f.host(rack, "w9", "192.0.2.40", worker)
	_, err := desired.Allot(inv, f.cluster, f.facts)
	if err == nil || !strings.Contains(err.Error(), "pod_cidr 10.0.254.0/23 has no /26 left for host w9: all 8 are taken") {
		t.Errorf("error %v", err)
	}
}

func TestAllotAtTheEndOfTheAddressSpace(t *testing.T) {
	f := newFixture(t, "1.37.2")
	f.cluster.PodCIDR, f.cluster.NodePrefix = netip.MustParsePrefix("255.255.254.0/23"), 24
	rack := f.rack("r", "s", "1", "a", "192.0.2.0/24")
	for i := range 3 {
		f.host(rack, fmt.Sprintf("w%d", i), fmt.Sprintf("192.0.2.%d", 10+i), worker)
	}
	if _, err := desired.Allot(nil, f.cluster, f.facts); err == nil || !strings.Contains(err.Error(), "host w2") {
		t.Errorf("error %v", err)
	}
}

func TestAllotRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(f *fixture, inv *inventory.Inventory)
		want   []string
	}{
		{"fixed settings", func(f *fixture, _ *inventory.Inventory) {
			f.cluster.PodCIDR, f.cluster.NodePrefix, f.cluster.DNS.Domain = netip.MustParsePrefix("10.64.0.0/12"), 25, "other"
			f.cluster.ServiceCIDR, f.cluster.API.ServiceAccountIssuer, f.cluster.Name = netip.MustParsePrefix("10.97.0.0/16"), "https://x", "second"
		}, []string{
			`pod_cidr of cluster "second" is 10.128.0.0/12 and cannot change`, "node_prefix", "the dns domain", "service_cidr", "service_account_issuer", "the name",
			"set it back from 10.64.0.0/12",
		}},
		{"clones", func(f *fixture, _ *inventory.Inventory) {
			f.fact("w1", func(x *hostapi.Facts) { x.MachineID = f.facts["cp"].MachineID })
		}, []string{"hosts cp and w1 have the same machine id", "systemd-machine-id-setup"}},
		{"one range twice", func(_ *fixture, inv *inventory.Inventory) { inv.Host("w1").PodCIDR = inv.Host("w2").PodCIDR },
			[]string{"hosts w1 and w2 the same pod range 10.128.2.0/24"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := bridge(t, "1.37.2")
			inv := allot(t, nil, f)
			c.change(f, inv)
			_, err := desired.Allot(inv, f.cluster, f.facts)
			if err == nil {
				t.Fatal("allotted")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
		})
	}
}

func TestEqualInventory(t *testing.T) {
	f := bridge(t, "1.37.2")
	a, b := allot(t, nil, f), allot(t, nil, f)
	b.Generation = 9
	if !desired.EqualInventory(a, b) || b.Generation != 9 {
		t.Error("a generation is no difference")
	}
	b.Host("w1").Site = "other"
	if desired.EqualInventory(a, b) || desired.EqualInventory(a, nil) || !desired.EqualInventory(nil, nil) {
		t.Error("a site is one")
	}
}
