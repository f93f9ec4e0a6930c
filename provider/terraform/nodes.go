package terraform

import (
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/trivet-dev/trivet/provider/door"
	"github.com/trivet-dev/trivet/provider/input"
)

// nodesValue writes the nodes. In a plan, what is empty is known after apply.
func nodesValue(nodes map[string]door.Node, planned bool) types.Map {
	v, _ := valueOf(types.MapType{ElemType: types.ObjectType{AttrTypes: nodeTypes}}, door.NodesIn(nodes, planned)).(types.Map)
	return v
}

// objectsValue writes the objects that come from manifests.
func objectsValue(objects map[string]door.Object) types.Map {
	v, _ := valueOf(types.MapType{ElemType: types.ObjectType{AttrTypes: objectTypes}}, door.ObjectsIn(objects)).(types.Map)
	return v
}

// connectionValue writes how a cluster is reached.
func connectionValue(access input.Object) types.Object {
	v, _ := valueOf(types.ObjectType{AttrTypes: connectionTypes}, access).(types.Object)
	return v
}

// valueOf writes a value of package input as one of a type.
func valueOf(typ attr.Type, v any) attr.Value {
	_, unknown := v.(input.Unknown)
	switch typ := typ.(type) {
	case types.ObjectType:
		o, ok := v.(input.Object)
		switch {
		case unknown:
			return types.ObjectUnknown(typ.AttrTypes)
		case !ok:
			return types.ObjectNull(typ.AttrTypes)
		}
		out := map[string]attr.Value{}
		for name, t := range typ.AttrTypes {
			out[name] = valueOf(t, o[name])
		}
		return types.ObjectValueMust(typ.AttrTypes, out)
	case types.ListType:
		if unknown {
			return types.ListUnknown(typ.ElemType)
		}
		list, ok := v.([]any)
		if !ok {
			return types.ListNull(typ.ElemType)
		}
		out := make([]attr.Value, len(list))
		for i, x := range list {
			out[i] = valueOf(typ.ElemType, x)
		}
		return types.ListValueMust(typ.ElemType, out)
	}
	if m, ok := typ.(types.MapType); ok {
		o, given := v.(input.Object)
		switch {
		case unknown:
			return types.MapUnknown(m.ElemType)
		case !given:
			return types.MapNull(m.ElemType)
		}
		out := map[string]attr.Value{}
		for k, x := range o {
			out[k] = valueOf(m.ElemType, x)
		}
		return types.MapValueMust(m.ElemType, out)
	}
	if typ == types.BoolType {
		on, ok := v.(bool)
		switch {
		case unknown:
			return types.BoolUnknown()
		case !ok:
			return types.BoolNull()
		}
		return types.BoolValue(on)
	}
	if typ == types.Int64Type {
		n, ok := v.(int64)
		switch {
		case unknown:
			return types.Int64Unknown()
		case !ok:
			return types.Int64Null()
		}
		return types.Int64Value(n)
	}
	s, ok := v.(string)
	switch {
	case unknown:
		return types.StringUnknown()
	case !ok:
		return types.StringNull()
	}
	return types.StringValue(s)
}

func number(n int) types.Int64 {
	if n == 0 {
		return types.Int64Null()
	}
	return types.Int64Value(int64(n))
}

func textOrNull(s string) types.String {
	if s == "" {
		return types.StringNull()
	}
	return types.StringValue(s)
}
