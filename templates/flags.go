package templates

import (
	"slices"
	"strings"
)

// Flags are the flags that a user set for a component. A template writes Trivet's defaults where they belong, through Or and With, and what is left with Rest,
// so that no flag is written twice. A Flags serves one rendering.
type Flags struct {
	values map[string][]string
	used   map[string]bool
}

// NewFlags takes flags by name. A flag with several values is written once for each.
func NewFlags(values map[string][]string) *Flags {
	return &Flags{values: values, used: map[string]bool{}}
}

// Or returns the user's value of a flag, or else Trivet's.
func (f *Flags) Or(name, value string) string {
	f.used[name] = true
	if v, ok := f.values[name]; ok {
		return Argument(strings.Join(v, ","))
	}
	return Argument(value)
}

// With returns a list that holds Trivet's value in any case, and the user's.
func (f *Flags) With(name, value string) string {
	f.used[name] = true
	list := []string{value}
	for _, values := range f.values[name] {
		for _, v := range strings.Split(values, ",") {
			if v != "" && !slices.Contains(list, v) {
				list = append(list, v)
			}
		}
	}
	return Argument(strings.Join(list, ","))
}

// Rest returns the flags that were not asked for by name, sorted.
func (f *Flags) Rest() []string {
	var out []string
	for name, values := range f.values {
		if f.used[name] {
			continue
		}
		for _, v := range values {
			out = append(out, "--"+name+"="+Argument(v))
		}
	}
	slices.Sort(out)
	return out
}
