package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Take makes a snapshot of the host's member, verifies and keeps it, prunes older ones, and sends it to other sites. A copy that does not arrive keeps nothing else from
// happening; it is an error all the same, so that the unit counts as failed. log gets a line for everything that was done.
func Take(ctx context.Context, c *Config, now func() time.Time, log func(format string, args ...any)) error {
	if c.Member == nil {
		return errors.New("this host has no etcd member to take a snapshot of")
	}
	s := store{c.Folder}
	run := Run{Began: now().UTC()}
	taken, err := s.take(ctx, c, run.Began)
	if err != nil {
		run.Error = err.Error()
		return errors.Join(fmt.Errorf("no snapshot was taken: %w", err), s.remember(run))
	}
	log("took %s: revision %d, %d bytes, sha256 %s", taken.Name(), taken.Revision, taken.Size, taken.SHA256)
	gone, err := s.prune(c, now())
	if err != nil {
		err = fmt.Errorf("removing old snapshots: %w", err)
	}
	for _, old := range gone {
		log("removed %s", old.Name())
	}
	run.Copies = sendAll(ctx, c, filepath.Join(c.Folder, taken.Name()), taken)
	var errs []error
	for _, host := range slices.Sorted(maps.Keys(run.Copies)) {
		if why := run.Copies[host]; why != "" {
			errs = append(errs, fmt.Errorf("no copy on host %s: %s", host, why))
			continue
		}
		log("copied to host %s", host)
	}
	return errors.Join(append(errs, err, s.remember(run))...)
}

func (s store) take(ctx context.Context, c *Config, began time.Time) (Snapshot, error) {
	if info, err := os.Stat(c.Member.Database); err == nil { // else etcdctl says what is wrong
		if err := s.room(info.Size()); err != nil {
			return Snapshot{}, err
		}
	}
	// etcdctl writes to a name of its own first, beside this one.
	dir, err := os.MkdirTemp(s.dir, tmpPrefix+"*")
	if err != nil {
		return Snapshot{}, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // what is left there is swept later
	tmp := filepath.Join(dir, "snapshot.db")
	m := c.Member
	if err := answers(ctx, m.Endpoint); err != nil {
		return Snapshot{}, err
	}
	saving, stop := whileGrowing(ctx, dir)
	defer stop()
	if _, err := run(saving, m.Etcdctl, "--endpoints="+m.Endpoint, "--cacert="+m.Keys.Authority, "--cert="+m.Keys.Certificate, "--key="+m.Keys.Key,
		"snapshot", "save", tmp); err != nil {
		if cause := context.Cause(saving); cause != nil {
			err = cause
		}
		return Snapshot{}, err
	}
	out := Snapshot{Member: c.Host, Taken: began.Truncate(time.Second)}
	if out.Size, out.SHA256, err = verify(tmp); err != nil {
		return Snapshot{}, fmt.Errorf("what etcdctl saved is not good: %w", err)
	}
	text, err := run(ctx, m.Etcdutl, "snapshot", "status", tmp, "--write-out=json")
	if err != nil {
		return Snapshot{}, err
	}
	var status struct {
		Revision int64 `json:"revision"`
	}
	if err := json.Unmarshal([]byte(text), &status); err != nil || status.Revision <= 0 {
		return Snapshot{}, fmt.Errorf("etcdutl gives no revision of the snapshot: %q", text)
	}
	out.Revision = status.Revision
	return out, s.keep(tmp, out)
}

// answers tells a member that does not run: etcdctl would wait for it for ever (3.7.3, snapshot save has no time-out of its own).
func answers(ctx context.Context, endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil {
		return err
	}
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return fmt.Errorf("etcd does not answer: %w", err)
	}
	return conn.Close()
}

// whileGrowing ends when the files of a folder have not grown for long: a member that takes connections and says nothing keeps etcdctl waiting, too.
func whileGrowing(ctx context.Context, dir string) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		tick := time.NewTicker(stalled)
		defer tick.Stop()
		for last := int64(-1); ; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			now := int64(0)
			entries, _ := os.ReadDir(dir) // without one nothing has grown
			for _, e := range entries {
				if info, err := e.Info(); err == nil {
					now += info.Size()
				}
			}
			if now <= last || now == 0 {
				cancel(fmt.Errorf("etcd sent nothing for %s", stalled))
				return
			}
			last = now
		}
	}()
	return ctx, func() { cancel(nil) }
}

// run runs one of etcd's tools. Paths of keys are in its arguments, keys are not.
func run(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(errs.String()), "\n")
		return "", fmt.Errorf("%s: %w: %s", filepath.Base(name), err, lines[len(lines)-1])
	}
	return string(out), nil
}

// stalled ends what has moved no bytes for so long.
const stalled = time.Minute

// moving cancels when nothing was read for too long.
type moving struct {
	io.Reader
	timer *time.Timer
}

// Read implements io.Reader.
func (m moving) Read(p []byte) (int, error) {
	n, err := m.Reader.Read(p)
	m.timer.Reset(stalled)
	return n, err
}
