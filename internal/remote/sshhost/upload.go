package sshhost

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	scp "github.com/bramvdbogaerde/go-scp"
	"golang.org/x/crypto/ssh"

	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/shell"
)

// maxTransfers bounds uploads at once on one connection: sshd allows 10 sessions (MaxSessions), one of which is the helper's.
const maxTransfers = 4

// stager stages uploads with scp beside the helper.
type stager struct {
	c    *conn
	dir  string
	gate semaphore
}

func newStager(c *conn, dir string) *stager {
	return &stager{c: c, dir: dir, gate: make(semaphore, maxTransfers)}
}

// Stage implements remote.Uploader.
func (s *stager) Stage(ctx context.Context, content io.Reader, blob hostapi.Blob, progress func(int64)) (string, error) {
	if err := s.gate.acquire(ctx); err != nil {
		return "", err
	}
	defer s.gate.release()
	target := path.Join(s.dir, "upload-"+rand.Text())
	if err := copyTo(ctx, s.c, content, target, blob.Size, progress); err != nil {
		s.discard(target)
		return "", err
	}
	return target, nil
}

// discard removes what a failed upload left. The caller's ctx may have ended: it takes no longer than a bound here, and goes on in the background.
func (s *stager) discard(target string) {
	if s.c.ended() {
		return // ScriptProbe of a later run removes it
	}
	line, err := shell.Script(ScriptDiscard, target).Build()
	if err != nil {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		session, err := s.c.client.NewSession()
		if err != nil {
			return
		}
		defer session.Close()
		_ = session.Run(line)
	}()
	select {
	case <-done:
	case <-time.After(300 * time.Millisecond):
	}
}

// gated is a reader that go-scp reads in a goroutine which may outlive the copy: after shut it reads nothing more from the caller's reader.
type gated struct {
	lock     chan struct{} // a mutex that can be waited for with a bound
	r        io.Reader
	left     int64
	sent     int64
	progress func(int64)
	err      error
	closed   atomic.Bool
}

var errShut = errors.New("the transfer was broken off")

func (g *gated) Read(p []byte) (int, error) {
	g.lock <- struct{}{}
	defer func() { <-g.lock }()
	switch {
	case g.closed.Load():
		return 0, errShut
	case g.err != nil:
		return 0, g.err
	case g.left == 0:
		return 0, io.EOF
	}
	n, err := g.r.Read(p[:min(int64(len(p)), g.left)])
	g.left -= int64(n)
	g.sent += int64(n)
	if g.progress != nil && n > 0 && !g.closed.Load() {
		g.progress(g.sent)
	}
	if err == io.EOF && g.left > 0 {
		err = fmt.Errorf("the content ended %d bytes early", g.left)
	}
	if err != nil && err != io.EOF {
		g.err = err
	}
	return n, err
}

// shut lets no further read through and waits, within bounds, for one in progress. It returns the error of the caller's reader, if that had one.
func (g *gated) shut() error {
	g.closed.Store(true)
	select {
	case g.lock <- struct{}{}:
		defer func() { <-g.lock }()
		return g.err
	case <-time.After(200 * time.Millisecond):
		return nil
	}
}

// copyTo sends content with scp. The target must be of safe characters: go-scp quotes it with %q.
func copyTo(ctx context.Context, c *conn, content io.Reader, target string, size int64, progress func(int64)) error {
	if !stagingPath.MatchString(target) {
		return fmt.Errorf("staging path %q has characters that scp cannot be given", target)
	}
	client, err := scp.NewClientBySSH(c.client)
	if err != nil {
		return c.broken(err)
	}
	g := &gated{lock: make(chan struct{}, 1), r: content, left: size, progress: progress}
	// go-scp heeds ctx only once the remote command runs, and then closes its pipe while it writes to it. Here the end of ctx is the end of what it
	// reads; a write that a silent host holds up ends with the connection.
	done := make(chan error, 1)
	go func() { done <- client.Copy(context.WithoutCancel(ctx), g, target, "0600", size) }()
	select {
	case err = <-done:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if rerr := g.shut(); rerr != nil {
		return fmt.Errorf("reading what is to be sent: %w", rerr)
	}
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		// scp should have ended before its file is removed.
		select {
		case <-done:
		case <-time.After(300 * time.Millisecond):
		}
		return cause
	}
	if full := noRoom(ctx, c, target, size, err); full != nil {
		return full
	}
	return copyError(c, err)
}

// noRoom asks, after scp failed, whether it was for want of room: what scp said of it is lost in go-scp, where the exit status comes first.
func noRoom(ctx context.Context, c *conn, target string, size int64, err error) error {
	var exit *ssh.ExitError
	if !errors.As(err, &exit) || exit.ExitStatus() == 127 {
		return nil
	}
	dir := path.Dir(target)
	line, err := shell.Script(ScriptRoom, dir).Build()
	if err != nil {
		return nil
	}
	out, _, err := c.run(ctx, line)
	if err != nil {
		return nil // the first error says enough
	}
	// filesystem size used available capacity mount
	var free []int64
	for l := range strings.Lines(out) {
		if f := strings.Fields(l); len(f) >= 6 {
			if n, err := strconv.ParseInt(f[3], 10, 64); err == nil {
				free = append(free, n)
			}
		}
	}
	what := ""
	switch {
	case len(free) > 0 && free[0]<<10 < size:
		what = fmt.Sprintf("%d KiB are free in %s", free[0], dir)
	case len(free) > 1 && free[1] == 0:
		what = "no inode is free in " + dir
	default:
		return nil
	}
	return &hostapi.Error{Code: hostapi.CodeDiskFull, Op: -1, Message: "No space left on device: " + what, Remedy: "free space in " + dir + " on the host, or set another folder with staging, and apply again"}
}

func copyError(c *conn, err error) error {
	var exit *ssh.ExitError
	if errors.As(err, &exit) {
		if exit.ExitStatus() == 127 {
			return errors.New("scp is not installed there; install openssh-client (Debian) or openssh-clients (Red Hat)")
		}
		return err
	}
	// The end of the channel, or a failed write, may be seen a moment before the end of the connection.
	select {
	case <-c.done:
		return c.broken(io.EOF)
	case <-time.After(200 * time.Millisecond):
	}
	if errors.Is(err, io.EOF) || errors.As(err, new(*ssh.ExitMissingError)) {
		return errors.New("scp ended early on the host")
	}
	if strings.Contains(err.Error(), "does not follow scp protocol") {
		return errors.New("the host prints something at login, which scp takes for an answer; print nothing from ~/.bashrc, /etc/profile and the like when the " +
			"shell is not interactive")
	}
	return err
}
