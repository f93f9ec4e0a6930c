//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/event"
)

// running is a subcommand under way, of which every event is seen as it comes.
type running struct {
	o      *operator
	args   string
	cmd    *exec.Cmd
	lines  chan string // of standard output; closed at its end
	out    []string
	stderr bytes.Buffer
	start  time.Time

	release func()
}

// patience is longer than the command may take for anything. One that hangs is killed, and its test fails.
const patience = 8 * time.Minute

// begin starts a subcommand with --json and does not wait for its end.
func (o *operator) begin(args ...string) *running {
	o.t.Helper()
	r := &running{o: o, args: strings.Join(args, " "), lines: make(chan string), start: time.Now()}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	r.release = cancel
	r.cmd = o.command(ctx, append([]string{"--json"}, args...)...)
	r.cmd.Stderr = &r.stderr
	stdout, err := r.cmd.StdoutPipe()
	if err != nil {
		o.t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		o.t.Fatal(err)
	}
	go func() {
		defer close(r.lines)
		scanner := bufio.NewScanner(stdout)
		scanner.Buffer(nil, 64<<20) // a plan is one line
		for scanner.Scan() {
			r.lines <- scanner.Text()
		}
	}()
	return r
}

// until waits for an event. It is false when the command ended without it.
func (r *running) until(wanted func(event.Event) bool) bool {
	for line := range r.lines {
		r.out = append(r.out, line)
		var e struct {
			Type string `json:"type"`
			event.Event
		}
		if err := json.Unmarshal([]byte(line), &e); err == nil && e.Type == "event" && wanted(e.Event) {
			return true
		}
	}
	return false
}

// events are those that the command has told so far.
func (r *running) events() []event.Event {
	var all []event.Event
	for _, line := range r.out {
		var e struct {
			Type string `json:"type"`
			event.Event
		}
		if err := json.Unmarshal([]byte(line), &e); err == nil && e.Type == "event" {
			all = append(all, e.Event)
		}
	}
	return all
}

// never is for a command of which only the end counts.
func never(event.Event) bool { return false }

// kill ends the command as kill -9 does, wherever it is.
func (r *running) kill() {
	r.o.t.Helper()
	if err := r.cmd.Process.Kill(); err != nil {
		r.o.t.Fatal(err)
	}
	r.end()
}

// end waits for the command's end and reads the rest of what it says.
func (r *running) end() result {
	r.o.t.Helper()
	r.until(never)
	err := r.cmd.Wait()
	r.release()
	if time.Since(r.start) >= patience {
		r.o.t.Fatalf("trivet %s did not end in %s:\n%s", r.args, patience, strings.Join(r.out, "\n"))
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.o.t.Fatal(err)
	}
	res := result{r.cmd.ProcessState.ExitCode(), strings.Join(r.out, "\n"), r.stderr.String()}
	r.o.said.add(res.stdout + res.stderr)
	r.o.t.Logf("trivet %.100q: exit %d in %.1f s", r.args, res.code, time.Since(r.start).Seconds())
	return res
}

// message is the error that a command with --json ended with.
func (r result) message() string {
	for line := range strings.SplitSeq(r.stdout, "\n") {
		var e struct{ Type, Message string }
		if err := json.Unmarshal([]byte(line), &e); err == nil && e.Type == "error" {
			return e.Message
		}
	}
	return r.stderr
}

// phases lists what happened, for a test that missed what it waited for.
func (r *running) phases() string {
	var b strings.Builder
	for _, line := range r.out {
		var e event.Event
		if err := json.Unmarshal([]byte(line), &e); err == nil && (e.Kind == event.PhaseStarted || e.Kind == event.PhaseDone) {
			fmt.Fprintf(&b, "%s %s\n", e.Kind, e.Phase)
		}
	}
	return b.String()
}

// starts is the beginning of a phase.
func starts(phase string) func(event.Event) bool {
	return func(e event.Event) bool { return e.Kind == event.PhaseStarted && e.Phase == phase }
}

// amid is the first thing that happens in a phase after its beginning.
func amid(phase string) func(event.Event) bool {
	return func(e event.Event) bool {
		switch e.Kind {
		case event.ActionDone, event.Progress, event.Waiting, event.HostDone:
			return e.Phase == phase
		}
		return false
	}
}

// killAt runs an apply and kills it at an event.
func (o *operator) killAt(what string, at func(event.Event) bool) {
	o.t.Helper()
	r := o.begin("apply", "--yes")
	if !r.until(at) {
		res := r.end()
		o.t.Errorf("the apply that was to be killed at %s ended before, with exit code %d: %s\n%s", what, res.code, res.message(), r.phases())
		return
	}
	o.t.Logf("kill -9 at %s", what)
	r.kill()
}
