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
)

// watch shows the cluster's status again and again, until Ctrl-C, which is how it ends.
func (s *session) watch(ctx context.Context, e *bootstrap.Engine, every time.Duration) error {
	s.interrupt.announce(nil)
	show := s.writeStatus
	switch {
	case s.json:
	case isTerminal(s.out) && s.terminal() && !s.noColor:
		show = func(st *bootstrap.Status) error { return s.redraw(st, every) }
		defer fmt.Fprintln(s.out)
	default:
		show = (&changes{session: s}).show
	}
	return e.Watch(ctx, every, func(st *bootstrap.Status) error {
		s.view.end()
		return show(st)
	})
}

// redraw shows a status in place of the one before.
func (s *session) redraw(st *bootstrap.Status, every time.Duration) error {
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s, every %s until Ctrl-C\n", st.Time.Local().Format(time.TimeOnly), every)
	if err := s.report(st, &text).write(); err != nil {
		return err
	}
	wide, high := 80, 24
	if f, ok := s.out.(*os.File); ok {
		if w, h, err := term.GetSize(int(f.Fd())); err == nil && w > 0 && h > 0 {
			wide, high = w, h
		}
	}
	_, err := io.WriteString(s.out, page(text.String(), wide, high))
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
			fmt.Fprintf(&b, "… and %s\x1b[K", count(rest, "more line"))
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
}

func (c *changes) show(st *bootstrap.Status) error {
	r := c.report(st, c.out)
	now := r.states()
	defer func() { c.last, c.begun = now, true }()
	if !c.begun {
		return r.write()
	}
	at := st.Time.Local().Format(time.TimeOnly)
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
