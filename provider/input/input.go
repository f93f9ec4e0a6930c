// Package input turns what users write in a provider's own attributes into a topology, and finds the attribute for a place in it, so that every door has the checks and the words
// of the topology language. It knows the language and no provider's framework.
package input

import (
	"bytes"
	"cmp"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// Unknown is a value that is not known yet. Where it stands for a whole map of sites, racks or hosts, for where a host stands or for which roles it plays, there is no
// topology yet.
type Unknown struct{}

// Object is a set of attributes by name, or a map by key. Values are nil, which is as good as none, string, bool, int64, float64, *big.Float, []any, Object or Unknown.
type Object = map[string]any

// HasUnknown reports whether something in a value is not known yet.
func HasUnknown(v any) bool {
	switch v := v.(type) {
	case Unknown:
		return true
	case Object:
		for _, x := range v {
			if HasUnknown(x) {
				return true
			}
		}
	case []any:
		for _, x := range v {
			if HasUnknown(x) {
				return true
			}
		}
	}
	return false
}

// FileName is the name of the written topology in positions. It is no file's.
const FileName = "(attributes)"

// unknownName stands for unknown values in the text.
const unknownName = "unknown"

// Step is one step of a Path: an attribute's name or a map's key, or an index.
type Step struct {
	Name  string
	Key   bool // Name is a key of a map
	Index int  // of a list, where Name is empty
}

// Path leads from the top to a value.
type Path []Step

// Attribute appends the name of an attribute.
func (p Path) Attribute(name string) Path { return append(slices.Clip(p), Step{Name: name}) }

// Key appends the key of a map.
func (p Path) Key(key string) Path { return append(slices.Clip(p), Step{Name: key, Key: true}) }

// At appends an index.
func (p Path) At(i int) Path { return append(slices.Clip(p), Step{Index: i}) }

// String writes the path as users write it: hosts["w1"].address.
func (p Path) String() string {
	var b strings.Builder
	for i, s := range p {
		switch {
		case s.Key:
			b.WriteString("[" + strconv.Quote(s.Name) + "]")
		case s.Name == "":
			b.WriteString("[" + strconv.Itoa(s.Index) + "]")
		default:
			if i > 0 {
				b.WriteString(".")
			}
			b.WriteString(s.Name)
		}
	}
	return b.String()
}

// Text is a written topology.
type Text struct {
	Source []byte
	places []place
}

// place is a run of bytes that was written for the value at a path.
type place struct {
	from, to, line int
	path           Path
}

// fleetName is the fleet's, which no attribute gives.
const fleetName = "fleet"

// Defaults of where a host stands.
const (
	DefaultRoom = "1"
	DefaultRack = "a"
)

// Write writes the topology of one cluster. The attributes are those of the language's cluster block, its blocks being objects, or maps by label, with these besides:
//
//   - name, the cluster's;
//   - sites, by name: region, and what a site block has; bastion is one object;
//   - racks, by "site/room/rack": what a rack block has; taints is a list;
//   - hosts, by name: site, room, rack, and what a host block has, ssh_host_key being its host_key; taints is a list;
//   - components, a list of objects: name, and what a component block has.
//
// ok is false where too much is unknown to write anything: which hosts there are, where they stand, or what they do.
func Write(attributes Object) (text *Text, ok bool) {
	w := &writer{}
	if !w.places(attributes) {
		return nil, false
	}
	w.write(attributes)
	return &Text{w.buf, w.written}, true
}

// Parse reads the topology; options is without names of files. The diagnostics' places are those of the text.
func (t *Text) Parse(options topology.Options) (*topology.Topology, hcl.Diagnostics) {
	options.Unknown = unknownName
	top, _, diags := topology.Parse(map[string][]byte{FileName: t.Source}, options)
	return top, diags
}

// Path finds the attribute that was written at a place: the innermost one that the place begins in. It is empty where there is none.
func (t *Text) Path(rng hcl.Range) Path {
	best := -1
	for i, p := range t.places {
		if rng.Filename == FileName && p.from <= rng.Start.Byte && rng.Start.Byte < p.to && (best < 0 || p.to-p.from <= t.places[best].to-t.places[best].from) {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	return t.places[best].path
}

// positions are as topology.Place has them, with the line alone, and as hcl.Range has them, with columns.
var positions = regexp.MustCompile(regexp.QuoteMeta(FileName) + `:(\d+)(?:,\d+(?:-\d+(?:,\d+)?)?)?`)

// Reword replaces positions in a message by the attributes that stand there.
func (t *Text) Reword(message string) string {
	return positions.ReplaceAllStringFunc(message, func(at string) string {
		if p := t.First(at); len(p) > 0 {
			return p.String()
		}
		return "the configuration"
	})
}

// File is the topology as the command reads it from a file, with how SSH logs in where that is known.
func (t *Text) File(user string, port int) []byte {
	ssh := hclwrite.NewEmptyFile()
	body := ssh.Body().AppendNewBlock("fleet", []string{fleetName}).Body().AppendNewBlock("ssh", nil).Body()
	if user != "" {
		body.SetAttributeValue("user", cty.StringVal(user))
	}
	if port != 0 {
		body.SetAttributeValue("port", cty.NumberIntVal(int64(port)))
	}
	_, rest, _ := bytes.Cut(t.Source, []byte("}\n")) // the fleet's block stands first, and is empty
	return hclwrite.Format(append(ssh.Bytes(), rest...))
}

// First is the attribute that stands at the first position in a message. It is empty where there is none.
func (t *Text) First(message string) Path {
	m := positions.FindStringSubmatch(message)
	if m == nil {
		return nil
	}
	line, _ := strconv.Atoi(m[1])
	best := -1
	for i, p := range t.places {
		if p.line == line && (best < 0 || len(p.path) > len(t.places[best].path)) {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	return t.places[best].path
}

// writer writes the text, one value a line, and notes what stands where.
type writer struct {
	buf     []byte
	line    int
	indent  int
	written []place
	regions []*region
	racks   Object
	hosts   Object
}

type region struct {
	name  string
	at    Path
	sites []*site
}

type site struct {
	name  string
	rooms []*room
}

type room struct {
	name  string
	racks []*rack
}

type rack struct {
	name  string
	hosts []string
}

// places lays hosts and racks out. It is false where that is not known.
func (w *writer) places(attributes Object) bool {
	sites, known1 := object(attributes["sites"])
	racks, known2 := object(attributes["racks"])
	hosts, known3 := object(attributes["hosts"])
	if !known1 || !known2 || !known3 {
		return false
	}
	w.racks, w.hosts = racks, hosts
	add := func(siteName, roomName, rackName string) *rack {
		_, s := w.site(sites, siteName)
		r := find(&s.rooms, func(r *room) bool { return r.name == roomName }, func() *room { return &room{name: roomName} })
		return find(&r.racks, func(r *rack) bool { return r.name == rackName }, func() *rack { return &rack{name: rackName} })
	}
	for _, name := range slices.Sorted(maps.Keys(sites)) {
		o, known := object(sites[name])
		if _, unknown := o["region"].(Unknown); unknown || !known {
			return false
		}
		w.site(sites, name)
	}
	for _, key := range slices.Sorted(maps.Keys(racks)) {
		part := append(strings.SplitN(key, "/", 3), "", "")
		add(part[0], cmp.Or(part[1], DefaultRoom), cmp.Or(part[2], DefaultRack))
	}
	for _, name := range slices.Sorted(maps.Keys(hosts)) {
		o, known := object(hosts[name])
		if _, unknown := o["surge"].(Unknown); unknown || !known || HasUnknown(o["roles"]) {
			return false
		}
		var at [3]string
		for i, attribute := range []string{"site", "room", "rack"} {
			if _, unknown := o[attribute].(Unknown); unknown {
				return false
			}
			at[i], _ = o[attribute].(string)
		}
		if at[0] == "" && len(sites) == 1 {
			for only := range sites {
				at[0] = only
			}
		}
		r := add(at[0], cmp.Or(at[1], DefaultRoom), cmp.Or(at[2], DefaultRack))
		r.hosts = append(r.hosts, name)
	}
	return true
}

// site finds a site, which makes its region. A site that hosts name and the map does not have has no region, and is written for the check to tell.
func (w *writer) site(sites Object, name string) (*region, *site) {
	for _, r := range w.regions {
		for _, s := range r.sites {
			if s.name == name {
				return r, s
			}
		}
	}
	o, _ := object(sites[name])
	regionName, _ := o["region"].(string)
	r := find(&w.regions, func(r *region) bool { return r.name == regionName }, func() *region {
		return &region{name: regionName, at: Path{}.Attribute("sites").Key(name).Attribute("region")}
	})
	s := &site{name: name}
	r.sites = append(r.sites, s)
	return r, s
}

func find[T any](list *[]*T, is func(*T) bool, otherwise func() *T) *T {
	if i := slices.IndexFunc(*list, is); i >= 0 {
		return (*list)[i]
	}
	x := otherwise()
	*list = append(*list, x)
	return x
}

// object takes nothing for an empty one. known is false for an unknown one.
func object(v any) (o Object, known bool) {
	if _, unknown := v.(Unknown); unknown {
		return nil, false
	}
	o, _ = v.(Object)
	return o, true
}

func (w *writer) write(attributes Object) {
	top := Path{}
	name, _ := attributes["name"].(string)
	fleet := fleetName
	w.block("fleet", &fleet, top, func() {})
	sites, _ := object(attributes["sites"])
	for _, r := range w.regions {
		w.block("region", &r.name, r.at, func() {
			for _, s := range r.sites {
				w.block("site", &s.name, top.Attribute("sites").Key(s.name), func() { w.writeSite(s, sites) })
			}
		})
	}
	w.named("cluster", name, top, top.Attribute("name"), func() {
		if len(sites) > 0 {
			var names []any
			for _, n := range slices.Sorted(maps.Keys(sites)) {
				names = append(names, n)
			}
			w.argument("sites", names, top.Attribute("hosts")) // what is wrong with all of them together is a matter of what hosts there are
		}
		rest := maps.Clone(attributes)
		for _, mine := range []string{"name", "sites", "racks", "hosts", "components"} {
			delete(rest, mine)
		}
		w.body(topology.Describe("cluster"), rest, top)
		w.components(attributes["components"], top.Attribute("components"))
	})
}

func (w *writer) writeSite(s *site, sites Object) {
	path := Path{}.Attribute("sites").Key(s.name)
	o, _ := object(sites[s.name])
	rest := maps.Clone(o)
	delete(rest, "region")
	delete(rest, "bastion")
	w.body(topology.Describe("region", "site"), rest, path)
	if bastion, _ := object(o["bastion"]); bastion != nil {
		name := "bastion"
		w.block("bastion", &name, path.Attribute("bastion"), func() {
			w.body(topology.Describe("region", "site", "bastion"), hostKeyed(bastion), path.Attribute("bastion"))
		})
	}
	for _, rm := range s.rooms {
		w.block("room", &rm.name, path, func() {
			for _, r := range rm.racks {
				w.writeRack(s.name, rm.name, r)
			}
		})
	}
}

func (w *writer) writeRack(siteName, roomName string, r *rack) {
	key := siteName + "/" + roomName + "/" + r.name
	path := Path{}.Attribute("racks").Key(key)
	o, _ := object(w.racks[key])
	w.block("rack", &r.name, path, func() {
		w.machine(topology.Describe("region", "site", "room", "rack"), o, path)
		for _, name := range r.hosts {
			path := Path{}.Attribute("hosts").Key(name)
			h, _ := object(w.hosts[name])
			rest := maps.Clone(h)
			for _, mine := range []string{"site", "room", "rack"} {
				delete(rest, mine)
			}
			w.block("host", &name, path, func() { w.machine(topology.Describe("region", "site", "room", "rack", "host"), hostKeyed(rest), path) })
		}
	})
}

// hostKeyed has the host key under the language's name for it.
func hostKeyed(o Object) Object {
	out := maps.Clone(o)
	if key, ok := out["ssh_host_key"]; ok {
		delete(out, "ssh_host_key")
		out["host_key"] = key
	}
	return out
}

// machine writes a rack or a host, whose taints are a list.
func (w *writer) machine(typ *topology.BlockType, o Object, path Path) {
	rest := maps.Clone(o)
	delete(rest, "taints")
	w.body(typ, rest, path)
	taints, _ := o["taints"].([]any)
	for i, t := range taints {
		taint, _ := object(t)
		at := path.Attribute("taints").At(i)
		w.block("taint", nil, at, func() { w.body(topology.Describe("region", "site", "room", "rack", "taint"), taint, at) })
	}
}

func (w *writer) components(v any, path Path) {
	list, _ := v.([]any)
	for i, c := range list {
		o, _ := object(c)
		rest := maps.Clone(o)
		delete(rest, "name")
		name, _ := o["name"].(string)
		if HasUnknown(c) && name == "" {
			continue // nobody knows yet whose settings these are
		}
		w.block("component", &name, path.At(i), func() { w.body(topology.Describe("cluster", "component"), rest, path.At(i)) })
	}
}

// body writes arguments, and blocks as the language has them: an object for one that may stand once, a map by label for one that may stand often. What the language does not have
// is written as it is, for the check to tell.
func (w *writer) body(typ *topology.BlockType, o Object, path Path) {
	for _, name := range slices.Sorted(maps.Keys(o)) {
		v, at := o[name], path.Attribute(attributeName(name))
		if v == nil {
			continue
		}
		i := slices.IndexFunc(typ.Blocks, func(b *topology.BlockType) bool { return b.Name == name && typ.Argument(name) == nil })
		inner, isObject := v.(Object)
		_, unknown := v.(Unknown)
		switch {
		case i >= 0 && unknown: // nothing in it can be checked yet, and no block has to be there
		case i < 0 || !isObject:
			w.argumentOf(typ.Argument(name), name, v, at)
		case typ.Blocks[i].Label == "":
			w.block(name, nil, at, func() { w.body(typ.Blocks[i], inner, at) })
		default:
			for _, label := range slices.Sorted(maps.Keys(inner)) {
				one, _ := object(inner[label])
				w.block(name, &label, at.Key(label), func() { w.body(typ.Blocks[i], one, at.Key(label)) })
			}
		}
	}
}

// attributeName is what users call an argument.
func attributeName(name string) string {
	if name == "host_key" {
		return "ssh_host_key"
	}
	return name
}

func (w *writer) argumentOf(a *topology.Argument, name string, v any, at Path) {
	if s, isText := v.(string); isText && a != nil && strings.HasPrefix(a.Type, "number or ") {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			v = n
		}
	}
	w.argument(name, v, at)
}

func (w *writer) block(typ string, label *string, path Path, content func()) {
	from, line := len(w.buf), w.line
	head := typ
	if label != nil {
		head += " " + quote(*label)
	}
	w.put(head + " {\n")
	w.indent++
	content()
	w.indent--
	w.put("}\n")
	w.written = append(w.written, place{from, len(w.buf), line + 1, path})
}

// named is a block whose label is an attribute of its own.
func (w *writer) named(typ, label string, path, labelPath Path, content func()) {
	from := len(w.buf) + 2*w.indent + len(typ) + 1
	w.block(typ, &label, path, content)
	w.written = append(w.written, place{from: from, to: from + len(quote(label)), path: labelPath})
}

func (w *writer) argument(name string, v any, path Path) {
	from, line := len(w.buf), w.line
	w.put(name + " = ")
	w.value(v, path)
	w.raw("\n")
	w.written = append(w.written, place{from, len(w.buf), line + 1, path})
}

func (w *writer) value(v any, path Path) {
	switch v := v.(type) {
	case []any:
		w.raw("[\n")
		w.indent++
		for i, e := range v {
			w.element("", e, path.At(i))
		}
		w.indent--
		w.put("]")
	case Object:
		w.raw("{\n")
		w.indent++
		for _, key := range slices.Sorted(maps.Keys(v)) {
			w.element(quote(key)+" = ", v[key], path.Key(key))
		}
		w.indent--
		w.put("}")
	default:
		w.raw(literal(v))
	}
}

func (w *writer) element(head string, v any, path Path) {
	from, line := len(w.buf), w.line
	w.put(head)
	w.value(v, path)
	w.raw(",\n")
	w.written = append(w.written, place{from, len(w.buf), line + 1, path})
}

func (w *writer) put(s string) { w.raw(strings.Repeat("  ", w.indent) + s) }

func (w *writer) raw(s string) {
	w.buf = append(w.buf, s...)
	w.line += strings.Count(s, "\n")
}

func literal(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case Unknown:
		return unknownName
	case string:
		return quote(v)
	case bool:
		return tokens(cty.BoolVal(v))
	case int64:
		return tokens(cty.NumberIntVal(v))
	case float64:
		return tokens(cty.NumberFloatVal(v))
	case *big.Float:
		return tokens(cty.NumberVal(v))
	}
	panic("input: a value of a type that Object does not name")
}

func quote(s string) string { return tokens(cty.StringVal(s)) }

func tokens(v cty.Value) string {
	return string(hclwrite.TokensForValue(v).Bytes())
}
