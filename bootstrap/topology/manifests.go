package topology

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	yamlnode "go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/validation/path"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// ManifestsLabel marks, with the cluster's name, every object that comes from a manifest.
const ManifestsLabel = "trivet.dev/manifests"

// Manifest is an object of the API that the topology names.
type Manifest struct {
	APIVersion, Kind, Namespace, Name string
	JSON                              []byte    // keys sorted; of a Secret, with its values
	Range                             hcl.Range // its first line
}

// GroupKind is what a manifest is an object of, whatever the version.
func (m *Manifest) GroupKind() schema.GroupKind {
	return schema.FromAPIVersionAndKind(m.APIVersion, m.Kind).GroupKind()
}

// String names the object for messages.
func (m *Manifest) String() string {
	if m.Namespace != "" {
		return m.Kind + " " + m.Namespace + "/" + m.Name
	}
	return m.Kind + " " + m.Name
}

// ManifestError is a mistake in a manifest.
type ManifestError struct {
	Manifest int      // index in the cluster's list
	Field    []string // where the mistake is; the object when there is no such field
	Summary  string   // terse
	Detail   string   // what is wrong and what to do
}

// manifestReader reads the manifests of one cluster.
type manifestReader struct {
	d     *decoder
	at    hcl.Range // the argument's block
	read  map[string]bool
	first map[string]hcl.Range // of objects, by what they are
	out   []Manifest
	nodes []manifestNode // of out
}

// manifestNode is an object as it stands in its file.
type manifestNode struct {
	*yamlnode.Node
	file   string
	before int // lines of the file before the document
}

// decodeManifests reads the files that the globs find, each once, in order.
func (d *decoder) decodeManifests(b *block, c *Cluster) {
	globs, _ := b.texts("manifests")
	if d.opts.NoManifests {
		return
	}
	r := &manifestReader{d: d, at: b.rng, read: map[string]bool{}, first: map[string]hcl.Range{}}
	for _, g := range globs {
		for _, file := range r.glob(g) {
			if !r.read[file] {
				r.read[file] = true
				r.file(file, g)
			}
		}
	}
	c.Manifests = r.out
	if d.opts.CheckManifests == nil {
		return
	}
	for _, fault := range d.opts.CheckManifests(c) {
		rng := r.nodes[fault.Manifest].find(fault.Field)
		d.errorf(rng, rng, fault.Summary, "%s", fault.Detail)
	}
}

// glob lists the files of a pattern, sorted.
func (r *manifestReader) glob(g located[string]) []string {
	if r.d.opts.Glob == nil || r.d.opts.ReadFile == nil {
		r.d.errorf(g.rng, r.at, "Manifests cannot be read", "Files cannot be read here.")
		return nil
	}
	pattern, err := resolvePath(r.d.opts, g.v)
	if err != nil {
		r.d.errorf(g.rng, r.at, "Wrong path of manifests", "%s", sentence(capital(err.Error())))
		return nil
	}
	files, err := r.d.opts.Glob(pattern)
	switch {
	case errors.Is(err, filepath.ErrBadPattern):
		r.d.errorf(g.rng, r.at, "Wrong path of manifests", `%s is no pattern: "*" and "?" stand for any characters and any one, [a-z] for one of a range; a backslash goes before a character that means itself.`, show(g.v))
	case err != nil:
		r.d.errorf(g.rng, r.at, "Manifests cannot be read", "%s", sentence(capital(err.Error())))
	case len(files) == 0:
		r.d.errorf(g.rng, r.at, "No manifests", "%s finds no file. A path starts at the topology's folder, and \"*\" does not look into folders: write \"manifests/*.yaml\" or \"manifests/*/*.yaml\".", show(g.v))
	}
	slices.Sort(files)
	return files
}

// globFiles lists the files of a pattern: not folders, and not the hidden files of editors.
func globFiles(pattern string) ([]string, error) {
	found, err := filepath.Glob(pattern)
	return slices.DeleteFunc(found, func(name string) bool {
		if base := filepath.Base(name); strings.HasPrefix(base, ".") && base != filepath.Base(pattern) {
			return true
		}
		info, err := os.Stat(name)
		return err == nil && info.IsDir()
	}), err
}

// shown is a file's name as messages have it: like those of the topology, with the folder as it was given.
func (r *manifestReader) shown(file string, g located[string]) string {
	if rel, err := filepath.Rel(r.d.opts.Dir, file); err == nil && filepath.IsLocal(rel) {
		return filepath.Join(filepath.Dir(g.rng.Filename), rel)
	}
	return file
}

func (r *manifestReader) file(name string, g located[string]) {
	text, err := r.d.opts.ReadFile(name)
	shown := r.shown(name, g)
	switch {
	case errors.Is(err, fs.ErrPermission):
		r.d.errorf(g.rng, r.at, "Manifest cannot be read", "%s: permission denied; give your user the right to read it.", shown)
		return
	case err != nil:
		r.d.errorf(g.rng, r.at, "Manifest cannot be read", "%s", sentence(capital(err.Error())))
		return
	case len(text) > largestFile:
		r.d.errorf(g.rng, r.at, "Manifest cannot be read", "%s is larger than %d MiB, so it is hardly a manifest.", shown, largestFile>>20)
		return
	case !utf8.Valid(text):
		r.d.errorf(g.rng, r.at, "Manifest cannot be read", "%s is not UTF-8 text.", shown)
		return
	}
	objects := len(r.out) + len(r.d.diags)
	for _, doc := range documents(string(text)) {
		r.document(shown, doc)
	}
	if len(r.out)+len(r.d.diags) == objects {
		r.d.warnf(g.rng, r.at, "Manifest without objects", "%s has none. Take it out of the folder, or make the pattern pass it by.", shown)
	}
}

// yamlDocument is a part of a file of YAML.
type yamlDocument struct {
	text   string
	before int // lines before it
}

// documents splits a file at the lines that end a document, as kubectl does.
func documents(text string) []yamlDocument {
	var out []yamlDocument
	var b strings.Builder
	start, n := 0, 0
	for line := range strings.Lines(text) {
		mark := strings.TrimRight(line, " \t\r\n")
		if rest, ok := strings.CutPrefix(line, "---"); mark == "..." || ok && (strings.TrimSpace(rest) == "" || rest[0] == ' ' || rest[0] == '\t') {
			out = append(out, yamlDocument{b.String(), start})
			b.Reset()
			start = n
			line = "   " + strings.TrimPrefix(strings.TrimPrefix(line, "---"), "...")
		}
		b.WriteString(line)
		n++
	}
	return append(out, yamlDocument{b.String(), start})
}

// yamlLine matches what the YAML libraries say of a mistake: they count lines of the text that they were given.
var yamlLine = regexp.MustCompile(`(?s)line (\d+): (.*)`)

func (r *manifestReader) document(file string, doc yamlDocument) {
	var root yamlnode.Node
	err := yamlnode.Unmarshal([]byte(doc.text), &root)
	var object any
	if err == nil {
		var raw []byte
		if raw, err = yaml.YAMLToJSONStrict([]byte(doc.text)); err == nil {
			object, err = decodeJSON(raw)
		}
	}
	at := manifestNode{file: file, before: doc.before}
	if err != nil {
		// No more of the message than what follows the line: it may hold values, which may be a Secret's.
		line, what := 1, "It cannot be written as JSON: are all names of fields text?"
		if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
			n, _ := strconv.Atoi(m[1])
			line, what = n, sentence(capital(m[2]))
		}
		r.d.errorf(at.line(line), r.at, "Wrong YAML", "%s", what)
		return
	}
	if object == nil {
		return // comments alone
	}
	at.Node = root.Content[0]
	r.object(object, at)
}

func decodeJSON(raw []byte) (any, error) {
	var v any
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.UseNumber() // as they stand there
	return v, dec.Decode(&v)
}

// object takes up an object, or those of a list.
func (r *manifestReader) object(v any, at manifestNode) {
	body, ok := v.(map[string]any)
	if !ok {
		r.d.errorf(at.find(nil), r.at, "Wrong manifest", "An object is a map with apiVersion, kind and metadata.")
		return
	}
	items, isList := body["items"].([]any)
	if kind, _ := body["kind"].(string); isList && strings.HasSuffix(kind, "List") {
		nodes := at.child("items")
		for i, item := range items {
			if o, isMap := item.(map[string]any); isMap && kind != "List" { // the items of a typed list do without
				o["kind"], o["apiVersion"] = cmp.Or(o["kind"], any(strings.TrimSuffix(kind, "List"))), cmp.Or(o["apiVersion"], body["apiVersion"])
			}
			part := at
			if nodes != nil && i < len(nodes.Content) {
				part.Node = nodes.Content[i]
			}
			r.object(item, part)
		}
		return
	}
	m, ok := r.head(body, at)
	if !ok {
		return
	}
	id := m.GroupKind().String() + "\x00" + m.Namespace + "\x00" + m.Name
	if first, taken := r.first[id]; taken {
		r.d.errorf(at.find([]string{"metadata", "name"}), r.at, "Duplicate manifest", "%s is already at %s. Keep one of the two.", m, Place(first))
		return
	}
	var err error
	if m.JSON, err = json.Marshal(body); err != nil {
		r.d.errorf(at.find(nil), r.at, "Wrong manifest", "%s cannot be written as JSON.", m)
		return
	}
	r.first[id] = m.Range
	r.out, r.nodes = append(r.out, *m), append(r.nodes, at)
}

// serverOwned are fields that the server sets, with what it makes of one in an apply.
var serverOwned = []string{"managedFields", "resourceVersion", "uid"}

// head reads what an object is, and checks what can be said of an object of any kind.
func (r *manifestReader) head(body map[string]any, at manifestNode) (*Manifest, bool) {
	ok := true
	wrong := func(field []string, format string, args ...any) {
		r.d.errorf(at.find(field), r.at, "Wrong manifest", format, args...)
		ok = false
	}
	text := func(in map[string]any, name string, field ...string) string {
		switch v := in[name].(type) {
		case nil:
		case string:
			return v
		default:
			wrong(field, "%s must be text: put it in quotes.", strings.Join(field, "."))
		}
		return ""
	}
	m := &Manifest{APIVersion: text(body, "apiVersion", "apiVersion"), Kind: text(body, "kind", "kind"), Range: at.find(nil)}
	metadata, isMap := body["metadata"].(map[string]any)
	if !isMap && body["metadata"] != nil {
		wrong([]string{"metadata"}, "metadata must be a map.")
	}
	m.Name, m.Namespace = text(metadata, "name", "metadata", "name"), text(metadata, "namespace", "metadata", "namespace")
	if !ok {
		return nil, false
	}
	if _, err := schema.ParseGroupVersion(m.APIVersion); m.APIVersion == "" || err != nil {
		wrong([]string{"apiVersion"}, "The object has no apiVersion of the form group/version, such as apps/v1.")
	}
	if m.Kind == "" {
		wrong(nil, "The object has no kind.")
	}
	switch {
	case m.Name == "" && metadata["generateName"] != nil:
		wrong([]string{"metadata", "generateName"}, "The object would have another name each time that it is applied. Give it a metadata.name.")
	case m.Name == "":
		wrong([]string{"metadata"}, "The object has no metadata.name.")
	case len(path.IsValidPathSegmentName(m.Name)) > 0:
		wrong([]string{"metadata", "name"}, "%s cannot be the name of an object.", show(m.Name))
	}
	for _, name := range serverOwned {
		if metadata[name] != nil {
			wrong([]string{"metadata", name}, "metadata.%s is set by the API server. Leave it out.", name)
		}
	}
	for _, name := range slices.Concat(serverOwned, []string{"creationTimestamp", "generation", "selfLink"}) {
		delete(metadata, name)
	}
	delete(body, "status")
	r.labels(metadata, wrong)
	if m.Kind == "Secret" && m.APIVersion == "v1" {
		secretValues(body, wrong)
	}
	return m, ok
}

func (r *manifestReader) labels(metadata map[string]any, wrong func([]string, string, ...any)) {
	for _, name := range []string{"labels", "annotations"} {
		values, isMap := metadata[name].(map[string]any)
		if !isMap && metadata[name] != nil {
			wrong([]string{"metadata", name}, "metadata.%s must be a map of texts.", name)
		}
		for key, v := range values {
			if _, isText := v.(string); !isText {
				wrong([]string{"metadata", name, key}, "The value of %s must be text: put it in quotes.", show(key))
			}
		}
		if values[ManifestsLabel] != nil {
			wrong([]string{"metadata", name, ManifestsLabel}, "%s is set by Trivet. Leave it out.", ManifestsLabel)
		}
	}
}

// secretValues checks those of a Secret, since what the API server says of a wrong one shows it.
func secretValues(body map[string]any, wrong func([]string, string, ...any)) {
	for _, name := range []string{"data", "stringData"} {
		values, isMap := body[name].(map[string]any)
		if !isMap && body[name] != nil {
			wrong([]string{name}, "%s of a Secret must be a map of texts.", name)
		}
		for key, v := range values {
			text, isText := v.(string)
			if !isText && v != nil {
				wrong([]string{name, key}, "The value of %s must be text: put it in quotes.", show(key))
			} else if _, err := base64.StdEncoding.DecodeString(text); name == "data" && err != nil {
				wrong([]string{name, key}, "The value of %s is not in base64. Values as they are go into stringData.", show(key))
			}
		}
	}
}

// line is the range of a line of the document.
func (n manifestNode) line(line int) hcl.Range {
	// The byte puts ranges in order; nothing else is done with it, since the text of a manifest is not shown.
	pos := hcl.Pos{Line: n.before + max(line, 1), Column: 1, Byte: n.before + max(line, 1)}
	return hcl.Range{Filename: n.file, Start: pos, End: pos}
}

// find is the place of a field, or of the object that should have it.
func (n manifestNode) find(field []string) hcl.Range {
	at := n
	for _, name := range field {
		node := at.child(name)
		if node == nil {
			break
		}
		at.Node = node
	}
	rng := n.line(at.Line)
	rng.Start.Column = max(at.Column, 1)
	rng.End.Column = rng.Start.Column
	return rng
}

// child is the value of a field, nil when there is none.
func (n manifestNode) child(name string) *yamlnode.Node {
	node := n.Node
	if node != nil && node.Kind == yamlnode.AliasNode {
		node = node.Alias
	}
	if node == nil || node.Kind != yamlnode.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == name {
			return node.Content[i+1]
		}
	}
	return nil
}
