//go:build linux

package lab

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// ensureAccess makes the operator's keys unless they are there.
func ensureAccess(lab, dir string) (Access, error) {
	a := Access{
		Lab:              lab,
		NetworkNamespace: namespacePath(operatorNamespace(lab)),
		User:             User,
		PrivateKey:       filepath.Join(dir, "id_ed25519"),
		KnownHosts:       filepath.Join(dir, "known_hosts"),
		AgeIdentity:      filepath.Join(dir, "age.key"),
	}
	if _, err := os.Stat(a.PrivateKey); errors.Is(err, fs.ErrNotExist) {
		private, _, err := newKey("trivet lab " + lab)
		if err != nil {
			return Access{}, err
		}
		if err := writeFile(a.PrivateKey, private, 0o600); err != nil {
			return Access{}, err
		}
	}
	if _, err := os.Stat(a.AgeIdentity); errors.Is(err, fs.ErrNotExist) {
		identity, err := age.GenerateX25519Identity()
		if err != nil {
			return Access{}, err
		}
		text := fmt.Sprintf("# age identity of the lab %s\n# public key: %s\n%s\n", lab, identity.Recipient(), identity)
		if err := writeFile(a.AgeIdentity, []byte(text), 0o600); err != nil {
			return Access{}, err
		}
	}
	recipient, err := ageRecipient(a.AgeIdentity)
	if err != nil {
		return Access{}, err
	}
	a.AgeRecipients = []string{recipient}
	return a, writeJSON(filepath.Join(dir, "access.json"), a)
}

func ageRecipient(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	identities, err := age.ParseIdentities(f)
	if err != nil {
		return "", fmt.Errorf("%s is not an age identity file", path) // the cause would quote it
	}
	for _, id := range identities {
		if x, ok := id.(*age.X25519Identity); ok {
			return x.Recipient().String(), nil
		}
	}
	return "", fmt.Errorf("%s has no X25519 identity", path)
}

// newKey makes an SSH key pair: the private half in OpenSSH's form, the public one as a
// line of authorized_keys.
func newKey(comment string) (private []byte, public string, err error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, "", err
	}
	block, err := ssh.MarshalPrivateKey(key, comment)
	if err != nil {
		return nil, "", err
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return nil, "", err
	}
	return pem.EncodeToMemory(block), authorizedKey(signer.PublicKey()), nil
}

func authorizedKey(key ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

func (a Access) signer() (ssh.Signer, error) {
	data, err := os.ReadFile(a.PrivateKey)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.ParsePrivateKey(data)
	if err != nil {
		return nil, fmt.Errorf("%s is not a private key", a.PrivateKey)
	}
	return signer, nil
}

func newMachineID() (string, error) {
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return "", err
	}
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80 // systemd makes them UUIDs of version 4
	return hex.EncodeToString(id), nil
}

// writeKnownHosts lists every host that has a disk, by address and by name.
func writeKnownHosts(dir string, r record) error {
	var b strings.Builder
	for _, site := range r.Spec.Sites {
		for _, h := range site.Hosts {
			var hr hostRecord
			err := readJSON(filepath.Join(hostFolder(dir, h.Name), "host.json"), &hr)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return err
			}
			key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(hr.HostKey))
			if err != nil {
				return fmt.Errorf("host %s: host key in host.json: %w", h.Name, err)
			}
			b.WriteString(knownhosts.Line([]string{h.Address.String(), h.Name}, key) + "\n")
		}
	}
	return writeFile(filepath.Join(dir, "known_hosts"), []byte(b.String()), 0o600)
}
