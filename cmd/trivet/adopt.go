package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/adopt"
	"github.com/trivet-dev/trivet/bootstrap/supply"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/lab"
)

// adoption is what the flags of adopt say.
type adoption struct {
	*global
	ssh        topology.SSH
	hostKeys   string
	bastions   []string
	staging    string
	describe   adopt.Options
	write      string
	force, all bool
}

func newAdopt(g *global) *cobra.Command {
	a := &adoption{global: g}
	cmd := &cobra.Command{
		Use:   "adopt [USER@]ADDRESS[:PORT]",
		Short: "Describe a cluster that kubeadm made as a topology, and what taking it over would change",
		Long: `Read a cluster that kubeadm made, through SSH to one of its control planes and from there to every node, write the topology that describes it,
and show what would change if Trivet ran it: programs, flags, settings, what is kept and what is replaced, and what is in the way.

Nothing is changed. The helper is put into a folder in memory (/dev/shm, or --staging), which is gone once it runs; it reads files, and no
keys. The API gets GET requests, with the identity in the host's admin.conf, which stays there; etcd is asked for its members and their state.
Nodes that do not answer are in the topology, and named.

Taking over is not what this command does, nor any other of this trivet: apply refuses hosts on which another Kubernetes runs. The topology can
be rehearsed in a lab (trivet lab up, trivet apply --lab), and a cluster like this one brought up on other hosts.`,
		Args: operands(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.run(cmd, args[0]) },
	}
	f := cmd.Flags()
	f.StringVarP(&a.write, "write", "o", "", "`folder` to write the topology to, as main.hcl; without it only the report is shown")
	f.BoolVar(&a.force, "force", false, "with --write: write over a main.hcl that is there")
	f.BoolVar(&a.all, "all", false, "show flags that differ in where files lie, too")
	f.StringArrayVar(&a.describe.AgeRecipients, "age-recipient", nil, "age public `key` of who may open the cluster's keys, for the topology (repeatable; default: that of --identity)")
	f.StringVar(&a.describe.Cluster, "name", "", "name of the cluster in the topology (default kubeadm's)")
	f.StringVar(&a.describe.Fleet, "fleet", "", "name of the fleet in the topology (default the cluster's)")
	f.StringVar(&a.describe.Region, "region", "", "region of nodes without a label for it (default region-1)")
	f.StringVar(&a.describe.Site, "site", "", "site of nodes without a label for their zone (default site-1)")
	f.StringVar(&a.ssh.User, "user", "", "user to log in as (default: that of ~/.ssh/config, else yours)")
	f.IntVar(&a.ssh.Port, "port", 0, "port of sshd (default: that of ~/.ssh/config, else 22)")
	f.StringVar(&a.ssh.PrivateKey, "private-key", "", "`file` of the private key (default: the agent's keys, then those of ~/.ssh/config)")
	f.StringVar(&a.ssh.KnownHosts, "known-hosts", "", "`file` with the hosts' public keys (default: that of ~/.ssh/config, else ~/.ssh/known_hosts)")
	f.StringVar(&a.hostKeys, "host-keys", "strict", "strict: only keys in known_hosts; learn: accept the key of a host met for the first time and write it there")
	f.StringVar(&a.ssh.ConfigFile, "ssh-config", "", "OpenSSH client configuration `file`, or none (default ~/.ssh/config)")
	f.StringVar(&a.ssh.SudoPasswordFile, "sudo-password-file", "", "`file` whose first line is the password for sudo (default: none is needed, or it is asked for)")
	f.StringArrayVar(&a.bastions, "bastion", nil, "jump host, [user@]address[:port] (repeatable, in the order in which they are passed)")
	f.StringVar(&a.staging, "staging", "", "`folder` on hosts below which the helper's is made for a moment (default /dev/shm)")
	complete(cmd, "host-keys", cobra.FixedCompletions([]string{"strict", "learn"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (a *adoption) run(cmd *cobra.Command, target string) error {
	o := bootstrap.AdoptOptions{Staging: a.staging}
	s := &session{global: a.global, out: cmd.OutOrStdout(), color: a.colors(cmd.OutOrStdout())}
	if err := errors.Join(a.reach(cmd, s, &o, target), a.mayWrite()); err != nil {
		return err
	}
	missing, err := a.recipients(s)
	if err != nil {
		return err
	}
	if err := supply.AnyHelper(); err != nil {
		return err
	}
	s.topology = &topology.Topology{Fleet: topology.Fleet{SSH: o.SSH}}
	s.view = a.openView(s.out, cmd.ErrOrStderr())
	defer s.view.close()
	o.Describe = a.describe
	o.Options = bootstrap.Options{Helper: supply.Helper, SudoPassword: s.sudoPassword, Passphrase: s.passphrase, Events: s.view.event}
	if s.access != nil {
		o.NetworkNamespace = s.access.NetworkNamespace
	}
	if a.adapt != nil {
		a.adapt(&o.Options)
	}
	o.Report = s.view.status
	s.view.status("connecting to %s", o.Address)
	d, err := bootstrap.Adopt(cmd.Context(), o)
	if err != nil {
		return err
	}
	s.view.end()
	return a.show(s, d, missing)
}

// reach reads how hosts are reached, from the flags or from the lab.
func (a *adoption) reach(cmd *cobra.Command, s *session, o *bootstrap.AdoptOptions, target string) error {
	first, err := parseTarget(target)
	if err != nil {
		return err
	}
	o.Address = first.Address
	if a.lab {
		if s.access, err = a.labAccess(cmd); err != nil {
			return err
		}
		a.fromLab(s.access, o)
		return nil
	}
	o.SSH = a.ssh
	if first.User != "" {
		o.SSH.User = first.User
	}
	if first.Port != 0 {
		o.SSH.Port = first.Port
	}
	for _, path := range []*string{&o.SSH.PrivateKey, &o.SSH.KnownHosts, &o.SSH.SudoPasswordFile, &o.SSH.ConfigFile} {
		if *path != "" && *path != "none" {
			if *path, err = filepath.Abs(*path); err != nil {
				return err
			}
		}
	}
	o.SSH.Agent = o.SSH.PrivateKey == ""
	switch a.hostKeys {
	case "strict", "learn":
		o.SSH.HostKeys = topology.HostKeyPolicy(a.hostKeys)
	default:
		return fmt.Errorf("--host-keys %s: it is strict or learn", a.hostKeys)
	}
	o.SSH.Parallel = 32
	a.describe.SSH = adopt.SSH{User: o.SSH.User, Port: o.SSH.Port, PrivateKey: o.SSH.PrivateKey, KnownHosts: o.SSH.KnownHosts, ConfigFile: o.SSH.ConfigFile, SudoPasswordFile: o.SSH.SudoPasswordFile}
	if a.hostKeys == "learn" {
		a.describe.SSH.HostKeys = a.hostKeys
	}
	for i, text := range a.bastions {
		b, err := parseTarget(text)
		if err != nil {
			return fmt.Errorf("--bastion: %w", err)
		}
		b.Name = fmt.Sprintf("bastion-%d", i+1)
		o.Bastions = append(o.Bastions, b)
		a.describe.SSH.Bastions = append(a.describe.SSH.Bastions, adopt.Bastion{Name: b.Name, Address: b.Address, Port: b.Port, User: b.User})
	}
	return nil
}

func (a *adoption) fromLab(access *lab.Access, o *bootstrap.AdoptOptions) {
	o.SSH = topology.SSH{User: access.User, PrivateKey: access.PrivateKey, KnownHosts: access.KnownHosts, HostKeys: topology.HostKeysStrict, ConfigFile: "none", Parallel: 32}
	if len(a.describe.AgeRecipients) == 0 {
		a.describe.AgeRecipients = access.AgeRecipients
	}
}

// parseTarget reads [user@]address[:port].
func parseTarget(text string) (topology.Bastion, error) {
	var b topology.Bastion
	rest := text
	if user, after, ok := strings.Cut(text, "@"); ok {
		b.User, rest = user, after
	}
	b.Address = rest
	if host, port, err := net.SplitHostPort(rest); err == nil {
		n, err := strconv.Atoi(port)
		if err != nil || n < 1 || n > 65535 {
			return b, fmt.Errorf("%q: %s is no port; write it as [user@]address[:port]", text, port)
		}
		b.Address, b.Port = host, n
	}
	if b.Address == "" || strings.ContainsAny(b.Address, " /@") {
		return b, fmt.Errorf("%q is no host; write it as [user@]address[:port]", text)
	}
	return b, nil
}

// recipients finds who may open the cluster's keys: the flags, else the identity that this machine has. The topology says where nobody was found.
func (a *adoption) recipients(s *session) (missing bool, err error) {
	a.describe.Placeholder = placeholderRecipient()
	for _, r := range a.describe.AgeRecipients {
		if _, err := age.ParseRecipients(strings.NewReader(r)); err != nil {
			return false, fmt.Errorf("--age-recipient %s is no age public key: `trivet identity new` makes a pair and prints it", r)
		}
	}
	if len(a.describe.AgeRecipients) > 0 {
		return false, nil
	}
	ids, err := s.identities()
	if err != nil && (a.identity != "" || !errors.Is(err, os.ErrNotExist)) {
		return false, err
	}
	for _, id := range ids {
		if x, ok := id.(interface{ Recipient() *age.X25519Recipient }); ok {
			a.describe.AgeRecipients = append(a.describe.AgeRecipients, x.Recipient().String())
		}
	}
	return len(a.describe.AgeRecipients) == 0, nil
}

func (a *adoption) path() string { return filepath.Join(a.write, "main.hcl") }

// mayWrite refuses what would be lost, before anything is contacted.
func (a *adoption) mayWrite() error {
	if a.write == "" {
		return nil
	}
	there, err := filepath.Glob(filepath.Join(a.write, "*"+topology.Extension))
	if err != nil {
		return err
	}
	for _, p := range there {
		switch {
		case filepath.Base(p) != "main.hcl":
			return fmt.Errorf("%s is in the folder: the files of a folder are one topology; choose another folder with --write", p)
		case !a.force:
			return fmt.Errorf("%s is there: choose another folder with --write, or write over it with --force", p)
		}
	}
	return nil
}

// save writes the topology.
func (a *adoption) save(text string) error {
	if err := os.MkdirAll(a.write, 0o755); err != nil {
		return err
	}
	how := os.O_WRONLY | os.O_CREATE
	if a.force {
		how |= os.O_TRUNC
	} else {
		how |= os.O_EXCL // also what came since it was looked for
	}
	f, err := os.OpenFile(a.path(), how, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func (a *adoption) show(s *session, d *adopt.Description, missing bool) error {
	if a.write != "" {
		if err := a.save(d.Topology); err != nil {
			return fmt.Errorf("writing the topology: %w", err)
		}
	}
	if s.json {
		file := ""
		if a.write != "" {
			file = a.path()
		}
		return writeResult(s.out, "adopt", struct {
			File string `json:"file,omitempty"`
			*adopt.Description
		}{file, d})
	}
	if err := d.Report.WriteText(s.out, adopt.TextOptions{Color: s.color, All: a.all}); err != nil {
		return err
	}
	switch {
	case a.write == "":
		s.say("--write FOLDER writes the topology.")
	case len(d.Incomplete) == 0:
		s.say("The topology is in %s; trivet validate accepts it.", a.path())
	default:
		s.say("The topology is in %s. Before trivet validate accepts it:", a.path())
		for _, i := range d.Incomplete {
			fmt.Fprintln(s.out, "  "+i)
		}
		if missing {
			fmt.Fprintln(s.out, "  (`trivet identity new` makes a pair of keys; --age-recipient takes the public one)")
		}
	}
	return nil
}
