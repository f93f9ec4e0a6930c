package doortest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/identity"
)

// Forms are those in which a secret may stand somewhere: as it is, as JSON has it, and in base64, wherever in a longer text it begins.
func Forms(secret string) []string {
	quoted, err := json.Marshal(secret)
	if err != nil {
		panic(err) // a text
	}
	out := []string{secret, strings.Trim(string(quoted), `"`)}
	for _, text := range slices.Clone(out) {
		for shift := range 3 {
			encoded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + text))
			out = append(out, encoded[[]int{0, 2, 3}[shift]:len(encoded)-2]) // what depends on the neighbours is left out
		}
	}
	return out
}

// linesOf are those of a key in PEM, by name, since a key is often written with other line ends.
func linesOf(name, pem string) map[string]string {
	out := map[string]string{}
	for i, line := range strings.Split(strings.TrimSpace(pem), "\n") {
		if !strings.HasPrefix(line, "-----") && len(line) > 20 {
			out[fmt.Sprintf("line %d of %s", i, name)] = line
		}
	}
	return out
}

// Secrets are what nobody may see, by name: of the provider's settings, and of the cluster, which there has to be.
func (s *SSH) Secrets(t testing.TB) map[string]string {
	t.Helper()
	out := map[string]string{"the age identity": s.hosts.Key.String(), "the password for sudo": SudoPassword, "the SSH key": s.PrivateKey}
	lines := func(name, pem string) { maps.Copy(out, linesOf(name, pem)) }
	lines("the SSH key", s.PrivateKey)
	o, err := s.hosts.Observe("cp1")
	if err != nil {
		t.Fatal(err)
	}
	id, err := identity.Open(o.Documents[identity.Document].Content, []age.Identity{s.hosts.Key})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range certs.Authorities {
		key, err := id.Authority(name).KeyPEM()
		if err != nil {
			t.Fatal(err)
		}
		lines("the key of authority "+string(name), string(key))
	}
	for _, kind := range []string{identity.ServiceAccountKey, identity.EncryptionConfig} {
		text, _, err := id.SecretContent(kind)
		if err != nil {
			t.Fatal(err)
		}
		if kind == identity.EncryptionConfig {
			out["the encryption key"] = string(regexp.MustCompile(`secret: (\S+)`).FindSubmatch(text)[1])
			continue
		}
		lines("the service account key", string(text))
	}
	return out
}
