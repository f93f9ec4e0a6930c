package pulumi

import (
	"regexp"
	"strings"
	"sync"

	"github.com/trivet-dev/trivet/provider/input"
)

// words are Pulumi's.
var words = input.Words{
	Tool: "Pulumi", Apply: "pulumi up", Plan: "pulumi preview", Provider: "provider", Cluster: "Cluster", Worker: "Worker", Rename: camel,
	Machines: "Pulumi may delete machines before the cluster can do without them", Target: "--target",
	Own: map[string]string{
		"file": "the text of a file", "lockfile": "the text of a file", "encoded": "JSON", "access": "`getClusterStatus` and `getKubeconfig`", "for_each": ", as in a loop",
		"unknownHosts": " Addresses, and what else is in it, may be unknown in a preview.", "kubeconfig": "", "parallel": "With hundreds of workers, `pulumi up --parallel=100`", "secrets": " What is taken from the environment is never in the state.",
	},
}

// camel writes a name as Pulumi does: pod_cidr is podCidr.
func camel(name string) string {
	parts := strings.Split(name, "_")
	for i, p := range parts[1:] {
		if p != "" {
			parts[i+1] = strings.ToUpper(p[:1]) + p[1:]
		}
	}
	return strings.Join(parts, "")
}

// names are those of all attributes that are written otherwise in Pulumi.
var names = sync.OnceValue(func() map[string]bool {
	out := map[string]bool{}
	var walk func(input.Type)
	add := func(list []input.Attribute) {
		for _, a := range list {
			if strings.Contains(a.Name, "_") {
				out[a.Name] = true
			}
			walk(a.Type)
		}
	}
	walk = func(t input.Type) {
		if t.Of != nil {
			walk(*t.Of)
		}
		add(t.Attributes)
	}
	for _, k := range kinds() {
		add(k.out)
	}
	add(input.Provider(words))
	return out
})

var snake = regexp.MustCompile(`\b[a-z]+(_[a-z0-9]+)+\b`)

// reword has the names of attributes in a message as Pulumi writes them.
func reword(message string) string {
	return snake.ReplaceAllStringFunc(message, func(name string) string {
		if names()[name] {
			return camel(name)
		}
		return name
	})
}

// pathOf writes a path as Pulumi does.
func pathOf(p input.Path) string {
	out := make(input.Path, len(p))
	for i, s := range p {
		if !s.Key && s.Name != "" {
			s.Name = camel(s.Name)
		}
		out[i] = s
	}
	return out.String()
}
