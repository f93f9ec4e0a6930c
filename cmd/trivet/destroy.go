package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func newDestroy(g *global) *cobra.Command {
	var name string
	var full bool
	cmd := &cobra.Command{
		Use:   "destroy",
		Short: "Give the hosts back as they were, with everything of the cluster gone",
		Long: `Remove what the hosts' records say is Trivet's, bring back what was there before, and forget the cluster.
All data of the cluster is lost. The name of the cluster must be typed, or given with --confirm.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := g.open(cmd)
			if err != nil {
				return err
			}
			defer s.close()
			if name != "" && name != s.cluster.Name {
				return errors.New("--confirm " + name + " is not the name of the cluster, which is " + s.cluster.Name)
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
				return nil
			}
			if err := s.showDestroy(cmd.OutOrStdout(), p, full); err != nil {
				return err
			}
			if name == "" {
				if err := confirm(cmd.Context(), "Every pod, volume and object of this cluster will be lost. Type the cluster's name to destroy it.", s.cluster.Name); err != nil {
					return err
				}
			}
			if err := e.Destroy(cmd.Context()); err != nil {
				return err
			}
			s.view.end()
			s.say("Cluster %q is gone; its hosts are as they were before.", s.cluster.Name)
			return nil
		},
	}
	cmd.Flags().StringVar(&name, "confirm", "", "the cluster's name, instead of typing it")
	cmd.Flags().BoolVar(&full, "full", false, "list every item")
	return cmd
}
