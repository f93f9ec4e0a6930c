//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPulumi runs the demonstration of the example program on lab hosts, as it is run by hand: previewed, brought up, found complete, verified, and given back.
func TestPulumi(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes minutes")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(root, "examples", "demo-pulumi.sh"))
	cmd.Dir, cmd.Env = root, os.Environ()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"== up, once more", "== verify", "bj1-cp1", "Ready", "== destroy"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
}
