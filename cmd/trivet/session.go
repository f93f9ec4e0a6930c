package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strings"

	"filippo.io/age"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/release"
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
	store    *artifacts
}

// load reads the topology and prints every mistake in it.
func (g *global) load(stderr io.Writer) (*topology.Topology, error) {
	return g.loadFor(stderr, nil)
}

func (g *global) loadFor(stderr io.Writer, access *lab.Access) (*topology.Topology, error) {
	o := topology.Options{
		Variables: map[string]string{}, VariableFiles: g.varFiles, Env: os.Getenv,
		Releases: func(v string) error { _, err := release.Lookup(v); return err }, CheckSettings: release.CheckComponent,
	}
	for _, v := range g.vars {
		name, value, ok := strings.Cut(v, "=")
		if !ok {
			return nil, fmt.Errorf("--var %s: write it as name=value", v)
		}
		o.Variables[name] = value
	}
	if access != nil {
		o.Access = &topology.Access{User: access.User, PrivateKey: access.PrivateKey, KnownHosts: access.KnownHosts, AgeRecipients: access.AgeRecipients}
	}
	t, source, diags := topology.Load(g.dir, o)
	if len(diags) > 0 {
		if err := source.Write(stderr, diags, !g.noColor && isTerminal(stderr), width(stderr)); err != nil {
			return nil, err
		}
	}
	if diags.HasErrors() {
		n := len(diags.Errs())
		return nil, fmt.Errorf("%s: %d %s in the topology, nothing was contacted", g.dir, n, mistakes(n))
	}
	return t, nil
}

func mistakes(n int) string {
	if n == 1 {
		return "mistake"
	}
	return "mistakes"
}

// open loads the topology, for the lab if that is asked for, and makes the view.
func (g *global) open(cmd *cobra.Command) (*session, error) {
	s := &session{global: g, out: cmd.OutOrStdout(), color: !g.noColor && isTerminal(cmd.OutOrStdout())}
	var err error
	if g.lab {
		if s.access, err = g.labAccess(cmd.ErrOrStderr()); err != nil {
			return nil, err
		}
	}
	if s.topology, err = g.loadFor(cmd.ErrOrStderr(), s.access); err != nil {
		return nil, err
	}
	if s.cluster, err = s.topology.Cluster(g.cluster); err != nil {
		return nil, err
	}
	s.view = newView(cmd.ErrOrStderr(), g.json, g.noColor)
	if s.store, err = newArtifacts(s); err != nil {
		return nil, err
	}
	return s, nil
}

// labAccess finds how to reach the lab of this topology. Only the fleet's name is needed from it, so mistakes in what the lab replaces do not matter yet.
func (g *global) labAccess(stderr io.Writer) (*lab.Access, error) {
	t, err := g.loadFor(stderr, &lab.Access{User: lab.User, AgeRecipients: []string{placeholderRecipient()}})
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
	s.view.end()
	if s.engine != nil {
		s.engine.Close()
	}
}

// connect connects to the cluster's hosts.
func (s *session) connect(ctx context.Context) (*bootstrap.Engine, error) {
	o := bootstrap.Options{
		Topology: s.topology, Cluster: s.cluster.Name, Helper: helperPath, Artifacts: s.store, Identities: s.identities,
		SudoPassword: s.sudoPassword, Passphrase: askPassphrase, Events: s.view.event,
	}
	if s.access != nil {
		o.NetworkNamespace = s.access.NetworkNamespace
	}
	s.view.status("connecting to %d hosts", len(s.cluster.Hosts))
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
		return string(bytes.TrimRight(b, "\r\n")), nil
	}
	return s.view.ask(fmt.Sprintf("sudo password for host %s: ", host))
}

func askPassphrase(_ context.Context, path string) (string, error) {
	return askSecret(fmt.Sprintf("passphrase for %s: ", path))
}

func askSecret(prompt string) (string, error) {
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return "", errors.New("there is no terminal to ask on")
	}
	fmt.Fprint(os.Stderr, prompt)
	b, err := term.ReadPassword(int(os.Stdin.Fd()))
	fmt.Fprintln(os.Stderr)
	return string(b), err
}

// helperPath finds the host helper beside this program, or in the folder that TRIVET_HELPER_DIR names.
func helperPath(goarch string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	if self, err = filepath.EvalSymlinks(self); err != nil {
		return "", err
	}
	dir := cmp.Or(os.Getenv("TRIVET_HELPER_DIR"), filepath.Dir(self))
	path := filepath.Join(dir, "trivet-host-linux-"+goarch)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("the host helper for linux/%s is missing: %s should be beside trivet (make build puts it there), or in the folder that TRIVET_HELPER_DIR names", goarch, path)
	}
	return path, nil
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
		out += " -f " + s.dir
	}
	return out
}

func (s *session) showDestroy(w io.Writer, p *plan.Plan, full bool) error {
	if s.json {
		return writeJSON(w, p)
	}
	return p.WriteText(w, plan.TextOptions{Full: full, Color: s.color})
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func width(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil {
			return n
		}
	}
	return 0
}

func username() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "trivet"
}
