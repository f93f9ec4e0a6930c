package hostd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"
)

// systemd drives systemd over its private socket, which root reaches without a D-Bus daemon. It connects at first use and again where the
// connection broke, since systemd closes it when it is executed anew.
type systemd struct {
	mu   sync.Mutex
	conn *dbus.Conn
}

func (s *systemd) connect() (*dbus.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil && s.conn.Connected() {
		return s.conn, nil
	}
	// The connection outlives the request that needs it first, so it gets no request's context; Close ends it.
	c, err := dbus.NewSystemdConnectionContext(context.Background())
	if err != nil {
		return nil, fmt.Errorf("systemd does not answer on /run/systemd/private: %w", err)
	}
	s.conn = c
	return c, nil
}

// Close ends the connection.
func (s *systemd) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
	return nil
}

func (s *systemd) Version(context.Context) (string, error) {
	c, err := s.connect()
	if err != nil {
		return "", err
	}
	v, err := c.GetManagerProperty("Version")
	return strings.Trim(v, `"`), err
}

func (s *systemd) States(ctx context.Context, names []string) (map[string]UnitState, error) {
	c, err := s.connect()
	if err != nil {
		return nil, err
	}
	list, err := c.ListUnitsByNamesContext(ctx, names)
	if err != nil {
		return nil, err
	}
	// A unit's property UnitFileState is what systemd remembers since its last reload; this call reads the files.
	files, err := c.ListUnitFilesByPatternsContext(ctx, []string{}, names)
	if err != nil {
		return nil, err
	}
	fileState := map[string]string{}
	for _, f := range files {
		fileState[path.Base(f.Path)] = f.Type
	}
	out := map[string]UnitState{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, u := range list {
		wg.Go(func() {
			st := UnitState{Load: u.LoadState, Active: u.ActiveState, Sub: u.SubState}
			if u.LoadState != "not-found" {
				st.File = fileState[u.Name]
				st.NeedReload = boolProperty(ctx, c, u.Name, "NeedDaemonReload")
				st.Started = started(ctx, c, u.Name, u.ActiveState)
				st.Restarts = restarts(ctx, c, u.Name)
				st.Again = startedAgain(st, time.Now())
			}
			mu.Lock()
			defer mu.Unlock()
			out[u.Name] = st
		})
	}
	wg.Wait()
	for _, n := range names {
		if _, ok := out[n]; !ok {
			out[n] = UnitState{Load: "not-found", Active: "inactive"}
		}
	}
	return out, ctx.Err()
}

// restarts counts those that systemd made by itself since somebody last started the unit.
func restarts(ctx context.Context, c *dbus.Conn, unit string) uint32 {
	if path.Ext(unit) != ".service" {
		return 0
	}
	p, err := c.GetUnitTypePropertyContext(ctx, unit, "Service", "NRestarts")
	if err != nil {
		return 0 // systemd before 235 does not count
	}
	n, _ := p.Value.Value().(uint32)
	return n
}

func boolProperty(ctx context.Context, c *dbus.Conn, unit, name string) bool {
	p, err := c.GetUnitPropertyContext(ctx, unit, name)
	if err != nil {
		return false
	}
	v, _ := p.Value.Value().(bool)
	return v
}

// started asks when the main process of a service began.
func started(ctx context.Context, c *dbus.Conn, unit, active string) time.Time {
	if path.Ext(unit) != ".service" || active == "inactive" || active == "failed" {
		return time.Time{}
	}
	var stamps [2]uint64
	for i, name := range []string{"ExecMainStartTimestamp", "ExecMainStartTimestampMonotonic"} {
		p, err := c.GetUnitTypePropertyContext(ctx, unit, "Service", name)
		if err != nil {
			return time.Time{}
		}
		stamps[i], _ = p.Value.Value().(uint64)
	}
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return time.Time{}
	}
	return startedAt(stamps[0], stamps[1], time.Now(), time.Duration(ts.Nano()))
}

func (s *systemd) DaemonReload(ctx context.Context) error {
	c, err := s.connect()
	if err != nil {
		return err
	}
	return c.ReloadContext(ctx)
}

func (s *systemd) Enable(ctx context.Context, name string) error {
	c, err := s.connect()
	if err != nil {
		return err
	}
	_, _, err = c.EnableUnitFilesContext(ctx, []string{name}, false, false)
	return err
}

func (s *systemd) Disable(ctx context.Context, name string) error {
	c, err := s.connect()
	if err != nil {
		return err
	}
	_, err = c.DisableUnitFilesContext(ctx, []string{name}, false)
	return err
}

// job queues a job and waits for its end if asked. A queued job goes on when the wait is called off.
func (s *systemd) job(ctx context.Context, verb, unit string, wait bool, queue func(*dbus.Conn, context.Context, string, string, chan<- string) (int, error)) error {
	c, err := s.connect()
	if err != nil {
		return err
	}
	var done chan string
	if wait {
		done = make(chan string, 1)
	}
	if _, err := queue(c, ctx, unit, "replace", done); err != nil {
		return fmt.Errorf("systemd could not %s %s: %w", verb, unit, err)
	}
	if !wait {
		return nil
	}
	select {
	case result := <-done:
		if result != "done" {
			return JobError(verb, unit, result)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *systemd) Start(ctx context.Context, name string, wait bool) error {
	return s.job(ctx, "start", name, wait, (*dbus.Conn).StartUnitContext)
}

func (s *systemd) Stop(ctx context.Context, name string, wait bool) error {
	return s.job(ctx, "stop", name, wait, (*dbus.Conn).StopUnitContext)
}

func (s *systemd) Restart(ctx context.Context, name string, wait bool) error {
	if wait {
		return s.job(ctx, "restart", name, true, (*dbus.Conn).RestartUnitContext)
	}
	c, err := s.connect()
	if err != nil {
		return err
	}
	before, err := invocation(ctx, c, name)
	if err != nil {
		return err
	}
	if err := s.job(ctx, "restart", name, false, (*dbus.Conn).RestartUnitContext); err != nil {
		return err
	}
	return waitStopped(ctx, c, name, before)
}

// invocation names the run of a unit: systemd gives every start a new one.
func invocation(ctx context.Context, c *dbus.Conn, unit string) ([]byte, error) {
	p, err := c.GetUnitPropertyContext(ctx, unit, "InvocationID")
	if err != nil {
		return nil, fmt.Errorf("systemd does not say which run of %s this is: %w", unit, err)
	}
	id, _ := p.Value.Value().([]byte)
	return id, nil
}

// waitStopped waits until a unit that is being restarted has ended its former run. That one answers until then, while it shuts down: whoever asks whether the unit is well
// must not hear it. It ends by itself or is killed, in the time that the unit file gives it.
func waitStopped(ctx context.Context, c *dbus.Conn, unit string, former []byte) error {
	tick := time.NewTicker(20 * time.Millisecond) // a start that follows at once leaves no state to wait for
	defer tick.Stop()
	for {
		now, err := invocation(ctx, c, unit)
		if err != nil || !bytes.Equal(now, former) {
			return err
		}
		p, err := c.GetUnitPropertyContext(ctx, unit, "Job")
		if err != nil {
			return fmt.Errorf("systemd does not say whether %s is still being restarted: %w", unit, err)
		}
		if job, ok := p.Value.Value().([]any); ok && len(job) > 0 && job[0] == uint32(0) {
			return nil // called off, or refused: the unit's state tells
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func (s *systemd) Reload(ctx context.Context, name string, wait bool) error {
	return s.job(ctx, "reload", name, wait, (*dbus.Conn).ReloadUnitContext)
}

func (s *systemd) Kill(ctx context.Context, name string) error {
	c, err := s.connect()
	if err != nil {
		return err
	}
	err = ignoreGone(c.KillUnitWithTarget(ctx, name, dbus.All, int32(unix.SIGKILL)))
	var de godbus.Error
	if errors.As(err, &de) && de.Name == "System.Error.EIO" {
		return fmt.Errorf("%w: %w", unix.EIO, err)
	}
	return err
}

func (s *systemd) ResetFailed(ctx context.Context, name string) error {
	c, err := s.connect()
	if err != nil {
		return err
	}
	return ignoreGone(c.ResetFailedUnitContext(ctx, name))
}

// ignoreGone: there is nothing to kill or reset in a unit that has no processes or is not loaded.
func ignoreGone(err error) error {
	var de godbus.Error
	if !errors.As(err, &de) {
		return err
	}
	switch de.Name {
	case "org.freedesktop.systemd1.NoSuchUnit", "org.freedesktop.systemd1.UnitNotLoaded", "org.freedesktop.systemd1.NoSuchProcess":
		return nil
	}
	if de.Name == "org.freedesktop.DBus.Error.Failed" || strings.Contains(de.Error(), "No such process") || strings.Contains(de.Error(), "not loaded") {
		return nil
	}
	return err
}

func (s *systemd) Journal(ctx context.Context, name string, lines int) (string, error) {
	out, err := execRunner{}.Run(ctx, Command{Name: "journalctl", Args: []string{
		"--unit", name, "--lines", strconv.Itoa(lines), "--no-pager", "--output", "short-iso", "--no-hostname", "--quiet",
	}})
	return string(out), err
}

// lastLines is how much of a unit's journal is read for its last words: several runs of a program that fails at once and writes where it was.
const lastLines = 600

func (s *systemd) LastWords(ctx context.Context, name string) (string, error) {
	out, err := execRunner{}.Run(ctx, Command{Name: "journalctl", Args: []string{
		"--unit", name, "--lines", strconv.Itoa(lastLines), "--no-pager", "--output", "json", "--all", "--quiet",
	}})
	if err != nil {
		return "", err
	}
	return lastWords(out), nil
}
