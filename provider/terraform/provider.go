// Package terraform is the Terraform provider: its schema, and the way from configuration and state to the engine and back. What it knows of clusters it has from the engine, and what
// it knows of the language from the topology's own tables.
package terraform

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral"
	"github.com/hashicorp/terraform-plugin-framework/function"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/provider/door"
	"github.com/trivet-dev/trivet/provider/input"
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

// Schema implements provider.Provider.
func (p *Provider) Schema(_ context.Context, _ provider.SchemaRequest, resp *provider.SchemaResponse) {
	resp.Schema = schema.Schema{MarkdownDescription: input.AboutProvider, Attributes: providerSchemaOf(input.Provider(words))}
}

// client is what the provider block says, for resources.
type client struct{ door.Client }

// Configure implements provider.Provider.
func (p *Provider) Configure(ctx context.Context, req provider.ConfigureRequest, resp *provider.ConfigureResponse) {
	given := object(req.Config.Raw, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	c := &client{door.Client{Adapt: p.adapt, Words: words, Log: logger{}}}
	resp.Diagnostics.Append(problemDiagnostics(c.Configure(given))...)
	resp.ResourceData, resp.DataSourceData, resp.EphemeralResourceData = c, c, c
}

// known fails where the provider is not configured well enough to contact hosts.
func (c *client) known(diags *diag.Diagnostics) bool {
	if c != nil && c.Unknown == "" {
		return true
	}
	what := "It"
	if c != nil {
		what = c.Unknown
	}
	diags.AddError("Provider not configured", what+" of the provider block is not known yet, so that no host can be contacted. Apply what it depends on first, with -target.")
	return false
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
