package gobuild

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fakeGo puts a script named go in front of PATH. It sees its arguments as a toolchain does.
func fakeGo(t *testing.T, script string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the stand-in for the toolchain is a shell script")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(filepath.ListSeparator)+os.Getenv("PATH"))
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one with %q", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q lacks %q", err, p)
		}
	}
}

func TestRecipes(t *testing.T) {
	seen := map[string]string{}
	for _, r := range recipes {
		if _, err := wrappers.ReadFile("recipes/" + r.set + "/go.mod.tmpl"); err != nil {
			t.Errorf("%s has no wrapper module: %v", r.set, err)
		}
		outputs := map[string]string{}
		for binary, pkg := range r.packages {
			if other, ok := seen[binary]; ok {
				t.Errorf("%s is in %s and in %s", binary, other, r.set)
			}
			seen[binary] = r.set
			if other, ok := outputs[outputName(pkg)]; ok {
				t.Errorf("%s: %s and %s are built to the same file %s", r.set, binary, other, outputName(pkg))
			}
			outputs[outputName(pkg)] = binary
			if set, ok := SetOf(binary); !ok || set != r.set {
				t.Errorf("SetOf(%s) = %s", binary, set)
			}
		}
	}
	for pkg, want := range map[string]string{"go.etcd.io/etcd/server/v3": "server", "go.etcd.io/etcd/etcdctl/v3": "etcdctl", "k8s.io/kubernetes/cmd/kubelet": "kubelet"} {
		if got := outputName(pkg); got != want {
			t.Errorf("outputName(%s) = %s, want %s", pkg, got, want)
		}
	}
}

func TestLinkerFlags(t *testing.T) {
	tests := []struct{ set, version, arch, want string }{
		{"etcd", "3.7.3", "amd64", "-s -w -X go.etcd.io/etcd/api/v3/version.GitSHA=v3.7.3"},
		{"runc", "1.5.2", "amd64", "-s -w -extldflags -static"},
		{"flannel", "0.28.10", "amd64", "-s -w -X github.com/flannel-io/flannel/pkg/version.Version=v0.28.10 -extldflags -static"},
		{"flannel", "0.28.10", "arm64", "-s -w -X github.com/flannel-io/flannel/pkg/version.Version=v0.28.10"},
		{"kubernetes", "1.36.3", "arm64", "-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3 -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36" +
			" -X k8s.io/component-base/version.gitTreeState=clean -X k8s.io/component-base/version.gitCommit=0000000000000000000000000000000000000000 -X k8s.io/component-base/version.buildDate=2026-01-01T00:00:00Z"},
	}
	for _, test := range tests {
		r, err := find(test.set)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, r.linker(test.version, test.arch)); diff != "" {
			t.Errorf("%s for %s (-want +got):\n%s", test.set, test.arch, diff)
		}
	}
}

func TestCheck(t *testing.T) {
	fakeGo(t, "exit 0")
	foreign := "arm64"
	if runtime.GOARCH == "arm64" {
		foreign = "amd64"
	}
	tests := map[string]struct {
		build Build
		want  []string // nil: it passes
	}{
		"cross without cgo": {Build{Set: "etcd", Version: "3.6.5", Arch: foreign, Binaries: []string{"etcd"}}, nil},
		"cross with cgo":    {Build{Set: "runc", Version: "1.5.2", Arch: foreign, Binaries: []string{"runc"}}, []string{"runc for " + foreign, "C code", "upstream"}},
		"unknown set":       {Build{Set: "emacs", Version: "30.1.0", Arch: "amd64"}, []string{"emacs", "kubernetes"}},
		"unknown binary":    {Build{Set: "etcd", Version: "3.7.3", Arch: "amd64", Binaries: []string{"zetcd"}}, []string{"zetcd"}},
		"version":           {Build{Set: "etcd", Version: "v3.7.3", Arch: "amd64"}, []string{`"v3.7.3"`}},
		"version with path": {Build{Set: "etcd", Version: "3.7.3/../../x", Arch: "amd64"}, []string{"is not a version"}},
		"architecture":      {Build{Set: "etcd", Version: "3.7.3", Arch: "riscv64"}, []string{"riscv64"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := test.build.Check()
			if test.want == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantError(t, err, test.want...)
		})
	}
	t.Run("no toolchain", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		wantError(t, Build{Set: "etcd", Version: "3.7.3", Arch: "amd64"}.Check(), "no Go toolchain", "go.dev/dl")
	})
}

func TestEnvironmentIsFixed(t *testing.T) {
	got := environment([]string{"HOME=/root", "GOFLAGS=-race", "GOPROXY=https://proxy.example", "GOARCH=mips", "CGO_CFLAGS=-O0", "GOEXPERIMENT=x", "PWD=/"}, "arm64", false)
	for _, want := range []string{"HOME=/root", "GOPROXY=https://proxy.example", "GOFLAGS=", "GOARCH=arm64", "GOOS=linux", "CGO_ENABLED=0", "CGO_CFLAGS=-O2 -g", "GOEXPERIMENT="} {
		if !slices.Contains(got, want) {
			t.Errorf("lacks %s", want)
		}
	}
	for _, kv := range got {
		if name, _, _ := strings.Cut(kv, "="); name == "PWD" || strings.Contains(kv, "-race") || strings.Contains(kv, "mips") {
			t.Errorf("keeps %s", kv)
		}
	}
}

// The wrapper of a Kubernetes release follows the release's own go.mod.
func TestKubernetesWrapper(t *testing.T) {
	mod := filepath.Join(t.TempDir(), "go.mod")
	fakeGo(t, `
echo "$@" >> "$CALLS"
case "$1 $2" in
"mod download") printf '{"GoMod":"%s"}' "$MOD" ;;
"mod edit") echo '{"Replace":[{"Old":{"Path":"k8s.io/kubelet"},"New":{"Path":"./staging/src/k8s.io/kubelet"}},{"Old":{"Path":"k8s.io/api"},"New":{"Path":"./staging/src/k8s.io/api"}},{"Old":{"Path":"example.com/fork"},"New":{"Path":"example.com/other"}}]}' ;;
"build -v") mkdir -p out && echo k8s.io/api >&2 && echo kubelet > out/kubelet ;;
esac
`)
	calls := filepath.Join(t.TempDir(), "calls")
	t.Setenv("CALLS", calls)
	t.Setenv("MOD", mod)
	var lines []string
	b := Build{Set: "kubernetes", Version: "1.36.3", Arch: "arm64", Binaries: []string{"kubelet", "kubelet"}, WorkDir: filepath.Join(t.TempDir(), "w"), Log: func(l string) { lines = append(lines, l) }}
	files, err := b.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"kubelet": filepath.Join(b.Dir(), "out", "kubelet")}, files); diff != "" {
		t.Error(diff)
	}
	got, err := os.ReadFile(filepath.Join(b.Dir(), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"require k8s.io/kubernetes v1.36.3\n", "\tk8s.io/api => k8s.io/api v0.36.3\n\tk8s.io/kubelet => k8s.io/kubelet v0.36.3\n"} {
		if !strings.Contains(string(got), want) {
			t.Errorf("go.mod lacks %q:\n%s", want, got)
		}
	}
	if strings.Contains(string(got), "example.com") {
		t.Errorf("go.mod replaces what is not a staging module:\n%s", got)
	}
	log, err := os.ReadFile(calls)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(log), "\nbuild "); n != 1 {
		t.Errorf("%d builds:\n%s", n, log)
	}
	if n := strings.Count(string(log), "cmd/kubelet"); n != 1 {
		t.Errorf("a binary named twice is built %d times", n)
	}
	if diff := cmp.Diff([]string{"k8s.io/api"}, lines); diff != "" {
		t.Errorf("log lines (-want +got):\n%s", diff)
	}
	if err := b.Clean(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(b.LogFile()); err != nil {
		t.Errorf("the log went with the build: %v", err)
	}
}

func TestFailedBuildShowsItsLog(t *testing.T) {
	fakeGo(t, `i=0; while [ $i -lt 60 ]; do echo "line $i" >&2; i=$((i+1)); done; printf 'main.go:7: undefined: frobnicate' >&2; exit 1`)
	b := Build{Set: "pause", Version: "3.10.1", Arch: "amd64", Binaries: []string{"pause"}, WorkDir: t.TempDir()}
	_, err := b.Run(t.Context())
	wantError(t, err, "build of pause 3.10.1 for amd64", "line 59", "undefined: frobnicate", b.LogFile(), "exit status 1")
	if strings.Contains(err.Error(), "line 3\n") {
		t.Error("the error has the whole log instead of its end")
	}
	whole, readErr := os.ReadFile(b.LogFile())
	if readErr != nil || !strings.Contains(string(whole), "line 3\n") {
		t.Errorf("the whole log is not kept: %v", readErr)
	}
}

// A build ends at once with its context, together with the compilers it started.
func TestStoppedBuild(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pid")
	t.Setenv("PIDS", pids)
	fakeGo(t, `sleep 300 & echo $! > "$PIDS.new"; mv "$PIDS.new" "$PIDS"; wait`)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for {
			if _, err := os.Stat(pids); err == nil {
				cancel()
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	start := time.Now()
	b := Build{Set: "pause", Version: "3.10.1", Arch: "amd64", Binaries: []string{"pause"}, WorkDir: t.TempDir()}
	_, err := b.Run(ctx)
	wantError(t, err, "stopped", "run it again")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v is not a cancellation", err)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("ended after %s", d)
	}
	pid, readErr := os.ReadFile(pids)
	if readErr != nil {
		t.Fatal(readErr)
	}
	proc := filepath.Join("/proc", strings.TrimSpace(string(pid)), "stat")
	if _, err := os.Stat("/proc/self"); err != nil {
		t.Skip("no /proc to look for the child process in")
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		stat, err := os.ReadFile(proc)
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the child process lives on: %s", stat)
		}
	}
}
