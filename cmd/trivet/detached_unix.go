//go:build !windows

package main

import "syscall"

// detached starts a process in a session of its own, so that no terminal and no process group has a signal for it.
var detached = &syscall.SysProcAttr{Setsid: true}
