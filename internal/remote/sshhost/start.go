package sshhost

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/trivet-dev/trivet/internal/remote"
	"github.com/trivet-dev/trivet/internal/shell"
)

// startTimeout bounds the time from starting the helper to its greeting, sudo's question included.
const startTimeout = 60 * time.Second

// host is a remote.Host that owns its SSH connection.
type host struct {
	remote.Host
	c *conn
}

// Close ends the helper, then the connection.
func (h *host) Close() error {
	err := h.Host.Close()
	h.c.close()
	return err
}

// start makes a logged-in connection a host: one command asks what it is, the helper is uploaded if it is missing, and started.
func (p *Pool) start(ctx context.Context, cfg *Config, c *conn) (remote.Host, error) {
	if cfg.Helper == nil {
		return nil, fmt.Errorf("%s: no helper is given", c.e)
	}
	if !cfg.Fleeting {
		return p.startIn(ctx, cfg, c, cfg.Staging)
	}
	dir := path.Join(cmp.Or(cfg.Staging, memoryStaging), "trivet-"+rand.Text())
	h, err := p.startIn(ctx, cfg, c, dir)
	if cerr := tidy(ctx, c, dir); cerr != nil && !c.ended() {
		if h != nil {
			_ = h.Close()
		}
		return nil, errors.Join(err, cerr)
	}
	return h, err
}

// memoryStaging is on every Linux, in memory, and open to all users.
const memoryStaging = "/dev/shm"

// tidy removes the folder of a fleeting helper: a program that runs needs no name.
func tidy(ctx context.Context, c *conn, dir string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	line, err := shell.Script(ScriptClear, dir).Build()
	if err != nil {
		return err
	}
	if _, errs, err := c.run(ctx, line); err != nil {
		return &Error{Kind: ErrHelper, Target: c.e.String(), Message: "the helper's folder " + dir + " cannot be removed", Err: fmt.Errorf("%w: %s", err, oneLine(errs)), Remedy: "remove it there"}
	}
	return nil
}

func (p *Pool) startIn(ctx context.Context, cfg *Config, c *conn, staging string) (remote.Host, error) {
	found, err := ask(ctx, c, staging)
	if err != nil {
		return nil, err
	}
	goarch, err := found.check(c.e, cfg.AnyInit)
	if err != nil {
		return nil, err
	}
	if found.uid != 0 && !found.sudo {
		return nil, &Error{Kind: ErrSudo, Target: c.e.String(), Message: "user " + c.e.User + " is not root, and sudo is not installed",
			Remedy: "install sudo there or log in as root"}
	}
	if !stagingPath.MatchString(found.dir) {
		return nil, fmt.Errorf("%s: unexpected staging folder %q", c.e, found.dir)
	}
	local, err := cfg.Helper(goarch)
	if err != nil {
		return nil, &Error{Kind: ErrHelper, Target: c.e.String(), Message: "there is no helper for linux/" + goarch, Err: err}
	}
	file, err := p.helpers.file(local)
	if err != nil {
		return nil, &Error{Kind: ErrHelper, Target: c.e.String(), Message: "the helper for linux/" + goarch + " cannot be read here", Err: err}
	}
	if size, ok := found.files[file.name()]; !ok || size != file.size {
		if !found.scp {
			return nil, &Error{Kind: ErrUnsupported, Target: c.e.String(), Message: "scp is not installed there",
				Remedy: "install openssh-client (Debian) or openssh-clients (Red Hat)"}
		}
		if err := place(ctx, c, found, file); err != nil {
			return nil, err
		}
	}
	return launch(ctx, cfg, c, found, path.Join(found.dir, file.name()))
}

// launch starts the helper in a session that lasts as long as the host is used.
func launch(ctx context.Context, cfg *Config, c *conn, found *probe, program string) (remote.Host, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, &timeoutError{startTimeout})
	defer cancel()
	line := shell.Command(program, "serve")
	mark := ""
	if found.uid != 0 {
		mark = "[trivet-sudo-" + rand.Text() + "]"
		line = sudo(cfg, program, mark)
	}
	command, err := line.Build()
	if err != nil {
		return nil, err
	}
	s, err := c.session(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: starting the helper: %w", c.e, err)
	}
	k := &channel{c: c, session: s, exited: make(chan struct{}), asRoot: found.uid == 0, cut: mark}
	ctx, refuse := context.WithCancelCause(ctx)
	defer refuse(nil)
	if mark != "" && cfg.SudoPassword != nil {
		k.errs.watch = (&prompter{ctx: ctx, cfg: cfg, k: k, mark: mark, refuse: refuse}).look
	}
	if err := k.open(command); err != nil {
		_ = k.Close()
		return nil, fmt.Errorf("%s: starting the helper: %w", c.e, c.broken(err))
	}
	h, err := remote.NewClient(ctx, c.e.Name, k, newStager(c, found.dir))
	if err != nil {
		return nil, k.startError(ctx, err)
	}
	return &host{h, c}, nil
}

func sudo(cfg *Config, program, mark string) *shell.Line {
	// Messages are recognised by their English text.
	line := shell.Command("env", "LC_ALL=C", "sudo")
	if cfg.SudoPassword == nil {
		return line.Arg("-n", "--", program, "serve")
	}
	// The prompt comes on standard error; the password goes to standard input only after it, so it never reaches the helper.
	return line.Arg("-S", "-p", mark, "--", program, "serve")
}

// prompter answers sudo's first question. A second one means that the password was wrong.
type prompter struct {
	ctx    context.Context
	cfg    *Config
	k      *channel
	mark   string
	refuse context.CancelCauseFunc
	mu     sync.Mutex
	asked  int
}

func (p *prompter) look(errs []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := strings.Count(string(errs), p.mark)
	if n == p.asked {
		return
	}
	p.asked = n
	if n > 1 {
		p.refuse(p.k.sudoError("the password is wrong", "check sudo_password_file"))
		return
	}
	// Asking may take a person some time: sudo's standard error is read on meanwhile.
	go func() {
		password, err := p.cfg.SudoPassword(p.ctx)
		if err != nil {
			p.refuse(p.k.sudoError("it asks for a password, and there is none: "+err.Error(), ""))
			return
		}
		_, _ = io.WriteString(p.k.stdin, password+"\n")
	}()
}

// channel is the helper's standard input and output as one stream.
type channel struct {
	c       *conn
	session *ssh.Session
	stdin   io.WriteCloser
	stdout  io.Reader
	errs    tail
	exited  chan struct{}
	exit    error // valid after exited
	asRoot  bool
	cut     string // sudo's prompt, not for messages
	once    sync.Once
	ended   atomic.Bool // reading has come to its end
}

func (k *channel) open(command string) (err error) {
	if k.stdin, err = k.session.StdinPipe(); err != nil {
		return err
	}
	if k.stdout, err = k.session.StdoutPipe(); err != nil {
		return err
	}
	k.session.Stderr = &k.errs
	if err := k.session.Start(command); err != nil {
		return err
	}
	go func() {
		k.exit = k.session.Wait()
		close(k.exited)
	}()
	return nil
}

func (k *channel) Read(p []byte) (int, error) {
	n, err := k.stdout.Read(p)
	if err != nil {
		k.ended.Store(true)
	}
	return n, err
}

func (k *channel) Write(p []byte) (int, error) { return k.stdin.Write(p) }

// Close ends the session; the helper sees the end of its standard input. When it was the helper that ended, its exit status and last words are still
// to come, and are waited for in the background.
func (k *channel) Close() error {
	k.once.Do(func() {
		go func() {
			if k.ended.Load() {
				k.lastWords()
			}
			_ = k.session.Close()
		}()
	})
	return nil
}

func (k *channel) lastWords() {
	select {
	case <-k.exited:
	case <-k.c.done:
	case <-time.After(500 * time.Millisecond):
	}
}

func (k *channel) said() string {
	s := k.errs.String()
	if k.cut != "" {
		s = strings.ReplaceAll(s, k.cut, "")
	}
	return s
}

// Diagnosis implements wire.Diagnoser.
func (k *channel) Diagnosis() string {
	k.lastWords()
	if why := k.c.why(); why != "" {
		return why
	}
	said := oneLine(k.said())
	var exit *ssh.ExitError
	select {
	case <-k.exited:
		if errors.As(k.exit, &exit) {
			how := fmt.Sprintf("the helper ended with status %d", exit.ExitStatus())
			if exit.Signal() != "" {
				how = "the helper was ended by signal " + exit.Signal()
			}
			return strings.TrimSuffix(how+": "+said, ": ")
		}
	default:
	}
	if k.c.ended() {
		return strings.TrimSuffix("the SSH connection ended: "+said, ": ")
	}
	return said
}

// sudoMessages are what sudo says on standard error, and what that means.
var sudoMessages = []struct{ text, message, remedy string }{
	{"a password is required", "it asks for a password", "add NOPASSWD for this user to sudoers or set sudo_password_file"},
	{"you must have a tty", "it wants a terminal (requiretty)", "remove requiretty for this user from sudoers"},
	{"no tty present", "it asks for a password", "add NOPASSWD for this user to sudoers or set sudo_password_file"},
	{"not in the sudoers file", "the user is not in the sudoers file", "add the user to sudoers"},
	{"may not run sudo", "the user may not use sudo", "add the user to sudoers"},
	{"is not allowed to execute", "the user may not run the helper", "allow this user any command in sudoers (the helper's name changes with its version)"},
	{"is not allowed to run sudo", "the user may not use sudo", "add the user to sudoers"},
	{"incorrect password attempt", "the password is wrong", "check sudo_password_file"},
	{"Sorry, try again", "the password is wrong", "check sudo_password_file"},
	{"sudo: account validation failure", "the account is not valid for sudo", "see the host's authentication log"},
}

func (k *channel) sudoError(message, remedy string) *Error {
	if name := k.c.e.words.SudoPassword; name != "" {
		remedy = strings.ReplaceAll(remedy, "sudo_password_file", name)
	}
	return &Error{Kind: ErrSudo, Target: k.c.e.String(), Message: fmt.Sprintf("sudo refused for %s: %s", k.c.e.User, message), Remedy: remedy}
}

// startError explains why no greeting came.
func (k *channel) startError(ctx context.Context, err error) error {
	defer k.Close()
	var own *Error
	if cause := context.Cause(ctx); errors.As(cause, &own) {
		return own
	}
	said := k.said()
	if !k.asRoot {
		for _, m := range sudoMessages {
			if strings.Contains(said, m.text) {
				return k.sudoError(m.message, m.remedy)
			}
		}
	}
	if ctx.Err() != nil {
		var t *timeoutError
		if !errors.As(context.Cause(ctx), &t) {
			return fmt.Errorf("%s: starting the helper: %w", k.c.e, context.Cause(ctx))
		}
		e := &Error{Kind: ErrHelper, Target: k.c.e.String(), Message: "the helper did not start within " + t.after.String()}
		if said != "" {
			e.Err = errors.New(oneLine(said))
		}
		return e
	}
	if strings.Contains(said, "Permission denied") || strings.Contains(said, "cannot execute") {
		return &Error{Kind: ErrHelper, Target: k.c.e.String(), Message: "the helper may not be executed", Err: errors.New(oneLine(said)),
			Remedy: "the staging folder may be on a file system mounted noexec: set another with staging"}
	}
	return &Error{Kind: ErrHelper, Target: k.c.e.String(), Message: "the helper cannot be started", Err: inner(err)}
}

// inner takes off the host's name, which is in the target already.
func inner(err error) error {
	if e := errors.Unwrap(err); e != nil {
		return e
	}
	return err
}
