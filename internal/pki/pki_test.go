package pki_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/trivet-dev/trivet/internal/pki"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

const year = 365 * 24 * time.Hour

func newAuthority(t *testing.T, name string, lifetime time.Duration) *pki.Authority {
	t.Helper()
	authority, err := pki.NewAuthority(rand.Reader, now, name, []string{"main"}, lifetime)
	if err != nil {
		t.Fatal(err)
	}
	return authority
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := pki.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func serving(lifetime time.Duration) pki.Leaf {
	return pki.Leaf{
		CommonName: "web", DNSNames: []string{"web.example"}, Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1")}, Server: true, Lifetime: lifetime,
	}
}

func TestAuthority(t *testing.T) {
	c := newAuthority(t, "root-ca", 10*year).Certificate()
	if err := c.CheckSignatureFrom(c); err != nil {
		t.Errorf("not self-signed: %v", err)
	}
	if !c.IsCA || c.MaxPathLen != 0 || !c.MaxPathLenZero || !c.BasicConstraintsValid {
		t.Errorf("basic constraints: CA %t, path length %d", c.IsCA, c.MaxPathLen)
	}
	if want := x509.KeyUsageCertSign | x509.KeyUsageCRLSign; c.KeyUsage != want {
		t.Errorf("key usage %b, want %b", c.KeyUsage, want)
	}
	if len(c.SubjectKeyId) != 20 || !bytes.Equal(c.SubjectKeyId, c.AuthorityKeyId) {
		t.Errorf("subject key id %x, authority key id %x", c.SubjectKeyId, c.AuthorityKeyId)
	}
	second := now.Truncate(time.Second)
	if !c.NotBefore.Equal(second.Add(-pki.Skew)) || !c.NotAfter.Equal(second.Add(10*year)) {
		t.Errorf("valid from %s to %s", c.NotBefore, c.NotAfter)
	}
	if c.Subject.String() != "CN=root-ca,O=main" {
		t.Errorf("subject %s", c.Subject)
	}
}

func TestSign(t *testing.T) {
	authority := newAuthority(t, "root-ca", 10*year)
	key := newKey(t)
	c, err := authority.Sign(rand.Reader, now, serving(year), &key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(authority.Certificate())
	verify := func(usage x509.ExtKeyUsage, name string) error {
		_, err := c.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, DNSName: name, KeyUsages: []x509.ExtKeyUsage{usage}})
		return err
	}
	for _, name := range []string{"web.example", "10.0.0.1"} {
		if err := verify(x509.ExtKeyUsageServerAuth, name); err != nil {
			t.Errorf("as a server %s: %v", name, err)
		}
	}
	if err := verify(x509.ExtKeyUsageServerAuth, "other.example"); err == nil {
		t.Error("verifies for a name that it does not have")
	}
	if err := verify(x509.ExtKeyUsageClientAuth, ""); err == nil {
		t.Error("verifies as a client")
	}
	if c.IsCA || !c.BasicConstraintsValid || c.KeyUsage != x509.KeyUsageDigitalSignature {
		t.Errorf("CA %t, key usage %b", c.IsCA, c.KeyUsage)
	}
	if !bytes.Equal(c.AuthorityKeyId, authority.Certificate().SubjectKeyId) || len(c.SubjectKeyId) != 20 || bytes.Equal(c.SubjectKeyId, c.AuthorityKeyId) {
		t.Errorf("subject key id %x, authority key id %x", c.SubjectKeyId, c.AuthorityKeyId)
	}
	if !key.PublicKey.Equal(c.PublicKey) {
		t.Error("the public key is another one")
	}
}

func TestLeafNeverOutlivesAuthority(t *testing.T) {
	authority := newAuthority(t, "root-ca", year)
	key := newKey(t)
	end := authority.Certificate().NotAfter
	for _, after := range []time.Duration{0, year / 2, year - 2*time.Second} {
		c, err := authority.Sign(rand.Reader, now.Add(after), serving(year), &key.PublicKey)
		if err != nil {
			t.Fatalf("%s after the authority was made: %v", after, err)
		}
		if !c.NotAfter.Equal(end) {
			t.Errorf("%s after the authority was made: ends %s, the authority ends %s", after, c.NotAfter, end)
		}
		if c.NotBefore.Before(authority.Certificate().NotBefore) {
			t.Errorf("%s after the authority was made: starts before it", after)
		}
	}
	if _, err := authority.Sign(rand.Reader, end, serving(year), &key.PublicKey); err == nil || !strings.Contains(err.Error(), "rotate it") {
		t.Errorf("at the authority's end: %v", err)
	}
	if _, err := authority.Sign(rand.Reader, now.Add(-time.Hour), serving(year), &key.PublicKey); err == nil || !strings.Contains(err.Error(), "clock") {
		t.Errorf("before the authority's time: %v", err)
	}
}

func TestSignRefuses(t *testing.T) {
	authority := newAuthority(t, "root-ca", year)
	key := newKey(t)
	for name, test := range map[string]struct {
		change func(*pki.Leaf)
		want   string
	}{
		"no common name":   {func(l *pki.Leaf) { l.CommonName = "" }, "common name"},
		"no usage":         {func(l *pki.Leaf) { l.Server = false }, "no usage"},
		"server, no names": {func(l *pki.Leaf) { l.DNSNames, l.Addresses = nil, nil }, "no name"},
		"no lifetime":      {func(l *pki.Leaf) { l.Lifetime = 0 }, "longer than zero"},
	} {
		leaf := serving(year)
		test.change(&leaf)
		if _, err := authority.Sign(rand.Reader, now, leaf, &key.PublicKey); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, test.want)
		}
	}
	if _, err := pki.NewAuthority(rand.Reader, now, "x", nil, 0); err == nil {
		t.Error("an authority without a lifetime was made")
	}
}

func TestRandomness(t *testing.T) {
	broken := iotest.ErrReader(errors.New("no entropy"))
	if _, err := pki.NewAuthority(broken, now, "x", nil, year); err == nil || !strings.Contains(err.Error(), "no entropy") {
		t.Errorf("an authority from a broken source: %v", err)
	}
	authority := newAuthority(t, "root-ca", year)
	key := newKey(t)
	if _, err := authority.Sign(broken, now, serving(year), &key.PublicKey); err == nil || !strings.Contains(err.Error(), "no entropy") {
		t.Errorf("a certificate from a broken source: %v", err)
	}
	// 128 bits, at random: over 64 numbers the longest has nearly all of them, and no two are the same.
	seen := map[string]bool{}
	longest := 0
	limit := new(big.Int).Lsh(big.NewInt(1), 128)
	for range 64 {
		c, err := authority.Sign(rand.Reader, now, serving(year), &key.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		if c.SerialNumber.Sign() <= 0 || c.SerialNumber.Cmp(limit) >= 0 {
			t.Fatalf("serial number %s", c.SerialNumber)
		}
		seen[c.SerialNumber.String()] = true
		longest = max(longest, c.SerialNumber.BitLen())
	}
	if len(seen) != 64 || longest < 120 {
		t.Errorf("%d different serial numbers of 64, the longest of %d bits", len(seen), longest)
	}
}

func TestPEMRoundTrip(t *testing.T) {
	authority := newAuthority(t, "root-ca", year)
	keyPEM, err := authority.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := pki.LoadAuthority(authority.CertificatePEM(), keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	again, err := loaded.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again, keyPEM) || !loaded.Certificate().Equal(authority.Certificate()) {
		t.Error("the authority changed on its way through PEM")
	}
	one, two := newKey(t), newKey(t)
	var bundle []byte
	for _, k := range []*ecdsa.PrivateKey{one, two} {
		b, err := pki.EncodePublicKey(&k.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		bundle = append(bundle, b...)
	}
	keys, err := pki.DecodePublicKeys(bundle)
	if err != nil || len(keys) != 2 || !keys[0].Equal(&one.PublicKey) || !keys[1].Equal(&two.PublicKey) {
		t.Errorf("public keys: %v, %v", keys, err)
	}
}

func TestLoadAuthorityRefuses(t *testing.T) {
	a, b := newAuthority(t, "a", year), newAuthority(t, "b", year)
	keyA, _ := a.KeyPEM()
	keyB, _ := b.KeyPEM()
	leafKey := newKey(t)
	leaf, err := a.Sign(rand.Reader, now, serving(year), &leafKey.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	leafKeyPEM, err := pki.EncodeKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		certificate, key []byte
		want             string
	}{
		"key of another":   {a.CertificatePEM(), keyB, "does not belong"},
		"two certificates": {append(a.CertificatePEM(), b.CertificatePEM()...), keyA, "one certificate"},
		"a leaf":           {pki.EncodeCertificate(leaf), leafKeyPEM, "not that of a certificate authority"},
		"swapped":          {keyA, a.CertificatePEM(), "not a CERTIFICATE"},
		"empty":            {nil, keyA, "no PEM block"},
		"text before":      {append([]byte("hello\n"), a.CertificatePEM()...), keyA, "something else"},
		"cut":              {a.CertificatePEM()[:200], keyA, "damaged"},
		"no key":           {a.CertificatePEM(), nil, "no PEM block"},
		"two keys":         {a.CertificatePEM(), append(bytes.Clone(keyA), keyB...), "2 private keys"},
	} {
		_, err := pki.LoadAuthority(test.certificate, test.key)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, test.want)
		}
	}
}

func TestDecodeKeyRefusesOtherKinds(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der := x509.MarshalPKCS1PrivateKey(key)
	for _, blockType := range []string{"RSA PRIVATE KEY", "EC PRIVATE KEY"} {
		if _, err := pki.DecodeKey(pem.EncodeToMemory(&pem.Block{Type: blockType, Bytes: der})); err == nil {
			t.Errorf("an RSA key in a block %q was taken", blockType)
		}
	}
}

func TestAuthorityDoesNotShowItsKey(t *testing.T) {
	authority := newAuthority(t, "root-ca", year)
	keyPEM, err := authority.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	key, err := pki.DecodeKey(keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	needles := []string{
		strings.Split(string(keyPEM), "\n")[1], fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), new(big.Int).SetBytes(secret).String(),
		strings.Trim(fmt.Sprint(secret), "[]"), strings.Trim(fmt.Sprint(new(big.Int).SetBytes(secret).Bits()), "[]"),
	}
	holder := struct{ A pki.Authority }{*authority}
	hidden := struct {
		p *pki.Authority
		v pki.Authority
	}{authority, *authority}
	texts := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		texts[verb] = fmt.Sprintf(verb, authority)
		texts[verb+" value"] = fmt.Sprintf(verb, *authority)
		texts[verb+" holder"] = fmt.Sprintf(verb, holder)
		// In unexported fields fmt calls no method, and follows pointers when the verb does not fit.
		texts[verb+" hidden"] = fmt.Sprintf(verb, hidden) + " root-ca"
	}
	encoded, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	texts["json"] = string(encoded)
	for how, text := range texts {
		for _, needle := range needles {
			if strings.Contains(text, needle) {
				t.Errorf("%s shows the private key", how)
			}
		}
		if !strings.Contains(text, "root-ca") {
			t.Errorf("%s does not name the authority: %s", how, text)
		}
	}
}

func TestFingerprint(t *testing.T) {
	a, b := newAuthority(t, "a", year), newAuthority(t, "a", year)
	if got := pki.Fingerprint(a.Certificate()); len(got) != 64 {
		t.Errorf("fingerprint %q", got)
	}
	if pki.Fingerprint(a.Certificate()) == pki.Fingerprint(b.Certificate()) {
		t.Error("two authorities of one name have one fingerprint")
	}
	key := newKey(t)
	one, err := pki.PublicKeyFingerprint(&key.PublicKey)
	if err != nil || len(one) != 64 {
		t.Errorf("%q, %v", one, err)
	}
}

func FuzzDecode(f *testing.F) {
	authority, err := pki.NewAuthority(rand.Reader, now, "a", nil, year)
	if err != nil {
		f.Fatal(err)
	}
	key, err := authority.KeyPEM()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(authority.CertificatePEM(), key)
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"), []byte("-----BEGIN "))
	f.Fuzz(func(t *testing.T, certificate, key []byte) {
		loaded, err := pki.LoadAuthority(certificate, key)
		if err == nil && !loaded.Certificate().IsCA {
			t.Error("what is no authority was loaded as one")
		}
	})
}
