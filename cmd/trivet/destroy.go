package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

func newDestroy(g *global) *cobra.Command {
	var name string
	var full, forget bool
	cmd := &cobra.Command{
		Use:   "destroy [FOLDER]",
		Short: "Give the hosts back as they were, with everything of the cluster gone",
		Long: `Remove what the hosts' records say is Trivet's, bring back what was there before, and forget the cluster.
All data of the cluster is lost. The name of the cluster must be typed, or given with --confirm.

Hosts that do not answer keep it from beginning, since what is on them would stay. With --forget-unreachable they are left as they are, and named: they must be installed anew.
Where most control planes are among them, nothing keeps another run on their side out.`,
		Args: g.folder,
		RunE: func(cmd *cobra.Command, _ []string) error {
			start := time.Now()
			if name == "" && !canAsk() {
				return errors.New("destroy asks for the cluster's name, and there is no terminal to ask on: pass it with --confirm")
			}
			s, err := g.open(cmd)
			if err != nil {
				return err
			}
			defer s.close()
			if name != "" && name != s.cluster.Name {
				return fmt.Errorf("--confirm %s is not the name of the cluster, which is %s: nothing was done", name, s.cluster.Name)
			}
			connect := s.connect
			if forget {
				s.adapt = forgetting(s.adapt)
				connect = s.connectAny
			}
			e, err := connect(cmd.Context())
			if err != nil {
				return err
			}
			p, err := e.PlanDestroy(cmd.Context())
			if err != nil {
				return err
			}
			if p.Empty() {
				// The look has put the helper on the hosts.
				if err := s.change(func() error { return e.Destroy(cmd.Context()) }); err != nil {
					return err
				}
				s.say("Nothing to destroy: no host has a record of cluster %q.", s.cluster.Name)
				return s.destroyed(p, start)
			}
			s.view.end()
			if err := s.showPlan(p, full); err != nil {
				return err
			}
			if name == "" {
				if err := s.ask(cmd.Context(), "Every pod, volume and object of this cluster will be lost. Type the cluster's name to destroy it.", s.cluster.Name); err != nil {
					return err
				}
			}
			if err := s.change(func() error { return e.Destroy(cmd.Context()) }); err != nil {
				return err
			}
			if n := len(p.Skipped); n > 0 {
				s.say("Cluster %q is gone; %s left as they are, the others are as they were before (%s).", s.cluster.Name, topology.Count(n, "host"), time.Since(start).Round(100*time.Millisecond))
				return s.destroyed(p, start)
			}
			s.say("Cluster %q is gone; its hosts are as they were before (%s).", s.cluster.Name, time.Since(start).Round(100*time.Millisecond))
			return s.destroyed(p, start)
		},
	}
	cmd.Flags().StringVar(&name, "confirm", "", "the cluster's name, instead of typing it")
	cmd.Flags().BoolVar(&full, "full", false, "list every item")
	cmd.Flags().BoolVar(&forget, "forget-unreachable", false, "go on without hosts that do not answer, and leave them as they are")
	return cmd
}

// forgetting has the engine do without hosts that do not answer.
func forgetting(adapt func(*bootstrap.Options)) func(*bootstrap.Options) {
	return func(o *bootstrap.Options) {
		if o.ForgetUnreachable = true; adapt != nil {
			adapt(o)
		}
	}
}

// destroyed writes the result of a destroy where that is asked for.
func (s *session) destroyed(p *plan.Plan, start time.Time) error {
	if !s.json {
		return nil
	}
	return writeResult(s.out, "destroy", applied{Cluster: s.cluster.Name, Actions: p.Actions(), Skipped: p.Skipped, Elapsed: time.Since(start)})
}
