// Package trivet is the Go SDK of the Pulumi provider: clusters, elastic workers, and fleets of them over regions and sites.
//
// Structure is plain and leaves are inputs: Hosts is a map, and each address in it a pulumi.StringInput. What another resource computes stands there as its output, and a preview shows
// every host, whatever of it is not known yet.
package trivet

import (
	"fmt"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// downloadURL is where Pulumi finds the plugin that goes with this SDK.
const downloadURL = "github://api.github.com/trivet-dev/trivet"

// resourceOptions are those of every resource.
func resourceOptions(opts []pulumi.ResourceOption) []pulumi.ResourceOption {
	return append([]pulumi.ResourceOption{pulumi.PluginDownloadURL(downloadURL)}, opts...)
}

// invokeOptions are those of every function.
func invokeOptions(opts []pulumi.InvokeOption) []pulumi.InvokeOption {
	return append([]pulumi.InvokeOption{pulumi.PluginDownloadURL(downloadURL)}, opts...)
}

// secret marks an input as a secret, so that nobody keeps it in plain.
func secret(in pulumi.StringPtrInput) pulumi.StringPtrInput {
	if in == nil {
		return nil
	}
	return pulumi.ToSecret(in).(pulumi.StringPtrInput)
}

// part is the output of a part of an output.
func part[O pulumi.Output, T, P any](of pulumi.Output, which func(T) P) O {
	return of.ApplyT(which).(O)
}

// partOfPtr is the output of a part of what may be absent, and then is, too.
func partOfPtr[O pulumi.Output, T, P any](of pulumi.Output, which func(*T) P) O {
	return of.ApplyT(func(v *T) P {
		if v == nil {
			var none P
			return none
		}
		return which(v)
	}).(O)
}

// elem is what a pointer points to; nothing is empty.
func elem[O pulumi.Output, T any](of pulumi.Output) O {
	return of.ApplyT(func(v *T) T {
		if v == nil {
			var none T
			return none
		}
		return *v
	}).(O)
}

// index is an element of a list; beyond its ends, it is empty.
func index[O pulumi.Output, T any](of pulumi.Output, i pulumi.IntInput) O {
	return pulumi.All(of, i).ApplyT(func(all []any) T {
		list, i := all[0].([]T), all[1].(int)
		if i < 0 || i >= len(list) {
			var none T
			return none
		}
		return list[i]
	}).(O)
}

// mapIndex is an element of a map; where there is none of the name, it is empty.
func mapIndex[O pulumi.Output, T any](of pulumi.Output, k pulumi.StringInput) O {
	return pulumi.All(of, k).ApplyT(func(all []any) T { return all[0].(map[string]T)[all[1].(string)] }).(O)
}

// module makes resources and providers of what Pulumi has of them. What the SDK knows of versions, Go's modules do.
type module struct{}

// Version implements pulumi.ResourceModule and pulumi.ResourcePackage.
func (module) Version() semver.Version { return semver.Version{} }

// ConstructProvider implements pulumi.ResourcePackage.
func (module) ConstructProvider(ctx *pulumi.Context, name, typ, urn string) (pulumi.ProviderResource, error) {
	if typ != "pulumi:providers:trivet" {
		return nil, fmt.Errorf("the package trivet has no provider %s", typ)
	}
	p := &Provider{}
	return p, ctx.RegisterResource(typ, name, nil, p, pulumi.URN_(urn))
}

func init() {
	pulumi.RegisterResourceModule("trivet", "index", module{})
	pulumi.RegisterResourcePackage("trivet", module{})
}
