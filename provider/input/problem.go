package input

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
)

// Problem is a mistake in what attributes describe, or a warning.
type Problem struct {
	Path Path // of the attribute; empty where it is in none
	*hcl.Diagnostic
}

// Mistake is an error in an attribute of the top.
func Mistake(attribute, summary, detail string) Problem {
	return Problem{Path{}.Attribute(attribute), &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail}}
}

// Problems tells the language's diagnostics at the attributes that were written where they are.
func (t *Text) Problems(found hcl.Diagnostics) []Problem {
	var out []Problem
	for _, d := range found {
		own := *d
		own.Detail = t.Reword(d.Detail)
		var at Path
		switch {
		case d.Subject == nil:
		case d.Subject.Filename == FileName:
			at = t.Path(*d.Subject)
		default: // other files are those of manifests
			at, own.Detail = Path{}.Attribute("manifests"), fmt.Sprintf("%s: %s", d.Subject, own.Detail)
		}
		out = append(out, Problem{at, &own})
	}
	return out
}

// ProblemsAt tells diagnostics of a topology in its own language, all of them at the attribute that has its text.
func ProblemsAt(at Path, found hcl.Diagnostics) []Problem {
	var out []Problem
	for _, d := range found {
		own := *d
		if d.Subject != nil {
			own.Detail = fmt.Sprintf("%s: %s", d.Subject, d.Detail)
		}
		out = append(out, Problem{at, &own})
	}
	return out
}

// HasErrors says whether one of them is more than a warning.
func HasErrors(problems []Problem) bool {
	for _, p := range problems {
		if p.Severity == hcl.DiagError {
			return true
		}
	}
	return false
}
