//go:build linux

package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/trivet-dev/trivet/internal/lab"
)

// labFaults are the subcommands of the lab that break something, and those that mend it.
func (g *global) labFaults() []*cobra.Command {
	return []*cobra.Command{
		g.labCut(),
		g.labSite("join", "Connect a site again that was cut off", (*lab.Lab).JoinSite),
		g.labLose(),
		g.labHost("unplug", "Pull a host's network cable", (*lab.Lab).UnplugHost),
		g.labHost("plug", "Put a host's network cable back", (*lab.Lab).PlugHost),
		g.labHost("freeze", "Stop every process of a host where it is: it takes connections and never answers", (*lab.Lab).FreezeHost),
		g.labHost("thaw", "Let a frozen host go on", (*lab.Lab).ThawHost),
		g.labFill(),
		g.labEmpty(),
	}
}

func (g *global) labCut() *cobra.Command {
	var operator bool
	cmd := g.labSite("cut", "Cut a site off from the other sites", func(l *lab.Lab, ctx context.Context, site string) error {
		if operator {
			var err error
			if l, err = lab.OpenIn(l.Access().Lab, lab.Options{OperatorCut: true}); err != nil {
				return err
			}
		}
		return l.CutSite(ctx, site)
	})
	cmd.Flags().BoolVar(&operator, "operator", false, "cut it off from you as well, as when the whole site is lost")
	return cmd
}

func (g *global) labLose() *cobra.Command {
	return &cobra.Command{
		Use:   "lose SITE PERCENT",
		Short: "Lose a percentage of the packets to and from a site; 0 loses none",
		Args:  operands(2, 2), ValidArgsFunction: g.completeSites,
		RunE: func(cmd *cobra.Command, args []string) error {
			percent, err := strconv.Atoi(strings.TrimSuffix(args[1], "%"))
			if err != nil {
				return fmt.Errorf("%q is not a percentage: give a whole number from 0 to 100", args[1])
			}
			return g.withLab(cmd, args[0], func(l *lab.Lab) error { return l.LosePackets(cmd.Context(), args[0], percent) })
		},
	}
}

func (g *global) labFill() *cobra.Command {
	var free string
	cmd := &cobra.Command{
		Use:   "fill HOST FOLDER",
		Short: "Let a host's disk be full in a folder below /opt or /var/lib",
		Long: `Let a host's disk be full in a folder below /opt or /var/lib: the folder's content moves to memory, with little room left.
This machine's own disk does not fill. A host that is stopped or killed has the folder back as it was before.`,
		Args: operands(2, 2), ValidArgsFunction: g.completeHosts,
		RunE: func(cmd *cobra.Command, args []string) error {
			room, err := resource.ParseQuantity(free)
			if err != nil || room.Sign() < 0 {
				return fmt.Errorf("--free %s is not a size: write it as 0, 500Ki or 16Mi", free)
			}
			return g.withLab(cmd, args[0], func(l *lab.Lab) error {
				return l.FillDisk(cmd.Context(), args[0], args[1], uint64(room.Value()))
			})
		},
	}
	cmd.Flags().StringVar(&free, "free", "1Mi", "the `size` that stays free")
	return cmd
}

func (g *global) labEmpty() *cobra.Command {
	return &cobra.Command{
		Use:   "empty HOST FOLDER",
		Short: "Give a folder that was filled the room of the host's disk again",
		Args:  operands(2, 2), ValidArgsFunction: g.completeHosts,
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.withLab(cmd, args[0], func(l *lab.Lab) error { return l.EmptyDisk(cmd.Context(), args[0], args[1]) })
		},
	}
}

// withLab does something to a host or a site of the lab, which name names.
func (g *global) withLab(cmd *cobra.Command, name string, do func(*lab.Lab) error) error {
	l, err := g.openLab(cmd)
	if err != nil {
		return err
	}
	if err := do(l); err != nil {
		return err
	}
	return g.labDone(cmd, cmd.Name(), name)
}
