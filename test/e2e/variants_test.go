//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
)

var smallHosts = []string{"cp", "w1"}

// small is a cluster of two hosts in one rack, with kube-proxy's iptables mode. More is what a test adds to the cluster block.
func small(plugin, more string) string {
	return fmt.Sprintf(`
fleet "small" {
}

region "north" {
  site "n1" {
    room "1" {
      rack "a" {
        cidr = "10.41.1.0/24"
        host "cp" {
          address = "10.41.1.11"
          roles   = ["etcd", "control-plane", "worker"]
        }
        host "w1" {
          address = "10.41.1.101"
          roles   = ["worker"]
        }
      }
    }
  }
}

cluster "small" {
  kubernetes     = "1.37.2"
  sites          = ["n1"]
  pod_cidr       = "10.128.0.0/16"
  service_cidr   = "10.96.0.0/16"
  age_recipients = [] # the lab has its own

  network {
    plugin     = %q
    proxy_mode = "iptables"
  }
%s
}
`, plugin, more)
}

// foreignRules are what the host's people have in iptables: a rule that names a chain of Kubernetes in its comment, a chain that ends like one, a policy.
const foreignRules = `
set -e
iptables -N OPS-KUBE
iptables -A OPS-KUBE -s 192.0.2.0/24 -p tcp --dport 9 -j DROP
iptables -I INPUT -m comment --comment "not for -j KUBE-SERVICES" -j OPS-KUBE
iptables -t nat -N OPS-NAT
iptables -t nat -A OPS-NAT -d 192.0.2.7/32 -j RETURN
iptables -t nat -A PREROUTING -g OPS-NAT
ip6tables -P FORWARD DROP
ip6tables -A FORWARD -s 2001:db8::/32 -j ACCEPT`

// TestBridgeIPTables takes a small cluster on the bridge plugin and kube-proxy's iptables mode through its life, on one host with a firewall of its own and one without.
func TestBridgeIPTables(t *testing.T) {
	o := newOperator(t, "e2e-bridge", small("bridge", ""))
	o.iptables(func() {
		t.Run("image garbage collection", func(t *testing.T) { o.at(t).imageGarbageCollection() })
	})
}

// TestFlannelIPTables does the same with flannel, which has chains of its own.
func TestFlannelIPTables(t *testing.T) {
	inFull(t)
	o := newOperator(t, "e2e-flannel", small("flannel", ""))
	o.iptables(func() {
		if rules := o.on("w1", "iptables-save"); !strings.Contains(rules, "-j FLANNEL-POSTRTG") {
			t.Errorf("flannel has made no rules of iptables:\n%s", rules)
		}
	})
}

// iptables brings the small cluster up and destroys it; what runs on it comes between.
func (o *operator) iptables(between func()) {
	o.t.Helper()
	o.on("w1", "sh", "-c", foreignRules)
	before := o.inspectAll(smallHosts)

	o.must("apply", "--yes")
	o.must("verify")
	o.unchanged()
	for _, h := range smallHosts {
		if rules := o.on(h, "iptables-save"); !strings.Contains(rules, "-j KUBE-SERVICES") {
			o.t.Errorf("kube-proxy on %s has made no rules of iptables:\n%s", h, rules)
		}
	}
	between()

	o.must("destroy", "--confirm", "small")
	o.asBefore(before)
	after := o.on("w1", "iptables-save")
	for _, want := range []string{"-j OPS-KUBE", "-A OPS-KUBE -s 192.0.2.0/24", "-g OPS-NAT", "-A OPS-NAT -d 192.0.2.7/32"} {
		if !strings.Contains(after, want) {
			o.t.Errorf("the foreign rule %q is gone:\n%s", want, after)
		}
	}
}
