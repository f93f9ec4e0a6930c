package input_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/provider/input"
)

const recipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"

// whole is a cluster in which every kind of attribute has a value.
func whole() input.Object {
	return input.Object{
		"name": "main", "kubernetes": "1.37.2", "age_recipients": []any{recipient}, "pod_cidr": nil, "node_prefix": int64(25),
		"network": input.Object{"plugin": "flannel", "mtu": int64(1400)},
		"etcd":    input.Object{"quota": "4Gi", "snapshots": input.Object{"schedule": "daily"}},
		"upgrade": input.Object{"max_unavailable": "2", "per": "rack"},
		"components": []any{
			input.Object{"name": "kubelet", "settings": input.Object{"maxPods": int64(100)}},
			input.Object{"name": "kubelet", "role": "control-plane", "settings": input.Object{"maxPods": int64(50)}},
		},
		"sites": input.Object{
			"bj1": input.Object{"region": "beijing", "purpose": "production", "bastion": input.Object{"address": "203.0.113.7"}},
			"sh1": input.Object{"region": "shanghai", "purpose": "remote-dr", "ssh": input.Object{"user": "root"}},
		},
		"racks": input.Object{"bj1/101/a": input.Object{"cidr": "10.11.1.0/24", "labels": input.Object{"example.com/a": "b"}}},
		"hosts": input.Object{
			"bj1-cp1": input.Object{"site": "bj1", "room": "101", "rack": "a", "address": "10.11.1.11", "roles": []any{"etcd", "control-plane"}, "ssh_host_key": nil},
			"bj1-w1": input.Object{"site": "bj1", "room": "101", "rack": "a", "address": "10.11.1.101", "roles": []any{"worker"},
				"taints": []any{input.Object{"key": "example.com/gpu", "effect": "NoSchedule"}}},
			"sh1-w1": input.Object{"site": "sh1", "address": "10.21.1.101", "roles": []any{"worker"}, "product_line": "a \"quoted\" ${text}"},
		},
	}
}

func options() topology.Options {
	return topology.Options{Releases: release.Known, CheckSettings: release.CheckComponent}
}

// parse gives the diagnostics as a provider shows them: "path: summary. detail".
func parse(t *testing.T, attributes input.Object) (*topology.Topology, []string) {
	t.Helper()
	text, ok := input.Write(attributes)
	if !ok {
		t.Fatal("nothing is written")
	}
	top, diags := text.Parse(options())
	var out []string
	for _, d := range diags {
		path := "?"
		if d.Subject != nil {
			path = text.Path(*d.Subject).String()
		}
		if d.Severity == hcl.DiagError {
			out = append(out, path+": "+d.Summary+". "+text.Reword(d.Detail))
		}
	}
	if t.Failed() {
		t.Log(string(text.Source))
	}
	return top, out
}

func TestWhole(t *testing.T) {
	o := whole()
	o["hosts"].(input.Object)["sh1-w1"].(input.Object)["product_line"] = "search"
	top, errs := parse(t, o)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	c := top.Clusters[0]
	if len(c.Hosts) != 3 || c.Hosts[1].Rack.CIDR.String() != "10.11.1.0/24" || c.Hosts[1].Taints[0].Key != "example.com/gpu" || c.Hosts[1].Labels["example.com/a"] != "b" {
		t.Errorf("hosts are %+v", c.Hosts)
	}
	if c.NodePrefix != 25 || c.Network.MTU != 1400 || c.Etcd.QuotaBytes != 4<<30 || len(c.Components) != 2 || c.Upgrade.Per != "rack" {
		t.Errorf("the cluster is %+v", c)
	}
	if s := top.AllSites(); len(s) != 2 || s[0].Bastions[0].Address != "203.0.113.7" || s[1].SSH.User != "root" || s[1].Region.Name != "shanghai" {
		t.Errorf("sites are %+v", s)
	}
}

// TestPaths points each mistake at the attribute in which it was made, and speaks of no lines.
func TestPaths(t *testing.T) {
	host := func(o input.Object, name string) input.Object { return o["hosts"].(input.Object)[name].(input.Object) }
	for name, c := range map[string]struct {
		change func(input.Object)
		want   string
	}{
		"text in text": {func(input.Object) {}, `hosts["sh1-w1"].product_line: Wrong product line`},
		"address":      {func(o input.Object) { host(o, "bj1-w1")["address"] = "10.11.9.1" }, `hosts["bj1-w1"].address: Address outside its rack`},
		"no address":   {func(o input.Object) { delete(host(o, "bj1-w1"), "address") }, `hosts["bj1-w1"]: Missing address`},
		"same address": {func(o input.Object) { host(o, "bj1-w1")["address"] = "10.11.1.11" }, `the address of bj1-cp1 at hosts["bj1-cp1"].address`},
		"role":         {func(o input.Object) { host(o, "bj1-cp1")["roles"] = []any{"etcd", "contrl-plane"} }, `hosts["bj1-cp1"].roles[1]: Unknown role`},
		"host key":     {func(o input.Object) { host(o, "bj1-cp1")["ssh_host_key"] = "nonsense" }, `hosts["bj1-cp1"].ssh_host_key: Wrong host key`},
		"unknown site": {func(o input.Object) { host(o, "sh1-w1")["site"] = "sh2" }, `sites["sh2"]`},
		"taint":        {func(o input.Object) { host(o, "bj1-w1")["taints"].([]any)[0].(input.Object)["effect"] = "Never" }, `hosts["bj1-w1"].taints[0].effect: `},
		"setting": {func(o input.Object) {
			o["components"].([]any)[1].(input.Object)["settings"] = input.Object{"maxPodz": int64(5)}
		}, `components[1].settings`},
		"nested block": {func(o input.Object) { o["etcd"].(input.Object)["snapshots"] = input.Object{"schedule": "whenever"} }, `etcd.snapshots.schedule: `},
		"release":      {func(o input.Object) { o["kubernetes"] = "v1.37.2" }, `kubernetes: Wrong release`},
		"purpose":      {func(o input.Object) { o["sites"].(input.Object)["bj1"].(input.Object)["purpose"] = "fun" }, `sites["bj1"].purpose: Unknown purpose`},
		"overlapping":  {func(o input.Object) { o["pod_cidr"] = "10.11.0.0/16" }, `pod_cidr: Overlapping ranges`},
		"bastion's address": {func(o input.Object) {
			o["sites"].(input.Object)["bj1"].(input.Object)["bastion"] = input.Object{"address": "::1"}
		}, `sites["bj1"].bastion.address: `},
		"label": {func(o input.Object) { host(o, "bj1-w1")["labels"] = input.Object{"kubernetes.io/hostname": "x"} }, `hosts["bj1-w1"].labels["kubernetes.io/hostname"]: `},
	} {
		t.Run(name, func(t *testing.T) {
			o := whole()
			if name != "text in text" {
				host(o, "sh1-w1")["product_line"] = "search"
			}
			c.change(o)
			_, errs := parse(t, o)
			if all := strings.Join(errs, "\n"); !strings.Contains(all, c.want) || strings.Contains(all, input.FileName) {
				t.Errorf("want %s, got:\n%s", c.want, all)
			}
		})
	}
}

func TestUnknown(t *testing.T) {
	o := whole()
	hosts := o["hosts"].(input.Object)
	hosts["sh1-w1"].(input.Object)["product_line"] = input.Unknown{}
	for _, h := range hosts {
		h.(input.Object)["address"] = input.Unknown{}
	}
	o["age_recipients"], o["kubernetes"] = []any{input.Unknown{}}, input.Unknown{}
	if top, errs := parse(t, o); len(errs) > 0 || len(top.Clusters[0].Hosts) != 3 {
		t.Errorf("unknown leaves: %v", errs)
	}
	for _, block := range []string{"network", "etcd", "upgrade", "certificates", "dns", "api", "rotation"} {
		was := o[block]
		o[block] = input.Unknown{}
		if top, errs := parse(t, o); len(errs) > 0 || len(top.Clusters[0].Hosts) != 3 {
			t.Errorf("an unknown %s: %v", block, errs)
		}
		o[block] = was
	}
	hosts["bj1-w1"].(input.Object)["roles"] = []any{"wrker"}
	if _, errs := parse(t, o); len(errs) != 1 || !strings.Contains(errs[0], `hosts["bj1-w1"].roles[0]`) {
		t.Errorf("a mistake beside unknown leaves: %v", errs)
	}
	for _, change := range []func(input.Object){
		func(o input.Object) { o["hosts"] = input.Unknown{} },
		func(o input.Object) { o["sites"].(input.Object)["bj1"].(input.Object)["region"] = input.Unknown{} },
		func(o input.Object) { o["hosts"].(input.Object)["sh1-w1"].(input.Object)["site"] = input.Unknown{} },
		func(o input.Object) {
			o["hosts"].(input.Object)["sh1-w1"].(input.Object)["roles"] = []any{input.Unknown{}}
		},
		func(o input.Object) { o["hosts"].(input.Object)["sh1-w1"].(input.Object)["surge"] = input.Unknown{} },
	} {
		o := whole()
		change(o)
		if text, ok := input.Write(o); ok {
			t.Errorf("something is written:\n%s", text.Source)
		}
	}
}

// TestMisplaced tells what the language has no words for, at its attribute.
func TestMisplaced(t *testing.T) {
	host := func(o input.Object, name string) input.Object { return o["hosts"].(input.Object)[name].(input.Object) }
	for name, c := range map[string]struct {
		change func(input.Object)
		want   string // "" for nothing
	}{
		"nothing":       {func(input.Object) {}, ""},
		"unknown site":  {func(o input.Object) { host(o, "sh1-w1")["site"] = "sh2" }, `hosts["sh1-w1"].site: Unknown site. There is no site "sh2": sites has "bj1", "sh1". Did you mean "sh1"?`},
		"no site":       {func(o input.Object) { delete(host(o, "sh1-w1"), "site") }, `hosts["sh1-w1"]: Missing site.`},
		"not known yet": {func(o input.Object) { host(o, "sh1-w1")["site"] = input.Unknown{} }, ""},
		"host unknown":  {func(o input.Object) { o["hosts"].(input.Object)["sh1-w1"] = input.Unknown{} }, ""},
		"no sites":      {func(o input.Object) { o["sites"] = input.Object{} }, `sites: Missing sites.`},
		"no region":     {func(o input.Object) { delete(o["sites"].(input.Object)["bj1"].(input.Object), "region") }, `sites["bj1"]: Missing region.`},
		"rack's key":    {func(o input.Object) { o["racks"] = input.Object{"bj1": input.Object{}} }, `racks["bj1"]: Wrong key of a rack. "bj1" is not SITE/ROOM/RACK, such as "bj1/1/a".`},
		"rack's site":   {func(o input.Object) { o["racks"] = input.Object{"bj9/1/a": input.Object{}} }, `racks["bj9/1/a"]: Unknown site.`},
		"components":    {func(o input.Object) { o["components"] = input.Object{"kubelet": input.Object{}} }, `components: Wrong components.`},
		"component":     {func(o input.Object) { o["components"] = []any{"kubelet"} }, `components[0]: Wrong component.`},
	} {
		t.Run(name, func(t *testing.T) {
			o := whole()
			c.change(o)
			var got []string
			for _, p := range input.Misplaced(o) {
				got = append(got, p.Path.String()+": "+p.Summary+". "+p.Detail)
			}
			if all := strings.Join(got, "\n"); !strings.HasPrefix(all, c.want) || len(got) > 1 || c.want == "" && all != "" {
				t.Errorf("want %q, got:\n%s", c.want, all)
			}
		})
	}
}

// TestReword has attributes in place of lines, be they with columns or without.
func TestReword(t *testing.T) {
	o := whole()
	o["hosts"].(input.Object)["sh1-w1"].(input.Object)["product_line"] = "search"
	text, ok := input.Write(o)
	if !ok {
		t.Fatal("not written")
	}
	top, _ := text.Parse(options())
	if top == nil {
		t.Fatal("not read")
	}
	c := top.Clusters[0]
	h := c.Hosts[slices.IndexFunc(c.Hosts, func(h *topology.Host) bool { return h.Name == "bj1-w1" })]
	for from, want := range map[string]string{
		"at " + topology.Place(h.AddressRange) + ", or elsewhere":             `at hosts["bj1-w1"].address, or elsewhere`,
		h.AddressRange.String() + ": wrong":                                   `hosts["bj1-w1"].address: wrong`,
		topology.Place(c.KubernetesRange) + " and " + topology.Place(c.Range): "kubernetes and the configuration",
	} {
		if got := text.Reword(from); got != want {
			t.Errorf("%q is told as %q, want %q", from, got, want)
		}
	}
	if p := text.First("see " + h.AddressRange.String()); p.String() != `hosts["bj1-w1"].address` {
		t.Errorf("the first place is %s", p)
	}
}
