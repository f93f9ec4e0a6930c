package topology

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// EnvPrefix starts the names of environment variables that give values to input variables.
const EnvPrefix = "TRIVET_VAR_"

// variable is an input variable as declared.
type variable struct {
	name        string
	typ         cty.Type
	defaults    *typeexpr.Defaults
	value       cty.Value // the default; NilVal when there is none
	description string
	sensitive   bool
	validations []*hcl.BodyContent
	rng         hcl.Range
}

// evaluate fills the evaluation context with variables and locals. A value that could not be had is unknown, so that what
// depends on it is not reported as well.
func (d *decoder) evaluate(variables, locals hcl.Blocks) {
	d.ctx = &hcl.EvalContext{
		Variables: map[string]cty.Value{},
		Functions: functions(d.opts),
	}
	declared := map[string]*variable{}
	var order []*variable
	for _, block := range variables {
		v := d.declare(block)
		if first, ok := declared[v.name]; ok {
			d.duplicate(block.LabelRanges[0], block.DefRange, "variable", v.name, first.rng)
			continue
		}
		declared[v.name] = v
		order = append(order, v)
	}
	given := d.givenValues(declared)
	values := map[string]cty.Value{}
	for _, v := range order {
		values[v.name] = d.variableValue(v, given)
	}
	d.ctx.Variables["var"] = cty.ObjectVal(values)
	d.known = map[string][]string{"var": slices.Sorted(maps.Keys(values)), "local": localNames(locals)}
	for _, v := range order {
		d.validateVariable(v)
	}
	d.ctx.Variables["local"] = cty.ObjectVal(d.localValues(locals))
	if d.opts.Unknown != "" {
		d.ctx.Variables[d.opts.Unknown] = cty.DynamicVal
	}
}

func (d *decoder) declare(block *hcl.Block) *variable {
	v := &variable{name: block.Labels[0], typ: cty.DynamicPseudoType, rng: block.DefRange, value: cty.NilVal}
	if !hclsyntax.ValidIdentifier(v.name) {
		d.errorf(block.LabelRanges[0], block.DefRange, "Invalid variable name",
			"%s cannot be used as var.<name>. Use letters, digits, hyphens and underscores, starting with a letter.", show(v.name))
	}
	content, diags := block.Body.Content(variableBlock.schema())
	d.source.clarify(variableBlock, diags)
	d.required(variableBlock, block.DefRange, content.Attributes)
	d.diags = append(d.diags, diags...)
	if attr := content.Attributes["type"]; attr != nil {
		typ, defaults, diags := typeexpr.TypeConstraintWithDefaults(attr.Expr)
		d.diags = append(d.diags, diags...)
		if !diags.HasErrors() {
			v.typ, v.defaults = typ, defaults
		}
	}
	if attr := content.Attributes["description"]; attr != nil {
		v.description = d.constant(attr, cty.String, cty.StringVal("")).AsString()
	}
	if attr := content.Attributes["sensitive"]; attr != nil {
		v.sensitive = d.constant(attr, cty.Bool, cty.False).True()
	}
	if attr := content.Attributes["default"]; attr != nil {
		v.value = cty.DynamicVal
		if val, ok := d.literal(attr); ok {
			v.value = d.conform(v, givenValue{val: val, origin: "default", form: "default = %s", rng: attr.Expr.Range()})
		}
	}
	for _, b := range content.Blocks {
		body, diags := b.Body.Content(validationBlock.schema())
		d.required(validationBlock, b.DefRange, body.Attributes, d.source.clarify(validationBlock, diags)...)
		d.diags = append(d.diags, diags...)
		if body.Attributes["condition"] != nil && body.Attributes["error_message"] != nil {
			v.validations = append(v.validations, body)
		}
	}
	return v
}

// literal evaluates an argument that may not refer to anything.
func (d *decoder) literal(attr *hcl.Attribute) (cty.Value, bool) {
	if refs := attr.Expr.Variables(); len(refs) > 0 {
		d.errorf(refs[0].SourceRange(), attr.Range, attr.Name+" is not a constant",
			"%s must be written out: it is read before variables and local values have theirs. What follows from a variable belongs in locals.", attr.Name)
		return cty.DynamicVal, false
	}
	val, diags := attr.Expr.Value(nil)
	d.diags = append(d.diags, diags...)
	return val, !diags.HasErrors()
}

// constant is literal for a type.
func (d *decoder) constant(attr *hcl.Attribute, typ cty.Type, otherwise cty.Value) cty.Value {
	val, ok := d.literal(attr)
	if !ok {
		return otherwise
	}
	val, err := convert.Convert(val, typ)
	if err != nil || val.IsNull() || !val.IsKnown() {
		d.errorf(attr.Expr.Range(), attr.Range, "Wrong type for "+attr.Name, "A constant %s is required.", typ.FriendlyName())
		return otherwise
	}
	return val
}

// conform converts a value to the variable's type.
func (d *decoder) conform(v *variable, g givenValue) cty.Value {
	val, rng := g.val, g.rng
	if v.defaults != nil && !val.IsNull() && val.IsKnown() {
		val = v.defaults.Apply(val)
	}
	out, err := convert.Convert(val, v.typ)
	if err != nil {
		d.errorf(rng, v.rng, fmt.Sprintf("Wrong type for variable %s", v.name),
			"Its %s does not fit its type %s: %s %s", g.origin, typeexpr.TypeString(v.typ), sentence(err.Error()), g.howToWrite(v))
		return cty.DynamicVal
	}
	return out
}

func (d *decoder) variableValue(v *variable, given map[string]givenValue) cty.Value {
	out := v.value
	g, ok := given[v.name]
	switch {
	case ok && g.val.IsKnown():
		out = d.conform(v, g)
	case ok:
		out = cty.DynamicVal
	case out == cty.NilVal:
		quote := "'"
		if v.typ.IsPrimitiveType() || v.typ == cty.DynamicPseudoType {
			quote = ""
		}
		detail := fmt.Sprintf("The variable has no default. Give it a value with --var %s%s=%s%s, a variable file or %s%s.",
			quote, v.name, strings.Trim(exampleOf(v.typ), `"`), quote, EnvPrefix, v.name)
		if in := d.opts.VariablesIn; in != "" {
			detail = fmt.Sprintf("The variable has no default. Give it a value in %s.", in)
		}
		if v.description != "" {
			detail += fmt.Sprintf(" It is described as: %s", sentence(v.description))
		}
		d.errorf(v.rng, v.rng, fmt.Sprintf("No value for variable %s", v.name), "%s", detail)
		out = cty.DynamicVal
	}
	if v.sensitive {
		d.hide(out)
		out = out.Mark(sensitive{})
	}
	return out
}

// hide keeps the texts in a sensitive value, which the messages of functions might repeat.
func (d *decoder) hide(val cty.Value) {
	const shortest = 4 // hiding shorter texts would spoil all messages and protect nothing
	err := cty.Walk(val, func(_ cty.Path, v cty.Value) (bool, error) {
		if v.Type() == cty.String && v.IsKnown() && !v.IsNull() && len(v.AsString()) >= shortest {
			d.hidden = append(d.hidden, v.AsString())
		}
		return true, nil
	})
	if err != nil {
		panic(err) // the function above returns none
	}
}

// scrub takes secrets out of messages.
func (d *decoder) scrub(diags hcl.Diagnostics) {
	for _, diag := range diags {
		for _, text := range []*string{&diag.Summary, &diag.Detail} {
			*text = secretText.ReplaceAllString(*text, "(a secret, not shown)")
			for _, h := range d.hidden {
				*text = strings.ReplaceAll(*text, h, "(a sensitive value)")
			}
		}
	}
}

func (d *decoder) validateVariable(v *variable) {
	for _, content := range v.validations {
		condition := content.Attributes["condition"]
		val, ok := d.eval(condition.Expr, v.rng)
		if !ok {
			continue
		}
		val, _ = val.Unmark()
		val, err := convert.Convert(val, cty.Bool)
		if err != nil || val.IsNull() {
			d.errorf(condition.Expr.Range(), v.rng, "Wrong type for condition", "A condition must be true or false.")
			continue
		}
		message := d.constant(content.Attributes["error_message"], cty.String, cty.StringVal(""))
		if val.IsKnown() && val.False() {
			d.errorf(condition.Expr.Range(), v.rng, fmt.Sprintf("Value of variable %s refused", v.name), "%s", sentence(message.AsString()))
		}
	}
}

func inOrder(attrs hcl.Attributes) []*hcl.Attribute {
	out := make([]*hcl.Attribute, 0, len(attrs))
	for _, a := range attrs {
		out = append(out, a)
	}
	sort.Slice(out, func(i, j int) bool { return precedes(out[i].NameRange, out[j].NameRange) })
	return out
}

// precedes orders places in the text.
func precedes(a, b hcl.Range) bool {
	if a.Filename != b.Filename {
		return a.Filename < b.Filename
	}
	return a.Start.Byte < b.Start.Byte
}

// localValues evaluates locals, each after those that it refers to.
func (d *decoder) localValues(blocks hcl.Blocks) map[string]cty.Value {
	attrs := map[string]*hcl.Attribute{}
	var order []*hcl.Attribute
	for _, block := range blocks {
		found, diags := block.Body.JustAttributes()
		d.diags = append(d.diags, diags...)
		for _, attr := range inOrder(found) {
			if first, ok := attrs[attr.Name]; ok {
				d.duplicate(attr.NameRange, attr.Range, "local value", attr.Name, first.NameRange)
				continue
			}
			attrs[attr.Name] = attr
			order = append(order, attr)
		}
	}
	values := map[string]cty.Value{}
	var path []string
	var visit func(attr *hcl.Attribute)
	visit = func(attr *hcl.Attribute) {
		if _, done := values[attr.Name]; done {
			return
		}
		if i := slices.Index(path, attr.Name); i >= 0 {
			d.errorf(attr.NameRange, attr.Range, "Local values in a circle",
				"%s needs itself: %s.", attr.Name, strings.Join(append(slices.Clone(path[i:]), attr.Name), " → "))
			values[attr.Name] = cty.DynamicVal
			return
		}
		path = append(path, attr.Name)
		defer func() { path = path[:len(path)-1] }()
		for _, traversal := range attr.Expr.Variables() {
			if other := attrs[localName(traversal)]; other != nil {
				visit(other)
			}
		}
		if _, done := values[attr.Name]; done {
			return // found to be in a circle
		}
		d.ctx.Variables["local"] = cty.ObjectVal(values)
		val, ok := d.eval(attr.Expr, attr.Range)
		if !ok {
			val = cty.DynamicVal
		}
		values[attr.Name] = val
	}
	for _, attr := range order {
		visit(attr)
	}
	return values
}

func localNames(blocks hcl.Blocks) []string {
	var out []string
	for _, block := range blocks {
		attrs, _ := block.Body.JustAttributes() // its mistakes are reported where the values are read
		out = append(out, slices.Sorted(maps.Keys(attrs))...)
	}
	return out
}

// eval evaluates an expression. References to what is not declared are found first: the library would only say that an
// object has no such attribute.
func (d *decoder) eval(expr hcl.Expression, context hcl.Range) (cty.Value, bool) {
	declared := true
	for _, traversal := range expr.Variables() {
		if len(traversal) < 2 {
			continue
		}
		root := traversal.RootName()
		step, ok := traversal[1].(hcl.TraverseAttr)
		if names, ours := d.known[root]; ok && ours && !slices.Contains(names, step.Name) {
			kind := map[string]string{"var": "variable", "local": "local value"}[root]
			d.errorf(traversal.SourceRange(), context, "Unknown "+kind, "No %s is named %s.%s", kind, show(step.Name), cmp.Or(Suggest(step.Name, names), howToDeclare(root, step.Name)))
			declared = false
		}
	}
	if !declared {
		return cty.NilVal, false
	}
	val, diags := expr.Value(d.ctx)
	d.diags = append(d.diags, diags...)
	return val, !diags.HasErrors()
}

func howToDeclare(root, name string) string {
	if root == "var" {
		return fmt.Sprintf(" Declare it at the top of a file: variable %q { … }.", name)
	}
	return fmt.Sprintf(" Give it a value in a locals block: %s = ….", name)
}

// localName returns x of a reference to local.x.
func localName(traversal hcl.Traversal) string {
	if len(traversal) < 2 || traversal.RootName() != "local" {
		return ""
	}
	switch step := traversal[1].(type) {
	case hcl.TraverseAttr:
		return step.Name
	case hcl.TraverseIndex:
		if step.Key.Type() == cty.String {
			return step.Key.AsString()
		}
	}
	return ""
}
