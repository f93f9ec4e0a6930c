package pulumi

import (
	"fmt"

	"github.com/trivet-dev/trivet/provider/input"
)

// argument is the type of what users give: plain structure, and inputs at the leaves.
func (s *sdk) argument(a input.Attribute) string {
	t := a.Type
	if a.Plain {
		return s.value(t, needed(a))
	}
	if !structural(a) {
		return s.leaf(t, needed(a), camel(a.Name))
	}
	switch t.Kind {
	case input.KindMap:
		return "map[string]" + s.typed(*t.Of, inArguments) + "Args"
	case input.KindList:
		return "[]" + s.typed(*t.Of, inArguments) + "Args"
	}
	if name := s.typed(t, inArguments) + "Args"; needed(a) {
		return name
	}
	return "*" + s.typed(t, inArguments) + "Args"
}

// typed notes that a type of fields is named in a form, and gives its label.
func (s *sdk) typed(t input.Type, f form) string {
	s.types[t.Label] = t
	s.name(t.Label, f)
	return t.Label
}

// scalar is Pulumi's name of a plain kind, which goes before Input and Output.
func scalar(k input.Kind, always bool) string {
	name := map[input.Kind]string{input.KindText: "pulumi.String", input.KindNumber: "pulumi.Int", input.KindFlag: "pulumi.Bool"}[k]
	if !always {
		name += "Ptr"
	}
	return name
}

// leaf is the type of an input. name is that of the property.
func (s *sdk) leaf(t input.Type, always bool, name string) string {
	s.note(t, name)
	switch t.Kind {
	case input.KindText, input.KindNumber, input.KindFlag:
		return scalar(t.Kind, always) + "Input"
	case input.KindFields:
		if always {
			return s.typed(t, asInput) + "Input"
		}
		return s.typed(t, asInputPtr) + "PtrInput"
	case input.KindList:
		switch t.Of.Kind {
		case input.KindText:
			return "pulumi.StringArrayInput"
		case input.KindFields:
			return s.typed(*t.Of, asInputList) + "ArrayInput"
		}
	case input.KindMap:
		switch t.Of.Kind {
		case input.KindText:
			return "pulumi.StringMapInput"
		case input.KindAny:
			return "pulumi.MapInput"
		}
	}
	panic(fmt.Sprintf("provider: the SDK has no input for %s", name))
}

// output is the type of an output. name is that of the property, "" where it has been noted.
func (s *sdk) output(t input.Type, always bool, name string) string {
	if name != "" {
		s.note(t, name)
	}
	switch t.Kind {
	case input.KindText, input.KindNumber, input.KindFlag:
		return scalar(t.Kind, always) + "Output"
	case input.KindFields:
		if always {
			return s.typed(t, asValue) + "Output"
		}
		return s.typed(t, asPtr) + "PtrOutput"
	case input.KindList:
		switch t.Of.Kind {
		case input.KindText:
			return "pulumi.StringArrayOutput"
		case input.KindFields:
			return s.typed(*t.Of, asList) + "ArrayOutput"
		}
	case input.KindMap:
		switch t.Of.Kind {
		case input.KindText:
			return "pulumi.StringMapOutput"
		case input.KindAny:
			return "pulumi.MapOutput"
		case input.KindFields:
			return s.typed(*t.Of, asMap) + "MapOutput"
		}
	}
	panic(fmt.Sprintf("provider: the SDK has no output for %s", name))
}

// value is the type of a value that there is.
func (s *sdk) value(t input.Type, always bool) string {
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
		return "[]" + s.value(*t.Of, true)
	case input.KindMap:
		return "map[string]" + s.value(*t.Of, true)
	case input.KindFields:
		return pointer + s.typed(t, asValue)
	case input.KindAny:
		return "any"
	}
	return pointer + "string"
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
