// Package trivet is the Go SDK of the Pulumi provider: clusters, elastic workers, and fleets of them over regions and sites.
package trivet

// Made from the provider's descriptions: go test ./provider/pulumi -run TestSDK -update.

import (
	"reflect"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Cluster is a Kubernetes cluster on machines that SSH reaches. A create brings it up from bare Linux hosts; an update adds, changes, upgrades, mends and removes what differs, host by host, without lowering a quorum of etcd; a destroy gives the hosts back.
type Cluster struct {
	pulumi.CustomResourceState

	// How the cluster is reached, for `cluster` of other resources and of `getClusterStatus` and `getKubeconfig`. Nothing in it is secret.
	Access AccessOutput `pulumi:"access"`
	// Whether a create takes over a cluster of this name that the hosts have already and whose bring-up has come to its end, and changes it to what is described here. Otherwise that is refused. A bring-up that failed is gone on with in any case. Default: `false`.
	Adopt pulumi.BoolPtrOutput `pulumi:"adopt,optional"`
	// age public keys, at least one: each of their identities alone can decrypt the cluster's CA keys. `trivet identity new` makes one.
	AgeRecipients pulumi.StringArrayOutput `pulumi:"ageRecipients,optional"`
	// Where the API server is reached, and by which names.
	API pulumi.AnyOutput `pulumi:"api,optional"`
	// How long certificates are good for, and when they are renewed.
	Certificates pulumi.AnyOutput `pulumi:"certificates,optional"`
	// The cluster's id, made at its first bring-up. It stays the same for as long as there is the cluster.
	ClusterID pulumi.StringOutput `pulumi:"clusterId"`
	// Settings of components. They are checked against the release. Changes restart what they touch, node by node.
	Components pulumi.AnyOutput `pulumi:"components,optional"`
	// Whether a plan that would destroy or replace the cluster is refused. To destroy it, set this to `false` and apply that first. Default: `true`.
	DeletionProtection pulumi.BoolOutput `pulumi:"deletionProtection"`
	// The cluster's name service.
	DNS pulumi.AnyOutput `pulumi:"dns,optional"`
	// Settings of the etcd members, the same on all of them.
	Etcd pulumi.AnyOutput `pulumi:"etcd,optional"`
	// Commands that run on hosts before or after what Trivet does to them, in the order of their names. A command may run more than once for the same step, so it has to be idempotent; see [Hooks](https://github.com/trivet-dev/trivet/blob/main/docs/operations.md#hooks). By name.
	Hook HookMapOutput `pulumi:"hook,optional"`
	// Machines, by a stable name, which is their identity and becomes the node's name: lower-case letters, digits and hyphens. A host that is added joins the cluster, one that is taken out is drained, leaves it and is given back. Addresses, and what else is in it, may be unknown in a preview.
	Hosts HostMapOutput `pulumi:"hosts,optional"`
	// Images that every node has, pinned, before a workload wants them.
	Images pulumi.StringArrayOutput `pulumi:"images,optional"`
	// A kubeconfig without a secret, the same for as long as the cluster has its control planes and its authority: the API through `trivet tunnel` on port 16443 of this machine, and certificates of a short life by `trivet credential`.
	Kubeconfig pulumi.StringOutput `pulumi:"kubeconfig"`
	// The Kubernetes release: `1.36.3` or `1.37.2`. Needed unless there is a `topology`. Another patch or the next minor release is an upgrade, node by node, as `upgrade` says; no minor release can be skipped.
	Kubernetes pulumi.StringPtrOutput `pulumi:"kubernetes,optional"`
	// Hosts that the last change left out, since they did not answer. Once they do, a preview shows them.
	LeftOut pulumi.StringArrayOutput `pulumi:"leftOut,optional"`
	// The digests of all programs, images and packages that hosts are given, as the text of a lock file. Left out, it is filled at the first apply, grows with what a change needs besides, and what differs from it is refused. Given, such as by the text of a file, it has to name everything, and anything else is refused.
	Lock pulumi.StringOutput `pulumi:"lock"`
	// Files of objects that the API shall have, such as `"manifests/*.yaml"`: patterns that start at the folder that Pulumi runs in. What is taken out is deleted.
	Manifests pulumi.StringArrayOutput `pulumi:"manifests,optional"`
	// The name of the cluster. With another name this cluster is destroyed and another one is made, which `deletionProtection` refuses. Default: the resource's name.
	Name pulumi.StringOutput `pulumi:"name"`
	// The pod network.
	Network pulumi.AnyOutput `pulumi:"network,optional"`
	// The size of each node's part of `podCidr`. Cannot be changed later. Default: `24`.
	NodePrefix pulumi.IntPtrOutput `pulumi:"nodePrefix,optional"`
	// The cluster's hosts as they were seen last, by name. A plan shows here what its apply changes, host by host.
	Nodes NodeMapOutput `pulumi:"nodes"`
	// The objects that come from `manifests`, as they were seen last, by kind and name, such as `Deployment.apps shop/web`. A plan shows here what its apply changes: files are read when the plan is made.
	Objects ManifestObjectMapOutput `pulumi:"objects"`
	// What a destroy does. `reset`: the hosts are given back as they were, and all that the cluster stored is lost. `forget`: the cluster goes on running, and Pulumi knows it no more. `onDestroy` of the provider goes before it. Default: `reset`.
	OnDestroy pulumi.StringOutput `pulumi:"onDestroy"`
	// The range that pods get addresses from. Cannot be changed later. Default: `"10.128.0.0/12"`.
	PodCIDR pulumi.StringPtrOutput `pulumi:"podCidr,optional"`
	// What is common to the hosts of a rack, by `site/room/rack`. Racks that hosts name need no element here.
	Racks RackMapOutput `pulumi:"racks,optional"`
	// Which of its kind the cluster's authorities and keys shall be. The first is `1`; a number above the present one has the next apply replace it in stages. What is not named stays as it is.
	Rotation pulumi.AnyOutput `pulumi:"rotation,optional"`
	// The range of Service addresses, `/12` to `/26`. Cannot be changed later. Default: `"10.96.0.0/16"`.
	ServiceCIDR pulumi.StringPtrOutput `pulumi:"serviceCidr,optional"`
	// Data centres, by name, which becomes the node label `topology.kubernetes.io/zone`. All of them belong to the cluster.
	Sites SiteMapOutput `pulumi:"sites,optional"`
	// The topology [in its own language](https://github.com/trivet-dev/trivet/blob/main/docs/topology.md), in place of `sites`, `racks`, `hosts` and all that describes the cluster: the text of a file. It has a cluster block of the resource's name. How hosts are reached comes from the provider.
	Topology pulumi.StringPtrOutput `pulumi:"topology,optional"`
	// What a create, an update or a destroy does about hosts that do not answer. `fail`: it fails, before anything is changed. `forget`: it does without them; a later apply brings those up to date that answer again, and those that a destroy has left out must be installed anew. `unreachable` of the provider goes before it. Default: `fail`.
	Unreachable pulumi.StringOutput `pulumi:"unreachable"`
	// How changes that take nodes away for a while go through the cluster: new releases, and settings of what runs on nodes. Control planes change one at a time, whatever this says.
	Upgrade pulumi.AnyOutput `pulumi:"upgrade,optional"`
	// Values of the variables of `topology`, by name. A text stands as it is; of a list, a map or a number, it is the JSON.
	Variables pulumi.StringMapOutput `pulumi:"variables,optional"`
}

// ClusterArgs is what a Cluster is made of.
type ClusterArgs struct {
	// Whether a create takes over a cluster of this name that the hosts have already and whose bring-up has come to its end, and changes it to what is described here. Otherwise that is refused. A bring-up that failed is gone on with in any case. Default: `false`.
	Adopt pulumi.BoolInput `pulumi:"adopt,optional"`
	// age public keys, at least one: each of their identities alone can decrypt the cluster's CA keys. `trivet identity new` makes one.
	AgeRecipients pulumi.StringArrayInput `pulumi:"ageRecipients,optional"`
	// Where the API server is reached, and by which names.
	API *ApiArgs `pulumi:"api,optional"`
	// How long certificates are good for, and when they are renewed.
	Certificates *CertificatesArgs `pulumi:"certificates,optional"`
	// Settings of components. They are checked against the release. Changes restart what they touch, node by node.
	Components []ComponentArgs `pulumi:"components,optional"`
	// Whether a plan that would destroy or replace the cluster is refused. To destroy it, set this to `false` and apply that first. Default: `true`.
	DeletionProtection pulumi.BoolInput `pulumi:"deletionProtection,optional"`
	// The cluster's name service.
	DNS *DnsArgs `pulumi:"dns,optional"`
	// Settings of the etcd members, the same on all of them.
	Etcd *EtcdArgs `pulumi:"etcd,optional"`
	// Commands that run on hosts before or after what Trivet does to them, in the order of their names. A command may run more than once for the same step, so it has to be idempotent; see [Hooks](https://github.com/trivet-dev/trivet/blob/main/docs/operations.md#hooks). By name.
	Hook map[string]HookArgs `pulumi:"hook,optional"`
	// Machines, by a stable name, which is their identity and becomes the node's name: lower-case letters, digits and hyphens. A host that is added joins the cluster, one that is taken out is drained, leaves it and is given back. Addresses, and what else is in it, may be unknown in a preview.
	Hosts map[string]HostArgs `pulumi:"hosts,optional"`
	// Images that every node has, pinned, before a workload wants them.
	Images pulumi.StringArrayInput `pulumi:"images,optional"`
	// The Kubernetes release: `1.36.3` or `1.37.2`. Needed unless there is a `topology`. Another patch or the next minor release is an upgrade, node by node, as `upgrade` says; no minor release can be skipped.
	Kubernetes pulumi.StringInput `pulumi:"kubernetes,optional"`
	// The digests of all programs, images and packages that hosts are given, as the text of a lock file. Left out, it is filled at the first apply, grows with what a change needs besides, and what differs from it is refused. Given, such as by the text of a file, it has to name everything, and anything else is refused.
	Lock pulumi.StringInput `pulumi:"lock,optional"`
	// Files of objects that the API shall have, such as `"manifests/*.yaml"`: patterns that start at the folder that Pulumi runs in. What is taken out is deleted.
	Manifests pulumi.StringArrayInput `pulumi:"manifests,optional"`
	// The name of the cluster. With another name this cluster is destroyed and another one is made, which `deletionProtection` refuses. Default: the resource's name.
	Name pulumi.StringInput `pulumi:"name,optional"`
	// The pod network.
	Network *NetworkArgs `pulumi:"network,optional"`
	// The size of each node's part of `podCidr`. Cannot be changed later. Default: `24`.
	NodePrefix pulumi.IntInput `pulumi:"nodePrefix,optional"`
	// What a destroy does. `reset`: the hosts are given back as they were, and all that the cluster stored is lost. `forget`: the cluster goes on running, and Pulumi knows it no more. `onDestroy` of the provider goes before it. Default: `reset`.
	OnDestroy pulumi.StringInput `pulumi:"onDestroy,optional"`
	// The range that pods get addresses from. Cannot be changed later. Default: `"10.128.0.0/12"`.
	PodCIDR pulumi.StringInput `pulumi:"podCidr,optional"`
	// What is common to the hosts of a rack, by `site/room/rack`. Racks that hosts name need no element here.
	Racks map[string]RackArgs `pulumi:"racks,optional"`
	// Which of its kind the cluster's authorities and keys shall be. The first is `1`; a number above the present one has the next apply replace it in stages. What is not named stays as it is.
	Rotation *RotationArgs `pulumi:"rotation,optional"`
	// The range of Service addresses, `/12` to `/26`. Cannot be changed later. Default: `"10.96.0.0/16"`.
	ServiceCIDR pulumi.StringInput `pulumi:"serviceCidr,optional"`
	// Data centres, by name, which becomes the node label `topology.kubernetes.io/zone`. All of them belong to the cluster.
	Sites map[string]SiteArgs `pulumi:"sites,optional"`
	// The topology [in its own language](https://github.com/trivet-dev/trivet/blob/main/docs/topology.md), in place of `sites`, `racks`, `hosts` and all that describes the cluster: the text of a file. It has a cluster block of the resource's name. How hosts are reached comes from the provider.
	Topology pulumi.StringInput `pulumi:"topology,optional"`
	// What a create, an update or a destroy does about hosts that do not answer. `fail`: it fails, before anything is changed. `forget`: it does without them; a later apply brings those up to date that answer again, and those that a destroy has left out must be installed anew. `unreachable` of the provider goes before it. Default: `fail`.
	Unreachable pulumi.StringInput `pulumi:"unreachable,optional"`
	// How changes that take nodes away for a while go through the cluster: new releases, and settings of what runs on nodes. Control planes change one at a time, whatever this says.
	Upgrade *UpgradeArgs `pulumi:"upgrade,optional"`
	// Values of the variables of `topology`, by name. A text stands as it is; of a list, a map or a number, it is the JSON.
	Variables pulumi.StringMapInput `pulumi:"variables,optional"`
}

// ElementType implements pulumi.Input.
func (ClusterArgs) ElementType() reflect.Type { return reflect.TypeFor[ClusterArgs]() }

// NewCluster declares a Cluster.
func NewCluster(ctx *pulumi.Context, name string, args *ClusterArgs, opts ...pulumi.ResourceOption) (*Cluster, error) {
	if args == nil {
		args = &ClusterArgs{}
	}
	var r Cluster
	if err := ctx.RegisterResource("trivet:index:Cluster", name, args, &r, options(opts)...); err != nil {
		return nil, err
	}
	return &r, nil
}

// Worker is a worker that joins a cluster without being one of its `hosts`: for machines that come and go, as in a loop. The cluster records it, upgrades it with the other workers, in the same budget, and never takes it out by itself. Joining and leaving have to do with the machine, a host of its site and the control planes only. Several that Pulumi begins at the same time are one run. With hundreds of workers, `pulumi up --parallel=100` makes fewer runs, and the provider's `ssh.parallel` says on how many machines one is at work at once.
type Worker struct {
	pulumi.CustomResourceState

	// Its IPv4 address, in the rack's `cidr` where that has one: the other hosts reach it there, and so does SSH unless `sshAddress` is set.
	Address pulumi.StringOutput `pulumi:"address"`
	// Node annotations, over the rack's.
	Annotations pulumi.StringMapOutput `pulumi:"annotations,optional"`
	// The `access` of a `Cluster`. A cluster with another `id` is another cluster, which replaces the worker; what else changes in it does not change the worker.
	Cluster AccessOutput `pulumi:"cluster"`
	// What is not on the machine as it was put there. An apply mends it.
	Drift pulumi.StringArrayOutput `pulumi:"drift"`
	// The network interface for cluster traffic. Default: the one that carries the address.
	Interface pulumi.StringPtrOutput `pulumi:"interface,optional"`
	// Node labels, over the rack's.
	Labels pulumi.StringMapOutput `pulumi:"labels,optional"`
	// The digests of what the machine may be given: the `lock` of the `Cluster`. It holds when the worker is set up or changed; another one alone changes nothing.
	Lock pulumi.StringPtrOutput `pulumi:"lock,optional"`
	// Which machine it is. Where another one answers in its place, the plan shows it, and an apply sets that one up.
	MachineID pulumi.StringOutput `pulumi:"machineId"`
	// The worker's name, which is its identity and becomes the node's name. Another one is another worker. Default: the resource's name.
	Name pulumi.StringOutput `pulumi:"name"`
	// `reset` drains the node, deletes it and gives the machine back as it was; `forget` leaves it in the cluster. Default: `reset`. The provider can override it.
	OnDestroy pulumi.StringOutput `pulumi:"onDestroy"`
	// The range of the addresses of its pods.
	PodCIDR pulumi.StringOutput `pulumi:"podCidr"`
	// The port of sshd. Default: the site's, else the provider's.
	Port pulumi.IntPtrOutput `pulumi:"port,optional"`
	// The team or product that the machine belongs to. Becomes the node label `trivet.dev/product-line`.
	ProductLine pulumi.StringPtrOutput `pulumi:"productLine,optional"`
	// The rack that it stands in: one access switch, at most 48 hosts. Becomes the node label `trivet.dev/rack`. Default: `"a"`.
	Rack pulumi.StringPtrOutput `pulumi:"rack,optional"`
	// The machine room that it stands in. Becomes the node label `trivet.dev/room`. Default: `"1"`.
	Room pulumi.StringPtrOutput `pulumi:"room,optional"`
	// The site of the cluster that it stands in. Default: the only one.
	Site pulumi.StringPtrOutput `pulumi:"site,optional"`
	// Where SSH reaches it, when that is not `address`. Default: `address`.
	SSHAddress pulumi.StringPtrOutput `pulumi:"sshAddress,optional"`
	// Its pinned public key, `"ssh-ed25519 AAAA…"`. Default: from the provider's `knownHosts`.
	SSHHostKey pulumi.StringPtrOutput `pulumi:"sshHostKey,optional"`
	// A taint of the nodes, kept as it is written here. A host's taint replaces its rack's with the same key and effect.
	Taints pulumi.AnyOutput `pulumi:"taints,optional"`
	// What to do about a machine that does not answer when it is to leave. `fail`: the destroy fails. `forget`: the cluster goes on without it, and what is on it stays. Default: `fail`. The provider can override it.
	Unreachable pulumi.StringOutput `pulumi:"unreachable"`
	// The user to log in as. Default: the site's, else the provider's.
	User pulumi.StringPtrOutput `pulumi:"user,optional"`
}

// WorkerArgs is what a Worker is made of.
type WorkerArgs struct {
	// Its IPv4 address, in the rack's `cidr` where that has one: the other hosts reach it there, and so does SSH unless `sshAddress` is set.
	Address pulumi.StringInput `pulumi:"address"`
	// Node annotations, over the rack's.
	Annotations pulumi.StringMapInput `pulumi:"annotations,optional"`
	// The `access` of a `Cluster`. A cluster with another `id` is another cluster, which replaces the worker; what else changes in it does not change the worker.
	Cluster AccessInput `pulumi:"cluster"`
	// The network interface for cluster traffic. Default: the one that carries the address.
	Interface pulumi.StringInput `pulumi:"interface,optional"`
	// Node labels, over the rack's.
	Labels pulumi.StringMapInput `pulumi:"labels,optional"`
	// The digests of what the machine may be given: the `lock` of the `Cluster`. It holds when the worker is set up or changed; another one alone changes nothing.
	Lock pulumi.StringInput `pulumi:"lock,optional"`
	// The worker's name, which is its identity and becomes the node's name. Another one is another worker. Default: the resource's name.
	Name pulumi.StringInput `pulumi:"name,optional"`
	// `reset` drains the node, deletes it and gives the machine back as it was; `forget` leaves it in the cluster. Default: `reset`. The provider can override it.
	OnDestroy pulumi.StringInput `pulumi:"onDestroy,optional"`
	// The port of sshd. Default: the site's, else the provider's.
	Port pulumi.IntInput `pulumi:"port,optional"`
	// The team or product that the machine belongs to. Becomes the node label `trivet.dev/product-line`.
	ProductLine pulumi.StringInput `pulumi:"productLine,optional"`
	// The rack that it stands in: one access switch, at most 48 hosts. Becomes the node label `trivet.dev/rack`. Default: `"a"`.
	Rack pulumi.StringInput `pulumi:"rack,optional"`
	// The machine room that it stands in. Becomes the node label `trivet.dev/room`. Default: `"1"`.
	Room pulumi.StringInput `pulumi:"room,optional"`
	// The site of the cluster that it stands in. Default: the only one.
	Site pulumi.StringInput `pulumi:"site,optional"`
	// Where SSH reaches it, when that is not `address`. Default: `address`.
	SSHAddress pulumi.StringInput `pulumi:"sshAddress,optional"`
	// Its pinned public key, `"ssh-ed25519 AAAA…"`. Default: from the provider's `knownHosts`.
	SSHHostKey pulumi.StringInput `pulumi:"sshHostKey,optional"`
	// A taint of the nodes, kept as it is written here. A host's taint replaces its rack's with the same key and effect.
	Taints []TaintArgs `pulumi:"taints,optional"`
	// What to do about a machine that does not answer when it is to leave. `fail`: the destroy fails. `forget`: the cluster goes on without it, and what is on it stays. Default: `fail`. The provider can override it.
	Unreachable pulumi.StringInput `pulumi:"unreachable,optional"`
	// The user to log in as. Default: the site's, else the provider's.
	User pulumi.StringInput `pulumi:"user,optional"`
}

// ElementType implements pulumi.Input.
func (WorkerArgs) ElementType() reflect.Type { return reflect.TypeFor[WorkerArgs]() }

// NewWorker declares a Worker.
func NewWorker(ctx *pulumi.Context, name string, args *WorkerArgs, opts ...pulumi.ResourceOption) (*Worker, error) {
	if args == nil {
		args = &WorkerArgs{}
	}
	var r Worker
	if err := ctx.RegisterResource("trivet:index:Worker", name, args, &r, options(opts)...); err != nil {
		return nil, err
	}
	return &r, nil
}

// FleetArgs is what a Fleet is made of.
type FleetArgs struct {
	// One Kubernetes cluster over all hosts with a role in some sites. By name.
	Clusters map[string]FleetClusterArgs `pulumi:"clusters,optional"`
	// Whether clusters that say nothing of it are protected. Default: `true`.
	DeletionProtection pulumi.BoolInput `pulumi:"deletionProtection,optional"`
	// What a destroy does to clusters that say nothing of it: `reset` or `forget`. Default: `reset`.
	OnDestroy pulumi.StringInput `pulumi:"onDestroy,optional"`
	// A geographic area whose loss is one disaster. Becomes the node label `topology.kubernetes.io/region`. By name.
	Regions map[string]FleetRegionArgs `pulumi:"regions,optional"`
	// The topology [in its own language](https://github.com/trivet-dev/trivet/blob/main/docs/topology.md), in place of `regions` and `clusters`. How hosts are reached comes from the provider.
	Topology string `pulumi:"topology,optional"`
	// What holds of hosts that do not answer, for clusters that say nothing of it: `fail` or `forget`. Default: `fail`.
	Unreachable pulumi.StringInput `pulumi:"unreachable,optional"`
	// Values of the variables of `topology`, by name. A text stands as it is; of a list, a map or a number, it is the JSON.
	Variables pulumi.StringMapInput `pulumi:"variables,optional"`
}

// ElementType implements pulumi.Input.
func (FleetArgs) ElementType() reflect.Type { return reflect.TypeFor[FleetArgs]() }

// Fleet is clusters over regions and sites: what stands where, from the region to the host, and the clusters that lie over it, each of which becomes a `Cluster`. The places are those of the topology language, or a topology in that language stands in their place.
type Fleet struct {
	pulumi.ResourceState

	// What the clusters give, by name.
	Outputs ClusterResultMapOutput `pulumi:"outputs"`
	// The sites, by name.
	Sites SiteResultMapOutput `pulumi:"sites"`
}

// ProviderArgs are the settings of a provider.
type ProviderArgs struct {
	// The age identity (`AGE-SECRET-KEY-1…`) that opens the cluster's CA keys. Only what issues certificates or rotates keys needs it: plans, refreshes, kubeconfigs and destroys do without. Environment: `TRIVET_AGE_IDENTITY`, the path of a file that holds it.
	AgeIdentity pulumi.StringInput `pulumi:"ageIdentity,optional"`
	// Where binaries and images come from: `auto`, `upstream`, `source` (built from Go modules), a folder, or the address of a mirror. Default: `auto`. Environment: `TRIVET_ARTIFACTS`.
	Artifacts pulumi.StringInput `pulumi:"artifacts,optional"`
	// Takes the place of every resource's `onDestroy`. Here it can be changed when a host is dead and a change of the resource would need it. Environment: `TRIVET_ON_DESTROY`.
	OnDestroy pulumi.StringInput `pulumi:"onDestroy,optional"`
	// How hosts are reached. What is taken from the environment is never in the state.
	SSH *SSHArgs `pulumi:"ssh,optional"`
	// Takes the place of every resource's `unreachable`. Environment: `TRIVET_UNREACHABLE`.
	Unreachable pulumi.StringInput `pulumi:"unreachable,optional"`
}

// ElementType implements pulumi.Input.
func (ProviderArgs) ElementType() reflect.Type { return reflect.TypeFor[ProviderArgs]() }

// LookupClusterStatusArgs is what GetClusterStatus is asked. What `trivet status` tells of a cluster. Every host is asked over SSH, and etcd and the API through the control planes; nothing is changed. Hosts that do not answer are part of the answer, no failure of it.
type LookupClusterStatusArgs struct {
	// The `access` of a `Cluster`. Its control planes are asked for the other hosts, which are reached at their addresses in the cluster, as the control planes of their site are. What the API should hold is not known then, and not compared.
	Cluster AccessInput `pulumi:"cluster,optional"`
	// The name of the cluster; needed where the topology has several.
	Name pulumi.StringInput `pulumi:"name,optional"`
	// The topology in its own language, in place of `cluster`. Hosts are reached as it says, and the objects of the API are compared with it.
	Topology pulumi.StringInput `pulumi:"topology,optional"`
	// Values of the topology's variables, written as on the command line.
	Variables pulumi.StringMapInput `pulumi:"variables,optional"`
}

// LookupClusterStatusResult is the answer.
type LookupClusterStatusResult struct {
	// When the first certificate of any host ends, RFC 3339.
	CertificatesEnd *string `pulumi:"certificatesEnd,optional"`
	// The cluster's id; null where no host has the cluster.
	ClusterID *string `pulumi:"clusterId,optional"`
	// Whether its bring-up has come to the end.
	Complete bool `pulumi:"complete"`
	// The members of etcd.
	EtcdMembers []EtcdMember `pulumi:"etcdMembers"`
	// Whether every host answers as recorded, every node is Ready, every etcd member is healthy, no certificate has expired, and nothing is half done.
	Healthy bool `pulumi:"healthy"`
	// Who is changing the cluster now; null where nobody is.
	Holder *string `pulumi:"holder,optional"`
	// The hosts, by name.
	Hosts map[string]HostStatus `pulumi:"hosts"`
	// The release that it runs, or is on its way to.
	Kubernetes string `pulumi:"kubernetes"`
	// The name of the cluster; needed where the topology has several.
	Name string `pulumi:"name"`
	// What is worth knowing, and breaks nothing yet.
	Notes []string `pulumi:"notes"`
	// What is not as it should be, with what to do.
	Problems []string `pulumi:"problems"`
	// The release that an upgrade began at which is not finished; null where none is under way.
	UpgradeFrom *string `pulumi:"upgradeFrom,optional"`
}

// LookupKubeconfigArgs is what GetKubeconfig is asked. A kubeconfig without a secret, the same as the `kubeconfig` of a Cluster, for programs that have the cluster's `access` alone. It asks a control plane for the cluster's authority.
type LookupKubeconfigArgs struct {
	// The `access` of a `Cluster`.
	Cluster AccessInput `pulumi:"cluster"`
}

// LookupKubeconfigResult is the answer.
type LookupKubeconfigResult struct {
	// The kubeconfig.
	Kubeconfig string `pulumi:"kubeconfig"`
}

// ApiArgs is the input of Api.
type ApiArgs struct {
	// The port of the balancer on 127.0.0.1 of every node. Default: `7443`.
	LocalPort pulumi.IntInput `pulumi:"localPort,optional"`
	// The port of kube-apiserver on control planes. Default: `6443`.
	Port pulumi.IntInput `pulumi:"port,optional"`
	// Further names and addresses for the serving certificate.
	SANs pulumi.StringArrayInput `pulumi:"sans,optional"`
	// The issuer of service-account tokens. Cannot be changed later. Default: `https://kubernetes.default.svc.<domain>`.
	ServiceAccountIssuer pulumi.StringInput `pulumi:"serviceAccountIssuer,optional"`
}

// ElementType implements pulumi.Input.
func (ApiArgs) ElementType() reflect.Type { return reflect.TypeFor[ApiArgs]() }

// CertificatesArgs is the input of Certificates.
type CertificatesArgs struct {
	// How long the certificate is good for that the command `trivet kubeconfig` hands out. Default: `"24h"`.
	AdminLifetime pulumi.StringInput `pulumi:"adminLifetime,optional"`
	// How long an authority is good for, from when it is made. Those that exist keep their end; `rotation` replaces them. Default: `"10y"`.
	CALifetime pulumi.StringInput `pulumi:"caLifetime,optional"`
	// How long every other certificate is good for, from when it is issued. Default: `"1y"`.
	LeafLifetime pulumi.StringInput `pulumi:"leafLifetime,optional"`
	// How long before its end an apply renews a certificate. Default: `"30d"`.
	RenewBefore pulumi.StringInput `pulumi:"renewBefore,optional"`
}

// ElementType implements pulumi.Input.
func (CertificatesArgs) ElementType() reflect.Type { return reflect.TypeFor[CertificatesArgs]() }

// ComponentArgs is the input of Component.
type ComponentArgs struct {
	// The component.
	Name pulumi.StringInput `pulumi:"name"`
	// Only hosts with this role. Default: every role.
	Role pulumi.StringInput `pulumi:"role,optional"`
	// Fields of the component's configuration file, or its flags where it has none, spelled as Kubernetes does. Checked against the release.
	Settings pulumi.MapInput `pulumi:"settings"`
}

// ElementType implements pulumi.Input.
func (ComponentArgs) ElementType() reflect.Type { return reflect.TypeFor[ComponentArgs]() }

// DnsArgs is the input of Dns.
type DnsArgs struct {
	// The Service address of DNS. Default: the tenth of `serviceCidr`.
	Address pulumi.StringInput `pulumi:"address,optional"`
	// The domain of Services. Cannot be changed later. Default: `"cluster.local"`.
	Domain pulumi.StringInput `pulumi:"domain,optional"`
	// How many CoreDNS pods, spread over sites. Default: `2`.
	Replicas pulumi.IntInput `pulumi:"replicas,optional"`
	// Addresses of the servers that answer for other domains, with an optional `:port`. Default: the nodes' resolvers.
	Upstream pulumi.StringArrayInput `pulumi:"upstream,optional"`
}

// ElementType implements pulumi.Input.
func (DnsArgs) ElementType() reflect.Type { return reflect.TypeFor[DnsArgs]() }

// EtcdArgs is the input of Etcd.
type EtcdArgs struct {
	// Sites and regions whose loss is known, and accepted, to stop the cluster until it is recovered: silences the warning.
	AcceptLoss pulumi.StringArrayInput `pulumi:"acceptLoss,optional"`
	// How much of the history of objects is kept, for clients that go on with a watch. Default: `"5m"`.
	CompactionRetention pulumi.StringInput `pulumi:"compactionRetention,optional"`
	// How long a silent leader is waited for: at least ten heartbeats, at most 50 s; unless set, ten of the heartbeats that were measured, at least `"1s"`. Who sets one of the two sets both: the other is then `"100ms"` or `"1s"`. Default: measured.
	ElectionTimeout pulumi.StringInput `pulumi:"electionTimeout,optional"`
	// How often the leader speaks. Half to one and a half times the longest round trip between members; unless set, that round trip as it was before the first bring-up, at least `"100ms"`. Default: measured.
	HeartbeatInterval pulumi.StringInput `pulumi:"heartbeatInterval,optional"`
	// The largest size of the database: bytes, or a quantity such as `"4Gi"`. Default: `"8Gi"`.
	Quota pulumi.StringInput `pulumi:"quota,optional"`
	// Snapshots of etcd that the members take by a timer, each of itself. Without the block there are none, and those that were taken go with it.
	Snapshots *SnapshotsArgs `pulumi:"snapshots,optional"`
}

// ElementType implements pulumi.Input.
func (EtcdArgs) ElementType() reflect.Type { return reflect.TypeFor[EtcdArgs]() }

// FleetClusterArgs is the input of FleetCluster.
type FleetClusterArgs struct {
	// Whether a create takes over a cluster of this name that the hosts have already and whose bring-up has come to its end, and changes it to what is described here. Otherwise that is refused. A bring-up that failed is gone on with in any case. Default: `false`.
	Adopt pulumi.BoolInput `pulumi:"adopt,optional"`
	// age public keys, at least one: each of their identities alone can decrypt the cluster's CA keys. `trivet identity new` makes one.
	AgeRecipients pulumi.StringArrayInput `pulumi:"ageRecipients,optional"`
	// Where the API server is reached, and by which names.
	API *ApiArgs `pulumi:"api,optional"`
	// How long certificates are good for, and when they are renewed.
	Certificates *CertificatesArgs `pulumi:"certificates,optional"`
	// Settings of components. They are checked against the release. Changes restart what they touch, node by node.
	Components []ComponentArgs `pulumi:"components,optional"`
	// Whether a plan that would destroy or replace the cluster is refused. To destroy it, set this to `false` and apply that first. Default: `true`.
	DeletionProtection pulumi.BoolInput `pulumi:"deletionProtection,optional"`
	// The cluster's name service.
	DNS *DnsArgs `pulumi:"dns,optional"`
	// Settings of the etcd members, the same on all of them.
	Etcd *EtcdArgs `pulumi:"etcd,optional"`
	// Commands that run on hosts before or after what Trivet does to them, in the order of their names. A command may run more than once for the same step, so it has to be idempotent; see [Hooks](https://github.com/trivet-dev/trivet/blob/main/docs/operations.md#hooks). By name.
	Hook map[string]HookArgs `pulumi:"hook,optional"`
	// Images that every node has, pinned, before a workload wants them.
	Images pulumi.StringArrayInput `pulumi:"images,optional"`
	// The Kubernetes release: `1.36.3` or `1.37.2`. Needed unless there is a `topology`. Another patch or the next minor release is an upgrade, node by node, as `upgrade` says; no minor release can be skipped.
	Kubernetes pulumi.StringInput `pulumi:"kubernetes"`
	// The digests of all programs, images and packages that hosts are given, as the text of a lock file. Left out, it is filled at the first apply, grows with what a change needs besides, and what differs from it is refused. Given, such as by the text of a file, it has to name everything, and anything else is refused.
	Lock pulumi.StringInput `pulumi:"lock,optional"`
	// Files of objects that the API shall have, such as `"manifests/*.yaml"`: patterns that start at the folder that Pulumi runs in. What is taken out is deleted.
	Manifests pulumi.StringArrayInput `pulumi:"manifests,optional"`
	// The pod network.
	Network *NetworkArgs `pulumi:"network,optional"`
	// The size of each node's part of `podCidr`. Cannot be changed later. Default: `24`.
	NodePrefix pulumi.IntInput `pulumi:"nodePrefix,optional"`
	// What a destroy does. `reset`: the hosts are given back as they were, and all that the cluster stored is lost. `forget`: the cluster goes on running, and Pulumi knows it no more. `onDestroy` of the provider goes before it. Default: `reset`.
	OnDestroy pulumi.StringInput `pulumi:"onDestroy,optional"`
	// The range that pods get addresses from. Cannot be changed later. Default: `"10.128.0.0/12"`.
	PodCIDR pulumi.StringInput `pulumi:"podCidr,optional"`
	// Which of its kind the cluster's authorities and keys shall be. The first is `1`; a number above the present one has the next apply replace it in stages. What is not named stays as it is.
	Rotation *RotationArgs `pulumi:"rotation,optional"`
	// The range of Service addresses, `/12` to `/26`. Cannot be changed later. Default: `"10.96.0.0/16"`.
	ServiceCIDR pulumi.StringInput `pulumi:"serviceCidr,optional"`
	// Names of the sites it lies over. A site belongs to one cluster. Default: all.
	Sites pulumi.StringArrayInput `pulumi:"sites,optional"`
	// What a create, an update or a destroy does about hosts that do not answer. `fail`: it fails, before anything is changed. `forget`: it does without them; a later apply brings those up to date that answer again, and those that a destroy has left out must be installed anew. `unreachable` of the provider goes before it. Default: `fail`.
	Unreachable pulumi.StringInput `pulumi:"unreachable,optional"`
	// How changes that take nodes away for a while go through the cluster: new releases, and settings of what runs on nodes. Control planes change one at a time, whatever this says.
	Upgrade *UpgradeArgs `pulumi:"upgrade,optional"`
}

// ElementType implements pulumi.Input.
func (FleetClusterArgs) ElementType() reflect.Type { return reflect.TypeFor[FleetClusterArgs]() }

// FleetRegionArgs is the input of FleetRegion.
type FleetRegionArgs struct {
	// A data centre. Becomes the node label `topology.kubernetes.io/zone`. By name.
	Sites map[string]FleetSiteArgs `pulumi:"sites"`
}

// ElementType implements pulumi.Input.
func (FleetRegionArgs) ElementType() reflect.Type { return reflect.TypeFor[FleetRegionArgs]() }

// HookArgs is the input of Hook.
type HookArgs struct {
	// The steps after which it runs. One that has not run, or failed, is owed: the next apply runs it, even when nothing else is left to do.
	After pulumi.StringArrayInput `pulumi:"after,optional"`
	// The steps before which it runs: `"install"` (the host is set up), `"change"` (what was set up changes), `"upgrade"` (it changes while the cluster goes to another release), `"remove"` (the host is given back). A hook that fails keeps its host's step from beginning.
	Before pulumi.StringArrayInput `pulumi:"before,optional"`
	// The path of a program on the host, and its arguments. It runs as root, without a shell; what it prints is shown.
	Command pulumi.StringArrayInput `pulumi:"command"`
	// Only hosts with one of these roles. Default: every host.
	Roles pulumi.StringArrayInput `pulumi:"roles,optional"`
	// How long one run may take, at most `"24h"`. After it the program and all that it started in its process group are ended, and the hook has failed. Default: `"5m"`.
	Timeout pulumi.StringInput `pulumi:"timeout,optional"`
}

// ElementType implements pulumi.Input.
func (HookArgs) ElementType() reflect.Type { return reflect.TypeFor[HookArgs]() }

// HostArgs is the input of Host.
type HostArgs struct {
	// Its IPv4 address, in the rack's `cidr` where that has one: the other hosts reach it there, and so does SSH unless `sshAddress` is set.
	Address pulumi.StringInput `pulumi:"address"`
	// Node annotations, over the rack's.
	Annotations pulumi.StringMapInput `pulumi:"annotations,optional"`
	// The network interface for cluster traffic. Default: the one that carries the address.
	Interface pulumi.StringInput `pulumi:"interface,optional"`
	// Node labels, over the rack's.
	Labels pulumi.StringMapInput `pulumi:"labels,optional"`
	// The port of sshd. Default: the site's, else the provider's.
	Port pulumi.IntInput `pulumi:"port,optional"`
	// The team or product that the machine belongs to. Becomes the node label `trivet.dev/product-line`.
	ProductLine pulumi.StringInput `pulumi:"productLine,optional"`
	// The rack that it stands in: one access switch, at most 48 hosts. Becomes the node label `trivet.dev/rack`. Default: `"a"`.
	Rack pulumi.StringInput `pulumi:"rack,optional"`
	// Any of `"etcd"`, `"control-plane"` and `"worker"`; `[]` keeps the machine as a spare that no cluster uses.
	Roles pulumi.StringArrayInput `pulumi:"roles"`
	// The machine room that it stands in. Becomes the node label `trivet.dev/room`. Default: `"1"`.
	Room pulumi.StringInput `pulumi:"room,optional"`
	// The site in `sites` that it stands in. Default: the only one.
	Site pulumi.StringInput `pulumi:"site,optional"`
	// Where SSH reaches it, when that is not `address`. Default: `address`.
	SSHAddress pulumi.StringInput `pulumi:"sshAddress,optional"`
	// Its pinned public key, `"ssh-ed25519 AAAA…"`. Default: from the provider's `knownHosts`.
	SSHHostKey pulumi.StringInput `pulumi:"sshHostKey,optional"`
	// `true`: the machine is a part of the cluster only while its release changes. It comes when an upgrade begins, stands in for workers that are away meanwhile, and leaves when every host has changed. For workers. Default: `false`.
	Surge pulumi.BoolInput `pulumi:"surge,optional"`
	// A taint of the nodes, kept as it is written here. A host's taint replaces its rack's with the same key and effect.
	Taints []TaintArgs `pulumi:"taints,optional"`
	// The user to log in as. Default: the site's, else the provider's.
	User pulumi.StringInput `pulumi:"user,optional"`
}

// ElementType implements pulumi.Input.
func (HostArgs) ElementType() reflect.Type { return reflect.TypeFor[HostArgs]() }

// NetworkArgs is the input of Network.
type NetworkArgs struct {
	// The MTU of pods, 576 to 9216. Default: from the interface.
	MTU pulumi.IntInput `pulumi:"mtu,optional"`
	// `"flannel"` (VXLAN) or `"bridge"` (routes, no encapsulation). Default: `"flannel"`.
	Plugin pulumi.StringInput `pulumi:"plugin,optional"`
	// kube-proxy's mode: `"nftables"` or `"iptables"`. Default: `"nftables"`.
	ProxyMode pulumi.StringInput `pulumi:"proxyMode,optional"`
	// Bridge only. `"static"`: Trivet sets routes on hosts, which must stand in one rack. `"external"`: your routers carry them; the plan prints the table. Default: `"static"`.
	Routes pulumi.StringInput `pulumi:"routes,optional"`
}

// ElementType implements pulumi.Input.
func (NetworkArgs) ElementType() reflect.Type { return reflect.TypeFor[NetworkArgs]() }

// RackArgs is the input of Rack.
type RackArgs struct {
	// Node annotations for all hosts of the rack.
	Annotations pulumi.StringMapInput `pulumi:"annotations,optional"`
	// The subnet of the rack. An address of one of its hosts outside of it is a mistake; without it, addresses may be any. The lab needs it.
	CIDR pulumi.StringInput `pulumi:"cidr,optional"`
	// Node labels for all hosts of the rack.
	Labels pulumi.StringMapInput `pulumi:"labels,optional"`
	// A taint of the nodes, kept as it is written here. A host's taint replaces its rack's with the same key and effect.
	Taints []TaintArgs `pulumi:"taints,optional"`
}

// ElementType implements pulumi.Input.
func (RackArgs) ElementType() reflect.Type { return reflect.TypeFor[RackArgs]() }

// RotationArgs is the input of Rotation.
type RotationArgs struct {
	// The key under which Secrets and ConfigMaps are stored; a new one has all of them stored again. Default: as it is.
	EncryptionKey pulumi.IntInput `pulumi:"encryptionKey,optional"`
	// The authority of etcd's members and their clients. Default: as it is.
	EtcdCA pulumi.IntInput `pulumi:"etcdCa,optional"`
	// The authority by which extension API servers know the API server. Default: as it is.
	FrontProxyCA pulumi.IntInput `pulumi:"frontProxyCa,optional"`
	// The authority of Kubernetes' components. Default: as it is.
	KubernetesCA pulumi.IntInput `pulumi:"kubernetesCa,optional"`
	// The authority that signs certificate requests in the API. Default: as it is.
	OnlineCA pulumi.IntInput `pulumi:"onlineCa,optional"`
	// How long what was handed out (kubeconfigs, tokens, the authorities that pods have read) is given to be replaced before a stage that ends its use. `"0s"` does not wait. Default: `"24h"`.
	Rest pulumi.StringInput `pulumi:"rest,optional"`
	// The key that signs the tokens of service accounts. Default: as it is.
	ServiceAccountKey pulumi.IntInput `pulumi:"serviceAccountKey,optional"`
}

// ElementType implements pulumi.Input.
func (RotationArgs) ElementType() reflect.Type { return reflect.TypeFor[RotationArgs]() }

// SSHArgs is the input of SSH.
type SSHArgs struct {
	// Use the keys of the SSH agent. Default: only where there is no `privateKey`. Environment: `TRIVET_SSH_AGENT`, `true` or `false`.
	Agent pulumi.BoolInput `pulumi:"agent,optional"`
	// The public keys of hosts, as lines of a known_hosts file. A host whose `sshHostKey` is given needs no line. Default: `~/.ssh/known_hosts`. Environment: `TRIVET_SSH_KNOWN_HOSTS`.
	KnownHosts pulumi.StringInput `pulumi:"knownHosts,optional"`
	// Hosts worked on at once, 1 to 1024. Default: 32. Environment: `TRIVET_SSH_PARALLEL`.
	Parallel pulumi.IntInput `pulumi:"parallel,optional"`
	// The port of sshd. Default: 22. Environment: `TRIVET_SSH_PORT`.
	Port pulumi.IntInput `pulumi:"port,optional"`
	// The private key itself, in the form of ssh-keygen. Environment: `TRIVET_SSH_PRIVATE_KEY`.
	PrivateKey pulumi.StringInput `pulumi:"privateKey,optional"`
	// The password for sudo, where it asks for one. Environment: `TRIVET_SUDO_PASSWORD`.
	SudoPassword pulumi.StringInput `pulumi:"sudoPassword,optional"`
	// The user to log in as; needs sudo unless it is root. Environment: `TRIVET_SSH_USER`.
	User pulumi.StringInput `pulumi:"user,optional"`
}

// ElementType implements pulumi.Input.
func (SSHArgs) ElementType() reflect.Type { return reflect.TypeFor[SSHArgs]() }

// SiteArgs is the input of Site.
type SiteArgs struct {
	// A jump host in front of the site. A chain of several needs `topology`.
	Bastion *BastionArgs `pulumi:"bastion,optional"`
	// `"production"`, `"local-dr"`, `"remote-dr"` or `"arbiter"`. Default: `"production"`.
	Purpose pulumi.StringInput `pulumi:"purpose,optional"`
	// The region that it is in. A geographic area whose loss is one disaster. Becomes the node label `topology.kubernetes.io/region`.
	Region pulumi.StringInput `pulumi:"region"`
	// How its hosts are reached, where that differs from the provider's `ssh`.
	SSH *SiteSSHArgs `pulumi:"ssh,optional"`
}

// ElementType implements pulumi.Input.
func (SiteArgs) ElementType() reflect.Type { return reflect.TypeFor[SiteArgs]() }

// TaintArgs is the input of Taint.
type TaintArgs struct {
	// `"NoSchedule"`, `"PreferNoSchedule"` or `"NoExecute"`.
	Effect pulumi.StringInput `pulumi:"effect"`
	// The key that a toleration names.
	Key pulumi.StringInput `pulumi:"key"`
	// The value that a toleration names, if it names one.
	Value pulumi.StringInput `pulumi:"value,optional"`
}

// ElementType implements pulumi.Input.
func (TaintArgs) ElementType() reflect.Type { return reflect.TypeFor[TaintArgs]() }

// UpgradeArgs is the input of Upgrade.
type UpgradeArgs struct {
	// Whether pods without a controller are evicted, too. Nothing makes them anew: they are lost. Otherwise they stop the drain of their node before anything is changed. Default: `false`.
	DrainForce pulumi.BoolInput `pulumi:"drainForce,optional"`
	// How long the pods of a node may take to leave it. PodDisruptionBudgets are respected; after it the apply stops and says what blocks. Default: `"5m"`.
	DrainTimeout pulumi.StringInput `pulumi:"drainTimeout,optional"`
	// How many workers may fail before an apply stops. It goes on with the others, and then fails with the names of those that did. Default: `0`.
	MaxFailed pulumi.StringInput `pulumi:"maxFailed,optional"`
	// How many nodes of a group may be away at once, such as `2` or `"10%"`; of a percentage at least one. Nodes that are not Ready for other reasons count. While the release changes, each surge host of the group allows one more; `0` is for groups that have some. Default: `"10%"`.
	MaxUnavailable pulumi.StringInput `pulumi:"maxUnavailable,optional"`
	// `true`: no further host begins to change its release; one that has begun is finished. Without a change of release it means nothing. Default: `false`.
	Paused pulumi.BoolInput `pulumi:"paused,optional"`
	// What the group is: `"cluster"`, `"site"`, `"rack"` or `"product_line"`, the pool of machines of one team or product. Default: `"cluster"`.
	Per pulumi.StringInput `pulumi:"per,optional"`
}

// ElementType implements pulumi.Input.
func (UpgradeArgs) ElementType() reflect.Type { return reflect.TypeFor[UpgradeArgs]() }

// Access is a part of a result.
type Access struct {
	// The port of the balancer on every node; null where it is 7443.
	APILocalPort *int `pulumi:"apiLocalPort,optional"`
	// The port of the API servers on control planes; null where it is 6443.
	APIPort *int `pulumi:"apiPort,optional"`
	// The control planes.
	Endpoints []Endpoint `pulumi:"endpoints"`
	// The cluster's id.
	ID string `pulumi:"id"`
	// The name of the cluster.
	Name string `pulumi:"name"`
}

// AccessInput is a Access, or one that is not known yet.
type AccessInput interface {
	pulumi.Input
	ToAccessOutput() AccessOutput
}

// AccessOutput is a Access that may not be known yet.
type AccessOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (AccessOutput) ElementType() reflect.Type { return reflect.TypeFor[Access]() }

// ToAccessOutput implements AccessInput.
func (o AccessOutput) ToAccessOutput() AccessOutput { return o }

func init() { pulumi.RegisterOutputType(AccessOutput{}) }

// ClusterResult is a part of a result.
type ClusterResult struct {
	// How the cluster is reached, for the `cluster` of a `Worker`.
	Access Access `pulumi:"access"`
	// The cluster's id.
	ClusterID string `pulumi:"clusterId"`
	// A kubeconfig without a secret.
	Kubeconfig string `pulumi:"kubeconfig"`
	// The digests of what its hosts are given.
	Lock string `pulumi:"lock"`
}

// ClusterResultInput is a ClusterResult, or one that is not known yet.
type ClusterResultInput interface {
	pulumi.Input
	ToClusterResultOutput() ClusterResultOutput
}

// ClusterResultOutput is a ClusterResult that may not be known yet.
type ClusterResultOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (ClusterResultOutput) ElementType() reflect.Type { return reflect.TypeFor[ClusterResult]() }

// ToClusterResultOutput implements ClusterResultInput.
func (o ClusterResultOutput) ToClusterResultOutput() ClusterResultOutput { return o }

func init() { pulumi.RegisterOutputType(ClusterResultOutput{}) }

// EtcdMember is a part of a result.
type EtcdMember struct {
	// The size of its database in bytes.
	DBSize int `pulumi:"dbSize"`
	// Why it gave no answer; null where it did.
	Error *string `pulumi:"error,optional"`
	// Whether it leads.
	Leader bool `pulumi:"leader"`
	// Whether it does not vote yet.
	Learner bool `pulumi:"learner"`
	// Its name, which is its host's.
	Name string `pulumi:"name"`
	// The version that it runs.
	Version *string `pulumi:"version,optional"`
}

// EtcdMemberInput is a EtcdMember, or one that is not known yet.
type EtcdMemberInput interface {
	pulumi.Input
	ToEtcdMemberOutput() EtcdMemberOutput
}

// EtcdMemberOutput is a EtcdMember that may not be known yet.
type EtcdMemberOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (EtcdMemberOutput) ElementType() reflect.Type { return reflect.TypeFor[EtcdMember]() }

// ToEtcdMemberOutput implements EtcdMemberInput.
func (o EtcdMemberOutput) ToEtcdMemberOutput() EtcdMemberOutput { return o }

func init() { pulumi.RegisterOutputType(EtcdMemberOutput{}) }

// Hook is a part of a result.
type Hook struct {
	// The steps after which it runs. One that has not run, or failed, is owed: the next apply runs it, even when nothing else is left to do.
	After []string `pulumi:"after,optional"`
	// The steps before which it runs: `"install"` (the host is set up), `"change"` (what was set up changes), `"upgrade"` (it changes while the cluster goes to another release), `"remove"` (the host is given back). A hook that fails keeps its host's step from beginning.
	Before []string `pulumi:"before,optional"`
	// The path of a program on the host, and its arguments. It runs as root, without a shell; what it prints is shown.
	Command []string `pulumi:"command"`
	// Only hosts with one of these roles. Default: every host.
	Roles []string `pulumi:"roles,optional"`
	// How long one run may take, at most `"24h"`. After it the program and all that it started in its process group are ended, and the hook has failed. Default: `"5m"`.
	Timeout *string `pulumi:"timeout,optional"`
}

// HookInput is a Hook, or one that is not known yet.
type HookInput interface {
	pulumi.Input
	ToHookOutput() HookOutput
}

// HookOutput is a Hook that may not be known yet.
type HookOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (HookOutput) ElementType() reflect.Type { return reflect.TypeFor[Hook]() }

// ToHookOutput implements HookInput.
func (o HookOutput) ToHookOutput() HookOutput { return o }

func init() { pulumi.RegisterOutputType(HookOutput{}) }

// Host is a part of a result.
type Host struct {
	// Its IPv4 address, in the rack's `cidr` where that has one: the other hosts reach it there, and so does SSH unless `sshAddress` is set.
	Address string `pulumi:"address"`
	// Node annotations, over the rack's.
	Annotations map[string]string `pulumi:"annotations,optional"`
	// The network interface for cluster traffic. Default: the one that carries the address.
	Interface *string `pulumi:"interface,optional"`
	// Node labels, over the rack's.
	Labels map[string]string `pulumi:"labels,optional"`
	// The port of sshd. Default: the site's, else the provider's.
	Port *int `pulumi:"port,optional"`
	// The team or product that the machine belongs to. Becomes the node label `trivet.dev/product-line`.
	ProductLine *string `pulumi:"productLine,optional"`
	// The rack that it stands in: one access switch, at most 48 hosts. Becomes the node label `trivet.dev/rack`. Default: `"a"`.
	Rack *string `pulumi:"rack,optional"`
	// Any of `"etcd"`, `"control-plane"` and `"worker"`; `[]` keeps the machine as a spare that no cluster uses.
	Roles []string `pulumi:"roles"`
	// The machine room that it stands in. Becomes the node label `trivet.dev/room`. Default: `"1"`.
	Room *string `pulumi:"room,optional"`
	// The site in `sites` that it stands in. Default: the only one.
	Site *string `pulumi:"site,optional"`
	// Where SSH reaches it, when that is not `address`. Default: `address`.
	SSHAddress *string `pulumi:"sshAddress,optional"`
	// Its pinned public key, `"ssh-ed25519 AAAA…"`. Default: from the provider's `knownHosts`.
	SSHHostKey *string `pulumi:"sshHostKey,optional"`
	// `true`: the machine is a part of the cluster only while its release changes. It comes when an upgrade begins, stands in for workers that are away meanwhile, and leaves when every host has changed. For workers. Default: `false`.
	Surge *bool `pulumi:"surge,optional"`
	// A taint of the nodes, kept as it is written here. A host's taint replaces its rack's with the same key and effect.
	Taints []Taint `pulumi:"taints,optional"`
	// The user to log in as. Default: the site's, else the provider's.
	User *string `pulumi:"user,optional"`
}

// HostInput is a Host, or one that is not known yet.
type HostInput interface {
	pulumi.Input
	ToHostOutput() HostOutput
}

// HostOutput is a Host that may not be known yet.
type HostOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (HostOutput) ElementType() reflect.Type { return reflect.TypeFor[Host]() }

// ToHostOutput implements HostInput.
func (o HostOutput) ToHostOutput() HostOutput { return o }

func init() { pulumi.RegisterOutputType(HostOutput{}) }

// HostStatus is a part of a result.
type HostStatus struct {
	// Its address in the cluster.
	Address string `pulumi:"address"`
	// When its first certificate ends, RFC 3339.
	CertificatesEnd *string `pulumi:"certificatesEnd,optional"`
	// Whether its node takes no new pods.
	Cordoned bool `pulumi:"cordoned"`
	// What is not on the host as it was put there.
	Drift []string `pulumi:"drift"`
	// Why it could not be read; null where it answered.
	Error *string `pulumi:"error,optional"`
	// What the API says of its node: `Ready`, or why not; null where it is no node, or the API does not answer.
	Node *string `pulumi:"node,optional"`
	// The region of the site.
	Region string `pulumi:"region"`
	// The roles it plays.
	Roles []string `pulumi:"roles"`
	// The site that it stands in.
	Site string `pulumi:"site"`
}

// HostStatusInput is a HostStatus, or one that is not known yet.
type HostStatusInput interface {
	pulumi.Input
	ToHostStatusOutput() HostStatusOutput
}

// HostStatusOutput is a HostStatus that may not be known yet.
type HostStatusOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (HostStatusOutput) ElementType() reflect.Type { return reflect.TypeFor[HostStatus]() }

// ToHostStatusOutput implements HostStatusInput.
func (o HostStatusOutput) ToHostStatusOutput() HostStatusOutput { return o }

func init() { pulumi.RegisterOutputType(HostStatusOutput{}) }

// ManifestObject is a part of a result.
type ManifestObject struct {
	// A digest of the manifest that was applied. The values of a Secret are not in it: what differs there is found as drift.
	Configuration *string `pulumi:"configuration,optional"`
	// How the object in the API differs from its manifest. The next apply mends it.
	Drift []string `pulumi:"drift"`
}

// ManifestObjectInput is a ManifestObject, or one that is not known yet.
type ManifestObjectInput interface {
	pulumi.Input
	ToManifestObjectOutput() ManifestObjectOutput
}

// ManifestObjectOutput is a ManifestObject that may not be known yet.
type ManifestObjectOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (ManifestObjectOutput) ElementType() reflect.Type { return reflect.TypeFor[ManifestObject]() }

// ToManifestObjectOutput implements ManifestObjectInput.
func (o ManifestObjectOutput) ToManifestObjectOutput() ManifestObjectOutput { return o }

func init() { pulumi.RegisterOutputType(ManifestObjectOutput{}) }

// Node is a part of a result.
type Node struct {
	// The address in the cluster.
	Address string `pulumi:"address"`
	// A digest of all that this host's setup follows from in the configuration: where it changes, the apply changes that host.
	Configuration *string `pulumi:"configuration,optional"`
	// What the last refresh found otherwise than it was put there: files, units, settings, the Node. The next apply mends it.
	Drift []string `pulumi:"drift"`
	// The Kubernetes release that it runs. Unknown while an upgrade is half done.
	Kubernetes *string `pulumi:"kubernetes,optional"`
	// The machine id of its installation. It tells a machine that was installed anew, or put in another one's place, from the one before.
	MachineID *string `pulumi:"machineId,optional"`
	// The roles it plays.
	Roles []string `pulumi:"roles"`
	// The public key of its sshd, where it is known.
	SSHHostKey *string `pulumi:"sshHostKey,optional"`
}

// NodeInput is a Node, or one that is not known yet.
type NodeInput interface {
	pulumi.Input
	ToNodeOutput() NodeOutput
}

// NodeOutput is a Node that may not be known yet.
type NodeOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (NodeOutput) ElementType() reflect.Type { return reflect.TypeFor[Node]() }

// ToNodeOutput implements NodeInput.
func (o NodeOutput) ToNodeOutput() NodeOutput { return o }

func init() { pulumi.RegisterOutputType(NodeOutput{}) }

// Rack is a part of a result.
type Rack struct {
	// Node annotations for all hosts of the rack.
	Annotations map[string]string `pulumi:"annotations,optional"`
	// The subnet of the rack. An address of one of its hosts outside of it is a mistake; without it, addresses may be any. The lab needs it.
	CIDR *string `pulumi:"cidr,optional"`
	// Node labels for all hosts of the rack.
	Labels map[string]string `pulumi:"labels,optional"`
	// A taint of the nodes, kept as it is written here. A host's taint replaces its rack's with the same key and effect.
	Taints []Taint `pulumi:"taints,optional"`
}

// RackInput is a Rack, or one that is not known yet.
type RackInput interface {
	pulumi.Input
	ToRackOutput() RackOutput
}

// RackOutput is a Rack that may not be known yet.
type RackOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (RackOutput) ElementType() reflect.Type { return reflect.TypeFor[Rack]() }

// ToRackOutput implements RackInput.
func (o RackOutput) ToRackOutput() RackOutput { return o }

func init() { pulumi.RegisterOutputType(RackOutput{}) }

// Site is a part of a result.
type Site struct {
	// A jump host in front of the site. A chain of several needs `topology`.
	Bastion *Bastion `pulumi:"bastion,optional"`
	// `"production"`, `"local-dr"`, `"remote-dr"` or `"arbiter"`. Default: `"production"`.
	Purpose *string `pulumi:"purpose,optional"`
	// The region that it is in. A geographic area whose loss is one disaster. Becomes the node label `topology.kubernetes.io/region`.
	Region string `pulumi:"region"`
	// How its hosts are reached, where that differs from the provider's `ssh`.
	SSH *SiteSSH `pulumi:"ssh,optional"`
}

// SiteInput is a Site, or one that is not known yet.
type SiteInput interface {
	pulumi.Input
	ToSiteOutput() SiteOutput
}

// SiteOutput is a Site that may not be known yet.
type SiteOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (SiteOutput) ElementType() reflect.Type { return reflect.TypeFor[Site]() }

// ToSiteOutput implements SiteInput.
func (o SiteOutput) ToSiteOutput() SiteOutput { return o }

func init() { pulumi.RegisterOutputType(SiteOutput{}) }

// SiteResult is a part of a result.
type SiteResult struct {
	// The cluster that it belongs to.
	Cluster string `pulumi:"cluster"`
	// The addresses of its hosts, by name.
	Hosts map[string]string `pulumi:"hosts"`
	// What it is for.
	Purpose *string `pulumi:"purpose,optional"`
	// The region that it is in.
	Region string `pulumi:"region"`
}

// SiteResultInput is a SiteResult, or one that is not known yet.
type SiteResultInput interface {
	pulumi.Input
	ToSiteResultOutput() SiteResultOutput
}

// SiteResultOutput is a SiteResult that may not be known yet.
type SiteResultOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (SiteResultOutput) ElementType() reflect.Type { return reflect.TypeFor[SiteResult]() }

// ToSiteResultOutput implements SiteResultInput.
func (o SiteResultOutput) ToSiteResultOutput() SiteResultOutput { return o }

func init() { pulumi.RegisterOutputType(SiteResultOutput{}) }

// BastionArgs is the input of Bastion.
type BastionArgs struct {
	// A host name or an IPv4 address.
	Address pulumi.StringInput `pulumi:"address"`
	// The port of its sshd. Default: 22.
	Port pulumi.IntInput `pulumi:"port,optional"`
	// Its pinned public key, `"ssh-ed25519 AAAA…"`. Default: from the provider's `knownHosts`.
	SSHHostKey pulumi.StringInput `pulumi:"sshHostKey,optional"`
	// The user to log in as. Default: the provider's.
	User pulumi.StringInput `pulumi:"user,optional"`
}

// ElementType implements pulumi.Input.
func (BastionArgs) ElementType() reflect.Type { return reflect.TypeFor[BastionArgs]() }

// FleetSiteArgs is the input of FleetSite.
type FleetSiteArgs struct {
	// A jump host in front of the site. A chain of several needs `topology`.
	Bastion *BastionArgs `pulumi:"bastion,optional"`
	// `"production"`, `"local-dr"`, `"remote-dr"` or `"arbiter"`. Default: `"production"`.
	Purpose pulumi.StringInput `pulumi:"purpose,optional"`
	// A machine room. Becomes the node label `trivet.dev/room`. By name.
	Rooms map[string]FleetRoomArgs `pulumi:"rooms"`
	// How its hosts are reached, where that differs from the provider's `ssh`.
	SSH *SiteSSHArgs `pulumi:"ssh,optional"`
}

// ElementType implements pulumi.Input.
func (FleetSiteArgs) ElementType() reflect.Type { return reflect.TypeFor[FleetSiteArgs]() }

// SiteSSHArgs is the input of SiteSSH.
type SiteSSHArgs struct {
	// How long to wait for a connection. Default: `"15s"`.
	ConnectTimeout pulumi.StringInput `pulumi:"connectTimeout,optional"`
	// How often an idle connection is probed. Default: `"10s"`.
	Keepalive pulumi.StringInput `pulumi:"keepalive,optional"`
	// The port of sshd. Default: the provider's.
	Port pulumi.IntInput `pulumi:"port,optional"`
	// The user to log in as; needs sudo unless it is root. Default: the provider's.
	User pulumi.StringInput `pulumi:"user,optional"`
}

// ElementType implements pulumi.Input.
func (SiteSSHArgs) ElementType() reflect.Type { return reflect.TypeFor[SiteSSHArgs]() }

// SnapshotsArgs is the input of Snapshots.
type SnapshotsArgs struct {
	// How many other sites get each snapshot, those of other regions first. `0`: it stays on the member's host. Default: `1`.
	Copies pulumi.IntInput `pulumi:"copies,optional"`
	// With `false` none are taken or copied for now; those that are there stay. Default: `true`.
	Enabled pulumi.BoolInput `pulumi:"enabled,optional"`
	// How many of each member are kept on a host at most. Default: `8`.
	Keep pulumi.IntInput `pulumi:"keep,optional"`
	// How long a snapshot is kept at most. The newest good one of a host stays, however old it is. Default: `"7d"`.
	KeepFor pulumi.StringInput `pulumi:"keepFor,optional"`
	// When, as a calendar expression of systemd in UTC: `"hourly"`, `"daily"`, `"Mon..Fri 03:00"`. Default: `"*-*-* 00/6:00:00"`.
	Schedule pulumi.StringInput `pulumi:"schedule,optional"`
}

// ElementType implements pulumi.Input.
func (SnapshotsArgs) ElementType() reflect.Type { return reflect.TypeFor[SnapshotsArgs]() }

// Bastion is a part of a result.
type Bastion struct {
	// A host name or an IPv4 address.
	Address string `pulumi:"address"`
	// The port of its sshd. Default: 22.
	Port *int `pulumi:"port,optional"`
	// Its pinned public key, `"ssh-ed25519 AAAA…"`. Default: from the provider's `knownHosts`.
	SSHHostKey *string `pulumi:"sshHostKey,optional"`
	// The user to log in as. Default: the provider's.
	User *string `pulumi:"user,optional"`
}

// BastionInput is a Bastion, or one that is not known yet.
type BastionInput interface {
	pulumi.Input
	ToBastionOutput() BastionOutput
}

// BastionOutput is a Bastion that may not be known yet.
type BastionOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (BastionOutput) ElementType() reflect.Type { return reflect.TypeFor[Bastion]() }

// ToBastionOutput implements BastionInput.
func (o BastionOutput) ToBastionOutput() BastionOutput { return o }

func init() { pulumi.RegisterOutputType(BastionOutput{}) }

// Endpoint is a part of a result.
type Endpoint struct {
	// Where SSH reaches it.
	Address string `pulumi:"address"`
	// The jump host in front of it.
	Bastion *EndpointBastion `pulumi:"bastion,optional"`
	// The host's name.
	Host string `pulumi:"host"`
	// The port of its sshd; null where the provider's holds.
	Port *int `pulumi:"port,optional"`
	// Its public key, where the configuration gives it.
	SSHHostKey *string `pulumi:"sshHostKey,optional"`
	// The user to log in as; null where the provider's holds.
	User *string `pulumi:"user,optional"`
}

// EndpointInput is a Endpoint, or one that is not known yet.
type EndpointInput interface {
	pulumi.Input
	ToEndpointOutput() EndpointOutput
}

// EndpointOutput is a Endpoint that may not be known yet.
type EndpointOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (EndpointOutput) ElementType() reflect.Type { return reflect.TypeFor[Endpoint]() }

// ToEndpointOutput implements EndpointInput.
func (o EndpointOutput) ToEndpointOutput() EndpointOutput { return o }

func init() { pulumi.RegisterOutputType(EndpointOutput{}) }

// SiteSSH is a part of a result.
type SiteSSH struct {
	// How long to wait for a connection. Default: `"15s"`.
	ConnectTimeout *string `pulumi:"connectTimeout,optional"`
	// How often an idle connection is probed. Default: `"10s"`.
	Keepalive *string `pulumi:"keepalive,optional"`
	// The port of sshd. Default: the provider's.
	Port *int `pulumi:"port,optional"`
	// The user to log in as; needs sudo unless it is root. Default: the provider's.
	User *string `pulumi:"user,optional"`
}

// SiteSSHInput is a SiteSSH, or one that is not known yet.
type SiteSSHInput interface {
	pulumi.Input
	ToSiteSSHOutput() SiteSSHOutput
}

// SiteSSHOutput is a SiteSSH that may not be known yet.
type SiteSSHOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (SiteSSHOutput) ElementType() reflect.Type { return reflect.TypeFor[SiteSSH]() }

// ToSiteSSHOutput implements SiteSSHInput.
func (o SiteSSHOutput) ToSiteSSHOutput() SiteSSHOutput { return o }

func init() { pulumi.RegisterOutputType(SiteSSHOutput{}) }

// Taint is a part of a result.
type Taint struct {
	// `"NoSchedule"`, `"PreferNoSchedule"` or `"NoExecute"`.
	Effect string `pulumi:"effect"`
	// The key that a toleration names.
	Key string `pulumi:"key"`
	// The value that a toleration names, if it names one.
	Value *string `pulumi:"value,optional"`
}

// TaintInput is a Taint, or one that is not known yet.
type TaintInput interface {
	pulumi.Input
	ToTaintOutput() TaintOutput
}

// TaintOutput is a Taint that may not be known yet.
type TaintOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (TaintOutput) ElementType() reflect.Type { return reflect.TypeFor[Taint]() }

// ToTaintOutput implements TaintInput.
func (o TaintOutput) ToTaintOutput() TaintOutput { return o }

func init() { pulumi.RegisterOutputType(TaintOutput{}) }

// FleetRoomArgs is the input of FleetRoom.
type FleetRoomArgs struct {
	// One access switch: one subnet, at most 48 hosts. Becomes the node label `trivet.dev/rack`. By name.
	Racks map[string]FleetRackArgs `pulumi:"racks"`
}

// ElementType implements pulumi.Input.
func (FleetRoomArgs) ElementType() reflect.Type { return reflect.TypeFor[FleetRoomArgs]() }

// EndpointBastion is a part of a result.
type EndpointBastion struct {
	// Where it is reached.
	Address string `pulumi:"address"`
	// The port of its sshd.
	Port *int `pulumi:"port,optional"`
	// Its public key, where the configuration gives it.
	SSHHostKey *string `pulumi:"sshHostKey,optional"`
	// The user to log in as.
	User *string `pulumi:"user,optional"`
}

// EndpointBastionInput is a EndpointBastion, or one that is not known yet.
type EndpointBastionInput interface {
	pulumi.Input
	ToEndpointBastionOutput() EndpointBastionOutput
}

// EndpointBastionOutput is a EndpointBastion that may not be known yet.
type EndpointBastionOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (EndpointBastionOutput) ElementType() reflect.Type { return reflect.TypeFor[EndpointBastion]() }

// ToEndpointBastionOutput implements EndpointBastionInput.
func (o EndpointBastionOutput) ToEndpointBastionOutput() EndpointBastionOutput { return o }

func init() { pulumi.RegisterOutputType(EndpointBastionOutput{}) }

// FleetRackArgs is the input of FleetRack.
type FleetRackArgs struct {
	// Node annotations for all hosts of the rack.
	Annotations pulumi.StringMapInput `pulumi:"annotations,optional"`
	// The subnet of the rack. An address of one of its hosts outside of it is a mistake; without it, addresses may be any. The lab needs it.
	CIDR pulumi.StringInput `pulumi:"cidr,optional"`
	// The machines of the rack, by a stable name, which is their identity and becomes the node's name.
	Hosts map[string]FleetHostArgs `pulumi:"hosts,optional"`
	// Node labels for all hosts of the rack.
	Labels pulumi.StringMapInput `pulumi:"labels,optional"`
	// A taint of the nodes, kept as it is written here. A host's taint replaces its rack's with the same key and effect.
	Taints []TaintArgs `pulumi:"taints,optional"`
}

// ElementType implements pulumi.Input.
func (FleetRackArgs) ElementType() reflect.Type { return reflect.TypeFor[FleetRackArgs]() }

// FleetHostArgs is the input of FleetHost.
type FleetHostArgs struct {
	// Its IPv4 address, in the rack's `cidr` where that has one: the other hosts reach it there, and so does SSH unless `sshAddress` is set.
	Address pulumi.StringInput `pulumi:"address"`
	// Node annotations, over the rack's.
	Annotations pulumi.StringMapInput `pulumi:"annotations,optional"`
	// The network interface for cluster traffic. Default: the one that carries the address.
	Interface pulumi.StringInput `pulumi:"interface,optional"`
	// Node labels, over the rack's.
	Labels pulumi.StringMapInput `pulumi:"labels,optional"`
	// The port of sshd. Default: the site's, else the provider's.
	Port pulumi.IntInput `pulumi:"port,optional"`
	// The team or product that the machine belongs to. Becomes the node label `trivet.dev/product-line`.
	ProductLine pulumi.StringInput `pulumi:"productLine,optional"`
	// Any of `"etcd"`, `"control-plane"` and `"worker"`; `[]` keeps the machine as a spare that no cluster uses.
	Roles pulumi.StringArrayInput `pulumi:"roles"`
	// Where SSH reaches it, when that is not `address`. Default: `address`.
	SSHAddress pulumi.StringInput `pulumi:"sshAddress,optional"`
	// Its pinned public key, `"ssh-ed25519 AAAA…"`. Default: from the provider's `knownHosts`.
	SSHHostKey pulumi.StringInput `pulumi:"sshHostKey,optional"`
	// `true`: the machine is a part of the cluster only while its release changes. It comes when an upgrade begins, stands in for workers that are away meanwhile, and leaves when every host has changed. For workers. Default: `false`.
	Surge pulumi.BoolInput `pulumi:"surge,optional"`
	// A taint of the nodes, kept as it is written here. A host's taint replaces its rack's with the same key and effect.
	Taints []TaintArgs `pulumi:"taints,optional"`
	// The user to log in as. Default: the site's, else the provider's.
	User pulumi.StringInput `pulumi:"user,optional"`
}

// ElementType implements pulumi.Input.
func (FleetHostArgs) ElementType() reflect.Type { return reflect.TypeFor[FleetHostArgs]() }

// ClusterResultMapOutput is a map of ClusterResult that may not be known yet.
type ClusterResultMapOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (ClusterResultMapOutput) ElementType() reflect.Type {
	return reflect.TypeFor[map[string]ClusterResult]()
}

func init() { pulumi.RegisterOutputType(ClusterResultMapOutput{}) }

// HookMapOutput is a map of Hook that may not be known yet.
type HookMapOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (HookMapOutput) ElementType() reflect.Type { return reflect.TypeFor[map[string]Hook]() }

func init() { pulumi.RegisterOutputType(HookMapOutput{}) }

// HostMapOutput is a map of Host that may not be known yet.
type HostMapOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (HostMapOutput) ElementType() reflect.Type { return reflect.TypeFor[map[string]Host]() }

func init() { pulumi.RegisterOutputType(HostMapOutput{}) }

// ManifestObjectMapOutput is a map of ManifestObject that may not be known yet.
type ManifestObjectMapOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (ManifestObjectMapOutput) ElementType() reflect.Type {
	return reflect.TypeFor[map[string]ManifestObject]()
}

func init() { pulumi.RegisterOutputType(ManifestObjectMapOutput{}) }

// NodeMapOutput is a map of Node that may not be known yet.
type NodeMapOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (NodeMapOutput) ElementType() reflect.Type { return reflect.TypeFor[map[string]Node]() }

func init() { pulumi.RegisterOutputType(NodeMapOutput{}) }

// RackMapOutput is a map of Rack that may not be known yet.
type RackMapOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (RackMapOutput) ElementType() reflect.Type { return reflect.TypeFor[map[string]Rack]() }

func init() { pulumi.RegisterOutputType(RackMapOutput{}) }

// SiteMapOutput is a map of Site that may not be known yet.
type SiteMapOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (SiteMapOutput) ElementType() reflect.Type { return reflect.TypeFor[map[string]Site]() }

func init() { pulumi.RegisterOutputType(SiteMapOutput{}) }

// SiteResultMapOutput is a map of SiteResult that may not be known yet.
type SiteResultMapOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (SiteResultMapOutput) ElementType() reflect.Type {
	return reflect.TypeFor[map[string]SiteResult]()
}

func init() { pulumi.RegisterOutputType(SiteResultMapOutput{}) }

// ComponentName is one of some words; a text in its place may be any.
const (
	ComponentNameContainerd            = "containerd"
	ComponentNameEtcd                  = "etcd"
	ComponentNameKubeApiserver         = "kube-apiserver"
	ComponentNameKubeControllerManager = "kube-controller-manager"
	ComponentNameKubeProxy             = "kube-proxy"
	ComponentNameKubeScheduler         = "kube-scheduler"
	ComponentNameKubelet               = "kubelet"
)

// HookStep is one of some words; a text in its place may be any.
const (
	HookStepInstall = "install"
	HookStepChange  = "change"
	HookStepUpgrade = "upgrade"
	HookStepRemove  = "remove"
)

// NetworkPlugin is one of some words; a text in its place may be any.
const (
	NetworkPluginFlannel = "flannel"
	NetworkPluginBridge  = "bridge"
)

// NetworkRoutes is one of some words; a text in its place may be any.
const (
	NetworkRoutesStatic   = "static"
	NetworkRoutesExternal = "external"
)

// OnDestroy is one of some words; a text in its place may be any.
const (
	OnDestroyReset  = "reset"
	OnDestroyForget = "forget"
)

// ProxyMode is one of some words; a text in its place may be any.
const (
	ProxyModeNftables = "nftables"
	ProxyModeIptables = "iptables"
)

// Role is one of some words; a text in its place may be any.
const (
	RoleControlPlane = "control-plane"
	RoleEtcd         = "etcd"
	RoleWorker       = "worker"
)

// SitePurpose is one of some words; a text in its place may be any.
const (
	SitePurposeProduction = "production"
	SitePurposeLocalDr    = "local-dr"
	SitePurposeRemoteDr   = "remote-dr"
	SitePurposeArbiter    = "arbiter"
)

// TaintEffect is one of some words; a text in its place may be any.
const (
	TaintEffectNoSchedule       = "NoSchedule"
	TaintEffectPreferNoSchedule = "PreferNoSchedule"
	TaintEffectNoExecute        = "NoExecute"
)

// Unreachable is one of some words; a text in its place may be any.
const (
	UnreachableFail   = "fail"
	UnreachableForget = "forget"
)

// UpgradeGroup is one of some words; a text in its place may be any.
const (
	UpgradeGroupCluster     = "cluster"
	UpgradeGroupSite        = "site"
	UpgradeGroupRack        = "rack"
	UpgradeGroupProductLine = "product_line"
)
