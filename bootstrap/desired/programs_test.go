package desired_test

import (
	crand "crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/trivet-dev/trivet/internal/pki"
)

// TestProgramsAcceptTheirFiles gives files to the programs that read them, where this machine has those.
func TestProgramsAcceptTheirFiles(t *testing.T) {
	t.Run("haproxy", func(t *testing.T) {
		haproxy := program(t, "haproxy")
		ca := filepath.Join(t.TempDir(), "ca.crt")
		if err := os.WriteFile(ca, []byte(selfSigned(t)), 0o600); err != nil {
			t.Fatal(err)
		}
		state := twoPlacesThreeCentres(t, "1.37.2").compile()
		config := strings.ReplaceAll(content(state.Hosts[0], "/etc/trivet/haproxy.cfg"), "/etc/kubernetes/pki/ca.crt", ca)
		accepts(t, config, haproxy, "-c", "-f")
	})
	t.Run("nft", func(t *testing.T) {
		nft := program(t, "nft")
		if os.Geteuid() != 0 {
			t.Skip("nft checks rules as root only")
		}
		state := bridge(t, "1.37.2").compile()
		accepts(t, content(state.Hosts[0], "/etc/trivet/masquerade.nft"), nft, "-c", "-f")
	})
	t.Run("systemd", func(t *testing.T) {
		analyze := program(t, "systemd-analyze")
		for _, h := range append(twoPlacesThreeCentres(t, "1.37.2").compile().Hosts, bridge(t, "1.37.2").compile().Hosts...) {
			for _, i := range h.Items {
				if i.Unit != nil {
					verify(t, analyze, i.Unit.Name, content(h, "/etc/systemd/system/"+i.Unit.Name))
				}
			}
		}
	})
}

func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed on this machine", name)
	}
	return path
}

func accepts(t *testing.T, text, program string, args ...string) {
	t.Helper()
	if text == "" {
		t.Fatal("there is no such file")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(program, append(args, file)...).CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s\n%s", program, err, out, text)
	}
}

// verify has systemd read a unit, in which programs that are not on this machine are replaced.
func verify(t *testing.T, analyze, name, text string) {
	t.Helper()
	text = regexp.MustCompile(`(?m)^(Exec\w+=-?)\S+`).ReplaceAllString(text, "${1}/bin/true")
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(analyze, "verify", "--recursive-errors=no", "--man=no", file).CombinedOutput()
	if err != nil || strings.Contains(string(out), name+":") {
		t.Errorf("systemd-analyze verify %s: %v\n%s", name, err, out)
	}
}

func selfSigned(t *testing.T) string {
	t.Helper()
	a, err := pki.NewAuthority(crand.Reader, time.Now(), "test", nil, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return string(a.CertificatePEM())
}
