package door

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/provider/input"
)

// TestDescribed: what an inventory remembers of how hosts are reached is in the attributes that describe its cluster, each at its place.
func TestDescribed(t *testing.T) {
	inv := &inventory.Inventory{
		Cluster: "main", Kubernetes: "1.37.2", PodCIDR: netip.MustParsePrefix("10.128.0.0/12"), ServiceCIDR: netip.MustParsePrefix("10.96.0.0/16"), NodePrefix: 24, Recipients: []string{"age1x"},
		Hosts: []inventory.Host{
			{Name: "cp1", Address: netip.MustParseAddr("10.11.1.11"), Site: "s1", Region: "r", Roles: []string{"etcd", "control-plane"}, HostKey: "ssh-ed25519 AAAA", SSH: inventory.SSH{Address: "cp1.example", Port: 2222, User: "root"}},
			{Name: "w1", Address: netip.MustParseAddr("10.12.1.11"), Site: "s2", Region: "r", Roles: []string{"worker"}},
			{Name: "spot-1", Address: netip.MustParseAddr("10.12.1.12"), Site: "s2", Region: "r", Elastic: &inventory.Elastic{}},
		},
		Settings: &inventory.Settings{Sites: []inventory.Site{
			{Name: "s1", Region: "r", SSH: inventory.SSH{Port: 22022, User: "ops"}, Bastions: []inventory.Bastion{{Name: "gate", Address: "203.0.113.7", Port: 2200, User: "jump", HostKey: "ssh-ed25519 BBBB"}}},
			{Name: "s2", Region: "r", Bastions: []inventory.Bastion{{Name: "a", Address: "203.0.113.8"}, {Name: "b", Address: "203.0.113.9"}}}, // a chain has no place in attributes
			{Name: "elsewhere", Region: "r", SSH: inventory.SSH{User: "ops"}},
		}},
	}
	got := Described(inv)
	want := input.Object{
		"sites": input.Object{
			"s1": input.Object{
				"region": "r", "ssh": input.Object{"port": int64(22022), "user": "ops"},
				"bastion": input.Object{"address": "203.0.113.7", "port": int64(2200), "user": "jump", "ssh_host_key": "ssh-ed25519 BBBB"},
			},
			"s2": input.Object{"region": "r"},
		},
		"hosts": input.Object{
			"cp1": input.Object{"site": "s1", "address": "10.11.1.11", "roles": []any{"etcd", "control-plane"}, "ssh_host_key": "ssh-ed25519 AAAA", "ssh_address": "cp1.example", "port": int64(2222), "user": "root"},
			"w1":  input.Object{"site": "s2", "address": "10.12.1.11", "roles": []any{"worker"}},
		},
	}
	if d := cmp.Diff(want, input.Object{"sites": got["sites"], "hosts": got["hosts"]}); d != "" {
		t.Errorf("the description differs (-want +got):\n%s", d)
	}
}
