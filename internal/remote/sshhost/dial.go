package sshhost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

// conn is one SSH connection.
type conn struct {
	e      *endpoint
	via    *conn // nil when dialled from here
	client *ssh.Client
	done   chan struct{} // closed when the connection has ended
	once   sync.Once
	cause  atomic.Pointer[string] // why we ended it
}

func (c *conn) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

func (c *conn) close() { c.end("") }

// end closes the connection for a reason, the first of which is kept.
func (c *conn) end(why string) {
	c.once.Do(func() {
		if why != "" {
			c.cause.Store(&why)
		}
		_ = c.client.Close()
	})
}

// why returns the reason given to end, of this connection or of one that it goes through.
func (c *conn) why() string {
	for ; c != nil; c = c.via {
		if s := c.cause.Load(); s != nil {
			return *s
		}
	}
	return ""
}

// timeoutError tells our own time-out from the caller's.
type timeoutError struct{ after time.Duration }

func (t *timeoutError) Error() string { return fmt.Sprintf("no answer within %s", t.after) }

// patience is how long a login may take, not counting the time for which somebody is asked for a passphrase.
type patience struct {
	after time.Duration
	timer *time.Timer
}

func (p *patience) start(ctx context.Context) (context.Context, context.CancelFunc) {
	limited, cancel := context.WithCancelCause(ctx)
	p.timer = time.AfterFunc(p.after, func() { cancel(&timeoutError{p.after}) })
	return limited, func() {
		p.timer.Stop()
		cancel(nil)
	}
}

func (p *patience) pause() (resume func()) {
	p.timer.Stop()
	return func() { p.timer.Reset(p.after) }
}

// handshake dials e, checks its host key and logs in. Everything that can fail here without the network is done before.
func (p *Pool) handshake(ctx context.Context, cfg *Config, via *conn, e *endpoint) (*conn, error) {
	patience := &patience{after: e.timeout}
	keys, err := p.keys.identities(ctx, e, patience.pause)
	if err != nil {
		return nil, err
	}
	hostKey, err := p.hosts.prepare(e)
	if err != nil {
		return nil, err
	}
	gates := []semaphore{p.semaphore("target "+e.address(), p.options.PerTarget), p.all}
	if via != nil {
		gates = append([]semaphore{p.semaphore("via "+via.e.id(), p.options.PerBastion)}, gates...)
	}
	for _, g := range gates {
		if err := g.acquire(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", e, err)
		}
		defer g.release()
	}
	limited, cancel := patience.start(ctx)
	defer cancel()
	raw, err := dialTCP(limited, cfg, via, e)
	if err != nil {
		return nil, dialError(limited, via, e, err)
	}
	stop := context.AfterFunc(limited, func() { _ = raw.Close() })
	client, shown, err := logIn(raw, e, keys, hostKey)
	if !stop() && err == nil {
		_ = client.Close()
		err = context.Cause(limited)
	}
	if err != nil {
		_ = raw.Close()
		return nil, handshakeError(limited, e, err)
	}
	if p.options.HostKey != nil {
		p.options.HostKey(e.Name, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(shown))))
	}
	c := &conn{e: e, via: via, client: client, done: make(chan struct{})}
	go func() {
		_ = client.Wait()
		close(c.done)
	}()
	go c.keepAlive()
	return c, nil
}

func logIn(raw net.Conn, e *endpoint, keys *offer, hostKey *check) (client *ssh.Client, shown ssh.PublicKey, err error) {
	l := &login{e: e, offer: keys}
	// A typed error of a callback does not survive the handshake's wrapping in every case: keep it.
	var refused error
	conf := &ssh.ClientConfig{
		Config: ssh.Config{
			// AES-128-GCM moves most per core; curve25519 costs a fraction of a finite-field exchange, which is for servers that have nothing else.
			Ciphers: []string{ssh.CipherAES128GCM, ssh.CipherAES256GCM, ssh.CipherChaCha20Poly1305, ssh.CipherAES128CTR, ssh.CipherAES256CTR},
			KeyExchanges: []string{ssh.KeyExchangeMLKEM768X25519, ssh.KeyExchangeCurve25519, ssh.KeyExchangeECDHP256, ssh.KeyExchangeECDHP384,
				ssh.KeyExchangeECDHP521, ssh.KeyExchangeDH14SHA256},
		},
		User: e.User,
		AuthCallback: func(ctx *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
			m, err := l.next(ctx)
			refused = err
			return m, err
		},
		HostKeyCallback: func(address string, remote net.Addr, key ssh.PublicKey) error {
			shown = key
			err := hostKey.callback(address, remote, key)
			refused = err
			return err
		},
		HostKeyAlgorithms: hostKey.algorithms,
		ClientVersion:     "SSH-2.0-trivet",
	}
	c, channels, requests, err := ssh.NewClientConn(raw, e.address(), conf)
	if err != nil {
		if refused != nil {
			return nil, nil, refused
		}
		switch {
		case l.tried > 0 && strings.Contains(err.Error(), "unable to authenticate"):
			return nil, nil, l.refused("the server refused " + l.offered())
		case l.tried > 0 && strings.Contains(err.Error(), "ssh: disconnect"):
			return nil, nil, l.refused("the server disconnected after " + l.offered() + ": " + err.Error())
		}
		return nil, nil, err
	}
	return ssh.NewClient(c, channels, requests), shown, nil
}

func dialTCP(ctx context.Context, cfg *Config, via *conn, e *endpoint) (net.Conn, error) {
	switch {
	case via != nil:
		return via.client.DialContext(ctx, "tcp", e.address())
	case cfg.Dialer != nil:
		return cfg.Dialer(ctx, "tcp", e.address())
	case cfg.NetworkNamespace != "":
		return dialInNamespace(ctx, cfg.NetworkNamespace, e.address())
	}
	d := net.Dialer{Timeout: e.timeout} // with several addresses, each gets a part of it
	return d.DialContext(ctx, "tcp", e.address())
}

func dialError(ctx context.Context, via *conn, e *endpoint, err error) error {
	var t *timeoutError
	cause := context.Cause(ctx)
	if cause != nil && !errors.As(cause, &t) {
		return fmt.Errorf("%s: %w", e, cause)
	}
	var network net.Error // the dialler's own clock may be ahead of ours
	if t != nil || via == nil && errors.As(err, &network) && network.Timeout() {
		return &Error{Kind: ErrUnreachable, Target: e.String(), Message: "no TCP connection within " + e.timeout.String(),
			Remedy: "check that the host is up, its address and port, and that no firewall drops packets"}
	}
	var open *ssh.OpenChannelError
	switch {
	case errors.As(err, &open) && open.Reason == ssh.Prohibited:
		return &Error{Kind: ErrUnreachable, Target: e.String(), Message: via.e.String() + " does not forward TCP connections",
			Remedy: "set AllowTcpForwarding yes in its sshd_config for user " + via.e.User, Err: err}
	case errors.As(err, &open):
		return &Error{Kind: ErrUnreachable, Target: e.String(), Message: via.e.String() + " cannot connect to it", Err: err,
			Remedy: "check address and port as seen from there"}
	case via != nil && via.ended():
		return &Error{Kind: ErrUnreachable, Target: e.String(), Message: "the connection to " + via.e.String() + " was lost", Err: err}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &Error{Kind: ErrUnreachable, Target: e.String(), Message: "connection refused", Remedy: "check that sshd listens on that port"}
	}
	return &Error{Kind: ErrUnreachable, Target: e.String(), Message: "it cannot be reached", Err: err, Remedy: "check its address and the network"}
}

func handshakeError(ctx context.Context, e *endpoint, err error) error {
	// What broke the handshake off is the cause, whatever it broke into.
	if cause := context.Cause(ctx); cause != nil {
		var t *timeoutError
		if !errors.As(cause, &t) {
			return fmt.Errorf("%s: %w", e, cause)
		}
		return &Error{Kind: ErrUnreachable, Target: e.String(), Message: "the SSH login did not end within " + t.after.String(),
			Remedy: "check that an SSH server answers there, and its load"}
	}
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	var negotiation *ssh.AlgorithmNegotiationError
	switch {
	case errors.As(err, &negotiation) && strings.Contains(err.Error(), "host key"):
		return &Error{Kind: ErrHostKey, Target: e.String(), Message: "the server has no host key of the type that is known for it", Err: err,
			Remedy: "if its keys were changed on purpose, remove the old line from known_hosts or change " + e.words.hostKey()}
	case errors.As(err, &negotiation):
		return &Error{Kind: ErrUnsupported, Target: e.String(), Message: "no cryptographic algorithm in common", Err: err, Remedy: "update its SSH server"}
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return &Error{Kind: ErrUnreachable, Target: e.String(), Message: "the server closed the connection before login",
			Remedy: "it may be at its MaxStartups limit or refuse this address for a while (PerSourcePenalties): see its sshd log"}
	}
	return &Error{Kind: ErrUnreachable, Target: e.String(), Message: "the SSH handshake failed", Err: err}
}

// missedKeepAlives end a connection.
const missedKeepAlives = 3

// keepAlive asks for a sign of life at an interval and ends the connection when none came for missedKeepAlives of them.
func (c *conn) keepAlive() {
	tick := time.NewTicker(c.e.keepAlive)
	defer tick.Stop()
	answered := make(chan struct{}, 1)
	outstanding, missed := false, 0
	for {
		select {
		case <-c.done:
			return
		case <-answered:
			outstanding, missed = false, 0
		case <-tick.C:
			if outstanding {
				if missed++; missed >= missedKeepAlives {
					c.end(fmt.Sprintf("%s gave no sign of life for %s", c.e, time.Duration(missed)*c.e.keepAlive))
					return
				}
				continue
			}
			outstanding = true
			go func() {
				if _, _, err := c.client.SendRequest("keepalive@openssh.com", true, nil); err == nil {
					answered <- struct{}{}
				}
			}()
		}
	}
}
