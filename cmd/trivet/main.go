// Command trivet brings up Kubernetes on fleets of hosts over SSH, from HCL.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"github.com/trivet-dev/trivet/bootstrap"
)

// Exit codes. They are part of the command's interface: docs/operations.md lists them.
const (
	exitOK          = 0
	exitFailed      = 1   // something went wrong; the message says what
	exitChanges     = 2   // plan: there are changes
	exitStale       = 3   // apply: the hosts changed since the plan was made
	exitVerify      = 4   // verify: a check failed
	exitInterrupted = 130 // stopped by the user
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

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	ctx, interrupted, stop := interruptible()
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	code := exitFailed
	var exit *exitError
	var stale *bootstrap.StaleError
	switch {
	case errors.As(err, &exit):
		code = exit.code
		if exit.err == nil {
			return code
		}
	case errors.As(err, &stale):
		code = exitStale
	case interrupted.Load():
		code = exitInterrupted
	}
	fmt.Fprintln(os.Stderr, "Error: "+err.Error())
	if interrupted.Load() {
		fmt.Fprintln(os.Stderr, "\nStopped. What was done is recorded on the hosts; run the same command again to go on.")
	}
	return code
}

// interruptible gives a context that the first Ctrl-C (or SIGTERM) cancels, so that the operations under way end in order. A second one ends the process at once.
func interruptible() (context.Context, *atomic.Bool, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var interrupted atomic.Bool
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		interrupted.Store(true)
		fmt.Fprintln(os.Stderr, "\nStopping after the current step … (once more to stop at once)")
		cancel()
		<-signals
		os.Exit(exitInterrupted)
	}()
	return ctx, &interrupted, func() { signal.Stop(signals); cancel() }
}
