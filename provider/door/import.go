package door

import (
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/provider/input"
)

// defaultDomain is that of a cluster whose description has none.
const defaultDomain = "cluster.local"

// Described is what an inventory says of its cluster, as the attributes that describe one. What it does not have, an apply adds, without touching hosts.
func Described(inv *inventory.Inventory) input.Object {
	sites, hosts := input.Object{}, input.Object{}
	for _, h := range inv.Hosts {
		if h.Elastic != nil {
			continue
		}
		sites[h.Site] = input.Object{"region": h.Region}
		host := input.Object{"site": h.Site, "address": h.Address.String(), "roles": AnyOf(h.Roles)}
		give(host, map[string]string{"ssh_host_key": h.HostKey, "ssh_address": h.SSH.Address, "user": h.SSH.User}, h.SSH.Port)
		hosts[h.Name] = host
	}
	if inv.Settings != nil {
		for _, s := range inv.Settings.Sites {
			if site, ok := sites[s.Name].(input.Object); ok {
				reached(site, s)
			}
		}
	}
	out := input.Object{
		"name": inv.Cluster, "kubernetes": inv.Kubernetes, "pod_cidr": inv.PodCIDR.String(), "service_cidr": inv.ServiceCIDR.String(), "node_prefix": int64(inv.NodePrefix),
		"age_recipients": AnyOf(inv.Recipients), "sites": sites, "hosts": hosts, "deletion_protection": true, "on_destroy": input.OnDestroyReset, "unreachable": input.UnreachableFail,
	}
	if inv.Settings.Usable() {
		ports, api := input.Object{}, inv.Outline(topology.SSH{}).Clusters[0].API
		for name, port := range map[string]struct{ is, otherwise int }{"port": {api.Port, topology.APIPort}, "local_port": {api.LocalPort, topology.APILocalPort}} {
			if port.is != port.otherwise {
				ports[name] = int64(port.is)
			}
		}
		if len(ports) > 0 {
			out["api"] = ports
		}
	}
	if inv.Domain != "" && inv.Domain != defaultDomain {
		out["dns"] = input.Object{"domain": inv.Domain}
	}
	return out
}

// reached says how a site's hosts are reached. A chain of bastions has no place in attributes.
func reached(site input.Object, s inventory.Site) {
	ssh := input.Object{}
	if give(ssh, map[string]string{"user": s.SSH.User}, s.SSH.Port); len(ssh) > 0 {
		site["ssh"] = ssh
	}
	if len(s.Bastions) == 1 {
		b := s.Bastions[0]
		bastion := input.Object{}
		give(bastion, map[string]string{"address": b.Address, "user": b.User, "ssh_host_key": b.HostKey}, b.Port)
		site["bastion"] = bastion
	}
}

// give gives attributes those values that there are.
func give(o input.Object, texts map[string]string, port int) {
	for name, s := range texts {
		if s != "" {
			o[name] = s
		}
	}
	if port != 0 {
		o["port"] = int64(port)
	}
}

// DescribedWorker is what an inventory says of an elastic worker, as the attributes that describe one.
func DescribedWorker(inv *inventory.Inventory, rec *inventory.Host) input.Object {
	e := rec.Elastic
	out := input.Object{"cluster": RememberedAccess(inv), "name": rec.Name, "address": rec.Address.String(), "on_destroy": input.OnDestroyReset, "unreachable": input.UnreachableFail}
	if inv.Settings != nil && len(inv.Settings.Sites) > 1 {
		out["site"] = rec.Site
	}
	give(out, map[string]string{
		"ssh_host_key": rec.HostKey, "ssh_address": rec.SSH.Address, "user": rec.SSH.User, "interface": e.Interface, "product_line": e.ProductLine,
		"room": unless(e.Room, input.DefaultRoom), "rack": unless(e.Rack, input.DefaultRack),
	}, rec.SSH.Port)
	for name, m := range map[string]map[string]string{"labels": e.Labels, "annotations": e.Annotations} {
		if len(m) > 0 {
			all := input.Object{}
			for k, v := range m {
				all[k] = v
			}
			out[name] = all
		}
	}
	var taints []any
	for _, t := range e.Taints {
		one := input.Object{}
		for name, s := range map[string]string{"key": t.Key, "value": t.Value, "effect": t.Effect} {
			if s != "" {
				one[name] = s
			}
		}
		taints = append(taints, one)
	}
	if taints != nil {
		out["taints"] = taints
	}
	return out
}

func unless(s, otherwise string) string {
	if s == otherwise {
		return ""
	}
	return s
}

// AnyOf is a list as attributes have it.
func AnyOf(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}
