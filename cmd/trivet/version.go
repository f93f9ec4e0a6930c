package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trivet-dev/trivet/bootstrap/release"
)

// versions is the result of version.
type versions struct {
	Version  string            `json:"version"`
	Go       string            `json:"go"`
	Platform string            `json:"platform"`
	Releases []releaseVersions `json:"releases"` // oldest first; the last one is the default of mirror
}

// releaseVersions is what a Kubernetes release consists of.
type releaseVersions struct {
	Kubernetes string            `json:"kubernetes"`
	Etcd       string            `json:"etcd"`
	Containerd string            `json:"containerd"`
	Runc       string            `json:"runc"`
	Flannel    string            `json:"flannel"`
	Images     map[string]string `json:"images"` // references by name: pause, coredns, agnhost
}

func newVersion(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version and the Kubernetes releases it knows",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := versions{Version: version(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
			for _, k := range release.Supported() {
				r, err := release.Lookup(k)
				if err != nil {
					return err
				}
				v.Releases = append(v.Releases, releaseVersions{r.Kubernetes, r.Etcd, r.Containerd, r.Runc, r.Flannel,
					map[string]string{"pause": r.PauseImage(), "coredns": r.CoreDNSImage(), "agnhost": r.AgnhostImage()}})
			}
			if g.json {
				return writeResult(cmd.OutOrStdout(), "version", v)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "trivet %s (%s, %s)\nKubernetes releases: %s\n", v.Version, v.Go, v.Platform, strings.Join(release.Supported(), ", "))
			return err
		},
	}
}

// released is set by the release.
var released string

// version is what the build was made from.
func version() string {
	if released != "" {
		return released
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "development build"
	}
	return info.Main.Version
}
