// Package identity is the secret half of a cluster, as one value: the authorities with their private keys, the service account key, the encryption key.
// In plain it exists in the memory of an apply only; it is stored sealed with age, and it never shows its secrets in text, JSON or errors.
package identity

import (
	"crypto/ecdsa"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/pki"
)

// Document is the name under which the sealed identity is kept on control planes.
const Document = "identity.age"

// Identity is a cluster's identity.
type Identity struct {
	Cluster   string    // name of the cluster
	ClusterID string    // 128 random bits in hex, never reused
	Created   time.Time // when it was made, to the second
	public    inventory.Public
	// A function, because package fmt follows pointers in unexported fields when the verb does not fit ("%s"), and calls no method there.
	material func() *material
}

// material is what must not be seen. The first of each list is the one in use; more than one there is only during a rotation.
type material struct {
	authorities    map[certs.Authority][]*pki.Authority
	serviceAccount []*ecdsa.PrivateKey
	encryption     []encryptionKey
	recipients     []string // of the sealed form that it was read from; public
}

// New makes the identity of a new cluster.
func New(random io.Reader, now time.Time, c *topology.Cluster) (*Identity, error) {
	id := make([]byte, 16)
	if _, err := io.ReadFull(random, id); err != nil {
		return nil, fmt.Errorf("cluster %s: its id cannot be made: %w", c.Name, err)
	}
	m := &material{authorities: map[certs.Authority][]*pki.Authority{}}
	for _, name := range certs.Authorities {
		authority, err := certs.NewAuthority(random, now, c, name)
		if err != nil {
			return nil, fmt.Errorf("cluster %s: %w", c.Name, err)
		}
		m.authorities[name] = []*pki.Authority{authority}
	}
	key, err := pki.GenerateKey(random)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: the service account key: %w", c.Name, err)
	}
	m.serviceAccount = []*ecdsa.PrivateKey{key}
	encryption, err := newEncryptionKey(random)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", c.Name, err)
	}
	m.encryption = []encryptionKey{encryption}
	identity := &Identity{Cluster: c.Name, ClusterID: hex.EncodeToString(id), Created: now.UTC().Truncate(time.Second), material: func() *material { return m }}
	if identity.public, err = m.public(); err != nil {
		return nil, fmt.Errorf("cluster %s: %w", c.Name, err)
	}
	return identity, nil
}

// Authority returns the authority that signs now, or nil when there is none of that name.
func (i *Identity) Authority(name certs.Authority) *pki.Authority {
	if all := i.material().authorities[name]; len(all) > 0 {
		return all[0]
	}
	return nil
}

// Recipients returns the age recipients that the sealed form was for, sorted; none for an identity that was not read from one.
func (i *Identity) Recipients() []string { return slices.Clone(i.material().recipients) }

// Public returns what may be known of the identity, the one in use being the first of each list.
func (i *Identity) Public() inventory.Public {
	return inventory.Public{
		Authorities:        maps.Clone(i.public.Authorities),
		ServiceAccountKeys: i.public.ServiceAccountKeys,
		Versions:           maps.Clone(i.public.Versions),
	}
}

func (m *material) public() (inventory.Public, error) {
	public := inventory.Public{Authorities: map[string]string{}, Versions: map[string]string{}}
	for name, all := range m.authorities {
		var bundle strings.Builder
		for _, authority := range all {
			bundle.Write(authority.CertificatePEM())
		}
		public.Authorities[string(name)] = bundle.String()
	}
	var keys strings.Builder
	for _, key := range m.serviceAccount {
		block, err := pki.EncodePublicKey(&key.PublicKey)
		if err != nil {
			return inventory.Public{}, fmt.Errorf("the service account key: %w", err)
		}
		keys.Write(block)
	}
	public.ServiceAccountKeys = keys.String()
	for secret, kind := range versionKinds {
		version, err := m.version(secret)
		if err != nil {
			return inventory.Public{}, err
		}
		public.Versions[kind] = version
	}
	return public, nil
}

// CheckAgainst compares the identity with what the inventory knows of it and refuses one that is not the cluster's. An inventory that knows nothing yet
// refuses nothing.
func (i *Identity) CheckAgainst(known inventory.Public) error {
	if !known.Known() {
		return nil
	}
	mine := i.public
	names := slices.Collect(maps.Keys(mine.Authorities))
	for name := range known.Authorities {
		if _, ok := mine.Authorities[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var wrong []string
	for _, name := range names {
		if !sameCertificates(mine.Authorities[name], known.Authorities[name]) {
			wrong = append(wrong, fmt.Sprintf("the %s authority", name))
		}
	}
	if strings.TrimSpace(mine.ServiceAccountKeys) != strings.TrimSpace(known.ServiceAccountKeys) {
		wrong = append(wrong, "the service account keys")
	}
	for _, kind := range slices.Sorted(maps.Keys(mine.Versions)) {
		if mine.Versions[kind] != known.Versions[kind] {
			wrong = append(wrong, fmt.Sprintf("the version of %s", kind))
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return i.refused(strings.Join(wrong, ", "))
}

func (i *Identity) refused(what string) error {
	return fmt.Errorf("the sealed identity (cluster %s, id %s, made %s) is not the one that the inventory records; they differ in %s: "+
		"use the %s of this cluster, from another control plane or from a backup",
		i.Cluster, i.ClusterID, i.Created.Format(time.RFC3339), what, Document)
}

// sameCertificates compares bundles by fingerprint, in order.
func sameCertificates(a, b string) bool {
	left, err := pki.DecodeCertificates([]byte(a))
	if err != nil {
		return false
	}
	right, err := pki.DecodeCertificates([]byte(b))
	if err != nil || len(left) != len(right) {
		return false
	}
	for i := range left {
		if pki.Fingerprint(left[i]) != pki.Fingerprint(right[i]) {
			return false
		}
	}
	return true
}

// String names the identity, without its secrets.
func (i Identity) String() string {
	return fmt.Sprintf("identity of cluster %s (id %s)", i.Cluster, i.ClusterID)
}

// GoString implements fmt.GoStringer.
func (i Identity) GoString() string { return i.String() }

// Format implements fmt.Formatter, so that no verb shows a secret.
func (i Identity) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, i.String()) }

// MarshalJSON writes the names alone. The form with the secrets is made by Seal.
func (i Identity) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Cluster   string `json:"cluster"`
		ClusterID string `json:"clusterID"`
	}{i.Cluster, i.ClusterID})
}

// UnmarshalJSON refuses: an identity is read by Open.
func (i *Identity) UnmarshalJSON([]byte) error {
	return fmt.Errorf("an identity is read from its sealed form (%s) only", Document)
}
