package door

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sort"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/provider/input"
)

// Without leaves attributes out.
func Without(o input.Object, names ...string) input.Object {
	out := maps.Clone(o)
	maps.DeleteFunc(out, func(name string, _ any) bool { return slices.Contains(names, name) })
	return out
}

// Look reads a cluster that there is.
func Look(ctx context.Context, e *Session) (*inventory.Inventory, *bootstrap.Status, error) {
	inv, err := e.Inventory(ctx)
	if err == nil && inv == nil {
		err = errors.New("no control plane has the cluster's inventory")
	}
	if err != nil {
		return nil, nil, err
	}
	s, err := e.Status(ctx)
	return inv, s, err
}

// AsPlanned keeps what a plan promised of nodes: what is otherwise by now, as drift that came during the apply, is found by the next refresh.
func AsPlanned(nodes map[string]Node, planned any) {
	for name, want := range NodesOf(planned) {
		n, ok := nodes[name]
		if !ok {
			n = want
		}
		keep := func(have *string, want string) {
			if want != "" {
				*have = want
			}
		}
		keep(&n.Address, want.Address)
		keep(&n.Kubernetes, want.Kubernetes)
		keep(&n.Configuration, want.Configuration)
		keep(&n.MachineID, want.MachineID)
		keep(&n.HostKey, want.HostKey)
		if want.Roles != nil {
			n.Roles = want.Roles
		}
		n.Drift = want.Drift
		nodes[name] = n
	}
}

// Behind takes the configuration away from hosts that an apply left out and that answer again, so that a plan shows that they get it; it gives those that the cluster still has.
func Behind(left []string, nodes map[string]Node, s *bootstrap.Status) []string {
	var still []string
	for _, name := range left {
		n, ok := nodes[name]
		if !ok {
			continue
		}
		still = append(still, name)
		if i := slices.IndexFunc(s.Hosts, func(h bootstrap.HostStatus) bool { return h.Name == name }); i >= 0 && s.Hosts[i].Error == "" {
			n.Configuration = ""
			nodes[name] = n
		}
	}
	return still
}

// Node is an element of nodes. An empty text is one that is not known, in a plan, or that there is none, in a state.
type Node struct {
	Address, Kubernetes, Configuration, MachineID, HostKey string
	Roles, Drift                                           []string
	// Settled: in a plan, which machine it is is known, and its host key if there is any.
	Settled bool
}

// NodesOf reads the nodes of a state.
func NodesOf(v any) map[string]Node {
	out := map[string]Node{}
	m, _ := v.(input.Object)
	for name, x := range m {
		o, _ := x.(input.Object)
		text := func(k string) string { return textIn(o, k) }
		out[name] = Node{text("address"), text("kubernetes"), text("configuration"), text("machine_id"), text("ssh_host_key"), Texts(o["roles"]), Texts(o["drift"]), false}
	}
	return out
}

// NodesIn writes them as attributes. In a plan, what is empty is not known yet.
func NodesIn(nodes map[string]Node, planned bool) input.Object {
	out := input.Object{}
	for name, n := range nodes {
		text := func(s string, open bool) any { return orUnknown(s, s == "" && open) }
		var roles any = AnyOf(n.Roles)
		if planned && len(n.Roles) == 0 {
			roles = input.Unknown{}
		}
		out[name] = input.Object{
			"address": text(n.Address, planned), "roles": roles, "kubernetes": text(n.Kubernetes, planned), "configuration": text(n.Configuration, planned), "drift": AnyOf(n.Drift),
			"machine_id": text(n.MachineID, planned && !n.Settled), "ssh_host_key": text(n.HostKey, planned && !n.Settled),
		}
	}
	return out
}

// Texts is a list of attributes as texts; AnyOf is the way back.
func Texts(v any) []string {
	var out []string
	all, _ := v.([]any)
	for _, x := range all {
		s, _ := x.(string)
		out = append(out, s)
	}
	return out
}

// PlannedNodes says what the nodes will be, from what a configuration describes and the prior ones.
func PlannedNodes(f *Fleet, config input.Object, prior map[string]Node) map[string]Node {
	open := map[string]bool{}
	hosts, _ := config["hosts"].(input.Object)
	common := HasUnknown(Without(config, "hosts", "manifests")) // no host's setup follows from those
	for _, h := range f.Cluster.Hosts {
		// Its setup does not follow from where a host is.
		own, _ := hosts[h.Name].(input.Object)
		open[h.Name] = common || HasUnknown(Without(own, "address", "ssh_address", "ssh_host_key"))
	}
	nodes := planNodes(f, open, prior)
	for name, n := range nodes {
		if IsUnknown(config, "hosts", name, "ssh_host_key") { // perhaps it is another machine
			n.HostKey, n.Settled = "", false
			nodes[name] = n
		}
	}
	return nodes
}

// planNodes says what the nodes will be, from what is described and from the prior state alone: a plan must come out the same when it is made again during the apply. open names the
// hosts of which something is not known yet.
func planNodes(f *Fleet, open map[string]bool, prior map[string]Node) map[string]Node {
	out := map[string]Node{}
	for _, h := range f.Cluster.Hosts {
		n := Node{Kubernetes: f.Cluster.Kubernetes, Roles: inventory.Roles(h.Roles), HostKey: h.HostKey}
		if h.Address.IsValid() {
			n.Address = h.Address.String()
		}
		if !open[h.Name] && f.Cluster.Kubernetes != "" {
			n.Configuration = configuration(f.Cluster, h)
		}
		if was, ok := prior[h.Name]; ok && n.Address != "" && was.Address == n.Address && !slices.Contains(was.Drift, notSetUp) {
			n.MachineID, n.Settled = was.MachineID, true
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
	return hostapi.Digest(inventory.Canonical(parts))[:12]
}

// SeenNodes says what the nodes are, by a look at the cluster. Of hosts that did not answer it has what the prior state had.
func SeenNodes(f *Fleet, s *bootstrap.Status, inv *inventory.Inventory, prior map[string]Node) map[string]Node {
	out := map[string]Node{}
	drift, described := objectDrift(s), map[string]*topology.Host{}
	for _, h := range f.Cluster.Hosts {
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
		n := Node{Address: rec.Address.String(), Kubernetes: inv.Kubernetes, Roles: slices.Clone(rec.Roles), MachineID: rec.MachineID, HostKey: rec.HostKey}
		if inv.From != "" {
			n.Kubernetes = "" // some hosts have changed: which ones, the next apply finds out
		}
		n.Drift = append(DriftOf(h), drift[h.Name]...)
		for _, c := range h.Certificates {
			if c.Due != "" {
				n.Drift = append(n.Drift, "certificate "+c.Certificate+": "+c.Due)
			}
		}
		if slices.Contains(rec.Roles, string(topology.RoleControlPlane)) {
			n.Drift = slices.Concat(n.Drift, endDue(s), rotationsDue(f, s), ownDrift(s))
		}
		if rec.Has(topology.RoleControlPlane) && !inv.Settings.Usable() {
			n.Drift = append(n.Drift, "inventory: the settings that workers are joined by are not recorded, or by another version of the provider")
		}
		sort.Strings(n.Drift)
		if th := described[h.Name]; th != nil {
			n.Configuration, n.HostKey = configuration(f.Cluster, th), cmp.Or(n.HostKey, th.HostKey)
		}
		out[h.Name] = n
	}
	return out
}

// notSetUp is the drift of a host that has nothing of the cluster: it was installed anew, or is another machine.
const notSetUp = "not set up"

// DriftOf tells what is not on a host as it was put there.
func DriftOf(h *bootstrap.HostStatus) []string {
	out := []string{}
	for _, d := range h.Drift {
		out = append(out, d.String())
	}
	if !h.Managed && h.Error == "" {
		out = append(out, notSetUp)
	}
	return out
}

// endDue says what has not come to its end. The next apply goes on with the first bring-up: all may be in place by now, but nobody has seen it work. Of a destroy that was begun, the next
// apply says that it has to be finished first: that nothing has been removed by then is no reason to call the cluster as it should be.
func endDue(s *bootstrap.Status) []string {
	switch {
	case s.Destroying:
		return []string{"cluster: it is being destroyed"}
	case s.BringingUp:
		return []string{"cluster: its first bring-up has not come to its end"}
	}
	return nil
}

// rotationDrift begins the drift of a rotation; the name of what is replaced follows.
const rotationDrift = "rotation: "

// rotationsDue names the replacements of authorities and keys that do not rest, or rest no longer: the next apply goes on with them.
func rotationsDue(f *Fleet, s *bootstrap.Status) []string {
	var out []string
	for _, r := range s.Rotations {
		if r.Until.IsZero() && (r.Stage != inventory.StageSettled || r.Asked > r.Generation) {
			out = append(out, rotationDrift+f.reword(r.Text))
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

// IsUnknown reports whether a leaf of a configuration is not known yet, or something that it is a part of.
func IsUnknown(o input.Object, path ...string) bool {
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
