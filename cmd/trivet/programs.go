package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/internal/artifact"
)

// own answers the wants that are programs of Trivet itself, and returns the rest. They go with the command, so that no lock file pins them and no mirror has them.
func (a *artifacts) own(wants []artifact.Want) (entries []artifact.Entry, rest []artifact.Want, err error) {
	for _, w := range wants {
		if w.Name != desired.SnapshotProgram {
			rest = append(rest, w)
			continue
		}
		e, err := ownProgram(w)
		if err != nil {
			return nil, nil, err
		}
		entries = append(entries, e)
	}
	return entries, rest, nil
}

func ownProgram(w artifact.Want) (artifact.Entry, error) {
	path, err := programPath(w.Name, "the program "+w.Name, w.Arch)
	if err != nil {
		return artifact.Entry{}, err
	}
	f, err := os.Open(path)
	if err != nil {
		return artifact.Entry{}, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	sum := sha256.New()
	size, err := io.Copy(sum, f)
	if err != nil {
		return artifact.Entry{}, fmt.Errorf("reading %s: %w", path, err)
	}
	return artifact.Entry{Want: w, SHA256: hex.EncodeToString(sum.Sum(nil)), Size: size, Provenance: artifact.Own}, nil
}

// openOwn opens the program. The host compares its digest.
func openOwn(e artifact.Entry) (io.ReadCloser, error) {
	path, err := programPath(e.Name, "the program "+e.Name, e.Arch)
	if err != nil {
		return nil, err
	}
	return os.Open(path)
}
