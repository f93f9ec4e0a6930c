package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/plan"
)

func newApply(g *global) *cobra.Command {
	var yes, full bool
	var planFile string
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Bring the hosts to what the topology says",
		Long: `Show the plan, ask, and carry it out. Interrupted anywhere, by Ctrl-C, a lost link or a dead host, the same
command goes on where it stopped.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			start := time.Now()
			s, err := g.open(cmd)
			if err != nil {
				return err
			}
			defer s.close()
			e, err := s.connect(cmd.Context())
			if err != nil {
				return err
			}
			p, err := choosePlan(cmd.Context(), e, planFile)
			if err != nil {
				return err
			}
			s.view.end()
			if err := s.showPlan(cmd.OutOrStdout(), p, full); err != nil || p.Empty() {
				return err
			}
			if !yes && planFile == "" {
				if err := confirm(cmd.Context(), "Apply this plan?", "yes"); err != nil {
					return err
				}
			}
			if err := e.Apply(cmd.Context(), p); err != nil {
				return err
			}
			s.view.end()
			s.say("Applied in %s. Next: trivet status%s, trivet verify%s.", time.Since(start).Round(100*time.Millisecond), s.flags(), s.flags())
			return nil
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().StringVar(&planFile, "plan", "", "carry out this saved plan, without asking; refused when the hosts changed since")
	cmd.Flags().BoolVar(&full, "full", false, "list every action of new components")
	return cmd
}

func choosePlan(ctx context.Context, e *bootstrap.Engine, file string) (*plan.Plan, error) {
	if file != "" {
		return loadPlan(file)
	}
	return e.Plan(ctx)
}

// confirm asks on the terminal and wants the exact answer.
func confirm(ctx context.Context, question, answer string) error {
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return errors.New("there is no terminal to ask on: pass --yes to go on without being asked")
	}
	fmt.Fprintf(os.Stderr, "\n%s Only %q goes on: ", question, answer)
	line := make(chan string, 1)
	go func() {
		text, _ := bufio.NewReader(os.Stdin).ReadString('\n')
		line <- text
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case text := <-line:
		if strings.TrimSpace(text) != answer {
			return errors.New("not confirmed, nothing was done")
		}
		return nil
	}
}
