package sshhost

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/trivet-dev/trivet/internal/hostapi/wire"
)

// tail keeps the first and the last bytes of what a command prints on standard error: a panic explains itself at the top, most others at the end.
type tail struct {
	mu      sync.Mutex
	head    []byte
	last    []byte
	skipped bool
	watch   func(all []byte) // sees everything kept so far, after each write
}

const tailSize = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	t.mu.Lock()
	if room := tailSize - len(t.head); room > 0 {
		k := min(room, len(p))
		t.head = append(t.head, p[:k]...)
		p = p[k:]
	}
	t.last = append(t.last, p...)
	if extra := len(t.last) - tailSize; extra > 0 {
		t.last = append(t.last[:0], t.last[extra:]...)
		t.skipped = true
	}
	watch := t.watch
	t.mu.Unlock()
	if watch != nil {
		watch(t.bytes())
	}
	return n, nil
}

// ReadFrom implements io.ReaderFrom with a small buffer: io.Copy would hold 32 KiB for each of a thousand helpers, which say next to nothing.
func (t *tail) ReadFrom(r io.Reader) (int64, error) {
	buf := make([]byte, 512)
	var all int64
	for {
		n, err := r.Read(buf)
		all += int64(n)
		if n > 0 {
			_, _ = t.Write(buf[:n]) // never fails
		}
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

func (t *tail) bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := bytes.Clone(t.head)
	if t.skipped {
		b = append(b, "\n…\n"...)
	}
	return append(b, t.last...)
}

func (t *tail) String() string { return string(t.bytes()) }

// oneLine makes what a host printed fit into a message.
func oneLine(s string) string {
	const most = 600
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + " …"
	}
	return s
}

// session opens a session within ctx.
func (c *conn) session(ctx context.Context) (*ssh.Session, error) {
	type result struct {
		s   *ssh.Session
		err error
	}
	got := make(chan result, 1)
	go func() {
		s, err := c.client.NewSession()
		got <- result{s, err}
	}()
	select {
	case r := <-got:
		if r.err != nil {
			return nil, c.broken(r.err)
		}
		return r.s, nil
	case <-ctx.Done():
		go func() {
			if r := <-got; r.s != nil {
				_ = r.s.Close()
			}
		}()
		return nil, context.Cause(ctx)
	}
}

// broken explains an error of the connection.
func (c *conn) broken(err error) error {
	if why := c.why(); why != "" {
		return &wire.LostError{Diagnosis: why, Err: err}
	}
	var open *ssh.OpenChannelError
	if errors.As(err, &open) {
		return fmt.Errorf("the server opens no more sessions (MaxSessions): %w", err)
	}
	if errors.Is(err, io.EOF) || c.ended() {
		return &wire.LostError{Diagnosis: "the SSH connection ended", Err: err}
	}
	return err
}

// run carries out a short command and returns its standard output. The exit status is an *ssh.ExitError.
func (c *conn) run(ctx context.Context, command string) (stdout, stderr string, err error) {
	s, err := c.session(ctx)
	if err != nil {
		return "", "", err
	}
	var out bytes.Buffer
	var errs tail
	s.Stdout, s.Stderr = &limited{w: &out, left: 1 << 20}, &errs
	done := make(chan error, 1)
	go func() { done <- s.Run(command) }()
	select {
	case err := <-done:
		_ = s.Close()
		if err != nil && !errors.As(err, new(*ssh.ExitError)) {
			err = c.broken(err)
		}
		return out.String(), errs.String(), err
	case <-ctx.Done():
		go s.Close()
		return "", "", context.Cause(ctx)
	}
}

// limited drops what is above a bound.
type limited struct {
	w    io.Writer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.left)
	l.left -= n
	if _, err := l.w.Write(p[:n]); err != nil {
		return 0, err
	}
	return len(p), nil
}
