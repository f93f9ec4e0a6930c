package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// ServeTunnel carries connections that l accepts over those that dial makes, until ctx ends.
func ServeTunnel(ctx context.Context, l net.Listener, dial func(context.Context) (net.Conn, error), trouble func(error)) error {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("the tunnel ended: %w", err)
		}
		wg.Go(func() {
			defer conn.Close()
			api, err := dial(ctx)
			if err != nil {
				if ctx.Err() == nil {
					trouble(err)
				}
				return
			}
			carry(ctx, conn, api)
		})
	}
}

// carry copies both ways until one side ends.
func carry(ctx context.Context, a, b net.Conn) {
	done := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{a, b}, {b, a}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1]) // either end may break off; both are closed then
			done <- struct{}{}
		}()
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
	a.Close()
	b.Close()
}

// ErrUnused is why a listener of WhileUsed accepts no more.
var ErrUnused = errors.New("nobody has been connected for as long as was set")

// WhileUsed gives a listener that ends once no connection that it accepted has been open for so long.
func WhileUsed(l net.Listener, idle time.Duration) net.Listener {
	u := &whileUsed{Listener: l, idle: idle}
	u.timer = time.AfterFunc(idle, u.unused)
	return u
}

type whileUsed struct {
	net.Listener
	idle  time.Duration
	timer *time.Timer
	mu    sync.Mutex
	open  int
	ended bool
}

// unused ends the listener, unless a connection came while the timer went off.
func (u *whileUsed) unused() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.open == 0 {
		u.ended = true
		_ = u.Listener.Close() // nobody is told of it but who accepts
	}
}

// Accept implements net.Listener.
func (u *whileUsed) Accept() (net.Conn, error) {
	c, err := u.Listener.Accept()
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case err != nil && u.ended:
		return nil, ErrUnused
	case err != nil:
		return nil, err
	}
	u.open++
	u.timer.Stop()
	return &usedConn{Conn: c, closed: sync.OnceFunc(u.left)}, nil
}

func (u *whileUsed) left() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.open--; u.open == 0 {
		u.timer.Reset(u.idle)
	}
}

// Close implements net.Listener.
func (u *whileUsed) Close() error {
	u.timer.Stop()
	return u.Listener.Close()
}

type usedConn struct {
	net.Conn
	closed func()
}

// Close implements net.Conn.
func (c *usedConn) Close() error {
	c.closed()
	return c.Conn.Close()
}
