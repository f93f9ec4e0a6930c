package main

import (
	"fmt"
	"io"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/trivet-dev/trivet/bootstrap/topology"
)

func newValidate(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "validate [FOLDER]",
		Short: "Check a topology; nothing is contacted",
		Long: `Check a topology and show what the loss of each site and region would leave. Nothing is contacted. With --lab the topology is checked as
a lab would use it: how hosts are reached and who can open the keys is the lab's business then, and the lab need not be up.

Exit codes: 0 valid, 1 not.`,
		Args: g.folder,
		RunE: func(cmd *cobra.Command, _ []string) error {
			load := g.load
			if g.lab {
				load = g.loadAsLab
			}
			t, err := load(cmd)
			if err != nil {
				return err
			}
			if g.json {
				return writeResult(cmd.OutOrStdout(), "validate", validated(t))
			}
			return writeValid(cmd.OutOrStdout(), t)
		},
	}
}

// validation is the result of a validate that found no mistake.
type validation struct {
	Valid    bool               `json:"valid"`
	Fleet    string             `json:"fleet"`
	Regions  int                `json:"regions"`
	Sites    int                `json:"sites"`
	Hosts    int                `json:"hosts"`
	Clusters []validatedCluster `json:"clusters"`
}

type validatedCluster struct {
	Name       string `json:"name"`
	Kubernetes string `json:"kubernetes"`
	Hosts      int    `json:"hosts"`
	Surge      int    `json:"surge,omitempty"` // hosts that are there for the time of an upgrade, besides
	Losses     []loss `json:"losses"`
}

// loss is what the loss of a site or a region leaves.
type loss struct {
	Kind              string `json:"kind"`
	Name              string `json:"name"`
	MembersLeft       int    `json:"membersLeft"`
	MembersTotal      int    `json:"membersTotal"`
	ControlPlanesLeft int    `json:"controlPlanesLeft"`
	WorkersLeft       int    `json:"workersLeft"`
	Quorum            bool   `json:"quorum"`
}

func validated(t *topology.Topology) validation {
	v := validation{Valid: true, Fleet: t.Fleet.Name, Regions: len(t.Regions), Sites: len(t.AllSites()), Hosts: len(t.AllHosts()), Clusters: []validatedCluster{}}
	for _, c := range t.Clusters {
		vc := validatedCluster{Name: c.Name, Kubernetes: c.Kubernetes, Hosts: len(c.Hosts), Surge: len(c.Surge)}
		for _, l := range topology.Quorum(c) {
			vc.Losses = append(vc.Losses, loss{string(l.Kind), l.Name, l.MembersLeft, l.MembersTotal, l.ControlPlanesLeft, l.WorkersLeft, l.Quorum})
		}
		v.Clusters = append(v.Clusters, vc)
	}
	return v
}

func writeValid(out io.Writer, t *topology.Topology) error {
	_, err := fmt.Fprintf(out, "Valid: fleet %q, %s, %s, %s, %s.\n", t.Fleet.Name,
		topology.Count(len(t.Regions), "region"), topology.Count(len(t.AllSites()), "site"), topology.Count(len(t.AllHosts()), "host"), topology.Count(len(t.Clusters), "cluster"))
	if err != nil {
		return err
	}
	for _, c := range t.Clusters {
		surge := ""
		if n := len(c.Surge); n > 0 {
			surge = " and " + topology.Count(n, "surge host")
		}
		if _, err := fmt.Fprintf(out, "\nCluster %q, Kubernetes %s, %s%s\n", c.Name, c.Kubernetes, topology.Count(len(c.Hosts), "host"), surge); err != nil {
			return err
		}
		if err := topology.WriteLossTable(out, topology.Quorum(c)); err != nil {
			return err
		}
	}
	return nil
}

// writeDiagnostics shows what is wrong with a topology: to people on standard error, as JSON on standard output.
func (g *global) writeDiagnostics(cmd *cobra.Command, source *topology.Source, diags hcl.Diagnostics) error {
	if len(diags) == 0 {
		return nil
	}
	if !g.json {
		w := cmd.ErrOrStderr()
		if err := source.Write(w, diags, g.colors(w), columns(w)); err != nil {
			return err
		}
		_, err := fmt.Fprintln(w)
		return err
	}
	for _, d := range diags {
		if err := writeResult(cmd.OutOrStdout(), "diagnostic", diagnosticOf(d)); err != nil {
			return err
		}
	}
	return nil
}

// diagnostic is one finding about a topology.
type diagnostic struct {
	Severity string `json:"severity"` // error, warning
	Summary  string `json:"summary"`
	Detail   string `json:"detail,omitempty"`
	File     string `json:"file,omitempty"` // empty when it concerns no place in a file
	Line     int    `json:"line,omitempty"` // from 1, as are columns
	Column   int    `json:"column,omitempty"`
	// EndLine and EndColumn are those of the first character after the place.
	EndLine   int `json:"endLine,omitempty"`
	EndColumn int `json:"endColumn,omitempty"`
}

func diagnosticOf(d *hcl.Diagnostic) diagnostic {
	out := diagnostic{Severity: "error", Summary: d.Summary, Detail: d.Detail}
	if d.Severity == hcl.DiagWarning {
		out.Severity = "warning"
	}
	if r := d.Subject; r != nil {
		out.File, out.Line, out.Column, out.EndLine, out.EndColumn = r.Filename, r.Start.Line, r.Start.Column, r.End.Line, r.End.Column
	}
	return out
}
