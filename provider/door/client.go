// Package door is what every provider does between its own framework and the engine: it opens engines from a provider's settings, does to clusters and workers what a resource's
// create, read, update and delete ask for, and says what of them belongs into a state. It knows the engine and attributes (package input), and no provider's framework.
package door

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"filippo.io/age"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/supply"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/artifact"
	"github.com/trivet-dev/trivet/internal/remote/sshhost"
	"github.com/trivet-dev/trivet/provider/input"
)

// PrivateKeyName stands for the path of the provider's private key, which has none.
const PrivateKeyName = "(ssh.private_key of the provider)"

// Client is what a provider is configured with, and the runs that it has under way.
type Client struct {
	// Adapt, which may be nil, has the last word on what the engine works with, so that tests can give it hosts of their own.
	Adapt func(*bootstrap.Options)
	Words input.Words
	Log   Log

	SSH          topology.SSH
	PrivateKey   string
	KnownHosts   string
	SudoPassword string
	AgeIdentity  string
	Artifacts    string
	// OnDestroy and Unreachable, where they are given, go before those of resources.
	OnDestroy   string
	Unreachable string
	// Unknown names what of the provider's configuration is not known yet. Then no host can be asked.
	Unknown string

	workers workerRuns
}

// Identities opens the age identity.
func (c *Client) Identities() ([]age.Identity, error) {
	if c.AgeIdentity == "" {
		return nil, fmt.Errorf("this needs the age identity that opens the cluster's keys: set %s in the %s, or TRIVET_AGE_IDENTITY to the path of its file", c.Words.Name("age_identity"), c.Words.Provider)
	}
	ids, err := identity.ParseIdentities(strings.NewReader(c.AgeIdentity))
	if err != nil {
		return nil, fmt.Errorf("%s of the provider: %w", c.Words.Name("age_identity"), err)
	}
	return ids, nil
}

// Log is told what happens, and how artifacts come along.
type Log interface {
	Happened(ctx context.Context, e event.Event)
	Fetched(ctx context.Context, e artifact.Event)
}

// Session is an engine with what has to be put away after it.
type Session struct {
	*bootstrap.Engine
	Supply    *supply.Locked
	fleet     *Fleet
	words     input.Words
	temporary []string
}

// Close ends the engine's connections.
func (s *Session) Close() {
	_ = s.Engine.Close() // what was done is done
	for _, f := range s.temporary {
		_ = os.Remove(f)
	}
}

// Destroy gives the cluster's hosts back.
func (s *Session) Destroy(ctx context.Context) error { return s.fleet.tell(s.Engine.Destroy(ctx)) }

// Connect connects to the hosts of a fleet. The lock pins what artifacts are sent.
func (c *Client) Connect(ctx context.Context, f *Fleet, lock Pins, more ...func(*bootstrap.Options)) (*Session, error) {
	if err := supply.AnyHelper(); err != nil && c.Adapt == nil {
		return nil, err
	}
	artifacts, err := supply.New(supply.Options{Source: c.Artifacts, Progress: func(e artifact.Event) { c.Log.Fetched(ctx, e) }})
	if err != nil {
		return nil, fmt.Errorf("%s of the %s: %w", c.Words.Name("artifacts"), c.Words.Provider, err)
	}
	s := &Session{words: c.Words, fleet: f}
	o := bootstrap.Options{
		Topology: f.Topology, Cluster: f.Cluster.Name, Helper: supply.Helper, Artifacts: artifacts, Identities: c.Identities,
		PrivateKeys: map[string][]byte{PrivateKeyName: []byte(c.PrivateKey)}, SSHWords: c.sshWords(), Events: func(e event.Event) {
			e.Message = f.reword(e.Message)
			c.Log.Happened(ctx, e)
		},
	}
	if c.SudoPassword != "" {
		o.SudoPassword = func(context.Context, string) (string, error) { return c.SudoPassword, nil }
	}
	if c.KnownHosts != "" {
		name, err := writeTemporary(c.KnownHosts)
		if err != nil {
			return nil, err
		}
		s.temporary = append(s.temporary, name)
		knownIn(f.Topology, name)
	}
	for _, do := range more {
		do(&o)
	}
	if c.Adapt != nil {
		c.Adapt(&o)
	}
	s.Supply = supply.Lock(o.Artifacts, c.Artifacts, lock.Lock, lock.Given)
	o.Artifacts = s.Supply
	if s.Engine, err = bootstrap.Connect(ctx, o); err != nil {
		for _, f := range s.temporary {
			_ = os.Remove(f)
		}
		return nil, s.fleet.tell(err)
	}
	return s, nil
}

// sshWords are what the provider calls settings of SSH.
func (c *Client) sshWords() sshhost.Words {
	w := sshhost.Words{HostKey: c.Words.Name("ssh_host_key"), SudoPassword: c.Words.Name("sudo_password"), Strict: true}
	if c.KnownHosts != "" {
		w.KnownHosts = c.Words.Name("known_hosts") + " of the " + c.Words.Provider
	}
	return w
}

// knownIn has host keys looked up in a file.
func knownIn(t *topology.Topology, file string) {
	t.Fleet.SSH.KnownHosts = file
	for _, s := range t.AllSites() {
		if s.SSH != nil {
			s.SSH.KnownHosts = file
		}
	}
}

// writeTemporary writes what is public into a file.
func writeTemporary(text string) (string, error) {
	return write("trivet-known-hosts-*", []byte(strings.TrimRight(text, "\n")+"\n"))
}

// write writes a temporary file.
func write(pattern string, content []byte) (string, error) {
	f, err := os.CreateTemp("", pattern)
	if err != nil {
		return "", err
	}
	_, err = f.Write(content)
	return f.Name(), errors.Join(err, f.Close())
}
