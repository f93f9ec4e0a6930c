package bootstrap

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/remote"
	"github.com/trivet-dev/trivet/internal/remote/sshhost"
)

// reach connects to hosts over SSH as the topology says.
type reach struct {
	engine  *Engine
	configs map[string]*sshhost.SSHConfig // by path
}

func newReach(e *Engine) (*reach, error) {
	r := &reach{engine: e, configs: map[string]*sshhost.SSHConfig{}}
	if e.NetworkNamespace != "" {
		return r, nil // a lab has nothing to do with the user's SSH configuration
	}
	files := []string{e.Topology.Fleet.SSH.ConfigFile} // of elastic workers
	for _, h := range slices.Concat(e.declared.Hosts, e.declared.Surge) {
		files = append(files, r.settings(h).ConfigFile)
	}
	for _, path := range files {
		if _, ok := r.configs[path]; ok || path == "none" {
			continue
		}
		config, err := sshhost.LoadSSHConfig(path)
		if err != nil {
			return nil, err
		}
		r.configs[path] = config
	}
	return r, nil
}

// settings are the fleet's SSH settings with the site's on top.
func (r *reach) settings(h *topology.Host) topology.SSH {
	if s := h.Site().SSH; s != nil {
		return *s
	}
	return r.engine.Topology.Fleet.SSH
}

func (r *reach) connect(ctx context.Context, h *topology.Host) (remote.Host, error) {
	return r.engine.pool.Connect(ctx, r.config(h))
}

func (r *reach) config(h *topology.Host) sshhost.Config {
	e, s := r.engine, r.settings(h)
	cfg := sshhost.Config{
		Name: h.Name, Address: cmp.Or(h.SSHAddress, h.Address.String()), Port: cmp.Or(h.Port, s.Port), User: cmp.Or(h.User, s.User),
		PrivateKeys: paths(s.PrivateKey), Agent: s.Agent, RequireAgent: s.RequireAgent,
		KnownHosts: paths(s.KnownHosts), HostKey: h.HostKey, Policy: policy(s.HostKeys),
		SSHConfig: r.configs[s.ConfigFile], ConnectTimeout: s.ConnectTimeout, KeepAlive: s.KeepAlive,
		NetworkNamespace: e.NetworkNamespace, Helper: e.Helper, Passphrase: e.Passphrase, Words: e.SSHWords,
	}
	if e.SudoPassword != nil {
		cfg.SudoPassword = func(ctx context.Context) (string, error) { return e.SudoPassword(ctx, h.Name) }
	}
	for _, b := range h.Site().Bastions {
		cfg.Bastions = append(cfg.Bastions, sshhost.Hop{
			Name: b.Name, Address: b.Address, Port: b.Port, User: cmp.Or(b.User, s.User), PrivateKeys: paths(cmp.Or(b.PrivateKey, s.PrivateKey)),
			// A key of its own is the only one, as in an ssh block.
			Agent: s.Agent && (s.RequireAgent || b.PrivateKey == ""), RequireAgent: s.RequireAgent,
			KnownHosts: paths(s.KnownHosts), HostKey: b.HostKey, Policy: policy(s.HostKeys),
		})
	}
	return cfg
}

func paths(p string) []string {
	if p == "" {
		return nil
	}
	return []string{p}
}

func policy(p topology.HostKeyPolicy) sshhost.Policy {
	if p == topology.HostKeysLearn {
		return sshhost.Learn
	}
	return sshhost.Strict
}

// learned tells of a key that was taken on trust, so that it can be compared.
func (e *Engine) learned(k sshhost.LearnedKey) {
	e.emit(event.Event{Kind: event.Warning, Host: k.Name, Message: fmt.Sprintf("%s was met for the first time: its host key %s %s was written to %s; compare it with `ssh-keygen -lf` on its console",
		k.Target, k.Type, k.Fingerprint, k.File)})
}
