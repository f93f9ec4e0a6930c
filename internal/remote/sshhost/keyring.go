package sshhost

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// notAKey is what to do about a file that holds no private key.
const notAKey = "name the private half of a key made by ssh-keygen, not its .pub file"

// maxKeys bounds the keys offered in one login: sshd's MaxAuthTries is 6 unless changed, and counts the query without a key.
const maxKeys = 5

// identity is a key with the name under which messages speak of it.
type identity struct {
	name   string
	signer ssh.Signer
	locked *lockedKey // nil for a key that needs no passphrase
}

func (i identity) String() string {
	return fmt.Sprintf("%s (%s)", i.name, ssh.FingerprintSHA256(i.signer.PublicKey()))
}

// offer is what one login tries, in order.
type offer struct {
	ids  []identity
	left int // keys that there would be, beyond what a server bears
}

// keyring loads each private key once, and keeps one connection to the agent.
type keyring struct {
	mu     sync.Mutex
	memory map[string][]byte // texts of keys that have no file
	files  map[string]identity
	agent  agent.ExtendedAgent
	conn   net.Conn
	asking sync.Mutex            // one passphrase at a time
	opened map[string]ssh.Signer // by path, for those that were asked for
}

// identities returns what e offers. It is called before e is dialled, so that a mistake here costs the host nothing. pause is called while somebody is
// asked for a passphrase during the login, and what it returns after it.
func (k *keyring) identities(ctx context.Context, e *endpoint, pause func() func()) (*offer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(e.PrivateKeys) == 0 {
		return k.asSSH(ctx, e, pause)
	}
	var ids []identity
	for _, path := range e.PrivateKeys {
		id, err := k.file(ctx, e, path)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	if e.Agent && os.Getenv("SSH_AUTH_SOCK") != "" { // ssh does without an agent, too, where it has a key
		more, err := k.fromAgent()
		if err != nil {
			return nil, noAgent(e, err)
		}
		ids = append(ids, more...)
	}
	ids = distinct(ids)
	n := min(len(ids), maxKeys)
	return &offer{ids[:n], len(ids) - n}, nil
}

// asSSH chooses keys as ssh(1) does where none is named on its command line: those of the agent, first the ones that IdentityFile names, then the files. Each
// key is tried once, whether the agent or a file or both have it.
func (k *keyring) asSSH(ctx context.Context, e *endpoint, pause func() func()) (*offer, error) {
	var files []candidate
	var missing []string
	for _, path := range e.identityFiles {
		c, err := k.candidate(ctx, e, path, pause)
		if err != nil {
			missing = append(missing, err.Error())
			continue
		}
		files = append(files, c)
	}
	var held []identity
	if e.Agent {
		var err error
		held, err = k.fromAgent()
		if err != nil && e.RequireAgent {
			return nil, noAgent(e, err)
		}
		if err != nil {
			missing = append(missing, err.Error())
		}
	}
	named, others, last := match(held, files)
	if e.identitiesOnly {
		if len(named)+len(last) == 0 && len(others) > 0 {
			missing = append(missing, "IdentitiesOnly leaves out the keys of the agent that no IdentityFile names")
		}
		others = nil
	}
	if len(named)+len(last) == 0 && len(others) > maxKeys {
		return nil, &Error{Kind: ErrAuth, Target: e.String(),
			Message: fmt.Sprintf("the agent holds %d keys, and a server refuses after a few", len(others)), Remedy: "name the right one with private_key"}
	}
	total := len(named) + len(others) + len(last)
	if total == 0 {
		return nil, noKey(e, missing)
	}
	// What is too much for a server goes from those keys that nobody named.
	others = others[:max(0, len(others)-max(0, total-maxKeys))]
	ids := append(append(named, others...), last...)
	n := min(len(ids), maxKeys)
	return &offer{ids[:n], total - n}, nil
}

func noAgent(e *endpoint, err error) error {
	return &Error{Kind: ErrAuth, Target: e.String(), Message: err.Error(), Remedy: "start ssh-agent and add the key with ssh-add"}
}

func noKey(e *endpoint, missing []string) error {
	if len(e.identityFiles) == 0 {
		missing = append(missing, "~/.ssh has no id_ed25519, id_ecdsa or id_rsa")
	}
	return &Error{Kind: ErrAuth, Target: e.String(), Message: "there is no key to log in with: " + strings.Join(missing, "; "),
		Remedy: "set private_key in the topology, or IdentityFile in ~/.ssh/config, or start ssh-agent and add the key with ssh-add"}
}

// candidate is a file of which at least the public key is known.
type candidate struct {
	public ssh.PublicKey
	id     *identity // nil where the private key is not on this machine, and the agent may have it
}

// match sorts keys: those of the agent that a file names, its others, and those that only files have.
func match(held []identity, files []candidate) (named, others, last []identity) {
	taken := map[string]bool{}
	for _, f := range files {
		found := false
		for _, h := range held {
			if bytes.Equal(plain(h.signer.PublicKey()).Marshal(), f.public.Marshal()) {
				named, found = append(named, h), true
				taken[string(h.signer.PublicKey().Marshal())] = true
			}
		}
		if !found && f.id != nil {
			last = append(last, *f.id)
		}
	}
	for _, h := range held {
		if !taken[string(h.signer.PublicKey().Marshal())] {
			others = append(others, h)
		}
	}
	return distinct(named), distinct(others), distinct(last)
}

// plain is the key that a certificate is for, and any other key itself.
func plain(key ssh.PublicKey) ssh.PublicKey {
	if cert, ok := key.(*ssh.Certificate); ok {
		return cert.Key
	}
	return key
}

// distinct leaves out keys that come again: a server counts each time.
func distinct(ids []identity) []identity {
	seen := map[string]bool{}
	var out []identity
	for _, id := range ids {
		if key := string(id.signer.PublicKey().Marshal()); !seen[key] {
			seen[key] = true
			out = append(out, id)
		}
	}
	return out
}

// candidate reads a file that IdentityFile names, or one of the default names: a private key, perhaps encrypted, or a public one whose private key the agent has.
func (k *keyring) candidate(ctx context.Context, e *endpoint, path string, pause func() func()) (candidate, error) {
	if id, ok := k.files[path]; ok {
		return candidate{plain(id.signer.PublicKey()), &id}, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		if public, perr := publicKey(path + ".pub"); perr == nil {
			return candidate{public: public}, nil
		}
		return candidate{}, err
	}
	if public, _, _, _, err := ssh.ParseAuthorizedKey(text); err == nil {
		return candidate{public: plain(public)}, nil
	}
	_, err = ssh.ParsePrivateKey(text)
	var encrypted *ssh.PassphraseMissingError
	if !errors.As(err, &encrypted) {
		id, err := k.file(ctx, e, path)
		if err != nil {
			return candidate{}, err
		}
		return candidate{plain(id.signer.PublicKey()), &id}, nil
	}
	public := encrypted.PublicKey
	if public == nil { // the older formats do not tell
		if public, err = publicKey(path + ".pub"); err != nil {
			return candidate{}, fmt.Errorf("private key %s is encrypted, and its public key is not beside it: %w", path, err)
		}
	}
	locked := &lockedKey{public: public, open: func() (ssh.Signer, error) {
		defer pause()()
		return k.unlock(ctx, e, path)
	}}
	signer, err := withCertificate(locked, path)
	if err != nil {
		return candidate{}, fmt.Errorf("the certificate beside private key %s is not usable: %w", path, err)
	}
	return candidate{public, &identity{path, signer, locked}}, nil
}

func publicKey(path string) (ssh.PublicKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return plain(key), nil
}

// lockedKey is an encrypted private key that nobody named in the topology: its passphrase is asked for when a server is ready to take it, as ssh(1) does.
type lockedKey struct {
	public ssh.PublicKey
	open   func() (ssh.Signer, error)
	err    error // why it could not be opened
}

func (l *lockedKey) PublicKey() ssh.PublicKey { return l.public }

func (l *lockedKey) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	return l.SignWithAlgorithm(rand, data, "")
}

// SignWithAlgorithm implements ssh.AlgorithmSigner: RSA keys sign with SHA-2.
func (l *lockedKey) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	signer, err := l.open()
	if err != nil {
		l.err = err
		return nil, err
	}
	if s, ok := signer.(ssh.AlgorithmSigner); ok {
		return s.SignWithAlgorithm(rand, data, algorithm)
	}
	return signer.Sign(rand, data)
}

// unlock asks for the passphrase once, however many hosts want the key.
func (k *keyring) unlock(ctx context.Context, e *endpoint, path string) (ssh.Signer, error) {
	k.asking.Lock()
	defer k.asking.Unlock()
	k.mu.Lock()
	id, ok := k.opened[path]
	k.mu.Unlock()
	if ok {
		return id, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, &Error{Kind: ErrAuth, Target: e.String(), Message: "the private key cannot be read", Err: err}
	}
	signer, err := decrypt(ctx, e, path, text)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.opened == nil {
		k.opened = map[string]ssh.Signer{}
	}
	k.opened[path] = signer
	return signer, nil
}

// decrypt opens an encrypted key with the passphrase that is given for it.
func decrypt(ctx context.Context, e *endpoint, path string, text []byte) (ssh.Signer, error) {
	if e.passphrase == nil {
		return nil, &Error{Kind: ErrAuth, Target: e.String(), Message: "private key " + path + " is encrypted and nobody can be asked for its passphrase",
			Remedy: "add it to ssh-agent and set agent = true"}
	}
	phrase, err := e.passphrase(ctx, path)
	if err != nil {
		return nil, &Error{Kind: ErrAuth, Target: e.String(), Message: "private key " + path + " is encrypted", Err: err}
	}
	signer, err := ssh.ParsePrivateKeyWithPassphrase(text, []byte(phrase))
	if err != nil {
		return nil, &Error{Kind: ErrAuth, Target: e.String(), Message: "private key " + path + " cannot be decrypted", Err: err, Remedy: "look whether the passphrase was right"}
	}
	return signer, nil
}

// file loads a private key at once.
func (k *keyring) file(ctx context.Context, e *endpoint, path string) (identity, error) {
	if id, ok := k.files[path]; ok {
		return id, nil
	}
	refuse := func(message, remedy string, err error) (identity, error) {
		return identity{}, &Error{Kind: ErrAuth, Target: e.String(), Message: message, Remedy: remedy, Err: err}
	}
	text, held := k.memory[path]
	var err error
	if !held {
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return refuse("the private key cannot be read", "check private_key", err)
	}
	signer, err := ssh.ParsePrivateKey(text)
	if errors.As(err, new(*ssh.PassphraseMissingError)) {
		if signer, err = decrypt(ctx, e, path, text); err != nil {
			return identity{}, err
		}
	}
	if err != nil {
		return refuse("private key "+path+" is not usable", notAKey, err)
	}
	if !held { // a certificate stands beside a file
		if signer, err = withCertificate(signer, path); err != nil {
			return refuse("the certificate beside private key "+path+" is not usable", "", err)
		}
	}
	if k.files == nil {
		k.files = map[string]identity{}
	}
	id := identity{name: path, signer: signer}
	k.files[path] = id
	return id, nil
}

// withCertificate adds the OpenSSH certificate <path>-cert.pub, if there is one.
func withCertificate(signer ssh.Signer, path string) (ssh.Signer, error) {
	b, err := os.ReadFile(path + "-cert.pub")
	if errors.Is(err, fs.ErrNotExist) {
		return signer, nil
	}
	if err != nil {
		return nil, err
	}
	pub, _, _, _, err := ssh.ParseAuthorizedKey(b)
	if err != nil {
		return nil, err
	}
	cert, ok := pub.(*ssh.Certificate)
	if !ok {
		return nil, errors.New("it is not a certificate")
	}
	return ssh.NewCertSigner(cert, signer)
}

// fromAgent returns the keys of the agent at SSH_AUTH_SOCK, or why there are none.
func (k *keyring) fromAgent() ([]identity, error) {
	if k.agent == nil {
		socket := os.Getenv("SSH_AUTH_SOCK")
		if socket == "" {
			return nil, errors.New("there is no SSH agent: SSH_AUTH_SOCK is not set")
		}
		conn, err := net.Dial("unix", socket)
		if err != nil {
			return nil, fmt.Errorf("the SSH agent cannot be reached: %w", err)
		}
		k.conn, k.agent = conn, agent.NewClient(conn)
	}
	signers, err := k.agent.Signers()
	if err != nil {
		return nil, fmt.Errorf("the SSH agent does not answer: %w", err)
	}
	if len(signers) == 0 {
		return nil, errors.New("the SSH agent holds no key")
	}
	var ids []identity
	for _, s := range signers {
		ids = append(ids, identity{name: "agent key", signer: s})
	}
	return ids, nil
}

func (k *keyring) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.conn != nil {
		_ = k.conn.Close()
		k.conn, k.agent = nil, nil
	}
}
