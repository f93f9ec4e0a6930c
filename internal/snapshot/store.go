package snapshot

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// store is a folder of snapshots.
type store struct{ dir string }

const (
	tmpPrefix = ".tmp-"
	lastName  = "last.json"
	// tmpAge is how old a temporary file must be for nobody to write it any more.
	tmpAge = 24 * time.Hour
	// reserve is what must stay free beside a snapshot: etcd's own files may lie on the same disk.
	reserve = 512 << 20
)

// list reads the folder, newest first.
func (s store) list() ([]Snapshot, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var out []Snapshot
	for _, e := range entries {
		found, ok := ParseName(e.Name())
		if !ok {
			continue
		}
		if found.Size, found.SHA256, err = readTail(filepath.Join(s.dir, e.Name())); errors.Is(err, fs.ErrNotExist) {
			continue // pruned meanwhile
		}
		if err != nil {
			found.Wrong = err.Error()
		}
		out = append(out, found)
	}
	slices.SortFunc(out, func(a, b Snapshot) int {
		if n := b.Taken.Compare(a.Taken); n != 0 {
			return n
		}
		return strings.Compare(a.Member, b.Member)
	})
	return out, nil
}

// readTail gives the size and the hash at the end.
func readTail(path string) (size int64, hash string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, "", err
	}
	defer f.Close() //nolint:errcheck // it was only read
	info, err := f.Stat()
	if err != nil {
		return 0, "", err
	}
	last := make([]byte, sha256.Size)
	if _, err := f.ReadAt(last, info.Size()-sha256.Size); err != nil {
		return info.Size(), "", fmt.Errorf("it is cut off: %w", err)
	}
	return info.Size(), hex.EncodeToString(last), nil
}

// verify reads a file and compares it with the hash at its end.
func verify(path string) (size int64, hash string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, "", err
	}
	defer f.Close() //nolint:errcheck // it was only read
	t := newTail()
	if _, err := io.Copy(t, f); err != nil {
		return 0, "", err
	}
	hash, err = t.verify()
	return t.size, hash, err
}

// create opens a temporary file in the folder, readable by root alone.
func (s store) create() (*os.File, error) { return os.CreateTemp(s.dir, tmpPrefix+"*") }

// keep gives a verified temporary file its name, durably.
func (s store) keep(tmp string, as Snapshot) error {
	f, err := os.OpenFile(tmp, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	err = errors.Join(f.Chmod(0o600), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(tmp, filepath.Join(s.dir, as.Name())); err != nil {
		return err
	}
	return s.sync()
}

func (s store) sync() error {
	d, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// room refuses what would fill the disk.
func (s store) room(size int64) error {
	free, err := freeBytes(s.dir)
	if err != nil {
		return err
	}
	if free < size+reserve {
		return fmt.Errorf("%s has %d MiB free, and a snapshot of %d MiB is to leave %d: make room there, or keep fewer", s.dir, free>>20, size>>20, reserve>>20)
	}
	return nil
}

// expired lists what is beyond the number for its member, or too old. The newest of the folder is never in it, nor is anything while a newer one is not known to be good.
func expired(all []Snapshot, keep int, keepFor time.Duration, now time.Time) []Snapshot {
	var out []Snapshot
	rank := make(map[string]int)
	good := false
	for _, s := range all { // newest first
		rank[s.Member]++
		if good && (rank[s.Member] > keep || now.Sub(s.Taken) > keepFor) {
			out = append(out, s)
		}
		good = good || s.Wrong == ""
	}
	return out
}

// prune removes what is expired, once the newest has been read again and is good, and what interrupted runs left.
func (s store) prune(c *Config, now time.Time) ([]Snapshot, error) {
	if err := s.sweep(now); err != nil {
		return nil, err
	}
	all, err := s.list()
	if err != nil {
		return nil, err
	}
	for i := range all {
		if _, _, err := verify(filepath.Join(s.dir, all[i].Name())); err == nil {
			break
		} else if all[i].Wrong = err.Error(); errors.Is(err, fs.ErrNotExist) {
			return nil, nil // another run prunes
		}
	}
	gone := expired(all, c.Keep, time.Duration(c.KeepFor)*time.Second, now)
	for _, old := range gone {
		if err := os.Remove(filepath.Join(s.dir, old.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return gone, nil
}

// sweep removes temporary files that nobody writes any more.
func (s store) sweep(now time.Time) error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !strings.HasPrefix(e.Name(), tmpPrefix) || now.Sub(info.ModTime()) < tmpAge {
			continue
		}
		if err := os.RemoveAll(filepath.Join(s.dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// remember writes down how a run ended.
func (s store) remember(r Run) error {
	content, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := s.create()
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // it has another name by then
	_, err = f.Write(append(content, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(s.dir, lastName))
}

func (s store) last() *Run {
	content, err := os.ReadFile(filepath.Join(s.dir, lastName))
	var r Run
	if err != nil || json.Unmarshal(content, &r) != nil {
		return nil
	}
	return &r
}
