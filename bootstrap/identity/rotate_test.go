package identity_test

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/pki"
)

// turned applies a change of the public half to every name.
func turned(t *testing.T, p inventory.Public, change func(inventory.Public, string) (inventory.Public, error)) inventory.Public {
	t.Helper()
	for _, name := range topology.RotationNames {
		var err error
		if p, err = change(p, name); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return p
}

// TestRotate adds a new one of everything, has it go first, then alone: the identity follows what the inventory says, through its sealed form too.
func TestRotate(t *testing.T) {
	old := newIdentity(t, "main")
	both, err := old.With(rand.Reader, now, cluster("main"), topology.RotationNames...)
	if err != nil {
		t.Fatal(err)
	}
	for name, bundle := range both.Public().Authorities {
		if !strings.HasPrefix(bundle, old.Public().Authorities[name]) || strings.Count(bundle, "BEGIN") != 2 {
			t.Errorf("the authority %s: %s", name, bundle)
		}
	}
	for _, secret := range []string{identity.ServiceAccountKey, identity.OnlineCAKey} {
		was, _, _ := old.SecretContent(secret)
		if is, _, err := both.SecretContent(secret); err != nil || !bytes.Equal(is, was) {
			t.Errorf("%s changed before its successor signs (%v)", secret, err)
		}
	}
	key := ageKey(t)
	sealed, err := both.Seal([]string{key.Recipient().String()})
	if err != nil {
		t.Fatal(err)
	}
	bag, err := identity.Open(sealed, []age.Identity{key})
	if err != nil {
		t.Fatal(err)
	}
	first := turned(t, both.Public(), identity.Newest)
	only := turned(t, first, identity.Only)
	for what, public := range map[string]inventory.Public{"the old one alone": old.Public(), "both": both.Public(), "the new one first": first, "the new one alone": only} {
		as, err := bag.As(public)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if d := cmp.Diff(public, as.Public()); d != "" {
			t.Errorf("%s (-inventory +identity):\n%s", what, d)
		}
		signs, err := pki.DecodeCertificates([]byte(public.Authorities["etcd"]))
		if err != nil || !as.Authority("etcd").Certificate().Equal(signs[0]) {
			t.Errorf("%s: another authority signs (%v)", what, err)
		}
	}
	if a, b := identity.EncryptionKey(old.Public()), identity.EncryptionKey(only); a == "" || b == "" || a == b || !strings.Contains(both.Public().Versions["encryption"], a+"+"+b) {
		t.Errorf("encryption keys %q, then %q, of %q", a, b, both.Public().Versions["encryption"])
	}

	// What the inventory wants and the sealed form lacks is refused: one key, or all.
	if _, err := old.As(both.Public()); err == nil || !strings.Contains(err.Error(), "is not the one that the inventory records") {
		t.Errorf("a sealed identity from before: %v", err)
	}
	if _, err := old.As(only); err == nil || !strings.Contains(err.Error(), "is not the one that the inventory records") {
		t.Errorf("a sealed identity with nothing of it: %v", err)
	}
}

func TestEnded(t *testing.T) {
	old := newIdentity(t, "main")
	late := now.Add(3651 * day)
	for _, name := range topology.RotationNames {
		_, authority := identity.RotatedAuthorities[name]
		if identity.Ended(old.Public(), name, now) || identity.Ended(old.Public(), name, late) != authority {
			t.Errorf("%s: ended %t at first, %t ten years on", name, identity.Ended(old.Public(), name, now), identity.Ended(old.Public(), name, late))
		}
	}
	both, err := old.With(rand.Reader, late, cluster("main"), "etcd_ca")
	if err != nil {
		t.Fatal(err)
	}
	if identity.Succeeded(old.Public(), "etcd_ca", late) || !identity.Succeeded(both.Public(), "etcd_ca", late) || identity.Succeeded(both.Public(), "etcd_ca", late.Add(3651*day)) {
		t.Error("a successor is one that was made and has not ended")
	}
}
