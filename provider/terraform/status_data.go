package terraform

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/etcd"
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
	Cluster     types.Object               `tfsdk:"cluster"`
	Topology    types.String               `tfsdk:"topology"`
	Variables   types.Map                  `tfsdk:"variables"`
	Name        types.String               `tfsdk:"name"`
	ID          types.String               `tfsdk:"id"`
	Kubernetes  types.String               `tfsdk:"kubernetes"`
	UpgradeFrom types.String               `tfsdk:"upgrade_from"`
	Complete    types.Bool                 `tfsdk:"complete"`
	Healthy     types.Bool                 `tfsdk:"healthy"`
	Holder      types.String               `tfsdk:"holder"`
	Problems    []string                   `tfsdk:"problems"`
	Notes       []string                   `tfsdk:"notes"`
	Ends        types.String               `tfsdk:"certificates_end"`
	Hosts       map[string]hostStatusModel `tfsdk:"hosts"`
	Members     []memberModel              `tfsdk:"etcd_members"`
}

type hostStatusModel struct {
	Site     string       `tfsdk:"site"`
	Region   string       `tfsdk:"region"`
	Address  string       `tfsdk:"address"`
	Roles    []string     `tfsdk:"roles"`
	Error    types.String `tfsdk:"error"`
	Node     types.String `tfsdk:"node"`
	Cordoned bool         `tfsdk:"cordoned"`
	Drift    []string     `tfsdk:"drift"`
	Ends     types.String `tfsdk:"certificates_end"`
}

type memberModel struct {
	Name    string       `tfsdk:"name"`
	Version types.String `tfsdk:"version"`
	Leader  bool         `tfsdk:"leader"`
	Learner bool         `tfsdk:"learner"`
	DBSize  int64        `tfsdk:"db_size"`
	Error   types.String `tfsdk:"error"`
}

// Schema implements datasource.DataSource.
func (d *statusData) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	text := func(s string) schema.StringAttribute {
		return schema.StringAttribute{Computed: true, MarkdownDescription: s}
	}
	flag := func(s string) schema.BoolAttribute {
		return schema.BoolAttribute{Computed: true, MarkdownDescription: s}
	}
	list := func(s string) schema.ListAttribute {
		return schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: s}
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "What `trivet status` tells of a cluster. Every host is asked over SSH, and etcd and the API through the control planes; nothing is changed. Hosts that do not answer are part of the answer, no failure of it.",
		Attributes: map[string]schema.Attribute{
			"cluster": schema.ObjectAttribute{Optional: true, AttributeTypes: connectionTypes,
				MarkdownDescription: "The `access` of a `trivet_cluster`. Its control planes are asked for the other hosts, which are reached at their addresses in the cluster, as the control planes of their site are. What the API should hold is not known then, and not compared."},
			"topology":  schema.StringAttribute{Optional: true, MarkdownDescription: "The topology in its own language, in place of `cluster`. Hosts are reached as it says, and the objects of the API are compared with it."},
			"variables": schema.MapAttribute{Optional: true, ElementType: types.StringType, MarkdownDescription: "Values of the topology's variables, written as on the command line."},
			"name":      schema.StringAttribute{Optional: true, Computed: true, MarkdownDescription: "The name of the cluster; needed where the topology has several."},

			"id":               text("The cluster's id; null where no host has the cluster."),
			"kubernetes":       text("The release that it runs, or is on its way to."),
			"upgrade_from":     text("The release that an upgrade began at which is not finished; null where none is under way."),
			"complete":         flag("Whether its bring-up has come to the end."),
			"healthy":          flag("Whether every host answers as recorded, every node is Ready, every etcd member is healthy, no certificate has expired, and nothing is half done."),
			"holder":           text("Who is changing the cluster now; null where nobody is."),
			"problems":         list("What is not as it should be, with what to do."),
			"notes":            list("What is worth knowing, and breaks nothing yet."),
			"certificates_end": text("When the first certificate of any host ends, RFC 3339."),
			"hosts": schema.MapNestedAttribute{Computed: true, MarkdownDescription: "The hosts, by name.", NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
				"site": text("The site that it stands in."), "region": text("The region of the site."), "address": text("Its address in the cluster."), "roles": list("The roles it plays."),
				"error": text("Why it could not be read; null where it answered."), "node": text("What the API says of its node: `Ready`, or why not; null where it is no node, or the API does not answer."),
				"cordoned": flag("Whether its node takes no new pods."), "drift": list("What is not on the host as it was put there."), "certificates_end": text("When its first certificate ends, RFC 3339."),
			}}},
			"etcd_members": schema.ListNestedAttribute{Computed: true, MarkdownDescription: "The members of etcd.", NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
				"name": text("Its name, which is its host's."), "version": text("The version that it runs."), "leader": flag("Whether it leads."), "learner": flag("Whether it does not vote yet."),
				"db_size": schema.Int64Attribute{Computed: true, MarkdownDescription: "The size of its database in bytes."}, "error": text("Why it gave no answer; null where it did."),
			}}},
		},
	}
}

// Read implements datasource.DataSource.
func (d *statusData) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var m statusModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
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
		s, err = d.recorded(ctx, &conn)
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
	m.fill(s, renew)
	resp.Diagnostics.Append(resp.State.Set(ctx, &m)...)
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

// recorded is the status of a cluster that is described by what its control planes remember.
func (d *statusData) recorded(ctx context.Context, conn *connectionModel) (*bootstrap.Status, error) {
	endpoints := conn.endpoints(d.client.SSH)
	f := d.client.ControlPlanes(conn.Name, endpoints)
	e, err := d.client.Connect(ctx, f, door.NoPins(), func(o *bootstrap.Options) { o.Majority = true })
	if err != nil {
		return nil, err
	}
	inv, err := e.Inventory(ctx)
	e.Close()
	switch {
	case err != nil && len(e.Hosts()) > 0:
		return nil, err
	case err != nil || inv == nil: // then the control planes are all that is known of
		return d.client.Status(ctx, f)
	}
	return d.client.Status(ctx, d.client.Remembered(inv, endpoints), func(o *bootstrap.Options) { o.Remembered = true })
}

// fill writes what was seen.
func (m *statusModel) fill(s *bootstrap.Status, renew time.Duration) {
	m.Name, m.ID, m.Kubernetes, m.UpgradeFrom = types.StringValue(s.Cluster), textOrNull(s.ClusterID), types.StringValue(s.Kubernetes), textOrNull(s.From)
	m.Complete, m.Healthy = types.BoolValue(s.Initialised && !s.Destroying), types.BoolValue(s.Healthy())
	if s.Holder != nil {
		m.Holder = types.StringValue(bootstrap.DescribeHolder(*s.Holder, 0))
	}
	m.Problems, m.Notes = []string{}, []string{}
	say := func(text string, mild bool) {
		text = strings.ReplaceAll(text, "trivet apply", "terraform apply")
		if mild {
			m.Notes = append(m.Notes, text)
		} else {
			m.Problems = append(m.Problems, text)
		}
	}
	for _, text := range s.Silent() {
		say(text, false)
	}
	for _, t := range s.Troubles(s.Time, renew) {
		say(t.Text, t.Mild)
	}
	m.Hosts, m.Members = map[string]hostStatusModel{}, []memberModel{}
	var first time.Time
	for _, h := range s.Hosts {
		x := hostStatusModel{Site: h.Site, Region: h.Region, Address: h.Address, Roles: slices.Clone(h.Roles), Error: textOrNull(h.Error), Node: textOrNull(h.Node), Cordoned: h.Cordoned != "", Drift: door.DriftOf(&h)}
		if h.NextExpiry != nil {
			end := h.NextExpiry.NotAfter
			x.Ends = types.StringValue(end.UTC().Format(time.RFC3339))
			if first.IsZero() || end.Before(first) {
				first = end
			}
		}
		m.Hosts[h.Name] = x
	}
	if !first.IsZero() {
		m.Ends = types.StringValue(first.UTC().Format(time.RFC3339))
	}
	for _, x := range s.Etcd {
		m.Members = append(m.Members, memberOf(x))
	}
}

func memberOf(s etcd.Status) memberModel {
	return memberModel{Name: s.Name, Version: textOrNull(s.Version), Leader: s.IsLeader(), Learner: s.Learner, DBSize: s.DBSize, Error: textOrNull(s.Error)}
}
