package input

import (
	"fmt"
	"strconv"
	"strings"

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

	id := d.always("id", textType, "The cluster's id, made at its first bring-up. It stays the same for as long as there is the cluster.")
	id.Stays = true
	name := d.needed("name", textType, "The name of the cluster. With another name this cluster is destroyed and another one is made, which `deletion_protection` refuses.")
	name.Replaces = true
	protection := d.in("deletion_protection", Type{Kind: KindFlag}, "Whether a plan that would destroy or replace the cluster is refused. To destroy it, set this to `false` and apply that first. Default: `true`.")
	protection.Computed, protection.Always, protection.Default = true, true, true
	lock := d.in("lock", textType, "The digests of all programs, images and packages that hosts are given, as the text of a lock file. Left out, it is filled at the first apply, grows with what a change needs besides, and what differs from it is refused. Given, such as by {lockfile}, it has to name everything, and anything else is refused.")
	lock.Computed, lock.Stays, lock.Always = true, true, true
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
		d.in("adopt", Type{Kind: KindFlag}, "Whether a create takes over a cluster of this name that the hosts have already and whose bring-up has come to its end, and changes it to what is described here. Otherwise that is refused. A bring-up that failed is gone on with in any case. Default: `false`."),
		d.access(),
		d.nodes(),
		d.objects(),
	)
}

// access describes how a cluster is reached.
func (d describer) access() Attribute {
	return d.always("access", Access(d.Words), "How the cluster is reached, for `cluster` of other resources and of {access}. Nothing in it is secret.")
}

// Access is the type of a cluster's access.
func Access(w Words) Type {
	d := w.describer()
	bastion := Type{Kind: KindFields, Label: "EndpointBastion", Attributes: []Attribute{
		d.always("address", textType, "Where it is reached."),
		d.out("port", Type{Kind: KindNumber}, "The port of its sshd."),
		d.out("user", textType, "The user to log in as."),
		d.out("ssh_host_key", textType, "Its public key, where the configuration gives it."),
	}}
	endpoint := Type{Kind: KindFields, Label: "Endpoint", Attributes: []Attribute{
		d.always("host", textType, "The host's name."),
		d.always("address", textType, "Where SSH reaches it."),
		d.out("port", Type{Kind: KindNumber}, "The port of its sshd; null where the provider's holds."),
		d.out("user", textType, "The user to log in as; null where the provider's holds."),
		d.out("ssh_host_key", textType, "Its public key, where the configuration gives it."),
		d.out("bastion", bastion, "The jump host in front of it."),
	}}
	return Type{Kind: KindFields, Label: "Access", Attributes: []Attribute{
		d.always("name", textType, "The name of the cluster."),
		d.always("id", textType, "The cluster's id."),
		d.out("api_port", Type{Kind: KindNumber}, "The port of the API servers on control planes; null where it is "+strconv.Itoa(topology.APIPort)+"."),
		d.out("api_local_port", Type{Kind: KindNumber}, "The port of the balancer on every node; null where it is "+strconv.Itoa(topology.APILocalPort)+"."),
		d.always("endpoints", Type{Kind: KindList, Of: &endpoint}, "The control planes."),
	}}
}

func (d describer) nodes() Attribute {
	node := Type{Kind: KindFields, Label: "Node", Attributes: []Attribute{
		d.always("address", textType, "The address in the cluster."),
		d.always("roles", listType, "The roles it plays."),
		d.out("kubernetes", textType, "The Kubernetes release that it runs. Unknown while an upgrade is half done."),
		d.out("configuration", textType, "A digest of all that this host's setup follows from in the configuration: where it changes, the apply changes that host."),
		d.always("drift", listType, "What the last refresh found otherwise than it was put there: files, units, settings, the Node. The next apply mends it."),
		d.out("machine_id", textType, "The machine id of its installation. It tells a machine that was installed anew, or put in another one's place, from the one before."),
		d.out("ssh_host_key", textType, "The public key of its sshd, where it is known."),
	}}
	return d.always("nodes", Type{Kind: KindMap, Of: &node}, "The cluster's hosts as they were seen last, by name. A plan shows here what its apply changes, host by host.")
}

func (d describer) objects() Attribute {
	object := Type{Kind: KindFields, Label: "ManifestObject", Attributes: []Attribute{
		d.out("configuration", textType, "A digest of the manifest that was applied. The values of a Secret are not in it: what differs there is found as drift."),
		d.always("drift", listType, "How the object in the API differs from its manifest. The next apply mends it."),
	}}
	return d.always("objects", Type{Kind: KindMap, Of: &object}, "The objects that come from `manifests`, as they were seen last, by kind and name, such as `Deployment.apps shop/web`. A plan shows here what its apply changes: files are read when the plan is made.")
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
	id := d.always("id", textType, "The cluster's id and the worker's name.")
	pods := d.always("pod_cidr", textType, "The range of the addresses of its pods.")
	id.Stays, pods.Stays = true, true
	return append(out,
		d.needed("cluster", Access(w), "The `access` of a {cluster}. A cluster with another `id` is another cluster, which replaces the worker; what else changes in it does not change the worker."),
		name,
		d.in("site", textType, "The site of the cluster that it stands in. Default: the only one."),
		d.in("lock", textType, "The digests of what the machine may be given: the `lock` of the {cluster}. It holds when the worker is set up or changed; another one alone changes nothing."),
		d.word("on_destroy", OnDestroyWords, "`reset` drains the node, deletes it and gives the machine back as it was; `forget` leaves it in the cluster. Default: `reset`. The {provider} can override it."),
		d.word("unreachable", UnreachableWords, "What to do about a machine that does not answer when it is to leave. `fail`: the destroy fails. `forget`: the cluster goes on without it, and what is on it stays. Default: `fail`. The {provider} can override it."),
		id, pods,
		d.always("machine_id", textType, "Which machine it is. Where another one answers in its place, the plan shows it, and an apply sets that one up."),
		d.always("drift", listType, "What is not on the machine as it was put there. An apply mends it."),
	)
}

// Provider describes the attributes of a provider's own settings.
func Provider(w Words) []Attribute {
	d := w.describer()
	secret := func(a Attribute) Attribute { a.Secret = true; return a }
	whole := Type{Kind: KindNumber}
	ssh := Type{Kind: KindFields, Label: "Ssh", Attributes: []Attribute{
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
		"Joining and leaving have to do with the machine, a host of its site and the control planes only. Several that {tool} begins at the same time are one run. {parallel} makes fewer runs, and the provider's `ssh.parallel` says on how many machines one is at work at once."
)

// Say writes a description in the door's words.
func (w Words) Say(text string) string { return w.describer().say(text) }

// AboutFleet is what a fleet is, for schemas.
const AboutFleet = "Clusters over regions and sites: what stands where, from the region to the host, and the clusters that lie over it, each of which becomes a {cluster}. The places are those of the topology language, or a topology in that language stands in their place."

// Fleet describes what a fleet is made of: places, and clusters over them. What a cluster itself has of places is left to those.
func Fleet(w Words) []Attribute {
	d := w.describer()
	fields := func(label string, list []Attribute) *Type {
		return &Type{Kind: KindFields, Label: label, Attributes: list}
	}
	var host, site, cluster []Attribute
	for _, a := range d.host() {
		if a.Name != "site" && a.Name != "room" && a.Name != "rack" {
			host = append(host, a)
		}
	}
	rack := append(d.rack(), d.in("hosts", Type{Kind: KindMap, Of: fields("FleetHost", host)}, "The machines of the rack, by a stable name, which is their identity and becomes the node's name."))
	room := []Attribute{d.needed("racks", Type{Kind: KindMap, Of: fields("FleetRack", rack)}, topology.Describe("region", "site", "room", "rack").Meaning+" By name.")}
	for _, a := range d.site() {
		if a.Name != "region" {
			site = append(site, a)
		}
	}
	site = append(site, d.needed("rooms", Type{Kind: KindMap, Of: fields("FleetRoom", room)}, topology.Describe("region", "site", "room").Meaning+" By name."))
	region := []Attribute{d.needed("sites", Type{Kind: KindMap, Of: fields("FleetSite", site)}, topology.Describe("region", "site").Meaning+" By name.")}
	for _, a := range Cluster(w) {
		switch a.Name {
		case "name", "topology", "variables", "sites", "racks", "hosts":
		case "kubernetes":
			a.Required = true
			fallthrough
		default:
			if a.Given { // what holds where a cluster says nothing, the fleet says
				a.Meaning = strings.Replace(a.Meaning, fmt.Sprintf("Default: `%v`.", a.Default), "Default: the fleet's.", 1)
				a.Computed, a.Always, a.Stays, a.Default = false, false, false, nil
				cluster = append(cluster, a)
			}
		}
	}
	sites := d.in("sites", listType, topology.Describe("cluster").Argument("sites").Meaning+" Default: all.")
	sites.Plain = true
	cluster = append(cluster, sites)
	text := d.in("topology", textType, "The topology [in its own language]("+documentation+"topology.md), in place of `regions` and `clusters`. How hosts are reached comes from the {provider}.")
	text.Plain = true
	return []Attribute{
		text,
		d.in("regions", Type{Kind: KindMap, Of: fields("FleetRegion", region)}, topology.Describe("region").Meaning+" By name."),
		d.in("clusters", Type{Kind: KindMap, Of: fields("FleetCluster", cluster)}, topology.Describe("cluster").Meaning+" By name."),
		d.in("variables", textsType, "Values of the variables of `topology`, by name. A text stands as it is; of a list, a map or a number, it is the {encoded}."),
		d.in("deletion_protection", Type{Kind: KindFlag}, "Whether clusters that say nothing of it are protected. Default: `true`."),
		d.in("on_destroy", Type{Kind: KindText, Words: OnDestroyWords}, "What a destroy does to clusters that say nothing of it: `reset` or `forget`. Default: `reset`."),
		d.in("unreachable", Type{Kind: KindText, Words: UnreachableWords}, "What holds of hosts that do not answer, for clusters that say nothing of it: `fail` or `forget`. Default: `fail`."),
	}
}

// FleetOutputs describes what a fleet gives.
func FleetOutputs(w Words) []Attribute {
	d := w.describer()
	site := []Attribute{
		d.always("region", textType, "The region that it is in."),
		d.out("purpose", textType, "What it is for."),
		d.always("cluster", textType, "The cluster that it belongs to."),
		d.always("hosts", textsType, "The addresses of its hosts, by name."),
	}
	cluster := []Attribute{
		d.always("cluster_id", textType, "The cluster's id."),
		d.always("access", Access(w), "How the cluster is reached, for the `cluster` of a {worker}."),
		d.always("kubeconfig", textType, "A kubeconfig without a secret."),
		d.always("lock", textType, "The digests of what its hosts are given."),
	}
	return []Attribute{
		d.always("sites", Type{Kind: KindMap, Of: &Type{Kind: KindFields, Label: "SiteResult", Attributes: site}}, "The sites, by name."),
		d.always("clusters", Type{Kind: KindMap, Of: &Type{Kind: KindFields, Label: "ClusterResult", Attributes: cluster}}, "What the clusters give, by name."),
	}
}

// AboutStatus is what a status is, for schemas.
const AboutStatus = "What `trivet status` tells of a cluster. Every host is asked over SSH, and etcd and the API through the control planes; nothing is changed. Hosts that do not answer are part of the answer, no failure of it."

// Status describes what is asked for a cluster's status, and what is answered.
func Status(w Words) []Attribute {
	d := w.describer()
	flag := Type{Kind: KindFlag}
	host := Type{Kind: KindFields, Label: "HostStatus", Attributes: []Attribute{
		d.always("site", textType, "The site that it stands in."),
		d.always("region", textType, "The region of the site."),
		d.always("address", textType, "Its address in the cluster."),
		d.always("roles", listType, "The roles it plays."),
		d.out("error", textType, "Why it could not be read; null where it answered."),
		d.out("node", textType, "What the API says of its node: `Ready`, or why not; null where it is no node, or the API does not answer."),
		d.always("cordoned", flag, "Whether its node takes no new pods."),
		d.always("drift", listType, "What is not on the host as it was put there."),
		d.out("certificates_end", textType, "When its first certificate ends, RFC 3339."),
	}}
	member := Type{Kind: KindFields, Label: "EtcdMember", Attributes: []Attribute{
		d.always("name", textType, "Its name, which is its host's."),
		d.out("version", textType, "The version that it runs."),
		d.always("leader", flag, "Whether it leads."),
		d.always("learner", flag, "Whether it does not vote yet."),
		d.always("db_size", Type{Kind: KindNumber}, "The size of its database in bytes."),
		d.out("error", textType, "Why it gave no answer; null where it did."),
	}}
	name := d.in("name", textType, "The name of the cluster; needed where the topology has several.")
	name.Computed = true
	return []Attribute{
		d.in("cluster", Access(w), "The `access` of a {cluster}. Its control planes are asked for the other hosts, which are reached at their addresses in the cluster, as the control planes of their site are. What the API should hold is not known then, and not compared."),
		d.in("topology", textType, "The topology in its own language, in place of `cluster`. Hosts are reached as it says, and the objects of the API are compared with it."),
		d.in("variables", textsType, "Values of the topology's variables, written as on the command line."),
		name,
		d.out("id", textType, "The cluster's id; null where no host has the cluster."),
		d.always("kubernetes", textType, "The release that it runs, or is on its way to."),
		d.out("upgrade_from", textType, "The release that an upgrade began at which is not finished; null where none is under way."),
		d.always("complete", flag, "Whether its bring-up has come to the end."),
		d.always("healthy", flag, "Whether every host answers as recorded, every node is Ready, every etcd member is healthy, no certificate has expired, and nothing is half done."),
		d.out("holder", textType, "Who is changing the cluster now; null where nobody is."),
		d.always("problems", listType, "What is not as it should be, with what to do."),
		d.always("notes", listType, "What is worth knowing, and breaks nothing yet."),
		d.out("certificates_end", textType, "When the first certificate of any host ends, RFC 3339."),
		d.always("hosts", Type{Kind: KindMap, Of: &host}, "The hosts, by name."),
		d.always("etcd_members", Type{Kind: KindList, Of: &member}, "The members of etcd."),
	}
}
