package topology

import (
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"k8s.io/apimachinery/pkg/api/resource"
)

// value evaluates an argument and converts it. It is not ok when there is none, when it is null, when it was reported, or when
// it depends on something that was.
func (b *block) value(name string, typ cty.Type) (val cty.Value, secret, ok bool) {
	spec := b.typ.attr(name)
	if spec == nil {
		panic("topology: block " + b.typ.name + " has no argument " + name)
	}
	attr := b.attrs[name]
	if attr == nil || spec.access && b.d.opts.Access != nil {
		return cty.NilVal, false, false
	}
	val, ok = b.d.eval(attr.Expr, b.rng)
	if !ok {
		return cty.NilVal, false, false
	}
	val, marks := val.UnmarkDeep()
	secret = len(marks) > 0
	if !val.IsWhollyKnown() {
		return cty.NilVal, secret, false
	}
	out, err := convert.Convert(val, typ)
	if err != nil {
		fault := elementFault(err)
		if fault == "" {
			fault = given(val)
		}
		b.errorf(name, "Wrong type for "+name, "%s is required%s%s", article(typ), fault, b.d.untypedFault(attr.Expr))
		return cty.NilVal, secret, false
	}
	if out.IsNull() {
		if spec.required {
			b.errorf(name, "Missing "+name, "%s must have a value; it is null.", name)
		}
		return cty.NilVal, secret, false
	}
	return out, secret, true
}

// article names a type with its article and how a value of it is written.
func article(typ cty.Type) string {
	switch {
	case typ == cty.String:
		return "A text in quotes"
	case typ == cty.Number:
		return "A number"
	case typ == cty.Bool:
		return "true or false"
	case typ.IsListType():
		return "A list of texts, such as [\"a\", \"b\"],"
	case typ.IsMapType():
		return "A map of texts, such as { name = \"value\" },"
	}
	return "A " + typ.FriendlyName()
}

// given says of what type a value is.
func given(val cty.Value) string {
	if val.IsNull() {
		return "."
	}
	switch typ := val.Type(); {
	case typ == cty.String:
		return "; this is a text."
	case typ == cty.Number:
		return "; this is a number."
	case typ == cty.Bool:
		return "; this is true or false."
	case typ.IsListType() || typ.IsSetType() || typ.IsTupleType():
		return "; this is a list."
	case typ.IsMapType() || typ.IsObjectType():
		return "; this is a map."
	}
	return "."
}

// untypedFault explains a text where something else is wanted: a variable without a type takes what comes from outside as it stands.
func (d *decoder) untypedFault(expr hcl.Expression) string {
	for _, ref := range expr.Variables() {
		if len(ref) < 2 || ref.RootName() != "var" {
			continue
		}
		step, ok := ref[1].(hcl.TraverseAttr)
		if origin := d.untyped[step.Name]; ok && origin != "" {
			return fmt.Sprintf(" The variable %s has no type, so its %s is taken as text. Give the variable block a type, such as type = list(string).", step.Name, origin)
		}
	}
	return ""
}

// elementFault repeats a conversion's error where it says more than which type is required.
func elementFault(err error) string {
	if msg := err.Error(); strings.Contains(msg, ":") {
		return ". " + sentence(strings.ToUpper(msg[:1])+msg[1:])
	}
	return ""
}

// text reads a string; shown is its form for messages.
func (b *block) text(name string) (s, shown string, ok bool) {
	val, secret, ok := b.value(name, cty.String)
	if !ok {
		return "", "", false
	}
	s, shown = val.AsString(), show(val.AsString())
	if secret {
		shown = "(a sensitive value)"
	}
	return s, shown, true
}

func (b *block) str(name, otherwise string) string {
	if s, _, ok := b.text(name); ok {
		return s
	}
	return otherwise
}

// oneOf reads a string that must be one of the argument's words.
func (b *block) oneOf(name, otherwise string) string {
	words := b.typ.attr(name).words
	s, shown, ok := b.text(name)
	switch {
	case !ok:
		return otherwise
	case !slices.Contains(words, s):
		b.errorf(name, "Unknown "+strings.ReplaceAll(name, "_", " "), "%s is not one of %s.%s", shown, list(words, "and"), Suggest(s, words))
		return otherwise
	}
	return s
}

func (b *block) boolean(name string, otherwise bool) bool {
	if val, _, ok := b.value(name, cty.Bool); ok {
		return val.True()
	}
	return otherwise
}

// integer reads a whole number within bounds; why explains them.
func (b *block) integer(name string, otherwise, low, high int, why ...string) (n int, ok bool) {
	val, _, ok := b.value(name, cty.Number)
	if !ok {
		return otherwise, false
	}
	n64, accuracy := val.AsBigFloat().Int64()
	if accuracy != big.Exact || n64 < int64(low) || n64 > int64(high) {
		b.errorf(name, "Wrong "+name, "%s must be a whole number from %d to %d.%s", name, low, high, strings.Join(append([]string{""}, why...), " "))
		return otherwise, false
	}
	return int(n64), true
}

// duration reads a duration that is longer than nothing.
func (b *block) duration(name string, otherwise time.Duration) time.Duration {
	s, _, ok := b.text(name)
	if !ok {
		return otherwise
	}
	dur, err := parseDuration(s)
	if err != nil {
		b.errorf(name, "Wrong duration", "%s. Write a number with a unit, such as \"30d\", \"24h\", \"5m\", \"10s\" or \"500ms\".", err)
		return otherwise
	}
	if dur <= 0 {
		b.errorf(name, "Wrong duration", "%s must be longer than 0.", name)
		return otherwise
	}
	return dur
}

// size reads a number of bytes, plain or as a quantity.
func (b *block) size(name string, otherwise int64) int64 {
	s, shown, ok := b.text(name)
	if !ok {
		return otherwise
	}
	q, err := resource.ParseQuantity(s)
	if err != nil || q.Sign() <= 0 {
		b.errorf(name, "Wrong size", "%s is not a size. Write bytes, or a quantity such as \"4Gi\" or \"512Mi\".", shown)
		return otherwise
	}
	return q.Value()
}

// path reads a file's path and resolves it.
func (b *block) path(name string) string {
	s, _, ok := b.text(name)
	if !ok {
		return ""
	}
	p, err := resolvePath(b.d.opts, s)
	if err != nil {
		b.errorf(name, "Wrong path", "%s: %s", name, sentence(err.Error()))
	}
	return p
}

// texts reads a list of strings, each with its own place where the list is written out.
func (b *block) texts(name string) ([]located[string], bool) {
	val, _, ok := b.value(name, cty.List(cty.String))
	if !ok {
		return nil, false
	}
	exprs, diags := hcl.ExprList(b.attrs[name].Expr)
	out := make([]located[string], 0, val.LengthInt())
	for it := val.ElementIterator(); it.Next(); {
		_, e := it.Element()
		rng := b.at(name)
		// A set or a for expression has no parts in the text that correspond to its elements.
		if !diags.HasErrors() && len(exprs) == val.LengthInt() {
			rng = exprs[len(out)].Range()
		}
		if e.IsNull() {
			b.d.errorf(rng, b.rng, "Missing value", "%s has an element that is null.", name)
			ok = false
			continue
		}
		out = append(out, located[string]{e.AsString(), rng})
	}
	return out, ok
}

// pair is an entry of a map of strings with the places of its key and its value.
type pair struct {
	key, value     string
	keyAt, valueAt hcl.Range
}

// pairs reads a map of strings in the order of its keys.
func (b *block) pairs(name string) []pair {
	val, _, ok := b.value(name, cty.Map(cty.String))
	if !ok {
		return nil
	}
	places := keyPlaces(b.attrs[name].Expr, b.d.ctx)
	var out []pair
	for it := val.ElementIterator(); it.Next(); {
		k, v := it.Element()
		p := pair{key: k.AsString(), keyAt: b.at(name), valueAt: b.at(name)}
		if at, ok := places[p.key]; ok {
			p.keyAt, p.valueAt = at.Key.Range(), at.Value.Range()
		}
		if v.IsNull() {
			b.d.errorf(p.valueAt, b.rng, "Missing value", "%s of %s is null.", show(p.key), name)
			continue
		}
		p.value = v.AsString()
		out = append(out, p)
	}
	return out
}

// keyPlaces finds the expressions of an object that is written out, by key.
func keyPlaces(expr hcl.Expression, ctx *hcl.EvalContext) map[string]hcl.KeyValuePair {
	kvs, diags := hcl.ExprMap(expr)
	if diags.HasErrors() {
		return nil
	}
	out := map[string]hcl.KeyValuePair{}
	for _, kv := range kvs {
		key, diags := kv.Key.Value(ctx)
		if diags.HasErrors() {
			continue
		}
		key, _ = key.Unmark()
		if key, err := convert.Convert(key, cty.String); err == nil && key.IsKnown() && !key.IsNull() {
			out[key.AsString()] = kv
		}
	}
	return out
}

// address reads an IPv4 address.
func (b *block) address(name string) (netip.Addr, bool) {
	s, shown, ok := b.text(name)
	if !ok {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		b.errorf(name, "Wrong address", "%s is not an IPv4 address such as \"10.11.1.11\".", shown)
		return netip.Addr{}, false
	case !a.Is4():
		b.errorf(name, "IPv6 not supported", "%s is an IPv6 address. Trivet brings up IPv4 clusters only; use an IPv4 address.", shown)
		return netip.Addr{}, false
	}
	return a, true
}

// prefixOr reads an IPv4 range that has a default. It is not valid where it is wrong or not known.
func (b *block) prefixOr(name, otherwise string) netip.Prefix {
	if attr := b.attrs[name]; attr != nil {
		if v, _ := attr.Expr.Value(b.d.ctx); !v.IsNull() {
			p, _ := b.prefix(name)
			return p
		}
	}
	return netip.MustParsePrefix(otherwise)
}

// prefix reads an IPv4 range.
func (b *block) prefix(name string) (netip.Prefix, bool) {
	s, shown, ok := b.text(name)
	if !ok {
		return netip.Prefix{}, false
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		remedy := ""
		if a, err := netip.ParseAddr(s); err == nil && a.Is4() {
			remedy = fmt.Sprintf(" Add the length of its prefix, such as \"%s/24\".", a)
		}
		b.errorf(name, "Wrong range", "%s is not an IPv4 range such as \"10.11.1.0/24\".%s", shown, remedy)
	case !p.Addr().Is4():
		b.errorf(name, "IPv6 not supported", "%s is an IPv6 range. Trivet brings up IPv4 clusters only; use an IPv4 range.", shown)
	case p != p.Masked():
		b.errorf(name, "Wrong range", "%s is an address inside a range, not a range. Did you mean %q?", shown, p.Masked())
		return p.Masked(), true // what lies in it can be checked all the same
	default:
		if kind := rangeKind(p); !kind.Host {
			b.errorf(name, "Range cannot be used", "%s holds %s: %s. Choose a range of private addresses, for example in 10.0.0.0/8.", shown, kind.Name, kind.Why)
			return netip.Prefix{}, false
		}
		return p, true
	}
	return netip.Prefix{}, false
}

// port reads a TCP port.
func (b *block) port(name string, otherwise int) int {
	n, _ := b.integer(name, otherwise, 1, 65535)
	return n
}
