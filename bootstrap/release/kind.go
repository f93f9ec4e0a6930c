package release

import (
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	proxyconfig "k8s.io/kube-proxy/config/v1alpha1"
	schedulerconfig "k8s.io/kube-scheduler/config/v1"
	kubeletconfig "k8s.io/kubelet/config/v1beta1"
)

// base is what a value looks like.
type base int

const (
	anyKind base = iota
	textKind
	boolKind
	wholeKind
	numberKind
	durationKind
	addressKind
	listKind
	mapKind
	objectKind
	gatesKind
	scalarKind // a string, a number, true or false
)

// kind describes the values of a field or a flag.
type kind struct {
	base    base
	min     int64           // of a whole number, with max
	max     int64           // 0: as large as an int64 goes
	element *kind           // of a list or a map
	fields  map[string]kind // of an object
}

// configs derives the fields of configuration files from the types of the newest release. What older ones lack is in since.
var configs = map[string]func() kind{
	"kubelet":    sync.OnceValue(func() kind { return gated(kindOf(reflect.TypeFor[kubeletconfig.KubeletConfiguration]())) }),
	"kube-proxy": sync.OnceValue(func() kind { return gated(kindOf(reflect.TypeFor[proxyconfig.KubeProxyConfiguration]())) }),
	// The scheduler takes feature gates as a flag only: the field is Trivet's.
	"kube-scheduler": sync.OnceValue(func() kind { return gated(kindOf(reflect.TypeFor[schedulerconfig.KubeSchedulerConfiguration]())) }),
}

// gated gives a configuration the field featureGates.
func gated(k kind) kind {
	k.fields["featureGates"] = kind{base: gatesKind}
	return k
}

// containerdFields are the settings of containerd that Trivet passes on, by their names in its file.
var containerdFields = kind{base: objectKind, fields: map[string]kind{
	"image_pull_progress_timeout": {base: durationKind},
	"log_level":                   {base: textKind},
	"max_concurrent_downloads":    {base: wholeKind, min: 1, max: 1000},
	"max_container_log_line_size": {base: wholeKind, min: -1},
}}

var (
	durationType = reflect.TypeFor[metav1.Duration]()
	marshaler    = reflect.TypeFor[json.Marshaler]()
)

// kindOf derives a kind from a Go type and its JSON tags.
func kindOf(t reflect.Type) kind {
	switch {
	case t.Kind() == reflect.Pointer:
		return kindOf(t.Elem())
	case t == durationType:
		return kind{base: durationKind}
	case t.Implements(marshaler) || reflect.PointerTo(t).Implements(marshaler):
		return kind{base: anyKind} // it has a form of its own: plugin arguments, times
	}
	switch t.Kind() {
	case reflect.String:
		return kind{base: textKind}
	case reflect.Bool:
		return kind{base: boolKind}
	case reflect.Int32:
		return kind{base: wholeKind, min: math.MinInt32, max: math.MaxInt32}
	case reflect.Int, reflect.Int64:
		return kind{base: wholeKind, min: math.MinInt64}
	case reflect.Uint32:
		return kind{base: wholeKind, max: math.MaxUint32}
	case reflect.Uint8:
		return kind{base: wholeKind, max: math.MaxUint8}
	case reflect.Uint, reflect.Uint64:
		return kind{base: wholeKind}
	case reflect.Float32, reflect.Float64:
		return kind{base: numberKind}
	case reflect.Slice:
		element := kindOf(t.Elem())
		return kind{base: listKind, element: &element}
	case reflect.Map:
		element := kindOf(t.Elem())
		return kind{base: mapKind, element: &element}
	case reflect.Struct:
		k := kind{base: objectKind, fields: map[string]kind{}}
		addFields(k.fields, t)
		return k
	}
	panic(fmt.Sprintf("release: no kind for %s", t)) // the types are compiled in, and a test reads them all
}

// addFields adds a struct's fields. An embedded struct without a name is part of the one around it.
func addFields(fields map[string]kind, t reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported():
		case name == "" && f.Anonymous:
			addFields(fields, f.Type)
		default:
			fields[name] = kindOf(f.Type)
		}
	}
}

// accepts says what is wrong with a value of JSON's kinds, "" when nothing is. It does not look inside lists, maps and objects.
func (k kind) accepts(v any) string {
	switch k.base {
	case textKind:
		return k.acceptsText(v)
	case scalarKind:
		_, isBool := v.(bool)
		if _, isNumber := number(v); !isBool && !isNumber {
			return k.acceptsText(v)
		}
	case boolKind:
		if _, ok := v.(bool); !ok {
			return "must be true or false"
		}
	case wholeKind:
		return k.acceptsWhole(v)
	case numberKind:
		if _, ok := number(v); !ok {
			return "must be a number"
		}
	case durationKind:
		s, ok := v.(string)
		if _, err := time.ParseDuration(s); !ok || err != nil {
			return `must be a duration, such as "30s" or "1h30m"`
		}
	case addressKind:
		s, _ := v.(string)
		if _, err := netip.ParseAddr(s); err != nil {
			return "must be an IP address"
		}
	case listKind:
		if _, ok := v.([]any); !ok {
			return "must be a list"
		}
	case mapKind, objectKind, gatesKind:
		if _, ok := v.(map[string]any); !ok {
			return "must be an object"
		}
	}
	return ""
}

// instead says how a value of another type is written as one of this kind, where that is plain.
func (k kind) instead(v any) string {
	s, isText := v.(string)
	_, isNumber := number(v)
	_, isBool := v.(bool)
	switch {
	case k.base == listKind && isText && k.element.accepts(s) == "":
		return fmt.Sprintf(" Write it in brackets: [%s].", shown(s))
	case k.base == boolKind && (s == "true" || s == "false"):
		return " Leave out the quotes."
	case k.base == wholeKind || k.base == numberKind:
		if _, err := strconv.ParseFloat(s, 64); err == nil {
			return " Leave out the quotes."
		}
	case k.base == textKind && (isNumber || isBool):
		return fmt.Sprintf(" Put it in quotes: %q.", flagValue(v))
	case k.base == durationKind && isNumber:
		return fmt.Sprintf(" Give it a unit: %q.", flagValue(v)+"s")
	}
	return ""
}

// acceptsText refuses what would break out of a line of a unit, a file or a log.
func (k kind) acceptsText(v any) string {
	s, ok := v.(string)
	if !ok {
		return "must be a string"
	}
	if strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) >= 0 {
		return "must not hold control characters, such as line breaks"
	}
	return ""
}

func (k kind) acceptsWhole(v any) string {
	n, ok := number(v)
	if !ok || n != math.Trunc(n) {
		return "must be a whole number"
	}
	most := k.max
	if most == 0 {
		most = math.MaxInt64
	}
	if n < float64(k.min) || n > float64(most) {
		return fmt.Sprintf("must be a whole number from %d to %d", k.min, most)
	}
	return ""
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int:
		return float64(n), true
	case int64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}
