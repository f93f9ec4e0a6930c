package terraform

import (
	"cmp"
	"context"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/provider/input"
)

// ownWorkerAttributes are those of a worker that have no meaning for a host of a topology.
var ownWorkerAttributes = []string{"cluster", "name", "lock", "on_destroy", "unreachable", "id", "pod_cidr", "machine_id", "drift"}

// worker reads a worker with the checks and the words of the language. It is nil where too much is unknown, or wrong.
func (c *client) worker(attributes input.Object) (*bootstrap.Worker, diag.Diagnostics) {
	own := without(attributes, ownWorkerAttributes...)
	own["name"] = attributes["name"]
	w, problems := input.Worker(own, c.options())
	var diags diag.Diagnostics
	for _, p := range problems {
		detail := p.Detail
		if len(p.Path) > 1 {
			detail = p.Path.String() + ": " + detail // Terraform shows no place inside of an attribute
		}
		diags.AddAttributeError(attributePath(p.Path), p.Summary, detail)
	}
	return w, diags
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
