package terraform_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	fwresource "github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"

	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/provider/terraform"
)

// clusterLeaves are the attributes of trivet_cluster that users set, those in objects, maps and lists by what leads to them.
func clusterLeaves(t *testing.T) map[string]schema.Attribute {
	t.Helper()
	out := map[string]schema.Attribute{}
	for _, construct := range terraform.New("test", nil)().Resources(t.Context()) {
		r := construct()
		var meta fwresource.MetadataResponse
		if r.Metadata(t.Context(), fwresource.MetadataRequest{}, &meta); meta.TypeName != "trivet_cluster" {
			continue
		}
		var s fwresource.SchemaResponse
		r.Schema(t.Context(), fwresource.SchemaRequest{}, &s)
		walk(out, "", s.Schema.Attributes)
	}
	return out
}

func walk(out map[string]schema.Attribute, prefix string, attributes map[string]schema.Attribute) {
	for name, a := range attributes {
		switch at := prefix + name; nested := a.(type) {
		case schema.SingleNestedAttribute:
			walk(out, at+".", nested.Attributes)
		case schema.MapNestedAttribute:
			walk(out, at+".", nested.NestedObject.Attributes)
		case schema.ListNestedAttribute:
			walk(out, at+".", nested.NestedObject.Attributes)
		default:
			if a.IsOptional() || a.IsRequired() {
				out[at] = a
			}
		}
	}
}

// changed is how an attribute is tried. Attributes of one step are changed together.
type changed struct {
	step  string // the attribute's first name unless given
	value string // as it is written; of hosts, those of w1, or of the host that of names
	of    string
	// once is true where the value cannot be changed: the cluster is made with it.
	once bool
	// bridge is true where it is tried on a cluster with the bridge plugin.
	bridge bool
	// elsewhere names the test that has it.
	elsewhere string
}

const exampleKey = `"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0Z5tLq3sJ0Yx1nXVnqk1yqz0G1yq2o3o0Y5Xw9hG3b"`

// changes has every attribute of trivet_cluster.
var changes = map[string]changed{
	"name": {elsewhere: "TestProtected"}, "topology": {elsewhere: "TestTopology"}, "variables": {elsewhere: "TestTopology"}, "lock": {elsewhere: "TestLock"},
	"adopt": {elsewhere: "TestExists"}, "restore": {elsewhere: "TestReserved"}, "backup": {elsewhere: "TestReserved"},
	"deletion_protection": {value: "true", elsewhere: "TestProtected"},

	"kubernetes":         {value: `"1.37.2"`},
	"on_destroy":         {value: `"forget"`, step: "policies"},
	"unreachable":        {value: `"forget"`, step: "policies"},
	"images":             {value: `["docker.io/library/nginx:1.27.0"]`},
	"manifests":          {value: `["testdata/manifests/*.yaml"]`},
	"components":         {value: `[{ name = "kubelet", settings = { maxPods = 42 } }]`},
	"age_recipients":     {value: `["RECIPIENT", "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg"]`},
	"pod_cidr":           {value: `"10.144.0.0/12"`, once: true},
	"node_prefix":        {value: "25", once: true},
	"service_cidr":       {value: `"10.97.0.0/16"`, once: true},
	"network.mtu":        {value: "1400"},
	"network.proxy_mode": {value: `"iptables"`},
	"network.plugin":     {value: `"bridge"`, once: true, bridge: true},
	"network.routes":     {value: `"external"`, bridge: true},

	"dns.domain":   {value: `"cluster.example"`, once: true},
	"dns.address":  {value: `"10.97.0.20"`},
	"dns.replicas": {value: "3"},
	"dns.upstream": {value: `["192.0.2.53"]`},

	"api.port":                   {value: "6444"},
	"api.local_port":             {value: "7444"},
	"api.sans":                   {value: `["api.example"]`},
	"api.service_account_issuer": {value: `"https://issuer.example"`, once: true},

	"etcd.quota":                {value: `"4Gi"`},
	"etcd.heartbeat_interval":   {value: `"150ms"`},
	"etcd.election_timeout":     {value: `"1500ms"`},
	"etcd.compaction_retention": {value: `"10m"`},
	"etcd.accept_loss":          {value: `["r"]`},
	"etcd.snapshots.enabled":    {value: "false", step: "snapshots"},
	"etcd.snapshots.schedule":   {value: `"daily"`, step: "snapshots"},
	"etcd.snapshots.keep":       {value: "3", step: "snapshots"},
	"etcd.snapshots.keep_for":   {value: `"3d"`, step: "snapshots"},
	"etcd.snapshots.copies":     {value: "0", step: "snapshots"},

	"certificates.ca_lifetime":    {value: `"5y"`},
	"certificates.leaf_lifetime":  {value: `"200d"`},
	"certificates.renew_before":   {value: `"20d"`},
	"certificates.admin_lifetime": {value: `"12h"`},

	"rotation.etcd_ca":             {value: "2"},
	"rotation.kubernetes_ca":       {value: "2"},
	"rotation.front_proxy_ca":      {value: "2"},
	"rotation.online_ca":           {value: "2"},
	"rotation.service_account_key": {value: "2"},
	"rotation.encryption_key":      {value: "2"},
	"rotation.rest":                {value: `"0s"`},

	"upgrade.drain_force":     {value: "true"},
	"upgrade.drain_timeout":   {value: `"1m"`},
	"upgrade.max_failed":      {value: `"1"`},
	"upgrade.max_unavailable": {value: `"2"`},
	"upgrade.paused":          {value: "true"},
	"upgrade.per":             {value: `"site"`},

	"hook.before":  {value: `["change"]`},
	"hook.after":   {value: `["change"]`},
	"hook.roles":   {value: `["worker"]`},
	"hook.command": {value: `["/bin/true", "hook"]`},
	"hook.timeout": {value: `"1m"`},

	"sites.region":               {value: `"q"`},
	"sites.purpose":              {value: `"arbiter"`, of: "s2"},
	"sites.bastion.address":      {value: `"192.0.2.1"`, step: "reached"},
	"sites.bastion.port":         {value: "2222", step: "reached"},
	"sites.bastion.user":         {value: `"jump"`, step: "reached"},
	"sites.bastion.ssh_host_key": {value: exampleKey, step: "reached"},
	"sites.ssh.user":             {value: `"admin"`, step: "reached"},
	"sites.ssh.port":             {value: "2222", step: "reached"},
	"sites.ssh.connect_timeout":  {value: `"20s"`, step: "reached"},
	"sites.ssh.keepalive":        {value: `"20s"`, step: "reached"},

	"racks.cidr":          {value: `"10.11.1.0/24"`},
	"racks.labels":        {value: `{ "example.com/rack" = "a" }`},
	"racks.annotations":   {value: `{ "example.com/rack" = "a" }`},
	"racks.taints.key":    {value: `"example.com/rack"`},
	"racks.taints.value":  {value: `"a"`},
	"racks.taints.effect": {value: `"PreferNoSchedule"`},

	"hosts.labels":        {value: `{ "example.com/host" = "w" }`},
	"hosts.annotations":   {value: `{ "example.com/host" = "w" }`},
	"hosts.product_line":  {value: `"search"`},
	"hosts.taints.key":    {value: `"example.com/host"`},
	"hosts.taints.value":  {value: `"w"`},
	"hosts.taints.effect": {value: `"NoSchedule"`},
	"hosts.ssh_address":   {value: `"192.0.2.11"`, step: "reached"},
	"hosts.ssh_host_key":  {value: exampleKey, step: "reached"},
	"hosts.port":          {value: "2022", step: "reached"},
	"hosts.user":          {value: `"root"`, step: "reached"},
	"hosts.interface":     {value: `"eth0"`},
	"hosts.room":          {value: `"2"`, step: "moved", of: "cp2"},
	"hosts.rack":          {value: `"b"`, step: "moved", of: "cp2"},
	"hosts.site":          {value: `"s2"`, step: "another site", of: "w1"},
	"hosts.roles":         {value: `["control-plane", "etcd", "worker"]`, step: "roles", of: "cp3"},
	"hosts.address":       {value: `"10.13.1.99"`, step: "renumbered", of: "cp3"},
	"hosts.surge":         {value: "true", step: "surge"},
}

// tree writes attributes: of objects by what leads to them, of maps by keys in brackets, and of lists by an empty key.
type tree map[string]any

func (n tree) set(value string, path ...string) {
	for _, step := range path[:len(path)-1] {
		next, ok := n[step].(tree)
		if !ok {
			next = tree{}
			n[step] = next
		}
		n = next
	}
	n[path[len(path)-1]] = value
}

func (n tree) String() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(n)) {
		inner, ok := n[name].(tree)
		switch {
		case !ok:
			fmt.Fprintf(&b, "%s = %s\n", name, n[name])
		case inner["[]"] != nil:
			fmt.Fprintf(&b, "%s = [{\n%s}]\n", name, inner["[]"])
		default:
			fmt.Fprintf(&b, "%s = {\n%s}\n", name, inner)
		}
	}
	return b.String()
}

// steps leads to an attribute, into the element of a map or list that it is tried in.
func (c changed) steps(leaf string) []string {
	path := strings.Split(leaf, ".")
	if keys := map[string]string{"hosts": cmp.Or(c.of, "w1"), "sites": cmp.Or(c.of, "s1"), "racks": strconv.Quote("s1/1/a"), "hook": "h"}; keys[path[0]] != "" {
		path = slices.Insert(path, 1, keys[path[0]])
	}
	if i := slices.Index(path, "taints"); i >= 0 {
		path = slices.Insert(path, i+1, "[]")
	}
	return path
}

// cluster is what there is at first.
func (w *world) cluster(hosts []fleettest.Host, release string) tree {
	n := tree{"name": `"main"`, "kubernetes": strconv.Quote(release), "deletion_protection": "false", "age_recipients": fmt.Sprintf("[%q]", w.fleet.Key.Recipient())}
	for _, h := range w.fleet.Cluster.Hosts {
		i := slices.IndexFunc(hosts, func(x fleettest.Host) bool { return x.Name == h.Name })
		n.set(`"r"`, "sites", h.Site().Name, "region")
		n.set(strconv.Quote(h.Address.String()), "hosts", h.Name, "address")
		n.set(strconv.Quote(h.Site().Name), "hosts", h.Name, "site")
		n.set(`["`+strings.Join(hosts[i].Roles, `", "`)+`"]`, "hosts", h.Name, "roles")
	}
	return n
}

// TestEveryAttribute changes every attribute that a user can set, once: the change is seen, and once it is applied there is nothing left to do. An attribute that is not in changes fails
// it.
func TestEveryAttribute(t *testing.T) {
	leaves := clusterLeaves(t)
	for _, leaf := range slices.Sorted(maps.Keys(leaves)) {
		if c, ok := changes[leaf]; !ok || c.value == "" && c.elsewhere == "" {
			t.Errorf("%s is not tried: give it a case", leaf)
		}
	}
	for leaf := range changes {
		if leaves[leaf] == nil {
			t.Errorf("%s is no attribute", leaf)
		}
	}
	for name, bridge := range map[string]bool{"flannel": false, "bridge": true} {
		t.Run(name, func(t *testing.T) { tryChanges(t, bridge) })
	}
}

func tryChanges(t *testing.T, bridge bool) {
	hosts := three
	if bridge { // all in one rack
		hosts = small
	}
	w := newWorld(t, hosts)
	n := w.cluster(hosts, map[bool]string{false: "1.36.3", true: "1.37.2"}[bridge])
	together := map[string][]string{}
	for leaf, c := range changes {
		switch {
		case c.elsewhere != "" || c.bridge != bridge:
		case c.once:
			n.set(c.value, c.steps(leaf)...)
		default:
			first, _, _ := strings.Cut(leaf, ".")
			step := cmp.Or(c.step, first)
			together[step] = append(together[step], leaf)
		}
	}
	provider := fmt.Sprintf("provider \"trivet\" {\n  ssh = { user = \"ops\" }\n  age_identity = %q\n}\n", w.fleet.Key)
	config := func() string { return provider + "resource \"trivet_cluster\" \"main\" {\n" + n.String() + "}\n" }
	empty := []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}
	for _, m := range w.fleet.Machines {
		m.Hooks.Programs["/bin/true"] = func(context.Context, []string, io.Writer) error { return nil }
	}
	steps := []resource.TestStep{{Config: config(), ConfigPlanChecks: resource.ConfigPlanChecks{PostApplyPostRefresh: empty}}}
	order := slices.Sorted(maps.Keys(together))
	order = append([]string{"kubernetes"}, slices.DeleteFunc(order, func(s string) bool { return s == "kubernetes" || together[s] == nil })...)
	for _, step := range order {
		for _, leaf := range together[step] {
			n.set(strings.ReplaceAll(changes[leaf].value, "RECIPIENT", w.fleet.Key.Recipient().String()), changes[leaf].steps(leaf)...)
		}
		if len(together[step]) == 0 {
			continue
		}
		steps = append(steps, resource.TestStep{
			PreConfig: func() {
				t.Log(step, together[step])
				hosts = slices.Clone(hosts)
				switch i := slices.IndexFunc(hosts, func(h fleettest.Host) bool { return h.Name == "cp3" }); step {
				case "roles":
					hosts[i].Roles = []string{"control-plane", "etcd", "worker"}
				case "renumbered":
					hosts[i].Address = "10.13.1.99"
				}
				w.change(t, hosts)
			},
			Config: config(),
			ConfigPlanChecks: resource.ConfigPlanChecks{
				PreApply:             []plancheck.PlanCheck{plancheck.ExpectResourceAction(main, plancheck.ResourceActionUpdate)},
				PostApplyPostRefresh: empty,
			},
		})
	}
	w.run(t, steps...)
}
