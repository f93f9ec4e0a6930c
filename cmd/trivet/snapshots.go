package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

func newSnapshots(g *global) *cobra.Command {
	var verify bool
	cmd := &cobra.Command{
		Use:   "snapshots [FOLDER]",
		Short: "List the snapshots of etcd on every host, and what is wrong with them",
		Long: `List the snapshots of etcd that the hosts keep: of their own members, and copies from other sites. Each was verified when it was stored; --verify has every
file read again and compared with the hash at its end.

What is wrong is told below: a site whose newest snapshot is older than the schedule allows, a run that failed, a copy that did not arrive, a damaged file.
Nothing is changed. The schedule is in the snapshots block of the cluster's etcd block.

Exit codes: 0 all is well, 1 something is not.`,
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
			s.view.status("asking %s for snapshots", topology.Count(len(e.Hosts()), "host"))
			found, err := e.Snapshots(cmd.Context(), verify)
			if err != nil {
				return err
			}
			s.view.end()
			if g.json {
				err = writeResult(s.out, "snapshots", found)
			} else {
				err = g.showSnapshots(s.out, found, time.Now())
			}
			if err == nil && len(found.Wrong) > 0 {
				return &exitError{code: exitFailed}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&verify, "verify", false, "have each file read and compared with its hash")
	return cmd
}

func (g *global) showSnapshots(out io.Writer, found *bootstrap.Snapshots, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SITE\tHOST\tTAKEN\tAGE\tMEMBER\tREVISION\tSIZE\tSHA256")
	total := 0
	for _, h := range found.Hosts {
		for _, x := range h.Snapshots {
			hash := x.SHA256[:min(12, len(x.SHA256))]
			if x.Wrong != "" {
				hash = "damaged"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", h.Site, h.Host, x.Taken.Format(time.RFC3339), elapsed(now.Sub(x.Taken)), x.Member, x.Revision, byteSize(x.Size), hash)
			total++
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(found.Wrong) > 0 {
		fmt.Fprintln(out)
	}
	for _, x := range found.Wrong {
		where := "site " + x.Site
		if x.Host != "" {
			where = "host " + x.Host
		}
		fmt.Fprintf(out, "%s %s: %s\n", g.paint(out, red, "✗"), where, x.Detail)
	}
	if len(found.Wrong) == 0 {
		_, err := fmt.Fprintf(out, "\n%s All is well: %s on %s.\n", g.paint(out, green, "✓"), topology.Count(total, "snapshot"), topology.Count(len(found.Hosts), "host"))
		return err
	}
	return nil
}
