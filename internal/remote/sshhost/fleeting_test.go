package sshhost_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/remote/remotetest"
	"github.com/trivet-dev/trivet/internal/remote/sshhost"
)

func isEmpty(t *testing.T, dir, when string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) > 0 {
		t.Errorf("%s the folder holds %v, %v", when, entries, err)
	}
}

// TestFleetingHelper finds nothing on the host while the helper runs, and the helper at work all the same: on the in-process server and on OpenSSH's.
func TestFleetingHelper(t *testing.T) {
	for name, config := range map[string]func(f *fixture) sshhost.Config{
		"in-process": func(f *fixture) sshhost.Config { return f.config(f.server(remotetest.ServerOptions{})) },
		"sshd":       func(f *fixture) sshhost.Config { return f.sshdConfig(f.startSSHD([]string{"ed25519"}, "")) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			cfg := config(f)
			cfg.Staging, cfg.Fleeting = t.TempDir(), true
			h := f.connect(cfg)
			isEmpty(t, cfg.Staging, "while the helper runs")
			if _, err := h.Observe(within(t), hostapi.ObserveRequest{}); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestFleetingHelperThatFails leaves nothing either, whatever kept it from starting.
func TestFleetingHelperThatFails(t *testing.T) {
	f := newFixture(t)
	cfg := f.config(f.server(remotetest.ServerOptions{UID: 1000, Sudo: remotetest.SudoDenied}))
	cfg.Staging, cfg.Fleeting = t.TempDir(), true
	_, err := f.pool.Connect(within(t), cfg)
	refused(t, err, sshhost.ErrSudo, "not in the sudoers file")
	isEmpty(t, cfg.Staging, "after sudo refused")

	ctx, cancel := context.WithCancel(t.Context())
	cfg = f.config(f.server(remotetest.ServerOptions{UID: 1000, Sudo: remotetest.SudoPassword}))
	cfg.Staging, cfg.Fleeting = t.TempDir(), true
	cfg.SudoPassword = func(ctx context.Context) (string, error) { cancel(); <-ctx.Done(); return "", ctx.Err() }
	if _, err := f.pool.Connect(ctx, cfg); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled connection gave %v", err)
	}
	isEmpty(t, cfg.Staging, "after the run was stopped")
}
