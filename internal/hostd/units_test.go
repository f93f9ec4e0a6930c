package hostd_test

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// TestKillIsRepeated: systemd gives up on a control group in which a process is just dying.
func TestKillIsRepeated(t *testing.T) {
	m := newMachine(t)
	run(t, m, ensure(bringUp(t, m)...)...)
	kills := 0
	m.Units.OnKill = func(name string) error {
		if kills++; kills < 3 {
			return fmt.Errorf("kill %s: %w", name, syscall.EIO)
		}
		return nil
	}
	run(t, m, removeAll(t, m)...)
	if kills != 3 {
		t.Errorf("%d kills, want 3", kills)
	}
	run(t, m, ensure(bringUp(t, m)...)...)
	m.Units.OnKill = func(string) error { return errors.New("access denied") }
	if he := wantCode(t, stepErr(m, t.Context(), removeAll(t, m)...), hostapi.CodeFailed); !strings.Contains(he.Message, "access denied") {
		t.Errorf("error %+v", he)
	}
}

// TestStarted: observation and probe tell when a unit that runs began; a restart shows. Of one that does not run a probe gives the time of its answer.
func TestStarted(t *testing.T) {
	const unit = "containerd.service"
	m := newMachine(t)
	clock := time.Date(2026, 5, 4, 3, 2, 1, 500_000_000, time.UTC)
	m.Units.Now = func() time.Time { return clock }
	told := func() (observed map[string]time.Time, probed time.Time) {
		return observe(t, m).Started, probe(t, m, hostapi.ProbeRequest{Units: []string{unit}}).Units[unit].Started
	}
	run(t, m, ensure(bringUp(t, m)...)...)
	for range 2 {
		observed, probed := told()
		if d := cmp.Diff(map[string]time.Time{unit: clock}, observed); d != "" || !probed.Equal(clock) {
			t.Errorf("probed %s, observed (-want +got):\n%s", probed, d)
		}
		clock = clock.Add(time.Minute)
		if err := m.Units.Restart(t.Context(), unit, true); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Units.Stop(t.Context(), unit, true); err != nil {
		t.Fatal(err)
	}
	asked := time.Now().Add(-time.Microsecond)
	if observed, probed := told(); len(observed) != 0 || probed.Before(asked) || probed.After(time.Now()) {
		t.Errorf("of a stopped unit: observed %v, probed %s, want the time of the answer, after %s", observed, probed, asked)
	}
}

// TestObserveLastWords: what a unit wrote that fails is told, and nothing of those that run.
func TestObserveLastWords(t *testing.T) {
	const unit = "containerd.service"
	m := newMachine(t)
	run(t, m, ensure(bringUp(t, m)...)...)
	m.Units.Words[unit] = "panic: at the disk\n"
	if o := observe(t, m); len(o.LastWords) > 0 {
		t.Errorf("of a unit that runs: %v", o.LastWords)
	}
	m.Units.FailStart[unit] = "exit-code"
	if err := m.Units.Restart(t.Context(), unit, true); err == nil {
		t.Fatal("it started")
	}
	if d := cmp.Diff(map[string]string{unit: "panic: at the disk\n"}, observe(t, m).LastWords); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
