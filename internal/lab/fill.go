//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// FillDisk leaves a running host's folder only that many free bytes: its content moves to a
// file system in memory of just that size. The machine's own disk does not fill. A host that
// is stopped or killed has the folder back as it was before.
func (l *Lab) FillDisk(ctx context.Context, name, folder string, free uint64) error {
	return l.changeHost(ctx, name, func(_ record, m *machine) error {
		f, err := m.openFolder(folder)
		if err != nil {
			return err
		}
		if f.full {
			return fmt.Errorf("host %s: %s is already full: run trivet lab empty first", name, f.path)
		}
		return f.fill(ctx, m, free)
	})
}

// EmptyDisk undoes FillDisk. What is in the folder now stays in it.
func (l *Lab) EmptyDisk(ctx context.Context, name, folder string) error {
	return l.changeHost(ctx, name, func(_ record, m *machine) error {
		f, err := m.openFolder(folder)
		if err != nil || !f.full {
			return err
		}
		return f.empty(ctx, m)
	})
}

// fullMark is the source of the mounts that make folders full.
const fullMark = "trivet-lab-full"

// fullFolders lists the folders that are full, from a host's mountinfo.
func fullFolders(mountinfo []byte) []string {
	var found []string
	for line := range strings.Lines(string(mountinfo)) {
		before, after, _ := strings.Cut(line, " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if len(left) > 4 && len(right) > 1 && right[1] == fullMark {
			found = append(found, unescapeMount(left[4]))
		}
	}
	return found
}

// filled is a folder of a host, from both sides of the mount that makes it full.
type filled struct {
	path  string // in the host
	below string // on the machine's disk
	above string // as the host sees it
	full  bool
}

// openFolder finds a folder that can be filled: below one of the real folders, since what
// lies on the overlay cannot be reached past a mount on it.
func (m *machine) openFolder(folder string) (filled, error) {
	pid, err := m.group.findInit()
	if err != nil {
		return filled{}, err
	}
	if pid == 0 {
		return filled{}, fmt.Errorf("host %s: %w", m.Name, errNoInit)
	}
	f := filled{path: path.Clean(folder), above: filepath.Join("/proc", strconv.Itoa(pid), "root", folder)}
	for _, real := range realFolders {
		if inside, ok := strings.CutPrefix(f.path, "/"+real.inHost+"/"); ok {
			f.below = filepath.Join(m.dir, "disk", real.onDisk, inside)
		}
	}
	if f.below == "" {
		return filled{}, fmt.Errorf("host %s: %q is no folder below /opt or /var/lib, only those can be filled", m.Name, folder)
	}
	mountinfo, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil {
		return filled{}, err
	}
	f.full = slices.Contains(fullFolders(mountinfo), f.path)
	if mounts := mountsBelow(mountinfo, f.path); !f.full && len(mounts) > 0 {
		return filled{}, fmt.Errorf("host %s: %s is mounted below %s: stop what uses it first", m.Name, mounts[0], f.path)
	}
	return f, nil
}

func (f filled) fill(ctx context.Context, m *machine, free uint64) error {
	if err := os.MkdirAll(f.below, 0o755); err != nil {
		return err
	}
	used, err := folderSize(f.below)
	if err != nil {
		return err
	}
	size := fmt.Sprintf("size=%d,mode=0755", used+free)
	if _, err := m.exec(ctx, "mount", "-t", "tmpfs", "-o", size, fullMark, f.path); err != nil {
		return err
	}
	if err := copyContent(ctx, f.below, f.above); err != nil {
		_, undo := m.exec(context.WithoutCancel(ctx), "umount", "--lazy", f.path)
		return errors.Join(fmt.Errorf("host %s: fill %s: %w", m.Name, f.path, err), undo)
	}
	return nil
}

// empty copies the content back before the mount goes, so that it is whole on one side at
// any moment.
func (f filled) empty(ctx context.Context, m *machine) error {
	next := f.below + ".trivet-lab-next"
	if err := removeAll(next); err != nil {
		return err
	}
	if err := copyTree(ctx, f.above, next); err != nil {
		return fmt.Errorf("host %s: copy %s back: %w", m.Name, f.path, err)
	}
	// The folder below a mount cannot be renamed: its content moves instead.
	if err := clearFolder(f.below); err != nil {
		return err
	}
	entries, err := os.ReadDir(next)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.Rename(filepath.Join(next, e.Name()), filepath.Join(f.below, e.Name())); err != nil {
			return err
		}
	}
	var st unix.Stat_t
	if err := unix.Lstat(next, &st); err != nil {
		return err
	}
	if err := errors.Join(copyAttributes(f.below, &st), os.Remove(next)); err != nil {
		return err
	}
	_, err = m.exec(ctx, "umount", "--lazy", f.path) // programs that run from there keep it open
	return err
}

func clearFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func copyContent(ctx context.Context, from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := copyTree(ctx, filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return err
		}
	}
	var st unix.Stat_t
	if err := unix.Lstat(from, &st); err != nil {
		return err
	}
	return copyAttributes(to, &st)
}

// folderSize is what a folder's content takes in memory, in whole pages.
func folderSize(dir string) (uint64, error) {
	page := int64(os.Getpagesize())
	var size int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		size += page // the folder's entry, or the link's text
		if info.Mode().IsRegular() {
			size += (info.Size() + page - 1) / page * page
		}
		return nil
	})
	return uint64(size), err
}
