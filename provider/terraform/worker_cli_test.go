package terraform_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/provider"

	"github.com/trivet-dev/trivet/provider/terraform"
)

// TestWorkersForEach brings workers up by for_each in the apply that makes their cluster, with terraform itself: nothing is to be done then, nor seen to have changed; fewer workers are
// those that go; all of it goes in one destroy.
func TestWorkersForEach(t *testing.T) {
	w := newWorld(t, small)
	names := w.spares(t, 5)
	var all []string
	for _, n := range names {
		all = append(all, fmt.Sprintf("%s = %q", n, spareAddress(n)))
	}
	config := w.config(small, "") + fmt.Sprintf(`
variable "workers" {
  type    = number
  default = 5
}
locals {
  spots = { %s }
  used  = slice(keys(local.spots), 0, var.workers)
}
resource "terraform_data" "vm" {
  for_each = toset(local.used)
  input    = local.spots[each.key]
}
resource "trivet_worker" "spot" {
  for_each = terraform_data.vm
  cluster  = trivet_cluster.main.access
  lock     = trivet_cluster.main.lock
  name     = each.key
  address  = each.value.output
}
output "machines" {
  value = { for name, w in trivet_worker.spot : name => w.machine_id }
}
`, strings.Join(all, ", "))
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.tf"), []byte("terraform {\n  required_providers {\n    trivet = { source = \"registry.terraform.io/hashicorp/trivet\" }\n  }\n}\n"+config), 0o600); err != nil {
		t.Fatal(err)
	}
	c := newCLI(t, dir, map[string]func() provider.Provider{"registry.terraform.io/hashicorp/trivet": terraform.New("test", w.adapt)})
	c.run(t, 0, "init")
	out := c.run(t, 0, "apply", "-auto-approve")
	if !strings.Contains(out, "11 added") {
		t.Errorf("not everything was added:\n%s", out)
	}
	check := func(workers string, want ...string) {
		t.Helper()
		c.run(t, 0, "plan", "-detailed-exitcode", "-var", workers)
		c.run(t, 0, "plan", "-refresh-only", "-detailed-exitcode", "-var", workers)
		if err := w.elastic(want...)(nil); err != nil {
			t.Error(err)
		}
	}
	check("workers=5", names...)
	out = c.run(t, 0, "apply", "-auto-approve", "-var", "workers=2")
	if !strings.Contains(out, "0 added, 0 changed, 6 destroyed") {
		t.Errorf("fewer workers:\n%s", out)
	}
	check("workers=2", names[:2]...)
	c.run(t, 0, "destroy", "-auto-approve", "-var", "workers=2")
	for _, name := range slices.Concat(names, []string{"cp1", "w1"}) {
		if o, err := w.fleet.Observe(name); err != nil || o.Record != nil {
			t.Errorf("%s keeps something: %v", name, err)
		}
	}
}

// TestWorkersFollowTheClusterID: what is not known of a cluster that stays is no matter of its workers; with another cluster they are replaced.
func TestWorkersFollowTheClusterID(t *testing.T) {
	w := newWorld(t, small)
	names := w.spares(t, 1)
	config := w.config(small, "") + workers(names, "lock = trivet_cluster.main.lock")
	dir := t.TempDir()
	use := func(config string) {
		t.Helper()
		text := "terraform {\n  required_providers {\n    trivet = { source = \"registry.terraform.io/hashicorp/trivet\" }\n  }\n}\n" + config
		if err := os.WriteFile(filepath.Join(dir, "main.tf"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	use(config)
	c := newCLI(t, dir, map[string]func() provider.Provider{"registry.terraform.io/hashicorp/trivet": terraform.New("test", w.adapt)})
	c.run(t, 0, "init")
	c.run(t, 0, "apply", "-auto-approve")

	use(strings.Replace(config, "  hosts = {\n", "  hosts = terraform_data.hosts.output\n  }\nresource \"terraform_data\" \"hosts\" {\n  input = {\n", 1))
	unknown := c.run(t, 2, "plan", "-detailed-exitcode")
	if !strings.Contains(unknown, "trivet_cluster.main will be updated in-place") || !strings.Contains(unknown, "Plan: 1 to add, 1 to change, 0 to destroy.") {
		t.Errorf("with hosts that are not known:\n%s", unknown)
	}
	use(strings.Replace(config, `"main"`+"\n  kubernetes", `"other"`+"\n  kubernetes", 1))
	other := c.run(t, 2, "plan", "-detailed-exitcode")
	if !strings.Contains(other, "trivet_cluster.main must be replaced") || !strings.Contains(other, "trivet_worker.spot-1 must be replaced") {
		t.Errorf("with another cluster:\n%s", other)
	}
	use(config)
	c.run(t, 0, "plan", "-detailed-exitcode")
	c.run(t, 0, "destroy", "-auto-approve")
}
