package desired

import (
	"encoding/json"
	"fmt"

	"sigs.k8s.io/yaml"

	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/templates"
)

const written = "# Written by Trivet.\n"

// Settings merges the user's settings of a component for a host: those for every role first, those for its roles over them, each in the order of the files.
func Settings(cl *topology.Cluster, h *topology.Host, component string) map[string]any {
	out := map[string]any{}
	for _, forRole := range []bool{false, true} {
		for _, c := range cl.Components {
			if c.Name == component && (c.Role != "") == forRole && (c.Role == "" || h.Has(c.Role)) {
				topology.MergeSettings(out, c.Settings)
			}
		}
	}
	return out
}

func (b *builder) settings(component string) map[string]any {
	return Settings(b.cluster, b.host, component)
}

// structured writes a component's configuration file: the template's with the user's settings laid over it, keys sorted.
func (b *builder) structured(path, component string, params templates.Template) hostapi.ID {
	content, err := templates.Render(params)
	if err != nil {
		b.fail("%w", err)
	}
	out, err := b.shared.overlay(content, b.in.Release.Fields(component, b.settings(component)))
	if err != nil {
		b.fail("configuration of %s: %w", component, err)
	}
	return b.file(path, out)
}

// overlays remembers configurations that were put together: those of a thousand workers are the same.
type overlays map[string][]byte

func (o overlays) overlay(base []byte, settings map[string]any) ([]byte, error) {
	key, err := json.Marshal(settings)
	if err != nil {
		return nil, err
	}
	key = append(append(key, '\n'), base...)
	if out, ok := o[string(key)]; ok {
		return out, nil
	}
	config := map[string]any{}
	if err := yaml.Unmarshal(base, &config); err != nil {
		return nil, err
	}
	topology.MergeSettings(config, settings)
	out, err := yaml.Marshal(config)
	if err != nil {
		return nil, err
	}
	out = append([]byte(written), out...)
	o[string(key)] = out
	return out, nil
}

// text and whole read settings that have been checked.
func text(settings map[string]any, name, otherwise string) string {
	if v, ok := settings[name]; ok {
		return fmt.Sprint(v)
	}
	return otherwise
}

func whole(settings map[string]any, name string, otherwise int64) int64 {
	switch v := settings[name].(type) {
	case int64:
		return v
	case int:
		return int64(v)
	case float64:
		return int64(v)
	}
	return otherwise
}
