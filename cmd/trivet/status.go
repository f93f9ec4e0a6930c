package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/etcd"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

func newStatus(g *global) *cobra.Command {
	var deep, watch bool
	var interval time.Duration
	cmd := &cobra.Command{
		Use:   "status [FOLDER]",
		Short: "Show every site, host, unit, etcd member, certificate expiry and drift",
		Long: `Show the cluster at a glance: what answers, what runs, what differs from the hosts' records and from the objects that the API should hold.
Hosts that do not answer are shown as such, with the reason. Nothing is changed.

--watch looks again and again, over connections that it keeps; hosts that come back are connected to again. A terminal shows the newest look; elsewhere the first is
written whole, and then a line for whatever comes or goes. With --json each look is an object on a line of its own. A look that fails is told, and ends nothing.

Exit codes: 0 all is well, 1 something is not. With --watch: 0 when it ends by Ctrl-C, whatever was seen.`,
		Args: g.folder,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case cmd.Flags().Changed("interval") && !watch:
				return errors.New("--interval is how often --watch looks: pass that, too")
			case watch && deep:
				return errors.New("--deep reads every stored artifact, which is nothing to do again and again: leave --watch out")
			case watch && interval < time.Second:
				return fmt.Errorf("--interval %s: once a second is the most", interval)
			}
			s, err := g.open(cmd)
			if err != nil {
				return err
			}
			defer s.close()
			e, err := s.connectSome(cmd.Context())
			if err != nil {
				return err
			}
			s.view.status("reading %s", topology.Count(len(e.Hosts()), "host"))
			if watch {
				return s.watch(cmd.Context(), e, interval)
			}
			look := e.Status
			if deep {
				s.view.status("reading %s and every artifact stored there", topology.Count(len(e.Hosts()), "host"))
				look = e.DeepStatus
			}
			st, err := look(cmd.Context())
			if err != nil {
				return err
			}
			s.view.end()
			if g.json {
				err = s.writeStatus(st)
			} else {
				err = s.report(st, s.out).write()
			}
			if err == nil && !st.Healthy() {
				return &exitError{code: exitFailed}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&deep, "deep", false, "read the stored artifacts too, and compare their digests (some seconds a host; without it their sizes are compared)")
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "look again and again, until Ctrl-C")
	cmd.Flags().DurationVar(&interval, "interval", 10*time.Second, "how often --watch looks")
	return cmd
}

// writeStatus writes a status as an object on a line.
func (s *session) writeStatus(st *bootstrap.Status) error {
	return writeResult(s.out, "status", struct {
		Healthy bool `json:"healthy"`
		*bootstrap.Status
	}{st.Healthy(), st})
}

func (s *session) report(st *bootstrap.Status, out io.Writer) *statusReport {
	return &statusReport{Status: st, global: s.global, out: out, colored: s.color, now: time.Now(), renew: s.cluster.Certificates.RenewBefore}
}

// statusReport writes a status for people: a table of hosts, one of etcd members, and below them what is wrong, a line each.
type statusReport struct {
	*bootstrap.Status
	*global
	out     io.Writer
	colored bool
	now     time.Time
	renew   time.Duration // certificates that end sooner are renewed by an apply
}

func (r *statusReport) write() error {
	fmt.Fprintf(r.out, "Cluster %q, Kubernetes %s", r.Cluster, r.Kubernetes)
	switch {
	case r.ClusterID == "" && r.silent() > 0:
		fmt.Fprintf(r.out, ": %s not answering, so nobody can tell whether it was brought up", topology.Count(r.silent(), "control plane"))
	case r.ClusterID == "":
		fmt.Fprint(r.out, ": not brought up yet")
	case r.Destroying:
		fmt.Fprintf(r.out, ", id %s: being destroyed, run `trivet destroy` to finish", r.ClusterID)
	case !r.Initialised || r.BringingUp:
		fmt.Fprintf(r.out, ", id %s: bring-up not finished, run `trivet apply`", r.ClusterID)
	default:
		fmt.Fprintf(r.out, ", id %s", r.ClusterID)
	}
	fmt.Fprintln(r.out)
	if h := r.Holder; h != nil {
		fmt.Fprintf(r.out, "A run is under way: %s by %s since %s (%s); see trivet lock\n", h.Purpose, h.Actor, h.Since.Local().Format(time.DateTime), elapsed(r.now.Sub(h.Since)))
	}
	w := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', 0)
	r.hosts(w)
	r.members(w)
	if err := w.Flush(); err != nil {
		return err
	}
	if x := r.Snapshots; x != nil && !x.Newest.IsZero() {
		fmt.Fprintf(r.out, "\nSnapshots of etcd: %d, the newest taken %s ago.\n", x.Count, elapsed(r.now.Sub(x.Newest)))
	}
	troubles := r.troubles()
	if len(troubles) > 0 {
		fmt.Fprintln(r.out)
	}
	for _, t := range troubles {
		fmt.Fprintf(r.out, "%s %s\n", r.sign(t), strings.ReplaceAll(t.Text, "\n", "\n  "))
	}
	if r.Healthy() {
		_, err := fmt.Fprintf(r.out, "\n%s All is well: %s.\n", r.tint(green, "✓"), r.sums())
		return err
	}
	return nil
}

// troubles says once of hosts what is the same of several.
func (r *statusReport) troubles() []bootstrap.Trouble {
	var out []bootstrap.Trouble
	for _, text := range sameReason(r.Silent()) {
		out = append(out, bootstrap.Trouble{Text: text})
	}
	return append(out, r.Troubles(r.now, r.renew)...)
}

func (r *statusReport) sign(t bootstrap.Trouble) string {
	if t.Mild {
		return r.tint(yellow, "!")
	}
	return r.tint(red, "✗")
}

func (r *statusReport) tint(colour, text string) string {
	if !r.colored {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// silent counts the control planes that do not answer.
func (r *statusReport) silent() int {
	n := 0
	for _, h := range r.Hosts {
		if h.Error != "" && slices.Contains(h.Roles, string(topology.RoleControlPlane)) {
			n++
		}
	}
	return n
}

func (r *statusReport) sums() string {
	out := topology.Count(len(r.Hosts), "host") + " as recorded"
	nodes, overrides := 0, 0
	for _, h := range r.Hosts {
		if h.Node != "" {
			nodes++
		}
		overrides += len(h.Overrides)
	}
	out += ", " + topology.Count(nodes, "node") + " Ready, " + topology.Count(len(r.Etcd), "etcd member") + " healthy"
	if overrides > 0 {
		out += "; " + topology.Count(overrides, "unit") + " changed by foreign drop-ins, see above"
	}
	return out
}

func (r *statusReport) hosts(w io.Writer) {
	fmt.Fprintln(w, "\nREGION\tSITE\tHOST\tADDRESS\tROLES\tUNITS\tNODE\tCERTIFICATES\tDRIFT")
	region, site := "", ""
	for _, h := range r.Hosts {
		// Each place is named once, so that the eye sees the groups.
		shownRegion, shownSite := h.Region, h.Site
		if h.Region == region {
			shownRegion = ""
			if h.Site == site {
				shownSite = ""
			}
		}
		region, site = h.Region, h.Site
		roles := strings.Join(h.Roles, ",")
		if h.Elastic {
			roles += " (elastic)"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t", shownRegion, shownSite, h.Name, h.Address, roles)
		switch {
		case h.Error != "":
			fmt.Fprintln(w, "no answer\t-\t-\t-")
			continue
		case !h.Managed:
			fmt.Fprintln(w, "not set up\t-\t-\t-")
			continue
		}
		running := 0
		for _, u := range h.Units {
			if u.OK {
				running++
			}
		}
		expiry, drift := "-", "none"
		if h.NextExpiry != nil {
			expiry = bootstrap.TimeLeft(h.NextExpiry.NotAfter, r.now)
		}
		if len(h.Drift) > 0 {
			drift = topology.Count(len(h.Drift), "item")
		}
		node, _, _ := strings.Cut(h.Node, ":") // the whole reason stands below
		fmt.Fprintf(w, "%d/%d\t%s\t%s\t%s\n", running, len(h.Units), dash(node), expiry, drift)
	}
}

func (r *statusReport) members(w io.Writer) {
	if len(r.Etcd) == 0 {
		return
	}
	fmt.Fprintln(w, "\nETCD MEMBER\tVERSION\tROLE\tDATABASE\tQUOTA\tRAFT INDEX\tALARMS")
	for _, m := range r.Etcd {
		if m.Error != "" {
			fmt.Fprintf(w, "%s\tno answer\t-\t-\t-\t-\t-\n", m.Name)
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", m.Name, m.Version, memberRole(m), byteSize(m.DBSize), byteSize(m.DBQuota), m.RaftIndex, dash(strings.Join(m.Alarms, ", ")))
	}
}

func memberRole(m etcd.Status) string {
	switch {
	case m.IsLeader():
		return "leader"
	case m.Learner:
		return "learner"
	case m.Leader == 0:
		return "no leader"
	}
	return "follower"
}

// byteSize writes bytes as an operator reads them.
func byteSize(n int64) string {
	switch {
	case n == 0:
		return "-"
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// states are the lines by which one status is told from another: what a run is at, what is not as it should be, and that all is well.
func (r *statusReport) states() []string {
	var out []string
	if h := r.Holder; h != nil {
		out = append(out, fmt.Sprintf("A run is under way: %s by %s since %s", h.Purpose, h.Actor, h.Since.Local().Format(time.DateTime)))
	}
	for _, t := range r.troubles() {
		out = append(out, r.sign(t)+" "+strings.ReplaceAll(t.Text, "\n", " "))
	}
	if r.Healthy() {
		out = append(out, r.tint(green, "✓")+" All is well: "+r.sums()+".")
	}
	return out
}
