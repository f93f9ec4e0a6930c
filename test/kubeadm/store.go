package kubeadm

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

// Kubernetes is the release of the clusters.
const Kubernetes = "1.37.2"

// Store gives both sides the same files: the user's own folder, which the command fills, too.
type Store struct {
	Release *release.Release
	folder  *artifact.Folder
}

// OpenStore opens the user's folder of artifacts.
func OpenStore() (*Store, error) { return OpenStoreOf(Kubernetes) }

// OpenStoreOf opens it for another release.
func OpenStoreOf(version string) (*Store, error) {
	dir, err := artifact.UserDir("artifacts")
	if err != nil {
		return nil, err
	}
	s := &Store{}
	if s.folder, err = artifact.CreateFolder(dir); err != nil {
		return nil, err
	}
	s.Release, err = release.Lookup(version)
	return s, err
}

// Resolve implements the engine's Artifacts.
func (s *Store) Resolve(ctx context.Context, wants []artifact.Want) ([]artifact.Entry, error) {
	return artifact.Fill(ctx, s.folder, wants, artifact.FillOptions{Provenance: cmp.Or(os.Getenv("TRIVET_ARTIFACTS"), artifact.Auto)})
}

// Open implements the engine's Artifacts.
func (s *Store) Open(ctx context.Context, e artifact.Entry) (io.ReadCloser, error) {
	return s.folder.Open(ctx, e)
}

// wants are the artifacts of a host with all roles, and kubeadm and kubectl.
func (s *Store) wants() []artifact.Want {
	all := s.Release.Wants(release.Need{Arch: runtime.GOARCH, Roles: []topology.Role{topology.RoleEtcd, topology.RoleControlPlane}, Plugin: release.PluginFlannel, Verify: true})
	all = slices.DeleteFunc(all, func(w artifact.Want) bool { return w.Kind == artifact.Package })
	for _, name := range []string{"kubeadm", "kubectl"} {
		all = append(all, artifact.Want{Name: name, Version: s.Release.Kubernetes, Arch: runtime.GOARCH, Kind: artifact.Binary})
	}
	return all
}

// Path is the file of a binary, or the archive of an image.
func (s *Store) Path(ctx context.Context, name string) (string, error) {
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

// Blob is the file of a digest.
func (s *Store) Blob(sha256 string) string {
	return filepath.Join(s.folder.Dir(), "blobs", "sha256", sha256)
}
