//go:build linux

package lab

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"sort"
)

// requirements lists the programs that a lab, or an operator looking into one, runs on
// the machine, with the Debian packages that hold them.
var requirements = []struct{ program, pkg string }{
	{"systemd-nspawn", "systemd-container"},
	{"mmdebstrap", "mmdebstrap"},
	{"nft", "nftables"},
	{"ip", "iproute2"},
	{"nsenter", "util-linux"},
	{"ssh", "openssh-client"},
	{"apt-config", "apt"},
}

// Requirements lists the Debian packages that a lab needs and this machine lacks.
func Requirements() (missing []string) {
	for _, r := range requirements {
		if _, err := findTool(r.program); err != nil {
			missing = append(missing, r.pkg)
		}
	}
	sort.Strings(missing)
	return missing
}

// findTool finds a program of the machine, also where PATH lacks the sbin folders.
func findTool(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/bin", "/bin"} {
		if path, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return path, nil
		}
	}
	for _, r := range requirements {
		if r.program == program {
			return "", fmt.Errorf("the lab needs %s: run apt-get install %s", program, r.pkg)
		}
	}
	return "", fmt.Errorf("the lab needs %s, which is not installed", program)
}
