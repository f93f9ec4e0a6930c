package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

func newPlan(g *global) *cobra.Command {
	var out string
	var full bool
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what apply would do, changing nothing",
		Long:  "Show what apply would do, by site and host. Nothing on a host is changed.\n\nExit codes: 0 no changes, 2 changes, 1 failed.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := g.open(cmd)
			if err != nil {
				return err
			}
			defer s.close()
			e, err := s.connect(cmd.Context())
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
			if err := s.showPlan(cmd.OutOrStdout(), p, full); err != nil {
				return err
			}
			if p.Empty() {
				return nil
			}
			return &exitError{code: exitChanges}
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "save the plan for `trivet apply --plan`")
	cmd.Flags().BoolVar(&full, "full", false, "list every action of new components")
	return cmd
}

func (s *session) showPlan(w io.Writer, p *plan.Plan, full bool) error {
	if s.json {
		return writeJSON(w, p)
	}
	if err := p.WriteText(w, plan.TextOptions{Full: full, Color: s.color}); err != nil {
		return err
	}
	if p.Empty() {
		return nil
	}
	fmt.Fprintln(w)
	return topology.WriteLossTable(w, topology.Quorum(s.cluster))
}

// savePlan writes a plan for later. It holds no secret, but it says where every host is.
func savePlan(path string, p *plan.Plan) error {
	b, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o600)
}

func loadPlan(path string) (*plan.Plan, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var p plan.Plan
	if err := json.Unmarshal(b, &p); err != nil {
		return nil, fmt.Errorf("%s is not a saved plan: %w", path, err)
	}
	if p.Format != plan.Format {
		return nil, fmt.Errorf("%s has format %d, this trivet knows format %d: plan again", path, p.Format, plan.Format)
	}
	return &p, nil
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
