package desired

import (
	"strconv"

	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/artifact"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// system makes what belongs to no component: users, kernel modules and parameters, and the claims on by-products.
func (b *builder) system() {
	b.part = PartHost
	if b.host.Has(topology.RoleEtcd) {
		b.item(hostapi.Item{User: &hostapi.User{Name: "etcd", Home: "/var/lib/etcd"}})
	}
	if !b.host.IsNode() {
		return
	}
	b.modules()
	b.sysctls()
	b.packages()
	b.claims()
}

// modules are optional as modules: where one is not there it is built in, or a container's host has loaded it.
func (b *builder) modules() {
	names := []string{"overlay", "br_netfilter", "nf_conntrack"}
	if b.cluster.Network.Plugin == release.PluginFlannel {
		names = append(names, "vxlan")
	}
	for _, name := range names {
		b.item(hostapi.Item{Module: &hostapi.Module{Name: name, Optional: true}})
	}
}

// sysctls are set by Trivet even where a component would set them by itself, so that the values from before come back when the host is given back.
func (b *builder) sysctls() {
	set := func(optional bool, key, value string) {
		b.item(hostapi.Item{Sysctl: &hostapi.Sysctl{Key: key, Value: value, Optional: optional}})
	}
	set(false, "net.ipv4.ip_forward", "1")
	set(true, "net.bridge.bridge-nf-call-iptables", "1")
	set(true, "fs.inotify.max_user_instances", "8192")
	set(true, "fs.inotify.max_user_watches", "524288")
	// What a kubelet sets (pkg/kubelet/cm setupKernelTunables, 1.36 and 1.37).
	set(true, "vm.overcommit_memory", "1")
	set(true, "vm.panic_on_oom", "0")
	set(true, "kernel.panic", "10")
	set(true, "kernel.panic_on_oops", "1")
	set(true, "kernel.keys.root_maxkeys", "1000000")
	set(true, "kernel.keys.root_maxbytes", "25000000")
	if b.cluster.Network.ProxyMode == release.ModeIPTables && b.localNodePorts() {
		set(true, "net.ipv4.conf.all.route_localnet", "1") // what a kube-proxy sets in this mode
	}
	if !b.facts.ConntrackWritable {
		return
	}
	// What a kube-proxy would set, unless the user has it set something: kube-proxy is told to leave them alone.
	touched, _ := b.settings("kube-proxy")["conntrack"].(map[string]any)
	unless := func(field, key string, value int) {
		if _, theirs := touched[field]; !theirs {
			set(true, "net.netfilter."+key, strconv.Itoa(value))
		}
	}
	if _, theirs := touched["min"]; !theirs {
		unless("maxPerCore", "nf_conntrack_max", max(32768*b.facts.CPUs, 131072))
	}
	unless("tcpEstablishedTimeout", "nf_conntrack_tcp_timeout_established", 86400)
	unless("tcpCloseWaitTimeout", "nf_conntrack_tcp_timeout_close_wait", 3600)
}

// localNodePorts says whether node ports are to answer on the loopback address, as they do unless the user has it otherwise.
func (b *builder) localNodePorts() bool {
	iptables, _ := b.settings("kube-proxy")["iptables"].(map[string]any)
	return iptables["localhostNodePorts"] != false
}

// packages come before the claims, and so go after them: removing rules takes the programs that made them.
func (b *builder) packages() {
	for _, name := range release.Packages(b.cluster.Network.Plugin, b.cluster.Network.ProxyMode) {
		b.pkg(name)
	}
}

// claims are the by-products of components, by names that are surely theirs. Virtual interfaces of pods go with the pods' namespaces.
func (b *builder) claims() {
	b.claim(hostapi.ClaimTree, "/run/containerd", "/var/log/pods", "/var/log/containers", "/var/lib/cni")
	b.claim(hostapi.ClaimLink, "cni0")
	if b.cluster.Network.ProxyMode == release.ModeNFTables {
		b.claim(hostapi.ClaimNFTTable, "ip kube-proxy", "ip6 kube-proxy", "ip cni_hostport", "ip6 cni_hostport")
	} else {
		// What kube-proxy's rules count with (pkg/proxy/metrics, 1.36 and 1.37): made after the counters' claim, they go before it.
		b.claim(hostapi.ClaimCounter, "ct_state_invalid_dropped_pkts", "localhost_nps_accepted_pkts")
		b.claim(hostapi.ClaimChains, "KUBE-*", "CNI-*")
	}
	if b.cluster.Network.Plugin == release.PluginFlannel {
		b.claim(hostapi.ClaimTree, "/run/flannel")
		b.item(flannelLink(b.in))
		if b.cluster.Network.ProxyMode == release.ModeNFTables {
			b.claim(hostapi.ClaimNFTTable, "ip flannel-ipv4", "ip6 flannel-ipv6")
		} else {
			b.claim(hostapi.ClaimChains, "FLANNEL-*")
		}
	} else if b.cluster.Network.Routes != "external" {
		b.claim(hostapi.ClaimNFTTable, "ip trivet")
	}
}

// flannelLink is the interface that flanneld makes, with a route to every other node. Who deletes it deletes the routes too, and flanneld does not notice.
func flannelLink(in *Input) hostapi.Item {
	nodes := 0
	for _, h := range in.Inventory.Hosts {
		if h.PodCIDR.IsValid() {
			nodes++
		}
	}
	return hostapi.Item{Claim: &hostapi.Claim{What: hostapi.ClaimLink, Name: "flannel.1", Unit: FlannelUnit, Routes: nodes > 1}}
}

// claim owns by-products.
func (b *builder) claim(what hostapi.Claimed, names ...string) {
	for _, name := range names {
		b.item(hostapi.Item{Claim: &hostapi.Claim{What: what, Name: name}})
	}
}

// claimPods claims what pods leave in the kernel. These claims are made after the data folders and before the units, and undone the other way
// round: once the units have stopped, processes go, then mounts and namespaces, and only then the folders that were mounted on.
func (b *builder) claimPods() {
	b.claim(hostapi.ClaimNetns, "/run/netns/cni-*")
	b.claim(hostapi.ClaimMounts, "/var/lib/kubelet", "/run/containerd")
	b.claim(hostapi.ClaimCgroup, "kubepods*")
}

// Distribution names the distribution that a host's packages have to be made for: debian-12.
func Distribution(f hostapi.Facts) string { return f.OS.ID + "-" + f.OS.VersionID }

// pkg asks for a distribution package, from offline copies where the artifacts have them for this distribution.
func (b *builder) pkg(name string) hostapi.ID {
	p := &hostapi.Package{Name: name}
	distribution := Distribution(b.facts)
	for _, e := range b.store[artifact.Want{Name: name, Arch: b.facts.Architecture, Kind: artifact.Package}] {
		if e.Distribution == "" || e.Distribution == distribution {
			p.Archives = append(p.Archives, blob(e))
		}
	}
	return b.item(hostapi.Item{Package: p})
}
