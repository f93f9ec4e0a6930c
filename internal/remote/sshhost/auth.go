package sshhost

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// login offers identities one after another within one connection, as ssh(1) does, and remembers for the error what was offered.
type login struct {
	e     *endpoint
	offer *offer
	tried int
}

// An attempt that failed because the connection ended looks the same here as a refused one: when nothing is left to offer, the end of the handshake tells
// which it was.
func (l *login) next(ctx *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
	ids := l.offer.ids
	if l.tried > 0 {
		// The server would have taken this key: to go on to others would only add failures there.
		if locked := ids[l.tried-1].locked; locked != nil && locked.err != nil {
			return nil, locked.err
		}
	}
	switch {
	case l.tried == len(ids), len(ctx.AllowedMethods) == 0:
		return nil, nil
	case len(ctx.PartialSuccessMethods) > 0:
		return nil, l.refused("the server asks for a second factor (" + strings.Join(ctx.AllowedMethods, ", ") + ")")
	case !slices.Contains(ctx.AllowedMethods, "publickey"):
		return nil, l.refused("the server takes no public keys, only " + strings.Join(ctx.AllowedMethods, ", "))
	}
	l.tried++
	return ssh.PublicKeys(ids[l.tried-1].signer), nil
}

func (l *login) offered() string {
	var names []string
	for _, id := range l.offer.ids[:l.tried] {
		names = append(names, id.String())
	}
	return "key " + strings.Join(names, ", key ")
}

func (l *login) refused(message string) *Error {
	remedy := fmt.Sprintf("check the user name and ~%s/.ssh/authorized_keys there", l.e.User)
	if l.offer.left > 0 {
		message += fmt.Sprintf(" (%d more were not offered, since a server refuses after a few)", l.offer.left)
		remedy += ", or name the right key with private_key"
	}
	return &Error{Kind: ErrAuth, Target: l.e.String(), Message: fmt.Sprintf("user %s cannot log in: %s", l.e.User, message), Remedy: remedy}
}
