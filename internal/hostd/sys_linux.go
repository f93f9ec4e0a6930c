package hostd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// lockFile takes an exclusive lock on an open file. Locks belong to the open file description, so they end with the process however it
// ends, and two Hosts in one process exclude each other too. Without wait, ok is false when somebody else has it.
func lockFile(ctx context.Context, f *os.File, wait bool) (ok bool, err error) {
	lk := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	err = unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lk)
	if err == nil {
		return true, nil
	}
	if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EACCES) {
		return false, err
	}
	if !wait {
		return false, nil
	}
	done := make(chan error, 1)
	go func() {
		for {
			lk := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
			err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLKW, &lk)
			if !errors.Is(err, unix.EINTR) {
				done <- err
				return
			}
		}
	}()
	select {
	case err := <-done:
		return err == nil, err
	case <-ctx.Done():
		// The wait cannot be called off; the lock is let go as soon as it is granted. The caller must not close f.
		go func() { <-done; f.Close() }()
		return false, ctx.Err()
	}
}

// locked says whether somebody holds the lock of a file, without taking it.
func locked(f *os.File) (bool, error) {
	lk := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &lk); err != nil {
		return false, err
	}
	return lk.Type != unix.F_UNLCK, nil
}

// lockAccounts takes the lock that the account tools take (lckpwdf(3)) on an open /etc/.pwd.lock.
func lockAccounts(f *os.File) error {
	lk := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	return unix.FcntlFlock(f.Fd(), unix.F_SETLKW, &lk)
}

func ownerOf(fi fs.FileInfo) (uid, gid int) {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid), int(st.Gid)
	}
	return 0, 0
}

func inode(fi fs.FileInfo) uint64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return st.Ino
	}
	return 0
}

func sameFile(a, b fs.FileInfo) bool { return os.SameFile(a, b) }

func linkCount(fi fs.FileInfo) uint64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Nlink)
	}
	return 0
}

func freeBytes(path string) (int64, error) {
	free, _, _, err := fileSystem(path)
	return free, err
}

func writable(path string) bool { return unix.Access(path, unix.W_OK) == nil }

func isDiskFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || strings.Contains(err.Error(), "No space left on device")
}

func isReadOnly(err error) bool {
	return errors.Is(err, unix.EROFS) || strings.Contains(err.Error(), "Read-only file system")
}

// noExec says whether programs on the file system of a path may not be run.
func noExec(path string) bool {
	var st unix.Statfs_t
	return unix.Statfs(path, &st) == nil && st.Flags&unix.ST_NOEXEC != 0
}

const openNoFollow = unix.O_NOFOLLOW

// copyLabel gives one file the SELinux label of another, where there are labels.
func copyLabel(from, to string) {
	buf := make([]byte, 256)
	n, err := unix.Lgetxattr(from, "security.selinux", buf)
	if err == nil && n > 0 {
		_ = unix.Lsetxattr(to, "security.selinux", buf[:n], 0)
	}
}

// processStart is the start time of a process, which tells it from a later one of the same number.
func processStart(pid int) (string, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	// The second field is the command in parentheses and may contain anything.
	i := strings.LastIndexByte(string(b), ')')
	fields := strings.Fields(string(b[i+1:]))
	if len(fields) < 20 {
		return "", fmt.Errorf("/proc/%d/stat is too short", pid)
	}
	return fields[19], nil
}

func terminate(pid int) error { return unix.Kill(pid, unix.SIGTERM) }

// writeOut has the kernel write a part of a file to the disk, and waits for that. It makes nothing durable: the file is synced at its end.
func writeOut(f *os.File, from, to int64) {
	_ = unix.SyncFileRange(int(f.Fd()), from, to-from, unix.SYNC_FILE_RANGE_WAIT_BEFORE|unix.SYNC_FILE_RANGE_WRITE|unix.SYNC_FILE_RANGE_WAIT_AFTER)
}
