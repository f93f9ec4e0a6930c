package supply

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/internal/artifact"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Trivet's own program is taken from beside the command, and asked of no source.
func TestOwnProgram(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TRIVET_HELPER_DIR", dir)
	a := &Artifacts{} // without a source
	want := artifact.Want{Name: desired.SnapshotProgram, Arch: "arm64", Kind: artifact.Binary}
	if _, err := a.Resolve(t.Context(), []artifact.Want{want}); err == nil || !strings.Contains(err.Error(), "trivet-snapshot-linux-arm64 should be beside supply.test") {
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

// TestPinned: pins count that the chosen source could have given.
func TestPinned(t *testing.T) {
	lock, err := artifact.LoadLock(filepath.Join(t.TempDir(), artifact.LockName))
	if err != nil {
		t.Fatal(err)
	}
	kubelet := artifact.Want{Name: "kubelet", Version: "1.37.2", Arch: "amd64", Kind: artifact.Binary}
	haproxy := artifact.Want{Name: "haproxy", Arch: "amd64", Kind: artifact.Package}
	pin := func(e artifact.Entry, digit string) {
		e.SHA256, e.Size = strings.Repeat(digit, 64), 1
		if err := lock.Pin(e); err != nil {
			t.Fatal(err)
		}
	}
	pin(artifact.Entry{Want: kubelet, Provenance: artifact.Upstream}, "a")
	pin(artifact.Entry{Want: kubelet, Provenance: artifact.SourceBuilt}, "b")
	pin(artifact.Entry{Want: haproxy, Provenance: artifact.Distribution, Distribution: "debian-12", Reference: "haproxy=2.6"}, "c")
	for provenance, want := range map[string]string{
		"": "source b, upstream a, distribution c", artifact.Auto: "source b, upstream a, distribution c",
		artifact.Upstream: "upstream a, distribution c", artifact.SourceBuilt: "source b, distribution c",
	} {
		a := Lock(nil, provenance, lock, false)
		var got []string
		for _, w := range []artifact.Want{kubelet, haproxy} {
			for _, e := range a.Pinned(w) {
				got = append(got, e.Provenance+" "+e.SHA256[:1])
			}
		}
		if d := cmp.Diff(want, strings.Join(got, ", ")); d != "" {
			t.Errorf("from %q (-want +got):\n%s", provenance, d)
		}
	}
}
