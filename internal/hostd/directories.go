package hostd

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

type directoryKind struct{}

func (directoryKind) prepare(_ context.Context, s *stepper, e *entry, full *hostapi.Item) (bool, error) {
	d := full.Directory
	if _, done := e.Prior.Paths[d.Path]; !done {
		pp, err := s.captureDir(d)
		if err != nil {
			return false, err
		}
		e.Prior.Paths = map[string]priorPath{d.Path: pp}
	}
	if d.Precious && e.Filled && s.empty(d.Path) {
		return false, fail(hostapi.CodeFailed, "bring its content back, from a backup or another disk; or give up what used it, and remove it from what it was a member of, first",
			"the data in %s is gone", d.Path)
	}
	s.needParents(d.Path)
	fi, err := os.Lstat(s.path(d.Path))
	return err != nil || !fi.IsDir() || s.permDiff(fi, d.Mode, d.Owner, d.Group, s.cachedAccounts()) != "", nil
}

func (s *stepper) captureDir(d *hostapi.Directory) (priorPath, error) {
	if slices.Contains(s.rec.MadeDirs, d.Path) {
		s.rec.MadeDirs = slices.DeleteFunc(s.rec.MadeDirs, func(x string) bool { return x == d.Path })
		return priorPath{}, nil // Trivet made it on the way to something else
	}
	fi, err := os.Lstat(s.path(d.Path))
	if errors.Is(err, fs.ErrNotExist) {
		return priorPath{}, nil
	}
	if err != nil {
		return priorPath{}, err
	}
	if !fi.IsDir() {
		return priorPath{}, fail(hostapi.CodeForeign, "move it away and apply again", "%s exists and is not a folder", d.Path)
	}
	if err := s.foreignData(d); err != nil {
		return priorPath{}, err
	}
	pp := priorPath{Exists: true, Mode: fi.Mode()}
	pp.UID, pp.GID = ownerOf(fi)
	return pp, nil
}

// foreignData is an error where a data folder has somebody else's data in it.
func (s *stepper) foreignData(d *hostapi.Directory) error {
	if !d.Data {
		return nil
	}
	foreign, err := s.foreignContent(d.Path)
	if err != nil || foreign == "" {
		return err
	}
	return fail(hostapi.CodeForeign, "look at what it is, and move it away or delete it; Trivet never deletes what it did not make",
		"the data folder %s has content that is not Trivet's, such as %s", d.Path, foreign)
}

// empty says whether there is nothing in a folder, or no folder.
func (h *Host) empty(dir string) bool {
	f, err := os.Open(h.path(dir))
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	defer f.Close()
	for {
		names, err := f.Readdirnames(2)
		if err != nil {
			return errors.Is(err, io.EOF)
		}
		if slices.ContainsFunc(names, func(n string) bool { return n != "lost+found" }) {
			return false
		}
	}
}

// noteFilled remembers which folders of precious data have some, so that its loss can be told.
func (s *stepper) noteFilled() {
	for _, e := range s.rec.of(hostapi.KindDirectory) {
		if d := e.Item.Directory; d != nil && d.Precious && !e.Filled && !s.empty(d.Path) {
			e.Filled, s.dirty = true, true
		}
	}
}

// foreignContent names something in a folder that is not recorded, "" when there is nothing.
func (s *stepper) foreignContent(dir string) (string, error) {
	names, err := os.ReadDir(s.path(dir))
	if err != nil {
		return "", ignoreMissing(err)
	}
	for _, n := range names {
		p := path.Join(dir, n.Name())
		if n.Name() != "lost+found" && !s.ours(p) {
			return p, nil
		}
	}
	return "", nil
}

// ours says whether a path, or something below it, is recorded.
func (s *stepper) ours(p string) bool {
	if slices.Contains(s.rec.MadeDirs, p) {
		return true
	}
	for _, e := range s.rec.Items {
		for _, v := range e.versions() {
			for _, q := range itemPaths(v) {
				if q == p || strings.HasPrefix(q, p+"/") {
					return true
				}
			}
		}
	}
	return false
}

func (directoryKind) apply(_ context.Context, s *stepper, e *entry, full *hostapi.Item) (bool, error) {
	d := full.Directory
	o, err := s.owner(d.Owner, d.Group)
	if err != nil {
		return false, err
	}
	if err := s.makeParents(d.Path); err != nil {
		return false, err
	}
	if err := os.Mkdir(s.path(d.Path), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return false, err
	}
	s.hook("made " + d.Path)
	s.wrote(d.Path)
	return true, s.setDir(d.Path, d.Mode, o)
}

func (s *stepper) setDir(p string, mode fs.FileMode, o owner) error {
	f, err := os.OpenFile(s.path(p), os.O_RDONLY|openNoFollow, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return s.setOwnerMode(f, mode, &o)
}

func (directoryKind) remove(ctx context.Context, s *stepper, e *entry) error {
	d := e.item().Directory
	pp := e.Prior.Paths[d.Path]
	fi, err := os.Lstat(s.path(d.Path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !fi.IsDir() {
		return nil // somebody put something else there
	}
	if d.Data {
		if err := s.unmountClaimed(ctx, d.Path); err != nil {
			return err
		}
		if err := s.removeTree(d.Path, true); err != nil {
			return err
		}
	}
	s.wrote(d.Path)
	if pp.Exists {
		return s.setDir(d.Path, pp.Mode, owner{pp.UID, pp.GID})
	}
	if err := os.Remove(s.path(d.Path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		// It is not empty: it goes with the last thing of Trivet's in it, if that is what is in it.
		s.rec.MadeDirs = append(s.rec.MadeDirs, d.Path)
	}
	return nil
}

func (directoryKind) drift(o *observer, e *entry) (string, hostapi.DriftCode) {
	d := e.Item.Directory
	fi, err := os.Lstat(o.path(d.Path))
	if d.Precious && e.Filled && o.empty(d.Path) {
		return "its data is gone", hostapi.DriftDataGone
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "missing", ""
	}
	if err != nil {
		return err.Error(), ""
	}
	if !fi.IsDir() {
		return "not a folder", ""
	}
	return o.permDiff(fi, d.Mode, d.Owner, d.Group, o.acc), hostapi.DriftAccess
}
