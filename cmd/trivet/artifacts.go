package main

import (
	"cmp"
	"os"
	"path/filepath"

	"github.com/trivet-dev/trivet/bootstrap/supply"
	"github.com/trivet-dev/trivet/internal/artifact"
)

// openSupply opens the artifacts of the session's topology, with the lock file beside it.
func (s *session) openSupply() (*supply.Locked, error) {
	dir := s.dir
	if st, err := os.Stat(dir); err == nil && !st.IsDir() {
		dir = filepath.Dir(dir)
	}
	if s.lab {
		// What a lab runs says nothing about what the real fleet is pinned to.
		dir = filepath.Dir(s.access.PrivateKey)
	}
	lock, err := artifact.LoadLock(filepath.Join(dir, artifact.LockName))
	if err != nil {
		return nil, err
	}
	from := cmp.Or(s.artifacts, supply.Environment(), s.topology.Fleet.Artifacts.Source, artifact.Auto)
	a, err := supply.New(supply.Options{Source: from, Progress: s.view.artifact})
	if err != nil {
		return nil, err
	}
	return supply.Lock(a, from, lock, false), nil
}
