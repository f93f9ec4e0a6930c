package hostd

import (
	"os"
	"strings"
	"testing"
	"time"
)

// TestLastWords takes those of the last run that has ended, and of the processes alone.
func TestLastWords(t *testing.T) {
	entry := func(message string) string {
		return `{"MESSAGE":` + message + `,"_SYSTEMD_UNIT":"etcd.service"}` + "\n"
	}
	systemd := func(id string) string {
		return `{"MESSAGE":"etcd.service: something","MESSAGE_ID":"` + id + `","INVOCATION_ID":"aaaa"}` + "\n"
	}
	begins, up, ended, other := systemd(unitStarting), systemd(unitStarted), systemd(processExit), systemd("be02cf6855d2428ba40df7e9d022f03d")
	one := begins + entry(`"old"`) + ended + other
	two := begins + entry(`"panic: one"`) + entry(`[195,40,33]`) + entry(`null`) + ended + other
	const said = "panic: one\n?(!\n\n"
	for name, c := range map[string]struct{ journal, want string }{
		"nothing":                  {"", ""},
		"no run has ended":         {begins + entry(`"hello"`), ""},
		"the last of two":          {one + two, said},
		"another is under way":     {one + two + begins + entry(`"starting"`), said},
		"words that come late":     {one + begins + ended + entry(`"panic: late"`) + other, "panic: late\n"},
		"it was up for a while":    {one + begins + entry(`"joining"`) + up + entry(`"panic: later"`) + ended, "joining\npanic: later\n"},
		"no start to wait for":     {up + entry(`"old"`) + ended + up + entry(`"new"`) + ended + other, "new\n"},
		"a line that is cut":       {one + `{"MESSAGE":"x`, "old\n"},
		"the beginning is too old": {entry(`"panic: one"`) + ended, "panic: one\n"},
	} {
		if got := lastWords([]byte(c.journal)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	long := lastWords([]byte(entry(`"`+strings.Repeat("x", 2*mostWords)+`end"`) + ended))
	if len(long) != mostWords || !strings.HasSuffix(long, "end\n") {
		t.Errorf("%d bytes are kept of a long run", len(long))
	}
}

// TestLastWordsOfRealJournal reads what systemd 252 and its journal have of a unit that fails at once, again and again: another run is under way at its end, and only some of what the
// processes wrote has the id of their run.
func TestLastWordsOfRealJournal(t *testing.T) {
	journal, err := os.ReadFile("testdata/failing.journal")
	if err != nil {
		t.Fatal(err)
	}
	if got := lastWords(journal); got != "one\ntwo\n" {
		t.Errorf("%q", got)
	}
}

// TestStartedAgain tells a start that may succeed from one of a unit that fails again and again.
func TestStartedAgain(t *testing.T) {
	now := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	for _, c := range []struct {
		active, sub string
		restarts    uint32
		age         time.Duration
		want        bool
	}{
		{"activating", "start", 0, time.Second, false}, {"activating", "start", 3, time.Second, true}, {"activating", "start", 3, time.Minute, false}, {"active", "running", 3, time.Second, false},
		{"activating", "start-pre", 3, time.Minute, true}, {"activating", "start-pre", 0, time.Minute, false},
	} {
		st := UnitState{Active: c.active, Sub: c.sub, Restarts: c.restarts, Started: now.Add(-c.age)}
		st.Again = startedAgain(st, now)
		if st.Again != c.want || st.up(true) == c.want {
			t.Errorf("%+v: again %t, up %t", c, st.Again, st.up(true))
		}
	}
	if startedAgain(UnitState{Active: "activating", Sub: "start", Restarts: 3}, now) {
		t.Error("nobody knows when it began")
	}
}
