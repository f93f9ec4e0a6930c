package release

import (
	"embed"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
)

//go:embed tables
var tables embed.FS

// flag is a flag of a component without a configuration file.
type flag struct {
	kind   kind
	since  string // minor version; "" is the oldest supported
	repeat bool   // one flag for each element of a list; others join them with commas
}

// flagTables are the flags by component. They are those of the newest release's --help, less the deprecated ones; since is from comparing the sources.
var flagTables = map[string]map[string]flag{
	"kube-apiserver":          readFlags("flags-kube-apiserver.txt"),
	"kube-controller-manager": readFlags("flags-kube-controller-manager.txt"),
	"etcd":                    readFlags("flags-etcd.txt"),
}

var text = kind{base: textKind}

var flagKinds = map[string]kind{
	"bool":     {base: boolKind},
	"duration": {base: durationKind},
	"float":    {base: numberKind},
	"gates":    {base: gatesKind},
	"int":      {base: wholeKind, min: math.MinInt64},
	"ip":       {base: addressKind},
	"list":     {base: listKind, element: &kind{base: textKind}},
	"map":      {base: mapKind, element: &kind{base: scalarKind}},
	"repeat":   {base: listKind, element: &kind{base: textKind}},
	"string":   text,
}

// rows reads a table's lines, less comments, as words.
func rows(file string) [][]string {
	content, err := tables.ReadFile("tables/" + file)
	if err != nil {
		panic("release: " + err.Error()) // embedded
	}
	var out [][]string
	for line := range strings.Lines(string(content)) {
		if words := strings.Fields(line); len(words) > 0 && !strings.HasPrefix(words[0], "#") {
			out = append(out, words)
		}
	}
	return out
}

func readFlags(file string) map[string]flag {
	out := map[string]flag{}
	for _, words := range rows(file) {
		k, ok := flagKinds[words[1]]
		if !ok {
			panic(fmt.Sprintf("release: %s: flag %s has type %s", file, words[0], words[1]))
		}
		f := flag{kind: k, repeat: words[1] == "repeat"}
		if len(words) > 2 {
			f.since = words[2]
		}
		out[words[0]] = f
	}
	return out
}

// flags checks settings that are flags.
func (c *checker) flags(table map[string]flag, settings map[string]any) {
	for _, name := range sortedKeys(settings) {
		path := []string{name}
		if c.refused(path) {
			continue
		}
		f, ok := table[name]
		switch {
		case !ok && c.component == "etcd" && strings.HasPrefix(name, "experimental-"):
			c.report(path, "Flag of the past", "etcd %s spells --%s without experimental-, or as one of feature-gates.", c.release.Etcd, name)
		case !ok:
			c.unknown(path, slices.Collect(maps.Keys(table)))
		case f.since != "" && !c.release.atLeast(f.since):
			c.report(path, "Flag of a later release", "--%s came with Kubernetes %s, and %s of %s does not start with it.", name, f.since, c.component, c.release.Kubernetes)
		default:
			c.value(f.kind, path, settings[name])
			c.nodeRestriction(name, settings[name])
		}
	}
}

// nodeRestriction refuses to switch off what keeps nodes apart.
func (c *checker) nodeRestriction(name string, v any) {
	list, _ := v.([]any)
	if name == "disable-admission-plugins" && slices.Contains(list, any("NodeRestriction")) {
		c.report([]string{name}, "Setting that Trivet makes", "NodeRestriction keeps each node to its own objects and cannot be switched off.")
	}
}

// Flags renders checked settings as flags: the values of each by its name. For components with a configuration file these are the few that it has no field for.
func (r *Release) Flags(component string, settings map[string]any) map[string][]string {
	out := map[string][]string{}
	if component == "kube-scheduler" {
		if gates, ok := settings["featureGates"]; ok {
			out["feature-gates"] = []string{flagValue(gates)}
		}
		return out
	}
	table := flagTables[component]
	for name, v := range settings {
		if list, ok := v.([]any); ok && table[name].repeat {
			for _, e := range list {
				out[name] = append(out[name], flagValue(e))
			}
			continue
		}
		if _, ok := table[name]; ok {
			out[name] = []string{flagValue(v)}
		}
	}
	return out
}

// Fields returns the checked settings that go into a component's configuration file.
func (r *Release) Fields(component string, settings map[string]any) map[string]any {
	out := maps.Clone(settings)
	if component == "kube-scheduler" {
		delete(out, "featureGates")
	}
	return out
}

func flagValue(v any) string {
	switch v := v.(type) {
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = flagValue(e)
		}
		return strings.Join(parts, ",")
	case map[string]any:
		var parts []string
		for _, k := range sortedKeys(v) {
			parts = append(parts, k+"="+flagValue(v[k]))
		}
		return strings.Join(parts, ",")
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1e15 {
			return fmt.Sprintf("%.0f", v)
		}
	}
	return fmt.Sprint(v)
}

// gate is a feature gate of one release.
type gate struct {
	stage      string
	on, locked bool
}

var gateTables = func() map[string]func() map[string]gate {
	out := map[string]func() map[string]gate{}
	for _, r := range releases {
		out[r.Minor()] = sync.OnceValue(func() map[string]gate {
			gates := map[string]gate{}
			for _, words := range rows("gates-" + r.Minor() + ".txt") {
				gates[words[0]] = gate{stage: words[1], on: words[2] == "true", locked: words[3] == "locked"}
			}
			return gates
		})
	}
	return out
}()

// gateTable returns the feature gates of a minor version, those of client-go among them.
func gateTable(minor string) map[string]gate { return gateTables[minor]() }
