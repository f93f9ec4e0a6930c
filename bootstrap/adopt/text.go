package adopt

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// TextOptions say how a report is printed.
type TextOptions struct {
	Color bool
	// All shows differences that are only in where files lie, too.
	All bool
}

// SGR parameters.
const (
	red    = "31"
	yellow = "33"
)

func (o TextOptions) paint(colour, s string) string {
	if !o.Color {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

// WriteText prints the report for people.
func (r *Report) WriteText(w io.Writer, o TextOptions) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Cluster %s, Kubernetes %s by kubeadm, read through %s. Compared with what Trivet runs of %s.\n", r.Cluster, r.Version, r.Asked, r.Release)
	r.textHosts(&b)
	r.textComponents(&b)
	r.textDifferences(&b, o)
	if len(r.Settings) > 0 {
		fmt.Fprintln(&b, "\nCarried over into component blocks:")
		table(&b, func(row func(...string)) {
			for _, s := range r.Settings {
				row(s.Component, s.Name, clip(short(s.Value)))
			}
		})
	}
	fmt.Fprintln(&b, "\nKept:")
	table(&b, func(row func(...string)) {
		for _, k := range r.Kept {
			row(k.What, k.Is)
		}
	})
	fmt.Fprintln(&b, "\nReplaced:")
	table(&b, func(row func(...string)) {
		for _, x := range r.Replaced {
			row(x.What, x.Now, "→ "+x.Then)
		}
	})
	r.textCertificates(&b)
	r.textFindings(&b, o)
	_, err := io.WriteString(w, b.String())
	return err
}

// table aligns columns and indents by two.
func table(b *strings.Builder, fill func(row func(...string))) {
	var raw strings.Builder
	t := tabwriter.NewWriter(&raw, 0, 0, 2, ' ', 0)
	fill(func(cells ...string) { fmt.Fprintln(t, "  "+strings.Join(cells, "\t")) })
	_ = t.Flush() // a strings.Builder takes all
	for line := range strings.Lines(raw.String()) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
}

// clip shortens a value: the whole one is in the JSON.
func clip(s string) string {
	const most = 80
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

func orNot(s, usual string) string {
	switch {
	case s != "":
		return clip(s)
	case usual != "":
		return clip(usual) + " (default)"
	}
	return "(not set)"
}

func (r *Report) textHosts(b *strings.Builder) {
	fmt.Fprintln(b)
	table(b, func(row func(...string)) {
		row("HOST", "ADDRESS", "ROLES", "KUBELET", "RUNTIME", "OS", "PODS", "ETCD")
		for _, h := range r.Hosts {
			member := ""
			for _, m := range r.Members {
				if m.Name == h.Node {
					member = m.Version
					if m.Leader {
						member += ", leads"
					}
					if m.Error != "" {
						member = "does not answer"
					}
				}
			}
			row(h.Name, h.Address, strings.Join(h.Roles, ", "), h.Kubelet, h.Runtime, h.OS, h.PodCIDR, member)
		}
	})
}

// hosts that have the same in one place are named together.
type together struct {
	names []string
	key   string
	first *Component
}

// group puts components of hosts together that are the same but for the host's own name and address.
func (r *Report) group(key func(h *HostReport, c *Component) string) []together {
	var out []together
	for i := range r.Hosts {
		h := &r.Hosts[i]
		for j := range h.Components {
			c := &h.Components[j]
			k := c.Name + "\x00" + strings.NewReplacer(h.Address, "ADDRESS", h.PodCIDR, "PODS", h.Name, "NAME").Replace(key(h, c))
			at := slices.IndexFunc(out, func(t together) bool { return t.key == k })
			if at < 0 {
				out = append(out, together{key: k, first: c})
				at = len(out) - 1
			}
			out[at].names = append(out[at].names, h.Name)
		}
	}
	return out
}

func (r *Report) names(list []string) string {
	if len(list) == len(r.Hosts) && len(list) > 3 {
		return fmt.Sprintf("all %d hosts", len(list))
	}
	return few(list)
}

func (r *Report) textComponents(b *strings.Builder) {
	fmt.Fprintln(b, "\nWhat runs, and what Trivet would run:")
	table(b, func(row func(...string)) {
		row("COMPONENT", "HOSTS", "NOW", "THEN")
		for _, t := range r.group(func(_ *HostReport, c *Component) string { return c.Now + "\x00" + c.Then }) {
			row(t.first.Name, r.names(t.names), t.first.Now, t.first.Then)
		}
	})
}

func (r *Report) textDifferences(b *strings.Builder, o TextOptions) {
	fmt.Fprintln(b, "\nFlags, fields and labels that would differ:")
	for _, t := range r.group(func(_ *HostReport, c *Component) string { return fmt.Sprint(c.Differences) }) {
		if len(t.first.Differences) == 0 {
			continue
		}
		fmt.Fprintf(b, "  %s on %s\n", t.first.Name, r.names(t.names))
		places := 0
		table(b, func(row func(...string)) {
			for _, d := range t.first.Differences {
				if d.Place && !o.All {
					places++
					continue
				}
				row("  "+d.Name, orNot(d.Now, d.Default), "→ "+orNot(d.Then, d.Default))
			}
		})
		if places > 0 {
			fmt.Fprintf(b, "    and %d that name a file in another place (--all shows them)\n", places)
		}
	}
}

func (r *Report) textCertificates(b *strings.Builder) {
	if len(r.Certificates) == 0 {
		return
	}
	first := r.Certificates[0]
	for _, c := range r.Certificates {
		if c.Expires.Before(first.Expires) {
			first = c
		}
	}
	fmt.Fprintf(b, "\nCertificates: %d in %s; the first to expire is %s on %s, on %s.\n", len(r.Certificates), pkiDir, strings.TrimPrefix(first.Path, pkiDir+"/"), first.Host, first.Expires.Format("2006-01-02"))
}

// grouped puts findings together that say the same of several hosts.
func (r *Report) grouped() []Finding {
	var out []Finding
	subjects := map[Finding][]string{}
	for _, f := range r.Findings {
		k := f
		k.Subject = ""
		if subjects[k] == nil {
			out = append(out, k)
		}
		subjects[k] = append(subjects[k], f.Subject)
	}
	for i, k := range out {
		out[i].Subject = few(subjects[k])
	}
	return out
}

func (r *Report) textFindings(b *strings.Builder, o TextOptions) {
	if len(r.Findings) > 0 {
		fmt.Fprintln(b, "\nTo know:")
	}
	signs := map[Level]string{Blocked: o.paint(red, "✗ blocked"), Risk: o.paint(yellow, "! risk   "), Note: "· note   "}
	for _, f := range r.grouped() {
		fmt.Fprintf(b, "  %s  %s: %s\n", signs[f.Level], f.Subject, f.What)
		if f.Remedy != "" {
			fmt.Fprintf(b, "             → %s\n", f.Remedy)
		}
	}
	verdict := map[Level]string{
		Blocked: "As it is, this cluster cannot become one of Trivet's.",
		Risk:    "Nothing rules a takeover out; what is marked as a risk would have to be dealt with.",
	}[r.worst()]
	if verdict == "" {
		verdict = "Nothing rules a takeover out."
	}
	fmt.Fprintf(b, `
%s
This trivet does not take clusters over: it has read this one and changed nothing, and its apply refuses hosts on which another Kubernetes runs. With
the topology you can rehearse the cluster in a lab (trivet lab up, trivet apply --lab), see what a change of the list above would do, and bring up a
new cluster like it on other hosts.
`, verdict)
}
