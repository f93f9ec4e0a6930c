//go:build e2e

// Package e2e uses the product from outside, as an operator at a terminal: the built command against real hosts of a lab.
package e2e

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// operator runs the command on a topology, in a lab of its own.
type operator struct {
	t     *testing.T
	fleet string
	dir   string // of the topology
	bin   string
	said  *transcript

	outside []string // a prefix for the command, where it does not run with --lab
}

// transcript is all that the command has written, to search it for what it must not say.
type transcript struct {
	mu   sync.Mutex
	text []string
}

func (t *transcript) add(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, text)
}

type result struct {
	code   int
	stdout string
	stderr string
}

// inFull leaves a test to make e2e-full.
func inFull(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skipf("%s is run by make e2e-full only, for the time that it takes", t.Name())
	}
}

// example is the text of an example topology.
func example(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../examples/topologies", name, "main.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// newOperator brings up the lab of a topology, under a fleet name of its own.
func newOperator(t *testing.T, fleet, topology string) *operator {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: the lab makes namespaces and starts systemd in them")
	}
	bin, err := filepath.Abs(cmp.Or(os.Getenv("TRIVET_E2E_BIN"), "../../bin"))
	if err != nil {
		t.Fatal(err)
	}
	// In a fixed place, so that a lab that was kept, or left by a killed run, can be looked at and taken down.
	o := &operator{t: t, fleet: fleet, dir: filepath.Join(os.TempDir(), "trivet-"+fleet), bin: filepath.Join(bin, "trivet"), said: &transcript{}}
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	o.write(topology)
	o.must("lab", "down")
	t.Cleanup(func() {
		if t.Failed() && os.Getenv("TRIVET_E2E_KEEP") != "" {
			t.Logf("the lab is kept: %s lab status -f %s", o.bin, o.dir)
			return
		}
		o.must("lab", "down")
	})
	o.must("lab", "up")
	return o
}

var fleetBlock = regexp.MustCompile(`(?m)^fleet "[^"]*"`)

// write makes a text the operator's topology, with the operator's fleet name.
func (o *operator) write(topology string) {
	o.t.Helper()
	if !fleetBlock.MatchString(topology) {
		o.t.Fatal("the topology has no fleet block")
	}
	topology = fleetBlock.ReplaceAllLiteralString(topology, `fleet "`+o.fleet+`"`)
	if err := os.WriteFile(filepath.Join(o.dir, "main.hcl"), []byte(topology), 0o644); err != nil {
		o.t.Fatal(err)
	}
}

// command is how the command is run: on a lab, or from outside of it as on a fleet of one's own.
func (o *operator) command(ctx context.Context, args ...string) *exec.Cmd {
	argv := append([]string{o.bin, "-f", o.dir, "--lab"}, args...)
	if o.outside != nil && !slices.Contains(args, "lab") {
		argv = slices.Concat(o.outside, []string{o.bin, "-f", o.dir}, args)
	}
	return exec.CommandContext(ctx, argv[0], argv[1:]...)
}

// run runs a subcommand and returns whatever comes of it.
func (o *operator) run(args ...string) result {
	o.t.Helper()
	cmd := o.command(context.Background(), args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		o.t.Fatal(err)
	}
	r := result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	o.said.add(r.stdout + r.stderr)
	o.t.Logf("trivet %.100q: exit %d in %.1f s", strings.Join(args, " "), r.code, time.Since(start).Seconds())
	return r
}

// must runs a subcommand that has to succeed.
func (o *operator) must(args ...string) result {
	o.t.Helper()
	return o.exits(0, args...)
}

// exits runs a subcommand that has to end with the exit code.
func (o *operator) exits(code int, args ...string) result {
	o.t.Helper()
	r := o.run(args...)
	if r.code != code {
		o.t.Fatalf("trivet %s: exit code %d, want %d\n%s\n%s", strings.Join(args, " "), r.code, code, r.stdout, r.stderr)
	}
	return r
}

// on runs a command on a host as root, without SSH.
func (o *operator) on(host string, argv ...string) string {
	o.t.Helper()
	return o.must(append([]string{"lab", "exec", host, "--"}, argv...)...).stdout
}

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("not the JSON expected: %v\n%s", err, text)
	}
	return v
}

// sh runs a script on this machine.
func (o *operator) sh(script string, args ...string) {
	o.t.Helper()
	if out, err := exec.Command("sh", append([]string{"-ec", script, "sh"}, args...)...).CombinedOutput(); err != nil {
		o.t.Fatalf("%s: %v\n%s", script, err, out)
	}
}
