package adopt

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// describer works a description out of what was found.
type describer struct {
	*Found
	o        Options
	config   clusterConfiguration
	version  string // of the cluster, without the v
	release  *release.Release
	exact    bool // the cluster runs that very release
	nodes    []*node
	findings []Finding
	unplaced map[string][]string // nodes without a label, by label
	laid     map[place][]rack
	net      network
	api      api
	etcd     etcdSettings
	settings []Setting
}

// node is a node with the host it is on.
type node struct {
	kube       *corev1.Node
	seen       *Host
	name       string // in the topology: the node's own, if a topology takes it
	address    netip.Addr
	place      place
	roles      []topology.Role
	manifests  map[string]*manifest
	kubelet    map[string]any
	kubeletArg map[string][]string
}

func (n *node) has(r topology.Role) bool { return slices.Contains(n.roles, r) }

// network is what the cluster block says of ranges and names.
type network struct {
	pods, services netip.Prefix
	nodePrefix     int
	domain         string
	dns            netip.Addr // invalid where it is the tenth of the services
	replicas       int        // of CoreDNS; 0 where it is the default
	plugin         string     // as it is called: flannel, calico, …
	proxyMode      string     // "" for Trivet's default
	proxyNow       string
}

type api struct {
	port   int // 0 for the default
	sans   []string
	issuer string // "" for the default
}

// etcdSettings are flags that the topology has arguments for.
type etcdSettings struct{ quota, heartbeat, election, compaction string }

// find adds a finding.
func (d *describer) find(level Level, subject, what, remedy string) {
	d.findings = append(d.findings, Finding{level, subject, what, remedy})
}

// Describe makes the topology and the report of a cluster.
func Describe(found *Found, o Options) (*Description, error) {
	d := &describer{Found: found, unplaced: map[string][]string{}}
	if err := yaml.Unmarshal([]byte(found.ClusterConfig), &d.config); err != nil {
		return nil, fmt.Errorf("the ConfigMap kubeadm-config of the cluster: %w", err)
	}
	d.o = o
	d.o.Cluster = cmp.Or(o.Cluster, nameOf(cmp.Or(d.config.ClusterName, "kubernetes")))
	d.o.Fleet = cmp.Or(o.Fleet, d.o.Cluster)
	d.o.Region, d.o.Site = cmp.Or(o.Region, "region-1"), cmp.Or(o.Site, "site-1")
	d.o.Room, d.o.Rack = cmp.Or(o.Room, "room-1"), cmp.Or(o.Rack, "rack")
	d.readVersion()
	d.readNodes()
	d.laid = d.racks()
	d.readNetwork()
	d.readAPI()
	d.readEtcd()
	d.look()
	return d.description()
}

// readVersion finds the release that the topology names.
func (d *describer) readVersion() {
	d.version = strings.TrimPrefix(d.config.KubernetesVersion, "v")
	known := release.Supported()
	name := known[0]
	have, ok := release.ReadVersion(d.version)
	switch {
	case !ok:
		d.find(Blocked, "version", fmt.Sprintf("%q is no version of Kubernetes that Trivet can read", d.config.KubernetesVersion), "look at the ConfigMap kubeadm-config")
	case slices.Contains(known, d.version):
		name, d.exact = d.version, true
	default:
		name = d.nearestRelease(have, known)
	}
	d.release, _ = release.Lookup(name) // it is one of those supported
}

// nearestRelease picks the release to describe the cluster with, and says what lies between.
func (d *describer) nearestRelease(have release.Version, known []string) string {
	list := strings.Join(known, " and ")
	for _, k := range known {
		v, _ := release.ReadVersion(k)
		if v.Minor() != have.Minor() {
			continue
		}
		if v.Compare(have) > 0 {
			d.find(Risk, "version", fmt.Sprintf("the cluster runs %s, which this trivet does not know; it knows %s", d.version, list),
				fmt.Sprintf("the topology names %s: upgrade to it first (kubeadm upgrade apply v%s), or taking over includes this patch upgrade", k, k))
		} else {
			d.find(Blocked, "version", fmt.Sprintf("the cluster runs %s, and the newest of its minor version that this trivet knows is %s", d.version, k),
				"Kubernetes has no way back between patches that is tested: use a trivet that knows "+d.version)
		}
		return k
	}
	oldest, _ := release.ReadVersion(known[0])
	newest := known[len(known)-1]
	if have.Compare(oldest) > 0 {
		d.find(Blocked, "version", fmt.Sprintf("the cluster runs %s, newer than all that this trivet knows (%s)", d.version, list), "use a trivet that knows it")
		return newest
	}
	var way []string
	for minor := have[1]; minor < oldest[1]; minor++ {
		way = append(way, fmt.Sprintf("%d.%d", have[0], minor))
	}
	way = append(way, known[0])
	d.find(Blocked, "version", fmt.Sprintf("the cluster runs %s, older than all that this trivet knows (%s)", d.version, list),
		"upgrade it with kubeadm, one minor version at a time: "+strings.Join(way, " → "))
	return known[0]
}

// readNodes puts nodes and hosts together.
func (d *describer) readNodes() {
	names := map[string]string{}
	for i := range d.Found.Nodes {
		k := &d.Found.Nodes[i]
		n := &node{kube: k, name: nameOf(k.Name), seen: d.Hosts[k.Name], address: internalIP(k)}
		if n.name != k.Name {
			d.find(Blocked, k.Name, fmt.Sprintf("the topology calls it %s: names of hosts have lower-case letters, digits and hyphens, and a node cannot change its name", n.name),
				"join the machine again under another name (kubeadm reset, then join with --node-name)")
		}
		if other, taken := names[n.name]; taken {
			d.find(Blocked, k.Name, fmt.Sprintf("it and %s would have one name", other), "join one of the machines again under another name")
			n.name = fmt.Sprintf("%s-%d", n.name, i)
		}
		names[n.name] = k.Name
		if !n.address.IsValid() {
			d.find(Blocked, n.name, "the node has no IPv4 address of type InternalIP, so it is not in the topology", "write the host into its rack")
		}
		d.readHost(n)
		n.place = d.placeOf(n)
		d.nodes = append(d.nodes, n)
	}
	d.oneRegionEach()
	for label, title := range map[string]string{labelRegion: "region", labelZone: "site"} {
		if nodes := d.unplaced[label]; len(nodes) > 0 && len(nodes) < len(d.nodes) {
			slices.Sort(nodes)
			d.find(Risk, strings.Join(nodes, ", "), fmt.Sprintf("no label %s, and other nodes have one", label), "put it into the right "+title+" in the topology")
		}
	}
}

func (d *describer) readHost(n *node) {
	var problems []string
	if n.seen == nil {
		n.seen = &Host{Problem: "it was not looked at"}
	}
	n.manifests, problems = manifests(n.seen)
	for _, p := range problems {
		d.find(Risk, n.name, p, "look at the file there: what it runs is not in this report")
	}
	fields, err := fieldsOf(n.seen.text(kubeletConfig))
	if err != nil {
		d.find(Risk, n.name, fmt.Sprintf("%s: %v", kubeletConfig, err), "look at the file there: it is not compared")
	}
	n.kubelet = fields
	n.kubeletArg = environment(n.seen.text(kubeletFlags))
	for _, file := range []string{"/etc/default/kubelet", "/etc/sysconfig/kubelet"} {
		maps.Copy(n.kubeletArg, environment(n.seen.text(file)))
	}
	_, isControlPlane := n.kube.Labels[controlPlaneLabel]
	// Trivet runs etcd on hosts of the cluster: with external members, control planes stand in for them.
	isMember := n.manifests["etcd"] != nil || isControlPlane && d.config.Etcd.External != nil
	for _, m := range d.Members {
		isMember = isMember || m.Name == n.kube.Name
	}
	if isMember {
		n.roles = append(n.roles, topology.RoleEtcd)
	}
	if isControlPlane || n.manifests["kube-apiserver"] != nil {
		n.roles = append(n.roles, topology.RoleControlPlane)
	}
	open := !slices.ContainsFunc(n.kube.Spec.Taints, func(t corev1.Taint) bool { return t.Key == controlPlaneLabel })
	if !n.has(topology.RoleControlPlane) || open {
		n.roles = append(n.roles, topology.RoleWorker)
	}
}

// first is the control plane that was asked.
func (d *describer) first() *node {
	for _, n := range d.nodes {
		if n.kube.Name == d.First {
			return n
		}
	}
	return nil
}

// program is the manifest of a component on the first control plane.
func (d *describer) program(name string) *manifest {
	if n := d.first(); n != nil {
		return n.manifests[name]
	}
	return nil
}

// readNetwork finds ranges, names, plugin and proxy.
func (d *describer) readNetwork() {
	c := d.config.Networking
	d.net.services = d.oneRange("serviceSubnet", cmp.Or(c.ServiceSubnet, "10.96.0.0/12"))
	d.net.domain = cmp.Or(c.DNSDomain, "cluster.local")
	d.net.pods = d.oneRange("podSubnet", c.PodSubnet)
	d.net.nodePrefix = 24
	if n, err := strconv.Atoi(d.program("kube-controller-manager").flag("node-cidr-mask-size", "")); err == nil {
		d.net.nodePrefix = n
	}
	for _, n := range d.nodes {
		if p, err := netip.ParsePrefix(n.kube.Spec.PodCIDR); err == nil && p.Addr().Is4() {
			d.net.nodePrefix = p.Bits()
			break
		}
	}
	d.readPlugin()
	d.readPods()
	d.readProxy()
	fields, _ := fieldsOf(d.KubeletConfig)
	if list, ok := fields["clusterDNS"].([]any); ok && len(list) > 0 {
		if ip, err := netip.ParseAddr(fmt.Sprint(list[0])); err == nil && d.net.services.IsValid() && ip != tenth(d.net.services) {
			d.net.dns = ip
		}
	}
	for _, w := range d.Workloads {
		if w.Kind == "Deployment" && w.Name == "coredns" && w.Replicas != 2 {
			d.net.replicas = w.Replicas
		}
	}
}

func tenth(p netip.Prefix) netip.Addr {
	a := p.Masked().Addr()
	for range 10 {
		a = a.Next()
	}
	return a
}

// oneRange reads a range, the IPv4 one of two.
func (d *describer) oneRange(what, text string) (out netip.Prefix) {
	for part := range strings.SplitSeq(text, ",") {
		p, err := netip.ParsePrefix(strings.TrimSpace(part))
		switch {
		case err != nil:
			continue
		case p.Addr().Is4() && !out.IsValid():
			out = p.Masked()
		default:
			d.find(Blocked, "network", fmt.Sprintf("%s is %s: the cluster has two families of addresses, or several ranges, and Trivet runs IPv4 with one range", what, text), "")
		}
	}
	return out
}

// plugins are network plugins by how their DaemonSets begin.
var plugins = []struct{ begins, name string }{
	{"kube-flannel", "flannel"}, {"canal", "canal"}, {"calico-node", "calico"}, {"cilium", "cilium"}, {"weave-net", "weave"}, {"antrea-agent", "antrea"},
	{"kube-router", "kube-router"}, {"ovnkube", "ovn-kubernetes"}, {"kube-ovn", "kube-ovn"}, {"aws-node", "the AWS VPC plugin"},
}

func (d *describer) readPlugin() {
	for _, p := range plugins {
		if slices.ContainsFunc(d.Workloads, func(w Workload) bool { return w.Kind == "DaemonSet" && strings.HasPrefix(w.Name, p.begins) }) {
			d.net.plugin = p.name
			break
		}
	}
	files := map[string]bool{}
	for _, n := range d.nodes {
		for p := range n.seen.Files {
			if strings.HasPrefix(p, cniDir+"/") {
				files[strings.TrimPrefix(p, cniDir+"/")] = true
			}
		}
	}
	switch {
	case d.net.plugin == "flannel":
		d.readFlannel()
	case d.net.plugin != "":
		d.find(Risk, "network", fmt.Sprintf("pods are connected by %s, which Trivet does not run: flannel would take its place, every pod would get another address, and %s's own objects would do nothing any more", d.net.plugin, d.net.plugin),
			"keep such a cluster with kubeadm, or plan for pods to be made anew and for NetworkPolicies that nobody enforces")
	default:
		d.find(Risk, "network", fmt.Sprintf("the network plugin is not known: no DaemonSet of one that Trivet knows, and %s holds %s", cniDir, cmp.Or(strings.Join(sortedKeys(files), ", "), "nothing")),
			"find out what connects pods; flannel would take its place")
	}
}

func (d *describer) readFlannel() {
	fields, err := fieldsOf(d.FlannelConfig)
	if err != nil || fields == nil {
		return
	}
	backend, _ := fields["Backend"].(map[string]any)
	if kind := fmt.Sprint(backend["Type"]); kind != "vxlan" {
		d.find(Risk, "network", fmt.Sprintf("flannel's backend is %s, and Trivet's flannel uses vxlan: pods of hosts that were changed do not reach those of the others meanwhile", kind), "plan for an interruption between pods")
	}
	if !d.net.pods.IsValid() {
		d.net.pods = d.oneRange("flannel's Network", fmt.Sprint(fields["Network"]))
	}
}

// readPods finds the range of pods where kubeadm was not told one.
func (d *describer) readPods() {
	if d.net.pods.IsValid() {
		return
	}
	for _, r := range d.PodRanges {
		if d.net.pods = d.oneRange("the range of "+d.net.plugin, r); d.net.pods.IsValid() {
			d.find(Note, "network", fmt.Sprintf("kubeadm knows no podSubnet; %s has %s", d.net.plugin, r), "")
			return
		}
	}
	d.net.pods = netip.MustParsePrefix("10.244.0.0/16")
	for _, n := range d.nodes {
		if p, err := netip.ParsePrefix(n.kube.Spec.PodCIDR); err == nil && p.Addr().Is4() && !d.net.pods.Contains(p.Addr()) {
			d.net.pods = netip.PrefixFrom(p.Addr(), min(16, p.Bits())).Masked()
		}
	}
	d.find(Blocked, "network", fmt.Sprintf("no range of pods was found: neither kubeadm's podSubnet nor one of a plugin that Trivet knows; the topology has %s", d.net.pods), "write the right range into pod_cidr")
}

func (d *describer) readProxy() {
	fields, err := fieldsOf(d.ProxyConfig)
	if err != nil || fields == nil {
		d.find(Risk, "kube-proxy", "there is no kube-proxy of kubeadm's: something else carries Services, and Trivet's kube-proxy would run beside it", "find out what does")
		return
	}
	mode, _ := fields["mode"].(string)
	d.net.proxyNow = cmp.Or(mode, "iptables")
	switch d.net.proxyNow {
	case release.ModeIPTables:
		d.net.proxyMode = release.ModeIPTables
	case release.ModeNFTables:
	default:
		d.find(Risk, "kube-proxy", fmt.Sprintf("it runs in mode %s, which Trivet does not have: nftables would take its place, node by node", mode), "a Service answers through either; what reads ipvs' tables would find none")
	}
}

// readAPI finds what the front of the control plane is.
func (d *describer) readAPI() {
	m := d.program("kube-apiserver")
	if port, err := strconv.Atoi(m.flag("secure-port", "6443")); err == nil && port != 6443 {
		d.api.port = port
	}
	if issuer := m.flag("service-account-issuer", ""); issuer != "" && issuer != "https://kubernetes.default.svc."+d.net.domain {
		d.api.issuer = issuer
	}
	if m != nil && len(m.flags["service-account-issuer"]) > 1 {
		d.find(Blocked, "kube-apiserver", fmt.Sprintf("it accepts tokens of %d issuers, and Trivet's has one", len(m.flags["service-account-issuer"])), "wait until the tokens of the older ones have ended, and remove those flags")
	}
	add := func(name string) {
		if name != "" && !slices.Contains(d.api.sans, name) && !slices.ContainsFunc(d.nodes, func(n *node) bool { return n.has(topology.RoleControlPlane) && n.address.String() == name }) {
			d.api.sans = append(d.api.sans, name)
		}
	}
	endpoint := d.config.ControlPlaneEndpoint
	if host, _, err := net.SplitHostPort(endpoint); err == nil {
		endpoint = host
	}
	add(endpoint)
	for _, s := range d.config.APIServer.CertSANs {
		add(s)
	}
	if endpoint != "" && slices.Contains(d.api.sans, endpoint) {
		d.find(Note, "API", fmt.Sprintf("clients reach the API by %s, which stays yours: nodes would ask the balancer on their own 127.0.0.1 instead, and the name stays in the serving certificates", d.config.ControlPlaneEndpoint), "")
	}
}

// readEtcd finds settings of etcd that the topology has arguments for, and what stands in the way.
func (d *describer) readEtcd() {
	if e := d.config.Etcd.External; e != nil {
		d.find(Blocked, "etcd", fmt.Sprintf("it is external (%s): it was not looked at, and Trivet runs etcd on hosts of the cluster only; the topology gives the role to the control planes", strings.Join(e.Endpoints, ", ")),
			"move to stacked members with kubeadm first, or keep this cluster with kubeadm")
		return
	}
	m := d.program("etcd")
	milliseconds := func(flag string) string {
		if v := m.flag(flag, ""); v != "" {
			return v + "ms"
		}
		return ""
	}
	d.etcd = etcdSettings{quota: m.flag("quota-backend-bytes", ""), heartbeat: milliseconds("heartbeat-interval"), election: milliseconds("election-timeout")}
	if m.flag("auto-compaction-mode", "periodic") == "periodic" {
		if d.etcd.compaction = m.flag("auto-compaction-retention", ""); d.etcd.compaction == "0" {
			d.etcd.compaction = ""
		} else if _, err := strconv.Atoi(d.etcd.compaction); err == nil {
			d.etcd.compaction += "h"
		}
	}
}
