package hostd_test

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/internal/hostd/hostdtest"
)

// disk works out what a power cut leaves of a machine's files, at the worst: the names that folders had, and the content that files had, when they were last synced.
// What programs of the host write is theirs to sync, and the kernel's files are not on a disk: both are left as they are.
type disk struct {
	t     testing.TB
	root  string
	inode map[uint64]*inode
}

type inode struct {
	fi      fs.FileInfo // as last seen
	target  string      // of a link
	content []byte      // durable
	names   map[string]uint64
}

// notOurs are programs' folders, and the kernel's.
var notOurs = []string{"/proc", "/sys", "/run", "/usr", "/lib", "/var/lib/dpkg", "/etc/systemd/system/multi-user.target.wants"}

// newDisk takes the machine as it is for durable, and follows it from there.
func newDisk(t testing.TB, m *hostdtest.Machine) *disk {
	d := &disk{t: t, root: m.Root, inode: map[uint64]*inode{}}
	must(t, filepath.WalkDir(m.Root, func(p string, e fs.DirEntry, err error) error {
		if err == nil && e.Type()&fs.ModeSymlink == 0 {
			d.synced(p)
		}
		return err
	}))
	m.OnSync = d.synced
	return d
}

// look notes what an inode is now.
func (d *disk) look(p string) (uint64, *inode) {
	fi, err := os.Lstat(p)
	must(d.t, err)
	ino := fi.Sys().(*syscall.Stat_t).Ino
	n := d.inode[ino]
	if n == nil {
		n = &inode{}
		d.inode[ino] = n
	}
	n.fi = fi
	if fi.Mode()&fs.ModeSymlink != 0 {
		n.target, err = os.Readlink(p)
		must(d.t, err)
	}
	return ino, n
}

func (d *disk) synced(real string) {
	_, n := d.look(real)
	if !n.fi.IsDir() {
		b, err := os.ReadFile(real)
		must(d.t, err)
		n.content = b
		return
	}
	entries, err := os.ReadDir(real)
	must(d.t, err)
	n.names = map[string]uint64{}
	for _, e := range entries {
		n.names[e.Name()], _ = d.look(filepath.Join(real, e.Name()))
	}
}

// left makes the machine that there is after a power cut, with nothing running. Mode and owner count as durable with the name.
func (d *disk) left(m *hostdtest.Machine) *hostdtest.Machine {
	must(d.t, filepath.WalkDir(d.root, func(p string, _ fs.DirEntry, err error) error {
		if err == nil {
			d.look(p)
		}
		return err
	}))
	to := fastDir(d.t)
	ino, _ := d.look(d.root)
	d.rebuild(ino, "", to)
	for _, rel := range notOurs {
		must(d.t, copyTree(filepath.Join(d.root, rel), filepath.Join(to, rel)))
	}
	after := hostdtest.Open(to)
	after.NoSync = true
	after.Commands.Images = maps.Clone(m.Commands.Images)
	after.Kernel.Links = slices.Clone(m.Kernel.Links)
	return after
}

func (d *disk) rebuild(dir uint64, rel, to string) {
	for name, ino := range d.inode[dir].names {
		rel, dst, n := rel+"/"+name, filepath.Join(to, rel, name), d.inode[ino]
		if slices.Contains(notOurs, rel) {
			continue
		}
		switch {
		case n.fi.IsDir():
			must(d.t, os.Mkdir(dst, 0o700))
			d.rebuild(ino, rel, to)
		case n.target != "":
			must(d.t, os.Symlink(n.target, dst))
		default:
			must(d.t, os.WriteFile(dst, n.content, 0o600))
		}
		st := n.fi.Sys().(*syscall.Stat_t)
		if os.Geteuid() == 0 {
			must(d.t, os.Lchown(dst, int(st.Uid), int(st.Gid)))
		}
		if n.target == "" {
			must(d.t, os.Chmod(dst, n.fi.Mode()))
			must(d.t, os.Chtimes(dst, n.fi.ModTime(), n.fi.ModTime()))
		}
	}
}

func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			if os.IsNotExist(err) {
				return nil
			}
			return err
		}
		dst := to + strings.TrimPrefix(p, from)
		fi, err := e.Info()
		if err != nil {
			return err
		}
		switch {
		case e.IsDir():
			if err := os.MkdirAll(dst, 0o755); err != nil {
				return err
			}
			return os.Chmod(dst, fi.Mode())
		case e.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			return os.Symlink(target, dst)
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		return os.WriteFile(dst, b, fi.Mode())
	})
}

// TestPowerCutAnywhere cuts the power at every point of interest of a step. What is left then is described by a record that can be read: doing the step again ends in
// the state of a step that was not cut off, and giving the host back instead leaves it as it was.
func TestPowerCutAnywhere(t *testing.T) {
	for _, s := range stages {
		t.Run(s.name, func(t *testing.T) {
			m, _, _ := machineAt(t, s)
			ops := s.ops(t, m)
			points, _ := cutStep(t, m, 0, ops...)
			want := canonicalOf(t, m)
			every := 2
			if testing.Short() {
				every = 17
			}
			for n := 1; n <= points; n += every {
				for _, back := range []bool{false, true} {
					m, fresh, _ := machineAt(t, s)
					d := newDisk(t, m)
					m.NoSync = false
					ops := s.ops(t, m)
					_, where := cutStep(t, m, n, ops...)
					at := fmt.Sprintf("power cut at point %d (%s)", n, where)
					m = d.left(m)
					if back {
						run(t, m, removeAll(t, m)...)
						sameTree(t, at+", then given back", fresh, tree(t, m.Root))
					} else {
						run(t, m, s.ops(t, m)...)
						if d := cmp.Diff(want, canonicalOf(t, m)); d != "" {
							t.Errorf("%s, then done again (-want +got):\n%s", at, d)
						}
					}
					if t.Failed() {
						return
					}
				}
			}
		})
	}
}
