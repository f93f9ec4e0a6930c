package door

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/observe"
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

// Access is how a cluster is reached, for who has no more of it.
type Access struct {
	Name      string
	Endpoints []Endpoint
	// APIPort and APILocalPort are those of the API servers and of the balancer on every node; 0 where they are the usual ones.
	APIPort, APILocalPort int
}

// ports has a cluster's API at the ports that the access names.
func (a Access) ports(c *topology.Cluster) {
	c.API.Port, c.API.LocalPort = cmp.Or(a.APIPort, c.API.Port), cmp.Or(a.APILocalPort, c.API.LocalPort)
}

// FleetAt is a fleet of the control planes alone that an access names, with the API where it says.
func (c *Client) FleetAt(a Access) *Fleet {
	f := c.ControlPlanes(a.Name, a.Endpoints)
	a.ports(f.Cluster)
	return f
}

// ControlPlanes is a fleet of the control planes alone, for what asks no other host.
func (c *Client) ControlPlanes(name string, endpoints []Endpoint) *Fleet {
	inv := &inventory.Inventory{Cluster: name, Kubernetes: release.Supported()[len(release.Supported())-1]}
	for _, e := range endpoints {
		address, _ := netip.ParseAddr(e.Address) // it may be a name
		inv.Hosts = append(inv.Hosts, inventory.Host{Name: e.Host, Address: address, Site: "of " + e.Host, Region: "unknown", Roles: []string{string(topology.RoleControlPlane)}})
	}
	return c.remembered(inv, endpoints)
}

// remembered is the fleet that an inventory describes. How control planes are reached, the endpoints say, and so the other hosts of their sites are reached, unless they have a user or
// port of their own. Of sites without a control plane the inventory knows.
func (c *Client) remembered(inv *inventory.Inventory, endpoints []Endpoint) *Fleet {
	top := inv.Outline(c.SSH)
	cluster := top.Clusters[0]
	like := map[*topology.Site]Endpoint{}
	for _, h := range cluster.Hosts {
		i := slices.IndexFunc(endpoints, func(e Endpoint) bool { return e.Host == h.Name })
		if i < 0 {
			continue
		}
		e := endpoints[i]
		h.SSHAddress, h.Port, h.User, h.HostKey = e.Address, e.Port, e.User, e.HostKey
		site := h.Site()
		site.SSH, site.Bastions, like[site] = nil, nil, e
		if e.Bastion != nil {
			site.Bastions = []topology.Bastion{*e.Bastion}
		}
	}
	for _, h := range cluster.Hosts {
		e := like[h.Site()]
		h.Port, h.User = cmp.Or(h.Port, e.Port), cmp.Or(h.User, e.User)
	}
	return &Fleet{Topology: top, Cluster: cluster}
}

// InventoryAt reads what a cluster remembers of itself from one of its control planes.
func (c *Client) InventoryAt(ctx context.Context, name, address string) (*inventory.Inventory, error) {
	if err := c.Known(); err != nil {
		return nil, err
	}
	f := c.ControlPlanes(name, []Endpoint{{Host: address, Address: address}})
	e, err := c.Connect(ctx, f, NoPins(), func(o *bootstrap.Options) { o.Majority = true })
	if err != nil {
		return nil, err
	}
	defer e.Close()
	if err := e.Unreachable(); err != nil {
		return nil, err
	}
	inv, err := e.Inventory(ctx)
	var foreign *observe.ForeignError
	switch {
	case errors.As(err, &foreign):
		return nil, fmt.Errorf("the host at %s is a control plane of cluster %q, not of %q: import that one, or name the address of another host", address, foreign.Cluster, name)
	case err != nil:
		return nil, err
	case inv == nil:
		return nil, fmt.Errorf("the host at %s keeps no cluster's inventory: name the address of a control plane", address)
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
	return input.Object{
		"name": f.Cluster.Name, "id": orUnknown(id, id == ""), "endpoints": endpoints,
		"api_port":       another(f.Cluster.API.Port, topology.APIPort, IsUnknown(config, "api", "port")),
		"api_local_port": another(f.Cluster.API.LocalPort, topology.APILocalPort, IsUnknown(config, "api", "local_port")),
	}
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

// another is a port as attributes have it: none where it is the usual one. Terraform (1.11) takes a state with a number in it for changed by a refresh whatever comes of it, since it reads
// numbers otherwise from a state than from a provider: `plan -refresh-only -detailed-exitcode` would end in 2 for every cluster.
func another(port, usual int, unknown bool) any {
	if port == usual {
		port = 0
	}
	return orUnknown(port, unknown)
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

// RecordedStatus is the status of a cluster that is described by what its control planes remember, with how long before their end certificates are renewed there; 0 where nobody knows.
func (c *Client) RecordedStatus(ctx context.Context, a Access) (*bootstrap.Status, time.Duration, error) {
	f := c.FleetAt(a)
	e, err := c.Connect(ctx, f, NoPins(), func(o *bootstrap.Options) { o.Majority = true })
	if err != nil {
		return nil, 0, err
	}
	inv, err := e.Inventory(ctx)
	e.Close()
	switch {
	case err != nil && len(e.Hosts()) > 0:
		return nil, 0, err
	case err != nil || inv == nil: // then the control planes are all that is known of
		s, err := c.Status(ctx, f)
		return s, 0, err
	}
	f = c.remembered(inv, a.Endpoints)
	if !inv.Settings.Usable() {
		a.ports(f.Cluster)
	}
	s, err := c.Status(ctx, f, func(o *bootstrap.Options) { o.Remembered = true })
	return s, f.Cluster.Certificates.RenewBefore, err
}

// RememberedAccess is the access of a cluster, by what it remembers.
func RememberedAccess(inv *inventory.Inventory) input.Object {
	var api topology.API // without ports where the cluster has not recorded them
	if inv.Settings.Usable() {
		api = inv.Outline(topology.SSH{}).Clusters[0].API
	}
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
	return input.Object{
		"name": inv.Cluster, "id": inv.ClusterID, "endpoints": endpoints, "api_port": another(api.Port, topology.APIPort, false), "api_local_port": another(api.LocalPort, topology.APILocalPort, false),
	}
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
