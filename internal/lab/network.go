//go:build linux

package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// The operator's link to the router. Link-local addresses are in no address plan.
var (
	operatorAddress = netip.MustParsePrefix("169.254.254.1/30")
	routerAddress   = netip.MustParsePrefix("169.254.254.2/30")
)

// ensureRouter brings up what is missing of the router and operator namespaces.
func ensureRouter(spec Spec, gateways map[netip.Prefix]netip.Addr) error {
	for _, name := range []string{routerNamespace(spec.Name), operatorNamespace(spec.Name)} {
		if namespaceExists(name) {
			continue
		}
		if err := createNamespace(name); err != nil {
			return err
		}
	}
	if err := setRouterSysctls(spec.Name); err != nil {
		return err
	}
	router, err := openNetwork(routerNamespace(spec.Name))
	if err != nil {
		return err
	}
	defer router.close()
	if err := router.up("lo"); err != nil {
		return err
	}
	for _, site := range spec.Sites {
		if err := router.ensureBridge(spec.Name, site, gateways); err != nil {
			return fmt.Errorf("site %s: %w", site.Name, err)
		}
	}
	if err := router.ensureOperator(spec.Name); err != nil {
		return fmt.Errorf("operator's link: %w", err)
	}
	return nil
}

// setRouterSysctls comes before any interface is made, which copies the defaults.
func setRouterSysctls(lab string) error {
	return inNetwork(namespacePath(routerNamespace(lab)), func() error {
		for _, s := range []struct{ key, value string }{
			{"net/ipv4/ip_forward", "1"},
			{"net/ipv4/conf/all/rp_filter", "0"},
			{"net/ipv4/conf/default/rp_filter", "0"},
			// Racks of a site share a bridge: hosts must not be told to bypass the router.
			{"net/ipv4/conf/all/send_redirects", "0"},
			{"net/ipv4/conf/default/send_redirects", "0"},
			{"net/ipv6/conf/all/disable_ipv6", "1"},
			{"net/ipv6/conf/default/disable_ipv6", "1"},
			{"net/bridge/bridge-nf-call-iptables", "0"},
		} {
			err := os.WriteFile(filepath.Join("/proc/sys", s.key), []byte(s.value), 0)
			missing := errors.Is(err, fs.ErrNotExist)
			if err != nil && !(missing && !strings.HasPrefix(s.key, "net/ipv4")) {
				return fmt.Errorf("router: %w", err)
			}
		}
		return nil
	})
}

// network is a netlink connection inside one namespace.
type network struct {
	*netlink.Handle
	ns netns.NsHandle
}

func openNetwork(name string) (*network, error) { return openNetworkAt(namespacePath(name)) }

func openNetworkAt(path string) (*network, error) {
	ns, err := netns.GetFromPath(path)
	if err != nil {
		return nil, fmt.Errorf("network namespace %s: %w", path, err)
	}
	h, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		ns.Close()
		return nil, fmt.Errorf("network namespace %s: %w", path, err)
	}
	return &network{Handle: h, ns: ns}, nil
}

func (n *network) close() {
	n.Handle.Close()
	n.ns.Close()
}

func (n *network) up(link string) error {
	l, err := n.LinkByName(link)
	if err != nil {
		return fmt.Errorf("interface %s: %w", link, err)
	}
	if err := n.LinkSetUp(l); err != nil {
		return fmt.Errorf("interface %s: %w", link, err)
	}
	return nil
}

func (n *network) setAddress(link string, address netip.Prefix) error {
	l, err := n.LinkByName(link)
	if err != nil {
		return fmt.Errorf("interface %s: %w", link, err)
	}
	ip := &net.IPNet{IP: address.Addr().AsSlice(), Mask: net.CIDRMask(address.Bits(), address.Addr().BitLen())}
	if err := n.AddrReplace(l, &netlink.Addr{IPNet: ip, Scope: unix.RT_SCOPE_UNIVERSE}); err != nil {
		return fmt.Errorf("interface %s: set %s: %w", link, address, err)
	}
	return nil
}

func (n *network) defaultRoute(link string, gateway netip.Addr) error {
	l, err := n.LinkByName(link)
	if err != nil {
		return fmt.Errorf("interface %s: %w", link, err)
	}
	route := &netlink.Route{LinkIndex: l.Attrs().Index, Gw: gateway.AsSlice()}
	if err := n.RouteReplace(route); err != nil {
		return fmt.Errorf("default route by %s: %w", gateway, err)
	}
	return nil
}

// deleteLink removes an interface if it is there.
func (n *network) deleteLink(name string) error {
	l, err := n.LinkByName(name)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("interface %s: %w", name, err)
	}
	// The interface also vanishes by itself, soon after the namespace of its peer.
	if err := n.LinkDel(l); err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("remove interface %s: %w", name, err)
	}
	return nil
}

func (n *network) ensureBridge(lab string, site Site, gateways map[netip.Prefix]netip.Addr) error {
	name := bridgeName(site.Name)
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	// Without an address of its own a bridge takes one of its ports', and changes it with them.
	attrs.HardwareAddr = hardwareAddress(lab, "bridge of "+site.Name)
	err := n.LinkAdd(&netlink.Bridge{LinkAttrs: attrs})
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("bridge %s: %w", name, err)
	}
	wanted := map[netip.Prefix]bool{}
	for _, h := range site.Hosts {
		prefix := h.Network.Masked()
		gateway := netip.PrefixFrom(gateways[prefix], prefix.Bits())
		if err := n.setAddress(name, gateway); err != nil {
			return err
		}
		wanted[gateway] = true
	}
	// The gateway of a rack that is gone would answer for whoever gets its address.
	if err := n.dropAddresses(name, func(a netip.Prefix) bool { return !wanted[a] }); err != nil {
		return err
	}
	return n.up(name)
}

// dropAddresses takes IPv4 addresses from an interface.
func (n *network) dropAddresses(link string, drop func(netip.Prefix) bool) error {
	l, err := n.LinkByName(link)
	if err != nil {
		return fmt.Errorf("interface %s: %w", link, err)
	}
	addresses, err := n.AddrList(l, netlink.FAMILY_V4)
	if err != nil {
		return fmt.Errorf("interface %s: %w", link, err)
	}
	for _, a := range addresses {
		ip, _ := netip.AddrFromSlice(a.IP.To4())
		bits, _ := a.Mask.Size()
		if !drop(netip.PrefixFrom(ip, bits)) {
			continue
		}
		if err := n.AddrDel(l, &a); err != nil {
			return fmt.Errorf("interface %s: remove %s: %w", link, a.IPNet, err)
		}
	}
	return nil
}

func (n *network) ensureOperator(lab string) error {
	operator, err := openNetwork(operatorNamespace(lab))
	if err != nil {
		return err
	}
	defer operator.close()
	if err := operator.up("lo"); err != nil {
		return err
	}
	if _, err := operator.LinkByName("router"); err != nil {
		if err := n.deleteLink(operatorPort); err != nil {
			return err
		}
		attrs := netlink.NewLinkAttrs()
		attrs.Name = operatorPort
		veth := &netlink.Veth{LinkAttrs: attrs, PeerName: "router", PeerNamespace: netlink.NsFd(operator.ns)}
		if err := n.LinkAdd(veth); err != nil {
			return fmt.Errorf("interface %s: %w", operatorPort, err)
		}
	}
	return errors.Join(
		n.setAddress(operatorPort, routerAddress),
		operator.setAddress("router", operatorAddress),
		n.up(operatorPort),
		operator.up("router"),
		operator.defaultRoute("router", routerAddress.Addr()),
	)
}

// connectHost gives a host that does not run a fresh network namespace: like a machine
// that lost power, it keeps no interface, route or firewall rule of its former life.
func connectHost(lab, site string, h Host, gateway netip.Addr) error {
	if err := createNamespace(hostNamespace(lab, h.Name)); err != nil {
		return err
	}
	router, err := openNetwork(routerNamespace(lab))
	if err != nil {
		return err
	}
	defer router.close()
	host, err := openNetwork(hostNamespace(lab, h.Name))
	if err != nil {
		return err
	}
	defer host.close()

	port := portName(h.Name)
	if err := router.deleteLink(port); err != nil {
		return err
	}
	bridge, err := router.LinkByName(bridgeName(site))
	if err != nil {
		return fmt.Errorf("bridge of site %s: %w", site, err)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = port
	attrs.MasterIndex = bridge.Attrs().Index
	veth := &netlink.Veth{
		LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsFd(host.ns),
		PeerHardwareAddr: hardwareAddress(lab, h.Name),
	}
	if err := router.LinkAdd(veth); err != nil {
		return fmt.Errorf("interface %s: %w", port, err)
	}
	return errors.Join(
		router.up(port),
		host.up("lo"),
		host.setAddress("eth0", netip.PrefixFrom(h.Address, h.Network.Bits())),
		host.up("eth0"),
		host.defaultRoute("eth0", gateway),
	)
}

// cut says that a site is cut off, and whether from the operator too.
type cut struct {
	Site     string `json:"site"`
	Operator bool   `json:"operator,omitempty"`
}

// loss says which percentage of the packets at a site's border is lost.
type loss struct {
	Site    string `json:"site"`
	Percent int    `json:"percent"`
}

// firewall is the router's whole firewall as one nft transaction. Packets are dropped,
// not refused: a lost line says nothing.
func firewall(cuts []cut, losses []loss) string {
	var b strings.Builder
	b.WriteString("table inet trivet_lab {}\ndelete table inet trivet_lab\n")
	b.WriteString("table inet trivet_lab {\n\tchain forward {\n\t\ttype filter hook forward priority filter; policy accept;\n")
	for _, c := range cuts {
		bridge := bridgeName(c.Site)
		inside := fmt.Sprintf("{ %q }", bridge)
		if !c.Operator {
			inside = fmt.Sprintf("{ %q, %q }", bridge, operatorPort)
		}
		fmt.Fprintf(&b, "\t\tiifname %q oifname != %s drop\n", bridge, inside)
		fmt.Fprintf(&b, "\t\toifname %q iifname != %s drop\n", bridge, inside)
	}
	for _, x := range losses {
		bridge := bridgeName(x.Site)
		fmt.Fprintf(&b, "\t\tiifname %q oifname != %q numgen random mod 100 < %d drop\n", bridge, bridge, x.Percent)
		fmt.Fprintf(&b, "\t\toifname %q iifname != %q numgen random mod 100 < %d drop\n", bridge, bridge, x.Percent)
	}
	b.WriteString("\t}\n}\n")
	return b.String()
}

// applyFirewall replaces the router's firewall by what is recorded.
func applyFirewall(ctx context.Context, lab string, r record) error {
	nft, err := findTool("nft")
	if err != nil {
		return err
	}
	return inNetwork(namespacePath(routerNamespace(lab)), func() error {
		cmd := exec.CommandContext(ctx, nft, "-f", "-")
		cmd.Stdin = strings.NewReader(firewall(r.Cuts, r.Losses))
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("router's firewall: nft: %w: %s", err, strings.TrimSpace(stderr.String()))
		}
		return nil
	})
}

// setCarrier takes the router's end of a host's link up or down, and the host's end with it,
// and waits until the bridge has noticed: the kernel tells it a moment later.
func setCarrier(ctx context.Context, lab, host string, up bool) error {
	router, err := openNetwork(routerNamespace(lab))
	if err != nil {
		return err
	}
	defer router.close()
	port := portName(host)
	l, err := router.LinkByName(port)
	if err != nil {
		return fmt.Errorf("interface %s: %w", port, err)
	}
	set, want := router.LinkSetDown, netlink.LinkOperState(netlink.OperDown)
	if up {
		set, want = router.LinkSetUp, netlink.OperUp
	}
	if err := set(l); err != nil {
		return fmt.Errorf("interface %s: %w", port, err)
	}
	limited, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if l, err = router.LinkByName(port); err != nil {
			return fmt.Errorf("interface %s: %w", port, err)
		}
		if l.Attrs().OperState == want {
			return nil
		}
		select {
		case <-limited.Done():
			return fmt.Errorf("interface %s is %s and shall be %s: %w", port, l.Attrs().OperState, want, limited.Err())
		case <-tick.C:
		}
	}
}
