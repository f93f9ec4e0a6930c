package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/internal/artifact"
)

// lockFile pins artifact digests beside the topology.
const lockFile = "trivet.lock.json"

// artifacts gives the engine the files of a release: from a mirror, or from the user's own folder, which is filled from upstream or from source as need be.
type artifacts struct {
	source     artifact.Source
	folder     *artifact.Folder // nil for a mirror
	provenance string
	lock       *artifact.Lock
	lockPath   string
	progress   func(artifact.Event)
}

var _ bootstrap.Pins = (*artifacts)(nil)

func newArtifacts(s *session) (*artifacts, error) {
	a := &artifacts{progress: s.view.artifact}
	dir := s.dir
	if st, err := os.Stat(dir); err == nil && !st.IsDir() {
		dir = filepath.Dir(dir)
	}
	a.lockPath = filepath.Join(dir, lockFile)
	if s.lab {
		// What a lab runs says nothing about what the real fleet is pinned to.
		a.lockPath = filepath.Join(filepath.Dir(s.access.PrivateKey), lockFile)
	}
	var err error
	if a.lock, err = artifact.LoadLock(a.lockPath); err != nil {
		return nil, err
	}
	from := cmp.Or(s.artifacts, envArtifacts(), s.topology.Fleet.Artifacts.Source, artifact.Auto)
	switch {
	case from == artifact.Auto || from == artifact.Upstream || from == artifact.SourceBuilt:
		a.provenance = from
		if a.folder, err = userArtifacts(); err != nil {
			return nil, err
		}
		a.source = a.folder
	case strings.HasPrefix(from, "http://") || strings.HasPrefix(from, "https://"):
		a.source = artifact.NewURL(from, nil)
	default:
		if a.source, err = artifact.OpenFolder(from); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// userArtifacts is the folder in the user's cache that everything is kept in.
func userArtifacts() (*artifact.Folder, error) {
	dir, err := artifact.UserDir("artifacts")
	if err != nil {
		return nil, err
	}
	return artifact.CreateFolder(dir)
}

// Resolve gives the entries of wants, after getting what is missing where that is possible, and pins them.
func (a *artifacts) Resolve(ctx context.Context, wants []artifact.Want) ([]artifact.Entry, error) {
	own, wants, err := a.own(wants)
	if err != nil || len(wants) == 0 {
		return own, err
	}
	entries, err := a.resolve(ctx, wants)
	return append(own, entries...), err
}

func (a *artifacts) resolve(ctx context.Context, wants []artifact.Want) ([]artifact.Entry, error) {
	var entries []artifact.Entry
	var err error
	if a.folder != nil {
		entries, err = artifact.Fill(ctx, a.folder, wants, artifact.FillOptions{Provenance: a.provenance, Progress: a.progress})
	} else {
		entries, err = a.source.Lookup(ctx, wants)
	}
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, e := range entries {
		errs = append(errs, a.lock.Check(e))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for _, e := range entries {
		if err := a.lock.Pin(e); err != nil {
			return nil, err
		}
	}
	return entries, a.lock.Save()
}

// Pinned lists what the lock file has for a want, as far as the chosen source could give it: whoever asks for artifacts built from source does not want those
// from upstream, although a cluster has them.
func (a *artifacts) Pinned(w artifact.Want) []artifact.Entry {
	return slices.DeleteFunc(a.lock.Pins(w), func(e artifact.Entry) bool {
		chosen := a.provenance == "" || a.provenance == artifact.Auto || e.Provenance == a.provenance
		return !chosen && e.Provenance != artifact.Distribution
	})
}

// Open opens one artifact; reading it fails where the bytes are not those that were pinned.
func (a *artifacts) Open(ctx context.Context, e artifact.Entry) (io.ReadCloser, error) {
	if e.Provenance == artifact.Own {
		return openOwn(e)
	}
	return a.source.Open(ctx, e)
}

func envArtifacts() string { return os.Getenv("TRIVET_ARTIFACTS") }
