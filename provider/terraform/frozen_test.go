package terraform_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	fwresource "github.com/hashicorp/terraform-plugin-framework/resource"

	"github.com/trivet-dev/trivet/provider/terraform"
)

// freeze writes the files of a schema version that is new. Files that are there are never written again: users have states of that version.
var freeze = flag.Bool("freeze", false, "write the files of schema versions that have none, in testdata/state")

func frozen(t *testing.T, name string, content func() []byte) []byte {
	t.Helper()
	file := filepath.Join("testdata", "state", name)
	b, err := os.ReadFile(file)
	if os.IsNotExist(err) && *freeze {
		b = content()
		err = os.WriteFile(file, b, 0o644)
	}
	if err != nil {
		t.Fatalf("%v: a new schema version is frozen by go test ./provider/terraform -run Frozen -freeze, with terraform on the PATH; and the one before it is upgraded by UpgradeState", err)
	}
	return b
}

// TestFrozenSchemas: what a version of a schema had, it has, and in the same type. States are read by it. Attributes may be added, since a state without them has nothing there;
// anything else takes a new version, and an upgrade from the one before.
func TestFrozenSchemas(t *testing.T) {
	for _, construct := range terraform.New("test", nil)().Resources(t.Context()) {
		r := construct()
		var meta fwresource.MetadataResponse
		r.Metadata(t.Context(), fwresource.MetadataRequest{}, &meta)
		var s fwresource.SchemaResponse
		r.Schema(t.Context(), fwresource.SchemaRequest{}, &s)
		now := map[string]string{}
		for name, a := range s.Schema.Attributes {
			now[name] = a.GetType().TerraformType(t.Context()).String()
		}
		var was map[string]string
		b := frozen(t, fmt.Sprintf("%s-v%d.schema.json", meta.TypeName, s.Schema.Version), func() []byte { return indented(t, now) })
		if err := json.Unmarshal(b, &was); err != nil {
			t.Fatal(err)
		}
		for _, name := range slices.Sorted(maps.Keys(was)) {
			if !holds(now[name], was[name]) {
				t.Errorf("%s, version %d: %s was\n%s\nand is\n%s", meta.TypeName, s.Schema.Version, name, was[name], now[name])
			}
		}
	}
}

// holds says whether a type is what it was, but for attributes that were added.
func holds(now, was string) bool {
	names := func(s string) []string {
		return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune("[], ", r) })
	}
	if now == "" {
		return false
	}
	have := names(now)
	for _, part := range names(was) {
		i := slices.Index(have, part)
		if i < 0 {
			return false
		}
		have = have[i+1:]
	}
	return true
}

func indented(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

// TestFrozenState reads a state that terraform wrote with each version of the schema: nothing in it is lost, and a plan goes on from it.
func TestFrozenState(t *testing.T) {
	w := newWorld(t, three)
	c := w.command(t, w.adapt)
	state := filepath.Join(c.cli.folder, "terraform.tfstate")
	config := func() string {
		return w.config(three, `components = [{ name = "kubelet", settings = { maxPods = 42 } }]
  etcd     = { quota = "4Gi", snapshots = { keep = 3 } }
  upgrade  = { max_unavailable = "10%", per = "rack" }
  racks    = { "s1/1/a" = { labels = { "example.com/a" = "b" }, taints = [{ key = "a", effect = "PreferNoSchedule" }] } }`)
	}
	b := frozen(t, "trivet_cluster-v0.tfstate", func() []byte {
		c.write(config())
		c.must("init")
		c.must("apply", "-auto-approve")
		b, err := os.ReadFile(state)
		if err != nil {
			t.Fatal(err)
		}
		return b
	})
	var written struct {
		Resources []struct {
			Instances []struct {
				SchemaVersion int            `json:"schema_version"`
				Attributes    map[string]any `json:"attributes"`
			} `json:"instances"`
		} `json:"resources"`
	}
	if err := json.Unmarshal(b, &written); err != nil {
		t.Fatal(err)
	}
	old := written.Resources[0].Instances[0]
	recipient := old.Attributes["age_recipients"].([]any)[0].(string)
	c.write(strings.ReplaceAll(config(), w.fleet.Key.Recipient().String(), recipient))
	if err := os.WriteFile(state, b, 0o600); err != nil {
		t.Fatal(err)
	}
	c.must("plan", "-refresh=false", "-out=plan")
	var plan struct {
		Changes []struct {
			Change struct {
				Actions []string
				Before  map[string]any
			}
		} `json:"resource_changes"`
	}
	if err := json.Unmarshal([]byte(c.must("show", "-json", "plan")), &plan); err != nil {
		t.Fatal(err)
	}
	change := plan.Changes[0].Change
	if actions := strings.Join(change.Actions, ","); actions != "no-op" && actions != "update" {
		t.Errorf("the plan is to %s", actions)
	}
	for name, was := range old.Attributes {
		if dynamic, ok := was.(map[string]any); ok && name == "components" {
			was = dynamic["value"] // a state has the type beside it
		}
		if !kept(change.Before[name], was) {
			t.Errorf("%s was\n%v\nand is read as\n%v", name, was, change.Before[name])
		}
	}
}

// kept says whether a value has all that it had. Attributes that were added are null.
func kept(now, was any) bool {
	a, ok := now.(map[string]any)
	b, both := was.(map[string]any)
	if !ok || !both {
		list, ok := now.([]any)
		before, both := was.([]any)
		if ok && both && len(list) == len(before) {
			return !slices.ContainsFunc(before, func(x any) bool { return !slices.ContainsFunc(list, func(y any) bool { return kept(y, x) }) })
		}
		return reflect.DeepEqual(now, was)
	}
	for k, v := range b {
		if !kept(a[k], v) {
			return false
		}
	}
	return true
}
