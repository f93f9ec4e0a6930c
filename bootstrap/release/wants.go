package release

import (
	"fmt"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/artifact"
)

// Need says what hosts of one architecture are there for.
type Need struct {
	Arch      string // amd64 or arm64
	Roles     []topology.Role
	Plugin    string   // network plugin; "" needs none
	ProxyMode string   // of kube-proxy
	Images    []string // references that the user listed
	Verify    bool     // the image that verify runs, too
}

// Network plugins and modes of kube-proxy.
const (
	PluginFlannel = "flannel"
	PluginBridge  = "bridge"
	ModeNFTables  = "nftables"
	ModeIPTables  = "iptables"
)

// CNIPlugins are the CNI plugins that nodes have, as the plugins' own release names them.
var CNIPlugins = []string{"bridge", "host-local", "loopback", "portmap"}

// CNIArtifact returns the name of a CNI plugin's artifact.
func CNIArtifact(plugin string) string { return "cni-" + plugin }

// Wants lists the artifacts that such hosts need: binaries, then images, then distribution packages.
func (r *Release) Wants(n Need) []artifact.Want {
	var out []artifact.Want
	add := func(kind artifact.Kind, version string, names ...string) {
		for _, name := range names {
			out = append(out, artifact.Want{Name: name, Version: version, Arch: n.Arch, Kind: kind})
		}
	}
	for _, b := range r.Binaries(n) {
		add(artifact.Binary, b.Version, b.Name)
	}
	if !n.node() {
		return out
	}
	add(artifact.Image, r.Pause, "pause")
	add(artifact.Image, r.CoreDNS, "coredns")
	if n.Verify {
		add(artifact.Image, r.Agnhost, "agnhost")
	}
	for _, ref := range n.Images {
		name, version := SplitReference(ref)
		if w := (artifact.Want{Name: name, Version: version, Arch: n.Arch, Kind: artifact.Image}); !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	add(artifact.Package, "", Packages(n.Plugin, n.ProxyMode)...)
	return out
}

// Binary is a program of the release.
type Binary struct{ Name, Version string }

// Binaries lists the programs that such hosts run.
func (r *Release) Binaries(n Need) []Binary {
	var out []Binary
	add := func(version string, names ...string) {
		for _, name := range names {
			out = append(out, Binary{name, version})
		}
	}
	if slices.Contains(n.Roles, topology.RoleEtcd) {
		add(r.Etcd, "etcd", "etcdctl", "etcdutl") // the two tools are what a repair needs, and then it is too late to fetch them
	}
	if slices.Contains(n.Roles, topology.RoleControlPlane) {
		add(r.Kubernetes, "kube-apiserver", "kube-controller-manager", "kube-scheduler")
	}
	if n.node() {
		add(r.Kubernetes, "kubelet", "kube-proxy")
		add(r.Containerd, "containerd", "containerd-shim-runc-v2", "ctr")
		add(r.Runc, "runc")
		for _, plugin := range CNIPlugins {
			add(r.CNIPlugins, CNIArtifact(plugin))
		}
		if n.Plugin == PluginFlannel {
			add(r.Flannel, "flanneld")
		}
	}
	return out
}

// Packages lists the distribution's packages that nodes need. flanneld 0.28 calls iptables in its nftables mode, too: to clear away what the other mode
// would have left, and it ends when there is no such program.
func Packages(plugin, proxyMode string) []string {
	if plugin == PluginFlannel || proxyMode == ModeIPTables {
		return []string{"haproxy", "iptables", "nftables"}
	}
	return []string{"haproxy", "nftables"}
}

func (n Need) node() bool {
	return slices.Contains(n.Roles, topology.RoleControlPlane) || slices.Contains(n.Roles, topology.RoleWorker)
}

// SplitReference splits an image reference into repository and tag, or digest. Without either the tag is latest, as everywhere.
func SplitReference(ref string) (repository, version string) {
	if at := strings.IndexByte(ref, '@'); at >= 0 {
		return ref[:at], ref[at+1:]
	}
	if colon := strings.LastIndexByte(ref, ':'); colon > strings.LastIndexByte(ref, '/') {
		return ref[:colon], ref[colon+1:]
	}
	return ref, "latest"
}

// PauseImage is the reference of the image of pod sandboxes.
func (r *Release) PauseImage() string { return fmt.Sprintf("registry.k8s.io/pause:%s", r.Pause) }

// CoreDNSImage is the reference of the image of the cluster's name service.
func (r *Release) CoreDNSImage() string {
	return fmt.Sprintf("registry.k8s.io/coredns/coredns:v%s", r.CoreDNS)
}

// AgnhostImage is the reference of the image that verify runs.
func (r *Release) AgnhostImage() string {
	return fmt.Sprintf("registry.k8s.io/e2e-test-images/agnhost:%s", r.Agnhost)
}
