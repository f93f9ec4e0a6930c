package preflight

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

func TestText(t *testing.T) {
	in := healthy(t, fleet, "")
	facts(in, "w1").SwapBytes = 2 << 30
	for _, h := range in.Cluster.Hosts {
		in.Probes[h.Name].Clock = hostapi.ClockUnsynchronised
	}
	in.Probes["cp1"].SELinux, in.Probes["w2"].SELinux = "enforcing", "enforcing"
	reach(in, func(w way) bool { return w.use == usePods && w.to.Site().Name == "s2" && w.from.Site().Name == "s1" }, state(hostapi.ReachTimeout))
	r := Check(*in)
	r.Elapsed = 1234 * time.Millisecond
	var b strings.Builder
	if err := r.WriteText(&b, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	want := `between hosts
  ✗ error    network       port 8472/udp is not reached from site s1 to site s2 in 4 of 4 attempts: no answer (the pod network (VXLAN); cp1 → cp2, cp1 → w2, w1 → cp2, w1 → w2)
                           → allow 8472/udp from site s1 to site s2: a firewall drops it, on the host or on the way, or there is no route back

host w1
  ✗ error    swap          2.0 GiB of swap are on, with which the kubelet does not start
                           → run swapoff -a and take swap out of /etc/fstab, or set failSwapOn = false in the settings of a kubelet component

all 5 hosts
  ! warning  clock         nothing keeps its clock right: the kernel calls it unsynchronised
                           → run a time service there, such as systemd-timesyncd or chrony (a service that has just been started needs a minute)

hosts cp1, w2
  ! warning  selinux       SELinux is enforcing
                           → allow what Trivet puts below /opt/trivet and /var/lib to run, or set SELinux to permissive: no policy comes with Trivet

etcd: round trips take up to 1ms (cp1 → cp2), for which a heartbeat of 100ms and an election time-out of 1s are right.
main: 2 errors, 7 warnings; 5 hosts and 34 ways between them looked at in 1.2s.
`
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestLargeFleet tries a number of ways from each host that does not grow with the fleet.
func TestLargeFleet(t *testing.T) {
	var b strings.Builder
	b.WriteString("fleet \"large\" {}\nregion \"r\" {\n")
	for s := range 5 {
		fmt.Fprintf(&b, "  site \"s%d\" {\n    room \"1\" {\n", s)
		for k := range 5 {
			fmt.Fprintf(&b, "      rack \"k%d\" {\n        cidr = \"10.%d.%d.0/24\"\n", k, s, k)
			if k == 0 {
				fmt.Fprintf(&b, "        host \"cp%d\" {\n          address = \"10.%d.0.10\"\n          roles = [\"control-plane\", \"etcd\"]\n        }\n", s, s)
			}
			fmt.Fprintf(&b, "        hosts \"w%d-%d-\" {\n          count = 40\n          first_address = \"10.%d.%d.101\"\n          roles = [\"worker\"]\n        }\n      }\n", s, k, s, k)
		}
		b.WriteString("    }\n  }\n")
	}
	b.WriteString("}\n")
	start := time.Now()
	in := healthy(t, b.String(), "node_prefix = 24")
	kubeletsTried, podsReached := map[string]bool{}, map[string]int{}
	for from, ways := range in.waysTo() {
		perUse := map[string]int{}
		for _, w := range ways {
			perUse[w.use]++
			switch w.use {
			case useKubelet:
				kubeletsTried[w.to.Name] = true
			case usePods:
				podsReached[w.to.Name]++
			}
		}
		if perUse[usePods] > 4*sourcesEach || perUse[useKubelet] > kubeletsEach || perUse[useAPI] > 5 || len(ways) > 120 {
			t.Errorf("%s tries %v", from, perUse)
		}
	}
	if len(kubeletsTried) != 5*kubeletsEach {
		t.Errorf("%d kubelets are tried", len(kubeletsTried))
	}
	for _, h := range in.Cluster.Nodes() {
		if podsReached[h.Name] != 5 {
			t.Errorf("%s is reached from %d sites", h.Name, podsReached[h.Name])
		}
	}
	if r := Check(*in); len(r.Findings) > 0 || len(r.Hosts) != 1005 {
		t.Errorf("%d hosts, findings %v", len(r.Hosts), r.Findings[:min(3, len(r.Findings))])
	}
	t.Logf("%d hosts in %s", len(in.Cluster.Hosts), time.Since(start))
}
