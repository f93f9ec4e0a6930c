// Package lattice holds the policy of imports between this repository's packages, and the test that keeps it.
package lattice

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/trivet-dev/trivet/"

// layers lists the packages from the lowest to the highest, each with the folders below it. A package may import packages of lower layers only; packages of one layer do
// not import each other, unless they lie in the same entry's folder.
var layers = [][]string{
	{"internal/hostapi", "internal/shell", "internal/pki", "internal/artifact", "internal/lab", "internal/snapshot", "templates", "bootstrap/topology", "bootstrap/event"},
	{"internal/hostapi/wire"},
	{"internal/remote", "internal/hostd"},
	{"internal/remote/sshhost"},
	{"internal/remote/remotetest"},
	{"bootstrap/release"},
	{"bootstrap/certs", "bootstrap/inventory"},
	{"bootstrap/identity"},
	{"bootstrap/desired"},
	{"bootstrap/kube", "bootstrap/etcd"},
	{"bootstrap/etcd/etcdtest"},
	{"bootstrap/kube/kubetest"},
	{"bootstrap/observe", "bootstrap/preflight", "bootstrap/adopt"},
	{"bootstrap/plan"},
	{"bootstrap/execute"},
	{"bootstrap/verify"},
	{"bootstrap"},
	{"bootstrap/supply", "provider/input"},
	{"provider/door"},
	{"provider/terraform", "provider/pulumi"},
	{"cmd"},
	{"examples"},
	{"test"},
}

func TestImportsPointOneWay(t *testing.T) {
	for _, p := range listPackages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		from, ok := layerOf(name)
		if !ok {
			t.Errorf("%s is in no layer: add it to the list, with what it is for in its package comment", name)
			continue
		}
		for _, imp := range p.Imports {
			to := strings.TrimPrefix(imp, module)
			if to == imp || entryOf(to) == entryOf(name) {
				continue
			}
			if at, ok := layerOf(to); ok && at >= from {
				t.Errorf("%s (layer %d) imports %s (layer %d): imports point down only", name, from, to, at)
			}
			if strings.HasPrefix(name, "internal/") && strings.HasPrefix(to, "bootstrap") {
				t.Errorf("%s imports %s: internal packages know nothing of Kubernetes", name, to)
			}
		}
	}
}

// TestHelperStaysSmall keeps the programs that run as root on hosts free of what only the operator's side needs.
func TestHelperStaysSmall(t *testing.T) {
	for _, program := range []string{"cmd/trivet-host", "cmd/trivet-snapshot"} {
		out, err := exec.Command("go", "list", "-deps", module+program).Output()
		if err != nil {
			t.Fatal(explain(err))
		}
		for dep := range strings.Lines(string(out)) {
			for _, unwanted := range []string{"k8s.io/", "go.etcd.io/", "google.golang.org/grpc", "github.com/hashicorp/hcl", module + "bootstrap"} {
				if strings.HasPrefix(dep, unwanted) {
					t.Errorf("%s depends on %s", program, strings.TrimSpace(dep))
				}
			}
		}
	}
}

// entryOf finds the entry of a package: the longest one that is its folder or above it.
func entryOf(name string) string {
	best := ""
	for _, l := range layers {
		for _, p := range l {
			if (name == p || strings.HasPrefix(name, p+"/")) && len(p) > len(best) {
				best = p
			}
		}
	}
	return best
}

func layerOf(name string) (int, bool) {
	entry := entryOf(name)
	at := slices.IndexFunc(layers, func(l []string) bool { return slices.Contains(l, entry) })
	return at, at >= 0
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...").Output()
	if err != nil {
		t.Fatal(explain(err))
	}
	var all []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(p.ImportPath, "internal/lattice") {
			all = append(all, p)
		}
	}
	if !slices.ContainsFunc(all, func(p goPackage) bool { return p.ImportPath == module+"bootstrap/topology" }) {
		t.Fatal("go list found no packages of this module")
	}
	return all
}

func explain(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(exit.Stderr)
	}
	return err.Error()
}
