package wire

import (
	"io"
	"sync"
	"sync/atomic"
)

// transport makes any stream of bytes fit for yamux, which closes a session by closing its transport and waiting until a Read of it returns, and
// which spins meanwhile. Neither standard input nor an SSH channel whose host is gone end a Read on Close; this does. It also counts.
type transport struct {
	rw             io.ReadWriteCloser
	in             *io.PipeReader
	close          func() error
	sent, received atomic.Int64
}

func newTransport(rw io.ReadWriteCloser) *transport {
	r, w := io.Pipe()
	t := &transport{rw: rw, in: r, close: sync.OnceValue(rw.Close)}
	go func() {
		buf := make([]byte, 16<<10)
		for {
			n, err := rw.Read(buf)
			if n > 0 {
				t.received.Add(int64(n))
				if _, werr := w.Write(buf[:n]); werr != nil {
					return
				}
			}
			if err != nil {
				_ = w.CloseWithError(err)
				return
			}
		}
	}()
	return t
}

func (t *transport) Read(p []byte) (int, error) { return t.in.Read(p) }

func (t *transport) Write(p []byte) (int, error) {
	n, err := t.rw.Write(p)
	t.sent.Add(int64(n))
	return n, err
}

func (t *transport) Close() error {
	_ = t.in.Close()
	return t.close()
}
