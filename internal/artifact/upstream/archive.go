package upstream

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
)

// Extract hands the named members of a .tar.gz to use, in one pass, and fails if one is not there.
func Extract(archive string, members []string, use func(member string, r io.Reader) error) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("%s: %w", archive, err)
	}
	t := tar.NewReader(z)
	missing := slices.Clone(members)
	for len(missing) > 0 {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%s lacks %s", archive, strings.Join(missing, ", "))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", archive, err)
		}
		name := path.Clean(h.Name) // some archives say ./bridge
		i := slices.Index(missing, name)
		if i < 0 || h.Typeflag != tar.TypeReg {
			continue
		}
		if err := use(name, t); err != nil {
			return err
		}
		missing = slices.Delete(missing, i, i+1)
	}
	return nil
}
