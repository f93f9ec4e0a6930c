package bootstrap_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/trivet-dev/trivet/bootstrap/fleettest"
)

// TestOneWorkerMore counts the hosts that a new worker has to do with: itself, one of its site that hands out artifacts, and the control planes, which keep the inventory. The others are
// looked at, and learn that a newer run was there.
func TestOneWorkerMore(t *testing.T) {
	host := func(name, site string, roles ...string) fleettest.Host {
		return fleettest.Host{Name: name, Site: site, Roles: roles}
	}
	s := fleettest.Settings{Hosts: []fleettest.Host{
		host("cp1", "s1", "control-plane", "etcd"), host("cp2", "s2", "control-plane", "etcd"), host("cp3", "s3", "control-plane", "etcd"),
		host("w1", "s1", "worker"), host("w2", "s2", "worker"), host("w3", "s3", "worker"), host("w4", "s4", "worker"), host("w5", "s4", "worker"),
	}}
	f := newFleet(t, s)
	apply(t, open(t, f))
	s.Hosts = append(slices.Clone(s.Hosts), host("w6", "s4", "worker"))
	must(t, f.Change(s))
	touched := map[string]bool{}
	f.OnPoint = func(host, point string) {
		if word, _, _ := strings.Cut(point, " "); !slices.Contains([]string{"hold", "raise", "raised"}, word) {
			touched[host] = true
		}
	}
	before := trees(t, f)
	apply(t, open(t, f))
	f.OnPoint = nil
	same(t, "touched", []string{"api", "cp1", "cp2", "cp3", "w4", "w6"}, slices.Sorted(maps.Keys(touched)))
	after := trees(t, f)
	for _, name := range []string{"w1", "w2", "w3", "w4", "w5"} {
		for path, content := range after[name] {
			if before[name][path] != content && !strings.HasPrefix(path, "/var/lib/trivet/record.json") {
				t.Errorf("host %s: %s has changed", name, path)
			}
		}
	}
}
