package pulumi

import "reflect"

// copyFields copies the fields of a struct to those of the same name and type of another: what a cluster of a fleet and a cluster have in common is made from one description.
func copyFields(to, from any) {
	target, source := reflect.ValueOf(to).Elem(), reflect.ValueOf(from)
	for i := range source.NumField() {
		if f := target.FieldByName(source.Type().Field(i).Name); f.IsValid() && f.Type() == source.Field(i).Type() {
			f.Set(source.Field(i))
		}
	}
}
