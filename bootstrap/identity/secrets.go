package identity

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/internal/pki"
)

// Secrets that lie in plain on control planes, because components read them from files.
const (
	ServiceAccountKey = "service-account-key"
	EncryptionConfig  = "encryption-config"
	OnlineCAKey       = "online-ca-key"
)

// versionKinds maps secrets to the names under which the inventory keeps their versions.
var versionKinds = map[string]string{
	ServiceAccountKey: "service-account",
	EncryptionConfig:  "encryption",
	OnlineCAKey:       "online-ca",
}

// Version returns which one of a secret the inventory records as current, "" when it knows none. It is public and says nothing of the content.
func Version(known inventory.Public, secret string) string {
	return known.Versions[versionKinds[secret]]
}

// SecretContent returns the content of the file that holds a secret, and its public version: the same version means the same content.
func (i *Identity) SecretContent(secret string) (content []byte, version string, err error) {
	m := i.material()
	version, err = m.version(secret)
	if err != nil {
		return nil, "", err
	}
	switch secret {
	case ServiceAccountKey:
		content, err = pki.EncodeKey(m.serviceAccount[0])
	case EncryptionConfig:
		content = encryptionConfig(m.encryption)
	case OnlineCAKey:
		content, err = m.authorities[certs.Online][0].KeyPEM()
	}
	if err != nil {
		return nil, "", fmt.Errorf("secret %s: %w", secret, err)
	}
	return content, version, nil
}

// version names keys by fingerprints of their public halves, and encryption keys, which have none, by the random names that they carry.
func (m *material) version(secret string) (string, error) {
	switch secret {
	case ServiceAccountKey:
		return pki.PublicKeyFingerprint(&m.serviceAccount[0].PublicKey)
	case EncryptionConfig:
		names := []string{encryptionLayout}
		for _, key := range m.encryption {
			names = append(names, key.name)
		}
		return strings.Join(names, "+"), nil
	case OnlineCAKey:
		return pki.Fingerprint(m.authorities[certs.Online][0].Certificate()), nil
	}
	return "", fmt.Errorf("there is no secret %q in a cluster's identity", secret)
}

// encryptionKey is a key for encryption at rest. The name is stored by the API server with every object that the key encrypts.
type encryptionKey struct {
	name   string
	secret [32]byte
}

func newEncryptionKey(random io.Reader) (encryptionKey, error) {
	var name [4]byte
	var key encryptionKey
	if _, err := io.ReadFull(random, name[:]); err != nil {
		return key, fmt.Errorf("an encryption key cannot be made: %w", err)
	}
	if _, err := io.ReadFull(random, key.secret[:]); err != nil {
		return key, fmt.Errorf("an encryption key cannot be made: %w", err)
	}
	key.name = "key-" + hex.EncodeToString(name[:])
	return key, nil
}

// encryptionLayout is to be counted up when encryptionConfig writes something else for the same keys.
const encryptionLayout = "v1"

// encryptionConfig writes the API server's EncryptionConfiguration. Of the providers that work with a key in a file, secretbox is the one with neither the
// padding oracle of aescbc nor the limit of aesgcm on writes under one key. The identity provider comes last: it reads what was stored before.
func encryptionConfig(keys []encryptionKey) []byte {
	var b strings.Builder
	b.WriteString(`apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources:
      - secrets
      - configmaps
    providers:
      - secretbox:
          keys:
`)
	for _, key := range keys {
		fmt.Fprintf(&b, "            - name: %s\n              secret: %s\n", key.name, base64.StdEncoding.EncodeToString(key.secret[:]))
	}
	b.WriteString("      - identity: {}\n")
	return []byte(b.String())
}
