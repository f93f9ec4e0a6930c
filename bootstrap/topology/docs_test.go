package topology

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const reference = "../../docs/topology.md"

// TestReference holds that the tables of docs/topology.md are those of the decoder. Run with -update to rewrite them.
func TestReference(t *testing.T) {
	data, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for _, section := range []struct{ name, body string }{
		{"blocks", blockReference()},
		{"functions", functionReference()},
		{"addresses", addressReference()},
	} {
		begin, end := "<!-- begin "+section.name+" -->\n", "<!-- end "+section.name+" -->\n"
		head, rest, ok1 := strings.Cut(text, begin)
		body, tail, ok2 := strings.Cut(rest, end)
		if !ok1 || !ok2 {
			t.Fatalf("%s has no section %s", reference, section.name)
		}
		if diff := cmp.Diff(body, section.body); diff != "" && !*update {
			t.Errorf("section %s (-%s +decoder; go test ./bootstrap/topology -run Reference -update mends it):\n%s", section.name, reference, diff)
		}
		text = head + begin + section.body + end + tail
	}
	if *update {
		if err := os.WriteFile(reference, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestReferenceExamples holds that the examples of the page, taken together with what surrounds them, are valid.
func TestReferenceExamples(t *testing.T) {
	data, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for i, part := range strings.Split(string(data), "```hcl\n")[1:] {
		code, _, _ := strings.Cut(part, "```")
		files := map[string][]byte{"main.hcl": []byte(code)}
		opts := testOptions()
		opts.Access = exampleAccess()
		if _, src, diags := Parse(files, opts); len(diags) > 0 {
			t.Errorf("example %d:\n%s\n%s", i+1, code, printed(t, src, diags))
		}
		n++
	}
	if n < 3 {
		t.Errorf("found %d examples", n)
	}
}

func blockReference() string {
	var b strings.Builder
	seen := map[*blockType]bool{}
	var write func(typ *blockType)
	write = func(typ *blockType) {
		if seen[typ] {
			return
		}
		seen[typ] = true
		if typ.name != "" {
			fmt.Fprintf(&b, "### `%s`\n\n%s\n\n", header(typ), typ.meaning)
			var where []string
			for _, p := range parents(document, typ) {
				if p == document {
					where = append(where, "at the top of a file")
				} else {
					where = append(where, "in `"+p.name+"`")
				}
			}
			times := "At most one."
			if typ.repeat {
				times = "Any number."
			} else if typ == fleetBlock {
				times = "Exactly one."
			}
			fmt.Fprintf(&b, "Stands %s. %s", strings.Join(where, " and "), times)
			if len(typ.blocks) > 0 {
				var inner []string
				for _, c := range typ.blocks {
					inner = append(inner, "`"+c.name+"`")
				}
				fmt.Fprintf(&b, " Blocks inside: %s.", strings.Join(inner, ", "))
			}
			b.WriteString("\n\n")
			writeAttributes(&b, typ)
		}
		for _, c := range typ.blocks {
			write(c)
		}
	}
	write(document)
	return b.String()
}

func header(typ *blockType) string {
	if typ.label == "" {
		return typ.name
	}
	return fmt.Sprintf("%s \"<%s>\"", typ.name, typ.label)
}

func parents(in, typ *blockType) []*blockType {
	var out []*blockType
	seen := map[*blockType]bool{}
	var visit func(p *blockType)
	visit = func(p *blockType) {
		if seen[p] {
			return
		}
		seen[p] = true
		if slices.Contains(p.blocks, typ) {
			out = append(out, p)
		}
		for _, c := range p.blocks {
			visit(c)
		}
	}
	visit(in)
	return out
}

func writeAttributes(b *strings.Builder, typ *blockType) {
	if len(typ.attrs) == 0 {
		return
	}
	b.WriteString("| argument | type | default | meaning |\n|---|---|---|---|\n")
	for _, a := range typ.attrs {
		def := a.def
		if a.required {
			def = "**required**"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", a.name, a.kind, def, a.meaning)
	}
	b.WriteString("\n")
}

func functionReference() string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(functions(Options{}))) {
		names = append(names, "`"+name+"`")
	}
	return strings.Join(names, ", ") + "\n"
}

func addressReference() string {
	var b strings.Builder
	b.WriteString("| range | kind | can be a host |\n|---|---|---|\n")
	for _, k := range addressKinds {
		can := "yes"
		if !k.kind.Host {
			can = "no: " + k.kind.Why
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", k.prefix, k.kind.Name, can)
	}
	return b.String()
}
