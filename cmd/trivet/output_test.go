package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/execute"
	"github.com/trivet-dev/trivet/bootstrap/plan"
)

func TestWriteResult(t *testing.T) {
	type part struct {
		B string `json:"b"`
	}
	for _, c := range []struct {
		name string
		v    any
		want string
	}{
		{"struct", struct {
			A int `json:"a"`
			part
		}{1, part{"<x>"}}, `{"type":"t","a":1,"b":"<x>"}` + "\n"},
		{"empty", struct{}{}, `{"type":"t"}` + "\n"},
		{"map", map[string]any{"k": []int{1}}, `{"type":"t","k":[1]}` + "\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := writeResult(&out, "t", c.v); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, out.String()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	if err := writeResult(&bytes.Buffer{}, "t", []int{1}); err == nil {
		t.Error("a list was taken for an object")
	}
}

func TestExitCode(t *testing.T) {
	stale := fmt.Errorf("p.json: %w", &bootstrap.StaleError{Changed: []string{"host w1"}})
	for _, c := range []struct {
		name        string
		err         error
		interrupted bool
		want        int
	}{
		{"failure", errors.New("x"), false, exitFailed},
		{"changes", &exitError{code: exitChanges}, false, exitChanges},
		{"stale", stale, false, exitStale},
		{"interrupted", context.Canceled, true, exitInterrupted},
		{"kubectl interrupted", &exitError{code: 128 + int(syscall.SIGINT)}, true, 130},
		{"failed verify", &exitError{code: exitVerify}, false, exitVerify},
		{"hosts skipped", &bootstrap.PartialError{Skipped: []plan.Skip{{Host: "w1"}}}, false, exitPartial},
		{"workers failed", fmt.Errorf("%w\n%v", &execute.FailedError{Most: 1}, &bootstrap.PartialError{}), false, exitFailedHosts},
	} {
		if got := exitCode(c.err, c.interrupted); got != c.want {
			t.Errorf("%s: exit code %d, want %d", c.name, got, c.want)
		}
	}
}

func TestFail(t *testing.T) {
	two := &listError{"2 hosts failed:", joined(errors.Join(errors.New("host a: x"), errors.Join(errors.New("host b: y\nand z"))))}
	for _, c := range []struct {
		name     string
		json     bool
		err      error
		out, log string
	}{
		{"text", false, errors.New("x"), "", "Error: x\n"},
		{"list", false, two, "", "Error: 2 hosts failed:\n  ✗ host a: x\n  ✗ host b: y\n    and z\n"},
		{"JSON", true, errors.New("x"), `{"type":"error","exitCode":1,"message":"x"}` + "\n", ""},
		{"said already", false, &exitError{code: exitChanges}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, log bytes.Buffer
			g := &global{json: c.json}
			g.fail(&out, &log, c.err, exitFailed)
			if diff := cmp.Diff([]string{c.out, c.log}, []string{out.String(), log.String()}); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestQuoted(t *testing.T) {
	for word, want := range map[string]string{"fleet": "fleet", "a b": "'a b'", "it's": `'it'\''s'`, "$x": "'$x'", "./t-1/main.hcl": "./t-1/main.hcl"} {
		if got := quoted(word); got != want {
			t.Errorf("quoted(%q) = %s, want %s", word, got, want)
		}
	}
}
