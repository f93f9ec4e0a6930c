package artifact

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// LockName is the lock file's name, beside the topology.
const LockName = "trivet.lock.json"

const lockFormat = 1

// Lock pins digests: what was used once is used again, or the difference is told. It is
// keyed by name, version, architecture and provenance, since a source build and an
// upstream build differ; a package's files by their Debian name and distribution too.
type Lock struct {
	path    string // none where there is no file
	name    string // as messages call it
	mu      sync.Mutex
	pins    map[pinKey]pin
	changed bool
}

// pinKey is what a digest is pinned for.
type pinKey struct {
	Name         string `json:"name"`
	Version      string `json:"version,omitempty"`
	Arch         string `json:"arch"`
	Kind         Kind   `json:"kind"`
	Provenance   string `json:"provenance"`
	Distribution string `json:"distribution,omitempty"`
	Package      string `json:"package,omitempty"` // the Debian package, where the entry is one
}

type pin struct {
	pinKey
	Reference string `json:"reference,omitempty"`
	SHA256    string `json:"sha256"`
}

type lockFile struct {
	Format    int   `json:"format"`
	Artifacts []pin `json:"artifacts"`
}

func keyOf(e Entry) pinKey {
	k := pinKey{Name: e.Name, Version: e.Version, Arch: e.Arch, Kind: e.Kind, Provenance: e.Provenance, Distribution: e.Distribution}
	if e.Kind == Package {
		k.Package, _, _ = strings.Cut(e.Reference, "=")
	}
	return k
}

// NewLock is an empty lock that has no file.
func NewLock() *Lock { return &Lock{pins: map[pinKey]pin{}} }

// LoadLock reads a lock file. One that does not exist yet is empty.
func LoadLock(path string) (*Lock, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		l := NewLock()
		l.path, l.name = path, path
		return l, nil
	}
	if err != nil {
		return nil, fmt.Errorf("lock file: %w", err)
	}
	l, err := ParseLock("lock file "+path, b)
	if err != nil {
		return nil, err
	}
	l.path, l.name = path, path
	return l, nil
}

// ParseLock reads the text of a lock file, which messages call by the name. The lock has no file: Save does nothing.
func ParseLock(name string, b []byte) (*Lock, error) {
	l := NewLock()
	l.name = name
	var file lockFile
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		return nil, fmt.Errorf("%s: line %d: %w; restore it from version control", name, lineOf(b, d.InputOffset(), err), err)
	}
	if file.Format != lockFormat {
		return nil, fmt.Errorf("%s has format %d, this program reads format %d", name, file.Format, lockFormat)
	}
	for _, p := range file.Artifacts {
		if _, twice := l.pins[p.pinKey]; twice {
			return nil, fmt.Errorf("%s pins %s twice; keep one of the two", name, p.pinKey)
		}
		if len(p.SHA256) != 64 || strings.Trim(p.SHA256, "0123456789abcdef") != "" {
			return nil, fmt.Errorf("%s: the sha256 of %s is not 64 lower-case hexadecimal digits", name, p.pinKey)
		}
		l.pins[p.pinKey] = p
	}
	return l, nil
}

// lineOf gives the line of a decoding error.
func lineOf(b []byte, offset int64, err error) int {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &kind):
		offset = kind.Offset
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		offset = int64(len(b))
	}
	return 1 + bytes.Count(b[:min(offset, int64(len(b)))], []byte("\n"))
}

func (k pinKey) String() string {
	s := Want{Name: k.Name, Version: k.Version, Arch: k.Arch, Kind: k.Kind}.String()
	if k.Package != "" {
		s += " file " + k.Package
	}
	if k.Distribution != "" {
		s += " for " + k.Distribution
	}
	return s + " (" + k.Provenance + ")"
}

// LockMismatchError is an artifact that is not the one pinned.
type LockMismatchError struct {
	Path   string // the lock file, or as else the lock is called
	Entry  Entry
	Pinned string
	What   string
}

func (e *LockMismatchError) Error() string {
	return fmt.Sprintf("%s pins %s to sha256 %s, but what the artifact source gives has sha256 %s. "+
		"Another toolchain or a new package of the distribution explains it; so does a changed mirror. "+
		"To accept the new one, remove that entry from %s and run again",
		e.Path, e.What, e.Pinned, e.Entry.SHA256, e.Path)
}

// UnpinnedError lists artifacts that a lock does not pin which has to pin everything.
type UnpinnedError struct {
	Name    string // as the lock is called
	Entries []Entry
}

func (e *UnpinnedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s does not pin all that is needed. Add what is right of these to its artifacts:", e.Name)
	for _, x := range e.Entries {
		line, err := json.Marshal(pin{pinKey: keyOf(x), Reference: x.Reference, SHA256: x.SHA256})
		if err != nil {
			panic("artifact: " + err.Error()) // it holds plain data only
		}
		b.WriteString("\n" + string(line) + ",")
	}
	return strings.TrimSuffix(b.String(), ",")
}

// CheckAll fails with *LockMismatchErrors for entries that are pinned to other digests, and, where all have to be pinned, with an *UnpinnedError for those that are not.
func (l *Lock) CheckAll(entries []Entry, all bool) error {
	var errs []error
	missing := &UnpinnedError{Name: l.name}
	for _, e := range entries {
		if errs = append(errs, l.Check(e)); !l.Pinned(e) {
			missing.Entries = append(missing.Entries, e)
		}
	}
	if all && len(missing.Entries) > 0 {
		errs = append(errs, missing)
	}
	return errors.Join(errs...)
}

// Keep forgets what is pinned for other wants.
func (l *Lock) Keep(wanted func(Want) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.pins)
	maps.DeleteFunc(l.pins, func(k pinKey, _ pin) bool {
		return !wanted(Want{Name: k.Name, Version: k.Version, Arch: k.Arch, Kind: k.Kind})
	})
	l.changed = l.changed || len(l.pins) < n
}

// Check fails with a *LockMismatchError if e is pinned to another digest. What is not
// pinned yet passes.
func (l *Lock) Check(e Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := keyOf(e)
	p, ok := l.pins[k]
	if ok && p.SHA256 != e.SHA256 {
		return &LockMismatchError{Path: l.name, Entry: e, Pinned: p.SHA256, What: k.String()}
	}
	return nil
}

// Pinned says whether a digest is pinned for e, be it this one or another.
func (l *Lock) Pinned(e Entry) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.pins[keyOf(e)]
	return ok
}

// Pins lists what is pinned for a want, of every provenance. A lock file has no sizes.
func (l *Lock) Pins(w Want) []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Entry
	for k, p := range l.pins {
		if (Want{Name: k.Name, Version: k.Version, Arch: k.Arch, Kind: k.Kind}) == w {
			out = append(out, Entry{Want: w, SHA256: p.SHA256, Provenance: k.Provenance, Reference: p.Reference, Distribution: k.Distribution})
		}
	}
	slices.SortFunc(out, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Provenance, b.Provenance), cmp.Compare(a.Distribution, b.Distribution), cmp.Compare(a.Reference, b.Reference), cmp.Compare(a.SHA256, b.SHA256))
	})
	return out
}

// Pin remembers e's digest, in place of any other: it is also how a difference is accepted.
func (l *Lock) Pin(e Entry) error {
	if err := e.validate(); err != nil {
		return fmt.Errorf("pin %s: %w", e, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	k := keyOf(e)
	p := pin{pinKey: k, Reference: e.Reference, SHA256: e.SHA256}
	if l.pins[k] != p {
		l.pins[k], l.changed = p, true
	}
	return nil
}

// Save writes the file if a pin was added or changed.
func (l *Lock) Save() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.changed || l.path == "" {
		return nil
	}
	b, err := l.marshal()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(l.path), 0o755); err != nil {
		return err
	}
	if err := writeAtomically(l.path, b); err != nil {
		return fmt.Errorf("lock file: %w", err)
	}
	l.changed = false
	return nil
}

// Marshal is the text of the lock as a file has it.
func (l *Lock) Marshal() ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.marshal()
}

func (l *Lock) marshal() ([]byte, error) {
	file := lockFile{Format: lockFormat, Artifacts: make([]pin, 0, len(l.pins))}
	for _, p := range l.pins {
		file.Artifacts = append(file.Artifacts, p)
	}
	slices.SortFunc(file.Artifacts, func(a, b pin) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version),
			cmp.Compare(a.Arch, b.Arch), cmp.Compare(a.Provenance, b.Provenance),
			cmp.Compare(a.Distribution, b.Distribution), cmp.Compare(a.Package, b.Package))
	})
	b, err := json.MarshalIndent(file, "", "  ")
	return append(b, '\n'), err
}
