//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// TestPulumi runs the demonstration of the example program on lab hosts, as it is run by hand: previewed, brought up, found complete, verified, mended after a change by hand, gone on with after a
// host stopped a change, and given back. It says with which engine.
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
	engine := "the stand-in of the tests takes its place"
	if _, err := exec.LookPath("pulumi"); err == nil {
		engine = `with pulumi \d`
	}
	t.Log(regexp.MustCompile(engine + ".*").FindString(string(out)))
	for _, want := range []string{
		engine, "== up, once more", "== verify", `bj1-cp1 +Ready `, `sh1-w1 +Ready `, "== drift", `drift`, "== up, to mend it", "== a change that a host stops", "host sh1-w1: .*read-only file system",
		"== what is left to do", "unfinished", "== up, the host being well again", "== destroy",
	} {
		if !regexp.MustCompile(want).Match(out) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
}
