package pulumi

import (
	"fmt"
	"reflect"
	"slices"
)

// copyFields copies the fields of a struct, but those in but, to the fields of the same name of another: what a fleet and its clusters have in common is made from one description, so that
// what the other has not is a mistake of these.
func copyFields(to, from any, but ...string) {
	target, source := reflect.ValueOf(to).Elem(), reflect.ValueOf(from)
	for i := range source.NumField() {
		name := source.Type().Field(i).Name
		if slices.Contains(but, name) {
			continue
		}
		f, v := target.FieldByName(name), source.Field(i)
		if v.Kind() == reflect.Interface && !v.IsNil() {
			v = v.Elem() // an input that has to be given in one may be left out of the other
		}
		switch {
		case f.IsValid() && v.Type().AssignableTo(f.Type()):
			f.Set(v)
		case !f.IsValid() || f.Kind() != reflect.Interface:
			panic(fmt.Sprintf("provider: %s of a %s is none of a %s", name, source.Type(), target.Type()))
		}
	}
}
