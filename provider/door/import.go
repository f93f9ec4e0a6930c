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
		if h.HostKey != "" {
			host["ssh_host_key"] = h.HostKey
		}
		hosts[h.Name] = host
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

// DescribedWorker is what an inventory says of an elastic worker, as the attributes that describe one.
func DescribedWorker(inv *inventory.Inventory, rec *inventory.Host) input.Object {
	e := rec.Elastic
	out := input.Object{"cluster": RememberedAccess(inv), "name": rec.Name, "address": rec.Address.String(), "on_destroy": input.OnDestroyReset, "unreachable": input.UnreachableFail}
	if inv.Settings != nil && len(inv.Settings.Sites) > 1 {
		out["site"] = rec.Site
	}
	for name, s := range map[string]string{
		"ssh_host_key": rec.HostKey, "ssh_address": rec.SSH.Address, "user": rec.SSH.User, "interface": e.Interface, "product_line": e.ProductLine,
		"room": unless(e.Room, input.DefaultRoom), "rack": unless(e.Rack, input.DefaultRack),
	} {
		if s != "" {
			out[name] = s
		}
	}
	if rec.SSH.Port != 0 {
		out["port"] = int64(rec.SSH.Port)
	}
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
