package door

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/trivet-dev/trivet/bootstrap/kube"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/provider/input"
)

// Fleet is what a resource describes.
type Fleet struct {
	Topology *topology.Topology // nil where too much is unknown, or wrong
	Cluster  *topology.Cluster
	text     *input.Text // what was written for its attributes; nil where a topology in its own language describes it, or nothing does
}

// options are those of the language.
func (c *Client) options() topology.Options {
	o := topology.Options{VariablesIn: "variables", Releases: release.Known, CheckSettings: release.CheckComponent, CheckManifests: kube.CheckManifests, ReadFile: os.ReadFile, Glob: filepath.Glob}
	if c != nil {
		o.SSH = &c.SSH
	}
	o.Dir, _ = os.Getwd()
	o.Home, _ = os.UserHomeDir()
	return o
}

// languageAttributes are those of a resource that have no meaning in a topology.
var languageAttributes = []string{"id", "topology", "variables", "deletion_protection", "on_destroy", "unreachable", "adopt", "lock", "restore", "backup", "access", "nodes", "objects"}

// Fleet reads what a resource describes, by its attributes. c may be nil, for a provider that is not configured yet.
func (c *Client) Fleet(attributes input.Object) (*Fleet, []input.Problem) {
	return fleetOf(attributes, c.options())
}

// Standing reads what a state describes, without the manifests: their files may be gone by now, and the hosts are those that they were.
func (c *Client) Standing(attributes input.Object) (*Fleet, []input.Problem) {
	o := c.options()
	o.NoManifests = true
	return fleetOf(attributes, o)
}

func fleetOf(attributes input.Object, o topology.Options) (*Fleet, []input.Problem) {
	name, _ := attributes["name"].(string)
	if attributes["topology"] != nil {
		return fleetOfText(attributes, name, o)
	}
	rest := maps.Clone(attributes)
	for _, k := range languageAttributes {
		delete(rest, k)
	}
	if _, unknown := attributes["name"].(input.Unknown); unknown {
		return &Fleet{}, nil
	}
	var missing []input.Problem
	for _, k := range []string{"sites", "hosts", "kubernetes"} {
		if rest[k] == nil {
			missing = append(missing, input.Mistake(k, "Missing "+k, "A cluster is described by kubernetes, age_recipients, sites and hosts, or by a topology in its own language."))
		}
	}
	if attributes["variables"] != nil {
		missing = append(missing, input.Mistake("variables", "Variables of nothing", "variables are those of topology, which is not given. Remove them, or describe the cluster by a topology."))
	}
	if len(missing) > 0 {
		return &Fleet{}, missing
	}
	if problems := input.Misplaced(rest); len(problems) > 0 {
		return &Fleet{}, problems // the language has no words for those
	}
	text, ok := input.Write(rest)
	if !ok {
		return &Fleet{}, nil
	}
	top, found := text.Parse(o)
	problems := text.Problems(inFolder(found))
	if top == nil {
		return &Fleet{}, problems
	}
	return &Fleet{Topology: top, Cluster: top.Clusters[0], text: text}, problems
}

func fleetOfText(attributes input.Object, name string, o topology.Options) (*Fleet, []input.Problem) {
	var problems []input.Problem
	for _, k := range slices.Sorted(maps.Keys(Without(attributes, append(languageAttributes, "name")...))) {
		if attributes[k] != nil {
			problems = append(problems, input.Mistake(k, "Described twice", fmt.Sprintf("topology describes the cluster, so that %s has no place beside it. Remove one of the two.", k)))
		}
	}
	source, known := attributes["topology"].(string)
	variables, _ := attributes["variables"].(input.Object)
	if _, none := attributes["variables"].(input.Unknown); len(problems) > 0 || !known || none || HasUnknown(variables) {
		return &Fleet{}, problems
	}
	given := map[string]string{}
	for k, v := range variables {
		given[k], _ = v.(string)
	}
	top, found := parse(source, given, o)
	for _, p := range input.ProblemsAt(input.Path{}.Attribute("topology"), inFolder(found)) {
		if p.Subject == nil && p.Context == nil && len(given) > 0 {
			p.Path = input.Path{}.Attribute("variables") // a value that no variable has
		}
		problems = append(problems, p)
	}
	if top == nil {
		return &Fleet{}, problems
	}
	cluster, err := top.Cluster(name)
	if err != nil {
		return &Fleet{}, append(problems, input.Mistake("name", "Unknown cluster", err.Error()+"."))
	}
	return &Fleet{Topology: top, Cluster: cluster}, problems
}

// inFolder has messages name the folder in which paths begin: a topology of a provider is in none of its own.
func inFolder(found hcl.Diagnostics) hcl.Diagnostics {
	for _, d := range found {
		d.Detail = strings.ReplaceAll(d.Detail, "the topology's folder", "the working folder")
	}
	return found
}

// HasUnknown reports whether something in a value is not known yet.
func HasUnknown(v any) bool { return input.HasUnknown(v) }

// topologyFile is the name of a topology in its own language in positions. It is no file's.
const topologyFile = "topology"

// Parse reads a topology in its own language.
func (c *Client) Parse(source string, variables map[string]string) (*topology.Topology, hcl.Diagnostics) {
	return parse(source, variables, c.options())
}

func parse(source string, variables map[string]string, o topology.Options) (*topology.Topology, hcl.Diagnostics) {
	o.Variables = variables
	top, _, diags := topology.Parse(map[string][]byte{topologyFile: []byte(source)}, o)
	return top, diags
}
