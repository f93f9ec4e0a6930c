package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

func newLock(g *global) *cobra.Command {
	var takeOver, yes bool
	cmd := &cobra.Command{
		Use:   "lock [FOLDER]",
		Short: "Show who holds the run lock of the cluster, or end that run",
		Long: `Show on which control planes the run lock is held, by whom, for what and since when. An apply or a destroy holds it on a majority of the
control planes for as long as its connections live: a run that ended, in whatever way, holds nothing. Only where its network died without
a word does the lock stay until the host notices, within a minute.

--take-over ends the run that holds the lock: its helpers finish the operation that they are at and end, and every host that answers refuses
what that run may still send. The next apply goes on from there. The name of the cluster must be typed, or pass --yes.

Exit codes: 0 done, whether the lock is held or not; 1 failed.`,
		Args: g.folder,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if takeOver && !yes && !canAsk() {
				return errors.New("lock --take-over asks for the cluster's name, and there is no terminal to ask on: pass --yes")
			}
			s, err := g.open(cmd)
			if err != nil {
				return err
			}
			defer s.close()
			if takeOver {
				return s.takeOver(cmd.Context(), yes)
			}
			e, err := s.connectOnly(cmd.Context(), controlPlane)
			if err != nil {
				return err
			}
			state, err := e.Lock(cmd.Context())
			if err != nil {
				return err
			}
			s.view.end()
			return s.showLock(state)
		},
	}
	cmd.Flags().BoolVar(&takeOver, "take-over", false, "end the run that holds the lock")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

// showLock shows the lock's state as the result of the subcommand.
func (s *session) showLock(state *bootstrap.LockState) error {
	if s.json {
		return writeResult(s.out, "lock", struct {
			Held bool `json:"held"`
			*bootstrap.LockState
		}{len(state.Holders()) > 0, state})
	}
	if err := writeLock(s.out, state); err != nil {
		return err
	}
	if len(state.Holders()) > 0 {
		_, err := fmt.Fprintf(s.out, "Wait until that run has ended. When nobody is at it any more, end it: trivet lock --take-over%s\n", s.flags())
		return err
	}
	return nil
}

// writeLock writes a table of the control planes, and below it what it comes to.
func writeLock(out io.Writer, state *bootstrap.LockState) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CONTROL PLANE\tSITE\tRUN LOCK\tFOR\tSINCE\tEPOCH")
	for _, h := range state.Hosts {
		switch {
		case h.Error != "":
			fmt.Fprintf(w, "%s\t%s\tno answer\t-\t-\t-\n", h.Host, h.Site)
		case h.Holder == nil:
			fmt.Fprintf(w, "%s\t%s\tnot held\t-\t-\t%d\n", h.Host, h.Site, h.Epoch)
		default:
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\n", h.Host, h.Site, h.Holder.Actor, h.Holder.Purpose, since(h.Holder.Since, h.Age), h.Epoch)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, h := range state.Hosts {
		if h.Error != "" {
			fmt.Fprintf(out, "\n✗ %s", strings.ReplaceAll(h.Error, "\n", "\n  "))
		}
	}
	held, answered := state.Held()
	fmt.Fprintln(out)
	if answered < len(state.Hosts) {
		fmt.Fprintln(out)
	}
	holders := state.Holders()
	if len(holders) == 0 {
		_, err := fmt.Fprintf(out, "The run lock of cluster %q is not held on any of the %s that answered.\n", state.Cluster, topology.Count(answered, "control plane"))
		return err
	}
	for _, who := range holders {
		if _, err := fmt.Fprintf(out, "The run lock of cluster %q is held on %d of %s: %s.\n", state.Cluster, held, topology.Count(len(state.Hosts), "control plane"),
			bootstrap.DescribeHolder(who, ageOf(state, who))); err != nil {
			return err
		}
	}
	return nil
}

func ageOf(state *bootstrap.LockState, who hostapi.Holder) time.Duration {
	for _, h := range state.Hosts {
		if h.Holder != nil && *h.Holder == who {
			return h.Age
		}
	}
	return 0
}

func since(at time.Time, age time.Duration) string {
	if at.IsZero() {
		return "unknown"
	}
	return fmt.Sprintf("%s (%s)", at.UTC().Format("2006-01-02 15:04:05 UTC"), elapsed(age))
}

// takeOver shows who holds the lock, asks, and ends that run.
func (s *session) takeOver(ctx context.Context, yes bool) error {
	e, err := s.connectAny(ctx)
	if err != nil {
		return err
	}
	state, err := e.Lock(ctx)
	if err != nil {
		return err
	}
	s.view.end()
	if len(state.Holders()) == 0 {
		if s.json {
			return s.showLock(state)
		}
		if err := writeLock(s.out, state); err != nil {
			return err
		}
		_, err := fmt.Fprintln(s.out, "There is nothing to take over.")
		return err
	}
	if !s.json {
		if err := writeLock(s.out, state); err != nil {
			return err
		}
	}
	if !yes {
		if err := s.ask(ctx, "That run will be ended where it is. Type the cluster's name to take its lock over.", s.cluster.Name); err != nil {
			return err
		}
	}
	s.resume.Store("Stopped. The run that held the lock may have been ended; look with trivet lock" + s.flags() + ".")
	s.view.status("ending that run; its hosts finish the operation that they are at")
	done, err := e.TakeOver(ctx, state.Holders())
	s.view.end()
	if err != nil {
		return s.heldBy(err)
	}
	if s.json {
		return writeResult(s.out, "take-over", done)
	}
	return s.tookOver(done)
}

// tookOver says what was done, and what to do next.
func (s *session) tookOver(t *bootstrap.TakenOver) error {
	var who []string
	for _, h := range t.Ended {
		who = append(who, fmt.Sprintf("%s (%s)", h.Actor, h.Purpose))
	}
	ended := "The run had ended by itself"
	if len(who) > 0 {
		ended = "Ended the run of " + strings.Join(who, " and ")
	}
	s.say("%s; the lock is free.", ended)
	if len(t.Fenced) > 0 {
		fmt.Fprintf(s.out, "%s will refuse what that run may still send: their epoch is %d.\n", topology.Count(len(t.Fenced), "host"), t.Epoch)
	}
	if len(t.Away) > 0 {
		fmt.Fprintf(s.out, "Not reached: %s. The next run that reaches them does the same there before it changes anything.\n", strings.Join(t.Away, ", "))
	}
	_, err := fmt.Fprintf(s.out, "Next: trivet plan%s, to see what that run left undone.\n", s.flags())
	return err
}
