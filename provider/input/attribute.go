package input

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// Kind is what a value is.
type Kind int

// Kinds of values.
const (
	KindText   Kind = iota
	KindNumber      // whole
	KindFlag
	KindList   // of Of
	KindMap    // of Of, by name
	KindFields // attributes by name, which Attributes describe
	KindAny    // of any shape
)

// Type is the type of a value.
type Type struct {
	Kind       Kind
	Of         *Type
	Attributes []Attribute
	// Label names the type of Fields, for frameworks that want a name for each: Host.
	Label string
	// Words are all that a text may be; nil where it may be more.
	Words []string
}

// Attribute describes an attribute of a resource, of a provider or of a value, for the schemas of all doors.
type Attribute struct {
	Name string
	Type
	Meaning string // in Markdown

	Required bool // users have to give it
	Computed bool // it has a value where users give none
	Given    bool // users may give it
	Secret   bool
	Plain    bool // its value has to be known whenever resources are declared
	Always   bool // it has a value wherever the resource is there

	// Default is the value where users give none; nil where there is none, or where the language has one.
	Default any
	// Replaces: with another value it is another resource.
	Replaces bool
	// Stays: while the resource is the same, so is the value that it computes.
	Stays bool
}

// Find finds an attribute by its name; nil where there is none.
func Find(attributes []Attribute, name string) *Attribute {
	i := slices.IndexFunc(attributes, func(a Attribute) bool { return a.Name == name })
	if i < 0 {
		return nil
	}
	return &attributes[i]
}

// texts is the type of a list of texts, and that of texts by name.
var (
	textType  = Type{Kind: KindText}
	listType  = Type{Kind: KindList, Of: &textType}
	textsType = Type{Kind: KindMap, Of: &textType}
)

// describer makes descriptions in a door's words.
type describer struct {
	Words
	words map[string]string
}

func (w Words) describer() describer {
	words := map[string]string{"tool": w.Tool, "apply": w.Apply, "provider": w.Provider, "cluster": "`" + w.Cluster + "`", "worker": "`" + w.Worker + "`"}
	maps.Copy(words, w.Own)
	return describer{w, words}
}

// open is the place of a door's own word in a text.
var open = regexp.MustCompile(`\{[a-zA-Z_]+\}`)

// code is a name in a text.
var code = regexp.MustCompile("`[a-z]+(_[a-z]+)+`")

// say writes a text in the door's words.
func (d describer) say(text string) string {
	text = open.ReplaceAllStringFunc(text, func(name string) string { return d.words[strings.Trim(name, "{}")] })
	return code.ReplaceAllStringFunc(text, func(name string) string { return "`" + d.Name(strings.Trim(name, "`")) + "`" })
}

// in is an attribute that users may give, out one that is computed.
func (d describer) in(name string, t Type, text string) Attribute {
	return Attribute{Name: name, Type: t, Meaning: d.say(text), Given: true}
}

func (d describer) out(name string, t Type, text string) Attribute {
	return Attribute{Name: name, Type: t, Meaning: d.say(text), Computed: true}
}

// always is one that is computed and never absent.
func (d describer) always(name string, t Type, text string) Attribute {
	a := d.out(name, t, text)
	a.Always = true
	return a
}

// needed is an attribute that users have to give.
func (d describer) needed(name string, t Type, text string) Attribute {
	a := d.in(name, t, text)
	a.Required = true
	return a
}

// word is an attribute that is one of some words, by default the first.
func (d describer) word(name string, words []string, text string) Attribute {
	a := d.in(name, Type{Kind: KindText, Words: words}, text)
	a.Computed, a.Always, a.Default = true, true, words[0]
	return a
}

// block describes a block of the topology language: an attribute for each argument, fields for a block that may stand once, and a map by label for one that may stand often. What is in
// skip is left out.
func (d describer) block(b *topology.BlockType, skip ...string) []Attribute {
	var out []Attribute
	for _, a := range b.Arguments {
		if !slices.Contains(skip, a.Name) && a.Type != "object" {
			out = append(out, d.argument(b, a))
		}
	}
	for _, inner := range b.Blocks {
		fields := Type{Kind: KindFields, Attributes: nil, Label: label(inner.Name)}
		switch {
		case slices.Contains(skip, inner.Name) || Find(out, inner.Name) != nil:
		case inner.Label != "":
			fields.Attributes = d.block(inner)
			out = append(out, Attribute{Name: inner.Name, Type: Type{Kind: KindMap, Of: &fields}, Meaning: d.about(inner) + " By " + inner.Label + ".", Given: true})
		case !inner.Repeat:
			fields.Attributes = d.block(inner)
			out = append(out, Attribute{Name: inner.Name, Type: fields, Meaning: d.about(inner), Given: true})
		}
	}
	return out
}

// label is the name of the type of a block: etcd is Etcd, product_line ProductLine.
func label(name string) string {
	var out strings.Builder
	for part := range strings.SplitSeq(name, "_") {
		out.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return out.String()
}

func (d describer) argument(b *topology.BlockType, a topology.Argument) Attribute {
	t := Type{Kind: KindText, Words: a.Words}
	switch a.Type {
	case "bool":
		t.Kind = KindFlag
	case "number":
		t.Kind = KindNumber
	case "list of string":
		t = Type{Kind: KindList, Of: &Type{Kind: KindText, Words: a.Words}}
	case "map of string":
		t = textsType
	}
	return Attribute{Name: a.Name, Type: t, Meaning: d.describe(b, a), Required: a.Required, Given: true}
}

// here replaces what the language says of blocks, and of arguments and their defaults, where a provider has it otherwise.
var here = map[string]struct{ meaning, def string }{
	"hook":                        {meaning: "Commands that run on hosts before or after what Trivet does to them, in the order of their names. A command may run more than once for the same step, so it has to be idempotent; see [Hooks](operations.md#hooks)."},
	"cluster.images":              {meaning: "Images that every node has, pinned, before a workload wants them."},
	"cluster.manifests":           {meaning: "Files of objects that the API shall have, such as `\"manifests/*.yaml\"`: patterns that start at the folder that {tool} runs in. What is taken out is deleted."},
	"upgrade.max_failed":          {meaning: "How many workers may fail before an apply stops. It goes on with the others, and then fails with the names of those that did."},
	"ssh.user":                    {def: "the provider's"},
	"ssh.port":                    {def: "the provider's"},
	"bastion.user":                {def: "the provider's"},
	"bastion.host_key":            {def: "from the provider's `known_hosts`"},
	"host.address":                {meaning: "Its IPv4 address, in the rack's `cidr` where that has one: the other hosts reach it there, and so does SSH unless `ssh_address` is set."},
	"host.host_key":               {def: "from the provider's `known_hosts`"},
	"host.user":                   {def: "the site's, else the provider's"},
	"host.port":                   {def: "the site's, else the provider's"},
	"certificates.admin_lifetime": {meaning: "How long the certificate is good for that the command `trivet kubeconfig` hands out.{kubeconfig}"},
}

// describe says what an argument means and what holds without it.
func (d describer) describe(b *topology.BlockType, a topology.Argument) string {
	own := here[b.Name+"."+a.Name]
	text, def := meaning(cmp.Or(own.meaning, a.Meaning)), cmp.Or(own.def, a.Default)
	if def != "" && def != "none" && !a.Required {
		text += " Default: " + def + "."
	}
	return d.say(text)
}

// about says what a block means.
func (d describer) about(b *topology.BlockType) string {
	return d.say(meaning(cmp.Or(here[b.Name].meaning, b.Meaning)))
}

// pages are links to pages of the repository's documentation, which the registries do not have.
var pages = regexp.MustCompile(`\]\(([a-z]+\.md)`)

const documentation = "https://github.com/trivet-dev/trivet/blob/main/docs/"

func meaning(text string) string { return pages.ReplaceAllString(text, "]("+documentation+"$1") }

// taints are a list wherever the language has taint blocks.
func (d describer) taints() Attribute {
	b := topology.Describe("region", "site", "room", "rack", "taint")
	a := d.in("taints", Type{Kind: KindList, Of: &Type{Kind: KindFields, Attributes: d.block(b), Label: "Taint"}}, "")
	a.Meaning = d.about(b)
	return a
}

// site describes sites: where their hosts stand and how they are reached. Keys and what is a file belong to the provider.
func (d describer) site() []Attribute {
	out := d.block(topology.Describe("region", "site"), "ssh", "bastion", "room")
	ssh, bastion := topology.Describe("region", "site", "ssh"), topology.Describe("region", "site", "bastion")
	return append(out,
		d.needed("region", textType, "The region that it is in. "+topology.Describe("region").Meaning),
		d.in("ssh", Type{Kind: KindFields, Label: "SiteSsh", Attributes: d.block(ssh, "private_key", "agent", "known_hosts", "host_keys", "config_file", "sudo_password_file", "parallel")},
			"How its hosts are reached, where that differs from the provider's `ssh`."),
		d.in("bastion", Type{Kind: KindFields, Label: "Bastion", Attributes: namedKeys(d.block(bastion, "private_key"))}, "A jump host in front of the site. A chain of several needs `topology`."),
	)
}

func (d describer) rack() []Attribute {
	return append(d.block(topology.Describe("region", "site", "room", "rack"), "taint", "host", "hosts"), d.taints())
}

func (d describer) host() []Attribute {
	return append(namedKeys(d.block(topology.Describe("region", "site", "room", "rack", "host"), "taint")), d.taints(),
		d.in("site", textType, "The site in `sites` that it stands in. Default: the only one."),
		d.in("room", textType, "The machine room that it stands in. Becomes the node label `trivet.dev/room`. Default: `\"1\"`."),
		d.in("rack", textType, "The rack that it stands in: one access switch, at most 48 hosts. Becomes the node label `trivet.dev/rack`. Default: `\"a\"`."),
	)
}

// namedKeys calls a host key by the name that says of what it is the key.
func namedKeys(list []Attribute) []Attribute {
	if key := Find(list, "host_key"); key != nil {
		key.Name = "ssh_host_key"
	}
	return list
}

// Quoted lists words as code.
func Quoted(words []string, conjunction string) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = "`" + w + "`"
	}
	if last := len(out) - 1; last > 0 {
		return strings.Join(out[:last], ", ") + " " + conjunction + " " + out[last]
	}
	return strings.Join(out, "")
}
