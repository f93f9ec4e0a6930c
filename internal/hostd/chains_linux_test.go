package hostd_test

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/hostd"
)

// foreignScript makes rules with everything that iptables-save quotes and escapes.
const foreignScript = `set -e
iptables$b -N OPS
iptables$b -A INPUT -p tcp -m multiport --dports 22,80 -m comment --comment 'say "-j KUBE-SERVICES" to C:\' -j OPS
iptables$b -A OPS -m comment --comment "it's KUBE-SERVICES" -j LOG --log-prefix "-j KUBE-X: "
iptables$b -P FORWARD DROP
ip6tables$b -t raw -A PREROUTING -s 2001:db8::/32 -j ACCEPT
# Tables of the legacy backend stay for as long as the kernel's modules.
if [ $b = -legacy ]; then for p in iptables ip6tables; do for t in filter nat mangle; do $p$b -t $t -S > /dev/null; done; done; fi`

// kubeScript makes what the components make, among what is there.
const kubeScript = `set -e
for p in iptables$b ip6tables$b; do
  $p -t nat -N KUBE-SERVICES; $p -t nat -N KUBE-SVC-A; $p -t nat -N CNI-HOSTPORT-DNAT
  $p -t nat -A KUBE-SERVICES -m comment --comment "default/\"a\"" -j KUBE-SVC-A
  $p -t nat -A KUBE-SVC-A -j MARK --set-xmark 0x4000/0x4000
  $p -t nat -I PREROUTING -m comment --comment 'kubernetes "service" portals' -j KUBE-SERVICES
  $p -t nat -A OUTPUT -g KUBE-SERVICES
  $p -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
  $p -t mangle -N KUBE-KUBELET-CANARY
  $p -N KUBE-FORWARD; $p -A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
  $p -I FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes 'forwarding'" -j KUBE-FORWARD
done
iptables$b -I OPS -j KUBE-FORWARD`

// TestChainsWithRealPrograms takes chains out of the rules of a network namespace, by the host's own iptables and nft.
func TestChainsWithRealPrograms(t *testing.T) {
	for _, backend := range []string{"-nft", "-legacy"} {
		t.Run(backend[1:], func(t *testing.T) { chainsWith(t, backend) })
	}
}

func chainsWith(t *testing.T, backend string) {
	ownNetwork(t)
	for _, p := range []string{"iptables-nft", "ip6tables-nft", "iptables-legacy", "ip6tables-legacy", "nft"} {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("needs %s", p)
		}
	}
	if out, err := exec.Command("iptables"+backend, "-t", "nat", "-S").CombinedOutput(); err != nil {
		t.Skipf("needs the backend %s in the kernel: %s", backend[1:], out)
	}
	sh := func(script string) string {
		t.Helper()
		out, err := exec.Command("sh", "-c", "b="+backend+"\n"+script).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	shown := func() []string {
		return strings.Split(sh(`nft list ruleset | sed 's/counter packets [0-9]* bytes [0-9]*/counter/' | sort; for p in iptables-nft ip6tables-nft iptables-legacy ip6tables-legacy; do
			$p-save | sed -e '/^#/d' -e 's/ \[[0-9:]*\]$//'; done`), "\n")
	}
	sh(foreignScript)
	before := shown()
	m := newMachine(t)
	o := m.Options()
	o.Commands = hostd.System().Commands
	step := func(ops ...hostapi.Operation) {
		t.Helper()
		must(t, hostd.New(o).Step(t.Context(), testStep(ops...), nil))
	}
	step(ensure(claimChains("KUBE-*", "CNI-*")...)...)
	sh(kubeScript)
	if now := strings.Join(shown(), "\n"); !strings.Contains(now, "-j KUBE-SERVICES") || !strings.Contains(now, ":KUBE-KUBELET-CANARY") {
		t.Fatalf("the rules were not made:\n%s", now)
	}
	step(removeAll(t, m)...)
	if d := cmp.Diff(before, shown()); d != "" {
		t.Errorf("rules after removal (-before +after):\n%s", d)
	}
}

// ownNetwork puts the test into a network namespace of its own.
func ownNetwork(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: it makes a network namespace")
	}
	runtime.LockOSThread() // never unlocked: the thread, with its namespace, ends with this goroutine
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skipf("needs a network namespace: %v", err)
	}
}

// TestCountersOfTheKernel lists and deletes accounting objects as kube-proxy makes them.
func TestCountersOfTheKernel(t *testing.T) {
	ownNetwork(t)
	for _, name := range []string{"ops", "ct_state_invalid_dropped_pkts"} {
		r := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_ACCT<<8, unix.NLM_F_CREATE|unix.NLM_F_ACK)
		r.AddData(&nl.Nfgenmsg{NfgenFamily: unix.AF_UNSPEC, Version: nl.NFNETLINK_V0})
		r.AddData(nl.NewRtAttr(1, nl.ZeroTerminated(name)))
		if _, err := r.Execute(unix.NETLINK_NETFILTER, 0); err != nil {
			t.Skipf("needs nfacct in the kernel: %v", err)
		}
	}
	k := hostd.System().Kernel
	must(t, k.DeleteCounter(t.Context(), "ct_state_invalid_dropped_pkts"))
	must(t, k.DeleteCounter(t.Context(), "never_there"))
	got, err := k.Counters(t.Context())
	must(t, err)
	if d := cmp.Diff([]string{"ops"}, got); d != "" {
		t.Errorf("counters (-want +got):\n%s", d)
	}
}
