package certs

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/trivet-dev/trivet/internal/pki"
)

// Check compares a certificate, the leaf being first in certPEM, with the spec. It returns "" when the certificate is as specified, and otherwise what is
// wrong with it, in which "+" stands before what the spec has more and "-" before what the certificate has more.
//
// authorityPEM holds the authorities that are trusted, the one that signs now being first. A certificate that lasts as long as its authority cannot be
// renewed to any use before the authority is, so it is not found due for renewal.
func (s Spec) Check(certPEM, authorityPEM []byte, now time.Time) (reason string) {
	if len(certPEM) == 0 {
		return "missing"
	}
	certificates, err := pki.DecodeCertificates(certPEM)
	if err != nil {
		return "unreadable: " + err.Error()
	}
	authorities, err := pki.DecodeCertificates(authorityPEM)
	if err != nil {
		return fmt.Sprintf("the %s authority is unreadable: %s", s.Authority, err)
	}
	certificate := certificates[0]
	var reasons []string
	for _, r := range []string{
		s.checkIssuer(certificate, authorities, now),
		s.checkSubject(certificate),
		s.checkUsages(certificate),
		s.checkNames(certificate),
		s.checkTimes(certificate, authorities[0], now),
	} {
		if r != "" {
			reasons = append(reasons, r)
		}
	}
	return strings.Join(reasons, "; ")
}

func (s Spec) checkIssuer(certificate *x509.Certificate, authorities []*x509.Certificate, now time.Time) string {
	for i, authority := range authorities {
		switch {
		case certificate.CheckSignatureFrom(authority) != nil:
		case now.After(authority.NotAfter):
			return fmt.Sprintf("its authority expired %s", day(authority.NotAfter))
		case i > 0:
			return fmt.Sprintf("issued by the %s authority that is being replaced", s.Authority)
		default:
			return ""
		}
	}
	return fmt.Sprintf("not issued by the %s authority", s.Authority)
}

// Void says of a certificate, the leaf being first, that nobody accepts it any more, and whether that is for its own end alone: otherwise none of the authorities that are trusted
// signed it.
func Void(certPEM, authorityPEM []byte, now time.Time) (void, ended bool) {
	certificates, err := pki.DecodeCertificates(certPEM)
	if err != nil || len(certificates) == 0 {
		return false, false // nobody knows
	}
	authorities, err := pki.DecodeCertificates(authorityPEM)
	if err != nil {
		return false, false
	}
	trusted := slices.ContainsFunc(authorities, func(a *x509.Certificate) bool {
		return certificates[0].CheckSignatureFrom(a) == nil && !now.After(a.NotAfter)
	})
	ended = now.After(certificates[0].NotAfter)
	return ended || !trusted, ended && trusted
}

func (s Spec) checkSubject(certificate *x509.Certificate) string {
	var reasons []string
	if certificate.Subject.CommonName != s.CommonName {
		reasons = append(reasons, fmt.Sprintf("common name is %q instead of %q", certificate.Subject.CommonName, s.CommonName))
	}
	if d := difference(s.Organizations, certificate.Subject.Organization); d != "" {
		reasons = append(reasons, "groups differ: "+d)
	}
	return strings.Join(reasons, "; ")
}

func (s Spec) checkUsages(certificate *x509.Certificate) string {
	var have, want []string
	for _, usage := range certificate.ExtKeyUsage {
		switch usage {
		case x509.ExtKeyUsageClientAuth:
			have = append(have, string(Client))
		case x509.ExtKeyUsageServerAuth:
			have = append(have, string(Server))
		default:
			have = append(have, fmt.Sprintf("extended-usage-%d", usage))
		}
	}
	for _, usage := range certificate.UnknownExtKeyUsage {
		have = append(have, usage.String())
	}
	if certificate.IsCA {
		have = append(have, "authority")
	}
	for _, usage := range s.Usages {
		want = append(want, string(usage))
	}
	if d := difference(want, have); d != "" {
		return "usages differ: " + d
	}
	return ""
}

func (s Spec) checkNames(certificate *x509.Certificate) string {
	have, want := slices.Clone(certificate.DNSNames), slices.Clone(s.DNSNames)
	for _, ip := range certificate.IPAddresses {
		if address, ok := netip.AddrFromSlice(ip); ok {
			have = append(have, address.Unmap().String())
		}
	}
	have = append(have, certificate.EmailAddresses...)
	for _, uri := range certificate.URIs {
		have = append(have, uri.String())
	}
	for _, address := range s.Addresses {
		want = append(want, address.Unmap().String())
	}
	if d := difference(want, have); d != "" {
		return "names differ: " + d
	}
	return ""
}

func (s Spec) checkTimes(certificate, signer *x509.Certificate, now time.Time) string {
	// What the certificate's end would be if it were issued now, to the second as in a certificate.
	renewed := now.UTC().Truncate(time.Second).Add(s.Lifetime)
	if renewed.After(signer.NotAfter) {
		renewed = signer.NotAfter
	}
	end := certificate.NotAfter
	switch {
	case now.After(end):
		return "expired " + day(end)
	case now.Before(certificate.NotBefore):
		return "not valid before " + certificate.NotBefore.UTC().Format(time.RFC3339)
	case end.Sub(now) <= s.RenewBefore && renewed.After(end):
		return fmt.Sprintf("expires %s, renewal is due %s before", day(end), span(s.RenewBefore))
	case end.After(now.Add(s.Lifetime + pki.Skew)):
		return fmt.Sprintf("expires %s, later than the lifetime of %s allows", day(end), span(s.Lifetime))
	}
	return ""
}

// difference compares two lists as sets: "+wanted -had", sorted, or "".
func difference(want, have []string) string {
	var out []string
	for _, x := range want {
		if !slices.Contains(have, x) {
			out = append(out, "+"+x)
		}
	}
	for _, x := range have {
		if !slices.Contains(want, x) {
			out = append(out, "-"+x)
		}
	}
	sort.Strings(out)
	return strings.Join(slices.Compact(out), " ")
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// span writes whole days as such: 30d instead of 720h0m0s.
func span(d time.Duration) string {
	const oneDay = 24 * time.Hour
	if d >= oneDay && d%oneDay == 0 {
		return fmt.Sprintf("%dd", d/oneDay)
	}
	return d.String()
}

// Describe names a certificate, the leaf being first, in a few words: its common name and its end.
func Describe(certPEM []byte) string {
	if len(certPEM) == 0 {
		return ""
	}
	certificates, err := pki.DecodeCertificates(certPEM)
	if err != nil {
		return "unreadable certificate"
	}
	return fmt.Sprintf("%s, expires %s", certificates[0].Subject.CommonName, day(certificates[0].NotAfter))
}
