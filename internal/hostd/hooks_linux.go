package hostd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// hookRunner runs programs of the host.
type hookRunner struct{}

// listenOn is how long a hook's output is listened to after it ended: what it left running may keep it open.
const listenOn = time.Second

// RunHook gives the program a process group of its own.
func (hookRunner) RunHook(ctx context.Context, c Command, out io.Writer) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	cmd := exec.Command(c.Name, c.Args...)
	cmd.Env, cmd.Dir = append(baseEnv(), c.Env...), "/"
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = out, out, listenOn
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	// The signal comes when the thread ends that started the program, not the process (prctl(2)).
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: %w", c.Name, ErrNoCommand)
		}
		return err
	}
	// The program is not reaped before its group was signalled for the last time: until then no other process can have its number.
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
		}
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		endGroup(cmd.Process.Pid, ended)
	}
	err := cmd.Wait()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // the program itself ended well
	}
	return err
}

// endGroup asks a process group to end, and then ends what is left of it.
func endGroup(leader int, ended <-chan struct{}) {
	_ = unix.Kill(-leader, unix.SIGTERM) // it fails only where nobody is left
	timer := time.NewTimer(hookGrace)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
	}
	_ = unix.Kill(-leader, unix.SIGKILL)
	<-ended
}
