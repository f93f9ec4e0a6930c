package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// view renders the stream of events: a live view per host on a terminal, plain lines elsewhere, JSON when asked for.
type view struct {
	mu     sync.Mutex
	out    io.Writer
	json   bool
	color  bool
	screen *screen // nil where there is no live view
	stop   chan struct{}

	phase    string
	head     string               // what is going on, for the live view
	since    time.Time            // of head
	hosts    map[string]*hostLine // at work in the present phase
	waits    map[string]string    // last message of each gate
	said     time.Time            // when anything was last said where there is no live view
	tasks    []*task              // downloads and builds under way, in the order in which they began
	deadline time.Time            // of the present wait; zero when there is none
	expected map[string]int64     // bytes that each phase transfers, by its name
	sent     map[string]int64     // bytes of the present phase, by host and item
	total    int64                // of the present phase
	failures []failure            // shown already
	stopping bool                 // the user wants to stop
}

// hostLine is what one host does now.
type hostLine struct {
	what  string
	since time.Time
}

// failure is a host's part of a phase that failed.
type failure struct{ host, message string }

const redrawEvery = 100 * time.Millisecond

func newView(out io.Writer, asJSON, live, color bool) *view {
	v := &view{out: out, json: asJSON, color: color, hosts: map[string]*hostLine{}, waits: map[string]string{}, stop: make(chan struct{})}
	if live {
		v.screen = &screen{out: out}
	}
	go v.tick()
	return v
}

// openView makes the view of a subcommand. JSON goes to out; progress for people to errOut.
func (g *global) openView(out, errOut io.Writer) *view {
	if g.json {
		g.view = newView(out, true, false, false)
	} else {
		g.view = newView(errOut, false, !g.noColor && isTerminal(errOut) && columns(errOut) > 0 && g.terminal(), g.colors(errOut))
	}
	g.interrupt.announce(g.view.interrupted)
	return g.view
}

// tick keeps elapsed times moving, and says what takes long where there is no live view.
func (v *view) tick() {
	ticker := time.NewTicker(redrawEvery)
	defer ticker.Stop()
	for {
		select {
		case <-v.stop:
			return
		case now := <-ticker.C:
			v.mu.Lock()
			if v.screen != nil {
				v.draw(now)
			} else {
				v.sayLong(now)
			}
			v.mu.Unlock()
		}
	}
}

// status says what is going on: at once on a terminal, elsewhere only when it takes long, since it is of no use afterwards.
func (v *view) status(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.setHead(fmt.Sprintf(format, args...))
}

func (v *view) setHead(head string) {
	if head != v.head {
		v.head, v.since = head, time.Now()
	}
}

// expect tells the view what an apply will transfer.
func (v *view) expect(p *plan.Plan) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.expected = map[string]int64{}
	for _, ph := range p.Phases {
		for _, s := range ph.Steps {
			for _, a := range s.Actions {
				if a.Transfer != nil {
					v.expected[ph.Name] += a.Transfer.Blob.Size
				}
			}
		}
	}
}

// end takes the live part off the screen; the view can be used again.
func (v *view) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.head, v.hosts, v.waits, v.tasks = "", map[string]*hostLine{}, map[string]string{}, nil
	if v.screen != nil {
		v.screen.show(nil)
	}
}

// close ends the view.
func (v *view) close() {
	v.end()
	v.mu.Lock()
	defer v.mu.Unlock()
	select {
	case <-v.stop:
	default:
		close(v.stop)
	}
}

// ask asks for a secret with the live part out of the way.
func (v *view) ask(prompt string) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.screen != nil {
		v.screen.show(nil)
	}
	return askSecret(prompt)
}

// interrupted says that the run is about to stop.
func (v *view) interrupted() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.stopping = true
	if !v.json {
		v.print("%s", "Stopping … (Ctrl-C once more to stop at once)")
	}
}

// event is the sink of the engine's events.
func (v *view) event(e event.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if e.Kind == event.HostFailed && !v.stopping {
		v.failures = append(v.failures, failure{e.Host, e.Message})
	}
	v.show(e)
}

// show renders an event; the lock is held.
func (v *view) show(e event.Event) {
	if v.json {
		_ = writeResult(v.out, "event", e) // a reader that went away does not stop an apply
		v.said = time.Now()
		switch e.Kind {
		case event.PhaseStarted:
			v.setHead(e.Message)
		case event.PhaseDone:
			v.head = ""
		}
		return
	}
	switch e.Kind {
	case event.PhaseStarted:
		v.phase = e.Message
		v.setHead(e.Message)
		v.hosts, v.waits = map[string]*hostLine{}, map[string]string{}
		v.sent, v.total = map[string]int64{}, v.expected[e.Phase]
		if v.screen == nil {
			v.print("%s …", e.Message)
		}
	case event.PhaseDone:
		v.hosts, v.waits, v.head, v.total = map[string]*hostLine{}, map[string]string{}, "", 0
		v.print("%s %-44s %6.1f s", v.paint(green, "✓"), e.Message, e.Elapsed.Seconds())
	case event.HostStarted:
		v.at(e.Host, "starting")
	case event.HostDone:
		delete(v.hosts, e.Host)
	case event.HostFailed:
		delete(v.hosts, e.Host)
		if !v.stopping {
			v.print("%s %s", v.paint(red, "✗"), strings.ReplaceAll(named(e), "\n", "\n  "))
		}
	case event.ActionStarted:
		v.at(e.Host, itemName(e.Item))
	case event.ActionDone:
		v.transferred(e)
		if e.Host != "" {
			v.at(e.Host, "after "+itemName(e.Item)) // the helper records what it did, or looks at what comes next
		} else if strings.HasPrefix(e.Item, "gate ") && v.head != "" {
			v.waits = map[string]string{}
			v.setHead(v.phase)
		}
	case event.Progress:
		v.transferred(e)
		v.at(e.Host, fmt.Sprintf("%s %d %% of %.0f MiB", e.Item, 100*e.Bytes/max(e.Total, 1), float64(e.Total)/(1<<20)))
	case event.Waiting:
		v.waiting(e)
	case event.Warning:
		v.print("%s %s", v.paint(yellow, "!"), named(e))
	case event.CheckFailed:
		where := ""
		if e.Host != "" {
			where = e.Host + ": "
		}
		v.print("%s %s%s", v.paint(red, "✗"), where, e.Item) // the report tells the rest
	case event.Output:
		v.print("  %s: %s: %s", e.Host, e.Item, e.Message)
	case event.Message:
		v.print("  %s", named(e))
	}
}

// transferred notes bytes that a host got.
func (v *view) transferred(e event.Event) {
	if e.Bytes > 0 && v.sent != nil {
		v.sent[e.Host+" "+e.Item] = e.Bytes
	}
}

// at notes what a host does now.
func (v *view) at(host, what string) {
	if l := v.hosts[host]; l != nil {
		l.what, l.since = what, time.Now()
		return
	}
	v.hosts[host] = &hostLine{what, time.Now()}
}

// itemName writes "file:/etc/x" as "/etc/x" and "unit:x.service" as "unit x.service".
func itemName(id string) string {
	if path, ok := strings.CutPrefix(id, "file:"); ok {
		return path
	}
	return strings.Replace(id, ":", " ", 1)
}

// named puts the host before a message that does not begin with it.
func named(e event.Event) string {
	if e.Host == "" || strings.HasPrefix(e.Message, "host "+e.Host) || strings.HasPrefix(e.Message, e.Host+":") {
		return e.Message
	}
	return e.Host + ": " + e.Message
}

// print writes a line that stays.
func (v *view) print(format string, args ...any) {
	v.said = time.Now()
	text := fmt.Sprintf(format, args...) + "\n"
	if v.screen != nil {
		v.screen.above(text)
		return
	}
	_, _ = io.WriteString(v.out, text) // there is no better place to report to
}

func (v *view) paint(colour, text string) string {
	if !v.color {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// shorten replaces failures of hosts that were shown as they happened by their number and the hosts' names.
func (v *view) shorten(err error) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.json || len(v.failures) == 0 {
		return err
	}
	var hosts []string
	for _, f := range v.failures {
		hosts = append(hosts, f.host)
	}
	text := err.Error()
	for i, f := range v.failures {
		if f.message == "" || !strings.Contains(text, f.message) {
			return err // this error is about something else
		}
		if i == 0 {
			text = strings.Replace(text, f.message, topology.Count(len(hosts), "host")+" failed, see above: "+strings.Join(hosts, ", "), 1)
			continue
		}
		if shorter := strings.Replace(text, f.message+"\n", "", 1); shorter != text {
			text = shorter
		} else {
			text = strings.Replace(text, "\n"+f.message, "", 1)
		}
	}
	return &shortError{text, err}
}

// shortError stands for an error whose details were shown before.
type shortError struct {
	text string
	err  error
}

func (e *shortError) Error() string { return e.text }

func (e *shortError) Unwrap() error { return e.err }
