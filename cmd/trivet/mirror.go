package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/supply"
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
a mirror: name it in artifacts { source = … }, or with --artifacts. What is there already is not fetched again, and what the user's cache
has is copied from there.

--artifacts says from where: upstream downloads what the projects publish; source builds from Go modules and needs a Go toolchain;
auto, the default, asks upstream once, for three seconds, and builds from source when it does not answer.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rel, err := release.Lookup(version)
			if err != nil {
				return err
			}
			if err := oneOf("--arch", arches, mirrorArches); err != nil {
				return err
			}
			if err := oneOf("--with", extra, mirrorExtra); err != nil {
				return err
			}
			s := &session{global: g, view: g.openView(cmd.OutOrStdout(), cmd.ErrOrStderr()), out: cmd.OutOrStdout()}
			defer s.close()
			g.resume.Store("Stopped. What was got is kept; run the same command again to go on.")
			folder, err := mirrorFolder(out)
			if err != nil {
				return err
			}
			from, err := cached(folder)
			if err != nil {
				return err
			}
			provenance := g.provenance()
			var wants []artifact.Want
			for _, arch := range arches {
				wants = append(wants, rel.Wants(release.Need{Arch: arch, Roles: []topology.Role{topology.RoleEtcd, topology.RoleControlPlane, topology.RoleWorker},
					Plugin: release.PluginFlannel, ProxyMode: release.ModeNFTables, Images: images, Verify: true})...)
				for _, name := range extra {
					wants = append(wants, artifact.Want{Name: name, Version: version, Arch: arch, Kind: artifact.Binary})
				}
			}
			fresh := 0
			entries, err := artifact.Fill(cmd.Context(), folder, wants, artifact.FillOptions{Provenance: provenance, From: from, Progress: func(e artifact.Event) {
				fresh += len(e.Entries)
				s.view.artifact(e)
			}})
			if err != nil {
				return withBuildRequirements(err, provenance)
			}
			s.view.end()
			return s.showMirror(mirrored{Folder: folder.Dir(), Fresh: fresh, Entries: entries})
		},
	}
	f := cmd.Flags()
	f.StringVarP(&out, "out", "o", "", "folder to fill (default: the user's cache, where apply looks)")
	f.StringVar(&version, "kubernetes", release.Supported()[len(release.Supported())-1], "Kubernetes release")
	f.StringSliceVar(&arches, "arch", []string{"amd64"}, "architectures: "+strings.Join(mirrorArches, ", "))
	f.StringSliceVar(&images, "image", nil, "more images, by reference")
	f.StringSliceVar(&extra, "with", nil, "more programs of the Kubernetes release: "+strings.Join(mirrorExtra, ", "))
	complete(cmd, "kubernetes", completeReleases)
	return cmd
}

var (
	mirrorArches = []string{"amd64", "arm64"}
	mirrorExtra  = []string{"kubectl", "kubeadm"}
)

// oneOf checks the values of a flag before anything is waited for.
func oneOf(flag string, values, allowed []string) error {
	for _, v := range values {
		if !slices.Contains(allowed, v) {
			return fmt.Errorf("%s: %q is not one of %s", flag, v, strings.Join(allowed, ", "))
		}
	}
	return nil
}

// cached is the user's cache where it is there and is not itself the folder to fill.
func cached(folder *artifact.Folder) ([]*artifact.Folder, error) {
	dir, err := artifact.UserDir("artifacts")
	if err != nil {
		return nil, nil // without a cache there is nothing to take from it
	}
	cache, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if target, err := os.Stat(folder.Dir()); err != nil || os.SameFile(cache, target) {
		return nil, err
	}
	f, err := artifact.OpenFolder(dir)
	if err != nil {
		return nil, err
	}
	return []*artifact.Folder{f}, nil
}

func mirrorFolder(dir string) (*artifact.Folder, error) {
	if dir == "" {
		return supply.UserFolder()
	}
	return artifact.CreateFolder(dir)
}

// provenance is --artifacts or $TRIVET_ARTIFACTS where that is a way to fill a folder.
func (g *global) provenance() string {
	for _, p := range []string{g.artifacts, supply.Environment()} {
		if slices.Contains([]string{artifact.Auto, artifact.Upstream, artifact.SourceBuilt}, p) {
			return p
		}
	}
	return artifact.Auto
}

// withBuildRequirements adds what building from source needs and this machine lacks, where that may be why it failed.
func withBuildRequirements(err error, provenance string) error {
	if missing := artifact.BuildRequirements(); provenance != artifact.Upstream && len(missing) > 0 {
		return fmt.Errorf("%w; building from source needs Debian packages that are not installed: apt-get install %s", err, strings.Join(missing, " "))
	}
	return err
}

// mirrored is the result of a mirror.
type mirrored struct {
	Folder  string           `json:"folder"`
	Fresh   int              `json:"fresh"` // got by this run, of the entries
	Entries []artifact.Entry `json:"entries"`
}

func (s *session) showMirror(m mirrored) error {
	if s.json {
		return writeResult(s.out, "mirror", m)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KIND\tNAME\tVERSION\tARCH\tSIZE\tFROM\tSHA256")
	var bytes int64
	for _, e := range m.Entries {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%.12s…\n", e.Kind, entryName(e), dash(e.Version), e.Arch, byteSize(e.Size), e.Provenance, e.SHA256)
		bytes += e.Size
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.out, "\n%s, %s, in %s: %d new, the rest was there.\n", topology.Count(len(m.Entries), "artifact"), byteSize(bytes), m.Folder, m.Fresh)
	return err
}

// entryName is what an operator calls an artifact: an image by its repository, a package by what apt calls it.
func entryName(e artifact.Entry) string {
	switch e.Kind {
	case artifact.Image:
		name, _ := release.SplitReference(e.Reference)
		return name
	case artifact.Package:
		name, _, _ := strings.Cut(e.Reference, "=")
		return name
	}
	return e.Name
}
