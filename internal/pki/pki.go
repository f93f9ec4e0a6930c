// Package pki makes and reads ECDSA P-256 keys and X.509 certificates: authorities, and the leaves that they sign. It knows nothing of what the certificates
// are for.
//
// Time and randomness are parameters. Private keys and signatures are the exception that Go itself makes: since Go 1.26 crypto/ecdsa takes its randomness from
// the operating system, whatever reader it is given.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"time"
)

// Skew is how far the clocks of hosts may be behind that of the machine that signs: certificates are valid from that long ago.
const Skew = 5 * time.Minute

// Authority is a certificate authority: its certificate, and its private key for signing.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// Leaf describes a certificate to be signed.
type Leaf struct {
	CommonName     string
	Organizations  []string
	DNSNames       []string
	Addresses      []netip.Addr
	Client, Server bool
	Lifetime       time.Duration
}

// GenerateKey makes a private key.
func GenerateKey(random io.Reader) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), random)
	if err != nil {
		return nil, fmt.Errorf("a private key cannot be made: %w", err)
	}
	return key, nil
}

// NewAuthority makes a self-signed authority that may sign leaves, and no further authorities.
func NewAuthority(random io.Reader, now time.Time, commonName string, organizations []string, lifetime time.Duration) (*Authority, error) {
	if commonName == "" {
		return nil, errors.New("an authority needs a common name")
	}
	if lifetime <= 0 {
		return nil, fmt.Errorf("the authority %q would have a lifetime of %s: it must be longer than zero", commonName, lifetime)
	}
	key, err := GenerateKey(random)
	if err != nil {
		return nil, err
	}
	serial, err := newSerial(random)
	if err != nil {
		return nil, err
	}
	keyID, err := keyIdentifier(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	now = now.UTC().Truncate(time.Second)
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: commonName, Organization: organizations},
		NotBefore:             now.Add(-Skew),
		NotAfter:              now.Add(lifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
		SubjectKeyId:          keyID,
		AuthorityKeyId:        keyID,
	}
	certificate, err := sign(random, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("the authority %q cannot be made: %w", commonName, err)
	}
	return &Authority{certificate: certificate, key: key}, nil
}

// LoadAuthority reads an authority from PEM and makes sure that the key belongs to the certificate, which may be expired.
func LoadAuthority(certificatePEM, keyPEM []byte) (*Authority, error) {
	certificates, err := DecodeCertificates(certificatePEM)
	if err != nil {
		return nil, err
	}
	if len(certificates) != 1 {
		return nil, fmt.Errorf("an authority has one certificate, and there are %d", len(certificates))
	}
	certificate := certificates[0]
	if !certificate.BasicConstraintsValid || !certificate.IsCA || certificate.KeyUsage&x509.KeyUsageCertSign == 0 {
		return nil, fmt.Errorf("the certificate of %q is not that of a certificate authority", certificate.Subject)
	}
	key, err := DecodeKey(keyPEM)
	if err != nil {
		return nil, err
	}
	if !key.PublicKey.Equal(certificate.PublicKey) {
		return nil, fmt.Errorf("the private key does not belong to the certificate of %q", certificate.Subject)
	}
	return &Authority{certificate: certificate, key: key}, nil
}

// Certificate returns the authority's certificate.
func (a *Authority) Certificate() *x509.Certificate { return a.certificate }

// CertificatePEM returns the authority's certificate in PEM.
func (a *Authority) CertificatePEM() []byte { return EncodeCertificate(a.certificate) }

// KeyPEM returns the authority's private key in PEM. It is secret.
func (a *Authority) KeyPEM() ([]byte, error) { return EncodeKey(a.key) }

// String names the authority, without its key.
func (a Authority) String() string {
	if a.certificate == nil {
		return "authority"
	}
	return fmt.Sprintf("authority %q (sha256 %s)", a.certificate.Subject, Fingerprint(a.certificate))
}

// Format implements fmt.Formatter, so that no verb shows the key.
func (a Authority) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, a.String()) }

// MarshalText implements encoding.TextMarshaler: the name, without the key.
func (a Authority) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// Sign issues a certificate for a public key. It never outlives the authority.
func (a *Authority) Sign(random io.Reader, now time.Time, leaf Leaf, public *ecdsa.PublicKey) (*x509.Certificate, error) {
	notBefore, notAfter, err := a.validity(now, leaf)
	if err != nil {
		return nil, err
	}
	serial, err := newSerial(random)
	if err != nil {
		return nil, err
	}
	keyID, err := keyIdentifier(public)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: leaf.CommonName, Organization: leaf.Organizations},
		NotBefore:             notBefore,
		NotAfter:              notAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		SubjectKeyId:          keyID,
		DNSNames:              leaf.DNSNames,
	}
	if leaf.Server {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	if leaf.Client {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	for _, address := range leaf.Addresses {
		template.IPAddresses = append(template.IPAddresses, net.IP(address.Unmap().AsSlice()))
	}
	certificate, err := sign(random, template, a.certificate, public, a.key)
	if err != nil {
		return nil, fmt.Errorf("the certificate of %q cannot be signed: %w", leaf.CommonName, err)
	}
	return certificate, nil
}

// validity checks what a leaf asks for and returns the time within which it will be valid.
func (a *Authority) validity(now time.Time, leaf Leaf) (notBefore, notAfter time.Time, err error) {
	now = now.UTC().Truncate(time.Second)
	authority := a.certificate
	switch {
	case leaf.CommonName == "":
		err = errors.New("a certificate needs a common name")
	case !leaf.Client && !leaf.Server:
		err = fmt.Errorf("the certificate of %q would have no usage", leaf.CommonName)
	case leaf.Server && len(leaf.DNSNames)+len(leaf.Addresses) == 0:
		err = fmt.Errorf("the serving certificate of %q would have no name and no address", leaf.CommonName)
	case leaf.Lifetime <= 0:
		err = fmt.Errorf("the certificate of %q would have a lifetime of %s: it must be longer than zero", leaf.CommonName, leaf.Lifetime)
	case now.Before(authority.NotBefore):
		err = fmt.Errorf("the authority %q is valid from %s only, and the clock says %s: set the clock right",
			authority.Subject, authority.NotBefore.Format(time.RFC3339), now.Format(time.RFC3339))
	case !now.Before(authority.NotAfter):
		err = fmt.Errorf("the authority %q expired at %s and can sign nothing: rotate it", authority.Subject, authority.NotAfter.Format(time.RFC3339))
	}
	if err != nil {
		return time.Time{}, time.Time{}, err
	}
	notBefore, notAfter = now.Add(-Skew), now.Add(leaf.Lifetime)
	if notBefore.Before(authority.NotBefore) {
		notBefore = authority.NotBefore
	}
	if notAfter.After(authority.NotAfter) {
		notAfter = authority.NotAfter
	}
	return notBefore, notAfter, nil
}

func sign(random io.Reader, template, parent *x509.Certificate, public *ecdsa.PublicKey, key *ecdsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(random, template, parent, public, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// newSerial returns 128 random bits, not zero, as a certificate's number.
func newSerial(random io.Reader) (*big.Int, error) {
	limit := new(big.Int).Lsh(big.NewInt(1), 128)
	limit.Sub(limit, big.NewInt(1))
	n, err := rand.Int(random, limit)
	if err != nil {
		return nil, fmt.Errorf("a serial number cannot be made: %w", err)
	}
	return n.Add(n, big.NewInt(1)), nil
}

// keyIdentifier is method 1 of RFC 7093, section 2: the leftmost 160 bits of the SHA-256 of the public key's bits.
func keyIdentifier(public *ecdsa.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("a public key cannot be encoded: %w", err)
	}
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		PublicKey asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		return nil, fmt.Errorf("a public key cannot be encoded: %w", err)
	}
	sum := sha256.Sum256(info.PublicKey.RightAlign())
	return sum[:20], nil
}
