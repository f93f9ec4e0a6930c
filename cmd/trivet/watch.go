package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// watch shows the cluster's status again and again, until Ctrl-C, which is how it ends.
func (s *session) watch(ctx context.Context, e *bootstrap.Engine, every time.Duration) error {
	s.interrupt.announce(nil)
	now := func() string { return e.Now().Local().Format(time.TimeOnly) }
	show, failed := s.writeStatus, func(err error) error { return s.writeFailedLook(e.Now(), err) }
	switch {
	case s.json:
	case isTerminal(s.out) && s.terminal() && !s.noColor:
		v := &redrawn{session: s, every: every}
		show, failed = v.show, func(err error) error { return v.failed(now(), err) }
		defer fmt.Fprintln(s.out)
	default:
		c := &changes{session: s}
		show, failed = c.show, func(err error) error { return c.failed(now(), err) }
	}
	return e.Watch(ctx, every, func(st *bootstrap.Status, err error) error {
		s.view.end()
		if err != nil {
			return failed(err)
		}
		return show(st)
	})
}

// writeFailedLook writes a look that gave no status as an object on a line.
func (s *session) writeFailedLook(at time.Time, err error) error {
	return writeResult(s.out, "status", struct {
		Healthy bool      `json:"healthy"`
		Cluster string    `json:"cluster"`
		Error   string    `json:"error"`
		Time    time.Time `json:"time"`
	}{false, s.cluster.Name, err.Error(), at})
}

// failedLook is the line about a look that gave no status.
func (s *session) failedLook(err error) string {
	return (&statusReport{colored: s.color}).sign(bootstrap.Trouble{}) + " this look failed: " + strings.ReplaceAll(err.Error(), "\n", " ")
}

// redrawn shows each status in place of the one before.
type redrawn struct {
	*session
	every time.Duration
	last  *bootstrap.Status
}

func (r *redrawn) show(st *bootstrap.Status) error {
	r.last = st
	return r.redraw(fmt.Sprintf("%s, every %s until Ctrl-C", st.Time.Local().Format(time.TimeOnly), r.every), st)
}

// failed says that a look gave no status, above the last that there was.
func (r *redrawn) failed(at string, err error) error {
	head := fmt.Sprintf("%s, every %s until Ctrl-C\n%s", at, r.every, r.failedLook(err))
	if r.last != nil {
		head += fmt.Sprintf("\nThe last that did not, at %s:", r.last.Time.Local().Format(time.TimeOnly))
	}
	return r.redraw(head, r.last)
}

func (r *redrawn) redraw(head string, st *bootstrap.Status) error {
	var text bytes.Buffer
	fmt.Fprintln(&text, head)
	if st != nil {
		if err := r.report(st, &text).write(); err != nil {
			return err
		}
	}
	wide, high := 80, 24
	if f, ok := r.out.(*os.File); ok {
		if w, h, err := term.GetSize(int(f.Fd())); err == nil && w > 0 && h > 0 {
			wide, high = w, h
		}
	}
	_, err := io.WriteString(r.out, page(text.String(), wide, high))
	return err
}

// page writes a text over what a terminal shows. What does not fit is left out, and counted.
func page(text string, wide, high int) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	var b strings.Builder
	b.WriteString("\x1b[H")
	used := 0
	for i, l := range lines {
		rows := max(1, (utf8.RuneCountInString(l)+wide-1)/wide)
		if rest := len(lines) - i; used+rows > high-1 && (rest > 1 || used+rows > high) {
			fmt.Fprintf(&b, "… and %s\x1b[K", topology.Count(rest, "more line"))
			break
		}
		used += rows
		b.WriteString(l + "\x1b[K")
		if i < len(lines)-1 {
			b.WriteString("\n")
		}
	}
	b.WriteString("\x1b[J")
	return b.String()
}

// changes writes the first status whole, and of the others what is new and what is gone.
type changes struct {
	*session
	begun bool
	last  []string
	lost  string // why the last look failed; "" when it did not
}

// failed says that a look gave no status, once for each reason.
func (c *changes) failed(at string, err error) error {
	line := c.failedLook(err)
	if line == c.lost {
		return nil
	}
	c.lost = line
	_, err = fmt.Fprintf(c.out, "%s %s\n", at, line)
	return err
}

func (c *changes) show(st *bootstrap.Status) error {
	r := c.report(st, c.out)
	now := r.states()
	at := st.Time.Local().Format(time.TimeOnly)
	if c.lost != "" {
		if _, err := fmt.Fprintf(c.out, "%s gone: %s\n", at, c.lost); err != nil {
			return err
		}
	}
	defer func() { c.last, c.begun, c.lost = now, true, "" }()
	if !c.begun {
		return r.write()
	}
	for _, line := range c.last {
		if !slices.Contains(now, line) {
			if _, err := fmt.Fprintf(c.out, "%s gone: %s\n", at, line); err != nil {
				return err
			}
		}
	}
	for _, line := range now {
		if !slices.Contains(c.last, line) {
			if _, err := fmt.Fprintf(c.out, "%s %s\n", at, line); err != nil {
				return err
			}
		}
	}
	return nil
}
