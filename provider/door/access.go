package door

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/provider/input"
)

// Endpoint is a control plane as a connection has it.
type Endpoint struct {
	Host, Address, User, HostKey string
	Port                         int
	Bastion                      *topology.Bastion
}

// ControlPlanes is a fleet of the control planes alone, for what asks no other host.
func (c *Client) ControlPlanes(name string, endpoints []Endpoint) *Fleet {
	region := &topology.Region{Name: "unknown"}
	top := &topology.Topology{Fleet: topology.Fleet{Name: name, SSH: c.SSH}, Regions: []*topology.Region{region}}
	cluster := &topology.Cluster{Name: name, Kubernetes: release.Supported()[len(release.Supported())-1], API: topology.API{Port: 6443, LocalPort: 7443}}
	for _, e := range endpoints {
		site := &topology.Site{Name: "of " + e.Host, Region: region}
		if e.Bastion != nil {
			site.Bastions = []topology.Bastion{*e.Bastion}
		}
		room := &topology.Room{Name: "1", Site: site}
		rack := &topology.Rack{Name: "a", Room: room}
		room.Racks, site.Rooms = []*topology.Rack{rack}, []*topology.Room{room}
		h := &topology.Host{Name: e.Host, Rack: rack, SSHAddress: e.Address, Port: e.Port, User: e.User, HostKey: e.HostKey, Roles: []topology.Role{topology.RoleControlPlane}}
		if a, err := netip.ParseAddr(e.Address); err == nil {
			h.Address = a
		}
		rack.Hosts = []*topology.Host{h}
		region.Sites, cluster.Sites, cluster.Hosts = append(region.Sites, site), append(cluster.Sites, site), append(cluster.Hosts, h)
	}
	top.Clusters = []*topology.Cluster{cluster}
	return &Fleet{Topology: top, Cluster: cluster}
}

// InventoryAt reads what a cluster remembers of itself from one of its control planes.
func (c *Client) InventoryAt(ctx context.Context, name, address string) (*inventory.Inventory, error) {
	f := c.ControlPlanes(name, []Endpoint{{Host: name, Address: address}})
	e, err := c.Connect(ctx, f, NoPins(), func(o *bootstrap.Options) { o.Majority = true })
	if err != nil {
		return nil, err
	}
	defer e.Close()
	if err := e.Unreachable(); err != nil {
		return nil, err
	}
	inv, err := e.Inventory(ctx)
	switch {
	case err != nil:
		return nil, err
	case inv == nil:
		return nil, fmt.Errorf("the host at %s keeps no cluster's inventory: name the address of a control plane", address)
	case inv.Cluster != name:
		return nil, fmt.Errorf("the host at %s is a control plane of cluster %q, not of %q", address, inv.Cluster, name)
	case !inv.Initialised:
		return nil, errors.New("the cluster's bring-up was not finished: an apply goes on with it, without an import")
	}
	return inv, nil
}

// AccessTo says how the cluster is reached. An empty id is one that is not known yet, and so is what a configuration has as unknown.
func AccessTo(f *Fleet, id string, config input.Object) input.Object {
	endpoints := []any{}
	for _, h := range f.Cluster.HostsWith(topology.RoleControlPlane) {
		ofHost := func(name string) bool { return IsUnknown(config, "hosts", h.Name, name) }
		ofSite := func(path ...string) bool {
			return ofHost("site") || IsUnknown(config, append([]string{"sites", h.Site().Name}, path...)...)
		}
		var address any = input.Unknown{}
		switch {
		case ofHost("ssh_address"):
		case h.SSHAddress != "":
			address = h.SSHAddress
		case h.Address.IsValid():
			address = h.Address.String()
		}
		var bastion any
		if b := h.Site().Bastions; ofSite("bastion") {
			bastion = input.Unknown{}
		} else if len(b) > 0 {
			bastion = input.Object{
				"address": orUnknown(b[0].Address, ofSite("bastion", "address")), "port": orUnknown(b[0].Port, ofSite("bastion", "port")),
				"user": orUnknown(b[0].User, ofSite("bastion", "user")), "ssh_host_key": orUnknown(b[0].HostKey, ofSite("bastion", "ssh_host_key")),
			}
		}
		user, port := h.User, h.Port
		if s := h.Site().SSH; s != nil && user == "" {
			user = s.User
		}
		if s := h.Site().SSH; s != nil && port == 0 {
			port = s.Port
		}
		endpoints = append(endpoints, input.Object{
			"host": h.Name, "address": address, "port": orUnknown(port, ofHost("port") || ofSite("ssh", "port")),
			"user": orUnknown(user, ofHost("user") || ofSite("ssh", "user")), "ssh_host_key": orUnknown(h.HostKey, ofHost("ssh_host_key")), "bastion": bastion,
		})
	}
	return input.Object{"name": f.Cluster.Name, "id": orUnknown(id, id == ""), "endpoints": endpoints}
}

// orUnknown is a value as attributes have it: none where it is empty, unless it is not known yet.
func orUnknown[T string | int](v T, unknown bool) any {
	var none T
	switch n := any(v).(type) {
	case int:
		if !unknown && v != none {
			return int64(n)
		}
	case string:
		if !unknown && v != none {
			return n
		}
	}
	if unknown {
		return input.Unknown{}
	}
	return nil
}

// Status connects to all hosts of a fleet and reads them.
func (c *Client) Status(ctx context.Context, f *Fleet, more ...func(*bootstrap.Options)) (*bootstrap.Status, error) {
	e, err := c.Connect(ctx, f, NoPins(), more...)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	s, err := e.Status(ctx)
	if err == nil && s == nil {
		err = errors.New("no host answers")
	}
	return s, err
}

// RecordedStatus is the status of a cluster that is described by what its control planes remember.
func (c *Client) RecordedStatus(ctx context.Context, name string, endpoints []Endpoint) (*bootstrap.Status, error) {
	f := c.ControlPlanes(name, endpoints)
	e, err := c.Connect(ctx, f, NoPins(), func(o *bootstrap.Options) { o.Majority = true })
	if err != nil {
		return nil, err
	}
	inv, err := e.Inventory(ctx)
	e.Close()
	switch {
	case err != nil && len(e.Hosts()) > 0:
		return nil, err
	case err != nil || inv == nil: // then the control planes are all that is known of
		return c.Status(ctx, f)
	}
	return c.Status(ctx, c.remembered(inv, endpoints), func(o *bootstrap.Options) { o.Remembered = true })
}

// remembered is the fleet that an inventory describes. Of a site whose hosts are reached through a bastion, or with a user or port of their own, its control planes know.
func (c *Client) remembered(inv *inventory.Inventory, endpoints []Endpoint) *Fleet {
	sites := map[string]Endpoint{}
	for _, e := range endpoints {
		if h := inv.Host(e.Host); h != nil {
			sites[h.Site] = e
		}
	}
	var all []Endpoint
	for _, h := range inv.Hosts {
		if i := slices.IndexFunc(endpoints, func(e Endpoint) bool { return e.Host == h.Name }); i >= 0 {
			all = append(all, endpoints[i])
			continue
		}
		like := sites[h.Site]
		all = append(all, Endpoint{Host: h.Name, Address: h.Address.String(), User: like.User, Port: like.Port, HostKey: h.HostKey, Bastion: like.Bastion})
	}
	f := c.ControlPlanes(inv.Cluster, all)
	f.Cluster.Kubernetes = inv.Kubernetes
	for i, h := range inv.Hosts {
		th := f.Cluster.Hosts[i]
		th.Address, th.Roles, th.Elastic = h.Address, nil, h.Elastic != nil
		for _, r := range h.Roles {
			th.Roles = append(th.Roles, topology.Role(r))
		}
		th.Site().Name, th.Site().Region = h.Site, &topology.Region{Name: h.Region, Sites: []*topology.Site{th.Site()}}
	}
	return f
}

// RememberedAccess is the access of a cluster, by what it remembers.
func RememberedAccess(inv *inventory.Inventory) input.Object {
	endpoints := []any{}
	for _, e := range EndpointsOf(inv) {
		var bastion any
		if b := e.Bastion; b != nil {
			bastion = input.Object{"address": orUnknown(b.Address, false), "port": orUnknown(b.Port, false), "user": orUnknown(b.User, false), "ssh_host_key": orUnknown(b.HostKey, false)}
		}
		endpoints = append(endpoints, input.Object{
			"host": e.Host, "address": e.Address, "port": orUnknown(e.Port, false), "user": orUnknown(e.User, false), "ssh_host_key": orUnknown(e.HostKey, false), "bastion": bastion,
		})
	}
	return input.Object{"name": inv.Cluster, "id": inv.ClusterID, "endpoints": endpoints}
}

// EndpointsOf lists the control planes of an inventory, for who has an older list of them.
func EndpointsOf(inv *inventory.Inventory) []StoredEndpoint {
	var out []StoredEndpoint
	for _, h := range inv.Hosts {
		if !h.Has(topology.RoleControlPlane) {
			continue
		}
		e := StoredEndpoint{Host: h.Name, Address: h.SSH.Address, Port: h.SSH.Port, User: h.SSH.User, HostKey: h.HostKey}
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

// StoredEndpoint is a control plane as it is kept beside the state.
type StoredEndpoint struct {
	Host    string             `json:"host"`
	Address string             `json:"address"`
	Port    int                `json:"port,omitempty"`
	User    string             `json:"user,omitempty"`
	HostKey string             `json:"hostKey,omitempty"`
	Bastion *inventory.Bastion `json:"bastion,omitempty"`
}

func (s StoredEndpoint) Endpoint(ssh topology.SSH) Endpoint {
	e := Endpoint{Host: s.Host, Address: s.Address, Port: s.Port, User: s.User, HostKey: s.HostKey}
	if b := s.Bastion; b != nil {
		e.Bastion = &topology.Bastion{Name: b.Name, Address: b.Address, Port: b.Port, User: b.User, HostKey: b.HostKey, PrivateKey: ssh.PrivateKey}
	}
	return e
}
