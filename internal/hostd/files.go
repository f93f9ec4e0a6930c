package hostd

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

type fileKind struct{}

func (fileKind) prepare(_ context.Context, s *stepper, e *entry, full *hostapi.Item) (bool, error) {
	f := full.File
	digest := hostapi.Digest(f.Content)
	switch {
	case f.Secret && len(f.Content) == 0:
		return false, errors.New("the step brings no content for a secret file")
	case !f.Secret && f.SHA256 != "" && f.SHA256 != digest:
		return false, fail(hostapi.CodeDigest, "", "the step's content has digest %s, the item says %s", digest, f.SHA256)
	}
	if err := s.capture(e, f.Path); err != nil {
		return false, err
	}
	s.needParents(f.Path)
	return !s.fileRight(f, digest), nil
}

// fileRight says whether a file is on the host as an item wants it.
func (s *stepper) fileRight(f *hostapi.File, digest string) bool {
	fi, err := os.Lstat(s.path(f.Path))
	if err != nil || !fi.Mode().IsRegular() || s.permDiff(fi, f.Mode, f.Owner, f.Group, s.cachedAccounts()) != "" {
		return false
	}
	if fi.Size() != int64(len(f.Content)) {
		return false
	}
	have, err := digestFile(s.path(f.Path))
	return err == nil && have == digest
}

func (fileKind) apply(_ context.Context, s *stepper, e *entry, full *hostapi.Item) (bool, error) {
	f := full.File
	digest := hostapi.Digest(f.Content)
	e.Digests = map[string]string{f.Path: digest}
	if s.fileRight(f, digest) {
		s.unstage(f.Path)
		return false, nil
	}
	if err := s.put(f.Path, f.Content, f.Mode, f.Owner, f.Group); err != nil {
		return false, err
	}
	return true, s.rename(f.Path)
}

// quiet: mode and owner count when a file is opened. Whoever has read it knows what is in it.
func (fileKind) quiet(s *stepper, before *entry, full *hostapi.Item) bool {
	was, next := stripped(before.Item), stripped(*full)
	if was.File == nil {
		return false
	}
	was.File.Mode, was.File.Owner, was.File.Group = next.File.Mode, next.File.Owner, next.File.Group
	digest := hostapi.Digest(full.File.Content)
	if !sameItem(was, next) || before.Digests[full.File.Path] != digest {
		return false
	}
	fi, err := os.Lstat(s.path(full.File.Path))
	if err != nil || !fi.Mode().IsRegular() {
		return false
	}
	have, err := digestFile(s.path(full.File.Path))
	return err == nil && have == digest
}

// put stages content beside its path, making parents.
func (s *stepper) put(p string, content []byte, mode fs.FileMode, user, group string) error {
	o, err := s.owner(user, group)
	if err != nil {
		return err
	}
	if err := s.makeParents(p); err != nil {
		return err
	}
	if err := s.stage(p, content, mode, o); err != nil {
		return err
	}
	s.hook("staged " + p)
	return nil
}

// rename switches a staged file in.
func (s *stepper) rename(p string) error {
	if err := os.Rename(s.path(tempPath(p)), s.path(p)); err != nil {
		s.unstage(p)
		return err
	}
	s.changedPath(p)
	return nil
}

// changedPath notes what has to follow a change at a path.
func (s *stepper) changedPath(p string) {
	s.wrote(p)
	if isUnitPath(p) {
		s.rec.ReloadOwed = true
	}
}

func (fileKind) remove(_ context.Context, s *stepper, e *entry) error { return s.restoreAll(e) }

// restoreAll brings all paths of an entry back to what was there before.
func (s *stepper) restoreAll(e *entry) error {
	for _, v := range e.versions() {
		for _, p := range itemPaths(v) {
			if err := s.restore(p, e.Prior.Paths[p]); err != nil {
				return err
			}
			s.changedPath(p)
		}
	}
	return nil
}

func (fileKind) drift(o *observer, e *entry) (string, hostapi.DriftCode) {
	f := e.Item.File
	fi, err := os.Lstat(o.path(f.Path))
	if errors.Is(err, fs.ErrNotExist) {
		return "missing", ""
	}
	if err != nil {
		return err.Error(), ""
	}
	if !fi.Mode().IsRegular() {
		return "not a file", ""
	}
	var diffs []string
	code := hostapi.DriftAccess
	if d, err := digestFile(o.path(f.Path)); err != nil {
		diffs = append(diffs, err.Error())
	} else if d != e.Digests[f.Path] {
		diffs = append(diffs, "content differs")
	}
	if len(diffs) > 0 {
		code = ""
	}
	if d := o.permDiff(fi, f.Mode, f.Owner, f.Group, o.acc); d != "" {
		diffs = append(diffs, d)
	}
	return strings.Join(diffs, "; "), code
}

// cachedAccounts are the root's accounts as this step knows them.
func (s *stepper) cachedAccounts() *accounts {
	if s.acc == nil {
		s.acc = s.accounts()
	}
	return s.acc
}
