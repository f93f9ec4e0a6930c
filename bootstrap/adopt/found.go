// Package adopt reads a cluster that kubeadm made, describes it as a topology, and works out what would change if Trivet ran it. It changes nothing, on hosts or in the API.
//
// Reading (read.go) goes through hosts, an API client and an etcd client that can ask and nothing else; what was read is a Found, texts as they were. Describing is pure.
// It may import what the engine plans with (topology, release, desired, inventory, kube, etcd), and neither plan nor execute: there is no way from here to a change.
package adopt

import (
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/trivet-dev/trivet/bootstrap/etcd"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Found is what was read of a cluster.
type Found struct {
	Address string `json:"address"` // that was asked
	First   string `json:"first"`   // the node behind it
	// Texts of kubeadm's ConfigMaps in kube-system.
	ClusterConfig string `json:"-"`
	KubeletConfig string `json:"-"`
	ProxyConfig   string `json:"-"` // "" where kube-proxy has none
	Corefile      string `json:"-"`
	// FlannelConfig is flannel's net-conf.json, "" without flannel.
	FlannelConfig string `json:"-"`
	// PodRanges are those that a network plugin keeps for itself: Calico's pools, Cilium's cluster pool.
	PodRanges  []string         `json:"podRanges,omitempty"`
	Nodes      []corev1.Node    `json:"-"`
	Workloads  []Workload       `json:"workloads,omitempty"`
	Members    []etcd.Member    `json:"members,omitempty"`
	Statuses   []etcd.Status    `json:"statuses,omitempty"`
	MembersWhy string           `json:"membersWhy,omitempty"` // why there is no member list
	Hosts      map[string]*Host `json:"hosts"`                // by the name of the node
}

// Workload is a DaemonSet or Deployment of the cluster's own: its network, proxy and name service.
type Workload struct {
	Kind      string   `json:"kind"`
	Namespace string   `json:"namespace"`
	Name      string   `json:"name"`
	Images    []string `json:"images"`
	Replicas  int      `json:"replicas,omitempty"`
}

// Host is what was read of one machine.
type Host struct {
	Facts hostapi.Facts                `json:"facts"`
	Files map[string]hostapi.FileFound `json:"-"`
	// Recorded names the cluster of Trivet's that the host belongs to, "" for none.
	Recorded string `json:"recorded,omitempty"`
	// Problem says why it could not be read.
	Problem string `json:"problem,omitempty"`
}

// Places on hosts that kubeadm made.
const (
	manifestsDir   = "/etc/kubernetes/manifests"
	pkiDir         = "/etc/kubernetes/pki"
	adminConfig    = "/etc/kubernetes/admin.conf"
	kubeletConfig  = "/var/lib/kubelet/config.yaml"
	kubeletFlags   = "/var/lib/kubelet/kubeadm-flags.env"
	kubeletAccess  = "/etc/kubernetes/kubelet.conf"
	containerdFile = "/etc/containerd/config.toml"
	cniDir         = "/etc/cni/net.d"
)

// wanted are the files that a host is asked for. Of keys and of what holds one the helper tells that it is there, and no more.
var wanted = []string{
	manifestsDir + "/*.yaml", manifestsDir + "/*.yml", manifestsDir + "/*.json",
	pkiDir + "/*", pkiDir + "/etcd/*", adminConfig, kubeletAccess,
	kubeletConfig, kubeletFlags, "/var/lib/kubelet/instance-config.yaml", "/etc/default/kubelet", "/etc/sysconfig/kubelet",
	containerdFile, cniDir + "/*",
}

// text is the content of a file, "" where there is none.
func (h *Host) text(path string) string {
	if h == nil {
		return ""
	}
	return string(h.Files[path].Content)
}

// has tells whether a file is there, whatever is in it.
func (h *Host) has(path string) bool {
	if h == nil {
		return false
	}
	_, ok := h.Files[path]
	return ok
}

// read tells whether the host was read.
func (h *Host) read() bool { return h != nil && h.Problem == "" }

// node finds a node by name.
func (f *Found) node(name string) *corev1.Node {
	i := slices.IndexFunc(f.Nodes, func(n corev1.Node) bool { return n.Name == name })
	if i < 0 {
		return nil
	}
	return &f.Nodes[i]
}

// internalIP is a node's first IPv4 address inside; the zero Addr when it has none.
func internalIP(n *corev1.Node) netip.Addr {
	for _, a := range n.Status.Addresses {
		if ip, err := netip.ParseAddr(a.Address); err == nil && a.Type == corev1.NodeInternalIP && ip.Is4() {
			return ip
		}
	}
	return netip.Addr{}
}

// Options say how a cluster is to be described.
type Options struct {
	// Cluster and Fleet are the names in the topology; the cluster's own when empty.
	Cluster, Fleet string
	// Region, Site, Room and Rack are the names where nodes have no labels for them.
	Region, Site, Room, Rack string
	SSH                      SSH
	// AgeRecipients may be empty: the topology then says that there have to be some.
	AgeRecipients []string
	// Placeholder is a recipient that stands in while the topology is checked.
	Placeholder string
	Now         time.Time
}

// SSH is how the hosts were reached, for the topology to say.
type SSH struct {
	User, PrivateKey, KnownHosts, HostKeys, ConfigFile, SudoPasswordFile string
	Port                                                                 int
	Bastions                                                             []Bastion
}

// Bastion is a jump host.
type Bastion struct {
	Name, Address, User string
	Port                int
}
