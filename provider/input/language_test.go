package input

import (
	"testing"

	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// TestHere holds that what is said otherwise than in the language is said of something that the language has.
func TestHere(t *testing.T) {
	known := map[string]bool{}
	var walk func(b *topology.BlockType)
	walk = func(b *topology.BlockType) {
		known[b.Name] = true
		for _, a := range b.Arguments {
			known[b.Name+"."+a.Name] = true
		}
		for _, inner := range b.Blocks {
			walk(inner)
		}
	}
	walk(topology.Describe("region"))
	walk(topology.Describe("cluster"))
	for name := range here {
		if !known[name] {
			t.Errorf("the language has no %s", name)
		}
	}
}
