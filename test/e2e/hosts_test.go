//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap/event"
)

// fleet is a cluster whose hosts come, go and change. Its hosts are those of the topology.
type fleet struct {
	*operator
	hosts []machine
}

// change is an edit of the topology, or a misfortune of a host, that one apply is the answer to.
type change struct {
	name  string
	via   string                    // the node that uses the cluster meanwhile
	befit func(*fleet)              // what happens to the machines before the apply, if anything
	hosts func([]machine) []machine // the edit, if there is one
	says  []string                  // what the plan has to say
	after func(*fleet)              // what else has to be so afterwards
	brief bool                      // also where there is little time
	api   bounds
	shop  bounds
}

// changes are made one after the other on one cluster, each on top of those before it.
func changes() []change {
	return []change{
		{
			name: "add a worker", via: "w1",
			hosts: with(machine{"w3", "10.51.1.103", worker}), says: []string{"w3"}, brief: true,
		},
		{
			name: "remove a worker that answers, with a pod that may not go before another one has come", via: "w1",
			befit: func(f *fleet) { f.moveShop("w3") },
			hosts: without("w3"), says: []string{"w3", "drain"}, brief: true,
			after: func(f *fleet) { f.isReset("w3"); f.must("lab", "remove", "w3") },
		},
		{
			name: "remove a worker that is dead", via: "w1",
			befit: func(f *fleet) { f.die("w2") },
			hosts: without("w2"), says: []string{"w2"},
		},
		{
			name: "add a worker where the dead one was", via: "w1",
			hosts: with(machine{"w2", "10.51.1.102", worker}), says: []string{"w2"},
		},
		{
			name: "replace a worker that was installed anew", via: "w1",
			befit: func(f *fleet) { f.must("lab", "reimage", "w2") }, says: []string{"w2"},
		},
		{
			name: "add two control planes with etcd members", via: "w1", // an even number of members is refused
			hosts: with(machine{"cp4", "10.51.1.14", everything}, machine{"cp5", "10.51.1.15", everything}), says: []string{"cp4", "cp5", "etcd member"},
		},
		{
			name: "remove two control planes that answer", via: "w1",
			hosts: without("cp4", "cp5"), says: []string{"cp4", "cp5", "etcd member", "drain"},
			after: func(f *fleet) {
				for _, h := range []string{"cp4", "cp5"} {
					f.isReset(h)
					f.must("lab", "remove", h)
				}
			},
		},
		{
			name: "an etcd member's data are lost", via: "w1",
			befit: func(f *fleet) {
				f.on("cp2", "sh", "-ec", "systemctl kill --signal=KILL etcd.service; systemctl stop etcd.service; rm -rf /var/lib/etcd/member")
			},
			says: []string{"cp2", "etcd"}, brief: true,
		},
		{
			name: "an etcd member's data are corrupt", via: "w1",
			befit: func(f *fleet) {
				f.on("cp3", "sh", "-ec", "systemctl kill --signal=KILL etcd.service; systemctl stop etcd.service; dd if=/dev/urandom of=/var/lib/etcd/member/snap/db bs=4k count=64 conv=notrunc status=none; systemctl start --no-block etcd.service; until [ \"$(systemctl show --property=NRestarts --value etcd.service)\" -gt 0 ]; do sleep 0.2; done")
			},
			says: []string{"cp3", "etcd"},
		},
		{
			name: "a control plane was installed anew", via: "w1",
			befit: func(f *fleet) { f.must("lab", "reimage", "cp3") }, says: []string{"cp3", "etcd"},
		},
		{
			name: "remove a control plane that is dead, and add one in its place", via: "w1",
			befit: func(f *fleet) { f.die("cp3") },
			hosts: func(all []machine) []machine {
				return with(machine{"cp6", "10.51.1.16", everything})(without("cp3")(all))
			},
			says: []string{"cp3", "cp6", "etcd"},
		},
		{
			name: "a worker has another address", via: "w1",
			hosts: moved("w2", "10.51.1.152"), says: []string{"w2", "10.51.1.152"}, shop: movedShop,
		},
		{
			name: "an etcd member has another address", via: "w1",
			hosts: moved("cp2", "10.51.1.22"), says: []string{"cp2", "10.51.1.22"}, shop: movedShop,
		},
		{
			name: "a worker becomes a control plane, and a control plane a worker", via: "w1",
			hosts: func(all []machine) []machine { return roles("w2", everything)(roles("cp6", worker)(all)) }, says: []string{"w2", "cp6", "etcd member"},
		},
	}
}

// The usual bounds of what the probe may see of a change: nobody notices, but that the two cores of a lab are busy. An etcd member or an API server that goes away may take requests
// with it that it was at. A pod on a host that has another address already is not reached before the others know of it.
var (
	usual     = bounds{failures: 5, gap: 4 * time.Second}
	usualShop = bounds{failures: 0, gap: 2 * time.Second}
	movedShop = bounds{failures: 300, gap: 5 * time.Second}
)

func with(more ...machine) func([]machine) []machine {
	return func(all []machine) []machine { return slices.Concat(all, more) }
}

func without(names ...string) func([]machine) []machine {
	return func(all []machine) []machine {
		return slices.DeleteFunc(slices.Clone(all), func(h machine) bool { return slices.Contains(names, h.name) })
	}
}

func roles(name, roles string) func([]machine) []machine {
	return func(all []machine) []machine {
		all = slices.Clone(all)
		for i := range all {
			if all[i].name == name {
				all[i].roles = roles
			}
		}
		return all
	}
}

func moved(name, address string) func([]machine) []machine {
	return func(all []machine) []machine {
		all = slices.Clone(all)
		for i := range all {
			if all[i].name == name {
				all[i].address = address
			}
		}
		return all
	}
}

// TestHosts has hosts come, go, die and change on a cluster in use. Each time the plan says what will be done, one apply does it, and the cluster is whole again. Where there is little
// time it makes a few of the changes.
func TestHosts(t *testing.T) {
	f := newFleet(t, "e2e-hosts")
	for _, c := range changes() {
		if testing.Short() && !c.brief {
			continue
		}
		ok := t.Run(c.name, func(t *testing.T) {
			f := &fleet{f.at(t), f.hosts}
			defer f.log(time.Now())
			f.prepare(c)
			p := f.probe(c.via)
			p.stop(f.applied()...)
			p.allow(c.api.or(usual), c.shop.or(usualShop))
			f.whole(c)
		})
		if c.hosts != nil {
			f.hosts = c.hosts(f.hosts)
		}
		if !ok {
			t.FailNow() // the next change would start from something else
		}
	}
	f.must("verify")
}

// TestHostsInterrupted does the same, with the command killed at every point of the plan that has a name of its own. The next apply goes on where the last one was killed.
func TestHostsInterrupted(t *testing.T) {
	inFull(t)
	f := newFleet(t, "e2e-hosts")
	for _, c := range changes() {
		ok := t.Run(c.name, func(t *testing.T) {
			f := &fleet{f.at(t), f.hosts}
			defer f.log(time.Now())
			f.prepare(c)
			f.killUntil(map[string]bool{}, never)
			f.whole(c)
		})
		if c.hosts != nil {
			f.hosts = c.hosts(f.hosts)
		}
		if !ok {
			t.FailNow()
		}
	}
	f.must("verify")
}

func newFleet(t *testing.T, name string) *fleet {
	f := &fleet{newOperator(t, name, cluster(five(), "")), five()}
	f.must("apply", "--yes")
	f.openShop("w1")
	return f
}

func (f *fleet) log(start time.Time) {
	f.t.Helper()
	f.t.Logf("took %.1f s", time.Since(start).Seconds())
}

// prepare makes the change in the lab and in the topology, and looks at the plan.
func (f *fleet) prepare(c change) {
	f.t.Helper()
	if c.befit != nil {
		c.befit(f)
	}
	if c.hosts != nil {
		f.hosts = c.hosts(f.hosts)
		f.write(cluster(f.hosts, ""))
		f.must("lab", "up")
	}
	r := f.exits(2, "plan")
	f.t.Logf("the plan:\n%s", r.stdout)
	f.says(r.stdout, c.says...)
}

// whole checks that the cluster is what the topology says, and all of it well.
func (f *fleet) whole(c change) {
	f.t.Helper()
	f.unchanged()
	f.must("status")
	var nodes, members []string
	for _, h := range f.hosts {
		nodes = append(nodes, h.name+" "+h.address+" True")
		if strings.Contains(h.roles, "etcd") {
			members = append(members, h.name+" "+h.address+" false")
		}
	}
	slices.Sort(nodes)
	slices.Sort(members)
	if diff := cmp.Diff(nodes, f.nodes()); diff != "" {
		f.t.Errorf("nodes, their addresses and whether they are Ready (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(members, f.members()); diff != "" {
		f.t.Errorf("etcd members, their addresses and whether they are learners (-want +got):\n%s", diff)
	}
	f.must("kubectl", "-n", "shop", "rollout", "status", "deployment/shop", "--timeout=120s")
	if c.after != nil {
		c.after(f)
	}
}

// nodes lists the nodes that the API has, with their addresses and whether they are Ready. Nodes that one may put no pods on say so.
func (f *fleet) nodes() []string {
	f.t.Helper()
	out := f.must("kubectl", "get", "nodes", "-o",
		`jsonpath={range .items[*]}{.metadata.name} {.status.addresses[?(@.type=="InternalIP")].address} {.status.conditions[?(@.type=="Ready")].status}{.spec.unschedulable}{"\n"}{end}`).stdout
	all := strings.Split(strings.TrimSpace(out), "\n")
	slices.Sort(all)
	return all
}

// members lists the members that etcd has, with the addresses where the others reach them and whether they are learners.
func (f *fleet) members() []string {
	f.t.Helper()
	const pki = "/etc/etcd/pki/"
	out := f.on("cp1", "/opt/trivet/bin/etcdctl", "--endpoints=https://127.0.0.1:2379", "--cacert="+pki+"ca.crt", "--cert="+pki+"etcd-operator.crt", "--key="+pki+"etcd-operator.key",
		"--write-out=json", "member", "list")
	var list struct {
		Members []struct {
			Name      string
			PeerURLs  []string
			IsLearner bool
		}
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		f.t.Fatalf("etcdctl: %v\n%s", err, out)
	}
	var all []string
	for _, m := range list.Members {
		var addresses []string
		for _, text := range m.PeerURLs {
			if u, err := url.Parse(text); err == nil {
				addresses = append(addresses, u.Hostname())
			}
		}
		all = append(all, fmt.Sprintf("%s %s %t", m.Name, strings.Join(addresses, ","), m.IsLearner))
	}
	slices.Sort(all)
	return all
}

// die has a host end for good, and waits until the cluster has noticed. Nothing is at its address any more.
func (f *fleet) die(host string) {
	f.t.Helper()
	f.must("lab", "remove", host)
	f.must("kubectl", "wait", "node/"+host, "--for=condition=Ready=Unknown", "--timeout=120s")
}

// moveShop has one of the shop's two pods run on a node, and the other one elsewhere. A third one is made where it is the only node to take it, and outlives the other two.
func (f *fleet) moveShop(node string) {
	f.t.Helper()
	var others []string
	for _, h := range f.hosts {
		if h.name != node {
			others = append(others, h.name)
		}
	}
	shop := func(args ...string) string {
		f.t.Helper()
		return f.must(slices.Concat([]string{"kubectl", "-n", "shop"}, args)...).stdout
	}
	settled := func() { f.t.Helper(); shop("rollout", "status", "deployment/shop", "--timeout=120s") }
	f.must(slices.Concat([]string{"kubectl", "cordon"}, others)...)
	shop("scale", "deployment/shop", "--replicas=3")
	settled()
	shop("annotate", "pod", "--field-selector=spec.nodeName="+node, "-l", "app=shop", "controller.kubernetes.io/pod-deletion-cost=100")
	shop("scale", "deployment/shop", "--replicas=2")
	settled()
	f.must(slices.Concat([]string{"kubectl", "uncordon"}, others)...)
	if pods := shop("get", "pods", "-l", "app=shop", "--field-selector=spec.nodeName="+node, "-o", "name"); strings.Count(pods, "\n") != 1 {
		f.t.Fatalf("on %s are these pods of the shop: %q", node, pods)
	}
}

// isReset checks that nothing of the cluster is left on a host that was removed from it.
func (f *fleet) isReset(host string) {
	f.t.Helper()
	const script = `
ps -eo comm= | grep -E '^(kube|etcd|containerd|flannel|haproxy|pause|coredns|agnhost)' || :
ls -d /etc/kubernetes /etc/etcd /etc/cni /opt/trivet /var/lib/trivet /var/lib/kubelet /var/lib/etcd /var/lib/containerd /var/tmp/trivet-* 2>/dev/null || :
systemctl list-unit-files --no-legend --plain | grep -E '^(kube|etcd|containerd|flanneld|trivet)' | grep -v '^trivet-lab-' || :
ip -o link | grep -E 'cni0|flannel|veth' || :
nft list tables | grep -i kube || :`
	if left := f.on(host, "sh", "-c", script); left != "" {
		f.t.Errorf("left on %s, which is no longer of the cluster:\n%s", host, left)
	}
}

// inTurn are phases of hosts that have to bear one another's absence: a run may be killed between the second and the third of them as well as before the first.
var inTurn = []string{"members", "control-planes", "control-plane-nodes", "nodes", "leave"}

// point names what an apply is at, where it is worth being killed.
func point(e event.Event) string {
	switch e.Kind {
	case event.HostStarted, event.HostDone:
		if slices.Contains(inTurn, e.Phase) {
			return fmt.Sprintf("%s %s: %s", e.Kind, e.Phase, e.Host)
		}
	case event.PhaseStarted:
		return "phase " + e.Phase
	case event.Progress, event.Waiting:
		return "" // the phase says enough
	case event.ActionStarted, event.ActionDone:
		kind, _, _ := strings.Cut(e.Item, " ")
		if e.Kind == event.ActionDone && e.State != "changed" {
			return ""
		}
		return fmt.Sprintf("%s %s: %s", e.Kind, e.Phase, kind)
	}
	return ""
}
