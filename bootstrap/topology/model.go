// Package topology reads the HCL language in which a fleet is described: regions, sites, rooms, racks and hosts, and the
// clusters laid over them. It decodes, resolves and cross-checks; it contacts nothing.
package topology

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// Topology is a validated description of a fleet. All names are unique, every reference resolves.
type Topology struct {
	Fleet    Fleet
	Regions  []*Region
	Clusters []*Cluster
}

// Cluster finds a cluster by name. An empty name stands for the only cluster there is.
func (t *Topology) Cluster(name string) (*Cluster, error) {
	var names []string
	for _, c := range t.Clusters {
		if c.Name == name || name == "" && len(t.Clusters) == 1 {
			return c, nil
		}
		names = append(names, c.Name)
	}
	switch {
	case len(names) == 0:
		return nil, errors.New("the topology has no cluster: add a cluster block")
	case name == "":
		return nil, fmt.Errorf("the topology has %d clusters: name one of %s", len(names), strings.Join(names, ", "))
	}
	return nil, fmt.Errorf("the topology has no cluster %q: it has %s", name, strings.Join(names, ", "))
}

// AllHosts returns every host in the order in which the files name them.
func (t *Topology) AllHosts() []*Host {
	var out []*Host
	for _, rack := range t.AllRacks() {
		out = append(out, rack.Hosts...)
	}
	return out
}

// AllRacks returns every rack in the order in which the files name them.
func (t *Topology) AllRacks() []*Rack {
	var out []*Rack
	for _, site := range t.AllSites() {
		for _, room := range site.Rooms {
			out = append(out, room.Racks...)
		}
	}
	return out
}

// AllSites returns every site in the order in which the files name them.
func (t *Topology) AllSites() []*Site {
	var out []*Site
	for _, region := range t.Regions {
		out = append(out, region.Sites...)
	}
	return out
}

// Fleet holds what is common to all hosts.
type Fleet struct {
	Name      string
	SSH       SSH
	Artifacts Artifacts
	Range     hcl.Range
}

// HostKeyPolicy says what to do with the SSH host key of a host that is met for the first time.
type HostKeyPolicy string

// Host key policies.
const (
	HostKeysStrict HostKeyPolicy = "strict" // only keys in known_hosts or pinned in the topology
	HostKeysLearn  HostKeyPolicy = "learn"  // an unknown key is accepted once and written to known_hosts; a changed key never is
)

// SSH says how hosts are reached. Paths are absolute or relative to the folder of the file that names them, "~" expanded.
type SSH struct {
	User             string
	Port             int // 0: 22, or what ~/.ssh/config says
	PrivateKey       string
	Agent            bool   // without PrivateKey: an agent if there is one, then the keys of ~/.ssh/config, then those of the default names
	RequireAgent     bool   // there has to be an agent, since the topology says so
	KnownHosts       string // "" leaves it to ~/.ssh/config
	HostKeys         HostKeyPolicy
	ConfigFile       string // OpenSSH client configuration; "" is ~/.ssh/config, "none" ignores it
	SudoPasswordFile string // "" means passwordless sudo, or a prompt where a terminal is there
	ConnectTimeout   time.Duration
	KeepAlive        time.Duration
	Parallel         int // hosts worked on at once
	Range            hcl.Range
}

// Artifacts says where binaries, images and packages come from.
type Artifacts struct {
	Source string // "auto", "upstream", "source" (build from Go modules), a folder path, or an http(s) URL of a mirror
	Range  hcl.Range
}

// Region is a geographic area whose loss is one disaster.
type Region struct {
	Name  string
	Sites []*Site
	Range hcl.Range
}

// Purpose says what a site is for in a "two places, three centres" layout.
type Purpose string

// Purposes of sites.
const (
	PurposeProduction Purpose = "production"
	PurposeLocalDR    Purpose = "local-dr"
	PurposeRemoteDR   Purpose = "remote-dr"
	PurposeArbiter    Purpose = "arbiter"
)

// Site is a data centre.
type Site struct {
	Name     string
	Region   *Region
	Purpose  Purpose
	Bastions []Bastion // in the order in which they are passed
	SSH      *SSH      // overrides of the fleet's, already merged; nil when there is no ssh block
	Rooms    []*Room
	Range    hcl.Range
}

// Bastion is a jump host in front of a site.
type Bastion struct {
	Name       string
	Address    string // host name or address
	Port       int
	User       string
	PrivateKey string
	HostKey    string // pinned "ssh-ed25519 AAAA…", or ""
	Range      hcl.Range
}

// Room is a machine room in a site.
type Room struct {
	Name  string
	Site  *Site
	Racks []*Rack
	Range hcl.Range
}

// Rack is one access switch: one subnet and at most 48 hosts.
type Rack struct {
	Name        string
	Room        *Room
	CIDR        netip.Prefix // not valid where the topology gives none
	Labels      map[string]string
	Annotations map[string]string
	Taints      []Taint
	Hosts       []*Host
	Range       hcl.Range
}

// Where says which rack it is: by its range, where it has one.
func (r *Rack) Where() string {
	if r.CIDR.IsValid() {
		return r.CIDR.String()
	}
	return fmt.Sprintf("rack %s of room %s of site %s", r.Name, r.Room.Name, r.Room.Site.Name)
}

// Role is a part that a host plays in a cluster.
type Role string

// Roles.
const (
	RoleEtcd         Role = "etcd"
	RoleControlPlane Role = "control-plane"
	RoleWorker       Role = "worker"
)

// Host is a machine reached by SSH. Its identity is its name.
type Host struct {
	Name         string
	Rack         *Rack
	Address      netip.Addr
	SSHAddress   string // where SSH reaches it when that is not Address; "" otherwise
	Port         int    // 0: from SSH
	User         string // "": from SSH
	HostKey      string // pinned public key, or ""
	Roles        []Role // sorted, unique
	ProductLine  string
	Surge        bool              // a part of the cluster only while its release changes
	Elastic      bool              // a worker that the topology does not name: the cluster remembers it (inventory.Elastic)
	Interface    string            // network interface that carries Address; "": derived from facts
	Labels       map[string]string // rack's merged in
	Annotations  map[string]string // rack's merged in
	Taints       []Taint           // rack's merged in
	Range        hcl.Range
	AddressRange hcl.Range
}

// Has reports whether the host plays the role.
func (h *Host) Has(r Role) bool {
	for _, x := range h.Roles {
		if x == r {
			return true
		}
	}
	return false
}

// Site returns the site that the host stands in.
func (h *Host) Site() *Site { return h.Rack.Room.Site }

// Taint is a Kubernetes taint.
type Taint struct {
	Key, Value, Effect string
}

// IsNode reports whether the host is a node of its cluster: control planes and workers run a kubelet and need a pod range,
// a host that is an etcd member alone does not.
func (h *Host) IsNode() bool { return h.Has(RoleControlPlane) || h.Has(RoleWorker) }

// Cluster is one Kubernetes cluster over the hosts of some sites.
type Cluster struct {
	Name            string
	Kubernetes      string // release, e.g. "1.37.2"
	Sites           []*Site
	Hosts           []*Host // every host of Sites with a role, sorted by name, but for those in Surge
	Surge           []*Host // workers that are a part of the cluster only while its release changes, sorted by name
	PodCIDR         netip.Prefix
	NodePrefix      int
	ServiceCIDR     netip.Prefix
	DNS             DNS
	Network         Network
	API             API
	Etcd            Etcd
	Certificates    Certificates
	Upgrade         Upgrade
	Rotation        Rotation
	Hooks           []Hook // in the order in which they are written
	AgeRecipients   []string
	Components      []Component
	Images          []Image
	Manifests       []Manifest // in the order of their files
	Range           hcl.Range
	KubernetesRange hcl.Range
	SitesRange      hcl.Range
	PodCIDRRange    hcl.Range
	ServiceRange    hcl.Range // of service_cidr
}

// Nodes returns the cluster's hosts that run a kubelet, in name order.
func (c *Cluster) Nodes() []*Host {
	var out []*Host
	for _, h := range c.Hosts {
		if h.IsNode() {
			out = append(out, h)
		}
	}
	return out
}

// HostsWith returns the cluster's hosts that play the role, in name order.
func (c *Cluster) HostsWith(r Role) []*Host {
	var out []*Host
	for _, h := range c.Hosts {
		if h.Has(r) {
			out = append(out, h)
		}
	}
	return out
}

// DNS is the cluster's name service.
type DNS struct {
	Domain   string     // "cluster.local"
	Address  netip.Addr // the Service's address: the tenth of ServiceCIDR unless set
	Replicas int
	Upstream []string // forwarders; empty: the nodes' resolvers
}

// Network is the pod network.
type Network struct {
	Plugin    string // "flannel" | "bridge"
	MTU       int    // 0: from the interface
	Routes    string // bridge only: "static" (one layer-2 domain) | "external"
	ProxyMode string // kube-proxy: "nftables" | "iptables"
	Range     hcl.Range
}

// Ports of the API unless a topology says otherwise.
const (
	APIPort      = 6443
	APILocalPort = 7443
)

// API is the front of the control plane.
type API struct {
	Port                 int      // of kube-apiserver on control planes, 6443
	LocalPort            int      // of the node-local balancer on 127.0.0.1, 7443
	SANs                 []string // extra names and addresses in the serving certificate
	ServiceAccountIssuer string   // immutable; "https://kubernetes.default.svc.<domain>" unless set
	Range                hcl.Range
}

// Etcd holds settings of the members; the heartbeat and the election time-out are the same on every member.
type Etcd struct {
	QuotaBytes          int64
	HeartbeatInterval   time.Duration // 100 ms
	ElectionTimeout     time.Duration // 1 s
	TimingSet           bool          // whether the topology gives either of the two, so that neither is derived
	CompactionRetention time.Duration
	AcceptLoss          []string // sites and regions whose loss is known, and accepted, to stop etcd
	Snapshots           Snapshots
	Range               hcl.Range
}

// Certificates holds lifetimes.
type Certificates struct {
	CALifetime    time.Duration
	LeafLifetime  time.Duration
	RenewBefore   time.Duration
	AdminLifetime time.Duration // of kubeconfigs, 24 h
	Range         hcl.Range
}

// Rotation says which of its kind the cluster's authorities and keys shall be.
type Rotation struct {
	Generations map[string]int // by name in RotationNames; what is missing stays as it is
	Rest        time.Duration  // what was handed out is given before its use ends
	Range       hcl.Range
}

// RotationNames are what can be replaced, as the topology calls it.
var RotationNames = []string{"etcd_ca", "kubernetes_ca", "front_proxy_ca", "online_ca", "service_account_key", "encryption_key"}

// Component holds settings of one component: fields of its configuration file, or flags where it has none, as the release's
// field table allows them.
type Component struct {
	Name          string               // "kubelet", "kube-proxy", "kube-apiserver", "kube-scheduler", "kube-controller-manager", "etcd", "containerd"
	Role          Role                 // "" means every role
	Settings      map[string]any       // JSON-like values: string, bool, int64, float64, []any, map[string]any
	SettingsRange map[string]hcl.Range // by top-level field
	Range         hcl.Range
}

// Image is a container image that every node must have before a workload wants it.
type Image struct {
	Reference string
	Range     hcl.Range
}
