package pulumi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// The schema and the SDK are made of the same descriptions, by code that may have mistakes. Here they are read as others read them, the schema as JSON and the SDK as Go, and held against each
// other by the rules that Pulumi's own generator of SDKs has.

// goSDK is what Go code has of an SDK: the fields of its structs, its interfaces of inputs, the words of its types of words, and functions.
type goSDK struct {
	structs       map[string]map[string]goField
	words         map[string]map[string]string
	inputs, funcs map[string]bool
}

type goField struct{ typ, property string }

// parseSDK reads Go code.
func parseSDK(t *testing.T, sources map[string]string) *goSDK {
	t.Helper()
	out := &goSDK{structs: map[string]map[string]goField{}, words: map[string]map[string]string{}, inputs: map[string]bool{}, funcs: map[string]bool{}}
	for name, source := range sources {
		file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					out.funcs[d.Name.Name] = true
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					out.add(s)
				}
			}
		}
	}
	return out
}

func (g *goSDK) add(s ast.Spec) {
	switch s := s.(type) {
	case *ast.TypeSpec:
		st, ok := s.Type.(*ast.StructType)
		if _, eventual := s.Type.(*ast.InterfaceType); eventual {
			g.inputs[s.Name.Name] = true
		}
		if !ok || !s.Name.IsExported() {
			return
		}
		fields := map[string]goField{}
		for _, f := range st.Fields.List {
			if f.Tag == nil {
				continue
			}
			fields[f.Names[0].Name] = goField{printed(f.Type), reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("pulumi")}
		}
		g.structs[s.Name.Name] = fields
	case *ast.ValueSpec:
		for i, n := range s.Names {
			if call, ok := s.Values[i].(*ast.CallExpr); ok { // RoleEtcd = Role("etcd")
				typ := printed(call.Fun)
				if g.words[typ] == nil {
					g.words[typ] = map[string]string{}
				}
				g.words[typ][n.Name] = strings.Trim(printed(call.Args[0]), `"`)
			}
		}
	}
}

func printed(n any) string {
	var b bytes.Buffer
	if err := printer.Fprint(&b, token.NewFileSet(), n); err != nil {
		panic(err) // it was parsed
	}
	return b.String()
}

// comparison lists what differs.
type comparison struct {
	schema packageSpec
	sdk    *goSDK
	known  map[string]bool // structs of the SDK that the schema has something of
	out    []string
}

func (c *comparison) wrong(format string, args ...any) {
	c.out = append(c.out, fmt.Sprintf(format, args...))
}

// drift lists how a schema and an SDK differ.
func drift(t *testing.T, schema []byte, sdk *goSDK) []string {
	t.Helper()
	c := &comparison{sdk: sdk, known: map[string]bool{}}
	if err := json.Unmarshal(schema, &c.schema); err != nil {
		t.Fatal(err)
	}
	title := func(token string) string {
		name := token[strings.LastIndex(token, ":")+1:]
		return strings.ToUpper(name[:1]) + name[1:]
	}
	for token, r := range c.schema.Resources {
		c.fields(title(token), r.Properties, r.Required, c.output)
		c.fields(title(token)+"Args", r.InputProperties, r.RequiredInputs, c.argument)
		c.function("New" + title(token))
		if !r.IsComponent {
			c.function("Get" + title(token))
			c.known[title(token)+"State"] = true
		}
	}
	c.fields("ProviderArgs", c.schema.Provider.InputProperties, c.schema.Provider.RequiredInputs, c.argument)
	c.known["Provider"] = true
	c.function("NewProvider")
	for token, f := range c.schema.Functions {
		c.fields(title(token)+"Args", f.Inputs.Properties, f.Inputs.Required, c.plain)
		c.fields(title(token)+"OutputArgs", f.Inputs.Properties, f.Inputs.Required, c.input)
		c.fields(title(token)+"Result", f.Outputs.Properties, f.Outputs.Required, c.plain)
		c.function(title(token))
		c.function(title(token) + "Output")
	}
	for token, typ := range c.schema.Types {
		if len(typ.Enum) > 0 {
			c.enum(title(token), typ)
			continue
		}
		name, found := title(token), false
		if _, found = c.sdk.structs[name]; found {
			c.fields(name, typ.Properties, typ.Required, c.plain)
		}
		if _, args := c.sdk.structs[name+"Args"]; args {
			found = true
			of := c.argument
			if c.sdk.inputs[name+"Input"] || c.sdk.inputs[name+"PtrInput"] {
				of = c.input // it is a value of which all may be unknown
			}
			c.fields(name+"Args", typ.Properties, typ.Required, of)
		}
		if !found {
			c.wrong("the SDK has no type %s", name)
		}
	}
	for name := range c.sdk.structs {
		if of := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "Output"), "Ptr"), "Array"), "Map"); of != name && c.known[of] || c.known[name] {
			continue
		}
		c.wrong("the schema has nothing of the SDK's %s", name)
	}
	for name := range c.sdk.words {
		if _, ok := c.schema.Types["trivet:index:"+name]; !ok {
			c.wrong("the schema has no words %s", name)
		}
	}
	slices.Sort(c.out)
	return c.out
}

func (c *comparison) function(name string) {
	if !c.sdk.funcs[name] {
		c.wrong("the SDK has no function %s", name)
	}
}

// fields holds the properties of the schema against the fields of a struct, both ways.
func (c *comparison) fields(name string, properties map[string]propertySpec, required []string, typ func(propertySpec, bool) string) {
	c.known[name] = true
	have, ok := c.sdk.structs[name]
	if !ok {
		c.wrong("the SDK has no %s", name)
		return
	}
	seen := map[string]bool{}
	for property, p := range properties {
		field := strings.ToUpper(property[:1]) + property[1:]
		seen[field] = true
		f, ok := have[field]
		switch want := typ(p, slices.Contains(required, property)); {
		case !ok:
			c.wrong("the SDK's %s has no %s", name, field)
		case f.property != property:
			c.wrong("%s.%s of the SDK is the property %s", name, field, f.property)
		case f.typ != want:
			c.wrong("%s.%s of the SDK is a %s, and by the schema a %s", name, field, f.typ, want)
		}
	}
	for field := range have {
		if !seen[field] {
			c.wrong("the schema's %s has no property for %s", name, field)
		}
	}
}

func (c *comparison) enum(name string, typ typeSpec) {
	want := map[string]string{}
	for _, e := range typ.Enum {
		want[name+e.Name] = e.Value
	}
	if !maps.Equal(want, c.sdk.words[name]) {
		c.wrong("%s is %v in the SDK, and %v in the schema", name, c.sdk.words[name], want)
	}
}

// named is the name of the type that a value of the schema refers to; "" where it is another one.
func (c *comparison) named(v valueSpec) string {
	name := strings.TrimPrefix(v.Ref, "#/types/trivet:index:")
	if name == v.Ref || len(c.schema.Types["trivet:index:"+name].Enum) > 0 {
		return ""
	}
	return name
}

// leaf names a type of the SDK by its parts: pulumi.StringPtrOutput, HostMapOutput.
func (c *comparison) leaf(v valueSpec, required bool, suffix string) string {
	ptr := "Ptr"
	if required {
		ptr = ""
	}
	plain := map[string]string{"string": "pulumi.String", "integer": "pulumi.Int", "boolean": "pulumi.Bool"}
	switch name := c.named(v); {
	case name != "":
		return name + ptr + suffix
	case v.Type == "array":
		return c.leaf(*v.Items, true, "") + "Array" + suffix
	case v.Type == "object" && v.AdditionalProperties.Ref == "pulumi.json#/Any":
		return "pulumi.Map" + suffix
	case v.Type == "object":
		return c.leaf(*v.AdditionalProperties, true, "") + "Map" + suffix
	case len(v.OneOf) > 0:
		return plain["string"] + ptr + suffix
	}
	return plain[v.Type] + ptr + suffix
}

func (c *comparison) output(p propertySpec, required bool) string {
	return c.leaf(p.valueSpec, required, "Output")
}

func (c *comparison) input(p propertySpec, required bool) string {
	return c.leaf(p.valueSpec, required, "Input")
}

// plain is the type of a value that there is.
func (c *comparison) plain(p propertySpec, required bool) string {
	return c.value(p.valueSpec, required, "")
}

func (c *comparison) value(v valueSpec, required bool, suffix string) string {
	ptr := "*"
	if required {
		ptr = ""
	}
	switch name := c.named(v); {
	case name != "":
		return ptr + name + suffix
	case v.Ref == "pulumi.json#/Any":
		return "any"
	case v.Type == "array":
		return "[]" + c.value(*v.Items, true, suffix)
	case v.Type == "object":
		return "map[string]" + c.value(*v.AdditionalProperties, true, suffix)
	case v.Type == "integer":
		return ptr + "int"
	case v.Type == "boolean":
		return ptr + "bool"
	}
	return ptr + "string"
}

// argument is the type of what users give: plain where the schema says so, with inputs in it.
func (c *comparison) argument(p propertySpec, required bool) string {
	if p.Plain {
		return c.value(p.valueSpec, required, "Args")
	}
	return c.input(p, required)
}

func sdkSources(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(sdkDir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(file)] = string(b)
	}
	return out
}

// TestSDKHasTheSchema: the SDK has what the schema has, and no more.
func TestSDKHasTheSchema(t *testing.T) {
	for _, d := range drift(t, schemaJSON, parseSDK(t, sdkSources(t))) {
		t.Error(d)
	}
}

// TestDriftIsFound: whatever is changed in the schema or in the SDK alone is found.
func TestDriftIsFound(t *testing.T) {
	sdk := parseSDK(t, sdkSources(t))
	cluster := func(s *packageSpec) resourceSpec { return s.Resources[clusterToken] }
	for name, change := range map[string]func(*packageSpec){
		"input property gone":  func(s *packageSpec) { delete(cluster(s).InputProperties, "podCidr") },
		"output property gone": func(s *packageSpec) { delete(cluster(s).Properties, "kubeconfig") },
		"input property more":  func(s *packageSpec) { cluster(s).InputProperties["more"] = propertySpec{} },
		"nested property gone": func(s *packageSpec) { delete(s.Types["trivet:index:Host"].Properties, "address") },
		"nested property more": func(s *packageSpec) { s.Types["trivet:index:Host"].Properties["more"] = propertySpec{} },
		"another type": func(s *packageSpec) {
			cluster(s).InputProperties["podCidr"] = propertySpec{valueSpec: valueSpec{Type: "integer"}}
		},
		"no longer plain": func(s *packageSpec) {
			p := cluster(s).InputProperties["hosts"]
			p.Plain = false
			cluster(s).InputProperties["hosts"] = p
		},
		"required input": func(s *packageSpec) {
			r := cluster(s)
			r.RequiredInputs = []string{"podCidr"}
			s.Resources[clusterToken] = r
		},
		"output not required": func(s *packageSpec) { r := cluster(s); r.Required = nil; s.Resources[clusterToken] = r },
		"nested required": func(s *packageSpec) {
			x := s.Types["trivet:index:Host"]
			x.Required = nil
			s.Types["trivet:index:Host"] = x
		},
		"word gone": func(s *packageSpec) {
			x := s.Types["trivet:index:Role"]
			x.Enum = x.Enum[1:]
			s.Types["trivet:index:Role"] = x
		},
		"word renamed":             func(s *packageSpec) { s.Types["trivet:index:Role"].Enum[0].Value = "controlplane" },
		"type gone":                func(s *packageSpec) { delete(s.Types, "trivet:index:Taint") },
		"type more":                func(s *packageSpec) { s.Types["trivet:index:More"] = typeSpec{Type: "object"} },
		"resource gone":            func(s *packageSpec) { delete(s.Resources, workerToken) },
		"resource more":            func(s *packageSpec) { s.Resources["trivet:index:More"] = resourceSpec{} },
		"function gone":            func(s *packageSpec) { delete(s.Functions, kubeconfigToken) },
		"function's argument gone": func(s *packageSpec) { delete(s.Functions[statusToken].Inputs.Properties, "cluster") },
		"function's answer more":   func(s *packageSpec) { s.Functions[statusToken].Outputs.Properties["more"] = propertySpec{} },
		"provider's setting gone":  func(s *packageSpec) { delete(s.Provider.InputProperties, "artifacts") },
	} {
		var s packageSpec
		if err := json.Unmarshal(schemaJSON, &s); err != nil {
			t.Fatal(err)
		}
		change(&s)
		changed, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if len(drift(t, changed, sdk)) == 0 {
			t.Errorf("schema: %s: not found", name)
		}
	}
	for name, x := range map[string]struct{ file, old, now string }{
		"field renamed":     {"resources.go", "\tPodCidr pulumi.StringPtrInput `", "\tPodCIDR pulumi.StringPtrInput `"},
		"property renamed":  {"resources.go", "pulumi.StringPtrInput `pulumi:\"podCidr\"`", "pulumi.StringPtrInput `pulumi:\"podCIDR\"`"},
		"another type":      {"resources.go", "\tPodCidr pulumi.StringPtrInput `", "\tPodCidr pulumi.StringInput `"},
		"no longer plain":   {"resources.go", "\tHosts map[string]HostArgs `", "\tHosts HostMapInput `"},
		"flag in a tag":     {"resources.go", "pulumi.StringPtrOutput `pulumi:\"podCidr\"`", "pulumi.StringPtrOutput `pulumi:\"podCidr,optional\"`"}, // the SDK of Pulumi takes no flags of outputs
		"field more":        {"resources.go", "type ClusterArgs struct {", "type ClusterArgs struct {\n\tMore pulumi.StringInput `pulumi:\"more\"`"},
		"nested field more": {"types.go", "type HostArgs struct {", "type HostArgs struct {\n\tMore pulumi.StringInput `pulumi:\"more\"`"},
		"nested value more": {"types.go", "type Node struct {", "type Node struct {\n\tMore string `pulumi:\"more\"`"},
		"word gone":         {"enums.go", "= Role(\"worker\")", "= Role(\"wrker\")"},
		"type more":         {"types.go", "type HostArgs struct {", "type MoreArgs struct{}\n\ntype HostArgs struct {"},
		"function gone":     {"functions.go", "func GetKubeconfigOutput(", "func LookupKubeconfigOutput("},
		"constructor gone":  {"resources.go", "func NewWorker(", "func MakeWorker("},
	} {
		sources := sdkSources(t)
		changed := strings.Replace(sources[x.file], x.old, x.now, 1)
		if changed == sources[x.file] {
			t.Errorf("SDK: %s: %s has no %q", name, x.file, x.old)
			continue
		}
		sources[x.file] = changed
		if len(drift(t, schemaJSON, parseSDK(t, sources))) == 0 {
			t.Errorf("SDK: %s: not found", name)
		}
	}
}
