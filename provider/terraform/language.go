package terraform

import (
	"slices"
	"strings"

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
			out[a.Name] = attribute(a)
		}
	}
	for _, inner := range b.Blocks {
		switch {
		case slices.Contains(skip, inner.Name) || out[inner.Name] != nil:
		case inner.Label != "":
			out[inner.Name] = schema.MapNestedAttribute{Optional: true, MarkdownDescription: inner.Meaning + " By " + inner.Label + ".",
				NestedObject: schema.NestedAttributeObject{Attributes: attributes(inner)}}
		case !inner.Repeat:
			out[inner.Name] = schema.SingleNestedAttribute{Optional: true, MarkdownDescription: inner.Meaning, Attributes: attributes(inner)}
		}
	}
	return out
}

func attribute(a topology.Argument) schema.Attribute {
	optional, text := !a.Required, describe(a)
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

func describe(a topology.Argument) string {
	text := a.Meaning
	if a.Default != "" && !a.Required {
		text = strings.TrimSuffix(text, ".") + ". Default: " + a.Default + "."
	}
	return text
}

// taints are a list wherever the language has taint blocks.
func taints() schema.Attribute {
	b := topology.Describe("region", "site", "room", "rack", "taint")
	return schema.ListNestedAttribute{Optional: true, MarkdownDescription: b.Meaning, NestedObject: schema.NestedAttributeObject{Attributes: attributes(b)}}
}

// siteAttributes are those of sites: where their hosts stand and how they are reached. Keys and what is a file belong to the provider block.
func siteAttributes() map[string]schema.Attribute {
	site := topology.Describe("region", "site")
	out := attributes(site, "ssh", "bastion", "room")
	out["region"] = schema.StringAttribute{Required: true, MarkdownDescription: topology.Describe("region").Meaning}
	ssh := topology.Describe("region", "site", "ssh")
	out["ssh"] = schema.SingleNestedAttribute{Optional: true, MarkdownDescription: "What differs from the provider's `ssh`.",
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
	out["room"] = schema.StringAttribute{Optional: true, MarkdownDescription: "The room that it stands in. Default: `\"1\"`."}
	out["rack"] = schema.StringAttribute{Optional: true, MarkdownDescription: "The rack that it stands in. Default: `\"a\"`."}
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
