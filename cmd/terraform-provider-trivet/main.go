// Command terraform-provider-trivet is the Terraform provider.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"

	"github.com/trivet-dev/trivet/provider/terraform"
)

// version is set by the release.
var version = "dev"

func main() {
	debug := flag.Bool("debug", false, "wait for a debugger, as terraform's TF_REATTACH_PROVIDERS wants it")
	flag.Parse()
	err := providerserver.Serve(context.Background(), terraform.New(version, nil), providerserver.ServeOpts{Address: "registry.terraform.io/trivet-dev/trivet", Debug: *debug})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
