// Command pulumi-resource-trivet is the Pulumi provider.
package main

import (
	"fmt"
	"os"

	host "github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"github.com/trivet-dev/trivet/provider/pulumi"
)

// version is set by the release.
var version = "0.0.0-dev"

func main() {
	err := host.Main("trivet", func(h *host.HostClient) (pulumirpc.ResourceProviderServer, error) {
		return pulumi.New(h, version, nil), nil
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
