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
	"github.com/trivet-dev/trivet/provider/door"
)

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
		s.client.Unknown = cmp.Or(s.client.Unknown, name)
	}
	if !v.IsNull() {
		return ""
	}
	return os.Getenv(door.Environment[name])
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
		s.diags.AddAttributeError(s.at(name), "Wrong "+name, fmt.Sprintf("It must be a whole number from %d to %d, in the provider block or in the environment variable %s.", least, most, door.Environment[name]))
		return 0
	}
	return n
}

func (s settings) flag(name string, v types.Bool) (on, given bool) {
	if text := s.variable(name, v); text != "" {
		on, err := strconv.ParseBool(text)
		if err != nil {
			s.diags.AddAttributeError(s.at(name), "Wrong "+name, fmt.Sprintf("The environment variable %s is %q, which is neither true nor false.", door.Environment[name], text))
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
	file := os.Getenv(door.Environment[name])
	if file == "" {
		return ""
	}
	if err := identity.CheckPath(file); err != nil {
		s.diags.AddAttributeError(s.at(name), "age identity not readable", fmt.Sprintf("The environment variable %s: %v.", door.Environment[name], err))
		return ""
	}
	b, err := os.ReadFile(file)
	if err != nil {
		s.diags.AddAttributeError(s.at(name), "age identity not readable", fmt.Sprintf("The environment variable %s names a file that cannot be read: %v.", door.Environment[name], err))
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
