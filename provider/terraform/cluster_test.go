package terraform_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
	"golang.org/x/crypto/ssh"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/internal/remote"
	"github.com/trivet-dev/trivet/provider/door/doortest"
	"github.com/trivet-dev/trivet/provider/terraform"
)

var control = []string{"control-plane", "etcd"}

// hosts of a cluster with one control plane and a worker, and of one with three.
var (
	small = []fleettest.Host{{Name: "cp1", Site: "s1", Roles: control}, {Name: "w1", Site: "s1", Roles: []string{"worker"}}}
	three = []fleettest.Host{
		{Name: "cp1", Site: "s1", Roles: control}, {Name: "cp2", Site: "s2", Roles: control}, {Name: "cp3", Site: "s3", Roles: control},
		{Name: "w1", Site: "s1", Roles: []string{"worker"}},
	}
)

// world is a fleet in memory and the provider over it.
type world struct {
	fleet *fleettest.Fleet
	wrap  func(remote.Host) remote.Host // has the last word on connections; may be nil
	later time.Duration                 // how far the operator's clock is on
}

func newWorld(t *testing.T, hosts []fleettest.Host) *world {
	t.Helper()
	if _, err := lookTerraform(); err != nil {
		t.Skip("terraform is not on the PATH")
	}
	f, err := fleettest.New(fleettest.Dir(t), fleettest.Settings{Hosts: hosts})
	if err != nil {
		t.Fatal(err)
	}
	return &world{fleet: f}
}

func (w *world) factories() map[string]func() (tfprotov6.ProviderServer, error) {
	return map[string]func() (tfprotov6.ProviderServer, error){"trivet": providerserver.NewProtocol6WithError(terraform.New("test", w.adapt)())}
}

func (w *world) hosts() *doortest.Hosts {
	return &doortest.Hosts{Fleet: w.fleet, Wrap: w.wrap, Later: w.later}
}

func (w *world) adapt(o *bootstrap.Options) { w.hosts().Adapt(o) }

// options are those of an engine without a provider.
func (w *world) options() bootstrap.Options {
	o := bootstrap.Options{Topology: w.fleet.Topology, Identities: w.fleet.Identities}
	w.adapt(&o)
	return o
}

// config writes the configuration of a cluster with these hosts; more is further attributes.
func (w *world) config(hosts []fleettest.Host, more string) string {
	return w.configWith(hosts, more, "")
}

func (w *world) configWith(hosts []fleettest.Host, more, provider string) string {
	var sites, machines strings.Builder
	var seen []string
	for _, h := range hosts {
		if !slices.Contains(seen, h.Site) {
			seen = append(seen, h.Site)
			fmt.Fprintf(&sites, "    %s = { region = \"r\" }\n", h.Site)
		}
		address := h.Address
		if address == "" {
			address = w.fleet.Cluster.Hosts[slices.IndexFunc(w.fleet.Cluster.Hosts, func(x *topologyHost) bool { return x.Name == h.Name })].Address.String()
		}
		fmt.Fprintf(&machines, "    %s = { address = %q, site = %q, roles = [\"%s\"] }\n", h.Name, address, h.Site, strings.Join(h.Roles, `", "`))
	}
	return fmt.Sprintf(`
provider "trivet" {
  ssh          = { user = "ops" }
  age_identity = %q
  %s
}
resource "trivet_cluster" "main" {
  name                = "main"
  kubernetes          = "1.37.2"
  age_recipients      = [%q]
  deletion_protection = false
  sites = {
%s  }
  hosts = {
%s  }
%s
}
`, w.fleet.Key.String(), provider, w.fleet.Key.Recipient().String(), sites.String(), machines.String(), more)
}

func (w *world) run(t *testing.T, steps ...resource.TestStep) {
	t.Helper()
	resource.UnitTest(t, resource.TestCase{ProtoV6ProviderFactories: w.factories(), Steps: steps})
}

const main = "trivet_cluster.main"

func at(path ...string) tfjsonpath.Path {
	p := tfjsonpath.New(path[0])
	for _, s := range path[1:] {
		p = p.AtMapKey(s)
	}
	return p
}

// TestLife creates a cluster, finds nothing to do, changes it, mends it, and destroys it.
func TestLife(t *testing.T) {
	w := newWorld(t, small)
	w.run(t,
		resource.TestStep{
			Config: w.config(small, ""),
			ConfigPlanChecks: resource.ConfigPlanChecks{
				PreApply: []plancheck.PlanCheck{
					plancheck.ExpectKnownValue(main, at("nodes", "w1", "kubernetes"), knownvalue.StringExact("1.37.2")),
					plancheck.ExpectUnknownValue(main, at("nodes", "w1", "machine_id")),
				},
				PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
			},
			ConfigStateChecks: []statecheck.StateCheck{
				statecheck.ExpectKnownValue(main, at("nodes", "w1", "drift"), knownvalue.ListExact(nil)),
				statecheck.ExpectKnownValue(main, at("access", "name"), knownvalue.StringExact("main")),
				statecheck.ExpectKnownValue(main, at("id"), knownvalue.NotNull()),
			},
		},
		resource.TestStep{
			Config: w.config(small, `components = [{ name = "kubelet", settings = { maxPods = 42 } }]`),
			ConfigPlanChecks: resource.ConfigPlanChecks{
				PreApply:             []plancheck.PlanCheck{plancheck.ExpectResourceAction(main, plancheck.ResourceActionUpdate)},
				PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
			},
		},
	)
}

// TestMistakes tells what is wrong at the attribute, before a host is contacted.
func TestMistakes(t *testing.T) {
	w := newWorld(t, small)
	for name, c := range map[string]struct{ config, want string }{
		"address":    {strings.Replace(w.config(small, ""), `"10.11.1.12"`, `"10.128.0.7"`, 1), `(?s)Overlapping ranges.*\sat\s+hosts\["w1"\]\.address`},
		"role":       {strings.Replace(w.config(small, ""), `["worker"]`, `["wrker"]`, 1), `(?s)Unknown role.*hosts\["w1"\]\.roles\[0\]`},
		"component":  {w.config(small, `components = [{ name = "kubelet", settings = { maxPodz = 42 } }]`), `(?s)components.*maxPodz`},
		"site":       {strings.Replace(w.config(small, ""), `"10.11.1.12", site = "s1"`, `"10.11.1.12", site = "s9"`, 1), `(?s)Unknown site\s.*w1 = \{ address.*hosts\["w1"\]\.site: There is no site "s9".*Did you mean\s+"s1"`},
		"rack":       {w.config(small, `racks = { "s1" = { cidr = "10.11.1.0/24" } }`), `(?s)Wrong key of a rack.*racks = \{.*racks\["s1"\]: "s1" is not SITE/ROOM/RACK`},
		"components": {w.config(small, `components = { kubelet = { maxPods = 42 } }`), `(?s)Wrong components.*components = \{.*a list of objects`},
		"nested":     {w.config(small, `upgrade = { per = "rck" }`), `(?s)Unknown per.*\d: upgrade = \{ per.*upgrade\.per`},
		"manifest":   {w.config(small, `manifests = ["testdata/state/*.json"]`), `(?s)Wrong manifest.*manifests = \[.*schema\.json:\d`},
		"release":    {strings.Replace(w.config(small, ""), "1.37.2", "1.2.3", 1), `(?s)kubernetes +=.*1\.2\.3`},
	} {
		t.Run(name, func(t *testing.T) {
			w.run(t, resource.TestStep{Config: c.config, PlanOnly: true, ExpectError: regexp.MustCompile(c.want)})
		})
	}
}

// change gives the fleet machines for these hosts, too.
func (w *world) change(t *testing.T, hosts []fleettest.Host) {
	t.Helper()
	if err := w.fleet.Change(fleettest.Settings{Hosts: hosts}); err != nil {
		t.Fatal(err)
	}
}

var worker2 = fleettest.Host{Name: "w2", Site: "s1", Roles: []string{"worker"}}

// TestScale adds a worker and takes it away again: the plan shows that element and no other.
func TestScale(t *testing.T) {
	w := newWorld(t, small)
	more := append(slices.Clone(small), worker2)
	only := func(before string) plancheck.PlanCheck {
		return changedNodes{"nodes", []string{before}}
	}
	w.run(t,
		resource.TestStep{Config: w.config(small, "")},
		resource.TestStep{
			PreConfig: func() { w.change(t, more) },
			Config:    w.after(more),
			ConfigPlanChecks: resource.ConfigPlanChecks{
				PreApply:             []plancheck.PlanCheck{only("w2")},
				PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
			},
			ConfigStateChecks: []statecheck.StateCheck{statecheck.ExpectKnownValue(main, at("nodes", "w2", "machine_id"), knownvalue.NotNull())},
		},
		resource.TestStep{
			Config: w.config(small, ""),
			ConfigPlanChecks: resource.ConfigPlanChecks{
				PreApply:             []plancheck.PlanCheck{only("w2")},
				PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
			},
		},
	)
}

// after is the configuration of hosts that the fleet does not have yet: addresses are those that it will give them.
func (w *world) after(hosts []fleettest.Host) string { return w.afterWith(hosts, "") }

func (w *world) afterWith(hosts []fleettest.Host, more string) string {
	next := map[string]int{}
	sites := []string{}
	out := slices.Clone(hosts)
	for i, h := range hosts {
		if !slices.Contains(sites, h.Site) {
			sites = append(sites, h.Site)
		}
		if h.Address == "" {
			out[i].Address = fmt.Sprintf("10.%d.1.%d", 11+slices.Index(sites, h.Site), 11+next[h.Site])
		}
		next[h.Site]++
	}
	return w.config(out, more)
}

// TestDrift shows what was changed by hand, by its name, and mends it alone.
func TestDrift(t *testing.T) {
	w := newWorld(t, small)
	w.run(t,
		resource.TestStep{Config: w.config(small, "")},
		resource.TestStep{
			PreConfig: func() {
				if err := os.Remove(w.fleet.Machines["w1"].Path("/etc/containerd/config.toml")); err != nil {
					t.Fatal(err)
				}
			},
			Config: w.config(small, ""),
			ConfigPlanChecks: resource.ConfigPlanChecks{
				PreApply:             []plancheck.PlanCheck{changedNodes{"nodes", []string{"w1"}}},
				PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
			},
		},
	)
}

// TestDue plans what only the time makes due: certificates that are near their end, and the stages of a rotation once they have rested.
func TestDue(t *testing.T) {
	w := newWorld(t, small)
	const day = 24 * time.Hour
	rotated := w.config(small, "rotation = { kubernetes_ca = 2 }")
	due := func(after time.Duration, config string, hosts ...string) resource.TestStep {
		return resource.TestStep{
			PreConfig:        func() { w.later = after },
			Config:           config,
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{changedNodes{"nodes", hosts}}, PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}},
		}
	}
	w.run(t,
		resource.TestStep{Config: w.config(small, "")},
		due(0, rotated, "cp1", "w1"),
		resource.TestStep{PreConfig: func() { w.later = day / 2 }, Config: rotated, PlanOnly: true},
		due(2*day, rotated, "cp1"),
		due(4*day, rotated, "cp1"),
		resource.TestStep{PreConfig: func() { w.later = 6 * day }, Config: rotated, PlanOnly: true},
		due(340*day, rotated, "cp1", "w1"),
	)
}

// TestTooManyMembers refuses, at plan, what would take a quorum of etcd away before the cluster can do without it.
func TestTooManyMembers(t *testing.T) {
	w := newWorld(t, three)
	one := []fleettest.Host{three[0], three[3]}
	moved := slices.Clone(three)
	moved[1].Address, moved[2].Address = "10.12.1.99", "10.13.1.99"
	w.run(t,
		resource.TestStep{Config: w.config(three, "")},
		resource.TestStep{Config: w.config(one, ""), PlanOnly: true, ExpectError: regexp.MustCompile(`(?s)Too many etcd members.*quorum of 2.*cp2 is removed; cp3 is removed`)},
		resource.TestStep{Config: w.config(moved, ""), PlanOnly: true, ExpectError: regexp.MustCompile(`(?s)Too many etcd members.*moves\s+from`)},
		resource.TestStep{
			Config:   strings.NewReplacer(`"10.12.1.11"`, "terraform_data.vm.output", `"10.13.1.11"`, "terraform_data.vm.output").Replace(w.config(three, "")) + "resource \"terraform_data\" \"vm\" { input = \"10.12.1.11\" }\n",
			PlanOnly: true, ExpectError: regexp.MustCompile(`(?s)Too many etcd members.*not known\s+yet`),
		},
	)
}

// TestUnknownHosts refuses, at plan, to go on where nobody knows which hosts there will be.
func TestUnknownHosts(t *testing.T) {
	w := newWorld(t, three)
	known := w.config(three, "")
	at := strings.Index(known, "  hosts = {")
	end := at + strings.Index(known[at:], "\n  }\n") + len("\n  }\n")
	unknown := known[:at] + "  hosts = terraform_data.vms.output\n" + known[end:] + "resource \"terraform_data\" \"vms\" {\n  input = " + strings.TrimPrefix(known[at:end], "  hosts = ") + "}\n"
	described := fmt.Sprintf("provider \"trivet\" {\n  age_identity = %q\n}\nresource \"terraform_data\" \"later\" { input = \"later\" }\n"+
		"resource \"trivet_cluster\" \"main\" {\n  name = \"main\"\n  topology = \"\"\n  variables = { addresses = terraform_data.later.output }\n}\n", w.fleet.Key.String())
	w.run(t,
		resource.TestStep{Config: known},
		resource.TestStep{Config: unknown, PlanOnly: true, ExpectError: regexp.MustCompile(`(?s)Too many etcd members.*is not known\s+yet.*3 etcd\s+members.*quorum of\s+2`)},
		// Where a worker stands is not known, so that there is no topology, and the members are compared all the same.
		resource.TestStep{
			Config: strings.Replace(w.config([]fleettest.Host{three[0], three[3]}, ""), `address = "10.11.1.12", site = "s1"`, `address = "10.11.1.12", site = terraform_data.site.output`, 1) +
				"resource \"terraform_data\" \"site\" { input = \"s1\" }\n",
			PlanOnly: true, ExpectError: regexp.MustCompile(`(?s)Too many etcd members.*cp2 is removed; cp3 is removed`),
		},
		resource.TestStep{
			Config: strings.Replace(known, `address = "10.11.1.12", site = "s1"`, `address = "10.11.1.12", site = terraform_data.site.output`, 1) +
				"resource \"terraform_data\" \"site\" { input = \"s1\" }\n",
			ConfigPlanChecks: resource.ConfigPlanChecks{PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}},
		},
		resource.TestStep{
			Config: strings.Replace(known, `w1 = { address = "10.11.1.12", site = "s1", roles = ["worker"] }`, "w1 = terraform_data.w1.output", 1) +
				"resource \"terraform_data\" \"w1\" { input = { address = \"10.11.1.12\", site = \"s1\", roles = [\"worker\"] } }\n",
			ConfigPlanChecks: resource.ConfigPlanChecks{PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}},
		},
		resource.TestStep{Config: described, PlanOnly: true, ExpectError: regexp.MustCompile(`(?s)Too many etcd members.*variables +=.*is not known\s+yet`)},
	)
}

// TestReserved refuses names that have no meaning yet, be their values known or not.
func TestReserved(t *testing.T) {
	w := newWorld(t, small)
	unknown := "resource \"terraform_data\" \"later\" { input = \"later\" }\n"
	for more, want := range map[string]string{
		`restore = { snapshot = "a" }`:         `(?s)Reserved name.*restore += \{.*from\s+a\s+snapshot`,
		`backup = terraform_data.later.output`: `(?s)Reserved name.*backup +=.*outside\s+of\s+the\s+cluster`,
	} {
		w.run(t, resource.TestStep{Config: w.config(small, more) + unknown, PlanOnly: true, ExpectError: regexp.MustCompile(want)})
	}
}

// TestForgetsOnlyHosts: what may be left out is hosts that are away. An upgrade that is paused is told all the same.
func TestForgetsOnlyHosts(t *testing.T) {
	w := newWorld(t, small)
	before := strings.Replace(w.config(small, ""), "1.37.2", "1.36.3", 1)
	w.run(t,
		resource.TestStep{Config: before},
		resource.TestStep{Config: w.configWith(small, "upgrade = { paused = true }", `unreachable = "forget"`), ExpectError: regexp.MustCompile(`(?s)Cluster not changed as planned.*paused`)},
		resource.TestStep{Config: w.config(small, ""), ConfigPlanChecks: resource.ConfigPlanChecks{PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}}},
	)
}

// TestUnknown plans for machines that do not exist yet, host by host, and brings them up once they do.
func TestUnknown(t *testing.T) {
	w := newWorld(t, small)
	w.run(t, resource.TestStep{
		Config: strings.ReplaceAll(w.config(small, ""), `"10.11.1.12"`, "terraform_data.vm.output") + "resource \"terraform_data\" \"vm\" { input = \"10.11.1.12\" }\n",
		ConfigPlanChecks: resource.ConfigPlanChecks{
			PreApply: []plancheck.PlanCheck{
				plancheck.ExpectUnknownValue(main, at("nodes", "w1", "address")),
				plancheck.ExpectKnownValue(main, at("nodes", "w1", "configuration"), knownvalue.NotNull()),
				plancheck.ExpectKnownValue(main, at("nodes", "cp1", "address"), knownvalue.StringExact("10.11.1.11")),
			},
			PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
		},
	})
}

// TestUnknownHostKey plans for a machine whose host key is not known, before it exists and when it is made anew with the address that it had.
func TestUnknownHostKey(t *testing.T) {
	w := newWorld(t, small)
	config := func(made int) string {
		keyed := strings.NewReplacer(`address = "10.11.1.11"`, `address = "10.11.1.11", ssh_host_key = terraform_data.cp1.output`, `address = "10.11.1.12"`, `address = "10.11.1.12", ssh_host_key = terraform_data.w1.output`)
		var machines strings.Builder
		for _, name := range []string{"cp1", "w1"} {
			fmt.Fprintf(&machines, "resource \"terraform_data\" %q {\n  input = %q\n  triggers_replace = %d\n}\n", name, hostKey(t), made)
		}
		return keyed.Replace(w.config(small, "")) + machines.String()
	}
	var steps []resource.TestStep
	for made := range 2 {
		steps = append(steps, resource.TestStep{
			Config: config(made),
			ConfigPlanChecks: resource.ConfigPlanChecks{
				PreApply: []plancheck.PlanCheck{
					plancheck.ExpectUnknownValue(main, at("nodes", "w1", "ssh_host_key")),
					plancheck.ExpectUnknownValue(main, at("access", "endpoints").AtSliceIndex(0).AtMapKey("ssh_host_key")),
				},
				PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
			},
		})
	}
	w.run(t, steps...)
}

// hostKey makes a public key as known_hosts has it.
func hostKey(t *testing.T) string {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

// TestResumed goes on with a create that failed: nothing is in the state, and the next apply finds what was done.
func TestResumed(t *testing.T) {
	w := newWorld(t, small)
	w.run(t,
		resource.TestStep{
			PreConfig:   func() { w.fleet.FailGate(plan.GateNodes, errors.New("planted")) },
			Config:      w.config(small, ""),
			ExpectError: regexp.MustCompile(`(?s)Cluster not created.*planted.*run\s+.terraform\s+apply.\s+again\s+to\s+go\s+on.*trivet\s+destroy\s+-f\s+\S+trivet-main-.*cp1,\s+w1`),
		},
		resource.TestStep{
			PreConfig: func() { w.fleet.FailGate(plan.GateNodes, nil) },
			Config:    w.config(small, ""),
			ConfigPlanChecks: resource.ConfigPlanChecks{
				PreApply:             []plancheck.PlanCheck{plancheck.ExpectResourceAction(main, plancheck.ResourceActionCreate)},
				PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
			},
		},
	)
}

// TestExists refuses a cluster that is complete, and takes it over when asked to, or by an import.
func TestExists(t *testing.T) {
	w := newWorld(t, small)
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
	w.run(t,
		resource.TestStep{Config: w.config(small, ""), ExpectError: regexp.MustCompile(`(?s)Cluster exists already.*terraform\s+import.*adopt = true`)},
		resource.TestStep{Config: w.config(small, ""), ResourceName: main, ImportState: true, ImportStateId: "main@10.11.1.11", ImportStatePersist: true},
		resource.TestStep{Config: w.config(small, ""), ConfigPlanChecks: resource.ConfigPlanChecks{PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}}},
		resource.TestStep{Config: w.configWith(small, "", `on_destroy = "forget"`), Destroy: true},
		resource.TestStep{
			Config: w.config(small, "adopt = true"),
			ConfigPlanChecks: resource.ConfigPlanChecks{
				PreApply:             []plancheck.PlanCheck{plancheck.ExpectResourceAction(main, plancheck.ResourceActionCreate)},
				PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
			},
		},
	)
}

// TestAway keeps what the state has of hosts that do not answer, fails what needs them, and does without them where that is allowed.
func TestAway(t *testing.T) {
	w := newWorld(t, small)
	w.run(t,
		resource.TestStep{Config: w.config(small, "")},
		resource.TestStep{
			PreConfig: func() { w.fleet.Unreachable["w1"], w.fleet.Unreachable["cp1"] = true, true },
			Config:    w.config(small, ""), PlanOnly: true, // nobody answers
		},
		resource.TestStep{
			PreConfig: func() { w.fleet.Unreachable["cp1"] = false },
			Config:    w.config(small, ""), PlanOnly: true,
		},
		resource.TestStep{Config: w.config(small, `components = [{ name = "kubelet", settings = { maxPods = 42 } }]`), ExpectError: regexp.MustCompile(`(?s)Cluster not changed.*host w1.*unreachable = "forget"`)},
		resource.TestStep{Config: w.configWith(small, `components = [{ name = "kubelet", settings = { maxPods = 42 } }]`, `unreachable = "forget"`)},
		resource.TestStep{
			PreConfig: func() { w.fleet.Unreachable["w1"] = false },
			Config:    w.config(small, `components = [{ name = "kubelet", settings = { maxPods = 42 } }]`),
			ConfigPlanChecks: resource.ConfigPlanChecks{
				PreApply:             []plancheck.PlanCheck{changedNodes{"nodes", []string{"w1"}}},
				PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
			},
		},
	)
}

// TestProtected refuses to destroy what is protected.
func TestProtected(t *testing.T) {
	w := newWorld(t, small)
	protected := strings.Replace(w.config(small, ""), "deletion_protection = false", "", 1)
	w.run(t,
		resource.TestStep{Config: protected},
		resource.TestStep{Config: protected, Destroy: true, ExpectError: regexp.MustCompile(`(?s)Cluster is protected.*set it to false|(?s)Cluster is protected.*Set it to\s+false`)},
		resource.TestStep{Config: w.config(small, "")},
	)
}

// loss of the only etcd member.
func loss(of string, region bool) knownvalue.Check {
	return knownvalue.ObjectExact(map[string]knownvalue.Check{
		"cluster": knownvalue.StringExact("main"), "lost": knownvalue.StringExact(of), "region": knownvalue.Bool(region),
		"etcd_members": knownvalue.Int64Exact(1), "etcd_members_left": knownvalue.Int64Exact(0), "quorum": knownvalue.Bool(false),
	})
}

// TestTopology describes the cluster in the topology's own language.
func TestTopology(t *testing.T) {
	w := newWorld(t, small)
	text := strings.Replace(fleettest.Settings{Hosts: small}.HCL(w.fleet.Key.Recipient().String()), `"1.37.2"`, "var.release", 1) + "variable \"release\" {\n  type = string\n}\n"
	config := func(text string) string {
		return fmt.Sprintf(`
provider "trivet" {
  ssh          = { user = "ops" }
  age_identity = %q
}
resource "trivet_cluster" "main" {
  name                = "main"
  deletion_protection = false
  variables           = { release = "1.37.2" }
  topology            = <<EOT
%s
EOT
}
data "trivet_topology" "main" {
  text      = trivet_cluster.main.topology
  variables = trivet_cluster.main.variables
}
`, w.fleet.Key.String(), text)
	}
	w.run(t,
		resource.TestStep{Config: config(strings.Replace(text, `"worker"`, `"wrker"`, 1)), PlanOnly: true, ExpectError: regexp.MustCompile(`(?s)Unknown role.*topology:\d+`)},
		resource.TestStep{
			Config:           config(text),
			ConfigPlanChecks: resource.ConfigPlanChecks{PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}},
			ConfigStateChecks: []statecheck.StateCheck{
				statecheck.ExpectKnownValue("data.trivet_topology.main", at("hosts"), knownvalue.ListExact([]knownvalue.Check{knownvalue.StringExact("cp1"), knownvalue.StringExact("w1")})),
				statecheck.ExpectKnownValue("data.trivet_topology.main", at("normalised"), knownvalue.StringRegexp(regexp.MustCompile(`(?m)^cluster "main" \{$`))),
				statecheck.ExpectKnownValue("data.trivet_topology.main", at("losses"), knownvalue.ListExact([]knownvalue.Check{loss("s1", false), loss("r", true)})),
			},
		},
	)
}

// TestUnknownProvider plans while settings of the provider are not known yet, and keeps what the state has meanwhile.
func TestUnknownProvider(t *testing.T) {
	w := newWorld(t, small)
	config := func(user, more string) string {
		text := w.configWith(small, more, "artifacts = terraform_data.provider.output")
		text = strings.Replace(text, `user = "ops"`, `user = terraform_data.provider.output`, 1)
		text = strings.Replace(text, strconv.Quote(w.fleet.Key.String()), "terraform_data.key.output", 1)
		return text + fmt.Sprintf("resource \"terraform_data\" \"provider\" { input = %q }\nresource \"terraform_data\" \"key\" {\n  input = %q\n  triggers_replace = %[1]q\n}\n", user, w.fleet.Key.String())
	}
	w.run(t,
		resource.TestStep{Config: config("auto", ""), ConfigPlanChecks: resource.ConfigPlanChecks{PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}}},
		resource.TestStep{
			Config: config("upstream", `components = [{ name = "kubelet", settings = { maxPods = 42 } }]`),
			ConfigPlanChecks: resource.ConfigPlanChecks{
				PreApply:             []plancheck.PlanCheck{plancheck.ExpectResourceAction(main, plancheck.ResourceActionUpdate)},
				PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
			},
		},
	)
}
