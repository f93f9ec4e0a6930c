package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/provider/input"
)

func newWorker(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "worker",
		Short: "Join workers that the topology does not name, and have them leave",
		Long: `Workers that come and go need not be in the topology: they join the cluster, are recorded on its control planes as elastic ones, and stay until they leave. A plan, an apply, an
upgrade, a rotation, status, verify and destroy treat them as every other worker; no apply takes them out because the topology does not name them.`,
	}
	cmd.AddCommand(newWorkerJoin(g), newWorkerLeave(g), newWorkerList(g))
	return cmd
}

func newWorkerJoin(g *global) *cobra.Command {
	text, number := map[string]*string{}, 0
	var labels, annotations, taints []string
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "join NAME --address ADDRESS",
		Short: "Join a worker, or bring one that has joined up to date",
		Long: `Join a machine to the cluster as a worker that the topology does not name, as the topology was applied last. It has to do with that machine, a host of its site that hands out
artifacts, and the control planes. The run lock is waited for where another run has it. Certificates are issued, for which the age identity is needed.

The same command again brings the worker up to date with what it is given. A name that is another machine's by now is set up anew there.

Exit codes: 0 done, 1 failed, 130 interrupted.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o := input.Object{"name": args[0]}
			for name, v := range text {
				if *v != "" {
					o[strings.ReplaceAll(name, "-", "_")] = *v
				}
			}
			if number != 0 {
				o["port"] = int64(number)
			}
			var err error
			if o["labels"], err = pairs("label", labels); err != nil {
				return err
			}
			if o["annotations"], err = pairs("annotation", annotations); err != nil {
				return err
			}
			if o["taints"], err = taintList(taints); err != nil {
				return err
			}
			s, err := g.open(cmd)
			if err != nil {
				return err
			}
			defer s.close()
			w, problems := input.Worker(o, g.topologyOptions(s.access))
			if len(problems) > 0 {
				return workerMistakes(problems)
			}
			e, err := s.connectOnly(cmd.Context(), controlPlane)
			if err != nil {
				return err
			}
			s.view.status("joining %s", w.Name)
			failed, err := e.Join(cmd.Context(), []bootstrap.Worker{*w}, bootstrap.ElasticOptions{Wait: wait})
			return s.workersDone("worker-join", "joined", []string{w.Name}, failed, err)
		},
	}
	f := cmd.Flags()
	for name, usage := range map[string]string{
		"address": "its IPv4 address, used by the cluster", "ssh-address": "where SSH reaches it, when that is not --address", "ssh-host-key": "its pinned public key (default from known_hosts)",
		"user": "the user to log in as (default the site's)", "site": "the site that it stands in (default the only one)", "room": "the room that it stands in (default 1)",
		"rack": "the rack that it stands in (default a)", "interface": "the network interface for cluster traffic (default the one that carries the address)",
		"product-line": "the team or product that it belongs to",
	} {
		text[name] = f.String(name, "", usage)
	}
	f.IntVar(&number, "port", 0, "the port of sshd (default the site's)")
	f.StringArrayVar(&labels, "label", nil, "a label of the node, `key=value` (repeatable)")
	f.StringArrayVar(&annotations, "annotation", nil, "an annotation of the node, `key=value` (repeatable)")
	f.StringArrayVar(&taints, "taint", nil, "a taint of the node, `key[=value]:effect` (repeatable)")
	f.DurationVar(&wait, "wait", 30*time.Minute, "how long to wait for a run that has the run lock")
	if err := cmd.MarkFlagRequired("address"); err != nil {
		panic(err) // it is there
	}
	g.skipPreflight(cmd)
	return cmd
}

// pairs reads key=value.
func pairs(flag string, list []string) (any, error) {
	out := input.Object{}
	for _, s := range list {
		k, v, ok := strings.Cut(s, "=")
		if !ok {
			return nil, fmt.Errorf("--%s %s: write it as key=value", flag, s)
		}
		out[k] = v
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

// taintList reads key=value:effect.
func taintList(list []string) (any, error) {
	var out []any
	for _, s := range list {
		head, effect, ok := strings.Cut(s, ":")
		if !ok {
			return nil, fmt.Errorf("--taint %s: write it as key=value:effect, or key:effect", s)
		}
		taint := input.Object{"effect": effect}
		key, value, valued := strings.Cut(head, "=")
		if taint["key"] = key; valued {
			taint["value"] = value
		}
		out = append(out, taint)
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

// workerMistakes tells what is wrong by the flags.
func workerMistakes(problems []input.Problem) error {
	var errs []error
	for _, p := range problems {
		flag := strings.ReplaceAll(p.Path[0].Name, "_", "-")
		switch flag {
		case "name":
			flag = "the name"
		case "labels", "annotations", "taints":
			flag = "--" + strings.TrimSuffix(flag, "s")
		default:
			flag = "--" + flag
		}
		errs = append(errs, fmt.Errorf("%s: %s: %s", flag, p.Summary, p.Detail))
	}
	return errors.Join(errs...)
}

func newWorkerLeave(g *global) *cobra.Command {
	var forget bool
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "leave NAME...",
		Short: "Take elastic workers out of the cluster",
		Long: `Take workers that have joined out of the cluster: their pods leave, as their PodDisruptionBudgets allow, what was set up on them is removed, their Nodes are deleted, and the cluster
forgets them. Hosts that the topology names leave by an apply without them. No age identity is needed.

Exit codes: 0 done, 1 failed: what became of each is said, 130 interrupted.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := g.open(cmd)
			if err != nil {
				return err
			}
			defer s.close()
			e, err := s.connectOnly(cmd.Context(), controlPlane)
			if err != nil {
				return err
			}
			s.view.status("taking out %s", strings.Join(args, ", "))
			failed, err := e.Leave(cmd.Context(), args, bootstrap.ElasticOptions{Wait: wait, ForgetUnreachable: forget})
			return s.workersDone("worker-leave", "left", args, failed, err)
		},
	}
	cmd.Flags().BoolVar(&forget, "forget-unreachable", false, "take workers out that do not answer; what is on them stays, and they must not come back as they are")
	cmd.Flags().DurationVar(&wait, "wait", 30*time.Minute, "how long to wait for a run that has the run lock")
	return cmd
}

// workersDone is the result of a change to workers.
func (s *session) workersDone(typ, verb string, names []string, failed map[string]error, err error) error {
	s.view.end()
	if err != nil {
		return err
	}
	done := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return failed[n] != nil })
	if s.json {
		if err := writeResult(s.out, typ, struct {
			Workers []string `json:"workers"`
		}{done}); err != nil {
			return err
		}
	} else if len(done) > 0 {
		s.say("%s %s cluster %q.", strings.Join(done, ", "), verb, s.cluster.Name)
	}
	var errs []error
	for _, n := range slices.Sorted(maps.Keys(failed)) {
		errs = append(errs, failed[n])
	}
	return errors.Join(errs...)
}

func newWorkerList(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "list [FOLDER]",
		Short: "List the workers that the topology does not name",
		Long: `List the workers that have joined the cluster without being in its topology, with what answers in their place. Nothing is changed.

Exit codes: 0 done, whatever was found; 1 failed.`,
		Args: g.folder,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.askMost(cmd, func(s *session, e *bootstrap.Engine) error {
				list, _, err := e.Workers(cmd.Context(), nil)
				if err != nil {
					return err
				}
				s.view.end()
				return s.writeWorkers(s.out, list)
			})
		},
	}
}

// listedWorker is a worker in the result of a listing.
type listedWorker struct {
	Name      string   `json:"name"`
	Site      string   `json:"site"`
	Address   string   `json:"address"`
	MachineID string   `json:"machineID"`
	PodCIDR   string   `json:"podCIDR"`
	Node      string   `json:"node,omitempty"`
	Drift     []string `json:"drift,omitempty"`
	Error     string   `json:"error,omitempty"` // why it could not be read
}

func (s *session) writeWorkers(out io.Writer, list []bootstrap.WorkerState) error {
	var rows []listedWorker
	for _, w := range list {
		row := listedWorker{Name: w.Name, Site: w.Site, Address: w.Address.String(), MachineID: w.MachineID, PodCIDR: w.PodCIDR.String(), Node: w.Node, Drift: w.Drift}
		if w.Err != nil {
			row.Error = w.Err.Error()
		}
		rows = append(rows, row)
	}
	if s.json {
		return writeResult(out, "workers", struct {
			Workers []listedWorker `json:"workers"`
		}{rows})
	}
	if len(rows) == 0 {
		_, err := fmt.Fprintf(out, "Cluster %q has no workers but those of its topology.\n", s.cluster.Name)
		return err
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SITE\tWORKER\tADDRESS\tPODS\tNODE\tDRIFT")
	for _, w := range rows {
		drift := "none"
		switch {
		case w.Error != "":
			drift = "no answer"
		case len(w.Drift) > 0:
			drift = strings.Join(w.Drift, "; ")
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", w.Site, w.Name, w.Address, w.PodCIDR, dash(w.Node), drift)
	}
	return t.Flush()
}
