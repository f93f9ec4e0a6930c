package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/remote"
	"github.com/trivet-dev/trivet/internal/remote/sshhost"
)

const (
	// dialTimeout bounds one attempt over a connection that is there, so that a control plane that went silent does not hide the others.
	dialTimeout = 5 * time.Second
	// reconnectPause is the least time between two attempts to log in to one host again: sshd penalises those who knock too often.
	reconnectPause = 5 * time.Second
)

// APIDialer connects to the API for as long as a tunnel is held: to the control plane that answered last, else to the next, over the engine's connections, and over new
// ones in place of those that were lost. It is safe for concurrent use. Close it before the engine.
type APIDialer struct {
	engine *Engine
	to     []hostapi.Endpoint // on a control plane, in the order in which they are tried
	mu     sync.Mutex
	routes []*route // in the order in which they are tried
}

// route is the way to one control plane.
type route struct {
	host *topology.Host
	mu   sync.Mutex
	conn remote.Host // nil when there is none
	own  bool        // whether conn was made here, so that it is closed here
	err  error       // of the last attempt to connect
	last time.Time   // of that attempt
	// known is true once there was a connection, so that the next one is news.
	known bool
}

// APIDialer makes a dialer of the API. It connects to nothing.
func (e *Engine) APIDialer() *APIDialer {
	d := &APIDialer{engine: e, to: []hostapi.Endpoint{{Network: "tcp", Address: e.anyAPI().Address}, {Network: "tcp", Address: e.ownAPI().Address}}}
	for _, h := range e.cluster.HostsWith(topology.RoleControlPlane) {
		r := &route{host: h, conn: e.hosts[h.Name], err: e.failed[h.Name]}
		if r.err != nil {
			r.last = e.Now()
		}
		r.known = r.conn != nil
		d.routes = append(d.routes, r)
	}
	return d
}

// Dial connects to an API server, trying every control plane. The TLS handshake is the caller's.
func (d *APIDialer) Dial(ctx context.Context) (net.Conn, error) {
	d.mu.Lock()
	routes := slices.Clone(d.routes)
	d.mu.Unlock()
	var errs []error
	for _, r := range routes {
		conn, err := d.dial(ctx, r)
		if err == nil {
			d.prefer(r)
			return conn, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("no control plane answers: %w", errors.Join(errs...))
}

// prefer has a route tried first from now on.
func (d *APIDialer) prefer(r *route) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if i := slices.Index(d.routes, r); i > 0 {
		d.routes = slices.Insert(slices.Delete(d.routes, i, i+1), 0, r)
	}
}

// dial connects over the route's connection, and once more over a new one when that turns out to be lost.
func (d *APIDialer) dial(ctx context.Context, r *route) (net.Conn, error) {
	for {
		host, fresh, err := d.connection(ctx, r)
		if err != nil {
			return nil, err
		}
		conn, err := d.through(ctx, host)
		if err == nil {
			return conn, nil
		}
		if !remote.IsLost(err) {
			return nil, err
		}
		r.drop(host)
		if fresh {
			return nil, err
		}
	}
}

// through connects to the API from a control plane: to any API server that is ready, or, without the balancer, to its own.
func (d *APIDialer) through(ctx context.Context, host remote.Host) (conn net.Conn, err error) {
	for _, to := range d.to {
		limited, cancel := context.WithTimeout(ctx, dialTimeout)
		conn, err = host.Dial(limited, to)
		cancel()
		if err == nil || remote.IsLost(err) || ctx.Err() != nil {
			break
		}
	}
	return conn, err
}

// connection gives the route's connection, and makes a new one when there is none. A host that refused the login or showed another host key is not asked again.
func (d *APIDialer) connection(ctx context.Context, r *route) (host remote.Host, fresh bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn != nil {
		return r.conn, false, nil
	}
	if r.err != nil && (refused(r.err) || d.engine.Now().Sub(r.last) < reconnectPause) {
		return nil, false, r.err
	}
	conn, err := d.engine.Options.Connect(ctx, r.host)
	r.last, r.err = d.engine.Now(), err
	if err != nil {
		return nil, false, err
	}
	if r.known || d.engine.Only == nil {
		d.engine.emit(event.Event{Kind: event.Message, Host: r.host.Name, Message: "connected again"})
	}
	r.conn, r.own, r.known = conn, true, true
	return conn, true, nil
}

func refused(err error) bool {
	return errors.Is(err, sshhost.ErrAuth) || errors.Is(err, sshhost.ErrHostKey) || errors.Is(err, sshhost.ErrSudo)
}

// drop forgets a lost connection; whoever comes next makes another.
func (r *route) drop(lost remote.Host) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn != lost {
		return
	}
	if r.own {
		_ = lost.Close() // it is lost already
	}
	r.conn, r.own, r.err = nil, false, nil
}

// Close ends the connections that were made here.
func (d *APIDialer) Close() error {
	var errs []error
	for _, r := range d.routes {
		r.mu.Lock()
		if r.own {
			errs = append(errs, r.conn.Close())
		}
		r.conn, r.own = nil, false
		r.mu.Unlock()
	}
	return errors.Join(errs...)
}
