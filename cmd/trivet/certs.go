package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/trivet-dev/trivet/bootstrap"
)

func newCerts(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "certs [FOLDER]",
		Short: "List every certificate of the cluster and its authorities",
		Long: `List the certificates on every host that answers, and the cluster's authorities: who each was made for, who signed it, when it ends, and whether the
next apply issues it anew. Nothing is changed, and neither etcd nor the API is asked: it works when every certificate has expired.

Exit codes: 0 all are valid, 1 something has expired or a host does not answer.`,
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
			list, err := e.Certificates(cmd.Context())
			if err != nil {
				return err
			}
			s.view.end()
			if s.json {
				err = writeResult(s.out, "certificates", list)
			} else {
				err = s.certificates(list)
			}
			if err == nil && (list.Expired() || len(list.Unread) > 0) {
				return &exitError{code: exitFailed}
			}
			return err
		},
	}
	cmd.AddCommand(newCertsRenew(g))
	return cmd
}

func newCertsRenew(g *global) *cobra.Command {
	var yes bool
	var hosts []string
	cmd := &cobra.Command{
		Use:   "renew [NAME...]",
		Short: "Issue certificates anew now, all or those named, whether they are due or not",
		Long: `Show the plan of an apply that also issues the certificates anew that are named, as trivet certs names them; ask, and carry it out. Without names all are
meant, and with --host those of some hosts. Components read certificates again by themselves, so that nothing restarts.

An apply without being asked renews what comes near its end (renew_before in the certificates block).`,
		RunE: func(cmd *cobra.Command, names []string) error {
			if !yes && !canAsk() {
				return errors.New("certs renew asks before it changes anything, and there is no terminal to ask on: pass --yes")
			}
			s, err := g.open(cmd)
			if err != nil {
				return err
			}
			defer s.close()
			e, err := s.connectAny(cmd.Context())
			if err != nil {
				return err
			}
			if e.Renew, err = e.Renewal(cmd.Context(), hosts, names); err != nil {
				return err
			}
			return s.applyWith(cmd.Context(), e, yes)
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().StringSliceVar(&hosts, "host", nil, "only certificates of this `HOST` (may be repeated)")
	return cmd
}

// certificates writes the list for people.
func (s *session) certificates(c *bootstrap.Certificates) error {
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "AUTHORITY\tSIGNS\tEXPIRES\tLEFT\tFINGERPRINT")
	for _, a := range c.Authorities {
		signs := "yes"
		if !a.Signs {
			signs = "no, trusted"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.16s\n", a.Name, signs, a.NotAfter.UTC().Format(time.DateOnly), timeLeft(a.NotAfter, c.Time), a.Fingerprint)
	}
	fmt.Fprintln(w, "\nHOST\tCERTIFICATE\tSUBJECT\tISSUER\tEXPIRES\tLEFT\tNEXT APPLY")
	for _, x := range c.Certificates {
		due := "-"
		if x.Due != "" {
			due = "issues it anew: " + x.Due
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", x.Host, x.Name, x.Subject, x.Issuer, x.NotAfter.UTC().Format(time.DateOnly), timeLeft(x.NotAfter, c.Time), due)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, host := range slices.Sorted(maps.Keys(c.Unread)) {
		fmt.Fprintf(s.out, "\n%s not read: %s\n", host, c.Unread[host])
	}
	return nil
}

// timeLeft says how long a certificate is good for.
func timeLeft(end, now time.Time) string {
	switch d := end.Sub(now); {
	case d <= 0:
		return "expired"
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0f h", d.Hours())
	default:
		return fmt.Sprintf("%d d", int(d.Hours()/24))
	}
}
