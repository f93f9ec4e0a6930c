package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/trivet-dev/trivet/bootstrap"
)

func newDefragment(g *global) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "defragment [FOLDER]",
		Short: "Rewrite the databases of etcd's members, one at a time",
		Long: `Rewrite etcd's databases so that what was deleted and compacted takes no room in their files, which count against the quota. One member at a time, the leader last,
which hands over first; each only while the others are a quorum without it, and the next one only when all are well again. A member answers nothing while its
database is rewritten, some seconds for each GiB; the API server beside it is not ready meanwhile, and clients use the others.

Members of whose file less than 45 %, or less than 100 MiB, is free are left alone; --all takes them too. The run lock is held.

Exit codes: 0 done, 1 failed: the members that were done are shown.`,
		Args: g.folder,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := g.open(cmd)
			if err != nil {
				return err
			}
			defer s.close()
			e, err := s.connectSome(cmd.Context())
			if err != nil {
				return err
			}
			done, err := e.Defragment(cmd.Context(), all)
			s.view.end()
			if g.json {
				if werr := writeResult(s.out, "defragment", struct {
					Members []bootstrap.Defragmented `json:"members"`
				}{done}); werr != nil {
					return werr
				}
				return err
			}
			for _, d := range done {
				if d.Skipped != "" {
					fmt.Fprintf(s.out, "%s: left alone, %s: %s of %s in use\n", d.Member, d.Skipped, byteSize(d.InUse), byteSize(d.Before))
					continue
				}
				fmt.Fprintf(s.out, "%s: %s, was %s\n", d.Member, byteSize(d.After), byteSize(d.Before))
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "members whose files hold little that is free, too")
	return cmd
}
