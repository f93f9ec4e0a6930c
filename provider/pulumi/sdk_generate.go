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

// The Go SDK is made from what the schema is made from, with the names that Pulumi's own generator gives: programs that `pulumi import` and `pulumi convert` write are programs for it. Its
// structure is plain and its leaves are inputs (map[string]HostArgs with Address pulumi.StringInput): what stands where is known whenever the program runs, and a preview shows every host,
// whatever of it is not known yet.

// sdkFiles are the files that are made, below sdk/go/trivet.
var sdkFiles = []string{"resources.go", "functions.go", "types.go", "enums.go"}

// goName is a name as the SDK exports it: pod_cidr is PodCidr.
func goName(name string) string {
	name = camel(name)
	return strings.ToUpper(name[:1]) + name[1:]
}

// form is a form in which the SDK has a type of fields.
type form int

const (
	inArguments form = iota // what users give: plain structure, and inputs at the leaves
	asInput                 // what users give as one value, which may be an output: T, TArgs and TInput
	asInputPtr
	asInputList
	asValue // T and TOutput
	asPtr   // TPtrOutput
	asList  // TArrayOutput
	asMap   // TMapOutput
)

// wanted is a type of fields in a form.
type wanted struct {
	label string
	form  form
}

// sdk writes the SDK's files.
type sdk struct {
	bytes.Buffer
	types map[string]input.Type // of fields, by label
	words map[string]input.Type // by label
	want  []wanted              // in the order in which they were named
}

func (s *sdk) line(format string, args ...any) { fmt.Fprintf(s, format+"\n", args...) }

// comment writes a text as a comment.
func (s *sdk) comment(format string, args ...any) {
	for line := range strings.SplitSeq(fmt.Sprintf(format, args...), "\n") {
		s.line("// %s", line)
	}
}

// makeSDK makes the files of sdkFiles.
func makeSDK() (map[string][]byte, error) {
	s := &sdk{types: map[string]input.Type{}, words: map[string]input.Type{}}
	out := map[string][]byte{}
	for i, write := range []func(){s.resources, s.functions, s.named, s.enums} {
		s.Reset()
		write()
		body, head := s.String(), "// Code generated from the provider's descriptions by `make sdk`. DO NOT EDIT.\n\npackage trivet\n\nimport (\n"
		for _, group := range [][2]string{{"context", "context."}, {"fmt", "fmt."}, {"reflect", "reflect."}, {"", ""}, {"github.com/blang/semver", "semver."}, {"github.com/pulumi/pulumi/sdk/v3/go/pulumi", "pulumi."}} {
			switch {
			case group[0] == "":
				head += "\n"
			case strings.Contains(body, group[1]):
				head += fmt.Sprintf("\t%q\n", group[0])
			}
		}
		source, err := format.Source([]byte(head + ")\n\n" + body))
		if err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", sdkFiles[i], err, body)
		}
		out[sdkFiles[i]] = source
	}
	return out, nil
}

// resources writes resources, what they are made of, and what makes them of what Pulumi has of them.
func (s *sdk) resources() {
	for _, k := range kinds() {
		s.declared(k, "pulumi.CustomResourceState", "RegisterResource")
		s.found(k)
	}
	s.declared(fleetKind(), "pulumi.ResourceState", "RegisterRemoteComponentResource")
	s.declared(providerKind(), "pulumi.ProviderResourceState", "RegisterResource")
	s.line("// Construct implements pulumi.ResourceModule.\nfunc (module) Construct(ctx *pulumi.Context, name, typ, urn string) (pulumi.Resource, error) {\n\tvar r pulumi.Resource\n\tswitch typ {")
	for _, k := range append(kinds(), fleetKind()) {
		s.line("\tcase %q:\n\t\tr = &%s{}", k.token, k.name())
	}
	s.line("\tdefault:\n\t\treturn nil, fmt.Errorf(\"the package trivet has no resource %%s\", typ)\n\t}\n\treturn r, ctx.RegisterResource(typ, name, nil, r, pulumi.URN_(urn))\n}")
}

// declared writes a resource, its arguments, and how it is declared.
func (s *sdk) declared(k kind, state, register string) {
	name := k.name()
	s.comment("%s is %s", name, lower(k.about))
	s.line("type %s struct {\n\t%s\n", name, state)
	s.fields(k.out, func(a input.Attribute) string { return s.output(a.Type, there(a), camel(a.Name)) })
	s.line("}\n")
	s.arguments(name+"Args", fmt.Sprintf("%sArgs is what a %[1]s is made of.", name), k.in)
	s.comment("New%s declares a %[1]s.", name)
	s.line("func New%s(ctx *pulumi.Context, name string, args *%[1]sArgs, opts ...pulumi.ResourceOption) (*%[1]s, error) {\n\tif args == nil {\n\t\targs = &%[1]sArgs{}\n\t}", name)
	given := "args"
	if code := sealing("sent", k.in); code != "" {
		given = "&sent"
		s.line("\tsent := *args // with its secrets marked\n%s", code)
	}
	s.line("\tvar r %s\n\tif err := ctx.%s(%q, name, %s, &r, resourceOptions(opts)...); err != nil {\n\t\treturn nil, err\n\t}\n\treturn &r, nil\n}\n", name, register, k.token, given)
}

// sealing is the code that marks what is secret in a copy of arguments; "" where nothing is.
func sealing(of string, attributes []input.Attribute) string {
	var out strings.Builder
	for _, a := range attributes {
		name := goName(a.Name)
		switch {
		case a.Secret:
			fmt.Fprintf(&out, "\t%s.%s = secret(%[1]s.%[2]s)\n", of, name)
		case a.Kind == input.KindFields:
			if inner := sealing(camel(a.Name), a.Attributes); inner != "" {
				fmt.Fprintf(&out, "\tif args.%[1]s != nil {\n\t\t%[2]s := *args.%[1]s\n%[3]s\t\t%[4]s.%[1]s = &%[2]s\n\t}\n", name, camel(a.Name), inner, of)
			}
		}
	}
	return out.String()
}

// found writes how a resource is read that there is already.
func (s *sdk) found(k kind) {
	s.line("// %sState is what is looked up by: the id says it all.\ntype %[1]sState struct{}\n", k.name())
	s.element(k.name()+"State", k.name()+"State")
	s.comment("Get%s reads a %[1]s that there is already. Its id is %s. state may be nil.", k.name(), k.imported)
	s.line(`func Get%s(ctx *pulumi.Context, name string, id pulumi.IDInput, state *%[1]sState, opts ...pulumi.ResourceOption) (*%[1]s, error) {
	if state == nil {
		state = &%[1]sState{}
	}
	var r %[1]s
	if err := ctx.ReadResource(%[2]q, name, id, state, &r, resourceOptions(opts)...); err != nil {
		return nil, err
	}
	return &r, nil
}
`, k.name(), k.token)
}

// functions writes functions: with plain arguments, which are called while the program runs, and with arguments that may be outputs.
func (s *sdk) functions() {
	for _, f := range functions() {
		name := goName(strings.TrimPrefix(f.token, "trivet:index:"))
		s.comment("%s: %s", name, f.about)
		s.line("func %s(ctx *pulumi.Context, args *%[1]sArgs, opts ...pulumi.InvokeOption) (*%[1]sResult, error) {\n\tvar r %[1]sResult", name)
		s.line("\tif err := ctx.Invoke(%q, args, &r, invokeOptions(opts)...); err != nil {\n\t\treturn nil, err\n\t}\n\treturn &r, nil\n}\n", f.token)
		s.values(name+"Args", name+"Args is what "+name+" is asked.", f.inputs)
		s.values(name+"Result", name+"Result is the answer of "+name+".", f.outputs)
		s.comment("%sOutput is %[1]s for arguments that may not be known yet; then the answer is not, either.", name)
		s.line("func %sOutput(ctx *pulumi.Context, args %[1]sOutputArgs, opts ...pulumi.InvokeOption) %[1]sResultOutput {", name)
		s.line("\treturn ctx.InvokeOutput(%q, args, %sResultOutput{}, pulumi.InvokeOutputOptions{InvokeOptions: invokeOptions(opts)}).(%[2]sResultOutput)\n}\n", f.token, name)
		s.inputs(name+"OutputArgs", name+"OutputArgs is what "+name+"Output is asked.", f.inputs)
		s.element(name+"OutputArgs", name+"Args")
		s.outputOf(name+"Result", name+"Result", "")
		s.accessors(name+"Result", f.outputs)
	}
}

// named writes the types that were named so far, and those that they name.
func (s *sdk) named() {
	written := map[wanted]bool{}
	var inOrder []string
	bodies := map[string]string{}
	for len(s.want) > 0 {
		w := s.want[0]
		if s.want = s.want[1:]; written[w] {
			continue
		}
		written[w] = true
		before := s.Len()
		s.formOf(w)
		key := fmt.Sprintf("%s %d", w.label, w.form)
		inOrder, bodies[key] = append(inOrder, key), string(s.Bytes()[before:])
	}
	s.Reset()
	slices.Sort(inOrder)
	for _, key := range inOrder {
		s.WriteString(bodies[key])
	}
}

func (s *sdk) formOf(w wanted) {
	name, list := w.label, s.types[w.label].Attributes
	switch w.form {
	case inArguments:
		s.arguments(name+"Args", name+"Args is the input of "+name+".", list)
	case asInput:
		s.name(name, asValue)
		s.inputOf(name, name, "")
		s.inputs(name+"Args", name+"Args is a "+name+" of which parts may not be known yet.", list)
		s.element(name+"Args", name)
		s.becomes(name+"Args", name)
		s.registered(name, name+"Args{}")
	case asInputPtr:
		s.name(name, asInput, asPtr)
		s.inputOf(name+"Ptr", name, "*")
		for _, from := range []string{name + "Args", name + "Output"} {
			s.becomes(from, name+"Ptr")
		}
		s.registered(name+"Ptr", name+"Args{}")
	case asInputList:
		s.name(name, asInput, asList)
		s.inputOf(name+"Array", name, "[]")
		s.line("// %sArray is a list of %[1]s.\ntype %[1]sArray []%[1]sInput\n", name)
		s.element(name+"Array", "[]"+name)
		s.becomes(name+"Array", name+"Array")
		s.registered(name+"Array", name+"Array{}")
	case asValue:
		s.values(name, name+" is a value that there is.", list)
		s.outputOf(name, name, "")
		s.accessors(name, list)
	case asPtr:
		s.name(name, asValue)
		s.outputOf(name+"Ptr", name, "*")
		s.line("// Elem is what is there; where nothing is, it is empty.\nfunc (o %sPtrOutput) Elem() %[1]sOutput { return elem[%[1]sOutput, %[1]s](o) }\n", name)
		s.accessorsOfPtr(name, list)
	case asList:
		s.name(name, asValue)
		s.outputOf(name+"Array", name, "[]")
		s.line("// Index is one of the list; beyond its end, it is empty.\nfunc (o %sArrayOutput) Index(i pulumi.IntInput) %[1]sOutput { return index[%[1]sOutput, %[1]s](o, i) }\n", name)
	case asMap:
		s.name(name, asValue)
		s.outputOf(name+"Map", name, "map[string]")
		s.line("// MapIndex is one of the map; where there is none of the name, it is empty.\nfunc (o %sMapOutput) MapIndex(k pulumi.StringInput) %[1]sOutput { return mapIndex[%[1]sOutput, %[1]s](o, k) }\n", name)
	}
}

// name notes that a type of fields is named in some forms.
func (s *sdk) name(label string, forms ...form) {
	for _, f := range forms {
		s.want = append(s.want, wanted{label, f})
	}
}

// fields writes a struct's fields.
func (s *sdk) fields(attributes []input.Attribute, typ func(input.Attribute) string) {
	for _, a := range slices.SortedFunc(slices.Values(attributes), func(a, b input.Attribute) int { return cmp.Compare(a.Name, b.Name) }) {
		s.comment("%s", a.Meaning)
		s.line("\t%s %s `pulumi:%q`", goName(a.Name), typ(a), camel(a.Name))
	}
}

// arguments writes a struct of what users give: plain structure, and inputs at the leaves.
func (s *sdk) arguments(name, about string, attributes []input.Attribute) {
	s.comment("%s", about)
	s.line("type %s struct {", name)
	s.fields(attributes, s.argument)
	s.line("}\n")
	s.element(name, name)
}

// inputs writes a struct of inputs, of which each may be an output.
func (s *sdk) inputs(name, about string, attributes []input.Attribute) {
	s.comment("%s", about)
	s.line("type %s struct {", name)
	s.fields(attributes, func(a input.Attribute) string { return s.leaf(a.Type, needed(a), camel(a.Name)) })
	s.line("}\n")
}

// values writes a struct of values that there are.
func (s *sdk) values(name, about string, attributes []input.Attribute) {
	s.comment("%s", about)
	s.line("type %s struct {", name)
	s.fields(attributes, func(a input.Attribute) string { return s.value(a.Type, needed(a)) })
	s.line("}\n")
}

// element writes what an input is once it is known.
func (s *sdk) element(name, of string) {
	s.line("// ElementType implements pulumi.Input.\nfunc (%s) ElementType() reflect.Type { return reflect.TypeFor[%s]() }\n", name, of)
}

// inputOf writes the interface of inputs of a type.
func (s *sdk) inputOf(name, of, prefix string) {
	s.line("// %sInput is a %s%s that may not be known yet.\ntype %[1]sInput interface {\n\tpulumi.Input\n\n\tTo%[1]sOutput() %[1]sOutput\n\tTo%[1]sOutputWithContext(context.Context) %[1]sOutput\n}\n", name, prefix, of)
	s.becomes(name+"Output", name)
}

// becomes writes how something becomes an output of a type.
func (s *sdk) becomes(from, to string) {
	s.line("// To%sOutput implements %[1]sInput.\nfunc (i %[2]s) To%[1]sOutput() %[1]sOutput { return i.To%[1]sOutputWithContext(context.Background()) }\n", to, from)
	how := fmt.Sprintf("pulumi.ToOutputWithContext(ctx, i).(%sOutput)", to)
	arg := "ctx"
	switch value := strings.TrimSuffix(to, "Ptr"); {
	case from == to+"Output":
		how, arg = "i", "_"
	case from == value+"Output": // a value is there
		how = fmt.Sprintf("i.ApplyTWithContext(ctx, func(_ context.Context, v %s) *%[1]s { return &v }).(%[2]sOutput)", value, to)
	case to != value:
		how = fmt.Sprintf("i.To%sOutputWithContext(ctx).To%[2]sOutputWithContext(ctx)", value, to)
	}
	s.line("// To%sOutputWithContext implements %[1]sInput.\nfunc (i %[2]s) To%[1]sOutputWithContext(%[3]s context.Context) %[1]sOutput { return %[4]s }\n", to, from, arg, how)
}

func (s *sdk) registered(name, example string) {
	s.line("func init() { pulumi.RegisterInputType(reflect.TypeFor[%sInput](), %s) }\n", name, example)
}

// outputOf writes the output of a type.
func (s *sdk) outputOf(name, of, prefix string) {
	s.line("// %sOutput is a %s%s that may not be known yet.\ntype %[1]sOutput struct{ *pulumi.OutputState }\n", name, prefix, of)
	s.line("// ElementType implements pulumi.Output.\nfunc (%sOutput) ElementType() reflect.Type { return reflect.TypeFor[%s%s]() }\n", name, prefix, of)
	s.line("func init() { pulumi.RegisterOutputType(%sOutput{}) }\n", name)
}

// accessors write outputs of the parts of a value.
func (s *sdk) accessors(label string, attributes []input.Attribute) {
	for _, a := range attributes {
		out := s.output(a.Type, needed(a), "")
		s.comment("%s", a.Meaning)
		s.line("func (o %sOutput) %s() %s { return part[%[3]s](o, func(v %[1]s) %[4]s { return v.%[2]s }) }\n", label, goName(a.Name), out, s.value(a.Type, needed(a)))
	}
}

// accessorsOfPtr write outputs of the parts of a value that may be absent.
func (s *sdk) accessorsOfPtr(label string, attributes []input.Attribute) {
	for _, a := range attributes {
		out, typ, value := s.output(a.Type, false, ""), s.value(a.Type, false), "v."+goName(a.Name)
		if needed(a) && strings.HasPrefix(typ, "*") {
			value = "&" + value
		}
		s.comment("%s", a.Meaning)
		s.line("func (o %sPtrOutput) %s() %s { return partOfPtr[%[3]s](o, func(v *%[1]s) %[4]s { return %[5]s }) }\n", label, goName(a.Name), out, typ, value)
	}
}

// enums writes types of words.
func (s *sdk) enums() {
	for _, label := range slices.Sorted(maps.Keys(s.words)) {
		s.comment("%s is one of some words. Where it stands, a pulumi.String may.", label)
		s.line("type %s string\n\n// What %[1]s may be.\nconst (", label)
		for _, w := range s.words[label].Words {
			s.line("\t%s%s = %[1]s(%[3]q)", label, wordLabel(w), w)
		}
		s.line(")\n")
		s.element(label, label)
		for _, ptr := range []string{"", "Ptr"} {
			s.line("// ToString%sOutput implements pulumi.String%[1]sInput.\nfunc (e %[2]s) ToString%[1]sOutput() pulumi.String%[1]sOutput { return pulumi.String(e).ToString%[1]sOutput() }\n", ptr, label)
			s.line("// ToString%sOutputWithContext implements pulumi.String%[1]sInput.\nfunc (e %[2]s) ToString%[1]sOutputWithContext(ctx context.Context) pulumi.String%[1]sOutput { return pulumi.String(e).ToString%[1]sOutputWithContext(ctx) }\n", ptr, label)
		}
	}
}

func lower(text string) string { return strings.ToLower(text[:1]) + text[1:] }
