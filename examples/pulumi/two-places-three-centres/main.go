// Command two-places-three-centres is a Pulumi program: one Kubernetes cluster over two sites in Beijing and one in Shanghai. `pulumi up` in this folder runs it.
package main

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivet-dev/trivet/examples/pulumi/two-places-three-centres/centres"
)

func main() { pulumi.Run(centres.Program) }
