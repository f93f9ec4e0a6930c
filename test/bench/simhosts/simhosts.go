// Package simhosts is a running cluster whose hosts are simulated behind real SSH servers: the helper's own code and protocol over folders in memory. The servers belong in a
// process of their own, so that what is measured of the operator's process is the operator's alone.
package simhosts

import (
	"fmt"

	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/kube"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// User logs in to the hosts, and needs sudo there.
const User = "ops"

// perSite is how many hosts a site's one rack holds.
const perSite = 40

// Fleet is what an operator has to know of the servers.
type Fleet struct {
	Hosts      int               `json:"hosts"`
	Recipient  string            `json:"recipient"`  // of the cluster's sealed identity
	Identity   string            `json:"identity"`   // that opens it
	PrivateKey string            `json:"privateKey"` // path of the SSH key that logs in
	Port       int               `json:"port"`
	Addresses  map[string]string `json:"addresses"` // where each host's SSH server listens
	HostKeys   map[string]string `json:"hostKeys"`
}

// settings is a cluster of n hosts: a control plane in each of three sites, workers everywhere.
func settings(n, parallel int) fleettest.Settings {
	s := fleettest.Settings{Name: "scale", Parallel: parallel}
	for i := range n {
		site := fmt.Sprintf("s%02d", i/perSite+1)
		h := fleettest.Host{Name: fmt.Sprintf("%s-w%02d", site, i%perSite+1), Site: site, Roles: []string{"worker"}}
		if controlPlane(i, n) {
			h.Name, h.Roles = fmt.Sprintf("%s-cp%d", site, i%perSite+1), []string{"etcd", "control-plane"}
		}
		s.Hosts = append(s.Hosts, h)
	}
	return s
}

// spare is the host that is there and no part of the cluster.
const spare = "spare"

// withSpare is the cluster with the spare host, in its last site.
func withSpare(n, parallel int) fleettest.Settings {
	s := settings(n, parallel)
	s.Hosts = append(s.Hosts, fleettest.Host{Name: spare, Site: s.Hosts[n-1].Site, Roles: []string{"worker"}})
	return s
}

// controlPlane picks the first host of each of the first three sites, or the first three hosts where there are fewer sites.
func controlPlane(i, n int) bool {
	if n < 3*perSite {
		return i == 0 || n >= 3 && i < 3
	}
	return i%perSite == 0 && i/perSite < 3
}

// Source is the topology as an operator writes it, but for how each host is reached.
func (f *Fleet) Source(parallel int) []byte {
	return []byte(settings(f.Hosts, parallel).HCL(f.Recipient))
}

// Parse reads the topology and adds how each host is reached.
func (f *Fleet) Parse(source []byte) (*topology.Topology, error) {
	t, _, diags := topology.Parse(map[string][]byte{"fleet.hcl": source}, topology.Options{
		Releases: release.Known, CheckSettings: release.CheckComponent, CheckManifests: kube.CheckManifests,
	})
	if diags.HasErrors() {
		return nil, diags
	}
	f.reach(t)
	return t, nil
}

func (f *Fleet) reach(t *topology.Topology) {
	s := &t.Fleet.SSH
	s.User, s.PrivateKey, s.Port, s.ConfigFile, s.Agent = User, f.PrivateKey, f.Port, "none", false
	for _, h := range t.AllHosts() {
		h.SSHAddress, h.HostKey = f.Addresses[h.Name], f.HostKeys[h.Name]
	}
}
