//go:build unix

package gobuild

import (
	"os/exec"
	"syscall"
)

// stopWithChildren makes the end of cmd's context end its compilers and linkers too:
// the toolchain alone would let them finish. What they write becomes visible only when it
// is whole, so killing them breaks nothing.
func stopWithChildren(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
