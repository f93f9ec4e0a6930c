package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/artifact"
)

// kubernetes is the release that is compared.
const kubernetes = "1.37.2"

// store gives both sides the same files: the user's own folder, which the command fills, too.
type store struct {
	folder  *artifact.Folder
	release *release.Release
}

func openStore() (*store, error) {
	dir, err := artifact.UserDir("artifacts")
	if err != nil {
		return nil, err
	}
	s := &store{}
	if s.folder, err = artifact.CreateFolder(dir); err != nil {
		return nil, err
	}
	s.release, err = release.Lookup(kubernetes)
	return s, err
}

// Resolve implements the engine's Artifacts.
func (s *store) Resolve(ctx context.Context, wants []artifact.Want) ([]artifact.Entry, error) {
	return artifact.Fill(ctx, s.folder, wants, artifact.FillOptions{Provenance: cmp.Or(os.Getenv("TRIVET_ARTIFACTS"), artifact.Auto)})
}

// Open implements the engine's Artifacts.
func (s *store) Open(ctx context.Context, e artifact.Entry) (io.ReadCloser, error) {
	return s.folder.Open(ctx, e)
}

// wants are the artifacts of a host with all roles, and kubeadm and kubectl.
func (s *store) wants() []artifact.Want {
	all := s.release.Wants(release.Need{Arch: runtime.GOARCH, Roles: []topology.Role{topology.RoleEtcd, topology.RoleControlPlane}, Plugin: release.PluginFlannel, Verify: true})
	all = slices.DeleteFunc(all, func(w artifact.Want) bool { return w.Kind == artifact.Package })
	for _, name := range []string{"kubeadm", "kubectl"} {
		all = append(all, artifact.Want{Name: name, Version: s.release.Kubernetes, Arch: runtime.GOARCH, Kind: artifact.Binary})
	}
	return all
}

// path is the file of a binary, or the archive of an image.
func (s *store) path(ctx context.Context, name string) (string, error) {
	for _, w := range s.wants() {
		if w.Name == name {
			entries, err := s.Resolve(ctx, []artifact.Want{w})
			if err != nil {
				return "", err
			}
			return s.folder.Path(entries[0])
		}
	}
	return "", fmt.Errorf("the release has no artifact %q", name)
}

// blob is the file of a digest.
func (s *store) blob(sha256 string) string {
	return filepath.Join(s.folder.Dir(), "blobs", "sha256", sha256)
}
