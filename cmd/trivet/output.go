package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// With --json, everything goes to standard output as one JSON object a line, and each has a "type": "event" for progress, "diagnostic" for what is wrong with a topology, a
// type named after the subcommand for its result, "error" for why it failed.

// writeResult writes a value as an object of the given type. The value is a struct or a map with string keys.
func writeResult(w io.Writer, kind string, v any) error {
	body, err := marshal(v)
	if err != nil {
		return err
	}
	if len(body) < 2 || body[0] != '{' {
		return fmt.Errorf("a result of type %s is not an object", kind)
	}
	head, err := marshal(map[string]string{"type": kind})
	if err != nil {
		return err
	}
	line := head[:len(head)-1]
	if len(body) > 2 {
		line = append(line, ',')
	}
	line = append(line, body[1:]...)
	_, err = w.Write(append(line, '\n')) // in one piece: events come from several goroutines
	return err
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// Colours of the terminal, as SGR parameters.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	dim    = "2"
)

// colors reports whether w takes colours.
func (g *global) colors(w io.Writer) bool {
	return !g.noColor && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(w)
}

func (g *global) paint(w io.Writer, colour, text string) string {
	if !g.colors(w) {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// columns is the number of columns of the terminal, 0 elsewhere.
func columns(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil {
			return n
		}
	}
	return 0
}
