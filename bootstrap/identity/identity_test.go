package identity_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/pki"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC)

const day = 24 * time.Hour

func cluster(name string) *topology.Cluster {
	return &topology.Cluster{
		Name:         name,
		Certificates: topology.Certificates{CALifetime: 3650 * day, LeafLifetime: 365 * day, RenewBefore: 30 * day},
	}
}

func newIdentity(t *testing.T, name string) *identity.Identity {
	t.Helper()
	id, err := identity.New(rand.Reader, now, cluster(name))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func ageKey(t *testing.T) *age.X25519Identity {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func secret(t *testing.T, id *identity.Identity, name string) (content []byte, version string) {
	t.Helper()
	content, version, err := id.SecretContent(name)
	if err != nil {
		t.Fatal(err)
	}
	return content, version
}

func TestNew(t *testing.T) {
	id := newIdentity(t, "main")
	if len(id.ClusterID) != 32 || id.ClusterID == newIdentity(t, "main").ClusterID {
		t.Errorf("cluster id %q", id.ClusterID)
	}
	public := id.Public()
	if !public.Known() || len(public.Authorities) != len(certs.Authorities) {
		t.Errorf("%d authorities, want %d", len(public.Authorities), len(certs.Authorities))
	}
	prints := map[string]bool{}
	for _, name := range certs.Authorities {
		a := id.Authority(name)
		if public.Authorities[string(name)] != string(a.CertificatePEM()) {
			t.Errorf("the public half has another %s authority", name)
		}
		if want := now.Truncate(time.Second).Add(3650 * day); !a.Certificate().NotAfter.Equal(want) {
			t.Errorf("the %s authority ends %s, want %s", name, a.Certificate().NotAfter, want)
		}
		prints[pki.Fingerprint(a.Certificate())] = true
	}
	if len(prints) != len(certs.Authorities) {
		t.Errorf("%d different authorities, want %d", len(prints), len(certs.Authorities))
	}
	if id.Authority("other") != nil {
		t.Error("there is an authority that does not exist")
	}
	if strings.Contains(public.ServiceAccountKeys, "PRIVATE") {
		t.Error("the public half holds a private key")
	}
	// What is handed out is a copy.
	public.Authorities["etcd"], public.Versions["encryption"] = "changed", "changed"
	if diff := cmp.Diff(newPublic(t, id), id.Public()); diff != "" {
		t.Errorf("a change of what was handed out changed the identity:\n%s", diff)
	}
}

// newPublic is the public half as it comes out of a sealed copy.
func newPublic(t *testing.T, id *identity.Identity) inventory.Public {
	t.Helper()
	key := ageKey(t)
	sealed, err := id.Seal([]string{key.Recipient().String()})
	if err != nil {
		t.Fatal(err)
	}
	opened, err := identity.Open(sealed, []age.Identity{key})
	if err != nil {
		t.Fatal(err)
	}
	return opened.Public()
}

func TestNewRefuses(t *testing.T) {
	c := cluster("main")
	c.Certificates.CALifetime = 0
	if _, err := identity.New(rand.Reader, now, c); err == nil || !strings.Contains(err.Error(), "cluster main") {
		t.Errorf("without a lifetime: %v", err)
	}
	for _, n := range []int64{0, 16, 48} {
		source := iotest.TimeoutReader(iotest.ErrReader(errors.New("no entropy")))
		if n > 0 {
			source = &failing{left: n}
		}
		if _, err := identity.New(source, now, cluster("main")); err == nil {
			t.Errorf("an identity was made from %d random bytes", n)
		}
	}
}

// failing is a source of randomness that dries up.
type failing struct{ left int64 }

func (f *failing) Read(b []byte) (int, error) {
	if f.left < int64(len(b)) {
		return 0, errors.New("no entropy")
	}
	f.left -= int64(len(b))
	return rand.Read(b)
}

func TestServiceAccountKey(t *testing.T) {
	id := newIdentity(t, "main")
	content, version := secret(t, id, identity.ServiceAccountKey)
	block, rest := pem.Decode(content)
	if block == nil || len(rest) > 0 || block.Type != "EC PRIVATE KEY" {
		t.Fatal("the content is not one private key in PEM")
	}
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	publics, err := pki.DecodePublicKeys([]byte(id.Public().ServiceAccountKeys))
	if err != nil || len(publics) != 1 || !publics[0].Equal(&key.PublicKey) {
		t.Fatalf("the public half is of another key (%v)", err)
	}
	digest := [32]byte{1, 2, 3}
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil || !ecdsa.VerifyASN1(publics[0], digest[:], signature) {
		t.Errorf("the public key does not verify what the private key signs (%v)", err)
	}
	if want, err := pki.PublicKeyFingerprint(publics[0]); err != nil || version != want {
		t.Errorf("version %q, want the fingerprint of the public key %q (%v)", version, want, err)
	}
}

func TestEncryptionConfig(t *testing.T) {
	id := newIdentity(t, "main")
	content, version := secret(t, id, identity.EncryptionConfig)
	var config struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Resources  []struct {
			Resources []string `json:"resources"`
			Providers []struct {
				Secretbox *struct {
					Keys []struct {
						Name   string `json:"name"`
						Secret []byte `json:"secret"`
					} `json:"keys"`
				} `json:"secretbox,omitempty"`
				Identity *struct{} `json:"identity,omitempty"`
			} `json:"providers"`
		} `json:"resources"`
	}
	if err := yaml.UnmarshalStrict(content, &config); err != nil {
		t.Fatal("the configuration is not of the form that the API server reads")
	}
	if config.APIVersion != "apiserver.config.k8s.io/v1" || config.Kind != "EncryptionConfiguration" || len(config.Resources) != 1 {
		t.Fatalf("%s %s with %d lists of resources", config.APIVersion, config.Kind, len(config.Resources))
	}
	if diff := cmp.Diff([]string{"secrets", "configmaps"}, config.Resources[0].Resources); diff != "" {
		t.Error(diff)
	}
	providers := config.Resources[0].Providers
	if len(providers) != 2 || providers[0].Secretbox == nil || providers[1].Identity == nil {
		t.Fatal("the providers are not secretbox and, last, identity")
	}
	keys := providers[0].Secretbox.Keys
	if len(keys) != 1 || len(keys[0].Secret) != 32 || bytes.Equal(keys[0].Secret, make([]byte, 32)) {
		t.Fatal("there is not one key of 32 bytes")
	}
	if version != "v1+"+keys[0].Name {
		t.Errorf("version %q of key %q", version, keys[0].Name)
	}
}

func TestOnlineCAKey(t *testing.T) {
	id := newIdentity(t, "main")
	content, version := secret(t, id, identity.OnlineCAKey)
	online, err := pki.LoadAuthority(id.Authority(certs.Online).CertificatePEM(), content)
	if err != nil {
		t.Fatal(err)
	}
	if version != pki.Fingerprint(online.Certificate()) {
		t.Errorf("version %q", version)
	}
}

func TestSecrets(t *testing.T) {
	one, two := newIdentity(t, "main"), newIdentity(t, "main")
	names := []string{identity.ServiceAccountKey, identity.EncryptionConfig, identity.OnlineCAKey}
	for _, name := range names {
		a, version := secret(t, one, name)
		again, sameVersion := secret(t, one, name)
		b, otherVersion := secret(t, two, name)
		if !bytes.Equal(a, again) || version != sameVersion {
			t.Errorf("%s differs from one call to the next", name)
		}
		if bytes.Equal(a, b) || version == otherVersion {
			t.Errorf("%s of two clusters is the same", name)
		}
		if got := identity.Version(one.Public(), name); got != version {
			t.Errorf("%s: the inventory would record version %q, the content has %q", name, got, version)
		}
		if got := identity.Version(inventory.Public{}, name); got != "" {
			t.Errorf("%s: version %q from an inventory that knows nothing", name, got)
		}
	}
	// The names of the inventory's format.
	for _, kind := range []string{"service-account", "encryption", "online-ca"} {
		if one.Public().Versions[kind] == "" {
			t.Errorf("no version of %s", kind)
		}
	}
	if _, _, err := one.SecretContent("etcd-ca-key"); err == nil || !strings.Contains(err.Error(), "etcd-ca-key") {
		t.Errorf("a secret that is never on a host in plain: %v", err)
	}
}

func TestCheckAgainst(t *testing.T) {
	mine, other := newIdentity(t, "main"), newIdentity(t, "main")
	for _, test := range []struct {
		name   string
		change func(*inventory.Public)
		want   []string
	}{
		{"the same", func(*inventory.Public) {}, nil},
		{"knows nothing yet", func(p *inventory.Public) { *p = inventory.Public{} }, nil},
		{"another cluster", func(p *inventory.Public) { *p = other.Public() }, []string{
			"the etcd authority, the front-proxy authority, the kubernetes authority, the online authority", "the service account keys",
			"the version of encryption, the version of online-ca, the version of service-account", "identity.age", mine.ClusterID,
		}},
		{"one authority", func(p *inventory.Public) { p.Authorities["etcd"] = other.Public().Authorities["etcd"] }, []string{"differ in the etcd authority:"}},
		{"authority unknown here", func(p *inventory.Public) { p.Authorities["vault"] = p.Authorities["etcd"] }, []string{"differ in the vault authority:"}},
		{"authority missing there", func(p *inventory.Public) { delete(p.Authorities, "online") }, []string{"differ in the online authority:"}},
		{"two authorities there", func(p *inventory.Public) { p.Authorities["etcd"] += other.Public().Authorities["etcd"] }, []string{"the etcd authority"}},
		{"damaged authority there", func(p *inventory.Public) { p.Authorities["etcd"] = "x" }, []string{"the etcd authority"}},
		{"service account keys", func(p *inventory.Public) { p.ServiceAccountKeys = other.Public().ServiceAccountKeys }, []string{"differ in the service account keys:"}},
		{"encryption key", func(p *inventory.Public) { p.Versions["encryption"] = "v1+key-0" }, []string{"differ in the version of encryption:"}},
	} {
		known := mine.Public()
		test.change(&known)
		err := mine.CheckAgainst(known)
		if (err == nil) != (test.want == nil) {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %q, want one with %q", test.name, err, want)
			}
		}
	}
}
