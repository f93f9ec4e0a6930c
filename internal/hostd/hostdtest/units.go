package hostdtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/trivet-dev/trivet/internal/hostd"
)

// Units is a hostd.UnitManager over the unit files of a folder.
type Units struct {
	root string
	mu   sync.Mutex
	// Active holds the active state of units that are not inactive.
	Active map[string]string
	// Starts counts starts and restarts of each unit.
	Starts map[string]int
	// FailStart gives units whose start fails the job result to fail with.
	FailStart map[string]string
	// Words has what units that failed wrote in their last run.
	Words map[string]string
	// OnStart, when set, sees each start and restart.
	OnStart func(name string)
	// OnKill, when set, sees each kill and answers it.
	OnKill func(name string) error
	// Now is the clock that starts are stamped by; nil stamps none.
	Now func() time.Time
	// Started holds when units were last started.
	Started map[string]time.Time
	// Reloads counts daemon-reloads.
	Reloads int
	// read is the content of unit files as systemd knows them.
	read map[string]string
}

var unitDirs = []string{"/etc/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system"}

// Version answers as Debian 12's systemd does.
func (u *Units) Version(context.Context) (string, error) { return "252.39-1~deb12u1", nil }

// file is the content of a unit's file.
func (u *Units) file(name string) (string, bool) {
	for _, d := range unitDirs {
		if b, err := os.ReadFile(filepath.Join(u.root, d, name)); err == nil {
			return string(b), true
		}
	}
	return "", false
}

func (u *Units) wants(name string) string {
	return filepath.Join(u.root, "/etc/systemd/system/multi-user.target.wants", name)
}

// States looks at unit files, and at what was started.
func (u *Units) States(_ context.Context, names []string) (map[string]hostd.UnitState, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	out := map[string]hostd.UnitState{}
	for _, n := range names {
		out[n] = u.state(n)
	}
	return out, nil
}

func (u *Units) state(name string) hostd.UnitState {
	st := hostd.UnitState{Load: "not-found", Active: "inactive", Sub: "dead"}
	if a := u.Active[name]; a != "" {
		st.Active, st.Sub, st.Started = a, "running", u.Started[name]
	}
	content, ok := u.file(name)
	if !ok {
		return st
	}
	st.Load, st.File = "loaded", "disabled"
	if target, _ := os.Readlink(filepath.Join(u.root, "/etc/systemd/system", name)); target == "/dev/null" {
		st.Load, st.File = "masked", "masked"
		return st
	}
	if _, err := os.Lstat(u.wants(name)); err == nil {
		st.File = "enabled"
	}
	known, ok := u.read[name]
	if !ok {
		u.read[name] = content
	}
	st.NeedReload = ok && known != content
	return st
}

// DaemonReload reads unit files again.
func (u *Units) DaemonReload(context.Context) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.Reloads++
	clear(u.read)
	return nil
}

func (u *Units) need(name string) error {
	switch u.state(name).Load {
	case "not-found":
		return fmt.Errorf("Unit %s not found.", name) //nolint:staticcheck // systemd's words
	case "masked":
		return fmt.Errorf("Unit %s is masked.", name) //nolint:staticcheck // systemd's words
	}
	return nil
}

// Enable makes the link that systemctl enable makes.
func (u *Units) Enable(_ context.Context, name string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := u.need(name); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(u.wants(name)), 0o755); err != nil {
		return err
	}
	err := os.Symlink("/etc/systemd/system/"+name, u.wants(name))
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// Disable removes the link, and its folder when it is empty, as systemd does.
func (u *Units) Disable(_ context.Context, name string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := os.Remove(u.wants(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	_ = os.Remove(filepath.Dir(u.wants(name)))
	return nil
}

func (u *Units) start(verb, name string, wait bool) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := u.need(name); err != nil {
		return err
	}
	if u.state(name).NeedReload {
		return fmt.Errorf("hostdtest: %s is started with a unit file that systemd has not read", name)
	}
	u.Starts[name]++
	if u.Now != nil {
		u.Started[name] = u.Now()
	}
	if u.OnStart != nil {
		u.OnStart(name)
	}
	if result, fails := u.FailStart[name]; fails {
		u.Active[name] = "failed"
		if wait {
			return hostd.JobError(verb, name, result)
		}
		return nil
	}
	u.Active[name] = "active"
	return nil
}

// Start starts a unit that is not active.
func (u *Units) Start(_ context.Context, name string, wait bool) error {
	u.mu.Lock()
	active := u.Active[name] == "active"
	u.mu.Unlock()
	if active {
		return nil
	}
	return u.start("start", name, wait)
}

// Restart starts a unit, again if it is active.
func (u *Units) Restart(_ context.Context, name string, wait bool) error {
	return u.start("restart", name, wait)
}

// Stop stops a unit.
func (u *Units) Stop(_ context.Context, name string, _ bool) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.Active, name)
	return nil
}

// Reload wants an active unit.
func (u *Units) Reload(_ context.Context, name string, _ bool) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.Active[name] != "active" {
		return hostd.JobError("reload", name, "failed")
	}
	return nil
}

// Kill finds nothing, unless OnKill says otherwise: processes of stopped units are gone here.
func (u *Units) Kill(_ context.Context, name string) error {
	if strings.HasSuffix(name, ".timer") {
		return errors.New("Operation not supported") // as systemd has it: a timer has no processes
	}
	if u.OnKill != nil {
		return u.OnKill(name)
	}
	return nil
}

// ResetFailed forgets a failure.
func (u *Units) ResetFailed(_ context.Context, name string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.Active[name] == "failed" {
		delete(u.Active, name)
	}
	return nil
}

// Journal has one line for each unit that was started.
func (u *Units) Journal(_ context.Context, name string, _ int) (string, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.Starts[name] == 0 {
		return "", nil
	}
	return "journal of " + name + "\n", nil
}

// LastWords gives those of a unit that failed.
func (u *Units) LastWords(_ context.Context, name string) (string, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.Active[name] != "failed" {
		return "", nil
	}
	return u.Words[name], nil
}
