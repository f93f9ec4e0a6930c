package pulumi_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
)

// TestDocs compiles the programs of docs/pulumi.md, and its pieces of programs, each as if it stood in this module.
func TestDocs(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "docs", "pulumi.md"))
	if err != nil {
		t.Fatal(err)
	}
	const around = `package main

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/trivet-dev/trivet/provider/pulumi/sdk/go/trivet"
)

func main() {
	pulumi.Run(func(ctx *pulumi.Context) (err error) {
		var c *trivet.Cluster
		var machine struct{ PrivateIp pulumi.StringOutput }
		_, _ = c, machine
		{
			PIECE
		}
		return err
	})
}
`
	overlay, packages, whole := map[string]string{}, []string{}, 0
	for i, m := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		source := m[1]
		if strings.HasPrefix(source, "package ") {
			whole++
		} else {
			source = strings.Replace(around, "PIECE", source, 1)
		}
		name := filepath.Join("provider", "pulumi", "docs"+string(rune('a'+i)))
		file := filepath.Join(t.TempDir(), "main.go")
		if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay[filepath.Join(root, name, "main.go")] = file
		packages = append(packages, "./"+name)
	}
	if whole == 0 || len(packages) < 3 {
		t.Fatalf("docs/pulumi.md has %d programs among %d pieces of Go", whole, len(packages))
	}
	b, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "overlay.json")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"build", "-overlay", path}, packages...)...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestPluginProject reads what tells Pulumi how the plugin is run from source, as Pulumi does.
func TestPluginProject(t *testing.T) {
	p, err := workspace.LoadPluginProject("../../cmd/pulumi-resource-trivet/PulumiPlugin.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Validate(); err != nil || p.Runtime.Name() != "go" {
		t.Errorf("%v: %+v", err, p)
	}
}
