package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/width"

	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// mostHosts bounds the hosts in the live part of the screen.
const mostHosts = 12

// terminal reports whether the terminal can move its cursor.
func (g *global) terminal() bool { return os.Getenv("TERM") != "" && os.Getenv("TERM") != "dumb" }

// screen is the live part at the bottom of a terminal: lines that are written over in place, so that nothing flickers.
type screen struct {
	out   io.Writer
	shown []string
}

// show replaces the live lines.
func (s *screen) show(lines []string) {
	if slices.Equal(lines, s.shown) {
		return
	}
	var b strings.Builder
	s.up(&b)
	s.write(&b, lines)
	_, _ = io.WriteString(s.out, b.String()) // a terminal that went away does not stop an apply
}

// above writes text that stays, above the live lines.
func (s *screen) above(text string) {
	var b strings.Builder
	s.up(&b)
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimSuffix(line, "\n") + "\x1b[K\n")
	}
	s.write(&b, s.shown)
	_, _ = io.WriteString(s.out, b.String())
}

func (s *screen) up(b *strings.Builder) {
	if len(s.shown) > 0 {
		fmt.Fprintf(b, "\r\x1b[%dA", len(s.shown))
	}
}

// write puts lines where the cursor is and erases what was left of longer or more lines.
func (s *screen) write(b *strings.Builder, lines []string) {
	for _, l := range lines {
		b.WriteString(l + "\x1b[K\n")
	}
	if surplus := len(s.shown) - len(lines); surplus > 0 {
		b.WriteString(strings.Repeat("\x1b[K\n", surplus) + fmt.Sprintf("\x1b[%dA", surplus))
	}
	s.shown = lines
}

// draw shows what is going on: the head with its time, then the hosts at work.
func (v *view) draw(now time.Time) {
	wide := drawWidth(v.out)
	var lines []string
	if v.head != "" {
		head := v.head
		if v.total > 0 {
			var sent int64
			for _, n := range v.sent {
				sent += n
			}
			head += fmt.Sprintf(": %s of %s", byteSize(sent), byteSize(v.total))
		}
		// What is waited for may be long, and is cut: the time left stands before it.
		lines = append(lines, cut(fmt.Sprintf("%s %6s  %s", spinner(now), elapsed(now.Sub(v.since))+v.left(now, ", "), head), wide))
	}
	for _, t := range v.tasks {
		lines = append(lines, cut("    "+t.at(now), wide))
	}
	names := v.atWork()
	for i, n := range names {
		if i == mostHosts {
			lines = append(lines, fmt.Sprintf("    and %s", topology.Count(len(names)-i, "more host")))
			break
		}
		l := v.hosts[n]
		text := fmt.Sprintf("    %-20s %s", n, l.what)
		if took := now.Sub(l.since); took >= 2*time.Second {
			text += "  " + elapsed(took)
		}
		lines = append(lines, cut(text, wide))
	}
	v.screen.show(lines)
}

func spinner(now time.Time) string {
	frames := []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
	return string(frames[int(now.UnixMilli()/redrawEvery.Milliseconds())%len(frames)])
}

// elapsed writes a time as one reads it while waiting.
func elapsed(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.0f s", d.Truncate(time.Second).Seconds())
	}
	return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
}

// drawWidth is the number of columns to draw on.
func drawWidth(out io.Writer) int {
	if n := columns(out); n > 0 {
		return n
	}
	return 80
}

// cut keeps a line on one row of the screen. Wide characters take two columns.
func cut(line string, wide int) string {
	line = strings.ReplaceAll(line, "\n", " ")
	used := 0
	for i, r := range line {
		n := 1
		if k := width.LookupRune(r).Kind(); k == width.EastAsianWide || k == width.EastAsianFullwidth {
			n = 2
		}
		if used+n >= wide {
			return line[:i] + "…"
		}
		used += n
	}
	return line
}
