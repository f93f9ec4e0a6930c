package bootstrap_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// driftKinds are the ways in which a running cluster is changed behind Trivet's back.
var driftKinds = []struct {
	name   string
	damage func(t *testing.T, f *fleettest.Fleet)
	status []string // what a status tells
	plan   []string // the whole of the plan
}{
	{"file changed", func(t *testing.T, f *fleettest.Fleet) { write(t, f, "w1", "/etc/trivet/haproxy.cfg", "# by hand\n") },
		[]string{"w1: file:/etc/trivet/haproxy.cfg: content differs"},
		[]string{"w1: mend file:/etc/trivet/haproxy.cfg", "w1: restart unit:trivet-haproxy.service"}},
	{"file deleted", func(t *testing.T, f *fleettest.Fleet) { remove(t, f, "w1", "/etc/kubernetes/kubelet.yaml") },
		[]string{"w1: file:/etc/kubernetes/kubelet.yaml: missing"},
		[]string{"w1: mend file:/etc/kubernetes/kubelet.yaml", "w1: restart unit:kubelet.service", "w1: await "}},
	{"unit stopped", func(t *testing.T, f *fleettest.Fleet) {
		must(t, f.Machines["w1"].Units.Stop(t.Context(), "kube-proxy.service", true))
	}, []string{"w1: unit:kube-proxy.service: not running (inactive)"}, []string{"w1: mend unit:kube-proxy.service"}},
	{"unit disabled", func(t *testing.T, f *fleettest.Fleet) {
		must(t, f.Machines["w1"].Units.Disable(t.Context(), "kube-proxy.service"))
	}, []string{"w1: unit:kube-proxy.service: not enabled (disabled)"}, []string{"w1: mend unit:kube-proxy.service"}},
	{"unit masked", func(t *testing.T, f *fleettest.Fleet) {
		remove(t, f, "w1", "/etc/systemd/system/kube-proxy.service")
		must(t, os.Symlink("/dev/null", f.Machines["w1"].Path("/etc/systemd/system/kube-proxy.service")))
		must(t, f.Machines["w1"].Units.Stop(t.Context(), "kube-proxy.service", true))
	}, []string{"w1: file:/etc/systemd/system/kube-proxy.service: not a file", "w1: unit:kube-proxy.service: masked"},
		[]string{"w1: mend file:/etc/systemd/system/kube-proxy.service", "w1: restart unit:kube-proxy.service", "w1: await "}},
	{"sysctl edited", func(t *testing.T, f *fleettest.Fleet) { write(t, f, "w1", "/proc/sys/net/ipv4/ip_forward", "0\n") },
		[]string{"w1: sysctl:net.ipv4.ip_forward: value 0"}, []string{"w1: mend sysctl:net.ipv4.ip_forward"}},
	{"Node deleted", func(_ *testing.T, f *fleettest.Fleet) { f.ForgetObject("Node/w1") },
		[]string{"Node w1: missing"}, []string{": create Node w1", "w1: restart unit:kubelet.service", "w1: restart unit:flanneld.service"}},
	{"Node without a label", func(_ *testing.T, f *fleettest.Fleet) { f.EditObject("Node/w1", "trivet.dev/rack") },
		[]string{"Node w1: differs in spec"}, []string{": apply Node w1"}},
	{"object deleted", func(_ *testing.T, f *fleettest.Fleet) { f.ForgetObject("Deployment/kube-system/coredns") },
		[]string{"Deployment kube-system/coredns: missing"}, []string{": create Deployment kube-system/coredns"}},
	{"etcd member added", func(_ *testing.T, f *fleettest.Fleet) { f.AddStranger("intruder") },
		[]string{"etcd intruder: it is in the member list, and the topology has no such etcd host"}, []string{": remove-member intruder"}},
	{"etcd data damaged", func(t *testing.T, f *fleettest.Fleet) { must(t, f.GarbleMember(t.Context(), "cp2")) },
		[]string{"cp2: unit:etcd.service: not running (failed)", "cp2: damaged: its log (WAL) is damaged", "etcd cp2: etcd.service on host cp2 is failed"},
		[]string{"cp2: remove-member cp2", "cp2: remove unit:etcd.service", "cp2: remove file:/etc/systemd/system/etcd.service.d/20-initialised.conf",
			"cp2: remove file:/etc/etcd/initial-cluster.env", "cp2: remove directory:/var/lib/etcd", "cp2: add-member cp2", "cp2: create directory:/var/lib/etcd",
			"cp2: create file:/etc/etcd/initial-cluster.env", "cp2: start unit:etcd.service", "cp2: promote-member cp2", "cp2: create file:/etc/systemd/system/etcd.service.d/20-initialised.conf"}},
	{"cordon of a killed run", func(_ *testing.T, f *fleettest.Fleet) { f.Cordon("w1") }, []string{"w1: cordoned by trivet"}, []string{": uncordon w1"}},
	{"network that says nothing", func(_ *testing.T, f *fleettest.Fleet) { f.SilenceNetwork("w1") }, []string{"w1: no network"}, []string{"w1: restart unit:flanneld.service"}},
}

// TestDrift: whatever differs is named by status and by plan, by host, and an apply mends it, and does nothing else.
func TestDrift(t *testing.T) {
	s := three
	s.Hosts = append(slices.Clone(three.Hosts), fleettest.Host{Name: "w1", Site: "s1", Roles: []string{"worker"}})
	f := newFleet(t, s)
	apply(t, open(t, f))
	for _, d := range driftKinds {
		t.Run(d.name, func(t *testing.T) {
			d.damage(t, f)
			st, err := open(t, f).Status(t.Context())
			if err != nil || st.Healthy() {
				t.Fatalf("status: healthy, or %v", err)
			}
			if diff := cmp.Diff(d.status, told(st)); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
			e := open(t, f)
			p := planOf(t, e)
			if diff := cmp.Diff(d.plan, actions(p)); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
			must(t, e.Apply(t.Context(), p))
			if p := planOf(t, open(t, f)); !p.Empty() {
				t.Errorf("after the apply: %v", actions(p))
			}
			if st, err := open(t, f).Status(t.Context()); err != nil || !st.Healthy() {
				t.Errorf("after the apply: %v, %v", told(st), err)
			}
		})
	}
}

// told is what a status has that is not as it should be.
func told(s *bootstrap.Status) []string {
	var out []string
	for _, h := range s.Hosts {
		for _, d := range h.Drift {
			what, _, _ := strings.Cut(d.What, ",")
			out = append(out, h.Name+": "+d.ID.String()+": "+what)
		}
		if h.Damage != "" {
			out = append(out, h.Name+": damaged: "+h.Damage)
		}
		if h.Cordoned != "" {
			out = append(out, h.Name+": cordoned by "+h.Cordoned)
		}
		if h.NoNetwork {
			out = append(out, h.Name+": no network")
		}
		if h.Node != "" && h.Node != "Ready" {
			out = append(out, h.Name+": "+h.Node)
		}
	}
	for _, o := range s.Objects {
		out = append(out, o.String()+": "+o.What())
	}
	for _, m := range s.Etcd {
		if m.Error != "" {
			out = append(out, "etcd "+m.Name+": "+m.Error)
		}
	}
	return out
}

// actions lists a plan's.
func actions(p *plan.Plan) []string {
	var out []string
	for _, ph := range p.Phases {
		for _, s := range ph.Steps {
			for _, a := range s.Actions {
				what := a.Node
				switch {
				case a.Object != nil:
					what = bootstrap.ObjectDrift{Kind: a.Object.Kind, Namespace: a.Object.Namespace, Name: a.Object.Name}.String()
				case a.Member != nil:
					what = a.Member.Name
				case a.ID != hostapi.ID{}:
					what = a.ID.String()
				}
				out = append(out, s.Host+": "+string(a.Verb)+" "+what)
			}
		}
	}
	return out
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, f *fleettest.Fleet, host, path, content string) {
	t.Helper()
	must(t, os.WriteFile(f.Machines[host].Path(path), []byte(content), 0o644))
}

func remove(t *testing.T, f *fleettest.Fleet, host, path string) {
	t.Helper()
	must(t, os.Remove(f.Machines[host].Path(path)))
}
