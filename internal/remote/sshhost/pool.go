package sshhost

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/trivet-dev/trivet/internal/remote"
)

// Options bound what a Pool does at once. Zero fields take the defaults.
type Options struct {
	// Handshakes at once in the whole pool: they cost CPU here. 64.
	Handshakes int
	// PerTarget bounds connections to one address that are not logged in yet. sshd begins to drop them at 10 (MaxStartups 10:30:100). 8.
	PerTarget int
	// PerBastion bounds handshakes through one bastion. 32.
	PerBastion int
	// Learned is told of each host key that was written to a known_hosts file because the policy is Learn; it may be nil, and is called for one key at a time.
	Learned func(LearnedKey)
	// HostKey is told, by the name of the host or bastion, of the host key that was shown and accepted, as authorized_keys has it; it may be nil, and is called at once for several.
	HostKey func(name, key string)
	// Keys are private keys that are in memory alone, in PEM, by the name that stands for their path.
	Keys map[string][]byte
}

// LearnedKey is a host key that nobody has checked.
type LearnedKey struct {
	Name        string // of the host or bastion
	Target      string // "host bj1-cp1 (10.11.1.11:22)"
	Type        string // "ssh-ed25519"
	Fingerprint string // "SHA256:…"
	File        string // where it was written
}

// Pool connects to the hosts of one run. Its connections to bastions are shared and end with it.
type Pool struct {
	options Options
	all     semaphore
	keys    keyring
	hosts   hostKeys
	helpers helpers

	mu      sync.Mutex
	closed  bool
	targets map[string]semaphore
	shared  map[string]*sharedHop
}

type semaphore chan struct{}

func (s semaphore) acquire(ctx context.Context) error {
	select {
	case s <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s semaphore) release() { <-s }

// NewPool returns an empty pool.
func NewPool(o Options) *Pool {
	if o.Handshakes <= 0 {
		o.Handshakes = 64
	}
	if o.PerTarget <= 0 {
		o.PerTarget = 8
	}
	if o.PerBastion <= 0 {
		o.PerBastion = 32
	}
	return &Pool{options: o, keys: keyring{memory: o.Keys}, hosts: hostKeys{learned: o.Learned}, all: make(semaphore, o.Handshakes), targets: map[string]semaphore{}, shared: map[string]*sharedHop{}}
}

// Connect logs in to the host, places the helper if it is not there, starts it as root and greets it. It makes a new connection each time: call it
// once per host and run. ctx bounds the connecting only.
func (p *Pool) Connect(ctx context.Context, cfg Config) (remote.Host, error) {
	chain, err := cfg.chain()
	if err != nil {
		return nil, err
	}
	c, err := p.dial(ctx, &cfg, chain)
	if err != nil {
		return nil, err
	}
	h, err := p.start(ctx, &cfg, c)
	if err != nil {
		c.close()
		return nil, err
	}
	return h, nil
}

// Close ends the connections to bastions, and with them what goes through them.
func (p *Pool) Close() error {
	p.mu.Lock()
	shared := p.shared
	p.shared, p.closed = map[string]*sharedHop{}, true
	p.mu.Unlock()
	for _, s := range shared {
		select {
		case <-s.ready:
			if s.conn != nil {
				s.conn.close()
			}
		default: // its builder closes it: see bastion
		}
	}
	p.keys.close()
	return nil
}

func (p *Pool) semaphore(key string, size int) semaphore {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.targets[key]
	if s == nil {
		s = make(semaphore, size)
		p.targets[key] = s
	}
	return s
}

// sharedHop is a connection to a bastion that is there, is being made, or failed.
type sharedHop struct {
	ready chan struct{} // closed when conn or err is set
	conn  *conn
	err   error
	at    time.Time // of the failure
}

// stale tells whether a failure may be forgotten. A refused login or host key stays: hundreds of hosts behind a bastion must not knock again and
// again with the same key. What depends on the network may be tried again by whoever asks later.
func (s *sharedHop) stale(now time.Time) bool {
	if s.err == nil {
		return s.conn.ended()
	}
	if errors.Is(s.err, context.Canceled) || errors.Is(s.err, context.DeadlineExceeded) {
		return true
	}
	return !errors.Is(s.err, ErrAuth) && !errors.Is(s.err, ErrHostKey) && now.Sub(s.at) > 10*time.Second
}

// dial connects to the last endpoint of the chain, over shared connections to those before it.
func (p *Pool) dial(ctx context.Context, cfg *Config, chain []*endpoint) (*conn, error) {
	var via *conn
	if n := len(chain) - 1; n > 0 {
		var err error
		if via, err = p.bastion(ctx, cfg, chain[:n]); err != nil {
			return nil, fmt.Errorf("%s: its bastion failed: %w", chain[n], err)
		}
	}
	return p.handshake(ctx, cfg, via, chain[len(chain)-1])
}

func chainKey(cfg *Config, chain []*endpoint) string {
	ids := []string{cfg.NetworkNamespace}
	for _, e := range chain {
		ids = append(ids, e.id())
	}
	return strings.Join(ids, "\x01")
}

// bastion returns the shared connection to the last endpoint of the chain, making it when there is none. Whoever comes while it is being made waits
// for the same one; when its maker gave up because its own ctx ended, the next one makes it.
func (p *Pool) bastion(ctx context.Context, cfg *Config, chain []*endpoint) (*conn, error) {
	key := chainKey(cfg, chain)
	for {
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			return nil, errors.New("the connection pool is closed")
		}
		s := p.shared[key]
		if s != nil {
			select {
			case <-s.ready:
				if s.stale(time.Now()) {
					s = nil
				}
			default:
			}
		}
		if s == nil {
			s = &sharedHop{ready: make(chan struct{})}
			p.shared[key] = s
			p.mu.Unlock()
			p.makeShared(ctx, cfg, chain, s)
			return s.conn, s.err
		}
		p.mu.Unlock()
		select {
		case <-s.ready:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if s.err == nil || !errors.Is(s.err, context.Canceled) && !errors.Is(s.err, context.DeadlineExceeded) || ctx.Err() != nil {
			return s.conn, s.err
		}
	}
}

func (p *Pool) makeShared(ctx context.Context, cfg *Config, chain []*endpoint, s *sharedHop) {
	s.conn, s.err = p.dial(ctx, cfg, chain)
	s.at = time.Now()
	close(s.ready)
	p.mu.Lock()
	closed := p.closed
	p.mu.Unlock()
	if closed && s.conn != nil {
		s.conn.close()
	}
}
