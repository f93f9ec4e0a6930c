package input

import (
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// Words of on_destroy and unreachable.
const (
	OnDestroyReset    = "reset"
	OnDestroyForget   = "forget"
	UnreachableFail   = "fail"
	UnreachableForget = "forget"
)

// The first of each is the default.
var (
	OnDestroyWords   = []string{OnDestroyReset, OnDestroyForget}
	UnreachableWords = []string{UnreachableFail, UnreachableForget}
)

// Cluster describes the attributes of a cluster.
func Cluster(w Words) []Attribute {
	d := w.describer()
	// Components are a list of objects of any shape; images are the list that the language has beside blocks.
	out := d.block(topology.Describe("cluster"), "sites", "component", "image")
	// What needs a default in the language, and what must be given unless the topology is a text, is checked by the language.
	kubernetes := Find(out, "kubernetes")
	kubernetes.Required, kubernetes.Meaning = false, d.say("The Kubernetes release: "+Quoted(release.Supported(), "or")+
		". Needed unless there is a `topology`. Another patch or the next minor release is an upgrade, node by node, as `upgrade` says; no minor release can be skipped.")

	id := d.out("id", textType, "The cluster's id, made at its first bring-up. It stays the same for as long as there is the cluster.")
	id.Stays = true
	name := d.needed("name", textType, "The name of the cluster. With another name this cluster is destroyed and another one is made, which `deletion_protection` refuses.")
	name.Replaces = true
	protection := d.in("deletion_protection", Type{Kind: KindFlag}, "Whether a plan that would destroy or replace the cluster is refused. To destroy it, set this to `false` and apply that first. Default: `true`.")
	protection.Computed, protection.Default = true, true
	lock := d.in("lock", textType, "The digests of all programs, images and packages that hosts are given, as the text of a lock file. Left out, it is filled at the first apply, grows with what a change needs besides, and what differs from it is refused. Given, such as by {lockfile}, it has to name everything, and anything else is refused.")
	lock.Computed, lock.Stays = true, true
	return append(out, id, name,
		d.in("topology", textType, "The topology [in its own language]("+documentation+"topology.md), in place of `sites`, `racks`, `hosts` and all that describes the cluster: {file}. It has a cluster block of the resource's name. How hosts are reached comes from the {provider}."),
		d.in("variables", textsType, "Values of the variables of `topology`, by name. A text stands as it is; of a list, a map or a number, it is the {encoded}."),
		d.in("sites", Type{Kind: KindMap, Of: &Type{Kind: KindFields, Attributes: d.site(), Label: "Site"}}, "Data centres, by name, which becomes the node label `topology.kubernetes.io/zone`. All of them belong to the cluster."),
		d.in("racks", Type{Kind: KindMap, Of: &Type{Kind: KindFields, Attributes: d.rack(), Label: "Rack"}}, "What is common to the hosts of a rack, by `site/room/rack`. Racks that hosts name need no element here."),
		d.in("hosts", Type{Kind: KindMap, Of: &Type{Kind: KindFields, Attributes: d.host(), Label: "Host"}}, "Machines, by a stable name, which is their identity and becomes the node's name: lower-case letters, digits and hyphens. A host that is added joins the cluster, one that is taken out is drained, leaves it and is given back.{unknownHosts}"),
		d.in("components", Type{Kind: KindAny}, "Settings of components: a list of objects with `name` ("+Quoted(release.Components(), "or")+"), `settings`, an object of the fields of the component's configuration file or of its flags, spelled as Kubernetes does, and `role` where they are for the hosts with that role alone. They are checked against the release. Changes restart what they touch, node by node."),
		protection,
		d.word("on_destroy", OnDestroyWords, "What a destroy does. `reset`: the hosts are given back as they were, and all that the cluster stored is lost. `forget`: the cluster goes on running, and {tool} knows it no more. `on_destroy` of the {provider} goes before it. Default: `reset`."),
		d.word("unreachable", UnreachableWords, "What a create, an update or a destroy does about hosts that do not answer. `fail`: it fails, before anything is changed. `forget`: it does without them; a later apply brings those up to date that answer again, and those that a destroy has left out must be installed anew. `unreachable` of the {provider} goes before it. Default: `fail`."),
		lock,
		d.in("adopt", Type{Kind: KindFlag}, "Whether a create takes over a cluster of this name that the hosts have already, and changes it to what is described here. Otherwise that is refused. Default: `false`."),
		d.access(),
		d.nodes(),
	)
}

// access describes how a cluster is reached.
func (d describer) access() Attribute {
	return d.out("access", Access(d.Words), "How the cluster is reached, for `cluster` of other resources and of {access}. Nothing in it is secret.")
}

// Access is the type of a cluster's access.
func Access(w Words) Type {
	d := w.describer()
	bastion := Type{Kind: KindFields, Label: "EndpointBastion", Attributes: []Attribute{
		d.out("address", textType, "Where it is reached."),
		d.out("port", Type{Kind: KindNumber}, "The port of its sshd."),
		d.out("user", textType, "The user to log in as."),
		d.out("ssh_host_key", textType, "Its public key, where the configuration gives it."),
	}}
	endpoint := Type{Kind: KindFields, Label: "Endpoint", Attributes: []Attribute{
		d.out("host", textType, "The host's name."),
		d.out("address", textType, "Where SSH reaches it."),
		d.out("port", Type{Kind: KindNumber}, "The port of its sshd; null where the provider's holds."),
		d.out("user", textType, "The user to log in as; null where the provider's holds."),
		d.out("ssh_host_key", textType, "Its public key, where the configuration gives it."),
		d.out("bastion", bastion, "The jump host in front of it."),
	}}
	return Type{Kind: KindFields, Label: "Access", Attributes: []Attribute{
		d.out("name", textType, "The name of the cluster."),
		d.out("id", textType, "The cluster's id."),
		d.out("endpoints", Type{Kind: KindList, Of: &endpoint}, "The control planes."),
	}}
}

func (d describer) nodes() Attribute {
	node := Type{Kind: KindFields, Label: "Node", Attributes: []Attribute{
		d.out("address", textType, "The address in the cluster."),
		d.out("roles", listType, "The roles it plays."),
		d.out("kubernetes", textType, "The Kubernetes release that it runs. Unknown while an upgrade is half done."),
		d.out("configuration", textType, "A digest of all that this host's setup follows from in the configuration: where it changes, the apply changes that host."),
		d.out("drift", listType, "What the last refresh found otherwise than it was put there: files, units, settings, the Node. The next apply mends it."),
		d.out("machine_id", textType, "The machine id of its installation. It tells a machine that was installed anew, or put in another one's place, from the one before."),
		d.out("ssh_host_key", textType, "The public key of its sshd, where it is known."),
	}}
	return d.out("nodes", Type{Kind: KindMap, Of: &node}, "The cluster's hosts as they were seen last, by name. A plan shows here what its apply changes, host by host.")
}

// Elastic describes the attributes of an elastic worker.
func Elastic(w Words) []Attribute {
	d := w.describer()
	var out []Attribute
	for _, a := range d.host() {
		if a.Name != "roles" && a.Name != "surge" && a.Name != "site" {
			out = append(out, a)
		}
	}
	name := d.needed("name", textType, "The worker's name, which is its identity and becomes the node's name. Another one is another worker.")
	name.Replaces = true
	id := d.out("id", textType, "The cluster's id and the worker's name.")
	pods := d.out("pod_cidr", textType, "The range of the addresses of its pods.")
	id.Stays, pods.Stays = true, true
	return append(out,
		d.needed("cluster", Access(w), "The `access` of a {cluster}. A cluster with another `id` is another cluster, which replaces the worker; what else changes in it does not change the worker."),
		name,
		d.in("site", textType, "The site of the cluster that it stands in. Default: the only one."),
		d.in("lock", textType, "The digests of what the machine may be given: the `lock` of the {cluster}. It holds when the worker is set up or changed; another one alone changes nothing."),
		d.word("on_destroy", OnDestroyWords, "`reset` drains the node, deletes it and gives the machine back as it was; `forget` leaves it in the cluster. Default: `reset`. The {provider} can override it."),
		d.word("unreachable", UnreachableWords, "What to do about a machine that does not answer when it is to leave. `fail`: the destroy fails. `forget`: the cluster goes on without it, and what is on it stays. Default: `fail`. The {provider} can override it."),
		id, pods,
		d.out("machine_id", textType, "Which machine it is. Where another one answers in its place, the plan shows it, and an apply sets that one up."),
		d.out("drift", listType, "What is not on the machine as it was put there. An apply mends it."),
	)
}

// Provider describes the attributes of a provider's own settings.
func Provider(w Words) []Attribute {
	d := w.describer()
	secret := func(a Attribute) Attribute { a.Secret = true; return a }
	whole := Type{Kind: KindNumber}
	ssh := Type{Kind: KindFields, Label: "SSH", Attributes: []Attribute{
		d.in("user", textType, "The user to log in as; needs sudo unless it is root. Environment: `TRIVET_SSH_USER`."),
		d.in("port", whole, "The port of sshd. Default: 22. Environment: `TRIVET_SSH_PORT`."),
		secret(d.in("private_key", textType, "The private key itself, in the form of ssh-keygen. Environment: `TRIVET_SSH_PRIVATE_KEY`.")),
		d.in("agent", Type{Kind: KindFlag}, "Use the keys of the SSH agent. Default: only where there is no `private_key`. Environment: `TRIVET_SSH_AGENT`, `true` or `false`."),
		d.in("known_hosts", textType, "The public keys of hosts, as lines of a known_hosts file. A host whose `ssh_host_key` is given needs no line. Default: `~/.ssh/known_hosts`. Environment: `TRIVET_SSH_KNOWN_HOSTS`."),
		secret(d.in("sudo_password", textType, "The password for sudo, where it asks for one. Environment: `TRIVET_SUDO_PASSWORD`.")),
		d.in("parallel", whole, "Hosts worked on at once, 1 to 1024. Default: 32. Environment: `TRIVET_SSH_PARALLEL`."),
	}}
	return []Attribute{
		d.in("ssh", ssh, "How hosts are reached.{secrets}"),
		secret(d.in("age_identity", textType, "The age identity (`AGE-SECRET-KEY-1…`) that opens the cluster's CA keys. Only what issues certificates or rotates keys needs it: plans, refreshes, kubeconfigs and destroys do without. Environment: `TRIVET_AGE_IDENTITY`, the path of a file that holds it.")),
		d.in("artifacts", textType, "Where binaries and images come from: `auto`, `upstream`, `source` (built from Go modules), a folder, or the address of a mirror. Default: `auto`. Environment: `TRIVET_ARTIFACTS`."),
		d.in("on_destroy", Type{Kind: KindText, Words: OnDestroyWords}, "Takes the place of every resource's `on_destroy`. Here it can be changed when a host is dead and a change of the resource would need it. Environment: `TRIVET_ON_DESTROY`."),
		d.in("unreachable", Type{Kind: KindText, Words: UnreachableWords}, "Takes the place of every resource's `unreachable`. Environment: `TRIVET_UNREACHABLE`."),
	}
}

// What resources and the provider are, for their schemas.
const (
	AboutProvider = "Trivet brings up Kubernetes on bare-metal machines and VMs over SSH, from Linux, systemd and sshd to a cluster over several sites."
	AboutCluster  = "A Kubernetes cluster on machines that SSH reaches. A create brings it up from bare Linux hosts; an update adds, changes, upgrades, mends and removes what differs, host by host, without lowering a quorum of etcd; a destroy gives the hosts back."
	AboutWorker   = "A worker that joins a cluster without being one of its `hosts`: for machines that come and go{for_each}. The cluster records it, upgrades it with the other workers, in the same budget, and never takes it out by itself. " +
		"Joining and leaving have to do with the machine, a host of its site and the control planes only. Several at the same time are one run."
)

// Say writes a description in the door's words.
func (w Words) Say(text string) string { return w.describer().say(text) }
