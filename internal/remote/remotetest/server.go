package remotetest

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"golang.org/x/crypto/ssh"
)

// ServerOptions say what an in-process SSH server pretends to be.
type ServerOptions struct {
	// HostKeys; one Ed25519 key is made when there is none.
	HostKeys []ssh.Signer
	// User who may log in, "ops" when empty, with one of Authorized.
	User       string
	Authorized []ssh.PublicKey
	// UID of the user; 0 needs no sudo.
	UID int
	// Sudo is what sudo does, with Password as the right one.
	Sudo     Sudo
	Password string
	// System is what uname -sm prints, "Linux x86_64" when empty.
	System string
	// NoSystemd and NoSCP say what is missing.
	NoSystemd, NoSCP bool
	// Staging is the folder for the helper and for uploads; its files are real.
	Staging string
	// Helper is run for the helper. Without one no session that starts it succeeds.
	Helper Helper
	// Forward allows direct-tcpip, as a bastion does.
	Forward bool
	// Listener is where the server listens; a loopback port when nil.
	Listener net.Listener
	// HoldLogin, when set, is waited for before a login is answered.
	HoldLogin <-chan struct{}
}

// Sudo is a behaviour of sudo.
type Sudo int

// Behaviours of sudo.
const (
	SudoFree     Sudo = iota // NOPASSWD
	SudoPassword             // asks
	SudoDenied               // the user is not in sudoers
	SudoTTY                  // requiretty
)

// Server is an SSH server in this process that knows the few commands which sshhost gives. It carries out none of them in a shell, so that a thousand
// servers cost no processes; any other command fails the session and is kept in Unexpected.
type Server struct {
	options  ServerOptions
	config   *ssh.ServerConfig
	listener net.Listener
	ctx      context.Context
	cancel   context.CancelFunc
	running  sync.WaitGroup

	connections     atomic.Int64
	unauthenticated atomic.Int64
	peak            atomic.Int64
	logins          atomic.Int64
	frozen          atomic.Pointer[chan struct{}]
	cutAfter        atomic.Int64 // bytes still to be read before all connections are cut; 0: never

	mu         sync.Mutex
	conns      map[net.Conn]struct{}
	unexpected []string
}

// NewServer starts a server.
func NewServer(o ServerOptions) (*Server, error) {
	if o.User == "" {
		o.User = "ops"
	}
	if o.System == "" {
		o.System = "Linux x86_64"
	}
	if len(o.HostKeys) == 0 {
		o.HostKeys = []ssh.Signer{NewKey()}
	}
	s := &Server{options: o, conns: map[net.Conn]struct{}{}}
	s.config = &ssh.ServerConfig{MaxAuthTries: 6, PublicKeyCallback: s.authenticate}
	for _, k := range o.HostKeys {
		s.config.AddHostKey(k)
	}
	if s.listener = o.Listener; s.listener == nil {
		var err error
		if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, err
		}
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.running.Go(s.accept)
	return s, nil
}

// NewKey makes an Ed25519 key.
func NewKey() ssh.Signer {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		panic(err)
	}
	return signer
}

// Address is where a server listens.
type Address struct{ *net.TCPAddr }

// Host is the address without the port.
func (a Address) Host() string { return a.IP.String() }

// Address is where the server listens.
func (s *Server) Address() Address { return Address{s.listener.Addr().(*net.TCPAddr)} }

// HostKey is the public part of the first host key, as authorized_keys has it.
func (s *Server) HostKey() string {
	return string(ssh.MarshalAuthorizedKey(s.options.HostKeys[0].PublicKey()))
}

// Connections counts the TCP connections so far.
func (s *Server) Connections() int { return int(s.connections.Load()) }

// Unauthenticated is the number of connections that have not logged in, Peak the highest it ever was.
func (s *Server) Unauthenticated() int { return int(s.unauthenticated.Load()) }

// Peak is the highest number of connections that had not logged in, at one time.
func (s *Server) Peak() int { return int(s.peak.Load()) }

// Logins counts keys that were offered.
func (s *Server) Logins() int { return int(s.logins.Load()) }

// Unexpected lists commands that the server does not know.
func (s *Server) Unexpected() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.unexpected...)
}

// CutAfter cuts every connection once n more bytes have come.
func (s *Server) CutAfter(n int64) { s.cutAfter.Store(n) }

// Cut cuts every connection now, without a word.
func (s *Server) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if t, ok := c.(*faulty).Conn.(*net.TCPConn); ok {
			_ = t.SetLinger(0)
		}
		_ = c.Close()
	}
}

// Freeze stops all reading until the returned function is called: the peer sees a host that answers nothing, as when its cable is out.
func (s *Server) Freeze() (thaw func()) {
	c := make(chan struct{})
	s.frozen.Store(&c)
	return sync.OnceFunc(func() {
		s.frozen.Store(nil)
		close(c)
	})
}

// Close ends the server, its connections and helpers, and waits for them.
func (s *Server) Close() error {
	s.cancel()
	err := s.listener.Close()
	s.Cut()
	s.running.Wait()
	return err
}

func (s *Server) authenticate(meta ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	s.logins.Add(1)
	if s.options.HoldLogin != nil {
		select {
		case <-s.options.HoldLogin:
		case <-s.ctx.Done():
		}
	}
	if meta.User() == s.options.User {
		for _, k := range s.options.Authorized {
			if string(k.Marshal()) == string(key.Marshal()) {
				return nil, nil
			}
		}
	}
	return nil, errors.New("not authorized")
}

// faulty is a connection with the server's faults.
type faulty struct {
	net.Conn
	s *Server
}

func (w *faulty) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if c := w.s.frozen.Load(); c != nil {
		select {
		case <-*c:
		case <-w.s.ctx.Done():
		}
	}
	if w.s.cutAfter.Load() > 0 && w.s.cutAfter.Add(int64(-n)) <= 0 {
		w.s.cutAfter.Store(0)
		w.s.Cut()
		return 0, net.ErrClosed
	}
	return n, err
}

func (s *Server) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.connections.Add(1)
		w := &faulty{c, s}
		s.mu.Lock()
		s.conns[w] = struct{}{}
		s.mu.Unlock()
		s.running.Go(func() {
			defer func() {
				_ = w.Close()
				s.mu.Lock()
				delete(s.conns, w)
				s.mu.Unlock()
			}()
			s.serve(w)
		})
	}
}

func (s *Server) serve(c net.Conn) {
	n := s.unauthenticated.Add(1)
	for {
		peak := s.peak.Load()
		if n <= peak || s.peak.CompareAndSwap(peak, n) {
			break
		}
	}
	conn, channels, requests, err := ssh.NewServerConn(c, s.config)
	s.unauthenticated.Add(-1)
	if err != nil {
		return
	}
	ctx, cancel := context.WithCancel(s.ctx)
	var sessions sync.WaitGroup
	defer sessions.Wait()
	defer cancel()
	defer conn.Close()
	go func() {
		for r := range requests {
			_ = r.Reply(r.Type == "keepalive@openssh.com", nil)
		}
	}()
	for nc := range channels {
		switch nc.ChannelType() {
		case "session":
			if ch, reqs, err := nc.Accept(); err == nil {
				sessions.Go(func() { s.session(ctx, ch, reqs) })
			}
		case "direct-tcpip":
			sessions.Go(func() { s.forward(ctx, nc) })
		default:
			_ = nc.Reject(ssh.UnknownChannelType, nc.ChannelType())
		}
	}
}

func (s *Server) forward(ctx context.Context, nc ssh.NewChannel) {
	var to struct {
		Host       string
		Port       uint32
		OriginHost string
		OriginPort uint32
	}
	if !s.options.Forward {
		_ = nc.Reject(ssh.Prohibited, "administratively prohibited")
		return
	}
	if err := ssh.Unmarshal(nc.ExtraData(), &to); err != nil {
		_ = nc.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(to.Host, fmt.Sprint(to.Port)))
	if err != nil {
		_ = nc.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	defer conn.Close()
	ch, reqs, err := nc.Accept()
	if err != nil {
		return
	}
	defer ch.Close()
	go ssh.DiscardRequests(reqs)
	join(ctx, conn, ch)
}
