package terraform

import (
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	provider "github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/trivet-dev/trivet/provider/input"
)

// words are Terraform's.
var words = input.Words{
	Tool: "Terraform", Apply: "terraform apply", Plan: "terraform plan", Provider: "provider block", Cluster: "trivet_cluster", Worker: "trivet_worker",
	Machines: "Terraform destroys machines before the cluster can do without them", Target: "-target",
	Own: map[string]string{
		"file": "`file(\"main.hcl\")`", "lockfile": "`file(\"artifacts.lock\")`", "encoded": "`jsonencode(…)`", "access": "`trivet_kubeconfig`", "for_each": ", as by `for_each`",
		"unknownHosts": " The map, or what is in it, may be unknown at plan.", "kubeconfig": " `trivet_kubeconfig` has a `ttl` of its own.",
		"parallel": "It begins ten at a time unless told otherwise: with hundreds of workers, `terraform apply -parallelism=100`",
		"secrets":  " Secrets here may be ephemeral values; they are never written to a plan or a state.",
	},
}

// schemaOf makes the schema of a resource of what describes its attributes.
func schemaOf(attributes []input.Attribute) map[string]schema.Attribute {
	out := map[string]schema.Attribute{}
	for _, a := range attributes {
		out[a.Name] = attributeOf(a)
	}
	return out
}

func attributeOf(a input.Attribute) schema.Attribute {
	optional, text := a.Given && !a.Required, a.Meaning
	switch a.Kind {
	case input.KindNumber:
		return schema.Int64Attribute{Required: a.Required, Optional: optional, Computed: a.Computed, MarkdownDescription: text}
	case input.KindFlag:
		out := schema.BoolAttribute{Required: a.Required, Optional: optional, Computed: a.Computed, MarkdownDescription: text}
		if on, ok := a.Default.(bool); ok {
			out.Default = booldefault.StaticBool(on)
		}
		return out
	case input.KindList:
		if a.Of.Kind == input.KindFields {
			return schema.ListNestedAttribute{Optional: optional, Computed: a.Computed, MarkdownDescription: text, NestedObject: schema.NestedAttributeObject{Attributes: schemaOf(a.Of.Attributes)}}
		}
		return schema.ListAttribute{Required: a.Required, Optional: optional, Computed: a.Computed, ElementType: typeOf(*a.Of), MarkdownDescription: text}
	case input.KindMap:
		if a.Of.Kind == input.KindFields {
			return schema.MapNestedAttribute{Optional: optional, Computed: a.Computed, MarkdownDescription: text, NestedObject: schema.NestedAttributeObject{Attributes: schemaOf(elementOf(a.Of.Attributes))}}
		}
		return schema.MapAttribute{Required: a.Required, Optional: optional, Computed: a.Computed, ElementType: typeOf(*a.Of), MarkdownDescription: text}
	case input.KindFields:
		if a.Required { // a value of another resource, as a whole
			t, _ := typeOf(a.Type).(types.ObjectType)
			return schema.ObjectAttribute{Required: true, AttributeTypes: t.AttrTypes, MarkdownDescription: text}
		}
		return schema.SingleNestedAttribute{Optional: optional, Computed: a.Computed, MarkdownDescription: text, Attributes: schemaOf(a.Attributes)}
	case input.KindAny:
		return schema.DynamicAttribute{Optional: optional, MarkdownDescription: text}
	}
	out := schema.StringAttribute{Required: a.Required, Optional: optional, Computed: a.Computed, MarkdownDescription: text}
	if word, ok := a.Default.(string); ok {
		out.Default = stringdefault.StaticString(word)
	}
	if a.Stays {
		out.PlanModifiers = append(out.PlanModifiers, stringplanmodifier.UseStateForUnknown())
	}
	if a.Replaces {
		out.PlanModifiers = append([]planmodifier.String{stringplanmodifier.RequiresReplace()}, out.PlanModifiers...)
	}
	return out
}

// elementOf are the attributes of an element of a map. None is required by the schema: the framework finds those missing of an element that is not known yet as a whole. The language asks for
// them.
func elementOf(attributes []input.Attribute) []input.Attribute {
	out := slices.Clone(attributes)
	for i := range out {
		if a := &out[i]; a.Required {
			a.Required, a.Meaning = false, a.Meaning+" It has to be given."
		}
	}
	return out
}

// typeOf is the type of a value.
func typeOf(t input.Type) attr.Type {
	switch t.Kind {
	case input.KindNumber:
		return types.Int64Type
	case input.KindFlag:
		return types.BoolType
	case input.KindList:
		return types.ListType{ElemType: typeOf(*t.Of)}
	case input.KindMap:
		return types.MapType{ElemType: typeOf(*t.Of)}
	case input.KindFields:
		out := map[string]attr.Type{}
		for _, a := range t.Attributes {
			out[a.Name] = typeOf(a.Type)
		}
		return types.ObjectType{AttrTypes: out}
	}
	return types.StringType
}

// providerSchemaOf makes the schema of the provider block.
func providerSchemaOf(attributes []input.Attribute) map[string]provider.Attribute {
	out := map[string]provider.Attribute{}
	for _, a := range attributes {
		switch a.Kind {
		case input.KindNumber:
			out[a.Name] = provider.Int64Attribute{Optional: true, MarkdownDescription: a.Meaning}
		case input.KindFlag:
			out[a.Name] = provider.BoolAttribute{Optional: true, MarkdownDescription: a.Meaning}
		case input.KindFields:
			out[a.Name] = provider.SingleNestedAttribute{Optional: true, MarkdownDescription: a.Meaning, Attributes: providerSchemaOf(a.Attributes)}
		default:
			out[a.Name] = provider.StringAttribute{Optional: true, Sensitive: a.Secret, MarkdownDescription: a.Meaning}
		}
	}
	return out
}
