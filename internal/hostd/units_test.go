package hostd_test

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

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
