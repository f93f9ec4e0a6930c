package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hashicorp/yamux"
)

// Version is the version of the protocol. Both sides must have the same: engine and helper come from one build.
const Version = 1

// maxNoise bounds what may come before the preamble.
const maxNoise = 64 << 10

var magic = []byte("\x00trivet\x00")

func writePreamble(w io.Writer) error {
	_, err := w.Write(binary.BigEndian.AppendUint16(bytes.Clone(magic), Version))
	return err
}

// readPreamble skips noise up to the magic and returns the version after it. It reads byte by byte so as to take nothing of what follows.
func readPreamble(r io.Reader) (version uint16, noise []byte, err error) {
	var seen []byte
	one := make([]byte, 1)
	for !bytes.HasSuffix(seen, magic) {
		if len(seen) > maxNoise {
			return 0, seen, fmt.Errorf("no preamble within %d bytes", maxNoise)
		}
		if _, err := io.ReadFull(r, one); err != nil {
			return 0, seen, err
		}
		seen = append(seen, one[0])
	}
	v := make([]byte, 2)
	if _, err := io.ReadFull(r, v); err != nil {
		return 0, seen, err
	}
	return binary.BigEndian.Uint16(v), bytes.TrimSuffix(seen, magic), nil
}

// printable returns the start of what a host printed, on one line.
func printable(b []byte) string {
	const most = 300
	s := strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case r < ' ' || r == 0x7f:
			return -1
		}
		return r
	}, strings.ToValidUTF8(string(b), "?"))
	s = strings.TrimSpace(s)
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// VersionError reports that the other side speaks another version of the protocol.
type VersionError struct {
	Ours, Theirs uint16
}

// Error implements error.
func (e *VersionError) Error() string {
	return fmt.Sprintf("protocol version %d on the other side, %d here: engine and helper must come from the same build", e.Theirs, e.Ours)
}

func sessionConfig() *yamux.Config {
	c := yamux.DefaultConfig()
	c.AcceptBacklog = 1024
	// Keepalives let the helper notice an engine that vanished without closing its connection. The answer may queue behind data on a
	// slow line, hence the long timeout.
	c.KeepAliveInterval = 20 * time.Second
	c.ConnectionWriteTimeout = 60 * time.Second
	c.StreamOpenTimeout = 75 * time.Second
	c.StreamCloseTimeout = 5 * time.Minute
	c.MaxStreamWindowSize = 8 << 20
	// yamux logs what its callers also get as an error.
	c.LogOutput = io.Discard
	return c
}
