package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/trivet-dev/trivet/bootstrap/adopt"
)

// TestAdoptShows writes the topology, once, and says what it lacks.
func TestAdoptShows(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "fleet")
	d := &adopt.Description{Topology: "fleet \"x\" {}\n", Incomplete: []string{"age_recipients has to name whoever may open the cluster's keys"},
		Report: adopt.Report{Cluster: "x", Version: "1.37.2", Kept: []adopt.Kept{{What: "names of nodes", Is: "cp1"}}}}
	var out bytes.Buffer
	a := &adoption{global: &global{noColor: true}, write: dir}
	if err := a.show(&session{global: a.global, out: &out}, d, true); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"names of nodes  cp1", "The topology is in " + dir + "/main.hcl. Before trivet validate accepts it:\n  age_recipients has to name", "trivet identity new", "does not take clusters over"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "main.hcl")); err != nil || string(text) != d.Topology {
		t.Errorf("written %q, %v", text, err)
	}
	if err := a.show(&session{global: a.global, out: &out}, d, false); err == nil || !strings.Contains(err.Error(), "exists") {
		t.Errorf("a second time: %v", err)
	}
	a.force, a.json = true, true
	d.Topology = "# short\n"
	out.Reset()
	if err := a.show(&session{global: a.global, out: &out}, d, false); err != nil {
		t.Fatal(err)
	}
	var result struct {
		Type, File, Topology string
		Report               struct{ Kept []adopt.Kept }
	}
	if err := json.Unmarshal(out.Bytes(), &result); err != nil || result.Type != "adopt" || result.File != a.path() || result.Topology != d.Topology || len(result.Report.Kept) != 1 {
		t.Errorf("%v %+v", err, result)
	}
	if text, err := os.ReadFile(a.path()); err != nil || string(text) != d.Topology {
		t.Errorf("written over: %q, %v", text, err)
	}
}

// TestAdoptRecipients: flags first, then the identity that this machine has, then nobody.
func TestAdoptRecipients(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("TRIVET_AGE_IDENTITY", "")
	a := &adoption{global: &global{}}
	if missing, err := a.recipients(&session{global: a.global}); err != nil || !missing || a.describe.Placeholder == "" {
		t.Errorf("without any: %v, %v", missing, err)
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "age.key")
	if err := os.WriteFile(path, []byte(id.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a.identity = path
	if missing, err := a.recipients(&session{global: a.global}); err != nil || missing || len(a.describe.AgeRecipients) != 1 || a.describe.AgeRecipients[0] != id.Recipient().String() {
		t.Errorf("of the identity: %v, %v %v", missing, err, a.describe.AgeRecipients)
	}
	given := placeholderRecipient()
	a.describe.AgeRecipients = []string{given}
	if missing, err := a.recipients(&session{global: a.global}); err != nil || missing || len(a.describe.AgeRecipients) != 1 || a.describe.AgeRecipients[0] != given {
		t.Errorf("of the flag: %v, %v %v", missing, err, a.describe.AgeRecipients)
	}
}
