package terraform

import (
	"cmp"
	"regexp"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// attributes makes a schema of a block of the topology language: an attribute for each argument, an object for a block that may stand once, and a map by label for one that may stand
// often. What is in skip is left out.
func attributes(b *topology.BlockType, skip ...string) map[string]schema.Attribute {
	out := map[string]schema.Attribute{}
	for _, a := range b.Arguments {
		if !slices.Contains(skip, a.Name) && a.Type != "object" {
			out[a.Name] = attribute(b, a)
		}
	}
	for _, inner := range b.Blocks {
		switch {
		case slices.Contains(skip, inner.Name) || out[inner.Name] != nil:
		case inner.Label != "":
			out[inner.Name] = schema.MapNestedAttribute{Optional: true, MarkdownDescription: about(inner) + " By " + inner.Label + ".",
				NestedObject: schema.NestedAttributeObject{Attributes: attributes(inner)}}
		case !inner.Repeat:
			out[inner.Name] = schema.SingleNestedAttribute{Optional: true, MarkdownDescription: about(inner), Attributes: attributes(inner)}
		}
	}
	return out
}

func attribute(b *topology.BlockType, a topology.Argument) schema.Attribute {
	optional, text := !a.Required, describe(b, a)
	switch a.Type {
	case "bool":
		return schema.BoolAttribute{Required: a.Required, Optional: optional, MarkdownDescription: text}
	case "number":
		return schema.Int64Attribute{Required: a.Required, Optional: optional, MarkdownDescription: text}
	case "list of string":
		return schema.ListAttribute{Required: a.Required, Optional: optional, ElementType: types.StringType, MarkdownDescription: text}
	case "map of string":
		return schema.MapAttribute{Required: a.Required, Optional: optional, ElementType: types.StringType, MarkdownDescription: text}
	}
	return schema.StringAttribute{Required: a.Required, Optional: optional, MarkdownDescription: text}
}

// here replaces what the language says of blocks, and of arguments and their defaults, where a provider has it otherwise.
var here = map[string]struct{ meaning, def string }{
	"hook":                        {meaning: "Commands that run on hosts before or after what Trivet does to them, in the order of their names. A command may run more than once for the same step, so it has to be idempotent; see [Hooks](operations.md#hooks)."},
	"cluster.images":              {meaning: "Images that every node has, pinned, before a workload wants them."},
	"cluster.manifests":           {meaning: "Files of objects that the API shall have, such as `\"manifests/*.yaml\"`: patterns that start at the folder that Terraform runs in. What is taken out is deleted."},
	"upgrade.max_failed":          {meaning: "How many workers may fail before an apply stops. It goes on with the others, and then fails with the names of those that did."},
	"ssh.user":                    {def: "the provider's"},
	"ssh.port":                    {def: "the provider's"},
	"bastion.user":                {def: "the provider's"},
	"bastion.host_key":            {def: "from the provider's `known_hosts`"},
	"host.address":                {meaning: "Its IPv4 address, in the rack's `cidr` where that has one: the other hosts reach it there, and so does SSH unless `ssh_address` is set."},
	"host.host_key":               {def: "from the provider's `known_hosts`"},
	"host.user":                   {def: "the site's, else the provider's"},
	"host.port":                   {def: "the site's, else the provider's"},
	"certificates.admin_lifetime": {meaning: "How long the certificate is good for that the command `trivet kubeconfig` hands out. `trivet_kubeconfig` has a `ttl` of its own."},
}

// describe says what an argument means and what holds without it.
func describe(b *topology.BlockType, a topology.Argument) string {
	own := here[b.Name+"."+a.Name]
	text, def := meaning(cmp.Or(own.meaning, a.Meaning)), cmp.Or(own.def, a.Default)
	if def != "" && def != "none" && !a.Required {
		text += " Default: " + def + "."
	}
	return text
}

// pages are links to pages of the repository's documentation, which the registry does not have.
var pages = regexp.MustCompile(`\]\(([a-z]+\.md)`)

const documentation = "https://github.com/trivet-dev/trivet/blob/main/docs/"

// about says what a block means.
func about(b *topology.BlockType) string { return meaning(cmp.Or(here[b.Name].meaning, b.Meaning)) }

func meaning(text string) string { return pages.ReplaceAllString(text, "]("+documentation+"$1") }

// taints are a list wherever the language has taint blocks.
func taints() schema.Attribute {
	b := topology.Describe("region", "site", "room", "rack", "taint")
	return schema.ListNestedAttribute{Optional: true, MarkdownDescription: about(b), NestedObject: schema.NestedAttributeObject{Attributes: attributes(b)}}
}

// siteAttributes are those of sites: where their hosts stand and how they are reached. Keys and what is a file belong to the provider block.
func siteAttributes() map[string]schema.Attribute {
	site := topology.Describe("region", "site")
	out := attributes(site, "ssh", "bastion", "room")
	out["region"] = schema.StringAttribute{Required: true, MarkdownDescription: "The region that it is in. " + topology.Describe("region").Meaning}
	ssh := topology.Describe("region", "site", "ssh")
	out["ssh"] = schema.SingleNestedAttribute{Optional: true, MarkdownDescription: "How its hosts are reached, where that differs from the provider's `ssh`.",
		Attributes: attributes(ssh, "private_key", "agent", "known_hosts", "host_keys", "config_file", "sudo_password_file", "parallel")}
	bastion := topology.Describe("region", "site", "bastion")
	out["bastion"] = schema.SingleNestedAttribute{Optional: true, MarkdownDescription: "A jump host in front of the site. A chain of several needs `topology`.",
		Attributes: hostKeyed(attributes(bastion, "private_key"))}
	return out
}

func rackAttributes() map[string]schema.Attribute {
	out := attributes(topology.Describe("region", "site", "room", "rack"), "taint", "host", "hosts")
	out["taints"] = taints()
	return out
}

func hostAttributes() map[string]schema.Attribute {
	out := hostKeyed(attributes(topology.Describe("region", "site", "room", "rack", "host"), "taint"))
	out["taints"] = taints()
	out["site"] = schema.StringAttribute{Optional: true, MarkdownDescription: "The site in `sites` that it stands in. Default: the only one."}
	out["room"] = schema.StringAttribute{Optional: true, MarkdownDescription: "The machine room that it stands in. Becomes the node label `trivet.dev/room`. Default: `\"1\"`."}
	out["rack"] = schema.StringAttribute{Optional: true, MarkdownDescription: "The rack that it stands in: one access switch, at most 48 hosts. Becomes the node label `trivet.dev/rack`. Default: `\"a\"`."}
	return out
}

// hostKeyed calls a host key by the name that says of what it is the key.
func hostKeyed(m map[string]schema.Attribute) map[string]schema.Attribute {
	if key, ok := m["host_key"]; ok {
		delete(m, "host_key")
		m["ssh_host_key"] = key
	}
	return m
}
