package certs

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/pki"
)

// NewAuthority makes an authority of the cluster, with the lifetime that the topology gives to authorities. The organization tells the authorities of
// different clusters apart.
func NewAuthority(random io.Reader, now time.Time, c *topology.Cluster, a Authority) (*pki.Authority, error) {
	if !slices.Contains(Authorities, a) {
		return nil, fmt.Errorf("there is no certificate authority %q", a)
	}
	return pki.NewAuthority(random, now, string(a)+"-ca", []string{c.Name}, c.Certificates.CALifetime)
}

// Issue makes a private key and has the authority sign a certificate as specified. The key is secret.
func Issue(random io.Reader, now time.Time, spec Spec, authority *pki.Authority) (certPEM, keyPEM []byte, err error) {
	if authority == nil {
		return nil, nil, fmt.Errorf("certificate %s: the %s authority is not at hand", spec.Identity, spec.Authority)
	}
	key, err := pki.GenerateKey(random)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate %s: %w", spec.Identity, err)
	}
	certificate, err := authority.Sign(random, now, pki.Leaf{
		CommonName:    spec.CommonName,
		Organizations: spec.Organizations,
		DNSNames:      spec.DNSNames,
		Addresses:     spec.Addresses,
		Client:        slices.Contains(spec.Usages, Client),
		Server:        slices.Contains(spec.Usages, Server),
		Lifetime:      spec.Lifetime,
	}, &key.PublicKey)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate %s: %w", spec.Identity, err)
	}
	keyPEM, err = pki.EncodeKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate %s: %w", spec.Identity, err)
	}
	return pki.EncodeCertificate(certificate), keyPEM, nil
}
