package bootstrap_test

import (
	"testing"

	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// TestMembersThatAreToBeNoneAreAsked: a member on a host that gives up the role is one of those that are asked, until it is taken out. Not asked, it counts as dead.
func TestMembersThatAreToBeNoneAreAsked(t *testing.T) {
	host := func(name string, roles ...string) fleettest.Host {
		return fleettest.Host{Name: name, Site: "s1", Roles: roles}
	}
	f := newFleet(t, fleettest.Settings{Hosts: []fleettest.Host{
		host("cp1", "control-plane", "etcd"), host("cp2", "control-plane", "etcd"), host("cp3", "control-plane", "etcd"), host("w1", "worker"),
	}})
	apply(t, open(t, f))
	if err := f.Change(fleettest.Settings{Hosts: []fleettest.Host{
		host("cp1", "control-plane", "etcd"), host("cp2", "control-plane", "etcd"), host("cp3", "worker"), host("w1", "control-plane", "etcd"),
	}}); err != nil {
		t.Fatal(err)
	}
	e := open(t, f)
	planOf(t, e)
	for _, r := range []topology.Role{topology.RoleEtcd, topology.RoleControlPlane} {
		same(t, "those with "+string(r), []string{"cp1", "cp2", "cp3", "w1"}, e.Asked(r))
	}
	apply(t, e)
	e = open(t, f)
	planOf(t, e)
	for _, r := range []topology.Role{topology.RoleEtcd, topology.RoleControlPlane} {
		same(t, "those with "+string(r)+" afterwards", []string{"cp1", "cp2", "w1"}, e.Asked(r))
	}
}
