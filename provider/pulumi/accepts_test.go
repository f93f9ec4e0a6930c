package pulumi

import (
	"encoding/json"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// sample is a value of a type of the schema, whole.
func sample(s *packageSpec, v valueSpec) any {
	switch name := strings.TrimPrefix(v.Ref, "#/types/"); {
	case len(v.OneOf) > 0:
		return sample(s, v.OneOf[len(v.OneOf)-1])
	case v.Ref == "pulumi.json#/Any":
		return map[string]any{"any": []any{true, 1.0, "text"}}
	case name != v.Ref && len(s.Types[name].Enum) > 0:
		return s.Types[name].Enum[0].Value
	case name != v.Ref:
		return samples(s, s.Types[name].Properties)
	case v.Type == "array":
		return []any{sample(s, *v.Items)}
	case v.Type == "object":
		return map[string]any{"key": sample(s, *v.AdditionalProperties)}
	case v.Type == "integer":
		return 1.0
	case v.Type == "boolean":
		return true
	}
	return "text"
}

func samples(s *packageSpec, properties map[string]propertySpec) map[string]any {
	out := map[string]any{}
	for name, p := range properties {
		out[name] = sample(s, p.valueSpec)
	}
	return out
}

// ofShape are the failures that tell of a property that there is not, or of a value of another type.
func ofShape(failures []*pulumirpc.CheckFailure) []string {
	var out []string
	for _, f := range failures {
		if strings.Contains(f.GetReason(), "there is no such property") || strings.Contains(f.GetReason(), "must be ") || strings.Contains(f.GetReason(), "cannot stand here") {
			out = append(out, f.GetProperty()+": "+f.GetReason())
		}
	}
	return out
}

// TestProviderTakesTheSchema: what the schema has, the provider reads, down to the leaves; of anything else it says that there is no such property.
func TestProviderTakesTheSchema(t *testing.T) {
	var s packageSpec
	if err := json.Unmarshal(schemaJSON, &s); err != nil {
		t.Fatal(err)
	}
	p := New(nil, "test", nil)
	if _, err := p.Configure(t.Context(), &pulumirpc.ConfigureRequest{}); err != nil {
		t.Fatal(err)
	}
	// calls are those that read properties, by what they read.
	type call struct {
		inputs map[string]propertySpec
		read   func(resource.PropertyMap) []string
	}
	calls := map[string]call{
		"provider": {s.Provider.InputProperties, func(m resource.PropertyMap) []string {
			sent, err := write(m)
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.CheckConfig(t.Context(), &pulumirpc.CheckRequest{News: sent})
			if err != nil {
				t.Fatal(err)
			}
			return ofShape(got.GetFailures())
		}},
	}
	for token, r := range s.Resources {
		if r.IsComponent {
			continue // the SDK reads it
		}
		calls[token] = call{r.InputProperties, func(m resource.PropertyMap) []string {
			sent, err := write(m)
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.Check(t.Context(), &pulumirpc.CheckRequest{Urn: "urn:pulumi:stack::project::" + token + "::name", News: sent})
			if err != nil {
				t.Fatal(err)
			}
			return ofShape(got.GetFailures())
		}}
	}
	for token, f := range s.Functions {
		i := 0
		for i = range functions() {
			if functions()[i].token == token {
				break
			}
		}
		calls[token] = call{f.Inputs.Properties, func(m resource.PropertyMap) []string {
			_, failures := objectOf(functions()[i].inputs, m)
			return ofShape(failed(failures))
		}}
	}
	for token, c := range calls {
		for name, spec := range c.inputs {
			v := resource.NewPropertyValue(sample(&s, spec.valueSpec))
			if wrong := c.read(resource.PropertyMap{resource.PropertyKey(name): v}); len(wrong) > 0 {
				t.Errorf("%s: what the schema says of %s is refused: %q", token, name, wrong)
			}
			if wrong := c.read(resource.PropertyMap{resource.PropertyKey(name + "More"): v}); len(wrong) == 0 {
				t.Errorf("%s: %sMore is not in the schema, and taken", token, name)
			}
		}
	}
	for _, token := range []string{clusterToken, workerToken} {
		if _, ok := s.Resources[token]; !ok {
			t.Errorf("the provider has %s, and the schema has not", token)
		}
	}
	for token, r := range s.Resources {
		if _, err := handlerOf("urn:pulumi:stack::project::" + token + "::name"); (err == nil) == r.IsComponent {
			t.Errorf("%s: a component is %v, its handler %v", token, r.IsComponent, err)
		}
	}
}

// TestReplaces holds what the schema says of changes that replace a resource against what a difference says.
func TestReplaces(t *testing.T) {
	var s packageSpec
	if err := json.Unmarshal(schemaJSON, &s); err != nil {
		t.Fatal(err)
	}
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	access := map[string]any{"name": "main", "id": "0123", "endpoints": []any{map[string]any{"host": "cp1", "address": "10.11.1.11"}}}
	before := map[string]map[string]any{
		clusterToken: {
			"name": "main", "kubernetes": "1.37.2", "ageRecipients": []any{key.Recipient().String()}, "deletionProtection": false, "sites": map[string]any{"s1": map[string]any{"region": "r"}},
			"hosts": map[string]any{"cp1": map[string]any{"address": "10.11.1.11", "roles": []any{"control-plane", "etcd"}}},
		},
		workerToken: {"name": "spot", "address": "10.11.1.101", "cluster": access},
	}
	text := map[string]any{"name": "main", "topology": "fleet \"f\" {}\n", "deletionProtection": false}
	p, found := New(nil, "test", nil), 0
	for token := range before {
		for name, property := range s.Resources[token].InputProperties {
			was := before[token]
			if name == "topology" || name == "variables" { // which go with no other description
				was = text
			}
			old, err := write(resource.NewPropertyMapFromMap(was))
			if err != nil {
				t.Fatal(err)
			}
			now := resource.NewPropertyMapFromMap(was)
			now[resource.PropertyKey(name)] = resource.MakeComputed(resource.NewProperty("")) // perhaps another one
			news, err := write(now)
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.Diff(t.Context(), &pulumirpc.DiffRequest{Id: "id", Urn: string(resource.NewURN("stack", "project", "", tokens.Type(token), "a")), Olds: old, OldInputs: old, News: news})
			if err != nil {
				t.Fatalf("%s, %s: %v", token, name, err)
			}
			replaced := len(got.GetReplaces()) > 0
			if token == workerToken && name == "cluster" {
				replaced = !replaced // of another cluster it is another worker; how its own is reached replaces nothing, and so the schema does not say that every change does
			}
			if replaced != property.WillReplaceOnChanges {
				t.Errorf("%s: a change of %s replaces it by the schema: %v, by the difference: %v", token, name, property.WillReplaceOnChanges, got.GetReplaces())
			} else if replaced {
				found++
			}
		}
	}
	if found != 2 { // the names
		t.Errorf("%d properties replace a resource", found)
	}
}
