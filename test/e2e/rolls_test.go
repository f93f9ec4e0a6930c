//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// machine is a host of a topology that tests of day two edit.
type machine struct{ name, address, roles string }

const (
	everything = `"etcd", "control-plane", "worker"`
	worker     = `"worker"`
)

// five are three control planes with etcd, which are workers as well, and two workers.
func five() []machine {
	return []machine{
		{"cp1", "10.51.1.11", everything}, {"cp2", "10.51.1.12", everything}, {"cp3", "10.51.1.13", everything},
		{"w1", "10.51.1.101", worker}, {"w2", "10.51.1.102", worker},
	}
}

// cluster is a topology of hosts in one rack. More is what a test adds to the cluster block.
func cluster(hosts []machine, more string) string {
	var blocks strings.Builder
	for _, h := range hosts {
		fmt.Fprintf(&blocks, "        host %q {\n          address = %q\n          roles   = [%s]\n        }\n", h.name, h.address, h.roles)
	}
	return fmt.Sprintf(`
fleet "five" {
}

region "north" {
  site "n1" {
    room "1" {
      rack "a" {
        cidr = "10.51.1.0/24"
%s      }
    }
  }
}

cluster "five" {
  kubernetes     = "1.37.2"
  sites          = ["n1"]
  pod_cidr       = "10.128.0.0/16"
  service_cidr   = "10.96.0.0/16"
  age_recipients = [] # the lab has its own
%s}
`, blocks.String(), more)
}

// TestConfigurationRolls changes the settings of one component after the other, on a cluster in use: each change reaches the hosts one at a time or in batches, and nobody notices.
func TestConfigurationRolls(t *testing.T) {
	o := newOperator(t, "e2e-rolls", cluster(five(), ""))
	o.must("apply", "--yes")
	o.openShop("w1")

	settings := ""
	for _, change := range []struct {
		name, more   string
		host, where  string
		has          string
		api, service bounds
	}{
		{"API servers", `
  component "kube-apiserver" {
    settings = { event-ttl = "2h" }
  }
`, "cp3", "tr '\\0' ' ' </proc/$(pidof -s kube-apiserver)/cmdline", "--event-ttl=2h", bounds{0, 3 * time.Second}, bounds{}},
		{"etcd", `
  etcd {
    compaction_retention = "15m"
  }
`, "cp2", "tr '\\0' ' ' </proc/$(pidof -s etcd)/cmdline", "15m", bounds{leaders, 3 * time.Second}, bounds{}},
		{"kubelets", `
  component "kubelet" {
    settings = { maxPods = 100 }
  }
`, "w2", "cat /etc/kubernetes/kubelet.yaml", "maxPods: 100", bounds{}, bounds{}},
		{"kube-proxies", `
  component "kube-proxy" {
    settings = { configSyncPeriod = "10m0s" }
  }
`, "w1", "cat /etc/kubernetes/kube-proxy.yaml", "configSyncPeriod: 10m0s", bounds{}, bounds{}},
	} {
		if testing.Short() && change.name != "API servers" && change.name != "kubelets" {
			continue
		}
		settings += change.more
		t.Run(change.name, func(t *testing.T) {
			o := o.at(t)
			o.write(cluster(five(), settings))
			o.exits(2, "plan")
			p := o.probe("w1")
			p.stop(o.applied()...)
			p.allow(change.api.or(bounds{0, 2 * time.Second}), change.service.or(bounds{0, 2 * time.Second}))
			o.says(o.on(change.host, "sh", "-c", change.where), change.has)
			o.unchanged()
		})
	}
	o.must("verify")
}

// or is what is allowed where nothing is said.
func (b bounds) or(usual bounds) bounds {
	if b == (bounds{}) {
		return usual
	}
	return b
}
