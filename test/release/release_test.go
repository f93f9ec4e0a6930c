//go:build release

// Package release tries what goreleaser made of the provider, as a user gets it. `make release-check` runs it.
package release

import (
	"archive/zip"
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"os/exec"
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

// targets are what the provider runs on.
var targets = []string{"linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64", "windows_amd64", "windows_arm64"}

// helpers are the programs for hosts, which every archive has.
var helpers = []string{"trivet-host-linux-amd64", "trivet-host-linux-arm64", "trivet-snapshot-linux-amd64", "trivet-snapshot-linux-arm64"}

// version is what goreleaser called the release.
func version(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dist, "metadata.json"))
	if err != nil {
		t.Fatalf("%v: make release-check makes it", err)
	}
	var m struct {
		Version string `json:"version"`
	}
	if err := json.Unmarshal(b, &m); err != nil || m.Version == "" {
		t.Fatalf("metadata.json: %v, %q", err, m.Version)
	}
	return m.Version
}

func archive(version, target string) string {
	return filepath.Join(dist, fmt.Sprintf("terraform-provider-trivet_%s_%s.zip", version, target))
}

// TestArchives holds that there is an archive for each target, with the provider and the programs for hosts side by side.
func TestArchives(t *testing.T) {
	v := version(t)
	for _, target := range targets {
		t.Run(target, func(t *testing.T) {
			z, err := zip.OpenReader(archive(v, target))
			if err != nil {
				t.Fatal(err)
			}
			defer z.Close()
			var names []string
			for _, f := range z.File {
				names = append(names, f.Name)
			}
			program := "terraform-provider-trivet_v" + v
			if strings.HasPrefix(target, "windows") {
				program += ".exe"
			}
			want := append([]string{program, "LICENSE"}, helpers...)
			slices.Sort(want)
			slices.Sort(names)
			if !slices.Equal(names, want) {
				t.Errorf("the archive has %v, want %v", names, want)
			}
		})
	}
}

// TestChecksums holds that the checksums are those of the archives and of the manifest, under the names by which the registry looks for them.
func TestChecksums(t *testing.T) {
	v := version(t)
	b, err := os.ReadFile(filepath.Join(dist, fmt.Sprintf("terraform-provider-trivet_%s_SHA256SUMS", v)))
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		sum, name, ok := strings.Cut(lines.Text(), "  ")
		if !ok {
			t.Fatalf("a line of the checksums is %q", lines.Text())
		}
		listed[name] = sum
	}
	files := map[string]string{fmt.Sprintf("terraform-provider-trivet_%s_manifest.json", v): manifest}
	for _, target := range targets {
		files[filepath.Base(archive(v, target))] = archive(v, target)
	}
	if len(listed) != len(files) {
		t.Errorf("the checksums are of %d files, want %d", len(listed), len(files))
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
	var m struct {
		Version  int
		Metadata struct {
			Protocols []string `json:"protocol_versions"`
		}
	}
	if b, err = os.ReadFile(manifest); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &m); err != nil || m.Version != 1 || !slices.Equal(m.Metadata.Protocols, []string{"6.0"}) {
		t.Errorf("the manifest says %+v, %v", m, err)
	}
}

// root is a folder with a configuration that uses the provider from a mirror of files.
type root struct{ folder, mirror string }

// newRoot makes the folder. unpack says how the mirror has the archive of this machine's target: whole, as it is released, or unpacked.
func newRoot(t *testing.T, unpack bool) *root {
	t.Helper()
	if _, err := exec.LookPath("terraform"); err != nil {
		t.Skip("terraform is not on the PATH")
	}
	v, dir := version(t), t.TempDir()
	r := &root{filepath.Join(dir, "root"), filepath.Join(dir, "mirror")}
	plugins := filepath.Join(r.mirror, "registry.terraform.io/trivet-dev/trivet")
	for _, d := range []string{r.folder, plugins} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, target := range targets {
		if !unpack {
			link(t, archive(v, target), filepath.Join(plugins, filepath.Base(archive(v, target))))
		} else if target == runtime.GOOS+"_"+runtime.GOARCH {
			extract(t, archive(v, target), filepath.Join(plugins, v, target))
		}
	}
	r.write(t, "terraform.rc", fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", r.mirror))
	r.write(t, "key", privateKey(t))
	// The address is nobody's: what is tried is how far the provider comes.
	r.write(t, "main.tf", fmt.Sprintf(`
terraform {
  required_providers {
    trivet = {
      source  = "trivet-dev/trivet"
      version = %q
    }
  }
}
provider "trivet" {
  ssh = { user = "ops", private_key = file("key"), known_hosts = "# nobody is met" }
}
resource "trivet_cluster" "main" {
  name           = "main"
  kubernetes     = "1.37.2"
  age_recipients = ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"]
  sites          = { s1 = { region = "r" } }
  hosts          = { cp1 = { address = "10.11.1.11", ssh_address = "127.0.0.1", port = 1, roles = ["etcd", "control-plane"] } }
}
`, v))
	return r
}

func (r *root) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(r.folder, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
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

func link(t *testing.T, from, to string) {
	t.Helper()
	from, err := filepath.Abs(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(from, to); err != nil {
		t.Fatal(err)
	}
}

func extract(t *testing.T, from, to string) {
	t.Helper()
	z, err := zip.OpenReader(from)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	if err := os.MkdirAll(to, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, filepath.Base(f.Name)), b, f.Mode()); err != nil {
			t.Fatal(err)
		}
	}
}

// terraform runs a subcommand that has to end with the exit code.
func (r *root) terraform(t *testing.T, code int, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "terraform", append(args, "-no-color")...)
	cmd.Dir, cmd.Env = r.folder, append(os.Environ(), "TF_CLI_CONFIG_FILE="+filepath.Join(r.folder, "terraform.rc"), "CHECKPOINT_DISABLE=1", "HOME="+r.folder)
	out, err := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("terraform %s: %v, want exit code %d\n%s", strings.Join(args, " "), err, code, out)
	}
	return strings.Join(strings.Fields(string(out)), " ")
}

// installed is where init put the provider, which may be a link.
func (r *root) installed(t *testing.T) string {
	t.Helper()
	return filepath.Join(r.folder, ".terraform/providers/registry.terraform.io/trivet-dev/trivet", version(t), runtime.GOOS+"_"+runtime.GOARCH)
}

// TestMirror installs the released archive from a mirror of files, packed and unpacked, and has the provider come as far as a host: it has found the programs for hosts beside itself.
// Without them it says so before it asks a host.
func TestMirror(t *testing.T) {
	for name, unpack := range map[string]bool{"packed": false, "unpacked": true} {
		t.Run(name, func(t *testing.T) {
			r := newRoot(t, unpack)
			r.terraform(t, 0, "init")
			r.terraform(t, 0, "validate")
			if out := r.terraform(t, 1, "apply", "-auto-approve"); !strings.Contains(out, "connection refused") {
				t.Errorf("the provider does not come as far as the host:\n%s", out)
			}
			for _, h := range helpers {
				if err := os.Remove(filepath.Join(r.installed(t), h)); err != nil {
					t.Fatal(err)
				}
			}
			if unpack { // the lock file has the digest of the whole folder
				if err := os.Remove(filepath.Join(r.folder, ".terraform.lock.hcl")); err != nil {
					t.Fatal(err)
				}
				r.terraform(t, 0, "init")
			}
			if out := r.terraform(t, 1, "apply", "-auto-approve"); unpack && !strings.Contains(out, "the host helper for linux/amd64 is missing") || !unpack && !strings.Contains(out, "does not match any of the checksums") {
				t.Errorf("without the programs for hosts the provider says:\n%s", out)
			}
		})
	}
}

// TestLocked records the digests of every target from the mirror, and installs by them.
func TestLocked(t *testing.T) {
	r := newRoot(t, false)
	args := []string{"providers", "lock", "-fs-mirror=" + r.mirror}
	for _, target := range targets {
		args = append(args, "-platform="+target)
	}
	r.terraform(t, 0, args...)
	b, err := os.ReadFile(filepath.Join(r.folder, ".terraform.lock.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(b), "h1:"); n != len(targets) {
		t.Errorf("the lock file has %d digests, want %d:\n%s", n, len(targets), b)
	}
	r.terraform(t, 0, "init", "-lockfile=readonly")
}
