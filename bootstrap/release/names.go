package release

import (
	"slices"
	"sync"
)

// word is a name that a component knows, in some releases.
type word struct{ since, until string }

// wordTables are admission plugins, controllers and plugins of the scheduler, by name.
var wordTables = sync.OnceValue(func() map[string]map[string]word {
	out := map[string]map[string]word{}
	for _, words := range rows("names.txt") {
		kind, name := words[0], words[1]
		if out[kind] == nil {
			out[kind] = map[string]word{}
		}
		var w word
		if len(words) > 2 && words[2] != "-" {
			w.since = words[2]
		}
		if len(words) > 3 {
			w.until = words[3]
		}
		out[kind][name] = w
	}
	return out
})

// has reports whether the release knows a name, and which ones it knows.
func (r *Release) has(kind, name string) (ok bool, known []string) {
	for n, w := range wordTables()[kind] {
		if (w.since == "" || r.atLeast(w.since)) && (w.until == "" || r.Minor() == w.until || !r.atLeast(w.until)) {
			known = append(known, n)
		}
	}
	return slices.Contains(known, name), known
}

// wordOf wants a name of a kind; what says what such a name is.
func wordOf(kind, what string) rule {
	return func(c *checker, path []string, v any) {
		name, isText := v.(string)
		if ok, known := c.release.has(kind, name); isText && !ok {
			c.errors = append(c.errors, FieldError{
				Path: slices.Clone(path), Summary: "Unknown " + what, Value: true,
				Detail: "Kubernetes " + c.release.Kubernetes + " has no " + what + " " + shown(v) + ", and " + c.component + " does not start when it is named." + didYouMean(name, known),
			})
		}
	}
}
