package fleettest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/trivet-dev/trivet/internal/artifact"
	"github.com/trivet-dev/trivet/internal/artifact/image"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/hostd/hostdtest"
)

// artifacts are made up as they are asked for.
type artifacts struct {
	mu       sync.Mutex
	contents map[string][]byte // by digest
}

// Resolve implements the engine's Artifacts.
func (f *Fleet) Resolve(_ context.Context, wants []artifact.Want) ([]artifact.Entry, error) {
	var out []artifact.Entry
	for _, w := range wants {
		entries, err := f.artifacts.of(w)
		if err != nil {
			return nil, err
		}
		out = append(out, entries...)
	}
	return out, nil
}

// Open implements the engine's Artifacts.
func (f *Fleet) Open(_ context.Context, e artifact.Entry) (io.ReadCloser, error) {
	f.artifacts.mu.Lock()
	defer f.artifacts.mu.Unlock()
	b, ok := f.artifacts.contents[e.SHA256]
	if !ok {
		return nil, fmt.Errorf("fleettest: %s was never resolved", e)
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

func (a *artifacts) of(w artifact.Want) ([]artifact.Entry, error) {
	switch w.Kind {
	case artifact.Binary:
		return []artifact.Entry{a.entry(w, "", []byte("#!"+w.String()+"\n"))}, nil
	case artifact.Image:
		ref, err := image.Reference(w.Name, w.Version)
		if err != nil {
			return nil, err
		}
		return []artifact.Entry{a.entry(w, ref, hostdtest.ImageArchive(ref))}, nil
	case artifact.Package:
		library := hostdtest.Deb("lib"+w.Name, "1", map[string]string{"/usr/lib/lib" + w.Name + ".so": "library\n"})
		program := hostdtest.Deb(w.Name, "2", map[string]string{"/usr/sbin/" + w.Name: "program\n"})
		entries := []artifact.Entry{a.entry(w, "lib"+w.Name+"=1", library), a.entry(w, w.Name+"=2", program)}
		for i := range entries {
			entries[i].Provenance, entries[i].Distribution = artifact.Distribution, "debian-12"
		}
		return entries, nil
	}
	return nil, fmt.Errorf("fleettest: there is no artifact of the kind %q", w.Kind)
}

func (a *artifacts) entry(w artifact.Want, reference string, content []byte) artifact.Entry {
	e := artifact.Entry{Want: w, SHA256: hostapi.Digest(content), Size: int64(len(content)), Provenance: artifact.Upstream, Reference: reference}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.contents == nil {
		a.contents = map[string][]byte{}
	}
	a.contents[e.SHA256] = content
	return e
}

// onLoopback is where a host of the fleet listens in fact.
func onLoopback(address string) (string, error) {
	_, port, err := net.SplitHostPort(address)
	return net.JoinHostPort("127.0.0.1", port), err
}
