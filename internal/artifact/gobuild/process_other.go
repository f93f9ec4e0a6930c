//go:build !unix

package gobuild

import "os/exec"

// stopWithChildren leaves cmd as it is: its compilers end by themselves.
func stopWithChildren(*exec.Cmd) {}
