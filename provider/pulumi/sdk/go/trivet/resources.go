// Code generated from the provider's descriptions by `make sdk`. DO NOT EDIT.

package trivet

import (
	"fmt"
	"reflect"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Cluster is a Kubernetes cluster on machines that SSH reaches. A create brings it up from bare Linux hosts; an update adds, changes, upgrades, mends and removes what differs, host by host, without lowering a quorum of etcd; a destroy gives the hosts back.
type Cluster struct {
	pulumi.CustomResourceState

	// How the cluster is reached, for `cluster` of other resources and of `getClusterStatus` and `getKubeconfig`. Nothing in it is secret.
	Access AccessOutput `pulumi:"access"`
	// Whether a create takes over a cluster of this name that the hosts have already and whose bring-up has come to its end, and changes it to what is described here. Otherwise that is refused. A bring-up that failed is gone on with in any case. Default: `false`.
	Adopt pulumi.BoolPtrOutput `pulumi:"adopt"`
	// age public keys, at least one: each of their identities alone can decrypt the cluster's CA keys. `trivet identity new` makes one.
	AgeRecipients pulumi.StringArrayOutput `pulumi:"ageRecipients"`
	// Where the API server is reached, and by which names.
	Api ApiPtrOutput `pulumi:"api"`
	// How long certificates are good for, and when they are renewed.
	Certificates CertificatesPtrOutput `pulumi:"certificates"`
	// The cluster's id, made at its first bring-up. It stays the same for as long as there is the cluster.
	ClusterId pulumi.StringOutput `pulumi:"clusterId"`
	// Settings of components. They are checked against the release. Changes restart what they touch, node by node.
	Components ComponentArrayOutput `pulumi:"components"`
	// Whether a plan that would destroy or replace the cluster is refused. To destroy it, set this to `false` and apply that first. Default: `true`.
	DeletionProtection pulumi.BoolOutput `pulumi:"deletionProtection"`
	// The cluster's name service.
	Dns DnsPtrOutput `pulumi:"dns"`
	// Settings of the etcd members, the same on all of them.
	Etcd EtcdPtrOutput `pulumi:"etcd"`
	// Commands that run on hosts before or after what Trivet does to them, in the order of their names. A command may run more than once for the same step, so it has to be idempotent; see [Hooks](https://github.com/trivet-dev/trivet/blob/main/docs/operations.md#hooks). By name.
	Hook HookMapOutput `pulumi:"hook"`
	// Machines, by a stable name, which is their identity and becomes the node's name: lower-case letters, digits and hyphens. A host that is added joins the cluster, one that is taken out is drained, leaves it and is given back. Addresses, and what else is in it, may be unknown in a preview.
	Hosts HostMapOutput `pulumi:"hosts"`
	// Images that every node has, pinned, before a workload wants them.
	Images pulumi.StringArrayOutput `pulumi:"images"`
	// A kubeconfig without a secret, the same for as long as the cluster has its control planes and its authority: the API through `trivet tunnel` on port 16443 of this machine, and certificates of a short life by `trivet credential`.
	Kubeconfig pulumi.StringOutput `pulumi:"kubeconfig"`
	// The Kubernetes release: `1.36.3` or `1.37.2`. Needed unless there is a `topology`. Another patch or the next minor release is an upgrade, node by node, as `upgrade` says; no minor release can be skipped.
	Kubernetes pulumi.StringPtrOutput `pulumi:"kubernetes"`
	// Hosts that the last change left out, since they did not answer. Once they do, a preview shows them.
	LeftOut pulumi.StringArrayOutput `pulumi:"leftOut"`
	// The digests of all programs, images and packages that hosts are given, as the text of a lock file. Left out, it is filled at the first apply, grows with what a change needs besides, and what differs from it is refused. Given, such as by the text of a file, it has to name everything, and anything else is refused.
	Lock pulumi.StringOutput `pulumi:"lock"`
	// Files of objects that the API shall have, such as `"manifests/*.yaml"`: patterns that start at the folder that Pulumi runs in. What is taken out is deleted.
	Manifests pulumi.StringArrayOutput `pulumi:"manifests"`
	// The name of the cluster. With another name this cluster is destroyed and another one is made, which `deletionProtection` refuses. Default: the resource's name.
	Name pulumi.StringOutput `pulumi:"name"`
	// The pod network.
	Network NetworkPtrOutput `pulumi:"network"`
	// The size of each node's part of `podCidr`. Cannot be changed later. Default: `24`.
	NodePrefix pulumi.IntPtrOutput `pulumi:"nodePrefix"`
	// The cluster's hosts as they were seen last, by name. A plan shows here what its apply changes, host by host.
	Nodes NodeMapOutput `pulumi:"nodes"`
	// The objects that come from `manifests`, as they were seen last, by kind and name, such as `Deployment.apps shop/web`. A plan shows here what its apply changes: files are read when the plan is made.
	Objects ManifestObjectMapOutput `pulumi:"objects"`
	// What a destroy does. `reset`: the hosts are given back as they were, and all that the cluster stored is lost. `forget`: the cluster goes on running, and Pulumi knows it no more. `onDestroy` of the provider goes before it. Default: `reset`.
	OnDestroy pulumi.StringOutput `pulumi:"onDestroy"`
	// The range that pods get addresses from. Cannot be changed later. Default: `"10.128.0.0/12"`.
	PodCidr pulumi.StringPtrOutput `pulumi:"podCidr"`
	// What is common to the hosts of a rack, by `site/room/rack`. Racks that hosts name need no element here.
	Racks RackMapOutput `pulumi:"racks"`
	// Which of its kind the cluster's authorities and keys shall be. The first is `1`; a number above the present one has the next apply replace it in stages. What is not named stays as it is.
	Rotation RotationPtrOutput `pulumi:"rotation"`
	// The range of Service addresses, `/12` to `/26`. Cannot be changed later. Default: `"10.96.0.0/16"`.
	ServiceCidr pulumi.StringPtrOutput `pulumi:"serviceCidr"`
	// Data centres, by name, which becomes the node label `topology.kubernetes.io/zone`. All of them belong to the cluster.
	Sites SiteMapOutput `pulumi:"sites"`
	// The topology [in its own language](https://github.com/trivet-dev/trivet/blob/main/docs/topology.md), in place of `sites`, `racks`, `hosts` and all that describes the cluster: the text of a file. It has a cluster block of the resource's name. How hosts are reached comes from the provider.
	Topology pulumi.StringPtrOutput `pulumi:"topology"`
	// Why the last change did not come to its end, and nothing where it did. The next `pulumi up` goes on, whether anything else differs or not.
	Unfinished pulumi.StringPtrOutput `pulumi:"unfinished"`
	// What a create, an update or a destroy does about hosts that do not answer. `fail`: it fails, before anything is changed. `forget`: it does without them; a later apply brings those up to date that answer again, and those that a destroy has left out must be installed anew. `unreachable` of the provider goes before it. Default: `fail`.
	Unreachable pulumi.StringOutput `pulumi:"unreachable"`
	// How changes that take nodes away for a while go through the cluster: new releases, and settings of what runs on nodes. Control planes change one at a time, whatever this says.
	Upgrade UpgradePtrOutput `pulumi:"upgrade"`
	// Values of the variables of `topology`, by name. A text stands as it is; of a list, a map or a number, it is the JSON.
	Variables pulumi.StringMapOutput `pulumi:"variables"`
}

// ClusterArgs is what a Cluster is made of.
type ClusterArgs struct {
	// Whether a create takes over a cluster of this name that the hosts have already and whose bring-up has come to its end, and changes it to what is described here. Otherwise that is refused. A bring-up that failed is gone on with in any case. Default: `false`.
	Adopt pulumi.BoolPtrInput `pulumi:"adopt"`
	// age public keys, at least one: each of their identities alone can decrypt the cluster's CA keys. `trivet identity new` makes one.
	AgeRecipients pulumi.StringArrayInput `pulumi:"ageRecipients"`
	// Where the API server is reached, and by which names.
	Api *ApiArgs `pulumi:"api"`
	// How long certificates are good for, and when they are renewed.
	Certificates *CertificatesArgs `pulumi:"certificates"`
	// Settings of components. They are checked against the release. Changes restart what they touch, node by node.
	Components []ComponentArgs `pulumi:"components"`
	// Whether a plan that would destroy or replace the cluster is refused. To destroy it, set this to `false` and apply that first. Default: `true`.
	DeletionProtection pulumi.BoolPtrInput `pulumi:"deletionProtection"`
	// The cluster's name service.
	Dns *DnsArgs `pulumi:"dns"`
	// Settings of the etcd members, the same on all of them.
	Etcd *EtcdArgs `pulumi:"etcd"`
	// Commands that run on hosts before or after what Trivet does to them, in the order of their names. A command may run more than once for the same step, so it has to be idempotent; see [Hooks](https://github.com/trivet-dev/trivet/blob/main/docs/operations.md#hooks). By name.
	Hook map[string]HookArgs `pulumi:"hook"`
	// Machines, by a stable name, which is their identity and becomes the node's name: lower-case letters, digits and hyphens. A host that is added joins the cluster, one that is taken out is drained, leaves it and is given back. Addresses, and what else is in it, may be unknown in a preview.
	Hosts map[string]HostArgs `pulumi:"hosts"`
	// Images that every node has, pinned, before a workload wants them.
	Images pulumi.StringArrayInput `pulumi:"images"`
	// The Kubernetes release: `1.36.3` or `1.37.2`. Needed unless there is a `topology`. Another patch or the next minor release is an upgrade, node by node, as `upgrade` says; no minor release can be skipped.
	Kubernetes pulumi.StringPtrInput `pulumi:"kubernetes"`
	// The digests of all programs, images and packages that hosts are given, as the text of a lock file. Left out, it is filled at the first apply, grows with what a change needs besides, and what differs from it is refused. Given, such as by the text of a file, it has to name everything, and anything else is refused.
	Lock pulumi.StringPtrInput `pulumi:"lock"`
	// Files of objects that the API shall have, such as `"manifests/*.yaml"`: patterns that start at the folder that Pulumi runs in. What is taken out is deleted.
	Manifests pulumi.StringArrayInput `pulumi:"manifests"`
	// The name of the cluster. With another name this cluster is destroyed and another one is made, which `deletionProtection` refuses. Default: the resource's name.
	Name pulumi.StringPtrInput `pulumi:"name"`
	// The pod network.
	Network *NetworkArgs `pulumi:"network"`
	// The size of each node's part of `podCidr`. Cannot be changed later. Default: `24`.
	NodePrefix pulumi.IntPtrInput `pulumi:"nodePrefix"`
	// What a destroy does. `reset`: the hosts are given back as they were, and all that the cluster stored is lost. `forget`: the cluster goes on running, and Pulumi knows it no more. `onDestroy` of the provider goes before it. Default: `reset`.
	OnDestroy pulumi.StringPtrInput `pulumi:"onDestroy"`
	// The range that pods get addresses from. Cannot be changed later. Default: `"10.128.0.0/12"`.
	PodCidr pulumi.StringPtrInput `pulumi:"podCidr"`
	// What is common to the hosts of a rack, by `site/room/rack`. Racks that hosts name need no element here.
	Racks map[string]RackArgs `pulumi:"racks"`
	// Which of its kind the cluster's authorities and keys shall be. The first is `1`; a number above the present one has the next apply replace it in stages. What is not named stays as it is.
	Rotation *RotationArgs `pulumi:"rotation"`
	// The range of Service addresses, `/12` to `/26`. Cannot be changed later. Default: `"10.96.0.0/16"`.
	ServiceCidr pulumi.StringPtrInput `pulumi:"serviceCidr"`
	// Data centres, by name, which becomes the node label `topology.kubernetes.io/zone`. All of them belong to the cluster.
	Sites map[string]SiteArgs `pulumi:"sites"`
	// The topology [in its own language](https://github.com/trivet-dev/trivet/blob/main/docs/topology.md), in place of `sites`, `racks`, `hosts` and all that describes the cluster: the text of a file. It has a cluster block of the resource's name. How hosts are reached comes from the provider.
	Topology pulumi.StringPtrInput `pulumi:"topology"`
	// What a create, an update or a destroy does about hosts that do not answer. `fail`: it fails, before anything is changed. `forget`: it does without them; a later apply brings those up to date that answer again, and those that a destroy has left out must be installed anew. `unreachable` of the provider goes before it. Default: `fail`.
	Unreachable pulumi.StringPtrInput `pulumi:"unreachable"`
	// How changes that take nodes away for a while go through the cluster: new releases, and settings of what runs on nodes. Control planes change one at a time, whatever this says.
	Upgrade *UpgradeArgs `pulumi:"upgrade"`
	// Values of the variables of `topology`, by name. A text stands as it is; of a list, a map or a number, it is the JSON.
	Variables pulumi.StringMapInput `pulumi:"variables"`
}

// ElementType implements pulumi.Input.
func (ClusterArgs) ElementType() reflect.Type { return reflect.TypeFor[ClusterArgs]() }

// NewCluster declares a Cluster.
func NewCluster(ctx *pulumi.Context, name string, args *ClusterArgs, opts ...pulumi.ResourceOption) (*Cluster, error) {
	if args == nil {
		args = &ClusterArgs{}
	}
	var r Cluster
	if err := ctx.RegisterResource("trivet:index:Cluster", name, args, &r, resourceOptions(opts)...); err != nil {
		return nil, err
	}
	return &r, nil
}

// ClusterState is what is looked up by: the id says it all.
type ClusterState struct{}

// ElementType implements pulumi.Input.
func (ClusterState) ElementType() reflect.Type { return reflect.TypeFor[ClusterState]() }

// GetCluster reads a Cluster that there is already. Its id is NAME@ADDRESS: the cluster's name, and where SSH reaches one of its control planes. state may be nil.
func GetCluster(ctx *pulumi.Context, name string, id pulumi.IDInput, state *ClusterState, opts ...pulumi.ResourceOption) (*Cluster, error) {
	if state == nil {
		state = &ClusterState{}
	}
	var r Cluster
	if err := ctx.ReadResource("trivet:index:Cluster", name, id, state, &r, resourceOptions(opts)...); err != nil {
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
	Annotations pulumi.StringMapOutput `pulumi:"annotations"`
	// The `access` of a `Cluster`. A cluster with another `id` is another cluster, which replaces the worker; what else changes in it does not change the worker.
	Cluster AccessOutput `pulumi:"cluster"`
	// What is not on the machine as it was put there. An apply mends it.
	Drift pulumi.StringArrayOutput `pulumi:"drift"`
	// The network interface for cluster traffic. Default: the one that carries the address.
	Interface pulumi.StringPtrOutput `pulumi:"interface"`
	// Node labels, over the rack's.
	Labels pulumi.StringMapOutput `pulumi:"labels"`
	// The digests of what the machine may be given: the `lock` of the `Cluster`. It holds when the worker is set up or changed; another one alone changes nothing.
	Lock pulumi.StringPtrOutput `pulumi:"lock"`
	// Which machine it is. Where another one answers in its place, the plan shows it, and an apply sets that one up.
	MachineId pulumi.StringOutput `pulumi:"machineId"`
	// The worker's name, which is its identity and becomes the node's name. Another one is another worker. Default: the resource's name.
	Name pulumi.StringOutput `pulumi:"name"`
	// `reset` drains the node, deletes it and gives the machine back as it was; `forget` leaves it in the cluster. Default: `reset`. The provider can override it.
	OnDestroy pulumi.StringOutput `pulumi:"onDestroy"`
	// The range of the addresses of its pods.
	PodCidr pulumi.StringOutput `pulumi:"podCidr"`
	// The port of sshd. Default: the site's, else the provider's.
	Port pulumi.IntPtrOutput `pulumi:"port"`
	// The team or product that the machine belongs to. Becomes the node label `trivet.dev/product-line`.
	ProductLine pulumi.StringPtrOutput `pulumi:"productLine"`
	// The rack that it stands in: one access switch, at most 48 hosts. Becomes the node label `trivet.dev/rack`. Default: `"a"`.
	Rack pulumi.StringPtrOutput `pulumi:"rack"`
	// The machine room that it stands in. Becomes the node label `trivet.dev/room`. Default: `"1"`.
	Room pulumi.StringPtrOutput `pulumi:"room"`
	// The site of the cluster that it stands in. Default: the only one.
	Site pulumi.StringPtrOutput `pulumi:"site"`
	// Where SSH reaches it, when that is not `address`. Default: `address`.
	SshAddress pulumi.StringPtrOutput `pulumi:"sshAddress"`
	// Its pinned public key, `"ssh-ed25519 AAAA…"`. Default: from the provider's `knownHosts`.
	SshHostKey pulumi.StringPtrOutput `pulumi:"sshHostKey"`
	// A taint of the nodes, kept as it is written here. A host's taint replaces its rack's with the same key and effect.
	Taints TaintArrayOutput `pulumi:"taints"`
	// Why the last change did not come to its end, and nothing where it did. The next `pulumi up` goes on, whether anything else differs or not.
	Unfinished pulumi.StringPtrOutput `pulumi:"unfinished"`
	// What to do about a machine that does not answer when it is to leave. `fail`: the destroy fails. `forget`: the cluster goes on without it, and what is on it stays. Default: `fail`. The provider can override it.
	Unreachable pulumi.StringOutput `pulumi:"unreachable"`
	// The user to log in as. Default: the site's, else the provider's.
	User pulumi.StringPtrOutput `pulumi:"user"`
}

// WorkerArgs is what a Worker is made of.
type WorkerArgs struct {
	// Its IPv4 address, in the rack's `cidr` where that has one: the other hosts reach it there, and so does SSH unless `sshAddress` is set.
	Address pulumi.StringInput `pulumi:"address"`
	// Node annotations, over the rack's.
	Annotations pulumi.StringMapInput `pulumi:"annotations"`
	// The `access` of a `Cluster`. A cluster with another `id` is another cluster, which replaces the worker; what else changes in it does not change the worker.
	Cluster AccessInput `pulumi:"cluster"`
	// The network interface for cluster traffic. Default: the one that carries the address.
	Interface pulumi.StringPtrInput `pulumi:"interface"`
	// Node labels, over the rack's.
	Labels pulumi.StringMapInput `pulumi:"labels"`
	// The digests of what the machine may be given: the `lock` of the `Cluster`. It holds when the worker is set up or changed; another one alone changes nothing.
	Lock pulumi.StringPtrInput `pulumi:"lock"`
	// The worker's name, which is its identity and becomes the node's name. Another one is another worker. Default: the resource's name.
	Name pulumi.StringPtrInput `pulumi:"name"`
	// `reset` drains the node, deletes it and gives the machine back as it was; `forget` leaves it in the cluster. Default: `reset`. The provider can override it.
	OnDestroy pulumi.StringPtrInput `pulumi:"onDestroy"`
	// The port of sshd. Default: the site's, else the provider's.
	Port pulumi.IntPtrInput `pulumi:"port"`
	// The team or product that the machine belongs to. Becomes the node label `trivet.dev/product-line`.
	ProductLine pulumi.StringPtrInput `pulumi:"productLine"`
	// The rack that it stands in: one access switch, at most 48 hosts. Becomes the node label `trivet.dev/rack`. Default: `"a"`.
	Rack pulumi.StringPtrInput `pulumi:"rack"`
	// The machine room that it stands in. Becomes the node label `trivet.dev/room`. Default: `"1"`.
	Room pulumi.StringPtrInput `pulumi:"room"`
	// The site of the cluster that it stands in. Default: the only one.
	Site pulumi.StringPtrInput `pulumi:"site"`
	// Where SSH reaches it, when that is not `address`. Default: `address`.
	SshAddress pulumi.StringPtrInput `pulumi:"sshAddress"`
	// Its pinned public key, `"ssh-ed25519 AAAA…"`. Default: from the provider's `knownHosts`.
	SshHostKey pulumi.StringPtrInput `pulumi:"sshHostKey"`
	// A taint of the nodes, kept as it is written here. A host's taint replaces its rack's with the same key and effect.
	Taints []TaintArgs `pulumi:"taints"`
	// What to do about a machine that does not answer when it is to leave. `fail`: the destroy fails. `forget`: the cluster goes on without it, and what is on it stays. Default: `fail`. The provider can override it.
	Unreachable pulumi.StringPtrInput `pulumi:"unreachable"`
	// The user to log in as. Default: the site's, else the provider's.
	User pulumi.StringPtrInput `pulumi:"user"`
}

// ElementType implements pulumi.Input.
func (WorkerArgs) ElementType() reflect.Type { return reflect.TypeFor[WorkerArgs]() }

// NewWorker declares a Worker.
func NewWorker(ctx *pulumi.Context, name string, args *WorkerArgs, opts ...pulumi.ResourceOption) (*Worker, error) {
	if args == nil {
		args = &WorkerArgs{}
	}
	var r Worker
	if err := ctx.RegisterResource("trivet:index:Worker", name, args, &r, resourceOptions(opts)...); err != nil {
		return nil, err
	}
	return &r, nil
}

// WorkerState is what is looked up by: the id says it all.
type WorkerState struct{}

// ElementType implements pulumi.Input.
func (WorkerState) ElementType() reflect.Type { return reflect.TypeFor[WorkerState]() }

// GetWorker reads a Worker that there is already. Its id is CLUSTER@ADDRESS/WORKER: the cluster's name, where SSH reaches one of its control planes, and the worker's name. state may be nil.
func GetWorker(ctx *pulumi.Context, name string, id pulumi.IDInput, state *WorkerState, opts ...pulumi.ResourceOption) (*Worker, error) {
	if state == nil {
		state = &WorkerState{}
	}
	var r Worker
	if err := ctx.ReadResource("trivet:index:Worker", name, id, state, &r, resourceOptions(opts)...); err != nil {
		return nil, err
	}
	return &r, nil
}

// Fleet is clusters over regions and sites: what stands where, from the region to the host, and the clusters that lie over it, each of which becomes a `Cluster`. The places are those of the topology language, or a topology in that language stands in their place.
type Fleet struct {
	pulumi.ResourceState

	// What the clusters give, by name.
	Clusters ClusterResultMapOutput `pulumi:"clusters"`
	// The sites, by name.
	Sites SiteResultMapOutput `pulumi:"sites"`
}

// FleetArgs is what a Fleet is made of.
type FleetArgs struct {
	// One Kubernetes cluster over all hosts with a role in some sites. By name.
	Clusters map[string]FleetClusterArgs `pulumi:"clusters"`
	// Whether clusters that say nothing of it are protected. Default: `true`.
	DeletionProtection pulumi.BoolPtrInput `pulumi:"deletionProtection"`
	// What a destroy does to clusters that say nothing of it: `reset` or `forget`. Default: `reset`.
	OnDestroy pulumi.StringPtrInput `pulumi:"onDestroy"`
	// A geographic area whose loss is one disaster. Becomes the node label `topology.kubernetes.io/region`. By name.
	Regions map[string]FleetRegionArgs `pulumi:"regions"`
	// The topology [in its own language](https://github.com/trivet-dev/trivet/blob/main/docs/topology.md), in place of `regions` and `clusters`. How hosts are reached comes from the provider.
	Topology *string `pulumi:"topology"`
	// What holds of hosts that do not answer, for clusters that say nothing of it: `fail` or `forget`. Default: `fail`.
	Unreachable pulumi.StringPtrInput `pulumi:"unreachable"`
	// Values of the variables of `topology`, by name. A text stands as it is; of a list, a map or a number, it is the JSON.
	Variables pulumi.StringMapInput `pulumi:"variables"`
}

// ElementType implements pulumi.Input.
func (FleetArgs) ElementType() reflect.Type { return reflect.TypeFor[FleetArgs]() }

// NewFleet declares a Fleet.
func NewFleet(ctx *pulumi.Context, name string, args *FleetArgs, opts ...pulumi.ResourceOption) (*Fleet, error) {
	if args == nil {
		args = &FleetArgs{}
	}
	var r Fleet
	if err := ctx.RegisterRemoteComponentResource("trivet:index:Fleet", name, args, &r, resourceOptions(opts)...); err != nil {
		return nil, err
	}
	return &r, nil
}

// Provider is how hosts are reached, and with which keys. Secrets that are in the environment instead are never in the state.
type Provider struct {
	pulumi.ProviderResourceState
}

// ProviderArgs is what a Provider is made of.
type ProviderArgs struct {
	// The age identity (`AGE-SECRET-KEY-1…`) that opens the cluster's CA keys. Only what issues certificates or rotates keys needs it: plans, refreshes, kubeconfigs and destroys do without. Environment: `TRIVET_AGE_IDENTITY`, the path of a file that holds it.
	AgeIdentity pulumi.StringPtrInput `pulumi:"ageIdentity"`
	// Where binaries and images come from: `auto`, `upstream`, `source` (built from Go modules), a folder, or the address of a mirror. Default: `auto`. Environment: `TRIVET_ARTIFACTS`.
	Artifacts pulumi.StringPtrInput `pulumi:"artifacts"`
	// Takes the place of every resource's `onDestroy`. Here it can be changed when a host is dead and a change of the resource would need it. Environment: `TRIVET_ON_DESTROY`.
	OnDestroy pulumi.StringPtrInput `pulumi:"onDestroy"`
	// How hosts are reached. What is taken from the environment is never in the state.
	Ssh *SshArgs `pulumi:"ssh"`
	// Takes the place of every resource's `unreachable`. Environment: `TRIVET_UNREACHABLE`.
	Unreachable pulumi.StringPtrInput `pulumi:"unreachable"`
}

// ElementType implements pulumi.Input.
func (ProviderArgs) ElementType() reflect.Type { return reflect.TypeFor[ProviderArgs]() }

// NewProvider declares a Provider.
func NewProvider(ctx *pulumi.Context, name string, args *ProviderArgs, opts ...pulumi.ResourceOption) (*Provider, error) {
	if args == nil {
		args = &ProviderArgs{}
	}
	sent := *args // with its secrets marked
	if args.Ssh != nil {
		ssh := *args.Ssh
		ssh.PrivateKey = secret(ssh.PrivateKey)
		ssh.SudoPassword = secret(ssh.SudoPassword)
		sent.Ssh = &ssh
	}
	sent.AgeIdentity = secret(sent.AgeIdentity)

	var r Provider
	if err := ctx.RegisterResource("pulumi:providers:trivet", name, &sent, &r, resourceOptions(opts)...); err != nil {
		return nil, err
	}
	return &r, nil
}

// Construct implements pulumi.ResourceModule.
func (module) Construct(ctx *pulumi.Context, name, typ, urn string) (pulumi.Resource, error) {
	var r pulumi.Resource
	switch typ {
	case "trivet:index:Cluster":
		r = &Cluster{}
	case "trivet:index:Worker":
		r = &Worker{}
	case "trivet:index:Fleet":
		r = &Fleet{}
	default:
		return nil, fmt.Errorf("the package trivet has no resource %s", typ)
	}
	return r, ctx.RegisterResource(typ, name, nil, r, pulumi.URN_(urn))
}
