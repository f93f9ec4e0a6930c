//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// process is a process held by a pidfd: it stays the same one even if its pid is reused.
type process struct {
	pid int
	fd  int
}

func openProcess(pid int) (*process, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("process %d: %w", pid, err)
	}
	return &process{pid: pid, fd: fd}, nil
}

func (p *process) close() { unix.Close(p.fd) }

func (p *process) signal(s unix.Signal) error {
	return unix.PidfdSendSignal(p.fd, s, nil, 0)
}

// wait returns when the process has ended or ctx is done.
func (p *process) wait(ctx context.Context) error {
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return err
	}
	defer unix.Close(wake)
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(woken)
		unix.Write(wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	})
	defer func() {
		if !stop() {
			<-woken // the descriptor must outlive the write
		}
	}()
	fds := []unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}, {Fd: int32(wake), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(fds, -1)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		if fds[0].Revents != 0 {
			return nil
		}
		return ctx.Err()
	}
}

// isZombie tells a process that has ended but that its parent has not yet collected.
func isZombie(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	// The name in parentheses may itself hold any character.
	_, state, ok := strings.Cut(string(data[strings.LastIndexByte(string(data), ')')+1:]), " ")
	return ok && (strings.HasPrefix(state, "Z") || strings.HasPrefix(state, "X"))
}

// findInit finds the group's process that is pid 1 of a namespace just below this one:
// the host's systemd. Containers inside the host are deeper.
func (g group) findInit() (int, error) {
	pids, err := g.processes()
	if err != nil {
		return 0, err
	}
	for _, pid := range pids {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue
		}
		if isInit(string(data)) {
			return pid, nil
		}
	}
	return 0, nil
}

func isInit(status string) bool {
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, "NSpid:"); ok {
			fields := strings.Fields(rest)
			return len(fields) == 2 && fields[1] == "1"
		}
	}
	return false
}
