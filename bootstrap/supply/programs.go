package supply

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/internal/artifact"
)

// Helper finds the host helper beside this program, or in the folder that TRIVET_HELPER_DIR names.
func Helper(goarch string) (string, error) {
	return Program("trivet-host", "the host helper", goarch)
}

// Program finds a program for hosts where the helper is.
func Program(name, title, goarch string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	if self, err = filepath.EvalSymlinks(self); err != nil {
		return "", err
	}
	dir := cmp.Or(os.Getenv("TRIVET_HELPER_DIR"), filepath.Dir(self))
	path := filepath.Join(dir, name+"-linux-"+goarch)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s for linux/%s is missing: %s should be beside %s, where the release and make build put it, or in the folder that TRIVET_HELPER_DIR names", title, goarch, path, filepath.Base(self))
	}
	return path, nil
}

// AnyHelper fails when there is no helper for any architecture: that is a matter of this machine, better told before hosts are contacted than by each of them.
func AnyHelper() error {
	_, err := Helper("amd64")
	if err != nil {
		if _, other := Helper("arm64"); other == nil {
			return nil
		}
	}
	return err
}

// own answers the wants that are programs of Trivet itself, and returns the rest. They go with the command, so that no lock file pins them and no mirror has them.
func (a *Artifacts) own(wants []artifact.Want) (entries []artifact.Entry, rest []artifact.Want, err error) {
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
	path, err := Program(w.Name, "the program "+w.Name, w.Arch)
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
	path, err := Program(e.Name, "the program "+e.Name, e.Arch)
	if err != nil {
		return nil, err
	}
	return os.Open(path)
}
