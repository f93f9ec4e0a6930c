package release

import (
	"slices"
	"strings"
	"testing"
)

// TestRulesNameFields holds every rule to a field or flag that there is and that a user may set: a misspelled one would never be asked.
func TestRulesNameFields(t *testing.T) {
	check := func(component, path string) {
		t.Helper()
		if _, ok := owned[component][path]; ok {
			t.Errorf("%s: %s is Trivet's own, and refused before its value is seen", component, path)
		}
		if table, ok := flagTables[component]; ok {
			if _, ok := table[path]; !ok {
				t.Errorf("%s has no flag %s", component, path)
			}
			return
		}
		k := containerdFields
		if component != "containerd" {
			k = configs[component]()
		}
		for _, step := range strings.Split(path, ".") {
			name, isList := strings.CutSuffix(step, "[]")
			field, ok := k.fields[name]
			if !ok {
				t.Errorf("%s has no field %s", component, path)
				return
			}
			if isList {
				field = *field.element
			}
			k = field
		}
	}
	n := 0
	for component, rules := range valueRules {
		for path := range rules {
			check(component, path)
			n++
		}
	}
	for _, g := range gatedFields {
		check(g.component, g.path)
		known := false
		for _, r := range releases {
			_, ok := gateTable(r.Minor())[g.gate]
			known = known || ok
		}
		if !known {
			t.Errorf("no release has the feature gate %s", g.gate)
		}
	}
	if n < 200 {
		t.Errorf("only %d rules", n)
	}
}

// TestNames holds what the releases differ in.
func TestNames(t *testing.T) {
	old, now := releases[0], releases[len(releases)-1]
	for _, c := range []struct {
		kind, name string
		old, now   bool
	}{
		{"admission", "NodeRestriction", true, true},
		{"admission", "PodGroupWorkloadExists", true, false},
		{"admission", "PodSecurityPolicy", false, false},
		{"controller", "ttl-controller", true, true},
		{"controller", "csrsigning", true, true},
		{"controller", "route", true, false},
		{"plugin", "DeferredPodScheduling", false, true},
	} {
		for _, r := range []struct {
			release *Release
			want    bool
		}{{old, c.old}, {now, c.now}} {
			if got, known := r.release.has(c.kind, c.name); got != r.want || slices.Contains(known, c.name) != r.want {
				t.Errorf("%s %s in %s: %t", c.kind, c.name, r.release.Kubernetes, got)
			}
		}
	}
}
