package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/trivet-dev/trivet/bootstrap/plan"
)

func newDestroy(g *global) *cobra.Command {
	var name string
	var full bool
	cmd := &cobra.Command{
		Use:   "destroy [FOLDER]",
		Short: "Give the hosts back as they were, with everything of the cluster gone",
		Long: `Remove what the hosts' records say is Trivet's, bring back what was there before, and forget the cluster.
All data of the cluster is lost. The name of the cluster must be typed, or given with --confirm.`,
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
			e, err := s.connect(cmd.Context())
			if err != nil {
				return err
			}
			p, err := e.PlanDestroy(cmd.Context())
			if err != nil {
				return err
			}
			s.view.end()
			if p.Empty() {
				s.say("Nothing to destroy: no host has a record of cluster %q.", s.cluster.Name)
				return s.destroyed(p, start)
			}
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
			s.say("Cluster %q is gone; its hosts are as they were before (%s).", s.cluster.Name, time.Since(start).Round(100*time.Millisecond))
			return s.destroyed(p, start)
		},
	}
	cmd.Flags().StringVar(&name, "confirm", "", "the cluster's name, instead of typing it")
	cmd.Flags().BoolVar(&full, "full", false, "list every item")
	return cmd
}

// destroyed writes the result of a destroy where that is asked for.
func (s *session) destroyed(p *plan.Plan, start time.Time) error {
	if !s.json {
		return nil
	}
	return writeResult(s.out, "destroy", applied{Cluster: s.cluster.Name, Actions: p.Actions(), Elapsed: time.Since(start)})
}
