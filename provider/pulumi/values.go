package pulumi

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/trivet-dev/trivet/provider/input"
)

// failure is a mistake in a property.
type failure struct{ property, reason string }

// reader turns properties into values of package input, and notes what is not of its type.
type reader struct{ failures []failure }

// objectOf reads properties by what describes them. Properties that start with two underscores are the engine's own.
func objectOf(attributes []input.Attribute, properties resource.PropertyMap) (input.Object, []failure) {
	r := &reader{}
	o := r.fields(attributes, properties, nil)
	return o, r.failures
}

func (r *reader) wrong(at input.Path, format string, args ...any) {
	r.failures = append(r.failures, failure{pathOf(at), fmt.Sprintf(format, args...)})
}

func (r *reader) fields(attributes []input.Attribute, properties resource.PropertyMap, at input.Path) input.Object {
	out := input.Object{}
	known := map[string]input.Attribute{}
	for _, a := range attributes {
		known[camel(a.Name)] = a
	}
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		a, ok := known[string(key)]
		switch {
		case ok:
			if v := r.value(a.Type, properties[key], at.Attribute(a.Name)); v != nil {
				out[a.Name] = v
			}
		case len(key) < 2 || key[:2] != "__":
			path := string(key)
			if len(at) > 0 {
				path = pathOf(at) + "." + path
			}
			r.failures = append(r.failures, failure{path, "there is no such property here" + meant(known, path, string(key))})
		}
	}
	return out
}

// meant names the property that differs from a name in how it is spelled alone: pod_cidr and podCIDR are podCidr.
func meant(known map[string]input.Attribute, path, name string) string {
	plain := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "_", "")) }
	for is := range known {
		if plain(is) == plain(name) {
			return ": it is called " + strings.TrimSuffix(path, name) + is
		}
	}
	return ""
}

// plain takes the marks away from a value: that it is a secret, or what it depends on.
func plain(v resource.PropertyValue) (out resource.PropertyValue, unknown bool) {
	for {
		switch {
		case v.IsSecret():
			v = v.SecretValue().Element
		case v.IsOutput():
			if !v.OutputValue().Known {
				return v, true
			}
			v = v.OutputValue().Element
		default:
			return v, v.IsComputed()
		}
	}
}

func (r *reader) value(t input.Type, v resource.PropertyValue, at input.Path) any {
	v, unknown := plain(v)
	if unknown {
		return input.Unknown{}
	}
	if v.IsNull() {
		return nil
	}
	want := ""
	switch t.Kind {
	case input.KindText:
		switch {
		case v.IsString():
			return v.StringValue()
		case v.IsNumber():
			return strconv.FormatFloat(v.NumberValue(), 'f', -1, 64)
		}
		want = "a text"
	case input.KindNumber:
		if v.IsNumber() && v.NumberValue() == float64(int64(v.NumberValue())) {
			return int64(v.NumberValue())
		}
		want = "a whole number"
	case input.KindFlag:
		if v.IsBool() {
			return v.BoolValue()
		}
		want = "true or false"
	case input.KindList:
		if v.IsArray() {
			out := make([]any, len(v.ArrayValue()))
			for i, e := range v.ArrayValue() {
				out[i] = r.value(*t.Of, e, at.At(i))
			}
			return out
		}
		want = "a list"
	case input.KindMap:
		if v.IsObject() {
			out := input.Object{}
			for key, e := range v.ObjectValue() {
				if x := r.value(*t.Of, e, at.Key(string(key))); x != nil {
					out[string(key)] = x
				}
			}
			return out
		}
		want = "a map"
	case input.KindFields:
		if v.IsObject() {
			return r.fields(t.Attributes, v.ObjectValue(), at)
		}
		want = "an object"
	case input.KindAny:
		return r.any(v, at)
	}
	r.wrong(at, "must be %s, and is a %s", want, v.TypeString())
	return nil
}

// any reads a value of any shape.
func (r *reader) any(v resource.PropertyValue, at input.Path) any {
	switch v, unknown := plain(v); {
	case unknown:
		return input.Unknown{}
	case v.IsString():
		return v.StringValue()
	case v.IsBool():
		return v.BoolValue()
	case v.IsNumber():
		if n := int64(v.NumberValue()); float64(n) == v.NumberValue() {
			return n
		}
		return v.NumberValue()
	case v.IsArray():
		return r.value(input.Type{Kind: input.KindList, Of: &input.Type{Kind: input.KindAny}}, v, at)
	case v.IsObject():
		return r.value(input.Type{Kind: input.KindMap, Of: &input.Type{Kind: input.KindAny}}, v, at)
	case !v.IsNull():
		r.wrong(at, "a %s cannot stand here", v.TypeString())
	}
	return nil
}

// propertiesOf writes values of package input as properties.
func propertiesOf(attributes []input.Attribute, o input.Object) resource.PropertyMap {
	out := resource.PropertyMap{}
	for _, a := range attributes {
		if v := propertyOf(a.Type, o[a.Name]); !v.IsNull() {
			out[resource.PropertyKey(camel(a.Name))] = v
		}
	}
	return out
}

func propertyOf(t input.Type, v any) resource.PropertyValue {
	switch v := v.(type) {
	case input.Unknown:
		return resource.MakeComputed(resource.NewProperty(""))
	case string:
		return resource.NewProperty(v)
	case bool:
		return resource.NewProperty(v)
	case int64:
		return resource.NewProperty(float64(v))
	case float64:
		return resource.NewProperty(v)
	case []any:
		list := make([]resource.PropertyValue, len(v))
		for i, e := range v {
			list[i] = propertyOf(elementOf(t), e)
		}
		return resource.NewProperty(list)
	case input.Object:
		if t.Kind == input.KindFields {
			return resource.NewProperty(propertiesOf(t.Attributes, v))
		}
		m := resource.PropertyMap{}
		for key, e := range v {
			if x := propertyOf(elementOf(t), e); !x.IsNull() {
				m[resource.PropertyKey(key)] = x
			}
		}
		return resource.NewProperty(m)
	}
	return resource.NewNullProperty()
}

func elementOf(t input.Type) input.Type {
	if t.Of == nil {
		return input.Type{Kind: input.KindAny}
	}
	return *t.Of
}
