package topology

import (
	"strings"
	"testing"
)

// Copies go to other regions first, and are spread over sites; a site takes them on a member, or on what it has.
func TestSnapshotCopies(t *testing.T) {
	north, south := &Region{Name: "north"}, &Region{Name: "south"}
	c := &Cluster{Etcd: Etcd{Snapshots: Snapshots{Wanted: true}}}
	add := func(r *Region, site, name string, roles ...Role) *Host {
		var at *Site
		for _, s := range c.Sites {
			if s.Name == site {
				at = s
			}
		}
		if at == nil {
			at = &Site{Name: site, Region: r}
			c.Sites = append(c.Sites, at)
		}
		h := &Host{Name: name, Roles: roles, Rack: &Rack{Room: &Room{Site: at}}}
		c.Hosts = append(c.Hosts, h)
		return h
	}
	a1, a2 := add(north, "a", "a1", RoleEtcd), add(north, "a", "a2", RoleEtcd)
	b0, b1 := add(north, "b", "b0", RoleWorker), add(north, "b", "b1", RoleEtcd, RoleControlPlane)
	c1, c2 := add(south, "c", "c1", RoleWorker), add(south, "c", "c2", RoleControlPlane)
	add(south, "d", "d1")
	names := func(hosts []*Host) string {
		var out []string
		for _, h := range hosts {
			out = append(out, h.Name)
		}
		return strings.Join(out, " ")
	}
	for copies, want := range []map[*Host]string{
		{a1: "", b1: "", c2: ""},
		{a1: "c2", a2: "c2", b1: "c2", c2: "", c1: ""},
		{a1: "c2 b1", a2: "c2 b1", b1: "c2 a1"},
		{a1: "c2 b1", b1: "c2 a1"}, // a site without roles takes none
	} {
		c.Etcd.Snapshots.Copies = copies
		for h, to := range want {
			if got := names(c.SnapshotCopies(h)); got != to {
				t.Errorf("%d copies from %s go to %q, want %q", copies, h.Name, got, to)
			}
		}
	}
	for h, from := range map[*Host]string{a1: "b1", a2: "", b1: "a1 a2", b0: "", c2: "a1 a2 b1", c1: ""} {
		if got := names(c.SnapshotSources(h)); got != from || c.KeepsSnapshots(h) != (from != "" || h.Has(RoleEtcd)) {
			t.Errorf("%s gets copies from %q, want %q; it keeps some: %v", h.Name, got, from, c.KeepsSnapshots(h))
		}
	}
	c.Etcd.Snapshots.Wanted = false
	if c.KeepsSnapshots(a1) || c.SnapshotCopies(a1) != nil {
		t.Error("without the block there are snapshots")
	}
}
