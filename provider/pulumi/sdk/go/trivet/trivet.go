package trivet

import (
	"fmt"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// downloadURL is where Pulumi finds the plugin that goes with this SDK.
const downloadURL = "github://api.github.com/trivet-dev/trivet"

// options are those of every resource.
func options(opts []pulumi.ResourceOption) []pulumi.ResourceOption {
	return append([]pulumi.ResourceOption{pulumi.PluginDownloadURL(downloadURL)}, opts...)
}

// Provider is how hosts are reached, and with which keys.
type Provider struct{ pulumi.ProviderResourceState }

// NewProvider declares a provider. Secrets should be pulumi.Secret, or config.RequireSecret; those that are in the environment instead are never in the state.
func NewProvider(ctx *pulumi.Context, name string, args *ProviderArgs, opts ...pulumi.ResourceOption) (*Provider, error) {
	if args == nil {
		args = &ProviderArgs{}
	}
	var p Provider
	if err := ctx.RegisterResource("pulumi:providers:trivet", name, args, &p, options(opts)...); err != nil {
		return nil, err
	}
	return &p, nil
}

// NewFleet declares a fleet.
func NewFleet(ctx *pulumi.Context, name string, args *FleetArgs, opts ...pulumi.ResourceOption) (*Fleet, error) {
	if args == nil {
		args = &FleetArgs{}
	}
	var f Fleet
	if err := ctx.RegisterRemoteComponentResource("trivet:index:Fleet", name, args, &f, options(opts)...); err != nil {
		return nil, err
	}
	return &f, nil
}

// GetCluster reads a cluster that there is, of which the id is NAME@ADDRESS, where SSH reaches one of its control planes.
func GetCluster(ctx *pulumi.Context, name string, id pulumi.IDInput, opts ...pulumi.ResourceOption) (*Cluster, error) {
	var c Cluster
	if err := ctx.ReadResource("trivet:index:Cluster", name, id, nil, &c, options(opts)...); err != nil {
		return nil, err
	}
	return &c, nil
}

// LookupClusterStatus asks for the status of a cluster.
func LookupClusterStatus(ctx *pulumi.Context, args *LookupClusterStatusArgs, opts ...pulumi.InvokeOption) (*LookupClusterStatusResult, error) {
	var out LookupClusterStatusResult
	if err := ctx.Invoke("trivet:index:getClusterStatus", args, &out, opts...); err != nil {
		return nil, err
	}
	return &out, nil
}

// LookupKubeconfig asks for the kubeconfig of a cluster. It has no secret.
func LookupKubeconfig(ctx *pulumi.Context, args *LookupKubeconfigArgs, opts ...pulumi.InvokeOption) (*LookupKubeconfigResult, error) {
	var out LookupKubeconfigResult
	if err := ctx.Invoke("trivet:index:getKubeconfig", args, &out, opts...); err != nil {
		return nil, err
	}
	return &out, nil
}

// resourceModule makes resources of what Pulumi has of them.
type resourceModule struct{}

// Version implements pulumi.ResourceModule.
func (resourceModule) Version() semver.Version { return semver.Version{} }

// Construct implements pulumi.ResourceModule.
func (resourceModule) Construct(ctx *pulumi.Context, name, typ, urn string) (pulumi.Resource, error) {
	var r pulumi.Resource
	switch typ {
	case "trivet:index:Cluster":
		r = &Cluster{}
	case "trivet:index:Worker":
		r = &Worker{}
	case "trivet:index:Fleet":
		r = &Fleet{}
	default:
		return nil, fmt.Errorf("the package trivet has no resource %s", typ)
	}
	return r, ctx.RegisterResource(typ, name, nil, r, pulumi.URN_(urn))
}

func init() { pulumi.RegisterResourceModule("trivet", "index", resourceModule{}) }
