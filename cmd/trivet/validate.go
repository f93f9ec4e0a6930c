package main

import (
	"github.com/spf13/cobra"

	"github.com/trivet-dev/trivet/bootstrap/topology"
)

func newValidate(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "validate",
		Short: "Check a topology; nothing is contacted",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, err := g.load(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if g.json {
				return writeJSON(cmd.OutOrStdout(), map[string]any{"valid": true, "hosts": len(t.AllHosts()), "clusters": len(t.Clusters)})
			}
			out := cmd.OutOrStdout()
			cmd.Printf("Valid: fleet %q, %d regions, %d hosts, %d clusters.\n", t.Fleet.Name, len(t.Regions), len(t.AllHosts()), len(t.Clusters))
			for _, c := range t.Clusters {
				cmd.Printf("\nCluster %q, Kubernetes %s\n", c.Name, c.Kubernetes)
				if err := topology.WriteLossTable(out, topology.Quorum(c)); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
