package terraform_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// change of one object in a plan: its configuration before and after, "" for none, and its drift before.
type objectChange struct{ Before, After, Drift string }

// objects gives what a plan changes in objects.
func (c *command) objects(args ...string) map[string]objectChange {
	c.t.Helper()
	c.must(append([]string{"plan", "-out=objects.plan"}, args...)...)
	type object struct {
		Configuration string
		Drift         []string
	}
	var plan struct {
		Changes []struct {
			Change struct {
				Before, After struct{ Objects map[string]object }
			}
		} `json:"resource_changes"`
	}
	if err := json.Unmarshal([]byte(c.must("show", "-json", "objects.plan")), &plan); err != nil {
		c.t.Fatal(err)
	}
	out := map[string]objectChange{}
	for _, x := range plan.Changes {
		before, after := x.Change.Before.Objects, x.Change.After.Objects
		for name, was := range before {
			is, stays := after[name]
			if d := (objectChange{was.Configuration, is.Configuration, strings.Join(was.Drift, "; ")}); !stays || d.Before != d.After || d.Drift != "" {
				out[name] = d
			}
			if len(is.Drift) > 0 {
				c.t.Errorf("the plan leaves the drift of %s: %v", name, is.Drift)
			}
		}
		for name, is := range after {
			if _, had := before[name]; !had {
				out[name] = objectChange{After: is.Configuration}
			}
		}
	}
	return out
}

// TestObjects: what becomes of manifests' objects is in the plan, object by object, by their files and by a look at the API. Of a Secret's values nothing is in the state.
func TestObjects(t *testing.T) {
	w := newWorld(t, small)
	c := w.command(t, w.adapt)
	folder := t.TempDir()
	manifest := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const (
		shop  = "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n---\n"
		sized = `{apiVersion: v1, kind: ConfigMap, metadata: {name: conf, namespace: shop}, data: {size: "1"}}`
		conf  = "ConfigMap shop/conf"
		key   = "Secret shop/key"
	)
	secret := func(value string) string {
		return `{apiVersion: v1, kind: Secret, metadata: {name: key, namespace: shop}, stringData: {word: "` + value + `"}}`
	}
	manifest("shop.yaml", shop+sized)
	manifest("key.yaml", secret("planted-1"))
	c.write(w.config(small, fmt.Sprintf("manifests = [%q]", filepath.Join(folder, "*.yaml"))))
	first := c.objects()
	if len(first) != 3 || first[conf].After == "" || first[key].After == "" || first["Namespace shop"].After == "" {
		t.Fatalf("a create plans the objects %+v", first)
	}
	c.must("apply", "-auto-approve")
	c.empty()
	want := func(what string, got map[string]objectChange, want map[string]objectChange) {
		t.Helper()
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
	}

	// A file that is edited is in the plan, whether or not anybody looks at the API.
	manifest("shop.yaml", shop+strings.Replace(sized, `"1"`, `"2"`, 1))
	blind := c.objects("-refresh=false")
	second := blind[conf].After
	if second == first[conf].After {
		t.Errorf("the digest does not follow the file: %s", second)
	}
	want("edited, without a look", blind, map[string]objectChange{conf: {Before: first[conf].After, After: second}})
	want("edited", c.objects(), map[string]objectChange{conf: {Before: first[conf].After, After: second, Drift: "differs in spec"}})
	c.must("apply", "-auto-approve")
	c.empty()

	// What somebody did to the object is mended, and so is one that is gone.
	if err := w.fleet.SetObject(strings.Replace(sized, `"1"`, `"3"`, 1), ""); err != nil {
		t.Fatal(err)
	}
	want("changed by hand", c.objects(), map[string]objectChange{conf: {Before: second, After: second, Drift: "differs in spec"}})
	c.must("apply", "-auto-approve")
	c.empty()

	// Another value of a Secret is seen by a look alone, and nothing of it is kept.
	manifest("key.yaml", secret("planted-2"))
	want("another value, without a look", c.objects("-refresh=false"), map[string]objectChange{})
	want("another value", c.objects(), map[string]objectChange{key: {Before: first[key].After, After: first[key].After, Drift: "differs in spec"}})
	c.must("apply", "-auto-approve")
	c.empty()
	state, err := os.ReadFile(filepath.Join(c.cli.folder, "terraform.tfstate"))
	if err != nil || strings.Contains(string(state), "planted") || !strings.Contains(string(state), key) {
		t.Errorf("the state: %v\n%s", err, state)
	}

	// What is in no manifest any more goes.
	if err := os.Remove(filepath.Join(folder, "key.yaml")); err != nil {
		t.Fatal(err)
	}
	want("taken out, without a look", c.objects("-refresh=false"), map[string]objectChange{key: {Before: first[key].After}})
	want("taken out", c.objects(), map[string]objectChange{key: {Before: first[key].After, Drift: "not wanted any more"}})
	c.must("apply", "-auto-approve")
	c.empty()
	if _, there := w.fleet.Objects()["Secret/shop/key"]; there {
		t.Error("the Secret is still there")
	}

	// Which files there are may be known after an apply of something else; of hosts nothing is unknown for that.
	manifest("shop.yaml", shop+sized)
	c.write(w.config(small, "manifests = [terraform_data.files.output]") + fmt.Sprintf("resource \"terraform_data\" \"files\" {\n  input = %q\n}\n", filepath.Join(folder, "shop.yaml")))
	text := c.must("plan")
	if !strings.Contains(text, "} -> (known after apply)") || strings.Contains(text, "nodes") {
		t.Errorf("a plan with files that are not known:\n%s", text)
	}
	c.must("apply", "-auto-approve")
	c.empty()

	// A destroy asks nothing of the files, which may be gone by then.
	if err := os.Remove(filepath.Join(folder, "shop.yaml")); err != nil {
		t.Fatal(err)
	}
	c.write(w.config(small, ""))
	c.must("destroy", "-auto-approve")
}
