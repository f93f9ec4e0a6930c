package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/trivet-dev/trivet/bootstrap/verify"
)

func newVerify(g *global) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "verify [FOLDER]",
		Short: "Check the running cluster from pods and hosts: DNS, Services, the pod network, what pods share",
		Long:  "Start one pod per node in a namespace of its own, check, and delete it again.\n\nExit codes: 0 every check passed, 4 a check failed, 1 could not check.",
		Args:  g.folder,
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
			s.view.status("checking from pods and hosts, for %s at most", timeout)
			report, err := e.Verify(cmd.Context(), timeout)
			if err != nil {
				return err
			}
			s.view.end()
			if g.json {
				err = writeResult(cmd.OutOrStdout(), "verify", struct {
					OK bool `json:"ok"`
					verify.Report
				}{report.OK(), report})
			} else {
				err = report.WriteTable(cmd.OutOrStdout())
			}
			if err == nil && !report.OK() {
				return &exitError{code: exitVerify}
			}
			return err
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "give up after this long")
	return cmd
}
