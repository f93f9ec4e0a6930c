package terraform

import (
	"fmt"
	"math/big"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/provider/door"
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

// problemDiagnostics tells mistakes at the attributes in which they were made.
func problemDiagnostics(problems []input.Problem) diag.Diagnostics {
	var out diag.Diagnostics
	for _, p := range problems {
		at, detail := shown(p.Path), p.Detail
		if len(p.Path) > 1 {
			detail = p.Path.String() + ": " + detail
		}
		switch {
		case p.Severity == hcl.DiagError && len(at) == 0:
			out.AddError(p.Summary, detail)
		case p.Severity == hcl.DiagError:
			out.AddAttributeError(attributePath(at), p.Summary, detail)
		case len(at) == 0:
			out.AddWarning(p.Summary, detail)
		default:
			out.AddAttributeWarning(attributePath(at), p.Summary, detail)
		}
	}
	return out
}

// tell tells an error of the engine at the attribute that it names first, if it names one.
func tell(diags *diag.Diagnostics, summary string, err error, more string) {
	if at := shown(door.At(err)); len(at) > 0 {
		diags.AddAttributeError(attributePath(at), summary, err.Error()+more)
		return
	}
	diags.AddError(summary, err.Error()+more)
}

// shown is as much of a path as Terraform finds in a file: an attribute of the top, or an element of it. Of a longer one it shows the first line of the resource alone.
func shown(at input.Path) input.Path {
	switch {
	case len(at) > 1 && dynamicAttributes[at[0].Name]:
		return at[:1]
	case len(at) > 1 && (at[1].Key || at[1].Name == ""):
		return at[:2]
	case len(at) > 1:
		return at[:1]
	}
	return at
}

// fleet reads what a resource describes, by its attributes.
func (c *client) fleet(attributes input.Object) (*door.Fleet, diag.Diagnostics) {
	f, problems := c.door().Fleet(attributes)
	return f, problemDiagnostics(problems)
}

// standing reads what a state describes, whose manifests may be gone by now.
func (c *client) standing(state input.Object) (*door.Fleet, diag.Diagnostics) {
	f, problems := c.door().Standing(state)
	return f, problemDiagnostics(problems)
}

// worker reads a worker with the checks and the words of the language. It is nil where too much is unknown, or wrong.
func (c *client) worker(attributes input.Object) (*bootstrap.Worker, diag.Diagnostics) {
	w, problems := c.door().Worker(attributes)
	return w, problemDiagnostics(problems)
}

// door is nil for a provider that is not configured yet.
func (c *client) door() *door.Client {
	if c == nil {
		return nil
	}
	return &c.Client
}
