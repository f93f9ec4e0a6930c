package adopt

import (
	"fmt"
	"net/netip"
	"path"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/artifact"
	"github.com/trivet-dev/trivet/internal/artifact/image"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// fileName is how the topology's file is called, also in messages.
const fileName = "main.hcl"

// parse reads a topology as `trivet validate` does. Mistakes come as texts.
func parse(text string) (*topology.Topology, []string) {
	t, _, diags := topology.Parse(map[string][]byte{fileName: []byte(text)}, topology.Options{Dir: "/", Home: "/", Releases: release.Known, CheckSettings: release.CheckComponent})
	var out []string
	for _, diag := range diags {
		if diag.Severity == hcl.DiagError {
			out = append(out, diag.Summary+": "+diag.Detail)
		}
	}
	return t, out
}

// compiled is what Trivet would run, by host.
type compiled struct {
	hosts   map[string]map[string][]byte // content of files, by host and path
	objects []desired.Object
}

// compile works out what Trivet would have on the hosts that were read, were they new. Digests of artifacts are not known, and not looked at.
func (d *describer) compile(t *topology.Topology) (*compiled, error) {
	c, err := t.Cluster("")
	if err != nil {
		return nil, err
	}
	facts := map[string]hostapi.Facts{}
	for _, n := range d.nodes {
		if n.seen.read() {
			facts[n.name] = n.seen.Facts
		}
	}
	inv, err := desired.Allot(nil, c, facts)
	if err != nil {
		return nil, err
	}
	for _, n := range d.nodes {
		if r := inv.Host(n.name); r != nil {
			if p, err := netip.ParsePrefix(n.kube.Spec.PodCIDR); err == nil {
				r.PodCIDR = p
			}
		}
	}
	var entries []artifact.Entry
	for _, w := range desired.Wants(c, d.release, facts, false) {
		e := artifact.Entry{Want: w}
		if w.Kind == artifact.Image {
			if e.Reference, err = image.Reference(w.Name, w.Version); err != nil {
				return nil, err
			}
		}
		entries = append(entries, e)
	}
	cluster, err := desired.Compile(desired.Input{Cluster: c, Release: d.release, Inventory: inv, Facts: facts, Artifacts: entries, NoVerifyImage: true})
	if err != nil {
		return nil, err
	}
	out := &compiled{hosts: map[string]map[string][]byte{}, objects: cluster.Objects}
	for _, h := range cluster.Hosts {
		files := map[string][]byte{}
		for _, i := range h.Items {
			if i.File != nil {
				files[i.File.Path] = i.File.Content
			}
		}
		out.hosts[h.Name] = files
	}
	return out, nil
}

const unitDir = "/etc/systemd/system"

// flags reads those of a unit that would be on a host.
func (c *compiled) flags(host, unit string) map[string][]string {
	if c == nil {
		return nil
	}
	return commandLine(string(c.hosts[host][path.Join(unitDir, unit)]))
}

// commandLine reads the flags of a unit's ExecStart.
func commandLine(unit string) map[string][]string {
	_, rest, ok := strings.Cut(strings.ReplaceAll(unit, "\\\n", " "), "\nExecStart=")
	if !ok {
		return nil
	}
	line, _, _ := strings.Cut(rest, "\n")
	words := strings.Fields(line)
	for i, w := range words {
		words[i] = strings.Trim(w, `"`)
	}
	return readFlags(words)
}

// fields reads a configuration file that would be on a host.
func (c *compiled) fields(host, file string) (map[string]any, error) {
	if c == nil {
		return nil, nil
	}
	out, err := fieldsOf(string(c.hosts[host][file]))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return out, nil
}
