package sshhost_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/hostapi/wire"
	"github.com/trivet-dev/trivet/internal/remote"
	"github.com/trivet-dev/trivet/internal/remote/remotetest"
	"github.com/trivet-dev/trivet/internal/remote/sshhost"
)

// mounted is a folder with a tmpfs of its own.
func mounted(t *testing.T, options string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip(t.Name() + " mounts a tmpfs, which takes root")
	}
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("%s: no tmpfs can be mounted here: %v: %s", t.Name(), err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	return dir
}

// TestStagingThatIsOfNoUse: a real sshd, with a staging folder that the helper cannot be put in or run from.
func TestStagingThatIsOfNoUse(t *testing.T) {
	f := newFixture(t)
	d := f.startSSHD([]string{"ed25519"}, "")
	for _, tc := range []struct {
		name, options string
		words         []string
	}{
		{"full", "size=256k", []string{"No space left on device", "free space in"}},
		{"read-only", "ro", []string{"Read-only file system", "staging"}},
		{"noexec", "size=200m,noexec", []string{"noexec", "staging"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := f.sshdConfig(d)
			dir := mounted(t, tc.options)
			cfg.Staging = filepath.Join(dir, "staging")
			_, err := f.pool.Connect(within(t), cfg)
			refused(t, err, sshhost.ErrHelper, append(tc.words, "host real1")...)
			left, _ := filepath.Glob(filepath.Join(cfg.Staging, "upload-*"))
			if len(left) > 0 {
				t.Errorf("half an upload was left: %v", left)
			}
		})
	}
}

// TestUploadToAFullDisk: the host is of use afterwards, and nothing of the upload is left.
func TestUploadToAFullDisk(t *testing.T) {
	f := newFixture(t)
	d := f.startSSHD([]string{"ed25519"}, "")
	cfg := f.sshdConfig(d)
	dir := mounted(t, "size=200m")
	cfg.Staging = filepath.Join(dir, "staging")
	h := f.connect(cfg)
	filler, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	for chunk := make([]byte, 1<<20); err == nil; {
		_, err = filler.Write(chunk)
	}
	_ = filler.Close()
	err = h.Upload(within(t), zeros{}, hostapi.Blob{SHA256: hostapi.Digest(nil), Size: 8 << 20}, nil)
	refused(t, err, nil, "host real1", "No space left on device", "free space in "+cfg.Staging)
	var he *hostapi.Error
	if !errors.As(err, &he) || he.Code != hostapi.CodeDiskFull {
		t.Errorf("%v has not the code of a full disk", err)
	}
	until(t, "the removal of the half upload", func() bool {
		left, _ := filepath.Glob(filepath.Join(cfg.Staging, "upload-*"))
		return len(left) == 0
	})
	if _, err := h.Observe(within(t), hostapi.ObserveRequest{}); err != nil {
		t.Errorf("the host is of no use after it: %v", err)
	}
}

// TestHelperOfAnotherProtocol: what was put on the host under the helper's name is no helper of this version.
func TestHelperOfAnotherProtocol(t *testing.T) {
	f := newFixture(t)
	s := f.server(remotetest.ServerOptions{Helper: func(_ context.Context, rw io.ReadWriteCloser, _ io.Writer) int {
		_, _ = rw.Write(binary.BigEndian.AppendUint16([]byte("\x00trivet\x00"), wire.Version+1))
		_, _ = io.Copy(io.Discard, rw)
		return 1
	}})
	_, err := f.pool.Connect(within(t), f.config(s))
	refused(t, err, sshhost.ErrHelper, "host bj1-cp1", "protocol version 2", "1 here")
}

// TestOlderHelperBesideIt: helpers have their digest in their name, so that one of another version is neither used nor in the way.
func TestOlderHelperBesideIt(t *testing.T) {
	f := newFixture(t)
	staging := t.TempDir()
	old := filepath.Join(staging, "trivet-host-0123456789abcdef")
	write(t, old, "an older helper")
	if err := os.Chmod(old, 0o700); err != nil {
		t.Fatal(err)
	}
	f.connect(f.config(f.server(remotetest.ServerOptions{Staging: staging})))
	placed, err := filepath.Glob(filepath.Join(staging, "trivet-host-*"))
	if err != nil || len(placed) != 2 {
		t.Errorf("the folder holds %v, %v", placed, err)
	}
	if b, err := os.ReadFile(old); err != nil || string(b) != "an older helper" {
		t.Errorf("the older helper is %q, %v", b, err)
	}
}

// TestCutDuringFetch: the fetch counts as lost, and the helper's was cancelled.
func TestCutDuringFetch(t *testing.T) {
	f := newFixture(t)
	ended := make(chan struct{})
	var s *remotetest.Server
	s = f.server(remotetest.ServerOptions{Helper: remotetest.ServeHandler(&remotetest.Handler{
		OnFetch: func(ctx context.Context, _ *hostapi.Fetch, emit func(hostapi.Event)) error {
			emit(hostapi.Event{State: "started"})
			s.Cut()
			<-ctx.Done()
			close(ended)
			return ctx.Err()
		}})})
	h := f.connect(f.config(s))
	err := h.Fetch(within(t), &hostapi.Fetch{From: "192.0.2.1:4000"}, nil)
	refused(t, err, nil, "host bj1-cp1", "lost")
	if !remote.IsLost(err) {
		t.Errorf("%v does not count as a lost connection", err)
	}
	<-ended
}

// TestShellThatPrints: what a login script prints does not keep a helper that is placed from being used.
func TestShellThatPrints(t *testing.T) {
	f := newFixture(t)
	quiet := f.startSSHD([]string{"ed25519"}, "")
	f.connect(f.sshdConfig(quiet))
	d := f.startSSHD([]string{"ed25519"}, `ForceCommand /bin/sh -c 'echo Welcome to the host; echo Mind the gap >&2; exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"'`)
	h := f.connect(f.sshdConfig(d))
	if err := h.Step(within(t), oneStep(h), nil); err != nil {
		t.Error(err)
	}
	err := h.Upload(within(t), strings.NewReader("x"), hostapi.Blob{SHA256: hostapi.Digest([]byte("x")), Size: 1}, nil)
	refused(t, err, nil, "host real1", "prints something at login", ".bashrc")
}
