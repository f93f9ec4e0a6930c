package identity_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"regexp"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/internal/pki"
)

// needles are the secrets of an identity in every form in which they could turn up in a text.
func needles(t *testing.T, id *identity.Identity) []string {
	t.Helper()
	var out []string
	add := func(b []byte) {
		out = append(out, hex.EncodeToString(b), strings.ToUpper(hex.EncodeToString(b)), base64.StdEncoding.EncodeToString(b)[:40],
			strings.Trim(fmt.Sprint(b), "[]"), strings.Trim(fmt.Sprintf("%#v", b), "[]byte{}"), new(big.Int).SetBytes(b).String(), string(b))
	}
	var keys [][]byte
	for _, name := range certs.Authorities {
		key, err := id.Authority(name).KeyPEM()
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	serviceAccount, _ := secret(t, id, identity.ServiceAccountKey)
	for _, keyPEM := range append(keys, serviceAccount) {
		key, err := pki.DecodeKey(keyPEM)
		if err != nil {
			t.Fatal(err)
		}
		scalar, err := key.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		add(scalar)
		out = append(out, strings.Split(string(keyPEM), "\n")[1])
	}
	config, _ := secret(t, id, identity.EncryptionConfig)
	encoded := regexp.MustCompile(`secret: (\S+)`).FindSubmatch(config)[1]
	raw, err := base64.StdEncoding.DecodeString(string(encoded))
	if err != nil || len(raw) != 32 {
		t.Fatal("the encryption key was not found in its configuration")
	}
	add(raw)
	return out
}

func TestNothingLeaks(t *testing.T) {
	id := newIdentity(t, "main")
	secretTexts := needles(t, id)
	key, stranger := ageKey(t), ageKey(t)
	sealed, err := id.Seal([]string{key.Recipient().String()})
	if err != nil {
		t.Fatal(err)
	}
	id, err = identity.Open(sealed, []age.Identity{key})
	if err != nil {
		t.Fatal(err)
	}
	secretTexts = append(secretTexts, key.String(), key.String()[16:60], stranger.String())

	texts := map[string]string{"sealed": string(sealed)}
	exported := struct{ ID *identity.Identity }{id}
	value := struct{ ID identity.Identity }{*id}
	hidden := struct {
		id    *identity.Identity
		value identity.Identity
		etcd  *pki.Authority
	}{id, *id, id.Authority(certs.Etcd)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		texts[verb] = fmt.Sprintf(verb, id)
		texts[verb+" value"] = fmt.Sprintf(verb, *id)
		texts[verb+" field"] = fmt.Sprintf(verb, exported)
		texts[verb+" value field"] = fmt.Sprintf(verb, value)
		texts[verb+" unexported field"] = fmt.Sprintf(verb, hidden)
		texts[verb+" slice"] = fmt.Sprintf(verb, []any{id, *id})
	}
	for name, v := range map[string]any{"pointer": id, "value": *id, "field": exported, "value field": value, "public": id.Public()} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		texts["json "+name] = string(b)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "id", id, "value", *id)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "id", id, "value", *id)
	texts["slog"] = log.String()
	for name, err := range provoked(t, id, key, stranger, sealed) {
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		texts["error "+name] = fmt.Sprintf("%v %+v %#v", err, err, err)
	}

	for how, text := range texts {
		for i, needle := range secretTexts {
			if strings.Contains(text, needle) {
				t.Errorf("%s shows a secret (needle %d)", how, i)
			}
		}
	}
	// The search would find something if there were something to find.
	plain := unseal(t, key, sealed)
	found := 0
	for _, needle := range secretTexts {
		if strings.Contains(strings.ReplaceAll(plain, `\n`, "\n"), needle) {
			found++
		}
	}
	if found < 6 {
		t.Errorf("the search finds %d secrets in the unsealed form, want the five keys and the encryption key", found)
	}
	if want := "identity of cluster main (id " + id.ClusterID + ")"; texts["%v"] != want || texts["%#v value"] != want {
		t.Errorf("text %q and %q, want %q", texts["%v"], texts["%#v value"], want)
	}
}

// provoked are errors of everything that reads or holds secrets.
func provoked(t *testing.T, id *identity.Identity, key, stranger *age.X25519Identity, sealed []byte) map[string]error {
	t.Helper()
	plain := unseal(t, key, sealed)
	out := map[string]error{}
	_, out["wrong key"] = identity.Open(sealed, []age.Identity{stranger})
	_, out["cut"] = identity.Open(sealed[:len(sealed)/2], []age.Identity{key})
	_, out["not sealed at all"] = identity.Open([]byte(plain), []age.Identity{key})
	_, out["recipient is a secret key"] = id.Seal([]string{key.String()})
	_, _, out["no such secret"] = id.SecretContent("x")
	out["another cluster"] = id.CheckAgainst(newIdentity(t, "other").Public())
	out["read from JSON"] = json.Unmarshal([]byte(plain), id)
	for i, broken := range []string{
		key.String() + "q", strings.ToLower(key.String()), key.String()[1:], "AGE-SECRET-KEY-1" + key.String(), strings.Replace(key.String(), key.String()[30:31], "1", 1),
		"key: " + key.String(), key.String() + " " + stranger.String(),
	} {
		_, out[fmt.Sprintf("age key %d", i)] = identity.ParseIdentities(strings.NewReader(broken))
	}
	for i, content := range []string{
		plain[1:], plain[:len(plain)-1], "[" + plain, strings.ReplaceAll(plain, `"key":"-----BEGIN`, `"key":"`), strings.ReplaceAll(plain, "EC PRIVATE", "PRIVATE"),
		strings.Replace(plain, `"secret":"`, `"secret":"!`, 1), strings.Replace(plain, `"secret":"`, `"secret":{"x":"`, 1),
		strings.Replace(plain, `"encryption":[{`, `"encryption":{"x":{`, 1), strings.Replace(plain, `"format":1`, `"format":7`, 1),
	} {
		_, out[fmt.Sprintf("content %d", i)] = identity.Open(seal(t, key, content), []age.Identity{key})
	}
	return out
}
