package sshhost_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/trivet-dev/trivet/internal/remote/remotetest"
	"github.com/trivet-dev/trivet/internal/remote/sshhost"
)

func (f *fixture) sshConfig(content string) *sshhost.SSHConfig {
	f.t.Helper()
	path := filepath.Join(f.t.TempDir(), "config")
	write(f.t, path, content)
	c, err := sshhost.LoadSSHConfig(path)
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

func TestSSHConfig(t *testing.T) {
	f := newFixture(t)
	gate := f.server(remotetest.ServerOptions{Forward: true, User: "jump"})
	s := f.server(remotetest.ServerOptions{User: "deploy"})
	write(t, f.knownHosts, fmt.Sprintf("[127.0.0.1]:%d %s[127.0.0.1]:%d %s", gate.Address().Port, gate.HostKey(), s.Address().Port, s.HostKey()))
	config := f.sshConfig(fmt.Sprintf(`
Host cp1.example
  HostName 127.0.0.1
  Port %d
  User deploy
  ProxyJump jump@gate.example
Host gate.example
  HostName 127.0.0.1
  Port %d
Host *
  IdentityFile %s
  UserKnownHostsFile %s
`, s.Address().Port, gate.Address().Port, f.keyPath, f.knownHosts))

	cfg := sshhost.Config{Name: "bj1-cp1", Address: "cp1.example", SSHConfig: config, Helper: func(string) (string, error) { return f.helper, nil }}
	f.connect(cfg)
	if gate.Connections() != 1 || s.Connections() != 1 {
		t.Errorf("%d connections to the jump host, %d to the host", gate.Connections(), s.Connections())
	}

	t.Run("the topology wins", func(t *testing.T) {
		cfg := cfg
		cfg.User = "ops"
		_, err := f.pool.Connect(within(t), cfg)
		refused(t, err, sshhost.ErrAuth, "user ops")
		cfg = f.config(s)
		cfg.Address, cfg.User, cfg.Port = "cp1.example", "deploy", gate.Address().Port
		cfg.SSHConfig = config
		cfg.HostKey = gate.HostKey()
		_, err = f.pool.Connect(within(t), cfg)
		refused(t, err, sshhost.ErrAuth, fmt.Sprint(gate.Address().Port), "user deploy")
	})
	t.Run("known hosts of the topology", func(t *testing.T) {
		// ssh_config names the jump host and no file of known hosts: the topology's file has its key.
		t.Setenv("HOME", t.TempDir())
		jump := f.sshConfig(fmt.Sprintf("Host cp1.example\n  HostName 127.0.0.1\n  Port %d\n  ProxyJump jump@gate.example\nHost gate.example\n  HostName 127.0.0.1\n  Port %d\nHost *\n  IdentityFile %s\n",
			s.Address().Port, gate.Address().Port, f.keyPath))
		cfg := sshhost.Config{Name: "bj1-cp1", Address: "cp1.example", User: "deploy", PrivateKeys: []string{f.keyPath}, KnownHosts: []string{f.knownHosts}, SSHConfig: jump,
			Helper: func(string) (string, error) { return f.helper, nil }}
		f.connect(cfg)

		// What ssh checks the jump host against counts too, after the topology's.
		other := filepath.Join(t.TempDir(), "known")
		write(t, other, fmt.Sprintf("[127.0.0.1]:%d %s", s.Address().Port, s.HostKey()))
		cfg.KnownHosts = []string{other}
		_, err := f.pool.Connect(within(t), cfg)
		refused(t, err, sshhost.ErrHostKey, "bastion gate.example", "is not known", other)
		cfg.SSHConfig = f.sshConfig(fmt.Sprintf("Host cp1.example\n  HostName 127.0.0.1\n  Port %d\n  ProxyJump jump@gate.example\nHost gate.example\n  HostName 127.0.0.1\n  Port %d\n  UserKnownHostsFile %s\nHost *\n  IdentityFile %s\n",
			s.Address().Port, gate.Address().Port, f.knownHosts, f.keyPath))
		f.connect(cfg)
	})
	t.Run("no jump", func(t *testing.T) {
		cfg := f.config(s)
		cfg.User = "deploy"
		cfg.SSHConfig = f.sshConfig("Host *\n  ProxyJump none\n")
		f.connect(cfg)
	})
	t.Run("bad jump", func(t *testing.T) {
		cfg := f.config(s)
		cfg.SSHConfig = f.sshConfig("Host *\n  ProxyJump gate:port\n")
		_, err := f.pool.Connect(within(t), cfg)
		refused(t, err, nil, "bj1-cp1", "ProxyJump", "gate:port")
	})
	t.Run("missing file", func(t *testing.T) {
		if _, err := sshhost.LoadSSHConfig(filepath.Join(f.dir, "none")); err == nil {
			t.Error("no error")
		}
		t.Setenv("HOME", t.TempDir())
		if _, err := sshhost.LoadSSHConfig(""); err != nil {
			t.Errorf("~/.ssh/config may be missing: %v", err)
		}
	})
}
