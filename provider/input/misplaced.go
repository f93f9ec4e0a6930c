package input

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// Misplaced tells what attributes can say and the language cannot: hosts and racks in sites that there are not, keys of racks that are none, and components that are no list of objects. What
// is not known yet is not checked.
func Misplaced(attributes Object) []Problem {
	var out []Problem
	wrong := func(at Path, summary, format string, args ...any) {
		out = append(out, Problem{at, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...)}})
	}
	top := Path{}
	if sites, known := object(attributes["sites"]); known {
		names := slices.Sorted(maps.Keys(sites))
		if len(names) == 0 {
			wrong(top.Attribute("sites"), "Missing sites", "There is none. Hosts stand in sites: add one with its region, such as bj1 = { region = \"beijing\" }.")
			return out
		}
		for _, name := range names {
			if site, known := object(sites[name]); known && site["region"] == nil {
				wrong(top.Attribute("sites").Key(name), "Missing region", "%s is in no region. Give it region, which may be the only one.", name)
			}
		}
		racks, _ := object(attributes["racks"])
		for _, key := range slices.Sorted(maps.Keys(racks)) {
			at, parts := top.Attribute("racks").Key(key), strings.SplitN(key, "/", 3)
			switch {
			case len(parts) < 3 || slices.Contains(parts, ""):
				wrong(at, "Wrong key of a rack", "%q is not SITE/ROOM/RACK, such as %q.", key, names[0]+"/"+DefaultRoom+"/"+DefaultRack)
			case sites[parts[0]] == nil:
				wrong(at, "Unknown site", "%s", noSite(parts[0], names))
			}
		}
		hosts, _ := object(attributes["hosts"])
		for _, name := range slices.Sorted(maps.Keys(hosts)) {
			host, known := object(hosts[name])
			site, _ := host["site"].(string)
			at := top.Attribute("hosts").Key(name)
			switch _, unknown := host["site"].(Unknown); {
			case !known || unknown || site == "" && len(names) == 1:
			case site == "":
				wrong(at, "Missing site", "sites has %s, and %s does not say in which one it stands. Give it site.", quotedAll(names), name)
			case sites[site] == nil:
				wrong(at.Attribute("site"), "Unknown site", "%s", noSite(site, names))
			}
		}
	}
	return append(out, shapes(attributes["components"], top.Attribute("components"))...)
}

// shapes tells components that are no list of objects, which have any shape for the frameworks.
func shapes(v any, at Path) (out []Problem) {
	const example = "They are a list of objects, such as [{ name = \"kubelet\", settings = { maxPods = 150 } }]."
	if _, unknown := v.(Unknown); v == nil || unknown {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		return []Problem{Mistake("components", "Wrong components", example)}
	}
	for i, x := range list {
		switch x.(type) {
		case Object, Unknown:
		default:
			p := Mistake("components", "Wrong component", fmt.Sprintf("The component number %d is no object. %s", i+1, example))
			p.Path = at.At(i)
			out = append(out, p)
		}
	}
	return out
}

func noSite(name string, names []string) string {
	return fmt.Sprintf("There is no site %q: sites has %s.%s", name, quotedAll(names), topology.Suggest(name, names))
}

// quotedAll lists names, the first ten of many.
func quotedAll(names []string) string {
	var out []string
	for _, n := range names[:min(len(names), 10)] {
		out = append(out, fmt.Sprintf("%q", n))
	}
	if more := len(names) - len(out); more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(out, ", "), more)
	}
	return strings.Join(out, ", ")
}
