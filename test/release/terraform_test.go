//go:build release

package release

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

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
	if unpack {
		provider.unpack(t, filepath.Join(plugins, v, here.String()))
	} else {
		for _, on := range targets {
			link(t, provider.path(t, on), filepath.Join(plugins, provider.archive(v, on)))
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
	return filepath.Join(r.folder, ".terraform/providers/registry.terraform.io/trivet-dev/trivet", version(t), here.String())
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
	for _, on := range targets {
		args = append(args, "-platform="+on.String())
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
