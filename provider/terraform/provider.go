// Package terraform is the Terraform provider: its schema, and the way from configuration and state to the engine and back. What it knows of clusters it has from the engine, and what
// it knows of the language from the topology's own tables.
package terraform

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"filippo.io/age"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral"
	"github.com/hashicorp/terraform-plugin-framework/function"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// Provider is the provider.
type Provider struct {
	version string
	adapt   func(*bootstrap.Options)
}

var (
	_ provider.Provider                       = (*Provider)(nil)
	_ provider.ProviderWithFunctions          = (*Provider)(nil)
	_ provider.ProviderWithEphemeralResources = (*Provider)(nil)
)

// New makes the provider. adapt, which may be nil, has the last word on what the engine works with, so that tests can give it hosts of their own.
func New(version string, adapt func(*bootstrap.Options)) func() provider.Provider {
	return func() provider.Provider { return &Provider{version, adapt} }
}

// Metadata implements provider.Provider.
func (p *Provider) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName, resp.Version = "trivet", p.version
}

// sshModel is the provider's ssh attribute.
type sshModel struct {
	User         types.String `tfsdk:"user"`
	Port         types.Int64  `tfsdk:"port"`
	PrivateKey   types.String `tfsdk:"private_key"`
	Agent        types.Bool   `tfsdk:"agent"`
	KnownHosts   types.String `tfsdk:"known_hosts"`
	SudoPassword types.String `tfsdk:"sudo_password"`
	Parallel     types.Int64  `tfsdk:"parallel"`
}

type providerModel struct {
	SSH         types.Object `tfsdk:"ssh"`
	AgeIdentity types.String `tfsdk:"age_identity"`
	Artifacts   types.String `tfsdk:"artifacts"`
	OnDestroy   types.String `tfsdk:"on_destroy"`
	Unreachable types.String `tfsdk:"unreachable"`
}

// Schema implements provider.Provider.
func (p *Provider) Schema(_ context.Context, _ provider.SchemaRequest, resp *provider.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Trivet brings up Kubernetes on bare-metal machines and VMs over SSH, from Linux, systemd and sshd to a cluster over several sites.",
		Attributes: map[string]schema.Attribute{
			"ssh": schema.SingleNestedAttribute{
				Optional:            true,
				MarkdownDescription: "How hosts are reached. Secrets here may be ephemeral values; they are never written to a plan or a state.",
				Attributes: map[string]schema.Attribute{
					"user":          schema.StringAttribute{Optional: true, MarkdownDescription: "The user to log in as; needs sudo unless it is root. Environment: `TRIVET_SSH_USER`."},
					"port":          schema.Int64Attribute{Optional: true, MarkdownDescription: "The port of sshd. Default: 22. Environment: `TRIVET_SSH_PORT`."},
					"private_key":   schema.StringAttribute{Optional: true, Sensitive: true, MarkdownDescription: "The private key itself, in the form of ssh-keygen. Environment: `TRIVET_SSH_PRIVATE_KEY`."},
					"agent":         schema.BoolAttribute{Optional: true, MarkdownDescription: "Use the keys of the SSH agent. Default: only where there is no `private_key`. Environment: `TRIVET_SSH_AGENT`, `true` or `false`."},
					"known_hosts":   schema.StringAttribute{Optional: true, MarkdownDescription: "The public keys of hosts, as lines of a known_hosts file. A host whose `ssh_host_key` is given needs no line. Default: `~/.ssh/known_hosts`. Environment: `TRIVET_SSH_KNOWN_HOSTS`."},
					"sudo_password": schema.StringAttribute{Optional: true, Sensitive: true, MarkdownDescription: "The password for sudo, where it asks for one. Environment: `TRIVET_SUDO_PASSWORD`."},
					"parallel":      schema.Int64Attribute{Optional: true, MarkdownDescription: "Hosts worked on at once, 1 to 1024. Default: 32. Environment: `TRIVET_SSH_PARALLEL`."},
				},
			},
			"age_identity": schema.StringAttribute{Optional: true, Sensitive: true,
				MarkdownDescription: "The age identity (`AGE-SECRET-KEY-1…`) that opens the cluster's CA keys. Only what issues certificates or rotates keys needs it: plans, refreshes, kubeconfigs and destroys do without. Environment: `TRIVET_AGE_IDENTITY`, the path of a file that holds it."},
			"artifacts": schema.StringAttribute{Optional: true,
				MarkdownDescription: "Where binaries and images come from: `auto`, `upstream`, `source` (built from Go modules), a folder, or the address of a mirror. Default: `auto`. Environment: `TRIVET_ARTIFACTS`."},
			"on_destroy": schema.StringAttribute{Optional: true,
				MarkdownDescription: "Takes the place of every resource's `on_destroy`. Here it can be changed when a host is dead and a change of the resource would need it. Environment: `TRIVET_ON_DESTROY`."},
			"unreachable": schema.StringAttribute{Optional: true,
				MarkdownDescription: "Takes the place of every resource's `unreachable`. Environment: `TRIVET_UNREACHABLE`."},
		},
	}
}

// client is what the provider block says, for resources.
type client struct {
	adapt        func(*bootstrap.Options)
	ssh          topology.SSH
	privateKey   string
	knownHosts   string
	sudoPassword string
	ageIdentity  string
	artifacts    string
	onDestroy    string
	unreachable  string
	workers      workerRuns
	// unknown names what of the provider's configuration is not known yet. Then no host can be asked.
	unknown string
}

// Configure implements provider.Provider.
func (p *Provider) Configure(ctx context.Context, req provider.ConfigureRequest, resp *provider.ConfigureResponse) {
	var m providerModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	var s sshModel
	if !m.SSH.IsNull() && !m.SSH.IsUnknown() {
		resp.Diagnostics.Append(m.SSH.As(ctx, &s, objectOptions)...)
	}
	if resp.Diagnostics.HasError() {
		return
	}
	c := &client{adapt: p.adapt, ssh: topology.DefaultSSH()}
	if m.SSH.IsUnknown() {
		c.unknown = "ssh"
	}
	r := settings{c, &resp.Diagnostics}
	c.ssh.User = r.text("ssh.user", s.User)
	c.privateKey = r.text("ssh.private_key", s.PrivateKey)
	c.knownHosts = r.text("ssh.known_hosts", s.KnownHosts)
	c.sudoPassword = r.text("ssh.sudo_password", s.SudoPassword)
	c.artifacts = cmp.Or(r.text("artifacts", m.Artifacts), "auto")
	c.onDestroy = oneOf(&resp.Diagnostics, "on_destroy", r.text("on_destroy", m.OnDestroy), onDestroyWords)
	c.unreachable = oneOf(&resp.Diagnostics, "unreachable", r.text("unreachable", m.Unreachable), unreachableWords)
	c.ssh.Port = int(r.number("ssh.port", s.Port, 1, 65535))
	c.ssh.Parallel = cmp.Or(int(r.number("ssh.parallel", s.Parallel, 1, 1024)), c.ssh.Parallel)
	if c.privateKey != "" {
		c.ssh.PrivateKey, c.ssh.Agent = privateKeyName, false
	}
	if on, given := r.flag("ssh.agent", s.Agent); given {
		c.ssh.Agent, c.ssh.RequireAgent = on, on
	}
	c.ageIdentity = r.identity(m.AgeIdentity)
	resp.ResourceData, resp.DataSourceData, resp.EphemeralResourceData = c, c, c
}

// known fails where the provider is not configured well enough to contact hosts.
func (c *client) known(diags *diag.Diagnostics) bool {
	if c != nil && c.unknown == "" {
		return true
	}
	what := "It"
	if c != nil {
		what = c.unknown
	}
	diags.AddError("Provider not configured", what+" of the provider block is not known yet, so that no host can be contacted. Apply what it depends on first, with -target.")
	return false
}

// identities opens the age identity.
func (c *client) identities() ([]age.Identity, error) {
	if c.ageIdentity == "" {
		return nil, fmt.Errorf("this needs the age identity that opens the cluster's keys: set age_identity in the provider block, or TRIVET_AGE_IDENTITY to the path of its file")
	}
	ids, err := identity.ParseIdentities(strings.NewReader(c.ageIdentity))
	if err != nil {
		return nil, fmt.Errorf("age_identity of the provider: %w", err)
	}
	return ids, nil
}

// Resources implements provider.Provider.
func (p *Provider) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{func() resource.Resource { return new(clusterResource) }, func() resource.Resource { return new(workerResource) }}
}

// DataSources implements provider.Provider.
func (p *Provider) DataSources(context.Context) []func() datasource.DataSource {
	return []func() datasource.DataSource{
		func() datasource.DataSource { return new(topologyData) },
		func() datasource.DataSource { return new(statusData) },
		func() datasource.DataSource { return new(factsData) },
	}
}

// EphemeralResources implements provider.ProviderWithEphemeralResources.
func (p *Provider) EphemeralResources(context.Context) []func() ephemeral.EphemeralResource {
	return []func() ephemeral.EphemeralResource{func() ephemeral.EphemeralResource { return new(kubeconfig) }}
}

// Functions implements provider.ProviderWithFunctions.
func (p *Provider) Functions(context.Context) []func() function.Function { return functions() }
