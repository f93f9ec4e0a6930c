package terraform_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"

	"github.com/trivet-dev/trivet/bootstrap/fleettest"
)

const statusOf = "data.trivet_cluster_status.main"

// TestClusterStatus tells of a healthy cluster, and of a host that does not answer, by what its control planes remember and by a topology.
func TestClusterStatus(t *testing.T) {
	for name, source := range map[string]func(w *world) string{
		"remembered": func(*world) string { return "cluster = trivet_cluster.main.access" },
		"described": func(w *world) string {
			return fmt.Sprintf("name = trivet_cluster.main.name\n topology = <<EOT\n%s\nEOT", fleettest.Settings{Hosts: three}.HCL(w.fleet.Key.Recipient().String()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, three)
			config := w.config(three, "") + "data \"trivet_cluster_status\" \"main\" {\n" + source(w) + "\n}\n"
			check := func(path []string, want knownvalue.Check) statecheck.StateCheck {
				return statecheck.ExpectKnownValue(statusOf, at(path...), want)
			}
			has := func(want string) knownvalue.Check { return knownvalue.StringRegexp(regexp.MustCompile(want)) }
			w.run(t,
				resource.TestStep{Config: config, ConfigStateChecks: []statecheck.StateCheck{
					check([]string{"healthy"}, knownvalue.Bool(true)),
					check([]string{"complete"}, knownvalue.Bool(true)),
					check([]string{"name"}, knownvalue.StringExact("main")),
					check([]string{"kubernetes"}, knownvalue.StringExact("1.37.2")),
					check([]string{"problems"}, knownvalue.ListExact(nil)),
					check([]string{"certificates_end"}, has(`^20\d\d-\d\d-\d\dT`)),
					check([]string{"hosts", "cp1", "node"}, knownvalue.StringExact("Ready")),
					check([]string{"hosts", "w1", "site"}, knownvalue.StringExact("s1")),
					check([]string{"hosts", "w1", "region"}, knownvalue.StringExact("r")),
					check([]string{"hosts"}, knownvalue.MapSizeExact(4)),
					check([]string{"etcd_members"}, knownvalue.ListSizeExact(3)),
				}},
				resource.TestStep{PreConfig: func() { w.fleet.Unreachable["w1"] = true }, Config: config, ConfigStateChecks: []statecheck.StateCheck{
					check([]string{"healthy"}, knownvalue.Bool(false)),
					check([]string{"problems"}, knownvalue.ListPartial(map[int]knownvalue.Check{0: has("^host w1: .*no route")})),
					check([]string{"hosts", "w1", "error"}, has("no route")),
					check([]string{"hosts", "w1", "node"}, has("stopped posting")),
					check([]string{"hosts", "cp1", "error"}, knownvalue.Null()),
				}},
				resource.TestStep{PreConfig: func() { w.fleet.Unreachable["w1"] = false }, Config: config, ConfigStateChecks: []statecheck.StateCheck{check([]string{"healthy"}, knownvalue.Bool(true))}},
			)
		})
	}
}

// TestHostFacts tells what a machine is and what keeps it out of a cluster.
func TestHostFacts(t *testing.T) {
	w := newWorld(t, small)
	config := fmt.Sprintf(`
provider "trivet" {
  ssh          = { user = "ops" }
  age_identity = %q
}
data "trivet_host_facts" "w1" {
  address = "10.11.1.12"
}
`, w.fleet.Key.String())
	const facts = "data.trivet_host_facts.w1"
	w.run(t,
		resource.TestStep{Config: config, ConfigStateChecks: []statecheck.StateCheck{
			statecheck.ExpectKnownValue(facts, at("fit"), knownvalue.Bool(true)),
			statecheck.ExpectKnownValue(facts, at("findings"), knownvalue.ListExact(nil)),
			statecheck.ExpectKnownValue(facts, at("machine_id"), knownvalue.StringRegexp(regexp.MustCompile(`^[0-9a-f]{32}$`))),
			statecheck.ExpectKnownValue(facts, at("os", "id"), knownvalue.StringExact("debian")),
			statecheck.ExpectKnownValue(facts, at("disks"), knownvalue.ListPartial(map[int]knownvalue.Check{0: knownvalue.NotNull()})),
			statecheck.ExpectKnownValue(facts, at("cluster"), knownvalue.Null()),
		}},
		resource.TestStep{
			PreConfig: func() {
				file := w.fleet.Machines["w1"].Path("/proc/meminfo")
				b, err := os.ReadFile(file)
				if err == nil {
					err = os.WriteFile(file, regexp.MustCompile(`SwapTotal:.*`).ReplaceAll(b, []byte("SwapTotal: 1048576 kB")), 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			},
			Config: config, ConfigStateChecks: []statecheck.StateCheck{
				statecheck.ExpectKnownValue(facts, at("fit"), knownvalue.Bool(false)),
				statecheck.ExpectKnownValue(facts, at("findings"), knownvalue.ListExact([]knownvalue.Check{knownvalue.ObjectPartial(map[string]knownvalue.Check{
					"check": knownvalue.StringExact("swap"), "severity": knownvalue.StringExact("error"), "remedy": knownvalue.StringRegexp(regexp.MustCompile("swapoff"))})})),
			},
		},
		resource.TestStep{Config: strings.Replace(config, `"10.11.1.12"`, "\"10.11.1.12\"\n roles = [\"wrker\"]", 1), ExpectError: regexp.MustCompile(`(?s)Unknown role.*roles = \["wrker"\].*worker`)},
		resource.TestStep{Config: strings.Replace(config, `"10.11.1.12"`, `"w1.example"`, 1), ExpectError: regexp.MustCompile(`(?s)Wrong address.*ssh_address`)},
		resource.TestStep{PreConfig: func() { w.fleet.Unreachable["w1"] = true }, Config: config, ExpectError: regexp.MustCompile(`(?s)Host not read.*address.*no route`)},
	)
}
