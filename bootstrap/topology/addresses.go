package topology

import (
	"fmt"
	"net/netip"
)

// AddressKind says what an IPv4 address is for.
type AddressKind struct {
	Name string // "class A address", "loopback address", …
	Host bool   // whether it can be the address of a machine in a rack
	Why  string // why it cannot
}

// addressKinds is in the order in which it is searched: special ranges first, then the classes that hold them.
var addressKinds = []struct {
	prefix netip.Prefix
	kind   AddressKind
}{
	{netip.MustParsePrefix("0.0.0.0/32"), AddressKind{Name: "the unspecified address", Why: "0.0.0.0 means \"any address\" and names no machine"}},
	{netip.MustParsePrefix("0.0.0.0/8"), AddressKind{Name: "a \"this network\" address", Why: "0.0.0.0/8 stands for the local network itself and is never routed"}},
	{netip.MustParsePrefix("127.0.0.0/8"), AddressKind{Name: "a loopback address", Why: "127.0.0.0/8 always means the machine itself"}},
	{netip.MustParsePrefix("169.254.0.0/16"), AddressKind{Name: "a link-local address", Why: "169.254.0.0/16 is what a machine gives itself when nobody gives it an address, and it is not routed"}},
	{netip.MustParsePrefix("224.0.0.1/32"), AddressKind{Name: "the all-hosts multicast address", Why: "224.0.0.1 speaks to all machines of a network at once"}},
	{netip.MustParsePrefix("224.0.0.0/4"), AddressKind{Name: "a class D address", Why: "224.0.0.0/4 is for multicast groups"}},
	{netip.MustParsePrefix("255.255.255.255/32"), AddressKind{Name: "the limited broadcast address", Why: "255.255.255.255 speaks to all machines of a network at once"}},
	{netip.MustParsePrefix("240.0.0.0/4"), AddressKind{Name: "a class E address", Why: "240.0.0.0/4 is reserved and hosts refuse it"}},
	{netip.MustParsePrefix("10.0.0.0/8"), AddressKind{Name: "a private class A address", Host: true}},
	{netip.MustParsePrefix("172.16.0.0/12"), AddressKind{Name: "a private class B address", Host: true}},
	{netip.MustParsePrefix("192.168.0.0/16"), AddressKind{Name: "a private class C address", Host: true}},
	{netip.MustParsePrefix("0.0.0.0/1"), AddressKind{Name: "a class A address", Host: true}},
	{netip.MustParsePrefix("128.0.0.0/2"), AddressKind{Name: "a class B address", Host: true}},
	{netip.MustParsePrefix("192.0.0.0/3"), AddressKind{Name: "a class C address", Host: true}},
}

// KindOf tells what an IPv4 address is for.
func KindOf(a netip.Addr) AddressKind {
	for _, k := range addressKinds {
		if k.prefix.Contains(a) {
			return k.kind
		}
	}
	return AddressKind{Name: "not an IPv4 address", Why: "only IPv4 is supported"}
}

// rangeKind tells what a range is for: the first kind in it that cannot be hosts, else the kind of its first address.
func rangeKind(p netip.Prefix) AddressKind {
	for _, k := range addressKinds {
		if !k.kind.Host && k.prefix.Overlaps(p) {
			return k.kind
		}
	}
	return KindOf(p.Addr())
}

// broadcast is the last address of a range.
func broadcast(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	return netip.AddrFrom4(b)
}

// nth is the address so many after a; the zero Addr when there is none.
func nth(a netip.Addr, n int) netip.Addr {
	b := a.As4()
	v := uint64(b[0])<<24 | uint64(b[1])<<16 | uint64(b[2])<<8 | uint64(b[3])
	v += uint64(n)
	if n < 0 || v > 0xffffffff {
		return netip.Addr{}
	}
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}

// hostAddressFault says why an address cannot be a machine's in a rack, or "" when it can.
func hostAddressFault(a netip.Addr, rack netip.Prefix) (summary, detail string) {
	if kind := KindOf(a); !kind.Host {
		return "Address cannot be a host", fmt.Sprintf("%s is %s: %s.", a, kind.Name, kind.Why)
	}
	if !rack.IsValid() {
		return "", ""
	}
	first, last := rack.Addr(), broadcast(rack)
	switch {
	case !rack.Contains(a):
		return "Address outside its rack", fmt.Sprintf("%s is not in the rack's range %s, which goes from %s to %s.", a, rack, first, last)
	case rack.Bits() >= 31: // point-to-point and single-host ranges have neither a network nor a broadcast address
		return "", ""
	case a == first:
		return "Address cannot be a host", fmt.Sprintf("%s is the network address of the rack's range %s: it names the range itself.", a, rack)
	case a == last:
		return "Address cannot be a host", fmt.Sprintf("%s is the broadcast address of the rack's range %s: it speaks to all machines of the rack at once.", a, rack)
	}
	return "", ""
}
