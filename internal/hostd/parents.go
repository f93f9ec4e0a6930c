package hostd

import (
	"errors"
	"os"
	"path"
	"slices"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// needParents records, with the intent, which parents of a path will have to be made.
func (s *stepper) needParents(p string) {
	for _, d := range s.missingDirs(path.Dir(p)) {
		if s.rec.find(hostapi.ID{Kind: hostapi.KindDirectory, Name: d}) == nil && !slices.Contains(s.rec.MadeDirs, d) {
			s.rec.MadeDirs = append(s.rec.MadeDirs, d)
		}
	}
}

// makeParents makes the missing parents of a path.
func (s *stepper) makeParents(p string) error {
	for _, d := range s.missingDirs(path.Dir(p)) {
		if err := os.Mkdir(s.path(d), 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
		if err := os.Chmod(s.path(d), 0o755); err != nil {
			return err
		}
		s.wrote(d)
	}
	return nil
}

// cleanParents removes folders above a path that were made on the way to an item and are empty now.
func (s *stepper) cleanParents(p string) {
	for d := path.Dir(p); d != "/" && d != "."; d = path.Dir(d) {
		if !slices.Contains(s.rec.MadeDirs, d) {
			return
		}
		if err := os.Remove(s.path(d)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return
		}
		s.rec.MadeDirs = slices.DeleteFunc(s.rec.MadeDirs, func(x string) bool { return x == d })
		s.dirty = true
		s.wrote(d)
	}
}

// pruneMadeDirs forgets folders that were to be made and were not.
func (s *stepper) pruneMadeDirs() {
	s.rec.MadeDirs = slices.DeleteFunc(s.rec.MadeDirs, func(d string) bool {
		_, err := os.Lstat(s.path(d))
		return errors.Is(err, os.ErrNotExist)
	})
}
