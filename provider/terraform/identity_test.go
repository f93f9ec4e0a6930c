package terraform_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
)

// TestWithoutAgeIdentity: plans, refreshes, kubeconfigs and destroys do without the age identity; what issues certificates says that it needs it, and where it belongs.
func TestWithoutAgeIdentity(t *testing.T) {
	t.Setenv("TRIVET_AGE_IDENTITY", "")
	w := newWorld(t, small)
	without := func(config string) string {
		return regexp.MustCompile(`(?m)^ *age_identity .*\n`).ReplaceAllString(config, "")
	}
	c := w.command(t, w.adapt)
	c.write(w.config(small, ""))
	c.must("apply", "-auto-approve")
	c.write(without(w.config(small, "")))
	c.empty()
	c.must("refresh")

	more := append(slices.Clone(small), worker2)
	w.change(t, more)
	c.write(without(w.after(more)))
	c.must("plan")
	out, err := c.run("apply", "-auto-approve")
	if text := words(out); err == nil || !strings.Contains(text, "this needs the age identity") || !strings.Contains(text, "set age_identity in the provider block, or TRIVET_AGE_IDENTITY") {
		t.Errorf("%v\n%s", err, out)
	}
	c.write(without(w.config(small, "")))
	c.must("apply", "-auto-approve")
	c.must("destroy", "-auto-approve")
	for _, name := range []string{"cp1", "w1"} {
		if o, err := w.fleet.Observe(name); err != nil || o.Record != nil {
			t.Errorf("%s keeps something: %v", name, err)
		}
	}
}

// TestKubeconfig: any control plane that answers gives access to the API, without the age identity. A tunnel that is closed twice is closed.
func TestKubeconfig(t *testing.T) {
	w := newWorld(t, three)
	state, err := w.direct(t, w.adapt).create(t.Context(), t, "trivet_cluster", w.attributes(three))
	if err != nil {
		t.Fatal(err)
	}
	d := w.configured(t, map[string]any{"ssh": map[string]any{"user": "ops"}}, w.adapt)
	w.fleet.Unreachable["cp1"] = true
	config := dynamic(t, d.types["trivet_kubeconfig"], map[string]any{"cluster": attributesOf(t, state)["access"]})
	opened, err := d.server.OpenEphemeralResource(t.Context(), &tfprotov6.OpenEphemeralResourceRequest{TypeName: "trivet_kubeconfig", Config: config})
	if err != nil {
		t.Fatal(err)
	}
	if err := failed(opened.Diagnostics); err != nil {
		t.Fatal(err)
	}
	result := d.object(t, "trivet_kubeconfig", opened.Result)
	for _, name := range []string{"host", "tls_server_name", "cluster_ca_certificate", "client_certificate", "client_key", "kubeconfig"} {
		if v := result[name]; v.IsNull() || v.Equal(tftypes.NewValue(tftypes.String, "")) {
			t.Errorf("%s is empty", name)
		}
	}
	for range 2 {
		closed, err := d.server.CloseEphemeralResource(t.Context(), &tfprotov6.CloseEphemeralResourceRequest{TypeName: "trivet_kubeconfig", Private: opened.Private})
		if err != nil || failed(closed.Diagnostics) != nil {
			t.Errorf("close: %v, %v", err, closed)
		}
	}
}

// TestImportedByIdentity imports a cluster by its identity, which versions of Terraform from 1.12 on have.
func TestImportedByIdentity(t *testing.T) {
	w := newWorld(t, small)
	d := w.direct(t, w.adapt)
	if _, err := d.create(t.Context(), t, "trivet_cluster", w.attributes(small)); err != nil {
		t.Fatal(err)
	}
	typ := tftypes.Object{AttributeTypes: map[string]tftypes.Type{"name": tftypes.String, "address": tftypes.String}}
	identity := &tfprotov6.ResourceIdentityData{IdentityData: dynamic(t, typ, map[string]any{"name": "main", "address": "10.11.1.11"})}
	imported, err := d.server.ImportResourceState(t.Context(), &tfprotov6.ImportResourceStateRequest{TypeName: "trivet_cluster", Identity: identity})
	if err != nil {
		t.Fatal(err)
	}
	if err := failed(imported.Diagnostics); err != nil {
		t.Fatal(err)
	}
	one := imported.ImportedResources[0]
	read, err := d.server.ReadResource(t.Context(), &tfprotov6.ReadResourceRequest{TypeName: "trivet_cluster", CurrentState: one.State, Private: one.Private, CurrentIdentity: one.Identity})
	if err != nil {
		t.Fatal(err)
	}
	if err := failed(read.Diagnostics); err != nil {
		t.Fatal(err)
	}
	if hosts := attributesOf(t, d.object(t, "trivet_cluster", read.NewState)["hosts"]); len(hosts) != 2 {
		t.Errorf("imported hosts: %v", hosts)
	}
	got, err := read.NewIdentity.IdentityData.Unmarshal(typ)
	if err != nil || !attributesOf(t, got)["address"].Equal(tftypes.NewValue(tftypes.String, "10.11.1.11")) {
		t.Errorf("the identity is %v, %v", got, err)
	}
}

// TestImportMistakes says what is wrong with what an import is given.
func TestImportMistakes(t *testing.T) {
	w := newWorld(t, small)
	step := func(id, want string) resource.TestStep {
		return resource.TestStep{Config: w.config(small, ""), ResourceName: main, ImportState: true, ImportStateId: id, ExpectError: regexp.MustCompile(want)}
	}
	w.run(t,
		resource.TestStep{Config: w.config(small, ""), ConfigPlanChecks: resource.ConfigPlanChecks{PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}}},
		step("main", `(?s)Wrong import id.*"main" is not NAME@ADDRESS`),
		step("other@10.11.1.11", `(?s)Cluster not imported.*is\s+a\s+control\s+plane\s+of\s+cluster\s+"main",\s+not\s+of\s+"other"`),
		step("main@10.11.1.12", `(?s)Cluster not imported.*keeps\s+no\s+cluster's\s+inventory.*name\s+the\s+address\s+of\s+a\s+control\s+plane`),
	)
}
