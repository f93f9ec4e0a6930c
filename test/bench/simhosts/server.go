package simhosts

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/remote/remotetest"
)

// Servers are the hosts of a cluster that was brought up.
type Servers struct {
	Fleet Fleet
	all   []*remotetest.Server
}

// Serve makes n hosts below dir, brings a cluster up on them in this process, and lets an SSH server listen for each on an address of the loopback interface of its own; and for one
// host more, on which nothing is. The helper, a file of this machine, is what hosts are found to have already.
func Serve(ctx context.Context, dir string, n int, helper string, progress func(string)) (*Servers, error) {
	sim, err := fleettest.New(filepath.Join(dir, "hosts"), settings(n, 8))
	if err != nil {
		return nil, err
	}
	s := &Servers{Fleet: Fleet{Hosts: n, Recipient: sim.Key.Recipient().String(), Identity: sim.Key.String(), Addresses: map[string]string{}, HostKeys: map[string]string{}}}
	authorized, err := s.makeKey(dir)
	if err != nil {
		return nil, err
	}
	staging, err := stage(dir, helper)
	if err != nil {
		return nil, err
	}
	keys := map[string]ssh.Signer{}
	for i, h := range sim.Cluster.Hosts {
		keys[h.Name] = remotetest.NewKey()
		// The inventory remembers host keys and where SSH reaches hosts: the bring-up has to know them as the operator will.
		h.HostKey, h.SSHAddress = hostKey(keys[h.Name]), loopback(i)
		s.Fleet.HostKeys[h.Name] = h.HostKey
	}
	if err := bringUp(ctx, sim, progress); err != nil {
		return nil, err
	}
	if err := sim.Change(withSpare(n, 8)); err != nil {
		return nil, err
	}
	for i, h := range sim.Cluster.Hosts {
		sim.Machines[h.Name].Clock = time.Now // the fleet's own stands still
		if keys[h.Name] == nil {
			keys[h.Name] = remotetest.NewKey()
			s.Fleet.HostKeys[h.Name] = hostKey(keys[h.Name])
		}
		address := loopback(i)
		l, err := net.Listen("tcp", net.JoinHostPort(address, fmt.Sprint(s.Fleet.Port)))
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.Fleet.Port = cmp.Or(s.Fleet.Port, l.Addr().(*net.TCPAddr).Port) // all on the port that the first was given
		srv, err := remotetest.NewServer(remotetest.ServerOptions{
			HostKeys: []ssh.Signer{keys[h.Name]}, User: User, Authorized: []ssh.PublicKey{authorized}, UID: 1000, Sudo: remotetest.SudoFree,
			Staging: staging, Helper: remotetest.ServeHandler(sim.Handler(h.Name)), Listener: l,
		})
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.all = append(s.all, srv)
		s.Fleet.Addresses[h.Name] = address
	}
	return s, nil
}

// loopback is where the server of the host with that number listens.
func loopback(i int) string { return fmt.Sprintf("127.77.%d.%d", i/200, i%200+1) }

// hostKey is a key as a topology has it.
func hostKey(k ssh.Signer) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k.PublicKey())))
}

// Close ends all servers.
func (s *Servers) Close() error {
	var errs []error
	for _, srv := range s.all {
		errs = append(errs, srv.Close())
	}
	return errors.Join(errs...)
}

// Unexpected are commands that the servers were given and do not know.
func (s *Servers) Unexpected() (all []string) {
	for _, srv := range s.all {
		all = append(all, srv.Unexpected()...)
	}
	return all
}

func (s *Servers) makeKey(dir string) (ssh.PublicKey, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return nil, err
	}
	s.Fleet.PrivateKey = filepath.Join(dir, "key")
	if err := os.WriteFile(s.Fleet.PrivateKey, pem.EncodeToMemory(block), 0o600); err != nil {
		return nil, err
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, err
	}
	return signer.PublicKey(), nil
}

// stage puts the helper where a host keeps it once it was placed. All hosts share the folder: the file is the same by name and content.
func stage(dir, helper string) (string, error) {
	content, err := os.ReadFile(helper)
	if err != nil {
		return "", err
	}
	staging := filepath.Join(dir, "staging")
	if err := os.MkdirAll(staging, 0o700); err != nil {
		return "", err
	}
	return staging, os.WriteFile(filepath.Join(staging, "trivet-host-"+hostapi.Digest(content)[:16]), content, 0o700)
}

func bringUp(ctx context.Context, sim *fleettest.Fleet, progress func(string)) error {
	e, err := bootstrap.Connect(ctx, bootstrap.Options{
		Topology: sim.Topology, Connect: sim.Connect, Artifacts: sim, Identities: sim.Identities, GateTimeout: time.Minute,
		Now: func() time.Time { return fleettest.Now },
		API: func(_ *bootstrap.Engine, id func() (*identity.Identity, error)) bootstrap.API { return sim.API(id) },
		Events: func(e event.Event) {
			if e.Kind == event.PhaseDone {
				progress(fmt.Sprintf("%s: %s", e.Phase, e.Elapsed.Round(100*time.Millisecond)))
			}
		},
	})
	if err != nil {
		return err
	}
	defer e.Close()
	p, err := e.Plan(ctx)
	if err != nil {
		return err
	}
	return e.Apply(ctx, p)
}
