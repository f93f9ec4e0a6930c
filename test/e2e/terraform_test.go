//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trivet-dev/trivet/internal/artifact"
	"github.com/trivet-dev/trivet/internal/lab"
)

// terraformer runs terraform as an infra team does, in a folder of its own, from the lab's operator machine.
type terraformer struct {
	*operator
	access lab.Access
	folder string
	// workers are those of trivet_worker, which are no hosts of the cluster's resource.
	workers []machine
}

// terraform runs a subcommand that has to end with the exit code, and gives what it printed.
func (f *terraformer) terraform(code int, args ...string) string {
	f.t.Helper()
	argv := append([]string{"--net=" + f.access.NetworkNamespace, "terraform"}, args...)
	cmd := exec.Command("nsenter", argv...)
	cmd.Dir = f.folder
	cmd.Env = append(os.Environ(), "TF_CLI_CONFIG_FILE="+filepath.Join(f.folder, "terraform.rc"), "TRIVET_AGE_IDENTITY="+f.access.AgeIdentity, "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1")
	out, err := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != code {
		f.t.Fatalf("terraform %s: %v, want exit code %d\n%s", strings.Join(args, " "), err, code, out)
	}
	f.t.Logf("terraform %s: exit %d", strings.Join(args, " "), code)
	return string(out)
}

// configuration writes the folder: a cluster of hosts, and a look at its nodes through the ephemeral kubeconfig, in the same apply.
func (f *terraformer) configuration(kubectl string, hosts ...machine) {
	f.t.Helper()
	var list strings.Builder
	for _, h := range hosts {
		fmt.Fprintf(&list, "    %s = { address = %q, site = \"n1\", roles = [%s] }\n", h.name, h.address, h.roles)
	}
	var workers strings.Builder
	for _, h := range f.workers {
		fmt.Fprintf(&workers, "    %s = %q\n", h.name, h.address)
	}
	text := fmt.Sprintf(`
terraform {
  required_providers {
    trivet = { source = "trivet-dev/trivet" }
  }
}

provider "trivet" {
  ssh = {
    user        = %q
    private_key = file(%q)
    known_hosts = file(%q)
  }
}

resource "trivet_cluster" "main" {
  name                = "five"
  kubernetes          = "1.37.2"
  age_recipients      = [%q]
  pod_cidr            = "10.128.0.0/16"
  deletion_protection = false
  sites               = { n1 = { region = "north" } }
  racks               = { "n1/1/a" = { cidr = "10.51.1.0/24" } }
  hosts = {
%s  }
}

ephemeral "trivet_kubeconfig" "main" {
  cluster = trivet_cluster.main.access
}

resource "trivet_worker" "spot" {
  for_each = {
%s  }
  cluster = trivet_cluster.main.access
  lock    = trivet_cluster.main.lock
  name    = each.key
  address = each.value
  labels  = { pool = "spot" }
}

resource "terraform_data" "nodes" {
  triggers_replace = concat(keys(trivet_cluster.main.nodes), keys(trivet_worker.spot))
  provisioner "local-exec" {
    command     = "umask 077; printf '%%s' \"$CONFIG\" > kubeconfig; %s --kubeconfig kubeconfig get nodes -o name > nodes; rm kubeconfig"
    environment = { CONFIG = ephemeral.trivet_kubeconfig.main.kubeconfig }
  }
}
`, f.access.User, f.access.PrivateKey, f.access.KnownHosts, f.access.AgeRecipients[0], list.String(), workers.String(), kubectl)
	rc := fmt.Sprintf("provider_installation {\n  dev_overrides {\n    \"trivet-dev/trivet\" = %q\n  }\n  direct {}\n}\n", filepath.Dir(f.bin))
	for name, content := range map[string]string{"main.tf": text, "terraform.rc": rc} {
		if err := os.WriteFile(filepath.Join(f.folder, name), []byte(content), 0o600); err != nil {
			f.t.Fatal(err)
		}
	}
}

// nodes are those that the apply saw through the kubeconfig.
func (f *terraformer) nodes() string {
	f.t.Helper()
	b, err := os.ReadFile(filepath.Join(f.folder, "nodes"))
	if err != nil {
		f.t.Fatal(err)
	}
	return string(b)
}

// TestTerraform brings a cluster up with terraform on real hosts, finds nothing to do, adds a worker, mends what was changed by hand, has workers join that are none of the cluster's hosts,
// and gives all of them back.
func TestTerraform(t *testing.T) {
	if _, err := exec.LookPath("terraform"); err != nil {
		t.Skip("terraform is not on the PATH")
	}
	cp1, w1, w2 := machine{"cp1", "10.51.1.11", everything}, machine{"w1", "10.51.1.101", worker}, machine{"w2", "10.51.1.102", worker}
	spots := []machine{{"spot-1", "10.51.1.111", worker}, {"spot-2", "10.51.1.112", worker}}
	o := newOperator(t, "e2e-terraform", cluster(append([]machine{cp1, w1, w2}, spots...), ""))
	l, err := lab.Open(o.fleet)
	if err != nil {
		t.Fatal(err)
	}
	f := &terraformer{operator: o, access: l.Access(), folder: t.TempDir()}
	hosts := []string{"cp1", "w1", "w2", "spot-1", "spot-2"}
	before := o.inspectAll(hosts)
	o.exits(1, "kubectl", "version", "--client") // has kubectl where it can be run, though there is no cluster
	programs, err := artifact.UserDir("bin")
	if err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(programs, "kubectl-*"))
	if err != nil || len(found) == 0 {
		t.Fatalf("kubectl: %v, %v", found, err)
	}
	kubectl := found[0]

	f.configuration(kubectl, cp1, w1)
	f.terraform(0, "apply", "-auto-approve", "-no-color")
	if got := f.nodes(); got != "node/cp1\nnode/w1\n" {
		t.Errorf("through the kubeconfig there are these nodes: %q", got)
	}
	f.terraform(0, "plan", "-detailed-exitcode")
	f.terraform(0, "plan", "-refresh-only", "-detailed-exitcode")

	f.configuration(kubectl, cp1, w1, w2)
	plan := f.terraform(2, "plan", "-detailed-exitcode", "-no-color")
	f.says(plan, "+ \"w2\"")
	f.saysNot(plan, "~ \"w1\"")
	f.terraform(0, "apply", "-auto-approve")
	if got := f.nodes(); got != "node/cp1\nnode/w1\nnode/w2\n" {
		t.Errorf("with a worker more there are these nodes: %q", got)
	}
	f.terraform(0, "plan", "-detailed-exitcode")

	o.on("w1", "rm", "/etc/trivet/haproxy.cfg")
	f.says(f.terraform(2, "plan", "-detailed-exitcode", "-no-color"), "/etc/trivet/haproxy.cfg: missing")
	f.terraform(0, "apply", "-auto-approve")
	f.terraform(0, "plan", "-detailed-exitcode")

	f.workers = spots
	f.configuration(kubectl, cp1, w1, w2)
	f.says(f.terraform(0, "apply", "-auto-approve", "-no-color"), "Apply complete! Resources: 3 added, 0 changed, 1 destroyed.")
	if got := f.nodes(); got != "node/cp1\nnode/spot-1\nnode/spot-2\nnode/w1\nnode/w2\n" {
		t.Errorf("with workers that joined there are these nodes: %q", got)
	}
	f.terraform(0, "plan", "-detailed-exitcode")
	f.terraform(0, "plan", "-refresh-only", "-detailed-exitcode")
	o.on("spot-1", "rm", "/etc/trivet/haproxy.cfg")
	f.says(f.terraform(2, "plan", "-detailed-exitcode", "-no-color"), "trivet_worker.spot[\"spot-1\"] will be updated in-place", "/etc/trivet/haproxy.cfg: missing")
	f.terraform(0, "apply", "-auto-approve")
	f.workers = spots[:1]
	f.configuration(kubectl, cp1, w1, w2)
	f.terraform(0, "apply", "-auto-approve")
	if got := f.nodes(); got != "node/cp1\nnode/spot-1\nnode/w1\nnode/w2\n" {
		t.Errorf("with a worker that left there are these nodes: %q", got)
	}
	f.terraform(0, "plan", "-detailed-exitcode")

	state, err := os.ReadFile(filepath.Join(f.folder, "terraform.tfstate"))
	if err != nil {
		t.Fatal(err)
	}
	f.saysNot(string(state), "PRIVATE KEY")
	f.saysNot(string(state), "AGE-SECRET-KEY")

	f.terraform(0, "destroy", "-auto-approve")
	o.asBefore(before)
}
