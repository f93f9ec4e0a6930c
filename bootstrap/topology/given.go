package topology

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// givenValue is a value from outside, with its origin in words and, when there is one, in a file.
type givenValue struct {
	val    cty.Value
	origin string
	form   string // how such a value is given, with the value as %s
	rng    hcl.Range
}

// howToWrite says how a value of the variable's type is given.
func (g givenValue) howToWrite(v *variable) string {
	return fmt.Sprintf("Write it like this: %s.", fmt.Sprintf(g.form, exampleOf(v.typ)))
}

// exampleOf writes a value of a type.
func exampleOf(typ cty.Type) string {
	switch {
	case typ == cty.Number:
		return "3"
	case typ == cty.Bool:
		return "true"
	case typ.IsListType() || typ.IsSetType():
		if typ.ElementType().IsPrimitiveType() && typ.ElementType() != cty.Bool {
			return map[bool]string{true: `["a", "b"]`, false: "[1, 2]"}[typ.ElementType() == cty.String]
		}
		return "[" + exampleOf(typ.ElementType()) + "]"
	case typ.IsMapType():
		return "{ name = " + exampleOf(typ.ElementType()) + " }"
	case typ.IsTupleType():
		var parts []string
		for _, t := range typ.TupleElementTypes() {
			parts = append(parts, exampleOf(t))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case typ.IsObjectType():
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(typ.AttributeTypes())) {
			parts = append(parts, name+" = "+exampleOf(typ.AttributeType(name)))
		}
		return "{ " + strings.Join(parts, ", ") + " }"
	}
	return `"text"`
}

// givenValues collects values from the environment, variable files and Options.Variables; later ones win.
func (d *decoder) givenValues(declared map[string]*variable) map[string]givenValue {
	given := map[string]givenValue{}
	names := make([]string, 0, len(declared))
	for name := range declared {
		names = append(names, name)
	}
	sort.Strings(names)
	if d.opts.Env != nil {
		for _, name := range names {
			if raw := d.opts.Env(EnvPrefix + name); raw != "" {
				d.rawValue(given, declared[name], raw, "value in the environment ("+EnvPrefix+name+")", EnvPrefix+name+"='%s'")
			}
		}
	}
	for _, path := range d.opts.VariableFiles {
		d.variableFile(given, declared, names, path)
	}
	raws := make([]string, 0, len(d.opts.Variables))
	for name := range d.opts.Variables {
		raws = append(raws, name)
	}
	sort.Strings(raws)
	for _, name := range raws {
		v, ok := declared[name]
		if !ok {
			d.diags = append(d.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Unknown variable",
				Detail: fmt.Sprintf("A value is given for %s, but no variable block declares it.%s", show(name), Suggest(name, names))})
			continue
		}
		origin, form := "value given with --var", "--var '"+name+"=%s'"
		if in := d.opts.VariablesIn; in != "" {
			origin, form = "value in "+in, name+" = %s, as a text"
		}
		d.rawValue(given, v, d.opts.Variables[name], origin, form)
	}
	return given
}

// rawValue reads text by the type of its variable: as it stands for strings, numbers and booleans, else as an expression.
func (d *decoder) rawValue(given map[string]givenValue, v *variable, raw, origin, form string) {
	g := givenValue{val: cty.StringVal(raw), origin: origin, form: form, rng: v.rng}
	if v.typ == cty.DynamicPseudoType {
		d.untyped[v.name] = origin
	}
	if v.typ.IsPrimitiveType() {
		g.form = strings.ReplaceAll(form, "'", "")
	}
	if !v.typ.IsPrimitiveType() && v.typ != cty.DynamicPseudoType {
		val := cty.DynamicVal
		expr, diags := hclsyntax.ParseExpression([]byte(raw), "<"+origin+">", hcl.InitialPos)
		if !diags.HasErrors() {
			var more hcl.Diagnostics
			val, more = expr.Value(nil)
			diags = append(diags, more...)
		}
		if diags.HasErrors() {
			d.errorf(v.rng, v.rng, fmt.Sprintf("Wrong value for variable %s", v.name),
				"The %s cannot be read as %s. %s", origin, typeexpr.TypeString(v.typ), g.howToWrite(v))
			val = cty.DynamicVal
		}
		g.val = val
	}
	given[v.name] = g
}

func (d *decoder) variableFile(given map[string]givenValue, declared map[string]*variable, names []string, path string) {
	fail := func(reason string) {
		d.diags = append(d.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Variable file not readable", Detail: sentence(reason)})
	}
	if d.opts.ReadFile == nil {
		fail(path + ": files cannot be read here")
		return
	}
	data, err := d.opts.ReadFile(path)
	if err != nil {
		fail(err.Error())
		return
	}
	body, diags := d.source.parse(path, data)
	d.diags = append(d.diags, diags...)
	if body == nil || diags.HasErrors() {
		return
	}
	attrs, diags := body.JustAttributes()
	d.diags = append(d.diags, diags...)
	for _, attr := range inOrder(attrs) {
		if _, ok := declared[attr.Name]; !ok {
			d.errorf(attr.NameRange, attr.Range, "Unknown variable", "No variable block declares %s.%s", show(attr.Name), Suggest(attr.Name, names))
			continue
		}
		val, ok := d.literal(attr)
		if !ok {
			val = cty.DynamicVal
		}
		given[attr.Name] = givenValue{val: val, origin: "value in " + path, form: attr.Name + " = %s", rng: attr.Expr.Range()}
	}
}
