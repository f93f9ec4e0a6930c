package terraform

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/hashicorp/hcl/v2"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/kube"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/supply"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/artifact"
	"github.com/trivet-dev/trivet/provider/input"
)

// privateKeyName stands for the path of the provider's private key, which has none.
const privateKeyName = "(ssh.private_key of the provider)"

// fleet is what a resource describes.
type fleet struct {
	topology *topology.Topology // nil where too much is unknown, or wrong
	cluster  *topology.Cluster
	// whole is true where no value is unknown.
	whole bool
}

// options are those of the language.
func (c *client) options() topology.Options {
	o := topology.Options{Releases: release.Known, CheckSettings: release.CheckComponent, CheckManifests: kube.CheckManifests, ReadFile: os.ReadFile, Glob: filepath.Glob}
	if c != nil {
		o.SSH = &c.ssh
	}
	o.Dir, _ = os.Getwd()
	o.Home, _ = os.UserHomeDir()
	return o
}

// languageAttributes are those of a resource that have no meaning in a topology.
var languageAttributes = []string{"id", "topology", "variables", "deletion_protection", "on_destroy", "unreachable", "adopt", "lock", "restore", "backup", "access", "nodes", "objects"}

// fleet reads what a resource describes, by its attributes.
func (c *client) fleet(attributes input.Object) (*fleet, diag.Diagnostics) {
	var diags diag.Diagnostics
	name, _ := attributes["name"].(string)
	if attributes["topology"] != nil {
		return c.fleetOfText(attributes, name)
	}
	rest := maps.Clone(attributes)
	for _, k := range languageAttributes {
		delete(rest, k)
	}
	if _, unknown := attributes["name"].(input.Unknown); unknown {
		return &fleet{}, nil
	}
	for _, k := range []string{"sites", "hosts", "kubernetes"} {
		if rest[k] == nil {
			diags.AddAttributeError(path.Root(k), "Missing "+k, "A cluster is described by kubernetes, age_recipients, sites and hosts, or by a topology in its own language.")
		}
	}
	if diags.HasError() {
		return &fleet{}, diags
	}
	text, ok := input.Write(rest)
	if !ok {
		return &fleet{}, nil
	}
	top, found := text.Parse(c.options())
	diags.Append(diagnostics(text, path.Empty(), found)...)
	if top == nil {
		return &fleet{}, diags
	}
	return &fleet{topology: top, cluster: top.Clusters[0], whole: !unknown(rest)}, diags
}

func (c *client) fleetOfText(attributes input.Object, name string) (*fleet, diag.Diagnostics) {
	var diags diag.Diagnostics
	for _, k := range []string{"sites", "racks", "hosts", "kubernetes", "age_recipients", "components"} {
		if attributes[k] != nil {
			diags.AddAttributeError(path.Root(k), "Described twice", fmt.Sprintf("topology describes the cluster, so that %s has no place beside it. Remove one of the two.", k))
		}
	}
	source, known := attributes["topology"].(string)
	variables, _ := attributes["variables"].(input.Object)
	if _, none := attributes["variables"].(input.Unknown); diags.HasError() || !known || none || unknown(variables) {
		return &fleet{}, diags
	}
	given := map[string]string{}
	for k, v := range variables {
		given[k], _ = v.(string)
	}
	top, found := c.parse(source, given)
	diags.Append(diagnostics(nil, path.Root("topology"), found)...)
	if top == nil {
		return &fleet{}, diags
	}
	cluster, err := top.Cluster(name)
	if err != nil {
		diags.AddAttributeError(path.Root("name"), "Unknown cluster", err.Error()+".")
		return &fleet{}, diags
	}
	return &fleet{topology: top, cluster: cluster, whole: true}, diags
}

// unknown reports whether something in a value is not known yet.
func unknown(v any) bool {
	switch v := v.(type) {
	case input.Unknown:
		return true
	case input.Object:
		for _, x := range v {
			if unknown(x) {
				return true
			}
		}
	case []any:
		for _, x := range v {
			if unknown(x) {
				return true
			}
		}
	}
	return false
}

// parse reads a topology in its own language.
func (c *client) parse(source string, variables map[string]string) (*topology.Topology, hcl.Diagnostics) {
	o := c.options()
	o.Variables = variables
	top, _, diags := topology.Parse(map[string][]byte{"topology": []byte(source)}, o)
	return top, diags
}

// session is an engine with what has to be put away after it.
type session struct {
	*bootstrap.Engine
	artifacts *supply.Locked
	temporary []string
}

// Close ends the engine's connections.
func (s *session) Close() {
	_ = s.Engine.Close() // what was done is done
	for _, f := range s.temporary {
		_ = os.Remove(f)
	}
}

// connect connects to the hosts of a fleet. The lock pins what artifacts are sent.
func (c *client) connect(ctx context.Context, f *fleet, lock pins, more ...func(*bootstrap.Options)) (*session, error) {
	if err := supply.AnyHelper(); err != nil && c.adapt == nil {
		return nil, err
	}
	artifacts, err := supply.New(supply.Options{Source: c.artifacts, Progress: func(e artifact.Event) { tflog.Info(ctx, e.Line, map[string]any{"task": e.Task}) }})
	if err != nil {
		return nil, err
	}
	s := &session{}
	o := bootstrap.Options{
		Topology: f.topology, Cluster: f.cluster.Name, Helper: supply.Helper, Artifacts: artifacts, Identities: c.identities,
		PrivateKeys: map[string][]byte{privateKeyName: []byte(c.privateKey)}, Events: func(e event.Event) { log(ctx, e) },
	}
	if c.sudoPassword != "" {
		o.SudoPassword = func(context.Context, string) (string, error) { return c.sudoPassword, nil }
	}
	if c.knownHosts != "" {
		name, err := writeTemporary(c.knownHosts)
		if err != nil {
			return nil, err
		}
		s.temporary = append(s.temporary, name)
		knownIn(f.topology, name)
	}
	for _, do := range more {
		do(&o)
	}
	if c.adapt != nil {
		c.adapt(&o)
	}
	s.artifacts = supply.Lock(o.Artifacts, c.artifacts, lock.Lock, lock.given)
	o.Artifacts = s.artifacts
	if s.Engine, err = bootstrap.Connect(ctx, o); err != nil {
		for _, f := range s.temporary {
			_ = os.Remove(f)
		}
		return nil, err
	}
	return s, nil
}

// knownIn has host keys looked up in a file.
func knownIn(t *topology.Topology, file string) {
	t.Fleet.SSH.KnownHosts = file
	for _, s := range t.AllSites() {
		if s.SSH != nil {
			s.SSH.KnownHosts = file
		}
	}
}

// writeTemporary writes what is public into a file.
func writeTemporary(text string) (string, error) {
	f, err := os.CreateTemp("", "trivet-known-hosts-*")
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(strings.TrimRight(text, "\n") + "\n")
	return f.Name(), errors.Join(err, f.Close())
}

// log tells an event in Terraform's log.
func log(ctx context.Context, e event.Event) {
	fields := map[string]any{"kind": string(e.Kind)}
	for k, v := range map[string]string{"phase": e.Phase, "host": e.Host, "item": e.Item, "state": e.State} {
		if v != "" {
			fields[k] = v
		}
	}
	switch e.Kind {
	case event.Warning, event.HostFailed, event.CheckFailed:
		tflog.Warn(ctx, e.Message, fields)
	case event.Progress, event.ActionStarted, event.ActionDone:
		tflog.Debug(ctx, e.Message, fields)
	default:
		tflog.Info(ctx, e.Message, fields)
	}
}
