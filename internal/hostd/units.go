package hostd

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

type unitKind struct{}

// fromTemplateDirs: these file states mean that enabling changes nothing or is not possible.
func enableable(file string) bool {
	return file != "static" && file != "generated" && file != "transient" && file != "alias" && file != "indirect"
}

// up says whether a unit runs, or is on its way without having failed before.
func (u UnitState) up(noWait bool) bool {
	switch u.Active {
	case "active", "reloading", "refreshing":
		return true
	case "activating":
		return noWait && !u.failing()
	}
	return false
}

// failing says whether systemd starts a unit again and again: what is on its way now has failed before.
func (u UnitState) failing() bool { return strings.HasPrefix(u.Sub, "auto-restart") || u.Again }

// settles is how long a unit has to live before a start after a failure counts as one that may succeed.
const settles = 10 * time.Second

// startedAgain tells Again: by the number of automatic restarts, and by when the unit's process began. One that does not come as far as that process fails before it.
func startedAgain(u UnitState, now time.Time) bool {
	return u.Active == "activating" && u.Restarts > 0 && (u.Sub == "start-pre" || !u.Started.IsZero() && now.Sub(u.Started) < settles)
}

// startedAt is when a process began that systemd stamped with both clocks, in microseconds: by the wall clock of then, or by the wall clock of now where that was set back
// since. Of two answers the earlier one is right for whatever the process has said about itself, by either clock.
func startedAt(wall, monotonic uint64, now time.Time, sinceBoot time.Duration) time.Time {
	if wall == 0 || monotonic == 0 {
		return time.Time{}
	}
	then, age := time.UnixMicro(int64(wall)).UTC(), sinceBoot-time.Duration(monotonic)*time.Microsecond
	if byNow := now.Add(-age).UTC(); byNow.Before(then) {
		return byNow.Round(0)
	}
	return then
}

func (u UnitState) known() bool { return u.Load != "" && u.Load != "not-found" }

func (unitKind) prepare(ctx context.Context, s *stepper, e *entry, full *hostapi.Item) (bool, error) {
	u := full.Unit
	st, err := s.unitState(ctx, u.Name)
	if err != nil {
		return false, err
	}
	if !e.Prior.Captured {
		e.Prior.Captured = true
		e.Prior.Existed = st.known()
		e.Prior.Enabled = strings.HasPrefix(st.File, "enabled")
		e.Prior.Active = st.up(true)
	}
	return s.unitDue(e, u, st), nil
}

// unitDue says whether anything is to be done about a unit.
func (s *stepper) unitDue(e *entry, u *hostapi.Unit, st UnitState) bool {
	if st.NeedReload || enableable(st.File) && strings.HasPrefix(st.File, "enabled") != u.Enabled {
		return true
	}
	if u.Running {
		return !st.up(u.NoWait) || s.rec.stale(e)
	}
	return wasRunning(e) && st.up(true)
}

// wasRunning: the unit was recorded as running, so when it is to be so no more, it is stopped. Otherwise Trivet leaves it alone: a timer may
// have started it.
func wasRunning(e *entry) bool { return e.Item.Unit != nil && e.Item.Unit.Running }

// unitState asks for all units of the step at once, and keeps the answers while a batch is prepared.
func (s *stepper) unitState(ctx context.Context, name string) (UnitState, error) {
	if s.states == nil {
		var names []string
		for _, op := range s.step.Ops {
			if op.Ensure != nil && op.Ensure.Unit != nil {
				names = append(names, op.Ensure.Unit.Name)
			}
		}
		st, err := s.Units.States(ctx, names)
		if err != nil {
			return UnitState{}, err
		}
		s.states = st
	}
	return s.states[name], nil
}

func (h *Host) freshState(ctx context.Context, name string) (UnitState, error) {
	st, err := h.Units.States(ctx, []string{name})
	return st[name], err
}

func (unitKind) apply(ctx context.Context, s *stepper, e *entry, full *hostapi.Item) (bool, error) {
	u := full.Unit
	// systemd's link to the unit's file must not outlive that, nor a running unit its files.
	if err := s.syncDirs(); err != nil {
		return false, err
	}
	if err := s.reloadUnits(ctx); err != nil {
		return false, err
	}
	st, err := s.freshState(ctx, u.Name)
	if err != nil {
		return false, err
	}
	if st.NeedReload {
		s.rec.ReloadOwed = true
		if err := s.reloadUnits(ctx); err != nil {
			return false, err
		}
	}
	if err := s.setEnabled(ctx, u, st); err != nil {
		return false, err
	}
	s.hook("enabled " + u.Name)
	if !u.Running {
		if wasRunning(e) && st.up(true) {
			return true, s.Units.Stop(ctx, u.Name, true)
		}
		return true, nil
	}
	return true, s.bringUp(ctx, e, u, st)
}

func (s *stepper) setEnabled(ctx context.Context, u *hostapi.Unit, st UnitState) error {
	if st.Load == "masked" {
		return fail(hostapi.CodeForeign, "systemctl unmask "+u.Name, "the unit is masked")
	}
	if !st.known() {
		return fail(hostapi.CodeFailed, "its file has to be ensured before it", "systemd knows no unit %s", u.Name)
	}
	enabled := strings.HasPrefix(st.File, "enabled")
	switch {
	case u.Enabled && !enabled && enableable(st.File):
		return s.Units.Enable(ctx, u.Name)
	case !u.Enabled && enabled:
		return s.Units.Disable(ctx, u.Name)
	}
	return nil
}

// bringUp starts, restarts or reloads a unit so that it runs with its inputs as they are.
func (s *stepper) bringUp(ctx context.Context, e *entry, u *hostapi.Unit, st UnitState) error {
	stale := s.rec.stale(e)
	seq := e.ChangedSeq // the inputs before this operation have lower numbers, those after it higher ones
	var err error
	switch {
	case st.up(u.NoWait) && !stale:
		return nil
	case stale && st.Active == "active" && u.Reload:
		err = s.Units.Reload(ctx, u.Name, true)
	case stale && st.up(true), st.failing():
		// Starting a unit that waits for its next automatic restart is refused; restarting it is not.
		if err = s.Units.ResetFailed(ctx, u.Name); err == nil {
			err = s.Units.Restart(ctx, u.Name, !u.NoWait)
		}
	default:
		// A unit that failed too often refuses to start until that is reset. One that is starting is joined.
		if err = s.Units.ResetFailed(ctx, u.Name); err == nil {
			err = s.Units.Start(ctx, u.Name, !u.NoWait)
		}
	}
	if err != nil {
		return s.startError(ctx, u.Name, err)
	}
	e.StartedSeq = seq
	s.dirty = true
	return nil
}

// startError adds what the unit said last.
func (s *stepper) startError(ctx context.Context, name string, err error) error {
	if ctx.Err() != nil {
		return fail(hostapi.CodeCancelled, "apply again to go on", "cancelled while waiting for %s to be up; it goes on starting", name)
	}
	he := s.wrap(err, hostapi.ID{})
	he.Remedy = "look at journalctl -u " + name + " on the host, mend the cause, and apply again"
	log, jerr := s.Units.Journal(ctx, name, 20)
	if jerr == nil && strings.TrimSpace(log) != "" {
		he.Message += "\nits last journal lines:\n" + strings.TrimRight(log, "\n") + "\n"
	}
	return he
}

// reloadUnits has systemd read its files again if that is owed.
func (s *stepper) reloadUnits(ctx context.Context) error {
	if !s.rec.ReloadOwed {
		return nil
	}
	if err := s.Units.DaemonReload(ctx); err != nil {
		return fmt.Errorf("systemd's daemon-reload: %w", err)
	}
	s.rec.ReloadOwed = false
	s.dirty = true
	s.states = nil
	return nil
}

// killUnit kills every process of a unit. The control group of a process that is just dying may show a 0 for it, at which systemd 252 gives up with an input/output error
// (cg_read_pid), perhaps before it came to the others.
func (s *stepper) killUnit(ctx context.Context, name string) error {
	deadline := time.Now().Add(cgroupPatience)
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		err := s.Units.Kill(ctx, name)
		if !errors.Is(err, syscall.EIO) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(wait) // there is nothing to watch, see removeCgroups
	}
}

func (unitKind) remove(ctx context.Context, s *stepper, e *entry) error {
	name := e.id().Name
	st, err := s.freshState(ctx, name)
	if err != nil {
		return err
	}
	if st.known() && e.item().Unit.Running {
		if st.Active != "inactive" && st.Active != "failed" {
			if err := s.Units.Stop(context.WithoutCancel(ctx), name, true); err != nil {
				return err
			}
		}
		s.hook("stopped " + name)
		// KillMode=process leaves children, such as containerd's shims. A timer has no processes, and systemd refuses to kill it.
		if path.Ext(name) != ".timer" {
			if err := s.killUnit(ctx, name); err != nil {
				return err
			}
		}
		if err := s.Units.ResetFailed(ctx, name); err != nil {
			return err
		}
	}
	if st.known() && strings.HasPrefix(st.File, "enabled") {
		if err := s.Units.Disable(ctx, name); err != nil {
			return err
		}
	}
	if e.Prior.Existed && (e.Prior.Enabled || e.Prior.Active) {
		s.owesForeign(foreignUnit{Name: name, Enabled: e.Prior.Enabled, Active: e.Prior.Active})
	}
	return nil
}

func (s *stepper) owesForeign(f foreignUnit) {
	for _, have := range s.rec.Foreign {
		if have == f {
			return
		}
	}
	s.rec.Foreign = append(s.rec.Foreign, f)
}

// bringBackForeign restores units that were there before Trivet, now that Trivet's files are gone.
func (s *stepper) bringBackForeign(ctx context.Context) error {
	for _, f := range s.rec.Foreign {
		st, err := s.freshState(ctx, f.Name)
		if err != nil {
			return err
		}
		if !st.known() {
			continue
		}
		if f.Enabled && !strings.HasPrefix(st.File, "enabled") {
			if err := s.Units.Enable(ctx, f.Name); err != nil {
				return err
			}
		}
		if f.Active && !st.up(true) {
			if err := s.Units.Start(ctx, f.Name, true); err != nil {
				return s.startError(ctx, f.Name, err)
			}
		}
	}
	s.rec.Foreign = nil
	return nil
}

// unitAction acts on a recorded unit.
func (s *stepper) unitAction(ctx context.Context, p *planned, a *hostapi.UnitAction) error {
	e := s.rec.find(hostapi.ID{Kind: hostapi.KindUnit, Name: a.Name})
	if e == nil {
		return fail(hostapi.CodeForeign, "", "Trivet does not own the unit %s on this host", a.Name)
	}
	if err := s.reloadUnits(ctx); err != nil {
		return err
	}
	var err error
	switch a.Verb {
	case "start":
		err = s.Units.Start(ctx, a.Name, a.Wait)
	case "stop":
		return s.Units.Stop(ctx, a.Name, a.Wait)
	case "restart":
		if err = s.Units.ResetFailed(ctx, a.Name); err == nil {
			err = s.Units.Restart(ctx, a.Name, a.Wait)
		}
	case "reload":
		err = s.Units.Reload(ctx, a.Name, a.Wait)
	default:
		return fmt.Errorf("there is no verb %q for a unit", a.Verb)
	}
	if err != nil {
		return s.startError(ctx, a.Name, err)
	}
	// Starting a unit that ran already changes nothing, so only a restart, or the reload of a unit that wants it, settles what is stale.
	if a.Verb == "restart" || a.Verb == "reload" && e.item().Unit.Reload {
		e.StartedSeq, s.dirty = p.seq, true
	}
	return nil
}

func (unitKind) drift(o *observer, e *entry) (string, hostapi.DriftCode) {
	u := e.Item.Unit
	st := o.states[u.Name]
	var diffs []string
	var code hostapi.DriftCode
	down := u.Running && !st.up(u.NoWait)
	if down {
		code = hostapi.DriftDown
	}
	switch {
	case st.Load == "masked":
		return "masked", code
	case !st.known():
		return "missing", code
	}
	enabled := strings.HasPrefix(st.File, "enabled")
	switch {
	case u.Enabled && !enabled && enableable(st.File):
		diffs = append(diffs, "not enabled ("+orUnknown(st.File)+")")
	case !u.Enabled && enabled:
		diffs = append(diffs, "enabled")
	}
	if down {
		switch {
		case st.failing():
			diffs = append(diffs, "failing (restarts again and again)")
		default:
			diffs = append(diffs, "not running ("+orUnknown(st.Active)+")")
		}
	}
	if st.NeedReload {
		diffs = append(diffs, "systemd has not read its present files")
	}
	return strings.Join(diffs, "; "), code
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

// errJob is the error of a systemd job that did not succeed.
type errJob struct{ verb, unit, result string }

func (e errJob) Error() string {
	why := map[string]string{
		"failed": "it failed", "timeout": "it took too long", "dependency": "a unit that it depends on failed",
		"canceled": "another job replaced it", "skipped": "systemd skipped it",
	}[e.result]
	if why == "" {
		why = e.result
	}
	return fmt.Sprintf("systemd could not %s %s: %s", e.verb, e.unit, why)
}

// JobError is the error of a UnitManager whose job ended with a result other than "done", as systemd spells results.
func JobError(verb, unit, result string) error { return errJob{verb, unit, result} }
