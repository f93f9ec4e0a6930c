package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/execute"
	"github.com/trivet-dev/trivet/bootstrap/plan"
)

func newApply(g *global) *cobra.Command {
	var yes, full bool
	var planFile string
	cmd := &cobra.Command{
		Use:   "apply [FOLDER]",
		Short: "Bring the hosts to what the topology says",
		Long: `Show the plan, ask, and carry it out. Interrupted anywhere, by Ctrl-C, a lost link or a dead host, the same
command goes on where it stopped.

Authorities and keys that the rotation block asks for anew are replaced in stages, each a plan of its own, and surge hosts leave by a plan of their own at the end of an upgrade: what follows on
the first plan is shown and carried out without asking again, until all is done or has to rest.

Hosts that do not answer, and those that cannot be changed safely while others are away, are skipped and named with the reason: run the
same command when they are back.

Hosts that are new to the cluster are looked at as by "trivet preflight" first; with something in the way of control planes, etcd members or the whole nothing is changed, and
workers that are not fit are skipped.

Exit codes: 0 done or nothing to do, 1 failed, 3 the saved plan is stale, 4 something is in the way of hosts that are new, 5 done but hosts were skipped, or wait while the
upgrade is paused, or manifests cannot be applied, 6 done but on workers that failed, as max_failed allows, 130 interrupted.`,
		Args: g.folder,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !yes && planFile == "" && !canAsk() {
				return errors.New("apply asks before it changes anything, and there is no terminal to ask on: pass --yes, or save a plan with `trivet plan --out` and pass --plan")
			}
			s, err := g.open(cmd)
			if err != nil {
				return err
			}
			defer s.close()
			return s.apply(cmd.Context(), planFile, yes, full)
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().StringVar(&planFile, "plan", "", "carry out this saved plan, without asking; refused when the hosts changed since")
	cmd.Flags().BoolVar(&full, "full", false, "list every action of new components")
	g.skipPreflight(cmd)
	return cmd
}

// applied is the result of an apply.
type applied struct {
	Cluster string        `json:"cluster"`
	Actions int           `json:"actions"` // 0: nothing was to be done
	Skipped []plan.Skip   `json:"skipped,omitempty"`
	Failed  []string      `json:"failed,omitempty"`  // workers, no more than max_failed
	Blocked []plan.Block  `json:"blocked,omitempty"` // what cannot be applied
	Paused  *plan.Paused  `json:"paused,omitempty"`  // how far an upgrade is that waits
	Elapsed time.Duration `json:"elapsed"`           // nanoseconds
}

// applyWith plans and applies with an engine that was told what more to do than the topology says.
func (s *session) applyWith(ctx context.Context, e *bootstrap.Engine, yes bool) error {
	start := time.Now()
	p, err := s.planAndApply(ctx, e, yes, false)
	return s.applied(p, start, err)
}

func (s *session) apply(ctx context.Context, planFile string, yes, full bool) error {
	start := time.Now()
	var p *plan.Plan
	var err error
	if planFile != "" {
		if p, err = loadPlan(planFile, s.cluster.Name); err != nil {
			return err
		}
	}
	e, err := s.connectAny(ctx)
	if err != nil {
		return err
	}
	if planFile != "" {
		err = s.carryOut(ctx, e, p, true, full)
	} else {
		p, err = s.planAndApply(ctx, e, yes, full)
	}
	return withPlanFile(s.applied(p, start, err), planFile)
}

// applied tells what an apply did that ended so.
func (s *session) applied(p *plan.Plan, start time.Time, err error) error {
	var failed *execute.FailedError
	if err != nil && !errors.As(err, new(*bootstrap.PartialError)) && !errors.As(err, &failed) {
		return err
	}
	var hosts []string
	if failed != nil {
		hosts = slices.Sorted(maps.Keys(failed.Hosts))
	}
	if !p.Empty() {
		s.say("Applied in %s. Next: trivet status%s, trivet verify%s.", time.Since(start).Round(100*time.Millisecond), s.flags(), s.flags())
	}
	if s.json {
		if err := writeResult(s.out, "apply", applied{p.Cluster, p.Actions(), p.Skipped, hosts, p.Blocked, p.Paused, time.Since(start)}); err != nil {
			return err
		}
	}
	return err
}

// planAndApply plans, shows, asks and applies.
func (s *session) planAndApply(ctx context.Context, e *bootstrap.Engine, yes, full bool) (*plan.Plan, error) {
	return e.Converge(ctx, func(p *plan.Plan, follows bool) error { return s.carryOut(ctx, e, p, yes || follows, full) }, func(stale *bootstrap.StaleError) {
		s.say("Planning again: since the plan was made, %s changed.", strings.Join(stale.Changed, ", "))
	})
}

func (s *session) carryOut(ctx context.Context, e *bootstrap.Engine, p *plan.Plan, yes, full bool) error {
	s.view.end()
	if err := s.showPlan(p, full); err != nil {
		return err
	}
	if p.Empty() {
		s.view.expect(p)
		err := e.Settle(ctx, p)
		s.view.end()
		return err
	}
	if !yes {
		question := "Apply this plan?"
		if p.GoesOn {
			question = "Apply this plan, and the stages that follow on it?"
		}
		if err := s.ask(ctx, question, "yes"); err != nil {
			return err
		}
	}
	s.view.expect(p)
	return s.change(func() error { return e.Apply(ctx, p) })
}

// change runs what changes hosts.
func (s *session) change(do func() error) error {
	s.resume.Store("Stopped. What was done is recorded on the hosts; run the same command again to go on.")
	err := do()
	s.view.end()
	return s.heldBy(err)
}

// heldBy completes the remedy of a run lock that somebody else holds by the flags that lead to this cluster.
func (s *session) heldBy(err error) error {
	const remedy = "trivet lock --take-over"
	if flags := s.flags(); flags != "" && errors.As(err, new(*bootstrap.HeldError)) {
		return &shortError{strings.ReplaceAll(err.Error(), remedy+"`", remedy+flags+"`"), err}
	}
	return err
}

// withPlanFile says which saved plan is stale.
func withPlanFile(err error, file string) error {
	var stale *bootstrap.StaleError
	if file != "" && errors.As(err, &stale) {
		return fmt.Errorf("%s: %w", file, err)
	}
	return err
}
