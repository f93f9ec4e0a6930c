package terraform_test

import (
	"regexp"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
)

func TestFunctions(t *testing.T) {
	w := newWorld(t, small)
	text := func(list ...string) knownvalue.Check {
		var out []knownvalue.Check
		for _, s := range list {
			out = append(out, knownvalue.StringExact(s))
		}
		return knownvalue.ListExact(out)
	}
	rack := func(cidr string, hosts int64) knownvalue.Check {
		return knownvalue.ObjectExact(map[string]knownvalue.Check{"cidr": knownvalue.StringExact(cidr), "hosts": knownvalue.Int64Exact(hosts)})
	}
	for call, want := range map[string]knownvalue.Check{
		`quorum(5)`:                        knownvalue.ObjectExact(map[string]knownvalue.Check{"quorum": knownvalue.Int64Exact(3), "may_fail": knownvalue.Int64Exact(2)}),
		`upgrade_path("1.36.3", "1.37.2")`: text("1.37.2"),
		`upgrade_path("1.37.2", "1.37.2")`: text(),
		`upgrade_path("1.35.0", "1.37.2")`: text("1.36.3", "1.37.2"),
		`racks("10.11.0.0/16", 100)`:       knownvalue.ListExact([]knownvalue.Check{rack("10.11.0.0/24", 48), rack("10.11.1.0/24", 48), rack("10.11.2.0/24", 4)}),
		`racks("10.11.0.0/24", 60)`:        knownvalue.ListExact([]knownvalue.Check{rack("10.11.0.0/25", 48), rack("10.11.0.128/25", 12)}),
		`addresses("10.11.1.0/24", 11, 2)`: text("10.11.1.11", "10.11.1.12"),
	} {
		t.Run(call, func(t *testing.T) {
			w.run(t, resource.TestStep{Config: "output \"x\" { value = provider::trivet::" + call + " }\n" + required, ConfigStateChecks: []statecheck.StateCheck{statecheck.ExpectKnownOutputValue("x", want)}})
		})
	}
	for call, want := range map[string]string{
		`quorum(0)`:                         `from\s+1\s+to\s+1000`,
		`upgrade_path("1.34.0", "1.37.2")`:  `(?s)1\.35.*not\s+know`,
		`upgrade_path("1.37.2", "1.36.3")`:  `no\s+way\s+back`,
		`racks("10.11.0.0/26", 100)`:        `larger\s+range`,
		`racks("10.11.0.1/24", 1)`:          `not\s+an\s+IPv4\s+range`,
		`addresses("10.11.1.0/24", 250, 9)`: `from\s+1\s+to\s+254`,
	} {
		t.Run(call, func(t *testing.T) {
			w.run(t, resource.TestStep{Config: "output \"x\" { value = provider::trivet::" + call + " }\n" + required, ExpectError: regexp.MustCompile(want)})
		})
	}
}

// required makes functions of the provider known without a resource.
const required = `terraform {
  required_providers {
    trivet = { source = "hashicorp/trivet" }
  }
}
`
