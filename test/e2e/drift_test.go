//go:build e2e

package e2e

import (
	"testing"
)

// TestDrift changes what a host, the API and etcd have, one thing after the other. Each is told by status and plan, with its name, and mended by one apply, which does nothing else.
func TestDrift(t *testing.T) {
	o := newOperator(t, "e2e-drift", cluster([]machine{{"cp1", "10.51.1.11", everything}, {"w1", "10.51.1.101", worker}}, ""))
	o.must("apply", "--yes")
	for _, c := range []struct {
		name string
		do   func(*operator)
		says []string // of status and plan both
		none string   // what the plan must not touch
	}{
		{"a file is deleted", func(o *operator) { o.on("w1", "rm", "/etc/trivet/haproxy.cfg") }, []string{"w1", "/etc/trivet/haproxy.cfg"}, "host cp1"},
		{"a unit is masked", func(o *operator) {
			o.on("w1", "sh", "-ec", "systemctl stop kube-proxy.service; systemctl mask --runtime kube-proxy.service")
		}, []string{"w1", "kube-proxy.service"}, "host cp1"},
		{"a unit is disabled", func(o *operator) { o.on("w1", "systemctl", "disable", "kubelet.service") }, []string{"w1", "kubelet.service"}, "host cp1"},
		{"a sysctl is edited", func(o *operator) { o.on("w1", "sysctl", "-w", "net.ipv4.conf.all.forwarding=0") }, []string{"w1", "net.ipv4.ip_forward"}, "host cp1"},
		{"a Node is deleted", func(o *operator) { o.must("kubectl", "delete", "node", "w1") }, []string{"Node w1"}, "host cp1"},
		{"a label is taken off", func(o *operator) { o.must("kubectl", "label", "node", "w1", "trivet.dev/rack-") }, []string{"Node w1", "trivet.dev/rack"}, "host w1"},
		{"etcd has a member that nobody knows", func(o *operator) {
			const pki = "/etc/etcd/pki/"
			o.on("cp1", "/opt/trivet/bin/etcdctl", "--endpoints=https://127.0.0.1:2379", "--cacert="+pki+"ca.crt", "--cert="+pki+"etcd-operator.crt", "--key="+pki+"etcd-operator.key",
				"member", "add", "intruder", "--learner", "--peer-urls=https://10.51.1.77:2380")
		}, []string{"10.51.1.77"}, "host w1"},
	} {
		ok := t.Run(c.name, func(t *testing.T) {
			o := o.at(t)
			c.do(o)
			o.says(o.exits(1, "status").stdout, c.says...)
			plan := o.exits(2, "plan").stdout
			o.says(plan, c.says...)
			o.saysNot(plan, c.none)
			o.must("apply", "--yes")
			o.unchanged()
			o.must("status")
		})
		if !ok {
			t.FailNow()
		}
	}
	o.must("verify")
}
