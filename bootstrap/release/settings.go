package release

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// Components lists the components whose settings a topology may give.
func Components() []string {
	return []string{"containerd", "etcd", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubelet"}
}

// CheckComponent checks a component block for a Kubernetes version: it fits topology.Options.CheckSettings. An unknown version is not its business.
func CheckComponent(kubernetes string, c topology.Component) []FieldError {
	r, err := Lookup(kubernetes)
	if err != nil {
		return nil
	}
	return r.CheckSettings(c.Name, c.Settings)
}

// CheckSettings checks the settings of a component against its fields, or flags, in this release: both kubelets, for one, ignore fields that they do not know.
// It reports every mistake: those in one field first, in the order of the field names, then fields that do not fit each other.
func (r *Release) CheckSettings(component string, settings map[string]any) []FieldError {
	c := checker{release: r, component: component}
	switch component {
	case "kubelet", "kube-proxy", "kube-scheduler":
		c.fields(configs[component](), nil, settings)
	case "kube-apiserver", "kube-controller-manager", "etcd":
		c.flags(flagTables[component], settings)
	case "containerd":
		c.fields(containerdFields, nil, settings)
	default:
		c.report(nil, "Unknown component", "There is no component %q. Trivet runs %s.", component, strings.Join(Components(), ", "))
	}
	c.together(settings)
	return c.errors
}

// checker collects the mistakes in one component's settings.
type checker struct {
	release   *Release
	component string
	settings  map[string]any // all of them, for checks that need more than one
	errors    []FieldError
}

func (c *checker) report(path []string, summary, detail string, args ...any) {
	c.errors = append(c.errors, FieldError{Path: slices.Clone(path), Summary: summary, Detail: fmt.Sprintf(detail, args...)})
}

// refused reports a setting that Trivet makes itself.
func (c *checker) refused(path []string) bool {
	reason, ok := owned[c.component][fieldName(path)]
	if ok {
		c.report(path, "Setting that Trivet makes", "%s of %s cannot be set here: %s.", fieldName(path), c.component, reason)
	}
	return ok
}

// fieldName writes a path as owned and since spell it: profiles[].plugins.
func fieldName(path []string) string {
	var out strings.Builder
	for _, p := range path {
		if p != "" && strings.Trim(p, "0123456789") == "" {
			out.WriteString("[]")
			continue
		}
		if out.Len() > 0 {
			out.WriteByte('.')
		}
		out.WriteString(p)
	}
	return out.String()
}

// fields checks an object against a kind.
func (c *checker) fields(k kind, path []string, object map[string]any) {
	for _, name := range sortedKeys(object) {
		at := append(slices.Clone(path), name)
		if c.refused(at) {
			continue
		}
		field, ok := k.fields[name]
		if !ok {
			c.unknown(at, slices.Collect(maps.Keys(k.fields)))
			continue
		}
		if minor := since[c.component][fieldName(at)]; minor != "" && !c.release.atLeast(minor) {
			c.report(at, "Field of a later release", "%s came with Kubernetes %s, and this cluster runs %s, which would ignore it.", fieldName(at), minor, c.release.Kubernetes)
			continue
		}
		c.value(field, at, object[name])
	}
}

// unknown reports a name that is none, with the nearest that is.
func (c *checker) unknown(path []string, known []string) {
	name := path[len(path)-1]
	hint := ""
	if near := nearestName(name, known); near != "" {
		hint = fmt.Sprintf(" Did you mean %s?", near)
	}
	if k, isFlags := flagTables[c.component]; isFlags && k != nil {
		c.report(path, "Unknown flag", "%s of Kubernetes %s has no flag --%s.%s", c.component, c.release.Kubernetes, name, hint)
		return
	}
	c.report(path, "Unknown field", "%s of Kubernetes %s has no field %s.%s", c.component, c.release.Kubernetes, fieldName(path), hint)
}

// value checks one value, and what is in it.
func (c *checker) value(k kind, path []string, v any) {
	if problem := k.accepts(v); problem != "" {
		c.wrong(path, v, "%s", problem)
		c.errors[len(c.errors)-1].Summary = "Wrong type"
		c.hint(k.instead(v))
		return
	}
	before := len(c.errors)
	c.inside(k, path, v)
	if len(c.errors) == before {
		c.rules(k, path, v)
	}
}

// inside checks what is in a list, a map or an object.
func (c *checker) inside(k kind, path []string, v any) {
	switch k.base {
	case gatesKind:
		c.gates(path, v.(map[string]any))
	case objectKind:
		c.fields(k, path, v.(map[string]any))
	case listKind:
		for i, e := range v.([]any) {
			c.value(*k.element, append(slices.Clone(path), fmt.Sprint(i)), e)
		}
	case mapKind:
		object := v.(map[string]any)
		for _, name := range sortedKeys(object) {
			at := append(slices.Clone(path), name)
			if problem := text.acceptsText(name); problem != "" {
				c.report(at, "Wrong name", "The name %q %s.", name, problem)
			}
			c.value(*k.element, at, object[name])
		}
	}
}

// gates checks feature gates: naming one that the release does not have, or moving one that is locked, keeps the component from starting.
func (c *checker) gates(path []string, set map[string]any) {
	known := gateTable(c.release.Minor())
	for _, name := range sortedKeys(set) {
		at := append(slices.Clone(path), name)
		on, isBool := set[name].(bool)
		g, ok := known[name]
		switch {
		case !ok:
			c.unknownGate(at, name, known)
		case !isBool:
			c.wrong(at, set[name], "must be true or false")
			c.errors[len(c.errors)-1].Summary = "Wrong type"
		case g.locked && g.on != on:
			c.report(at, "Feature gate that is locked", "%s is always %t in Kubernetes %s, and %s does not start when told otherwise. Leave it out.", name, g.on, c.release.Minor(), c.component)
		}
	}
}

func (c *checker) unknownGate(path []string, name string, known map[string]gate) {
	for _, other := range releases {
		if _, ok := gateTable(other.Minor())[name]; !ok || other.Minor() == c.release.Minor() {
			continue
		}
		if c.release.atLeast(other.Minor()) {
			c.report(path, "Removed feature gate", "Kubernetes %s no longer has the feature gate %s, which %s had, and %s does not start when it is named. Leave it out.", c.release.Minor(), name, other.Minor(), c.component)
		} else {
			c.report(path, "Feature gate of a later release", "%s came with Kubernetes %s, and %s of %s does not start when it is named. Leave it out.", name, other.Minor(), c.component, c.release.Minor())
		}
		return
	}
	hint := ""
	if near := nearestName(name, slices.Collect(maps.Keys(known))); near != "" {
		hint = fmt.Sprintf(" Did you mean %s?", near)
	}
	c.report(path, "Unknown feature gate", "Kubernetes %s has no feature gate %s, and %s does not start when it is named.%s", c.release.Minor(), name, c.component, hint)
}

// nearestName finds the name that was probably meant: the same but for case and dashes, or at most two letters away.
func nearestName(name string, known []string) string {
	slices.Sort(known)
	plain := func(s string) string {
		return strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(s))
	}
	best, distance := "", 3
	for _, k := range known {
		if plain(k) == plain(name) {
			return k
		}
		if d := editDistance(plain(k), plain(name)); d < distance && d*3 <= len(name) {
			best, distance = k, d
		}
	}
	return best
}

func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
