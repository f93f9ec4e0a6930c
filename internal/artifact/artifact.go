// Package artifact gives every file that a Kubernetes release consists of, by
// digest: from a folder, from a mirror over http(s), or filled into a folder from
// upstream or by building Go modules.
//
// A Want names an artifact as a release table does; a Source answers with an
// Entry, which pins the bytes by SHA-256. Whoever opens an Entry gets exactly
// those bytes or an error: nothing in between. Fill puts what is wanted into a
// Folder; a Lock remembers the digests beside the topology.
package artifact

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
)

// Kind says what the file of an artifact is.
type Kind string

const (
	// Binary is one executable file.
	Binary Kind = "binary"
	// Image is a container image in one file: a docker-archive, which containerd imports.
	Image Kind = "image"
	// Package is a distribution package: one Debian .deb file.
	Package Kind = "package"
)

// Where the bytes of an entry come from. An upstream build and a source build of
// the same version differ, so the digest of one says nothing about the other.
const (
	Upstream     = "upstream"     // published by the project itself
	SourceBuilt  = "source"       // built here from Go modules
	Distribution = "distribution" // from the Linux distribution's archive
	Own          = "trivet"       // a program of Trivet itself, which lies beside the command
)

// Want names an artifact.
type Want struct {
	Name    string `json:"name"`              // kubelet, coredns, haproxy; an image may be a whole repository: docker.io/library/nginx
	Version string `json:"version,omitempty"` // without a leading v; empty for a package: the distribution's own
	Arch    string `json:"arch"`              // amd64 or arm64
	Kind    Kind   `json:"kind"`
}

func (w Want) String() string {
	var b strings.Builder
	b.WriteString(w.Name)
	if w.Version != "" {
		b.WriteString(" " + w.Version)
	}
	fmt.Fprintf(&b, " %s %s", w.Arch, w.Kind)
	return b.String()
}

// Compare orders wants by kind, name, version and architecture.
func (w Want) Compare(o Want) int {
	return cmp.Or(
		cmp.Compare(w.Kind, o.Kind), cmp.Compare(w.Name, o.Name),
		cmp.Compare(w.Version, o.Version), cmp.Compare(w.Arch, o.Arch),
	)
}

// Entry is an artifact that a source has. A binary or an image is one entry. A
// package is an ordered list of entries with the same Want, dependencies first:
// the Debian packages to install on a minimal host.
type Entry struct {
	Want
	SHA256     string `json:"sha256"` // 64 hexadecimal digits
	Size       int64  `json:"size"`
	Provenance string `json:"provenance"` // Upstream, SourceBuilt or Distribution
	// Reference is an image's canonical reference (registry.k8s.io/coredns/coredns:v1.15.0)
	// or a package's Debian name and version (libpcre2-8-0=10.42-1). Empty for a binary.
	Reference string `json:"reference,omitempty"`
	// Distribution is what a package was made for: debian-12.
	Distribution string `json:"distribution,omitempty"`
}

func (e Entry) String() string {
	s := e.Want.String()
	if e.Kind == Package && e.Reference != "" {
		s += " (" + e.Reference + ")"
	}
	return s
}

// Source gives artifacts.
type Source interface {
	// Lookup answers for every want, in order, or fails with a *MissingError that
	// names all that is missing. A package want may answer with several entries.
	// Where both an upstream and a source build are there, upstream is given.
	Lookup(ctx context.Context, wants []Want) ([]Entry, error)
	// Open gives the bytes of an entry. Reading fails at the end, instead of
	// answering io.EOF, when they are not the bytes that the digest promises.
	Open(ctx context.Context, e Entry) (io.ReadCloser, error)
}

// MissingError says what a source does not have.
type MissingError struct {
	Place string // the folder or URL
	Wants []Want
}

func (e *MissingError) Error() string {
	names := make([]string, len(e.Wants))
	for i, w := range e.Wants {
		names[i] = w.String()
	}
	return fmt.Sprintf("%s lacks %d artifacts: %s; fill it with `trivet mirror`", e.Place, len(e.Wants), strings.Join(names, ", "))
}
