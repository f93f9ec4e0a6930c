package main

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// detached starts a process without a console, and in a group of its own.
var detached = &syscall.SysProcAttr{CreationFlags: windows.DETACHED_PROCESS | windows.CREATE_NEW_PROCESS_GROUP}

// keepFiles has nothing to do: processes are given only what is meant for them.
func keepFiles() {}
