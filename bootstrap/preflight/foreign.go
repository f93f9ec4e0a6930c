package preflight

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// foreignUnit is a unit that somebody else may have on a host.
type foreignUnit struct {
	name     string
	what     string
	role     topology.Role // "" for every node
	severity Severity      // when it is active
	// clashes is set where Trivet has a unit of the same name, which would take the place of this one.
	clashes bool
}

var foreignUnits = []foreignUnit{
	{"etcd.service", "etcd", topology.RoleEtcd, Error, true},
	{"kube-apiserver.service", "an API server", topology.RoleControlPlane, Error, true},
	{"kubelet.service", "a kubelet", "", Error, true},
	{"kube-proxy.service", "a kube-proxy", "", Error, true},
	{"containerd.service", "containerd", "", Error, true},
	{"flanneld.service", "flannel", "", Error, true},
	{"k3s.service", "k3s", "", Error, false},
	{"k3s-agent.service", "k3s", "", Error, false},
	{"rke2-server.service", "RKE2", "", Error, false},
	{"rke2-agent.service", "RKE2", "", Error, false},
	{"k0scontroller.service", "k0s", "", Error, false},
	{"k0sworker.service", "k0s", "", Error, false},
	{"snap.microk8s.daemon-kubelite.service", "MicroK8s", "", Error, false},
	{"docker.service", "Docker", "", Warning, false},
	{"crio.service", "CRI-O", "", Warning, false},
}

// foreignFolder is a folder in which another cluster leaves something.
type foreignFolder struct {
	path, what, remedy string
	role               topology.Role // "" for every node
	severity           Severity
}

const moveAway = "look at what it is, and move it away or delete it; Trivet never deletes what it did not make"

var foreignFolders = []foreignFolder{
	{"/var/lib/etcd", "data of another etcd", "if nobody needs it, move it away; Trivet never wipes it and never starts a cluster over it", topology.RoleEtcd, Error},
	{"/etc/kubernetes/manifests", "manifests of another Kubernetes, such as one of kubeadm", "remove that Kubernetes first (kubeadm reset)", "", Error},
	{"/var/lib/kubelet", "data of another kubelet", moveAway, "", Error},
	{"/var/lib/containerd", "images and containers of another containerd", moveAway, "", Error},
	{"/etc/cni/net.d", "a network configuration of another Kubernetes or of Podman, which containerd may prefer", moveAway, "", Warning},
}

func plays(h *topology.Host, r topology.Role) bool {
	return r == "" && h.IsNode() || r != "" && h.Has(r)
}

func (c *checker) foreign(h *topology.Host, o *hostapi.Observation, p *hostapi.ProbeResult) {
	for _, u := range foreignUnits {
		found, there := p.Units[u.name]
		if !there || !plays(h, u.role) || recorded(o, hostapi.KindUnit, u.name) || recorded(o, hostapi.KindFile, "/etc/systemd/system/"+u.name) {
			continue
		}
		switch {
		case found.Active == "active" || found.Active == "activating" || found.Active == "reloading":
			remedy := "remove it first, or use another host"
			if u.severity == Warning {
				remedy = "stop and disable it, unless you know that it keeps its hands off interfaces, chains and control groups of pods"
			}
			c.add(CheckForeign, u.severity, h.Name, fmt.Sprintf("%s runs there, which Trivet did not set up (%s)", u.what, u.name), remedy)
		case found.Load == "masked" && u.clashes:
			c.add(CheckForeign, Error, h.Name, fmt.Sprintf("%s is masked", u.name), "run systemctl unmask "+u.name)
		case u.clashes:
			c.add(CheckForeign, Warning, h.Name, fmt.Sprintf("%s is installed, and does not run (%s)", u.what, u.name), "remove its package: Trivet's unit of the same name takes its place")
		}
	}
	for _, f := range foreignFolders {
		if found := p.Paths[f.path]; found.Entries > 0 && plays(h, f.role) && !recordedBelow(o, f.path) {
			c.add(CheckForeign, f.severity, h.Name, fmt.Sprintf("%s is not empty: %s", f.path, f.what), f.remedy)
		}
	}
}

// recordedBelow reports whether Trivet made a folder, or something in it.
func recordedBelow(o *hostapi.Observation, dir string) bool {
	if o.Record == nil {
		return false
	}
	return slices.ContainsFunc(o.Record.Items, func(r hostapi.RecordedItem) bool {
		id := r.Item.ID()
		onDisk := id.Kind == hostapi.KindDirectory || id.Kind == hostapi.KindFile || id.Kind == hostapi.KindArtifact || id.Kind == hostapi.KindKeyPair
		return onDisk && (id.Name == dir || strings.HasPrefix(id.Name, dir+"/"))
	})
}

// clusters finds hosts that were set up for another cluster.
func (c *checker) clusters() {
	ids := map[string][]string{}
	for _, h := range c.Cluster.Hosts {
		o := c.Seen[h.Name]
		if o == nil || o.Record == nil || o.Record.ClusterID == "" {
			continue
		}
		if r := o.Record; r.Cluster != c.Cluster.Name {
			c.add(CheckForeign, Error, h.Name, fmt.Sprintf("it was set up for cluster %q (%s)", r.Cluster, r.ClusterID),
				"run `trivet destroy` with the topology of that cluster, or take the host out of this one")
			continue
		}
		ids[o.Record.ClusterID] = append(ids[o.Record.ClusterID], h.Name)
	}
	if len(ids) < 2 {
		return
	}
	var parts []string
	for _, id := range sortedKeys(ids) {
		parts = append(parts, fmt.Sprintf("%s for %s", desired.Few(ids[id]), id))
	}
	c.add(CheckForeign, Error, "", "hosts were set up for different clusters of the same name: "+strings.Join(parts, ", "), "destroy one of them first")
}

// protection warns of what filters packets or accesses by rules of its own.
func (c *checker) protection(h *topology.Host, p *hostapi.ProbeResult) {
	for _, unit := range []string{"firewalld.service", "ufw.service"} {
		if p.Units[unit].Active != "active" {
			continue
		}
		name := strings.TrimSuffix(unit, ".service")
		c.add(CheckFirewall, Warning, h.Name, name+" is active", fmt.Sprintf("disable it, or have it allow %s, and forward between %s and %s",
			strings.Join(c.inbound(h), ", "), c.Cluster.PodCIDR, c.Cluster.ServiceCIDR))
	}
	if p.SELinux == "enforcing" {
		c.add(CheckSELinux, Warning, h.Name, "SELinux is enforcing", "allow what Trivet puts below /opt/trivet and /var/lib to run, or set SELinux to permissive: no policy comes with Trivet")
	}
}

// inbound lists the ports that other hosts use.
func (c *checker) inbound(h *topology.Host) []string {
	var out []string
	for _, p := range portsOf(c.Cluster, h) {
		if s := fmt.Sprintf("%d/%s", p.number, p.network); p.bind && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// port is one that a component of a host listens on.
type port struct {
	network string
	number  int
	on      listens
	unit    string // the component's
	// bind has the port tried by a probe's listener: others come to it.
	bind bool
}

// address is where a probe listens: not on all addresses, so that it is the one that others use which is tried.
func (p port) address(h *topology.Host) netip.AddrPort {
	return netip.AddrPortFrom(h.Address, uint16(p.number))
}

// listens says on which addresses.
type listens int

const (
	onAddress  listens = iota // the host's own
	onLoopback                // 127.0.0.1
	onEverywhere
)

// portsOf is the table of ports, as templates/units and templates/config have them.
func portsOf(cl *topology.Cluster, h *topology.Host) []port {
	const tcp, udp = hostapi.ProbeTCP, hostapi.ProbeUDP
	var out []port
	if h.Has(topology.RoleEtcd) {
		out = append(out,
			port{tcp, 2379, onAddress, "etcd.service", true}, port{tcp, 2380, onAddress, "etcd.service", true},
			port{tcp, 2379, onLoopback, "etcd.service", false}, port{tcp, 2381, onLoopback, "etcd.service", false}, port{tcp, 2382, onLoopback, "etcd.service", false})
	}
	if h.Has(topology.RoleControlPlane) {
		out = append(out,
			port{tcp, cl.API.Port, onEverywhere, "kube-apiserver.service", true},
			port{tcp, 10257, onLoopback, "kube-controller-manager.service", false}, port{tcp, 10259, onLoopback, "kube-scheduler.service", false})
	}
	if h.IsNode() {
		out = append(out,
			port{tcp, cl.API.LocalPort, onLoopback, "trivet-haproxy.service", false},
			port{tcp, 10250, onAddress, "kubelet.service", true}, port{tcp, 10248, onLoopback, "kubelet.service", false},
			port{tcp, 10249, onLoopback, "kube-proxy.service", false}, port{tcp, 10256, onEverywhere, "kube-proxy.service", false})
		if overlay(cl) {
			out = append(out, port{udp, vxlanPort, onAddress, "flanneld.service", true})
		}
	}
	if len(cl.SnapshotSources(h)) > 0 {
		out = append(out, port{tcp, topology.SnapshotPort, onAddress, "trivet-snapshot-receive.socket", true})
	}
	return out
}

// bound lists the ports that a probe may listen on: those of components that are not on the host yet, so that none finds its own port taken.
func (in *Input) bound(h *topology.Host) []port {
	o := in.Seen[h.Name]
	if o == nil {
		return nil
	}
	var out []port
	for _, p := range portsOf(in.Cluster, h) {
		if p.bind && !recorded(o, hostapi.KindUnit, p.unit) {
			out = append(out, p)
		}
	}
	return out
}

// ports finds who has a port that a role needs.
func (c *checker) ports(h *topology.Host, o *hostapi.Observation) {
	bound := c.bound(h)
	for _, p := range portsOf(c.Cluster, h) {
		if recorded(o, hostapi.KindUnit, p.unit) {
			continue
		}
		component := strings.TrimSuffix(p.unit, ".service")
		if l, taken := takenBy(h, o, p); taken {
			c.add(CheckPorts, Error, h.Name, fmt.Sprintf("port %d/%s, which %s needs, is taken by %s on %s", p.number, p.network, component, cmp.Or(l.Process, "an unknown process"), l.Address),
				fmt.Sprintf("stop it (ss -lpn 'sport = :%d' shows it), or have it listen elsewhere", p.number))
			continue
		}
		i := slices.Index(bound, p)
		states := c.Listening[h.Name].Ports
		if i < 0 || i >= len(states) || states[i].Listening {
			continue
		}
		switch s := states[i]; {
		case s.Taken:
			c.add(CheckPorts, Error, h.Name, fmt.Sprintf("port %d/%s, which %s needs, is taken", p.number, p.network, component), fmt.Sprintf("see by whom with ss -lpn 'sport = :%d', and stop it", p.number))
		case !strings.Contains(s.Error, "cannot assign requested address"): // told by address already
			c.add(CheckPorts, Error, h.Name, fmt.Sprintf("nothing can listen on port %d/%s, which %s needs: %s", p.number, p.network, component, s.Error), "mend what the message says")
		}
	}
}

// takenBy finds a listener that would keep a component from its port.
func takenBy(h *topology.Host, o *hostapi.Observation, p port) (hostapi.Listener, bool) {
	for _, l := range o.Facts.Listeners {
		if l.Protocol != p.network || l.Port != p.number {
			continue
		}
		everywhere := !l.Address.IsValid() || l.Address.IsUnspecified()
		switch {
		case everywhere, p.on == onEverywhere, p.on == onAddress && l.Address == h.Address, p.on == onLoopback && l.Address.String() == "127.0.0.1":
			return l, true
		}
	}
	return hostapi.Listener{}, false
}
