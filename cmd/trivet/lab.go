//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/lab"
)

func newLab(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lab",
		Short: "The topology's hosts on this machine: real systemd and sshd in namespaces, a bridge per site",
		Long: `Make the hosts of a topology on this machine, to try it or to rehearse a disaster before buying hardware. Needs root,
Linux, and the Debian packages that it names when they are missing. The hosts' addresses exist in network namespaces of the lab
only: they cannot clash with a real network, and the hosts have no way out. Work on them with --lab.`,
	}
	cmd.AddCommand(g.labUp(), g.labDown(), g.labStatus(),
		g.labHost("stop", "Shut a host down", (*lab.Lab).StopHost),
		g.labHost("kill", "Cut a host's power", (*lab.Lab).KillHost),
		g.labHost("start", "Boot a host that was stopped or killed", (*lab.Lab).StartHost),
		g.labHost("wipe", "Give a stopped host an empty disk", func(l *lab.Lab, ctx context.Context, name string) error { return l.WipeHost(ctx, name) }),
		g.labHost("reimage", "Install a host anew, whether it runs or is dead: empty disk, another machine id and SSH host key",
			func(l *lab.Lab, ctx context.Context, name string) error { return l.ReimageHost(ctx, name) }),
		g.labHost("remove", "Take a host out of the lab for good, such as one that the topology no longer has", (*lab.Lab).RemoveHost),
		g.labExec(),
	)
	cmd.AddCommand(g.labFaults()...)
	return cmd
}

func (g *global) openLab(cmd *cobra.Command) (*lab.Lab, error) {
	t, err := g.loadAsLab(cmd)
	if err != nil {
		return nil, err
	}
	return lab.Open(t.Fleet.Name)
}

// labSpec is what the lab needs to know of a topology.
func labSpec(t *topology.Topology) lab.Spec {
	spec := lab.Spec{Name: t.Fleet.Name}
	for _, r := range t.Regions {
		for _, s := range r.Sites {
			site := lab.Site{Name: s.Name}
			for _, room := range s.Rooms {
				for _, rack := range room.Racks {
					for _, h := range rack.Hosts {
						site.Hosts = append(site.Hosts, lab.Host{Name: h.Name, Address: h.Address, Network: rack.CIDR})
					}
				}
			}
			spec.Sites = append(spec.Sites, site)
		}
	}
	return spec
}

func (g *global) labUp() *cobra.Command {
	return &cobra.Command{
		Use:   "up [FOLDER]",
		Short: "Bring up what is not running",
		Long: `Bring up what is not running. On a lab that is up, hosts that are new in the topology are added, and a host with another address gets
it as by a restart of its network. A host that the topology no longer has runs on, so that it can be taken out of its cluster: "lab remove" ends it.`,
		Args: g.folder,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if missing := lab.Requirements(); len(missing) > 0 {
				return fmt.Errorf("the lab needs Debian packages that are not installed: apt-get install %s", strings.Join(missing, " "))
			}
			t, err := g.loadAsLab(cmd)
			if err != nil {
				return err
			}
			v := g.openView(cmd.OutOrStdout(), cmd.ErrOrStderr())
			defer v.close()
			v.status("lab %s", t.Fleet.Name)
			g.resume.Store("Stopped. Run the same command again to go on.")
			l, err := lab.Up(cmd.Context(), labSpec(t), lab.Options{Progress: labProgress(v)})
			if err != nil {
				return err
			}
			v.end()
			return g.showLab(cmd, l)
		},
	}
}

func (g *global) labDown() *cobra.Command {
	return &cobra.Command{
		Use:   "down [FOLDER]",
		Short: "Remove everything the lab made",
		Args:  g.folder,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, err := g.loadAsLab(cmd)
			if err != nil {
				return err
			}
			v := g.openView(cmd.OutOrStdout(), cmd.ErrOrStderr())
			defer v.close()
			v.status("taking lab %s down", t.Fleet.Name)
			g.resume.Store("Stopped. Run the same command again to go on.")
			if err := lab.Down(cmd.Context(), t.Fleet.Name, lab.Options{Progress: labProgress(v)}); err != nil {
				return err
			}
			return g.labDone(cmd, "down", t.Fleet.Name)
		},
	}
}

func (g *global) labStatus() *cobra.Command {
	return &cobra.Command{
		Use:   "status [FOLDER]",
		Short: "Show the lab's hosts",
		Args:  g.folder,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := g.openLab(cmd)
			if err != nil {
				return err
			}
			return g.showLab(cmd, l)
		},
	}
}

func (g *global) showLab(cmd *cobra.Command, l *lab.Lab) error {
	hosts, err := l.Status(cmd.Context())
	if err != nil {
		return err
	}
	if g.json {
		return writeResult(cmd.OutOrStdout(), "lab", map[string]any{"hosts": hosts})
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SITE\tHOST\tADDRESS\tSTATE\tMEMORY")
	for _, h := range hosts {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d MiB\n", h.Site, h.Name, h.Address, labState(h), h.Memory>>20)
	}
	return w.Flush()
}

// labProgress tells what the lab does.
func labProgress(v *view) func(string) {
	return func(message string) {
		v.event(event.Event{Time: time.Now(), Kind: event.Message, Message: message})
	}
}

// labDone says that something was done to a host, a site or the lab, where JSON is asked for.
func (g *global) labDone(cmd *cobra.Command, action, name string) error {
	if !g.json {
		return nil
	}
	return writeResult(cmd.OutOrStdout(), "lab", map[string]string{"action": action, "name": name})
}

func labState(h lab.HostStatus) string {
	state := "off"
	if h.Running {
		state = h.System
	}
	for _, x := range []struct {
		is   bool
		says string
	}{
		{h.Frozen, "frozen"}, {h.Unplugged, "unplugged"}, {h.SiteCut, "site cut off"},
		{h.Loss > 0, fmt.Sprintf("%d%% loss", h.Loss)}, {len(h.Full) > 0, "full: " + strings.Join(h.Full, ", ")},
	} {
		if x.is {
			state = strings.TrimPrefix(state+", "+x.says, ", ")
		}
	}
	return state
}

func (g *global) labHost(verb, short string, do func(*lab.Lab, context.Context, string) error) *cobra.Command {
	return &cobra.Command{
		Use: verb + " HOST", Short: short, Args: operands(1, 1), ValidArgsFunction: g.completeHosts,
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := g.openLab(cmd)
			if err != nil {
				return err
			}
			if err := do(l, cmd.Context(), args[0]); err != nil {
				return err
			}
			return g.labDone(cmd, cmd.Name(), args[0])
		},
	}
}

func (g *global) labSite(verb, short string, do func(*lab.Lab, context.Context, string) error) *cobra.Command {
	c := g.labHost(verb, short, do)
	c.Use, c.ValidArgsFunction = verb+" SITE", g.completeSites
	return c
}

func (g *global) labExec() *cobra.Command {
	return &cobra.Command{
		Use:   "exec HOST -- COMMAND [ARG …]",
		Short: "Run a command on a host as root, without SSH, and end with its exit code",
		Args:  operands(2, -1),

		ValidArgsFunction: g.completeHosts,
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := g.openLab(cmd)
			if err != nil {
				return err
			}
			err = l.ExecTo(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), args[0], args[1:]...)
			var exit *exec.ExitError
			if errors.As(err, &exit) && cmd.Context().Err() == nil {
				return &exitError{code: childCode(exit)} // what the command had to say it said
			}
			return err
		},
	}
}
