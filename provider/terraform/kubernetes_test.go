package terraform_test

import (
	"context"
	"net/http"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	providerschema "github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// kubernetesProvider is as much of the provider hashicorp/kubernetes as examples use: its own words, a real client of the API, and namespaces.
type kubernetesProvider struct{}

type kubernetesModel struct {
	Host                 types.String `tfsdk:"host"`
	TLSServerName        types.String `tfsdk:"tls_server_name"`
	ClusterCACertificate types.String `tfsdk:"cluster_ca_certificate"`
	ClientCertificate    types.String `tfsdk:"client_certificate"`
	ClientKey            types.String `tfsdk:"client_key"`
}

// Metadata implements provider.Provider.
func (kubernetesProvider) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName = "kubernetes"
}

// Schema implements provider.Provider.
func (kubernetesProvider) Schema(_ context.Context, _ provider.SchemaRequest, resp *provider.SchemaResponse) {
	attributes := map[string]providerschema.Attribute{}
	for _, name := range []string{"host", "tls_server_name", "cluster_ca_certificate", "client_certificate", "client_key"} {
		attributes[name] = providerschema.StringAttribute{Optional: true}
	}
	resp.Schema = providerschema.Schema{Attributes: attributes}
}

// Configure implements provider.Provider. Values that are not known yet leave it without a client, as the provider does.
func (kubernetesProvider) Configure(ctx context.Context, req provider.ConfigureRequest, resp *provider.ConfigureResponse) {
	var m kubernetesModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	if resp.Diagnostics.HasError() || m.Host.IsUnknown() {
		return
	}
	client, err := kubernetes.NewForConfig(&rest.Config{Host: m.Host.ValueString(), TLSClientConfig: rest.TLSClientConfig{
		ServerName: m.TLSServerName.ValueString(), CAData: []byte(m.ClusterCACertificate.ValueString()),
		CertData: []byte(m.ClientCertificate.ValueString()), KeyData: []byte(m.ClientKey.ValueString()),
	}, Proxy: http.ProxyFromEnvironment})
	if err != nil {
		resp.Diagnostics.AddError("Client", err.Error())
		return
	}
	resp.ResourceData = client
}

// DataSources implements provider.Provider.
func (kubernetesProvider) DataSources(context.Context) []func() datasource.DataSource { return nil }

// Resources implements provider.Provider.
func (kubernetesProvider) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{func() resource.Resource { return new(kubernetesNamespace) }}
}

// kubernetesNamespace is kubernetes_namespace_v1.
type kubernetesNamespace struct{ client *kubernetes.Clientset }

type namespaceModel struct {
	Metadata []struct {
		Name string `tfsdk:"name"`
	} `tfsdk:"metadata"`
}

// Metadata implements resource.Resource.
func (*kubernetesNamespace) Metadata(_ context.Context, _ resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = "kubernetes_namespace_v1"
}

// Schema implements resource.Resource.
func (*kubernetesNamespace) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = schema.Schema{Blocks: map[string]schema.Block{"metadata": schema.ListNestedBlock{
		NestedObject: schema.NestedBlockObject{Attributes: map[string]schema.Attribute{"name": schema.StringAttribute{Required: true}}},
	}}}
}

// Configure implements resource.ResourceWithConfigure.
func (n *kubernetesNamespace) Configure(_ context.Context, req resource.ConfigureRequest, _ *resource.ConfigureResponse) {
	n.client, _ = req.ProviderData.(*kubernetes.Clientset)
}

// Create implements resource.Resource.
func (n *kubernetesNamespace) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var m namespaceModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &m)...)
	if resp.Diagnostics.HasError() {
		return
	}
	_, err := n.client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: m.Metadata[0].Name}}, metav1.CreateOptions{})
	if err != nil {
		resp.Diagnostics.AddError("Namespace", err.Error())
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, &m)...)
}

// Read implements resource.Resource.
func (n *kubernetesNamespace) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var m namespaceModel
	resp.Diagnostics.Append(req.State.Get(ctx, &m)...)
	if resp.Diagnostics.HasError() {
		return
	}
	switch _, err := n.client.CoreV1().Namespaces().Get(ctx, m.Metadata[0].Name, metav1.GetOptions{}); {
	case apierrors.IsNotFound(err):
		resp.State.RemoveResource(ctx)
	case err != nil:
		resp.Diagnostics.AddError("Namespace", err.Error())
	}
}

// Update implements resource.Resource. Nothing of a namespace changes.
func (*kubernetesNamespace) Update(_ context.Context, _ resource.UpdateRequest, resp *resource.UpdateResponse) {
	resp.Diagnostics.AddError("Namespace", "a name cannot change")
}

// Delete implements resource.Resource.
func (n *kubernetesNamespace) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var m namespaceModel
	resp.Diagnostics.Append(req.State.Get(ctx, &m)...)
	if resp.Diagnostics.HasError() {
		return
	}
	if err := n.client.CoreV1().Namespaces().Delete(ctx, m.Metadata[0].Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		resp.Diagnostics.AddError("Namespace", err.Error())
	}
}
