package hostd_test

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/hostapi/wire"
	"github.com/trivet-dev/trivet/internal/hostd"
)

// pipes carry the helper's protocol of a process.
type pipes struct{ in, out *os.File }

func (p pipes) Read(b []byte) (int, error)  { return p.in.Read(b) }
func (p pipes) Write(b []byte) (int, error) { return p.out.Write(b) }
func (p pipes) Close() error {
	_ = p.out.Close()
	return p.in.Close()
}

const helperRoot = "TRIVET_TEST_HELPER_ROOT"

// TestHelperProcess is no test: helperIn runs it, in a namespace.
func TestHelperProcess(t *testing.T) {
	root := os.Getenv(helperRoot)
	if root == "" {
		t.Skip("run by other tests only")
	}
	_ = wire.Serve(t.Context(), pipes{os.Stdin, os.Stdout}, hostd.New(hostd.Options{Root: root}))
}

func ip(t *testing.T, args string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v %s", args, err, out)
	}
}

// namespace makes a network namespace.
func namespace(t *testing.T, name string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("making a network namespace needs root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("ip is not installed: install iproute2")
	}
	full := fmt.Sprintf("trivet-probe-%d-%s", os.Getpid(), name)
	if out, err := exec.Command("ip", "netns", "add", full).CombinedOutput(); err != nil {
		t.Skipf("no network namespace can be made here: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "delete", full).Run() })
	ip(t, "-n "+full+" link set lo up")
	return full
}

// helperIn is a helper that runs in a network namespace.
func helperIn(t *testing.T, ns string) *wire.Client {
	t.Helper()
	theirIn, ourOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ourIn, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ip", "netns", "exec", ns, os.Args[0], "-test.run=^TestHelperProcess$")
	cmd.Env = append(os.Environ(), helperRoot+"="+t.TempDir())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirIn, theirOut, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirIn.Close()
	theirOut.Close()
	c, err := wire.NewClient(t.Context(), pipes{ourIn, ourOut})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Close()
		_ = cmd.Wait()
	})
	return c
}

// TestProbeAcrossRouter probes over a router whose second link takes smaller packets than the hosts' own, and then through its filter.
func TestProbeAcrossRouter(t *testing.T) {
	a, r, b := namespace(t, "a"), namespace(t, "r"), namespace(t, "b")
	ip(t, "-n "+a+" link add eth0 type veth peer name a0 netns "+r)
	ip(t, "-n "+b+" link add eth0 type veth peer name b0 netns "+r)
	for _, set := range []string{
		a + " addr add 10.9.1.2/24 dev eth0", a + " link set eth0 up", r + " addr add 10.9.1.1/24 dev a0", r + " link set a0 up",
		b + " addr add 10.9.2.2/24 dev eth0", b + " link set eth0 up", r + " addr add 10.9.2.1/24 dev b0", r + " link set b0 mtu 1400 up",
		a + " route add default via 10.9.1.1", b + " route add default via 10.9.2.1",
	} {
		ip(t, "-n "+set)
	}
	if out, err := exec.Command("ip", "netns", "exec", r, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward").CombinedOutput(); err != nil {
		t.Skipf("no router can be made here: %s", out)
	}
	source, target := helperIn(t, a), helperIn(t, b)
	address := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr("10.9.2.2"), port) }
	running, l, err := target.ProbeListen(t.Context(), &hostapi.ProbeListen{Token: probeToken, Ports: []hostapi.ProbePort{
		{Network: "tcp", Address: address(2380)}, {Network: "udp", Address: address(8472)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer running.Close()
	if len(l.Ports) != 2 || !l.Ports[0].Listening || !l.Ports[1].Listening {
		t.Fatalf("%+v", l)
	}
	targets := []hostapi.ProbeTarget{
		{Network: "tcp", Address: address(2380), Echo: true, Count: 5},
		{Network: "udp", Address: address(8472), PacketSize: 1500},
		{Network: "udp", Address: address(8472), PacketSize: 1400},
		{Network: "tcp", Address: address(6443)},
		{Network: "tcp", Address: netip.MustParseAddrPort("192.0.2.1:6443")},
	}
	reached := func() []hostapi.Reached {
		t.Helper()
		res, err := source.Probe(t.Context(), &hostapi.ProbeRequest{Token: probeToken, Targets: targets, Timeout: 2 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		return res.Reached
	}
	check := func(what string, got []hostapi.Reached, states string, sizes ...int) {
		t.Helper()
		var s []string
		for i, x := range got {
			s = append(s, string(x.State))
			if i < len(sizes) && x.PacketSize != sizes[i] {
				t.Errorf("%s: packets of %d bytes arrive, want %d: %+v", what, x.PacketSize, sizes[i], x)
			}
		}
		if strings.Join(s, " ") != states {
			t.Errorf("%s: got %q, want %q", what, strings.Join(s, " "), states)
		}
	}
	check("an open router", reached(), "ok ok ok refused unreachable", 0, 1400, 1400)

	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("nft is not installed: install nftables")
	}
	filter := exec.Command("ip", "netns", "exec", r, "nft", "-f", "-")
	filter.Stdin = strings.NewReader(`table ip probe {
	chain forward {
		type filter hook forward priority 0
		tcp dport 2380 drop
		tcp dport 6443 reject with tcp reset
		udp dport 8472 ip length > 1280 drop
	}
}`)
	if out, err := filter.CombinedOutput(); err != nil {
		t.Skipf("nft cannot filter here: %s", out)
	}
	check("a router that filters", reached(), "timeout ok ok refused unreachable", 0, 1280, 1280)
}
