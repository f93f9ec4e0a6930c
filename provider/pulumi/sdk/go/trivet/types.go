// Code generated from the provider's descriptions by `make sdk`. DO NOT EDIT.

package trivet

import (
	"context"
	"reflect"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// AccessInput is a Access that may not be known yet.
type AccessInput interface {
	pulumi.Input

	ToAccessOutput() AccessOutput
	ToAccessOutputWithContext(context.Context) AccessOutput
}

// ToAccessOutput implements AccessInput.
func (i AccessOutput) ToAccessOutput() AccessOutput {
	return i.ToAccessOutputWithContext(context.Background())
}

// ToAccessOutputWithContext implements AccessInput.
func (i AccessOutput) ToAccessOutputWithContext(_ context.Context) AccessOutput { return i }

// AccessArgs is a Access of which parts may not be known yet.
type AccessArgs struct {
	// The port of the balancer on every node; null where it is 7443.
	ApiLocalPort pulumi.IntPtrInput `pulumi:"apiLocalPort"`
	// The port of the API servers on control planes; null where it is 6443.
	ApiPort pulumi.IntPtrInput `pulumi:"apiPort"`
	// The control planes.
	Endpoints EndpointArrayInput `pulumi:"endpoints"`
	// The cluster's id.
	Id pulumi.StringInput `pulumi:"id"`
	// The name of the cluster.
	Name pulumi.StringInput `pulumi:"name"`
}

// ElementType implements pulumi.Input.
func (AccessArgs) ElementType() reflect.Type { return reflect.TypeFor[Access]() }

// ToAccessOutput implements AccessInput.
func (i AccessArgs) ToAccessOutput() AccessOutput {
	return i.ToAccessOutputWithContext(context.Background())
}

// ToAccessOutputWithContext implements AccessInput.
func (i AccessArgs) ToAccessOutputWithContext(ctx context.Context) AccessOutput {
	return pulumi.ToOutputWithContext(ctx, i).(AccessOutput)
}

func init() { pulumi.RegisterInputType(reflect.TypeFor[AccessInput](), AccessArgs{}) }

// AccessPtrInput is a *Access that may not be known yet.
type AccessPtrInput interface {
	pulumi.Input

	ToAccessPtrOutput() AccessPtrOutput
	ToAccessPtrOutputWithContext(context.Context) AccessPtrOutput
}

// ToAccessPtrOutput implements AccessPtrInput.
func (i AccessPtrOutput) ToAccessPtrOutput() AccessPtrOutput {
	return i.ToAccessPtrOutputWithContext(context.Background())
}

// ToAccessPtrOutputWithContext implements AccessPtrInput.
func (i AccessPtrOutput) ToAccessPtrOutputWithContext(_ context.Context) AccessPtrOutput { return i }

// ToAccessPtrOutput implements AccessPtrInput.
func (i AccessArgs) ToAccessPtrOutput() AccessPtrOutput {
	return i.ToAccessPtrOutputWithContext(context.Background())
}

// ToAccessPtrOutputWithContext implements AccessPtrInput.
func (i AccessArgs) ToAccessPtrOutputWithContext(ctx context.Context) AccessPtrOutput {
	return i.ToAccessOutputWithContext(ctx).ToAccessPtrOutputWithContext(ctx)
}

// ToAccessPtrOutput implements AccessPtrInput.
func (i AccessOutput) ToAccessPtrOutput() AccessPtrOutput {
	return i.ToAccessPtrOutputWithContext(context.Background())
}

// ToAccessPtrOutputWithContext implements AccessPtrInput.
func (i AccessOutput) ToAccessPtrOutputWithContext(ctx context.Context) AccessPtrOutput {
	return i.ApplyTWithContext(ctx, func(_ context.Context, v Access) *Access { return &v }).(AccessPtrOutput)
}

func init() { pulumi.RegisterInputType(reflect.TypeFor[AccessPtrInput](), AccessArgs{}) }

// Access is a value that there is.
type Access struct {
	// The port of the balancer on every node; null where it is 7443.
	ApiLocalPort *int `pulumi:"apiLocalPort"`
	// The port of the API servers on control planes; null where it is 6443.
	ApiPort *int `pulumi:"apiPort"`
	// The control planes.
	Endpoints []Endpoint `pulumi:"endpoints"`
	// The cluster's id.
	Id string `pulumi:"id"`
	// The name of the cluster.
	Name string `pulumi:"name"`
}

// AccessOutput is a Access that may not be known yet.
type AccessOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (AccessOutput) ElementType() reflect.Type { return reflect.TypeFor[Access]() }

func init() { pulumi.RegisterOutputType(AccessOutput{}) }

// The name of the cluster.
func (o AccessOutput) Name() pulumi.StringOutput {
	return part[pulumi.StringOutput](o, func(v Access) string { return v.Name })
}

// The cluster's id.
func (o AccessOutput) Id() pulumi.StringOutput {
	return part[pulumi.StringOutput](o, func(v Access) string { return v.Id })
}

// The port of the API servers on control planes; null where it is 6443.
func (o AccessOutput) ApiPort() pulumi.IntPtrOutput {
	return part[pulumi.IntPtrOutput](o, func(v Access) *int { return v.ApiPort })
}

// The port of the balancer on every node; null where it is 7443.
func (o AccessOutput) ApiLocalPort() pulumi.IntPtrOutput {
	return part[pulumi.IntPtrOutput](o, func(v Access) *int { return v.ApiLocalPort })
}

// The control planes.
func (o AccessOutput) Endpoints() EndpointArrayOutput {
	return part[EndpointArrayOutput](o, func(v Access) []Endpoint { return v.Endpoints })
}

// AccessPtrOutput is a *Access that may not be known yet.
type AccessPtrOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (AccessPtrOutput) ElementType() reflect.Type { return reflect.TypeFor[*Access]() }

func init() { pulumi.RegisterOutputType(AccessPtrOutput{}) }

// Elem is what is there; where nothing is, it is empty.
func (o AccessPtrOutput) Elem() AccessOutput { return elem[AccessOutput, Access](o) }

// The name of the cluster.
func (o AccessPtrOutput) Name() pulumi.StringPtrOutput {
	return partOfPtr[pulumi.StringPtrOutput](o, func(v *Access) *string { return &v.Name })
}

// The cluster's id.
func (o AccessPtrOutput) Id() pulumi.StringPtrOutput {
	return partOfPtr[pulumi.StringPtrOutput](o, func(v *Access) *string { return &v.Id })
}

// The port of the API servers on control planes; null where it is 6443.
func (o AccessPtrOutput) ApiPort() pulumi.IntPtrOutput {
	return partOfPtr[pulumi.IntPtrOutput](o, func(v *Access) *int { return v.ApiPort })
}

// The port of the balancer on every node; null where it is 7443.
func (o AccessPtrOutput) ApiLocalPort() pulumi.IntPtrOutput {
	return partOfPtr[pulumi.IntPtrOutput](o, func(v *Access) *int { return v.ApiLocalPort })
}

// The control planes.
func (o AccessPtrOutput) Endpoints() EndpointArrayOutput {
	return partOfPtr[EndpointArrayOutput](o, func(v *Access) []Endpoint { return v.Endpoints })
}

// ApiArgs is the input of Api.
type ApiArgs struct {
	// The port of the balancer on 127.0.0.1 of every node. Default: `7443`.
	LocalPort pulumi.IntPtrInput `pulumi:"localPort"`
	// The port of kube-apiserver on control planes. Default: `6443`.
	Port pulumi.IntPtrInput `pulumi:"port"`
	// Further names and addresses for the serving certificate.
	Sans pulumi.StringArrayInput `pulumi:"sans"`
	// The issuer of service-account tokens. Cannot be changed later. Default: `https://kubernetes.default.svc.<domain>`.
	ServiceAccountIssuer pulumi.StringPtrInput `pulumi:"serviceAccountIssuer"`
}

// ElementType implements pulumi.Input.
func (ApiArgs) ElementType() reflect.Type { return reflect.TypeFor[ApiArgs]() }

// Api is a value that there is.
type Api struct {
	// The port of the balancer on 127.0.0.1 of every node. Default: `7443`.
	LocalPort *int `pulumi:"localPort"`
	// The port of kube-apiserver on control planes. Default: `6443`.
	Port *int `pulumi:"port"`
	// Further names and addresses for the serving certificate.
	Sans []string `pulumi:"sans"`
	// The issuer of service-account tokens. Cannot be changed later. Default: `https://kubernetes.default.svc.<domain>`.
	ServiceAccountIssuer *string `pulumi:"serviceAccountIssuer"`
}

// ApiOutput is a Api that may not be known yet.
type ApiOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (ApiOutput) ElementType() reflect.Type { return reflect.TypeFor[Api]() }

func init() { pulumi.RegisterOutputType(ApiOutput{}) }

// The port of kube-apiserver on control planes. Default: `6443`.
func (o ApiOutput) Port() pulumi.IntPtrOutput {
	return part[pulumi.IntPtrOutput](o, func(v Api) *int { return v.Port })
}

// The port of the balancer on 127.0.0.1 of every node. Default: `7443`.
func (o ApiOutput) LocalPort() pulumi.IntPtrOutput {
	return part[pulumi.IntPtrOutput](o, func(v Api) *int { return v.LocalPort })
}

// Further names and addresses for the serving certificate.
func (o ApiOutput) Sans() pulumi.StringArrayOutput {
	return part[pulumi.StringArrayOutput](o, func(v Api) []string { return v.Sans })
}

// The issuer of service-account tokens. Cannot be changed later. Default: `https://kubernetes.default.svc.<domain>`.
func (o ApiOutput) ServiceAccountIssuer() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Api) *string { return v.ServiceAccountIssuer })
}

// ApiPtrOutput is a *Api that may not be known yet.
type ApiPtrOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (ApiPtrOutput) ElementType() reflect.Type { return reflect.TypeFor[*Api]() }

func init() { pulumi.RegisterOutputType(ApiPtrOutput{}) }

// Elem is what is there; where nothing is, it is empty.
func (o ApiPtrOutput) Elem() ApiOutput { return elem[ApiOutput, Api](o) }

// The port of kube-apiserver on control planes. Default: `6443`.
func (o ApiPtrOutput) Port() pulumi.IntPtrOutput {
	return partOfPtr[pulumi.IntPtrOutput](o, func(v *Api) *int { return v.Port })
}

// The port of the balancer on 127.0.0.1 of every node. Default: `7443`.
func (o ApiPtrOutput) LocalPort() pulumi.IntPtrOutput {
	return partOfPtr[pulumi.IntPtrOutput](o, func(v *Api) *int { return v.LocalPort })
}

// Further names and addresses for the serving certificate.
func (o ApiPtrOutput) Sans() pulumi.StringArrayOutput {
	return partOfPtr[pulumi.StringArrayOutput](o, func(v *Api) []string { return v.Sans })
}

// The issuer of service-account tokens. Cannot be changed later. Default: `https://kubernetes.default.svc.<domain>`.
func (o ApiPtrOutput) ServiceAccountIssuer() pulumi.StringPtrOutput {
	return partOfPtr[pulumi.StringPtrOutput](o, func(v *Api) *string { return v.ServiceAccountIssuer })
}

// BastionArgs is the input of Bastion.
type BastionArgs struct {
	// A host name or an IPv4 address.
	Address pulumi.StringInput `pulumi:"address"`
	// The port of its sshd. Default: 22.
	Port pulumi.IntPtrInput `pulumi:"port"`
	// Its pinned public key, `"ssh-ed25519 AAAA…"`. Default: from the provider's `knownHosts`.
	SshHostKey pulumi.StringPtrInput `pulumi:"sshHostKey"`
	// The user to log in as. Default: the provider's.
	User pulumi.StringPtrInput `pulumi:"user"`
}

// ElementType implements pulumi.Input.
func (BastionArgs) ElementType() reflect.Type { return reflect.TypeFor[BastionArgs]() }

// Bastion is a value that there is.
type Bastion struct {
	// A host name or an IPv4 address.
	Address string `pulumi:"address"`
	// The port of its sshd. Default: 22.
	Port *int `pulumi:"port"`
	// Its pinned public key, `"ssh-ed25519 AAAA…"`. Default: from the provider's `knownHosts`.
	SshHostKey *string `pulumi:"sshHostKey"`
	// The user to log in as. Default: the provider's.
	User *string `pulumi:"user"`
}

// BastionOutput is a Bastion that may not be known yet.
type BastionOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (BastionOutput) ElementType() reflect.Type { return reflect.TypeFor[Bastion]() }

func init() { pulumi.RegisterOutputType(BastionOutput{}) }

// A host name or an IPv4 address.
func (o BastionOutput) Address() pulumi.StringOutput {
	return part[pulumi.StringOutput](o, func(v Bastion) string { return v.Address })
}

// The port of its sshd. Default: 22.
func (o BastionOutput) Port() pulumi.IntPtrOutput {
	return part[pulumi.IntPtrOutput](o, func(v Bastion) *int { return v.Port })
}

// The user to log in as. Default: the provider's.
func (o BastionOutput) User() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Bastion) *string { return v.User })
}

// Its pinned public key, `"ssh-ed25519 AAAA…"`. Default: from the provider's `knownHosts`.
func (o BastionOutput) SshHostKey() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Bastion) *string { return v.SshHostKey })
}

// BastionPtrOutput is a *Bastion that may not be known yet.
type BastionPtrOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (BastionPtrOutput) ElementType() reflect.Type { return reflect.TypeFor[*Bastion]() }

func init() { pulumi.RegisterOutputType(BastionPtrOutput{}) }

// Elem is what is there; where nothing is, it is empty.
func (o BastionPtrOutput) Elem() BastionOutput { return elem[BastionOutput, Bastion](o) }

// A host name or an IPv4 address.
func (o BastionPtrOutput) Address() pulumi.StringPtrOutput {
	return partOfPtr[pulumi.StringPtrOutput](o, func(v *Bastion) *string { return &v.Address })
}

// The port of its sshd. Default: 22.
func (o BastionPtrOutput) Port() pulumi.IntPtrOutput {
	return partOfPtr[pulumi.IntPtrOutput](o, func(v *Bastion) *int { return v.Port })
}

// The user to log in as. Default: the provider's.
func (o BastionPtrOutput) User() pulumi.StringPtrOutput {
	return partOfPtr[pulumi.StringPtrOutput](o, func(v *Bastion) *string { return v.User })
}

// Its pinned public key, `"ssh-ed25519 AAAA…"`. Default: from the provider's `knownHosts`.
func (o BastionPtrOutput) SshHostKey() pulumi.StringPtrOutput {
	return partOfPtr[pulumi.StringPtrOutput](o, func(v *Bastion) *string { return v.SshHostKey })
}

// CertificatesArgs is the input of Certificates.
type CertificatesArgs struct {
	// How long the certificate is good for that the command `trivet kubeconfig` hands out. Default: `"24h"`.
	AdminLifetime pulumi.StringPtrInput `pulumi:"adminLifetime"`
	// How long an authority is good for, from when it is made. Those that exist keep their end; `rotation` replaces them. Default: `"10y"`.
	CaLifetime pulumi.StringPtrInput `pulumi:"caLifetime"`
	// How long every other certificate is good for, from when it is issued. Default: `"1y"`.
	LeafLifetime pulumi.StringPtrInput `pulumi:"leafLifetime"`
	// How long before its end an apply renews a certificate. Default: `"30d"`.
	RenewBefore pulumi.StringPtrInput `pulumi:"renewBefore"`
}

// ElementType implements pulumi.Input.
func (CertificatesArgs) ElementType() reflect.Type { return reflect.TypeFor[CertificatesArgs]() }

// Certificates is a value that there is.
type Certificates struct {
	// How long the certificate is good for that the command `trivet kubeconfig` hands out. Default: `"24h"`.
	AdminLifetime *string `pulumi:"adminLifetime"`
	// How long an authority is good for, from when it is made. Those that exist keep their end; `rotation` replaces them. Default: `"10y"`.
	CaLifetime *string `pulumi:"caLifetime"`
	// How long every other certificate is good for, from when it is issued. Default: `"1y"`.
	LeafLifetime *string `pulumi:"leafLifetime"`
	// How long before its end an apply renews a certificate. Default: `"30d"`.
	RenewBefore *string `pulumi:"renewBefore"`
}

// CertificatesOutput is a Certificates that may not be known yet.
type CertificatesOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (CertificatesOutput) ElementType() reflect.Type { return reflect.TypeFor[Certificates]() }

func init() { pulumi.RegisterOutputType(CertificatesOutput{}) }

// How long an authority is good for, from when it is made. Those that exist keep their end; `rotation` replaces them. Default: `"10y"`.
func (o CertificatesOutput) CaLifetime() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Certificates) *string { return v.CaLifetime })
}

// How long every other certificate is good for, from when it is issued. Default: `"1y"`.
func (o CertificatesOutput) LeafLifetime() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Certificates) *string { return v.LeafLifetime })
}

// How long before its end an apply renews a certificate. Default: `"30d"`.
func (o CertificatesOutput) RenewBefore() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Certificates) *string { return v.RenewBefore })
}

// How long the certificate is good for that the command `trivet kubeconfig` hands out. Default: `"24h"`.
func (o CertificatesOutput) AdminLifetime() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Certificates) *string { return v.AdminLifetime })
}

// CertificatesPtrOutput is a *Certificates that may not be known yet.
type CertificatesPtrOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (CertificatesPtrOutput) ElementType() reflect.Type { return reflect.TypeFor[*Certificates]() }

func init() { pulumi.RegisterOutputType(CertificatesPtrOutput{}) }

// Elem is what is there; where nothing is, it is empty.
func (o CertificatesPtrOutput) Elem() CertificatesOutput {
	return elem[CertificatesOutput, Certificates](o)
}

// How long an authority is good for, from when it is made. Those that exist keep their end; `rotation` replaces them. Default: `"10y"`.
func (o CertificatesPtrOutput) CaLifetime() pulumi.StringPtrOutput {
	return partOfPtr[pulumi.StringPtrOutput](o, func(v *Certificates) *string { return v.CaLifetime })
}

// How long every other certificate is good for, from when it is issued. Default: `"1y"`.
func (o CertificatesPtrOutput) LeafLifetime() pulumi.StringPtrOutput {
	return partOfPtr[pulumi.StringPtrOutput](o, func(v *Certificates) *string { return v.LeafLifetime })
}

// How long before its end an apply renews a certificate. Default: `"30d"`.
func (o CertificatesPtrOutput) RenewBefore() pulumi.StringPtrOutput {
	return partOfPtr[pulumi.StringPtrOutput](o, func(v *Certificates) *string { return v.RenewBefore })
}

// How long the certificate is good for that the command `trivet kubeconfig` hands out. Default: `"24h"`.
func (o CertificatesPtrOutput) AdminLifetime() pulumi.StringPtrOutput {
	return partOfPtr[pulumi.StringPtrOutput](o, func(v *Certificates) *string { return v.AdminLifetime })
}

// ClusterResult is a value that there is.
type ClusterResult struct {
	// How the cluster is reached, for the `cluster` of a `Worker`.
	Access Access `pulumi:"access"`
	// The cluster's id.
	ClusterId string `pulumi:"clusterId"`
	// A kubeconfig without a secret.
	Kubeconfig string `pulumi:"kubeconfig"`
	// The digests of what its hosts are given.
	Lock string `pulumi:"lock"`
}

// ClusterResultOutput is a ClusterResult that may not be known yet.
type ClusterResultOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (ClusterResultOutput) ElementType() reflect.Type { return reflect.TypeFor[ClusterResult]() }

func init() { pulumi.RegisterOutputType(ClusterResultOutput{}) }

// The cluster's id.
func (o ClusterResultOutput) ClusterId() pulumi.StringOutput {
	return part[pulumi.StringOutput](o, func(v ClusterResult) string { return v.ClusterId })
}

// How the cluster is reached, for the `cluster` of a `Worker`.
func (o ClusterResultOutput) Access() AccessOutput {
	return part[AccessOutput](o, func(v ClusterResult) Access { return v.Access })
}

// A kubeconfig without a secret.
func (o ClusterResultOutput) Kubeconfig() pulumi.StringOutput {
	return part[pulumi.StringOutput](o, func(v ClusterResult) string { return v.Kubeconfig })
}

// The digests of what its hosts are given.
func (o ClusterResultOutput) Lock() pulumi.StringOutput {
	return part[pulumi.StringOutput](o, func(v ClusterResult) string { return v.Lock })
}

// ClusterResultMapOutput is a map[string]ClusterResult that may not be known yet.
type ClusterResultMapOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (ClusterResultMapOutput) ElementType() reflect.Type {
	return reflect.TypeFor[map[string]ClusterResult]()
}

func init() { pulumi.RegisterOutputType(ClusterResultMapOutput{}) }

// MapIndex is one of the map; where there is none of the name, it is empty.
func (o ClusterResultMapOutput) MapIndex(k pulumi.StringInput) ClusterResultOutput {
	return mapIndex[ClusterResultOutput, ClusterResult](o, k)
}

// ComponentArgs is the input of Component.
type ComponentArgs struct {
	// The component.
	Name pulumi.StringInput `pulumi:"name"`
	// Only hosts with this role. Default: every role.
	Role pulumi.StringPtrInput `pulumi:"role"`
	// Fields of the component's configuration file, or its flags where it has none, spelled as Kubernetes does. Checked against the release.
	Settings pulumi.MapInput `pulumi:"settings"`
}

// ElementType implements pulumi.Input.
func (ComponentArgs) ElementType() reflect.Type { return reflect.TypeFor[ComponentArgs]() }

// Component is a value that there is.
type Component struct {
	// The component.
	Name string `pulumi:"name"`
	// Only hosts with this role. Default: every role.
	Role *string `pulumi:"role"`
	// Fields of the component's configuration file, or its flags where it has none, spelled as Kubernetes does. Checked against the release.
	Settings map[string]any `pulumi:"settings"`
}

// ComponentOutput is a Component that may not be known yet.
type ComponentOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (ComponentOutput) ElementType() reflect.Type { return reflect.TypeFor[Component]() }

func init() { pulumi.RegisterOutputType(ComponentOutput{}) }

// The component.
func (o ComponentOutput) Name() pulumi.StringOutput {
	return part[pulumi.StringOutput](o, func(v Component) string { return v.Name })
}

// Only hosts with this role. Default: every role.
func (o ComponentOutput) Role() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Component) *string { return v.Role })
}

// Fields of the component's configuration file, or its flags where it has none, spelled as Kubernetes does. Checked against the release.
func (o ComponentOutput) Settings() pulumi.MapOutput {
	return part[pulumi.MapOutput](o, func(v Component) map[string]any { return v.Settings })
}

// ComponentArrayOutput is a []Component that may not be known yet.
type ComponentArrayOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (ComponentArrayOutput) ElementType() reflect.Type { return reflect.TypeFor[[]Component]() }

func init() { pulumi.RegisterOutputType(ComponentArrayOutput{}) }

// Index is one of the list; beyond its end, it is empty.
func (o ComponentArrayOutput) Index(i pulumi.IntInput) ComponentOutput {
	return index[ComponentOutput, Component](o, i)
}

// DnsArgs is the input of Dns.
type DnsArgs struct {
	// The Service address of DNS. Default: the tenth of `serviceCidr`.
	Address pulumi.StringPtrInput `pulumi:"address"`
	// The domain of Services. Cannot be changed later. Default: `"cluster.local"`.
	Domain pulumi.StringPtrInput `pulumi:"domain"`
	// How many CoreDNS pods, spread over sites. Default: `2`.
	Replicas pulumi.IntPtrInput `pulumi:"replicas"`
	// Addresses of the servers that answer for other domains, with an optional `:port`. Default: the nodes' resolvers.
	Upstream pulumi.StringArrayInput `pulumi:"upstream"`
}

// ElementType implements pulumi.Input.
func (DnsArgs) ElementType() reflect.Type { return reflect.TypeFor[DnsArgs]() }

// Dns is a value that there is.
type Dns struct {
	// The Service address of DNS. Default: the tenth of `serviceCidr`.
	Address *string `pulumi:"address"`
	// The domain of Services. Cannot be changed later. Default: `"cluster.local"`.
	Domain *string `pulumi:"domain"`
	// How many CoreDNS pods, spread over sites. Default: `2`.
	Replicas *int `pulumi:"replicas"`
	// Addresses of the servers that answer for other domains, with an optional `:port`. Default: the nodes' resolvers.
	Upstream []string `pulumi:"upstream"`
}

// DnsOutput is a Dns that may not be known yet.
type DnsOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (DnsOutput) ElementType() reflect.Type { return reflect.TypeFor[Dns]() }

func init() { pulumi.RegisterOutputType(DnsOutput{}) }

// The domain of Services. Cannot be changed later. Default: `"cluster.local"`.
func (o DnsOutput) Domain() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Dns) *string { return v.Domain })
}

// The Service address of DNS. Default: the tenth of `serviceCidr`.
func (o DnsOutput) Address() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Dns) *string { return v.Address })
}

// How many CoreDNS pods, spread over sites. Default: `2`.
func (o DnsOutput) Replicas() pulumi.IntPtrOutput {
	return part[pulumi.IntPtrOutput](o, func(v Dns) *int { return v.Replicas })
}

// Addresses of the servers that answer for other domains, with an optional `:port`. Default: the nodes' resolvers.
func (o DnsOutput) Upstream() pulumi.StringArrayOutput {
	return part[pulumi.StringArrayOutput](o, func(v Dns) []string { return v.Upstream })
}

// DnsPtrOutput is a *Dns that may not be known yet.
type DnsPtrOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (DnsPtrOutput) ElementType() reflect.Type { return reflect.TypeFor[*Dns]() }

func init() { pulumi.RegisterOutputType(DnsPtrOutput{}) }

// Elem is what is there; where nothing is, it is empty.
func (o DnsPtrOutput) Elem() DnsOutput { return elem[DnsOutput, Dns](o) }

// The domain of Services. Cannot be changed later. Default: `"cluster.local"`.
func (o DnsPtrOutput) Domain() pulumi.StringPtrOutput {
	return partOfPtr[pulumi.StringPtrOutput](o, func(v *Dns) *string { return v.Domain })
}

// The Service address of DNS. Default: the tenth of `serviceCidr`.
func (o DnsPtrOutput) Address() pulumi.StringPtrOutput {
	return partOfPtr[pulumi.StringPtrOutput](o, func(v *Dns) *string { return v.Address })
}

// How many CoreDNS pods, spread over sites. Default: `2`.
func (o DnsPtrOutput) Replicas() pulumi.IntPtrOutput {
	return partOfPtr[pulumi.IntPtrOutput](o, func(v *Dns) *int { return v.Replicas })
}

// Addresses of the servers that answer for other domains, with an optional `:port`. Default: the nodes' resolvers.
func (o DnsPtrOutput) Upstream() pulumi.StringArrayOutput {
	return partOfPtr[pulumi.StringArrayOutput](o, func(v *Dns) []string { return v.Upstream })
}

// EndpointInput is a Endpoint that may not be known yet.
type EndpointInput interface {
	pulumi.Input

	ToEndpointOutput() EndpointOutput
	ToEndpointOutputWithContext(context.Context) EndpointOutput
}

// ToEndpointOutput implements EndpointInput.
func (i EndpointOutput) ToEndpointOutput() EndpointOutput {
	return i.ToEndpointOutputWithContext(context.Background())
}

// ToEndpointOutputWithContext implements EndpointInput.
func (i EndpointOutput) ToEndpointOutputWithContext(_ context.Context) EndpointOutput { return i }

// EndpointArgs is a Endpoint of which parts may not be known yet.
type EndpointArgs struct {
	// Where SSH reaches it.
	Address pulumi.StringInput `pulumi:"address"`
	// The jump host in front of it.
	Bastion EndpointBastionPtrInput `pulumi:"bastion"`
	// The host's name.
	Host pulumi.StringInput `pulumi:"host"`
	// The port of its sshd; null where the provider's holds.
	Port pulumi.IntPtrInput `pulumi:"port"`
	// Its public key, where the configuration gives it.
	SshHostKey pulumi.StringPtrInput `pulumi:"sshHostKey"`
	// The user to log in as; null where the provider's holds.
	User pulumi.StringPtrInput `pulumi:"user"`
}

// ElementType implements pulumi.Input.
func (EndpointArgs) ElementType() reflect.Type { return reflect.TypeFor[Endpoint]() }

// ToEndpointOutput implements EndpointInput.
func (i EndpointArgs) ToEndpointOutput() EndpointOutput {
	return i.ToEndpointOutputWithContext(context.Background())
}

// ToEndpointOutputWithContext implements EndpointInput.
func (i EndpointArgs) ToEndpointOutputWithContext(ctx context.Context) EndpointOutput {
	return pulumi.ToOutputWithContext(ctx, i).(EndpointOutput)
}

func init() { pulumi.RegisterInputType(reflect.TypeFor[EndpointInput](), EndpointArgs{}) }

// EndpointArrayInput is a []Endpoint that may not be known yet.
type EndpointArrayInput interface {
	pulumi.Input

	ToEndpointArrayOutput() EndpointArrayOutput
	ToEndpointArrayOutputWithContext(context.Context) EndpointArrayOutput
}

// ToEndpointArrayOutput implements EndpointArrayInput.
func (i EndpointArrayOutput) ToEndpointArrayOutput() EndpointArrayOutput {
	return i.ToEndpointArrayOutputWithContext(context.Background())
}

// ToEndpointArrayOutputWithContext implements EndpointArrayInput.
func (i EndpointArrayOutput) ToEndpointArrayOutputWithContext(_ context.Context) EndpointArrayOutput {
	return i
}

// EndpointArray is a list of Endpoint.
type EndpointArray []EndpointInput

// ElementType implements pulumi.Input.
func (EndpointArray) ElementType() reflect.Type { return reflect.TypeFor[[]Endpoint]() }

// ToEndpointArrayOutput implements EndpointArrayInput.
func (i EndpointArray) ToEndpointArrayOutput() EndpointArrayOutput {
	return i.ToEndpointArrayOutputWithContext(context.Background())
}

// ToEndpointArrayOutputWithContext implements EndpointArrayInput.
func (i EndpointArray) ToEndpointArrayOutputWithContext(ctx context.Context) EndpointArrayOutput {
	return pulumi.ToOutputWithContext(ctx, i).(EndpointArrayOutput)
}

func init() { pulumi.RegisterInputType(reflect.TypeFor[EndpointArrayInput](), EndpointArray{}) }

// Endpoint is a value that there is.
type Endpoint struct {
	// Where SSH reaches it.
	Address string `pulumi:"address"`
	// The jump host in front of it.
	Bastion *EndpointBastion `pulumi:"bastion"`
	// The host's name.
	Host string `pulumi:"host"`
	// The port of its sshd; null where the provider's holds.
	Port *int `pulumi:"port"`
	// Its public key, where the configuration gives it.
	SshHostKey *string `pulumi:"sshHostKey"`
	// The user to log in as; null where the provider's holds.
	User *string `pulumi:"user"`
}

// EndpointOutput is a Endpoint that may not be known yet.
type EndpointOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (EndpointOutput) ElementType() reflect.Type { return reflect.TypeFor[Endpoint]() }

func init() { pulumi.RegisterOutputType(EndpointOutput{}) }

// The host's name.
func (o EndpointOutput) Host() pulumi.StringOutput {
	return part[pulumi.StringOutput](o, func(v Endpoint) string { return v.Host })
}

// Where SSH reaches it.
func (o EndpointOutput) Address() pulumi.StringOutput {
	return part[pulumi.StringOutput](o, func(v Endpoint) string { return v.Address })
}

// The port of its sshd; null where the provider's holds.
func (o EndpointOutput) Port() pulumi.IntPtrOutput {
	return part[pulumi.IntPtrOutput](o, func(v Endpoint) *int { return v.Port })
}

// The user to log in as; null where the provider's holds.
func (o EndpointOutput) User() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Endpoint) *string { return v.User })
}

// Its public key, where the configuration gives it.
func (o EndpointOutput) SshHostKey() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Endpoint) *string { return v.SshHostKey })
}

// The jump host in front of it.
func (o EndpointOutput) Bastion() EndpointBastionPtrOutput {
	return part[EndpointBastionPtrOutput](o, func(v Endpoint) *EndpointBastion { return v.Bastion })
}

// EndpointArrayOutput is a []Endpoint that may not be known yet.
type EndpointArrayOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (EndpointArrayOutput) ElementType() reflect.Type { return reflect.TypeFor[[]Endpoint]() }

func init() { pulumi.RegisterOutputType(EndpointArrayOutput{}) }

// Index is one of the list; beyond its end, it is empty.
func (o EndpointArrayOutput) Index(i pulumi.IntInput) EndpointOutput {
	return index[EndpointOutput, Endpoint](o, i)
}

// EndpointBastionInput is a EndpointBastion that may not be known yet.
type EndpointBastionInput interface {
	pulumi.Input

	ToEndpointBastionOutput() EndpointBastionOutput
	ToEndpointBastionOutputWithContext(context.Context) EndpointBastionOutput
}

// ToEndpointBastionOutput implements EndpointBastionInput.
func (i EndpointBastionOutput) ToEndpointBastionOutput() EndpointBastionOutput {
	return i.ToEndpointBastionOutputWithContext(context.Background())
}

// ToEndpointBastionOutputWithContext implements EndpointBastionInput.
func (i EndpointBastionOutput) ToEndpointBastionOutputWithContext(_ context.Context) EndpointBastionOutput {
	return i
}

// EndpointBastionArgs is a EndpointBastion of which parts may not be known yet.
type EndpointBastionArgs struct {
	// Where it is reached.
	Address pulumi.StringInput `pulumi:"address"`
	// The port of its sshd.
	Port pulumi.IntPtrInput `pulumi:"port"`
	// Its public key, where the configuration gives it.
	SshHostKey pulumi.StringPtrInput `pulumi:"sshHostKey"`
	// The user to log in as.
	User pulumi.StringPtrInput `pulumi:"user"`
}

// ElementType implements pulumi.Input.
func (EndpointBastionArgs) ElementType() reflect.Type { return reflect.TypeFor[EndpointBastion]() }

// ToEndpointBastionOutput implements EndpointBastionInput.
func (i EndpointBastionArgs) ToEndpointBastionOutput() EndpointBastionOutput {
	return i.ToEndpointBastionOutputWithContext(context.Background())
}

// ToEndpointBastionOutputWithContext implements EndpointBastionInput.
func (i EndpointBastionArgs) ToEndpointBastionOutputWithContext(ctx context.Context) EndpointBastionOutput {
	return pulumi.ToOutputWithContext(ctx, i).(EndpointBastionOutput)
}

func init() { pulumi.RegisterInputType(reflect.TypeFor[EndpointBastionInput](), EndpointBastionArgs{}) }

// EndpointBastionPtrInput is a *EndpointBastion that may not be known yet.
type EndpointBastionPtrInput interface {
	pulumi.Input

	ToEndpointBastionPtrOutput() EndpointBastionPtrOutput
	ToEndpointBastionPtrOutputWithContext(context.Context) EndpointBastionPtrOutput
}

// ToEndpointBastionPtrOutput implements EndpointBastionPtrInput.
func (i EndpointBastionPtrOutput) ToEndpointBastionPtrOutput() EndpointBastionPtrOutput {
	return i.ToEndpointBastionPtrOutputWithContext(context.Background())
}

// ToEndpointBastionPtrOutputWithContext implements EndpointBastionPtrInput.
func (i EndpointBastionPtrOutput) ToEndpointBastionPtrOutputWithContext(_ context.Context) EndpointBastionPtrOutput {
	return i
}

// ToEndpointBastionPtrOutput implements EndpointBastionPtrInput.
func (i EndpointBastionArgs) ToEndpointBastionPtrOutput() EndpointBastionPtrOutput {
	return i.ToEndpointBastionPtrOutputWithContext(context.Background())
}

// ToEndpointBastionPtrOutputWithContext implements EndpointBastionPtrInput.
func (i EndpointBastionArgs) ToEndpointBastionPtrOutputWithContext(ctx context.Context) EndpointBastionPtrOutput {
	return i.ToEndpointBastionOutputWithContext(ctx).ToEndpointBastionPtrOutputWithContext(ctx)
}

// ToEndpointBastionPtrOutput implements EndpointBastionPtrInput.
func (i EndpointBastionOutput) ToEndpointBastionPtrOutput() EndpointBastionPtrOutput {
	return i.ToEndpointBastionPtrOutputWithContext(context.Background())
}

// ToEndpointBastionPtrOutputWithContext implements EndpointBastionPtrInput.
func (i EndpointBastionOutput) ToEndpointBastionPtrOutputWithContext(ctx context.Context) EndpointBastionPtrOutput {
	return i.ApplyTWithContext(ctx, func(_ context.Context, v EndpointBastion) *EndpointBastion { return &v }).(EndpointBastionPtrOutput)
}

func init() {
	pulumi.RegisterInputType(reflect.TypeFor[EndpointBastionPtrInput](), EndpointBastionArgs{})
}

// EndpointBastion is a value that there is.
type EndpointBastion struct {
	// Where it is reached.
	Address string `pulumi:"address"`
	// The port of its sshd.
	Port *int `pulumi:"port"`
	// Its public key, where the configuration gives it.
	SshHostKey *string `pulumi:"sshHostKey"`
	// The user to log in as.
	User *string `pulumi:"user"`
}

// EndpointBastionOutput is a EndpointBastion that may not be known yet.
type EndpointBastionOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (EndpointBastionOutput) ElementType() reflect.Type { return reflect.TypeFor[EndpointBastion]() }

func init() { pulumi.RegisterOutputType(EndpointBastionOutput{}) }

// Where it is reached.
func (o EndpointBastionOutput) Address() pulumi.StringOutput {
	return part[pulumi.StringOutput](o, func(v EndpointBastion) string { return v.Address })
}

// The port of its sshd.
func (o EndpointBastionOutput) Port() pulumi.IntPtrOutput {
	return part[pulumi.IntPtrOutput](o, func(v EndpointBastion) *int { return v.Port })
}

// The user to log in as.
func (o EndpointBastionOutput) User() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v EndpointBastion) *string { return v.User })
}

// Its public key, where the configuration gives it.
func (o EndpointBastionOutput) SshHostKey() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v EndpointBastion) *string { return v.SshHostKey })
}

// EndpointBastionPtrOutput is a *EndpointBastion that may not be known yet.
type EndpointBastionPtrOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (EndpointBastionPtrOutput) ElementType() reflect.Type {
	return reflect.TypeFor[*EndpointBastion]()
}

func init() { pulumi.RegisterOutputType(EndpointBastionPtrOutput{}) }

// Elem is what is there; where nothing is, it is empty.
func (o EndpointBastionPtrOutput) Elem() EndpointBastionOutput {
	return elem[EndpointBastionOutput, EndpointBastion](o)
}

// Where it is reached.
func (o EndpointBastionPtrOutput) Address() pulumi.StringPtrOutput {
	return partOfPtr[pulumi.StringPtrOutput](o, func(v *EndpointBastion) *string { return &v.Address })
}

// The port of its sshd.
func (o EndpointBastionPtrOutput) Port() pulumi.IntPtrOutput {
	return partOfPtr[pulumi.IntPtrOutput](o, func(v *EndpointBastion) *int { return v.Port })
}

// The user to log in as.
func (o EndpointBastionPtrOutput) User() pulumi.StringPtrOutput {
	return partOfPtr[pulumi.StringPtrOutput](o, func(v *EndpointBastion) *string { return v.User })
}

// Its public key, where the configuration gives it.
func (o EndpointBastionPtrOutput) SshHostKey() pulumi.StringPtrOutput {
	return partOfPtr[pulumi.StringPtrOutput](o, func(v *EndpointBastion) *string { return v.SshHostKey })
}

// EtcdArgs is the input of Etcd.
type EtcdArgs struct {
	// Sites and regions whose loss is known, and accepted, to stop the cluster until it is recovered: silences the warning.
	AcceptLoss pulumi.StringArrayInput `pulumi:"acceptLoss"`
	// How much of the history of objects is kept, for clients that go on with a watch. Default: `"5m"`.
	CompactionRetention pulumi.StringPtrInput `pulumi:"compactionRetention"`
	// How long a silent leader is waited for: at least ten heartbeats, at most 50 s; unless set, ten of the heartbeats that were measured, at least `"1s"`. Who sets one of the two sets both: the other is then `"100ms"` or `"1s"`. Default: measured.
	ElectionTimeout pulumi.StringPtrInput `pulumi:"electionTimeout"`
	// How often the leader speaks. Half to one and a half times the longest round trip between members; unless set, that round trip as it was before the first bring-up, at least `"100ms"`. Default: measured.
	HeartbeatInterval pulumi.StringPtrInput `pulumi:"heartbeatInterval"`
	// The largest size of the database: bytes, or a quantity such as `"4Gi"`. Default: `"8Gi"`.
	Quota pulumi.StringPtrInput `pulumi:"quota"`
	// Snapshots of etcd that the members take by a timer, each of itself. Without the block there are none, and those that were taken go with it.
	Snapshots *SnapshotsArgs `pulumi:"snapshots"`
}

// ElementType implements pulumi.Input.
func (EtcdArgs) ElementType() reflect.Type { return reflect.TypeFor[EtcdArgs]() }

// Etcd is a value that there is.
type Etcd struct {
	// Sites and regions whose loss is known, and accepted, to stop the cluster until it is recovered: silences the warning.
	AcceptLoss []string `pulumi:"acceptLoss"`
	// How much of the history of objects is kept, for clients that go on with a watch. Default: `"5m"`.
	CompactionRetention *string `pulumi:"compactionRetention"`
	// How long a silent leader is waited for: at least ten heartbeats, at most 50 s; unless set, ten of the heartbeats that were measured, at least `"1s"`. Who sets one of the two sets both: the other is then `"100ms"` or `"1s"`. Default: measured.
	ElectionTimeout *string `pulumi:"electionTimeout"`
	// How often the leader speaks. Half to one and a half times the longest round trip between members; unless set, that round trip as it was before the first bring-up, at least `"100ms"`. Default: measured.
	HeartbeatInterval *string `pulumi:"heartbeatInterval"`
	// The largest size of the database: bytes, or a quantity such as `"4Gi"`. Default: `"8Gi"`.
	Quota *string `pulumi:"quota"`
	// Snapshots of etcd that the members take by a timer, each of itself. Without the block there are none, and those that were taken go with it.
	Snapshots *Snapshots `pulumi:"snapshots"`
}

// EtcdOutput is a Etcd that may not be known yet.
type EtcdOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (EtcdOutput) ElementType() reflect.Type { return reflect.TypeFor[Etcd]() }

func init() { pulumi.RegisterOutputType(EtcdOutput{}) }

// The largest size of the database: bytes, or a quantity such as `"4Gi"`. Default: `"8Gi"`.
func (o EtcdOutput) Quota() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Etcd) *string { return v.Quota })
}

// How often the leader speaks. Half to one and a half times the longest round trip between members; unless set, that round trip as it was before the first bring-up, at least `"100ms"`. Default: measured.
func (o EtcdOutput) HeartbeatInterval() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Etcd) *string { return v.HeartbeatInterval })
}

// How long a silent leader is waited for: at least ten heartbeats, at most 50 s; unless set, ten of the heartbeats that were measured, at least `"1s"`. Who sets one of the two sets both: the other is then `"100ms"` or `"1s"`. Default: measured.
func (o EtcdOutput) ElectionTimeout() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Etcd) *string { return v.ElectionTimeout })
}

// How much of the history of objects is kept, for clients that go on with a watch. Default: `"5m"`.
func (o EtcdOutput) CompactionRetention() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Etcd) *string { return v.CompactionRetention })
}

// Sites and regions whose loss is known, and accepted, to stop the cluster until it is recovered: silences the warning.
func (o EtcdOutput) AcceptLoss() pulumi.StringArrayOutput {
	return part[pulumi.StringArrayOutput](o, func(v Etcd) []string { return v.AcceptLoss })
}

// Snapshots of etcd that the members take by a timer, each of itself. Without the block there are none, and those that were taken go with it.
func (o EtcdOutput) Snapshots() SnapshotsPtrOutput {
	return part[SnapshotsPtrOutput](o, func(v Etcd) *Snapshots { return v.Snapshots })
}

// EtcdPtrOutput is a *Etcd that may not be known yet.
type EtcdPtrOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (EtcdPtrOutput) ElementType() reflect.Type { return reflect.TypeFor[*Etcd]() }

func init() { pulumi.RegisterOutputType(EtcdPtrOutput{}) }

// Elem is what is there; where nothing is, it is empty.
func (o EtcdPtrOutput) Elem() EtcdOutput { return elem[EtcdOutput, Etcd](o) }

// The largest size of the database: bytes, or a quantity such as `"4Gi"`. Default: `"8Gi"`.
func (o EtcdPtrOutput) Quota() pulumi.StringPtrOutput {
	return partOfPtr[pulumi.StringPtrOutput](o, func(v *Etcd) *string { return v.Quota })
}

// How often the leader speaks. Half to one and a half times the longest round trip between members; unless set, that round trip as it was before the first bring-up, at least `"100ms"`. Default: measured.
func (o EtcdPtrOutput) HeartbeatInterval() pulumi.StringPtrOutput {
	return partOfPtr[pulumi.StringPtrOutput](o, func(v *Etcd) *string { return v.HeartbeatInterval })
}

// How long a silent leader is waited for: at least ten heartbeats, at most 50 s; unless set, ten of the heartbeats that were measured, at least `"1s"`. Who sets one of the two sets both: the other is then `"100ms"` or `"1s"`. Default: measured.
func (o EtcdPtrOutput) ElectionTimeout() pulumi.StringPtrOutput {
	return partOfPtr[pulumi.StringPtrOutput](o, func(v *Etcd) *string { return v.ElectionTimeout })
}

// How much of the history of objects is kept, for clients that go on with a watch. Default: `"5m"`.
func (o EtcdPtrOutput) CompactionRetention() pulumi.StringPtrOutput {
	return partOfPtr[pulumi.StringPtrOutput](o, func(v *Etcd) *string { return v.CompactionRetention })
}

// Sites and regions whose loss is known, and accepted, to stop the cluster until it is recovered: silences the warning.
func (o EtcdPtrOutput) AcceptLoss() pulumi.StringArrayOutput {
	return partOfPtr[pulumi.StringArrayOutput](o, func(v *Etcd) []string { return v.AcceptLoss })
}

// Snapshots of etcd that the members take by a timer, each of itself. Without the block there are none, and those that were taken go with it.
func (o EtcdPtrOutput) Snapshots() SnapshotsPtrOutput {
	return partOfPtr[SnapshotsPtrOutput](o, func(v *Etcd) *Snapshots { return v.Snapshots })
}

// EtcdMember is a value that there is.
type EtcdMember struct {
	// The size of its database in bytes.
	DbSize int `pulumi:"dbSize"`
	// Why it gave no answer; null where it did.
	Error *string `pulumi:"error"`
	// Whether it leads.
	Leader bool `pulumi:"leader"`
	// Whether it does not vote yet.
	Learner bool `pulumi:"learner"`
	// Its name, which is its host's.
	Name string `pulumi:"name"`
	// The version that it runs.
	Version *string `pulumi:"version"`
}

// EtcdMemberOutput is a EtcdMember that may not be known yet.
type EtcdMemberOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (EtcdMemberOutput) ElementType() reflect.Type { return reflect.TypeFor[EtcdMember]() }

func init() { pulumi.RegisterOutputType(EtcdMemberOutput{}) }

// Its name, which is its host's.
func (o EtcdMemberOutput) Name() pulumi.StringOutput {
	return part[pulumi.StringOutput](o, func(v EtcdMember) string { return v.Name })
}

// The version that it runs.
func (o EtcdMemberOutput) Version() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v EtcdMember) *string { return v.Version })
}

// Whether it leads.
func (o EtcdMemberOutput) Leader() pulumi.BoolOutput {
	return part[pulumi.BoolOutput](o, func(v EtcdMember) bool { return v.Leader })
}

// Whether it does not vote yet.
func (o EtcdMemberOutput) Learner() pulumi.BoolOutput {
	return part[pulumi.BoolOutput](o, func(v EtcdMember) bool { return v.Learner })
}

// The size of its database in bytes.
func (o EtcdMemberOutput) DbSize() pulumi.IntOutput {
	return part[pulumi.IntOutput](o, func(v EtcdMember) int { return v.DbSize })
}

// Why it gave no answer; null where it did.
func (o EtcdMemberOutput) Error() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v EtcdMember) *string { return v.Error })
}

// EtcdMemberArrayOutput is a []EtcdMember that may not be known yet.
type EtcdMemberArrayOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (EtcdMemberArrayOutput) ElementType() reflect.Type { return reflect.TypeFor[[]EtcdMember]() }

func init() { pulumi.RegisterOutputType(EtcdMemberArrayOutput{}) }

// Index is one of the list; beyond its end, it is empty.
func (o EtcdMemberArrayOutput) Index(i pulumi.IntInput) EtcdMemberOutput {
	return index[EtcdMemberOutput, EtcdMember](o, i)
}

// FleetClusterArgs is the input of FleetCluster.
type FleetClusterArgs struct {
	// Whether a create takes over a cluster of this name that the hosts have already and whose bring-up has come to its end, and changes it to what is described here. Otherwise that is refused. A bring-up that failed is gone on with in any case. Default: `false`.
	Adopt pulumi.BoolPtrInput `pulumi:"adopt"`
	// age public keys, at least one: each of their identities alone can decrypt the cluster's CA keys. `trivet identity new` makes one.
	AgeRecipients pulumi.StringArrayInput `pulumi:"ageRecipients"`
	// Where the API server is reached, and by which names.
	Api *ApiArgs `pulumi:"api"`
	// How long certificates are good for, and when they are renewed.
	Certificates *CertificatesArgs `pulumi:"certificates"`
	// Settings of components. They are checked against the release. Changes restart what they touch, node by node.
	Components []ComponentArgs `pulumi:"components"`
	// Whether a plan that would destroy or replace the cluster is refused. To destroy it, set this to `false` and apply that first. Default: the fleet's.
	DeletionProtection pulumi.BoolPtrInput `pulumi:"deletionProtection"`
	// The cluster's name service.
	Dns *DnsArgs `pulumi:"dns"`
	// Settings of the etcd members, the same on all of them.
	Etcd *EtcdArgs `pulumi:"etcd"`
	// Commands that run on hosts before or after what Trivet does to them, in the order of their names. A command may run more than once for the same step, so it has to be idempotent; see [Hooks](https://github.com/trivet-dev/trivet/blob/main/docs/operations.md#hooks). By name.
	Hook map[string]HookArgs `pulumi:"hook"`
	// Images that every node has, pinned, before a workload wants them.
	Images pulumi.StringArrayInput `pulumi:"images"`
	// The Kubernetes release: `1.36.3` or `1.37.2`. Needed unless there is a `topology`. Another patch or the next minor release is an upgrade, node by node, as `upgrade` says; no minor release can be skipped.
	Kubernetes pulumi.StringInput `pulumi:"kubernetes"`
	// The digests of all programs, images and packages that hosts are given, as the text of a lock file. Left out, it is filled at the first apply, grows with what a change needs besides, and what differs from it is refused. Given, such as by the text of a file, it has to name everything, and anything else is refused.
	Lock pulumi.StringPtrInput `pulumi:"lock"`
	// Files of objects that the API shall have, such as `"manifests/*.yaml"`: patterns that start at the folder that Pulumi runs in. What is taken out is deleted.
	Manifests pulumi.StringArrayInput `pulumi:"manifests"`
	// The pod network.
	Network *NetworkArgs `pulumi:"network"`
	// The size of each node's part of `podCidr`. Cannot be changed later. Default: `24`.
	NodePrefix pulumi.IntPtrInput `pulumi:"nodePrefix"`
	// What a destroy does. `reset`: the hosts are given back as they were, and all that the cluster stored is lost. `forget`: the cluster goes on running, and Pulumi knows it no more. `onDestroy` of the provider goes before it. Default: the fleet's.
	OnDestroy pulumi.StringPtrInput `pulumi:"onDestroy"`
	// The range that pods get addresses from. Cannot be changed later. Default: `"10.128.0.0/12"`.
	PodCidr pulumi.StringPtrInput `pulumi:"podCidr"`
	// Which of its kind the cluster's authorities and keys shall be. The first is `1`; a number above the present one has the next apply replace it in stages. What is not named stays as it is.
	Rotation *RotationArgs `pulumi:"rotation"`
	// The range of Service addresses, `/12` to `/26`. Cannot be changed later. Default: `"10.96.0.0/16"`.
	ServiceCidr pulumi.StringPtrInput `pulumi:"serviceCidr"`
	// Names of the sites it lies over. A site belongs to one cluster. Default: all.
	Sites []string `pulumi:"sites"`
	// What a create, an update or a destroy does about hosts that do not answer. `fail`: it fails, before anything is changed. `forget`: it does without them; a later apply brings those up to date that answer again, and those that a destroy has left out must be installed anew. `unreachable` of the provider goes before it. Default: the fleet's.
	Unreachable pulumi.StringPtrInput `pulumi:"unreachable"`
	// How changes that take nodes away for a while go through the cluster: new releases, and settings of what runs on nodes. Control planes change one at a time, whatever this says.
	Upgrade *UpgradeArgs `pulumi:"upgrade"`
}

// ElementType implements pulumi.Input.
func (FleetClusterArgs) ElementType() reflect.Type { return reflect.TypeFor[FleetClusterArgs]() }

// FleetHostArgs is the input of FleetHost.
type FleetHostArgs struct {
	// Its IPv4 address, in the rack's `cidr` where that has one: the other hosts reach it there, and so does SSH unless `sshAddress` is set.
	Address pulumi.StringInput `pulumi:"address"`
	// Node annotations, over the rack's.
	Annotations pulumi.StringMapInput `pulumi:"annotations"`
	// The network interface for cluster traffic. Default: the one that carries the address.
	Interface pulumi.StringPtrInput `pulumi:"interface"`
	// Node labels, over the rack's.
	Labels pulumi.StringMapInput `pulumi:"labels"`
	// The port of sshd. Default: the site's, else the provider's.
	Port pulumi.IntPtrInput `pulumi:"port"`
	// The team or product that the machine belongs to. Becomes the node label `trivet.dev/product-line`.
	ProductLine pulumi.StringPtrInput `pulumi:"productLine"`
	// Any of `"etcd"`, `"control-plane"` and `"worker"`; `[]` keeps the machine as a spare that no cluster uses.
	Roles pulumi.StringArrayInput `pulumi:"roles"`
	// Where SSH reaches it, when that is not `address`. Default: `address`.
	SshAddress pulumi.StringPtrInput `pulumi:"sshAddress"`
	// Its pinned public key, `"ssh-ed25519 AAAA…"`. Default: from the provider's `knownHosts`.
	SshHostKey pulumi.StringPtrInput `pulumi:"sshHostKey"`
	// `true`: the machine is a part of the cluster only while its release changes. It comes when an upgrade begins, stands in for workers that are away meanwhile, and leaves when every host has changed. For workers. Default: `false`.
	Surge pulumi.BoolPtrInput `pulumi:"surge"`
	// A taint of the nodes, kept as it is written here. A host's taint replaces its rack's with the same key and effect.
	Taints []TaintArgs `pulumi:"taints"`
	// The user to log in as. Default: the site's, else the provider's.
	User pulumi.StringPtrInput `pulumi:"user"`
}

// ElementType implements pulumi.Input.
func (FleetHostArgs) ElementType() reflect.Type { return reflect.TypeFor[FleetHostArgs]() }

// FleetRackArgs is the input of FleetRack.
type FleetRackArgs struct {
	// Node annotations for all hosts of the rack.
	Annotations pulumi.StringMapInput `pulumi:"annotations"`
	// The subnet of the rack. An address of one of its hosts outside of it is a mistake; without it, addresses may be any. The lab needs it.
	Cidr pulumi.StringPtrInput `pulumi:"cidr"`
	// The machines of the rack, by a stable name, which is their identity and becomes the node's name.
	Hosts map[string]FleetHostArgs `pulumi:"hosts"`
	// Node labels for all hosts of the rack.
	Labels pulumi.StringMapInput `pulumi:"labels"`
	// A taint of the nodes, kept as it is written here. A host's taint replaces its rack's with the same key and effect.
	Taints []TaintArgs `pulumi:"taints"`
}

// ElementType implements pulumi.Input.
func (FleetRackArgs) ElementType() reflect.Type { return reflect.TypeFor[FleetRackArgs]() }

// FleetRegionArgs is the input of FleetRegion.
type FleetRegionArgs struct {
	// A data centre. Becomes the node label `topology.kubernetes.io/zone`. By name.
	Sites map[string]FleetSiteArgs `pulumi:"sites"`
}

// ElementType implements pulumi.Input.
func (FleetRegionArgs) ElementType() reflect.Type { return reflect.TypeFor[FleetRegionArgs]() }

// FleetRoomArgs is the input of FleetRoom.
type FleetRoomArgs struct {
	// One access switch: one subnet, at most 48 hosts. Becomes the node label `trivet.dev/rack`. By name.
	Racks map[string]FleetRackArgs `pulumi:"racks"`
}

// ElementType implements pulumi.Input.
func (FleetRoomArgs) ElementType() reflect.Type { return reflect.TypeFor[FleetRoomArgs]() }

// FleetSiteArgs is the input of FleetSite.
type FleetSiteArgs struct {
	// A jump host in front of the site. A chain of several needs `topology`.
	Bastion *BastionArgs `pulumi:"bastion"`
	// `"production"`, `"local-dr"`, `"remote-dr"` or `"arbiter"`. Default: `"production"`.
	Purpose pulumi.StringPtrInput `pulumi:"purpose"`
	// A machine room. Becomes the node label `trivet.dev/room`. By name.
	Rooms map[string]FleetRoomArgs `pulumi:"rooms"`
	// How its hosts are reached, where that differs from the provider's `ssh`.
	Ssh *SiteSshArgs `pulumi:"ssh"`
}

// ElementType implements pulumi.Input.
func (FleetSiteArgs) ElementType() reflect.Type { return reflect.TypeFor[FleetSiteArgs]() }

// HookArgs is the input of Hook.
type HookArgs struct {
	// The steps after which it runs. One that has not run, or failed, is owed: the next apply runs it, even when nothing else is left to do.
	After pulumi.StringArrayInput `pulumi:"after"`
	// The steps before which it runs: `"install"` (the host is set up), `"change"` (what was set up changes), `"upgrade"` (it changes while the cluster goes to another release), `"remove"` (the host is given back). A hook that fails keeps its host's step from beginning.
	Before pulumi.StringArrayInput `pulumi:"before"`
	// The path of a program on the host, and its arguments. It runs as root, without a shell; what it prints is shown.
	Command pulumi.StringArrayInput `pulumi:"command"`
	// Only hosts with one of these roles. Default: every host.
	Roles pulumi.StringArrayInput `pulumi:"roles"`
	// How long one run may take, at most `"24h"`. After it the program and all that it started in its process group are ended, and the hook has failed. Default: `"5m"`.
	Timeout pulumi.StringPtrInput `pulumi:"timeout"`
}

// ElementType implements pulumi.Input.
func (HookArgs) ElementType() reflect.Type { return reflect.TypeFor[HookArgs]() }

// Hook is a value that there is.
type Hook struct {
	// The steps after which it runs. One that has not run, or failed, is owed: the next apply runs it, even when nothing else is left to do.
	After []string `pulumi:"after"`
	// The steps before which it runs: `"install"` (the host is set up), `"change"` (what was set up changes), `"upgrade"` (it changes while the cluster goes to another release), `"remove"` (the host is given back). A hook that fails keeps its host's step from beginning.
	Before []string `pulumi:"before"`
	// The path of a program on the host, and its arguments. It runs as root, without a shell; what it prints is shown.
	Command []string `pulumi:"command"`
	// Only hosts with one of these roles. Default: every host.
	Roles []string `pulumi:"roles"`
	// How long one run may take, at most `"24h"`. After it the program and all that it started in its process group are ended, and the hook has failed. Default: `"5m"`.
	Timeout *string `pulumi:"timeout"`
}

// HookOutput is a Hook that may not be known yet.
type HookOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (HookOutput) ElementType() reflect.Type { return reflect.TypeFor[Hook]() }

func init() { pulumi.RegisterOutputType(HookOutput{}) }

// The steps before which it runs: `"install"` (the host is set up), `"change"` (what was set up changes), `"upgrade"` (it changes while the cluster goes to another release), `"remove"` (the host is given back). A hook that fails keeps its host's step from beginning.
func (o HookOutput) Before() pulumi.StringArrayOutput {
	return part[pulumi.StringArrayOutput](o, func(v Hook) []string { return v.Before })
}

// The steps after which it runs. One that has not run, or failed, is owed: the next apply runs it, even when nothing else is left to do.
func (o HookOutput) After() pulumi.StringArrayOutput {
	return part[pulumi.StringArrayOutput](o, func(v Hook) []string { return v.After })
}

// Only hosts with one of these roles. Default: every host.
func (o HookOutput) Roles() pulumi.StringArrayOutput {
	return part[pulumi.StringArrayOutput](o, func(v Hook) []string { return v.Roles })
}

// The path of a program on the host, and its arguments. It runs as root, without a shell; what it prints is shown.
func (o HookOutput) Command() pulumi.StringArrayOutput {
	return part[pulumi.StringArrayOutput](o, func(v Hook) []string { return v.Command })
}

// How long one run may take, at most `"24h"`. After it the program and all that it started in its process group are ended, and the hook has failed. Default: `"5m"`.
func (o HookOutput) Timeout() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Hook) *string { return v.Timeout })
}

// HookMapOutput is a map[string]Hook that may not be known yet.
type HookMapOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (HookMapOutput) ElementType() reflect.Type { return reflect.TypeFor[map[string]Hook]() }

func init() { pulumi.RegisterOutputType(HookMapOutput{}) }

// MapIndex is one of the map; where there is none of the name, it is empty.
func (o HookMapOutput) MapIndex(k pulumi.StringInput) HookOutput {
	return mapIndex[HookOutput, Hook](o, k)
}

// HostArgs is the input of Host.
type HostArgs struct {
	// Its IPv4 address, in the rack's `cidr` where that has one: the other hosts reach it there, and so does SSH unless `sshAddress` is set.
	Address pulumi.StringInput `pulumi:"address"`
	// Node annotations, over the rack's.
	Annotations pulumi.StringMapInput `pulumi:"annotations"`
	// The network interface for cluster traffic. Default: the one that carries the address.
	Interface pulumi.StringPtrInput `pulumi:"interface"`
	// Node labels, over the rack's.
	Labels pulumi.StringMapInput `pulumi:"labels"`
	// The port of sshd. Default: the site's, else the provider's.
	Port pulumi.IntPtrInput `pulumi:"port"`
	// The team or product that the machine belongs to. Becomes the node label `trivet.dev/product-line`.
	ProductLine pulumi.StringPtrInput `pulumi:"productLine"`
	// The rack that it stands in: one access switch, at most 48 hosts. Becomes the node label `trivet.dev/rack`. Default: `"a"`.
	Rack pulumi.StringPtrInput `pulumi:"rack"`
	// Any of `"etcd"`, `"control-plane"` and `"worker"`; `[]` keeps the machine as a spare that no cluster uses.
	Roles pulumi.StringArrayInput `pulumi:"roles"`
	// The machine room that it stands in. Becomes the node label `trivet.dev/room`. Default: `"1"`.
	Room pulumi.StringPtrInput `pulumi:"room"`
	// The site in `sites` that it stands in. Default: the only one.
	Site pulumi.StringPtrInput `pulumi:"site"`
	// Where SSH reaches it, when that is not `address`. Default: `address`.
	SshAddress pulumi.StringPtrInput `pulumi:"sshAddress"`
	// Its pinned public key, `"ssh-ed25519 AAAA…"`. Default: from the provider's `knownHosts`.
	SshHostKey pulumi.StringPtrInput `pulumi:"sshHostKey"`
	// `true`: the machine is a part of the cluster only while its release changes. It comes when an upgrade begins, stands in for workers that are away meanwhile, and leaves when every host has changed. For workers. Default: `false`.
	Surge pulumi.BoolPtrInput `pulumi:"surge"`
	// A taint of the nodes, kept as it is written here. A host's taint replaces its rack's with the same key and effect.
	Taints []TaintArgs `pulumi:"taints"`
	// The user to log in as. Default: the site's, else the provider's.
	User pulumi.StringPtrInput `pulumi:"user"`
}

// ElementType implements pulumi.Input.
func (HostArgs) ElementType() reflect.Type { return reflect.TypeFor[HostArgs]() }

// Host is a value that there is.
type Host struct {
	// Its IPv4 address, in the rack's `cidr` where that has one: the other hosts reach it there, and so does SSH unless `sshAddress` is set.
	Address string `pulumi:"address"`
	// Node annotations, over the rack's.
	Annotations map[string]string `pulumi:"annotations"`
	// The network interface for cluster traffic. Default: the one that carries the address.
	Interface *string `pulumi:"interface"`
	// Node labels, over the rack's.
	Labels map[string]string `pulumi:"labels"`
	// The port of sshd. Default: the site's, else the provider's.
	Port *int `pulumi:"port"`
	// The team or product that the machine belongs to. Becomes the node label `trivet.dev/product-line`.
	ProductLine *string `pulumi:"productLine"`
	// The rack that it stands in: one access switch, at most 48 hosts. Becomes the node label `trivet.dev/rack`. Default: `"a"`.
	Rack *string `pulumi:"rack"`
	// Any of `"etcd"`, `"control-plane"` and `"worker"`; `[]` keeps the machine as a spare that no cluster uses.
	Roles []string `pulumi:"roles"`
	// The machine room that it stands in. Becomes the node label `trivet.dev/room`. Default: `"1"`.
	Room *string `pulumi:"room"`
	// The site in `sites` that it stands in. Default: the only one.
	Site *string `pulumi:"site"`
	// Where SSH reaches it, when that is not `address`. Default: `address`.
	SshAddress *string `pulumi:"sshAddress"`
	// Its pinned public key, `"ssh-ed25519 AAAA…"`. Default: from the provider's `knownHosts`.
	SshHostKey *string `pulumi:"sshHostKey"`
	// `true`: the machine is a part of the cluster only while its release changes. It comes when an upgrade begins, stands in for workers that are away meanwhile, and leaves when every host has changed. For workers. Default: `false`.
	Surge *bool `pulumi:"surge"`
	// A taint of the nodes, kept as it is written here. A host's taint replaces its rack's with the same key and effect.
	Taints []Taint `pulumi:"taints"`
	// The user to log in as. Default: the site's, else the provider's.
	User *string `pulumi:"user"`
}

// HostOutput is a Host that may not be known yet.
type HostOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (HostOutput) ElementType() reflect.Type { return reflect.TypeFor[Host]() }

func init() { pulumi.RegisterOutputType(HostOutput{}) }

// Its IPv4 address, in the rack's `cidr` where that has one: the other hosts reach it there, and so does SSH unless `sshAddress` is set.
func (o HostOutput) Address() pulumi.StringOutput {
	return part[pulumi.StringOutput](o, func(v Host) string { return v.Address })
}

// Where SSH reaches it, when that is not `address`. Default: `address`.
func (o HostOutput) SshAddress() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Host) *string { return v.SshAddress })
}

// Its pinned public key, `"ssh-ed25519 AAAA…"`. Default: from the provider's `knownHosts`.
func (o HostOutput) SshHostKey() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Host) *string { return v.SshHostKey })
}

// Any of `"etcd"`, `"control-plane"` and `"worker"`; `[]` keeps the machine as a spare that no cluster uses.
func (o HostOutput) Roles() pulumi.StringArrayOutput {
	return part[pulumi.StringArrayOutput](o, func(v Host) []string { return v.Roles })
}

// The team or product that the machine belongs to. Becomes the node label `trivet.dev/product-line`.
func (o HostOutput) ProductLine() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Host) *string { return v.ProductLine })
}

// `true`: the machine is a part of the cluster only while its release changes. It comes when an upgrade begins, stands in for workers that are away meanwhile, and leaves when every host has changed. For workers. Default: `false`.
func (o HostOutput) Surge() pulumi.BoolPtrOutput {
	return part[pulumi.BoolPtrOutput](o, func(v Host) *bool { return v.Surge })
}

// The network interface for cluster traffic. Default: the one that carries the address.
func (o HostOutput) Interface() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Host) *string { return v.Interface })
}

// The port of sshd. Default: the site's, else the provider's.
func (o HostOutput) Port() pulumi.IntPtrOutput {
	return part[pulumi.IntPtrOutput](o, func(v Host) *int { return v.Port })
}

// The user to log in as. Default: the site's, else the provider's.
func (o HostOutput) User() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Host) *string { return v.User })
}

// Node labels, over the rack's.
func (o HostOutput) Labels() pulumi.StringMapOutput {
	return part[pulumi.StringMapOutput](o, func(v Host) map[string]string { return v.Labels })
}

// Node annotations, over the rack's.
func (o HostOutput) Annotations() pulumi.StringMapOutput {
	return part[pulumi.StringMapOutput](o, func(v Host) map[string]string { return v.Annotations })
}

// A taint of the nodes, kept as it is written here. A host's taint replaces its rack's with the same key and effect.
func (o HostOutput) Taints() TaintArrayOutput {
	return part[TaintArrayOutput](o, func(v Host) []Taint { return v.Taints })
}

// The site in `sites` that it stands in. Default: the only one.
func (o HostOutput) Site() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Host) *string { return v.Site })
}

// The machine room that it stands in. Becomes the node label `trivet.dev/room`. Default: `"1"`.
func (o HostOutput) Room() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Host) *string { return v.Room })
}

// The rack that it stands in: one access switch, at most 48 hosts. Becomes the node label `trivet.dev/rack`. Default: `"a"`.
func (o HostOutput) Rack() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Host) *string { return v.Rack })
}

// HostMapOutput is a map[string]Host that may not be known yet.
type HostMapOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (HostMapOutput) ElementType() reflect.Type { return reflect.TypeFor[map[string]Host]() }

func init() { pulumi.RegisterOutputType(HostMapOutput{}) }

// MapIndex is one of the map; where there is none of the name, it is empty.
func (o HostMapOutput) MapIndex(k pulumi.StringInput) HostOutput {
	return mapIndex[HostOutput, Host](o, k)
}

// HostStatus is a value that there is.
type HostStatus struct {
	// Its address in the cluster.
	Address string `pulumi:"address"`
	// When its first certificate ends, RFC 3339.
	CertificatesEnd *string `pulumi:"certificatesEnd"`
	// Whether its node takes no new pods.
	Cordoned bool `pulumi:"cordoned"`
	// What is not on the host as it was put there.
	Drift []string `pulumi:"drift"`
	// Why it could not be read; null where it answered.
	Error *string `pulumi:"error"`
	// What the API says of its node: `Ready`, or why not; null where it is no node, or the API does not answer.
	Node *string `pulumi:"node"`
	// The region of the site.
	Region string `pulumi:"region"`
	// The roles it plays.
	Roles []string `pulumi:"roles"`
	// The site that it stands in.
	Site string `pulumi:"site"`
}

// HostStatusOutput is a HostStatus that may not be known yet.
type HostStatusOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (HostStatusOutput) ElementType() reflect.Type { return reflect.TypeFor[HostStatus]() }

func init() { pulumi.RegisterOutputType(HostStatusOutput{}) }

// The site that it stands in.
func (o HostStatusOutput) Site() pulumi.StringOutput {
	return part[pulumi.StringOutput](o, func(v HostStatus) string { return v.Site })
}

// The region of the site.
func (o HostStatusOutput) Region() pulumi.StringOutput {
	return part[pulumi.StringOutput](o, func(v HostStatus) string { return v.Region })
}

// Its address in the cluster.
func (o HostStatusOutput) Address() pulumi.StringOutput {
	return part[pulumi.StringOutput](o, func(v HostStatus) string { return v.Address })
}

// The roles it plays.
func (o HostStatusOutput) Roles() pulumi.StringArrayOutput {
	return part[pulumi.StringArrayOutput](o, func(v HostStatus) []string { return v.Roles })
}

// Why it could not be read; null where it answered.
func (o HostStatusOutput) Error() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v HostStatus) *string { return v.Error })
}

// What the API says of its node: `Ready`, or why not; null where it is no node, or the API does not answer.
func (o HostStatusOutput) Node() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v HostStatus) *string { return v.Node })
}

// Whether its node takes no new pods.
func (o HostStatusOutput) Cordoned() pulumi.BoolOutput {
	return part[pulumi.BoolOutput](o, func(v HostStatus) bool { return v.Cordoned })
}

// What is not on the host as it was put there.
func (o HostStatusOutput) Drift() pulumi.StringArrayOutput {
	return part[pulumi.StringArrayOutput](o, func(v HostStatus) []string { return v.Drift })
}

// When its first certificate ends, RFC 3339.
func (o HostStatusOutput) CertificatesEnd() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v HostStatus) *string { return v.CertificatesEnd })
}

// HostStatusMapOutput is a map[string]HostStatus that may not be known yet.
type HostStatusMapOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (HostStatusMapOutput) ElementType() reflect.Type {
	return reflect.TypeFor[map[string]HostStatus]()
}

func init() { pulumi.RegisterOutputType(HostStatusMapOutput{}) }

// MapIndex is one of the map; where there is none of the name, it is empty.
func (o HostStatusMapOutput) MapIndex(k pulumi.StringInput) HostStatusOutput {
	return mapIndex[HostStatusOutput, HostStatus](o, k)
}

// ManifestObject is a value that there is.
type ManifestObject struct {
	// A digest of the manifest that was applied. The values of a Secret are not in it: what differs there is found as drift.
	Configuration *string `pulumi:"configuration"`
	// How the object in the API differs from its manifest. The next apply mends it.
	Drift []string `pulumi:"drift"`
}

// ManifestObjectOutput is a ManifestObject that may not be known yet.
type ManifestObjectOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (ManifestObjectOutput) ElementType() reflect.Type { return reflect.TypeFor[ManifestObject]() }

func init() { pulumi.RegisterOutputType(ManifestObjectOutput{}) }

// A digest of the manifest that was applied. The values of a Secret are not in it: what differs there is found as drift.
func (o ManifestObjectOutput) Configuration() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v ManifestObject) *string { return v.Configuration })
}

// How the object in the API differs from its manifest. The next apply mends it.
func (o ManifestObjectOutput) Drift() pulumi.StringArrayOutput {
	return part[pulumi.StringArrayOutput](o, func(v ManifestObject) []string { return v.Drift })
}

// ManifestObjectMapOutput is a map[string]ManifestObject that may not be known yet.
type ManifestObjectMapOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (ManifestObjectMapOutput) ElementType() reflect.Type {
	return reflect.TypeFor[map[string]ManifestObject]()
}

func init() { pulumi.RegisterOutputType(ManifestObjectMapOutput{}) }

// MapIndex is one of the map; where there is none of the name, it is empty.
func (o ManifestObjectMapOutput) MapIndex(k pulumi.StringInput) ManifestObjectOutput {
	return mapIndex[ManifestObjectOutput, ManifestObject](o, k)
}

// NetworkArgs is the input of Network.
type NetworkArgs struct {
	// The MTU of pods, 576 to 9216. Default: from the interface.
	Mtu pulumi.IntPtrInput `pulumi:"mtu"`
	// `"flannel"` (VXLAN) or `"bridge"` (routes, no encapsulation). Default: `"flannel"`.
	Plugin pulumi.StringPtrInput `pulumi:"plugin"`
	// kube-proxy's mode: `"nftables"` or `"iptables"`. Default: `"nftables"`.
	ProxyMode pulumi.StringPtrInput `pulumi:"proxyMode"`
	// Bridge only. `"static"`: Trivet sets routes on hosts, which must stand in one rack. `"external"`: your routers carry them; the plan prints the table. Default: `"static"`.
	Routes pulumi.StringPtrInput `pulumi:"routes"`
}

// ElementType implements pulumi.Input.
func (NetworkArgs) ElementType() reflect.Type { return reflect.TypeFor[NetworkArgs]() }

// Network is a value that there is.
type Network struct {
	// The MTU of pods, 576 to 9216. Default: from the interface.
	Mtu *int `pulumi:"mtu"`
	// `"flannel"` (VXLAN) or `"bridge"` (routes, no encapsulation). Default: `"flannel"`.
	Plugin *string `pulumi:"plugin"`
	// kube-proxy's mode: `"nftables"` or `"iptables"`. Default: `"nftables"`.
	ProxyMode *string `pulumi:"proxyMode"`
	// Bridge only. `"static"`: Trivet sets routes on hosts, which must stand in one rack. `"external"`: your routers carry them; the plan prints the table. Default: `"static"`.
	Routes *string `pulumi:"routes"`
}

// NetworkOutput is a Network that may not be known yet.
type NetworkOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (NetworkOutput) ElementType() reflect.Type { return reflect.TypeFor[Network]() }

func init() { pulumi.RegisterOutputType(NetworkOutput{}) }

// `"flannel"` (VXLAN) or `"bridge"` (routes, no encapsulation). Default: `"flannel"`.
func (o NetworkOutput) Plugin() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Network) *string { return v.Plugin })
}

// The MTU of pods, 576 to 9216. Default: from the interface.
func (o NetworkOutput) Mtu() pulumi.IntPtrOutput {
	return part[pulumi.IntPtrOutput](o, func(v Network) *int { return v.Mtu })
}

// Bridge only. `"static"`: Trivet sets routes on hosts, which must stand in one rack. `"external"`: your routers carry them; the plan prints the table. Default: `"static"`.
func (o NetworkOutput) Routes() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Network) *string { return v.Routes })
}

// kube-proxy's mode: `"nftables"` or `"iptables"`. Default: `"nftables"`.
func (o NetworkOutput) ProxyMode() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Network) *string { return v.ProxyMode })
}

// NetworkPtrOutput is a *Network that may not be known yet.
type NetworkPtrOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (NetworkPtrOutput) ElementType() reflect.Type { return reflect.TypeFor[*Network]() }

func init() { pulumi.RegisterOutputType(NetworkPtrOutput{}) }

// Elem is what is there; where nothing is, it is empty.
func (o NetworkPtrOutput) Elem() NetworkOutput { return elem[NetworkOutput, Network](o) }

// `"flannel"` (VXLAN) or `"bridge"` (routes, no encapsulation). Default: `"flannel"`.
func (o NetworkPtrOutput) Plugin() pulumi.StringPtrOutput {
	return partOfPtr[pulumi.StringPtrOutput](o, func(v *Network) *string { return v.Plugin })
}

// The MTU of pods, 576 to 9216. Default: from the interface.
func (o NetworkPtrOutput) Mtu() pulumi.IntPtrOutput {
	return partOfPtr[pulumi.IntPtrOutput](o, func(v *Network) *int { return v.Mtu })
}

// Bridge only. `"static"`: Trivet sets routes on hosts, which must stand in one rack. `"external"`: your routers carry them; the plan prints the table. Default: `"static"`.
func (o NetworkPtrOutput) Routes() pulumi.StringPtrOutput {
	return partOfPtr[pulumi.StringPtrOutput](o, func(v *Network) *string { return v.Routes })
}

// kube-proxy's mode: `"nftables"` or `"iptables"`. Default: `"nftables"`.
func (o NetworkPtrOutput) ProxyMode() pulumi.StringPtrOutput {
	return partOfPtr[pulumi.StringPtrOutput](o, func(v *Network) *string { return v.ProxyMode })
}

// Node is a value that there is.
type Node struct {
	// The address in the cluster.
	Address string `pulumi:"address"`
	// A digest of all that this host's setup follows from in the configuration: where it changes, the apply changes that host.
	Configuration *string `pulumi:"configuration"`
	// What the last refresh found otherwise than it was put there: files, units, settings, the Node. The next apply mends it.
	Drift []string `pulumi:"drift"`
	// The Kubernetes release that it runs. Unknown while an upgrade is half done.
	Kubernetes *string `pulumi:"kubernetes"`
	// The machine id of its installation. It tells a machine that was installed anew, or put in another one's place, from the one before.
	MachineId *string `pulumi:"machineId"`
	// The roles it plays.
	Roles []string `pulumi:"roles"`
	// The public key of its sshd, where it is known.
	SshHostKey *string `pulumi:"sshHostKey"`
}

// NodeOutput is a Node that may not be known yet.
type NodeOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (NodeOutput) ElementType() reflect.Type { return reflect.TypeFor[Node]() }

func init() { pulumi.RegisterOutputType(NodeOutput{}) }

// The address in the cluster.
func (o NodeOutput) Address() pulumi.StringOutput {
	return part[pulumi.StringOutput](o, func(v Node) string { return v.Address })
}

// The roles it plays.
func (o NodeOutput) Roles() pulumi.StringArrayOutput {
	return part[pulumi.StringArrayOutput](o, func(v Node) []string { return v.Roles })
}

// The Kubernetes release that it runs. Unknown while an upgrade is half done.
func (o NodeOutput) Kubernetes() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Node) *string { return v.Kubernetes })
}

// A digest of all that this host's setup follows from in the configuration: where it changes, the apply changes that host.
func (o NodeOutput) Configuration() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Node) *string { return v.Configuration })
}

// What the last refresh found otherwise than it was put there: files, units, settings, the Node. The next apply mends it.
func (o NodeOutput) Drift() pulumi.StringArrayOutput {
	return part[pulumi.StringArrayOutput](o, func(v Node) []string { return v.Drift })
}

// The machine id of its installation. It tells a machine that was installed anew, or put in another one's place, from the one before.
func (o NodeOutput) MachineId() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Node) *string { return v.MachineId })
}

// The public key of its sshd, where it is known.
func (o NodeOutput) SshHostKey() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Node) *string { return v.SshHostKey })
}

// NodeMapOutput is a map[string]Node that may not be known yet.
type NodeMapOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (NodeMapOutput) ElementType() reflect.Type { return reflect.TypeFor[map[string]Node]() }

func init() { pulumi.RegisterOutputType(NodeMapOutput{}) }

// MapIndex is one of the map; where there is none of the name, it is empty.
func (o NodeMapOutput) MapIndex(k pulumi.StringInput) NodeOutput {
	return mapIndex[NodeOutput, Node](o, k)
}

// RackArgs is the input of Rack.
type RackArgs struct {
	// Node annotations for all hosts of the rack.
	Annotations pulumi.StringMapInput `pulumi:"annotations"`
	// The subnet of the rack. An address of one of its hosts outside of it is a mistake; without it, addresses may be any. The lab needs it.
	Cidr pulumi.StringPtrInput `pulumi:"cidr"`
	// Node labels for all hosts of the rack.
	Labels pulumi.StringMapInput `pulumi:"labels"`
	// A taint of the nodes, kept as it is written here. A host's taint replaces its rack's with the same key and effect.
	Taints []TaintArgs `pulumi:"taints"`
}

// ElementType implements pulumi.Input.
func (RackArgs) ElementType() reflect.Type { return reflect.TypeFor[RackArgs]() }

// Rack is a value that there is.
type Rack struct {
	// Node annotations for all hosts of the rack.
	Annotations map[string]string `pulumi:"annotations"`
	// The subnet of the rack. An address of one of its hosts outside of it is a mistake; without it, addresses may be any. The lab needs it.
	Cidr *string `pulumi:"cidr"`
	// Node labels for all hosts of the rack.
	Labels map[string]string `pulumi:"labels"`
	// A taint of the nodes, kept as it is written here. A host's taint replaces its rack's with the same key and effect.
	Taints []Taint `pulumi:"taints"`
}

// RackOutput is a Rack that may not be known yet.
type RackOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (RackOutput) ElementType() reflect.Type { return reflect.TypeFor[Rack]() }

func init() { pulumi.RegisterOutputType(RackOutput{}) }

// The subnet of the rack. An address of one of its hosts outside of it is a mistake; without it, addresses may be any. The lab needs it.
func (o RackOutput) Cidr() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Rack) *string { return v.Cidr })
}

// Node labels for all hosts of the rack.
func (o RackOutput) Labels() pulumi.StringMapOutput {
	return part[pulumi.StringMapOutput](o, func(v Rack) map[string]string { return v.Labels })
}

// Node annotations for all hosts of the rack.
func (o RackOutput) Annotations() pulumi.StringMapOutput {
	return part[pulumi.StringMapOutput](o, func(v Rack) map[string]string { return v.Annotations })
}

// A taint of the nodes, kept as it is written here. A host's taint replaces its rack's with the same key and effect.
func (o RackOutput) Taints() TaintArrayOutput {
	return part[TaintArrayOutput](o, func(v Rack) []Taint { return v.Taints })
}

// RackMapOutput is a map[string]Rack that may not be known yet.
type RackMapOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (RackMapOutput) ElementType() reflect.Type { return reflect.TypeFor[map[string]Rack]() }

func init() { pulumi.RegisterOutputType(RackMapOutput{}) }

// MapIndex is one of the map; where there is none of the name, it is empty.
func (o RackMapOutput) MapIndex(k pulumi.StringInput) RackOutput {
	return mapIndex[RackOutput, Rack](o, k)
}

// RotationArgs is the input of Rotation.
type RotationArgs struct {
	// The key under which Secrets and ConfigMaps are stored; a new one has all of them stored again. Default: as it is.
	EncryptionKey pulumi.IntPtrInput `pulumi:"encryptionKey"`
	// The authority of etcd's members and their clients. Default: as it is.
	EtcdCa pulumi.IntPtrInput `pulumi:"etcdCa"`
	// The authority by which extension API servers know the API server. Default: as it is.
	FrontProxyCa pulumi.IntPtrInput `pulumi:"frontProxyCa"`
	// The authority of Kubernetes' components. Default: as it is.
	KubernetesCa pulumi.IntPtrInput `pulumi:"kubernetesCa"`
	// The authority that signs certificate requests in the API. Default: as it is.
	OnlineCa pulumi.IntPtrInput `pulumi:"onlineCa"`
	// How long what was handed out (kubeconfigs, tokens, the authorities that pods have read) is given to be replaced before a stage that ends its use. `"0s"` does not wait. Default: `"24h"`.
	Rest pulumi.StringPtrInput `pulumi:"rest"`
	// The key that signs the tokens of service accounts. Default: as it is.
	ServiceAccountKey pulumi.IntPtrInput `pulumi:"serviceAccountKey"`
}

// ElementType implements pulumi.Input.
func (RotationArgs) ElementType() reflect.Type { return reflect.TypeFor[RotationArgs]() }

// Rotation is a value that there is.
type Rotation struct {
	// The key under which Secrets and ConfigMaps are stored; a new one has all of them stored again. Default: as it is.
	EncryptionKey *int `pulumi:"encryptionKey"`
	// The authority of etcd's members and their clients. Default: as it is.
	EtcdCa *int `pulumi:"etcdCa"`
	// The authority by which extension API servers know the API server. Default: as it is.
	FrontProxyCa *int `pulumi:"frontProxyCa"`
	// The authority of Kubernetes' components. Default: as it is.
	KubernetesCa *int `pulumi:"kubernetesCa"`
	// The authority that signs certificate requests in the API. Default: as it is.
	OnlineCa *int `pulumi:"onlineCa"`
	// How long what was handed out (kubeconfigs, tokens, the authorities that pods have read) is given to be replaced before a stage that ends its use. `"0s"` does not wait. Default: `"24h"`.
	Rest *string `pulumi:"rest"`
	// The key that signs the tokens of service accounts. Default: as it is.
	ServiceAccountKey *int `pulumi:"serviceAccountKey"`
}

// RotationOutput is a Rotation that may not be known yet.
type RotationOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (RotationOutput) ElementType() reflect.Type { return reflect.TypeFor[Rotation]() }

func init() { pulumi.RegisterOutputType(RotationOutput{}) }

// The authority of etcd's members and their clients. Default: as it is.
func (o RotationOutput) EtcdCa() pulumi.IntPtrOutput {
	return part[pulumi.IntPtrOutput](o, func(v Rotation) *int { return v.EtcdCa })
}

// The authority of Kubernetes' components. Default: as it is.
func (o RotationOutput) KubernetesCa() pulumi.IntPtrOutput {
	return part[pulumi.IntPtrOutput](o, func(v Rotation) *int { return v.KubernetesCa })
}

// The authority by which extension API servers know the API server. Default: as it is.
func (o RotationOutput) FrontProxyCa() pulumi.IntPtrOutput {
	return part[pulumi.IntPtrOutput](o, func(v Rotation) *int { return v.FrontProxyCa })
}

// The authority that signs certificate requests in the API. Default: as it is.
func (o RotationOutput) OnlineCa() pulumi.IntPtrOutput {
	return part[pulumi.IntPtrOutput](o, func(v Rotation) *int { return v.OnlineCa })
}

// The key that signs the tokens of service accounts. Default: as it is.
func (o RotationOutput) ServiceAccountKey() pulumi.IntPtrOutput {
	return part[pulumi.IntPtrOutput](o, func(v Rotation) *int { return v.ServiceAccountKey })
}

// The key under which Secrets and ConfigMaps are stored; a new one has all of them stored again. Default: as it is.
func (o RotationOutput) EncryptionKey() pulumi.IntPtrOutput {
	return part[pulumi.IntPtrOutput](o, func(v Rotation) *int { return v.EncryptionKey })
}

// How long what was handed out (kubeconfigs, tokens, the authorities that pods have read) is given to be replaced before a stage that ends its use. `"0s"` does not wait. Default: `"24h"`.
func (o RotationOutput) Rest() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Rotation) *string { return v.Rest })
}

// RotationPtrOutput is a *Rotation that may not be known yet.
type RotationPtrOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (RotationPtrOutput) ElementType() reflect.Type { return reflect.TypeFor[*Rotation]() }

func init() { pulumi.RegisterOutputType(RotationPtrOutput{}) }

// Elem is what is there; where nothing is, it is empty.
func (o RotationPtrOutput) Elem() RotationOutput { return elem[RotationOutput, Rotation](o) }

// The authority of etcd's members and their clients. Default: as it is.
func (o RotationPtrOutput) EtcdCa() pulumi.IntPtrOutput {
	return partOfPtr[pulumi.IntPtrOutput](o, func(v *Rotation) *int { return v.EtcdCa })
}

// The authority of Kubernetes' components. Default: as it is.
func (o RotationPtrOutput) KubernetesCa() pulumi.IntPtrOutput {
	return partOfPtr[pulumi.IntPtrOutput](o, func(v *Rotation) *int { return v.KubernetesCa })
}

// The authority by which extension API servers know the API server. Default: as it is.
func (o RotationPtrOutput) FrontProxyCa() pulumi.IntPtrOutput {
	return partOfPtr[pulumi.IntPtrOutput](o, func(v *Rotation) *int { return v.FrontProxyCa })
}

// The authority that signs certificate requests in the API. Default: as it is.
func (o RotationPtrOutput) OnlineCa() pulumi.IntPtrOutput {
	return partOfPtr[pulumi.IntPtrOutput](o, func(v *Rotation) *int { return v.OnlineCa })
}

// The key that signs the tokens of service accounts. Default: as it is.
func (o RotationPtrOutput) ServiceAccountKey() pulumi.IntPtrOutput {
	return partOfPtr[pulumi.IntPtrOutput](o, func(v *Rotation) *int { return v.ServiceAccountKey })
}

// The key under which Secrets and ConfigMaps are stored; a new one has all of them stored again. Default: as it is.
func (o RotationPtrOutput) EncryptionKey() pulumi.IntPtrOutput {
	return partOfPtr[pulumi.IntPtrOutput](o, func(v *Rotation) *int { return v.EncryptionKey })
}

// How long what was handed out (kubeconfigs, tokens, the authorities that pods have read) is given to be replaced before a stage that ends its use. `"0s"` does not wait. Default: `"24h"`.
func (o RotationPtrOutput) Rest() pulumi.StringPtrOutput {
	return partOfPtr[pulumi.StringPtrOutput](o, func(v *Rotation) *string { return v.Rest })
}

// SiteArgs is the input of Site.
type SiteArgs struct {
	// A jump host in front of the site. A chain of several needs `topology`.
	Bastion *BastionArgs `pulumi:"bastion"`
	// `"production"`, `"local-dr"`, `"remote-dr"` or `"arbiter"`. Default: `"production"`.
	Purpose pulumi.StringPtrInput `pulumi:"purpose"`
	// The region that it is in. A geographic area whose loss is one disaster. Becomes the node label `topology.kubernetes.io/region`.
	Region pulumi.StringInput `pulumi:"region"`
	// How its hosts are reached, where that differs from the provider's `ssh`.
	Ssh *SiteSshArgs `pulumi:"ssh"`
}

// ElementType implements pulumi.Input.
func (SiteArgs) ElementType() reflect.Type { return reflect.TypeFor[SiteArgs]() }

// Site is a value that there is.
type Site struct {
	// A jump host in front of the site. A chain of several needs `topology`.
	Bastion *Bastion `pulumi:"bastion"`
	// `"production"`, `"local-dr"`, `"remote-dr"` or `"arbiter"`. Default: `"production"`.
	Purpose *string `pulumi:"purpose"`
	// The region that it is in. A geographic area whose loss is one disaster. Becomes the node label `topology.kubernetes.io/region`.
	Region string `pulumi:"region"`
	// How its hosts are reached, where that differs from the provider's `ssh`.
	Ssh *SiteSsh `pulumi:"ssh"`
}

// SiteOutput is a Site that may not be known yet.
type SiteOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (SiteOutput) ElementType() reflect.Type { return reflect.TypeFor[Site]() }

func init() { pulumi.RegisterOutputType(SiteOutput{}) }

// `"production"`, `"local-dr"`, `"remote-dr"` or `"arbiter"`. Default: `"production"`.
func (o SiteOutput) Purpose() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Site) *string { return v.Purpose })
}

// The region that it is in. A geographic area whose loss is one disaster. Becomes the node label `topology.kubernetes.io/region`.
func (o SiteOutput) Region() pulumi.StringOutput {
	return part[pulumi.StringOutput](o, func(v Site) string { return v.Region })
}

// How its hosts are reached, where that differs from the provider's `ssh`.
func (o SiteOutput) Ssh() SiteSshPtrOutput {
	return part[SiteSshPtrOutput](o, func(v Site) *SiteSsh { return v.Ssh })
}

// A jump host in front of the site. A chain of several needs `topology`.
func (o SiteOutput) Bastion() BastionPtrOutput {
	return part[BastionPtrOutput](o, func(v Site) *Bastion { return v.Bastion })
}

// SiteMapOutput is a map[string]Site that may not be known yet.
type SiteMapOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (SiteMapOutput) ElementType() reflect.Type { return reflect.TypeFor[map[string]Site]() }

func init() { pulumi.RegisterOutputType(SiteMapOutput{}) }

// MapIndex is one of the map; where there is none of the name, it is empty.
func (o SiteMapOutput) MapIndex(k pulumi.StringInput) SiteOutput {
	return mapIndex[SiteOutput, Site](o, k)
}

// SiteResult is a value that there is.
type SiteResult struct {
	// The cluster that it belongs to.
	Cluster string `pulumi:"cluster"`
	// The addresses of its hosts, by name.
	Hosts map[string]string `pulumi:"hosts"`
	// What it is for.
	Purpose *string `pulumi:"purpose"`
	// The region that it is in.
	Region string `pulumi:"region"`
}

// SiteResultOutput is a SiteResult that may not be known yet.
type SiteResultOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (SiteResultOutput) ElementType() reflect.Type { return reflect.TypeFor[SiteResult]() }

func init() { pulumi.RegisterOutputType(SiteResultOutput{}) }

// The region that it is in.
func (o SiteResultOutput) Region() pulumi.StringOutput {
	return part[pulumi.StringOutput](o, func(v SiteResult) string { return v.Region })
}

// What it is for.
func (o SiteResultOutput) Purpose() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v SiteResult) *string { return v.Purpose })
}

// The cluster that it belongs to.
func (o SiteResultOutput) Cluster() pulumi.StringOutput {
	return part[pulumi.StringOutput](o, func(v SiteResult) string { return v.Cluster })
}

// The addresses of its hosts, by name.
func (o SiteResultOutput) Hosts() pulumi.StringMapOutput {
	return part[pulumi.StringMapOutput](o, func(v SiteResult) map[string]string { return v.Hosts })
}

// SiteResultMapOutput is a map[string]SiteResult that may not be known yet.
type SiteResultMapOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (SiteResultMapOutput) ElementType() reflect.Type {
	return reflect.TypeFor[map[string]SiteResult]()
}

func init() { pulumi.RegisterOutputType(SiteResultMapOutput{}) }

// MapIndex is one of the map; where there is none of the name, it is empty.
func (o SiteResultMapOutput) MapIndex(k pulumi.StringInput) SiteResultOutput {
	return mapIndex[SiteResultOutput, SiteResult](o, k)
}

// SiteSshArgs is the input of SiteSsh.
type SiteSshArgs struct {
	// How long to wait for a connection. Default: `"15s"`.
	ConnectTimeout pulumi.StringPtrInput `pulumi:"connectTimeout"`
	// How often an idle connection is probed. Default: `"10s"`.
	Keepalive pulumi.StringPtrInput `pulumi:"keepalive"`
	// The port of sshd. Default: the provider's.
	Port pulumi.IntPtrInput `pulumi:"port"`
	// The user to log in as; needs sudo unless it is root. Default: the provider's.
	User pulumi.StringPtrInput `pulumi:"user"`
}

// ElementType implements pulumi.Input.
func (SiteSshArgs) ElementType() reflect.Type { return reflect.TypeFor[SiteSshArgs]() }

// SiteSsh is a value that there is.
type SiteSsh struct {
	// How long to wait for a connection. Default: `"15s"`.
	ConnectTimeout *string `pulumi:"connectTimeout"`
	// How often an idle connection is probed. Default: `"10s"`.
	Keepalive *string `pulumi:"keepalive"`
	// The port of sshd. Default: the provider's.
	Port *int `pulumi:"port"`
	// The user to log in as; needs sudo unless it is root. Default: the provider's.
	User *string `pulumi:"user"`
}

// SiteSshOutput is a SiteSsh that may not be known yet.
type SiteSshOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (SiteSshOutput) ElementType() reflect.Type { return reflect.TypeFor[SiteSsh]() }

func init() { pulumi.RegisterOutputType(SiteSshOutput{}) }

// The user to log in as; needs sudo unless it is root. Default: the provider's.
func (o SiteSshOutput) User() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v SiteSsh) *string { return v.User })
}

// The port of sshd. Default: the provider's.
func (o SiteSshOutput) Port() pulumi.IntPtrOutput {
	return part[pulumi.IntPtrOutput](o, func(v SiteSsh) *int { return v.Port })
}

// How long to wait for a connection. Default: `"15s"`.
func (o SiteSshOutput) ConnectTimeout() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v SiteSsh) *string { return v.ConnectTimeout })
}

// How often an idle connection is probed. Default: `"10s"`.
func (o SiteSshOutput) Keepalive() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v SiteSsh) *string { return v.Keepalive })
}

// SiteSshPtrOutput is a *SiteSsh that may not be known yet.
type SiteSshPtrOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (SiteSshPtrOutput) ElementType() reflect.Type { return reflect.TypeFor[*SiteSsh]() }

func init() { pulumi.RegisterOutputType(SiteSshPtrOutput{}) }

// Elem is what is there; where nothing is, it is empty.
func (o SiteSshPtrOutput) Elem() SiteSshOutput { return elem[SiteSshOutput, SiteSsh](o) }

// The user to log in as; needs sudo unless it is root. Default: the provider's.
func (o SiteSshPtrOutput) User() pulumi.StringPtrOutput {
	return partOfPtr[pulumi.StringPtrOutput](o, func(v *SiteSsh) *string { return v.User })
}

// The port of sshd. Default: the provider's.
func (o SiteSshPtrOutput) Port() pulumi.IntPtrOutput {
	return partOfPtr[pulumi.IntPtrOutput](o, func(v *SiteSsh) *int { return v.Port })
}

// How long to wait for a connection. Default: `"15s"`.
func (o SiteSshPtrOutput) ConnectTimeout() pulumi.StringPtrOutput {
	return partOfPtr[pulumi.StringPtrOutput](o, func(v *SiteSsh) *string { return v.ConnectTimeout })
}

// How often an idle connection is probed. Default: `"10s"`.
func (o SiteSshPtrOutput) Keepalive() pulumi.StringPtrOutput {
	return partOfPtr[pulumi.StringPtrOutput](o, func(v *SiteSsh) *string { return v.Keepalive })
}

// SnapshotsArgs is the input of Snapshots.
type SnapshotsArgs struct {
	// How many other sites get each snapshot, those of other regions first. `0`: it stays on the member's host. Default: `1`.
	Copies pulumi.IntPtrInput `pulumi:"copies"`
	// With `false` none are taken or copied for now; those that are there stay. Default: `true`.
	Enabled pulumi.BoolPtrInput `pulumi:"enabled"`
	// How many of each member are kept on a host at most. Default: `8`.
	Keep pulumi.IntPtrInput `pulumi:"keep"`
	// How long a snapshot is kept at most. The newest good one of a host stays, however old it is. Default: `"7d"`.
	KeepFor pulumi.StringPtrInput `pulumi:"keepFor"`
	// When, as a calendar expression of systemd in UTC: `"hourly"`, `"daily"`, `"Mon..Fri 03:00"`. Default: `"*-*-* 00/6:00:00"`.
	Schedule pulumi.StringPtrInput `pulumi:"schedule"`
}

// ElementType implements pulumi.Input.
func (SnapshotsArgs) ElementType() reflect.Type { return reflect.TypeFor[SnapshotsArgs]() }

// Snapshots is a value that there is.
type Snapshots struct {
	// How many other sites get each snapshot, those of other regions first. `0`: it stays on the member's host. Default: `1`.
	Copies *int `pulumi:"copies"`
	// With `false` none are taken or copied for now; those that are there stay. Default: `true`.
	Enabled *bool `pulumi:"enabled"`
	// How many of each member are kept on a host at most. Default: `8`.
	Keep *int `pulumi:"keep"`
	// How long a snapshot is kept at most. The newest good one of a host stays, however old it is. Default: `"7d"`.
	KeepFor *string `pulumi:"keepFor"`
	// When, as a calendar expression of systemd in UTC: `"hourly"`, `"daily"`, `"Mon..Fri 03:00"`. Default: `"*-*-* 00/6:00:00"`.
	Schedule *string `pulumi:"schedule"`
}

// SnapshotsOutput is a Snapshots that may not be known yet.
type SnapshotsOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (SnapshotsOutput) ElementType() reflect.Type { return reflect.TypeFor[Snapshots]() }

func init() { pulumi.RegisterOutputType(SnapshotsOutput{}) }

// With `false` none are taken or copied for now; those that are there stay. Default: `true`.
func (o SnapshotsOutput) Enabled() pulumi.BoolPtrOutput {
	return part[pulumi.BoolPtrOutput](o, func(v Snapshots) *bool { return v.Enabled })
}

// When, as a calendar expression of systemd in UTC: `"hourly"`, `"daily"`, `"Mon..Fri 03:00"`. Default: `"*-*-* 00/6:00:00"`.
func (o SnapshotsOutput) Schedule() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Snapshots) *string { return v.Schedule })
}

// How many of each member are kept on a host at most. Default: `8`.
func (o SnapshotsOutput) Keep() pulumi.IntPtrOutput {
	return part[pulumi.IntPtrOutput](o, func(v Snapshots) *int { return v.Keep })
}

// How long a snapshot is kept at most. The newest good one of a host stays, however old it is. Default: `"7d"`.
func (o SnapshotsOutput) KeepFor() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Snapshots) *string { return v.KeepFor })
}

// How many other sites get each snapshot, those of other regions first. `0`: it stays on the member's host. Default: `1`.
func (o SnapshotsOutput) Copies() pulumi.IntPtrOutput {
	return part[pulumi.IntPtrOutput](o, func(v Snapshots) *int { return v.Copies })
}

// SnapshotsPtrOutput is a *Snapshots that may not be known yet.
type SnapshotsPtrOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (SnapshotsPtrOutput) ElementType() reflect.Type { return reflect.TypeFor[*Snapshots]() }

func init() { pulumi.RegisterOutputType(SnapshotsPtrOutput{}) }

// Elem is what is there; where nothing is, it is empty.
func (o SnapshotsPtrOutput) Elem() SnapshotsOutput { return elem[SnapshotsOutput, Snapshots](o) }

// With `false` none are taken or copied for now; those that are there stay. Default: `true`.
func (o SnapshotsPtrOutput) Enabled() pulumi.BoolPtrOutput {
	return partOfPtr[pulumi.BoolPtrOutput](o, func(v *Snapshots) *bool { return v.Enabled })
}

// When, as a calendar expression of systemd in UTC: `"hourly"`, `"daily"`, `"Mon..Fri 03:00"`. Default: `"*-*-* 00/6:00:00"`.
func (o SnapshotsPtrOutput) Schedule() pulumi.StringPtrOutput {
	return partOfPtr[pulumi.StringPtrOutput](o, func(v *Snapshots) *string { return v.Schedule })
}

// How many of each member are kept on a host at most. Default: `8`.
func (o SnapshotsPtrOutput) Keep() pulumi.IntPtrOutput {
	return partOfPtr[pulumi.IntPtrOutput](o, func(v *Snapshots) *int { return v.Keep })
}

// How long a snapshot is kept at most. The newest good one of a host stays, however old it is. Default: `"7d"`.
func (o SnapshotsPtrOutput) KeepFor() pulumi.StringPtrOutput {
	return partOfPtr[pulumi.StringPtrOutput](o, func(v *Snapshots) *string { return v.KeepFor })
}

// How many other sites get each snapshot, those of other regions first. `0`: it stays on the member's host. Default: `1`.
func (o SnapshotsPtrOutput) Copies() pulumi.IntPtrOutput {
	return partOfPtr[pulumi.IntPtrOutput](o, func(v *Snapshots) *int { return v.Copies })
}

// SshArgs is the input of Ssh.
type SshArgs struct {
	// Use the keys of the SSH agent. Default: only where there is no `privateKey`. Environment: `TRIVET_SSH_AGENT`, `true` or `false`.
	Agent pulumi.BoolPtrInput `pulumi:"agent"`
	// The public keys of hosts, as lines of a known_hosts file. A host whose `sshHostKey` is given needs no line. Default: `~/.ssh/known_hosts`. Environment: `TRIVET_SSH_KNOWN_HOSTS`.
	KnownHosts pulumi.StringPtrInput `pulumi:"knownHosts"`
	// Hosts worked on at once, 1 to 1024. Default: 32. Environment: `TRIVET_SSH_PARALLEL`.
	Parallel pulumi.IntPtrInput `pulumi:"parallel"`
	// The port of sshd. Default: 22. Environment: `TRIVET_SSH_PORT`.
	Port pulumi.IntPtrInput `pulumi:"port"`
	// The private key itself, in the form of ssh-keygen. Environment: `TRIVET_SSH_PRIVATE_KEY`.
	PrivateKey pulumi.StringPtrInput `pulumi:"privateKey"`
	// The password for sudo, where it asks for one. Environment: `TRIVET_SUDO_PASSWORD`.
	SudoPassword pulumi.StringPtrInput `pulumi:"sudoPassword"`
	// The user to log in as; needs sudo unless it is root. Environment: `TRIVET_SSH_USER`.
	User pulumi.StringPtrInput `pulumi:"user"`
}

// ElementType implements pulumi.Input.
func (SshArgs) ElementType() reflect.Type { return reflect.TypeFor[SshArgs]() }

// TaintArgs is the input of Taint.
type TaintArgs struct {
	// `"NoSchedule"`, `"PreferNoSchedule"` or `"NoExecute"`.
	Effect pulumi.StringInput `pulumi:"effect"`
	// The key that a toleration names.
	Key pulumi.StringInput `pulumi:"key"`
	// The value that a toleration names, if it names one.
	Value pulumi.StringPtrInput `pulumi:"value"`
}

// ElementType implements pulumi.Input.
func (TaintArgs) ElementType() reflect.Type { return reflect.TypeFor[TaintArgs]() }

// Taint is a value that there is.
type Taint struct {
	// `"NoSchedule"`, `"PreferNoSchedule"` or `"NoExecute"`.
	Effect string `pulumi:"effect"`
	// The key that a toleration names.
	Key string `pulumi:"key"`
	// The value that a toleration names, if it names one.
	Value *string `pulumi:"value"`
}

// TaintOutput is a Taint that may not be known yet.
type TaintOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (TaintOutput) ElementType() reflect.Type { return reflect.TypeFor[Taint]() }

func init() { pulumi.RegisterOutputType(TaintOutput{}) }

// The key that a toleration names.
func (o TaintOutput) Key() pulumi.StringOutput {
	return part[pulumi.StringOutput](o, func(v Taint) string { return v.Key })
}

// The value that a toleration names, if it names one.
func (o TaintOutput) Value() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Taint) *string { return v.Value })
}

// `"NoSchedule"`, `"PreferNoSchedule"` or `"NoExecute"`.
func (o TaintOutput) Effect() pulumi.StringOutput {
	return part[pulumi.StringOutput](o, func(v Taint) string { return v.Effect })
}

// TaintArrayOutput is a []Taint that may not be known yet.
type TaintArrayOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (TaintArrayOutput) ElementType() reflect.Type { return reflect.TypeFor[[]Taint]() }

func init() { pulumi.RegisterOutputType(TaintArrayOutput{}) }

// Index is one of the list; beyond its end, it is empty.
func (o TaintArrayOutput) Index(i pulumi.IntInput) TaintOutput {
	return index[TaintOutput, Taint](o, i)
}

// UpgradeArgs is the input of Upgrade.
type UpgradeArgs struct {
	// Whether pods without a controller are evicted, too. Nothing makes them anew: they are lost. Otherwise they stop the drain of their node before anything is changed. Default: `false`.
	DrainForce pulumi.BoolPtrInput `pulumi:"drainForce"`
	// How long the pods of a node may take to leave it. PodDisruptionBudgets are respected; after it the apply stops and says what blocks. Default: `"5m"`.
	DrainTimeout pulumi.StringPtrInput `pulumi:"drainTimeout"`
	// How many workers may fail before an apply stops. It goes on with the others, and then fails with the names of those that did. Default: `0`.
	MaxFailed pulumi.StringPtrInput `pulumi:"maxFailed"`
	// How many nodes of a group may be away at once, such as `2` or `"10%"`; of a percentage at least one. Nodes that are not Ready for other reasons count. While the release changes, each surge host of the group allows one more; `0` is for groups that have some. Default: `"10%"`.
	MaxUnavailable pulumi.StringPtrInput `pulumi:"maxUnavailable"`
	// `true`: no further host begins to change its release; one that has begun is finished. Without a change of release it means nothing. Default: `false`.
	Paused pulumi.BoolPtrInput `pulumi:"paused"`
	// What the group is: `"cluster"`, `"site"`, `"rack"` or `"product_line"`, the pool of machines of one team or product. Default: `"cluster"`.
	Per pulumi.StringPtrInput `pulumi:"per"`
}

// ElementType implements pulumi.Input.
func (UpgradeArgs) ElementType() reflect.Type { return reflect.TypeFor[UpgradeArgs]() }

// Upgrade is a value that there is.
type Upgrade struct {
	// Whether pods without a controller are evicted, too. Nothing makes them anew: they are lost. Otherwise they stop the drain of their node before anything is changed. Default: `false`.
	DrainForce *bool `pulumi:"drainForce"`
	// How long the pods of a node may take to leave it. PodDisruptionBudgets are respected; after it the apply stops and says what blocks. Default: `"5m"`.
	DrainTimeout *string `pulumi:"drainTimeout"`
	// How many workers may fail before an apply stops. It goes on with the others, and then fails with the names of those that did. Default: `0`.
	MaxFailed *string `pulumi:"maxFailed"`
	// How many nodes of a group may be away at once, such as `2` or `"10%"`; of a percentage at least one. Nodes that are not Ready for other reasons count. While the release changes, each surge host of the group allows one more; `0` is for groups that have some. Default: `"10%"`.
	MaxUnavailable *string `pulumi:"maxUnavailable"`
	// `true`: no further host begins to change its release; one that has begun is finished. Without a change of release it means nothing. Default: `false`.
	Paused *bool `pulumi:"paused"`
	// What the group is: `"cluster"`, `"site"`, `"rack"` or `"product_line"`, the pool of machines of one team or product. Default: `"cluster"`.
	Per *string `pulumi:"per"`
}

// UpgradeOutput is a Upgrade that may not be known yet.
type UpgradeOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (UpgradeOutput) ElementType() reflect.Type { return reflect.TypeFor[Upgrade]() }

func init() { pulumi.RegisterOutputType(UpgradeOutput{}) }

// `true`: no further host begins to change its release; one that has begun is finished. Without a change of release it means nothing. Default: `false`.
func (o UpgradeOutput) Paused() pulumi.BoolPtrOutput {
	return part[pulumi.BoolPtrOutput](o, func(v Upgrade) *bool { return v.Paused })
}

// How many nodes of a group may be away at once, such as `2` or `"10%"`; of a percentage at least one. Nodes that are not Ready for other reasons count. While the release changes, each surge host of the group allows one more; `0` is for groups that have some. Default: `"10%"`.
func (o UpgradeOutput) MaxUnavailable() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Upgrade) *string { return v.MaxUnavailable })
}

// What the group is: `"cluster"`, `"site"`, `"rack"` or `"product_line"`, the pool of machines of one team or product. Default: `"cluster"`.
func (o UpgradeOutput) Per() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Upgrade) *string { return v.Per })
}

// How long the pods of a node may take to leave it. PodDisruptionBudgets are respected; after it the apply stops and says what blocks. Default: `"5m"`.
func (o UpgradeOutput) DrainTimeout() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Upgrade) *string { return v.DrainTimeout })
}

// Whether pods without a controller are evicted, too. Nothing makes them anew: they are lost. Otherwise they stop the drain of their node before anything is changed. Default: `false`.
func (o UpgradeOutput) DrainForce() pulumi.BoolPtrOutput {
	return part[pulumi.BoolPtrOutput](o, func(v Upgrade) *bool { return v.DrainForce })
}

// How many workers may fail before an apply stops. It goes on with the others, and then fails with the names of those that did. Default: `0`.
func (o UpgradeOutput) MaxFailed() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v Upgrade) *string { return v.MaxFailed })
}

// UpgradePtrOutput is a *Upgrade that may not be known yet.
type UpgradePtrOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (UpgradePtrOutput) ElementType() reflect.Type { return reflect.TypeFor[*Upgrade]() }

func init() { pulumi.RegisterOutputType(UpgradePtrOutput{}) }

// Elem is what is there; where nothing is, it is empty.
func (o UpgradePtrOutput) Elem() UpgradeOutput { return elem[UpgradeOutput, Upgrade](o) }

// `true`: no further host begins to change its release; one that has begun is finished. Without a change of release it means nothing. Default: `false`.
func (o UpgradePtrOutput) Paused() pulumi.BoolPtrOutput {
	return partOfPtr[pulumi.BoolPtrOutput](o, func(v *Upgrade) *bool { return v.Paused })
}

// How many nodes of a group may be away at once, such as `2` or `"10%"`; of a percentage at least one. Nodes that are not Ready for other reasons count. While the release changes, each surge host of the group allows one more; `0` is for groups that have some. Default: `"10%"`.
func (o UpgradePtrOutput) MaxUnavailable() pulumi.StringPtrOutput {
	return partOfPtr[pulumi.StringPtrOutput](o, func(v *Upgrade) *string { return v.MaxUnavailable })
}

// What the group is: `"cluster"`, `"site"`, `"rack"` or `"product_line"`, the pool of machines of one team or product. Default: `"cluster"`.
func (o UpgradePtrOutput) Per() pulumi.StringPtrOutput {
	return partOfPtr[pulumi.StringPtrOutput](o, func(v *Upgrade) *string { return v.Per })
}

// How long the pods of a node may take to leave it. PodDisruptionBudgets are respected; after it the apply stops and says what blocks. Default: `"5m"`.
func (o UpgradePtrOutput) DrainTimeout() pulumi.StringPtrOutput {
	return partOfPtr[pulumi.StringPtrOutput](o, func(v *Upgrade) *string { return v.DrainTimeout })
}

// Whether pods without a controller are evicted, too. Nothing makes them anew: they are lost. Otherwise they stop the drain of their node before anything is changed. Default: `false`.
func (o UpgradePtrOutput) DrainForce() pulumi.BoolPtrOutput {
	return partOfPtr[pulumi.BoolPtrOutput](o, func(v *Upgrade) *bool { return v.DrainForce })
}

// How many workers may fail before an apply stops. It goes on with the others, and then fails with the names of those that did. Default: `0`.
func (o UpgradePtrOutput) MaxFailed() pulumi.StringPtrOutput {
	return partOfPtr[pulumi.StringPtrOutput](o, func(v *Upgrade) *string { return v.MaxFailed })
}
