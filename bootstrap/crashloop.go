package bootstrap

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

const (
	// crashLoopLook is how often the units are looked at that a wait for nodes depends on.
	crashLoopLook = 10 * time.Second
	// crashLoopLimit is how long a unit may fail and be started again, without a look that finds it running, before a wait for its node is given up. What it waits for itself, such as
	// containerd or an API server that comes up, takes less.
	crashLoopLimit = time.Minute
	// crashLoopStarts is how often systemd has to have started it again in that time.
	crashLoopStarts = 5
)

// crashLoop says that a wait is in vain: on all hosts that it is for the unit fails again and again.
type crashLoop struct {
	unit  string
	hosts []string
	since time.Duration
}

func (e *crashLoop) Error() string {
	return fmt.Sprintf("%s fails and is started again and again, for %s, on %s: mend what it says below, and apply again", e.unit, e.since.Round(time.Second), strings.Join(e.hosts, ", "))
}

// failing is since when a unit failed at every look, and how often it had been started again by then.
type failing struct {
	since    time.Time
	restarts uint32
}

// loops remembers it by host.
type loops map[string]failing

// since is how long the unit has failed on all of the hosts.
func (l loops) since(now time.Time, hosts []string) time.Duration {
	var last time.Time
	for _, host := range hosts {
		if first := l[host].since; first.After(last) {
			last = first
		}
	}
	return now.Sub(last)
}

// look takes in what hosts told, and gives those on which the unit fails for too long. A host that did not answer is not one of them.
func (l loops) look(now time.Time, found map[string]hostapi.UnitFound) []string {
	var over []string
	maps.DeleteFunc(l, func(host string, _ failing) bool { return !found[host].Failing })
	for _, host := range slices.Sorted(maps.Keys(found)) {
		u := found[host]
		first, before := l[host]
		switch {
		case !u.Failing:
		case !before || u.Restarts < first.restarts: // somebody started it since
			l[host] = failing{now, u.Restarts}
		case now.Sub(first.since) >= crashLoopLimit && u.Restarts-first.restarts >= crashLoopStarts:
			over = append(over, host)
		}
	}
	return over
}

// watchCrashLoops ends a wait, by cancelling it with a crashLoop, once the unit fails for too long on every host that the wait is still for.
func (e *Engine) watchCrashLoops(ctx context.Context, unit string, waitedFor func() []string, cancel context.CancelCauseFunc) {
	l := loops{}
	ticker := time.NewTicker(crashLoopLook)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		hosts := waitedFor()
		found := e.unitsFound(ctx, unit, hosts)
		now := e.Now()
		if over := l.look(now, found); len(hosts) > 0 && len(over) == len(hosts) {
			cancel(&crashLoop{unit: unit, hosts: over, since: l.since(now, over)})
			return
		}
	}
}

// unitsFound asks hosts for one unit. Those that do not answer in time are left out.
func (e *Engine) unitsFound(ctx context.Context, unit string, hosts []string) map[string]hostapi.UnitFound {
	ctx, cancel := context.WithTimeout(ctx, unitTimeout)
	defer cancel()
	out := map[string]hostapi.UnitFound{}
	var mu sync.Mutex
	each(ctx, e.parallel(), slices.DeleteFunc(slices.Clone(hosts), func(name string) bool { return e.hosts[name] == nil }), func(name string) {
		r, err := e.hosts[name].Probe(ctx, &hostapi.ProbeRequest{Units: []string{unit}})
		if err != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		out[name] = r.Units[unit]
	})
	return out
}
