package main

import (
	"github.com/spf13/cobra"

	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/artifact"
	"github.com/trivet-dev/trivet/internal/lab"
)

// known loads the topology for shell completion: quietly, and as a lab would, so that keys need not be there. It is nil where the topology has mistakes.
func (g *global) known() *topology.Topology {
	t, _, _ := topology.Load(g.dir, g.topologyOptions(&lab.Access{User: lab.User, AgeRecipients: []string{placeholderRecipient()}}))
	return t
}

func (g *global) completeClusters(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var names []string
	if t := g.known(); t != nil {
		for _, c := range t.Clusters {
			names = append(names, c.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (g *global) completeHosts(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	if t := g.known(); t != nil && len(args) == 0 {
		for _, h := range t.AllHosts() {
			names = append(names, h.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (g *global) completeSites(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	if t := g.known(); t != nil && len(args) == 0 {
		for _, s := range t.AllSites() {
			names = append(names, s.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func completeArtifacts(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{artifact.Auto, artifact.Upstream, artifact.SourceBuilt}, cobra.ShellCompDirectiveDefault // or a folder
}

func completeReleases(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return release.Supported(), cobra.ShellCompDirectiveNoFileComp
}

// complete registers the completion of a flag that exists.
func complete(cmd *cobra.Command, flag string, f cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic(err) // the flag is not there: a mistake in this program
	}
}
