package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/artifact"
)

// Where there is no live view, what takes long is said now and then, so that a log shows that it goes on.
const (
	// sayEvery is how often what is waited for is repeated.
	sayEvery = 15 * time.Second
	// sayLongEvery is how often work that goes on is.
	sayLongEvery = 30 * time.Second
	// mostWorking bounds the hosts that such a line names.
	mostWorking = 3
)

// task is a download or a build under way.
type task struct {
	name  string
	line  string // its last line of output
	since time.Time
	said  time.Time
}

// at is one line for the task.
func (t *task) at(now time.Time) string {
	text := t.name + ", " + elapsed(now.Sub(t.since))
	if t.line != "" {
		text += ": " + t.line
	}
	return text
}

// artifact shows downloads and builds in the same stream as everything else.
func (v *view) artifact(e artifact.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	message := func(kind event.Kind, format string, args ...any) {
		v.show(event.Event{Time: now, Kind: kind, Item: e.Task, Message: fmt.Sprintf(format, args...)})
	}
	switch e.Kind {
	case artifact.Started:
		v.tasks = append(v.tasks, &task{name: e.Task, since: now, said: now})
		text := "getting " + e.Task
		if e.Line != "" {
			text += ": " + e.Line
		}
		message(event.Message, "%s", text)
	case artifact.Noted:
		message(event.Message, "%s", e.Line)
	case artifact.Logged:
		if i := v.task(e.Task); i >= 0 {
			v.tasks[i].line = e.Line // told by sayLong, and drawn: a build writes thousands of them
		}
	case artifact.Done, artifact.Failed:
		if i := v.task(e.Task); i >= 0 {
			v.tasks = slices.Delete(v.tasks, i, i+1)
		}
		if e.Kind == artifact.Failed {
			message(event.Warning, "%s", e.Line)
			break
		}
		message(event.Message, "have %s (%.0f s)", e.Task, e.Seconds)
	}
}

func (v *view) task(name string) int {
	return slices.IndexFunc(v.tasks, func(t *task) bool { return t.name == name })
}

// waiting notes what a gate waits for.
func (v *view) waiting(e event.Event) {
	if v.waits[e.Item] == e.Message {
		return
	}
	if len(v.waits) == 0 {
		v.since = time.Now()
	}
	v.waits[e.Item], v.deadline = e.Message, e.Deadline
	v.head = v.phase + ": waiting for " + e.Message // its time is that of the whole wait
}

// left says how long it is until the present wait is given up; "" where nothing is waited for or it has no end.
func (v *view) left(now time.Time, before string) string {
	if len(v.waits) == 0 || v.deadline.IsZero() || !v.deadline.After(now) {
		return ""
	}
	return before + "gives up in " + elapsed(v.deadline.Sub(now))
}

// sayLong says what has been going on for long without a word, where there is no live view.
func (v *view) sayLong(now time.Time) {
	switch {
	case len(v.tasks) > 0:
		for _, t := range v.tasks {
			if now.Sub(t.said) >= sayLongEvery {
				t.said = now
				v.show(event.Event{Time: now, Kind: event.Message, Item: t.name, Message: t.at(now)})
			}
		}
	case v.head == "":
	case len(v.waits) > 0:
		if now.Sub(later(v.since, v.said)) >= sayEvery {
			v.print("  %s (%s%s)", v.head, elapsed(now.Sub(v.since)), v.left(now, ", "))
			v.said = now
		}
	case now.Sub(later(v.since, v.said)) >= sayLongEvery:
		text := v.head + v.working()
		v.show(event.Event{Time: now, Kind: event.Message, Message: fmt.Sprintf("%s (%s)", text, elapsed(now.Sub(v.since)))})
		v.said = now
	}
}

// working names some hosts at work and what they do: ": w1: package haproxy; w2: …".
func (v *view) working() string {
	var out []string
	for _, n := range v.atWork() {
		if len(out) == mostWorking {
			out = append(out, fmt.Sprintf("and %s", topology.Count(len(v.hosts)-mostWorking, "more host")))
			break
		}
		out = append(out, n+": "+v.hosts[n].what)
	}
	if len(out) == 0 {
		return ""
	}
	return ": " + strings.Join(out, "; ")
}

// atWork is the hosts at work, in order.
func (v *view) atWork() []string {
	names := make([]string, 0, len(v.hosts))
	for n := range v.hosts {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
