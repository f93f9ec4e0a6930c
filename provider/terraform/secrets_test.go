package terraform_test

import (
	"archive/zip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/provider/door/doortest"
)

// unzip reads an archive.
func unzip(t *testing.T, file string) map[string]string {
	t.Helper()
	r, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // it was only read
	out := map[string]string{}
	for _, f := range r.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		out[f.Name] = string(b)
	}
	return out
}

// TestSecretsStayOut runs every command over SSH at the highest level of logging, and looks for the secrets of the provider, and of the cluster, in what is written: states, plans,
// output and logs.
func TestSecretsStayOut(t *testing.T) {
	w := newWorld(t, small)
	f := w.listen(t)
	said, logs := t.TempDir(), map[string]string{}
	providerLog := filepath.Join(said, "provider.log")
	t.Setenv("TF_ACC_LOG", "TRACE")
	t.Setenv("TF_ACC_LOG_PATH", providerLog)
	for name, value := range f.variables(w) {
		t.Setenv("TF_VAR_"+name, value)
	}
	c := w.command(t, f.Adapt)
	texts := map[string]string{}
	run := func(wantError bool, args ...string) {
		t.Helper()
		name := fmt.Sprintf("%02d terraform %s", len(logs), strings.Join(args, " "))
		c.log = filepath.Join(said, fmt.Sprintf("%02d.log", len(logs)))
		logs[name] = c.log
		out, err := c.run(args...)
		texts["output of "+name] = out
		if (err != nil) != wantError {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		state, err := os.ReadFile(filepath.Join(c.cli.folder, "terraform.tfstate"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		texts["state after "+name] = string(state)
	}
	known := f.config(w, w.config(small, ""))
	c.write(strings.Replace(known, "var.sudo_password", "\"${var.sudo_password}-wrong\"", 1))
	run(false, "init")
	run(false, "validate")
	run(true, "apply", "-auto-approve") // sudo refuses
	c.write(known)
	w.fleet.FailGate(plan.GateNodes, errors.New("planted failure"))
	run(true, "apply", "-auto-approve")
	w.fleet.FailGate(plan.GateNodes, nil)
	run(false, "plan", "-out=first.plan")
	run(false, "show", "-json", "first.plan")
	run(false, "apply", "first.plan")
	run(false, "plan", "-detailed-exitcode")
	run(false, "refresh")
	run(false, "state", "pull")
	if err := os.Remove(w.fleet.Machines["cp1"].Path("/etc/kubernetes/encryption.yaml")); err != nil {
		t.Fatal(err)
	}
	c.write(f.config(w, w.config(small, `components = [{ name = "kubelet", settings = { maxPods = 42 } }]`)))
	run(false, "plan", "-out=second.plan")
	run(false, "show", "second.plan")
	run(false, "show", "-json", "second.plan")
	run(false, "apply", "second.plan")
	secrets := f.Secrets(t)
	run(false, "plan", "-destroy", "-out=last.plan")
	run(false, "apply", "-destroy", "-auto-approve")
	logs["provider"] = providerLog
	for name, file := range logs {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts["log of "+name] = string(b)
	}
	for _, file := range []string{"first.plan", "second.plan", "last.plan"} {
		for name, text := range unzip(t, filepath.Join(c.cli.folder, file)) {
			texts[file+": "+name] = text
		}
	}
	for name, secret := range secrets { // the search finds what there is
		found := func(text string) bool {
			return slices.ContainsFunc(doortest.Forms(secret), func(form string) bool { return strings.Contains(text, form) })
		}
		b, err := json.Marshal(map[string]string{"a": secret})
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"a" + secret + "b", string(b), base64.StdEncoding.EncodeToString(b), base64.StdEncoding.EncodeToString([]byte("ab" + secret + "c"))} {
			if !found(text) {
				t.Errorf("%s would not be found in %q", name, text)
			}
		}
	}
	t.Logf("%d secrets in %d texts", len(secrets), len(texts))
	if log := texts["log of provider"]; !strings.Contains(log, "[TRACE]") && !strings.Contains(log, `"@level":"trace"`) || !strings.Contains(log, "trivet_cluster") {
		t.Errorf("the provider's log is not what was to be searched: %.500s", log)
	}
	for where, text := range texts {
		for name, secret := range secrets {
			for i, form := range doortest.Forms(secret) {
				if strings.Contains(text, form) {
					at := strings.Index(text, form)
					t.Errorf("%s is in the %s, in form %d, after %q", name, where, i, text[max(0, at-200):at])
				}
			}
		}
		for i, form := range doortest.Forms("PRIVATE KEY-----") {
			if strings.Contains(text, form) {
				t.Errorf("a private key is in the %s, in form %d", where, i)
			}
		}
	}
}
