// Package supply gives the engine what it sends to hosts: the files of a release, from a mirror or from the user's own folder, which is filled as need be, and the programs of Trivet itself.
// Every door uses it.
package supply

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/internal/artifact"
)

// Options choose where artifacts come from.
type Options struct {
	// Source is "auto", "upstream", "source" (built from Go modules), a folder, or the http(s) address of a mirror.
	Source string
	// Lock pins digests; what is used is added to it, and it is saved.
	Lock     *artifact.Lock
	Progress func(artifact.Event) // of fetching and building; may be nil
}

// Artifacts gives the engine the files of a release.
type Artifacts struct {
	source     artifact.Source
	folder     *artifact.Folder // nil for a mirror
	provenance string
	lock       *artifact.Lock
	progress   func(artifact.Event)
}

var _ bootstrap.Pins = (*Artifacts)(nil)

// New opens the source.
func New(o Options) (*Artifacts, error) {
	a := &Artifacts{lock: o.Lock, progress: o.Progress}
	var err error
	switch from := o.Source; {
	case from == artifact.Auto || from == artifact.Upstream || from == artifact.SourceBuilt:
		a.provenance = from
		if a.folder, err = UserFolder(); err != nil {
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

// Environment is where artifacts come from as the environment variable TRIVET_ARTIFACTS says; "" where it does not.
func Environment() string { return os.Getenv("TRIVET_ARTIFACTS") }

// UserFolder is the folder in the user's cache that everything is kept in.
func UserFolder() (*artifact.Folder, error) {
	dir, err := artifact.UserDir("artifacts")
	if err != nil {
		return nil, err
	}
	return artifact.CreateFolder(dir)
}

// Resolve gives the entries of wants, after getting what is missing where that is possible, and pins them.
func (a *Artifacts) Resolve(ctx context.Context, wants []artifact.Want) ([]artifact.Entry, error) {
	own, wants, err := a.own(wants)
	if err != nil || len(wants) == 0 {
		return own, err
	}
	entries, err := a.resolve(ctx, wants)
	return append(own, entries...), err
}

func (a *Artifacts) resolve(ctx context.Context, wants []artifact.Want) ([]artifact.Entry, error) {
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
func (a *Artifacts) Pinned(w artifact.Want) []artifact.Entry {
	return slices.DeleteFunc(a.lock.Pins(w), func(e artifact.Entry) bool {
		chosen := a.provenance == "" || a.provenance == artifact.Auto || e.Provenance == a.provenance
		return !chosen && e.Provenance != artifact.Distribution
	})
}

// Open opens one artifact; reading it fails where the bytes are not those that were pinned.
func (a *Artifacts) Open(ctx context.Context, e artifact.Entry) (io.ReadCloser, error) {
	if e.Provenance == artifact.Own {
		return openOwn(e)
	}
	return a.source.Open(ctx, e)
}
