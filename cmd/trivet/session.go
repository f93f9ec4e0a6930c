package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/kube"
	"github.com/trivet-dev/trivet/bootstrap/preflight"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/supply"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/lab"
)

// session is one run of a subcommand that works on a cluster.
type session struct {
	*global
	topology *topology.Topology
	cluster  *topology.Cluster
	access   *lab.Access // nil outside a lab
	view     *view
	color    bool
	out      io.Writer
	engine   *bootstrap.Engine
	store    *supply.Locked
}

// load reads the topology and prints every mistake in it.
func (g *global) load(cmd *cobra.Command) (*topology.Topology, error) { return g.loadFor(cmd, nil) }

// loadAsLab reads the topology as a lab uses it, whether the lab is up or not.
func (g *global) loadAsLab(cmd *cobra.Command) (*topology.Topology, error) {
	return g.loadFor(cmd, &lab.Access{User: lab.User, AgeRecipients: []string{placeholderRecipient()}})
}

func (g *global) loadFor(cmd *cobra.Command, access *lab.Access) (*topology.Topology, error) {
	for _, v := range g.vars {
		if name, _, ok := strings.Cut(v, "="); !ok || name == "" {
			return nil, fmt.Errorf("--var %s: write it as name=value", v)
		}
	}
	t, source, diags := topology.Load(g.dir, g.topologyOptions(access))
	if err := g.writeDiagnostics(cmd, source, diags); err != nil {
		return nil, err
	}
	if diags.HasErrors() {
		return nil, fmt.Errorf("%s: %s in the topology, nothing was contacted", g.dir, topology.Count(len(diags.Errs()), "mistake"))
	}
	if access != nil {
		t.ShareDisk()
	}
	return t, nil
}

// topologyOptions are what a topology depends on besides its files.
func (g *global) topologyOptions(access *lab.Access) topology.Options {
	o := topology.Options{Variables: map[string]string{}, VariableFiles: g.varFiles, Env: os.Getenv, Releases: release.Known, CheckSettings: release.CheckComponent, CheckManifests: kube.CheckManifests}
	for _, v := range g.vars {
		name, value, _ := strings.Cut(v, "=")
		o.Variables[name] = value
	}
	if access != nil {
		o.Access = &topology.Access{User: access.User, PrivateKey: access.PrivateKey, KnownHosts: access.KnownHosts, AgeRecipients: access.AgeRecipients}
	}
	return o
}

// open loads the topology, for the lab if that is asked for, and makes the view.
func (g *global) open(cmd *cobra.Command) (*session, error) {
	s := &session{global: g, out: cmd.OutOrStdout(), color: g.colors(cmd.OutOrStdout())}
	var err error
	if g.lab {
		if s.access, err = g.labAccess(cmd); err != nil {
			return nil, err
		}
	}
	if s.topology, err = g.loadFor(cmd, s.access); err != nil {
		return nil, err
	}
	if s.cluster, err = s.topology.Cluster(g.cluster); err != nil {
		return nil, err
	}
	s.view = g.openView(s.out, cmd.ErrOrStderr())
	if s.store, err = s.openSupply(); err != nil {
		return nil, err
	}
	return s, nil
}

// labAccess finds how to reach the lab of this topology. Only the fleet's name is needed from it, so mistakes in what the lab replaces do not matter yet.
func (g *global) labAccess(cmd *cobra.Command) (*lab.Access, error) {
	t, err := g.loadAsLab(cmd)
	if err != nil {
		return nil, err
	}
	l, err := lab.Open(t.Fleet.Name)
	if err != nil {
		return nil, err
	}
	a := l.Access()
	return &a, nil
}

// placeholderRecipient stands in while only the shape of the topology is looked at.
func placeholderRecipient() string {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		panic(err) // the system's random source is broken
	}
	return id.Recipient().String()
}

func (s *session) close() {
	s.view.close()
	if s.engine != nil {
		s.engine.Close()
	}
}

// connectAny connects to the cluster's hosts, of which one at least must answer: what can be done with those that do is for the engine to say.
func (s *session) connectAny(ctx context.Context) (*bootstrap.Engine, error) {
	e, err := s.connectSome(ctx)
	if err != nil {
		return nil, err
	}
	if len(e.Hosts()) == 0 {
		return nil, s.unreachable(e)
	}
	s.view.status("reading %s", topology.Count(len(e.Hosts()), "host"))
	return e, nil
}

// unreachable lists the hosts that do not answer, and why.
func (s *session) unreachable(e *bootstrap.Engine) error {
	failed := joined(e.Unreachable())
	return &listError{fmt.Sprintf("%d of %s cannot be worked with, nothing was done:", len(failed), topology.Count(len(s.cluster.Hosts), "host")), failed}
}

// connect connects to the cluster's hosts, all of which must answer.
func (s *session) connect(ctx context.Context) (*bootstrap.Engine, error) {
	e, err := s.connectSome(ctx)
	if err != nil {
		return nil, err
	}
	if e.Unreachable() != nil {
		return nil, s.unreachable(e)
	}
	s.view.status("reading %s", topology.Count(len(s.cluster.Hosts), "host"))
	return e, nil
}

// connectSome connects to the cluster's hosts as far as they answer.
func (s *session) connectSome(ctx context.Context) (*bootstrap.Engine, error) {
	return s.connectOnly(ctx, nil)
}

// controlPlane chooses the hosts that what only asks the API or the lock needs.
func controlPlane(h *topology.Host) bool { return h.Has(topology.RoleControlPlane) }

// mostOfThem does not wait for a control plane that is away.
func mostOfThem(o *bootstrap.Options) { o.Majority = true }

// askMost opens a session for what most of the control planes can answer, and does it.
func (g *global) askMost(cmd *cobra.Command, do func(s *session, e *bootstrap.Engine) error) error {
	s, err := g.open(cmd)
	if err != nil {
		return err
	}
	defer s.close()
	e, err := s.connectOnly(cmd.Context(), controlPlane, mostOfThem)
	if err != nil {
		return err
	}
	return do(s, e)
}

// none chooses no host: they are connected to when they are needed.
func none(*topology.Host) bool { return false }

// connectOnly connects to the hosts that only chooses, as far as they answer; to all when it is nil.
func (s *session) connectOnly(ctx context.Context, only func(*topology.Host) bool, more ...func(*bootstrap.Options)) (*bootstrap.Engine, error) {
	if err := supply.AnyHelper(); err != nil {
		return nil, err
	}
	if err := preflight.Known(s.skip); err != nil {
		return nil, fmt.Errorf("--skip-preflight: %w", err)
	}
	o := bootstrap.Options{
		Topology: s.topology, Cluster: s.cluster.Name, Helper: supply.Helper, Artifacts: s.store, Identities: s.identities,
		SudoPassword: s.sudoPassword, Passphrase: s.passphrase, Events: s.view.event, Only: only, SkipPreflight: s.skip,
	}
	if s.access != nil {
		o.NetworkNamespace = s.access.NetworkNamespace
	}
	for _, f := range more {
		f(&o)
	}
	if s.adapt != nil {
		s.adapt(&o)
	}
	hosts := 0
	for _, h := range s.cluster.Hosts {
		if only == nil || only(h) {
			hosts++
		}
	}
	if hosts > 0 {
		s.view.status("connecting to %s", topology.Count(hosts, "host"))
	}
	e, err := bootstrap.Connect(ctx, o)
	s.engine = e
	return e, err
}

// identities reads the age identities that open the cluster's keys.
func (s *session) identities() ([]age.Identity, error) {
	path := cmp.Or(s.identity, os.Getenv("TRIVET_AGE_IDENTITY"))
	if path == "" && s.access != nil {
		path = s.access.AgeIdentity
	}
	if path == "" {
		path = defaultIdentity()
	}
	if err := identity.CheckPath(path); err != nil {
		return nil, fmt.Errorf("--identity or TRIVET_AGE_IDENTITY: %w", err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("this needs the age identity that opens the cluster's keys: %w; name its file with --identity or TRIVET_AGE_IDENTITY", err)
	}
	defer f.Close()
	ids, err := identity.ParseIdentities(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return ids, nil
}

func defaultIdentity() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "age.key"
	}
	return filepath.Join(dir, "trivet", "age.key")
}

// sudoPassword reads the password from the file that the topology names, or asks on the terminal.
func (s *session) sudoPassword(ctx context.Context, host string) (string, error) {
	if path := s.topology.Fleet.SSH.SudoPasswordFile; path != "" {
		b, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("sudo_password_file: %w", err)
		}
		first, _, _ := bytes.Cut(b, []byte("\n"))
		return string(bytes.TrimRight(first, "\r")), nil
	}
	if !canAsk() {
		return "", errors.New("there is no terminal to ask on; set sudo_password_file in the ssh block to a file whose first line is the password, or allow the user sudo without one (NOPASSWD)")
	}
	return s.view.ask(fmt.Sprintf("sudo password for host %s: ", host))
}

// passphrase asks for that of an encrypted private key.
func (s *session) passphrase(_ context.Context, path string) (string, error) {
	if !canAsk() {
		return "", errors.New("there is no terminal to ask for its passphrase on; add the key to ssh-agent (ssh-add) and set agent = true in the ssh block, or name another key with private_key")
	}
	return s.view.ask(fmt.Sprintf("passphrase for %s: ", path))
}

func askSecret(prompt string) (string, error) {
	fmt.Fprint(os.Stderr, prompt)
	b, err := term.ReadPassword(int(os.Stdin.Fd()))
	fmt.Fprintln(os.Stderr)
	return string(b), err
}

// say prints a closing line for people; with --json there is none.
func (s *session) say(format string, args ...any) {
	if !s.json {
		fmt.Fprintf(s.out, "\n"+format+"\n", args...)
	}
}

// flags repeats the flags that the next command needs.
func (s *session) flags() string {
	out := ""
	if s.lab {
		out += " --lab"
	}
	if s.dir != "." {
		out += " -f " + quoted(s.dir)
	}
	if s.global.cluster != "" {
		out += " --cluster " + quoted(s.global.cluster)
	}
	for _, f := range s.varFiles {
		out += " --var-file " + quoted(f)
	}
	for _, v := range s.vars {
		out += " --var " + quoted(v)
	}
	return out
}

// quoted writes a word as a shell reads it.
func quoted(word string) string {
	if strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/+:,@%=") == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// ask asks before something is done, and wants the exact answer.
func (s *session) ask(ctx context.Context, question, answer string) error {
	s.view.end()
	fmt.Fprintf(os.Stderr, "\n%s Only %q goes on: ", question, answer)
	line := make(chan string, 1)
	go func() {
		text, _ := bufio.NewReader(os.Stdin).ReadString('\n') // an end of input is an answer too, and not the wanted one
		line <- text
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case text := <-line:
		if strings.TrimSpace(text) != answer {
			return errors.New("not confirmed, nothing was done")
		}
		return nil
	}
}

// canAsk reports whether there is a terminal to ask on.
func canAsk() bool { return term.IsTerminal(int(os.Stdin.Fd())) }
