package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/internal/artifact"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Trivet's own program is taken from beside the command, and asked of no source.
func TestOwnProgram(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TRIVET_HELPER_DIR", dir)
	a := &artifacts{} // without a source
	want := artifact.Want{Name: desired.SnapshotProgram, Arch: "arm64", Kind: artifact.Binary}
	if _, err := a.Resolve(t.Context(), []artifact.Want{want}); err == nil || !strings.Contains(err.Error(), "trivet-snapshot-linux-arm64 should be beside trivet") {
		t.Errorf("without the file: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "trivet-snapshot-linux-arm64"), []byte("program"), 0o755); err != nil {
		t.Fatal(err)
	}
	got, err := a.Resolve(t.Context(), []artifact.Want{want})
	if err != nil || len(got) != 1 || got[0].SHA256 != hostapi.Digest([]byte("program")) || got[0].Size != 7 || got[0].Want != want {
		t.Fatalf("%+v, %v", got, err)
	}
	r, err := a.Open(t.Context(), got[0])
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // it is only read
	if content, err := io.ReadAll(r); err != nil || string(content) != "program" {
		t.Errorf("%q, %v", content, err)
	}
}
