package terraform

import (
	"context"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/provider/input"
)

// topologyData is the data source trivet_topology.
type topologyData struct{ client *client }

var _ datasource.DataSourceWithConfigure = (*topologyData)(nil)

// Metadata implements datasource.DataSource.
func (d *topologyData) Metadata(_ context.Context, _ datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = "trivet_topology"
}

// Configure implements datasource.DataSourceWithConfigure.
func (d *topologyData) Configure(_ context.Context, req datasource.ConfigureRequest, _ *datasource.ConfigureResponse) {
	d.client, _ = req.ProviderData.(*client)
}

type topologyModel struct {
	Text       types.String `tfsdk:"text"`
	Variables  types.Map    `tfsdk:"variables"`
	Normalised types.String `tfsdk:"normalised"`
	Losses     []lossModel  `tfsdk:"losses"`
	Hosts      []string     `tfsdk:"hosts"`
}

type lossModel struct {
	Cluster string `tfsdk:"cluster"`
	Lost    string `tfsdk:"lost"`
	Region  bool   `tfsdk:"region"`
	Members int64  `tfsdk:"etcd_members"`
	Left    int64  `tfsdk:"etcd_members_left"`
	Quorum  bool   `tfsdk:"quorum"`
}

// Schema implements datasource.DataSource.
func (d *topologyData) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	computed := func(text string) schema.StringAttribute {
		return schema.StringAttribute{Computed: true, MarkdownDescription: text}
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "Reads a topology in its own language: every mistake with its place, and what the loss of each site and each region leaves. It contacts nothing.",
		Attributes: map[string]schema.Attribute{
			"text":       schema.StringAttribute{Required: true, MarkdownDescription: "The topology, such as `file(\"main.hcl\")`."},
			"variables":  schema.MapAttribute{Optional: true, ElementType: types.StringType, MarkdownDescription: "Values of its variables, written as on the command line."},
			"normalised": computed("The text in its usual format."),
			"hosts":      schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "The names of all hosts."},
			"losses": schema.ListNestedAttribute{Computed: true, MarkdownDescription: "What the loss of each site and each region leaves.", NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
				"cluster":           computed("The cluster."),
				"lost":              computed("The site or the region that is lost."),
				"region":            schema.BoolAttribute{Computed: true, MarkdownDescription: "Whether it is a region."},
				"etcd_members":      schema.Int64Attribute{Computed: true, MarkdownDescription: "The etcd members of the cluster."},
				"etcd_members_left": schema.Int64Attribute{Computed: true, MarkdownDescription: "Those that are left."},
				"quorum":            schema.BoolAttribute{Computed: true, MarkdownDescription: "Whether they are a quorum, so that writes go on."},
			}}},
		},
	}
}

// Read implements datasource.DataSource.
func (d *topologyData) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var m topologyModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	variables := map[string]string{}
	resp.Diagnostics.Append(m.Variables.ElementsAs(ctx, &variables, false)...)
	if resp.Diagnostics.HasError() {
		return
	}
	top, found := d.client.door().Parse(m.Text.ValueString(), variables)
	resp.Diagnostics.Append(problemDiagnostics(input.ProblemsAt(input.Path{}.Attribute("text"), found))...)
	if top == nil {
		return
	}
	m.Normalised = types.StringValue(string(hclwrite.Format([]byte(m.Text.ValueString()))))
	m.Hosts, m.Losses = []string{}, []lossModel{}
	for _, h := range top.AllHosts() {
		m.Hosts = append(m.Hosts, h.Name)
	}
	for _, c := range top.Clusters {
		for _, l := range topology.Quorum(c) {
			m.Losses = append(m.Losses, lossModel{c.Name, l.Name, l.Kind == topology.LossOfRegion, int64(l.MembersTotal), int64(l.MembersLeft), l.Quorum})
		}
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, &m)...)
}
