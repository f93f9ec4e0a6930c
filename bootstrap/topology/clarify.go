package topology

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

var (
	unexpectedBlock    = regexp.MustCompile(`^Blocks of type "([^"]*)" are not expected here\.`)
	unexpectedArgument = regexp.MustCompile(`^An argument named "([^"]*)" is not expected here\.`)
	missingLabel       = regexp.MustCompile(`^Missing \S+ for (\S+)$`)
	extraLabel         = regexp.MustCompile(`^Extraneous label for (\S+)$`)
	missingOfDynamic   = regexp.MustCompile(`^The argument "(labels|for_each)" is required`)
)

// clarify rewrites what the library says about the content of a block in the words of the language: it knows what may stand there, and where else a
// word belongs. It returns the arguments that were meant by words that are none.
func (s *Source) clarify(typ *blockType, diags hcl.Diagnostics) (meant []string) {
	for _, diag := range diags {
		typ := typ
		if s.inDynamic(diag) {
			typ = dynamicBlock // whose schema is the library's
		}
		switch {
		case diag.Summary == "Unsupported block type":
			if m := unexpectedBlock.FindStringSubmatch(diag.Detail); m != nil {
				meant = append(meant, typ.unknownBlock(diag, m[1])...)
			}
		case diag.Summary == "Unsupported argument":
			if m := unexpectedArgument.FindStringSubmatch(diag.Detail); m != nil {
				meant = append(meant, typ.unknownArgument(diag, m[1])...)
			}
		case missingLabel.MatchString(diag.Summary):
			name := missingLabel.FindStringSubmatch(diag.Summary)[1]
			diag.Summary = "Name missing"
			diag.Detail = fmt.Sprintf("%s has a name: %s \"…\" { … }.", (&blockType{name: name}).called(), name)
		case extraLabel.MatchString(diag.Summary):
			name := extraLabel.FindStringSubmatch(diag.Summary)[1]
			diag.Summary = "Name too many"
			diag.Detail = fmt.Sprintf("%s has no name. Remove it.", (&blockType{name: name}).called())
			if b := typ.block(name); b != nil && b.label != "" {
				diag.Detail = fmt.Sprintf("%s has one name. Remove the others.", (&blockType{name: name}).called())
			}
		case diag.Summary == "Invalid dynamic for_each value":
			diag.Detail = "for_each takes a list, a set or a map: a block is made of each element."
		case diag.Summary == "Missing required argument" && missingOfDynamic.MatchString(diag.Detail):
			diag.Summary = "Incomplete dynamic block"
			if missingOfDynamic.FindStringSubmatch(diag.Detail)[1] == "labels" {
				name := s.dynamicName(diag)
				diag.Detail = fmt.Sprintf("The blocks need names: add labels = [%s.key] when for_each is a map, or [%s.value] when it is a list of names.", name, name)
			} else {
				diag.Detail = "for_each is missing: the list or map to make a block of each element from."
			}
		}
	}
	return meant
}

// dynamicName is the kind of blocks that a dynamic block makes.
func (s *Source) dynamicName(diag *hcl.Diagnostic) string {
	around := blocksAround(s.bodies[diag.Subject.Filename], diag.Subject.Start.Byte)
	if n := len(around); n > 0 && len(around[n-1].Labels) > 0 {
		return around[n-1].Labels[0]
	}
	return "host"
}

// dynamicBlock is what the library reads of a dynamic block itself.
var dynamicBlock = &blockType{
	name:   "dynamic",
	attrs:  []attribute{{name: "for_each"}, {name: "iterator"}, {name: "labels"}},
	blocks: []*blockType{{name: "content"}},
}

// inDynamic reports whether a word stands in a dynamic block, and not in its content.
func (s *Source) inDynamic(diag *hcl.Diagnostic) bool {
	if diag.Subject == nil || s.bodies[diag.Subject.Filename] == nil {
		return false
	}
	around := blocksAround(s.bodies[diag.Subject.Filename], diag.Subject.Start.Byte)
	if n := len(around); n > 0 && around[n-1].TypeRange.Start.Byte == diag.Subject.Start.Byte {
		around = around[:n-1] // the word is the head of a block
	}
	if len(around) == 0 || around[len(around)-1].Type != "dynamic" {
		return false
	}
	return diag.Subject.Start.Byte >= around[len(around)-1].OpenBraceRange.Start.Byte // its head names a block of the one around
}

// unknownBlock explains a block that a block cannot hold. A block in place of an argument, or a misspelled one, was meant to be what it resembles.
func (t *blockType) unknownBlock(diag *hcl.Diagnostic, name string) []string {
	if t.attr(name) != nil {
		diag.Summary = "Argument written as a block"
		diag.Detail = fmt.Sprintf("%s is an argument: write %s = …, with an equals sign.", name, name)
		return []string{name}
	}
	near := nearest(name, t.blockNames())
	diag.Summary = "Unknown block"
	diag.Detail = fmt.Sprintf("%s cannot hold a block %s.%s%s", t.called(), show(name), Suggest(name, t.blockNames()), t.insteadOf(name, near, "block"))
	return near
}

func (t *blockType) unknownArgument(diag *hcl.Diagnostic, name string) []string {
	if t.block(name) != nil {
		diag.Summary = "Block written as an argument"
		diag.Detail = fmt.Sprintf("%s is a block: write %s { … }, without an equals sign.", name, name)
		return nil
	}
	if (name == "for_each" || name == "count") && t != dynamicBlock {
		diag.Summary = "Unknown argument"
		diag.Detail = fmt.Sprintf("%s cannot be repeated so. Write dynamic %q { for_each = …, labels = […] and content { … } } around it.", t.called(), t.name)
		if t == hostBlock {
			diag.Detail += " For consecutive addresses, a hosts block with count is shorter."
		}
		return nil
	}
	near := nearest(name, t.attrNames())
	diag.Summary = "Unknown argument"
	diag.Detail = fmt.Sprintf("%s has no argument %s.%s%s", t.called(), show(name), Suggest(name, t.attrNames()), t.insteadOf(name, near, "argument"))
	return near
}

// insteadOf says where a word belongs, or what there is.
func (t *blockType) insteadOf(name string, near []string, kind string) string {
	if len(near) > 0 {
		return ""
	}
	var homes []string
	visit(document, func(b *blockType) {
		if b != t && (kind == "block" && b.block(name) != nil || kind == "argument" && b.attr(name) != nil) {
			homes = append(homes, b.called())
		}
	})
	own := t.blockNames()
	if kind == "argument" {
		own = t.attrNames()
	}
	switch {
	case len(homes) > 0:
		return fmt.Sprintf(" It belongs in %s.", lowerFirst(strings.Join(homes, ", or ")))
	case len(own) == 0 && kind == "block":
		return " It holds no blocks."
	case len(own) == 0:
		return " It has no arguments, only blocks."
	case kind == "block":
		return fmt.Sprintf(" It holds %s.", words(own))
	}
	return fmt.Sprintf(" It has %s.", words(own))
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// words writes `a, b and c`.
func words(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// called names a kind of block in a sentence.
func (t *blockType) called() string {
	if t.name == "" {
		return "The top of a file"
	}
	if strings.ContainsRune("aeiou", rune(t.name[0])) || t.name == "ssh" {
		return "An " + t.name + " block"
	}
	return "A " + t.name + " block"
}

func (t *blockType) attrNames() []string {
	var out []string
	for _, a := range t.attrs {
		out = append(out, a.name)
	}
	return out
}

func (t *blockType) blockNames() []string {
	var out []string
	for _, b := range t.blocks {
		out = append(out, b.name)
	}
	return out
}

// visit calls a function for each kind of block once, from the outside in.
func visit(from *blockType, f func(*blockType)) {
	var seen []*blockType
	var walk func(t *blockType)
	walk = func(t *blockType) {
		if slices.Contains(seen, t) {
			return
		}
		seen = append(seen, t)
		f(t)
		for _, b := range t.blocks {
			walk(b)
		}
	}
	walk(from)
}
