package certs

import (
	"net/netip"
	"strings"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// Folders of certificates and keys on hosts.
const (
	EtcdDir       = "/etc/etcd/pki"
	KubernetesDir = "/etc/kubernetes/pki"
)

// Identities: the rows of the table. Files are called after them.
const (
	EtcdServer                   = "etcd-server"
	EtcdPeer                     = "etcd-peer"
	EtcdOperator                 = "etcd-operator"
	EtcdSnapshots                = "etcd-snapshots"
	KubeAPIServer                = "kube-apiserver"
	APIServerEtcdClient          = "apiserver-etcd-client"
	APIServerKubeletClient       = "apiserver-kubelet-client"
	FrontProxyClient             = "front-proxy-client"
	KubeControllerManager        = "kube-controller-manager"
	KubeControllerManagerServing = "kube-controller-manager-serving"
	KubeScheduler                = "kube-scheduler"
	KubeSchedulerServing         = "kube-scheduler-serving"
	Operator                     = "operator"
	KubeletClient                = "kubelet-client"
	KubeletServer                = "kubelet-server"
	KubeProxy                    = "kube-proxy"
	Flannel                      = "flannel"
	Bootstrap                    = "bootstrap"
)

// Users and groups of Trivet's own, to which cluster roles are bound. Those of Kubernetes begin with "system:".
const (
	GroupAdmins     = "trivet:admins"      // bound to cluster-admin
	GroupKubeletAPI = "trivet:kubelet-api" // bound to system:kubelet-api-admin
	UserOperator    = "trivet:operator"    // the engine's helper on control planes
	UserFlannel     = "trivet:flannel"     // flanneld on nodes
)

// FrontProxyName is the only common name that the API server may accept from a front proxy (--requestheader-allowed-names).
const FrontProxyName = "front-proxy-client"

// bootstrapLifetime is long enough for the one API call that the bootstrap identity is for.
const bootstrapLifetime = 15 * time.Minute

// row is an identity of the table. {host} in the name stands for the host's name.
type row struct {
	identity  string
	on        func(*topology.Cluster, *topology.Host) bool
	authority Authority
	name      string
	groups    []string
	usages    []Usage
	names     func(*topology.Cluster, *topology.Host) []string // DNS names and addresses of serving certificates
	dir       string
	owner     string
}

// table lists every certificate of a cluster's hosts.
var table = []row{
	// etcd's gRPC gateway connects to its own member with the serving certificate, which is why that one is a client too.
	{EtcdServer, onEtcd, Etcd, "{host}", nil, []Usage{Server, Client}, hostNames, EtcdDir, "etcd"},
	{EtcdPeer, onEtcd, Etcd, "{host}", nil, []Usage{Server, Client}, hostNames, EtcdDir, "etcd"},
	{EtcdOperator, onEtcd, Etcd, "trivet:etcd-operator", nil, []Usage{Client}, nil, EtcdDir, "root"},
	// Hosts that take other sites' snapshots need not be members: no client's usage, or etcd would let them in.
	{EtcdSnapshots, onSnapshotReceiver, Etcd, "{host}", nil, []Usage{Server}, nodeNames, EtcdDir, "root"},

	{KubeAPIServer, onControlPlane, Kubernetes, "kube-apiserver", nil, []Usage{Server}, apiNames, KubernetesDir, "root"},
	{APIServerEtcdClient, onControlPlane, Etcd, "kube-apiserver-etcd-client", nil, []Usage{Client}, nil, KubernetesDir, "root"},
	{APIServerKubeletClient, onControlPlane, Kubernetes, "kube-apiserver-kubelet-client", []string{GroupKubeletAPI}, []Usage{Client}, nil, KubernetesDir, "root"},
	{FrontProxyClient, onControlPlane, FrontProxy, FrontProxyName, nil, []Usage{Client}, nil, KubernetesDir, "root"},
	{KubeControllerManager, onControlPlane, Kubernetes, "system:kube-controller-manager", nil, []Usage{Client}, nil, KubernetesDir, "root"},
	{KubeControllerManagerServing, onControlPlane, Kubernetes, "kube-controller-manager", nil, []Usage{Server}, hostNames, KubernetesDir, "root"},
	{KubeScheduler, onControlPlane, Kubernetes, "system:kube-scheduler", nil, []Usage{Client}, nil, KubernetesDir, "root"},
	{KubeSchedulerServing, onControlPlane, Kubernetes, "kube-scheduler", nil, []Usage{Server}, hostNames, KubernetesDir, "root"},
	{Operator, onControlPlane, Kubernetes, UserOperator, []string{GroupAdmins}, []Usage{Client}, nil, KubernetesDir, "root"},

	// The kubelet's first client certificate; later ones it asks of the CSR API, where the online authority signs.
	{KubeletClient, onNode, Kubernetes, "system:node:{host}", []string{"system:nodes"}, []Usage{Client}, nil, KubernetesDir, "root"},
	{KubeletServer, onNode, Kubernetes, "{host}", nil, []Usage{Server}, nodeNames, KubernetesDir, "root"},
	{KubeProxy, onNode, Kubernetes, "system:kube-proxy", nil, []Usage{Client}, nil, KubernetesDir, "root"},
	{Flannel, onFlannelNode, Kubernetes, UserFlannel, nil, []Usage{Client}, nil, KubernetesDir, "root"},
}

// ForHost returns the certificates that a host has, in the order of the table.
func ForHost(c *topology.Cluster, h *topology.Host) []Spec {
	var specs []Spec
	for _, r := range table {
		if !r.on(c, h) {
			continue
		}
		spec := Spec{
			Identity:      r.identity,
			Authority:     r.authority,
			CommonName:    strings.ReplaceAll(r.name, "{host}", h.Name),
			Organizations: append([]string(nil), r.groups...),
			Usages:        append([]Usage(nil), r.usages...),
			Lifetime:      c.Certificates.LeafLifetime,
			RenewBefore:   c.Certificates.RenewBefore,
			CertPath:      r.dir + "/" + r.identity + ".crt",
			KeyPath:       r.dir + "/" + r.identity + ".key",
			Owner:         r.owner,
			Group:         r.owner,
		}
		if r.names != nil {
			spec.DNSNames, spec.Addresses = split(r.names(c, h))
		}
		specs = append(specs, spec)
	}
	return specs
}

// ForBootstrap returns the identity that binds GroupAdmins to cluster-admin in a cluster where nothing is bound yet. The API server knows one group that
// needs no binding, system:masters; a certificate with it is made in the memory of the apply that needs it, lives for minutes and is never stored.
func ForBootstrap() Spec {
	return Spec{
		Identity:      Bootstrap,
		Authority:     Kubernetes,
		CommonName:    "trivet:bootstrap",
		Organizations: []string{"system:masters"},
		Usages:        []Usage{Client},
		Lifetime:      bootstrapLifetime,
	}
}

// Find returns the spec of an identity.
func Find(specs []Spec, identity string) (Spec, bool) {
	for _, s := range specs {
		if s.Identity == identity {
			return s, true
		}
	}
	return Spec{}, false
}

func onEtcd(_ *topology.Cluster, h *topology.Host) bool { return h.Has(topology.RoleEtcd) }
func onSnapshotReceiver(c *topology.Cluster, h *topology.Host) bool {
	return len(c.SnapshotSources(h)) > 0
}
func onControlPlane(_ *topology.Cluster, h *topology.Host) bool {
	return h.Has(topology.RoleControlPlane)
}
func onNode(_ *topology.Cluster, h *topology.Host) bool { return h.IsNode() }
func onFlannelNode(c *topology.Cluster, h *topology.Host) bool {
	return h.IsNode() && c.Network.Plugin == "flannel"
}

// hostNames are for what is reached from the host itself as well.
func hostNames(_ *topology.Cluster, h *topology.Host) []string {
	return []string{h.Name, "localhost", h.Address.String(), "127.0.0.1"}
}

// nodeNames are for the kubelet, which the API server reaches by the addresses of the Node.
func nodeNames(_ *topology.Cluster, h *topology.Host) []string {
	return []string{h.Name, h.Address.String()}
}

// apiNames are for the API server: inside the cluster by the Service, on the node through the local balancer, and by what the topology adds.
func apiNames(c *topology.Cluster, h *topology.Host) []string {
	names := []string{
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + c.DNS.Domain,
		"localhost", h.Name,
		"127.0.0.1", c.ServiceCIDR.Masked().Addr().Next().String(), h.Address.String(),
	}
	return append(names, c.API.SANs...)
}

// split sorts names into DNS names and addresses, keeping their order and dropping repetitions.
func split(names []string) (dns []string, addresses []netip.Addr) {
	seen := map[string]bool{}
	for _, name := range names {
		if seen[name] {
			continue
		}
		seen[name] = true
		if address, err := netip.ParseAddr(name); err == nil {
			addresses = append(addresses, address)
		} else {
			dns = append(dns, name)
		}
	}
	return dns, addresses
}
