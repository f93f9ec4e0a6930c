package terraform

import (
	"context"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/provider/door"
	"github.com/trivet-dev/trivet/provider/input"
)

// statusData is the data source trivet_cluster_status.
type statusData struct{ client *client }

var _ datasource.DataSourceWithConfigure = (*statusData)(nil)

// Metadata implements datasource.DataSource.
func (d *statusData) Metadata(_ context.Context, _ datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = "trivet_cluster_status"
}

// Configure implements datasource.DataSourceWithConfigure.
func (d *statusData) Configure(_ context.Context, req datasource.ConfigureRequest, _ *datasource.ConfigureResponse) {
	d.client, _ = req.ProviderData.(*client)
}

type statusModel struct {
	Cluster   types.Object
	Topology  types.String
	Variables types.Map
	Name      types.String
}

// read reads what a configuration asks for.
func (m *statusModel) read(ctx context.Context, config tfsdk.Config) (diags diag.Diagnostics) {
	for name, v := range map[string]any{"cluster": &m.Cluster, "topology": &m.Topology, "variables": &m.Variables, "name": &m.Name} {
		diags.Append(config.GetAttribute(ctx, path.Root(name), v)...)
	}
	return diags
}

// Schema implements datasource.DataSource.
func (d *statusData) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	resp.Schema = schema.Schema{MarkdownDescription: words.Say(input.AboutStatus), Attributes: dataSchemaOf(input.Status(words))}
}

// dataSchemaOf makes the schema of a data source of what describes its attributes.
func dataSchemaOf(attributes []input.Attribute) map[string]schema.Attribute {
	out := map[string]schema.Attribute{}
	for _, a := range attributes {
		optional, text := a.Given, a.Meaning
		switch {
		case a.Kind == input.KindNumber:
			out[a.Name] = schema.Int64Attribute{Optional: optional, Computed: a.Computed, MarkdownDescription: text}
		case a.Kind == input.KindFlag:
			out[a.Name] = schema.BoolAttribute{Optional: optional, Computed: a.Computed, MarkdownDescription: text}
		case a.Kind == input.KindList && a.Of.Kind == input.KindFields:
			out[a.Name] = schema.ListNestedAttribute{Optional: optional, Computed: a.Computed, MarkdownDescription: text, NestedObject: schema.NestedAttributeObject{Attributes: dataSchemaOf(a.Of.Attributes)}}
		case a.Kind == input.KindList:
			out[a.Name] = schema.ListAttribute{Optional: optional, Computed: a.Computed, ElementType: typeOf(*a.Of), MarkdownDescription: text}
		case a.Kind == input.KindMap && a.Of.Kind == input.KindFields:
			out[a.Name] = schema.MapNestedAttribute{Optional: optional, Computed: a.Computed, MarkdownDescription: text, NestedObject: schema.NestedAttributeObject{Attributes: dataSchemaOf(a.Of.Attributes)}}
		case a.Kind == input.KindMap:
			out[a.Name] = schema.MapAttribute{Optional: optional, Computed: a.Computed, ElementType: typeOf(*a.Of), MarkdownDescription: text}
		case a.Kind == input.KindFields: // a value of another resource, as a whole
			out[a.Name] = schema.ObjectAttribute{Optional: optional, Computed: a.Computed, AttributeTypes: fieldTypes(a.Type), MarkdownDescription: text}
		default:
			out[a.Name] = schema.StringAttribute{Optional: optional, Computed: a.Computed, MarkdownDescription: text}
		}
	}
	return out
}

// Read implements datasource.DataSource.
func (d *statusData) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var m statusModel
	resp.Diagnostics.Append(m.read(ctx, req.Config)...)
	if resp.Diagnostics.HasError() {
		return
	}
	if m.Cluster.IsNull() == m.Topology.IsNull() {
		resp.Diagnostics.AddAttributeError(path.Root("cluster"), "Wrong cluster", "Which cluster is asked for is told by cluster, the access of a trivet_cluster, or by topology, and not by both.")
		return
	}
	if !d.client.known(&resp.Diagnostics) {
		return
	}
	var s *bootstrap.Status
	var err error
	renew := time.Duration(0)
	if m.Topology.IsNull() {
		var conn connectionModel
		if resp.Diagnostics.Append(m.Cluster.As(ctx, &conn, objectOptions)...); resp.Diagnostics.HasError() {
			return
		}
		s, renew, err = d.client.RecordedStatus(ctx, conn.access(d.client.SSH))
	} else {
		f := d.described(ctx, &m, &resp.Diagnostics)
		if resp.Diagnostics.HasError() {
			return
		}
		s, err = d.client.Status(ctx, f)
		renew = f.Cluster.Certificates.RenewBefore
	}
	if err != nil {
		resp.Diagnostics.AddError("Cluster not read", err.Error())
		return
	}
	resp.State.Raw = req.Config.Raw
	typ, _ := resp.State.Schema.Type().(attr.TypeWithAttributeTypes)
	for name, v := range door.StatusOf(s, renew, words) {
		resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root(name), valueOf(typ.AttributeTypes()[name], v))...)
	}
}

// described is the fleet of a topology.
func (d *statusData) described(ctx context.Context, m *statusModel, diags *diag.Diagnostics) *door.Fleet {
	given := map[string]string{}
	diags.Append(m.Variables.ElementsAs(ctx, &given, false)...)
	variables := input.Object{}
	for k, v := range given {
		variables[k] = v
	}
	f, found := d.client.fleet(input.Object{"name": m.Name.ValueString(), "topology": m.Topology.ValueString(), "variables": variables})
	diags.Append(found...)
	return f
}
