package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"

	"github.com/trivet-dev/trivet/bootstrap"
)

// global holds what every subcommand understands.
type global struct {
	dir       string
	cluster   string
	vars      []string
	varFiles  []string
	lab       bool
	identity  string
	artifacts string
	json      bool
	noColor   bool
	skip      []string // checks of the preflight

	view      *view // nil until a subcommand shows progress
	interrupt interruption
	adapt     func(*bootstrap.Options) // gives tests a fleet in memory; nil elsewhere
	begin     beginning                // has a command of this program go on by itself
	resume    atomic.Value             // string: how to go on after an interruption, once there is something to go on with
}

func newRoot() (*cobra.Command, *global) {
	g := &global{begin: beginDetached}
	root := &cobra.Command{
		Use:   "trivet",
		Short: "Kubernetes on fleets of hosts over SSH, across sites, from HCL",
		Long: `trivet brings up Kubernetes on hosts that have Linux, systemd and sshd, lays it out over regions, sites,
rooms and racks as an HCL topology says, and keeps it that way. What was applied is recorded on the hosts:
there is no state file to lose.

Exit codes: 0 done; 1 failed; 2 plan found changes; 3 the plan is stale; 4 a check of verify or of the preflight failed; 5 done, but hosts were skipped that do not
answer or cannot be changed safely now, or wait while an upgrade is paused, or manifests cannot be applied; 6 done but on workers that failed, as max_failed allows; 130 interrupted. kubectl and lab exec end with the code of the command that they ran.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	f := root.PersistentFlags()
	f.StringVarP(&g.dir, "file", "f", ".", "topology: a folder with .hcl files, or one file")
	f.StringVar(&g.cluster, "cluster", "", "cluster to work on, when the topology has several")
	f.StringArrayVar(&g.vars, "var", nil, "set a variable of the topology, name=value (repeatable)")
	f.StringArrayVar(&g.varFiles, "var-file", nil, "read variables from a file (repeatable)")
	f.BoolVar(&g.lab, "lab", false, "work on the hosts that \"trivet lab up\" made of this topology")
	f.StringVar(&g.identity, "identity", "", "`file` with the age identity that opens the cluster's keys (default $TRIVET_AGE_IDENTITY, then ~/.config/trivet/age.key)")
	f.StringVar(&g.artifacts, "artifacts", "", "where artifacts come from: auto, upstream, source, a folder or a URL (default $TRIVET_ARTIFACTS, then the topology)")
	f.BoolVar(&g.json, "json", false, "write events and results to standard output as JSON, one object with a \"type\" a line")
	f.BoolVar(&g.noColor, "no-color", false, "do not use colours or a live view (NO_COLOR in the environment: no colours)")
	complete(root, "cluster", g.completeClusters)
	complete(root, "artifacts", completeArtifacts)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())
	})
	root.AddCommand(
		newValidate(g), newPreflight(g), newPlan(g), newApply(g), newStatus(g), newVerify(g), newDestroy(g), newLock(g), newKubeconfig(g), newTunnel(g), newCredential(g), newKubectl(g),
		newWorker(g), newSnapshots(g), newDefragment(g),
		newAdopt(g), newMirror(g), newCerts(g), newIdentity(g), newLab(g), newVersion(g),
	)
	return root, g
}

// folder takes the topology as the only argument, as an alternative to --file.
func (g *global) folder(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case len(args) > 1:
		return fmt.Errorf("%s takes one folder, not %d arguments; see %s --help", cmd.CommandPath(), len(args), cmd.CommandPath())
	case cmd.Flags().Changed("file") && filepath.Clean(g.dir) != filepath.Clean(args[0]):
		return fmt.Errorf("the topology is given twice, as %s and with --file %s: leave one out", args[0], g.dir)
	case filepath.Ext(args[0]) == ".json" && cmd.Flags().Lookup("plan") != nil:
		return fmt.Errorf("%s is not a topology; to carry out a saved plan write --plan %s", args[0], args[0])
	case args[0] == "":
		return errors.New("the folder of the topology is empty")
	}
	g.dir = args[0]
	return nil
}

// operands wants as many arguments as the line of use names; most is -1 where there is no limit.
func operands(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		_, names, _ := strings.Cut(cmd.Use, " ")
		switch {
		case len(args) < least:
			return fmt.Errorf("%s needs %s; see %s --help", cmd.CommandPath(), names, cmd.CommandPath())
		case most >= 0 && len(args) > most:
			return fmt.Errorf("%s takes %s, not %d arguments; see %s --help", cmd.CommandPath(), names, len(args), cmd.CommandPath())
		}
		return nil
	}
}
