package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/trivet-dev/trivet/bootstrap/release"
)

func newVersion(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version and the Kubernetes releases it knows",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := map[string]any{"version": version(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH, "kubernetes": release.Supported()}
			if g.json {
				return writeJSON(cmd.OutOrStdout(), v)
			}
			cmd.Printf("trivet %s (%s, %s)\nKubernetes releases: %v\n", v["version"], v["go"], v["platform"], v["kubernetes"])
			return nil
		},
	}
}

// version is what the build was made from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "development build"
	}
	return info.Main.Version
}
