package terraform_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/plan"
)

// TestRefusedByPlan: what a cluster can never change is refused by the plan, at its attribute, before other resources are changed; so is a release that it cannot go to. What is not known yet
// is no such change.
func TestRefusedByPlan(t *testing.T) {
	w := newWorld(t, small)
	later := "resource \"terraform_data\" \"later\" { input = \"10.144.0.0/12\" }\n"
	older := strings.Replace(w.config(small, ""), "1.37.2", "1.36.3", 1)
	refused := func(config, want string) resource.TestStep {
		return resource.TestStep{Config: config, PlanOnly: true, ExpectError: regexp.MustCompile(want)}
	}
	w.run(t,
		resource.TestStep{Config: older},
		resource.TestStep{ // a way back is one while an upgrade is not finished
			PreConfig:   func() { w.fleet.FailGate(plan.GateNodes, errors.New("planted")) },
			Config:      w.config(small, ""),
			ExpectError: regexp.MustCompile(`(?s)Cluster not changed as planned.*planted`),
		},
		resource.TestStep{
			PreConfig:          func() { w.fleet.FailGate(plan.GateNodes, nil) },
			Config:             older,
			PlanOnly:           true,
			ExpectNonEmptyPlan: true,
		},
		resource.TestStep{Config: w.config(small, "")},
		refused(older, `(?s)Cannot change.*kubernetes += "1\.36\.3".*kubernetes: cluster "main" runs Kubernetes\s+1\.37\.2.*cannot\s+be\s+taken\s+back.*Nothing\s+was\s+changed`),
		refused(w.config(small, "pod_cidr = \"10.144.0.0/12\"\n  node_prefix = 25"), `(?s)Cannot change.*pod_cidr += "10\.144.*pod_cidr of cluster\s+"main"\s+is\s+10\.128\.0\.0/12.*set it back.*Cannot change.*node_prefix += 25`),
		refused(w.config(small, `dns = { domain = "cluster.example" }`), `(?s)Cannot change.*dns += \{ domain.*dns\.domain of cluster\s+"main"\s+is\s+cluster\.local`),
		refused(w.config(small, `api = { service_account_issuer = "https://issuer.example" }`), `(?s)Cannot change.*api += \{.*api\.service_account_issuer`),
		resource.TestStep{Config: w.config(small, "pod_cidr = terraform_data.later.output") + later, PlanOnly: true, ExpectNonEmptyPlan: true},
		resource.TestStep{Config: w.config(small, ""), ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{only{}}}},
	)
}

// TestMembersByRoleAndKey: a member whose host key is not known is perhaps another machine; one whose roles are not known is none.
func TestMembersByRoleAndKey(t *testing.T) {
	w := newWorld(t, three)
	later := func(name string) string {
		return fmt.Sprintf("resource \"terraform_data\" %q { input = \"etcd\" }\n", name)
	}
	known := w.config(three, "")
	keyed := strings.NewReplacer(`address = "10.12.1.11"`, `address = "10.12.1.11", ssh_host_key = terraform_data.key.output`, `address = "10.13.1.11"`, `address = "10.13.1.11", ssh_host_key = terraform_data.key.output`)
	roles := strings.NewReplacer(`site = "s2", roles = ["control-plane", "etcd"]`, `site = "s2", roles = ["control-plane", terraform_data.role.output]`, `site = "s3", roles = ["control-plane", "etcd"]`, `site = "s3", roles = ["control-plane", terraform_data.role.output]`)
	w.run(t,
		resource.TestStep{Config: known},
		resource.TestStep{Config: keyed.Replace(known) + later("key"), PlanOnly: true, ExpectError: regexp.MustCompile(`(?s)Too many etcd members.*cp2\s+gets\s+an\s+SSH\s+host\s+key\s+that\s+is\s+not\s+known\s+yet`)},
		resource.TestStep{Config: roles.Replace(known) + later("role"), ConfigPlanChecks: resource.ConfigPlanChecks{PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}}},
	)
}

// TestStale: a plan that was saved before somebody else changed the cluster is not carried out.
func TestStale(t *testing.T) {
	w := newWorld(t, small)
	c := w.command(t, w.adapt)
	c.write(w.config(small, ""))
	c.must("apply", "-auto-approve")
	c.write(w.config(small, `components = [{ name = "kubelet", settings = { maxPods = 42 } }]`))
	c.must("plan", "-out=saved")
	more := append(slices.Clone(small), worker2)
	w.change(t, more)
	w.converge(t)
	before := w.fleet.Trees(t)
	out, err := c.run("apply", "saved")
	if text := words(out); err == nil || !strings.Contains(text, "Plan is stale") || !strings.Contains(text, "Run `terraform plan` again") {
		t.Errorf("a stale plan: %v\n%s", err, out)
	}
	for host, tree := range w.fleet.Trees(t) {
		for name, content := range tree {
			if before[host][name] != content {
				t.Errorf("host %s: a stale plan has changed %s", host, name)
			}
		}
	}
	c.write(w.after(more))
	c.must("apply", "-auto-approve")
	c.empty()
	c.must("destroy", "-auto-approve")
}

// converge applies the fleet's topology, as the command does.
func (w *world) converge(t *testing.T) {
	t.Helper()
	e, err := bootstrap.Connect(t.Context(), w.options())
	if err != nil {
		t.Fatal(err)
	}
	p, err := e.Plan(t.Context())
	if err == nil {
		err = e.Apply(t.Context(), p)
	}
	if err := errors.Join(err, e.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestTold: what the engine refuses during an apply, going by what it sees on hosts, is told at the attribute, and names no line that the user has not written.
func TestTold(t *testing.T) {
	w := newWorld(t, small)
	wrong := strings.Replace(w.config(small, ""), `address = "10.11.1.12"`, `address = "10.11.1.12", interface = "eth9"`, 1)
	topology := fleettest.Settings{Hosts: small}.HCL(w.fleet.Key.Recipient().String())
	file := filepath.Join(t.TempDir(), "main.hcl")
	write(t, file, strings.Replace(topology, `address = "10.11.1.12"`, "address = \"10.11.1.12\"\n          interface = \"eth9\"", 1))
	described := fmt.Sprintf("provider \"trivet\" {\n  age_identity = %q\n}\nresource \"trivet_cluster\" \"main\" {\n  name = \"main\"\n  deletion_protection = false\n  topology = file(%q)\n}\n",
		w.fleet.Key, file)
	for name, c := range map[string]struct{ config, want string }{
		"attribute": {wrong, `(?s)Cluster not created.*on main\.tf line \d+.*w1 = \{.*it has no interface eth9.*hosts\["w1"\]\.address`},
		"topology":  {described, `(?s)Cluster not created.*topology += file.*it has no interface eth9.*topology:\d+`},
	} {
		t.Run(name, func(t *testing.T) {
			c1 := w.command(t, w.adapt)
			c1.write(c.config)
			out, err := c1.run("apply", "-auto-approve")
			if err == nil || !regexp.MustCompile(c.want).MatchString(out) || strings.Contains(out, "(attributes)") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestAwayAtDestroy: a host that does not answer keeps a destroy from beginning, unless it may be left as it is; then the others are given back.
func TestAwayAtDestroy(t *testing.T) {
	w := newWorld(t, small)
	c := w.command(t, w.adapt)
	c.write(w.config(small, ""))
	c.must("apply", "-auto-approve")
	w.fleet.Unreachable["w1"] = true
	out, err := c.run("destroy", "-auto-approve")
	if text := words(out); err == nil || !strings.Contains(text, "Cluster not destroyed") || !strings.Contains(text, "host w1") || !strings.Contains(text, `set unreachable = "forget" in the provider block`) {
		t.Fatalf("%v\n%s", err, out)
	}
	if o, err := w.fleet.Observe("cp1"); err != nil || o.Record == nil {
		t.Errorf("a destroy that failed began: %v", err)
	}
	if list := c.must("state", "list"); !strings.Contains(list, main) {
		t.Errorf("it took the cluster out of the state: %s", list)
	}
	c.write(w.configWith(small, "", `unreachable = "forget"`))
	if out := words(c.must("destroy", "-auto-approve")); !strings.Contains(out, "Hosts are left as they are") || !strings.Contains(out, "host w1") {
		t.Errorf("nothing is said of the host that is left:\n%s", out)
	}
	if o, err := w.fleet.Observe("cp1"); err != nil || o.Record != nil {
		t.Errorf("cp1 keeps something: %v", err)
	}
}

// TestForgottenByDestroy: on_destroy of the provider block goes before the resource's: the cluster goes on running.
func TestForgottenByDestroy(t *testing.T) {
	w := newWorld(t, small)
	c := w.command(t, w.adapt)
	c.write(w.config(small, ""))
	c.must("apply", "-auto-approve")
	w.fleet.Unreachable["cp1"], w.fleet.Unreachable["w1"] = true, true // nobody is asked
	c.write(w.configWith(small, "", `on_destroy = "forget"`))
	c.must("destroy", "-auto-approve")
	w.fleet.Unreachable["cp1"], w.fleet.Unreachable["w1"] = false, false
	if !w.complete(t) {
		t.Error("the cluster is gone")
	}
}
