package preflight

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

func (c *checker) address(h *topology.Host, o *hostapi.Observation) {
	if _, ok := desired.Link(h, o.Facts); ok {
		return
	}
	var have []string
	for _, i := range o.Facts.Interfaces {
		for _, p := range i.Addresses {
			if !p.Addr().IsLoopback() {
				have = append(have, i.Name+" "+p.Addr().String())
			}
		}
	}
	message := fmt.Sprintf("none of its interfaces carries %s (it has %s)", h.Address, desired.Few(have))
	if h.Interface != "" {
		message = fmt.Sprintf("it has no interface %s (it has %s)", h.Interface, desired.Few(have))
	}
	c.add(CheckAddress, Error, h.Name, message, "correct the address or the interface"+topology.Aside(h.AddressRange))
}

// Versions of systemd: 239 is the oldest that a distribution still under maintenance has (RHEL 8), 244 the first that has all of control groups version 2.
const (
	systemdOldest    = 239
	systemdCgroups2  = 244
	kubernetesKernel = "4.19" // the oldest that Kubernetes' own checks take
)

func (c *checker) system(h *topology.Host, o *hostapi.Observation) {
	f := o.Facts
	if f.Architecture != "amd64" && f.Architecture != "arm64" {
		c.add(CheckSystem, Error, h.Name, fmt.Sprintf("it is a %s machine", f.Architecture), "use a host with amd64 or arm64: Kubernetes' binaries are there for these")
	}
	switch {
	case f.Init != "systemd":
		c.add(CheckSystem, Error, h.Name, fmt.Sprintf("its first process is %s and not systemd", orUnknown(f.Init)), "use a distribution with systemd as init: components are units")
	case f.SystemdVersion > 0 && f.SystemdVersion < systemdOldest:
		c.add(CheckSystem, Error, h.Name, fmt.Sprintf("it has systemd %d", f.SystemdVersion), fmt.Sprintf("upgrade the distribution: %d is needed", systemdOldest))
	case f.SystemdVersion > 0 && f.SystemdVersion < systemdCgroups2 && f.CgroupVersion == 2 && h.IsNode():
		c.add(CheckSystem, Warning, h.Name, fmt.Sprintf("it has systemd %d with control groups version 2", f.SystemdVersion),
			fmt.Sprintf("upgrade the distribution: before %d systemd does not manage all controllers", systemdCgroups2))
	}
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

// Memory below which a role does not come up, and below which it soon has trouble. A host of a nominal size shows a little less. Of a node's memory, 612 MiB
// are reserved for the system, the kubelet and evictions unless settings say otherwise; kubeadm wants 1700 MB for a control plane.
const (
	mib             = 1 << 20
	nodeLeast       = 900 * mib
	controlSensible = 1700 * 1000 * 1000
	etcdLeast       = 450 * mib
	etcdSensible    = 1900 * mib
	controlCPUs     = 2
)

func (c *checker) resources(h *topology.Host, o *hostapi.Observation) {
	memory, cpus := o.Facts.MemoryBytes, o.Facts.CPUs
	controls := h.Has(topology.RoleControlPlane)
	least, sensible := int64(etcdLeast), int64(0)
	if h.IsNode() {
		least = nodeLeast
	}
	if controls {
		sensible = controlSensible
	} else if h.Has(topology.RoleEtcd) {
		sensible = etcdSensible
	}
	roles := strings.Join(roleNames(h), " and ")
	switch {
	case memory <= 0:
	case memory < least:
		c.add(CheckResources, Error, h.Name, fmt.Sprintf("it has %s of memory, too little for %s", size(memory), roles), fmt.Sprintf("give it %s or more", size(least)))
	case memory < sensible:
		c.add(CheckResources, Warning, h.Name, fmt.Sprintf("it has %s of memory, little for %s", size(memory), roles), "give it 2 GiB or more")
	}
	if controls && cpus > 0 && cpus < controlCPUs {
		c.add(CheckResources, Warning, h.Name, fmt.Sprintf("it has %s, few for a control plane", topology.Count(cpus, "processor")), fmt.Sprintf("give it %d or more", controlCPUs))
	}
}

func roleNames(h *topology.Host) []string {
	var out []string
	for _, r := range h.Roles {
		out = append(out, string(r))
	}
	return out
}

// swap follows the kubelet, which does not start on a host with swap unless failSwapOn is off.
func (c *checker) swap(h *topology.Host, o *hostapi.Observation) {
	if o.Facts.SwapBytes <= 0 || !h.IsNode() {
		return
	}
	if desired.Settings(c.Cluster, h, "kubelet")["failSwapOn"] == false {
		return
	}
	c.add(CheckSwap, Error, h.Name, fmt.Sprintf("%s of swap are on, with which the kubelet does not start", size(o.Facts.SwapBytes)),
		"run swapoff -a and take swap out of /etc/fstab, or set failSwapOn = false in the settings of a kubelet component")
}

// features are what nodes need of the kernel, and what for.
func (c *checker) features() map[string]string {
	out := map[string]string{
		"overlay": "containerd's file systems", "veth": "pods' interfaces", "bridge": "the bridge that pods hang on",
		"br_netfilter": "pods that reach a Service whose pod is on the same host", "nf_conntrack": "Services",
		"cgroup:cpu": "the kubelet", "cgroup:cpuset": "the kubelet", "cgroup:memory": "the kubelet", "cgroup:pids": "the kubelet",
	}
	if c.Cluster.Network.Plugin == release.PluginFlannel {
		out["vxlan"] = "flannel"
	}
	if c.Cluster.Network.ProxyMode == release.ModeNFTables {
		out["nf_tables"] = "kube-proxy's nftables mode"
	}
	return out
}

func (c *checker) kernel(h *topology.Host, o *hostapi.Observation, p *hostapi.ProbeResult) {
	if !h.IsNode() {
		return
	}
	running := o.Facts.Kernel
	switch {
	case c.Cluster.Network.ProxyMode == release.ModeNFTables && desired.KernelBelow(running, desired.NFTablesKernel):
		c.add(CheckKernel, Error, h.Name, fmt.Sprintf("it runs kernel %s, and kube-proxy's nftables mode needs %s", running, desired.NFTablesKernel),
			"upgrade the kernel, or set proxy_mode = \"iptables\" in the network block")
	case desired.KernelBelow(running, kubernetesKernel):
		c.add(CheckKernel, Error, h.Name, fmt.Sprintf("it runs kernel %s, and Kubernetes needs %s", running, kubernetesKernel), "upgrade the kernel")
	}
	need := c.features()
	for _, name := range sortedKeys(need) {
		if has, known := p.Features[name]; known && !has {
			what, remedy := "module "+name, "install the kernel's complete modules (Debian: linux-image without -cloud, Ubuntu: linux-modules-extra), or another kernel"
			if controller, ok := strings.CutPrefix(name, "cgroup:"); ok {
				what = "control group controller " + controller
				remedy = fmt.Sprintf("enable it on the kernel's command line (cgroup_enable=%s) and boot again", controller)
			}
			c.add(CheckKernel, Error, h.Name, fmt.Sprintf("its kernel lacks the %s, which %s needs", what, need[name]), remedy)
		}
	}
}

// identities wants a machine id of its own of every host, since it is what tells one machine from another, and a name of its own.
func (c *checker) identities() {
	ids, names := map[string][]string{}, map[string][]string{}
	for _, h := range c.Cluster.Hosts {
		o := c.Seen[h.Name]
		if o == nil {
			continue
		}
		switch id := o.Facts.MachineID; id {
		case "", "uninitialized":
			if c.concerns(h.Name) {
				c.add(CheckIdentity, Error, h.Name, "it has no machine id", "run systemd-machine-id-setup there")
			}
		default:
			ids[id] = append(ids[id], h.Name)
		}
		if name := o.Facts.Hostname; name != "" {
			names[name] = append(names[name], h.Name)
		}
	}
	c.alike(ids, Error, func(id string, hosts []string) string {
		return fmt.Sprintf("%s have the same machine id %s: they are one machine, or clones", desired.Few(hosts), id)
	}, "give clones their own: rm /etc/machine-id && systemd-machine-id-setup, then boot again")
	c.alike(names, Warning, func(name string, hosts []string) string {
		return fmt.Sprintf("%s all call themselves %q", desired.Few(hosts), name)
	}, "set a name with hostnamectl on each; nodes are named as in the topology all the same")
}

func (c *checker) alike(groups map[string][]string, s Severity, message func(string, []string) string, remedy string) {
	for _, key := range sortedKeys(groups) {
		if hosts := groups[key]; len(hosts) > 1 && slices.ContainsFunc(hosts, c.concerns) {
			c.add(CheckIdentity, s, "", message(key, hosts), remedy)
		}
	}
}

// resolvers finds name servers that a pod of CoreDNS would take for itself: CoreDNS has dnsPolicy Default and so the name servers of its node.
func (c *checker) resolvers() {
	var with, without []string
	set := len(c.Cluster.DNS.Upstream) > 0
	for _, h := range c.Cluster.Nodes() {
		o := c.Seen[h.Name]
		if o == nil {
			continue
		}
		servers := o.Facts.Nameservers
		if len(servers) == 0 {
			without = append(without, h.Name)
			continue
		}
		with = append(with, h.Name)
		var loops []string
		for _, s := range servers {
			if a, err := netip.ParseAddr(s); err == nil && (a.IsLoopback() || a == c.Cluster.DNS.Address) {
				loops = append(loops, s)
			}
		}
		if len(loops) == 0 || !c.concerns(h.Name) {
			continue
		}
		message := fmt.Sprintf("%s names %s, which in a pod is the pod itself or CoreDNS", orUnknown(o.Facts.ResolvConf), strings.Join(loops, ", "))
		remedy := "name the servers behind it in upstream of a dns block, or in /etc/resolv.conf of the host"
		if set {
			c.add(CheckResolver, Warning, h.Name, message+": pods with dnsPolicy Default have no names from outside", "name the servers behind it in /etc/resolv.conf of the host")
		} else {
			c.add(CheckResolver, Error, h.Name, message+": CoreDNS would ask itself, notice and end", remedy)
		}
	}
	if !set && len(with) > 0 && len(without) > 0 {
		c.add(CheckResolver, Error, "", fmt.Sprintf("some nodes have a name server (%s) and some have none (%s), and CoreDNS could run on either", desired.Few(with), desired.Few(without)),
			"set upstream in a dns block, or give all nodes a name server")
	}
}
