package terraform

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/preflight"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/provider/door"
)

// factsData is the data source trivet_host_facts.
type factsData struct{ client *client }

var _ datasource.DataSourceWithConfigure = (*factsData)(nil)

// Metadata implements datasource.DataSource.
func (d *factsData) Metadata(_ context.Context, _ datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = "trivet_host_facts"
}

// Configure implements datasource.DataSourceWithConfigure.
func (d *factsData) Configure(_ context.Context, req datasource.ConfigureRequest, _ *datasource.ConfigureResponse) {
	d.client, _ = req.ProviderData.(*client)
}

type factsModel struct {
	Address    types.String  `tfsdk:"address"`
	SSHAddress types.String  `tfsdk:"ssh_address"`
	Port       types.Int64   `tfsdk:"port"`
	User       types.String  `tfsdk:"user"`
	HostKey    types.String  `tfsdk:"ssh_host_key"`
	Bastion    *bastionModel `tfsdk:"bastion"`
	Roles      types.List    `tfsdk:"roles"`

	MachineID    types.String     `tfsdk:"machine_id"`
	Hostname     types.String     `tfsdk:"hostname"`
	Architecture types.String     `tfsdk:"architecture"`
	Kernel       types.String     `tfsdk:"kernel"`
	OS           *osModel         `tfsdk:"os"`
	Systemd      types.Int64      `tfsdk:"systemd_version"`
	CPUs         types.Int64      `tfsdk:"cpus"`
	Memory       types.Int64      `tfsdk:"memory_bytes"`
	Swap         types.Int64      `tfsdk:"swap_bytes"`
	Interfaces   []interfaceModel `tfsdk:"interfaces"`
	Disks        []diskModel      `tfsdk:"disks"`
	Cluster      types.String     `tfsdk:"cluster"`
	Fit          types.Bool       `tfsdk:"fit"`
	Findings     []findingModel   `tfsdk:"findings"`
}

type osModel struct {
	ID      string `tfsdk:"id"`
	Version string `tfsdk:"version"`
	Name    string `tfsdk:"name"`
}

type interfaceModel struct {
	Name      string   `tfsdk:"name"`
	MTU       int64    `tfsdk:"mtu"`
	Addresses []string `tfsdk:"addresses"`
}

type diskModel struct {
	Mount string `tfsdk:"mount"`
	Type  string `tfsdk:"type"`
	Size  int64  `tfsdk:"size_bytes"`
	Free  int64  `tfsdk:"free_bytes"`
}

type findingModel struct {
	Check    string `tfsdk:"check"`
	Severity string `tfsdk:"severity"`
	Message  string `tfsdk:"message"`
	Remedy   string `tfsdk:"remedy"`
}

// Schema implements datasource.DataSource.
func (d *factsData) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	text := func(s string) schema.StringAttribute {
		return schema.StringAttribute{Computed: true, MarkdownDescription: s}
	}
	given := func(s string) schema.StringAttribute {
		return schema.StringAttribute{Optional: true, MarkdownDescription: s}
	}
	number := func(s string) schema.Int64Attribute {
		return schema.Int64Attribute{Computed: true, MarkdownDescription: s}
	}
	list := func(s string, of map[string]schema.Attribute) schema.ListNestedAttribute {
		return schema.ListNestedAttribute{Computed: true, MarkdownDescription: s, NestedObject: schema.NestedAttributeObject{Attributes: of}}
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "What one machine is, by SSH, and whether it is fit for a cluster. Nothing on it is changed but for the helper that is placed in its `/var/tmp`.",
		Attributes: map[string]schema.Attribute{
			"address":      schema.StringAttribute{Required: true, MarkdownDescription: "The IP address that the host would have in a cluster."},
			"ssh_address":  given("Where SSH reaches it, when that is another address or a name."),
			"port":         schema.Int64Attribute{Optional: true, MarkdownDescription: "The port of its sshd. Default: the provider's."},
			"user":         given("The user to log in as. Default: the provider's."),
			"ssh_host_key": schema.StringAttribute{Optional: true, Computed: true, MarkdownDescription: "The public key of its sshd, or the SHA256 fingerprint. Left out, the known hosts have to have it, and it is the key that the host showed."},
			"bastion": schema.SingleNestedAttribute{Optional: true, MarkdownDescription: "A jump host in front of it.", Attributes: map[string]schema.Attribute{
				"address":      schema.StringAttribute{Required: true, MarkdownDescription: "Where it is reached."},
				"port":         schema.Int64Attribute{Optional: true, MarkdownDescription: "The port of its sshd."},
				"user":         given("The user to log in as."),
				"ssh_host_key": given("Its public key."),
			}},
			"roles": schema.ListAttribute{Optional: true, ElementType: types.StringType, MarkdownDescription: "The roles that it would play, which decide what is looked for. Default: `[\"worker\"]`."},

			"machine_id":   text("Which machine it is: `/etc/machine-id`."),
			"hostname":     text("The name that it has itself."),
			"architecture": text("`amd64` or `arm64`."),
			"kernel":       text("The version of the kernel."),
			"os": schema.SingleNestedAttribute{Computed: true, MarkdownDescription: "Its distribution, from os-release.", Attributes: map[string]schema.Attribute{
				"id": text("The distribution, such as `debian`."), "version": text("Its version, such as `12`."), "name": text("As it calls itself, with the version."),
			}},
			"systemd_version": number("The version of systemd; 0 where it is not known."),
			"cpus":            number("The number of processors."),
			"memory_bytes":    number("The memory, in bytes."),
			"swap_bytes":      number("The swap that is on, in bytes."),
			"interfaces": list("Its network interfaces.", map[string]schema.Attribute{
				"name": text("The name."), "mtu": number("The MTU in bytes."),
				"addresses": schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "The addresses with their prefixes."},
			}),
			"disks": list("The file systems that hold `/` and what a cluster keeps, each once.", map[string]schema.Attribute{
				"mount": text("Where it is mounted."), "type": text("The type, such as `ext4` or `xfs`."), "size_bytes": number("The size, in bytes."), "free_bytes": number("What is free, in bytes."),
			}),
			"cluster": text("The cluster of which it is a part already; null where it is none."),
			"fit":     schema.BoolAttribute{Computed: true, MarkdownDescription: "Whether nothing was found that keeps it out of a cluster."},
			"findings": list("What `trivet preflight` finds on the host alone; the ways to other hosts are not tried.", map[string]schema.Attribute{
				"check": text("The name of the check."), "severity": text("`error` or `warning`."), "message": text("What was found."), "remedy": text("What to do about it."),
			}),
		},
	}
}

// Read implements datasource.DataSource.
func (d *factsData) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var m factsModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	if resp.Diagnostics.HasError() || !d.client.known(&resp.Diagnostics) {
		return
	}
	f := d.fleet(ctx, &m, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	if err := d.read(ctx, f, &m); err != nil {
		resp.Diagnostics.AddAttributeError(path.Root("address"), "Host not read", err.Error())
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, &m)...)
}

// fleet is the one host, in a cluster with the language's defaults.
func (d *factsData) fleet(ctx context.Context, m *factsModel, diags *diag.Diagnostics) *door.Fleet {
	address, err := netip.ParseAddr(m.Address.ValueString())
	if err != nil {
		diags.AddAttributeError(path.Root("address"), "Wrong address", fmt.Sprintf("%q is not an IP address. A name, or another way to it, belongs in ssh_address.", m.Address.ValueString()))
	}
	roles := []string{string(topology.RoleWorker)}
	if !m.Roles.IsNull() {
		diags.Append(m.Roles.ElementsAs(ctx, &roles, false)...)
	}
	all := []topology.Role{topology.RoleEtcd, topology.RoleControlPlane, topology.RoleWorker}
	for i, r := range roles {
		if !slices.Contains(all, topology.Role(r)) {
			diags.AddAttributeError(path.Root("roles").AtListIndex(i), "Unknown role", fmt.Sprintf("%q is not one of %s.", r, strings.Join(inventory.Roles(all), ", ")))
		}
	}
	e := door.Endpoint{Host: m.Address.ValueString(), Address: cmp.Or(m.SSHAddress.ValueString(), m.Address.ValueString()), Port: int(m.Port.ValueInt64()), User: m.User.ValueString(), HostKey: m.HostKey.ValueString()}
	e.Bastion = m.Bastion.hop(d.client.SSH)
	f := d.client.ControlPlanes("host facts", []door.Endpoint{e})
	f.Cluster.Network = topology.Network{Plugin: release.PluginFlannel, ProxyMode: release.ModeNFTables}
	h := f.Cluster.Hosts[0]
	h.Address, h.Roles = address, nil
	for _, r := range roles {
		h.Roles = append(h.Roles, topology.Role(r))
	}
	return f
}

// read asks the host.
func (d *factsData) read(ctx context.Context, f *door.Fleet, m *factsModel) error {
	e, err := d.client.Connect(ctx, f, door.NoPins())
	if err != nil {
		return err
	}
	defer e.Close()
	if err := e.Unreachable(); err != nil {
		return err
	}
	name := f.Cluster.Hosts[0].Name
	conn := e.Hosts()[name]
	o, err := conn.Observe(ctx, hostapi.ObserveRequest{})
	if err != nil {
		return err
	}
	p, err := conn.Probe(ctx, &hostapi.ProbeRequest{Paths: []string{"/", "/var/lib/trivet", "/var/lib/containerd", "/var/lib/kubelet", "/var/lib/etcd"}})
	if err != nil {
		return err
	}
	report, err := e.Preflight(ctx)
	if err != nil {
		return err
	}
	if m.HostKey.IsNull() {
		m.HostKey = textOrNull(e.HostKey(name))
	}
	m.fill(o, p, report)
	return nil
}

func (m *factsModel) fill(o *hostapi.Observation, p *hostapi.ProbeResult, report preflight.Report) {
	x := o.Facts
	text, whole := types.StringValue, types.Int64Value
	m.MachineID, m.Hostname, m.Architecture, m.Kernel, m.OS = text(x.MachineID), text(x.Hostname), text(x.Architecture), text(x.Kernel), &osModel{x.OS.ID, x.OS.VersionID, x.OS.Name}
	m.Systemd, m.CPUs, m.Memory, m.Swap = whole(int64(x.SystemdVersion)), whole(int64(x.CPUs)), whole(x.MemoryBytes), whole(x.SwapBytes)
	m.Interfaces, m.Disks, m.Findings = []interfaceModel{}, []diskModel{}, []findingModel{}
	for _, i := range x.Interfaces {
		addresses := []string{}
		for _, a := range i.Addresses {
			addresses = append(addresses, a.String())
		}
		m.Interfaces = append(m.Interfaces, interfaceModel{i.Name, int64(i.MTU), addresses})
	}
	mounts := map[string]hostapi.PathFound{}
	for _, found := range p.Paths {
		mounts[found.Mount] = found
	}
	for _, mount := range slices.Sorted(maps.Keys(mounts)) {
		m.Disks = append(m.Disks, diskModel{mount, mounts[mount].FSType, mounts[mount].Total, mounts[mount].Free})
	}
	if o.Record != nil {
		m.Cluster = textOrNull(o.Record.Cluster)
	}
	m.Fit = types.BoolValue(report.OK())
	for _, f := range report.Findings {
		m.Findings = append(m.Findings, findingModel{f.Check, string(f.Severity), f.Message, f.Remedy})
	}
}
