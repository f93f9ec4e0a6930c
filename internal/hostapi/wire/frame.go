package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// Limits of the protocol.
const (
	// MaxMessage bounds a request, an event, a result or an error.
	MaxMessage = 64 << 20
	// maxData bounds a data frame.
	maxData = 64 << 10
	// headerSize is one byte of kind and four of length, big-endian.
	headerSize = 5
	// writeChunk bounds one write to yamux, whose write timeout is per write.
	writeChunk = 64 << 10
)

type kind byte

const (
	kindRequest   kind = 'q'
	kindEvent     kind = 'e'
	kindResult    kind = 'r'
	kindError     kind = 'x'
	kindData      kind = 'd'
	kindHalfClose kind = 'h'
)

func (k kind) limit() int {
	switch k {
	case kindRequest, kindEvent, kindResult, kindError:
		return MaxMessage
	case kindData:
		return maxData
	case kindHalfClose:
		return 0
	}
	return -1
}

type frame struct {
	kind    kind
	payload []byte
}

// SizeError reports a message above its limit.
type SizeError struct {
	What  string
	Size  int
	Limit int
}

// Error implements error.
func (e *SizeError) Error() string {
	return fmt.Sprintf("%s of %d bytes is above the protocol's limit of %d", e.What, e.Size, e.Limit)
}

func parseHeader(h []byte) (kind, int, error) {
	k := kind(h[0])
	limit := k.limit()
	if limit < 0 {
		return 0, 0, fmt.Errorf("unknown frame kind 0x%02x", h[0])
	}
	n := binary.BigEndian.Uint32(h[1:headerSize])
	if uint64(n) > uint64(limit) {
		return 0, 0, &SizeError{What: fmt.Sprintf("frame %q", string(rune(k))), Size: int(n), Limit: limit}
	}
	return k, int(n), nil
}

// readFrame reads one frame. Memory grows with the bytes that arrive, not with the announced length. io.EOF means that the stream ended between
// frames.
func readFrame(r io.Reader) (frame, error) {
	var h [headerSize]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return frame{}, err
	}
	k, n, err := parseHeader(h[:])
	if err != nil {
		return frame{}, err
	}
	if n == 0 {
		return frame{kind: k}, nil
	}
	var buf bytes.Buffer
	buf.Grow(min(n, 64<<10))
	if _, err := io.CopyN(&buf, r, int64(n)); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return frame{}, err
	}
	return frame{kind: k, payload: buf.Bytes()}, nil
}

// writeFrame writes one frame, in pieces that yamux can send within its write timeout.
func writeFrame(w io.Writer, k kind, payload []byte) error {
	if len(payload) > k.limit() {
		return &SizeError{What: "message", Size: len(payload), Limit: k.limit()}
	}
	b := make([]byte, headerSize+len(payload))
	b[0] = byte(k)
	binary.BigEndian.PutUint32(b[1:], uint32(len(payload)))
	copy(b[headerSize:], payload)
	for len(b) > 0 {
		n := min(len(b), writeChunk)
		if _, err := w.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}
