package doortest

import (
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
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/remote/remotetest"
)

// SudoPassword is what sudo asks for on machines that SSH reaches.
const SudoPassword = "planted-sudo-password"

// SSH has SSH servers listen for the machines of a fleet, so that providers go to them as they go to any machine.
type SSH struct {
	PrivateKey string // in PEM, that of who may log in
	Port       int    // of all servers

	t          testing.TB
	hosts      *Hosts
	authorized ssh.PublicKey
	helper     string
	servers    map[string]*server
}

// server is one machine's. Its address and its key outlive it.
type server struct {
	*remotetest.Server
	address string
	key     ssh.Signer
}

// helperContent stands for the helper, which is in this process.
var helperContent = []byte("stands for the helper")

// Listen lets an SSH server listen for each machine of a fleet, on an address of the loopback interface of its own.
func Listen(t testing.TB, h *Hosts) *SSH {
	t.Helper()
	key, authorized := Key(t)
	s := &SSH{PrivateKey: key, t: t, hosts: h, authorized: authorized, helper: filepath.Join(t.TempDir(), "helper"), servers: map[string]*server{}}
	s.write(s.helper)
	t.Cleanup(func() {
		for name := range s.servers {
			s.Stop(name)
		}
	})
	for _, host := range h.Cluster.Hosts { // in their order
		s.Start(host.Name)
	}
	return s
}

// Key makes a key of somebody who logs in: its private half in PEM, and its public one.
func Key(t testing.TB) (string, ssh.PublicKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	authorized, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block)), authorized
}

func (s *SSH) write(path string) {
	s.t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, helperContent, 0o600)); err != nil {
		s.t.Fatal(err)
	}
}

// Start has the server of a machine listen: of a new one, of one that was stopped, or of one that was installed anew.
func (s *SSH) Start(name string) {
	s.t.Helper()
	s.Stop(name)
	x := s.servers[name]
	if x == nil {
		x = &server{address: fmt.Sprintf("127.78.%d.%d", os.Getpid()%250, len(s.servers)+1), key: remotetest.NewKey()}
		s.servers[name] = x
	}
	l, err := net.Listen("tcp", net.JoinHostPort(x.address, fmt.Sprint(s.Port)))
	if err != nil {
		s.t.Fatal(err)
	}
	s.Port = l.Addr().(*net.TCPAddr).Port
	root := s.hosts.Machines[name].Root
	staging := filepath.Join(root, "var/tmp/trivet")
	s.write(filepath.Join(staging, "trivet-host-"+hostapi.Digest(helperContent)[:16]))
	x.Server, err = remotetest.NewServer(remotetest.ServerOptions{
		HostKeys: []ssh.Signer{x.key}, User: "ops", Authorized: []ssh.PublicKey{s.authorized}, UID: 1000, Sudo: remotetest.SudoPassword, Password: SudoPassword,
		Staging: staging, Helper: remotetest.ServeHandler(rooted{s.hosts.Handler(name), root}), Listener: l,
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// Stop ends the server of a machine, which then refuses connections.
func (s *SSH) Stop(name string) {
	s.t.Helper()
	x := s.servers[name]
	if x == nil || x.Server == nil {
		return
	}
	if u := x.Unexpected(); len(u) > 0 {
		s.t.Errorf("host %s: unexpected commands: %q", name, u)
	}
	_ = x.Close() // its connections are cut
	x.Server = nil
}

// Address is where SSH reaches a machine, at Port.
func (s *SSH) Address(name string) string { return s.servers[name].address }

// HostKey is the public key of a machine's sshd.
func (s *SSH) HostKey(name string) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(s.servers[name].key.PublicKey())))
}

// KnownHosts are the host keys of all machines, as known_hosts has them.
func (s *SSH) KnownHosts() string {
	var out strings.Builder
	for name, x := range s.servers {
		fmt.Fprintf(&out, "[%s]:%d %s\n", x.address, s.Port, s.HostKey(name))
	}
	return out.String()
}

// Adapt has an engine go to the SSH servers.
func (s *SSH) Adapt(o *bootstrap.Options) {
	s.hosts.Adapt(o)
	o.Connect = nil
	o.Helper = func(string) (string, error) { return s.helper, nil }
}

// rooted is a handler whose host is a folder: uploads are below it.
type rooted struct {
	hostapi.Handler
	root string
}

// Receive implements hostapi.Handler.
func (r rooted) Receive(ctx context.Context, req *hostapi.Receive) error {
	inside := *req
	inside.Path = strings.TrimPrefix(req.Path, r.root)
	return r.Handler.Receive(ctx, &inside)
}
