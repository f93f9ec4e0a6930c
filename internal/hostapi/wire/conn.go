package wire

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/yamux"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Conn is a connection made by the host. CloseWrite ends the sending direction only.
type Conn struct {
	client *Client
	stream *yamux.Stream
	to     addr
	closed atomic.Bool

	readMu sync.Mutex
	r      *bufio.Reader
	left   int   // bytes of the data frame at hand
	end    error // what every further Read gives

	writeMu  sync.Mutex
	finished bool // CloseWrite was called
}

type addr struct{ network, address string }

func (a addr) Network() string { return a.network }
func (a addr) String() string  { return a.address }

func newConn(c *Client, s *yamux.Stream, r *bufio.Reader, to *hostapi.Endpoint) *Conn {
	return &Conn{client: c, stream: s, r: r, to: addr{to.Network, to.Address}}
}

// Read implements net.Conn. A deadline may pass in the middle of a frame without harm: the header is consumed only when it is complete.
func (c *Conn) Read(p []byte) (int, error) {
	c.readMu.Lock()
	defer c.readMu.Unlock()
	if c.closed.Load() {
		return 0, net.ErrClosed
	}
	if c.end != nil {
		return 0, c.end
	}
	if len(p) == 0 {
		return 0, nil
	}
	for c.left == 0 {
		if err := c.nextFrame(); err != nil {
			return 0, err
		}
	}
	n, err := c.r.Read(p[:min(len(p), c.left)])
	c.left -= n
	if n > 0 {
		return n, nil
	}
	return 0, c.ended(err)
}

func (c *Conn) nextFrame() error {
	h, err := c.r.Peek(headerSize)
	if err != nil {
		return c.ended(err)
	}
	k, n, err := parseHeader(h)
	if err != nil {
		c.end = err
		return err
	}
	switch k {
	case kindData:
		_, _ = c.r.Discard(headerSize)
		c.left = n
		return nil
	case kindHalfClose:
		c.end = io.EOF
	case kindError:
		f, err := readFrame(c.r)
		if err != nil {
			return c.ended(err)
		}
		c.end = &net.OpError{Op: "read", Net: c.to.network, Addr: c.to, Err: decodeError(f.payload)}
	default:
		c.end = errors.New("unexpected frame in a connection through the helper")
	}
	return c.end
}

// ended translates an error of the stream. Only a passed deadline leaves the connection usable.
func (c *Conn) ended(err error) error {
	if c.closed.Load() {
		c.end = net.ErrClosed
		return c.end
	}
	if e, ok := err.(net.Error); ok && e.Timeout() {
		return os.ErrDeadlineExceeded
	}
	switch {
	case errors.Is(err, io.EOF) && !c.client.session.IsClosed():
		c.end = net.ErrClosed
	default:
		c.end = c.client.lost(err)
	}
	return c.end
}

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (int, error) {
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	if c.finished {
		return 0, net.ErrClosed
	}
	total := 0
	for total < len(p) {
		n := min(len(p)-total, maxData/2)
		if err := writeFrame(c.stream, kindData, p[total:total+n]); err != nil {
			// A frame may be cut: nothing may follow it, not even the half-close.
			c.finished = true
			_ = c.stream.Close()
			if c.closed.Load() {
				return total, net.ErrClosed
			}
			if e, ok := err.(net.Error); ok && e.Timeout() {
				return total, os.ErrDeadlineExceeded
			}
			return total, err
		}
		total += n
	}
	return total, nil
}

// CloseWrite tells the other end that nothing more will be sent.
func (c *Conn) CloseWrite() error {
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	if c.finished {
		return nil
	}
	c.finished = true
	return writeFrame(c.stream, kindHalfClose, nil)
}

// Close ends both directions. A reader that waits is woken.
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	_ = c.stream.SetReadDeadline(time.Unix(1, 0))
	return c.stream.Close()
}

// LocalAddr implements net.Conn.
func (c *Conn) LocalAddr() net.Addr { return addr{"helper", "helper"} }

// RemoteAddr implements net.Conn.
func (c *Conn) RemoteAddr() net.Addr { return c.to }

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error { return c.stream.SetDeadline(t) }

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.stream.SetReadDeadline(t) }

// SetWriteDeadline implements net.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.stream.SetWriteDeadline(t) }

var _ net.Conn = (*Conn)(nil)
