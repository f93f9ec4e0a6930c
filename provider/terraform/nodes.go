package terraform

import (
	"cmp"
	"encoding/json"
	"slices"
	"sort"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/provider/input"
)

// node is an element of nodes. An empty text is one that is not known, in a plan, or that there is none, in a state.
type node struct {
	Address, Kubernetes, Configuration, MachineID, HostKey string
	Roles, Drift                                           []string
	// settled: in a plan, which machine it is is known, and its host key if there is any.
	settled bool
}

// nodesValue writes the nodes. In a plan, what is empty is known after apply.
func nodesValue(nodes map[string]node, planned bool) types.Map {
	typ := types.ObjectType{AttrTypes: nodeTypes}
	out := map[string]attr.Value{}
	for name, n := range nodes {
		text := func(s string, open bool) attr.Value {
			if s == "" && open {
				return types.StringUnknown()
			}
			return textOrNull(s)
		}
		out[name] = types.ObjectValueMust(nodeTypes, map[string]attr.Value{
			"address": text(n.Address, planned), "roles": texts(n.Roles, planned), "kubernetes": text(n.Kubernetes, planned), "configuration": text(n.Configuration, planned),
			"drift": texts(n.Drift, false), "machine_id": text(n.MachineID, planned && !n.settled), "ssh_host_key": text(n.HostKey, planned && !n.settled),
		})
	}
	return types.MapValueMust(typ, out)
}

func texts(list []string, planned bool) attr.Value {
	if len(list) == 0 && planned {
		return types.ListUnknown(types.StringType)
	}
	out := make([]attr.Value, len(list))
	for i, s := range list {
		out[i] = types.StringValue(s)
	}
	return types.ListValueMust(types.StringType, out)
}

// nodesOf reads the nodes of a state.
func nodesOf(v any) map[string]node {
	out := map[string]node{}
	m, _ := v.(input.Object)
	for name, x := range m {
		o, _ := x.(input.Object)
		text := func(k string) string { s, _ := o[k].(string); return s }
		out[name] = node{text("address"), text("kubernetes"), text("configuration"), text("machine_id"), text("ssh_host_key"), list(o["roles"]), list(o["drift"]), false}
	}
	return out
}

func list(v any) []string {
	var out []string
	all, _ := v.([]any)
	for _, x := range all {
		s, _ := x.(string)
		out = append(out, s)
	}
	return out
}

// planNodes says what the nodes will be, from what is described and from the prior state alone: a plan must come out the same when it is made again during the apply. open names the
// hosts of which something is not known yet.
func planNodes(f *fleet, open map[string]bool, prior map[string]node) map[string]node {
	out := map[string]node{}
	for _, h := range f.cluster.Hosts {
		n := node{Kubernetes: f.cluster.Kubernetes, Roles: inventory.Roles(h.Roles), HostKey: h.HostKey}
		if h.Address.IsValid() {
			n.Address = h.Address.String()
		}
		if !open[h.Name] && f.cluster.Kubernetes != "" {
			n.Configuration = configuration(f.cluster, h)
		}
		if was, ok := prior[h.Name]; ok && n.Address != "" && was.Address == n.Address {
			n.MachineID, n.settled = was.MachineID, true
			if n.HostKey == "" {
				n.HostKey = was.HostKey
			}
		}
		out[h.Name] = n
	}
	return out
}

// configuration is a digest of all that a host's setup follows from in the topology.
func configuration(c *topology.Cluster, h *topology.Host) string {
	var components []topology.Component
	for _, x := range c.Components {
		if x.Role == "" || h.Has(x.Role) {
			components = append(components, x)
		}
	}
	parts := []any{c.Kubernetes, c.PodCIDR, c.NodePrefix, c.ServiceCIDR, c.DNS, c.Network, c.API, c.Certificates, c.Rotation, c.AgeRecipients, components, c.Images,
		h.Site().Region.Name, h.Site().Name, h.Rack.Room.Name, h.Rack.Name, h.Roles, h.ProductLine, h.Interface, h.Labels, h.Annotations, h.Taints}
	if h.Has(topology.RoleEtcd) {
		parts = append(parts, c.Etcd)
	}
	b, err := json.Marshal(parts)
	if err != nil {
		panic("provider: " + err.Error()) // a topology holds plain data only
	}
	var plain any
	if err := json.Unmarshal(b, &plain); err != nil {
		panic("provider: " + err.Error())
	}
	b, err = json.Marshal(withoutPlaces(plain))
	if err != nil {
		panic("provider: " + err.Error())
	}
	return hostapi.Digest(b)[:12]
}

// withoutPlaces leaves out where in a text something stands.
func withoutPlaces(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			if strings.HasSuffix(k, "Range") {
				delete(v, k)
			} else {
				v[k] = withoutPlaces(x)
			}
		}
	case []any:
		for i, x := range v {
			v[i] = withoutPlaces(x)
		}
	}
	return v
}

// seenNodes says what the nodes are, by a look at the cluster. Of hosts that did not answer it has what the prior state had.
func seenNodes(f *fleet, s *bootstrap.Status, inv *inventory.Inventory, prior map[string]node) map[string]node {
	out := map[string]node{}
	drift, described := objectDrift(s), map[string]*topology.Host{}
	for _, h := range f.cluster.Hosts {
		described[h.Name] = h
	}
	for i := range s.Hosts {
		h := &s.Hosts[i]
		rec := inv.Host(h.Name)
		if rec == nil || h.Elastic {
			continue // it is not in the cluster, and the next apply adds it; or it is not this resource's
		}
		if h.Error != "" {
			if was, ok := prior[h.Name]; ok {
				out[h.Name] = was
			}
			continue
		}
		n := node{Address: rec.Address.String(), Kubernetes: inv.Kubernetes, Roles: slices.Clone(rec.Roles), MachineID: rec.MachineID, HostKey: rec.HostKey}
		if inv.From != "" {
			n.Kubernetes = "" // some hosts have changed: which ones, the next apply finds out
		}
		n.Drift = append(driftOf(h), drift[h.Name]...)
		for _, c := range h.Certificates {
			if c.Due != "" {
				n.Drift = append(n.Drift, "certificate "+c.Certificate+": "+c.Due)
			}
		}
		if slices.Contains(rec.Roles, string(topology.RoleControlPlane)) {
			n.Drift = slices.Concat(n.Drift, rotationsDue(s), ownDrift(s))
		}
		if rec.Has(topology.RoleControlPlane) && !inv.Settings.Usable() {
			n.Drift = append(n.Drift, "inventory: the settings that workers are joined by are not recorded, or by another version of the provider")
		}
		sort.Strings(n.Drift)
		if th := described[h.Name]; th != nil {
			n.Configuration, n.HostKey = configuration(f.cluster, th), cmp.Or(n.HostKey, th.HostKey)
		}
		out[h.Name] = n
	}
	return out
}

// driftOf tells what is not on a host as it was put there.
func driftOf(h *bootstrap.HostStatus) []string {
	out := []string{}
	for _, d := range h.Drift {
		out = append(out, d.String())
	}
	if !h.Managed && h.Error == "" {
		out = append(out, "not set up")
	}
	return out
}

// rotationsDue names the replacements of authorities and keys that do not rest, or rest no longer: the next apply goes on with them.
func rotationsDue(s *bootstrap.Status) []string {
	var out []string
	for _, r := range s.Rotations {
		if r.Until.IsZero() && (r.Stage != inventory.StageSettled || r.Asked > r.Generation) {
			out = append(out, "rotation: "+r.Text)
		}
	}
	return out
}

// objectDrift tells the drift of nodes' objects in the API by host.
func objectDrift(s *bootstrap.Status) map[string][]string {
	out := map[string][]string{}
	for _, o := range s.Objects {
		if o.Kind == "Node" {
			out[o.Name] = append(out[o.Name], "node in the API: "+o.What())
		}
	}
	return out
}

// isUnknown reports whether a leaf of a configuration is not known yet, or something that it is a part of.
func isUnknown(o input.Object, path ...string) bool {
	for i, name := range path {
		v := o[name]
		if _, unknown := v.(input.Unknown); unknown {
			return true
		}
		var inner bool
		if o, inner = v.(input.Object); !inner && i < len(path)-1 {
			return false
		}
	}
	return false
}

// connectionValue says how the cluster is reached. An empty id is one that is not known yet, and so is what a configuration has as unknown.
func connectionValue(f *fleet, id string, config input.Object) types.Object {
	var endpoints []attr.Value
	for _, h := range f.cluster.HostsWith(topology.RoleControlPlane) {
		ofHost := func(name string) bool { return isUnknown(config, "hosts", h.Name, name) }
		ofSite := func(path ...string) bool {
			return ofHost("site") || isUnknown(config, append([]string{"sites", h.Site().Name}, path...)...)
		}
		address := types.StringUnknown()
		switch {
		case ofHost("ssh_address"):
		case h.SSHAddress != "":
			address = types.StringValue(h.SSHAddress)
		case h.Address.IsValid():
			address = types.StringValue(h.Address.String())
		}
		bastion := types.ObjectNull(bastionTypes)
		if b := h.Site().Bastions; ofSite("bastion") {
			bastion = types.ObjectUnknown(bastionTypes)
		} else if len(b) > 0 {
			bastion = types.ObjectValueMust(bastionTypes, map[string]attr.Value{
				"address": known(types.StringValue(b[0].Address), ofSite("bastion", "address")), "port": knownNumber(number(b[0].Port), ofSite("bastion", "port")),
				"user": known(textOrNull(b[0].User), ofSite("bastion", "user")), "ssh_host_key": known(textOrNull(b[0].HostKey), ofSite("bastion", "ssh_host_key")),
			})
		}
		user, port := h.User, h.Port
		if s := h.Site().SSH; s != nil && user == "" {
			user = s.User
		}
		if s := h.Site().SSH; s != nil && port == 0 {
			port = s.Port
		}
		endpoints = append(endpoints, types.ObjectValueMust(endpointTypes, map[string]attr.Value{
			"host": types.StringValue(h.Name), "address": address, "port": knownNumber(number(port), ofHost("port") || ofSite("ssh", "port")),
			"user": known(textOrNull(user), ofHost("user") || ofSite("ssh", "user")), "ssh_host_key": known(textOrNull(h.HostKey), ofHost("ssh_host_key")), "bastion": bastion,
		}))
	}
	idValue := types.StringUnknown()
	if id != "" {
		idValue = types.StringValue(id)
	}
	return types.ObjectValueMust(connectionTypes, map[string]attr.Value{
		"name": types.StringValue(f.cluster.Name), "id": idValue, "endpoints": types.ListValueMust(types.ObjectType{AttrTypes: endpointTypes}, endpoints),
		"api_port":       knownNumber(another(f.cluster.API.Port, topology.APIPort), isUnknown(config, "api", "port")),
		"api_local_port": knownNumber(another(f.cluster.API.LocalPort, topology.APILocalPort), isUnknown(config, "api", "local_port")),
	})
}

// known is a value, unless it is not known yet.
func known(s types.String, unknown bool) types.String {
	if unknown {
		return types.StringUnknown()
	}
	return s
}

func knownNumber(n types.Int64, unknown bool) types.Int64 {
	if unknown {
		return types.Int64Unknown()
	}
	return n
}

func number(n int) types.Int64 {
	if n == 0 {
		return types.Int64Null()
	}
	return types.Int64Value(int64(n))
}

// another is a port that is not the usual one. Terraform (1.11) takes a state with a number in it for changed by a refresh whatever comes of it, since it reads numbers otherwise from a state
// than from a provider: `plan -refresh-only -detailed-exitcode` would end in 2 for every cluster.
func another(port, usual int) types.Int64 {
	if port == usual {
		return types.Int64Null()
	}
	return number(port)
}

func textOrNull(s string) types.String {
	if s == "" {
		return types.StringNull()
	}
	return types.StringValue(s)
}
