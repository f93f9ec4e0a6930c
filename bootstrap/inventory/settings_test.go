package inventory_test

import (
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/hcl/v2"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// TestSettings: a cluster's settings come out of the inventory as the topology had them, whoever applied it.
func TestSettings(t *testing.T) {
	want := parsed(t, everything)
	inv := recorded(t, want)
	top, err := inv.Topology(topology.SSH{User: "joiner"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := top.Cluster("main")
	if err != nil {
		t.Fatal(err)
	}
	want.Components = slices.DeleteFunc(want.Components, func(x topology.Component) bool { return x.Role == topology.RoleControlPlane })
	if d := cmp.Diff(want, got, plain...); d != "" {
		t.Errorf("settings (-topology +inventory):\n%s", d)
	}
	site := got.Sites[0]
	if len(got.Sites) != 2 || site.Name != "s1" || site.SSH.User != "ops" || site.Bastions[0].HostKey != "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJwHlx4i3rBcrmmhfjnbtPvVnDXUyQjFlK8nLKZ0VNvR" {
		t.Errorf("sites: %+v", site)
	}
	again := *inv
	again.Settings = inventory.SettingsOf(got)
	if !desired.EqualInventory(inv, &again) {
		t.Errorf("written again, the settings differ:\n%s\n%s", inv.Settings.Cluster, again.Settings.Cluster)
	}
	for _, path := range []string{"secret/key", "main.hcl"} {
		if b, err := inv.Marshal(); err != nil || strings.Contains(string(b), path) {
			t.Errorf("the inventory has something of the machine that applied it: %s, %v", path, err)
		}
	}
}

// TestSettingsOfExamples does the same with topologies that users begin with.
func TestSettingsOfExamples(t *testing.T) {
	for _, dir := range []string{"../../examples/topologies/single-host", "../../examples/topologies/two-places-three-centres"} {
		top, _, diags := topology.Load(dir, topology.Options{ReadFile: os.ReadFile, Access: &topology.Access{User: "ops", AgeRecipients: []string{recipient}}})
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		for _, c := range top.Clusters {
			restored, err := recorded(t, c).Topology(topology.SSH{})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c, restored.Clusters[0], plain...); d != "" {
				t.Errorf("%s (-topology +inventory):\n%s", dir, d)
			}
		}
	}
}

// TestSettingsOfAnotherVersion are not read: what it has besides would be lost.
func TestSettingsOfAnotherVersion(t *testing.T) {
	inv := recorded(t, parsed(t, everything))
	inv.Settings.Shape = "other"
	if _, err := inv.Topology(topology.SSH{}); err == nil || !strings.Contains(err.Error(), "another version of Trivet") {
		t.Errorf("%v", err)
	}
	inv.Settings = nil
	if _, err := inv.Topology(topology.SSH{}); err == nil || !strings.Contains(err.Error(), "apply it once") {
		t.Errorf("%v", err)
	}
}

// TestRejoin: an elastic worker has what its rack has for all hosts.
func TestRejoin(t *testing.T) {
	c := parsed(t, everything)
	rec := inventory.Host{Name: "spot", Address: netip.MustParseAddr("10.11.1.77"), Site: "s1", Region: "r", Roles: []string{"worker"}, SSH: inventory.SSH{Port: 2222},
		Elastic: &inventory.Elastic{Room: "1", Rack: "a", Labels: map[string]string{"own": "1", "both": "own"}, Taints: []topology.Taint{{Key: "spot", Effect: "NoSchedule"}, {Key: "rack", Value: "own", Effect: "NoSchedule"}}}}
	h := rec.Rejoin(c.Sites)
	if d := cmp.Diff(map[string]string{"own": "1", "both": "own", "ours": "rack"}, h.Labels); d != "" {
		t.Errorf("labels (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]topology.Taint{{Key: "rack", Value: "own", Effect: "NoSchedule"}, {Key: "spot", Effect: "NoSchedule"}}, h.Taints); d != "" {
		t.Errorf("taints (-want +got):\n%s", d)
	}
	if h.Site() != c.Sites[0] || !h.Elastic || h.Port != 2222 || !h.Has(topology.RoleWorker) {
		t.Errorf("%+v", h)
	}
	rec.Site, rec.Elastic.Rack = "gone", "z"
	if h := rec.Rejoin(c.Sites); h.Site().Name != "gone" || h.Site().Region.Name != "r" || h.Rack.Name != "z" {
		t.Errorf("in a site that is gone: %+v", h.Rack)
	}
}

// plain leaves out what the inventory does not have: places, and hosts, which are recorded one by one.
var plain = cmp.Options{
	cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.EquateEmpty(), cmpopts.IgnoreTypes(hcl.Range{}),
	cmp.FilterPath(func(p cmp.Path) bool { return p.Last().Type() == reflect.TypeFor[map[string]hcl.Range]() }, cmp.Ignore()),
	cmpopts.IgnoreFields(topology.Cluster{}, "Hosts", "Surge", "Sites", "Manifests", "Etcd", "Rotation", "AgeRecipients"), cmpopts.IgnoreFields(topology.API{}, "SANs"),
}

func recorded(t *testing.T, c *topology.Cluster) *inventory.Inventory {
	t.Helper()
	inv := &inventory.Inventory{Format: inventory.Format, Cluster: c.Name, Kubernetes: c.Kubernetes, Settings: inventory.SettingsOf(c)}
	b, err := inv.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if inv, err = inventory.Parse(b); err != nil {
		t.Fatal(err)
	}
	return inv
}

func parsed(t *testing.T, text string) *topology.Cluster {
	t.Helper()
	top, _, diags := topology.Parse(map[string][]byte{"main.hcl": []byte(text)}, topology.Options{Dir: "/", Home: "/"})
	if diags.HasErrors() {
		t.Fatal(diags.Errs())
	}
	return top.Clusters[0]
}

const recipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"

// everything has a value in each block that a cluster may have.
const everything = `
fleet "f" {
  ssh {
    private_key = "secret/key"
  }
}
region "r" {
  site "s1" {
    ssh {
      user = "ops"
    }
    bastion "gate" {
      address  = "203.0.113.7"
      host_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJwHlx4i3rBcrmmhfjnbtPvVnDXUyQjFlK8nLKZ0VNvR"
    }
    room "1" {
      rack "a" {
        cidr   = "10.11.1.0/24"
        labels = { both = "rack", ours = "rack" }
        taint {
          key    = "rack"
          effect = "NoSchedule"
        }
        host "cp1" {
          address = "10.11.1.11"
          roles   = ["etcd", "control-plane"]
        }
        host "w1" {
          address = "10.11.1.12"
          roles   = ["worker"]
        }
      }
    }
  }
  site "s2" {
    room "1" {
      rack "a" {
        cidr = "10.12.1.0/24"
        host "w2" {
          address = "10.12.1.12"
          roles   = ["worker"]
        }
      }
    }
  }
}
cluster "main" {
  kubernetes     = "1.37.2"
  sites          = ["s1", "s2"]
  pod_cidr       = "10.128.0.0/12"
  service_cidr   = "10.96.0.0/16"
  age_recipients = ["` + recipient + `"]
  images         = ["registry.example.com/app:1"]
  network {
    plugin     = "flannel"
    mtu        = 1400
    proxy_mode = "iptables"
  }
  api {
    port       = 7000
    local_port = 7001
    sans       = ["api.example.com"]
  }
  dns {
    upstream = ["10.0.0.53"]
    replicas = 3
  }
  etcd {
    accept_loss = ["s1"]
    quota              = "4Gi"
    heartbeat_interval = "200ms"
    election_timeout = "2s"
    snapshots {
      schedule = "hourly"
      copies   = 1
    }
  }
  certificates {
    leaf_lifetime = "100h"
    renew_before  = "10h"
  }
  rotation {
    kubernetes_ca = 2
    rest          = "1h"
  }
  upgrade {
    max_unavailable = "20%"
    per             = "rack"
    drain_timeout   = "3m"
    max_failed      = 2
  }
  hook "announce" {
    before  = ["install"]
    after   = ["remove"]
    command = ["/usr/bin/logger", "hello"]
    timeout = "30s"
  }
  component "kubelet" {
    settings = {
      maxPods      = 42
      evictionHard = { "memory.available" = "5%" }
      kubeReserved = null
      registryPullQPS = 1000000
    }
  }
  component "kubelet" {
    role     = "control-plane"
    settings = { maxPods = 20 }
  }
  component "kube-proxy" {
    settings = {
      portRange = "1000-2000"
      conntrack = { maxPerCore = 1000000 }
    }
  }
}
`

// TestOutline: what only looks at a cluster needs no settings; it has the hosts, in their sites, and the ports where they are recorded.
func TestOutline(t *testing.T) {
	c := parsed(t, everything)
	inv := recorded(t, c)
	for i, site := range []string{"s1", "s2", "s1"} {
		inv.Hosts = append(inv.Hosts, inventory.Host{Name: string(rune('a' + i)), Site: site, Region: "r", Roles: []string{"worker"}, Address: netip.AddrFrom4([4]byte{10, 11, 1, byte(i)})})
	}
	for name, settings := range map[string]*inventory.Settings{"recorded": inv.Settings, "none": nil, "of another version": {Shape: "other"}} {
		inv := *inv
		inv.Settings = settings
		top := inv.Outline(topology.SSH{User: "looker"})
		got := top.Clusters[0]
		want := topology.API{Port: topology.APIPort, LocalPort: topology.APILocalPort}
		if settings.Usable() {
			want = c.API
		}
		if got.API.Port != want.Port || got.API.LocalPort != want.LocalPort || len(got.Hosts) != 3 || top.Fleet.SSH.User != "looker" {
			t.Errorf("settings %s: %+v, %d hosts", name, got.API, len(got.Hosts))
		}
		if a, b := got.Hosts[0].Site(), got.Hosts[2].Site(); a != b || a.Name != "s1" || a.Region.Name != "r" || !slices.Contains(top.AllSites(), a) {
			t.Errorf("settings %s: hosts of one site are in %+v and %+v", name, a, b)
		}
	}
}
