package terraform_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	tf "github.com/hashicorp/terraform-plugin-testing/terraform"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
)

// spares gives the fleet machines that no topology names, and says what a configuration has of them.
func (w *world) spares(t *testing.T, n int) []string {
	t.Helper()
	var names []string
	for i := range n {
		name := fmt.Sprintf("spot-%d", i+1)
		if err := w.fleet.Spare(name, spareAddress(name)); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

func spareAddress(name string) string {
	if n := strings.TrimPrefix(name, "spot-"); len(n) > 1 {
		return "10.11.2." + n
	}
	return "10.11.1.20" + strings.TrimPrefix(name, "spot-")
}

// workers writes a trivet_worker for each name; more is further attributes.
func workers(names []string, more string) string {
	var out strings.Builder
	for _, n := range names {
		fmt.Fprintf(&out, `
resource "trivet_worker" "%s" {
  cluster = trivet_cluster.main.access
  name    = "%[1]s"
  address = %q
  site    = "s1"
  %s
}
`, n, spareAddress(n), more)
	}
	return out.String()
}

// inventory is what the fleet's cluster remembers.
func (w *world) inventory() (*inventory.Inventory, error) {
	e, err := bootstrap.Connect(context.Background(), w.options())
	if err != nil {
		return nil, err
	}
	defer e.Close()
	return e.Inventory(context.Background())
}

// elastic wants the cluster to have these workers, and no others.
func (w *world) elastic(want ...string) resource.TestCheckFunc {
	return func(*tf.State) error {
		inv, err := w.inventory()
		if err != nil {
			return err
		}
		var got []string
		for _, h := range inv.ElasticHosts() {
			got = append(got, h.Name)
		}
		if !slices.Equal(got, want) {
			return fmt.Errorf("the cluster has the workers %q, want %q", got, want)
		}
		return nil
	}
}

func spot(name string) string { return "trivet_worker." + name }

var empty = resource.ConfigPlanChecks{PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}}

// only wants a plan to do nothing but this.
type only map[string]plancheck.ResourceActionType

// CheckPlan implements plancheck.PlanCheck.
func (o only) CheckPlan(ctx context.Context, req plancheck.CheckPlanRequest, resp *plancheck.CheckPlanResponse) {
	for _, rc := range req.Plan.ResourceChanges {
		want, ok := o[rc.Address]
		if !ok {
			want = plancheck.ResourceActionNoop
		}
		if plancheck.ExpectResourceAction(rc.Address, want).CheckPlan(ctx, req, resp); resp.Error != nil {
			return
		}
	}
}

// TestWorkers joins several workers in the apply that makes the cluster, and finds nothing to do then; one more and one less are that one only; they go before the cluster does.
func TestWorkers(t *testing.T) {
	w := newWorld(t, small)
	names := w.spares(t, 4)
	config := func(n int, more string) string {
		return w.config(small, "") + workers(names[:n], more)
	}
	w.run(t,
		resource.TestStep{
			Config:           config(3, `labels = { pool = "spot" }`),
			ConfigPlanChecks: empty,
			ConfigStateChecks: []statecheck.StateCheck{
				statecheck.ExpectKnownValue(spot("spot-1"), at("machine_id"), knownvalue.NotNull()),
				statecheck.ExpectKnownValue(spot("spot-1"), at("pod_cidr"), knownvalue.StringRegexp(regexp.MustCompile(`/24$`))),
				statecheck.ExpectKnownValue(spot("spot-1"), at("drift"), knownvalue.ListExact(nil)),
			},
			Check: w.elastic("spot-1", "spot-2", "spot-3"),
		},
		resource.TestStep{
			Config: config(4, `labels = { pool = "spot" }`),
			ConfigPlanChecks: resource.ConfigPlanChecks{
				PreApply:             []plancheck.PlanCheck{only{spot("spot-4"): plancheck.ResourceActionCreate}},
				PostApplyPostRefresh: empty.PostApplyPostRefresh,
			},
			Check: w.elastic("spot-1", "spot-2", "spot-3", "spot-4"),
		},
		resource.TestStep{
			Config: config(2, `labels = { pool = "spot" }`),
			ConfigPlanChecks: resource.ConfigPlanChecks{
				PreApply:             []plancheck.PlanCheck{only{spot("spot-3"): plancheck.ResourceActionDestroy, spot("spot-4"): plancheck.ResourceActionDestroy}},
				PostApplyPostRefresh: empty.PostApplyPostRefresh,
			},
			Check: w.elastic("spot-1", "spot-2"),
		},
		resource.TestStep{
			Config:           config(2, `labels = { pool = "other" }`),
			ConfigPlanChecks: empty,
			Check: func(*tf.State) error {
				if node := string(w.fleet.Objects()["Node/spot-1"]); !strings.Contains(node, `"pool":"other"`) {
					return fmt.Errorf("node: %s", node)
				}
				return nil
			},
		},
	)
	if d := slices.Sorted(slices.Values(w.fleet.Drained())); !slices.Equal(d, []string{"spot-1", "spot-2", "spot-3", "spot-4"}) {
		t.Errorf("drained: %v", d)
	}
	for _, name := range append(names, "w1", "cp1") {
		if o, err := w.fleet.Observe(name); err != nil || o.Record != nil {
			t.Errorf("%s keeps something: %v", name, err)
		}
	}
}

// TestWorkersTogether: what Terraform asks for at the same time is few runs.
func TestWorkersTogether(t *testing.T) {
	w := newWorld(t, small)
	names := w.spares(t, 6)
	w.run(t,
		resource.TestStep{Config: w.config(small, "")},
		resource.TestStep{
			Config: w.config(small, "") + workers(names, ""),
			Check: func(*tf.State) error {
				inv, err := w.inventory()
				if err == nil && inv.Generation > 8 {
					err = fmt.Errorf("the inventory has generation %d: the workers were joined one by one", inv.Generation)
				}
				return err
			},
		},
	)
}

// TestWorkersUpgraded: an upgrade of the cluster takes them along, and leaves nothing to do for them.
func TestWorkersUpgraded(t *testing.T) {
	w := newWorld(t, small)
	names := w.spares(t, 2)
	config := w.config(small, "") + workers(names, "lock = trivet_cluster.main.lock")
	w.run(t,
		resource.TestStep{Config: strings.Replace(config, "1.37.2", "1.36.3", 1), ConfigPlanChecks: empty},
		resource.TestStep{
			Config: config,
			ConfigPlanChecks: resource.ConfigPlanChecks{
				PreApply:             []plancheck.PlanCheck{only{main: plancheck.ResourceActionUpdate}},
				PostApplyPostRefresh: empty.PostApplyPostRefresh,
			},
			Check: func(*tf.State) error {
				if d := w.fleet.Drained(); !slices.Contains(d, "spot-1") || !slices.Contains(d, "spot-2") {
					return fmt.Errorf("drained: %v", d)
				}
				return nil
			},
		},
		// Another control plane's address, say, is no matter of theirs.
		resource.TestStep{
			PreConfig: func() { w.change(t, append(slices.Clone(small), worker2)) },
			Config:    w.after(append(slices.Clone(small), worker2)) + workers(names, "lock = trivet_cluster.main.lock"),
			ConfigPlanChecks: resource.ConfigPlanChecks{
				PreApply:             []plancheck.PlanCheck{only{main: plancheck.ResourceActionUpdate}},
				PostApplyPostRefresh: empty.PostApplyPostRefresh,
			},
		},
	)
}

// TestWorkerGone: the state of a worker that does not answer is kept; it is taken out through the others where that is allowed, and an apply of the cluster goes on without it.
func TestWorkerGone(t *testing.T) {
	w := newWorld(t, small)
	names := w.spares(t, 2)
	pods := `components = [{ name = "kubelet", settings = { maxPods = 42 } }]`
	w.run(t,
		resource.TestStep{Config: w.config(small, "") + workers(names, "")},
		resource.TestStep{
			PreConfig: func() { w.fleet.Unreachable["spot-2"] = true },
			Config:    w.config(small, "") + workers(names, ""), PlanOnly: true,
		},
		resource.TestStep{Config: w.config(small, pods) + workers(names, ""), Check: w.elastic("spot-1", "spot-2")},
		resource.TestStep{Config: w.config(small, pods) + workers(names[:1], ""), ExpectError: regexp.MustCompile(`(?s)Worker not taken out.*no\s+route\s+to\s+host.*unreachable\s+=\s+"forget"`)},
		resource.TestStep{
			Config:           w.configWith(small, pods, `unreachable = "forget"`) + workers(names[:1], ""),
			ConfigPlanChecks: empty,
			Check:            w.elastic("spot-1"),
		},
	)
}

// TestWorkerMended: drift is shown by its name and mended; a machine that was installed anew is set up again.
func TestWorkerMended(t *testing.T) {
	w := newWorld(t, small)
	names := w.spares(t, 2)
	config := w.config(small, "") + workers(names, "")
	var was string
	w.run(t,
		resource.TestStep{Config: config},
		resource.TestStep{
			PreConfig: func() { w.remove(t, "spot-1", "/etc/containerd/config.toml") },
			Config:    config,
			ConfigPlanChecks: resource.ConfigPlanChecks{
				PreApply:             []plancheck.PlanCheck{only{spot("spot-1"): plancheck.ResourceActionUpdate}},
				PostApplyPostRefresh: empty.PostApplyPostRefresh,
			},
		},
		resource.TestStep{
			PreConfig: func() {
				inv, err := w.inventory()
				if err == nil {
					was = inv.Host("spot-2").MachineID
					err = w.fleet.Reimage("spot-2")
				}
				if err != nil {
					t.Fatal(err)
				}
			},
			Config: config,
			ConfigPlanChecks: resource.ConfigPlanChecks{
				PreApply: []plancheck.PlanCheck{
					only{spot("spot-2"): plancheck.ResourceActionUpdate},
					plancheck.ExpectUnknownValue(spot("spot-2"), at("machine_id")),
				},
				PostApplyPostRefresh: empty.PostApplyPostRefresh,
			},
			Check: func(*tf.State) error {
				inv, err := w.inventory()
				if err == nil && inv.Host("spot-2").MachineID == was {
					err = errors.New("the cluster has the machine before")
				}
				return err
			},
		},
	)
}

// TestWorkerMistakes tells what is wrong at the attribute.
func TestWorkerMistakes(t *testing.T) {
	w := newWorld(t, small)
	names := w.spares(t, 1)
	good := w.config(small, "") + workers(names, "")
	for name, c := range map[string]struct {
		config, want string
		plan         bool
	}{
		"label":   {strings.Replace(good, `site    = "s1"`, `labels = { "kubernetes.io/x" = "y" }`, 1), `(?s)Reserved label`, true},
		"address": {strings.Replace(good, `"10.11.1.201"`, `"300.1.1.1"`, 1), `(?s)address.*300\.1\.1\.1`, true},
		"name":    {strings.Replace(good, `name    = "spot-1"`, `name = "Spot_1"`, 1), `(?s)Spot_1`, true},
		"policy":  {strings.Replace(good, `site    = "s1"`, `unreachable = "maybe"`, 1), `(?s)Wrong unreachable.*maybe`, true},
		"site":    {strings.Replace(good, `site    = "s1"`, `site = "mars"`, 1), `(?s)Worker not joined.*no site "mars", it has\s+s1`, false},
		"host":    {strings.Replace(good, `name    = "spot-1"`, `name = "w1"`, 1), `(?s)Worker not joined.*by\s+its\s+topology`, false},
		"taken":   {strings.Replace(good, `"10.11.1.201"`, `"10.11.1.12"`, 1), `(?s)Worker not joined.*10\.11\.1\.12.*host\s+w1`, false},
	} {
		t.Run(name, func(t *testing.T) {
			w.run(t, resource.TestStep{Config: c.config, PlanOnly: c.plan, ExpectError: regexp.MustCompile(c.want)})
		})
	}
}

// TestWorkerFailed: a create that fails leaves nothing in the state, keeps no other worker from joining, and is gone on with.
func TestWorkerFailed(t *testing.T) {
	w := newWorld(t, small)
	names := w.spares(t, 2)
	config := w.config(small, "") + workers(names, "")
	w.run(t,
		resource.TestStep{Config: w.config(small, "")},
		resource.TestStep{
			PreConfig:   func() { w.fleet.Unreachable["spot-2"] = true },
			Config:      config,
			ExpectError: regexp.MustCompile(`(?s)Worker not joined.*spot-2.*no route to host`),
		},
		resource.TestStep{
			PreConfig: func() { w.fleet.Unreachable["spot-2"] = false },
			Config:    config,
			ConfigPlanChecks: resource.ConfigPlanChecks{
				PreApply:             []plancheck.PlanCheck{only{spot("spot-2"): plancheck.ResourceActionCreate}},
				PostApplyPostRefresh: empty.PostApplyPostRefresh,
			},
		},
	)
}

// TestWorkerImported takes over a worker that somebody joined by other means, and refuses to take its name for another machine.
func TestWorkerImported(t *testing.T) {
	w := newWorld(t, small)
	names := w.spares(t, 1)
	config := w.config(small, "") + strings.Replace(workers(names, ""), `site    = "s1"`, "", 1)
	w.run(t,
		resource.TestStep{Config: w.config(small, "")},
		resource.TestStep{
			PreConfig: func() { w.join(t, "spot-1") },
			Config:    config, ResourceName: spot("spot-1"), ImportState: true, ImportStateId: "main@10.11.1.11/spot-1", ImportStatePersist: true,
		},
		resource.TestStep{Config: config, ConfigPlanChecks: resource.ConfigPlanChecks{
			PreApply:             []plancheck.PlanCheck{only{}},
			PostApplyPostRefresh: empty.PostApplyPostRefresh,
		}},
	)
}

// TestWorkerTaken: the name of a worker that is another machine is not taken over.
func TestWorkerTaken(t *testing.T) {
	w := newWorld(t, small)
	names := w.spares(t, 1)
	w.run(t,
		resource.TestStep{Config: w.config(small, "")},
		resource.TestStep{
			PreConfig: func() {
				w.join(t, "spot-1")
				if _, err := w.fleet.Replace("spot-1"); err != nil {
					t.Fatal(err)
				}
			},
			Config: w.config(small, "") + workers(names, ""), ExpectError: regexp.MustCompile(`(?s)Worker not joined.*has a worker of this\s+name already.*trivet worker leave spot-1`),
		},
		resource.TestStep{PreConfig: func() { w.leave(t, "spot-1") }, Config: w.config(small, "")},
	)
}

// TestClusterKeepsItsWorkers: a cluster is not destroyed while it has workers that are none of its hosts.
func TestClusterKeepsItsWorkers(t *testing.T) {
	w := newWorld(t, small)
	w.spares(t, 1)
	w.run(t,
		resource.TestStep{Config: w.config(small, "")},
		resource.TestStep{PreConfig: func() { w.join(t, "spot-1") }, Config: w.config(small, ""), ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{only{}}}},
		resource.TestStep{Config: w.config(small, ""), Destroy: true, ExpectError: regexp.MustCompile(`(?s)Cluster has workers.*spot-1.*trivet worker leave`)},
		resource.TestStep{PreConfig: func() { w.leave(t, "spot-1") }, Config: w.config(small, "")},
	)
}

// join has an elastic worker join, by no provider.
func (w *world) join(t *testing.T, name string) {
	t.Helper()
	w.engine(t, func(e *bootstrap.Engine) (map[string]error, error) {
		return e.Join(t.Context(), []bootstrap.Worker{{Name: name, Address: netipOf(spareAddress(name)), Elastic: inventory.Elastic{Room: "1", Rack: "a"}}}, bootstrap.ElasticOptions{})
	})
}

func (w *world) leave(t *testing.T, name string) {
	t.Helper()
	w.engine(t, func(e *bootstrap.Engine) (map[string]error, error) {
		return e.Leave(t.Context(), []string{name}, bootstrap.ElasticOptions{ForgetUnreachable: true})
	})
}

func (w *world) engine(t *testing.T, do func(*bootstrap.Engine) (map[string]error, error)) {
	t.Helper()
	e, err := bootstrap.Connect(t.Context(), w.options())
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if failed, err := do(e); err != nil || len(failed) > 0 {
		t.Fatal(err, failed)
	}
}

func netipOf(s string) netip.Addr { return netip.MustParseAddr(s) }

// remove deletes a file on a host.
func (w *world) remove(t *testing.T, host, path string) {
	t.Helper()
	if err := os.Remove(w.fleet.Machines[host].Path(path)); err != nil {
		t.Fatal(err)
	}
}
