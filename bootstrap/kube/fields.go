package kube

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// mergeKeys are the lists that the API server merges by key: their order says nothing, and others may add elements.
var mergeKeys = map[string][]string{
	"containers":                {"name"},
	"initContainers":            {"name"},
	"ephemeralContainers":       {"name"},
	"volumes":                   {"name"},
	"env":                       {"name"},
	"imagePullSecrets":          {"name"},
	"volumeMounts":              {"mountPath"},
	"volumeDevices":             {"devicePath"},
	"hostAliases":               {"ip"},
	"topologySpreadConstraints": {"topologyKey", "whenUnsatisfiable"},
	"ownerReferences":           {"uid"},
	"conditions":                {"type"},
	"ports":                     {"name", "containerPort", "port", "protocol"},
}

// quantityFields hold quantities, which have several spellings.
var quantityFields = []string{"requests", "limits", "capacity", "sizeLimit", "hard", "defaultRequest", "divisor", "min", "max", "default", "overhead"}

// missing lists the fields of want that live lacks or holds differently. Fields of live that want does not name are somebody else's, or defaults.
func missing(want, live any, path []string) []string {
	switch w := want.(type) {
	case map[string]any:
		l, ok := live.(map[string]any)
		if !ok {
			return []string{dotted(path)}
		}
		var out []string
		for _, key := range sortedKeys(w) {
			if w[key] == nil {
				continue
			}
			have, ok := l[key]
			if _, isMap := w[key].(map[string]any); !ok && isMap && plain(dotted(append(path, key))+".") {
				have, ok = map[string]any{}, true // name each label, not all of them at once
			}
			if !ok {
				out = append(out, dotted(append(path, key)))
				continue
			}
			out = append(out, missing(w[key], have, append(path, key))...)
		}
		return out
	case []any:
		l, ok := live.([]any)
		if !ok {
			return []string{dotted(path)}
		}
		return missingElements(w, l, path)
	}
	if !sameScalar(want, live, path) {
		return []string{dotted(path)}
	}
	return nil
}

func missingElements(want, live []any, path []string) []string {
	keys := mergeKeys[path[max(len(path)-1, 0)]]
	if keys == nil {
		if len(want) != len(live) {
			return []string{dotted(path)}
		}
		var out []string
		for i := range want {
			out = append(out, missing(want[i], live[i], append(path, strconv.Itoa(i)))...)
		}
		return out
	}
	var out []string
	for i, w := range want {
		name := elementName(w, keys, i)
		match := slices.IndexFunc(live, func(l any) bool { return sameElement(w, l, keys) })
		if match < 0 {
			out = append(out, dotted(append(path, name)))
			continue
		}
		out = append(out, missing(w, live[match], append(path, name))...)
	}
	return out
}

// sameElement compares the keys that the wanted element spells out: the server fills in the others.
func sameElement(want, live any, keys []string) bool {
	w, ok := want.(map[string]any)
	l, okLive := live.(map[string]any)
	if !ok || !okLive {
		return reflect.DeepEqual(want, live)
	}
	for _, key := range keys {
		if v, ok := w[key]; ok && !sameScalar(v, l[key], nil) {
			return false
		}
	}
	return true
}

func elementName(element any, keys []string, index int) string {
	if m, ok := element.(map[string]any); ok {
		for _, key := range keys {
			if v, ok := m[key]; ok {
				return fmt.Sprintf("[%s=%v]", key, v)
			}
		}
	}
	return strconv.Itoa(index)
}

func sameScalar(want, live any, path []string) bool {
	if reflect.DeepEqual(want, live) {
		return true
	}
	if w, ok := number(want); ok {
		if l, ok := number(live); ok {
			return w == l
		}
	}
	if !slices.ContainsFunc(path, func(p string) bool { return slices.Contains(quantityFields, p) }) {
		return false
	}
	w, errWant := resource.ParseQuantity(fmt.Sprint(want))
	l, errLive := resource.ParseQuantity(fmt.Sprint(live))
	return errWant == nil && errLive == nil && w.Cmp(l) == 0
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

// plain reports whether a difference at that path is surely one: strings that the server neither defaults nor rewrites.
func plain(field string) bool {
	for _, prefix := range []string{"metadata.labels.", "metadata.annotations.", "data.", "binaryData."} {
		if strings.HasPrefix(field, prefix) {
			return true
		}
	}
	return false
}

// ownedFields reads which fields an object's managedFields say that a manager applied; nil when it applied none.
func ownedFields(live *unstructured.Unstructured, manager string) (*fieldpath.Set, error) {
	for _, entry := range live.GetManagedFields() {
		if entry.Manager != manager || entry.Operation != metav1.ManagedFieldsOperationApply || entry.Subresource != "" || entry.FieldsV1 == nil {
			continue
		}
		var set fieldpath.Set
		raw, err := json.Marshal(entry.FieldsV1)
		if err != nil {
			return nil, err
		}
		if err := set.FromJSON(bytes.NewReader(raw)); err != nil {
			return nil, fmt.Errorf("managedFields of %s cannot be read: %w", describe(live.GetKind(), live.GetNamespace(), live.GetName()), err)
		}
		return &set, nil
	}
	return nil, nil
}

// dropped lists the fields that Trivet owns in the live object and that want no longer names: applying want removes them.
func dropped(owned *fieldpath.Set, want map[string]any) []string {
	var out []string
	for path := range owned.Leaves().All() {
		if !holds(want, path) {
			out = append(out, strings.TrimPrefix(path.String(), "."))
		}
	}
	slices.Sort(out)
	return out
}

// holds reports whether the object has something at the path.
func holds(at any, path fieldpath.Path) bool {
	for _, element := range path {
		switch {
		case element.FieldName != nil:
			m, ok := at.(map[string]any)
			if !ok {
				return false
			}
			if at, ok = m[*element.FieldName]; !ok {
				return false
			}
		case element.Key != nil:
			found := false
			list, _ := at.([]any)
			for _, item := range list {
				if hasKeys(item, *element.Key) {
					at, found = item, true
					break
				}
			}
			if !found {
				return false
			}
		case element.Value != nil:
			list, _ := at.([]any)
			at = nil
			return slices.ContainsFunc(list, func(item any) bool {
				return value.Equals(value.NewValueInterface(item), *element.Value)
			})
		case element.Index != nil:
			list, _ := at.([]any)
			if *element.Index >= len(list) {
				return false
			}
			at = list[*element.Index]
		}
	}
	return true
}

// hasKeys reports whether a list element has the keys. One that it leaves out was filled in by the server.
func hasKeys(item any, keys value.FieldList) bool {
	m, ok := item.(map[string]any)
	if !ok {
		return false
	}
	for _, key := range keys {
		if have, ok := m[key.Name]; ok && !value.Equals(value.NewValueInterface(have), key.Value) {
			return false
		}
	}
	return true
}

// changes lists the fields in which two states of one object differ, either way.
func changes(before, after any, path []string) []string {
	b, okBefore := before.(map[string]any)
	a, okAfter := after.(map[string]any)
	if !okBefore || !okAfter {
		if reflect.DeepEqual(before, after) {
			return nil
		}
		return []string{dotted(path)}
	}
	keys := sortedKeys(b)
	for key := range a {
		if _, ok := b[key]; !ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	var out []string
	for _, key := range keys {
		out = append(out, changes(b[key], a[key], append(path, key))...)
	}
	return out
}

// lasting is the part of an object that an apply changes on purpose.
func lasting(u *unstructured.Unstructured) map[string]any {
	out := u.DeepCopy().Object
	delete(out, "status")
	for _, field := range []string{"managedFields", "resourceVersion", "generation", "creationTimestamp", "uid"} {
		unstructured.RemoveNestedField(out, "metadata", field)
	}
	return out
}

func dotted(path []string) string {
	var b strings.Builder
	for i, p := range path {
		if i > 0 && !strings.HasPrefix(p, "[") {
			b.WriteByte('.')
		}
		b.WriteString(p)
	}
	return b.String()
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
