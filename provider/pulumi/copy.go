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
		f := target.FieldByName(name)
		if !f.IsValid() || f.Type() != source.Field(i).Type() {
			panic(fmt.Sprintf("provider: %s of a %s is none of a %s", name, source.Type(), target.Type()))
		}
		f.Set(source.Field(i))
	}
}
