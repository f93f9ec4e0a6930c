package preflight

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// TextOptions say how a report is printed.
type TextOptions struct{ Color bool }

// SGR parameters.
const (
	red    = "31"
	yellow = "33"
	green  = "32"
)

func (o TextOptions) paint(colour, s string) string {
	if !o.Color {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

// group is the findings of hosts that have the same ones.
type group struct {
	place    string
	findings []Finding
}

// groups puts together what is the same on several hosts, then what is about the same hosts.
func (r Report) groups() []group {
	type same struct {
		check, message, remedy string
		severity               Severity
	}
	var order []same
	places := map[same][]string{}
	for _, f := range r.Findings {
		k := same{f.Check, f.Message, f.Remedy, f.Severity}
		if places[k] == nil {
			order = append(order, k)
		}
		if p := f.Place(); !slices.Contains(places[k], p) {
			places[k] = append(places[k], p)
		}
	}
	var out []group
	for _, k := range order {
		place := strings.Join(places[k], ", ")
		if len(places[k]) == len(r.Hosts) && len(r.Hosts) > 3 {
			place = fmt.Sprintf("all %d hosts", len(r.Hosts))
		} else if len(places[k]) > 1 {
			place = desired.Few(places[k])
		}
		i := slices.IndexFunc(out, func(g group) bool { return g.place == place })
		if i < 0 {
			out = append(out, group{place: place})
			i = len(out) - 1
		}
		out[i].findings = append(out[i].findings, Finding{Check: k.check, Severity: k.severity, Message: k.message, Remedy: k.remedy})
	}
	return out
}

// WriteText prints the report for people: findings by host, with what to do below each.
func (r Report) WriteText(w io.Writer, o TextOptions) error {
	var b strings.Builder
	for _, g := range r.groups() {
		fmt.Fprintln(&b, heading(g.place))
		for _, f := range g.findings {
			sign := o.paint(red, "✗ error  ")
			if f.Severity == Warning {
				sign = o.paint(yellow, "! warning")
			}
			fmt.Fprintf(&b, "  %s  %-12s  %s\n", sign, f.Check, f.Message)
			fmt.Fprintf(&b, "  %27s%s\n", "→ ", f.Remedy)
		}
		fmt.Fprintln(&b)
	}
	if t := r.Etcd; t != nil {
		fmt.Fprintf(&b, "etcd: round trips take up to %s (%s → %s), for which a heartbeat of %s and an election time-out of %s are right.\n", short(t.RTT), t.From, t.To, t.Heartbeat, t.Election)
	}
	fmt.Fprintln(&b, r.verdict(o))
	_, err := io.WriteString(w, b.String())
	return err
}

func heading(place string) string {
	switch {
	case place == "":
		return "between hosts"
	case strings.HasPrefix(place, "all "), strings.Contains(place, "→"):
		return place
	case strings.Contains(place, ","):
		return "hosts " + place
	}
	return "host " + place
}

func (r Report) verdict(o TextOptions) string {
	errors, warnings := len(r.Errors()), len(r.Warnings())
	looked := fmt.Sprintf("%s and %s between them looked at in %s", topology.Count(len(r.Hosts), "host"), topology.Count(r.Ways, "way"), r.Elapsed.Round(100*time.Millisecond))
	switch {
	case errors > 0:
		return fmt.Sprintf("%s: %s, %s; %s.", r.Cluster, o.paint(red, topology.Count(errors, "error")), topology.Count(warnings, "warning"), looked)
	case warnings > 0:
		return fmt.Sprintf("%s: nothing in the way, %s; %s.", r.Cluster, o.paint(yellow, topology.Count(warnings, "warning")), looked)
	}
	return fmt.Sprintf("%s: %s; %s.", r.Cluster, o.paint(green, "nothing in the way"), looked)
}
