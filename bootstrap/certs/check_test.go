package certs_test

import (
	"crypto/rand"
	"net/netip"
	"testing"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/internal/pki"
)

func TestCheckTimes(t *testing.T) {
	c := twoPlaces()
	spec, _ := certs.Find(certs.ForHost(c, host(t, c, "bj1-w1")), certs.KubeletServer)
	authority := newAuthorities(t, c)[certs.Kubernetes]
	certPEM, _ := issue(t, spec, authority, now)
	end := now.Add(365 * day)
	renew := end.Add(-30 * day)
	for _, test := range []struct {
		name string
		at   time.Time
		want string
	}{
		{"before its time", now.Add(-pki.Skew - time.Second), "not valid before 2026-03-01T11:55:00Z"},
		{"first moment", now.Add(-pki.Skew), ""},
		{"issued", now, ""},
		{"a second after", now.Add(time.Second), ""},
		{"before renewal", renew.Add(-time.Nanosecond), ""},
		{"renewal", renew, "expires 2027-03-01, renewal is due 30d before"},
		{"last moment", end, "expires 2027-03-01, renewal is due 30d before"},
		{"over", end.Add(time.Nanosecond), "expired 2027-03-01"},
		{"years later", end.Add(1000 * day), "expired 2027-03-01"},
	} {
		if got := spec.Check(certPEM, authority.CertificatePEM(), test.at); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestCheckLifetimeChanged(t *testing.T) {
	c := twoPlaces()
	spec, _ := certs.Find(certs.ForHost(c, host(t, c, "bj1-w1")), certs.KubeletServer)
	authority := newAuthorities(t, c)[certs.Kubernetes]
	certPEM, _ := issue(t, spec, authority, now)
	spec.Lifetime, spec.RenewBefore = 90*day, 12*time.Hour
	if got, want := spec.Check(certPEM, authority.CertificatePEM(), now), "expires 2027-03-01, later than the lifetime of 90d allows"; got != want {
		t.Errorf("shorter: %q, want %q", got, want)
	}
	spec.Lifetime = 1000 * day
	if got := spec.Check(certPEM, authority.CertificatePEM(), now); got != "" {
		t.Errorf("longer: %q, want the certificate to be used to its end", got)
	}
}

// Near the end of its authority a certificate cannot be made to last any longer, and a plan that wants to renew it would never be empty.
func TestCheckNearTheAuthoritysEnd(t *testing.T) {
	c := twoPlaces()
	c.Certificates.CALifetime = 100 * day
	spec, _ := certs.Find(certs.ForHost(c, host(t, c, "bj1-w1")), certs.KubeletServer)
	old := newAuthorities(t, c)[certs.Kubernetes]
	certPEM, _ := issue(t, spec, old, now)
	late := now.Add(80 * day)
	if got := spec.Check(certPEM, old.CertificatePEM(), late); got != "" {
		t.Errorf("with the old authority: %q", got)
	}
	next, err := certs.NewAuthority(rand.Reader, late, c, certs.Kubernetes)
	if err != nil {
		t.Fatal(err)
	}
	want := "expires 2026-06-09, renewal is due 30d before"
	if got, want := spec.Check(certPEM, append(next.CertificatePEM(), old.CertificatePEM()...), late), "issued by the kubernetes authority that is being replaced; "+want; got != want {
		t.Errorf("the new authority signs: %q, want %q", got, want)
	}
	if got := spec.Check(certPEM, append(old.CertificatePEM(), next.CertificatePEM()...), late); got != "" {
		t.Errorf("the new authority is trusted, the old one signs: %q", got)
	}
	if got, want := spec.Check(certPEM, next.CertificatePEM(), late), "not issued by the kubernetes authority; "+want; got != want {
		t.Errorf("the old authority is gone: %q, want %q", got, want)
	}
	over := now.Add(101 * day)
	if got, want := spec.Check(certPEM, old.CertificatePEM(), over), "its authority expired 2026-06-09; expired 2026-06-09"; got != want {
		t.Errorf("over: %q, want %q", got, want)
	}
}

func TestCheckDifferences(t *testing.T) {
	c := twoPlaces()
	all := newAuthorities(t, c)
	for _, test := range []struct {
		name     string
		identity string
		change   func(*certs.Spec)
		want     string
	}{
		{"address", certs.KubeAPIServer, func(s *certs.Spec) { s.Addresses[2] = netip.MustParseAddr("10.11.1.12") }, "names differ: +10.11.1.12 -10.11.1.11"},
		{"name more", certs.KubeAPIServer, func(s *certs.Spec) { s.DNSNames = append(s.DNSNames, "api.example") }, "names differ: +api.example"},
		{"name less", certs.KubeletServer, func(s *certs.Spec) { s.DNSNames = nil }, "names differ: -bj1-cp1"},
		{"order", certs.KubeAPIServer, func(s *certs.Spec) {
			s.DNSNames[0], s.DNSNames[1] = s.DNSNames[1], s.DNSNames[0]
			s.Addresses[0], s.Addresses[1] = s.Addresses[1], s.Addresses[0]
		}, ""},
		{"common name", certs.KubeletClient, func(s *certs.Spec) { s.CommonName = "system:node:x" }, `common name is "system:node:bj1-cp1" instead of "system:node:x"`},
		{"group", certs.KubeletClient, func(s *certs.Spec) { s.Organizations = []string{"g"} }, "groups differ: +g -system:nodes"},
		{"no group", certs.Operator, func(s *certs.Spec) { s.Organizations = nil }, "groups differ: -trivet:admins"},
		{"usage", certs.EtcdServer, func(s *certs.Spec) { s.Usages = []certs.Usage{certs.Server} }, "usages differ: -client"},
		{"usages swapped", certs.EtcdServer, func(s *certs.Spec) { s.Usages = []certs.Usage{certs.Client, certs.Server} }, ""},
		{"several", certs.KubeletServer, func(s *certs.Spec) {
			s.CommonName, s.Usages = "x", append(s.Usages, certs.Client)
		}, `common name is "bj1-cp1" instead of "x"; usages differ: +client`},
	} {
		spec, ok := certs.Find(certs.ForHost(c, host(t, c, "bj1-cp1")), test.identity)
		if !ok {
			t.Fatalf("no %s", test.identity)
		}
		certPEM, _ := issue(t, spec, all[spec.Authority], now)
		test.change(&spec)
		if got := spec.Check(certPEM, all[spec.Authority].CertificatePEM(), now); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestCheckUnreadable(t *testing.T) {
	c := twoPlaces()
	all := newAuthorities(t, c)
	spec, _ := certs.Find(certs.ForHost(c, host(t, c, "bj1-w1")), certs.KubeletServer)
	certPEM, keyPEM := issue(t, spec, all[certs.Kubernetes], now)
	bundle := all[certs.Kubernetes].CertificatePEM()
	for _, test := range []struct {
		name                string
		certificate, bundle []byte
		want                string
	}{
		{"none", nil, bundle, "missing"},
		{"key instead", keyPEM, bundle, "unreadable: the PEM block is a EC PRIVATE KEY, not a CERTIFICATE"},
		{"cut", certPEM[:100], bundle, "unreadable: what should be PEM (CERTIFICATE) is damaged"},
		{"other authority", certPEM, all[certs.Etcd].CertificatePEM(), "not issued by the kubernetes authority"},
		{"no authority", certPEM, nil, "the kubernetes authority is unreadable: there is no PEM block (CERTIFICATE)"},
	} {
		if got := spec.Check(test.certificate, test.bundle, now); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
	for text, want := range map[string]string{"": "", string(certPEM): "bj1-w1, expires 2027-03-01", string(keyPEM): "unreadable certificate"} {
		if got := certs.Describe([]byte(text)); got != want {
			t.Errorf("Describe: %q, want %q", got, want)
		}
	}
	// An authority that calls itself by the right name is not the right authority.
	impostor := newAuthorities(t, c)[certs.Kubernetes]
	forged, _ := issue(t, spec, impostor, now)
	if got, want := spec.Check(forged, bundle, now), "not issued by the kubernetes authority"; got != want {
		t.Errorf("impostor: %q, want %q", got, want)
	}
}

// What stands in a certificate file on a host is not to be trusted to be a certificate.
func FuzzCheck(f *testing.F) {
	c := twoPlaces()
	spec := certs.ForHost(c, c.Hosts[0])[0]
	authority, err := certs.NewAuthority(rand.Reader, now, c, spec.Authority)
	if err != nil {
		f.Fatal(err)
	}
	good, _, err := certs.Issue(rand.Reader, now, spec, authority)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(authority.CertificatePEM())
	f.Fuzz(func(t *testing.T, certPEM []byte) {
		reason := spec.Check(certPEM, authority.CertificatePEM(), now)
		if _, err := pki.DecodeCertificates(certPEM); err != nil && reason == "" {
			t.Error("what is no certificate was found to be as specified")
		}
	})
}
