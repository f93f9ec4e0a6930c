// Package gobuild builds the binaries of a Kubernetes release from Go modules, with
// nothing but a Go toolchain and a module proxy.
//
// Each set of binaries has a small wrapper module (under recipes) that requires the
// released module, so that the versions of everything below it are those of the release,
// and is built by one `go build`. Builds are reproducible: the same toolchain makes the
// same bytes, whatever the folder, the user or the day.
package gobuild

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"text/template"
	"time"
)

// Build is one call of the toolchain.
type Build struct {
	Set      string   // see Sets
	Version  string   // of the released module, without v
	Arch     string   // amd64 or arm64
	Binaries []string // names within the set
	WorkDir  string   // wrapper modules, outputs and logs are made below it
	Log      func(line string)
}

var versionForm = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$`)

// Check says, without building, why the build cannot succeed here.
func (b Build) Check() error {
	r, err := find(b.Set)
	if err != nil {
		return err
	}
	for _, name := range b.Binaries {
		if r.packages[name] == "" {
			return fmt.Errorf("the recipe of %s does not build %s", b.Set, name)
		}
	}
	if !versionForm.MatchString(b.Version) {
		return fmt.Errorf("%s: %q is not a version such as 1.2.3", b.Set, b.Version)
	}
	if b.Arch != "amd64" && b.Arch != "arm64" {
		return fmt.Errorf("%s: architecture %q is not one of amd64, arm64", b.Set, b.Arch)
	}
	if _, err := exec.LookPath("go"); err != nil {
		return errors.New("no Go toolchain: install Go 1.26 or later (https://go.dev/dl) and have `go` in PATH, or fill from upstream")
	}
	if !slices.Contains(r.cgo, b.Arch) {
		return nil
	}
	if b.Arch != runtime.GOARCH || runtime.GOOS != "linux" {
		return fmt.Errorf("%s for %s has C code: build it on a linux/%s machine, or take it from upstream or from a mirror", b.Set, b.Arch, b.Arch)
	}
	if missing := requirements(r); len(missing) > 0 {
		return fmt.Errorf("%s has C code, and this machine lacks packages to build it: apt-get install %s", b.Set, strings.Join(missing, " "))
	}
	return nil
}

// Cost says how long a cold build takes on two cores.
func (b Build) Cost() string {
	r, err := find(b.Set)
	if err != nil {
		return ""
	}
	return r.cost
}

// Dir is where the build happens.
func (b Build) Dir() string {
	return filepath.Join(b.WorkDir, b.Set+"-"+b.Version+"-"+b.Arch)
}

// LogFile is where the whole log of the last run is.
func (b Build) LogFile() string { return b.Dir() + ".log" }

// Run builds and gives the path of each binary.
func (b Build) Run(ctx context.Context) (map[string]string, error) {
	if err := b.Check(); err != nil {
		return nil, err
	}
	r, err := find(b.Set)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(b.WorkDir, 0o755); err != nil {
		return nil, err
	}
	file, err := os.Create(b.LogFile())
	if err != nil {
		return nil, err
	}
	defer file.Close()
	log := &lineLog{file: file, each: b.Log}
	if err := b.writeWrapper(ctx, r, log); err != nil {
		return nil, b.failed(ctx, err, log)
	}
	// A release requires its staging modules at v0.0.0, for the replacement. Only tidying
	// looks at what those require of one another, which settles on real versions.
	if r.staging {
		if err := b.tool(ctx, r, log, log, "mod", "tidy"); err != nil {
			return nil, b.failed(ctx, err, log)
		}
	}
	outputs := map[string]string{}
	args := []string{
		"build", "-v", "-mod=mod", "-trimpath", "-buildvcs=false", "-o", "out" + string(filepath.Separator),
		"-tags", r.tags, "-ldflags", r.linker(b.Version, b.Arch),
	}
	names := slices.Clone(b.Binaries)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		args = append(args, r.packages[name])
		outputs[name] = filepath.Join(b.Dir(), "out", outputName(r.packages[name]))
	}
	if err := b.tool(ctx, r, log, log, args...); err != nil {
		return nil, b.failed(ctx, err, log)
	}
	for name, p := range outputs {
		if _, err := os.Stat(p); err != nil {
			return nil, b.failed(ctx, fmt.Errorf("the build of %s left no file: %w", name, err), log)
		}
	}
	return outputs, nil
}

// Clean removes the outputs of a build; its log stays.
func (b Build) Clean() error { return os.RemoveAll(b.Dir()) }

// outputName is the file that `go build -o dir/` makes for a main package.
func outputName(pkg string) string {
	base := path.Base(pkg)
	if regexp.MustCompile(`^v[0-9]+$`).MatchString(base) {
		base = path.Base(path.Dir(pkg))
	}
	return base
}

// writeWrapper makes the wrapper module anew: what a killed run left does not matter.
func (b Build) writeWrapper(ctx context.Context, r recipe, log *lineLog) error {
	if err := os.RemoveAll(b.Dir()); err != nil {
		return err
	}
	data := struct {
		Version, StagingVersion string
		Staging                 []string
	}{Version: b.Version}
	if err := os.MkdirAll(b.Dir(), 0o755); err != nil {
		return err
	}
	if r.staging {
		var err error
		if data.Staging, err = b.stagingModules(ctx, r, log); err != nil {
			return err
		}
		_, rest, _ := strings.Cut(b.Version, ".")
		data.StagingVersion = "0." + rest
	}
	root := path.Join("recipes", r.set)
	return fs.WalkDir(wrappers, root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		t, err := template.ParseFS(wrappers, p)
		if err != nil {
			return err
		}
		var text bytes.Buffer
		if err := t.Execute(&text, data); err != nil {
			return err
		}
		dst := filepath.Join(b.Dir(), filepath.FromSlash(strings.TrimSuffix(strings.TrimPrefix(p, root+"/"), ".tmpl")))
		if err := os.MkdirAll(filepath.Dir(dst), 0o755); err != nil {
			return err
		}
		return os.WriteFile(dst, text.Bytes(), 0o644)
	})
}

// stagingModules reads from the release's own go.mod which modules it takes from its
// staging folder: the list differs from release to release.
func (b Build) stagingModules(ctx context.Context, r recipe, log *lineLog) ([]string, error) {
	var out bytes.Buffer
	if err := b.tool(ctx, r, &out, log, "mod", "download", "-json", r.module+"@v"+b.Version); err != nil {
		return nil, err
	}
	var module struct{ GoMod string }
	if err := json.Unmarshal(out.Bytes(), &module); err != nil {
		return nil, fmt.Errorf("what `go mod download` printed: %w", err)
	}
	out.Reset()
	if err := b.tool(ctx, r, &out, log, "mod", "edit", "-json", module.GoMod); err != nil {
		return nil, err
	}
	var mod struct {
		Replace []struct{ Old, New struct{ Path string } }
	}
	if err := json.Unmarshal(out.Bytes(), &mod); err != nil {
		return nil, fmt.Errorf("what `go mod edit` printed: %w", err)
	}
	var staging []string
	for _, x := range mod.Replace {
		if strings.HasPrefix(x.New.Path, "./staging/") {
			staging = append(staging, x.Old.Path)
		}
	}
	if len(staging) == 0 {
		return nil, fmt.Errorf("%s v%s names no staging modules in its go.mod: this recipe does not know such a release", r.module, b.Version)
	}
	slices.Sort(staging)
	return staging, nil
}

// tool runs the Go toolchain in the wrapper module.
func (b Build) tool(ctx context.Context, r recipe, stdout, stderr io.Writer, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = b.Dir()
	cmd.Env = environment(os.Environ(), b.Arch, slices.Contains(r.cgo, b.Arch))
	cmd.Stdout, cmd.Stderr = stdout, stderr
	stopWithChildren(cmd)
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go %s: %w", args[0], err)
	}
	return nil
}

// environment is the user's with everything set that would change the result. Where
// modules and compiled packages come from and go to stays the user's choice.
func environment(user []string, arch string, cgo bool) []string {
	fixed := map[string]string{
		"GOOS": "linux", "GOARCH": arch, "CGO_ENABLED": "0",
		"GOFLAGS": "", "GOWORK": "off", "GO111MODULE": "on", "GOEXPERIMENT": "", "GODEBUG": "", "GOFIPS140": "off",
		"GOAMD64": "v1", "GOARM64": "v8.0",
		"CGO_CFLAGS": "-O2 -g", "CGO_CPPFLAGS": "", "CGO_CXXFLAGS": "-O2 -g", "CGO_LDFLAGS": "-O2 -g",
		"SOURCE_DATE_EPOCH": "0", "LC_ALL": "C",
	}
	if cgo {
		fixed["CGO_ENABLED"] = "1"
	}
	var env []string
	for _, kv := range user {
		name, _, _ := strings.Cut(kv, "=")
		if _, set := fixed[name]; !set && name != "PWD" {
			env = append(env, kv)
		}
	}
	for name, value := range fixed {
		env = append(env, name+"="+value)
	}
	slices.Sort(env)
	return env
}

// failed turns an error into one with the end of the log and the place of the rest.
func (b Build) failed(ctx context.Context, err error, log *lineLog) error {
	if ctx.Err() != nil {
		return fmt.Errorf("build of %s %s stopped: %w; run it again to go on from there", b.Set, b.Version, ctx.Err())
	}
	return fmt.Errorf("build of %s %s for %s: %w\n%s\nthe whole log: %s", b.Set, b.Version, b.Arch, err, log.tail(), b.LogFile())
}
