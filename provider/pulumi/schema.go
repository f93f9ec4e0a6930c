package pulumi

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/trivet-dev/trivet/provider/input"
)

// schemaJSON is what makeSchema makes; a test holds the two against each other.
//
//go:embed schema.json
var schemaJSON []byte

// versionedSchema is the schema with the plugin's version: what SDKs are made of asks for a plugin of that one.
func versionedSchema(version string) ([]byte, error) {
	s := map[string]json.RawMessage{}
	if err := json.Unmarshal(schemaJSON, &s); err != nil {
		return nil, err
	}
	var err error
	if s["version"], err = json.Marshal(version); err != nil {
		return nil, err
	}
	return json.Marshal(s)
}

// The package schema, as Pulumi describes it: https://www.pulumi.com/docs/iac/guides/building-extending/packages/schema/
type (
	packageSpec struct {
		Name              string                  `json:"name"`
		DisplayName       string                  `json:"displayName"`
		Description       string                  `json:"description"`
		Keywords          []string                `json:"keywords"`
		Homepage          string                  `json:"homepage"`
		Repository        string                  `json:"repository"`
		License           string                  `json:"license"`
		Publisher         string                  `json:"publisher"`
		PluginDownloadURL string                  `json:"pluginDownloadURL"`
		Language          map[string]any          `json:"language"`
		Config            configSpec              `json:"config"`
		Provider          resourceSpec            `json:"provider"`
		Types             map[string]typeSpec     `json:"types"`
		Resources         map[string]resourceSpec `json:"resources"`
		Functions         map[string]functionSpec `json:"functions"`
	}
	configSpec struct {
		Variables map[string]propertySpec `json:"variables"`
	}
	resourceSpec struct {
		Description     string                  `json:"description"`
		IsComponent     bool                    `json:"isComponent,omitempty"`
		Properties      map[string]propertySpec `json:"properties,omitempty"`
		Required        []string                `json:"required,omitempty"`
		InputProperties map[string]propertySpec `json:"inputProperties"`
		RequiredInputs  []string                `json:"requiredInputs,omitempty"`
	}
	functionSpec struct {
		Description string   `json:"description"`
		Inputs      typeSpec `json:"inputs"`
		Outputs     typeSpec `json:"outputs"`
	}
	typeSpec struct {
		Description string                  `json:"description,omitempty"`
		Type        string                  `json:"type"`
		Properties  map[string]propertySpec `json:"properties,omitempty"`
		Required    []string                `json:"required,omitempty"`
		Enum        []enumSpec              `json:"enum,omitempty"`
	}
	enumSpec struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	valueSpec struct {
		Type                 string      `json:"type,omitempty"`
		Ref                  string      `json:"$ref,omitempty"`
		Items                *valueSpec  `json:"items,omitempty"`
		AdditionalProperties *valueSpec  `json:"additionalProperties,omitempty"`
		OneOf                []valueSpec `json:"oneOf,omitempty"`
		Plain                bool        `json:"plain,omitempty"`
	}
	propertySpec struct {
		valueSpec
		Description          string `json:"description,omitempty"`
		Default              any    `json:"default,omitempty"`
		Secret               bool   `json:"secret,omitempty"`
		WillReplaceOnChanges bool   `json:"willReplaceOnChanges,omitempty"`
	}
)

// maker makes a schema, and the types that it needs.
type maker struct{ types map[string]typeSpec }

// makeSchema makes the package schema from what describes attributes.
func makeSchema() ([]byte, error) {
	m := &maker{map[string]typeSpec{}}
	settings := input.Provider(words)
	s := packageSpec{
		Name: "trivet", DisplayName: "Trivet", Description: input.AboutProvider, Keywords: []string{"pulumi", "kubernetes", "bare-metal", "kind/native", "category/infrastructure"},
		Homepage: "https://github.com/trivet-dev/trivet", Repository: "https://github.com/trivet-dev/trivet", License: "Apache-2.0", Publisher: "trivet-dev",
		PluginDownloadURL: "github://api.github.com/trivet-dev/trivet",
		Language: map[string]any{
			"go":     map[string]any{"importBasePath": sdkImport, "respectSchemaVersion": true, "generateExtraInputTypes": true},
			"nodejs": map[string]any{"respectSchemaVersion": true}, "python": map[string]any{"respectSchemaVersion": true}, "csharp": map[string]any{"respectSchemaVersion": true},
		},
		Config:    configSpec{m.properties(settings)},
		Provider:  resourceSpec{Description: input.AboutProvider, InputProperties: m.properties(settings)},
		Resources: map[string]resourceSpec{},
		Functions: map[string]functionSpec{},
	}
	for _, k := range append(kinds(), fleetKind()) {
		s.Resources[k.token] = resourceSpec{
			Description: k.description(), IsComponent: k.token == fleetToken, Properties: m.outputs(k.out), Required: required(k.out, there),
			InputProperties: m.properties(k.in), RequiredInputs: required(k.in, needed),
		}
	}
	for _, f := range functions() {
		s.Functions[f.token] = functionSpec{Description: f.about, Inputs: m.object(f.inputs), Outputs: m.object(f.outputs)}
	}
	s.Types = m.types
	b, err := json.MarshalIndent(s, "", "  ")
	return append(b, '\n'), err
}

// description is what a kind is, with how one is imported.
func (k kind) description() string {
	if k.imported == "" {
		return k.about
	}
	return fmt.Sprintf("%s\n\n## Import\n\nThe id is %s.\n\n```sh\npulumi import %s %s\n```\n", k.about, k.imported, k.token, k.example)
}

// there says of a property of a resource that it is never absent.
func there(a input.Attribute) bool {
	return a.Required || a.Always || a.Default != nil || a.Computed && a.Name == "name"
}

// needed says of what users give that they have to, and of a part of a value that it is never absent.
func needed(a input.Attribute) bool { return a.Required || a.Always && !a.Given }

// required names, in order, the attributes for which a condition holds.
func required(list []input.Attribute, is func(input.Attribute) bool) []string {
	var out []string
	for _, a := range list {
		if is(a) {
			out = append(out, camel(a.Name))
		}
	}
	slices.Sort(out)
	return out
}

func (m *maker) object(list []input.Attribute) typeSpec {
	return typeSpec{Type: "object", Properties: m.properties(list), Required: required(list, needed)}
}

func (m *maker) properties(list []input.Attribute) map[string]propertySpec {
	out := map[string]propertySpec{}
	for _, a := range list {
		p := propertySpec{valueSpec: m.value(a.Type, camel(a.Name), a.Meaning), Description: a.Meaning, Default: a.Default, Secret: a.Secret, WillReplaceOnChanges: a.Replaces}
		if p.Plain = structural(a) || a.Plain; p.Plain {
			for _, inner := range []*valueSpec{p.Items, p.AdditionalProperties} {
				if inner != nil {
					inner.Plain = true
				}
			}
		}
		out[camel(a.Name)] = p
	}
	return out
}

// outputs are properties of a resource's state, which have no defaults.
func (m *maker) outputs(list []input.Attribute) map[string]propertySpec {
	out := m.properties(list)
	for name, p := range out {
		p.Default, p.WillReplaceOnChanges, p.Plain = nil, false, false
		for _, inner := range []*valueSpec{p.Items, p.AdditionalProperties} {
			if inner != nil {
				inner.Plain = false
			}
		}
		out[name] = p
	}
	return out
}

// structural says of what users give that it decides which things there are: it is a plain value, of which only the leaves may be unknown. The access of a cluster is one leaf.
func structural(a input.Attribute) bool {
	t := a.Type
	if t.Of != nil {
		t = *t.Of
	}
	return a.Given && t.Kind == input.KindFields && t.Label != accessLabel
}

// value is what a property of a name and a meaning may be.
func (m *maker) value(t input.Type, name, meaning string) valueSpec {
	switch t.Kind {
	case input.KindNumber:
		return valueSpec{Type: "integer"}
	case input.KindFlag:
		return valueSpec{Type: "boolean"}
	case input.KindList:
		items := m.value(*t.Of, name, elementOfProperty(name, meaning))
		return valueSpec{Type: "array", Items: &items}
	case input.KindMap:
		values := m.value(*t.Of, name, elementOfProperty(name, meaning))
		return valueSpec{Type: "object", AdditionalProperties: &values}
	case input.KindFields:
		fields := m.object(t.Attributes)
		fields.Description = meaning
		m.add(t.Label, fields)
		return valueSpec{Ref: refTo(t.Label)}
	case input.KindAny:
		return valueSpec{Ref: "pulumi.json#/Any"}
	}
	if t.Words == nil {
		return valueSpec{Type: "string"}
	}
	label := enumLabel(name)
	e := typeSpec{Type: "string", Description: fmt.Sprintf("What `%s` may be.", name)}
	for _, w := range t.Words {
		e.Enum = append(e.Enum, enumSpec{wordLabel(w), w})
	}
	m.add(label, e)
	return valueSpec{OneOf: []valueSpec{{Type: "string"}, {Type: "string", Ref: refTo(label)}}}
}

func elementOfProperty(name, meaning string) string {
	return fmt.Sprintf("An element of `%s`: %s", name, meaning)
}

func refTo(label string) string { return "#/types/trivet:index:" + label }

// add adds a type. Two of one name have to be the same, but for what the property says that it was found at: the first says what it is.
func (m *maker) add(label string, t typeSpec) {
	token := "trivet:index:" + label
	if have, ok := m.types[token]; ok {
		t.Description = have.Description
		a, _ := json.Marshal(have)
		b, _ := json.Marshal(t)
		if string(a) != string(b) {
			panic(fmt.Sprintf("provider: two types are called %s:\n%s\n%s", label, a, b))
		}
	}
	m.types[token] = t
}
