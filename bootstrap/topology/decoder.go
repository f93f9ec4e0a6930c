package topology

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/dynblock"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// decoder turns blocks into the model and collects every mistake. It keeps the places of what the model does not.
type decoder struct {
	opts    Options
	source  *Source
	ctx     *hcl.EvalContext
	diags   hcl.Diagnostics
	hidden  []string             // values of sensitive variables
	meant   []string             // blocks at the top of a file that were misspelled
	untyped map[string]string    // origins of texts that variables without a type got from outside
	known   map[string][]string  // names after "var." and "local."
	names   map[string]hcl.Range // by kind of thing, scope and name
	holes   bool                 // hosts or roles are missing because of mistakes, so counting them would mislead

	sitesMissing bool // because of mistakes

	rackRanges map[*Rack]hcl.Range // of cidr
	clusters   map[*Cluster]*clusterPlaces
}

// clusterPlaces are the places of a cluster's arguments that checks point at.
type clusterPlaces struct {
	nodePrefix hcl.Range
	ports      []located[int] // in the order api, local
	maxPods    []located[int64]
	recipients hcl.Range
	acceptLoss []located[string]
	dnsAddress hcl.Range
	plugin     hcl.Range
	// unavailable is that of max_unavailable.
	unavailable hcl.Range
	partial     bool // not all of its sites are known
}

// located is a value with its place.
type located[T any] struct {
	v   T
	rng hcl.Range
}

func newDecoder(opts Options, src *Source) *decoder {
	return &decoder{
		opts: opts, source: src, names: map[string]hcl.Range{}, untyped: map[string]string{},
		rackRanges: map[*Rack]hcl.Range{}, clusters: map[*Cluster]*clusterPlaces{},
	}
}

func (d *decoder) report(sev hcl.DiagnosticSeverity, subject, context hcl.Range, summary, format string, args ...any) {
	diag := &hcl.Diagnostic{Severity: sev, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: &subject}
	if context.Filename == subject.Filename {
		over := hcl.RangeOver(subject, context)
		diag.Context = &over
	}
	d.diags = append(d.diags, diag)
}

// errorf reports a mistake at subject, inside the block whose header is context.
func (d *decoder) errorf(subject, context hcl.Range, summary, format string, args ...any) {
	d.report(hcl.DiagError, subject, context, summary, format, args...)
}

func (d *decoder) warnf(subject, context hcl.Range, summary, format string, args ...any) {
	d.report(hcl.DiagWarning, subject, context, summary, format, args...)
}

func (d *decoder) duplicate(subject, context hcl.Range, kind, name string, first hcl.Range) {
	d.errorf(subject, context, "Duplicate "+kind, "%s is already defined at %s. Give one of the two another name.", show(name), Place(first))
}

// unique reports a name that was seen before in the same scope.
func (d *decoder) unique(kind, scope, name string, subject, context hcl.Range) bool {
	key := kind + "\x00" + scope + "\x00" + name
	if first, ok := d.names[key]; ok {
		d.duplicate(subject, context, kind, name, first)
		return false
	}
	d.names[key] = subject
	return true
}

// block is one opened block.
type block struct {
	d       *decoder
	typ     *blockType
	label   string
	labelAt hcl.Range
	rng     hcl.Range // header
	attrs   hcl.Attributes
	blocks  hcl.Blocks
}

// open reads what is in a block. What is unexpected or missing is reported here.
func (d *decoder) open(typ *blockType, b *hcl.Block) *block {
	content, diags := b.Body.Content(typ.schema())
	meant := d.source.clarify(typ, diags)
	d.noteMissingSites(typ, diags)
	if diags.HasErrors() && slices.Contains([]*blockType{regionBlock, siteBlock, roomBlock, rackBlock}, typ) {
		d.holes = true // hosts may be missing
	}
	for _, diag := range d.withoutConsequences(diags) {
		if diag.Context == nil && diag.Subject != nil && diag.Subject.Filename == b.DefRange.Filename {
			over := hcl.RangeOver(*diag.Subject, b.DefRange)
			diag.Context = &over
		}
		d.diags = append(d.diags, diag)
	}
	d.required(typ, b.DefRange, content.Attributes, meant...)
	out := &block{d: d, typ: typ, rng: b.DefRange, attrs: content.Attributes, blocks: content.Blocks}
	out.labelAt = b.DefRange
	if len(b.Labels) > 0 && len(b.LabelRanges) > 0 {
		out.label, out.labelAt = b.Labels[0], b.LabelRanges[0]
	}
	return out
}

// noteMissingSites keeps in mind that blocks were left out which may have held sites.
func (d *decoder) noteMissingSites(typ *blockType, diags hcl.Diagnostics) {
	if typ == document || typ == regionBlock {
		d.sitesMissing = d.sitesMissing || slices.ContainsFunc(diags, func(diag *hcl.Diagnostic) bool {
			return slices.Contains([]string{"Name missing", "Name too many", "Unknown block", "Incomplete dynamic block"}, diag.Summary)
		})
	}
}

// withoutConsequences drops complaints about values that are unknown because of something that was reported.
func (d *decoder) withoutConsequences(diags hcl.Diagnostics) hcl.Diagnostics {
	return slices.DeleteFunc(diags, func(diag *hcl.Diagnostic) bool {
		return diag.Summary == "Invalid dynamic block label" && strings.Contains(diag.Detail, "not yet known")
	})
}

// unknownName matches details in which the library suggests the first near name that it meets in a map, so another one each time.
var unknownName = regexp.MustCompile(`^There is no (function|variable) named "([^"]*)"\.( Did you mean .*)?$`)

// parameterFault introduces the messages of functions with the names of parameters, which are nowhere to be seen.
var parameterFault = regexp.MustCompile(`^Invalid value for "[^"]*" parameter: `)

// settleSuggestions makes the library's suggestions the same in every run: the nearest name, the first of equals.
func (d *decoder) settleSuggestions(diags hcl.Diagnostics) {
	for _, diag := range diags {
		if prefix := parameterFault.FindString(diag.Detail); prefix != "" {
			diag.Detail = capital(diag.Detail[len(prefix):])
		}
		m := unknownName.FindStringSubmatch(diag.Detail)
		if m == nil {
			continue
		}
		names := map[string]bool{}
		for ctx := diag.EvalContext; ctx != nil; ctx = ctx.Parent() {
			for name := range ctx.Variables {
				names[name] = m[1] == "variable"
			}
			for name := range ctx.Functions {
				names[name] = names[name] || m[1] == "function"
			}
		}
		maps.DeleteFunc(names, func(_ string, wanted bool) bool { return !wanted })
		hint := Suggest(m[2], slices.Sorted(maps.Keys(names)))
		if m[1] == "variable" && m[2] == "each" {
			hint = " In a dynamic block the element is called like the blocks, for example host.key and host.value, unless iterator gives it another name."
		} else if hint == "" && m[1] == "variable" {
			hint = fmt.Sprintf(" Text is written in quotes: %q. Variables are called var.<name>, and local values local.<name>.", m[2])
		}
		diag.Detail = fmt.Sprintf("There is no %s named %q.%s", m[1], m[2], hint)
	}
}

// required reports arguments that a block must have, but for those that were written wrong.
func (d *decoder) required(typ *blockType, header hcl.Range, attrs hcl.Attributes, reported ...string) {
	for _, a := range typ.attrs {
		if a.required && attrs[a.name] == nil && !slices.Contains(reported, a.name) {
			meaning := strings.ReplaceAll(a.meaning, "`", "")
			d.errorf(header, header, "Missing "+a.name, "Add the argument %s (%s). %s", a.name, a.kind, meaning)
		}
	}
}

// openDocument reads the top of all files together: first variables and locals, then the rest, whose dynamic blocks need them.
func (d *decoder) openDocument(bodies []*hclsyntax.Body) *block {
	var files []*hcl.File
	for _, b := range bodies {
		files = append(files, &hcl.File{Body: b})
	}
	inputs := &blockType{blocks: []*blockType{variableBlock, localsBlock}}
	content, rest, diags := hcl.MergeFiles(files).PartialContent(inputs.schema())
	d.diags = append(d.diags, diags...)
	d.evaluate(content.Blocks.OfType("variable"), content.Blocks.OfType("locals"))
	things := &blockType{blocks: []*blockType{fleetBlock, regionBlock, clusterBlock}}
	content, diags = dynblock.Expand(rest, d.ctx).Content(things.schema())
	d.meant = d.source.clarify(document, diags)
	d.noteMissingSites(document, diags)
	d.holes = d.holes || diags.HasErrors()
	d.diags = append(d.diags, d.withoutConsequences(diags)...)
	return &block{d: d, typ: things, blocks: content.Blocks}
}

// children opens the nested blocks of a type in order. A second one of a block that may stand once is reported.
func (b *block) children(name string) []*block {
	typ := b.typ.block(name)
	if typ == nil {
		panic("topology: block " + b.typ.name + " has no block " + name)
	}
	if typ.access && b.d.opts.Access != nil {
		return nil
	}
	var out []*block
	for _, raw := range b.blocks.OfType(name) {
		child := b.d.open(typ, raw)
		if len(out) > 0 && !typ.repeat {
			b.d.errorf(child.rng, child.rng, "Duplicate "+name+" block",
				"There is already one at %s. Move its arguments there.", Place(out[0].rng))
			continue
		}
		out = append(out, child)
	}
	return out
}

// child opens the nested block of a type that may stand once; without one, an empty block takes its place.
func (b *block) child(name string) (child *block, present bool) {
	if all := b.children(name); len(all) > 0 {
		return all[0], true
	}
	return &block{d: b.d, typ: b.typ.block(name), rng: b.rng, labelAt: b.rng}, false
}

// at is the place of an argument's value, or of the block when it is not there.
func (b *block) at(name string) hcl.Range {
	if attr := b.attrs[name]; attr != nil {
		return attr.Expr.Range()
	}
	return b.rng
}

func (b *block) errorf(name, summary, format string, args ...any) {
	b.d.errorf(b.at(name), b.rng, summary, format, args...)
	if attr := b.attrs[name]; attr != nil {
		last := b.d.diags[len(b.d.diags)-1]
		last.Expression, last.EvalContext = attr.Expr, b.d.ctx
	}
}
