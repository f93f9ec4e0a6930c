package sshhost

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// hostKeyAlgorithms in order of preference, by key type.
var hostKeyAlgorithms = []struct {
	keyType    string
	algorithms []string
}{
	{ssh.KeyAlgoED25519, []string{ssh.KeyAlgoED25519}},
	{ssh.KeyAlgoECDSA256, []string{ssh.KeyAlgoECDSA256}},
	{ssh.KeyAlgoECDSA384, []string{ssh.KeyAlgoECDSA384}},
	{ssh.KeyAlgoECDSA521, []string{ssh.KeyAlgoECDSA521}},
	{ssh.KeyAlgoRSA, []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}},
}

var hostCertAlgorithms = []string{ssh.CertAlgoED25519v01, ssh.CertAlgoECDSA256v01, ssh.CertAlgoECDSA384v01, ssh.CertAlgoECDSA521v01,
	ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01}

// hostKeys checks host keys. Parsed files are kept while they do not change, since a fleet is checked against one file.
type hostKeys struct {
	mu      sync.Mutex
	parsed  map[string]*keyFile
	learned func(LearnedKey) // may be nil
}

type keyFile struct {
	stamp       string
	check       ssh.HostKeyCallback
	authorities map[int]bool // lines with @cert-authority
}

// check is what one handshake needs.
type check struct {
	algorithms []string
	callback   ssh.HostKeyCallback
}

// prepare is called before dialling: what is wrong with the files here costs the host nothing.
func (k *hostKeys) prepare(e *endpoint) (*check, error) {
	if e.HostKey != "" {
		return pinned(e)
	}
	if e.Policy == Strict && !slices.ContainsFunc(e.KnownHosts, exists) {
		return nil, noKnownHosts(e)
	}
	known, authority, err := k.known(e)
	if err != nil {
		return nil, err
	}
	var algorithms []string
	if authority {
		algorithms = append(algorithms, hostCertAlgorithms...)
	}
	for _, a := range hostKeyAlgorithms {
		// A server with several keys shows the first that it finds in our list: only types that can match may be in it.
		if len(known) == 0 && !authority || slices.ContainsFunc(known, func(p ssh.PublicKey) bool { return p.Type() == a.keyType }) {
			algorithms = append(algorithms, a.algorithms...)
		}
	}
	return &check{algorithms, func(address string, remote net.Addr, key ssh.PublicKey) error {
		return k.verify(e, address, remote, key)
	}}, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// noKnownHosts: to contact a host whose key cannot be checked would only have its server count a broken-off login.
func noKnownHosts(e *endpoint) error {
	what := "the known hosts file " + e.KnownHosts[0] + " does not exist"
	if len(e.KnownHosts) > 1 {
		what = "none of the known hosts files " + strings.Join(e.KnownHosts, ", ") + " exists"
	}
	remedy := fmt.Sprintf("make it with `ssh-keyscan -p %d %s >> %s` and compare the keys with `ssh-keygen -lf` on the host's console, or pin the key with %s", e.Port, e.Address, e.KnownHosts[0], e.words.hostKey())
	if !e.words.Strict {
		remedy += ", or have unknown keys learned once with host_keys = \"learn\""
	}
	return &Error{Kind: ErrHostKey, Target: e.String(), Message: what, Remedy: remedy}
}

// anyAddress is a remote address for look-ups by name.
type anyAddress string

func (anyAddress) Network() string  { return "tcp" }
func (a anyAddress) String() string { return string(a) }

// probeKey is no host's key: asking with it brings out the keys that would be right.
var probeKey = sync.OnceValue(func() ssh.PublicKey {
	key, err := ssh.NewPublicKey(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)).Public())
	if err != nil {
		panic(err) // a fixed, valid key
	}
	return key
})

func (k *hostKeys) known(e *endpoint) (keys []ssh.PublicKey, authority bool, err error) {
	for _, path := range e.KnownHosts {
		f, err := k.load(path)
		if err != nil {
			return nil, false, &Error{Kind: ErrHostKey, Target: e.String(), Message: "the known hosts cannot be read", Err: err}
		}
		if f == nil {
			continue
		}
		var ke *knownhosts.KeyError
		if err := f.check(e.address(), anyAddress(e.address()), probeKey()); errors.As(err, &ke) {
			for _, want := range ke.Want {
				if f.authorities[want.Line] {
					authority = true
				} else {
					keys = append(keys, want.Key)
				}
			}
		}
	}
	return keys, authority, nil
}

// load returns nil for a file that does not exist.
func (k *hostKeys) load(path string) (*keyFile, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	stamp := fmt.Sprint(info.Size(), info.ModTime().UnixNano())
	k.mu.Lock()
	defer k.mu.Unlock()
	if f := k.parsed[path]; f != nil && f.stamp == stamp {
		return f, nil
	}
	callback, err := knownhosts.New(path)
	if err != nil {
		return nil, err
	}
	f := &keyFile{stamp: stamp, check: callback, authorities: map[int]bool{}}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(bytes.NewReader(b))
	for n := 1; lines.Scan(); n++ {
		if strings.HasPrefix(strings.TrimSpace(lines.Text()), "@cert-authority") {
			f.authorities[n] = true
		}
	}
	if k.parsed == nil {
		k.parsed = map[string]*keyFile{}
	}
	k.parsed[path] = f
	return f, nil
}

func (k *hostKeys) verify(e *endpoint, address string, remote net.Addr, key ssh.PublicKey) error {
	var wrong []knownhosts.KnownKey
	accepted := false
	for _, path := range e.KnownHosts {
		f, err := k.load(path)
		if err != nil {
			return &Error{Kind: ErrHostKey, Target: e.String(), Message: "the known hosts cannot be read", Err: err}
		}
		if f == nil {
			continue
		}
		err = f.check(address, remote, key)
		var unknown *knownhosts.KeyError
		var revoked *knownhosts.RevokedError
		switch {
		case err == nil:
			accepted = true
		case errors.As(err, &revoked):
			return &Error{Kind: ErrHostKey, Target: e.String(),
				Message: fmt.Sprintf("HOST KEY REVOKED: %s is marked @revoked at %s:%d", describe(key), revoked.Revoked.Filename, revoked.Revoked.Line),
				Remedy:  "do not trust this server until you know why"}
		case errors.As(err, &unknown):
			wrong = append(wrong, unknown.Want...)
		default:
			return &Error{Kind: ErrHostKey, Target: e.String(), Message: "the host key " + describe(key) + " is refused", Err: err}
		}
	}
	switch {
	case accepted:
		return nil
	case len(wrong) > 0:
		return changed(e, key, wrong)
	case e.Policy == Learn:
		return k.learn(e, key)
	}
	return unknownKey(e, key)
}

func describe(key ssh.PublicKey) string { return key.Type() + " " + ssh.FingerprintSHA256(key) }

func line(key ssh.PublicKey) string { return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) }

func changed(e *endpoint, key ssh.PublicKey, wrong []knownhosts.KnownKey) error {
	var known []string
	for _, w := range wrong {
		known = append(known, describe(w.Key)+" at "+e.words.place(w.Filename, w.Line))
	}
	return &Error{Kind: ErrHostKey, Target: e.String(),
		Message: fmt.Sprintf("HOST KEY CHANGED: the server shows %s, known is %s. Somebody may be listening in, or the host was installed anew",
			describe(key), strings.Join(known, ", ")),
		Remedy: "find out which; only if the host was installed anew, remove those lines and pin the new key with " + e.words.hostKey()}
}

func unknownKey(e *endpoint, key ssh.PublicKey) error {
	return &Error{Kind: ErrHostKey, Target: e.String(), Message: "the host key " + describe(key) + " is not known",
		Remedy: fmt.Sprintf("compare it with `ssh-keygen -lf` on the host's console, then set %s = %q for the %s or add the line %q to %s",
			e.words.hostKey(), line(key), e.role, knownhosts.Line([]string{e.address()}, key), cmp.Or(e.words.KnownHosts, e.KnownHosts[0]))}
}

// learning keeps two connections from writing at once.
var learning sync.Mutex

// learn adds the key to the first file, unless another connection has learned one for the same address in the meantime.
func (k *hostKeys) learn(e *endpoint, key ssh.PublicKey) error {
	learning.Lock()
	defer learning.Unlock()
	known, _, err := k.known(e)
	if err != nil {
		return err
	}
	if len(known) > 0 {
		if slices.ContainsFunc(known, func(p ssh.PublicKey) bool { return bytes.Equal(p.Marshal(), key.Marshal()) }) {
			return nil
		}
		return &Error{Kind: ErrHostKey, Target: e.String(), Message: "HOST KEY CHANGED while it was being learned: the server now shows " + describe(key)}
	}
	path := e.KnownHosts[0]
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return &Error{Kind: ErrHostKey, Target: e.String(), Message: "the host key cannot be written to " + path + ", which is not a file",
			Remedy: "set known_hosts in the topology"}
	}
	if err := appendLine(path, knownhosts.Line([]string{e.address()}, key)); err != nil {
		return &Error{Kind: ErrHostKey, Target: e.String(), Message: "the host key cannot be written to the known hosts", Err: err}
	}
	k.mu.Lock()
	delete(k.parsed, path)
	k.mu.Unlock()
	if k.learned != nil {
		k.learned(LearnedKey{Name: e.Name, Target: e.String(), Type: key.Type(), Fingerprint: ssh.FingerprintSHA256(key), File: path})
	}
	return nil
}

// appendLine replaces the file atomically by itself and one more line.
func appendLine(path, text string) (err error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	mode := fs.FileMode(0o600)
	old, err := os.ReadFile(path)
	switch {
	case err == nil:
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		mode = info.Mode().Perm()
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if len(old) > 0 && old[len(old)-1] != '\n' {
		old = append(old, '\n')
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".known_hosts-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = tmp.Close()
			_ = os.Remove(tmp.Name())
		}
	}()
	if _, err = tmp.Write(append(old, text+"\n"...)); err != nil {
		return err
	}
	if err = tmp.Chmod(mode); err != nil {
		return err
	}
	if err = tmp.Sync(); err != nil {
		return err
	}
	if err = tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// pinned checks against the key in the topology alone.
func pinned(e *endpoint) (*check, error) {
	var prints []string
	types := map[string]bool{}
	for _, text := range strings.Split(strings.TrimSpace(e.HostKey), "\n") {
		text = strings.TrimSpace(text)
		if strings.HasPrefix(text, "SHA256:") {
			prints = append(prints, text)
			for _, a := range hostKeyAlgorithms {
				types[a.keyType] = true
			}
			continue
		}
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
		if err != nil {
			return nil, &Error{Kind: ErrHostKey, Target: e.String(), Message: fmt.Sprintf("%s %q is neither a public key nor a SHA256 fingerprint", e.words.hostKey(), text), Err: err}
		}
		prints = append(prints, ssh.FingerprintSHA256(key))
		types[key.Type()] = true
	}
	c := &check{callback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
		if slices.Contains(prints, ssh.FingerprintSHA256(key)) {
			return nil
		}
		return &Error{Kind: ErrHostKey, Target: e.String(),
			Message: fmt.Sprintf("HOST KEY CHANGED: the server shows %s, pinned is %s. Somebody may be listening in, or the host was installed anew",
				describe(key), strings.Join(prints, ", ")),
			Remedy: "find out which before you change " + e.words.hostKey()}
	}}
	for _, a := range hostKeyAlgorithms {
		if types[a.keyType] {
			c.algorithms = append(c.algorithms, a.algorithms...)
		}
	}
	return c, nil
}
