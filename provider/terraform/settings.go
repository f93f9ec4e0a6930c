package terraform

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/trivet-dev/trivet/bootstrap/identity"
)

// environment names the variable that stands for each setting of the provider block where that has none.
var environment = map[string]string{
	"ssh.user": "TRIVET_SSH_USER", "ssh.port": "TRIVET_SSH_PORT", "ssh.private_key": "TRIVET_SSH_PRIVATE_KEY", "ssh.agent": "TRIVET_SSH_AGENT",
	"ssh.known_hosts": "TRIVET_SSH_KNOWN_HOSTS", "ssh.sudo_password": "TRIVET_SUDO_PASSWORD", "ssh.parallel": "TRIVET_SSH_PARALLEL",
	"age_identity": "TRIVET_AGE_IDENTITY", "artifacts": "TRIVET_ARTIFACTS", "on_destroy": "TRIVET_ON_DESTROY", "unreachable": "TRIVET_UNREACHABLE",
}

// settings reads the provider block, and the environment where that says nothing.
type settings struct {
	client *client
	diags  *diag.Diagnostics
}

// at is the path of a setting.
func (settings) at(name string) path.Path {
	p := path.Empty()
	for _, step := range strings.Split(name, ".") {
		p = p.AtName(step)
	}
	return p
}

// variable is the environment's value, where it counts.
func (s settings) variable(name string, v attr.Value) string {
	if v.IsUnknown() {
		s.client.unknown = cmp.Or(s.client.unknown, name)
	}
	if !v.IsNull() {
		return ""
	}
	return os.Getenv(environment[name])
}

func (s settings) text(name string, v types.String) string {
	return cmp.Or(s.variable(name, v), v.ValueString())
}

// number is 0 where nothing is given.
func (s settings) number(name string, v types.Int64, least, most int64) int64 {
	n, given := v.ValueInt64(), !v.IsNull() && !v.IsUnknown()
	if text := s.variable(name, v); text != "" {
		var err error
		if n, err = strconv.ParseInt(text, 10, 64); err != nil {
			n = 0
		}
		given = true
	}
	if given && (n < least || n > most) {
		s.diags.AddAttributeError(s.at(name), "Wrong "+name, fmt.Sprintf("It must be a whole number from %d to %d, in the provider block or in the environment variable %s.", least, most, environment[name]))
		return 0
	}
	return n
}

func (s settings) flag(name string, v types.Bool) (on, given bool) {
	if text := s.variable(name, v); text != "" {
		on, err := strconv.ParseBool(text)
		if err != nil {
			s.diags.AddAttributeError(s.at(name), "Wrong "+name, fmt.Sprintf("The environment variable %s is %q, which is neither true nor false.", environment[name], text))
		}
		return on, err == nil
	}
	return v.ValueBool(), !v.IsNull() && !v.IsUnknown()
}

// identity reads the age identity. One that is not known yet is as good as none: only what issues certificates needs it, and says so.
func (s settings) identity(v types.String) string {
	if !v.IsNull() {
		return v.ValueString()
	}
	const name = "age_identity"
	file := os.Getenv(environment[name])
	if file == "" {
		return ""
	}
	if err := identity.CheckPath(file); err != nil {
		s.diags.AddAttributeError(s.at(name), "age identity not readable", fmt.Sprintf("The environment variable %s: %v.", environment[name], err))
		return ""
	}
	b, err := os.ReadFile(file)
	if err != nil {
		s.diags.AddAttributeError(s.at(name), "age identity not readable", fmt.Sprintf("The environment variable %s names a file that cannot be read: %v.", environment[name], err))
	}
	return string(b)
}

// oneOf gives a value that has to be one of some words, or nothing.
func oneOf(diags *diag.Diagnostics, name, value string, words []string) string {
	if value != "" && !slices.Contains(words, value) {
		diags.AddAttributeError(path.Root(name), "Wrong "+name, fmt.Sprintf("%q is not one of %s.", value, strings.Join(words, " and ")))
		return ""
	}
	return value
}
