package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// exitError carries an exit code; a nil err prints nothing.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// listError is several failures under one heading.
type listError struct {
	heading string
	errs    []error
}

func (e *listError) Error() string {
	var b strings.Builder
	b.WriteString(e.heading)
	messages := make([]string, len(e.errs))
	for i, err := range e.errs {
		messages[i] = err.Error()
	}
	for _, m := range sameReason(messages) {
		b.WriteString("\n  ✗ " + strings.ReplaceAll(m, "\n", "\n    "))
	}
	return b.String()
}

func (e *listError) Unwrap() []error { return e.errs }

// ofHost is how messages about a host begin: "host w1 (10.0.0.1:22): …".
var ofHost = regexp.MustCompile(`^host ([^\s:]+)(?: \([^)]*\))?: `)

// ofScan finds the address in a command that a remedy gives; scanMark stands for it while reasons are compared.
var ofScan = regexp.MustCompile("`ssh-keyscan (?:-p \\d+ )?([^\\s`]+)")

const scanMark = "\x00"

// longReason is from where on a reason is not repeated: below, a line for each host reads better, and has its address.
const longReason = 100

// sameReason puts messages about hosts together that say the same of each at length: "hosts w1, w2: …".
func sameReason(messages []string) []string {
	var reasons []string
	hosts, whole, scanned := map[string][]string{}, map[string]string{}, map[string][]string{}
	for _, m := range messages {
		reason := m
		if match := ofHost.FindStringSubmatch(m); match != nil && len(m)-len(match[0]) >= longReason {
			reason = m[len(match[0]):]
			// ssh-keyscan takes several hosts at once, so that one command serves all.
			if scan := ofScan.FindStringSubmatchIndex(reason); scan != nil {
				address := reason[scan[2]:scan[3]]
				reason = reason[:scan[2]] + scanMark + reason[scan[3]:]
				scanned[reason] = append(scanned[reason], address)
			}
			hosts[reason] = append(hosts[reason], match[1])
		}
		if _, seen := whole[reason]; !seen {
			whole[reason] = m
			reasons = append(reasons, reason)
		}
	}
	out := make([]string, len(reasons))
	for i, reason := range reasons {
		out[i] = whole[reason]
		if len(hosts[reason]) > 1 {
			out[i] = "hosts " + strings.Join(hosts[reason], ", ") + ": " + strings.Replace(reason, scanMark, strings.Join(scanned[reason], " "), 1)
		}
	}
	return out
}

// joined lists what errors.Join put together, nil errors left out.
func joined(err error) []error {
	if err == nil {
		return nil
	}
	many, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var out []error
	for _, e := range many.Unwrap() {
		out = append(out, joined(e)...)
	}
	return out
}

// fail reports why a run ended, once: as text on standard error, or as a JSON value on standard output.
func (g *global) fail(out, errOut io.Writer, err error, code int) {
	var exit *exitError
	if errors.As(err, &exit) && exit.err == nil {
		return // the result said it all
	}
	if g.view != nil {
		g.view.end()
		err = g.view.shorten(err)
	}
	stopped := g.interrupt.happened()
	if g.json {
		message := err.Error()
		if stopped && errors.Is(err, context.Canceled) {
			message = g.resumeHint()
		}
		_ = writeResult(out, "error", map[string]any{"message": message, "exitCode": code}) // there is no other place to report to
		return
	}
	if !stopped || !errors.Is(err, context.Canceled) {
		colour, word := red, "Error:"
		if code == exitPartial {
			colour, word = yellow, "Not complete:"
		}
		fmt.Fprintln(errOut, g.paint(errOut, colour, word)+" "+err.Error())
	}
	if stopped {
		fmt.Fprintln(errOut, g.resumeHint())
	}
}

// resumeHint says after an interruption what was left behind and how to go on.
func (g *global) resumeHint() string {
	if hint, ok := g.resume.Load().(string); ok {
		return hint
	}
	return "Stopped. No host was changed."
}
