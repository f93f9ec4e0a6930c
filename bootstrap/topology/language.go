package topology

import "github.com/hashicorp/hcl/v2"

// The language as tables: they drive the decoder, and the reference in docs/topology.md is generated from them.

// attribute is one argument of a block.
type attribute struct {
	name     string
	kind     string // its type, in words of the documentation
	def      string // its default, in words of the documentation
	meaning  string
	words    []string // all that it may be, or that each of its elements may be; nil where it may be more
	required bool
	access   bool // replaced by Options.Access, and then not evaluated
}

// blockType is one kind of block.
type blockType struct {
	name    string
	label   string // name of its label; "" when it has none
	repeat  bool   // whether there may be several in one parent
	access  bool   // replaced by Options.Access
	meaning string
	attrs   []attribute
	blocks  []*blockType
	free    bool // attributes of any name (locals)
}

// schema is what the HCL library checks. That arguments are there is checked by the decoder, which can say more.
func (t *blockType) schema() *hcl.BodySchema {
	s := &hcl.BodySchema{}
	for _, a := range t.attrs {
		s.Attributes = append(s.Attributes, hcl.AttributeSchema{Name: a.name})
	}
	for _, b := range t.blocks {
		h := hcl.BlockHeaderSchema{Type: b.name}
		if b.label != "" {
			h.LabelNames = []string{b.label}
		}
		s.Blocks = append(s.Blocks, h)
	}
	return s
}

func (t *blockType) attr(name string) *attribute {
	for i := range t.attrs {
		if t.attrs[i].name == name {
			return &t.attrs[i]
		}
	}
	return nil
}

func (t *blockType) block(name string) *blockType {
	for _, b := range t.blocks {
		if b.name == name {
			return b
		}
	}
	return nil
}

// document is the top of every file.
var document = &blockType{
	blocks: []*blockType{variableBlock, localsBlock, fleetBlock, regionBlock, clusterBlock},
}

var variableBlock = &blockType{
	name: "variable", label: "name", repeat: true,
	meaning: "An input: `--var name=value`, a variable file or the environment variable `TRIVET_VAR_name` give its value, in this order of precedence.",
	attrs: []attribute{
		{name: "type", kind: "type", def: "`any`", meaning: "`string`, `number`, `bool`, `list(…)`, `set(…)`, `map(…)`, `object({…})`, `tuple([…])`, `any`."},
		{name: "default", kind: "any", def: "none: a value must be given", meaning: "The value when none is given. A constant."},
		{name: "description", kind: "string", def: "none", meaning: "What the variable is for; shown when a value is missing."},
		{name: "sensitive", kind: "bool", def: "`false`", meaning: "Messages never show the value, and component settings and hooks refuse it."},
	},
	blocks: []*blockType{validationBlock},
}

var validationBlock = &blockType{
	name: "validation", repeat: true,
	meaning: "A condition on the variable's value.",
	attrs: []attribute{
		{name: "condition", kind: "bool", required: true, meaning: "An expression on `var.<name>` that must be true."},
		{name: "error_message", kind: "string", required: true, meaning: "What to tell the user when it is not."},
	},
}

var localsBlock = &blockType{
	name: "locals", repeat: true, free: true,
	meaning: "Named values: `name = expression`, used as `local.name`. They may use variables and each other.",
}

var fleetBlock = &blockType{
	name: "fleet", label: "name",
	meaning: "What all hosts have in common. Exactly one in a topology.",
	blocks:  []*blockType{sshBlock, artifactsBlock},
}

var sshBlock = &blockType{
	name:    "ssh",
	meaning: "How hosts are reached. In a site, only what differs from the fleet.",
	attrs: []attribute{
		{name: "user", kind: "string", def: "`~/.ssh/config`, else the current user", meaning: "The user to log in as; needs sudo unless it is root.", access: true},
		{name: "port", kind: "number", def: "`~/.ssh/config`, else 22", meaning: "The port of sshd.", access: true},
		{name: "private_key", kind: "path", def: "the agent's keys, then `IdentityFile` of `~/.ssh/config`, else `~/.ssh/id_*`", meaning: "The file of the private key; no other key is tried then.", access: true},
		{name: "agent", kind: "bool", def: "if there is one, without `private_key`", meaning: "`true`: there has to be an SSH agent with a key. `false`: none is asked.", access: true},
		{name: "known_hosts", kind: "path", def: "`UserKnownHostsFile` of `~/.ssh/config`, else `~/.ssh/known_hosts`", meaning: "The file with the hosts' public keys.", access: true},
		{name: "host_keys", kind: "string", def: "`\"strict\"`", words: []string{string(HostKeysStrict), string(HostKeysLearn)}, meaning: "`\"strict\"`: only keys in `known_hosts` or pinned with `host_key`. `\"learn\"`: the key of a host met for the first time is accepted and written to `known_hosts`; a changed key never is.", access: true},
		{name: "config_file", kind: "path", def: "`~/.ssh/config`", meaning: "The OpenSSH client configuration to honour; `\"none\"` ignores it.", access: true},
		{name: "sudo_password_file", kind: "path", def: "none: sudo without a password, or a prompt on a terminal", meaning: "A file whose first line is the password for sudo.", access: true},
		{name: "connect_timeout", kind: "duration", def: "`\"15s\"`", meaning: "How long to wait for a connection."},
		{name: "keepalive", kind: "duration", def: "`\"10s\"`", meaning: "How often an idle connection is probed."},
		{name: "parallel", kind: "number", def: "`32`", meaning: "Hosts worked on at once, 1 to 1024."},
	},
}

var artifactsBlock = &blockType{
	name:    "artifacts",
	meaning: "Where binaries, images and packages come from.",
	attrs: []attribute{
		{name: "source", kind: "string", def: "`\"auto\"`", meaning: "`\"auto\"`: upstream when it answers at once, built from source when it does not; `\"upstream\"`; `\"source\"` (built from Go modules); a folder such as `\"./mirror\"`; or the `https://` address of a mirror."},
	},
}

var regionBlock = &blockType{
	name: "region", label: "name", repeat: true,
	meaning: "A geographic area whose loss is one disaster. Becomes the node label `topology.kubernetes.io/region`.",
	blocks:  []*blockType{siteBlock},
}

var siteBlock = &blockType{
	name: "site", label: "name", repeat: true,
	meaning: "A data centre. Becomes the node label `topology.kubernetes.io/zone`.",
	attrs: []attribute{
		{name: "purpose", kind: "string", def: "`\"production\"`", words: []string{string(PurposeProduction), string(PurposeLocalDR), string(PurposeRemoteDR), string(PurposeArbiter)}, meaning: "`\"production\"`, `\"local-dr\"`, `\"remote-dr\"` or `\"arbiter\"`."},
	},
	blocks: []*blockType{sshBlock, bastionBlock, roomBlock},
}

var bastionBlock = &blockType{
	name: "bastion", label: "name", repeat: true, access: true,
	meaning: "A jump host in front of the site. Several are passed in the order in which they are written.",
	attrs: []attribute{
		{name: "address", kind: "string", required: true, meaning: "A host name or an IPv4 address."},
		{name: "port", kind: "number", def: "22", meaning: "The port of its sshd."},
		{name: "user", kind: "string", def: "the site's", meaning: "The user to log in as."},
		{name: "private_key", kind: "path", def: "the site's", meaning: "The file of the private key."},
		{name: "host_key", kind: "string", def: "from `known_hosts`", meaning: "Its pinned public key, `\"ssh-ed25519 AAAA…\"`."},
	},
}

var roomBlock = &blockType{
	name: "room", label: "name", repeat: true,
	meaning: "A machine room. Becomes the node label `trivet.dev/room`.",
	blocks:  []*blockType{rackBlock},
}

var rackBlock = &blockType{
	name: "rack", label: "name", repeat: true,
	meaning: "One access switch: one subnet, at most 48 hosts. Becomes the node label `trivet.dev/rack`.",
	attrs: []attribute{
		{name: "cidr", kind: "range", def: "none", meaning: "The subnet of the rack. An address of one of its hosts outside of it is a mistake; without it, addresses may be any. The lab needs it."},
		{name: "labels", kind: "map of string", def: "none", meaning: "Node labels for all hosts of the rack."},
		{name: "annotations", kind: "map of string", def: "none", meaning: "Node annotations for all hosts of the rack."},
	},
	blocks: []*blockType{taintBlock, hostBlock, hostsBlock},
}

var taintBlock = &blockType{
	name: "taint", repeat: true,
	meaning: "A taint of the nodes, kept as it is written here. A host's taint replaces its rack's with the same key and effect.",
	attrs: []attribute{
		{name: "key", kind: "string", required: true, meaning: "The key that a toleration names."},
		{name: "value", kind: "string", def: "none", meaning: "The value that a toleration names, if it names one."},
		{name: "effect", kind: "string", required: true, words: []string{"NoSchedule", "PreferNoSchedule", "NoExecute"}, meaning: "`\"NoSchedule\"`, `\"PreferNoSchedule\"` or `\"NoExecute\"`."},
	},
}

// roleWords are all roles.
var roleWords = []string{string(RoleControlPlane), string(RoleEtcd), string(RoleWorker)}

// hostAttrs are the arguments that host and hosts share.
var hostAttrs = []attribute{
	{name: "roles", kind: "list of string", required: true, words: roleWords, meaning: "Any of `\"etcd\"`, `\"control-plane\"` and `\"worker\"`; `[]` keeps the machine as a spare that no cluster uses."},
	{name: "product_line", kind: "string", def: "none", meaning: "The team or product that the machine belongs to. Becomes the node label `trivet.dev/product-line`."},
	{name: "surge", kind: "bool", def: "`false`", meaning: "`true`: the machine is a part of the cluster only while its release changes. It comes when an upgrade begins, stands in for workers that are away meanwhile, and leaves when every host has changed. For workers."},
	{name: "interface", kind: "string", def: "the one that carries the address", meaning: "The network interface for cluster traffic."},
	{name: "port", kind: "number", def: "the site's", meaning: "The port of sshd.", access: true},
	{name: "user", kind: "string", def: "the site's", meaning: "The user to log in as.", access: true},
	{name: "labels", kind: "map of string", def: "none", meaning: "Node labels, over the rack's."},
	{name: "annotations", kind: "map of string", def: "none", meaning: "Node annotations, over the rack's."},
}

var hostBlock = &blockType{
	name: "host", label: "name", repeat: true,
	meaning: "A machine reached by SSH. Its name is its identity and becomes the node's name: lower-case letters, digits and hyphens.",
	attrs: append([]attribute{
		{name: "address", kind: "address", required: true, meaning: "Its IPv4 address in the rack's subnet, used by the cluster."},
		{name: "ssh_address", kind: "string", def: "`address`", meaning: "Where SSH reaches it, when that is not `address`.", access: true},
		{name: "host_key", kind: "string", def: "from `known_hosts`", meaning: "Its pinned public key, `\"ssh-ed25519 AAAA…\"`.", access: true},
	}, hostAttrs...),
	blocks: []*blockType{taintBlock},
}

var hostsBlock = &blockType{
	name: "hosts", label: "prefix", repeat: true,
	meaning: "Several alike machines with consecutive addresses: prefix `bj1-w` gives `bj1-w1`, `bj1-w2` and so on.",
	attrs: append([]attribute{
		{name: "count", kind: "number", required: true, meaning: "How many, 0 to 48."},
		{name: "first_address", kind: "address", required: true, meaning: "The IPv4 address of the first; the others follow it."},
		{name: "first_number", kind: "number", def: "`1`", meaning: "The number in the name of the first."},
	}, hostAttrs...),
	blocks: []*blockType{taintBlock},
}
