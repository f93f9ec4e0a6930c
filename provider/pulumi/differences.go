package pulumi

import (
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"github.com/trivet-dev/trivet/provider/input"
)

// differences are what differs, by path: hosts["bj1-w3"].address.
type differences map[string]*pulumirpc.PropertyDiff

// note notes a difference; given says that it is in what the user gave, else it is in what the resource is.
func (d differences) note(at input.Path, kind pulumirpc.PropertyDiff_Kind, given bool) {
	d[pathOf(at)] = &pulumirpc.PropertyDiff{Kind: kind, InputDiff: given}
}

// goesOn notes that a change is to be gone on with.
func (d differences) goesOn(state resource.PropertyMap) {
	if isUnfinished(state) {
		d.note(input.Path{}.Attribute(unfinished), pulumirpc.PropertyDiff_DELETE, false)
	}
}

// fields compares what users gave.
func (d differences) fields(attributes []input.Attribute, old, now resource.PropertyMap, at input.Path) {
	for _, a := range attributes {
		key := resource.PropertyKey(camel(a.Name))
		d.value(a.Type, old[key], now[key], at.Attribute(a.Name))
	}
}

func (d differences) value(t input.Type, old, now resource.PropertyValue, at input.Path) {
	old, wasUnknown := plain(old)
	now, unknown := plain(now)
	absent := func(v resource.PropertyValue, unknown bool) bool { return v.IsNull() && !unknown }
	switch {
	case absent(old, wasUnknown) && absent(now, unknown):
	case absent(old, wasUnknown):
		d.note(at, pulumirpc.PropertyDiff_ADD, true)
	case absent(now, unknown):
		d.note(at, pulumirpc.PropertyDiff_DELETE, true)
	case unknown || wasUnknown:
		d.note(at, pulumirpc.PropertyDiff_UPDATE, true)
	case old.IsObject() && now.IsObject() && t.Kind == input.KindFields:
		d.fields(t.Attributes, old.ObjectValue(), now.ObjectValue(), at)
	case old.IsObject() && now.IsObject():
		keys := maps.Clone(old.ObjectValue())
		maps.Copy(keys, now.ObjectValue())
		for key := range keys {
			d.value(elementOf(t), old.ObjectValue()[key], now.ObjectValue()[key], at.Key(string(key)))
		}
	case old.IsArray() && now.IsArray():
		a, b := old.ArrayValue(), now.ArrayValue()
		for i := range max(len(a), len(b)) {
			var was, is resource.PropertyValue
			if i < len(a) {
				was = a[i]
			}
			if i < len(b) {
				is = b[i]
			}
			d.value(elementOf(t), was, is, at.At(i))
		}
	case !old.DeepEquals(now):
		d.note(at, pulumirpc.PropertyDiff_UPDATE, true)
	}
}

// response is the answer to the engine. With replaced, another resource takes the place of this one, which goes first: both would be on the same hosts.
func (d differences) response(replaced []string) *pulumirpc.DiffResponse {
	out := &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE, HasDetailedDiff: true, DetailedDiff: d, Replaces: replaced, DeleteBeforeReplace: len(replaced) > 0}
	if len(d) == 0 {
		return out
	}
	out.Changes = pulumirpc.DiffResponse_DIFF_SOME
	top := map[string]bool{}
	for path := range d {
		name, _, _ := strings.Cut(path, ".")
		name, _, _ = strings.Cut(name, "[")
		top[name] = true
	}
	out.Diffs = slices.Sorted(maps.Keys(top))
	return out
}

// replaces marks a difference as one that replaces the resource.
func (d differences) replaces(path string) {
	if p := d[path]; p != nil {
		switch p.Kind {
		case pulumirpc.PropertyDiff_ADD:
			p.Kind = pulumirpc.PropertyDiff_ADD_REPLACE
		case pulumirpc.PropertyDiff_DELETE:
			p.Kind = pulumirpc.PropertyDiff_DELETE_REPLACE
		default:
			p.Kind = pulumirpc.PropertyDiff_UPDATE_REPLACE
		}
	}
}

// only says whether nothing differs but what some properties of the top have.
func (d differences) only(names ...string) bool {
	for path := range d {
		if !slices.Contains(names, path) {
			return false
		}
	}
	return true
}
