package topology

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// notText reports a file that is not text in UTF-8, which the parser would complain of letter by letter.
func notText(name string, src []byte) *hcl.Diagnostic {
	at, why := 0, ""
	switch {
	case bytes.HasPrefix(src, []byte{0xff, 0xfe}), bytes.HasPrefix(src, []byte{0xfe, 0xff}):
		why = "The file is in UTF-16."
	case bytes.IndexByte(src, 0) >= 0:
		at, why = bytes.IndexByte(src, 0), "The file holds bytes that are no text."
	case !utf8.Valid(src):
		why = "The file holds bytes that are not UTF-8."
		for rest := src; len(rest) > 0; {
			r, n := utf8.DecodeRune(rest)
			if r == utf8.RuneError && n == 1 {
				break
			}
			rest, at = rest[n:], at+n
		}
	default:
		return nil
	}
	head := src[:at]
	column := utf8.RuneCount(head[bytes.LastIndexByte(head, '\n')+1:]) + 1
	pos := hcl.Pos{Line: bytes.Count(head, []byte{'\n'}) + 1, Column: column, Byte: at}
	end := pos
	end.Byte, end.Column = min(at+1, len(src)), column+1
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Not UTF-8 text", Detail: why + " Save it as UTF-8 text.",
		Subject: &hcl.Range{Filename: name, Start: pos, End: end}}
}

// firstSyntaxError keeps the first mistake in the syntax of a file: the parser reads on behind it and reports what is often right. It is said how many
// more there are.
func firstSyntaxError(name string, src []byte, diags hcl.Diagnostics) hcl.Diagnostics {
	ordered := tidy(diags)
	var first *hcl.Diagnostic
	more := 0
	for _, diag := range ordered {
		switch {
		case diag.Severity != hcl.DiagError:
		case first == nil:
			first = diag
		case diag.Subject == nil || first.Subject == nil || diag.Subject.Start.Line != first.Subject.Start.Line:
			more++
		}
	}
	if first == nil {
		return diags
	}
	clearer(name, src, first)
	switch {
	case more == 1:
		first.Detail += " One more error was found behind it in this file; it may only follow from this one."
	case more > 1:
		first.Detail += fmt.Sprintf(" %d more errors were found behind it in this file; they may only follow from this one.", more)
	}
	return hcl.Diagnostics{first}
}

// clearer rewrites messages of the parser that speak of what the parser missed, and not of what was written.
func clearer(name string, src []byte, diag *hcl.Diagnostic) {
	if diag.Subject == nil {
		return
	}
	tokens := lex(name, src)
	switch diag.Summary {
	case "Invalid multi-line string", "Unterminated template string":
		if t := openBefore(tokens, len(src), hclsyntax.TokenOHeredoc, hclsyntax.TokenCHeredoc); t != nil {
			diag.Summary, diag.Subject = "Text without end", &t.Range
			diag.Detail = "The text that starts here ends with a line that holds its mark and nothing else; there is none."
			return
		}
		diag.Summary = "Quote missing"
		diag.Detail = "The text that starts in this line has no closing quote (\")."
		line := *diag.Subject
		for _, t := range tokens {
			if t.Type == hclsyntax.TokenOQuote && t.Range.Start.Line == line.Start.Line {
				from := hcl.RangeBetween(t.Range, line)
				diag.Subject = &from // the last in the line is the one that is left open
			}
		}
	case "Unclosed configuration block", "Unclosed configuration block body":
		diag.Summary = "Brace missing"
		diag.Detail = "The block that starts here has no closing brace (}) before the end of the file." + suspectBrace(name, src)
	case "Missing item separator":
		if t := openBefore(tokens, diag.Subject.Start.Byte, hclsyntax.TokenOBrack, hclsyntax.TokenCBrack); t != nil && t.Range.Start.Line < diag.Subject.Start.Line {
			if line, start, ok := lineAt(src, *diag.Subject); ok && (byteAt(src, diag.Subject.Start.Byte) == '\n' || nextThing.MatchString(line) && strings.TrimSpace(line[:diag.Subject.Start.Byte-start]) == "") {
				diag.Summary, diag.Subject = "Bracket missing", &t.Range
				diag.Detail = "The list that starts here has no closing bracket (])."
				return
			}
		}
		diag.Detail = "The elements of a list are separated with commas." + oddQuotes(src, *diag.Subject)
	case "Attribute redefined":
		if m := alreadySet.FindStringSubmatch(diag.Detail); m != nil {
			diag.Summary = "Duplicate argument"
			diag.Detail = fmt.Sprintf("%s is already set at %s:%s. Remove one of the two.", m[1], name, m[2])
		}
	case "Invalid number literal":
		diag.Detail = "This is not a number. Text, such as an address, a range or a version, is written in quotes."
	case "Argument or block definition required":
		switch byteAt(src, diag.Subject.Start.Byte) {
		case '-', ';', '%':
			diag.Detail += " Comments start with \"#\"."
		case '}':
			diag.Summary = "Brace too many"
			diag.Detail = "There is no open block that this brace could close." + suspectBrace(name, src)
		}
	}
}

// nextThing is a line that belongs to a block and not to a list.
var nextThing = regexp.MustCompile(`^\s*(\}|[A-Za-z_][\w-]*\s*(=|\{|"))`)

var alreadySet = regexp.MustCompile(`^The argument "([^"]*)" was already set at .*:(\d+),[^:]*\. Each argument`)

// openBefore finds the last token that opens something and is not closed before a byte of the file.
func openBefore(tokens hclsyntax.Tokens, end int, opens, closes hclsyntax.TokenType) *hclsyntax.Token {
	var stack []int
	for i, t := range tokens {
		switch {
		case t.Range.Start.Byte >= end:
		case t.Type == opens:
			stack = append(stack, i)
		case t.Type == closes && len(stack) > 0:
			stack = stack[:len(stack)-1]
		}
	}
	if len(stack) == 0 {
		return nil
	}
	return &tokens[stack[len(stack)-1]]
}

// oddQuotes points out that a quote is missing in a line in which the parser tripped over something else.
func oddQuotes(src []byte, at hcl.Range) string {
	if line, _, ok := lineAt(src, at); ok && strings.Count(strings.ReplaceAll(line, `\"`, ""), `"`)%2 == 1 {
		return " The line has an odd number of quotes: one is probably missing."
	}
	return ""
}

func byteAt(src []byte, at int) byte {
	if at < 0 || at >= len(src) {
		return 0
	}
	return src[at]
}

// lex splits a file into tokens; what cannot be one is reported by the parser.
func lex(name string, src []byte) hclsyntax.Tokens {
	tokens, _ := hclsyntax.LexConfig(src, name, hcl.InitialPos)
	return tokens
}

// suspectBrace guesses from the indentation which pair of braces does not belong together.
func suspectBrace(name string, src []byte) string {
	tokens := lex(name, src)
	type open struct{ line, indent int }
	var stack []open
	indent := func(i int) int { // of the line, when the token is the first in it; else -1
		if i == 0 || tokens[i-1].Type == hclsyntax.TokenNewline || tokens[i-1].Type == hclsyntax.TokenComment {
			return tokens[i].Range.Start.Column
		}
		return -1
	}
	lineIndent := map[int]int{}
	for i, t := range tokens {
		line := t.Range.Start.Line
		if _, ok := lineIndent[line]; !ok {
			lineIndent[line] = t.Range.Start.Column
		}
		switch t.Type {
		case hclsyntax.TokenOBrace:
			stack = append(stack, open{line, lineIndent[line]})
		case hclsyntax.TokenCBrace:
			if len(stack) == 0 {
				return ""
			}
			top := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if at := indent(i); at > 0 && at != top.indent && line != top.line {
				return fmt.Sprintf(" Judging by the indentation, the brace in line %d is not the one for the block of line %d.", line, top.line)
			}
		}
	}
	return ""
}
