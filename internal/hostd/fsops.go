package hostd

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// tempSuffix ends the name of a file that is being written beside its target. The name is fixed, so that a second attempt finds and
// replaces what an interruption left.
const tempSuffix = ".trivet-new"

func tempPath(p string) string { return path.Join(path.Dir(p), "."+path.Base(p)+tempSuffix) }

// owner is who a file is to belong to.
type owner struct{ uid, gid int }

// chowns says whether ownership is kept: always on a real host, below a folder only with the rights to.
func (h *Host) chowns() bool { return h.Root == "/" || os.Geteuid() == 0 }

// writeSynced writes a new file, durable but for its name. real is a path of this machine; o is nil for the helper's own user.
func (h *Host) writeSynced(real string, content []byte, mode fs.FileMode, o *owner) error {
	if err := os.Remove(real); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// O_EXCL without following links: the folder may belong to a service's user.
	f, err := os.OpenFile(real, os.O_WRONLY|os.O_CREATE|os.O_EXCL|openNoFollow, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = h.setOwnerMode(f, mode, o)
	}
	if err == nil {
		err = h.sync(f)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = os.Remove(real)
	}
	return err
}

// stage writes a file's next content beside it.
func (h *Host) stage(p string, content []byte, mode fs.FileMode, o owner) error {
	return h.writeSynced(h.path(tempPath(p)), content, mode, &o)
}

// setOwnerMode works on an open file, since a name may be switched by whoever owns the folder. The mode comes after the owner, because
// changing the owner clears set-id bits.
func (h *Host) setOwnerMode(f *os.File, mode fs.FileMode, o *owner) error {
	if o != nil && h.chowns() {
		if err := f.Chown(o.uid, o.gid); err != nil {
			return err
		}
	}
	return f.Chmod(mode)
}

// replaceFile replaces one of Trivet's own files, atomically and durably.
func (h *Host) replaceFile(p string, content []byte, mode fs.FileMode) error {
	tmp := h.path(tempPath(p))
	if err := h.writeSynced(tmp, content, mode, nil); err != nil {
		return err
	}
	if err := os.Rename(tmp, h.path(p)); err != nil {
		return err
	}
	return h.syncDir(path.Dir(p))
}

func (h *Host) syncDir(dir string) error {
	if h.NoSync {
		return nil
	}
	f, err := os.Open(h.path(dir))
	if err != nil {
		return err
	}
	defer f.Close()
	return h.sync(f)
}

// sync makes a file's content, or a folder's names, durable.
func (h *Host) sync(f *os.File) error {
	if h.NoSync {
		return nil
	}
	err := f.Sync()
	if err == nil && h.OnSync != nil {
		h.OnSync(f.Name())
	}
	return err
}

// unstage removes what an interruption may have left beside a path.
func (h *Host) unstage(p string) { _ = os.Remove(h.path(tempPath(p))) }

// capture records what is at a path, once; a foreign file's content goes below prior/.
func (h *Host) capture(e *entry, p string) error {
	if _, done := e.Prior.Paths[p]; done {
		return nil
	}
	pp, err := h.capturePath(p)
	if err != nil {
		return err
	}
	if e.Prior.Paths == nil {
		e.Prior.Paths = map[string]priorPath{}
	}
	e.Prior.Paths[p] = pp
	return nil
}

func (h *Host) capturePath(p string) (priorPath, error) {
	fi, err := os.Lstat(h.path(p))
	if errors.Is(err, fs.ErrNotExist) {
		return priorPath{}, nil
	}
	if err != nil {
		return priorPath{}, err
	}
	pp := priorPath{Exists: true, Mode: fi.Mode(), ModTime: fi.ModTime()}
	pp.UID, pp.GID = ownerOf(fi)
	switch {
	case fi.Mode()&fs.ModeSymlink != 0:
		pp.Target, err = os.Readlink(h.path(p))
	case fi.Mode().IsRegular():
		pp.Backup, err = h.backup(p)
	case fi.IsDir():
		err = fail(hostapi.CodeForeign, "move it away and apply again", "%s is a folder, and is to be a file", p)
	default:
		err = fail(hostapi.CodeForeign, "move it away and apply again", "%s is neither a file nor a link (%s)", p, fi.Mode().Type())
	}
	return pp, err
}

// backup copies a file below prior/, durably, under a name made of its path.
func (h *Host) backup(p string) (string, error) {
	name := hostapi.Digest([]byte(p))[:32]
	if err := h.makeDir(priorDir, 0o700); err != nil {
		return "", err
	}
	src, err := os.Open(h.path(p))
	if err != nil {
		return "", err
	}
	defer src.Close()
	tmp := h.path(path.Join(priorDir, name+tempSuffix))
	dst, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(dst, src)
	if err == nil {
		err = h.sync(dst)
	}
	if cerr := dst.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp, h.path(path.Join(priorDir, name)))
	}
	if err != nil {
		_ = os.Remove(tmp)
		return "", err
	}
	return name, h.syncDir(priorDir)
}

// restore brings a path back to what it was. The backup stays until the record no longer names it, so that it can be done again.
func (h *Host) restore(p string, pp priorPath) error {
	h.unstage(p)
	if !pp.Exists {
		err := os.Remove(h.path(p))
		if errors.Is(err, fs.ErrNotExist) || isNotDir(err) {
			return nil
		}
		return err
	}
	tmp := h.path(tempPath(p))
	if pp.Mode&fs.ModeSymlink != 0 {
		if err := os.Symlink(pp.Target, tmp); err != nil {
			return err
		}
		if h.chowns() {
			_ = os.Lchown(tmp, pp.UID, pp.GID)
		}
		return os.Rename(tmp, h.path(p))
	}
	content, err := os.ReadFile(h.path(path.Join(priorDir, pp.Backup)))
	if err != nil {
		return fmt.Errorf("the copy of what was at %s before: %w", p, err)
	}
	if err := os.MkdirAll(filepath.Dir(h.path(p)), 0o755); err != nil {
		return err
	}
	if err := h.stage(p, content, pp.Mode&^fs.ModeType, owner{pp.UID, pp.GID}); err != nil {
		return err
	}
	if err := os.Chtimes(tmp, pp.ModTime, pp.ModTime); err != nil {
		return err
	}
	return os.Rename(tmp, h.path(p))
}

// isNotDir: a parent of the path is a file.
func isNotDir(err error) bool { return err != nil && strings.Contains(err.Error(), "not a directory") }

// digestFile is the SHA-256 of a file's content.
func digestFile(real string) (string, error) {
	f, err := os.Open(real)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return digestOf(f)
}

func digestOf(r io.Reader) (string, error) {
	d := sha256.New()
	if _, err := io.CopyBuffer(d, r, make([]byte, 256<<10)); err != nil {
		return "", err
	}
	return hex.EncodeToString(d.Sum(nil)), nil
}

// lookup resolves names in the root's account files.
type accounts struct {
	users, groups map[string]int
}

func (h *Host) accounts() *accounts {
	return &accounts{users: readIDs(h.path("/etc/passwd")), groups: readIDs(h.path("/etc/group"))}
}

// readIDs reads name to number of a colon-separated account file.
func readIDs(real string) map[string]int {
	ids := map[string]int{}
	b, err := os.ReadFile(real)
	if err != nil {
		return ids
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) < 3 {
			continue
		}
		if n, err := strconv.Atoi(f[2]); err == nil {
			ids[f[0]] = n
		}
	}
	return ids
}

// resolve turns names, or numbers, into an owner. Empty names are root.
func (a *accounts) resolve(user, group string) (owner, error) {
	uid, err := resolveID(a.users, user, "user")
	if err != nil {
		return owner{}, err
	}
	gid, err := resolveID(a.groups, group, "group")
	if err != nil {
		return owner{}, err
	}
	return owner{uid, gid}, nil
}

func resolveID(ids map[string]int, name, what string) (int, error) {
	if name == "" || name == "root" {
		return 0, nil
	}
	if id, ok := ids[name]; ok {
		return id, nil
	}
	if id, err := strconv.Atoi(name); err == nil {
		return id, nil
	}
	return 0, fail(hostapi.CodeFailed, "", "there is no %s %q on the host", what, name)
}

// nameOf is the name of a number, or the number.
func nameOf(ids map[string]int, id int) string {
	if id == 0 {
		return "root"
	}
	for name, n := range ids {
		if n == id {
			return name
		}
	}
	return strconv.Itoa(id)
}

// permDiff describes how mode and owner differ from what is wanted; "" when they do not.
func (h *Host) permDiff(fi fs.FileInfo, mode fs.FileMode, user, group string, a *accounts) string {
	const bits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky
	var diffs []string
	if fi.Mode()&bits != mode&bits {
		diffs = append(diffs, fmt.Sprintf("mode %s, recorded %s", octal(fi.Mode()), octal(mode)))
	}
	if h.chowns() {
		want, err := a.resolve(user, group)
		uid, gid := ownerOf(fi)
		if err != nil || want != (owner{uid, gid}) {
			diffs = append(diffs, fmt.Sprintf("owner %s:%s, recorded %s:%s", nameOf(a.users, uid), nameOf(a.groups, gid), orRoot(user), orRoot(group)))
		}
	}
	return strings.Join(diffs, "; ")
}

func orRoot(name string) string {
	if name == "" {
		return "root"
	}
	return name
}

// octal is a mode as chmod spells it.
func octal(m fs.FileMode) string {
	n := uint32(m.Perm())
	if m&fs.ModeSetuid != 0 {
		n |= 0o4000
	}
	if m&fs.ModeSetgid != 0 {
		n |= 0o2000
	}
	if m&fs.ModeSticky != 0 {
		n |= 0o1000
	}
	return fmt.Sprintf("%04o", n)
}
