//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/event"
)

// spare is the host that comes for the time of an upgrade.
const spare = "x1"

// withSpare is a topology of one control plane and two workers, of which none may be away unless the spare stands in.
func withSpare(kubernetes, upgrade string) string {
	hosts := []machine{{"cp1", "10.51.1.11", everything}, {"w1", "10.51.1.101", worker}, {"w2", "10.51.1.102", worker}, {spare, "10.51.1.103", worker}}
	text := cluster(hosts, "\n  upgrade {\n    max_unavailable = 0\n    drain_timeout   = \"3m\"\n"+upgrade+"  }\n")
	text = strings.Replace(text, newRelease.kubernetes, kubernetes, 1)
	return strings.Replace(text, "\"10.51.1.103\"\n", "\"10.51.1.103\"\n          surge   = true\n", 1)
}

// TestSurge upgrades with a host that is a part of the cluster for that time alone: off and not missed before, killed and paused in between, and as it was afterwards.
func TestSurge(t *testing.T) {
	inFull(t)
	o := newOperator(t, "e2e-surge", withSpare(oldRelease.kubernetes, ""))
	o.must("lab", "kill", spare)
	o.must("apply", "--yes")
	o.unchanged()
	if s := o.must("status").stdout; strings.Contains(s, spare) {
		t.Errorf("status misses a host that is not of the cluster:\n%s", s)
	}
	o.must("lab", "start", spare)
	before := o.inspectAll([]string{spare})
	o.openShopBefore("cp1", "w1", "w2")
	p := o.probe("w1")

	o.write(withSpare(newRelease.kubernetes, ""))
	o.says(o.exits(2, "plan").stdout, spare, "for the time of the upgrade")
	o.killAt("the spare being there", hostDone("surge", spare))
	o.stock(spare)
	if nodes := o.nodesOf(); nodes[spare] != "v"+newRelease.kubernetes || nodes["w1"] != "v"+oldRelease.kubernetes {
		t.Errorf("nodes and their kubelets once the spare is there: %v", nodes)
	}
	o.killAt("the first worker being taken away", func(e event.Event) bool { return e.Kind == event.ActionStarted && strings.HasPrefix(e.Item, "drain ") })

	o.write(withSpare(newRelease.kubernetes, "    paused = true\n"))
	o.says(o.exits(5, "apply", "--yes").stderr, "paused")
	s := o.must("status")
	o.says(s.stdout, "paused", spare)
	if nodes := o.nodesOf(); nodes["w1"] != "v"+oldRelease.kubernetes || nodes["w2"] != "v"+oldRelease.kubernetes {
		t.Errorf("paused before a worker had changed, nodes and their kubelets are %v", nodes)
	}
	if cordoned := o.must("kubectl", "get", "nodes", "--field-selector=spec.unschedulable=true", "-o", "name").stdout; cordoned != "" {
		t.Errorf("while the upgrade is paused, these nodes take no pods: %s", cordoned)
	}

	o.write(withSpare(newRelease.kubernetes, ""))
	p.stop(o.killUntilDone()...)
	p.allow(bounds{failures: 300, gap: 20 * time.Second}, usualShop) // the only API server is another one in between
	o.unchanged()
	if nodes := o.nodesOf(); len(nodes) != 3 || nodes["w1"] != "v"+newRelease.kubernetes || nodes["w2"] != "v"+newRelease.kubernetes {
		t.Errorf("nodes and their kubelets afterwards: %v", nodes)
	}
	o.asBefore(before)
	o.must("verify")
}

// nodesOf has the version of each node's kubelet.
func (o *operator) nodesOf() map[string]string {
	o.t.Helper()
	out := map[string]string{}
	for line := range strings.Lines(o.must("kubectl", "get", "nodes", "-o", `jsonpath={range .items[*]}{.metadata.name} {.status.nodeInfo.kubeletVersion}{"\n"}{end}`).stdout) {
		name, version, _ := strings.Cut(strings.TrimSpace(line), " ")
		out[name] = version
	}
	return out
}
