package inventory_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/trivet-dev/trivet/bootstrap/inventory"
)

var full = &inventory.Inventory{
	Format: inventory.Format, Generation: 3, Cluster: "main", ClusterID: "id", Kubernetes: "1.37.2",
	PodCIDR: netip.MustParsePrefix("10.128.0.0/12"), NodePrefix: 24, ServiceCIDR: netip.MustParsePrefix("10.96.0.0/16"),
	ServiceAccountIssuer: "https://kubernetes.default.svc.cluster.local", Domain: "cluster.local", Initialised: true,
	Hosts: []inventory.Host{
		{Name: "cp1", Address: netip.MustParseAddr("10.11.1.11"), MachineID: "m1", Region: "r", Site: "s1", Roles: []string{"control-plane", "etcd"}, PodCIDR: netip.MustParsePrefix("10.128.0.0/24")},
		{Name: "db1", Address: netip.MustParseAddr("10.11.1.12"), HostKey: "ssh-ed25519 AAAA", MachineID: "m2", Region: "r", Site: "s1", Roles: []string{"etcd"}},
	},
	Public: inventory.Public{Authorities: map[string]string{"etcd": "PEM"}, ServiceAccountKeys: "PEM", Versions: map[string]string{"encryption": "v1+key-1"}},
}

func TestRoundTrip(t *testing.T) {
	b, err := full.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	got, err := inventory.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(full, got, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if strings.Contains(string(b), `"podCIDR": ""`) {
		t.Error("a host without pods has an empty range")
	}
}

func TestParseRefuses(t *testing.T) {
	for name, c := range map[string]struct{ document, want string }{
		"not JSON":         {"\x00", "cannot be read"},
		"empty":            {"", "cannot be read"},
		"torn":             {`{"format": 1, "hosts": [`, "cannot be read"},
		"not an address":   {`{"format": 1, "hosts": [{"address": "10.0.0.256"}]}`, "cannot be read"},
		"no format":        {`{}`, "format 0"},
		"a newer trivet's": {`{"format": 2, "cluster": "main"}`, "format 2, this trivet knows format 1"},
	} {
		if _, err := inventory.Parse([]byte(c.document)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestHost(t *testing.T) {
	if h := full.Host("db1"); h != &full.Hosts[1] {
		t.Errorf("db1 is %+v", h)
	}
	if h := full.Host("nobody"); h != nil {
		t.Errorf("nobody is %+v", h)
	}
	if (inventory.Public{}).Known() || !full.Public.Known() {
		t.Error("an identity is known once there are authorities")
	}
}

func FuzzParse(f *testing.F) {
	b, err := full.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"format":1,"podCIDR":"10.0.0.0/33"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		inv, err := inventory.Parse(b)
		if err != nil {
			return
		}
		again, err := inv.Marshal()
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if _, err := inventory.Parse(again); err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
	})
}

func TestNewer(t *testing.T) {
	at := func(epoch, generation uint64) *inventory.Inventory {
		return &inventory.Inventory{Epoch: epoch, Generation: generation}
	}
	for _, c := range []struct {
		a, b *inventory.Inventory
		want bool
	}{
		{at(2, 3), at(2, 3), false}, {at(2, 4), at(2, 3), true}, {at(3, 3), at(2, 9), true}, {at(2, 9), at(3, 3), false}, {at(1, 1), at(0, 7), true},
	} {
		if got := c.a.Newer(c.b); got != c.want {
			t.Errorf("epoch %d, generation %d is newer than epoch %d, generation %d: %t", c.a.Epoch, c.a.Generation, c.b.Epoch, c.b.Generation, got)
		}
	}
}

// TestComplete: a record that says nothing of its bring-up was written by a build that did not, and counts as complete once etcd has formed.
func TestComplete(t *testing.T) {
	for document, want := range map[string]bool{
		`{"format": 1, "initialised": false}`:                     false,
		`{"format": 1, "initialised": false, "bringingUp": true}`: false,
		`{"format": 1, "initialised": true, "bringingUp": true}`:  false,
		`{"format": 1, "initialised": true}`:                      true,
	} {
		inv, err := inventory.Parse([]byte(document))
		if err != nil {
			t.Fatal(err)
		}
		if got := inv.Complete(); got != want {
			t.Errorf("%s: complete is %t", document, got)
		}
	}
}
