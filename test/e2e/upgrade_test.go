//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap/event"
)

// oldRelease and newRelease are those that an upgrade leads from and to, with the etcd of each.
var (
	oldRelease = versions{"1.36.3", "3.6.16"}
	newRelease = versions{"1.37.2", "3.7.3"}
)

type versions struct{ kubernetes, etcd string }

// apart are the five hosts of a cluster over three sites, any one of which may go.
func apart() []machine {
	return []machine{
		{"cp1", "10.61.1.11", everything}, {"cp2", "10.62.1.11", everything}, {"cp3", "10.63.1.11", everything},
		{"w1", "10.61.1.101", worker}, {"w2", "10.63.1.101", worker},
	}
}

// over is a topology of hosts in three sites: those of 10.61.1.0/24 in the first, and so on.
func over(hosts []machine, kubernetes string) string {
	var b strings.Builder
	b.WriteString("fleet \"apart\" {\n}\n")
	for i := 1; i <= 3; i++ {
		fmt.Fprintf(&b, "region \"r%d\" {\n  site \"s%d\" {\n    room \"1\" {\n      rack \"a\" {\n        cidr = \"10.6%d.1.0/24\"\n", i, i, i)
		for _, h := range hosts {
			if strings.HasPrefix(h.address, fmt.Sprintf("10.6%d.", i)) {
				fmt.Fprintf(&b, "        host %q {\n          address = %q\n          roles   = [%s]\n        }\n", h.name, h.address, h.roles)
			}
		}
		b.WriteString("      }\n    }\n  }\n}\n")
	}
	fmt.Fprintf(&b, `
cluster "apart" {
  kubernetes     = %q
  sites          = ["s1", "s2", "s3"]
  pod_cidr       = "10.128.0.0/16"
  service_cidr   = "10.96.0.0/16"
  age_recipients = [] # the lab has its own

  upgrade {
    max_unavailable = 1
    drain_timeout   = "3m"
  }
}
`, kubernetes)
	return b.String()
}

// newOldFleet is a cluster of the old release in use.
func newOldFleet(t *testing.T, name string) *fleet {
	f := &fleet{newOperator(t, name, over(apart(), oldRelease.kubernetes)), apart()}
	f.must("apply", "--yes")
	f.runs(oldRelease)
	var nodes []string
	for _, h := range f.hosts {
		nodes = append(nodes, h.name)
	}
	f.openShopBefore(nodes...)
	return f
}

// wants makes a release that of the topology.
func (f *fleet) wants(v versions) { f.write(over(f.hosts, v.kubernetes)) }

// runs checks what each host runs: not the files that are there, but the programs that were started.
func (f *fleet) runs(v versions) {
	f.t.Helper()
	const script = `for p in etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy; do
  if pid=$(pidof -s $p); then echo $p $(/proc/$pid/exe --version | sed -n '1s/.*[ v]\([0-9]\)/\1/p'); fi
done`
	for _, h := range f.hosts {
		want := fmt.Sprintf("kubelet %[1]s\nkube-proxy %[1]s\n", v.kubernetes)
		if strings.Contains(h.roles, "control-plane") {
			want = fmt.Sprintf("etcd %[2]s\nkube-apiserver %[1]s\nkube-controller-manager %[1]s\nkube-scheduler %[1]s\n", v.kubernetes, v.etcd) + want
		}
		if diff := cmp.Diff(want, f.on(h.name, "sh", "-ec", script)); diff != "" {
			f.t.Errorf("host %s runs (-want +got):\n%s", h.name, diff)
		}
	}
	for node := range strings.Lines(f.must("kubectl", "get", "nodes", "-o", `jsonpath={range .items[*]}{.metadata.name} {.status.nodeInfo.kubeletVersion}{"\n"}{end}`).stdout) {
		if !strings.HasSuffix(node, " v"+v.kubernetes+"\n") {
			f.t.Errorf("the API says of a node: %s", node)
		}
	}
}

// upgraded checks that the cluster is whole, and all of it of a release.
func (f *fleet) upgraded(v versions) {
	f.t.Helper()
	f.whole(change{})
	f.runs(v)
}

// leaders is how many writes may be lost where each member of etcd restarts: a follower may hand one to a leader that is just ending, whether the leadership was moved before or not, and etcd
// does not tell of that before a time-out of 7 s (docs/benchmarks.md).
const leaders = 3

// What the probe may see of an upgrade: a Service with two replicas answers every request.
var (
	upgradeAPI     = bounds{leaders, 3 * time.Second}
	upgradeService = bounds{0, 2 * time.Second}
)

// during has the cluster used while something is done to it.
func (f *fleet) during(do func() []event.Event) {
	f.t.Helper()
	start := time.Now()
	p := f.probe("w1")
	p.stop(do()...)
	p.allow(upgradeAPI, upgradeService)
	f.log(start)
}

// applied applies, and gives what happened.
func (o *operator) applied() []event.Event {
	o.t.Helper()
	r := o.begin("apply", "--yes")
	if res := r.end(); res.code != 0 {
		o.t.Errorf("apply: exit code %d: %s\n%s", res.code, res.message(), r.phases())
	}
	return r.events()
}

// step is a part of a test on a cluster that the parts after it go on with.
func (f *fleet) step(name string, do func(*fleet)) {
	t := f.t
	if !t.Run(name, func(t *testing.T) { do(&fleet{f.at(t), f.hosts}) }) {
		t.FailNow()
	}
}

// TestUpgrade takes a cluster in use from one minor release to the next, after it was half way there and went back.
func TestUpgrade(t *testing.T) {
	inFull(t)
	f := newOldFleet(t, "e2e-upgrade")
	f.step("an unknown release is refused", func(f *fleet) {
		f.wants(versions{kubernetes: "1.38.0"})
		f.says(f.exits(1, "plan").stderr, "1.38.0", "main.hcl:", newRelease.kubernetes)
		f.wants(oldRelease)
	})
	f.step("half done and back", func(f *fleet) {
		f.during(func() []event.Event {
			f.wants(newRelease)
			f.killAt("the second of three members", hostDone("control-planes", "cp2"))
			f.wants(oldRelease)
			f.says(f.exits(2, "plan").stdout, "way back from Kubernetes "+newRelease.kubernetes)
			return f.applied()
		})
		f.upgraded(oldRelease)
	})
	f.step("upgrade", func(f *fleet) {
		f.wants(newRelease)
		f.says(f.exits(2, "plan").stdout, "from "+oldRelease.kubernetes, "drain")
		f.during(f.applied)
		f.upgraded(newRelease)
	})
	f.step("there is no way back", func(f *fleet) {
		f.wants(oldRelease)
		f.says(f.exits(1, "plan").stderr, "cannot be taken back")
		f.wants(newRelease)
		f.unchanged()
	})
	f.must("verify")
}

func hostDone(phase, host string) func(event.Event) bool {
	return func(e event.Event) bool { return e.Kind == event.HostDone && e.Phase == phase && e.Host == host }
}

// TestUpgradeInterrupted does it with the command killed at every point of the plan that has a name of its own, also on the way back, and with a worker whose new kubelet does not start.
func TestUpgradeInterrupted(t *testing.T) {
	inFull(t)
	f := newOldFleet(t, "e2e-upgrade")
	f.step("half done, and killed on the way back", func(f *fleet) {
		f.during(func() []event.Event {
			f.wants(newRelease)
			f.killAt("the second of three members", hostDone("control-planes", "cp2"))
			f.wants(oldRelease)
			return f.killUntilDone()
		})
		f.upgraded(oldRelease)
	})
	f.wants(newRelease)
	seen := map[string]bool{}
	f.step("killed until control planes are done", func(f *fleet) {
		f.during(func() []event.Event { return f.killUntil(seen, starts("nodes")) })
	})
	f.step("a worker that does not come back", func(f *fleet) {
		mend := f.kubeletBreaks("w1")
		f.during(func() []event.Event {
			r := f.begin("apply", "--yes")
			res := r.end()
			if res.code != 1 {
				t.Errorf("apply: exit code %d: %s\n%s", res.code, res.message(), r.phases())
			}
			f.says(res.message(), "w1", "kubelet.service")
			for _, e := range r.events() {
				if e.Phase == "nodes" && e.Host == "w2" {
					t.Errorf("w2 was begun although w1 had failed: %+v", e)
					break
				}
			}
			return r.events()
		})
		mend()
	})
	f.step("killed until the end", func(f *fleet) {
		f.during(func() []event.Event { return f.killUntil(seen, never) })
		f.upgraded(newRelease)
	})
	f.must("verify")
}

// killUntil kills applies at points that none before them was killed at, until one is at an event that is waited for, where it is killed as well, or comes to its end.
func (o *operator) killUntil(seen map[string]bool, stop func(event.Event) bool) []event.Event {
	o.t.Helper()
	return o.commandKilled(seen, stop, "apply", "--yes")
}

// killUntilDone kills applies at every point that has a name of its own, until one comes to its end.
func (o *operator) killUntilDone() []event.Event {
	o.t.Helper()
	return o.killUntil(map[string]bool{}, never)
}

// commandKilled does so with any subcommand.
func (o *operator) commandKilled(seen map[string]bool, stop func(event.Event) bool, args ...string) (all []event.Event) {
	o.t.Helper()
	for range 400 {
		events, ended := o.killOnce(seen, stop, args...)
		all = slices.Concat(all, events)
		if ended {
			o.t.Logf("killed at %d points", len(seen))
			return all
		}
	}
	o.t.Fatalf("no trivet %s comes to its end: each meets a point that none before it had", args[0])
	return nil
}

// killOnce kills a subcommand at the first point that none before it was killed at. It has ended when there was none, or stop was met.
func (o *operator) killOnce(seen map[string]bool, stop func(event.Event) bool, args ...string) (events []event.Event, ended bool) {
	o.t.Helper()
	at, stopped := "", false
	r := o.begin(args...)
	killed := r.until(func(e event.Event) bool {
		stopped = stop(e)
		at = point(e)
		return stopped || at != "" && !seen[at]
	})
	if killed {
		o.t.Logf("kill -9 at %s", at)
		r.kill()
		seen[at] = true
	} else if res := r.end(); res.code != 0 {
		o.t.Fatalf("after %d kills trivet %s ends with exit code %d: %s\n%s", len(seen), args[0], res.code, res.message(), r.phases())
	}
	return r.events(), stopped || !killed
}
