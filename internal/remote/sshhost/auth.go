package sshhost

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// maxKeys bounds the keys offered in one login: sshd's MaxAuthTries is 6 unless changed, and counts the query without a key.
const maxKeys = 5

// identity is a key with the name under which messages speak of it.
type identity struct {
	name   string
	signer ssh.Signer
}

func (i identity) String() string {
	return fmt.Sprintf("%s (%s)", i.name, ssh.FingerprintSHA256(i.signer.PublicKey()))
}

// keyring loads each private key once, and keeps one connection to the agent.
type keyring struct {
	mu    sync.Mutex
	files map[string]identity
	agent agent.ExtendedAgent
	conn  net.Conn
}

// identities returns what e offers, in order. It is called before e is dialled, so that a mistake here costs the host nothing.
func (k *keyring) identities(ctx context.Context, e *endpoint) ([]identity, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var ids []identity
	for _, path := range e.PrivateKeys {
		id, err := k.file(ctx, e, path)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	if e.Agent {
		more, err := k.fromAgent(e)
		if err != nil {
			return nil, err
		}
		ids = append(ids, more...)
	}
	if len(ids) > maxKeys {
		if e.Agent && len(e.PrivateKeys) == 0 {
			return nil, &Error{Kind: ErrAuth, Target: e.String(),
				Message: fmt.Sprintf("the agent holds %d keys, and a server refuses after a few", len(ids)), Remedy: "name the right one with private_key"}
		}
		ids = ids[:maxKeys]
	}
	return ids, nil
}

func (k *keyring) file(ctx context.Context, e *endpoint, path string) (identity, error) {
	if id, ok := k.files[path]; ok {
		return id, nil
	}
	refuse := func(message, remedy string, err error) (identity, error) {
		return identity{}, &Error{Kind: ErrAuth, Target: e.String(), Message: message, Remedy: remedy, Err: err}
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return refuse("the private key cannot be read", "check private_key", err)
	}
	signer, err := ssh.ParsePrivateKey(pem)
	if errors.As(err, new(*ssh.PassphraseMissingError)) {
		if e.passphrase == nil {
			return refuse("private key "+path+" is encrypted and nobody can be asked for its passphrase", "add it to ssh-agent and set agent = true", nil)
		}
		phrase, perr := e.passphrase(ctx, path)
		if perr != nil {
			return refuse("private key "+path+" is encrypted", "", perr)
		}
		signer, err = ssh.ParsePrivateKeyWithPassphrase(pem, []byte(phrase))
	}
	if err != nil {
		return refuse("private key "+path+" is not usable", "", err)
	}
	if signer, err = withCertificate(signer, path); err != nil {
		return refuse("the certificate beside private key "+path+" is not usable", "", err)
	}
	if k.files == nil {
		k.files = map[string]identity{}
	}
	id := identity{path, signer}
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

func (k *keyring) fromAgent(e *endpoint) ([]identity, error) {
	refuse := func(message string, err error) ([]identity, error) {
		return nil, &Error{Kind: ErrAuth, Target: e.String(), Message: message, Err: err, Remedy: "start ssh-agent and add the key with ssh-add"}
	}
	if k.agent == nil {
		socket := os.Getenv("SSH_AUTH_SOCK")
		if socket == "" && len(e.PrivateKeys) > 0 {
			return nil, nil // ssh does without an agent, too, where it has a key
		}
		if socket == "" {
			return refuse("the SSH agent is asked for, but SSH_AUTH_SOCK is not set", nil)
		}
		conn, err := net.Dial("unix", socket)
		if err != nil {
			return refuse("the SSH agent cannot be reached", err)
		}
		k.conn, k.agent = conn, agent.NewClient(conn)
	}
	signers, err := k.agent.Signers()
	if err != nil {
		return refuse("the SSH agent does not answer", err)
	}
	if len(signers) == 0 && len(e.PrivateKeys) == 0 {
		return refuse("the SSH agent holds no key", nil)
	}
	var ids []identity
	for _, s := range signers {
		ids = append(ids, identity{"agent key", s})
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

// login offers identities one after another within one connection, as ssh(1) does, and remembers for the error what was offered.
type login struct {
	e     *endpoint
	ids   []identity
	tried int
}

// An attempt that failed because the connection ended looks the same here as a refused one: when nothing is left to offer, the end of the handshake tells
// which it was.
func (l *login) next(ctx *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
	switch {
	case l.tried == len(l.ids), len(ctx.AllowedMethods) == 0:
		return nil, nil
	case len(ctx.PartialSuccessMethods) > 0:
		return nil, l.refused("the server asks for a second factor (" + strings.Join(ctx.AllowedMethods, ", ") + ")")
	case !slices.Contains(ctx.AllowedMethods, "publickey"):
		return nil, l.refused("the server takes no public keys, only " + strings.Join(ctx.AllowedMethods, ", "))
	}
	l.tried++
	return ssh.PublicKeys(l.ids[l.tried-1].signer), nil
}

func (l *login) offered() string {
	var names []string
	for _, id := range l.ids[:l.tried] {
		names = append(names, id.String())
	}
	return "key " + strings.Join(names, ", key ")
}

func (l *login) refused(message string) *Error {
	return &Error{Kind: ErrAuth, Target: l.e.String(), Message: fmt.Sprintf("user %s cannot log in: %s", l.e.User, message),
		Remedy: fmt.Sprintf("check the user name and ~%s/.ssh/authorized_keys there", l.e.User)}
}
