package topology

import (
	"slices"
	"sync"
)

// BlockType describes a kind of block, for those who build a schema from the language or write topologies.
type BlockType struct {
	Name   string
	Label  string // what its label is; "" when it has none
	Repeat bool   // whether there may be several in one parent
	// Meaning is for the reader, in Markdown.
	Meaning   string
	Arguments []Argument
	Blocks    []*BlockType
}

// Argument describes one argument of a block.
type Argument struct {
	Name string
	// Type is "string", "number", "bool", "list of string", "map of string", "object", or a kind of string: "address", "range", "duration", "size", "path".
	Type string
	// Default and Meaning are for the reader, in Markdown.
	Default, Meaning string
	// Words are all that it may be, or that each of its elements may be; nil where it may be more.
	Words    []string
	Required bool
}

// language is the description, made once: whoever writes a topology asks for it at every block.
var language = sync.OnceValue(func() []*BlockType {
	described := map[*blockType]*BlockType{}
	var describe func(*blockType) *BlockType
	describe = func(t *blockType) *BlockType {
		if b := described[t]; b != nil {
			return b
		}
		b := &BlockType{Name: t.name, Label: t.label, Repeat: t.repeat, Meaning: t.meaning}
		described[t] = b
		for _, a := range t.attrs {
			b.Arguments = append(b.Arguments, Argument{a.name, a.kind, a.def, a.meaning, a.words, a.required})
		}
		for _, inner := range t.blocks {
			b.Blocks = append(b.Blocks, describe(inner))
		}
		return b
	}
	return describe(document).Blocks
})

// Describe finds the description of a block by the names of the blocks that it stands in, and its own. It is not to be changed. It is nil for one that the language does not have.
func Describe(path ...string) *BlockType {
	found := &BlockType{Blocks: language()}
	for _, name := range path {
		i := slices.IndexFunc(found.Blocks, func(b *BlockType) bool { return b.Name == name })
		if i < 0 {
			return nil
		}
		found = found.Blocks[i]
	}
	return found
}

// Argument finds an argument by its name; nil where there is none.
func (b *BlockType) Argument(name string) *Argument {
	for i := range b.Arguments {
		if b.Arguments[i].Name == name {
			return &b.Arguments[i]
		}
	}
	return nil
}
