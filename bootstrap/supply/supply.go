// Package supply gives the engine what it sends to hosts: the files of a release, from a mirror or from the user's own folder, which is filled as need be, and the programs of Trivet itself.
// Every door uses it.
package supply

import (
	"context"
	"io"
	"os"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/internal/artifact"
)

// Options choose where artifacts come from.
type Options struct {
	// Source is "auto", "upstream", "source" (built from Go modules), a folder, or the http(s) address of a mirror.
	Source   string
	Progress func(artifact.Event) // of fetching and building; may be nil
}

// Artifacts gives the engine the files of a release.
type Artifacts struct {
	source     artifact.Source
	folder     *artifact.Folder // nil for a mirror
	provenance string
	progress   func(artifact.Event)
}

var _ bootstrap.Artifacts = (*Artifacts)(nil)

// New opens the source.
func New(o Options) (*Artifacts, error) {
	a := &Artifacts{progress: o.Progress}
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

// Resolve gives the entries of wants, after getting what is missing where that is possible.
func (a *Artifacts) Resolve(ctx context.Context, wants []artifact.Want) ([]artifact.Entry, error) {
	own, wants, err := a.own(wants)
	if err != nil || len(wants) == 0 {
		return own, err
	}
	entries, err := a.resolve(ctx, wants)
	return append(own, entries...), err
}

func (a *Artifacts) resolve(ctx context.Context, wants []artifact.Want) ([]artifact.Entry, error) {
	if a.folder != nil {
		return artifact.Fill(ctx, a.folder, wants, artifact.FillOptions{Provenance: a.provenance, Progress: a.progress})
	}
	return a.source.Lookup(ctx, wants)
}

// Open opens one artifact; reading it fails where the bytes are not those that were pinned.
func (a *Artifacts) Open(ctx context.Context, e artifact.Entry) (io.ReadCloser, error) {
	if e.Provenance == artifact.Own {
		return openOwn(e)
	}
	return a.source.Open(ctx, e)
}
