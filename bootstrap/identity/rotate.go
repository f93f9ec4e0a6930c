package identity

import (
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
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

// Names of what can be replaced, as topologies and the inventory have them.
const (
	RotateServiceAccount = "service_account_key"
	RotateEncryption     = "encryption_key"
)

// RotatedAuthorities are the authorities by the names under which they are replaced.
var RotatedAuthorities = map[string]certs.Authority{
	"etcd_ca": certs.Etcd, "kubernetes_ca": certs.Kubernetes, "front_proxy_ca": certs.FrontProxy, "online_ca": certs.Online,
}

// With returns the identity with a new authority or key of each name, after those that are there: it is accepted, and does not sign yet.
func (i *Identity) With(random io.Reader, now time.Time, c *topology.Cluster, names ...string) (*Identity, error) {
	old := i.material()
	m := &material{authorities: maps.Clone(old.authorities), serviceAccount: slices.Clone(old.serviceAccount), encryption: slices.Clone(old.encryption), recipients: old.recipients}
	for _, name := range names {
		if err := m.add(random, now, c, name); err != nil {
			return nil, fmt.Errorf("cluster %s: %w", c.Name, err)
		}
	}
	return i.of(m)
}

func (m *material) add(random io.Reader, now time.Time, c *topology.Cluster, name string) error {
	switch name {
	case RotateServiceAccount:
		key, err := pki.GenerateKey(random)
		if err != nil {
			return fmt.Errorf("the service account key: %w", err)
		}
		m.serviceAccount = append(m.serviceAccount, key)
		return nil
	case RotateEncryption:
		key, err := newEncryptionKey(random)
		if err != nil {
			return err
		}
		m.encryption = append(m.encryption, key)
		return nil
	}
	authority, err := certs.NewAuthority(random, now, c, RotatedAuthorities[name])
	if err != nil {
		return err
	}
	of := RotatedAuthorities[name]
	m.authorities[of] = append(slices.Clone(m.authorities[of]), authority)
	return nil
}

func (i *Identity) of(m *material) (*Identity, error) {
	out := &Identity{Cluster: i.Cluster, ClusterID: i.ClusterID, Created: i.Created, material: func() *material { return m }}
	var err error
	out.public, err = m.public()
	return out, err
}

// As returns the identity with what an inventory records of it, in that order. The sealed form may hold more: an authority or key that an interrupted run made and nothing
// depends on, or one that is no longer accepted. An identity that lacks something is refused. Of an inventory that knows nothing yet it is the whole.
func (i *Identity) As(known inventory.Public) (*Identity, error) {
	if !known.Known() {
		return i, nil
	}
	old, m := i.material(), &material{authorities: map[certs.Authority][]*pki.Authority{}, recipients: i.material().recipients}
	for name := range known.Authorities {
		list, err := pki.DecodeCertificates([]byte(known.Authorities[name]))
		if err != nil {
			return nil, unreadable(fmt.Sprintf("the certificates of the authority %q", name))
		}
		for _, c := range list {
			all := old.authorities[certs.Authority(name)]
			if at := slices.IndexFunc(all, func(a *pki.Authority) bool { return a.Certificate().Equal(c) }); at >= 0 {
				m.authorities[certs.Authority(name)] = append(m.authorities[certs.Authority(name)], all[at])
			}
		}
	}
	keys, err := pki.DecodePublicKeys([]byte(known.ServiceAccountKeys))
	if err != nil {
		return nil, unreadable("the public keys of service accounts")
	}
	for _, k := range keys {
		if at := slices.IndexFunc(old.serviceAccount, func(s *ecdsa.PrivateKey) bool { return s.PublicKey.Equal(k) }); at >= 0 {
			m.serviceAccount = append(m.serviceAccount, old.serviceAccount[at])
		}
	}
	for _, name := range encryptionNames(known) {
		if at := slices.IndexFunc(old.encryption, func(k encryptionKey) bool { return k.name == name }); at >= 0 {
			m.encryption = append(m.encryption, old.encryption[at])
		}
	}
	if !m.complete() {
		return nil, i.refused("an authority or a key that is not in it")
	}
	out, err := i.of(m)
	if err != nil {
		return nil, err
	}
	return out, out.CheckAgainst(known)
}

// complete says whether there is something of everything.
func (m *material) complete() bool {
	for _, name := range certs.Authorities {
		if len(m.authorities[name]) == 0 {
			return false
		}
	}
	return len(m.serviceAccount) > 0 && len(m.encryption) > 0
}

func unreadable(what string) error {
	return fmt.Errorf("%s in the inventory cannot be read: restore the inventory from another control plane", what)
}

// EncryptionKey names the encryption key under which objects are to be stored; "" when the inventory knows none.
func EncryptionKey(known inventory.Public) string {
	if names := encryptionNames(known); len(names) > 0 {
		return names[0]
	}
	return ""
}

// encryptionNames lists the encryption keys that an inventory records, the one in use being the first.
func encryptionNames(known inventory.Public) []string {
	layout, names, ok := strings.Cut(known.Versions[versionKinds[EncryptionConfig]], "+")
	if !ok || layout == "" {
		return nil
	}
	return strings.Split(names, "+")
}

// Newest is the public half in which the newest authority or key of a name is the one in use.
func Newest(known inventory.Public, name string) (inventory.Public, error) {
	return reordered(known, name, func(n int) []int {
		order := []int{n - 1}
		for i := range n - 1 {
			order = append(order, i)
		}
		return order
	})
}

// Only is the public half in which the authority or key of a name that is in use is the only one.
func Only(known inventory.Public, name string) (inventory.Public, error) {
	return reordered(known, name, func(int) []int { return []int{0} })
}

// reordered picks those of a name by their places, and brings the versions of secrets in line.
func reordered(known inventory.Public, name string, order func(n int) []int) (inventory.Public, error) {
	out := known
	out.Authorities, out.Versions = maps.Clone(known.Authorities), maps.Clone(known.Versions)
	switch name {
	case RotateServiceAccount:
		keys, err := pki.DecodePublicKeys([]byte(known.ServiceAccountKeys))
		if err != nil || len(keys) == 0 {
			return out, unreadable("the public keys of service accounts")
		}
		var text strings.Builder
		picked := pick(keys, order)
		for _, k := range picked {
			block, err := pki.EncodePublicKey(k)
			if err != nil {
				return out, err
			}
			text.Write(block)
		}
		out.ServiceAccountKeys = text.String()
		out.Versions[versionKinds[ServiceAccountKey]], err = pki.PublicKeyFingerprint(picked[0])
		return out, err
	case RotateEncryption:
		names := encryptionNames(known)
		if len(names) == 0 {
			return out, errors.New("the inventory knows no encryption key: it was made by another version of trivet")
		}
		out.Versions[versionKinds[EncryptionConfig]] = strings.Join(append([]string{encryptionLayout}, pick(names, order)...), "+")
		return out, nil
	}
	authority := RotatedAuthorities[name]
	list, err := pki.DecodeCertificates([]byte(known.Authorities[string(authority)]))
	if err != nil || len(list) == 0 {
		return out, unreadable(fmt.Sprintf("the certificates of the authority %q", authority))
	}
	var text strings.Builder
	picked := pick(list, order)
	for _, c := range picked {
		text.Write(pki.EncodeCertificate(c))
	}
	out.Authorities[string(authority)] = text.String()
	if authority == certs.Online {
		out.Versions[versionKinds[OnlineCAKey]] = pki.Fingerprint(picked[0])
	}
	return out, nil
}

func pick[T any](list []T, order func(n int) []int) []T {
	var out []T
	for _, i := range order(len(list)) {
		out = append(out, list[i])
	}
	return out
}

// Ended says whether the authority of a name that is in use has ended.
func Ended(known inventory.Public, name string, now time.Time) bool {
	list, err := authorityOf(known, name)
	return err == nil && len(list) > 0 && now.After(list[0].NotAfter)
}

// Succeeded says whether the authority of a name that is in use has a successor already, which has not ended.
func Succeeded(known inventory.Public, name string, now time.Time) bool {
	list, err := authorityOf(known, name)
	return err == nil && len(list) > 1 && !now.After(list[len(list)-1].NotAfter)
}

func authorityOf(known inventory.Public, name string) ([]*x509.Certificate, error) {
	authority, ok := RotatedAuthorities[name]
	if !ok {
		return nil, nil
	}
	return pki.DecodeCertificates([]byte(known.Authorities[string(authority)]))
}
