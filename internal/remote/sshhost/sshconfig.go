package sshhost

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/kevinburke/ssh_config"
)

// SSHConfig is an OpenSSH client configuration, of which HostName, Port, User, IdentityFile, IdentitiesOnly, ProxyJump and
// UserKnownHostsFile are honoured.
type SSHConfig struct {
	path   string
	config *ssh_config.Config
}

// LoadSSHConfig reads a configuration file; ~/.ssh/config when path is empty, which may be missing.
func LoadSSHConfig(path string) (*SSHConfig, error) {
	optional := path == ""
	if optional {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, err
		}
		path = filepath.Join(home, ".ssh", "config")
	}
	f, err := os.Open(path)
	if optional && errors.Is(err, fs.ErrNotExist) {
		return &SSHConfig{path: path, config: &ssh_config.Config{}}, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	config, err := ssh_config.Decode(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &SSHConfig{path: path, config: config}, nil
}

func (s *SSHConfig) get(alias, key string) (string, error) {
	v, err := s.config.Get(alias, key)
	if err != nil {
		return "", fmt.Errorf("%s: %s for %s: %w", s.path, key, alias, err)
	}
	return v, nil
}

// fill sets what h leaves open. A nil receiver sets nothing.
func (s *SSHConfig) fill(h *Hop) error {
	if s == nil {
		return nil
	}
	name := alias(*h)
	hostName, err := s.get(name, "HostName")
	if err != nil {
		return err
	}
	if hostName != "" {
		h.Address = strings.ReplaceAll(hostName, "%h", name)
	}
	if h.Port == 0 {
		v, err := s.get(name, "Port")
		if err != nil {
			return err
		}
		if v != "" {
			if h.Port, err = strconv.Atoi(v); err != nil || h.Port < 1 || h.Port > 65535 {
				return fmt.Errorf("%s: Port %q for %s is not a port", s.path, v, name)
			}
		}
	}
	if h.User == "" {
		if h.User, err = s.get(name, "User"); err != nil {
			return err
		}
	}
	if len(h.PrivateKeys) == 0 {
		if h.identityFiles, err = s.config.GetAll(name, "IdentityFile"); err != nil {
			return fmt.Errorf("%s: IdentityFile for %s: %w", s.path, name, err)
		}
		only, err := s.get(name, "IdentitiesOnly")
		if err != nil {
			return err
		}
		h.identitiesOnly = strings.EqualFold(only, "yes")
	}
	if len(h.KnownHosts) == 0 {
		h.KnownHosts, err = s.knownHosts(name)
		h.knownFromConfig = true
	}
	return err
}

// knownHosts returns the files of UserKnownHostsFile; none where the default holds. Where it is "none", ssh(1) would ask about each key: the default file holds then.
func (s *SSHConfig) knownHosts(name string) ([]string, error) {
	v, err := s.get(name, "UserKnownHostsFile")
	if err != nil || strings.EqualFold(v, "none") {
		return nil, err
	}
	return strings.Fields(v), nil
}

// jumps returns the bastions of ProxyJump. Policy and known hosts are taken from the host; what ssh itself would check the jump against is asked after them.
func (s *SSHConfig) jumps(name string, host Hop) ([]Hop, error) {
	v, err := s.get(name, "ProxyJump")
	if err != nil || v == "" || strings.EqualFold(v, "none") {
		return nil, err
	}
	var hops []Hop
	for _, spec := range strings.Split(v, ",") {
		h, err := parseJump(strings.TrimSpace(spec))
		if err != nil {
			return nil, fmt.Errorf("%s: ProxyJump for %s: %w", s.path, name, err)
		}
		h.Policy = host.Policy
		// The host's private key is not for its jumps, as with ssh -i; where the topology names none and wants no agent, they do without one, too.
		h.Agent = host.Agent || len(host.PrivateKeys) > 0
		if len(host.KnownHosts) > 0 {
			own, err := s.knownHosts(alias(h))
			if err != nil {
				return nil, err
			}
			if len(own) == 0 {
				own = []string{"~/.ssh/known_hosts"}
			}
			h.KnownHosts, h.knownFromConfig = append(slices.Clone(host.KnownHosts), own...), true
		}
		hops = append(hops, h)
	}
	return hops, nil
}

// parseJump reads [ssh://][user@]host[:port].
func parseJump(spec string) (Hop, error) {
	var h Hop
	rest := strings.TrimPrefix(spec, "ssh://")
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		h.User, rest = rest[:i], rest[i+1:]
	}
	h.Address = strings.Trim(rest, "[]")
	if host, port, err := net.SplitHostPort(rest); err == nil {
		h.Address = host
		if h.Port, err = strconv.Atoi(port); err != nil || h.Port < 1 || h.Port > 65535 {
			return h, fmt.Errorf("%q has no valid port", spec)
		}
	}
	if h.Address == "" {
		return h, fmt.Errorf("%q names no host", spec)
	}
	h.Name = h.Address
	return h, nil
}
