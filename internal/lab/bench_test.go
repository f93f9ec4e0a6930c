//go:build linux

package lab

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"testing"
)

// BenchmarkUp measures a lab of five hosts on a warm base image.
func BenchmarkUp(b *testing.B) {
	if os.Getenv("TRIVET_LAB_TESTS") != "1" || os.Geteuid() != 0 {
		b.Skip("boots real hosts: set TRIVET_LAB_TESTS=1 and run as root")
	}
	spec := Spec{Name: "ltb"}
	for i, site := range []string{"s1", "s2", "s3"} {
		s := Site{Name: site}
		for j := range []int{2, 2, 1}[i] {
			address := netip.AddrFrom4([4]byte{10, 11, byte(i), byte(11 + j)})
			network, err := address.Prefix(24)
			if err != nil {
				b.Fatal(err)
			}
			s.Hosts = append(s.Hosts, Host{Name: fmt.Sprintf("%s-%d", site, j), Address: address, Network: network})
		}
		spec.Sites = append(spec.Sites, s)
	}
	o := Options{StateDir: "/var/lib/trivet-lab-test"}
	down := func() {
		if err := Down(b.Context(), spec.Name, o); err != nil {
			b.Fatal(err)
		}
	}
	down()
	for b.Loop() {
		l, err := Up(b.Context(), spec, o)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		status, err := l.Status(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		var memory []uint64
		for _, s := range status {
			memory = append(memory, s.Memory>>20)
		}
		b.ReportMetric(float64(slices.Max(memory)), "MB/host")
		down()
		b.StartTimer()
	}
}
