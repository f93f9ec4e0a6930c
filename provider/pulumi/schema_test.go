package pulumi

import (
	"bytes"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the schema and the Go SDK anew")

// sdkDir is where the SDK is.
var sdkDir = filepath.Join("sdk", "go", "trivet")

// TestSchema holds the embedded schema against the descriptions that it is made from.
func TestSchema(t *testing.T) {
	made, err := makeSchema()
	if err != nil {
		t.Fatal(err)
	}
	same(t, "schema.json", made)
}

// TestSDK holds the Go SDK against the same descriptions, file by file. What is not made of them is in one file.
func TestSDK(t *testing.T) {
	made, err := makeSDK()
	if err != nil {
		t.Fatal(err)
	}
	for name, source := range made {
		same(t, filepath.Join(sdkDir, name), source)
	}
	files, err := filepath.Glob(filepath.Join(sdkDir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	own := slices.Sorted(maps.Keys(made))
	for _, file := range files {
		if name := filepath.Base(file); name != "trivet.go" && !strings.HasSuffix(name, "_test.go") && !slices.Contains(own, name) {
			t.Errorf("%s is not made any more", file)
		}
	}
}

func same(t *testing.T, file string, made []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, made, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, made) {
		t.Errorf("%s is not what the descriptions say: run `make sdk`", file)
	}
}
