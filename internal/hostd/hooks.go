package hostd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

const (
	// hookGrace is what the processes of a hook that is ended get to end by themselves.
	hookGrace = 5 * time.Second
	// hookShown bounds how many lines of a hook are told as they come, hookTail how many are told again when it fails, and hookLine the length of a line.
	hookShown = 200
	hookTail  = 20
	hookLine  = 400
)

func checkHook(k *hostapi.Hook) error {
	if err := checkName(k.Name); err != nil {
		return err
	}
	switch {
	case len(k.Command) == 0 || !path.IsAbs(k.Command[0]):
		return fmt.Errorf("the hook %s has no full path of a program", k.Name)
	case k.Timeout <= 0:
		return fmt.Errorf("the hook %s has no time to run", k.Name)
	case slices.ContainsFunc(k.Environment, func(v string) bool { return !strings.Contains(v, "=") }):
		return fmt.Errorf("the environment of the hook %s has something without a value", k.Name)
	}
	return nil
}

// owe notes hooks in the record. What is owed already stays as it is.
func (s *stepper) owe(list []hostapi.Owed) bool {
	n := len(s.rec.Owed)
	for _, o := range list {
		if !slices.ContainsFunc(s.rec.Owed, func(x hostapi.Owed) bool { return x.Hook == o.Hook }) {
			s.rec.Owed = append(s.rec.Owed, o)
		}
	}
	s.dirty = s.dirty || len(s.rec.Owed) > n
	return len(s.rec.Owed) > n
}

// pay notes that a hook is not owed.
func (s *stepper) pay(name string) bool {
	n := len(s.rec.Owed)
	s.rec.Owed = slices.DeleteFunc(s.rec.Owed, func(o hostapi.Owed) bool { return o.Hook == name })
	s.dirty = s.dirty || len(s.rec.Owed) < n
	return len(s.rec.Owed) < n
}

// runHook runs a command of the user's to its end, and only then notes that it is not owed any more: cut off in between, it runs again.
func (s *stepper) runHook(ctx context.Context, op int, k *hostapi.Hook) error {
	out := &hookOutput{show: func(line string) { s.emit(hostapi.Event{Op: op, State: "progress", Message: line}) }}
	timed, cancel := context.WithTimeout(ctx, k.Timeout)
	defer cancel()
	program := k.Command[0]
	err := s.Hooks.RunHook(timed, Command{Name: program, Args: k.Command[1:], Env: k.Environment}, out)
	out.end()
	switch {
	case err == nil:
		if k.Pays {
			s.pay(k.Name)
		}
		return nil
	case ctx.Err() != nil:
		return fail(hostapi.CodeCancelled, "apply again: it runs again then", "%s was ended with the run%s", program, out.said())
	case timed.Err() != nil:
		return fail(hostapi.CodeFailed, "mend what it waits for, or give it more time with timeout, and apply again: it runs again then",
			"%s did not end within %s and was ended%s", program, k.Timeout, out.said())
	case errors.Is(err, ErrNoCommand):
		return fail(hostapi.CodeFailed, "Trivet does not bring the programs of hooks: put it there and apply again", "%s is not on the host, or what it is to be read by is not", program)
	}
	return fail(hostapi.CodeFailed, "mend what it needs, or the command in the topology, and apply again: it runs again then", "%s failed: %v%s", program, err, out.said())
}

// hookOutput takes what a hook prints, by lines.
type hookOutput struct {
	show  func(line string)
	line  []byte
	long  bool // the line goes on
	shown int
	tail  []string
}

// Write implements io.Writer.
func (o *hookOutput) Write(p []byte) (int, error) {
	for _, c := range p {
		switch {
		case c == '\n' || c == '\r':
			o.end()
		case len(o.line) < hookLine:
			o.line = append(o.line, c)
		default:
			o.long = true
		}
	}
	return len(p), nil
}

// end ends a line. Empty ones are left out.
func (o *hookOutput) end() {
	text := plain(o.line)
	if o.long {
		text += " …"
	}
	o.line, o.long = o.line[:0], false
	if text == "" {
		return
	}
	if o.tail = append(o.tail, text); len(o.tail) > hookTail {
		o.tail = o.tail[1:]
	}
	switch o.shown++; {
	case o.shown <= hookShown:
		o.show(text)
	case o.shown == hookShown+1:
		o.show(fmt.Sprintf("… (more than %d lines: the rest is not shown)", hookShown))
	}
}

// said is the end of what the hook printed, for an error.
func (o *hookOutput) said() string {
	if len(o.tail) == 0 {
		return ", without a word"
	}
	return "\n  its last lines:\n  " + strings.Join(o.tail, "\n  ")
}

// plain takes out of a line what a terminal would obey.
func plain(line []byte) string {
	return strings.TrimRightFunc(string(bytes.Map(func(r rune) rune {
		if r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return -1
	}, bytes.ToValidUTF8(line, nil))), unicode.IsSpace)
}
