package terraform

import (
	"fmt"
	"math/big"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/trivet-dev/trivet/provider/input"
)

var objectOptions = basetypes.ObjectAsOptions{}

// values turns a configuration, plan or state into values of package input. Attributes that are null are left out.
func values(v tftypes.Value) (any, error) {
	if !v.IsKnown() {
		return input.Unknown{}, nil
	}
	if v.IsNull() {
		return nil, nil
	}
	switch typ := v.Type(); {
	case typ.Is(tftypes.String):
		var s string
		err := v.As(&s)
		return s, err
	case typ.Is(tftypes.Number):
		n := new(big.Float)
		err := v.As(&n)
		return n, err
	case typ.Is(tftypes.Bool):
		var b bool
		err := v.As(&b)
		return b, err
	case typ.Is(tftypes.List{}), typ.Is(tftypes.Set{}), typ.Is(tftypes.Tuple{}):
		var list []tftypes.Value
		if err := v.As(&list); err != nil {
			return nil, err
		}
		out := make([]any, len(list))
		for i := range list {
			x, err := values(list[i])
			if err != nil {
				return nil, err
			}
			out[i] = x
		}
		return out, nil
	case typ.Is(tftypes.Map{}), typ.Is(tftypes.Object{}):
		m := map[string]tftypes.Value{}
		if err := v.As(&m); err != nil {
			return nil, err
		}
		out := input.Object{}
		for k := range m {
			x, err := values(m[k])
			if err != nil {
				return nil, err
			}
			if x != nil {
				out[k] = x
			}
		}
		return out, nil
	}
	return nil, fmt.Errorf("a value of type %s", v.Type())
}

// attributePath is the path as Terraform has it.
func attributePath(p input.Path) path.Path {
	out := path.Empty()
	for _, s := range p {
		switch {
		case s.Key:
			out = out.AtMapKey(s.Name)
		case s.Name == "":
			out = out.AtListIndex(s.Index)
		default:
			out = out.AtName(s.Name)
		}
	}
	return out
}

// dynamicAttributes are those whose type follows from their value: a path does not lead into them.
var dynamicAttributes = map[string]bool{"components": true}

// diagnostics tells the language's mistakes at the attributes in which they were made. Without a text, all are at the attribute at.
func diagnostics(text *input.Text, at path.Path, found hcl.Diagnostics) diag.Diagnostics {
	var out diag.Diagnostics
	for _, d := range found {
		where, detail := at, d.Detail
		if text != nil {
			detail = text.Reword(detail)
			if d.Subject != nil {
				p := text.Path(*d.Subject)
				if len(p) > 1 {
					detail = p.String() + ": " + detail // Terraform shows no place inside of an attribute
				}
				if len(p) > 1 && dynamicAttributes[p[0].Name] {
					p = p[:1]
				}
				where = attributePath(p)
			}
		} else if d.Subject != nil {
			detail = fmt.Sprintf("%s: %s", d.Subject, detail)
		}
		switch {
		case d.Severity == hcl.DiagError && len(where.Steps()) == 0:
			out.AddError(d.Summary, detail)
		case d.Severity == hcl.DiagError:
			out.AddAttributeError(where, d.Summary, detail)
		case len(where.Steps()) == 0:
			out.AddWarning(d.Summary, detail)
		default:
			out.AddAttributeWarning(where, d.Summary, detail)
		}
	}
	return out
}
