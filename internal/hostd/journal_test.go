package hostd

import (
	"strings"
	"testing"
	"time"
)

// TestLastWords takes those of the last run that has ended, and of the processes alone.
func TestLastWords(t *testing.T) {
	const (
		first, second, third = `"aaaa"`, `"bbbb"`, `"cccc"`
		exit                 = `"MESSAGE_ID":"` + processExit + `"`
	)
	entry := func(message string, more ...string) string {
		return `{"MESSAGE":` + message + `,` + strings.Join(more, ",") + `}` + "\n"
	}
	by := func(run string) string { return `"_SYSTEMD_INVOCATION_ID":` + run }
	of := func(run string) string { return `"INVOCATION_ID":` + run }
	ended := func(run string) string {
		return entry(`"etcd.service: Main process exited, code=exited, status=2/INVALIDARGUMENT"`, exit, of(run), by(`"pid1"`))
	}
	one := entry(`"old"`, by(first)) + ended(first)
	two := entry(`"Starting etcd"`, of(second)) + entry(`"panic: one"`, by(second)) + entry(`[195,40,33]`, by(second)) + entry(`null`, by(second)) + ended(second)
	for name, c := range map[string]struct{ journal, want string }{
		"nothing":              {"", ""},
		"no run has ended":     {entry(`"hello"`, by(first)), ""},
		"the last of two":      {one + two, "panic: one\n?(!\n\n"},
		"another is under way": {one + two + entry(`"starting"`, by(third)), "panic: one\n?(!\n\n"},
		"a line that is cut":   {one + `{"MESSAGE":"x`, "old\n"},
	} {
		if got := lastWords([]byte(c.journal)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	long := lastWords([]byte(entry(`"`+strings.Repeat("x", 2*mostWords)+`end"`, by(first)) + ended(first)))
	if len(long) != mostWords || !strings.HasSuffix(long, "end\n") {
		t.Errorf("%d bytes are kept of a long run", len(long))
	}
}

// TestStartedAgain tells a start that may succeed from one of a unit that fails again and again.
func TestStartedAgain(t *testing.T) {
	now := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	for _, c := range []struct {
		active   string
		restarts uint32
		age      time.Duration
		want     bool
	}{
		{"activating", 0, time.Second, false}, {"activating", 3, time.Second, true}, {"activating", 3, time.Minute, false}, {"active", 3, time.Second, false},
	} {
		st := UnitState{Active: c.active, Sub: "start", Again: startedAgain(c.active, c.restarts, now.Add(-c.age), now)}
		if st.Again != c.want || st.up(true) == c.want {
			t.Errorf("%+v: again %t, up %t", c, st.Again, st.up(true))
		}
	}
	if startedAgain("activating", 3, time.Time{}, now) {
		t.Error("nobody knows when it began")
	}
}
