package identity

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/internal/pki"
)

// format is the version of what is inside the sealed form. Readers of old formats stay.
const format = 1

// maxSealed bounds what Open reads: an identity has a few kilobytes.
const maxSealed = 1 << 20

// document is the inside of the sealed form.
type document struct {
	Format         int                     `json:"format"`
	Cluster        string                  `json:"cluster"`
	ClusterID      string                  `json:"clusterID"`
	Created        time.Time               `json:"created"`
	Recipients     []string                `json:"recipients"`
	Authorities    map[string][]keyPair    `json:"authorities"`
	ServiceAccount []string                `json:"serviceAccount"`
	Encryption     []documentEncryptionKey `json:"encryption"`
}

type keyPair struct {
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

type documentEncryptionKey struct {
	Name   string `json:"name"`
	Secret []byte `json:"secret"`
}

// Seal encrypts the identity to age recipients ("age1…"), in armor: any one of their owners can open it.
func (i *Identity) Seal(recipients []string) ([]byte, error) {
	recipients = slices.Clone(recipients)
	slices.Sort(recipients)
	recipients = slices.Compact(recipients)
	if len(recipients) == 0 {
		return nil, errors.New("the cluster's identity has no age recipient to be sealed to: set age_recipients in the cluster block")
	}
	var keys []age.Recipient
	for _, r := range recipients {
		parsed, err := age.ParseRecipients(strings.NewReader(r))
		// What was written may be a secret key by mistake, so it is not repeated, and neither is what age says of it.
		if err != nil || len(parsed) != 1 || !strings.HasPrefix(r, "age1") {
			return nil, errors.New("one of age_recipients is not an age public key: each has the form age1…")
		}
		keys = append(keys, parsed[0])
	}
	plain, err := i.marshal(recipients)
	if err != nil {
		return nil, err
	}
	var sealed bytes.Buffer
	armored := armor.NewWriter(&sealed)
	w, err := age.Encrypt(armored, keys...)
	if err == nil {
		_, err = w.Write(plain)
	}
	if err == nil {
		err = w.Close()
	}
	if err == nil {
		err = armored.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("the identity of cluster %s cannot be sealed: %w", i.Cluster, err)
	}
	return sealed.Bytes(), nil
}

func (i *Identity) marshal(recipients []string) ([]byte, error) {
	m := i.material()
	d := document{
		Format: format, Cluster: i.Cluster, ClusterID: i.ClusterID, Created: i.Created, Recipients: recipients, Authorities: map[string][]keyPair{},
	}
	for name, all := range m.authorities {
		for _, authority := range all {
			key, err := authority.KeyPEM()
			if err != nil {
				return nil, fmt.Errorf("the %s authority: %w", name, err)
			}
			d.Authorities[string(name)] = append(d.Authorities[string(name)], keyPair{string(authority.CertificatePEM()), string(key)})
		}
	}
	for _, key := range m.serviceAccount {
		encoded, err := pki.EncodeKey(key)
		if err != nil {
			return nil, fmt.Errorf("the service account key: %w", err)
		}
		d.ServiceAccount = append(d.ServiceAccount, string(encoded))
	}
	for _, key := range m.encryption {
		d.Encryption = append(d.Encryption, documentEncryptionKey{key.name, key.secret[:]})
	}
	return json.Marshal(d)
}

// CheckPath refuses a secret key that was given where a file of it should be named, before anything says the name.
func CheckPath(path string) error {
	if strings.Contains(strings.ToUpper(path), "AGE-SECRET-KEY-") {
		return errors.New("an age secret key was given where the name of its file is expected: write it to a file that only you can read, and name that")
	}
	return nil
}

// ParseIdentities reads age secret keys, one a line, as age-keygen writes them. Errors say where, never what was read.
func ParseIdentities(r io.Reader) ([]age.Identity, error) {
	var identities []age.Identity
	lines := bufio.NewScanner(io.LimitReader(r, maxSealed))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
			continue
		case strings.HasPrefix(line, "age-encryption.org/") || line == armor.Header:
			return nil, errors.New("the age key file is encrypted itself: decrypt it first (age --decrypt) and give the result")
		case strings.HasPrefix(line, "age1"):
			return nil, fmt.Errorf("line %d is an age public key: the file of the secret key is needed, with a line AGE-SECRET-KEY-…", n)
		}
		parsed, err := age.ParseIdentities(strings.NewReader(line))
		if err != nil {
			return nil, fmt.Errorf("line %d is not an age secret key: it should have the form AGE-SECRET-KEY-…", n)
		}
		identities = append(identities, parsed...)
	}
	if err := lines.Err(); err != nil {
		return nil, errors.New("the age key file cannot be read to its end: it is not a text of short lines")
	}
	if len(identities) == 0 {
		return nil, errors.New("the age key file holds no key: it should have a line AGE-SECRET-KEY-…")
	}
	return identities, nil
}

// Open decrypts a sealed identity with any of the age identities that matches.
func Open(sealed []byte, identities []age.Identity) (*Identity, error) {
	if len(identities) == 0 {
		return nil, errors.New("the cluster's identity is sealed and no age key was given: give the file of the secret key of one of the cluster's age_recipients " +
			"(--identity FILE, or TRIVET_AGE_IDENTITY)")
	}
	if len(bytes.TrimSpace(sealed)) == 0 {
		return nil, damaged("it is empty")
	}
	plain, err := age.Decrypt(armor.NewReader(bytes.NewReader(sealed)), identities...)
	var noMatch *age.NoIdentityMatchError
	switch {
	case errors.As(err, &noMatch):
		return nil, fmt.Errorf("none of the %d age keys given opens the cluster's identity, which is sealed to %d recipients: "+
			"give the file of the secret key of one of the age_recipients that were in the topology when it was sealed (--identity FILE, or TRIVET_AGE_IDENTITY)",
			len(identities), len(noMatch.StanzaTypes))
	case err != nil:
		return nil, damaged("age cannot decrypt it")
	}
	content, err := io.ReadAll(io.LimitReader(plain, maxSealed))
	if err != nil {
		return nil, damaged("age cannot decrypt it to its end")
	}
	return unmarshal(content)
}

func damaged(what string) error {
	return fmt.Errorf("the sealed identity (%s) is damaged: %s; take the copy of another control plane or of a backup", Document, what)
}

// unmarshal reads the inside of the sealed form. No error of encoding/json or pki is passed on that could quote it.
func unmarshal(content []byte) (*Identity, error) {
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(content, &head); err != nil {
		return nil, damaged("its content is not JSON")
	}
	if head.Format != format {
		return nil, fmt.Errorf("the sealed identity has format %d, this trivet knows format %d: use the trivet that wrote it, or a newer one", head.Format, format)
	}
	var d document
	if err := json.Unmarshal(content, &d); err != nil {
		return nil, damaged("its content has not the form that it should")
	}
	m := &material{authorities: map[certs.Authority][]*pki.Authority{}, recipients: d.Recipients}
	for _, name := range certs.Authorities {
		if len(d.Authorities[string(name)]) == 0 {
			return nil, damaged(fmt.Sprintf("the %s authority is not in it", name))
		}
		for _, pair := range d.Authorities[string(name)] {
			authority, err := pki.LoadAuthority([]byte(pair.Certificate), []byte(pair.Key))
			if err != nil {
				return nil, damaged(fmt.Sprintf("the %s authority: %s", name, err))
			}
			m.authorities[name] = append(m.authorities[name], authority)
		}
	}
	var err error
	if m.serviceAccount, err = serviceAccountKeys(d.ServiceAccount); err != nil {
		return nil, err
	}
	if m.encryption, err = encryptionKeys(d.Encryption); err != nil {
		return nil, err
	}
	identity := &Identity{Cluster: d.Cluster, ClusterID: d.ClusterID, Created: d.Created, material: func() *material { return m }}
	if identity.public, err = m.public(); err != nil {
		return nil, damaged(err.Error())
	}
	return identity, nil
}

func serviceAccountKeys(encoded []string) ([]*ecdsa.PrivateKey, error) {
	if len(encoded) == 0 {
		return nil, damaged("the service account key is not in it")
	}
	var keys []*ecdsa.PrivateKey
	for _, e := range encoded {
		key, err := pki.DecodeKey([]byte(e))
		if err != nil {
			return nil, damaged("the service account key: " + err.Error())
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func encryptionKeys(encoded []documentEncryptionKey) ([]encryptionKey, error) {
	if len(encoded) == 0 {
		return nil, damaged("the encryption key is not in it")
	}
	var keys []encryptionKey
	for _, e := range encoded {
		key := encryptionKey{name: e.Name}
		if e.Name == "" || copy(key.secret[:], e.Secret) != len(key.secret) || len(e.Secret) != len(key.secret) {
			return nil, damaged("an encryption key has not the length that it should")
		}
		keys = append(keys, key)
	}
	return keys, nil
}
