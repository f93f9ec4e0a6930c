package pulumi

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the schema and the Go SDK anew")

// TestSchema holds the embedded schema against the descriptions that it is made from.
func TestSchema(t *testing.T) {
	made, err := makeSchema()
	if err != nil {
		t.Fatal(err)
	}
	same(t, "schema.json", made)
}

// TestSDK holds the Go SDK against the same descriptions.
func TestSDK(t *testing.T) {
	made, err := makeSDK()
	if err != nil {
		t.Fatalf("%v\n%s", err, made)
	}
	same(t, filepath.Join("sdk", "go", "trivet", "types.go"), made)
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
		t.Errorf("%s is not what the descriptions say: run go test ./provider/pulumi -run 'TestSchema|TestSDK' -update", file)
	}
}
