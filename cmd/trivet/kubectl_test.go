package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/artifact"
)

func TestSplitKubectl(t *testing.T) {
	for _, c := range []struct{ args, ours, theirs string }{
		{"get nodes -o wide", "", "get nodes -o wide"},
		{"-f fleet --lab get nodes -o wide", "-f fleet --lab", "get nodes -o wide"},
		{"-n kube-system get pods", "", "-n kube-system get pods"},
		{"--lab -n kube-system get pods", "--lab", "-n kube-system get pods"},
		{"-f fleet -- apply -f web.yaml", "-f fleet", "apply -f web.yaml"},
		{"-f fleet apply -f web.yaml", "-f fleet", "apply -f web.yaml"},
		{"-ffleet get", "-ffleet", "get"},
		{"--file=fleet --var a=b get", "--file=fleet --var a=b", "get"},
		{"--lab exec pod -- ls -f", "--lab", "exec pod -- ls -f"},
		{"-- exec pod -- ls", "", "exec pod -- ls"},
		{"--help", "", "--help"},
		{"get --help", "", "get --help"},
		{"apply -f -", "", "apply -f -"},
		{"--lab", "--lab", ""},
		{"--file", "--file", ""},
		{"", "", ""},
	} {
		t.Run(c.args, func(t *testing.T) {
			root, _ := newRoot()
			ours, theirs := splitKubectl(root.PersistentFlags(), strings.Fields(c.args))
			if diff := cmp.Diff([]string{c.ours, c.theirs}, []string{strings.Join(ours, " "), strings.Join(theirs, " ")}); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestFindKubectl: that of the cluster's release, where the artifacts have it, can be run; else that of the PATH.
func TestFindKubectl(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	s := &session{cluster: &topology.Cluster{Kubernetes: "1.37.2"}}
	if _, err := findKubectl(t.Context(), s); err == nil || !strings.Contains(err.Error(), "trivet mirror --with kubectl") {
		t.Errorf("with none: %v", err)
	}
	script := func(version string) []byte { return []byte("#!/bin/sh\necho " + version + "\n") }
	if err := os.WriteFile(filepath.Join(bin, "kubectl"), script("1.30.0"), 0o755); err != nil {
		t.Fatal(err)
	}
	says := func(want string) {
		t.Helper()
		path, err := findKubectl(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), path).CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%s says %q, %v; want %q", path, out, err, want)
		}
	}
	says("1.30.0")
	folder, err := userArtifacts()
	if err != nil {
		t.Fatal(err)
	}
	e := artifact.Entry{Want: artifact.Want{Name: "kubectl", Version: "1.37.2", Arch: runtime.GOARCH, Kind: artifact.Binary}, Provenance: artifact.SourceBuilt}
	if _, err := folder.Add(t.Context(), e, bytes.NewReader(script("1.37.2"))); err != nil {
		t.Fatal(err)
	}
	says("1.37.2")
	says("1.37.2") // from the copy
}
