package topology

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// sensitive marks values that diagnostics must not show.
type sensitive struct{}

// show quotes what the user wrote, for messages. Text that may be a secret, or is too long to read, is not repeated.
func show(s string) string {
	const longest = 80
	switch {
	case secretText.MatchString(s):
		return "(a secret, not shown)"
	case len(s) > longest || strings.ContainsAny(s, "\r\n"):
		return fmt.Sprintf("(%d bytes of text)", len(s))
	}
	return strconv.Quote(s)
}

// sentence gives a message a full stop.
func sentence(s string) string {
	s = strings.TrimSpace(s)
	if s == "" || strings.HasSuffix(s, ".") || strings.HasSuffix(s, "?") || strings.HasSuffix(s, "!") {
		return s
	}
	return s + "."
}

// capital starts a sentence with a capital letter, unless it starts with a name or a path.
func capital(s string) string {
	word, _, _ := strings.Cut(s, " ")
	if word == "" || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz") != "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// nearest returns the word that was probably meant, or nothing when none is near.
func nearest(given string, words []string) []string {
	var best []string
	bestDistance := min(3, max(len(given), 2)) // of short words, two letters are all there is
	for _, w := range words {
		if d := levenshtein.Distance(strings.ToLower(given), strings.ToLower(w), nil); d < bestDistance {
			best, bestDistance = []string{w}, d
		}
	}
	return best
}

// Suggest returns ` Did you mean "x"?` for the nearest of the words, or nothing when none is near.
func Suggest(given string, words []string) string {
	if near := nearest(given, words); len(near) > 0 {
		return fmt.Sprintf(" Did you mean %q?", near[0])
	}
	return ""
}

// list writes `"a", "b" or "c"`.
func list(words []string, last string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = strconv.Quote(w)
	}
	if len(quoted) < 2 {
		return strings.Join(quoted, "")
	}
	return strings.Join(quoted[:len(quoted)-1], ", ") + " " + last + " " + quoted[len(quoted)-1]
}

// Count writes "1 host" and "2 hosts".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// Place writes where something stands in the topology, as file and line, for messages that are no diagnostics or are about something else.
func Place(r hcl.Range) string {
	return fmt.Sprintf("%s:%d", r.Filename, r.Start.Line)
}

// Aside writes a place in parentheses, with a space before them. It writes nothing for what stands nowhere, as a worker that joined without a topology.
func Aside(r hcl.Range) string {
	if r.Filename == "" {
		return ""
	}
	return " (" + Place(r) + ")"
}

// parseDuration reads Go durations with two longer units: "30d" and "10y" (of 365 days), also mixed: "1d12h".
func parseDuration(s string) (time.Duration, error) {
	var total float64
	rest := s
	for _, unit := range []struct {
		suffix string
		length time.Duration
	}{{"y", 365 * 24 * time.Hour}, {"d", 24 * time.Hour}} {
		head, tail, found := strings.Cut(rest, unit.suffix)
		if !found {
			continue
		}
		n, err := strconv.ParseUint(head, 10, 32)
		if err != nil {
			return 0, fmt.Errorf("%s is not a duration", show(s))
		}
		total += float64(n) * float64(unit.length)
		rest = tail
	}
	if rest != "" {
		d, err := time.ParseDuration(rest)
		if err != nil {
			return 0, fmt.Errorf("%s is not a duration", show(s))
		}
		total += float64(d)
	} else if s == "" {
		return 0, fmt.Errorf("%s is not a duration", show(s))
	}
	if math.Abs(total) > math.MaxInt64/2 {
		return 0, fmt.Errorf("%s is longer than 146 years", show(s))
	}
	return time.Duration(total), nil
}

// formatDuration writes a duration in the largest units that fit, as parseDuration reads it.
func formatDuration(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d != 0 && d%(365*day) == 0:
		return fmt.Sprintf("%dy", d/(365*day))
	case d != 0 && d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// plain turns a value into what encoding/json would make of it, with int64 for whole numbers. Nulls in objects are dropped:
// they stand for "not set".
func plain(v cty.Value) (any, error) {
	switch ty := v.Type(); {
	case v.IsNull():
		return nil, nil
	case !v.IsKnown():
		return nil, fmt.Errorf("the value is not known")
	case ty == cty.String:
		return v.AsString(), nil
	case ty == cty.Bool:
		return v.True(), nil
	case ty == cty.Number:
		return plainNumber(v)
	case ty.IsListType() || ty.IsSetType() || ty.IsTupleType():
		out := make([]any, 0, v.LengthInt())
		for it := v.ElementIterator(); it.Next(); {
			_, e := it.Element()
			x, err := plain(e)
			if err != nil {
				return nil, err
			}
			out = append(out, x)
		}
		return out, nil
	case ty.IsMapType() || ty.IsObjectType():
		out := map[string]any{}
		for it := v.ElementIterator(); it.Next(); {
			k, e := it.Element()
			x, err := plain(e)
			if err != nil {
				return nil, err
			}
			if x != nil {
				out[k.AsString()] = x
			}
		}
		return out, nil
	}
	return nil, fmt.Errorf("a %s cannot stand here", v.Type().FriendlyName())
}

func plainNumber(v cty.Value) (any, error) {
	f := v.AsBigFloat()
	if i, accuracy := f.Int64(); accuracy == 0 {
		return i, nil
	}
	if f.IsInt() {
		return nil, fmt.Errorf("%s does not fit in 64 bits", f.Text('g', 10))
	}
	x, _ := f.Float64()
	return x, nil
}

// variableValues names the values of the variables in the expression that a diagnostic is about.
func variableValues(diag *hcl.Diagnostic) []string {
	if diag.Expression == nil || diag.EvalContext == nil {
		return nil
	}
	seen := map[string]bool{}
	var out []string
	for _, traversal := range diag.Expression.Variables() {
		val, diags := traversal.TraverseAbs(diag.EvalContext)
		if diags.HasErrors() || val.IsMarked() || !val.IsKnown() || val.IsNull() || !val.Type().IsPrimitiveType() {
			continue
		}
		x, err := plain(val)
		if err != nil {
			continue
		}
		text := fmt.Sprint(x)
		if s, ok := x.(string); ok {
			text = show(s)
		}
		line := fmt.Sprintf("%s = %s", traversalText(traversal), text)
		if !seen[line] {
			seen[line] = true
			out = append(out, line)
		}
	}
	sort.Strings(out)
	return out
}

func traversalText(traversal hcl.Traversal) string {
	var b strings.Builder
	for _, step := range traversal {
		switch s := step.(type) {
		case hcl.TraverseRoot:
			b.WriteString(s.Name)
		case hcl.TraverseAttr:
			b.WriteString("." + s.Name)
		case hcl.TraverseIndex:
			if x, err := plain(s.Key); err == nil {
				fmt.Fprintf(&b, "[%v]", x)
			}
		}
	}
	return b.String()
}
