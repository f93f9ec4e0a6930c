package main

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/artifact"
)

func newMirror(g *global) *cobra.Command {
	var out, version string
	var arches, images []string
	var extra []string
	cmd := &cobra.Command{
		Use:   "mirror",
		Short: "Fill a folder with everything a release consists of, from upstream or by building from source",
		Long: `Fill a folder with the binaries, images and packages of a Kubernetes release. Served by any web server, or carried on a disk, it is
a mirror: name it in artifacts { source = … }, or with --artifacts. What is there already is not fetched again.

--artifacts says from where: upstream downloads what the projects publish; source builds from Go modules and needs a Go toolchain;
auto, the default, asks upstream once, for three seconds, and builds from source when it does not answer.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rel, err := release.Lookup(version)
			if err != nil {
				return err
			}
			s := &session{global: g, view: newView(cmd.ErrOrStderr(), g.json, g.noColor), out: cmd.OutOrStdout()}
			defer s.view.end()
			folder, err := mirrorFolder(out)
			if err != nil {
				return err
			}
			provenance := g.provenance()
			if provenance != artifact.Upstream {
				if missing := artifact.BuildRequirements(); len(missing) > 0 {
					return fmt.Errorf("building from source needs Debian packages that are not installed: apt-get install %s", strings.Join(missing, " "))
				}
			}
			var wants []artifact.Want
			for _, arch := range arches {
				wants = append(wants, rel.Wants(release.Need{Arch: arch, Roles: []topology.Role{topology.RoleEtcd, topology.RoleControlPlane, topology.RoleWorker},
					Plugin: release.PluginFlannel, ProxyMode: release.ModeNFTables, Images: images, Verify: true})...)
				for _, name := range extra {
					wants = append(wants, artifact.Want{Name: name, Version: version, Arch: arch, Kind: artifact.Binary})
				}
			}
			entries, err := artifact.Fill(cmd.Context(), folder, wants, artifact.FillOptions{Provenance: provenance, Progress: s.artifactEvent})
			if err != nil {
				return err
			}
			s.view.end()
			return g.showEntries(cmd, entries)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&out, "out", "o", "", "folder to fill (default: the user's cache, where apply looks)")
	f.StringVar(&version, "kubernetes", release.Supported()[len(release.Supported())-1], "Kubernetes release")
	f.StringSliceVar(&arches, "arch", []string{"amd64"}, "architectures: amd64, arm64")
	f.StringSliceVar(&images, "image", nil, "more images, by reference")
	f.StringSliceVar(&extra, "with", nil, "more programs of the Kubernetes release: kubectl, kubeadm")
	return cmd
}

func mirrorFolder(dir string) (*artifact.Folder, error) {
	if dir == "" {
		return userArtifacts()
	}
	return artifact.CreateFolder(dir)
}

// provenance is --artifacts or $TRIVET_ARTIFACTS where that is a way to fill a folder.
func (g *global) provenance() string {
	for _, p := range []string{g.artifacts, envArtifacts()} {
		if slices.Contains([]string{artifact.Auto, artifact.Upstream, artifact.SourceBuilt}, p) {
			return p
		}
	}
	return artifact.Auto
}

func (g *global) showEntries(cmd *cobra.Command, entries []artifact.Entry) error {
	if g.json {
		return writeJSON(cmd.OutOrStdout(), entries)
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KIND\tNAME\tVERSION\tARCH\tSIZE\tFROM\tSHA256")
	for _, e := range entries {
		v := e.Version
		if v == "" {
			v = e.Reference
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.1f MiB\t%s\t%s…\n", e.Kind, e.Name, v, e.Arch, float64(e.Size)/(1<<20), e.Provenance, e.SHA256[:12])
	}
	return w.Flush()
}
