// Package sshhost reaches hosts over SSH: it checks host keys on every hop, shares connections to bastions, places the helper, starts it as root and
// gives it out as a remote.Host.
package sshhost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Policy says what to do with a host key that is not known.
type Policy int

// Policies. A key that differs from the known one is refused under both.
const (
	Strict Policy = iota // refuse
	Learn                // write it to the first known_hosts file
)

// Hop is a bastion, with a user, keys and a host key of its own. Empty fields take the values of the SSH configuration, then defaults.
type Hop struct {
	Name        string
	Address     string // host name or IP address
	Port        int
	User        string
	PrivateKeys []string // paths
	// Agent: offer the keys of the agent at SSH_AUTH_SOCK. Without private keys, an agent that is not there or has no key is passed over for the files that ssh(1)
	// would look at, unless RequireAgent is set.
	Agent        bool
	RequireAgent bool
	KnownHosts   []string // paths
	HostKey      string   // "ssh-ed25519 AAAA…" or "SHA256:…", one a line; known_hosts is not asked then
	Policy       Policy

	identityFiles  []string // without private keys: of IdentityFile, else those of the default names
	identitiesOnly bool
	// knownFromConfig: KnownHosts come from UserKnownHostsFile, in which % has a meaning.
	knownFromConfig bool
}

// Config says how to reach one host.
type Config struct {
	Name        string
	Address     string
	Port        int
	User        string
	PrivateKeys []string
	// Agent and RequireAgent are as in Hop.
	Agent        bool
	RequireAgent bool
	KnownHosts   []string
	HostKey      string
	Policy       Policy

	// SSHConfig gives values that the fields here leave open, looked up by Address, or by Name without one. Nil: none is asked.
	SSHConfig *SSHConfig
	// Bastions are passed in order, the first being reached from this machine.
	Bastions []Hop
	// SudoPassword is asked only where sudo asks. Nil: sudo must not ask.
	SudoPassword func(ctx context.Context) (string, error)
	// Passphrase is asked for an encrypted private key. Nil: such a key is an error.
	Passphrase func(ctx context.Context, path string) (string, error)

	ConnectTimeout time.Duration // for the TCP connection, the SSH handshake and the login of one hop; 15 s when zero
	KeepAlive      time.Duration // interval of keepalives, three missed ones end the connection; 15 s when zero

	// NetworkNamespace is the name or the path of a network namespace on this machine from which the first hop is reached. Linux only, needs root.
	NetworkNamespace string
	// Dialer replaces the dialling of the first hop.
	Dialer func(ctx context.Context, network, address string) (net.Conn, error)

	// Helper returns the path on this machine of the helper for an architecture.
	Helper func(goarch string) (path string, err error)
	// Staging is the folder on the host for the helper and for uploads, private to the user: /var/tmp/trivet-<uid> when empty.
	Staging string
	// Fleeting leaves nothing on the host: the helper is put into a fresh folder below Staging, /dev/shm when empty, which is gone once the helper runs. It takes no uploads.
	Fleeting bool
	// AnyInit accepts hosts on which systemd does not run.
	AnyInit bool
	// Words name settings in remedies.
	Words Words
}

// Words are what users call the settings that remedies name. What is empty is as the topology language has it.
type Words struct {
	HostKey      string // host_key
	SudoPassword string // sudo_password_file
	// KnownHosts is the setting that has the lines of known hosts, where users name no file for them: the file's name tells them nothing then.
	KnownHosts string
	// Strict: no unknown key can be learned.
	Strict bool
}

func (w Words) hostKey() string { return cmp.Or(w.HostKey, "host_key") }

// place is a line of known hosts.
func (w Words) place(file string, line int) string {
	if w.KnownHosts != "" {
		return fmt.Sprintf("line %d of %s", line, w.KnownHosts)
	}
	return fmt.Sprintf("%s:%d", file, line)
}

const (
	defaultConnectTimeout = 15 * time.Second
	defaultKeepAlive      = 15 * time.Second
)

// endpoint is a hop with nothing left open.
type endpoint struct {
	Hop
	role       string // "host" or "bastion"
	passphrase func(ctx context.Context, path string) (string, error)
	timeout    time.Duration
	keepAlive  time.Duration
	words      Words
}

func (e *endpoint) address() string { return net.JoinHostPort(e.Address, strconv.Itoa(e.Port)) }

// String names the endpoint in messages.
func (e *endpoint) String() string {
	if e.Name == "" || e.Name == e.Address {
		return fmt.Sprintf("%s %s", e.role, e.address())
	}
	return fmt.Sprintf("%s %s (%s)", e.role, e.Name, e.address())
}

// id tells connections apart that must not be shared.
func (e *endpoint) id() string {
	return strings.Join([]string{e.User, e.address(), strings.Join(e.PrivateKeys, ","), strconv.FormatBool(e.Agent), strconv.FormatBool(e.RequireAgent),
		strings.Join(e.identityFiles, ","), strconv.FormatBool(e.identitiesOnly),
		strings.Join(e.KnownHosts, ","), e.HostKey, strconv.Itoa(int(e.Policy))}, "\x00")
}

// stagingPath is what may be written in an scp command: go-scp quotes with %q, inside which a shell still expands.
var stagingPath = regexp.MustCompile(`^/[A-Za-z0-9._/-]+$`)

// chain returns the endpoints from the first bastion to the host.
func (c *Config) chain() ([]*endpoint, error) {
	if c.Address == "" && c.Name == "" {
		return nil, errors.New("host without name and address")
	}
	if c.Staging != "" && !stagingPath.MatchString(c.Staging) {
		return nil, fmt.Errorf("host %s: staging folder %q must be an absolute path of letters, digits, dots, dashes and underscores", c.Name, c.Staging)
	}
	host := Hop{Name: c.Name, Address: c.Address, Port: c.Port, User: c.User, PrivateKeys: c.PrivateKeys, Agent: c.Agent, RequireAgent: c.RequireAgent,
		KnownHosts: c.KnownHosts, HostKey: c.HostKey, Policy: c.Policy}
	host.Name = cmp.Or(host.Name, host.Address)
	bastions := c.Bastions
	if len(bastions) == 0 && c.SSHConfig != nil && c.Dialer == nil {
		var err error
		if bastions, err = c.SSHConfig.jumps(alias(host), host); err != nil {
			return nil, fmt.Errorf("host %s: %w", c.Name, err)
		}
	}
	var chain []*endpoint
	for _, h := range bastions {
		e, err := c.endpoint("bastion", h)
		if err != nil {
			return nil, err
		}
		chain = append(chain, e)
	}
	e, err := c.endpoint("host", host)
	if err != nil {
		return nil, err
	}
	return append(chain, e), nil
}

// alias is what a user would have typed after "ssh".
func alias(h Hop) string {
	if h.Address != "" {
		return h.Address
	}
	return h.Name
}

func (c *Config) endpoint(role string, h Hop) (*endpoint, error) {
	typed := alias(h)
	if err := c.SSHConfig.fill(&h); err != nil {
		return nil, fmt.Errorf("%s %s: %w", role, h.Name, err)
	}
	e := &endpoint{Hop: h, role: role, passphrase: c.Passphrase, timeout: c.ConnectTimeout, keepAlive: c.KeepAlive, words: c.Words}
	if e.timeout <= 0 {
		e.timeout = defaultConnectTimeout
	}
	if e.keepAlive <= 0 {
		e.keepAlive = defaultKeepAlive
	}
	if e.Address == "" {
		e.Address = e.Name
	}
	if e.Port == 0 {
		e.Port = 22
	}
	if e.User == "" {
		u, err := user.Current()
		if err != nil {
			return nil, fmt.Errorf("%s: no user given and the present one is not known: %w", e, err)
		}
		e.User = u.Username
	}
	return e, e.defaults(typed)
}

// defaults fills in the files that ssh(1) would look at, and expands what its configuration may hold.
func (e *endpoint) defaults(alias string) error {
	home, err := os.UserHomeDir()
	if err != nil {
		return fmt.Errorf("%s: %w", e, err)
	}
	if len(e.PrivateKeys) == 0 && len(e.identityFiles) == 0 {
		for _, name := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
			path := filepath.Join(home, ".ssh", name)
			if _, err := os.Stat(path); err == nil {
				e.identityFiles = append(e.identityFiles, path)
			}
		}
	}
	if len(e.KnownHosts) == 0 {
		e.KnownHosts = []string{filepath.Join(home, ".ssh", "known_hosts")}
	}
	tokens := strings.NewReplacer("%%", "%", "%d", home, "%h", e.Address, "%n", alias, "%p", strconv.Itoa(e.Port), "%r", e.User)
	e.PrivateKeys = expand(home, e.PrivateKeys)
	e.identityFiles = expand(home, replaced(tokens, e.identityFiles))
	e.KnownHosts = expand(home, e.KnownHosts)
	if e.knownFromConfig {
		e.KnownHosts = replaced(tokens, e.KnownHosts)
	}
	return nil
}

func replaced(tokens *strings.Replacer, paths []string) []string {
	out := make([]string, 0, len(paths))
	for _, p := range paths {
		out = append(out, tokens.Replace(p))
	}
	return out
}

func expand(home string, paths []string) []string {
	out := make([]string, 0, len(paths))
	for _, p := range paths {
		if rest, ok := strings.CutPrefix(p, "~/"); ok {
			p = filepath.Join(home, rest)
		}
		out = append(out, p)
	}
	return out
}
