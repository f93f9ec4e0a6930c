package terraform

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/identityschema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/trivet-dev/trivet/provider/input"
)

// connectionTypes are the attributes of a cluster's access, endpointTypes those of an element of its endpoints, nodeTypes those of an element of nodes, and objectTypes of objects.
var (
	connectionTypes = fieldTypes(input.Access(words))
	endpointTypes   = fieldTypes(*input.Find(input.Access(words).Attributes, "endpoints").Of)
	nodeTypes       = fieldTypes(*input.Find(input.Cluster(words), "nodes").Of)
	objectTypes     = fieldTypes(*input.Find(input.Cluster(words), "objects").Of)
)

func fieldTypes(t input.Type) map[string]attr.Type {
	o, _ := typeOf(t).(types.ObjectType)
	return o.AttrTypes
}

// clusterSchema is the schema of trivet_cluster, version 0.
func clusterSchema() schema.Schema {
	out := schemaOf(input.Cluster(words))
	out["restore"] = schema.DynamicAttribute{Optional: true, MarkdownDescription: "Reserved: it cannot be set yet."}
	out["backup"] = schema.DynamicAttribute{Optional: true, MarkdownDescription: "Reserved: it cannot be set yet."}
	return schema.Schema{MarkdownDescription: words.Say(input.AboutCluster), Attributes: out}
}

// Schema implements resource.Resource.
func (r *clusterResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = clusterSchema()
}

// IdentitySchema implements resource.ResourceWithIdentity.
func (r *clusterResource) IdentitySchema(_ context.Context, _ resource.IdentitySchemaRequest, resp *resource.IdentitySchemaResponse) {
	resp.IdentitySchema = identityschema.Schema{Attributes: map[string]identityschema.Attribute{
		"name":    identityschema.StringAttribute{RequiredForImport: true, Description: "The name of the cluster."},
		"address": identityschema.StringAttribute{RequiredForImport: true, Description: "Where SSH reaches one of its control planes."},
	}}
}
