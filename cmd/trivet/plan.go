package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

func newPlan(g *global) *cobra.Command {
	var out string
	var full bool
	cmd := &cobra.Command{
		Use:   "plan [FOLDER]",
		Short: "Show what apply would do, changing nothing",
		Long:  "Show what apply would do, by site and host. Nothing on a host is changed.\n\nHosts that do not answer, and those that cannot be changed safely while others are away, are left out\nand named with the reason.\n\nHosts that are new to the cluster are looked at as by \"trivet preflight\" first.\n\nExit codes: 0 no changes, 2 changes, 4 something is in the way of hosts that are new, 5 no changes but hosts were skipped, or wait while the upgrade is paused, or manifests cannot be applied, 1 failed.",
		Args:  g.folder,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := g.open(cmd)
			if err != nil {
				return err
			}
			defer s.close()
			e, err := s.connectAny(cmd.Context())
			if err != nil {
				return err
			}
			p, err := e.Plan(cmd.Context())
			if err != nil {
				return err
			}
			s.view.end()
			if out != "" {
				if err := savePlan(out, p); err != nil {
					return err
				}
			}
			if err := s.showPlan(p, full); err != nil {
				return err
			}
			switch {
			case p.Empty() && (!p.Complete() || len(p.Blocked) > 0):
				return &exitError{code: exitPartial}
			case p.Empty():
				return nil
			}
			if out != "" {
				s.say("Saved. Carry out exactly this: trivet apply%s --plan %s", s.flags(), quoted(out))
			}
			return &exitError{code: exitChanges}
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "save the plan for \"trivet apply --plan\"")
	cmd.Flags().BoolVar(&full, "full", false, "list every action of new components")
	g.skipPreflight(cmd)
	return cmd
}

func (s *session) showPlan(p *plan.Plan, full bool) error {
	if s.json {
		return writeResult(s.out, "plan", p)
	}
	if err := p.WriteText(s.out, plan.TextOptions{Full: full, Color: s.color}); err != nil {
		return err
	}
	if p.Empty() || p.Inventory != nil && p.Inventory.Destroying {
		return nil
	}
	if _, err := fmt.Fprintln(s.out); err != nil {
		return err
	}
	return topology.WriteLossTable(s.out, topology.Quorum(s.cluster))
}

// savePlan writes a plan for later. It holds no secret, but it says where every host is.
func savePlan(path string, p *plan.Plan) error {
	b, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o600)
}

// loadPlan reads a saved plan for a cluster.
func loadPlan(path, cluster string) (*plan.Plan, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var p plan.Plan
	if err := json.Unmarshal(b, &p); err != nil {
		return nil, fmt.Errorf("%s is not a saved plan: %w; save one with `trivet plan --out`", path, err)
	}
	switch {
	case p.Format == 0:
		return nil, fmt.Errorf("%s is not a saved plan: it has no format; save one with `trivet plan --out`", path)
	case p.Format != plan.Format:
		return nil, fmt.Errorf("%s has format %d, this trivet knows format %d: plan again", path, p.Format, plan.Format)
	case p.Cluster != cluster:
		return nil, fmt.Errorf("%s is a plan for cluster %q, this is cluster %q: name that cluster's topology, or plan again", path, p.Cluster, cluster)
	case p.Inventory != nil && p.Inventory.Destroying:
		return nil, fmt.Errorf("%s is the plan of a destroy, which apply does not carry out: run `trivet destroy`", path)
	}
	return &p, nil
}
