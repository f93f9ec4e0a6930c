package terraform_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/provider"

	"github.com/trivet-dev/trivet/provider/terraform"
)

var update = flag.Bool("update", false, "write the registry's documentation")

// root is the repository's, from here.
const root = "../.."

// generated are the parts of docs/ that the registry shows. The rest of docs/ is not its own.
var generated = []string{"index.md", "resources", "data-sources", "functions", "ephemeral-resources", "guides"}

// TestRegistryDocs holds that the registry's documentation is what the provider's schema, its examples and the pages in docs/ beside this file make. Run with -update to write it.
func TestRegistryDocs(t *testing.T) {
	rendered := render(t)
	want, have := pages(t, rendered), pages(t, filepath.Join(root, "docs"))
	if *update {
		for _, name := range slices.Sorted(maps.Keys(have)) {
			if _, ok := want[name]; !ok {
				if err := os.Remove(filepath.Join(root, "docs", name)); err != nil {
					t.Fatal(err)
				}
			}
		}
		for name, text := range want {
			path := filepath.Join(root, "docs", name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if _, ok := want[name]; !ok {
			t.Errorf("docs/%s is of nothing that there is: `make docs` removes it", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if diff := cmp.Diff(strings.Split(have[name], "\n"), strings.Split(want[name], "\n")); diff != "" {
			t.Errorf("docs/%s (-as it is, +as it is generated; `make docs` writes it):\n%s", name, diff)
		}
	}
}

// schemaJSON is the provider's schema as terraform prints it.
func schemaJSON(t *testing.T) []byte {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.tf"), []byte(required), 0o600); err != nil {
		t.Fatal(err)
	}
	c := newCLI(t, dir, map[string]func() provider.Provider{"registry.terraform.io/hashicorp/trivet": terraform.New("test", nil)})
	c.run(t, 0, "init")
	return []byte(c.run(t, 0, "providers", "schema", "-json"))
}

// render has the documentation generated, and gives its folder.
func render(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	schema := filepath.Join(dir, "schema.json")
	if err := os.WriteFile(schema, schemaJSON(t), 0o600); err != nil {
		t.Fatal(err)
	}
	top, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	// The generator writes into a folder whose name it is given from the repository's root on.
	out, err := filepath.Rel(top, filepath.Join(dir, "docs"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "tool", "-modfile=tools/go.mod", "tfplugindocs", "generate", "--provider-name", "terraform-provider-trivet", "--rendered-provider-name", "Trivet",
		"--providers-schema", schema, "--website-source-dir", "provider/terraform/docs", "--rendered-website-dir", out)
	cmd.Dir = root
	if log, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	return filepath.Join(dir, "docs")
}

// TestDescribed holds that whatever a user may write or read is explained, in sentences.
func TestDescribed(t *testing.T) {
	var schemas any
	if err := json.Unmarshal(schemaJSON(t), &schemas); err != nil {
		t.Fatal(err)
	}
	seen := 0
	var walk func(at string, v any)
	walk = func(at string, v any) {
		m, _ := v.(map[string]any)
		for name, x := range m {
			of, isAttributes := x.(map[string]any)
			if !isAttributes || name != "attributes" {
				walk(at+"."+name, x)
				continue
			}
			for attribute, x := range of {
				seen++
				text, _ := x.(map[string]any)["description"].(string)
				if !strings.HasSuffix(text, ".") || len(strings.Fields(text)) < 2 {
					t.Errorf("%s.%s is described as %q", at, attribute, text)
				}
				walk(at+"."+attribute, x)
			}
		}
	}
	walk("", schemas)
	if seen < 100 {
		t.Errorf("the schemas have %d attributes", seen)
	}
}

// pages reads what is generated, by name.
func pages(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, name := range generated {
		err := filepath.WalkDir(filepath.Join(dir, name), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(dir, path)
			out[rel] = strings.TrimRight(string(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))), "\n") + "\n"
			return err
		})
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	return out
}
