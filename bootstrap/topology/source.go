package topology

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/mitchellh/go-wordwrap"
	"golang.org/x/text/width"
)

// Source holds the text of a topology, so that diagnostics can show the lines that they speak of.
type Source struct {
	files  map[string]*hcl.File
	bodies map[string]*hclsyntax.Body
}

func newSource() *Source {
	return &Source{files: map[string]*hcl.File{}, bodies: map[string]*hclsyntax.Body{}}
}

// secretText matches what must not be repeated when it stands in a topology by mistake.
var secretText = regexp.MustCompile(`AGE-(SECRET-KEY|PLUGIN)-[A-Z0-9-]+|-----BEGIN [A-Z ]*PRIVATE KEY-----[^"]*`)

// parse parses one file and keeps its text. Secrets are masked in the kept text, byte for byte.
func (s *Source) parse(name string, src []byte) (*hclsyntax.Body, hcl.Diagnostics) {
	kept := &hcl.File{Bytes: src}
	if secretText.Match(src) {
		kept.Bytes = secretText.ReplaceAllFunc(src, func(m []byte) []byte {
			masked := bytes.Repeat([]byte{'*'}, len(m))
			for i, b := range m {
				if b == '\n' || b == '\r' {
					masked[i] = b
				}
			}
			return masked
		})
	}
	s.files[name] = kept
	if diag := notText(name, src); diag != nil {
		return nil, hcl.Diagnostics{diag}
	}
	file, diags := hclsyntax.ParseConfig(src, name, hcl.InitialPos)
	diags = firstSyntaxError(name, src, diags)
	if file == nil {
		return nil, diags
	}
	body, ok := file.Body.(*hclsyntax.Body)
	if !ok {
		return nil, diags
	}
	s.bodies[name] = body
	return body, diags
}

// Write prints diagnostics for people: what is wrong, where, the source line with the place underlined, and what to do. Text
// is wrapped at the given number of columns; 0 does not wrap.
func (s *Source) Write(w io.Writer, diags hcl.Diagnostics, color bool, wrap int) error {
	var buf bytes.Buffer
	for i, diag := range diags {
		if i > 0 {
			buf.WriteByte('\n')
		}
		s.writeOne(&buf, diag, palette(color), wrap)
	}
	_, err := w.Write(buf.Bytes())
	return err
}

// palette says whether escape sequences are wanted.
type palette bool

func (p palette) paint(code, text string) string {
	if !p || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s *Source) writeOne(buf *bytes.Buffer, diag *hcl.Diagnostic, p palette, wrap int) {
	kind, code := "Error", "1;31"
	if diag.Severity == hcl.DiagWarning {
		kind, code = "Warning", "1;33"
	}
	fmt.Fprintf(buf, "%s: %s\n", p.paint(code, kind), p.paint("1", diag.Summary))
	if diag.Subject != nil {
		s.writePlace(buf, *diag.Subject, p, code)
		for _, line := range variableValues(diag) {
			fmt.Fprintf(buf, "  with %s\n", line)
		}
	}
	if diag.Detail != "" {
		detail := diag.Detail
		if wrap > 2 {
			detail = wordwrap.WrapString(detail, uint(wrap-2))
		}
		for line := range strings.SplitSeq(strings.TrimRight(detail, "\n"), "\n") {
			fmt.Fprintf(buf, "  %s\n", line)
		}
	}
}

// writePlace prints the first line of a range with an underline under it.
func (s *Source) writePlace(buf *bytes.Buffer, rng hcl.Range, p palette, code string) {
	fmt.Fprintf(buf, "  on %s:%d:%d", rng.Filename, rng.Start.Line, rng.Start.Column)
	file := s.files[rng.Filename]
	if file == nil {
		buf.WriteString("\n")
		return
	}
	if in := innermost(s.bodies[rng.Filename], rng.Start.Byte); in != "" {
		fmt.Fprintf(buf, ", in %s", in)
	}
	buf.WriteString("\n")
	line, start, ok := lineAt(file.Bytes, rng)
	if !ok {
		return
	}
	from := min(max(rng.Start.Byte-start, 0), len(line))
	to := min(max(rng.End.Byte-start, from), len(line))
	head, marked, tail := printable(line[:from]), printable(line[from:to]), printable(line[to:])
	number := fmt.Sprintf("%5d", rng.Start.Line)
	fmt.Fprintf(buf, "%s | %s%s%s\n", number, head, marked, tail)
	under := strings.Repeat("^", max(columns(marked), 1))
	fmt.Fprintf(buf, "%s | %s%s\n", strings.Repeat(" ", len(number)), blank(head), p.paint(code, under))
}

// blocksAround lists the blocks around a byte, the smallest last.
func blocksAround(body *hclsyntax.Body, at int) []*hclsyntax.Block {
	var out []*hclsyntax.Block
	for body != nil {
		var inner *hclsyntax.Block
		for _, b := range body.Blocks {
			if r := b.Range(); r.Start.Byte <= at && at < r.End.Byte {
				inner = b
				break
			}
		}
		if inner == nil {
			return out
		}
		out, body = append(out, inner), inner.Body
	}
	return out
}

// innermost names the smallest block around a byte, such as `host "bj1-cp1"`.
func innermost(body *hclsyntax.Body, at int) string {
	name := ""
	for _, b := range blocksAround(body, at) {
		if b.Type == "content" {
			continue // of a dynamic block, which says more
		}
		name = b.Type
		for _, label := range b.Labels {
			name += " " + show(label)
		}
	}
	return name
}

// lineAt returns the line that a range starts on and the offset of its first byte.
func lineAt(src []byte, rng hcl.Range) (line string, start int, ok bool) {
	sc := hcl.NewRangeScanner(src, rng.Filename, bufio.ScanLines)
	for sc.Scan() {
		if sc.Range().Start.Line == rng.Start.Line {
			return string(sc.Bytes()), sc.Range().Start.Byte, true
		}
	}
	return "", 0, false
}

// printable replaces what a terminal would not show as a character, or would obey.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, text)
}

// blank returns white space as wide as the text; tabs stay tabs.
func blank(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r == '\t' {
			b.WriteByte('\t')
			continue
		}
		b.WriteString(strings.Repeat(" ", runeColumns(r)))
	}
	return b.String()
}

func columns(text string) int {
	n := 0
	for _, r := range text {
		n += runeColumns(r)
	}
	return n
}

// runeColumns is the number of terminal columns of a character: two for East Asian wide ones.
func runeColumns(r rune) int {
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}
