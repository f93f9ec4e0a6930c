package main

import (
	"github.com/spf13/cobra"

	"github.com/trivet-dev/trivet/bootstrap/preflight"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

func newPreflight(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "preflight [FOLDER]",
		Short: "Look at hosts, and at the ways between them, for what is in the way of a cluster",
		Long: `Look at everything at once: clocks, identities, memory, disks and their latency, kernels, resolvers, ports, what
else runs there, ports and packet sizes between hosts, round trips between etcd's members. Nothing is changed: for
a moment hosts listen on ports that their components will have. Each finding comes with what to do about it.

Exit codes: 0 nothing in the way, though there may be warnings; 4 something is; 1 could not look.`,
		Args: g.folder,
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
			s.view.status("looking at %s and the ways between them", topology.Count(len(e.Hosts()), "host"))
			report, err := e.Preflight(cmd.Context())
			if err != nil {
				return err
			}
			s.view.end()
			if err := s.showPreflight(report); err != nil {
				return err
			}
			if !report.OK() {
				return &exitError{code: exitVerify}
			}
			return nil
		},
	}
}

// skipPreflight adds the flag of what plans for new hosts.
func (g *global) skipPreflight(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&g.skip, "skip-preflight", nil, "go on in spite of what these `checks` of the preflight find on hosts that are new, or \"all\"")
	complete(cmd, "skip-preflight", cobra.FixedCompletions(append([]string{preflight.All}, preflight.Checks...), cobra.ShellCompDirectiveNoFileComp))
}

func (s *session) showPreflight(report preflight.Report) error {
	if s.json {
		return writeResult(s.out, "preflight", struct {
			OK bool `json:"ok"`
			preflight.Report
		}{report.OK(), report})
	}
	return report.WriteText(s.out, preflight.TextOptions{Color: s.color})
}
