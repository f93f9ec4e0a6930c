package bootstrap

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// TestCrashLoops: what fails at every look for long enough is given up, and nothing else.
func TestCrashLoops(t *testing.T) {
	start := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	failing := func(restarts uint32) hostapi.UnitFound {
		return hostapi.UnitFound{Active: "activating", Failing: true, Restarts: restarts}
	}
	running := hostapi.UnitFound{Active: "active"}
	for name, c := range map[string]struct {
		looks map[time.Duration]hostapi.UnitFound // by when
		want  bool
	}{
		"fails all the time":                    {map[time.Duration]hostapi.UnitFound{0: failing(1), 30 * time.Second: failing(20), time.Minute: failing(40)}, true},
		"not for long":                          {map[time.Duration]hostapi.UnitFound{0: failing(1), 30 * time.Second: failing(20), 59 * time.Second: failing(40)}, false},
		"ran between":                           {map[time.Duration]hostapi.UnitFound{0: failing(1), 30 * time.Second: running, time.Minute: failing(40)}, false},
		"seldom started again":                  {map[time.Duration]hostapi.UnitFound{0: failing(1), 30 * time.Second: failing(2), time.Minute: failing(3)}, false},
		"somebody started it":                   {map[time.Duration]hostapi.UnitFound{0: failing(90), 30 * time.Second: failing(1), time.Minute: failing(20)}, false},
		"somebody started it, and it went on":   {map[time.Duration]hostapi.UnitFound{0: failing(90), 30 * time.Second: failing(1), 90 * time.Second: failing(20)}, true},
		"it is slow":                            {map[time.Duration]hostapi.UnitFound{0: {Active: "activating"}, time.Minute: {Active: "activating"}, 2 * time.Minute: {Active: "activating"}}, false},
		"the host did not answer in the middle": {map[time.Duration]hostapi.UnitFound{0: failing(1), 30 * time.Second: {}, time.Minute: failing(40)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := loops{}
			var over []string
			for _, at := range slices.Sorted(maps.Keys(c.looks)) {
				over = l.look(start.Add(at), map[string]hostapi.UnitFound{"w1": c.looks[at], "w2": running})
			}
			if got := slices.Equal(over, []string{"w1"}); got != c.want {
				t.Errorf("given up: %v", over)
			}
		})
	}
}

// TestCrashLoopSince: the message counts from when the unit failed on the last of the hosts, not from when somebody began to wait.
func TestCrashLoopSince(t *testing.T) {
	start := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	failing := func(restarts uint32) hostapi.UnitFound {
		return hostapi.UnitFound{Active: "activating", Failing: true, Restarts: restarts}
	}
	running := hostapi.UnitFound{Active: "active"}
	l := loops{}
	l.look(start, map[string]hostapi.UnitFound{"w1": running, "w2": running})
	l.look(start.Add(20*time.Second), map[string]hostapi.UnitFound{"w1": failing(1), "w2": running})
	l.look(start.Add(30*time.Second), map[string]hostapi.UnitFound{"w1": failing(9), "w2": failing(1)})
	now := start.Add(95 * time.Second)
	over := l.look(now, map[string]hostapi.UnitFound{"w1": failing(40), "w2": failing(30)})
	err := &crashLoop{"kubelet.service", over, l.since(now, over)}
	if want := "kubelet.service fails and is started again and again, for 1m5s, on w1, w2"; !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}
