//go:build !windows

package main

import (
	"os"
	"strconv"
	"syscall"
)

// detached starts a process in a session of its own, so that no terminal and no process group has a signal for it.
var detached = &syscall.SysProcAttr{Setsid: true}

// keepFiles keeps files from processes that are started after it, but for the standard three: one that goes on would hold a lock, say, of a script that is long gone.
func keepFiles() {
	open, err := os.ReadDir("/dev/fd")
	if err != nil {
		return // it is not to be known here
	}
	for _, f := range open {
		if fd, err := strconv.Atoi(f.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
}
