package certs_test

import (
	"cmp"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/topology"
)

const day = 24 * time.Hour

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// twoPlaces is laid out as the example topology: two places, three centres, five hosts.
func twoPlaces() *topology.Cluster {
	c := newCluster("main")
	member := []topology.Role{topology.RoleControlPlane, topology.RoleEtcd}
	worker := []topology.Role{topology.RoleWorker}
	addHost(c, "bj1-cp1", "10.11.1.11", member)
	addHost(c, "bj1-w1", "10.11.1.101", worker)
	addHost(c, "bj2-cp1", "10.12.1.11", member)
	addHost(c, "sh1-cp1", "10.21.1.11", member)
	addHost(c, "sh1-w1", "10.21.1.101", worker)
	return c
}

// apart has etcd and control plane on hosts of their own, the bridge plugin and names of its own for the API.
func apart() *topology.Cluster {
	c := newCluster("apart")
	c.Network.Plugin = "bridge"
	c.API.SANs = []string{"api.example.net", "192.0.2.10", "localhost"}
	c.DNS.Domain = "apart.example"
	c.ServiceCIDR = netip.MustParsePrefix("172.20.0.0/16")
	addHost(c, "e1", "10.0.0.1", []topology.Role{topology.RoleEtcd})
	addHost(c, "c1", "10.0.0.2", []topology.Role{topology.RoleControlPlane})
	return c
}

func newCluster(name string) *topology.Cluster {
	return &topology.Cluster{
		Name:         name,
		ServiceCIDR:  netip.MustParsePrefix("10.96.0.0/16"),
		DNS:          topology.DNS{Domain: "cluster.local"},
		Network:      topology.Network{Plugin: "flannel"},
		Certificates: topology.Certificates{CALifetime: 3650 * day, LeafLifetime: 365 * day, RenewBefore: 30 * day},
	}
}

func addHost(c *topology.Cluster, name, address string, roles []topology.Role) {
	c.Hosts = append(c.Hosts, &topology.Host{Name: name, Address: netip.MustParseAddr(address), Roles: roles})
	slices.SortFunc(c.Hosts, func(a, b *topology.Host) int { return cmp.Compare(a.Name, b.Name) })
}

func host(t *testing.T, c *topology.Cluster, name string) *topology.Host {
	t.Helper()
	for _, h := range c.Hosts {
		if h.Name == name {
			return h
		}
	}
	t.Fatalf("no host %s", name)
	return nil
}
