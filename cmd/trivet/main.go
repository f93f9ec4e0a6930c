// Command trivet brings up Kubernetes on fleets of hosts over SSH, from HCL.
package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/execute"
	"github.com/trivet-dev/trivet/bootstrap/preflight"
)

// Exit codes. They are part of the command's interface: docs/operations.md lists them.
const (
	exitOK          = 0
	exitFailed      = 1   // something went wrong; the message says what
	exitChanges     = 2   // plan: there are changes
	exitStale       = 3   // apply: the hosts changed since the plan was made
	exitVerify      = 4   // verify: a check failed; preflight, plan, apply: something is in the way of hosts that are new
	exitPartial     = 5   // plan, apply: all is done where it can be, but hosts were skipped, or manifests cannot be applied, or wait while an upgrade is paused
	exitFailedHosts = 6   // apply: all is done but on workers that failed, no more than may (max_failed)
	exitInterrupted = 130 // stopped by the user
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	root, g := newRoot()
	return g.run(root, args)
}

func (g *global) run(root *cobra.Command, args []string) int {
	ctx, stop := g.interrupt.context(context.Background())
	defer stop()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	code := exitCode(err, g.interrupt.happened())
	g.fail(root.OutOrStdout(), root.ErrOrStderr(), err, code)
	return code
}

func exitCode(err error, interrupted bool) int {
	var exit *exitError
	var stale *bootstrap.StaleError
	var partial *bootstrap.PartialError
	switch {
	case errors.As(err, &exit):
		return exit.code
	case interrupted:
		return exitInterrupted
	case errors.As(err, &stale):
		return exitStale
	case errors.As(err, new(*execute.FailedError)):
		return exitFailedHosts
	case errors.As(err, &partial):
		return exitPartial
	case errors.As(err, new(*preflight.Errors)):
		return exitVerify
	}
	return exitFailed
}

// interruption is the user's wish to stop: Ctrl-C or SIGTERM. The first one cancels the context, so that what is under way ends in order; a second one ends the process
// at once.
type interruption struct {
	signal atomic.Value // the os.Signal that came first
	// notice says that the run is about to stop. A subcommand for which Ctrl-C is the ordinary end sets it to nil.
	notice atomic.Pointer[func()]
}

func (i *interruption) happened() bool { return i.signal.Load() != nil }

func (i *interruption) announce(notice func()) { i.notice.Store(&notice) }

func (i *interruption) context(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		first, ok := <-signals
		if !ok {
			return
		}
		i.signal.Store(first)
		if notice := i.notice.Load(); notice != nil && *notice != nil {
			(*notice)()
		}
		cancel()
		if _, ok := <-signals; ok {
			os.Exit(exitInterrupted)
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		cancel()
	}
}
