package identity_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/identity"
)

var secrets = []string{identity.ServiceAccountKey, identity.EncryptionConfig, identity.OnlineCAKey}

// same compares two identities in all that they hold.
func same(t *testing.T, a, b *identity.Identity) {
	t.Helper()
	if a.Cluster != b.Cluster || a.ClusterID != b.ClusterID || !a.Created.Equal(b.Created) {
		t.Errorf("%s made %s and %s made %s", a, a.Created, b, b.Created)
	}
	if diff := cmp.Diff(a.Public(), b.Public()); diff != "" {
		t.Errorf("the public halves differ:\n%s", diff)
	}
	for _, name := range secrets {
		one, _ := secret(t, a, name)
		two, _ := secret(t, b, name)
		if !bytes.Equal(one, two) {
			t.Errorf("%s differs", name)
		}
	}
	for _, name := range certs.Authorities {
		one, err := a.Authority(name).KeyPEM()
		if err != nil {
			t.Fatal(err)
		}
		two, err := b.Authority(name).KeyPEM()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(one, two) {
			t.Errorf("the key of the %s authority differs", name)
		}
	}
}

func TestSealAndOpen(t *testing.T) {
	id := newIdentity(t, "main")
	anna, bo, eve := ageKey(t), ageKey(t), ageKey(t)
	recipients := []string{bo.Recipient().String(), anna.Recipient().String(), bo.Recipient().String()}
	sealed, err := id.Seal(recipients)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(sealed, []byte(armor.Header)) || !bytes.HasSuffix(bytes.TrimSpace(sealed), []byte(armor.Footer)) {
		t.Error("the sealed form is not armored")
	}
	for name, keys := range map[string][]age.Identity{"anna": {anna}, "bo": {bo}, "eve and anna": {eve, anna}} {
		opened, err := identity.Open(sealed, keys)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		same(t, id, opened)
		if got := opened.Recipients(); len(got) != 2 || !strings.HasPrefix(got[0], "age1") || got[0] >= got[1] {
			t.Errorf("%s: recipients %v", name, got)
		}
	}
	if len(id.Recipients()) != 0 {
		t.Error("a new identity has recipients")
	}
	_, err = identity.Open(sealed, []age.Identity{eve})
	if err == nil || !strings.Contains(err.Error(), "none of the 1 age keys") || !strings.Contains(err.Error(), "sealed to 2 recipients") ||
		!strings.Contains(err.Error(), "--identity FILE") {
		t.Errorf("eve: %v", err)
	}
	_, err = identity.Open(sealed, nil)
	if err == nil || !strings.Contains(err.Error(), "no age key was given") {
		t.Errorf("without a key: %v", err)
	}
}

func TestSealToPostQuantumKeys(t *testing.T) {
	key, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	id := newIdentity(t, "main")
	sealed, err := id.Seal([]string{key.Recipient().String()})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := identity.ParseIdentities(strings.NewReader(key.String()))
	if err != nil {
		t.Fatal(err)
	}
	opened, err := identity.Open(sealed, keys)
	if err != nil {
		t.Fatal(err)
	}
	same(t, id, opened)
	if _, err := id.Seal([]string{key.Recipient().String(), ageKey(t).Recipient().String()}); err == nil || !strings.Contains(err.Error(), "post-quantum") {
		t.Errorf("both kinds of recipients: %v", err)
	}
}

func TestSealRefuses(t *testing.T) {
	id := newIdentity(t, "main")
	good := ageKey(t)
	for name, recipients := range map[string][]string{
		"none":        nil,
		"secret key":  {good.String()},
		"comment":     {"# nobody"},
		"two in one":  {good.Recipient().String() + "\n" + good.Recipient().String()},
		"misspelt":    {good.Recipient().String()[:40]},
		"one is bad":  {good.Recipient().String(), "ssh-ed25519 AAAA"},
		"empty":       {""},
		"not trimmed": {" " + good.Recipient().String()},
	} {
		_, err := id.Seal(recipients)
		if err == nil || !strings.Contains(err.Error(), "age_recipients") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A sealed identity that was changed anywhere, or cut anywhere, does not open.
func TestTampered(t *testing.T) {
	key := ageKey(t)
	sealed, err := newIdentity(t, "main").Seal([]string{key.Recipient().String(), ageKey(t).Recipient().String()})
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string, changed []byte) {
		t.Helper()
		_, err := identity.Open(changed, []age.Identity{key})
		if err == nil {
			t.Fatalf("%s: it opens", what)
		}
		if !strings.Contains(err.Error(), "identity.age) is damaged") && !strings.Contains(err.Error(), "none of the 1 age keys") {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i := 0; i < len(bytes.TrimSpace(sealed)); i += 5 {
		changed := bytes.Clone(sealed)
		if changed[i] == 'A' {
			changed[i] = 'B'
		} else {
			changed[i] = 'A'
		}
		refused(fmt.Sprintf("byte %d changed", i), changed)
	}
	for i := 0; i < len(bytes.TrimSpace(sealed)); i += 97 {
		refused(fmt.Sprintf("cut at byte %d", i), sealed[:i])
	}
	refused("text after it", append(bytes.Clone(sealed), "more"...))
}

// seal encrypts any content as the inside of a sealed identity.
func seal(t *testing.T, key *age.X25519Identity, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	a := armor.NewWriter(&b)
	w, err := age.Encrypt(a, key.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// unseal is the inside of a sealed identity.
func unseal(t *testing.T, key *age.X25519Identity, sealed []byte) string {
	t.Helper()
	r, err := age.Decrypt(armor.NewReader(bytes.NewReader(sealed)), key)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestOpenRefusesContent(t *testing.T) {
	key := ageKey(t)
	sealed, err := newIdentity(t, "main").Seal([]string{key.Recipient().String()})
	if err != nil {
		t.Fatal(err)
	}
	otherSealed, err := newIdentity(t, "main").Seal([]string{key.Recipient().String()})
	if err != nil {
		t.Fatal(err)
	}
	good, other := unseal(t, key, sealed), unseal(t, key, otherSealed)
	if _, err := identity.Open(seal(t, key, good), []age.Identity{key}); err != nil {
		t.Fatalf("the content unchanged: %v", err)
	}
	// The etcd authority's certificate of one cluster with the key of another.
	begin, end := `"etcd":[{"certificate":"`, `","key"`
	certificate := func(s string) string { return strings.Split(strings.Split(s, begin)[1], end)[0] }
	mixed := strings.Replace(good, certificate(good), certificate(other), 1)
	for _, test := range []struct{ name, content, want string }{
		{"newer format", strings.Replace(good, `"format":1`, `"format":2`, 1), "format 2, this trivet knows format 1"},
		{"no JSON", "hello", "not JSON"},
		{"another form", `{"format":1,"authorities":"none"}`, "not the form"},
		{"nothing in it", `{"format":1}`, "the etcd authority is not in it"},
		{"mixed", mixed, "the etcd authority: the private key does not belong to the certificate"},
		{"no encryption key", strings.Replace(good, `"encryption":[`, `"encryption":[],"was":[`, 1), "the encryption key is not in it"},
		{"short encryption key", strings.Replace(good, `"secret":"`, `"secret":"AAAA","was":"`, 1), "not the length"},
		{"no service account key", strings.Replace(good, `"serviceAccount":[`, `"serviceAccount":[],"was":[`, 1), "the service account key is not in it"},
		{"bad service account key", strings.Replace(good, `"serviceAccount":["`, `"serviceAccount":["x`, 1), "the service account key: "},
	} {
		if test.content == good {
			t.Fatalf("%s: the content was not changed", test.name)
		}
		_, err := identity.Open(seal(t, key, test.content), []age.Identity{key})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", test.name, err, test.want)
		}
	}
}

func TestParseIdentities(t *testing.T) {
	one, two := ageKey(t), ageKey(t)
	keys, err := identity.ParseIdentities(strings.NewReader("# created: today\n# public key: " + one.Recipient().String() + "\n\n  " + one.String() + "\r\n" + two.String()))
	if err != nil || len(keys) != 2 {
		t.Errorf("%d keys, %v", len(keys), err)
	}
	for _, test := range []struct{ name, content, want string }{
		{"empty", "", "holds no key"},
		{"comments", "# one\n# two\n", "holds no key"},
		{"public key", one.Recipient().String(), "line 1 is an age public key"},
		{"misspelt", "#\n" + one.String()[:50], "line 2 is not an age secret key"},
		{"ssh key", "-----BEGIN OPENSSH PRIVATE KEY-----\n", "line 1 is not an age secret key"},
		{"encrypted", armor.Header + "\nYWdl\n", "is encrypted itself"},
		{"encrypted, binary", "age-encryption.org/v1\n-> scrypt x 18\n", "is encrypted itself"},
		{"binary", strings.Repeat("x", 1<<17), "cannot be read to its end"},
	} {
		_, err := identity.ParseIdentities(strings.NewReader(test.content))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", test.name, err, test.want)
		}
	}
}

// TestCheckPath: a key in the place of its file's name is refused, and not repeated.
func TestCheckPath(t *testing.T) {
	for path, want := range map[string]bool{
		"/home/ann/age.key":                             true,
		"AGE-SECRET-KEY-1QQQQ":                          false,
		"# public key: age1xxx\nage-secret-key-1qqqq\n": false,
		"/home/ann/AGE-SECRET-KEY":                      true,
		"  AGE-SECRET-KEY-PQ-1ZZZZ  ":                   false,
	} {
		err := identity.CheckPath(path)
		if (err == nil) != want || err != nil && strings.Contains(strings.ToLower(err.Error()), "qqqq") {
			t.Errorf("%q: %v", path, err)
		}
	}
}
