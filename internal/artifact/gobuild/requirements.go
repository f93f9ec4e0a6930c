package gobuild

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// Requirements lists the Debian packages that a build of every set on this machine's
// architecture needs and that are not there.
func Requirements() (missing []string) {
	for _, r := range recipes {
		if len(r.cgo) > 0 {
			missing = append(missing, requirements(r)...)
		}
	}
	slices.Sort(missing)
	return slices.Compact(missing)
}

func requirements(r recipe) (missing []string) {
	if _, err := exec.LookPath("gcc"); err != nil {
		missing = append(missing, "gcc")
	}
	if !header("stdio.h") {
		missing = append(missing, "libc6-dev")
	}
	if slices.Contains(r.headers, "seccomp.h") {
		if !header("seccomp.h") {
			missing = append(missing, "libseccomp-dev")
		}
		if _, err := exec.LookPath("pkg-config"); err != nil {
			missing = append(missing, "pkg-config")
		}
	}
	return missing
}

func header(name string) bool {
	for _, pattern := range []string{"/usr/include/" + name, "/usr/include/*/" + name, "/usr/local/include/" + name} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return true
		}
	}
	_, err := os.Stat(filepath.Join(os.Getenv("C_INCLUDE_PATH"), name))
	return os.Getenv("C_INCLUDE_PATH") != "" && err == nil
}
