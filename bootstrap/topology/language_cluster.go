package topology

var clusterBlock = &blockType{
	name: "cluster", label: "name", repeat: true,
	meaning: "One Kubernetes cluster over all hosts with a role in some sites.",
	attrs: []attribute{
		{name: "kubernetes", kind: "string", required: true, meaning: "The release, such as `\"1.37.2\"`."},
		{name: "sites", kind: "list of string", required: true, meaning: "Names of the sites it lies over. A site belongs to one cluster."},
		{name: "pod_cidr", kind: "range", def: "`\"10.128.0.0/12\"`", meaning: "The range that pods get addresses from. Cannot be changed later."},
		{name: "node_prefix", kind: "number", def: "`24`", meaning: "The size of each node's part of `pod_cidr`. Cannot be changed later."},
		{name: "service_cidr", kind: "range", def: "`\"10.96.0.0/16\"`", meaning: "The range of Service addresses, `/12` to `/26`. Cannot be changed later."},
		{name: "age_recipients", kind: "list of string", def: "none", meaning: "age public keys, at least one: each of their identities alone can decrypt the cluster's CA keys. `trivet identity new` makes one.", access: true},
		{name: "images", kind: "list of string", def: "none", meaning: "Images that every node must have before a workload wants them; the same as `image` blocks."},
		{name: "manifests", kind: "list of string", def: "none", meaning: "Files of objects that the API shall have, such as `\"manifests/*.yaml\"`: patterns that start at the topology's folder. What is taken out is deleted."},
	},
	blocks: []*blockType{networkBlock, dnsBlock, apiBlock, etcdBlock, certificatesBlock, rotationBlock, upgradeBlock, hookBlock, componentBlock, imageBlock},
}

var networkBlock = &blockType{
	name:    "network",
	meaning: "The pod network.",
	attrs: []attribute{
		{name: "plugin", kind: "string", def: "`\"flannel\"`", words: []string{"flannel", "bridge"}, meaning: "`\"flannel\"` (VXLAN) or `\"bridge\"` (routes, no encapsulation)."},
		{name: "mtu", kind: "number", def: "from the interface", meaning: "The MTU of pods, 576 to 9216."},
		{name: "routes", kind: "string", def: "`\"static\"`", words: []string{"static", "external"}, meaning: "Bridge only. `\"static\"`: Trivet sets routes on hosts, which must stand in one rack. `\"external\"`: your routers carry them; the plan prints the table."},
		{name: "proxy_mode", kind: "string", def: "`\"nftables\"`", words: []string{"nftables", "iptables"}, meaning: "kube-proxy's mode: `\"nftables\"` or `\"iptables\"`."},
	},
}

var dnsBlock = &blockType{
	name:    "dns",
	meaning: "The cluster's name service.",
	attrs: []attribute{
		{name: "domain", kind: "string", def: "`\"cluster.local\"`", meaning: "The domain of Services. Cannot be changed later."},
		{name: "address", kind: "address", def: "the tenth of `service_cidr`", meaning: "The Service address of DNS."},
		{name: "replicas", kind: "number", def: "`2`", meaning: "How many CoreDNS pods, spread over sites."},
		{name: "upstream", kind: "list of string", def: "the nodes' resolvers", meaning: "Addresses of the servers that answer for other domains, with an optional `:port`."},
	},
}

var apiBlock = &blockType{
	name:    "api",
	meaning: "Where the API server is reached, and by which names.",
	attrs: []attribute{
		{name: "port", kind: "number", def: "`6443`", meaning: "The port of kube-apiserver on control planes."},
		{name: "local_port", kind: "number", def: "`7443`", meaning: "The port of the balancer on 127.0.0.1 of every node."},
		{name: "sans", kind: "list of string", def: "none", meaning: "Further names and addresses for the serving certificate."},
		{name: "service_account_issuer", kind: "string", def: "`https://kubernetes.default.svc.<domain>`", meaning: "The issuer of service-account tokens. Cannot be changed later."},
	},
}

var etcdBlock = &blockType{
	name:    "etcd",
	meaning: "Settings of the etcd members, the same on all of them.",
	attrs: []attribute{
		{name: "quota", kind: "size", def: "`\"8Gi\"`", meaning: "The largest size of the database: bytes, or a quantity such as `\"4Gi\"`."},
		{name: "heartbeat_interval", kind: "duration", def: "measured", meaning: "How often the leader speaks. Half to one and a half times the longest round trip between members; unless set, that round trip as it was before the first bring-up, at least `\"100ms\"`."},
		{name: "election_timeout", kind: "duration", def: "measured", meaning: "How long a silent leader is waited for: at least ten heartbeats, at most 50 s; unless set, ten of the heartbeats that were measured, at least `\"1s\"`. Who sets one of the two sets both: the other is then `\"100ms\"` or `\"1s\"`."},
		{name: "compaction_retention", kind: "duration", def: "`\"5m\"`", meaning: "How much of the history of objects is kept, for clients that go on with a watch."},
		{name: "accept_loss", kind: "list of string", def: "none", meaning: "Sites and regions whose loss is known, and accepted, to stop the cluster until it is recovered: silences the warning."},
	},
	blocks: []*blockType{snapshotsBlock},
}

var snapshotsBlock = &blockType{
	name:    "snapshots",
	meaning: "Snapshots of etcd that the members take by a timer, each of itself. Without the block there are none, and those that were taken go with it.",
	attrs: []attribute{
		{name: "enabled", kind: "bool", def: "`true`", meaning: "With `false` none are taken or copied for now; those that are there stay."},
		{name: "schedule", kind: "string", def: "`\"*-*-* 00/6:00:00\"`", meaning: "When, as a calendar expression of systemd in UTC: `\"hourly\"`, `\"daily\"`, `\"Mon..Fri 03:00\"`."},
		{name: "keep", kind: "number", def: "`8`", meaning: "How many of each member are kept on a host at most."},
		{name: "keep_for", kind: "duration", def: "`\"7d\"`", meaning: "How long a snapshot is kept at most. The newest good one of a host stays, however old it is."},
		{name: "copies", kind: "number", def: "`1`", meaning: "How many other sites get each snapshot, those of other regions first. `0`: it stays on the member's host."},
	},
}

var certificatesBlock = &blockType{
	name:    "certificates",
	meaning: "How long certificates are good for, and when they are renewed.",
	attrs: []attribute{
		{name: "ca_lifetime", kind: "duration", def: "`\"10y\"`", meaning: "How long an authority is good for, from when it is made. Those that exist keep their end; `rotation` replaces them."},
		{name: "leaf_lifetime", kind: "duration", def: "`\"1y\"`", meaning: "How long every other certificate is good for, from when it is issued."},
		{name: "renew_before", kind: "duration", def: "`\"30d\"`", meaning: "How long before its end an apply renews a certificate."},
		{name: "admin_lifetime", kind: "duration", def: "`\"24h\"`", meaning: "How long the certificate is good for that `trivet kubeconfig` hands out."},
	},
}

var rotationBlock = &blockType{
	name: "rotation",
	meaning: "Which of its kind the cluster's authorities and keys shall be. The first is `1`; a number above the present one has the next apply replace it in stages. " +
		"What is not named stays as it is.",
	attrs: []attribute{
		{name: "etcd_ca", kind: "number", def: "as it is", meaning: "The authority of etcd's members and their clients."},
		{name: "kubernetes_ca", kind: "number", def: "as it is", meaning: "The authority of Kubernetes' components."},
		{name: "front_proxy_ca", kind: "number", def: "as it is", meaning: "The authority by which extension API servers know the API server."},
		{name: "online_ca", kind: "number", def: "as it is", meaning: "The authority that signs certificate requests in the API."},
		{name: "service_account_key", kind: "number", def: "as it is", meaning: "The key that signs the tokens of service accounts."},
		{name: "encryption_key", kind: "number", def: "as it is", meaning: "The key under which Secrets and ConfigMaps are stored; a new one has all of them stored again."},
		{name: "rest", kind: "duration", def: "`\"24h\"`", meaning: "How long what was handed out (kubeconfigs, tokens, the authorities that pods have read) is given to be replaced before a stage that ends its use. `\"0s\"` does not wait."},
	},
}

var componentBlock = &blockType{
	name: "component", label: "name", repeat: true,
	meaning: "Settings of one component: `kubelet`, `kube-proxy`, `kube-apiserver`, `kube-scheduler`, `kube-controller-manager`, `etcd` or `containerd`. " +
		"Settings for a role go over settings for all roles.",
	attrs: []attribute{
		{name: "role", kind: "string", def: "every role", meaning: "Only hosts with this role."},
		{name: "settings", kind: "object", required: true, meaning: "Fields of the component's configuration file, or its flags where it has none, spelled as Kubernetes does. Checked against the release."},
	},
}

var imageBlock = &blockType{
	name: "image", label: "reference", repeat: true,
	meaning: "An image that every node must have, pinned, before a workload wants it. No arguments; the same as an entry of `images`.",
}
