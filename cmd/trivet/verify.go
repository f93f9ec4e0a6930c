package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/trivet-dev/trivet/bootstrap/verify"
)

func newVerify(g *global) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "verify [FOLDER]",
		Short: "Check the running cluster from pods and hosts: DNS, Services, the pod network, what pods share",
		Long:  "Start one pod per node in a namespace of its own, check, and delete it again.\n\nA host that does not answer is a failed check, and hinders no other.\n\nExit codes: 0 every check passed, 4 a check failed, 1 the checks could not be carried through: what was found until then is shown.",
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
			s.view.status("checking from pods and hosts, for %s at most", timeout)
			report, failed := e.Verify(cmd.Context(), timeout)
			s.view.end()
			if len(report.Checks) > 0 {
				if err := s.showReport(report, failed == nil && report.OK()); err != nil {
					return err
				}
			}
			switch {
			case failed != nil:
				return fmt.Errorf("the checks could not be carried through: %w", failed)
			case !report.OK():
				return &exitError{code: exitVerify}
			}
			return nil
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "give up after this long")
	return cmd
}

// showReport shows what was found, all of it or not.
func (s *session) showReport(report verify.Report, ok bool) error {
	if s.json {
		return writeResult(s.out, "verify", struct {
			OK bool `json:"ok"`
			verify.Report
		}{ok, report})
	}
	return report.WriteTable(s.out)
}
