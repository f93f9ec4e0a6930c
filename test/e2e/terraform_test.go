//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/internal/artifact"
	"github.com/trivet-dev/trivet/internal/lab"
)

// terraformer runs terraform as an infra team does, in a folder of its own, from the lab's operator machine.
type terraformer struct {
	*operator
	access     lab.Access
	folder     string
	kubectl    string // to look at nodes with
	kubernetes string
	// workers are those of trivet_worker, which are no hosts of the cluster's resource.
	workers []machine
}

// newTerraformer brings up a lab for hosts. The operator's own topology has all of them, whatever the configuration says of them.
func newTerraformer(t *testing.T, fleet, kubernetes string, hosts ...machine) *terraformer {
	t.Helper()
	if _, err := exec.LookPath("terraform"); err != nil {
		t.Skip("terraform is not on the PATH")
	}
	o := newOperator(t, fleet, cluster(hosts, ""))
	l, err := lab.Open(o.fleet)
	if err != nil {
		t.Fatal(err)
	}
	o.exits(1, "kubectl", "version", "--client") // has kubectl where it can be run, though there is no cluster
	for _, h := range hosts {                    // nor a helper of that on any
		o.on(h.name, "sh", "-c", "rm -rf /var/tmp/trivet-*")
	}
	programs, err := artifact.UserDir("bin")
	if err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(programs, "kubectl-*"))
	if err != nil || len(found) == 0 {
		t.Fatalf("kubectl: %v, %v", found, err)
	}
	return &terraformer{operator: o, access: l.Access(), folder: t.TempDir(), kubectl: found[0], kubernetes: kubernetes}
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
func (f *terraformer) configuration(hosts ...machine) {
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
  kubernetes          = %q
  age_recipients      = [%q]
  pod_cidr            = "10.128.0.0/16"
  deletion_protection = false
  upgrade             = { max_unavailable = 1, drain_timeout = "3m" }
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
`, f.access.User, f.access.PrivateKey, f.access.KnownHosts, f.kubernetes, f.access.AgeRecipients[0], list.String(), workers.String(), f.kubectl)
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
	cp1, w1, w2 := machine{"cp1", "10.51.1.11", everything}, machine{"w1", "10.51.1.101", worker}, machine{"w2", "10.51.1.102", worker}
	spots := []machine{{"spot-1", "10.51.1.111", worker}, {"spot-2", "10.51.1.112", worker}}
	f := newTerraformer(t, "e2e-terraform", newRelease.kubernetes, append([]machine{cp1, w1, w2}, spots...)...)
	before := f.inspectAll([]string{"cp1", "w1", "w2", "spot-1", "spot-2"})

	f.configuration(cp1, w1)
	f.terraform(0, "apply", "-auto-approve", "-no-color")
	if got := f.nodes(); got != "node/cp1\nnode/w1\n" {
		t.Errorf("through the kubeconfig there are these nodes: %q", got)
	}
	f.terraform(0, "plan", "-detailed-exitcode")
	f.terraform(0, "plan", "-refresh-only", "-detailed-exitcode")

	f.configuration(cp1, w1, w2)
	plan := f.terraform(2, "plan", "-detailed-exitcode", "-no-color")
	f.says(plan, "+ \"w2\"")
	f.saysNot(plan, "~ \"w1\"")
	f.terraform(0, "apply", "-auto-approve")
	if got := f.nodes(); got != "node/cp1\nnode/w1\nnode/w2\n" {
		t.Errorf("with a worker more there are these nodes: %q", got)
	}
	f.terraform(0, "plan", "-detailed-exitcode")

	f.on("w1", "rm", "/etc/trivet/haproxy.cfg")
	f.says(f.terraform(2, "plan", "-detailed-exitcode", "-no-color"), "/etc/trivet/haproxy.cfg: missing")
	f.terraform(0, "apply", "-auto-approve")
	f.terraform(0, "plan", "-detailed-exitcode")

	f.workers = spots
	f.configuration(cp1, w1, w2)
	f.says(f.terraform(0, "apply", "-auto-approve", "-no-color"), "Apply complete! Resources: 3 added, 0 changed, 1 destroyed.")
	if got := f.nodes(); got != "node/cp1\nnode/spot-1\nnode/spot-2\nnode/w1\nnode/w2\n" {
		t.Errorf("with workers that joined there are these nodes: %q", got)
	}
	f.terraform(0, "plan", "-detailed-exitcode")
	f.terraform(0, "plan", "-refresh-only", "-detailed-exitcode")
	f.on("spot-1", "rm", "/etc/trivet/haproxy.cfg")
	f.says(f.terraform(2, "plan", "-detailed-exitcode", "-no-color"), "trivet_worker.spot[\"spot-1\"] will be updated in-place", "/etc/trivet/haproxy.cfg: missing")
	f.terraform(0, "apply", "-auto-approve")
	f.workers = spots[:1]
	f.configuration(cp1, w1, w2)
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
	f.asBefore(before)
}

// TestTerraformUpgrade takes a cluster in use from one minor release to the next with terraform: its hosts, and the workers that joined it without being hosts of it, in one budget.
func TestTerraformUpgrade(t *testing.T) {
	inFull(t)
	hosts := []machine{
		{"cp1", "10.51.1.11", everything}, {"cp2", "10.51.1.12", everything}, {"cp3", "10.51.1.13", everything}, {"w1", "10.51.1.101", worker},
	}
	spots := []machine{{"spot-1", "10.51.1.111", worker}, {"spot-2", "10.51.1.112", worker}}
	all := slices.Concat(hosts, spots)
	f := newTerraformer(t, "e2e-terraform", oldRelease.kubernetes, all...)
	f.workers = spots
	f.configuration(hosts...)
	f.terraform(0, "apply", "-auto-approve")
	everybody := &fleet{f.operator, all}
	everybody.runs(oldRelease)
	f.openShopBefore("cp1", "cp2", "cp3", "w1", "spot-1", "spot-2")

	f.kubernetes = newRelease.kubernetes
	f.configuration(hosts...)
	f.says(f.terraform(2, "plan", "-detailed-exitcode", "-no-color"), fmt.Sprintf("%q -> %q", oldRelease.kubernetes, newRelease.kubernetes))
	log := filepath.Join(f.folder, "provider.log")
	t.Setenv("TF_LOG_PROVIDER", "DEBUG")
	t.Setenv("TF_LOG_PATH", log)
	p := f.probe("spot-1")
	f.terraform(0, "apply", "-auto-approve")
	happened := f.events(log)
	p.stop(happened...)
	p.allow(upgradeAPI, upgradeService)
	t.Setenv("TF_LOG_PROVIDER", "")
	everybody.runs(newRelease)
	if diff := cmp.Diff([]string{"spot-1", "spot-2", "w1"}, f.oneByOne(happened)); diff != "" {
		t.Errorf("workers whose turn it was (-want +got):\n%s", diff)
	}
	f.terraform(0, "plan", "-detailed-exitcode")
	f.terraform(0, "plan", "-refresh-only", "-detailed-exitcode")

	// What an upgrade left is complete: a worker more joins with the new release, and all leave.
	f.workers = spots[1:]
	f.configuration(hosts...)
	f.terraform(0, "apply", "-auto-approve")
	f.workers = spots
	f.configuration(hosts...)
	f.terraform(0, "apply", "-auto-approve")
	everybody.runs(newRelease)
	f.must("verify")
	f.terraform(0, "destroy", "-auto-approve")
}

// events are what a provider's log tells of an apply.
func (f *terraformer) events(log string) []event.Event {
	f.t.Helper()
	b, err := os.ReadFile(log)
	if err != nil {
		f.t.Fatal(err)
	}
	var all []event.Event
	for line := range strings.Lines(string(b)) {
		stamp, _, _ := strings.Cut(line, " ")
		at, err := time.Parse("2006-01-02T15:04:05.000Z0700", stamp)
		if err != nil {
			continue // the rest of a message
		}
		fields := map[string]string{}
		for _, m := range logField.FindAllStringSubmatch(line, -1) {
			fields[m[1]] = strings.Trim(m[2], `"`)
		}
		if kind := fields["kind"]; kind != "" {
			all = append(all, event.Event{Time: at, Kind: event.Kind(kind), Phase: fields["phase"], Host: fields["host"], Item: fields["item"], State: fields["state"]})
		}
	}
	if len(all) == 0 {
		f.t.Fatalf("%s tells of no event", log)
	}
	return all
}

var logField = regexp.MustCompile(` (kind|phase|host|item|state)=("[^"]*"|\S+)`)

// oneByOne gives the workers whose turn it was in the phase of nodes, and complains where one was begun before another had ended.
func (f *terraformer) oneByOne(all []event.Event) []string {
	f.t.Helper()
	var names, at []string
	for _, e := range all {
		if e.Phase != "nodes" || strings.HasPrefix(e.Host, "cp") {
			continue
		}
		switch e.Kind {
		case event.HostDone:
			at = slices.DeleteFunc(at, func(h string) bool { return h == e.Host })
		case event.HostStarted:
			if at = append(at, e.Host); len(at) > 1 {
				f.t.Errorf("at once: %s", strings.Join(at, ", "))
			}
			names = append(names, e.Host)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
