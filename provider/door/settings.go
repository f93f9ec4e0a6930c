package door

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math/big"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/provider/input"
)

// Environment names the variable that stands for each setting of a provider where that has none.
var Environment = map[string]string{
	"ssh.user": "TRIVET_SSH_USER", "ssh.port": "TRIVET_SSH_PORT", "ssh.private_key": "TRIVET_SSH_PRIVATE_KEY", "ssh.agent": "TRIVET_SSH_AGENT",
	"ssh.known_hosts": "TRIVET_SSH_KNOWN_HOSTS", "ssh.sudo_password": "TRIVET_SUDO_PASSWORD", "ssh.parallel": "TRIVET_SSH_PARALLEL",
	"age_identity": "TRIVET_AGE_IDENTITY", "artifacts": "TRIVET_ARTIFACTS", "on_destroy": "TRIVET_ON_DESTROY", "unreachable": "TRIVET_UNREACHABLE",
}

// settings reads the provider's own settings, and the environment where they say nothing.
type settings struct {
	client   *Client
	given    input.Object
	problems []input.Problem
}

// Configure reads a provider's settings, which are those that input.Provider describes, into the client.
func (c *Client) Configure(given input.Object) []input.Problem {
	c.SSH = topology.DefaultSSH()
	s := settings{client: c, given: given}
	if _, unknown := given["ssh"].(input.Unknown); unknown {
		c.Unknown = "ssh"
	}
	c.SSH.User = s.text("ssh.user")
	c.PrivateKey = s.privateKey()
	c.KnownHosts = s.knownHosts()
	c.SudoPassword = s.text("ssh.sudo_password")
	c.Artifacts = cmp.Or(s.text("artifacts"), "auto")
	c.OnDestroy = s.word("on_destroy", input.OnDestroyWords)
	c.Unreachable = s.word("unreachable", input.UnreachableWords)
	c.SSH.Port = int(s.number("ssh.port", 1, 65535))
	c.SSH.Parallel = cmp.Or(int(s.number("ssh.parallel", 1, 1024)), c.SSH.Parallel)
	if c.PrivateKey != "" {
		c.SSH.PrivateKey, c.SSH.Agent = PrivateKeyName, false
	}
	if on, given := s.flag("ssh.agent"); given {
		c.SSH.Agent, c.SSH.RequireAgent = on, on
	}
	c.AgeIdentity = s.identity()
	return s.problems
}

// wrong notes a mistake in a setting.
func (s *settings) wrong(name, summary, detail string) {
	p := input.Mistake(name, summary, detail)
	if outer, inner, nested := strings.Cut(name, "."); nested {
		p.Path = input.Path{}.Attribute(outer).Attribute(inner)
	}
	s.problems = append(s.problems, p)
}

// value is what a setting has: nil where it has none.
func (s *settings) value(name string) any {
	outer, inner, nested := strings.Cut(name, ".")
	if !nested {
		return s.given[name]
	}
	o, _ := s.given[outer].(input.Object)
	return o[inner]
}

// variable is the environment's value, where it counts.
func (s *settings) variable(name string) string {
	v := s.value(name)
	if _, unknown := v.(input.Unknown); unknown {
		s.client.Unknown = cmp.Or(s.client.Unknown, name)
	}
	if v != nil {
		return ""
	}
	return os.Getenv(Environment[name])
}

func (s *settings) text(name string) string {
	text, _ := s.value(name).(string)
	return cmp.Or(s.variable(name), text)
}

// number is 0 where nothing is given.
func (s *settings) number(name string, least, most int64) int64 {
	n, given := whole(s.value(name))
	if text := s.variable(name); text != "" {
		var err error
		if n, err = strconv.ParseInt(text, 10, 64); err != nil {
			n = 0
		}
		given = true
	}
	if given && (n < least || n > most) {
		s.wrong(name, "Wrong "+name, fmt.Sprintf("It must be a whole number from %d to %d. %s", least, most, s.stands(name)))
		return 0
	}
	return n
}

// whole reads a whole number; one that is none is 0.
func whole(v any) (n int64, given bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case float64:
		if n = int64(v); float64(n) != v {
			n = 0
		}
		return n, true
	case *big.Float:
		if n, accuracy := v.Int64(); accuracy == big.Exact {
			return n, true
		}
		return 0, true
	}
	return 0, false
}

func (s *settings) flag(name string) (on, given bool) {
	if text := s.variable(name); text != "" {
		on, err := strconv.ParseBool(text)
		if err != nil {
			s.wrong(name, "Wrong "+name, fmt.Sprintf("The environment variable %s is %q, which is neither true nor false.", Environment[name], text))
		}
		return on, err == nil
	}
	on, given = s.value(name).(bool)
	return on, given
}

// word reads a value that has to be one of some words, or nothing.
func (s *settings) word(name string, words []string) string {
	value := s.text(name)
	if value != "" && !slices.Contains(words, value) {
		s.wrong(name, "Wrong "+name, fmt.Sprintf("%q is not one of %s. %s", value, strings.Join(words, " and "), s.stands(name)))
		return ""
	}
	return value
}

// stands says where a setting is given.
func (s *settings) stands(name string) string {
	if s.value(name) == nil {
		return "It is in the environment variable " + Environment[name] + "."
	}
	return "It is in the " + s.client.Words.Provider + "."
}

// privateKey reads the private key. What is wrong with it would otherwise be told for each host.
func (s *settings) privateKey() string {
	const name = "ssh.private_key"
	text := s.text(name)
	if text == "" {
		return ""
	}
	var encrypted *ssh.PassphraseMissingError
	switch _, err := ssh.ParseRawPrivateKey([]byte(text)); {
	case errors.As(err, &encrypted):
		s.wrong(name, "Private key is encrypted", fmt.Sprintf("Nobody can be asked for its passphrase. Add it to an SSH agent and leave it out here, or give one without a passphrase. %s", s.stands(name)))
	case err != nil:
		s.wrong(name, "Not a private key", fmt.Sprintf("It has to be the text of the private key itself, as ssh-keygen writes it: neither the name of its file nor its public half. %s", s.stands(name)))
	}
	return text
}

// ofLine is what is wrong in a line of a known_hosts file, whose name says nothing.
var ofLine = regexp.MustCompile(`:(\d+): (.*)$`)

// knownHosts reads the lines of known hosts.
func (s *settings) knownHosts() string {
	const name = "ssh.known_hosts"
	text := s.text(name)
	if text == "" {
		return ""
	}
	file, err := writeTemporary(text)
	if err == nil {
		_, err = knownhosts.New(file)
		_ = os.Remove(file)
	}
	if err != nil {
		what := err.Error()
		if m := ofLine.FindStringSubmatch(what); m != nil {
			what = fmt.Sprintf("line %s: %s", m[1], m[2])
		}
		s.wrong(name, "Wrong "+name, fmt.Sprintf("It has to be the text of a known_hosts file, not the file's name: %s. %s", what, s.stands(name)))
	}
	return text
}

// identity reads the age identity. One that is not known yet is as good as none: only what issues certificates needs it, and says so.
func (s *settings) identity() string {
	const name = "age_identity"
	if v := s.value(name); v != nil {
		text, _ := v.(string)
		if _, err := identity.ParseIdentities(strings.NewReader(text)); text != "" && err != nil {
			s.wrong(name, "Wrong "+name, fmt.Sprintf("It has to be the text of the identity itself, not the name of its file: %v.", err))
		}
		return text
	}
	file := os.Getenv(Environment[name])
	if file == "" {
		return ""
	}
	if err := identity.CheckPath(file); err != nil {
		s.wrong(name, "age identity not readable", fmt.Sprintf("The environment variable %s: %v.", Environment[name], err))
		return ""
	}
	b, err := os.ReadFile(file)
	if err != nil {
		s.wrong(name, "age identity not readable", fmt.Sprintf("The environment variable %s names a file that cannot be read: %v.", Environment[name], err))
		return ""
	}
	if _, err := identity.ParseIdentities(bytes.NewReader(b)); err != nil {
		s.wrong(name, "Wrong "+name, fmt.Sprintf("The environment variable %s names %s: %v.", Environment[name], file, err))
	}
	return string(b)
}

// Known fails where the provider is not configured well enough to contact hosts.
func (c *Client) Known() error {
	switch {
	case c == nil:
		return fmt.Errorf("the provider is not configured yet, so that no host can be contacted")
	case c.Unknown != "":
		return fmt.Errorf("%s of the %s is not known yet, so that no host can be contacted. Apply what it depends on first", c.Words.Name(c.Unknown), c.Words.Provider)
	}
	return nil
}
