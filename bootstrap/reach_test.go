package bootstrap_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/remote/sshhost"
)

// operator is somebody with a home directory, keys and a topology, and an OpenSSH server on loopback, as Debian configures it.
type operator struct {
	t       *testing.T
	home    string
	port    int
	hostKey string // as in authorized_keys
	log     *safeBuffer
	keys    map[string]ssh.PublicKey
	private map[string]ed25519.PrivateKey
	events  []event.Event
	mu      sync.Mutex
	asked   atomic.Int32 // for passphrases
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

const phrase = "phrase of passing"

// newOperator starts a server that lets the key "right" in, and no other.
func newOperator(t *testing.T) *operator {
	t.Helper()
	const program = "/usr/sbin/sshd"
	if _, err := os.Stat(program); err != nil || os.Geteuid() != 0 {
		t.Skip("this needs root and sshd: install openssh-server")
	}
	o := &operator{t: t, home: t.TempDir(), log: new(safeBuffer), keys: map[string]ssh.PublicKey{}, private: map[string]ed25519.PrivateKey{}}
	t.Setenv("HOME", o.home)
	t.Setenv("SSH_AUTH_SOCK", "")
	dir := t.TempDir()
	o.write(filepath.Join(dir, "authorized_keys"), o.public("right"))
	o.hostKey = o.public("host")
	o.write(filepath.Join(dir, "host_key"), o.pem("host", ""))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.port = l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	o.write(filepath.Join(dir, "sshd_config"), fmt.Sprintf("ListenAddress 127.0.0.1:%[1]d\nListenAddress 127.0.0.2:%[1]d\nListenAddress 127.0.0.3:%[1]d\nHostKey %[2]s/host_key\nAuthorizedKeysFile %[2]s/authorized_keys\nStrictModes no\n"+
		"PidFile none\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nLogLevel VERBOSE\n", o.port, dir))
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-D", "-e", "-f", filepath.Join(dir, "sshd_config"))
	cmd.Stderr = o.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("sshd:\n%s", o.log)
		}
	})
	o.until("sshd", func() bool { return strings.Count(o.log.String(), "Server listening") == 3 })
	return o
}

func (o *operator) until(what string, cond func() bool) {
	o.t.Helper()
	end := time.Now().Add(20 * time.Second)
	for tick := time.NewTicker(5 * time.Millisecond); !cond(); <-tick.C {
		if time.Now().After(end) {
			o.t.Fatalf("%s did not come about", what)
		}
	}
}

func (o *operator) write(path, content string) {
	o.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		o.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		o.t.Fatal(err)
	}
}

// inHome writes a file of ~/.ssh.
func (o *operator) inHome(name, content string) {
	o.t.Helper()
	o.write(filepath.Join(o.home, ".ssh", name), content)
}

// public makes the key of that name, when it is new, and returns its public line.
func (o *operator) public(name string) string {
	o.t.Helper()
	if o.keys[name] == nil {
		pub, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			o.t.Fatal(err)
		}
		if o.keys[name], err = ssh.NewPublicKey(pub); err != nil {
			o.t.Fatal(err)
		}
		o.private[name] = private
	}
	return string(ssh.MarshalAuthorizedKey(o.keys[name]))
}

// pem is the private key of that name, encrypted when there is a passphrase.
func (o *operator) pem(name, passphrase string) string {
	o.t.Helper()
	o.public(name)
	block, err := ssh.MarshalPrivateKey(o.private[name], name)
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(o.private[name], name, []byte(passphrase))
	}
	if err != nil {
		o.t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block))
}

// agent serves an agent with keys of these names.
func (o *operator) agent(names ...string) {
	o.t.Helper()
	ring := agent.NewKeyring()
	for _, n := range names {
		o.public(n)
		if err := ring.Add(agent.AddedKey{PrivateKey: o.private[n]}); err != nil {
			o.t.Fatal(err)
		}
	}
	socket := filepath.Join(o.t.TempDir(), "agent")
	l, err := net.Listen("unix", socket)
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_ = agent.ServeAgent(ring, c)
			}()
		}
	}()
	o.t.Setenv("SSH_AUTH_SOCK", socket)
}

// known writes the server's key into a file of known hosts.
func (o *operator) known(name string) {
	o.t.Helper()
	o.inHome(name, fmt.Sprintf("[127.0.0.1]:%[1]d,[127.0.0.2]:%[1]d,[127.0.0.3]:%[1]d %[2]s", o.port, o.hostKey))
}

// connect goes the way of every command: a topology, in which the ssh block has these lines, and an engine. It returns why the first host was not connected to. What comes
// after the login is not looked at.
func (o *operator) connect(block string, hosts int) error {
	o.t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		o.t.Fatal(err)
	}
	var list strings.Builder
	for i := range hosts {
		fmt.Fprintf(&list, "host \"cp%d\" {\n address = \"10.1.1.%d\"\n ssh_address = \"127.0.0.%d\"\n roles = [\"control-plane\", \"etcd\"]\n}\n", i+1, i+11, i+1)
	}
	source := fmt.Sprintf("fleet \"f\" {\n ssh {\n user = \"root\"\n port = %d\n %s\n }\n}\nregion \"r\" {\n site \"s\" {\n room \"1\" {\n rack \"a\" {\n cidr = \"10.1.1.0/24\"\n%s}\n}\n}\n}\n"+
		"cluster \"main\" {\n kubernetes = \"1.37.2\"\n sites = [\"s\"]\n pod_cidr = \"10.128.0.0/12\"\n service_cidr = \"10.96.0.0/16\"\n age_recipients = [%q]\n}\n",
		o.port, block, list.String(), id.Recipient().String())
	o.write(filepath.Join(o.home, "fleet", "main.hcl"), source)
	topo, _, diags := topology.Load(filepath.Join(o.home, "fleet"), topology.Options{})
	if diags.HasErrors() {
		o.t.Fatal(diags)
	}
	e, err := bootstrap.Connect(o.t.Context(), bootstrap.Options{
		Topology: topo,
		Helper:   func(string) (string, error) { return "", errors.New("this test goes as far as the login") },
		Passphrase: func(context.Context, string) (string, error) {
			o.asked.Add(1)
			return phrase, nil
		},
		Events: func(ev event.Event) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.events = append(o.events, ev)
		},
	})
	if err != nil {
		return err
	}
	o.t.Cleanup(func() { _ = e.Close() })
	return e.Unreachable()
}

// tried counts the lines of the server's log that have what and the fingerprint of a key.
func (o *operator) tried(what, key string) int {
	n := 0
	for line := range strings.Lines(o.log.String()) {
		if strings.Contains(line, what) && strings.HasSuffix(strings.TrimSpace(line), ssh.FingerprintSHA256(o.keys[key])) {
			n++
		}
	}
	return n
}

// loggedIn checks that the server took the right key, once, and that it saw these others before, each once.
func (o *operator) loggedIn(err error, others ...string) {
	o.t.Helper()
	for _, kind := range []error{sshhost.ErrAuth, sshhost.ErrHostKey, sshhost.ErrUnreachable} {
		if errors.Is(err, kind) {
			o.t.Fatal(err)
		}
	}
	o.until("a login in the log", func() bool { return o.tried("Accepted publickey", "right") == 1 })
	failed := map[string]bool{}
	for _, k := range others {
		failed[k] = true
	}
	for k := range o.keys {
		want := 0
		if failed[k] {
			want = 1
		}
		if got := o.tried("Failed publickey", k); got != want {
			o.t.Errorf("key %s failed %d times, want %d", k, got, want)
		}
	}
}

func TestKeysAsWithSSH(t *testing.T) {
	many := []string{"a1", "a2", "a3", "a4", "a5", "a6", "a7"}
	for _, tc := range []struct {
		name   string
		block  string
		set    func(o *operator)
		others []string // keys that are tried before
		asked  int32
	}{
		{"IdentityFile, no agent", "", func(o *operator) {
			o.inHome("fleet", o.pem("right", ""))
			o.inHome("id_ed25519", o.pem("other", ""))
			o.inHome("config", "Host 127.*\n  IdentityFile ~/.ssh/fleet\n")
		}, nil, 0},
		{"IdentityFile, empty agent", "", func(o *operator) {
			o.agent()
			o.inHome("fleet", o.pem("right", ""))
			o.inHome("config", "IdentityFile %d/.ssh/missing\nIdentityFile %d/.ssh/fleet\n")
		}, nil, 0},
		{"default name, agent gone", "", func(o *operator) {
			o.t.Setenv("SSH_AUTH_SOCK", filepath.Join(o.home, "gone"))
			o.inHome("id_ed25519", o.pem("right", ""))
		}, nil, 0},
		{"default name, no agent wanted", "agent = false", func(o *operator) {
			o.agent("other")
			o.inHome("id_ed25519", o.pem("right", ""))
		}, nil, 0},
		{"agent alone", "", func(o *operator) { o.agent("other", "right") }, []string{"other"}, 0},
		{"agent before a file", "", func(o *operator) {
			o.agent("other")
			o.inHome("id_ed25519", o.pem("right", ""))
		}, []string{"other"}, 0},
		{"in the agent and in a file", "", func(o *operator) {
			o.agent("other", "right")
			o.inHome("id_ed25519", o.pem("right", ""))
		}, nil, 0},
		{"full agent, IdentityFile names a public key", "", func(o *operator) {
			o.agent(append(many, "right")...)
			o.inHome("fleet.pub", o.public("right"))
			o.inHome("config", "IdentityFile ~/.ssh/fleet.pub\n")
		}, nil, 0},
		{"full agent, default name", "", func(o *operator) {
			o.agent(many...)
			o.inHome("id_ed25519", o.pem("right", ""))
		}, many[:4], 0},
		{"IdentitiesOnly", "", func(o *operator) {
			o.agent("other")
			o.inHome("fleet", o.pem("right", ""))
			o.inHome("config", "IdentitiesOnly yes\nIdentityFile ~/.ssh/fleet\n")
		}, nil, 0},
		{"encrypted, in the agent", "", func(o *operator) {
			o.agent("right")
			o.inHome("id_ed25519", o.pem("right", phrase))
		}, nil, 0},
		{"encrypted, the server wants it", "", func(o *operator) {
			o.agent("other")
			o.inHome("id_ed25519", o.pem("right", phrase))
		}, []string{"other"}, 1},
		{"encrypted, the server does not want it", "", func(o *operator) {
			o.inHome("id_ed25519", o.pem("other", phrase))
			o.inHome("id_rsa", o.pem("right", ""))
		}, []string{"other"}, 0},
		{"private_key alone", `private_key = "~/.ssh/fleet"`, func(o *operator) {
			o.agent("other")
			o.inHome("fleet", o.pem("right", ""))
			o.inHome("other", o.pem("other", ""))
			o.inHome("config", "IdentityFile ~/.ssh/other\n")
		}, nil, 0},
		{"private_key of somebody else, and the agent", "private_key = \"~/.ssh/fleet\"\nagent = true", func(o *operator) {
			o.agent("other", "right")
			o.inHome("fleet", o.pem("other", ""))
		}, []string{"other"}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := newOperator(t)
			o.known("known_hosts")
			tc.set(o)
			o.loggedIn(o.connect(tc.block, 1), tc.others...)
			if got := o.asked.Load(); got != tc.asked {
				t.Errorf("asked for %d passphrases, want %d", got, tc.asked)
			}
		})
	}
}

// TestPassphraseOnce: hosts that want the same key at once wait for one answer.
func TestPassphraseOnce(t *testing.T) {
	o := newOperator(t)
	o.known("known_hosts")
	o.inHome("id_ed25519", o.pem("right", phrase))
	if err := o.connect("", 3); errors.Is(err, sshhost.ErrAuth) || errors.Is(err, sshhost.ErrUnreachable) {
		t.Fatal(err)
	}
	o.until("three logins", func() bool { return o.tried("Accepted publickey", "right") == 3 })
	if got := o.asked.Load(); got != 1 {
		t.Errorf("asked %d times", got)
	}
}

func TestNoKeyAtAll(t *testing.T) {
	for _, tc := range []struct {
		name  string
		block string
		set   func(o *operator)
		words []string
	}{
		{"nothing", "", func(*operator) {}, []string{"SSH_AUTH_SOCK is not set", "id_ed25519", "private_key", "ssh-add"}},
		{"empty agent, missing file", "", func(o *operator) {
			o.agent()
			o.inHome("config", "IdentityFile ~/.ssh/fleet\n")
		}, []string{"the SSH agent holds no key", ".ssh/fleet", "no such file"}},
		{"an agent is demanded", "agent = true", func(o *operator) { o.inHome("id_ed25519", o.pem("right", "")) }, []string{"SSH_AUTH_SOCK is not set", "ssh-add"}},
		{"IdentitiesOnly", "", func(o *operator) {
			o.agent("right")
			o.inHome("config", "IdentitiesOnly yes\n")
		}, []string{"IdentitiesOnly"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := newOperator(t)
			o.known("known_hosts")
			tc.set(o)
			err := o.connect(tc.block, 1)
			wants(t, err, append(tc.words, "host cp1")...)
			if !errors.Is(err, sshhost.ErrAuth) {
				t.Errorf("%v is no refused login", err)
			}
			if strings.Contains(o.log.String(), "Connection from") {
				t.Error("the host was contacted")
			}
		})
	}
}

// TestTooManyKeys: what was left out is said, and the server is not driven to its limit.
func TestTooManyKeys(t *testing.T) {
	o := newOperator(t)
	o.known("known_hosts")
	o.agent("a1", "a2", "a3", "a4", "a5", "a6", "a7")
	o.inHome("id_ed25519", o.pem("other", ""))
	wants(t, o.connect("", 1), "user root cannot log in", "3 more were not offered", "private_key")
	if strings.Contains(o.log.String(), "Too many authentication failures") {
		t.Error("the server reached its limit")
	}
}

func TestKnownHostsAsWithSSH(t *testing.T) {
	wrong := "[127.0.0.1]:%d ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIb1zTVmxjMTYHgPgvGSeQMp1nBOC7n4pkxDhkk8YkfR\n"
	t.Run("UserKnownHostsFile", func(t *testing.T) {
		o := newOperator(t)
		o.agent("right")
		o.known("fleet_hosts")
		o.inHome("known_hosts", fmt.Sprintf(wrong, o.port))
		o.inHome("config", "UserKnownHostsFile %d/.ssh/none ~/.ssh/fleet_hosts\n")
		o.loggedIn(o.connect("", 1))
	})
	t.Run("the topology wins", func(t *testing.T) {
		o := newOperator(t)
		o.agent("right")
		o.known("known_hosts")
		o.inHome("fleet_hosts", fmt.Sprintf(wrong, o.port))
		o.inHome("config", "UserKnownHostsFile ~/.ssh/fleet_hosts\n")
		o.loggedIn(o.connect(`known_hosts = "~/.ssh/known_hosts"`, 1))
	})
	t.Run("missing", func(t *testing.T) {
		o := newOperator(t)
		o.agent("right")
		o.inHome("config", "UserKnownHostsFile ~/.ssh/fleet_hosts\n")
		wants(t, o.connect("", 1), ".ssh/fleet_hosts does not exist", "ssh-keyscan")
	})
	t.Run("not a file", func(t *testing.T) {
		o := newOperator(t)
		o.agent("right")
		o.inHome("config", "UserKnownHostsFile /dev/null\n")
		wants(t, o.connect(`host_keys = "learn"`, 1), "/dev/null", "known_hosts")
		if info, err := os.Stat("/dev/null"); err != nil || info.Mode().IsRegular() {
			t.Fatal("/dev/null was replaced")
		}
	})
}

// TestLearnedKeysAreTold: who accepts first contacts can compare what was accepted.
func TestLearnedKeysAreTold(t *testing.T) {
	o := newOperator(t)
	o.agent("right")
	o.loggedIn(o.connect("host_keys = \"learn\"\nknown_hosts = \"hosts\"", 1))
	file := filepath.Join(o.home, "fleet", "hosts")
	told := func() (out []event.Event) {
		o.mu.Lock()
		defer o.mu.Unlock()
		for _, e := range o.events {
			if e.Host == "cp1" && strings.Contains(e.Message, "first time") {
				out = append(out, e)
			}
		}
		return out
	}
	got := told()
	if len(got) != 1 || got[0].Kind != event.Warning {
		t.Fatalf("%+v", got)
	}
	for _, want := range []string{"host cp1 (127.0.0.1:", "ssh-ed25519 " + ssh.FingerprintSHA256(o.keys["host"]), file} {
		if !strings.Contains(got[0].Message, want) {
			t.Errorf("%q does not have %q", got[0].Message, want)
		}
	}
	if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), strings.TrimSpace(o.hostKey)) {
		t.Errorf("%s: %q, %v", file, text, err)
	}
	_ = o.connect("host_keys = \"learn\"\nknown_hosts = \"hosts\"", 1)
	if n := len(told()); n != 1 {
		t.Errorf("a key that is known was told of %d times", n)
	}
}

// TestJumpWithTheAgent: ProxyJump uses the keys that ssh would use for the jump.
func TestJumpWithTheAgent(t *testing.T) {
	o := newOperator(t)
	o.agent("right")
	o.known("known_hosts")
	o.inHome("config", fmt.Sprintf("Host 127.0.0.1\n  ProxyJump root@gate.example\nHost gate.example\n  HostName 127.0.0.1\n  Port %d\n", o.port))
	err := o.connect("", 1)
	if errors.Is(err, sshhost.ErrAuth) || errors.Is(err, sshhost.ErrHostKey) || errors.Is(err, sshhost.ErrUnreachable) {
		t.Fatal(err)
	}
	o.until("two logins", func() bool { return o.tried("Accepted publickey", "right") == 2 })
}
