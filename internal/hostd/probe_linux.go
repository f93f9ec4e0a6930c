package hostd

import (
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// kernelClock asks the kernel whether something disciplines its clock: adjtimex(2) without a change.
func kernelClock() hostapi.ClockState {
	var t unix.Timex
	if _, err := unix.Adjtimex(&t); err != nil {
		return hostapi.ClockUnknown
	}
	if t.Status&unix.STA_UNSYNC != 0 {
		return hostapi.ClockUnsynchronised
	}
	return hostapi.ClockSynchronised
}

// fileSystem returns the free and total bytes of a path's file system, and its free inodes: -1 where it has no fixed number of them.
func fileSystem(path string) (free, total, inodes int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, 0, 0, err
	}
	inodes = -1
	if st.Files > 0 {
		inodes = int64(st.Ffree)
	}
	return int64(st.Bavail) * int64(st.Bsize), int64(st.Blocks) * int64(st.Bsize), inodes, nil
}

// unnamedFile opens a file for writing that has no name and goes when it is closed.
func unnamedFile(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return os.NewFile(uintptr(fd), dir+"/(unnamed "+strconv.Itoa(fd)+")"), nil
	}
	f, err := os.CreateTemp(dir, ".trivet-probe-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func syncData(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }

// dontFragment has a socket send packets whole or not at all, whatever was learnt of the path before.
func dontFragment(c syscall.RawConn) error {
	var set error
	if err := c.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
	}); err != nil {
		return err
	}
	return set
}
