// Code generated from the provider's descriptions by `make sdk`. DO NOT EDIT.

package trivet

import (
	"reflect"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// GetClusterStatus: What `trivet status` tells of a cluster. Every host is asked over SSH, and etcd and the API through the control planes; nothing is changed. Hosts that do not answer are part of the answer, no failure of it.
func GetClusterStatus(ctx *pulumi.Context, args *GetClusterStatusArgs, opts ...pulumi.InvokeOption) (*GetClusterStatusResult, error) {
	var r GetClusterStatusResult
	if err := ctx.Invoke("trivet:index:getClusterStatus", args, &r, invokeOptions(opts)...); err != nil {
		return nil, err
	}
	return &r, nil
}

// GetClusterStatusArgs is what GetClusterStatus is asked.
type GetClusterStatusArgs struct {
	// The `access` of a `Cluster`. Its control planes are asked for the other hosts, which are reached at their addresses in the cluster, as the control planes of their site are. What the API should hold is not known then, and not compared.
	Cluster *Access `pulumi:"cluster"`
	// The name of the cluster; needed where the topology has several.
	Name *string `pulumi:"name"`
	// The topology in its own language, in place of `cluster`. Hosts are reached as it says, and the objects of the API are compared with it.
	Topology *string `pulumi:"topology"`
	// Values of the topology's variables, written as on the command line.
	Variables map[string]string `pulumi:"variables"`
}

// GetClusterStatusResult is the answer of GetClusterStatus.
type GetClusterStatusResult struct {
	// When the first certificate of any host ends, RFC 3339.
	CertificatesEnd *string `pulumi:"certificatesEnd"`
	// The cluster's id; null where no host has the cluster.
	ClusterId *string `pulumi:"clusterId"`
	// Whether its bring-up has come to the end.
	Complete bool `pulumi:"complete"`
	// The members of etcd.
	EtcdMembers []EtcdMember `pulumi:"etcdMembers"`
	// Whether every host answers as recorded, every node is Ready, every etcd member is healthy, no certificate has expired, and nothing is half done.
	Healthy bool `pulumi:"healthy"`
	// Who is changing the cluster now; null where nobody is.
	Holder *string `pulumi:"holder"`
	// The hosts, by name.
	Hosts map[string]HostStatus `pulumi:"hosts"`
	// The release that it runs, or is on its way to.
	Kubernetes string `pulumi:"kubernetes"`
	// The name of the cluster; needed where the topology has several.
	Name string `pulumi:"name"`
	// What is worth knowing, and breaks nothing yet.
	Notes []string `pulumi:"notes"`
	// What is not as it should be, with what to do.
	Problems []string `pulumi:"problems"`
	// The release that an upgrade began at which is not finished; null where none is under way.
	UpgradeFrom *string `pulumi:"upgradeFrom"`
}

// GetClusterStatusOutput is GetClusterStatus for arguments that may not be known yet; then the answer is not, either.
func GetClusterStatusOutput(ctx *pulumi.Context, args GetClusterStatusOutputArgs, opts ...pulumi.InvokeOption) GetClusterStatusResultOutput {
	return ctx.InvokeOutput("trivet:index:getClusterStatus", args, GetClusterStatusResultOutput{}, pulumi.InvokeOutputOptions{InvokeOptions: invokeOptions(opts)}).(GetClusterStatusResultOutput)
}

// GetClusterStatusOutputArgs is what GetClusterStatusOutput is asked.
type GetClusterStatusOutputArgs struct {
	// The `access` of a `Cluster`. Its control planes are asked for the other hosts, which are reached at their addresses in the cluster, as the control planes of their site are. What the API should hold is not known then, and not compared.
	Cluster AccessPtrInput `pulumi:"cluster"`
	// The name of the cluster; needed where the topology has several.
	Name pulumi.StringPtrInput `pulumi:"name"`
	// The topology in its own language, in place of `cluster`. Hosts are reached as it says, and the objects of the API are compared with it.
	Topology pulumi.StringPtrInput `pulumi:"topology"`
	// Values of the topology's variables, written as on the command line.
	Variables pulumi.StringMapInput `pulumi:"variables"`
}

// ElementType implements pulumi.Input.
func (GetClusterStatusOutputArgs) ElementType() reflect.Type {
	return reflect.TypeFor[GetClusterStatusArgs]()
}

// GetClusterStatusResultOutput is a GetClusterStatusResult that may not be known yet.
type GetClusterStatusResultOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (GetClusterStatusResultOutput) ElementType() reflect.Type {
	return reflect.TypeFor[GetClusterStatusResult]()
}

func init() { pulumi.RegisterOutputType(GetClusterStatusResultOutput{}) }

// The name of the cluster; needed where the topology has several.
func (o GetClusterStatusResultOutput) Name() pulumi.StringOutput {
	return part[pulumi.StringOutput](o, func(v GetClusterStatusResult) string { return v.Name })
}

// The cluster's id; null where no host has the cluster.
func (o GetClusterStatusResultOutput) ClusterId() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v GetClusterStatusResult) *string { return v.ClusterId })
}

// The release that it runs, or is on its way to.
func (o GetClusterStatusResultOutput) Kubernetes() pulumi.StringOutput {
	return part[pulumi.StringOutput](o, func(v GetClusterStatusResult) string { return v.Kubernetes })
}

// The release that an upgrade began at which is not finished; null where none is under way.
func (o GetClusterStatusResultOutput) UpgradeFrom() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v GetClusterStatusResult) *string { return v.UpgradeFrom })
}

// Whether its bring-up has come to the end.
func (o GetClusterStatusResultOutput) Complete() pulumi.BoolOutput {
	return part[pulumi.BoolOutput](o, func(v GetClusterStatusResult) bool { return v.Complete })
}

// Whether every host answers as recorded, every node is Ready, every etcd member is healthy, no certificate has expired, and nothing is half done.
func (o GetClusterStatusResultOutput) Healthy() pulumi.BoolOutput {
	return part[pulumi.BoolOutput](o, func(v GetClusterStatusResult) bool { return v.Healthy })
}

// Who is changing the cluster now; null where nobody is.
func (o GetClusterStatusResultOutput) Holder() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v GetClusterStatusResult) *string { return v.Holder })
}

// What is not as it should be, with what to do.
func (o GetClusterStatusResultOutput) Problems() pulumi.StringArrayOutput {
	return part[pulumi.StringArrayOutput](o, func(v GetClusterStatusResult) []string { return v.Problems })
}

// What is worth knowing, and breaks nothing yet.
func (o GetClusterStatusResultOutput) Notes() pulumi.StringArrayOutput {
	return part[pulumi.StringArrayOutput](o, func(v GetClusterStatusResult) []string { return v.Notes })
}

// When the first certificate of any host ends, RFC 3339.
func (o GetClusterStatusResultOutput) CertificatesEnd() pulumi.StringPtrOutput {
	return part[pulumi.StringPtrOutput](o, func(v GetClusterStatusResult) *string { return v.CertificatesEnd })
}

// The hosts, by name.
func (o GetClusterStatusResultOutput) Hosts() HostStatusMapOutput {
	return part[HostStatusMapOutput](o, func(v GetClusterStatusResult) map[string]HostStatus { return v.Hosts })
}

// The members of etcd.
func (o GetClusterStatusResultOutput) EtcdMembers() EtcdMemberArrayOutput {
	return part[EtcdMemberArrayOutput](o, func(v GetClusterStatusResult) []EtcdMember { return v.EtcdMembers })
}

// GetKubeconfig: A kubeconfig without a secret, the same as the `kubeconfig` of a Cluster, for programs that have the cluster's `access` alone. It asks a control plane for the cluster's authority.
func GetKubeconfig(ctx *pulumi.Context, args *GetKubeconfigArgs, opts ...pulumi.InvokeOption) (*GetKubeconfigResult, error) {
	var r GetKubeconfigResult
	if err := ctx.Invoke("trivet:index:getKubeconfig", args, &r, invokeOptions(opts)...); err != nil {
		return nil, err
	}
	return &r, nil
}

// GetKubeconfigArgs is what GetKubeconfig is asked.
type GetKubeconfigArgs struct {
	// The `access` of a `Cluster`.
	Cluster Access `pulumi:"cluster"`
}

// GetKubeconfigResult is the answer of GetKubeconfig.
type GetKubeconfigResult struct {
	// The kubeconfig.
	Kubeconfig string `pulumi:"kubeconfig"`
}

// GetKubeconfigOutput is GetKubeconfig for arguments that may not be known yet; then the answer is not, either.
func GetKubeconfigOutput(ctx *pulumi.Context, args GetKubeconfigOutputArgs, opts ...pulumi.InvokeOption) GetKubeconfigResultOutput {
	return ctx.InvokeOutput("trivet:index:getKubeconfig", args, GetKubeconfigResultOutput{}, pulumi.InvokeOutputOptions{InvokeOptions: invokeOptions(opts)}).(GetKubeconfigResultOutput)
}

// GetKubeconfigOutputArgs is what GetKubeconfigOutput is asked.
type GetKubeconfigOutputArgs struct {
	// The `access` of a `Cluster`.
	Cluster AccessInput `pulumi:"cluster"`
}

// ElementType implements pulumi.Input.
func (GetKubeconfigOutputArgs) ElementType() reflect.Type {
	return reflect.TypeFor[GetKubeconfigArgs]()
}

// GetKubeconfigResultOutput is a GetKubeconfigResult that may not be known yet.
type GetKubeconfigResultOutput struct{ *pulumi.OutputState }

// ElementType implements pulumi.Output.
func (GetKubeconfigResultOutput) ElementType() reflect.Type {
	return reflect.TypeFor[GetKubeconfigResult]()
}

func init() { pulumi.RegisterOutputType(GetKubeconfigResultOutput{}) }

// The kubeconfig.
func (o GetKubeconfigResultOutput) Kubeconfig() pulumi.StringOutput {
	return part[pulumi.StringOutput](o, func(v GetKubeconfigResult) string { return v.Kubeconfig })
}
