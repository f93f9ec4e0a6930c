package artifact

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/trivet-dev/trivet/internal/artifact/flock"
)

const (
	indexName   = "index.json"
	indexFormat = 1
	blobsDir    = "blobs/sha256"
	scratchDir  = "tmp"
)

// stored is the modification time that every verified blob carries. A blob that
// still has it, and its size, was not written since: it need not be read again.
var stored = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// Folder is a Source on disk: index.json and blobs/sha256/<digest>. Several
// processes may read and fill the same folder.
type Folder struct {
	dir string
}

// UserDir is where Trivet keeps name for the user: $XDG_CACHE_HOME/trivet/name or its
// usual equivalent. UserDir("artifacts") is the folder used when none is named.
func UserDir(name string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no folder for caches: %w; set XDG_CACHE_HOME", err)
	}
	return filepath.Join(cache, "trivet", name), nil
}

// OpenFolder opens a folder that exists. An empty directory is an empty folder.
func OpenFolder(dir string) (*Folder, error) {
	f := &Folder{dir: dir}
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("artifact folder: %w; make it with `trivet mirror`", err)
	}
	ours, foreign := false, false
	for _, n := range names {
		switch {
		case n.Name() == indexName || n.Name() == "blobs":
			ours = true
		case n.Name() != scratchDir && n.Name() != "lost+found" && !strings.HasPrefix(n.Name(), "."):
			foreign = true
		}
	}
	if foreign && !ours {
		return nil, fmt.Errorf("%s is not an artifact folder: it has files but no %s", dir, indexName)
	}
	if _, err := f.Entries(); err != nil {
		return nil, err
	}
	return f, nil
}

// CreateFolder opens a folder and makes it first if it is not there.
func CreateFolder(dir string) (*Folder, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("artifact folder: %w", err)
	}
	return OpenFolder(dir)
}

// Dir is where the folder is.
func (f *Folder) Dir() string { return f.dir }

// index is index.json.
type index struct {
	Format  int     `json:"format"`
	Entries []Entry `json:"entries"`
}

// Entries lists all that the folder records.
func (f *Folder) Entries() ([]Entry, error) {
	path := filepath.Join(f.dir, indexName)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseIndex(path, b)
}

// parseIndex reads an index and refuses one with entries that cannot be: a digest
// becomes part of a path, so it must be nothing but a digest.
func parseIndex(place string, b []byte) ([]Entry, error) {
	var x index
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&x); err != nil {
		return nil, fmt.Errorf("%s is damaged or not an artifact index: %w; remove it and fill the folder again: what is unchanged is not fetched twice", place, err)
	}
	if x.Format != indexFormat {
		return nil, fmt.Errorf("%s has format %d, this program reads format %d", place, x.Format, indexFormat)
	}
	for i, e := range x.Entries {
		if err := e.validate(); err != nil {
			return nil, fmt.Errorf("%s: entry %d (%s): %w", place, i+1, e.Want, err)
		}
	}
	return x.Entries, nil
}

func (e Entry) validate() error {
	if b, err := hex.DecodeString(e.SHA256); err != nil || len(b) != sha256.Size || hex.EncodeToString(b) != e.SHA256 {
		return fmt.Errorf("sha256 %q is not 64 lower-case hexadecimal digits", e.SHA256)
	}
	if e.Size < 0 {
		return fmt.Errorf("size %d is negative", e.Size)
	}
	if e.Name == "" || e.Arch == "" {
		return errors.New("name and arch must not be empty")
	}
	if !slices.Contains([]string{Upstream, SourceBuilt, Distribution}, e.Provenance) {
		return fmt.Errorf("provenance %q is unknown", e.Provenance)
	}
	switch e.Kind {
	case Binary:
		return nil
	case Image, Package:
		if e.Reference == "" {
			return errors.New("an image or a package needs a reference")
		}
		return nil
	}
	return fmt.Errorf("kind %q is unknown", e.Kind)
}

// Lookup implements Source. An entry whose file is gone or has another length counts as missing.
func (f *Folder) Lookup(_ context.Context, wants []Want) ([]Entry, error) {
	all, err := f.Entries()
	if err != nil {
		return nil, err
	}
	return choose(f.dir, wants, all, "", f.present)
}

// choose picks the entries that answer wants: of one provenance, or of any with
// upstream before source. It is the same rule for a folder and a URL.
func choose(place string, wants []Want, all []Entry, provenance string, present func(Entry) bool) ([]Entry, error) {
	groups := map[Want]map[string][]Entry{}
	for _, e := range all {
		if groups[e.Want] == nil {
			groups[e.Want] = map[string][]Entry{}
		}
		groups[e.Want][e.Provenance] = append(groups[e.Want][e.Provenance], e)
	}
	order := []string{Upstream, SourceBuilt, Distribution}
	if provenance != "" {
		order = []string{provenance, Distribution}
	}
	var found []Entry
	missing := &MissingError{Place: place}
	for _, w := range wants {
		var answer []Entry
		for _, p := range order {
			if g := groups[w][p]; len(g) > 0 && !slices.ContainsFunc(g, func(e Entry) bool { return !present(e) }) {
				answer = g
				break
			}
		}
		if answer == nil {
			missing.Wants = append(missing.Wants, w)
		}
		found = append(found, answer...)
	}
	if len(missing.Wants) > 0 {
		return found, missing
	}
	return found, nil
}

func (f *Folder) blob(digest string) string {
	return filepath.Join(f.dir, filepath.FromSlash(blobsDir), digest)
}

// Path is the file of an entry. Its bytes are not checked: whoever sends them on verifies on arrival.
func (f *Folder) Path(e Entry) (string, error) {
	if err := e.validate(); err != nil {
		return "", fmt.Errorf("%s: %w", e, err)
	}
	path := f.blob(e.SHA256)
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w; fill the folder again with `trivet mirror`", e, err)
	}
	if info.Size() != e.Size {
		return "", f.damaged(e, fmt.Sprintf("has %d bytes instead of %d", info.Size(), e.Size))
	}
	return path, nil
}

func (f *Folder) damaged(e Entry, how string) error {
	return fmt.Errorf("%s: the file %s %s; remove it and fill the folder again with `trivet mirror`", e, f.blob(e.SHA256), how)
}

// present says whether the blob is there with its size.
func (f *Folder) present(e Entry) bool {
	_, err := f.Path(e)
	return err == nil
}

// intact says whether the blob is there with the bytes of its digest. It reads the file
// only if it was written since it was last known to be right.
func (f *Folder) intact(e Entry) bool {
	path, err := f.Path(e)
	if err != nil {
		return false
	}
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	if info.ModTime().Equal(stored) {
		return true
	}
	r, err := f.Open(context.Background(), e)
	if err != nil {
		return false
	}
	defer r.Close()
	if _, err := io.Copy(io.Discard, r); err != nil {
		return false
	}
	_ = os.Chtimes(path, stored, stored) // a read-only folder is read again next time, no more
	return true
}

// Open implements Source.
func (f *Folder) Open(_ context.Context, e Entry) (io.ReadCloser, error) {
	path, err := f.Path(e)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return &verified{file: file, hash: sha256.New(), entry: e, folder: f}, nil
}

// verified hashes what is read and turns the end of a wrong file into an error.
type verified struct {
	file   *os.File
	hash   hash.Hash
	n      int64
	entry  Entry
	folder *Folder
}

func (v *verified) Read(p []byte) (int, error) {
	n, err := v.file.Read(p)
	v.hash.Write(p[:n])
	v.n += int64(n)
	if err != io.EOF {
		return n, err
	}
	if got := hex.EncodeToString(v.hash.Sum(nil)); got != v.entry.SHA256 {
		return n, v.folder.damaged(v.entry, "has sha256 "+got)
	}
	return n, io.EOF
}

func (v *verified) Close() error { return v.file.Close() }

// Add stores the bytes of r as e and records it in the index. e.SHA256 and e.Size may be
// empty, otherwise they must be right.
func (f *Folder) Add(ctx context.Context, e Entry, r io.Reader) (Entry, error) {
	e, err := f.store(e, r)
	if err != nil {
		return e, err
	}
	return e, f.record(ctx, []Entry{e})
}

// store writes a blob: whole, verified and on the disk before it gets its name.
func (f *Folder) store(e Entry, r io.Reader) (Entry, error) {
	scratch := filepath.Join(f.dir, scratchDir)
	for _, dir := range []string{scratch, filepath.Join(f.dir, filepath.FromSlash(blobsDir))} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return e, err
		}
	}
	tmp, err := os.CreateTemp(scratch, "blob-")
	if err != nil {
		return e, err
	}
	defer os.Remove(tmp.Name()) // after the rename there is nothing to remove
	defer tmp.Close()
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(tmp, h), r)
	if err != nil {
		return e, fmt.Errorf("store %s: %w", e, err)
	}
	got := hex.EncodeToString(h.Sum(nil))
	if e.SHA256 != "" && e.SHA256 != got {
		return e, fmt.Errorf("store %s: the bytes have sha256 %s, but %s was promised", e, got, e.SHA256)
	}
	e.SHA256, e.Size = got, n
	if err := e.validate(); err != nil {
		return e, fmt.Errorf("store %s: %w", e, err)
	}
	if err := tmp.Chmod(0o644); err != nil {
		return e, err
	}
	if err := tmp.Sync(); err != nil {
		return e, err
	}
	if err := os.Chtimes(tmp.Name(), stored, stored); err != nil {
		return e, err
	}
	return e, os.Rename(tmp.Name(), f.blob(got))
}

// group is what the entries of one answer have in common; recording replaces them together.
type group struct {
	Want
	provenance, distribution string
}

func groupOf(e Entry) group { return group{e.Want, e.Provenance, e.Distribution} }

// record writes entries to the index, in place of what it had for the same wants.
func (f *Folder) record(ctx context.Context, entries []Entry) error {
	unlock, err := flock.Lock(ctx, filepath.Join(f.dir, "."+indexName+".lock"))
	if err != nil {
		return err
	}
	defer unlock()
	old, err := f.Entries()
	if err != nil {
		return err
	}
	replaced := map[group]bool{}
	for _, e := range entries {
		replaced[groupOf(e)] = true
	}
	all := slices.DeleteFunc(old, func(e Entry) bool { return replaced[groupOf(e)] })
	all = append(all, entries...)
	// Stable: the packages of one want keep their order of installation.
	slices.SortStableFunc(all, func(a, b Entry) int {
		x, y := groupOf(a), groupOf(b)
		return cmp.Or(x.Compare(y.Want), cmp.Compare(x.provenance, y.provenance), cmp.Compare(x.distribution, y.distribution))
	})
	b, err := json.MarshalIndent(index{Format: indexFormat, Entries: all}, "", "  ")
	if err != nil {
		return err
	}
	return writeAtomically(filepath.Join(f.dir, indexName), append(b, '\n'))
}

// writeAtomically puts b at path so that a reader, or a power cut, sees the old file or the new one.
func writeAtomically(path string, b []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	if _, err := tmp.Write(b); err != nil {
		return err
	}
	if err := tmp.Chmod(0o644); err != nil {
		return err
	}
	if err := tmp.Sync(); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
