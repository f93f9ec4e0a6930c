package bootstrap_test

import (
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trivet-dev/trivet/bootstrap"
)

// pipes is a listener of connections inside of the process.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "unix"} }

// TestWhileUsed ends a listener after nobody has been connected for as long as was set, and not while somebody is, however quiet.
func TestWhileUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &pipes{make(chan net.Conn), make(chan struct{})}
		l := bootstrap.WhileUsed(inner, time.Hour)
		ended := make(chan error, 1)
		accepted := make(chan net.Conn)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					ended <- err
					return
				}
				accepted <- c
			}
		}()
		connect := func() net.Conn {
			near, far := net.Pipe()
			t.Cleanup(func() { near.Close() })
			inner.conns <- far
			return <-accepted
		}
		goesOn := func(later time.Duration) {
			t.Helper()
			time.Sleep(later) // of the test's own time
			synctest.Wait()
			select {
			case err := <-ended:
				t.Fatalf("it ended with %v", err)
			default:
			}
		}
		goesOn(59 * time.Minute)
		first, second := connect(), connect()
		goesOn(3 * time.Hour)
		first.Close()
		first.Close() // which counts once
		goesOn(3 * time.Hour)
		second.Close()
		if _, err := second.Write([]byte("late")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("the connection is still open: %v", err)
		}
		goesOn(59 * time.Minute)
		third := connect()
		third.Close()
		left := time.Now()
		if err := <-ended; !errors.Is(err, bootstrap.ErrUnused) || time.Since(left) != time.Hour {
			t.Errorf("it ended with %v after %s", err, time.Since(left))
		}
	})
}
