//go:build release

package release

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCommand tries the command as it is unpacked: it says its version, and comes as far as a host by the programs that lie beside it.
func TestCommand(t *testing.T) {
	folder := t.TempDir()
	program := command.unpack(t, filepath.Join(folder, "bin"))
	run := func(code int, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Env = append(os.Environ(), "HOME="+folder, "XDG_CACHE_HOME="+folder)
		var errOut strings.Builder
		cmd.Stderr = &errOut
		out, err := cmd.Output()
		if got := cmd.ProcessState.ExitCode(); got != code {
			t.Fatalf("trivet %s: %v, want exit code %d\n%s%s", strings.Join(args, " "), err, code, out, errOut.String())
		}
		return string(out) + errOut.String()
	}
	var said struct{ Version string }
	if err := json.Unmarshal([]byte(run(0, "version", "--json")), &said); err != nil || said.Version != version(t) {
		t.Errorf("it says that it is %q, %v; want %s", said.Version, err, version(t))
	}
	topology := filepath.Join(folder, "topology")
	if err := os.Mkdir(topology, 0o755); err != nil {
		t.Fatal(err)
	}
	// The address is nobody's: what is tried is how far the command comes.
	for name, text := range map[string]string{"key": privateKey(t), "known_hosts": "# nobody is met\n", "main.hcl": `
fleet "f" {
  ssh {
    user        = "ops"
    private_key = "key"
    known_hosts = "known_hosts"
  }
}
region "r" {
  site "s1" {
    room "1" {
      rack "a" {
        cidr = "10.11.1.0/24"
        host "cp1" {
          address     = "10.11.1.11"
          ssh_address = "127.0.0.1"
          port        = 1
          roles       = ["etcd", "control-plane"]
        }
      }
    }
  }
}
cluster "main" {
  kubernetes     = "1.37.2"
  sites          = ["s1"]
  age_recipients = ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"]
}
`} {
		if err := os.WriteFile(filepath.Join(topology, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(0, "validate", "-f", topology)
	if out := run(1, "plan", "-f", topology); !strings.Contains(out, "connection refused") {
		t.Errorf("the command does not come as far as the host:\n%s", out)
	}
	for _, h := range helpers {
		if err := os.Remove(filepath.Join(filepath.Dir(program), h)); err != nil {
			t.Fatal(err)
		}
	}
	if out := run(1, "plan", "-f", topology); !strings.Contains(out, "the host helper for linux/amd64 is missing") {
		t.Errorf("without the programs for hosts the command says:\n%s", out)
	}
}
