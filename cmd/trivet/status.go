package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/trivet-dev/trivet/bootstrap"
)

func newStatus(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show every site, host, unit, etcd member, certificate expiry and drift",
		Long:  "Show the cluster at a glance. Hosts that do not answer are shown as such.\n\nExit codes: 0 all is well, 1 something is not.",
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
			st, err := e.Status(cmd.Context())
			if err != nil {
				return err
			}
			s.view.end()
			if g.json {
				err = writeJSON(cmd.OutOrStdout(), st)
			} else {
				err = writeStatus(cmd.OutOrStdout(), st)
			}
			if err == nil && !st.Healthy() {
				return &exitError{code: exitFailed}
			}
			return err
		},
	}
}

func writeStatus(out io.Writer, st *bootstrap.Status) error {
	fmt.Fprintf(out, "Cluster %q, Kubernetes %s", st.Cluster, st.Kubernetes)
	switch {
	case st.ClusterID == "":
		fmt.Fprint(out, ": not brought up yet")
	case !st.Initialised:
		fmt.Fprintf(out, ", id %s: bring-up not finished, run `trivet apply`", st.ClusterID)
	default:
		fmt.Fprintf(out, ", id %s", st.ClusterID)
	}
	fmt.Fprintln(out)
	if h := st.Holder; h != nil {
		fmt.Fprintf(out, "A run is under way: %s by %s since %s\n", h.Purpose, h.Actor, h.Since.Local().Format(time.DateTime))
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nSITE\tHOST\tADDRESS\tROLES\tUNITS\tNODE\tNEXT EXPIRY\tDRIFT")
	for _, h := range st.Hosts {
		if h.Error != "" {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\tunreachable\t\t\t\n", h.Site, h.Name, h.Address, strings.Join(h.Roles, ","))
			continue
		}
		ok := 0
		for _, u := range h.Units {
			if u.OK {
				ok++
			}
		}
		expiry, drift := "-", "none"
		if h.NextExpiry != nil {
			expiry = h.NextExpiry.NotAfter.Format(time.DateOnly)
		}
		if len(h.Drift) > 0 {
			drift = fmt.Sprintf("%d items", len(h.Drift))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d/%d\t%s\t%s\t%s\n", h.Site, h.Name, h.Address, strings.Join(h.Roles, ","), ok, len(h.Units), dash(h.Node), expiry, drift)
	}
	if len(st.Etcd) > 0 {
		fmt.Fprintln(w, "\nETCD MEMBER\tVERSION\tROLE\tDATABASE\tRAFT INDEX\tALARMS")
		for _, m := range st.Etcd {
			role := "follower"
			switch {
			case m.Error != "":
				fmt.Fprintf(w, "%s\t%s\t\t\t\t\n", m.Name, m.Error)
				continue
			case m.IsLeader():
				role = "leader"
			case m.Learner:
				role = "learner"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%.1f MiB\t%d\t%s\n", m.Name, m.Version, role, float64(m.DBSize)/(1<<20), m.RaftIndex, dash(strings.Join(m.Alarms, ", ")))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	writeTroubles(out, st)
	return nil
}

// writeTroubles says below the tables what is wrong, one line each.
func writeTroubles(out io.Writer, st *bootstrap.Status) {
	for _, h := range st.Hosts {
		if h.Error != "" {
			fmt.Fprintf(out, "\n✗ %s\n", h.Error)
		}
		for _, d := range h.Drift {
			fmt.Fprintf(out, "\n~ host %s: %s: %s (trivet apply mends it)\n", h.Name, d.ID, d.What)
		}
		if h.Node != "" && h.Node != "Ready" {
			fmt.Fprintf(out, "\n✗ node %s: %s\n", h.Name, h.Node)
		}
	}
	if st.EtcdError != "" {
		fmt.Fprintf(out, "\n✗ etcd: %s\n", st.EtcdError)
	}
	if st.APIError != "" {
		fmt.Fprintf(out, "\n✗ API: %s\n", st.APIError)
	}
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
