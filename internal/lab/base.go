//go:build linux

package lab

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

//go:embed image
var imageFiles embed.FS

// basePackages is what every lab host has: a Debian as small as fleets use it, with what
// a node needs from its distribution. What the product installs itself is not here.
var basePackages = []string{
	"systemd", "systemd-sysv", "dbus", "openssh-server", "sudo", "iproute2", "iputils-ping",
	"procps", "kmod", "util-linux", "mount", "ca-certificates", "nftables", "iptables",
	"ebtables", "ipset", "conntrack", "socat",
}

// maskedUnits would only write to the console, or wait for a network that never comes.
var maskedUnits = []string{
	"console-getty.service", "getty@.service", "apt-daily.timer", "apt-daily-upgrade.timer",
	"dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer", "systemd-pstore.service",
}

// createUser makes the non-root user that operators log in as. "*" is no password at all,
// where "!" would be a locked account.
const createUser = `chroot "$1" useradd --create-home --uid 1000 --user-group --shell /bin/bash --password '*' ` + User

const userID = 1000

// imageFile places one embedded file.
type imageFile struct {
	source, path string
	mode         fs.FileMode
}

var imageLayout = []imageFile{
	{"image/boot", "usr/local/lib/trivet-lab/boot", 0o755},
	{"image/trivet-lab-boot.service", "etc/systemd/system/trivet-lab-boot.service", 0o644},
	{"image/journald.conf", "etc/systemd/journald.conf.d/trivet-lab.conf", 0o644},
	{"image/sudoers", "etc/sudoers.d/trivet-lab", 0o440},
}

// baseVersion changes when the steps of customize do.
const baseVersion = 1

// baseName depends on all that goes into the image, so a changed image is a new one and a
// lab that is up keeps its own.
func baseName(suite string) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, baseVersion, suite, runtime.GOARCH, basePackages, maskedUnits, createUser)
	for _, f := range imageLayout {
		data, err := imageFiles.ReadFile(f.source)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %o %d\n%s", f.path, f.mode, len(data), data)
	}
	return "base-" + hex.EncodeToString(h.Sum(nil))[:16], nil
}

// ensureBase returns the folder of the base image, built first if it is not there. Only a
// complete image ever has the final name.
func ensureBase(ctx context.Context, cacheDir string, progress func(string)) (string, error) {
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "", err
	}
	suite := osReleaseField(string(release), "VERSION_CODENAME")
	if suite == "" {
		return "", errors.New("/etc/os-release has no VERSION_CODENAME: the lab's image is made from this machine's Debian release; use a stable Debian")
	}
	name, err := baseName(suite)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cacheDir, "lab")
	path := filepath.Join(dir, name)
	if isFolder(path) {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	lock, err := takeLock(ctx, path+".lock", func() { progress("waiting for another command that builds the base image") })
	if err != nil {
		return "", err
	}
	defer lock.release()
	if isFolder(path) {
		return path, nil
	}
	if err := removeUnfinished(path); err != nil {
		return "", err
	}
	return path, buildBase(ctx, suite, path, lock.file, progress)
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func osReleaseField(text, key string) string {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), key+"="); ok {
			return strings.Trim(value, `"'`)
		}
	}
	return ""
}

// removeUnfinished removes what killed builds of this image left.
func removeUnfinished(path string) error {
	left, err := filepath.Glob(path + ".building-*")
	if err != nil {
		return err
	}
	for _, dir := range left {
		if err := removeAll(dir); err != nil {
			return fmt.Errorf("remove an unfinished base image: %w", err)
		}
	}
	return nil
}

func buildBase(ctx context.Context, suite, path string, lock *os.File, progress func(string)) (err error) {
	start := time.Now()
	progress(fmt.Sprintf("building the base image (Debian %s, %d packages) in %s", suite, len(basePackages), path))
	// A name of its own for each build: a killed one's children may still write into theirs.
	tmp, err := os.MkdirTemp(filepath.Dir(path), filepath.Base(path)+".building-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, removeAll(tmp))
		}
	}()
	root := filepath.Join(tmp, "root")
	if err := bootstrapDebian(ctx, suite, tmp, root, path+".log", lock); err != nil {
		return err
	}
	if err := customize(root); err != nil {
		return fmt.Errorf("base image: %w", err)
	}
	if err := syncFolder(root); err != nil {
		return err
	}
	if err := os.Rename(root, path); err != nil {
		return err
	}
	progress(fmt.Sprintf("base image built in %s", time.Since(start).Round(time.Second)))
	return removeAll(tmp)
}

// syncFolder writes the file system that holds a folder to the disk.
func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	return nil
}

// bootstrapDebian runs mmdebstrap as the init of a pid namespace: it dies with us, and its
// descendants and mounts with it. Each of them holds the build's lock for as long as it lives.
func bootstrapDebian(ctx context.Context, suite, tmp, root, logPath string, lock *os.File) error {
	mmdebstrap, err := findTool("mmdebstrap")
	if err != nil {
		return err
	}
	args := []string{
		"--variant=minbase", "--mode=root", "--format=directory",
		"--include=" + strings.Join(basePackages, ","), "--customize-hook=" + createUser,
	}
	options, err := aptOptions(ctx)
	if err != nil {
		return err
	}
	for _, o := range options {
		args = append(args, "--aptopt="+o)
	}
	sources, err := aptSources(os.DirFS("/"), suite)
	if err != nil {
		return err
	}
	mirrors, err := sources.mirrors(tmp)
	if err != nil {
		return err
	}
	args = append(append(args, suite, root), mirrors...)

	log, err := os.Create(logPath)
	if err != nil {
		return err
	}
	defer log.Close()
	err = onOwnThread(func() error { // Pdeathsig fires when the starting thread ends
		cmd := exec.CommandContext(ctx, mmdebstrap, args...)
		cmd.Stdout, cmd.Stderr = log, log
		cmd.ExtraFiles = []*os.File{lock}
		cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Setpgid: true, Pdeathsig: syscall.SIGKILL,
			Cloneflags: unix.CLONE_NEWPID, Unshareflags: unix.CLONE_NEWNS,
		}
		return cmd.Run()
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("build the base image: mmdebstrap: %w; the end of its log %s:\n%s", err, logPath, tailFile(logPath, 20))
	}
	return nil
}

// customize turns a fresh Debian into the image that all hosts share: nothing in it
// identifies a host, and nothing in it names the machine's package sources.
func customize(root string) error {
	for _, f := range imageLayout {
		data, err := imageFiles.ReadFile(f.source)
		if err != nil {
			return err
		}
		path := filepath.Join(root, f.path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, f.mode); err != nil {
			return err
		}
		if err := os.Chmod(path, f.mode); err != nil {
			return err
		}
	}
	units := filepath.Join(root, "etc/systemd/system")
	if err := os.MkdirAll(filepath.Join(units, "sysinit.target.wants"), 0o755); err != nil {
		return err
	}
	if err := os.Symlink("/etc/systemd/system/trivet-lab-boot.service", filepath.Join(units, "sysinit.target.wants/trivet-lab-boot.service")); err != nil {
		return err
	}
	for _, unit := range maskedUnits {
		path := filepath.Join(units, unit)
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		if err := os.Symlink("/dev/null", path); err != nil {
			return err
		}
	}
	for _, pattern := range []string{"etc/ssh/ssh_host_*", "etc/apt/sources.list.d/*", "etc/apt/apt.conf.d/99mmdebstrap"} {
		matches, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return err
		}
		for _, m := range matches {
			if err := os.RemoveAll(m); err != nil {
				return err
			}
		}
	}
	for _, name := range []string{"etc/machine-id", "etc/hostname", "etc/resolv.conf", "etc/apt/sources.list"} {
		path := filepath.Join(root, name)
		if err := os.RemoveAll(path); err != nil { // it may be a symbolic link
			return err
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			return err
		}
	}
	return os.Chmod(root, 0o755)
}

// tailFile is the end of a text file, for an error message.
func tailFile(path string, lines int) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	text := strings.ReplaceAll(string(data), "\r", "") // a console ends lines as terminals do
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
