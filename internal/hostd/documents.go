package hostd

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// putDocument keeps a cluster document.
func (s *stepper) putDocument(d *hostapi.Document) (changed bool, err error) {
	p := path.Join(documentsDir, d.Name)
	if err := s.makeDir(documentsDir, 0o700); err != nil {
		return false, err
	}
	b, err := seal(d)
	if err != nil {
		return false, err
	}
	if have, err := os.ReadFile(s.path(p)); err == nil && slices.Equal(have, b) {
		return false, nil
	}
	return true, s.replaceFile(p, b, 0o600)
}

// discardDocument takes a cluster document off the host.
func (s *stepper) discardDocument(name string) (changed bool, err error) {
	p := path.Join(documentsDir, name)
	if err := os.Remove(s.path(p)); err != nil {
		return false, ignoreMissing(err)
	}
	s.wrote(p)
	return true, nil
}

func (h *Host) documents() (map[string]hostapi.Document, error) {
	names, err := os.ReadDir(h.path(documentsDir))
	if err != nil {
		return nil, ignoreMissing(err)
	}
	docs := map[string]hostapi.Document{}
	for _, n := range names {
		if strings.HasSuffix(n.Name(), tempSuffix) {
			continue
		}
		b, err := os.ReadFile(h.path(path.Join(documentsDir, n.Name())))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var d hostapi.Document
		if err == nil {
			err = unseal(b, &d)
		}
		if err != nil {
			return nil, fail(hostapi.CodeRecord, "nothing was changed; where another control plane has a copy of it, move this one away, and the next apply brings it back", "the document %s is unreadable: %v", path.Join(documentsDir, n.Name()), err)
		}
		docs[d.Name] = d
	}
	return docs, nil
}

// forget removes every trace of Trivet from a host whose items are all gone.
func (s *stepper) forget(ctx context.Context) error {
	if n := len(s.rec.Items); n > 0 {
		return fail(hostapi.CodeFailed, "remove them first", "the host still has %d recorded items, such as %s", n, s.rec.Items[0].id())
	}
	if err := s.reloadUnits(ctx); err != nil {
		return err
	}
	if err := s.bringBackForeign(ctx); err != nil {
		return err
	}
	if err := os.RemoveAll(s.path(trivetDir)); err != nil {
		return err
	}
	s.hook("forgot the store")
	made := append(s.notedParents(), s.rec.MadeDirs...)
	names, err := os.ReadDir(s.path(stateDir))
	if err != nil {
		return err
	}
	// The record goes last, so that an interruption leaves a host that is still known to be Trivet's.
	for _, n := range names {
		if p := path.Join(stateDir, n.Name()); p != recordPath {
			if err := os.RemoveAll(s.path(p)); err != nil {
				return err
			}
		}
	}
	s.hook("forgot the state")
	if err := ignoreMissing(os.Remove(s.path(recordPath))); err != nil {
		return err
	}
	s.forgotten = true
	s.hook("forgot the record")
	if err := os.Remove(s.path(stateDir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	slices.Sort(made)
	for _, d := range slices.Backward(made) {
		_ = os.Remove(s.path(d)) // only where it is empty
	}
	if s.Staging != "" { // a program that runs needs no name
		return os.RemoveAll(s.Staging)
	}
	return nil
}
