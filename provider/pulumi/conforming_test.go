package pulumi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil/rpcerror"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/structpb"
)

// spec is as much of a package's schema as what a provider answers can be held against.
type spec struct {
	Config    struct{ Variables map[string]property }
	Types     map[string]object
	Resources map[string]struct {
		Properties, InputProperties map[string]property
		Required, RequiredInputs    []string
	}
	Functions map[string]struct{ Inputs, Outputs object }
}

type object struct {
	Properties map[string]property
	Required   []string
	Enum       []struct{ Value string }
}

type property struct {
	Type                        string
	Ref                         string `json:"$ref"`
	Items, AdditionalProperties *property
	OneOf                       []property
	Secret                      bool
}

// schemaOf is the schema that a provider gives.
func schemaOf(t *testing.T, p pulumirpc.ResourceProviderServer) *spec {
	t.Helper()
	got, err := p.GetSchema(t.Context(), &pulumirpc.GetSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var s spec
	if err := json.Unmarshal([]byte(got.GetSchema()), &s); err != nil {
		t.Fatal(err)
	}
	return &s
}

// fields lists what in properties is not as a schema has it.
func (s *spec) fields(have map[string]property, required []string, m resource.PropertyMap, at string) []string {
	var out []string
	for _, name := range required {
		if _, ok := m[resource.PropertyKey(name)]; !ok {
			out = append(out, fmt.Sprintf("%s%s is required, and absent", at, name))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		p, ok := have[string(key)]
		if !ok {
			out = append(out, fmt.Sprintf("%s%s is not in the schema", at, key))
			continue
		}
		if v := m[key]; p.Secret && !v.ContainsSecrets() {
			out = append(out, fmt.Sprintf("%s%s is secret, and not marked so", at, key))
		}
		out = append(out, s.value(p, m[key], at+string(key))...)
	}
	return out
}

// value lists what in a value is not as a schema has it.
func (s *spec) value(p property, v resource.PropertyValue, at string) []string {
	for {
		switch {
		case v.IsSecret():
			v = v.SecretValue().Element
			continue
		case v.IsOutput() && v.OutputValue().Known:
			v = v.OutputValue().Element
			continue
		case v.IsOutput(), v.IsComputed(), v.IsNull(): // it is not known yet
			return nil
		}
		break
	}
	wrong := []string{fmt.Sprintf("%s is a %s, and no %s%s", at, v.TypeString(), p.Type, p.Ref)}
	var out []string
	switch {
	case p.Ref == "pulumi.json#/Any":
	case len(p.OneOf) > 0:
		if slices.ContainsFunc(p.OneOf, func(one property) bool { return len(s.value(one, v, at)) == 0 }) {
			return nil
		}
		return wrong
	case p.Ref != "":
		typ := s.Types[strings.TrimPrefix(p.Ref, "#/types/")]
		switch {
		case len(typ.Enum) > 0 && v.IsString():
		case len(typ.Enum) == 0 && v.IsObject():
			return s.fields(typ.Properties, typ.Required, v.ObjectValue(), at+".")
		default:
			return wrong
		}
	case p.Type == "string" && v.IsString(), p.Type == "boolean" && v.IsBool(), p.Type == "integer" && v.IsNumber() && v.NumberValue() == float64(int64(v.NumberValue())):
	case p.Type == "array" && v.IsArray():
		for i, e := range v.ArrayValue() {
			out = append(out, s.value(*p.Items, e, fmt.Sprintf("%s[%d]", at, i))...)
		}
	case p.Type == "object" && v.IsObject():
		for key, e := range v.ObjectValue() {
			out = append(out, s.value(*p.AdditionalProperties, e, fmt.Sprintf("%s[%q]", at, key))...)
		}
	default:
		return wrong
	}
	return out
}

// conform is a provider of which each answer is held against its schema.
type conform struct {
	pulumirpc.ResourceProviderServer
	t *testing.T
	s *spec
}

func conforming(t *testing.T, p pulumirpc.ResourceProviderServer) pulumirpc.ResourceProviderServer {
	t.Helper()
	return &conform{p, t, schemaOf(t, p)}
}

// holds holds properties against a part of the schema.
func (c *conform) holds(what string, have map[string]property, required []string, sent *structpb.Struct) {
	m, err := plugin.UnmarshalProperties(sent, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true})
	if err != nil {
		c.t.Error(err)
	}
	for key := range m {
		if strings.HasPrefix(string(key), "__") {
			delete(m, key)
		}
	}
	for _, wrong := range c.s.fields(have, required, m, "") {
		c.t.Errorf("%s: %s", what, wrong)
	}
}

func typeOf(urn string) string { return string(resource.URN(urn).Type()) }

// state holds the state of a resource against the schema.
func (c *conform) state(call, urn string, sent *structpb.Struct) {
	r := c.s.Resources[typeOf(urn)]
	c.holds(call+" of "+typeOf(urn), r.Properties, r.Required, sent)
}

// results are what a check adds to inputs that no user may give.
var results = []string{"nodes", "objects", "drift"}

func (c *conform) inputs(call, urn string, sent *structpb.Struct) {
	r := c.s.Resources[typeOf(urn)]
	have := maps.Clone(r.InputProperties)
	for _, name := range results {
		if p, ok := r.Properties[name]; ok {
			have[name] = p
		}
	}
	c.holds("inputs by "+call+" of "+typeOf(urn), have, r.RequiredInputs, sent)
}

// failed holds the state of a change that did not come to its end against the schema.
func (c *conform) failed(call, urn string, err error) {
	if e, ok := rpcerror.FromError(err); ok {
		for _, d := range e.Details() {
			if failed, ok := d.(*pulumirpc.ErrorResourceInitFailed); ok {
				c.state("failed "+call, urn, failed.GetProperties())
			}
		}
	}
}

// CheckConfig implements pulumirpc.ResourceProviderServer.
func (c *conform) CheckConfig(ctx context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	got, err := c.ResourceProviderServer.CheckConfig(ctx, req)
	if err == nil && len(got.GetFailures()) == 0 {
		c.holds("CheckConfig", c.s.Config.Variables, nil, got.GetInputs())
	}
	return got, err
}

// Check implements pulumirpc.ResourceProviderServer.
func (c *conform) Check(ctx context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	got, err := c.ResourceProviderServer.Check(ctx, req)
	if err == nil && len(got.GetFailures()) == 0 {
		c.inputs("Check", req.GetUrn(), got.GetInputs())
	}
	return got, err
}

// shown holds a path against what Pulumi's command makes of it: where what leads to it is on one side only, all of that is shown to come or to go.
// Inputs that no check has made yet, as those of an import, come with the question of a refresh alone, which shows outputs.
func (c *conform) shown(path string, parsed resource.PropertyPath, was, now *structpb.Struct) {
	if !slices.ContainsFunc(results, func(name string) bool { return now.GetFields()[name] != nil }) {
		return
	}
	for i := 1; i < len(parsed); i++ {
		var there [2]bool
		for j, s := range []*structpb.Struct{was, now} {
			m, err := plugin.UnmarshalProperties(s, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true})
			if err != nil {
				c.t.Error(err)
			}
			v := resource.NewProperty(m)
			for _, at := range parsed[:i] {
				if v.IsComputed() || v.IsSecret() { // it is shown as a whole
					break
				}
				v, _ = resource.PropertyPath{at}.Get(v)
			}
			there[j] = !v.IsNull()
		}
		if there[0] != there[1] {
			c.t.Errorf("Diff: %s is shown as all of %v: it was there: %v, and is: %v", path, parsed[:i], there[0], there[1])
			return
		}
	}
}

// Diff implements pulumirpc.ResourceProviderServer. Each path is one of Pulumi's, leads into what the schema has, and is shown as what it is.
func (c *conform) Diff(ctx context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	got, err := c.ResourceProviderServer.Diff(ctx, req)
	r := c.s.Resources[typeOf(req.GetUrn())]
	for path, d := range got.GetDetailedDiff() {
		parsed, wrong := resource.ParsePropertyPath(path)
		if wrong != nil || len(parsed) == 0 {
			c.t.Errorf("Diff: %q is no path: %v", path, wrong)
			continue
		}
		have, was := r.Properties, req.GetOlds()
		if d.GetInputDiff() {
			have, was = r.InputProperties, req.GetOldInputs()
		}
		c.shown(path, parsed, was, req.GetNews())
		top, _ := parsed[0].(string)
		if _, ok := have[top]; !ok || !slices.Contains(got.GetDiffs(), top) {
			c.t.Errorf("Diff: %s leads to no property of %s, or is not in %q", path, typeOf(req.GetUrn()), got.GetDiffs())
		}
	}
	for _, name := range append(slices.Clone(got.GetDiffs()), got.GetReplaces()...) {
		if _, ok := r.Properties[name]; !ok {
			c.t.Errorf("Diff: %s has no property %s", typeOf(req.GetUrn()), name)
		}
	}
	return got, err
}

// Create implements pulumirpc.ResourceProviderServer.
func (c *conform) Create(ctx context.Context, req *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	got, err := c.ResourceProviderServer.Create(ctx, req)
	if err == nil {
		c.state("Create", req.GetUrn(), got.GetProperties())
	}
	c.failed("Create", req.GetUrn(), err)
	return got, err
}

// Read implements pulumirpc.ResourceProviderServer.
func (c *conform) Read(ctx context.Context, req *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	got, err := c.ResourceProviderServer.Read(ctx, req)
	if err == nil && got.GetId() != "" {
		c.state("Read", req.GetUrn(), got.GetProperties())
		c.inputs("Read", req.GetUrn(), got.GetInputs())
	}
	return got, err
}

// Update implements pulumirpc.ResourceProviderServer.
func (c *conform) Update(ctx context.Context, req *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	got, err := c.ResourceProviderServer.Update(ctx, req)
	if err == nil {
		c.state("Update", req.GetUrn(), got.GetProperties())
	}
	c.failed("Update", req.GetUrn(), err)
	return got, err
}

// Invoke implements pulumirpc.ResourceProviderServer.
func (c *conform) Invoke(ctx context.Context, req *pulumirpc.InvokeRequest) (*pulumirpc.InvokeResponse, error) {
	got, err := c.ResourceProviderServer.Invoke(ctx, req)
	if err == nil && len(got.GetFailures()) == 0 {
		f := c.s.Functions[req.GetTok()]
		c.holds(req.GetTok(), f.Outputs.Properties, f.Outputs.Required, got.GetReturn())
	}
	return got, err
}
