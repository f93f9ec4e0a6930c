package adopt

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// write makes the topology's text. recipients may be none.
func (d *describer) write(recipients []string) string {
	f := hclwrite.NewEmptyFile()
	body := f.Body()
	comment(body, fmt.Sprintf("Cluster %s as kubeadm made it, read from %s on %s by trivet adopt.", d.o.Cluster, d.Address, d.o.Now.UTC().Format("2006-01-02")))
	comment(body, "It describes hosts on which that cluster runs: apply refuses them. See `trivet adopt --help`.")
	d.writeFleet(body)
	d.writeRegions(body)
	d.writeCluster(body, recipients)
	return string(hclwrite.Format(f.Bytes()))
}

func comment(b *hclwrite.Body, text string) {
	b.AppendUnstructuredTokens(hclwrite.Tokens{{Type: hclsyntax.TokenComment, Bytes: []byte("# " + text + "\n")}})
}

func block(b *hclwrite.Body, kind string, labels ...string) *hclwrite.Body {
	return b.AppendNewBlock(kind, labels).Body()
}

func text(b *hclwrite.Body, name, value string) {
	if value != "" {
		b.SetAttributeValue(name, cty.StringVal(value))
	}
}

func number(b *hclwrite.Body, name string, value int) {
	if value != 0 {
		b.SetAttributeValue(name, cty.NumberIntVal(int64(value)))
	}
}

func list(b *hclwrite.Body, name string, values []string) {
	if len(values) > 0 {
		b.SetAttributeValue(name, toCty(values))
	}
}

func (d *describer) writeFleet(body *hclwrite.Body) {
	body.AppendNewline()
	fleet := block(body, "fleet", d.o.Fleet)
	s := d.o.SSH
	if s.User == "" && s.Port == 0 && s.PrivateKey == "" && s.KnownHosts == "" && s.HostKeys == "" && s.ConfigFile == "" && s.SudoPasswordFile == "" {
		return
	}
	ssh := block(fleet, "ssh")
	text(ssh, "user", s.User)
	number(ssh, "port", s.Port)
	text(ssh, "private_key", s.PrivateKey)
	text(ssh, "known_hosts", s.KnownHosts)
	text(ssh, "host_keys", s.HostKeys)
	text(ssh, "config_file", s.ConfigFile)
	text(ssh, "sudo_password_file", s.SudoPasswordFile)
}

// places lists regions, and their sites, in order.
func (d *describer) places() (regions []string, sites map[string][]string) {
	sites = map[string][]string{}
	for _, n := range d.nodes {
		if !n.address.IsValid() {
			continue
		}
		if !slices.Contains(regions, n.place.region) {
			regions = append(regions, n.place.region)
		}
		if !slices.Contains(sites[n.place.region], n.place.site) {
			sites[n.place.region] = append(sites[n.place.region], n.place.site)
		}
	}
	slices.Sort(regions)
	for _, s := range sites {
		slices.Sort(s)
	}
	return regions, sites
}

func (d *describer) writeRegions(body *hclwrite.Body) {
	regions, sites := d.places()
	for _, r := range regions {
		body.AppendNewline()
		if len(d.unplaced[labelRegion]) > 0 && r == d.o.Region {
			comment(body, fmt.Sprintf("No label %s on %s: give the region its name.", labelRegion, few(d.unplaced[labelRegion])))
		}
		region := block(body, "region", r)
		for _, s := range sites[r] {
			if len(d.unplaced[labelZone]) > 0 && s == d.o.Site {
				comment(region, fmt.Sprintf("No label %s on %s: give the site its name.", labelZone, few(d.unplaced[labelZone])))
			}
			site := block(region, "site", s)
			for _, b := range d.o.SSH.Bastions {
				bastion := block(site, "bastion", b.Name)
				text(bastion, "address", b.Address)
				number(bastion, "port", b.Port)
				text(bastion, "user", b.User)
			}
			comment(site, "Rooms and racks are not known to Kubernetes: name them as they are.")
			room := block(site, "room", d.o.Room)
			for i, k := range d.laid[place{r, s}] {
				d.writeRack(room, fmt.Sprintf("%s-%d", d.o.Rack, i+1), k)
			}
		}
	}
}

func (d *describer) writeRack(room *hclwrite.Body, name string, k rack) {
	b := block(room, "rack", name)
	text(b, "cidr", k.cidr.String())
	for _, n := range k.hosts {
		h := block(b, "host", n.name)
		text(h, "address", n.address.String())
		if n.kube.Name == d.First && d.Address != n.address.String() {
			text(h, "ssh_address", d.Address)
		}
		var roles []string
		for _, r := range n.roles {
			roles = append(roles, string(r))
		}
		h.SetAttributeValue("roles", toCty(roles))
		if l := labels(n); len(l) > 0 {
			h.SetAttributeValue("labels", toCty(l))
		}
		for _, t := range taints(n) {
			taint := block(h, "taint")
			text(taint, "key", t.Key)
			text(taint, "value", t.Value)
			text(taint, "effect", t.Effect)
		}
	}
}

func (d *describer) writeCluster(body *hclwrite.Body, recipients []string) {
	body.AppendNewline()
	c := block(body, "cluster", d.o.Cluster)
	if !d.exact {
		comment(c, fmt.Sprintf("It runs %s, which this trivet does not know.", d.version))
	}
	text(c, "kubernetes", d.release.Kubernetes)
	_, sites := d.places()
	var names []string
	for _, r := range sortedKeys(sites) {
		names = append(names, sites[r]...)
	}
	list(c, "sites", names)
	text(c, "pod_cidr", d.net.pods.String())
	number(c, "node_prefix", d.net.nodePrefix)
	text(c, "service_cidr", d.net.services.String())
	if len(recipients) == 0 {
		comment(c, "age_recipients = [\"age1…\"] # of whoever may open the cluster's keys: trivet identity new")
	}
	list(c, "age_recipients", recipients)
	d.writeNetwork(c)
	d.writeEtcd(c)
	d.writeComponents(c)
}

func (d *describer) writeNetwork(c *hclwrite.Body) {
	c.AppendNewline()
	network := block(c, "network")
	if d.net.plugin != "flannel" {
		comment(network, fmt.Sprintf("Now: %s.", cmp.Or(d.net.plugin, "a plugin that is not known")))
	}
	text(network, "plugin", "flannel")
	if d.net.proxyNow != "" && d.net.proxyMode == "" && d.net.proxyNow != "nftables" {
		comment(network, fmt.Sprintf("Now: %s.", d.net.proxyNow))
	}
	text(network, "proxy_mode", cmp.Or(d.net.proxyMode, "nftables"))
	if d.net.domain != "cluster.local" || d.net.dns.IsValid() || d.net.replicas > 0 {
		dns := block(c, "dns")
		if d.net.domain != "cluster.local" {
			text(dns, "domain", d.net.domain)
		}
		if d.net.dns.IsValid() {
			text(dns, "address", d.net.dns.String())
		}
		number(dns, "replicas", d.net.replicas)
	}
	if d.api.port > 0 || len(d.api.sans) > 0 || d.api.issuer != "" {
		api := block(c, "api")
		number(api, "port", d.api.port)
		list(api, "sans", d.api.sans)
		text(api, "service_account_issuer", d.api.issuer)
	}
}

func (d *describer) writeEtcd(c *hclwrite.Body) {
	e := d.etcd
	if e == (etcdSettings{}) {
		return
	}
	etcd := block(c, "etcd")
	text(etcd, "quota", e.quota)
	text(etcd, "heartbeat_interval", e.heartbeat)
	text(etcd, "election_timeout", e.election)
	text(etcd, "compaction_retention", e.compaction)
}

func (d *describer) writeComponents(c *hclwrite.Body) {
	byComponent := map[string]map[string]any{}
	for _, s := range d.settings {
		if byComponent[s.Component] == nil {
			byComponent[s.Component] = map[string]any{}
		}
		byComponent[s.Component][s.Name] = s.Value
	}
	for _, name := range sortedKeys(byComponent) {
		c.AppendNewline()
		block(c, "component", name).SetAttributeValue("settings", toCty(byComponent[name]))
	}
}

// toCty makes a value of the language.
func toCty(v any) cty.Value {
	switch v := v.(type) {
	case string:
		return cty.StringVal(v)
	case bool:
		return cty.BoolVal(v)
	case int64:
		return cty.NumberIntVal(v)
	case float64:
		return cty.NumberFloatVal(v)
	case []string:
		var out []cty.Value
		for _, e := range v {
			out = append(out, cty.StringVal(e))
		}
		return cty.TupleVal(out)
	case map[string]string:
		out := map[string]cty.Value{}
		for k, e := range v {
			out[k] = cty.StringVal(e)
		}
		return cty.ObjectVal(out)
	case []any:
		var out []cty.Value
		for _, e := range v {
			out = append(out, toCty(e))
		}
		return cty.TupleVal(out)
	case map[string]any:
		out := map[string]cty.Value{}
		for k, e := range v {
			out[k] = toCty(e)
		}
		return cty.ObjectVal(out)
	}
	return cty.NullVal(cty.DynamicPseudoType)
}

// few lists names for a reader, the first of many.
func few(names []string) string {
	const most = 5
	names = slices.Sorted(slices.Values(names))
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
