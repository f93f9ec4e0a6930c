package terraform

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"filippo.io/age"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/provider/input"
)

// ownWorkerAttributes are those of a worker that have no meaning for a host of a topology.
var ownWorkerAttributes = []string{"cluster", "name", "lock", "on_destroy", "unreachable", "id", "pod_cidr", "machine_id", "drift"}

// somewhere stands for what a topology needs beside the worker: it is checked by itself, since nobody knows the cluster before it is reached. The ranges are those for benchmarks (RFC
// 2544), which no worker has an address in.
const (
	somewhere      = "somewhere"
	pods, services = "198.18.0.0/16", "198.19.0.0/16"
	other          = "the-control-plane"
	otherAddress   = "192.0.2.1"
)

// host reads a worker as a host of a topology, with the checks and the words of the language. It is nil where too much is unknown, or wrong.
func (c *client) host(attributes input.Object) (*topology.Host, diag.Diagnostics) {
	name, known := attributes["name"].(string)
	if !known {
		return nil, nil
	}
	site, _ := attributes["site"].(string)
	if site == "" {
		site = somewhere
	}
	worker := without(attributes, ownWorkerAttributes...)
	worker["site"], worker["roles"] = site, []any{string(topology.RoleWorker)}
	key, err := age.GenerateX25519Identity()
	if err != nil {
		panic("provider: " + err.Error()) // the system's random source is broken
	}
	supported := release.Supported()
	text, ok := input.Write(input.Object{
		"name": somewhere, "kubernetes": supported[len(supported)-1], "age_recipients": []any{key.Recipient().String()}, "pod_cidr": pods, "service_cidr": services,
		"sites": input.Object{site: input.Object{"region": somewhere}},
		"hosts": input.Object{name: worker, other: input.Object{"site": site, "room": somewhere, "rack": somewhere, "address": otherAddress, "roles": []any{"control-plane", "etcd"}}},
	})
	if !ok {
		return nil, nil
	}
	top, found := text.Parse(c.options())
	var diags diag.Diagnostics
	for _, d := range found {
		if d.Subject == nil {
			continue
		}
		p := text.Path(*d.Subject)
		if len(p) < 2 || p[0].Name != "hosts" || p[1].Name != name {
			continue // of what was made up
		}
		if p = p[2:]; len(p) == 0 {
			p = input.Path{}.Attribute("name")
		}
		detail := strings.ReplaceAll(text.Reword(d.Detail), "hosts["+`"`+name+`"`+"].", "")
		if len(p) > 1 {
			detail = p.String() + ": " + detail
		}
		if d.Severity == hcl.DiagError {
			diags.AddAttributeError(attributePath(p), d.Summary, detail)
		}
	}
	if top == nil || diags.HasError() {
		return nil, diags
	}
	i := slices.IndexFunc(top.AllHosts(), func(h *topology.Host) bool { return h.Name == name })
	return top.AllHosts()[i], diags
}

// worker is a host as the engine has it.
func worker(h *topology.Host) bootstrap.Worker {
	w := bootstrap.Worker{
		Name: h.Name, Address: h.Address, HostKey: h.HostKey, Site: h.Site().Name, SSH: inventory.SSH{Address: h.SSHAddress, Port: h.Port, User: h.User},
		Elastic: inventory.Elastic{Room: h.Rack.Room.Name, Rack: h.Rack.Name, Interface: h.Interface, ProductLine: h.ProductLine, Labels: h.Labels, Annotations: h.Annotations, Taints: h.Taints},
	}
	if w.Site == somewhere {
		w.Site = ""
	}
	return w
}

// workerCluster is the cluster attribute.
type workerCluster struct {
	value types.Object
	conn  connectionModel
}

func (w *workerCluster) id() string { return w.conn.ID.ValueString() }

type attributeReader interface {
	GetAttribute(ctx context.Context, p path.Path, target any) diag.Diagnostics
}

// clusterOf reads the cluster attribute; nil where the whole of it is unknown, or it is absent.
func clusterOf(ctx context.Context, from attributeReader, diags *diag.Diagnostics) *workerCluster {
	w := &workerCluster{}
	diags.Append(from.GetAttribute(ctx, path.Root("cluster"), &w.value)...)
	if diags.HasError() || w.value.IsNull() || w.value.IsUnknown() {
		return nil
	}
	w.conn.Name, w.conn.ID = "", types.StringUnknown()
	if id, ok := w.value.Attributes()["id"].(types.String); ok {
		w.conn.ID = id
	}
	if name, ok := w.value.Attributes()["name"].(types.String); ok {
		w.conn.Name = name.ValueString()
	}
	if list, ok := w.value.Attributes()["endpoints"].(types.List); ok && !list.IsUnknown() {
		for _, x := range list.Elements() {
			var e endpointModel
			if o, ok := x.(types.Object); ok && !unknownValue(o) {
				diags.Append(o.As(ctx, &e, objectOptions)...)
				w.conn.Endpoints = append(w.conn.Endpoints, e)
			}
		}
	}
	return w
}

// unknownValue says whether something in an endpoint is not known.
func unknownValue(o types.Object) bool {
	if o.IsUnknown() {
		return true
	}
	for _, v := range o.Attributes() {
		if inner, ok := v.(types.Object); ok && unknownValue(inner) || v.IsUnknown() {
			return true
		}
	}
	return false
}

// endpointsOf lists the control planes of an inventory, for who has an older list of them.
func endpointsOf(inv *inventory.Inventory) []storedEndpoint {
	var out []storedEndpoint
	for _, h := range inv.Hosts {
		if !h.Has(topology.RoleControlPlane) {
			continue
		}
		e := storedEndpoint{Host: h.Name, Address: h.SSH.Address, Port: h.SSH.Port, User: h.SSH.User, HostKey: h.HostKey}
		if e.Address == "" {
			e.Address = h.Address.String()
		}
		if inv.Settings != nil {
			for _, s := range inv.Settings.Sites {
				if s.Name != h.Site {
					continue
				}
				e.Port, e.User = cmp.Or(e.Port, s.SSH.Port), cmp.Or(e.User, s.SSH.User)
				if len(s.Bastions) > 0 {
					e.Bastion = &s.Bastions[0]
				}
			}
		}
		out = append(out, e)
	}
	return out
}

// storedEndpoint is a control plane as it is kept beside the state.
type storedEndpoint struct {
	Host    string             `json:"host"`
	Address string             `json:"address"`
	Port    int                `json:"port,omitempty"`
	User    string             `json:"user,omitempty"`
	HostKey string             `json:"hostKey,omitempty"`
	Bastion *inventory.Bastion `json:"bastion,omitempty"`
}

func (s storedEndpoint) endpoint(ssh topology.SSH) endpoint {
	e := endpoint{Host: s.Host, Address: s.Address, Port: s.Port, User: s.User, HostKey: s.HostKey}
	if b := s.Bastion; b != nil {
		e.Bastion = &topology.Bastion{Name: b.Name, Address: b.Address, Port: b.Port, User: b.User, HostKey: b.HostKey, PrivateKey: ssh.PrivateKey}
	}
	return e
}

// noDrift is what an apply leaves.
func noDrift() types.List { return types.ListValueMust(types.StringType, nil) }
