package templates

import "net/netip"

// KeyPair is where a certificate and its key lie.
type KeyPair struct{ Cert, Key string }

// Peer is another host.
type Peer struct{ Name, URL string }

// EtcdUnit is etcd.service.
type EtcdUnit struct {
	Name, Cluster                   string
	Address                         netip.Addr
	CA                              string
	Server, Peer                    KeyPair
	CipherSuites                    string
	HeartbeatMillis, ElectionMillis int64
	QuotaBytes                      int64
	CompactionRetention             string
	Flags                           *Flags
}

// EtcdExisting is the drop-in that keeps etcd from bootstrapping.
type EtcdExisting struct{}

// EtcdInitialised is the drop-in that keeps etcd from starting without its data.
type EtcdInitialised struct{}

// InitialCluster is what a member without data starts from.
type InitialCluster struct{ Members []Peer }

// APIServerUnit is kube-apiserver.service.
type APIServerUnit struct {
	Address                                              netip.Addr
	Port                                                 int
	EtcdServers                                          []string
	EtcdCA, CA, ClientCA, FrontProxyCA                   string
	EtcdClient, Serving, KubeletClient, FrontProxyClient KeyPair
	FrontProxyName                                       string
	CipherSuites                                         string
	ServiceCIDR                                          netip.Prefix
	Issuer                                               string
	ServiceAccountPublic, ServiceAccountKey              string
	GoawayChance, ShutdownDelay                          string
	StopSeconds                                          int // until it is killed
	Flags                                                *Flags
}

// ControllerManagerUnit is kube-controller-manager.service.
type ControllerManagerUnit struct {
	Cluster                    string
	CA, ClientCA, FrontProxyCA string
	FrontProxyName             string
	Serving                    KeyPair
	CipherSuites               string
	ServiceAccountKey          string
	SigningCert, SigningKey    string
	Flags                      *Flags
}

// SchedulerUnit is kube-scheduler.service.
type SchedulerUnit struct {
	ClientCA, FrontProxyCA string
	FrontProxyName         string
	Serving                KeyPair
	CipherSuites           string
	Flags                  *Flags
}

// ContainerdUnit is containerd.service.
type ContainerdUnit struct{}

// KubeletUnit is kubelet.service.
type KubeletUnit struct {
	Name    string
	Address netip.Addr
	CertDir string // of the certificates that it asks for; "": its own default
}

// ProxyUnit is kube-proxy.service.
type ProxyUnit struct{ Name string }

// FlannelUnit is flanneld.service.
type FlannelUnit struct {
	Name      string
	Address   netip.Addr
	Interface string
}

// HAProxyUnit is trivet-haproxy.service.
type HAProxyUnit struct{}

// SnapshotUnit is trivet-snapshot.service.
type SnapshotUnit struct{ Folder, Config string }

// SnapshotTimer is trivet-snapshot.timer.
type SnapshotTimer struct{ Schedule string }

// SnapshotReceiveUnit is trivet-snapshot-receive.service.
type SnapshotReceiveUnit struct{ Folder, Config string }

// SnapshotSocket is trivet-snapshot-receive.socket. Address, with a port, is where other hosts' snapshots come; "" where none do.
type SnapshotSocket struct{ Local, Address string }

// RoutesUnit is trivet-routes.service.
type RoutesUnit struct{ Protocol int }

// Routes is the batch that trivet-routes.service gives to ip.
type Routes struct {
	Protocol int
	Peers    []Route
}

// Route leads to the pods of another node.
type Route struct {
	PodCIDR netip.Prefix
	Address netip.Addr
}

// Masquerade is the table that trivet-routes.service loads.
type Masquerade struct{ PodCIDR netip.Prefix }

// ContainerdConfig is containerd's config.toml.
type ContainerdConfig struct {
	ConfigVersion            int
	SandboxImage             string
	LogLevel                 string
	MaxConcurrentDownloads   int64
	MaxContainerLogLineSize  int64
	ImagePullProgressTimeout string
}

// HAProxyConfig is haproxy.cfg.
type HAProxyConfig struct {
	LocalPort, Port int
	CA              string
	CheckInterval   string
	Servers         []Server
}

// Server is an API server behind the balancer.
type Server struct {
	Name    string
	Address netip.Addr
	Weight  int
	Backup  bool // asked only while no other one is ready
}

// CNIConfig is the list of CNI plugins.
type CNIConfig struct {
	MTU            int
	PodCIDR        netip.Prefix
	PortmapBackend string
}

// FlannelConfig is flannel's network configuration.
type FlannelConfig struct {
	PodCIDR      netip.Prefix
	NFTables     bool
	InterfaceMTU int
}

// Kubeconfig names the files of a client of the API.
type Kubeconfig struct {
	Cluster, Server, CA, User string
	Pair                      KeyPair
}

// Authentication is the API server's AuthenticationConfiguration.
type Authentication struct{}

// AuditPolicy is the API server's audit policy.
type AuditPolicy struct{}

// KubeletConfig is the KubeletConfiguration before the user's settings.
type KubeletConfig struct {
	ClientCA     string
	Serving      KeyPair
	CipherSuites []string
	CgroupV1     bool
	DNSAddress   netip.Addr
	Domain       string
	ResolvConf   string
	IPTables     bool
}

// ProxyConfig is the KubeProxyConfiguration before the user's settings.
type ProxyConfig struct {
	Mode    string
	PodCIDR netip.Prefix
}

// SchedulerConfig is the KubeSchedulerConfiguration before the user's settings.
type SchedulerConfig struct{}

// CoreDNS is the name service's manifests.
type CoreDNS struct {
	Domain   string
	Forward  []string
	Replicas int
	Image    string
	Address  netip.Addr
	// Authority counts the authorities of Kubernetes: its pods begin anew with each, since they read it when they start. 0: no matter which.
	Authority int
	// TokenKey counts the keys that sign tokens of service accounts: its pods begin anew with each, so that none is left with a token of a key that goes. 0: no matter which.
	TokenKey int
}

// RBAC is the bindings that Trivet needs.
type RBAC struct{ AdminGroup, KubeletGroup string }

// FlannelRBAC is the rights of flanneld.
type FlannelRBAC struct{ User string }

func (EtcdUnit) file() string              { return "units/etcd.service" }
func (EtcdExisting) file() string          { return "units/etcd-existing.conf" }
func (EtcdInitialised) file() string       { return "units/etcd-initialised.conf" }
func (InitialCluster) file() string        { return "config/initial-cluster.env" }
func (APIServerUnit) file() string         { return "units/kube-apiserver.service" }
func (ControllerManagerUnit) file() string { return "units/kube-controller-manager.service" }
func (SchedulerUnit) file() string         { return "units/kube-scheduler.service" }
func (ContainerdUnit) file() string        { return "units/containerd.service" }
func (KubeletUnit) file() string           { return "units/kubelet.service" }
func (ProxyUnit) file() string             { return "units/kube-proxy.service" }
func (FlannelUnit) file() string           { return "units/flanneld.service" }
func (HAProxyUnit) file() string           { return "units/trivet-haproxy.service" }
func (RoutesUnit) file() string            { return "units/trivet-routes.service" }
func (SnapshotUnit) file() string          { return "units/trivet-snapshot.service" }
func (SnapshotTimer) file() string         { return "units/trivet-snapshot.timer" }
func (SnapshotReceiveUnit) file() string   { return "units/trivet-snapshot-receive.service" }
func (SnapshotSocket) file() string        { return "units/trivet-snapshot-receive.socket" }
func (Routes) file() string                { return "config/routes" }
func (Masquerade) file() string            { return "config/masquerade.nft" }
func (ContainerdConfig) file() string      { return "config/containerd.toml" }
func (HAProxyConfig) file() string         { return "config/haproxy.cfg" }
func (CNIConfig) file() string             { return "config/cni.conflist" }
func (FlannelConfig) file() string         { return "config/flannel.json" }
func (Kubeconfig) file() string            { return "config/kubeconfig.yaml" }
func (Authentication) file() string        { return "config/authentication.yaml" }
func (AuditPolicy) file() string           { return "config/audit-policy.yaml" }
func (KubeletConfig) file() string         { return "config/kubelet.yaml" }
func (ProxyConfig) file() string           { return "config/kube-proxy.yaml" }
func (SchedulerConfig) file() string       { return "config/kube-scheduler.yaml" }
func (CoreDNS) file() string               { return "manifests/coredns.yaml" }
func (RBAC) file() string                  { return "manifests/rbac.yaml" }
func (FlannelRBAC) file() string           { return "manifests/flannel.yaml" }
