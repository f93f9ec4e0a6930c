//go:build linux

package lab

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func at(name, address string) Host {
	p := netip.MustParsePrefix(address)
	return Host{Name: name, Address: p.Addr(), Network: p.Masked()}
}

func TestSpecCheck(t *testing.T) {
	good := Spec{Name: "demo", Sites: []Site{
		{Name: "bj1", Hosts: []Host{at("a", "10.1.1.11/24"), at("b", "10.1.1.12/24"), at("c", "10.1.2.11/24")}},
		{Name: "sh1", Hosts: []Host{at("d", "10.2.1.11/24")}},
	}}
	if err := good.check(); err != nil {
		t.Fatal(err)
	}
	one := func(hosts ...Host) Spec { return Spec{Name: "demo", Sites: []Site{{Name: "s", Hosts: hosts}}} }
	for name, test := range map[string]struct {
		spec Spec
		want []string
	}{
		"names":           {Spec{Name: "a.b", Sites: []Site{{Name: "S", Hosts: []Host{at("h_1", "10.1.1.11/24")}}}}, []string{`lab name "a.b"`, `site name "S"`, `host name "h_1"`}},
		"path as a name":  {Spec{Name: "../x", Sites: good.Sites}, []string{`lab name "../x"`}},
		"no hosts":        {Spec{Name: "demo"}, []string{"no hosts"}},
		"same site":       {Spec{Name: "demo", Sites: []Site{good.Sites[0], good.Sites[0]}}, []string{`site "bj1" is there twice`}},
		"same host":       {one(at("a", "10.1.1.11/24"), at("a", "10.1.1.12/24")), []string{`host "a" is in site "s" and in site "s"`}},
		"same address":    {one(at("a", "10.1.1.11/24"), at("b", "10.1.1.11/24")), []string{`host "a" and host "b" both have the address 10.1.1.11`}},
		"outside":         {one(Host{"a", netip.MustParseAddr("10.1.2.1"), netip.MustParsePrefix("10.1.1.0/24")}), []string{"is not in its network"}},
		"no address":      {one(Host{Name: "a", Network: netip.MustParsePrefix("10.1.1.0/24")}), []string{"is not in its network"}},
		"no network":      {one(Host{Name: "a", Address: netip.MustParseAddr("10.1.1.1")}), []string{"has no network: the lab needs the range (cidr)"}},
		"IPv6":            {one(at("a", "fd00::11/64")), []string{"is not an IPv4 prefix"}},
		"broadcast":       {one(at("a", "10.1.1.255/24")), []string{"network or broadcast"}},
		"network address": {one(Host{"a", netip.MustParseAddr("10.1.1.0"), netip.MustParsePrefix("10.1.1.0/24")}), []string{"network or broadcast"}},
		"tiny":            {one(at("a", "10.1.1.1/31")), []string{"no room for a gateway"}},
		"operator's":      {one(at("a", "169.254.1.1/24")), []string{"operator's link"}},
		"overlap":         {one(at("a", "10.1.1.11/24"), at("b", "10.1.0.11/16")), []string{"10.1.0.0/16", "overlaps network 10.1.1.0/24"}},
		"stretched rack": {Spec{Name: "demo", Sites: []Site{
			{Name: "s", Hosts: []Host{at("a", "10.1.1.11/24")}}, {Name: "t", Hosts: []Host{at("b", "10.1.1.12/24")}},
		}}, []string{`site "t" overlaps network 10.1.1.0/24 of site "s"`}},
	} {
		t.Run(name, func(t *testing.T) {
			err := test.spec.check()
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error lacks %q:\n%v", want, err)
				}
			}
		})
	}
}

func TestGateways(t *testing.T) {
	spec := Spec{Name: "demo", Sites: []Site{{Name: "s", Hosts: []Host{
		at("a", "10.1.1.1/24"), at("b", "10.1.1.2/24"), at("c", "10.1.2.9/24"), at("d", "10.1.3.1/30"),
	}}}}
	rack1, rack2, rack3 := netip.MustParsePrefix("10.1.1.0/24"), netip.MustParsePrefix("10.1.2.0/24"), netip.MustParsePrefix("10.1.3.0/30")
	got, err := spec.gateways(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[netip.Prefix]netip.Addr{
		rack1: netip.MustParseAddr("10.1.1.3"), rack2: netip.MustParseAddr("10.1.2.1"), rack3: netip.MustParseAddr("10.1.3.2"),
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}

	// A gateway that hosts use stays, also when a lower address becomes free.
	fewer := Spec{Name: "demo", Sites: []Site{{Name: "s", Hosts: []Host{at("b", "10.1.1.2/24")}}}}
	kept, err := fewer.gateways(got)
	if err != nil {
		t.Fatal(err)
	}
	if kept[rack1] != want[rack1] {
		t.Errorf("gateway moved to %s", kept[rack1])
	}
	// And no host may take it.
	clash := Spec{Name: "demo", Sites: []Site{{Name: "s", Hosts: []Host{at("e", "10.1.1.3/24")}}}}
	if _, err := clash.gateways(got); err == nil || !strings.Contains(err.Error(), `host "e"`) || !strings.Contains(err.Error(), "trivet lab down") {
		t.Errorf("a host on the gateway's address: %v", err)
	}
	full := Spec{Name: "demo", Sites: []Site{{Name: "s", Hosts: []Host{at("a", "10.1.3.1/30"), at("b", "10.1.3.2/30")}}}}
	if _, err := full.gateways(nil); err == nil || !strings.Contains(err.Error(), "none is left") {
		t.Errorf("a full network: %v", err)
	}
}

func TestMerge(t *testing.T) {
	old := Spec{Name: "demo", Sites: []Site{
		{Name: "s", Hosts: []Host{at("a", "10.1.1.11/24"), at("b", "10.1.1.12/24")}},
		{Name: "gone", Hosts: []Host{at("c", "10.2.1.11/24")}},
	}}
	next := Spec{Name: "demo", Sites: []Site{{Name: "s", Hosts: []Host{at("b", "10.1.1.13/24"), at("d", "10.1.1.14/24")}}}}
	merged, kept := merge(old, next)
	if diff := cmp.Diff([]string{"a", "c"}, kept); diff != "" {
		t.Error(diff)
	}
	var got []string
	for _, site := range merged.Sites {
		for _, h := range site.Hosts {
			got = append(got, site.Name+"/"+h.Name+" "+h.Address.String())
		}
	}
	want := []string{"s/b 10.1.1.13", "s/d 10.1.1.14", "s/a 10.1.1.11", "gone/c 10.2.1.11"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(next.Sites[0].Hosts) != 2 {
		t.Error("the caller's spec was changed")
	}
}

func TestLastAddress(t *testing.T) {
	for prefix, want := range map[string]string{
		"10.1.1.0/24": "10.1.1.255", "10.1.1.77/30": "10.1.1.79", "10.0.0.0/12": "10.15.255.255", "0.0.0.0/0": "255.255.255.255",
	} {
		if got := lastAddress(netip.MustParsePrefix(prefix)).String(); got != want {
			t.Errorf("lastAddress(%s) = %s, want %s", prefix, got, want)
		}
	}
}

func TestUnknownNames(t *testing.T) {
	spec := Spec{Name: "demo", Sites: []Site{{Name: "s", Hosts: []Host{at("a", "10.1.1.1/24")}}, {Name: "t"}}}
	if _, _, err := spec.host("x"); err == nil || err.Error() != `lab "demo" has no host "x": its hosts are a` {
		t.Errorf("%v", err)
	}
	if err := spec.hasSite("x"); err == nil || err.Error() != `lab "demo" has no site "x": its sites are s, t` {
		t.Errorf("%v", err)
	}
}

func TestNames(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"bj1", "a-site-with-a-long-name", "a-site-with-a-long-nam", "a-site-with-a-longer-name", strings.Repeat("x", 63)} {
		for _, got := range []string{bridgeName(name), portName(name)} {
			if len(got) > maxInterfaceName {
				t.Errorf("%s: interface name %s is too long", name, got)
			}
			if other, ok := seen[got]; ok || got == operatorPort {
				t.Errorf("%s and %s are both named %s", name, other, got)
			}
			seen[got] = name
		}
	}
	if got := machineName(strings.Repeat("l", maxLabName), strings.Repeat("h", 63)); len(got) != 64 || strings.Contains(got, "_") {
		t.Errorf("machine name %q", got)
	}
	if a, b := machineName("a", "h"), machineName("b", "h"); a == b {
		t.Errorf("two labs share the machine name %s", a)
	}
	// Down goes by these prefixes: no lab may see another's.
	if strings.HasPrefix(hostNamespace("a-b", "c"), hostNamespace("a", "")) || strings.HasPrefix(operatorNamespace("a-b"), hostNamespace("a", "")) {
		t.Error("the namespaces of one lab look like another's")
	}
	mac := hardwareAddress("demo", "a")
	if mac[0]&1 != 0 || mac[0]&2 == 0 || mac.String() == hardwareAddress("demo", "b").String() {
		t.Errorf("hardware address %s", mac)
	}
}

func TestRoomFor(t *testing.T) {
	for free, warns := range map[uint64]bool{100: false, 18: false, 17: true, 0: true} {
		if got := roomFor("/var/lib/lab", unix.Statfs_t{Blocks: 100, Bavail: free}); (got != "") != warns || warns && !strings.Contains(got, fmt.Sprintf("%d %% of the disk", free)) {
			t.Errorf("with %d of 100 blocks free: %q", free, got)
		}
	}
}
