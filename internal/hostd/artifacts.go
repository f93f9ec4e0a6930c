package hostd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

type artifactKind struct{}

func blobPath(digest string) string { return path.Join(storeDir, digest) }

func (artifactKind) prepare(ctx context.Context, s *stepper, e *entry, full *hostapi.Item) (bool, error) {
	a := full.Artifact
	if err := s.haveBlob(ctx, a.Blob); err != nil {
		return false, err
	}
	if noExec(s.path(storeDir)) {
		return false, fail(hostapi.CodeFailed, "mount it without noexec, or give "+trivetDir+" a file system of its own, and apply again",
			"the store %s is on a file system mounted noexec, from which no program runs", storeDir)
	}
	if err := s.capture(e, a.Path); err != nil {
		return false, err
	}
	s.needParents(a.Path)
	target, err := os.Readlink(s.path(a.Path))
	return err != nil || target != blobPath(a.Blob.SHA256) || s.transferredAnew(e, a), nil
}

// transferredAnew says whether the blob that a link leads to came again since the link was made: what was there before was lost or damaged, and whatever runs
// from it has to be restarted.
func (h *Host) transferredAnew(e *entry, a *hostapi.Artifact) bool {
	return e.Inode != 0 && e.Item.Artifact != nil && e.Item.Artifact.Blob == a.Blob && e.Inode != h.inodeOf(a.Blob)
}

func (artifactKind) apply(_ context.Context, s *stepper, e *entry, full *hostapi.Item) (bool, error) {
	a := full.Artifact
	anew := s.transferredAnew(e, a)
	e.Inode = s.inodeOf(a.Blob)
	if target, err := os.Readlink(s.path(a.Path)); err == nil && target == blobPath(a.Blob.SHA256) {
		return anew, nil
	}
	if err := s.makeParents(a.Path); err != nil {
		return false, err
	}
	s.unstage(a.Path)
	if err := os.Symlink(blobPath(a.Blob.SHA256), s.path(tempPath(a.Path))); err != nil {
		return false, err
	}
	s.hook("staged " + a.Path)
	return true, s.rename(a.Path)
}

func (artifactKind) remove(_ context.Context, s *stepper, e *entry) error {
	p := e.item().Artifact.Path
	s.unstage(p)
	target, err := os.Readlink(s.path(p))
	if err == nil && !strings.HasPrefix(target, storeDir+"/") || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil // somebody put something of their own there
	}
	return s.restoreAll(e)
}

func (artifactKind) drift(o *observer, e *entry) (string, hostapi.DriftCode) {
	a := e.Item.Artifact
	target, err := os.Readlink(o.path(a.Path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "missing", ""
	case err != nil:
		return "not a link to the store", ""
	case target != blobPath(a.Blob.SHA256):
		return "points to " + target, ""
	}
	if why := o.blobDrift(a.Blob); why != "" {
		return why, ""
	}
	b, ok := o.blobs[a.Blob.SHA256]
	switch {
	case !ok:
		return "blob missing from the store", ""
	case a.Blob.Size > 0 && b.Size != a.Blob.Size:
		return fmt.Sprintf("blob has %d bytes, recorded %d", b.Size, a.Blob.Size), ""
	}
	return "", ""
}
