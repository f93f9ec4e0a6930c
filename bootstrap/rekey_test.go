package bootstrap_test

import (
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/identity"
)

// opens reports, host by host, whether a key opens the sealed identity there.
func opens(t testing.TB, f *fleettest.Fleet, key age.Identity) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, h := range f.Cluster.Hosts {
		o, err := f.Observe(h.Name)
		if err != nil {
			t.Fatal(err)
		}
		_, err = identity.Open(o.Documents[identity.Document].Content, []age.Identity{key})
		out[h.Name] = err == nil
	}
	return out
}

func TestRekey(t *testing.T) {
	f := newFleet(t, three)
	if _, err := open(t, f).Rekey(t.Context()); err == nil {
		t.Error("there is nothing to seal before the bring-up")
	}
	apply(t, open(t, f))
	if p := planOf(t, open(t, f)); len(p.Notes) > 0 {
		t.Errorf("notes of a plan with nothing to say: %q", p.Notes)
	}
	old := f.Key
	oldRecipient := old.Recipient().String()
	fresh, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	recipient := fresh.Recipient().String()

	// A recipient more: the plan says that it cannot open anything yet.
	f.Cluster.AgeRecipients = []string{oldRecipient, recipient}
	notes := func() string { return strings.Join(planOf(t, open(t, f)).Notes, "\n") }
	if n := notes(); !strings.Contains(n, "age_recipients changed") || !strings.Contains(n, "cannot be opened yet by "+recipient) || !strings.Contains(n, "trivet identity rekey") || strings.Contains(n, "still be opened") {
		t.Errorf("notes: %s", n)
	}
	f.Unreachable["cp3"] = true
	out, err := open(t, f).Rekey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	both := slices.Sorted(slices.Values(f.Cluster.AgeRecipients))
	if d := cmp.Diff(&bootstrap.Rekeyed{Cluster: "main", Before: []string{oldRecipient}, After: both, Hosts: []string{"cp1", "cp2"}, Away: []string{"cp3"}}, out); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if d := cmp.Diff(map[string]bool{"cp1": true, "cp2": true, "cp3": false}, opens(t, f, fresh)); d != "" {
		t.Errorf("the new key opens:\n%s", d)
	}

	// The host that was away gets what the others have.
	f.Unreachable["cp3"] = false
	if out, err = open(t, f).Rekey(t.Context()); err != nil || !slices.Equal(out.Hosts, []string{"cp3"}) {
		t.Errorf("%+v, %v", out, err)
	}
	if d := cmp.Diff(map[string]bool{"cp1": true, "cp2": true, "cp3": true}, opens(t, f, fresh)); d != "" {
		t.Errorf("the new key opens:\n%s", d)
	}
	if n := notes(); n != "" {
		t.Errorf("notes: %s", n)
	}

	// A recipient less, by the key of the one that stays.
	f.Cluster.AgeRecipients, f.Key = []string{recipient}, fresh
	if n := notes(); !strings.Contains(n, "can still be opened by "+oldRecipient) {
		t.Errorf("notes: %s", n)
	}
	if _, err = open(t, f).Rekey(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]bool{"cp1": false, "cp2": false, "cp3": false}, opens(t, f, old)); d != "" {
		t.Errorf("the old key opens:\n%s", d)
	}
	if p := planOf(t, open(t, f)); !p.Empty() || len(p.Notes) > 0 {
		t.Errorf("the plan after: %d actions, notes %q", p.Actions(), p.Notes)
	}
	if out, err = open(t, f).Rekey(t.Context()); err != nil || len(out.Hosts) > 0 {
		t.Errorf("again: %+v, %v", out, err)
	}
}

// TestRekeyCutShort: a rekey that ended when one control plane had the identity anew has decided nothing. What a later one sealed, which did not see that, takes its place.
func TestRekeyCutShort(t *testing.T) {
	f := newFleet(t, three)
	apply(t, open(t, f))
	old := f.Key
	fresh, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	f.Cluster.AgeRecipients = []string{old.Recipient().String(), fresh.Recipient().String()}
	f.OnPoint = func(host, point string) {
		if host == "cp1" && point == "stepped" {
			f.Vanish("cp2")
			f.Vanish("cp3")
		}
	}
	_, err = open(t, f).Rekey(t.Context())
	f.OnPoint = nil
	if err == nil {
		t.Fatal("a rekey that reached one of three control planes is told as done")
	}
	if d := cmp.Diff(map[string]bool{"cp1": true, "cp2": false, "cp3": false}, opens(t, f, fresh)); d != "" {
		t.Fatalf("the new key opens:\n%s", d)
	}

	f.Unreachable = map[string]bool{"cp1": true}
	f.Cluster.AgeRecipients = []string{fresh.Recipient().String()}
	if _, err := open(t, f).Rekey(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.Unreachable, f.Key = map[string]bool{}, fresh
	apply(t, open(t, f))
	if d := cmp.Diff(map[string]bool{"cp1": false, "cp2": false, "cp3": false}, opens(t, f, old)); d != "" {
		t.Errorf("the old key opens:\n%s", d)
	}
}
