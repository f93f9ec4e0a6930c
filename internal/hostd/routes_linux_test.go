package hostd_test

import (
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"github.com/trivet-dev/trivet/internal/hostd"
)

// TestRoutesOfTheKernel: a link that was made anew has the kernel's routes for its addresses, and those do not count.
func TestRoutesOfTheKernel(t *testing.T) {
	ownNetwork(t)
	k := hostd.System().Kernel
	routes := func() int {
		t.Helper()
		all, err := k.Routes(t.Context())
		must(t, err)
		return all["flannel.1"]
	}
	link := func() netlink.Link {
		t.Helper()
		l := &netlink.Vxlan{LinkAttrs: netlink.LinkAttrs{Name: "flannel.1"}, VxlanId: 1, Port: 8472}
		if err := netlink.LinkAdd(l); err != nil {
			t.Skipf("TestRoutesOfTheKernel needs vxlan in the kernel: %v", err)
		}
		must(t, netlink.AddrAdd(l, &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(10, 128, 0, 0), Mask: net.CIDRMask(30, 32)}}))
		must(t, netlink.LinkSetUp(l))
		return l
	}
	flannel := link()
	// As flannel's vxlan backend adds them.
	_, pods, err := net.ParseCIDR("10.128.5.0/24")
	must(t, err)
	must(t, netlink.RouteReplace(&netlink.Route{LinkIndex: flannel.Attrs().Index, Scope: netlink.SCOPE_UNIVERSE, Dst: pods, Gw: net.IPv4(10, 128, 5, 0), Flags: int(netlink.FLAG_ONLINK)}))
	got := []int{routes()}
	must(t, k.DeleteLink(t.Context(), "flannel.1"))
	got = append(got, routes())
	link()
	got = append(got, routes())
	if d := cmp.Diff([]int{1, 0, 0}, got); d != "" {
		t.Errorf("routes with the link, without, and with another (-want +got):\n%s", d)
	}
}
