package remotetest

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/ssh"

	"github.com/trivet-dev/trivet/internal/hostapi"
	protocol "github.com/trivet-dev/trivet/internal/hostapi/wire"
	"github.com/trivet-dev/trivet/internal/remote/sshhost"
)

// Helper runs as the helper on the session's standard input and output, and returns its exit status. It must end when rw does or ctx ends.
type Helper func(ctx context.Context, rw io.ReadWriteCloser, stderr io.Writer) (status int)

// ServeHandler is the Helper that answers with h over the real protocol.
func ServeHandler(h hostapi.Handler) Helper {
	return func(ctx context.Context, rw io.ReadWriteCloser, stderr io.Writer) int {
		if err := protocol.Serve(ctx, rw, h); err != nil {
			fmt.Fprintln(stderr, err)
			return 1
		}
		return 0
	}
}

// join moves bytes both ways, half-closes included.
func join(ctx context.Context, conn net.Conn, ch ssh.Channel) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close(); _ = ch.Close() })
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(conn, ch)
		if hc, ok := conn.(interface{ CloseWrite() error }); ok {
			_ = hc.CloseWrite()
		}
	}()
	_, _ = io.Copy(ch, conn)
	_ = ch.CloseWrite()
	<-done
}

func (s *Server) session(ctx context.Context, ch ssh.Channel, reqs <-chan *ssh.Request) {
	defer ch.Close()
	for r := range reqs {
		if r.Type != "exec" {
			_ = r.Reply(false, nil)
			continue
		}
		var command struct{ Line string }
		if err := ssh.Unmarshal(r.Payload, &command); err != nil {
			_ = r.Reply(false, nil)
			continue
		}
		_ = r.Reply(true, nil)
		// The end of the channel shows as the end of its requests.
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() {
			for r := range reqs {
				_ = r.Reply(false, nil)
			}
			cancel()
		}()
		status := s.exec(ctx, command.Line, ch)
		_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(status)}))
		return
	}
}

func (s *Server) exec(ctx context.Context, line string, ch ssh.Channel) int {
	words, err := split(line)
	if err == nil && len(words) > 1 {
		switch {
		case len(words) >= 4 && words[0] == "/bin/sh" && words[1] == "-c":
			if status, ok := s.script(words[2], words[4:], ch); ok {
				return status
			}
		case words[0] == "scp" && words[1] == "-qt" && len(words) == 3:
			return s.sink(words[2], ch)
		case words[0] == "env" && len(words) > 4 && words[2] == "sudo":
			return s.sudo(ctx, words[3:], ch)
		case words[1] == "serve" && len(words) == 2:
			return s.helper(ctx, words[0], ch)
		}
	}
	s.mu.Lock()
	s.unexpected = append(s.unexpected, line)
	s.mu.Unlock()
	fmt.Fprintf(ch.Stderr(), "unexpected command: %s\n", line)
	return 126
}

func (s *Server) script(script string, args []string, ch ssh.Channel) (status int, known bool) {
	switch {
	case script == sshhost.ScriptProbe && len(args) == 1:
		s.probe(args[0], ch)
	case script == sshhost.ScriptPlace && len(args) == 3:
		return s.place(args[0], args[1], args[2], ch), true
	case script == sshhost.ScriptDiscard && len(args) == 1:
		if err := os.Remove(args[0]); err != nil && !errors.Is(err, os.ErrNotExist) {
			return 1, true
		}
	case script == sshhost.ScriptClear && len(args) == 1:
		return removeFolder(args[0], ch), true
	default:
		return 0, false
	}
	return 0, true
}

func removeFolder(dir string, ch ssh.Channel) int {
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(ch.Stderr(), err)
		return 1
	}
	return 0
}

func (s *Server) probe(dir string, ch ssh.Channel) {
	o := &s.options
	fmt.Fprintf(ch, "trivet-probe-begin\nuname=%s\nuid=%d\n", o.System, o.UID)
	if !o.NoSystemd {
		fmt.Fprintln(ch, "init=systemd")
	}
	if !o.NoSCP {
		fmt.Fprintln(ch, "scp=yes")
	}
	fmt.Fprintln(ch, "sudo=yes")
	if dir == "" {
		dir = o.Staging
	}
	_ = os.Mkdir(dir, 0o700) // what becomes of it is told below
	fmt.Fprintf(ch, "dir=%s\nstat=drwx------ 2 %d %d 4096 Jan  1 00:00 %s\n", dir, o.UID, o.UID, dir)
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			fmt.Fprintf(ch, "file=%s 1 %d %d %d Jan  1 00:00 %s\n", info.Mode(), o.UID, o.UID, info.Size(), e.Name())
		}
	}
	fmt.Fprintln(ch, "trivet-probe-end")
}

func (s *Server) place(from, to, digest string, ch ssh.Channel) int {
	b, err := os.ReadFile(from)
	if err != nil {
		fmt.Fprintln(ch.Stderr(), err)
		return 4
	}
	sum := sha256.Sum256(b)
	if hex.EncodeToString(sum[:]) != digest {
		_ = os.Remove(from)
		fmt.Fprintf(ch.Stderr(), "got %x\n", sum)
		return 3
	}
	if err := errors.Join(os.Chmod(from, 0o700), os.Rename(from, to)); err != nil {
		fmt.Fprintln(ch.Stderr(), err)
		return 1
	}
	return 0
}

// sink is scp -t for one file.
func (s *Server) sink(path string, ch ssh.Channel) int {
	if s.options.NoSCP {
		fmt.Fprintln(ch.Stderr(), "sh: scp: not found")
		return 127
	}
	fail := func(err error) int {
		fmt.Fprintf(ch, "\x01scp: %v\n", err)
		return 1
	}
	r := bufio.NewReaderSize(ch, 64<<10)
	// go-scp sends the header without waiting for the first acknowledgement, and takes the next for it: only one is sent here for both.
	header, err := r.ReadString('\n')
	if err != nil {
		return 1
	}
	f := strings.Fields(header)
	if len(f) != 3 || !strings.HasPrefix(f[0], "C") {
		return fail(fmt.Errorf("protocol error: %q", header))
	}
	size, err := strconv.ParseInt(f[1], 10, 64)
	if err != nil {
		return fail(err)
	}
	out, err := os.OpenFile(filepath.Clean(path), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fail(err)
	}
	defer out.Close()
	_, _ = ch.Write([]byte{0})
	if _, err := io.CopyN(out, r, size); err != nil {
		return 1
	}
	if b, err := r.ReadByte(); err != nil || b != 0 {
		return 1
	}
	_, _ = ch.Write([]byte{0})
	return 0
}

func (s *Server) sudo(ctx context.Context, words []string, ch ssh.Channel) int {
	user := s.options.User
	sep := slices.Index(words, "--")
	if sep < 0 || len(words) != sep+3 {
		fmt.Fprintln(ch.Stderr(), "usage: sudo …")
		return 1
	}
	switch s.options.Sudo {
	case SudoDenied:
		fmt.Fprintf(ch.Stderr(), "%s is not in the sudoers file.\n", user)
		return 1
	case SudoTTY:
		fmt.Fprintln(ch.Stderr(), "sudo: sorry, you must have a tty to run sudo")
		return 1
	case SudoPassword:
		if words[0] == "-n" {
			fmt.Fprintln(ch.Stderr(), "sudo: a password is required")
			return 1
		}
		if !s.askPassword(words[2], ch) {
			return 1
		}
	}
	return s.helper(ctx, words[sep+1], ch)
}

// askPassword asks up to three times, as sudo does.
func (s *Server) askPassword(prompt string, ch ssh.Channel) bool {
	for range 3 {
		fmt.Fprint(ch.Stderr(), prompt)
		var got []byte
		one := make([]byte, 1)
		for {
			if _, err := io.ReadFull(ch, one); err != nil {
				return false
			}
			if one[0] == '\n' {
				break
			}
			got = append(got, one[0])
		}
		if string(got) == s.options.Password {
			return true
		}
		fmt.Fprintln(ch.Stderr(), "Sorry, try again.")
	}
	fmt.Fprintln(ch.Stderr(), "sudo: 3 incorrect password attempts")
	return false
}

func (s *Server) helper(ctx context.Context, program string, ch ssh.Channel) int {
	info, err := os.Stat(program)
	if err != nil || info.Mode()&0o100 == 0 {
		fmt.Fprintf(ch.Stderr(), "sh: %s: Permission denied\n", program)
		return 126
	}
	if s.options.Helper == nil {
		fmt.Fprintln(ch.Stderr(), "this server has no helper")
		return 1
	}
	return s.options.Helper(ctx, &stdio{Channel: ch}, ch.Stderr())
}

// stdio is a helper's standard input and output. Close ends writing only: the channel stays open for the exit status.
type stdio struct {
	ssh.Channel
	closed atomic.Bool
}

func (s *stdio) Write(p []byte) (int, error) {
	if s.closed.Load() {
		return 0, io.ErrClosedPipe
	}
	return s.Channel.Write(p)
}

// Close implements io.Closer.
func (s *stdio) Close() error {
	s.closed.Store(true)
	return nil
}

// split takes a command line apart that was made by package shell or, for scp, by %q. It knows no expansion, and refuses what would need one.
func split(line string) ([]string, error) {
	var words []string
	for i := 0; i < len(line); {
		if line[i] == ' ' {
			i++
			continue
		}
		var w strings.Builder
		for i < len(line) && line[i] != ' ' {
			switch c := line[i]; c {
			case '\'':
				end := strings.IndexByte(line[i+1:], '\'')
				if end < 0 {
					return nil, errors.New("quote without end")
				}
				w.WriteString(line[i+1 : i+1+end])
				i += end + 2
			case '"':
				end := strings.IndexByte(line[i+1:], '"')
				if end < 0 || strings.ContainsAny(line[i+1:i+1+end], "$`\\") {
					return nil, errors.New("double quotes that a shell would expand")
				}
				w.WriteString(line[i+1 : i+1+end])
				i += end + 2
			case '\\':
				if i+1 >= len(line) {
					return nil, errors.New("backslash at the end")
				}
				w.WriteByte(line[i+1])
				i += 2
			case '$', '`', ';', '&', '|', '<', '>', '(', ')', '*', '?':
				return nil, fmt.Errorf("unquoted %q", c)
			default:
				w.WriteByte(c)
				i++
			}
		}
		words = append(words, w.String())
	}
	return words, nil
}
