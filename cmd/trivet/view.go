package main

import (
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"strings"
	"sync"
	"time"


	"github.com/trivet-dev/trivet/bootstrap/event"
)

// view renders the stream of events: a live view per host on a terminal, plain lines elsewhere, JSON when asked for.
type view struct {
	mu     sync.Mutex
	out    io.Writer
	json   bool
	live   bool
	lines  int               // of the live part on the screen
	hosts  map[string]string // what each host does now, in the present phase
	phase  string
	head   string
	waits  map[string]string // last message of each gate
	failed bool
}

func newView(out io.Writer, asJSON, plain bool) *view {
	return &view{out: out, json: asJSON, live: !asJSON && !plain && isTerminal(out), hosts: map[string]string{}, waits: map[string]string{}}
}

// status says what is going on; on a terminal only, since it is of no use afterwards.
func (v *view) status(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.live {
		v.head = fmt.Sprintf(format, args...)
		v.draw()
	}
}

// end takes the live part off the screen.
func (v *view) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.clear()
	v.head, v.hosts = "", map[string]string{}
}

// ask asks for a secret with the live part out of the way.
func (v *view) ask(prompt string) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.clear()
	return askSecret(prompt)
}

// event is the sink of the engine's events.
func (v *view) event(e event.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.json {
		b, err := json.Marshal(e)
		if err == nil {
			fmt.Fprintf(v.out, "%s\n", b)
		}
		return
	}
	switch e.Kind {
	case event.PhaseStarted:
		v.phase, v.head = e.Message, e.Message+" …"
		v.hosts, v.waits = map[string]string{}, map[string]string{}
		if !v.live {
			v.print("%s …", e.Message)
		}
	case event.PhaseDone:
		v.hosts, v.head = map[string]string{}, ""
		v.print("✓ %-44s %6.1f s", e.Message, e.Elapsed.Seconds())
	case event.HostStarted:
		v.hosts[e.Host] = "…"
	case event.HostDone:
		delete(v.hosts, e.Host)
	case event.HostFailed:
		v.failed = true
		delete(v.hosts, e.Host)
		v.print("✗ %s", e.Message)
	case event.ActionDone:
		if e.Host != "" {
			v.hosts[e.Host] = e.Item
		}
	case event.Progress:
		v.hosts[e.Host] = fmt.Sprintf("%s %d %% of %.0f MiB", e.Item, 100*e.Bytes/max(e.Total, 1), float64(e.Total)/(1<<20))
	case event.Waiting:
		v.waiting(e)
	case event.Warning:
		v.print("! %s", place(e))
	case event.Message:
		v.print("  %s", place(e))
	}
	v.draw()
}

// waiting shows what a gate waits for; on a plain output each thing once.
func (v *view) waiting(e event.Event) {
	if v.waits[e.Item] == e.Message {
		return
	}
	v.waits[e.Item] = e.Message
	if v.live {
		v.head = v.phase + ": waiting for " + e.Message
	}
}

func place(e event.Event) string {
	if e.Host != "" {
		return e.Host + ": " + e.Message
	}
	return e.Message
}

// print writes a line that stays.
func (v *view) print(format string, args ...any) {
	v.clear()
	fmt.Fprintf(v.out, format+"\n", args...)
}

const mostLines = 12 // of hosts in the live part

func (v *view) draw() {
	if !v.live {
		return
	}
	v.clear()
	names := make([]string, 0, len(v.hosts))
	for n := range v.hosts {
		names = append(names, n)
	}
	sort.Strings(names)
	var lines []string
	if v.head != "" {
		lines = append(lines, time.Now().Format("15:04:05 ")+v.head)
	}
	for i, n := range names {
		if i == mostLines {
			lines = append(lines, fmt.Sprintf("    and %d more hosts", len(names)-i))
			break
		}
		lines = append(lines, fmt.Sprintf("    %-20s %s", n, v.hosts[n]))
	}
	columns := width(v.out)
	for _, l := range lines {
		fmt.Fprintln(v.out, cut(l, columns))
	}
	v.lines = len(lines)
}

func (v *view) clear() {
	if v.lines > 0 {
		fmt.Fprintf(v.out, "\x1b[%dA\x1b[J", v.lines)
		v.lines = 0
	}
}

// cut keeps a line on one row of the screen.
func cut(line string, columns int) string {
	r := []rune(strings.ReplaceAll(line, "\n", " "))
	if columns > 1 && len(r) >= columns {
		return string(r[:columns-2]) + "…"
	}
	return string(r)
}

