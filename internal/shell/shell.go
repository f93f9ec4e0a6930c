// Package shell builds the few command lines that Trivet hands to a login shell. Every argument is quoted for POSIX sh; Raw is the only way out.
package shell

import (
	"errors"
	"fmt"
	"strings"
)

// Line is a command line being built. The zero value is empty and ready.
type Line struct {
	words []string
	err   error
}

// Command starts a line with a program and its arguments, each quoted.
func Command(name string, args ...string) *Line {
	return new(Line).Arg(name).Arg(args...)
}

// Script is a line that runs a constant script with /bin/sh whatever the login shell is; args are its $1, $2 ….
func Script(script string, args ...string) *Line {
	return Command("/bin/sh", "-c", script, "trivet").Arg(args...)
}

// Arg appends arguments, each quoted.
func (l *Line) Arg(args ...string) *Line {
	for _, a := range args {
		q, err := Quote(a)
		if err != nil && l.err == nil {
			l.err = err
		}
		l.words = append(l.words, q)
	}
	return l
}

// Raw appends text as it is, for redirections and the like. It must be constant.
func (l *Line) Raw(text string) *Line {
	l.words = append(l.words, text)
	return l
}

// Build returns the command line.
func (l *Line) Build() (string, error) {
	if l.err != nil {
		return "", l.err
	}
	if len(l.words) == 0 {
		return "", errors.New("empty command line")
	}
	return strings.Join(l.words, " "), nil
}

// plain is what needs no quotes in any shell. "=" and "~" are not in it: they mean something at the start of a word.
func plain(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:,@%+", r)
}

// Quote returns s as one word for a POSIX shell. No shell can pass on a NUL byte, so that is an error.
func Quote(s string) (string, error) {
	if i := strings.IndexByte(s, 0); i >= 0 {
		return "", fmt.Errorf("argument has a NUL byte at position %d, which no command line can carry", i)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s, nil
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'", nil
}
