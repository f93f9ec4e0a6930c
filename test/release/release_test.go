//go:build release

// Package release tries what goreleaser made of the providers and of the command, as a user gets it. `make release-check` runs it.
package release

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

const (
	dist     = "../../bin/release"
	manifest = "../../terraform-registry-manifest.json"
)

// target is what a product runs on.
type target struct{ os, arch string }

var targets = []target{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"}, {"windows", "arm64"}}

// here is this machine's.
var here = target{runtime.GOOS, runtime.GOARCH}

func (t target) String() string { return t.os + "_" + t.arch }

// helpers are the programs for hosts, which every archive has.
var helpers = []string{"trivet-host-linux-amd64", "trivet-host-linux-arm64", "trivet-snapshot-linux-amd64", "trivet-snapshot-linux-arm64"}

// product is something that is released.
type product struct {
	folder, main string
	archive      func(version string, t target) string
	program      func(version string) string // without what Windows adds
}

var (
	provider = product{"terraform", "terraform-provider-trivet",
		func(v string, t target) string {
			return fmt.Sprintf("terraform-provider-trivet_%s_%s_%s.zip", v, t.os, t.arch)
		},
		func(v string) string { return "terraform-provider-trivet_v" + v }}
	plugin = product{"tools", "pulumi-resource-trivet",
		func(v string, t target) string {
			return fmt.Sprintf("pulumi-resource-trivet-v%s-%s-%s.tar.gz", v, t.os, t.arch)
		},
		func(string) string { return "pulumi-resource-trivet" }}
	command = product{"tools", "trivet", func(v string, t target) string {
		if t.os == "windows" {
			return fmt.Sprintf("trivet_%s_%s_%s.zip", v, t.os, t.arch)
		}
		return fmt.Sprintf("trivet_%s_%s_%s.tar.gz", v, t.os, t.arch)
	}, func(string) string { return "trivet" }}

	products = []product{provider, plugin, command}
)

// version is what goreleaser called the release, which has two halves.
func version(t *testing.T) string {
	t.Helper()
	var versions []string
	for _, folder := range []string{provider.folder, plugin.folder} {
		b, err := os.ReadFile(filepath.Join(dist, folder, "metadata.json"))
		if err != nil {
			t.Fatalf("%v: make release-check makes it", err)
		}
		var m struct {
			Version string `json:"version"`
		}
		if err := json.Unmarshal(b, &m); err != nil || m.Version == "" {
			t.Fatalf("metadata.json: %v, %q", err, m.Version)
		}
		versions = append(versions, m.Version)
	}
	if versions[0] != versions[1] {
		t.Fatalf("the halves of the release have the versions %v", versions)
	}
	return versions[0]
}

// path is where the archive for a target is.
func (p product) path(t *testing.T, on target) string {
	t.Helper()
	return filepath.Join(dist, p.folder, p.archive(version(t), on))
}

// contents are the files of the archive for a target, by their names in it.
func (p product) contents(t *testing.T, on target) map[string]file {
	t.Helper()
	b, err := os.ReadFile(p.path(t, on))
	if err != nil {
		t.Fatal(err)
	}
	read := tarred
	if strings.HasSuffix(p.path(t, on), ".zip") {
		read = zipped
	}
	files, err := read(b)
	if err != nil {
		t.Fatalf("%s: %v", p.path(t, on), err)
	}
	return files
}

// file is a file of an archive.
type file struct {
	mode os.FileMode
	data []byte
}

func zipped(b []byte) (map[string]file, error) {
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	out := map[string]file{}
	for _, f := range z.File {
		in, err := f.Open()
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(in)
		if err != nil {
			return nil, err
		}
		out[f.Name] = file{f.Mode(), data}
	}
	return out, nil
}

func tarred(b []byte) (map[string]file, error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	out := map[string]file{}
	for in := tar.NewReader(z); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(in)
		if err != nil {
			return nil, err
		}
		out[h.Name] = file{h.FileInfo().Mode(), data}
	}
}

// unpack writes the files of the archive for this machine into a folder, and gives the path of the program.
func (p product) unpack(t *testing.T, folder string) string {
	t.Helper()
	write(t, folder, p.contents(t, here))
	return filepath.Join(folder, p.program(version(t)))
}

// write writes the files of an archive into a folder.
func write(t *testing.T, folder string, files map[string]file) {
	t.Helper()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, f := range files {
		if err := os.WriteFile(filepath.Join(folder, name), f.data, f.mode); err != nil {
			t.Fatal(err)
		}
	}
}

// TestArchives holds that there is an archive for each product and target, with the program and those for hosts side by side, and nothing else: a PulumiPlugin.yaml, for one, would
// have Pulumi build the plugin. The program is for the target, without cgo, and has the release's version in it.
func TestArchives(t *testing.T) {
	v := version(t)
	for _, p := range products {
		for _, on := range targets {
			t.Run(p.main+"/"+on.String(), func(t *testing.T) {
				program := p.program(v)
				if on.os == "windows" {
					program += ".exe"
				}
				files := p.contents(t, on)
				want := append([]string{program, "LICENSE"}, helpers...)
				slices.Sort(want)
				if names := slices.Sorted(maps.Keys(files)); !slices.Equal(names, want) {
					t.Fatalf("the archive has %v, want %v", names, want)
				}
				for _, name := range append([]string{program}, helpers...) {
					if files[name].mode.Perm()&0o111 == 0 {
						t.Errorf("%s is not executable: %s", name, files[name].mode)
					}
				}
				built(t, files[program].data, on, "cmd/"+p.main)
				if !bytes.Contains(files[program].data, []byte(v)) {
					t.Errorf("the version %s is not in %s", v, program)
				}
				for _, name := range helpers {
					kind, arch, _ := strings.Cut(strings.TrimPrefix(name, "trivet-"), "-linux-")
					built(t, files[name].data, target{"linux", arch}, "cmd/trivet-"+kind)
				}
			})
		}
	}
}

// built holds that a program is of a package, and for a target.
func built(t *testing.T, program []byte, on target, pkg string) {
	t.Helper()
	info, err := buildinfo.Read(bytes.NewReader(program))
	if err != nil {
		t.Fatalf("%s: %v", pkg, err)
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if settings["GOOS"] != on.os || settings["GOARCH"] != on.arch || settings["CGO_ENABLED"] != "0" || !strings.HasSuffix(info.Path, "/"+pkg) {
		t.Errorf("it is %s for %s/%s with CGO_ENABLED=%s, want %s for %s", info.Path, settings["GOOS"], settings["GOARCH"], settings["CGO_ENABLED"], pkg, on)
	}
}

// TestChecksums holds that the checksums of the provider are those of its archives and of the manifest, and nothing else, under the names by which the registry looks for them: it takes
// no release whose checksums are of other files, too. Those of the plugin and of the command are in a file of their own.
func TestChecksums(t *testing.T) {
	v := version(t)
	registry := map[string]string{fmt.Sprintf("terraform-provider-trivet_%s_manifest.json", v): manifest}
	tools := map[string]string{}
	for _, on := range targets {
		registry[provider.archive(v, on)] = provider.path(t, on)
		tools[plugin.archive(v, on)], tools[command.archive(v, on)] = plugin.path(t, on), command.path(t, on)
	}
	checksums(t, filepath.Join(dist, provider.folder, fmt.Sprintf("terraform-provider-trivet_%s_SHA256SUMS", v)), registry)
	checksums(t, filepath.Join(dist, plugin.folder, fmt.Sprintf("trivet_%s_checksums.txt", v)), tools)

	var m struct {
		Version  int
		Metadata struct {
			Protocols []string `json:"protocol_versions"`
		}
	}
	b, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &m); err != nil || m.Version != 1 || !slices.Equal(m.Metadata.Protocols, []string{"6.0"}) {
		t.Errorf("the manifest says %+v, %v", m, err)
	}
}

// checksums holds that a file has the checksums of these files, by their names in it, and of no others.
func checksums(t *testing.T, file string, files map[string]string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		sum, name, ok := strings.Cut(lines.Text(), "  ")
		if !ok {
			t.Fatalf("a line of %s is %q", file, lines.Text())
		}
		listed[name] = sum
	}
	if have, want := slices.Sorted(maps.Keys(listed)), slices.Sorted(maps.Keys(files)); !slices.Equal(have, want) {
		t.Errorf("%s is of %v, want %v", file, have, want)
	}
	for name, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(b); listed[name] != hex.EncodeToString(sum[:]) {
			t.Errorf("the checksum of %s is %q, want %x", name, listed[name], sum)
		}
	}
}

// privateKey makes an SSH key that no host lets in.
func privateKey(t *testing.T) string {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block))
}
