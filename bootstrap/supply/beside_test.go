package supply

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const asksFor = "TRIVET_TEST_ASKS_FOR_HELPER"

// TestMain answers, in a copy of this program, where it finds the helper.
func TestMain(m *testing.M) {
	if arch := os.Getenv(asksFor); arch != "" {
		path, err := Helper(arch)
		fmt.Println(path, err)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// The helper is found beside the program that asks for it, also where a link leads to that one: so is a provider installed from a mirror.
func TestHelperBesideProgram(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program, helper, linked := filepath.Join(dir, "real", "terraform-provider-trivet_v1"), filepath.Join(dir, "real", "trivet-host-linux-arm64"), filepath.Join(dir, "linked")
	if err := os.Mkdir(filepath.Dir(program), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string][]byte{program: b, helper: []byte("helper")} {
		if err := os.WriteFile(path, content, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Dir(program), linked); err != nil {
		t.Fatal(err)
	}
	for arch, want := range map[string]string{"arm64": helper + " <nil>", "amd64": "trivet-host-linux-amd64 should be beside terraform-provider-trivet_v1"} {
		cmd := exec.CommandContext(t.Context(), filepath.Join(linked, filepath.Base(program)))
		cmd.Env = append(os.Environ(), asksFor+"="+arch, "TRIVET_HELPER_DIR=")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("the helper for %s: %v, %s, want %q", arch, err, out, want)
		}
	}
}
