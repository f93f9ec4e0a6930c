package hostd

import (
	"archive/tar"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

type imageKind struct{}

const pinLabel = "io.cri-containerd.pinned=pinned"

// imageState is one line of `ctr images ls`.
type imageState struct {
	digest string
	pinned bool
}

// ctr runs containerd's own client.
func (h *Host) ctr(ctx context.Context, im *hostapi.Image, args ...string) ([]byte, error) {
	return h.run(ctx, im.Tool, append([]string{"--namespace", im.Namespace, "--address", im.Address}, args...)...)
}

// How long containerd is asked for its images: an observation goes on without, and the engine's patience with it is a little longer.
const (
	imagesObserved = 15 * time.Second
	imagesInStep   = 2 * time.Minute
)

// silentError says that containerd, or its disk, hangs.
type silentError struct{ after time.Duration }

func (e *silentError) Error() string {
	return fmt.Sprintf("it has not listed its images within %s", e.after)
}

// images lists what containerd has in the namespace of an image. It waits neither for containerd without bound nor for its client, which a disk may hold up that cannot be ended.
func (h *Host) images(ctx context.Context, im *hostapi.Image, patience time.Duration) (map[string]imageState, error) {
	silent := &silentError{cmp.Or(h.Patience, patience)}
	ctx, cancel := context.WithTimeoutCause(ctx, silent.after, silent)
	defer cancel()
	type answer struct {
		out []byte
		err error
	}
	answered := make(chan answer, 1)
	go func() {
		out, err := h.ctr(ctx, im, "images", "ls")
		answered <- answer{out, err}
	}()
	select {
	case a := <-answered:
		if a.err == nil {
			return parseImages(string(a.out)), nil
		}
		if ctx.Err() == nil {
			return nil, a.err
		}
	case <-ctx.Done():
	}
	return nil, context.Cause(ctx)
}

func parseImages(out string) map[string]imageState {
	found := map[string]imageState{}
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) < 3 || f[0] == "REF" {
			continue
		}
		st := imageState{pinned: strings.Contains(line, pinLabel)}
		for _, w := range f[1:] {
			if strings.HasPrefix(w, "sha256:") {
				st.digest = w
				break
			}
		}
		found[f[0]] = st
	}
	return found
}

// listImages lists containerd's images for a step, which asks once for a batch and again after each change.
func (s *stepper) listImages(ctx context.Context, im *hostapi.Image, fresh bool) (map[string]imageState, error) {
	key := im.Address + " " + im.Namespace
	if have, ok := s.images[key]; ok && !fresh {
		return have.images, have.err
	}
	have, err := s.Host.images(ctx, im, imagesInStep)
	if err != nil && !errors.As(err, new(*silentError)) {
		return nil, err
	}
	if s.images == nil {
		s.images = map[string]listedImages{}
	}
	s.images[key] = listedImages{have, err} // who hangs is not waited for once more for every image
	return have, err
}

// listedImages is an answer of containerd's.
type listedImages struct {
	images map[string]imageState
	err    error
}

func (imageKind) prepare(ctx context.Context, s *stepper, e *entry, full *hostapi.Item) (bool, error) {
	im := full.Image
	if err := s.haveBlob(ctx, im.Archive); err != nil {
		return false, err
	}
	have, err := s.listImages(ctx, im, false)
	if err != nil {
		return true, nil // containerd is started by this step, or apply says what is wrong
	}
	if !e.Prior.Captured && e.Item.Image == nil {
		e.Prior.Captured = true
		_, e.Prior.Existed = have[im.Reference]
		names, err := archiveNames(s.path(blobPath(im.Archive.SHA256)))
		if err != nil {
			return false, err
		}
		for _, n := range names {
			if _, there := have[n]; there {
				e.Prior.Images = append(e.Prior.Images, n)
			}
		}
	}
	return !imageRight(e, im, have), nil
}

// imageRight says whether containerd has an image as it was imported, pinned.
func imageRight(e *entry, im *hostapi.Image, have map[string]imageState) bool {
	st, present := have[im.Reference]
	return present && st.pinned && e.Item.Image != nil && e.Item.Image.Archive == im.Archive && st.digest == e.Digests[im.Reference]
}

func (imageKind) apply(ctx context.Context, s *stepper, e *entry, full *hostapi.Item) (bool, error) {
	im := full.Image
	ctx = context.WithoutCancel(ctx)
	have, err := s.listImages(ctx, im, false)
	if err != nil {
		return false, s.containerdError(im, err)
	}
	if imageRight(e, im, have) {
		return false, nil
	}
	if _, err := s.ctr(ctx, im, "images", "import", "--label", pinLabel, s.path(blobPath(im.Archive.SHA256))); err != nil {
		return false, s.containerdError(im, err)
	}
	s.hook("imported " + im.Reference)
	if have, err = s.listImages(ctx, im, true); err != nil {
		return false, s.containerdError(im, err)
	}
	renamed, err := s.nameImage(ctx, e, im, have)
	if err != nil {
		return false, err
	}
	s.hook("named " + im.Reference)
	if renamed || !have[im.Reference].pinned {
		if _, err := s.ctr(ctx, im, "images", "label", im.Reference, pinLabel); err != nil {
			return false, s.containerdError(im, err)
		}
		if have, err = s.listImages(ctx, im, true); err != nil {
			return false, s.containerdError(im, err)
		}
	}
	st, ok := have[im.Reference]
	if !ok || !st.pinned {
		return false, fmt.Errorf("containerd took the archive %s, but has no pinned image %s", im.Archive.SHA256, im.Reference)
	}
	e.Digests = map[string]string{im.Reference: st.digest}
	return true, nil
}

// nameImage sees to it that the imported image has its canonical name, whatever the archive calls it. It says whether it had to.
func (s *stepper) nameImage(ctx context.Context, e *entry, im *hostapi.Image, have map[string]imageState) (bool, error) {
	names, err := archiveNames(s.path(blobPath(im.Archive.SHA256)))
	if err != nil {
		return false, err
	}
	if slices.Contains(names, im.Reference) {
		return false, nil
	}
	if len(names) != 1 {
		return false, fmt.Errorf("the archive %s holds %d images (%s), none of them %s", im.Archive.SHA256, len(names), strings.Join(names, ", "), im.Reference)
	}
	if _, ok := have[names[0]]; !ok {
		return false, fmt.Errorf("containerd took the archive %s, but has no image %s", im.Archive.SHA256, names[0])
	}
	if _, err := s.ctr(ctx, im, "images", "tag", "--force", names[0], im.Reference); err != nil {
		return false, s.containerdError(im, err)
	}
	if !slices.Contains(e.Prior.Images, names[0]) {
		if _, err := s.ctr(ctx, im, "images", "rm", names[0]); err != nil {
			return false, s.containerdError(im, err)
		}
	}
	return true, nil
}

func (s *stepper) containerdError(im *hostapi.Image, err error) error {
	if errors.Is(err, ErrNoCommand) {
		return fail(hostapi.CodeFailed, "apply again: a program of Trivet's that is missing is put back first", "%s, which asks containerd, is missing on the host", im.Tool)
	}
	if errors.As(err, new(*silentError)) {
		return fail(hostapi.CodeFailed, "look on the host whether its disk is well, restart containerd there (systemctl restart containerd), which ends no container, and apply again", "containerd at %s: %v", im.Address, err)
	}
	return fail(hostapi.CodeFailed, "look at journalctl -u containerd on the host, and apply again", "containerd at %s: %v", im.Address, err)
}

// archiveNames are the names that an image archive gives its images, as containerd spells them.
func archiveNames(real string) ([]string, error) {
	f, err := os.Open(real)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	tr := tar.NewReader(f)
	for {
		hd, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the image archive has no manifest.json and no names in index.json")
		}
		if err != nil {
			return nil, fmt.Errorf("the image archive cannot be read: %w", err)
		}
		switch hd.Name {
		case "manifest.json":
			var m []struct{ RepoTags []string }
			if err := json.NewDecoder(tr).Decode(&m); err != nil {
				return nil, fmt.Errorf("the image archive's manifest.json: %w", err)
			}
			var names []string
			for _, i := range m {
				for _, t := range i.RepoTags {
					names = append(names, canonicalReference(t))
				}
			}
			return names, nil
		case "index.json":
			if names := ociNames(tr); len(names) > 0 {
				return names, nil
			}
		}
	}
}

func ociNames(r io.Reader) []string {
	var idx struct {
		Manifests []struct{ Annotations map[string]string }
	}
	if json.NewDecoder(r).Decode(&idx) != nil {
		return nil
	}
	var names []string
	for _, m := range idx.Manifests {
		if n := m.Annotations["io.containerd.image.name"]; n != "" {
			names = append(names, n)
		} else if n := m.Annotations["org.opencontainers.image.ref.name"]; strings.Contains(n, "/") {
			names = append(names, canonicalReference(n))
		}
	}
	return names
}

// canonicalReference spells out Docker Hub's short names, as containerd does on import.
func canonicalReference(ref string) string {
	first, _, slash := strings.Cut(ref, "/")
	switch {
	case !slash:
		return "docker.io/library/" + ref
	case !strings.ContainsAny(first, ".:") && first != "localhost":
		return "docker.io/" + ref
	}
	return ref
}

func (imageKind) remove(ctx context.Context, s *stepper, e *entry) error {
	im := e.item().Image
	if e.Prior.Existed {
		return nil
	}
	have, err := s.listImages(context.WithoutCancel(ctx), im, false)
	if errors.As(err, new(*silentError)) {
		return s.containerdError(im, err)
	}
	if err != nil {
		return nil // containerd does not run: its images go with its data folder
	}
	if _, ok := have[im.Reference]; !ok {
		return nil
	}
	if _, err := s.ctr(context.WithoutCancel(ctx), im, "images", "rm", im.Reference); err != nil {
		return s.containerdError(im, err)
	}
	return nil
}

func (imageKind) drift(o *observer, e *entry) (string, hostapi.DriftCode) {
	im := e.Item.Image
	if errors.Is(o.imagesErr, ErrNoCommand) {
		return "not known: " + im.Tool + " is missing", ""
	}
	if errors.As(o.imagesErr, new(*silentError)) {
		return "not known: containerd hangs, " + o.imagesErr.Error(), ""
	}
	if o.imagesErr != nil {
		return "not known: containerd does not answer", ""
	}
	st, ok := o.images[im.Namespace+" "+im.Reference]
	switch {
	case !ok:
		return "missing", ""
	case !st.pinned:
		return "not pinned", ""
	case st.digest != e.Digests[im.Reference]:
		return "content differs", ""
	}
	return o.blobDrift(im.Archive), ""
}
