package terraform

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/ephemeral"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/provider/door"
)

// kubeconfig is the ephemeral resource trivet_kubeconfig: a tunnel to the API, from Open to Close, and an administrator's certificate for it.
type kubeconfig struct{ client *client }

var (
	_ ephemeral.EphemeralResourceWithConfigure = (*kubeconfig)(nil)
	_ ephemeral.EphemeralResourceWithClose     = (*kubeconfig)(nil)
)

// Metadata implements ephemeral.EphemeralResource.
func (k *kubeconfig) Metadata(_ context.Context, _ ephemeral.MetadataRequest, resp *ephemeral.MetadataResponse) {
	resp.TypeName = "trivet_kubeconfig"
}

// Configure implements ephemeral.EphemeralResourceWithConfigure.
func (k *kubeconfig) Configure(_ context.Context, req ephemeral.ConfigureRequest, _ *ephemeral.ConfigureResponse) {
	k.client, _ = req.ProviderData.(*client)
}

type kubeconfigModel struct {
	Cluster              types.Object `tfsdk:"cluster"`
	TTL                  types.String `tfsdk:"ttl"`
	User                 types.String `tfsdk:"user"`
	Host                 types.String `tfsdk:"host"`
	TLSServerName        types.String `tfsdk:"tls_server_name"`
	ClusterCACertificate types.String `tfsdk:"cluster_ca_certificate"`
	ClientCertificate    types.String `tfsdk:"client_certificate"`
	ClientKey            types.String `tfsdk:"client_key"`
	Kubeconfig           types.String `tfsdk:"kubeconfig"`
}

// connectionModel is a cluster's connection.
type connectionModel struct {
	Name         string          `tfsdk:"name"`
	ID           types.String    `tfsdk:"id"`
	Endpoints    []endpointModel `tfsdk:"endpoints"`
	APIPort      types.Int64     `tfsdk:"api_port"`
	APILocalPort types.Int64     `tfsdk:"api_local_port"`
}

type endpointModel struct {
	Host    string        `tfsdk:"host"`
	Address string        `tfsdk:"address"`
	Port    types.Int64   `tfsdk:"port"`
	User    types.String  `tfsdk:"user"`
	HostKey types.String  `tfsdk:"ssh_host_key"`
	Bastion *bastionModel `tfsdk:"bastion"`
}

type bastionModel struct {
	Address string       `tfsdk:"address"`
	Port    types.Int64  `tfsdk:"port"`
	User    types.String `tfsdk:"user"`
	HostKey types.String `tfsdk:"ssh_host_key"`
}

// hop is the bastion as the engine has it; nil where there is none.
func (b *bastionModel) hop(ssh topology.SSH) *topology.Bastion {
	if b == nil {
		return nil
	}
	return &topology.Bastion{Name: "bastion", Address: b.Address, Port: int(b.Port.ValueInt64()), User: b.User.ValueString(), HostKey: b.HostKey.ValueString(), PrivateKey: ssh.PrivateKey}
}

func (m *connectionModel) endpoints(ssh topology.SSH) []door.Endpoint {
	var out []door.Endpoint
	for _, e := range m.Endpoints {
		x := door.Endpoint{Host: e.Host, Address: e.Address, Port: int(e.Port.ValueInt64()), User: e.User.ValueString(), HostKey: e.HostKey.ValueString()}
		x.Bastion = e.Bastion.hop(ssh)
		out = append(out, x)
	}
	return out
}

// access is the connection as package door has it.
func (m *connectionModel) access(ssh topology.SSH) door.Access {
	return door.Access{Name: m.Name, Endpoints: m.endpoints(ssh), APIPort: int(m.APIPort.ValueInt64()), APILocalPort: int(m.APILocalPort.ValueInt64())}
}

// Schema implements ephemeral.EphemeralResource.
func (k *kubeconfig) Schema(_ context.Context, _ ephemeral.SchemaRequest, resp *ephemeral.SchemaResponse) {
	computed := func(sensitive bool, text string) schema.StringAttribute {
		return schema.StringAttribute{Computed: true, Sensitive: sensitive, MarkdownDescription: text}
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "Access to a cluster's API for the length of a Terraform run: a tunnel over SSH through any control plane that answers, and a certificate of an administrator that ends soon. Nothing of it is in a plan or a state.",
		Attributes: map[string]schema.Attribute{
			"cluster": schema.ObjectAttribute{Required: true, AttributeTypes: connectionTypes, MarkdownDescription: "The `access` of a `trivet_cluster`."},
			"ttl":     schema.StringAttribute{Optional: true, MarkdownDescription: "How long the certificate is good for, from `10m`. Default: `1h`."},
			"user":    schema.StringAttribute{Optional: true, MarkdownDescription: "The name that the API server's audit log knows the user by. Default: `terraform`."},

			"host":                   computed(false, "The URL of the tunnel, on this machine."),
			"tls_server_name":        computed(false, "The name that the API server's certificate has."),
			"cluster_ca_certificate": computed(false, "The certificate authorities of the API server, PEM."),
			"client_certificate":     computed(false, "The administrator's certificate, PEM."),
			"client_key":             computed(true, "Its private key, PEM."),
			"kubeconfig":             computed(true, "All of it as a kubeconfig."),
		},
	}
}

// tunnels are those that are open, by the id that their Close gets.
var tunnels = struct {
	sync.Mutex
	next int
	open map[string]func()
}{open: map[string]func(){}}

const tunnelKey = "tunnel"

// Open implements ephemeral.EphemeralResource.
func (k *kubeconfig) Open(ctx context.Context, req ephemeral.OpenRequest, resp *ephemeral.OpenResponse) {
	var m kubeconfigModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	if resp.Diagnostics.HasError() {
		return
	}
	var conn connectionModel
	resp.Diagnostics.Append(m.Cluster.As(ctx, &conn, objectOptions)...)
	ttl := time.Hour
	if s := m.TTL.ValueString(); s != "" {
		var err error
		if ttl, err = time.ParseDuration(s); err != nil || ttl < 10*time.Minute {
			resp.Diagnostics.AddAttributeError(path.Root("ttl"), "Wrong ttl", fmt.Sprintf("%q is not a duration of at least 10m, which is the shortest that Kubernetes signs for.", s))
		}
	}
	if resp.Diagnostics.HasError() {
		return
	}
	if k.client == nil || k.client.Unknown != "" {
		resp.Diagnostics.AddError("Provider not configured", "The provider block is not known yet, so that no control plane can be asked.")
		return
	}
	if len(conn.Endpoints) == 0 {
		resp.Diagnostics.AddAttributeError(path.Root("cluster"), "Wrong cluster", "The access names no control plane. Give the access of a trivet_cluster.")
		return
	}
	user := m.User.ValueString()
	if user == "" {
		user = "terraform"
	}
	config, id, err := k.open(ctx, &conn, user, ttl)
	if err != nil {
		resp.Diagnostics.AddError("No access to the API", err.Error()+"\n\nWhere the cluster itself has to be mended first, apply it alone: terraform apply -target=trivet_cluster.NAME.")
		return
	}
	read, err := clientcmd.Load(config)
	if err != nil {
		resp.Diagnostics.AddError("No access to the API", err.Error())
		return
	}
	current := read.Contexts[read.CurrentContext]
	cluster, auth := read.Clusters[current.Cluster], read.AuthInfos[current.AuthInfo]
	m.Host, m.TLSServerName = types.StringValue(cluster.Server), types.StringValue(cluster.TLSServerName)
	m.ClusterCACertificate = types.StringValue(string(cluster.CertificateAuthorityData))
	m.ClientCertificate, m.ClientKey = types.StringValue(string(auth.ClientCertificateData)), types.StringValue(string(auth.ClientKeyData))
	m.Kubeconfig = types.StringValue(string(config))
	resp.Diagnostics.Append(resp.Result.Set(ctx, &m)...)
	b, err := json.Marshal(id)
	if err != nil {
		panic("provider: " + err.Error())
	}
	resp.Diagnostics.Append(resp.Private.SetKey(ctx, tunnelKey, b)...)
}

// open makes the tunnel, which stays until the tunnel of that id is closed, and the certificate.
func (k *kubeconfig) open(ctx context.Context, conn *connectionModel, user string, ttl time.Duration) (config []byte, id string, err error) {
	// The connections outlast this call.
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	s, err := k.client.Connect(lasting, k.client.FleetAt(conn.access(k.client.SSH)), door.NoPins(), func(o *bootstrap.Options) { o.Majority = true })
	if err != nil {
		cancel()
		return nil, "", err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.Close()
		cancel()
		return nil, "", err
	}
	dialer := s.APIDialer()
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = bootstrap.ServeTunnel(lasting, l, dialer.Dial, func(error) {}) // each connection that fails is its client's to tell
	}()
	end := func() {
		cancel()
		<-served
		dialer.Close()
		s.Close()
	}
	if config, err = s.Kubeconfig(ctx, user, "https://"+l.Addr().String(), ttl); err != nil {
		end()
		return nil, "", err
	}
	stop()
	tunnels.Lock()
	defer tunnels.Unlock()
	tunnels.next++
	id = strconv.Itoa(tunnels.next)
	tunnels.open[id] = end
	return config, id, nil
}

// Close implements ephemeral.EphemeralResourceWithClose. It is harmless for a tunnel that is closed, and after the cluster was destroyed.
func (k *kubeconfig) Close(ctx context.Context, req ephemeral.CloseRequest, resp *ephemeral.CloseResponse) {
	b, diags := req.Private.GetKey(ctx, tunnelKey)
	resp.Diagnostics.Append(diags...)
	var id string
	if len(b) == 0 || json.Unmarshal(b, &id) != nil {
		return
	}
	tunnels.Lock()
	end := tunnels.open[id]
	delete(tunnels.open, id)
	tunnels.Unlock()
	if end != nil {
		end()
	}
}
