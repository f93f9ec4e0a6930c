package pulumi

import (
	"bytes"
	"cmp"
	"fmt"
	"go/format"
	"maps"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/provider/input"
)

// The Go SDK is made from what the schema is made from. Its structure is plain and its leaves are inputs (map[string]HostArgs with Address pulumi.StringInput): what stands where is known
// whenever the program runs, and a preview shows every host, whatever of it is not known yet.

// initialisms are parts of names that Go writes in capitals.
var initialisms = map[string]string{"id": "ID", "ssh": "SSH", "api": "API", "dns": "DNS", "mtu": "MTU", "cidr": "CIDR", "ca": "CA", "db": "DB", "sans": "SANs"}

// goName is a name as Go exports it.
func goName(name string) string {
	var out strings.Builder
	for part := range strings.SplitSeq(name, "_") {
		if up, ok := initialisms[part]; ok {
			out.WriteString(up)
			continue
		}
		out.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return out.String()
}

// sdk writes the SDK's types.
type sdk struct {
	bytes.Buffer
	args, results, words map[string]input.Type
	pending              map[string]bool // labels of which a map's output is wanted
}

func (s *sdk) line(format string, args ...any) { fmt.Fprintf(s, format+"\n", args...) }

// comment writes a text as a comment.
func (s *sdk) comment(text string) {
	for line := range strings.SplitSeq(text, "\n") {
		s.line("// %s", line)
	}
}

// makeSDK makes the Go SDK's generated file.
func makeSDK() ([]byte, error) {
	s := &sdk{args: map[string]input.Type{}, results: map[string]input.Type{}, words: map[string]input.Type{}, pending: map[string]bool{}}
	for _, k := range kinds() {
		s.resource(k)
	}
	s.arguments("FleetArgs", "FleetArgs is what a Fleet is made of.", fleetAttributes())
	s.component(input.FleetOutputs(words))
	s.arguments("ProviderArgs", "ProviderArgs are the settings of a provider.", input.Provider(words))
	for _, f := range functions() {
		name := goName(strings.TrimPrefix(f.token, "trivet:index:get"))
		s.comment(fmt.Sprintf("Lookup%sArgs is what Get%[1]s is asked. %s", name, f.about))
		s.arguments("Lookup"+name+"Args", "", f.inputs)
		s.result("Lookup"+name+"Result", "Lookup"+name+"Result is the answer.", f.outputs)
	}
	s.rest()
	head := "// Package trivet is the Go SDK of the Pulumi provider: clusters, elastic workers, and fleets of them over regions and sites.\npackage trivet\n\n" +
		"// Made from the provider's descriptions: go test ./provider/pulumi -run TestSDK -update.\n\nimport (\n\t\"reflect\"\n\n\t\"github.com/pulumi/pulumi/sdk/v3/go/pulumi\"\n)\n\n"
	return format.Source(append([]byte(head), s.Bytes()...))
}

// rest writes the types that were named so far, and those that they name.
func (s *sdk) rest() {
	done := map[string]bool{}
	for again := true; again; {
		again = false
		for _, set := range []struct {
			types map[string]input.Type
			kind  string
		}{{s.args, "Args"}, {s.results, ""}} {
			for _, label := range slices.Sorted(maps.Keys(set.types)) {
				if done[label+set.kind] {
					continue
				}
				again, done[label+set.kind] = true, true
				if set.kind == "Args" {
					s.arguments(label+"Args", "", set.types[label].Attributes)
				} else {
					s.result(label, "", set.types[label].Attributes)
				}
			}
		}
	}
	for _, label := range slices.Sorted(maps.Keys(s.pending)) {
		s.line("// %sMapOutput is a map of %[1]s that may not be known yet.\ntype %[1]sMapOutput struct{ *pulumi.OutputState }\n", label)
		s.line("// ElementType implements pulumi.Output.\nfunc (%sMapOutput) ElementType() reflect.Type { return reflect.TypeFor[map[string]%[1]s]() }\n", label)
		s.line("func init() { pulumi.RegisterOutputType(%sMapOutput{}) }\n", label)
	}
	for _, label := range slices.Sorted(maps.Keys(s.words)) {
		s.comment(label + " is one of some words; a text in its place may be any.")
		s.line("const (")
		for _, w := range s.words[label].Words {
			s.line("\t%s%s = %q", label, wordLabel(w), w)
		}
		s.line(")\n")
	}
}

// there says of a property or a part of a value that it is never absent.
func there(a input.Attribute) bool {
	return a.Required || a.Always || a.Default != nil || a.Computed && a.Name == "name"
}

// fields writes a struct's fields.
func (s *sdk) fields(attributes []input.Attribute, typ func(input.Attribute) string, always func(input.Attribute) bool) {
	for _, a := range slices.SortedFunc(slices.Values(attributes), func(a, b input.Attribute) int { return cmp.Compare(a.Name, b.Name) }) {
		tag := camel(a.Name)
		if !always(a) {
			tag += ",optional"
		}
		s.comment(a.Meaning)
		s.line("\t%s %s `pulumi:%q`", goName(a.Name), typ(a), tag)
	}
}

// arguments writes a struct of what users give.
func (s *sdk) arguments(name, about string, attributes []input.Attribute) {
	if about == "" && !strings.HasPrefix(name, "Lookup") {
		about = name + " is the input of " + strings.TrimSuffix(name, "Args") + "."
	}
	if about != "" {
		s.comment(about)
	}
	s.line("type %s struct {", name)
	s.fields(attributes, s.argument, func(a input.Attribute) bool { return a.Required })
	s.line("}\n")
	if strings.HasPrefix(name, "Lookup") {
		return
	}
	s.comment("ElementType implements pulumi.Input.")
	s.line("func (%s) ElementType() reflect.Type { return reflect.TypeFor[%[1]s]() }\n", name)
}

// argument is the type of what users give: plain structure, and inputs at the leaves.
func (s *sdk) argument(a input.Attribute) string {
	t := a.Type
	s.note(t, camel(a.Name))
	switch {
	case a.Plain:
		return "string"
	case structural(a) && t.Kind == input.KindMap:
		s.args[t.Of.Label] = *t.Of
		return "map[string]" + t.Of.Label + "Args"
	case structural(a) && t.Kind == input.KindList:
		s.args[t.Of.Label] = *t.Of
		return "[]" + t.Of.Label + "Args"
	case structural(a):
		s.args[t.Label] = t
		return "*" + t.Label + "Args"
	}
	switch t.Kind {
	case input.KindNumber:
		return "pulumi.IntInput"
	case input.KindFlag:
		return "pulumi.BoolInput"
	case input.KindList:
		return "pulumi.StringArrayInput"
	case input.KindMap:
		if t.Of.Kind == input.KindAny {
			return "pulumi.MapInput"
		}
		return "pulumi.StringMapInput"
	case input.KindFields:
		s.results[t.Label] = t
		return t.Label + "Input"
	}
	return "pulumi.StringInput"
}

// note notes a type of words.
func (s *sdk) note(t input.Type, name string) {
	if t.Of != nil {
		t = *t.Of
	}
	if t.Words != nil {
		s.words[enumLabel(name)] = t
	}
}

// result writes a struct of values, with its output.
func (s *sdk) result(name, about string, attributes []input.Attribute) {
	if about == "" {
		about = name + " is a part of a result."
	}
	s.comment(about)
	s.line("type %s struct {", name)
	s.fields(attributes, func(a input.Attribute) string { return s.valueType(a.Type, there(a)) }, there)
	s.line("}\n")
	if strings.HasPrefix(name, "Lookup") {
		return
	}
	s.line("// %sInput is a %[1]s, or one that is not known yet.\ntype %[1]sInput interface {\n\tpulumi.Input\n\tTo%[1]sOutput() %[1]sOutput\n}\n", name)
	s.line("// %sOutput is a %[1]s that may not be known yet.\ntype %[1]sOutput struct{ *pulumi.OutputState }\n", name)
	s.line("// ElementType implements pulumi.Output.\nfunc (%sOutput) ElementType() reflect.Type { return reflect.TypeFor[%[1]s]() }\n", name)
	s.line("// To%sOutput implements %[1]sInput.\nfunc (o %[1]sOutput) To%[1]sOutput() %[1]sOutput { return o }\n", name)
	s.line("func init() { pulumi.RegisterOutputType(%sOutput{}) }\n", name)
}

// valueType is the type of a value that is there.
func (s *sdk) valueType(t input.Type, always bool) string {
	pointer := "*"
	if always {
		pointer = ""
	}
	switch t.Kind {
	case input.KindNumber:
		return pointer + "int"
	case input.KindFlag:
		return pointer + "bool"
	case input.KindList:
		return "[]" + s.valueType(*t.Of, true)
	case input.KindMap:
		return "map[string]" + s.valueType(*t.Of, true)
	case input.KindFields:
		s.results[t.Label] = t
		return pointer + t.Label
	case input.KindAny:
		return "any"
	}
	return pointer + "string"
}

// component writes what a Fleet gives.
func (s *sdk) component(attributes []input.Attribute) {
	s.comment("Fleet is " + lower(words.Say(input.AboutFleet)))
	s.line("type Fleet struct {\n\tpulumi.ResourceState\n")
	s.fields(attributes, s.output, there)
	s.line("}\n")
}

func lower(text string) string { return strings.ToLower(text[:1]) + text[1:] }

// output is the type of a property of a resource.
func (s *sdk) output(a input.Attribute) string {
	t, always := a.Type, there(a)
	s.note(t, camel(a.Name))
	leaf := func(name string) string {
		if always {
			return "pulumi." + name + "Output"
		}
		return "pulumi." + name + "PtrOutput"
	}
	switch t.Kind {
	case input.KindNumber:
		return leaf("Int")
	case input.KindFlag:
		return leaf("Bool")
	case input.KindText:
		return leaf("String")
	case input.KindList:
		if t.Of.Kind == input.KindText {
			return "pulumi.StringArrayOutput"
		}
	case input.KindMap:
		if t.Of.Kind == input.KindText {
			return "pulumi.StringMapOutput"
		}
		if t.Of.Kind == input.KindFields {
			s.results[t.Of.Label] = *t.Of
			s.pending[t.Of.Label] = true
			return t.Of.Label + "MapOutput"
		}
	case input.KindFields:
		if always {
			s.results[t.Label] = t
			return t.Label + "Output"
		}
	}
	return "pulumi.AnyOutput"
}

// resource writes a resource's arguments and properties.
func (s *sdk) resource(k kind) {
	name := strings.TrimPrefix(k.token, "trivet:index:")
	s.comment(name + " is " + lower(k.about))
	s.line("type %s struct {\n\tpulumi.CustomResourceState\n", name)
	s.fields(k.attributes, s.output, there)
	s.line("}\n")
	s.arguments(name+"Args", name+"Args is what a "+name+" is made of.", given(k.attributes))
	s.comment(fmt.Sprintf("New%s declares a %[1]s.", name))
	s.line(`func New%s(ctx *pulumi.Context, name string, args *%[1]sArgs, opts ...pulumi.ResourceOption) (*%[1]s, error) {
	if args == nil {
		args = &%[1]sArgs{}
	}
	var r %[1]s
	if err := ctx.RegisterResource(%[2]q, name, args, &r, options(opts)...); err != nil {
		return nil, err
	}
	return &r, nil
}
`, name, k.token)
}
