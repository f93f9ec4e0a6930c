package hostd

import (
	"os"
	"path"
	"slices"
	"strings"
)

// runtimeDirs are the folders below /run that packages had systemd-tmpfiles make, innermost first. dpkg does not know them, so they stay when it purges.
func (s *stepper) runtimeDirs(packages []string) []string {
	var dirs []string
	for _, p := range packages {
		for _, list := range s.packageLists(p) {
			for line := range strings.Lines(list) {
				if file := strings.TrimSpace(line); strings.HasSuffix(path.Dir(file), "/tmpfiles.d") {
					dirs = append(dirs, s.tmpfilesDirs(file)...)
				}
			}
		}
	}
	slices.Sort(dirs)
	slices.Reverse(dirs)
	return dirs
}

// tmpfilesDirs reads a file of tmpfiles.d(5).
func (s *stepper) tmpfilesDirs(file string) []string {
	b, err := os.ReadFile(s.path(file))
	if err != nil {
		return nil // best effort: at worst an empty folder stays until the next boot
	}
	var dirs []string
	for rule := range strings.Lines(string(b)) {
		f := strings.Fields(rule)
		if len(f) < 2 || !strings.ContainsAny(f[0][:1], "dD") {
			continue
		}
		if dir := path.Clean(strings.TrimPrefix(f[1], "/var")); strings.HasPrefix(dir, "/run/") && !strings.Contains(dir, "%") {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}
