package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
