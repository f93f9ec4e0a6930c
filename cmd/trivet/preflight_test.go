package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/preflight"
)

func TestPreflight(t *testing.T) {
	m := newMemoryFleet(t, threeSites)
	out, _ := m.trivet(exitOK, "preflight", "-f", m.dir)
	if !strings.Contains(out, "nothing in the way") || !strings.Contains(out, "etcd: round trips take up to 1ms") {
		t.Errorf("printed:\n%s", out)
	}

	m.Machines["cp2"].Clock = func() time.Time { return fleettest.Now.Add(-time.Minute) }
	m.Unreachable["w2"] = true
	out, errOut := m.trivet(exitVerify, "preflight", "-f", m.dir)
	for _, want := range []string{"host cp2\n", "its clock is 1m0s behind this machine's", "→ set the clock", "host w2\n", "no route to host", "main: 2 errors, 0 warnings"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in:\n%s%s", want, out, errOut)
		}
	}

	out, _ = m.trivet(exitVerify, "preflight", "-f", m.dir, "--json")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var result struct {
		Type string
		OK   bool
		preflight.Report
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &result); err != nil {
		t.Fatal(err)
	}
	if result.Type != "preflight" || result.OK || len(result.Findings) != 2 || result.Etcd == nil || result.Findings[0].Remedy == "" {
		t.Errorf("%+v", result)
	}
}

// TestPlanAndApplyStopAtPreflight ends with a code of its own, and goes on where the user says so.
func TestPlanAndApplyStopAtPreflight(t *testing.T) {
	m := newMemoryFleet(t, threeSites)
	m.Machines["cp2"].Clock = func() time.Time { return fleettest.Now.Add(-time.Minute) }
	for _, args := range [][]string{{"plan", "-f", m.dir}, {"apply", "--yes", "-f", m.dir}} {
		_, errOut := m.trivet(exitVerify, args...)
		for _, want := range []string{"preflight found 1 thing in the way, nothing was changed", "cp2: its clock is 1m0s behind", "set the clock", "--skip-preflight=clock"} {
			if !strings.Contains(errOut, want) {
				t.Errorf("%v: %q is missing in:\n%s", args, want, errOut)
			}
		}
	}
	if _, errOut := m.trivet(exitFailed, "plan", "-f", m.dir, "--skip-preflight", "clocks"); !strings.Contains(errOut, `--skip-preflight: there is no preflight check "clocks": they are connect, clock,`) {
		t.Errorf("a check that does not exist: %s", errOut)
	}
	out, _ := m.trivet(exitChanges, "plan", "-f", m.dir, "--skip-preflight", "clock")
	for _, want := range []string{"\nPreflight\n", "! warning  clock", "nothing in the way, 1 warning; "} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in:\n%s", want, out)
		}
	}
	m.trivet(exitOK, "apply", "--yes", "-f", m.dir, "--skip-preflight", "all")
}
