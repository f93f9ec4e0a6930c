// Package desired compiles a topology, a release, the inventory and facts into what every host and the cluster's API should hold. It is pure: the same input gives
// the same output, byte for byte.
package desired

import (
	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/artifact"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Input is everything that a compile depends on.
type Input struct {
	Cluster   *topology.Cluster
	Release   *release.Release
	Inventory *inventory.Inventory // with every host of Facts in it, its pod range allotted
	// Facts by host name. A host without facts was not reached: its files are not compiled; its Node object is, when the inventory has it.
	Facts     map[string]hostapi.Facts
	Artifacts []artifact.Entry // resolved, for the architectures in Facts: what Wants lists
	// NoVerifyImage leaves out the image that verify runs pods from.
	NoVerifyImage bool
}

// Cluster is the desired state.
type Cluster struct {
	Hosts     []*Host // in name order
	Objects   []Object
	Manifests []Object // that the topology names
}

// Host is the desired state of one host. Items come in the order in which they are to be made.
type Host struct {
	Name  string
	Items []Item
}

// Parts of a host, in the order in which they are made.
const (
	PartHost              = "host"
	PartEtcd              = "etcd"
	PartAPIServer         = "kube-apiserver"
	PartControllerManager = "kube-controller-manager"
	PartScheduler         = "kube-scheduler"
	PartBalancer          = "haproxy"
	PartContainerd        = "containerd"
	PartImages            = "images"
	PartKubelet           = "kubelet"
	PartProxy             = "kube-proxy"
	PartNetwork           = "network"
	PartSnapshots         = "snapshots"
	// PartEtcdGuard is what may be made only after etcd has formed, or this member has joined: from then on it neither makes a cluster nor starts without its data.
	PartEtcdGuard = "etcd-guard"
)

// Secret names secret content that exists only in the sealed identity and, in plain, on the hosts that need it.
type Secret string

// Secrets.
const (
	SecretServiceAccountKey Secret = "service-account-key"
	SecretEncryptionConfig  Secret = "encryption-config"
	SecretOnlineCAKey       Secret = "online-ca-key"
)

// Item is an item with what it takes to make its content. At most one of Certificate, Secret and Trust is set; with none of them the content is in the item.
type Item struct {
	hostapi.Item
	// Part is the component the item belongs to, for messages and ordering: "host", "etcd", "kube-apiserver", "containerd", …
	Part string
	// Certificate is the spec of a KeyPair item; the bytes are made during the apply.
	Certificate *certs.Spec `json:",omitempty"`
	// Secret is the content of a secret File item.
	Secret Secret `json:",omitempty"`
	// Trust is the list of authorities whose certificates, or with TrustServiceAccount the public keys, are the content of a File item. It has content already when
	// the inventory knows the identity.
	Trust []certs.Authority `json:",omitempty"`
	// InitialCluster marks the File item with the members of etcd. It is read once, at a member's first start, so its content is that of the moment when it is made, and is not compared.
	InitialCluster bool `json:",omitempty"`
	// TrustServiceAccount makes the content the service account public keys.
	TrustServiceAccount bool `json:",omitempty"`
	// Signing leaves of each authority in Trust the one certificate that signs now.
	Signing bool `json:",omitempty"`
}

// Object is an API object that Trivet applies (server-side apply) and owns.
type Object struct {
	Manifest []byte // canonical JSON
	// APIVersion, Kind, Namespace and Name are read from Manifest.
	APIVersion, Kind, Namespace, Name string
	// Withheld marks a Secret without its values.
	Withheld bool `json:",omitempty"`
	// Origin is the file and line of what the topology's manifests have; a plan is the same wherever the text stands.
	Origin string `json:"-"`
}
