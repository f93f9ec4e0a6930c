package hostd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// packageKind installs Debian packages. Two things it keeps from happening: that a package's services are started by its maintainer
// scripts, and that they are left enabled.
type packageKind struct{}

const (
	dpkgStatus = "/var/lib/dpkg/status"
	// policyPath is asked by invoke-rc.d and deb-systemd-invoke whether a service may be started.
	policyPath    = "/usr/sbin/policy-rc.d"
	policyContent = "#!/bin/sh\n# Trivet is installing packages: their services are not to be started. Trivet removes this file.\nexit 101\n"
)

var debianEnv = []string{"DEBIAN_FRONTEND=noninteractive", "DEBCONF_NONINTERACTIVE_SEEN=true"}

// installed reads which packages dpkg has installed, in which version.
func (h *Host) installed() (map[string]string, error) {
	f, err := os.Open(h.path(dpkgStatus))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out := map[string]string{}
	var name, version string
	ok := false
	sc := bufio.NewScanner(f)
	sc.Buffer(make([]byte, 64<<10), 4<<20)
	for sc.Scan() {
		line := sc.Text()
		switch {
		case line == "":
			if ok {
				out[name] = version
			}
			name, version, ok = "", "", false
		case strings.HasPrefix(line, "Package: "):
			name = line[len("Package: "):]
		case strings.HasPrefix(line, "Version: "):
			version = line[len("Version: "):]
		case strings.HasPrefix(line, "Status: "):
			ok = strings.HasSuffix(line, " ok installed")
		}
	}
	if ok {
		out[name] = version
	}
	return out, sc.Err()
}

func (packageKind) prepare(ctx context.Context, s *stepper, e *entry, full *hostapi.Item) (bool, error) {
	p := full.Package
	have, err := s.installed()
	if errors.Is(err, fs.ErrNotExist) {
		return false, fail(hostapi.CodeFailed, "install "+p.Name+" on the host by hand is not enough yet: use Debian or Ubuntu", "the host's distribution does not use dpkg, so Trivet cannot look after its packages")
	}
	if err != nil {
		return false, err
	}
	_, present := have[p.Name]
	if !e.Prior.Captured {
		e.Prior.Captured, e.Prior.Existed = true, present
	}
	if present && e.Pending == "" {
		return false, nil
	}
	if !present {
		names, err := s.wouldInstall(ctx, p)
		if err != nil {
			return false, err
		}
		for _, n := range names {
			if _, there := have[n]; !there && !slices.Contains(e.Prior.Packages, n) {
				e.Prior.Packages = append(e.Prior.Packages, n)
			}
		}
		e.Prior.Existed = false
	}
	if len(e.Prior.Packages) > 0 && s.rec.StartGuard == nil {
		pp, err := s.capturePath(policyPath)
		if err != nil {
			return false, err
		}
		s.rec.StartGuard = &pp
	}
	return true, nil
}

// wouldInstall names what installing a package brings in, itself included. Knowing it before anything is done keeps what the host's people
// install meanwhile from being taken for Trivet's.
func (s *stepper) wouldInstall(ctx context.Context, p *hostapi.Package) ([]string, error) {
	var names []string
	if len(p.Archives) > 0 {
		for _, b := range p.Archives {
			if err := s.haveBlob(ctx, b); err != nil {
				return nil, err
			}
			out, err := s.command(ctx, "dpkg-deb", "--field", s.path(blobPath(b.SHA256)), "Package")
			if err != nil {
				return nil, err
			}
			names = append(names, strings.TrimSpace(string(out)))
		}
		if !slices.Contains(names, p.Name) {
			return nil, fmt.Errorf("none of the %d archives is of the package %s, they are of %s", len(names), p.Name, strings.Join(names, ", "))
		}
		return names, nil
	}
	out, err := s.command(ctx, "apt-get", "install", "--simulate", "--no-install-recommends", "--", p.Name)
	if err != nil {
		return nil, fail(hostapi.CodeFailed, "run apt-get update on the host, or give an offline folder with the package", "apt-get knows no way to install %s: %v", p.Name, err)
	}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "Inst" {
			names = append(names, f[1])
		}
	}
	return names, nil
}

func (packageKind) apply(ctx context.Context, s *stepper, e *entry, full *hostapi.Item) (bool, error) {
	p := full.Package
	if len(e.Prior.Packages) == 0 {
		return false, nil // it was there before
	}
	if err := s.guardStarts(); err != nil {
		return false, err
	}
	err := s.install(ctx, p)
	s.hook("installed " + p.Name)
	if err == nil {
		err = s.disableServices(ctx, e.Prior.Packages)
	}
	if gerr := s.recoverGuard(); err == nil {
		err = gerr
	}
	return true, err
}

// guardStarts puts the policy in place that keeps services from being started.
func (s *stepper) guardStarts() error {
	if err := s.makeParents(policyPath); err != nil {
		return err
	}
	if err := s.put(policyPath, []byte(policyContent), 0o755, "", ""); err != nil {
		return err
	}
	return s.rename(policyPath)
}

// recoverGuard puts back what was at the policy's path, also after an interruption.
func (s *stepper) recoverGuard() error {
	g := s.rec.StartGuard
	if g == nil {
		return nil
	}
	if err := s.restore(policyPath, *g); err != nil {
		return err
	}
	s.wrote(policyPath)
	s.rec.StartGuard, s.dirty, s.backups = nil, true, true
	return nil
}

func (s *stepper) install(ctx context.Context, p *hostapi.Package) error {
	have, err := s.installed()
	if err != nil {
		return err
	}
	if _, ok := have[p.Name]; ok {
		return nil
	}
	cmd := Command{Name: "dpkg", Args: []string{"--install", "--force-confdef", "--force-confold", "--"}, Env: debianEnv}
	for _, b := range p.Archives {
		cmd.Args = append(cmd.Args, s.path(blobPath(b.SHA256)))
	}
	if len(p.Archives) == 0 {
		cmd = Command{Name: "apt-get", Args: []string{"install", "--yes", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold", "-o", "DPkg::Lock::Timeout=600", "--", p.Name}, Env: debianEnv}
	}
	if err := s.runDpkg(ctx, cmd); err != nil {
		return err
	}
	if have, err = s.installed(); err != nil {
		return err
	}
	if _, ok := have[p.Name]; !ok {
		return fmt.Errorf("%s ran without an error, but %s is not installed", cmd.Name, p.Name)
	}
	return nil
}

// runDpkg runs a package manager while holding dpkg's frontend lock, in the way that dpkg offers to its frontends: an automatic upgrade that
// is running, as on a machine just booted, is waited for.
func (s *stepper) runDpkg(ctx context.Context, cmd Command) error {
	f, err := os.OpenFile(s.path("/var/lib/dpkg/lock-frontend"), os.O_RDWR, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case cmd.Name == "dpkg":
		if _, err := lockFile(ctx, f, true); err != nil {
			if ctx.Err() == nil {
				f.Close()
			}
			return fmt.Errorf("waiting for another package manager on the host to end: %w", err)
		}
		defer f.Close()
		cmd.Env = append(slices.Clone(cmd.Env), "DPKG_FRONTEND_LOCKED=true")
	default:
		f.Close()
	}
	_, err = s.Commands.Run(context.WithoutCancel(ctx), cmd)
	return err
}

var serviceFile = regexp.MustCompile(`^(/usr)?(/lib|/etc)/systemd/system/([^/@]+\.(service|socket|timer|path))$`)

// disableServices disables what packages brought in, enabled.
func (s *stepper) disableServices(ctx context.Context, packages []string) error {
	var names []string
	for _, p := range packages {
		for _, list := range s.packageLists(p) {
			for line := range strings.Lines(list) {
				if m := serviceFile.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
					names = append(names, m[3])
				}
			}
		}
	}
	if len(names) == 0 {
		return nil
	}
	// The maintainer scripts left the reload to the start that was not allowed.
	s.rec.ReloadOwed = true
	if err := s.reloadUnits(ctx); err != nil {
		return err
	}
	states, err := s.Units.States(ctx, names)
	if err != nil {
		return err
	}
	for _, n := range names {
		if strings.HasPrefix(states[n].File, "enabled") {
			if err := s.Units.Disable(ctx, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// packageLists are the file lists of a package, which dpkg names with or without the architecture.
func (s *stepper) packageLists(name string) []string {
	var out []string
	for _, f := range []string{name + ".list", name + ":" + s.Architecture + ".list"} {
		if b, err := os.ReadFile(s.path(path.Join("/var/lib/dpkg/info", f))); err == nil {
			out = append(out, string(b))
		}
	}
	return out
}

func (packageKind) remove(ctx context.Context, s *stepper, e *entry) error {
	// What other packages of Trivet's may need goes with the last of them.
	var heir *entry
	for _, o := range s.rec.of(hostapi.KindPackage) {
		if o != e && o.Pending != pendingRemove {
			heir = o
		}
	}
	have, err := s.installed()
	if err != nil {
		return err
	}
	var purge []string
	for _, n := range e.Prior.Packages {
		switch {
		case heir != nil && n != e.id().Name:
			if !slices.Contains(heir.Prior.Packages, n) {
				heir.Prior.Packages = append(heir.Prior.Packages, n)
			}
		case s.inDpkg(n, have):
			purge = append(purge, n)
		}
	}
	if len(purge) == 0 {
		return nil
	}
	// An interruption may have left services enabled.
	if err := s.disableServices(ctx, purge); err != nil {
		return err
	}
	s.rec.ReloadOwed = true
	// Before, since the purge takes what names them; this may be repeated.
	for _, dir := range s.runtimeDirs(purge) {
		_ = os.Remove(s.path(dir)) // only where it is empty
	}
	cmd := Command{Name: "dpkg", Args: append([]string{"--purge", "--"}, purge...), Env: debianEnv}
	if err := s.runDpkg(ctx, cmd); err != nil {
		return fail(hostapi.CodeFailed, "if something else on the host needs them now, remove that first", "the packages %s cannot be removed: %v", strings.Join(purge, ", "), err)
	}
	return nil
}

// inDpkg says whether dpkg knows a package at all: installed, or half installed after an interruption.
func (s *stepper) inDpkg(name string, have map[string]string) bool {
	if _, ok := have[name]; ok {
		return true
	}
	b, err := os.ReadFile(s.path(dpkgStatus))
	return err == nil && strings.Contains("\n"+string(b), "\nPackage: "+name+"\n")
}

func (packageKind) drift(o *observer, e *entry) (string, hostapi.DriftCode) {
	if _, ok := o.packages[e.id().Name]; !ok {
		return "missing", ""
	}
	for _, b := range e.Item.Package.Archives {
		if why := o.blobDrift(b); why != "" {
			return why, ""
		}
	}
	return "", ""
}
