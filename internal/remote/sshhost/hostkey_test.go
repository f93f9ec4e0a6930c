package sshhost_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/trivet-dev/trivet/internal/remote/remotetest"
	"github.com/trivet-dev/trivet/internal/remote/sshhost"
)

func TestKnownHosts(t *testing.T) {
	f := newFixture(t)
	key, other := remotetest.NewKey(), remotetest.NewKey()
	second := ecdsaKey(t)
	s := f.server(remotetest.ServerOptions{HostKeys: []ssh.Signer{key, second}})
	address := s.Address().String()
	plain := knownhosts.Line([]string{address}, key.PublicKey())
	hashed := func(k ssh.PublicKey) string {
		return knownhosts.HashHostname(knownhosts.Normalize(address)) + " " + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k)))
	}
	for _, tc := range []struct {
		name  string
		lines []string
		words []string // of the error
	}{
		{"plain, other port", []string{"# comment", plain}, nil},
		{"hashed", []string{hashed(key.PublicKey())}, nil},
		{"second type", []string{knownhosts.Line([]string{address}, second.PublicKey())}, nil},
		{"wildcard", []string{"[127.0.0.*]:" + fmt.Sprint(s.Address().Port) + " " + strings.TrimSpace(s.HostKey())}, nil},
		{"no file", nil, []string{"host bj1-cp1", "/known_hosts does not exist", "ssh-keyscan -p", "host_key", "learn"}},
		{"unknown", []string{"# nobody yet"}, []string{"host bj1-cp1", "is not known", ssh.FingerprintSHA256(key.PublicKey()), "host_key = ", "ssh-keygen -lf"}},
		{"other port known only", []string{knownhosts.Line([]string{"127.0.0.1"}, key.PublicKey())}, []string{"is not known"}},
		{"changed", []string{knownhosts.Line([]string{address}, other.PublicKey())},
			[]string{"host bj1-cp1", "HOST KEY CHANGED", ssh.FingerprintSHA256(key.PublicKey()), ssh.FingerprintSHA256(other.PublicKey()), "known_hosts:1"}},
		{"changed, hashed", []string{hashed(other.PublicKey())}, []string{"HOST KEY CHANGED"}},
		{"revoked", []string{plain, "@revoked * " + strings.TrimSpace(s.HostKey())}, []string{"HOST KEY REVOKED", "known_hosts:2"}},
		{"not readable", []string{"what is this"}, []string{"known_hosts:1"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := f.config(s)
			cfg.HostKey = ""
			cfg.KnownHosts = []string{filepath.Join(t.TempDir(), "known_hosts")}
			if tc.lines != nil {
				write(t, cfg.KnownHosts[0], strings.Join(tc.lines, "\n")+"\n")
			}
			logins, connections := s.Logins(), s.Connections()
			h, err := f.pool.Connect(within(t), cfg)
			if tc.words == nil {
				if err != nil {
					t.Fatal(err)
				}
				_ = h.Close()
				return
			}
			refused(t, err, sshhost.ErrHostKey, tc.words...)
			if s.Logins() != logins {
				t.Error("a key was offered to a server that is not trusted")
			}
			if tc.lines == nil && s.Connections() != connections {
				t.Error("a host was contacted whose key could not have been checked")
			}
		})
	}
}

func ecdsaKey(t *testing.T) ssh.Signer {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCertificateAuthority(t *testing.T) {
	f := newFixture(t)
	authority, key := remotetest.NewKey(), remotetest.NewKey()
	cert := &ssh.Certificate{Key: key.PublicKey(), CertType: ssh.HostCert, ValidBefore: ssh.CertTimeInfinity, ValidPrincipals: []string{"127.0.0.1"}}
	if err := cert.SignCert(rand.Reader, authority); err != nil {
		t.Fatal(err)
	}
	certified, err := ssh.NewCertSigner(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	cfg := f.config(f.server(remotetest.ServerOptions{HostKeys: []ssh.Signer{certified}}))
	cfg.HostKey = ""
	write(t, f.knownHosts, "@cert-authority [127.0.0.1]:* "+strings.TrimSpace(string(ssh.MarshalAuthorizedKey(authority.PublicKey())))+"\n")
	if _, err := f.pool.Connect(within(t), cfg); err == nil {
		t.Error("a pattern for the port was taken") // the port of a pattern is literal in x/crypto
	}
	write(t, f.knownHosts, fmt.Sprintf("@cert-authority [127.0.0.1]:%d %s", cfg.Port, ssh.MarshalAuthorizedKey(authority.PublicKey())))
	f.connect(cfg)
}

func TestPinnedKey(t *testing.T) {
	f := newFixture(t)
	key, other := remotetest.NewKey(), remotetest.NewKey()
	s := f.server(remotetest.ServerOptions{HostKeys: []ssh.Signer{key, ecdsaKey(t)}})
	for _, tc := range []struct {
		name, pin string
		words     []string
	}{
		{"key", string(ssh.MarshalAuthorizedKey(key.PublicKey())), nil},
		{"fingerprint", ssh.FingerprintSHA256(key.PublicKey()), nil},
		{"one of two", string(ssh.MarshalAuthorizedKey(other.PublicKey())) + string(ssh.MarshalAuthorizedKey(key.PublicKey())), nil},
		{"another key", string(ssh.MarshalAuthorizedKey(other.PublicKey())), []string{"HOST KEY CHANGED", "pinned is", ssh.FingerprintSHA256(other.PublicKey())}},
		{"another fingerprint", ssh.FingerprintSHA256(other.PublicKey()), []string{"HOST KEY CHANGED"}},
		{"nonsense", "ssh-ed25519 zzz", []string{"neither a public key nor"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := f.config(s)
			cfg.HostKey = tc.pin
			// A pin stands above known_hosts.
			cfg.KnownHosts = []string{filepath.Join(t.TempDir(), "known_hosts")}
			write(t, cfg.KnownHosts[0], knownhosts.Line([]string{s.Address().String()}, other.PublicKey())+"\n")
			h, err := f.pool.Connect(within(t), cfg)
			if tc.words != nil {
				refused(t, err, sshhost.ErrHostKey, tc.words...)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			_ = h.Close()
		})
	}
}

func TestLearn(t *testing.T) {
	f := newFixture(t)
	const before = "old.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIb1zTVmxjMTYHgPgvGSeQMp1nBOC7n4pkxDhkk8YkfR"
	write(t, f.knownHosts, before) // no newline at the end
	if err := os.Chmod(f.knownHosts, 0o644); err != nil {
		t.Fatal(err)
	}
	var servers []*remotetest.Server
	for range 10 {
		servers = append(servers, f.server(remotetest.ServerOptions{}))
	}
	learn := func(s *remotetest.Server) sshhost.Config {
		cfg := f.config(s)
		cfg.HostKey, cfg.Policy = "", sshhost.Learn
		return cfg
	}
	var wg sync.WaitGroup
	for _, s := range append(servers, servers...) {
		wg.Go(func() {
			h, err := f.pool.Connect(within(t), learn(s))
			if err != nil {
				t.Error(err)
				return
			}
			_ = h.Close()
		})
	}
	wg.Wait()
	b, err := os.ReadFile(f.knownHosts)
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(strings.TrimSpace(string(b)), "\n"); len(lines) != 11 || lines[0] != before {
		t.Errorf("known_hosts:\n%s", b)
	}
	if info, err := os.Stat(f.knownHosts); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	// What was learned is enough for strict checking.
	cfg := learn(servers[0])
	cfg.Policy = sshhost.Strict
	f.connect(cfg)
	// A changed key is refused when learning, too.
	impostor := learn(servers[0])
	impostor.Port = servers[1].Address().Port
	write(t, f.knownHosts, knownhosts.Line([]string{servers[1].Address().String()}, remotetest.NewKey().PublicKey())+"\n")
	_, err = f.pool.Connect(within(t), impostor)
	refused(t, err, sshhost.ErrHostKey, "HOST KEY CHANGED")
}

// TestHostKeyShown tells which key a host showed.
func TestHostKeyShown(t *testing.T) {
	f := newFixture(t)
	s := f.server(remotetest.ServerOptions{})
	shown := map[string]string{}
	pool := sshhost.NewPool(sshhost.Options{HostKey: func(name, key string) { shown[name] = key }})
	h, err := pool.Connect(within(t), f.config(s))
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close() //nolint:errcheck // nothing depends on it
	if want := strings.TrimSpace(s.HostKey()); shown["bj1-cp1"] != want {
		t.Errorf("the key of bj1-cp1 is %q, want %q", shown["bj1-cp1"], want)
	}
}
