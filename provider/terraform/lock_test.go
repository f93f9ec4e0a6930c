package terraform_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	tf "github.com/hashicorp/terraform-plugin-testing/terraform"
)

// lockOf is the lock in the state.
func lockOf(s *tf.State) string { return s.RootModule().Resources[main].Primary.Attributes["lock"] }

// pinnedNames reads the names and versions that a lock pins.
func pinnedNames(t *testing.T, text string) []string {
	t.Helper()
	var l struct {
		Artifacts []struct{ Name, Version string }
	}
	if err := json.Unmarshal([]byte(text), &l); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, a := range l.Artifacts {
		out = append(out, a.Name+" "+a.Version)
	}
	return out
}

// TestLock fills the lock at the first apply, keeps it while nothing else is needed, has it grow with what is, and takes it from a file.
func TestLock(t *testing.T) {
	w := newWorld(t, small)
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) {
		if err := os.WriteFile(file(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	given := func(name string) string { return fmt.Sprintf("lock = file(%q)", file(name)) }
	for _, name := range []string{"whole", "wrong", "less"} { // configurations are validated before their steps
		write(name, `{"format": 1, "artifacts": []}`)
	}
	more := append(slices.Clone(small), worker2)
	release := func(config string) string { return strings.Replace(config, `"1.37.2"`, `"1.36.3"`, 1) }
	empty := resource.ConfigPlanChecks{PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}}
	var first string
	w.run(t,
		resource.TestStep{
			Config: release(w.config(small, "")), ConfigPlanChecks: empty,
			Check: func(s *tf.State) error {
				first = lockOf(s)
				names := pinnedNames(t, first)
				if !slices.Contains(names, "kubelet 1.36.3") || !slices.Contains(names, "haproxy ") {
					return fmt.Errorf("the lock pins %q", names)
				}
				kubelet := regexp.MustCompile(`(?s)("name": "kubelet".*?"sha256": )"[0-9a-f]{64}"`)
				write("whole", first)
				write("wrong", kubelet.ReplaceAllString(first, `$1"`+strings.Repeat("0", 64)+`"`))
				write("less", strings.Replace(first, `"name": "kubelet"`, `"name": "cubelet"`, 1))
				return nil
			},
		},
		resource.TestStep{ // a change that needs nothing more leaves the lock as it is
			Config: release(w.config(small, `components = [{ name = "kubelet", settings = { maxPods = 42 } }]`)),
			ConfigPlanChecks: resource.ConfigPlanChecks{
				PreApply:             []plancheck.PlanCheck{plancheck.ExpectResourceAction(main, plancheck.ResourceActionUpdate), unchanged("lock")},
				PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
			},
		},
		resource.TestStep{Config: release(w.config(small, "")), ConfigPlanChecks: empty},
		resource.TestStep{Config: release(w.config(small, given("whole"))), PlanOnly: true}, // what the state has, from a file, is no change
		resource.TestStep{
			PreConfig: func() { w.change(t, more) },
			Config:    release(w.afterWith(more, given("wrong"))), ExpectError: regexp.MustCompile(`(?s)lock pins kubelet 1\.36\.3 amd64 binary.*sha256\s+0{64}`),
		},
		resource.TestStep{Config: release(w.afterWith(more, given("wrong"))), ExpectError: regexp.MustCompile(`(?s)\d+: +lock += file`)},
		resource.TestStep{
			Config: w.afterWith(more, given("whole")), ExpectError: regexp.MustCompile(`(?s)lock does\s+not\s+pin\s+all\s+that.*\{"name":"kubelet","version":"1\.37\.2"`),
		},
		resource.TestStep{Config: release(w.afterWith(more, given("less"))), ExpectError: regexp.MustCompile(`(?s)lock does\s+not\s+pin\s+all.*"name":"kubelet"`)},
		resource.TestStep{
			Config: w.afterWith(more, ""),
			ConfigPlanChecks: resource.ConfigPlanChecks{
				PreApply:             []plancheck.PlanCheck{plancheck.ExpectUnknownValue(main, at("lock"))},
				PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
			},
			Check: func(s *tf.State) error {
				if names := pinnedNames(t, lockOf(s)); !slices.Contains(names, "kubelet 1.37.2") || slices.Contains(names, "kubelet 1.36.3") {
					return fmt.Errorf("after the upgrade the lock pins %q", names)
				}
				return nil
			},
		},
	)
}

// TestWrongLock tells of a lock that is none before anything is contacted.
func TestWrongLock(t *testing.T) {
	w := newWorld(t, small)
	w.run(t, resource.TestStep{Config: w.config(small, `lock = "{\n\"format\": 1,\n\"artifacts\": ["`), PlanOnly: true, ExpectError: regexp.MustCompile(`(?s)Wrong lock.*lock +=.*line 3`)})
}
