package wire

import (
	"encoding/json"
	"errors"
	"io"
	"net"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

type halfCloser interface{ CloseWrite() error }

// dial answers Dial: it connects and then moves bytes between the stream and the connection until both directions have ended.
func (x *exchange) dial(h hostapi.Handler, body json.RawMessage) {
	to, err := decode[hostapi.Endpoint](body)
	if err != nil {
		x.fail(err)
		return
	}
	// While connecting, only the end of the stream can come: the engine sends data after the result. Peek does not consume.
	peeked := make(chan struct{})
	go func() {
		defer close(peeked)
		if _, err := x.r.Peek(1); err != nil {
			x.cancel()
		}
	}()
	conn, err := h.Dial(x.ctx, to)
	if err != nil {
		x.fail(err)
		return
	}
	defer conn.Close()
	x.answer(nil)

	up := make(chan struct{})
	go func() {
		defer close(up)
		<-peeked
		x.toConn(conn)
	}()
	x.fromConn(conn)
	<-up
}

// toConn moves data from the engine to conn; the end of the stream ends the connection.
func (x *exchange) toConn(conn net.Conn) {
	broken := false
	for {
		f, err := readFrame(x.r)
		if err != nil {
			_ = conn.Close()
			return
		}
		switch {
		case f.kind == kindHalfClose:
			if hc, ok := conn.(halfCloser); ok {
				_ = hc.CloseWrite()
			}
		case f.kind == kindData && !broken:
			if _, err := conn.Write(f.payload); err != nil {
				// What the other end said before it closed may still be read: go on discarding until the engine closes.
				broken = true
			}
		}
	}
}

// fromConn moves data from conn to the engine.
func (x *exchange) fromConn(conn net.Conn) {
	buf := make([]byte, maxData/2)
	for {
		n, err := conn.Read(buf)
		if n > 0 {
			if werr := x.raw(kindData, buf[:n]); werr != nil {
				_ = conn.Close()
				return
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			_ = x.raw(kindHalfClose, nil)
			if _, ok := conn.(halfCloser); !ok {
				_ = x.stream.Close()
			}
			return
		default:
			x.fail(err)
			_ = x.stream.Close()
			return
		}
	}
}

func (x *exchange) raw(k kind, payload []byte) error {
	x.write.Lock()
	defer x.write.Unlock()
	return writeFrame(x.stream, k, payload)
}
