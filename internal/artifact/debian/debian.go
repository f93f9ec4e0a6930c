// Package debian finds and downloads what a package needs on a minimal host, so that it can
// be installed there without a network.
//
// What a minimal host has is assumed, not asked: the essential packages, apt, systemd and an
// OpenSSH server (Present). apt's own solver works out the rest: it is given a status file in
// which just those are installed, and simulates the installation. Assuming too little
// costs a few files that a host already has; it never costs a missing dependency.
package debian

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// Present are the packages, with all that they depend on, which every host is assumed to
// have. The first is apt's pattern for the essential ones.
var Present = []string{"?essential", "apt", "systemd", "systemd-sysv", "dbus", "openssh-server"}

// File is one package file of a closure.
type File struct {
	Name, Version string
}

// Reference is the package as apt names it: name=version.
func (f File) Reference() string { return f.Name + "=" + f.Version }

// Apt is the machine's apt, used without changing anything of the machine.
type Apt struct {
	Arch    string // amd64 or arm64
	WorkDir string // made if need be; holds apt's scratch files and the downloads
}

var (
	nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]*[a-z0-9+.]$`)
	confLine = regexp.MustCompile(`(?m)^Conf (\S+) \((\S+) [^)]*\)$`)
	remvLine = regexp.MustCompile(`(?m)^Remv (\S+)`)
)

// Distribution names the machine's distribution as entries do: debian-12.
func Distribution() (string, error) {
	b, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "", fmt.Errorf("which distribution this is: %w", err)
	}
	return distribution(string(b))
}

func distribution(release string) (string, error) {
	fields := map[string]string{}
	for line := range strings.Lines(release) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			fields[k] = strings.Trim(v, `"'`)
		}
	}
	if fields["ID"] == "" || fields["VERSION_ID"] == "" {
		return "", errors.New("/etc/os-release lacks ID or VERSION_ID: packages can be taken only from a released distribution")
	}
	return fields["ID"] + "-" + fields["VERSION_ID"], nil
}

// Check says why packages cannot be had here.
func Check() error {
	for _, tool := range []string{"apt-get", "apt-cache"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("distribution packages need %s: fill them on a machine of the hosts' distribution (Debian), or install them on the hosts from the distribution itself", tool)
		}
	}
	return nil
}

// MinimalHost is what Closure measures against.
type MinimalHost struct {
	apt     Apt
	status  string // dpkg's status file of such a host
	present []File
}

// MinimalHost works out what is assumed to be present: once for any number of closures.
func (a Apt) MinimalHost(ctx context.Context) (*MinimalHost, error) {
	if err := os.MkdirAll(a.WorkDir, 0o755); err != nil {
		return nil, err
	}
	h := &MinimalHost{apt: a, status: filepath.Join(a.WorkDir, "status")}
	err := os.WriteFile(h.status, nil, 0o644)
	if err != nil {
		return nil, err
	}
	if h.present, err = a.simulate(ctx, h.status, Present...); err != nil {
		return nil, fmt.Errorf("what a minimal host has: %w", err)
	}
	text, err := a.installed(ctx, h.present)
	if err != nil {
		return nil, fmt.Errorf("what a minimal host has: %w", err)
	}
	return h, os.WriteFile(h.status, text, 0o644)
}

// Closure lists what installing name on a minimal host installs, dependencies first.
func (h *MinimalHost) Closure(ctx context.Context, name string) ([]File, error) {
	if !nameForm.MatchString(name) {
		return nil, fmt.Errorf("%q is not the name of a Debian package", name)
	}
	files, err := h.apt.simulate(ctx, h.status, name)
	if err != nil || len(files) > 0 {
		return files, err
	}
	// A minimal host has it. Its file is wanted all the same, for the host that does not.
	for _, p := range h.present {
		if p.Name == name {
			return []File{p}, nil
		}
	}
	return nil, fmt.Errorf("apt installs nothing for %s", name)
}

// simulate asks apt what it would install, in which order.
func (a Apt) simulate(ctx context.Context, status string, names ...string) ([]File, error) {
	args := append([]string{"-s", "-q", "-o", "Dir::State::status=" + status, "--no-install-recommends", "install"}, names...)
	out, err := a.run(ctx, a.WorkDir, "apt-get", args...)
	if err != nil {
		return nil, err
	}
	return parse(string(out))
}

func parse(out string) ([]File, error) {
	if m := remvLine.FindStringSubmatch(out); m != nil {
		return nil, fmt.Errorf("apt would remove %s from a minimal host", m[1])
	}
	var files []File
	for _, m := range confLine.FindAllStringSubmatch(out, -1) {
		name, _, _ := strings.Cut(m[1], ":") // libc6:arm64
		files = append(files, File{Name: name, Version: m[2]})
	}
	return files, nil
}

// installed writes the status file of a host that has files.
func (a Apt) installed(ctx context.Context, files []File) ([]byte, error) {
	args := []string{"show"}
	for _, f := range files {
		args = append(args, f.Name+":"+a.Arch+"="+f.Version)
	}
	out, err := a.run(ctx, a.WorkDir, "apt-cache", args...)
	if err != nil {
		return nil, err
	}
	var status bytes.Buffer
	for stanza := range strings.SplitSeq(string(out), "\n\n") {
		if strings.TrimSpace(stanza) == "" {
			continue
		}
		status.WriteString(strings.TrimSpace(stanza))
		status.WriteString("\nStatus: install ok installed\n\n")
	}
	return status.Bytes(), nil
}

// Download fetches the files, which apt verifies against the signed archive, and gives the
// path of each.
func (a Apt) Download(ctx context.Context, files []File) (map[File]string, error) {
	dir, err := os.MkdirTemp(a.WorkDir, "debs-")
	if err != nil {
		return nil, err
	}
	args := []string{"-q", "download"}
	for _, f := range files {
		args = append(args, f.Name+":"+a.Arch+"="+f.Version)
	}
	if err := a.download(ctx, dir, args); err != nil {
		return nil, err
	}
	paths := map[File]string{}
	for _, f := range files {
		// apt writes a colon in a version as %3a; the architecture may be "all".
		pattern := f.Name + "_" + strings.ReplaceAll(f.Version, ":", "%3a") + "_*.deb"
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(found) != 1 {
			return nil, fmt.Errorf("apt-get download of %s left %d files %s", f.Reference(), len(found), pattern)
		}
		paths[f] = found[0]
	}
	return paths, nil
}

// downloadLimit bounds one call of apt-get download: apt can wait for ever for a method of its own that has stopped.
const downloadLimit = 3 * time.Minute

// download calls apt-get, and once more when it comes to no end.
func (a Apt) download(ctx context.Context, dir string, args []string) error {
	const tries = 2
	for range tries {
		limited, cancel := context.WithTimeout(ctx, downloadLimit)
		_, err := a.run(limited, dir, "apt-get", args...)
		stuck := ctx.Err() == nil && limited.Err() != nil
		cancel()
		if !stuck {
			return err
		}
	}
	return fmt.Errorf("apt-get download did not end within %s, %d times: is the distribution's archive within reach?", downloadLimit, tries)
}

// run calls apt with scratch files of its own: the machine's caches and locks are left alone.
func (a Apt) run(ctx context.Context, dir, tool string, args ...string) ([]byte, error) {
	options := []string{
		"-o", "Dir::Cache=" + filepath.Join(a.WorkDir, "cache"),
		"-o", "Debug::NoLocking=1",
		"-o", "APT::Sandbox::User=root", // the sandbox user may not write into WorkDir
		"-o", "APT::Architecture=" + a.Arch,
		"-o", "APT::Architectures::=" + a.Arch,
		"-o", "Acquire::Retries=2",
	}
	if err := os.MkdirAll(filepath.Join(a.WorkDir, "cache", "archives", "partial"), 0o755); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, tool, append(options, args...)...)
	cmd.Dir = dir
	cmd.WaitDelay = 5 * time.Second // apt's methods keep the pipes open when it is killed
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	err := cmd.Run()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, a.explain(tool, args, err, problems.String())
	}
	return out.Bytes(), nil
}

func (a Apt) explain(tool string, args []string, err error, problems string) error {
	hint := ""
	if strings.Contains(problems, "Unable to locate") || strings.Contains(problems, "No packages found") ||
		strings.Contains(problems, "Couldn't find any package") || strings.Contains(problems, "has no installation candidate") {
		hint = "; run `apt-get update` first if its lists are missing or old"
		if a.Arch != runtime.GOARCH {
			hint = fmt.Sprintf("; packages for %s need `dpkg --add-architecture %s && apt-get update` here, or a machine of that architecture", a.Arch, a.Arch)
		}
	}
	return fmt.Errorf("%s %s: %w: %s%s", tool, strings.Join(args[len(args)-1:], " "), err, strings.TrimSpace(problems), hint)
}
