package hostd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"sort"
	"strings"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

type moduleKind struct{}

func modulePath(name string) string { return "/etc/modules-load.d/trivet-" + name + ".conf" }

// moduleLoaded says whether a module is loaded or built in.
func (h *Host) moduleLoaded(name string) bool {
	under := strings.ReplaceAll(name, "-", "_")
	if _, err := os.Stat(h.path("/sys/module/" + under)); err == nil {
		return true
	}
	builtin, err := os.ReadFile(h.path("/lib/modules/" + h.kernelRelease() + "/modules.builtin"))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(builtin)) {
		base := strings.TrimSuffix(path.Base(strings.TrimSpace(line)), ".ko")
		if strings.ReplaceAll(base, "-", "_") == under {
			return true
		}
	}
	return false
}

func (h *Host) kernelRelease() string { return h.line("/proc/sys/kernel/osrelease") }

// hasModules says whether the host has modules to load. A container has not, and systemd-modules-load would fail there at boot.
func (h *Host) hasModules() bool {
	_, err := os.Stat(h.path("/lib/modules/" + h.kernelRelease()))
	return err == nil
}

func (moduleKind) prepare(_ context.Context, s *stepper, e *entry, full *hostapi.Item) (bool, error) {
	m := full.Module
	p := modulePath(m.Name)
	if err := s.capture(e, p); err != nil {
		return false, err
	}
	loaded := s.moduleLoaded(m.Name)
	if !e.Prior.Captured {
		e.Prior.Captured, e.Prior.Existed = true, loaded
	}
	s.needParents(p)
	if !loaded {
		return !e.Skipped, nil
	}
	return s.hasModules() && !s.fileRight(moduleFile(m.Name), hostapi.Digest([]byte(m.Name+"\n"))), nil
}

func moduleFile(name string) *hostapi.File {
	return &hostapi.File{Path: modulePath(name), Mode: 0o644, Content: []byte(name + "\n")}
}

func (moduleKind) apply(ctx context.Context, s *stepper, e *entry, full *hostapi.Item) (bool, error) {
	m := full.Module
	e.Skipped = false
	if !s.moduleLoaded(m.Name) {
		if _, err := s.command(ctx, "modprobe", "--", m.Name); err != nil {
			if m.Optional {
				e.Skipped = true
				return false, nil
			}
			return false, fail(hostapi.CodeFailed, "install the kernel's modules package, or load the module where the kernel is managed",
				"the kernel module %s cannot be loaded: %v", m.Name, err)
		}
		s.hook("loaded " + m.Name)
	}
	f := moduleFile(m.Name)
	if !s.hasModules() || s.fileRight(f, hostapi.Digest(f.Content)) {
		return true, nil
	}
	if err := s.put(f.Path, f.Content, f.Mode, "", ""); err != nil {
		return false, err
	}
	return true, s.rename(f.Path)
}

func (moduleKind) remove(ctx context.Context, s *stepper, e *entry) error {
	if err := s.restoreAll(e); err != nil {
		return err
	}
	name := e.id().Name
	if e.Prior.Captured && !e.Prior.Existed && s.moduleLoaded(name) {
		_, _ = s.command(ctx, "modprobe", "-r", "--", name) // it stays where something uses it
	}
	return nil
}

func (moduleKind) drift(o *observer, e *entry) (string, hostapi.DriftCode) {
	if e.Skipped {
		return "", ""
	}
	name := e.id().Name
	if !o.moduleLoaded(name) {
		return "not loaded", ""
	}
	if b, err := os.ReadFile(o.path(modulePath(name))); o.hasModules() && (err != nil || string(b) != name+"\n") {
		return modulePath(name) + " missing or changed", ""
	}
	return "", ""
}

type sysctlKind struct{}

const sysctlFile = "/etc/sysctl.d/90-trivet.conf"

// sysctlPath follows sysctl(8): dots separate, unless a slash comes first, for names with dots in them.
func sysctlPath(key string) string {
	swap := strings.NewReplacer(".", "/", "/", ".")
	if i := strings.IndexAny(key, "./"); i >= 0 && key[i] == '.' {
		key = swap.Replace(key)
	}
	return "/proc/sys/" + key
}

// sysctlValue is a value with its white space in the kernel's way.
func sysctlValue(v string) string { return strings.Join(strings.Fields(v), "\t") }

func (h *Host) readSysctl(key string) (string, error) {
	b, err := os.ReadFile(h.path(sysctlPath(key)))
	return sysctlValue(string(b)), err
}

func (h *Host) writeSysctl(key, value string) error {
	f, err := os.OpenFile(h.path(sysctlPath(key)), os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value + "\n")
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

func (sysctlKind) prepare(_ context.Context, s *stepper, e *entry, full *hostapi.Item) (bool, error) {
	c := full.Sysctl
	now, err := s.readSysctl(c.Key)
	if !e.Prior.Captured {
		e.Prior.Captured = true
		if err == nil {
			e.Prior.Value = &now
		}
		if _, err := os.Lstat(s.path(sysctlFile)); err == nil && len(s.rec.of(hostapi.KindSysctl)) == 0 {
			return false, fail(hostapi.CodeForeign, "move the file away and apply again", "%s exists and is not recorded as Trivet's", sysctlFile)
		}
	}
	s.needParents(sysctlFile)
	right := err == nil && now == sysctlValue(c.Value) || e.Skipped
	return !right || !s.sysctlsWritten(e), nil
}

// sysctlsWritten says whether the file has the line of an entry.
func (s *stepper) sysctlsWritten(e *entry) bool {
	b, err := os.ReadFile(s.path(sysctlFile))
	return err == nil && bytes.Contains(b, []byte(sysctlLine(e.item().Sysctl)))
}

func sysctlLine(c *hostapi.Sysctl) string {
	optional := ""
	if c.Optional {
		optional = "-" // sysctl.d(5): a failure is no error
	}
	return fmt.Sprintf("%s%s = %s\n", optional, c.Key, c.Value)
}

// composeSysctls is the file of all recorded parameters, those that are being applied included.
func composeSysctls(r *record) []byte {
	var lines []string
	for _, e := range r.of(hostapi.KindSysctl) {
		if e.Pending != pendingRemove {
			lines = append(lines, sysctlLine(e.item().Sysctl))
		}
	}
	if len(lines) == 0 {
		return nil
	}
	sort.Strings(lines)
	return []byte("# Kernel parameters that Trivet's components need. Trivet writes this file.\n" + strings.Join(lines, ""))
}

// writeSysctls brings the file up to date with the record.
func (s *stepper) writeSysctls() error {
	want := composeSysctls(s.rec)
	s.unstage(sysctlFile)
	have, err := os.ReadFile(s.path(sysctlFile))
	switch {
	case err == nil && bytes.Equal(have, want), want == nil && errors.Is(err, fs.ErrNotExist):
		return nil
	case want == nil && !bytes.HasPrefix(have, []byte("# Kernel parameters that Trivet's")):
		return nil // it never was Trivet's
	case want == nil:
		s.wrote(sysctlFile)
		return os.Remove(s.path(sysctlFile))
	}
	if err := s.put(sysctlFile, want, 0o644, "", ""); err != nil {
		return err
	}
	return s.rename(sysctlFile)
}

func (sysctlKind) apply(_ context.Context, s *stepper, e *entry, full *hostapi.Item) (bool, error) {
	c := full.Sysctl
	if err := s.writeSysctls(); err != nil {
		return false, err
	}
	s.hook("written " + c.Key)
	e.Skipped = false
	if now, err := s.readSysctl(c.Key); err == nil && now == sysctlValue(c.Value) {
		return true, nil
	}
	if err := s.writeSysctl(c.Key, c.Value); err != nil {
		if c.Optional {
			e.Skipped = true
			return true, nil
		}
		return false, fail(hostapi.CodeFailed, "set it where the kernel is managed, and apply again", "the kernel parameter %s cannot be set to %s: %v", c.Key, c.Value, err)
	}
	return true, nil
}

func (sysctlKind) remove(_ context.Context, s *stepper, e *entry) error {
	if err := s.writeSysctls(); err != nil { // the entry is pending removal, so its line goes
		return err
	}
	s.cleanParents(sysctlFile)
	c := e.item().Sysctl
	now, err := s.readSysctl(c.Key)
	if err != nil || e.Prior.Value == nil || now == *e.Prior.Value || e.Skipped {
		return nil // gone with its module, or never set by Trivet
	}
	if err := s.writeSysctl(c.Key, *e.Prior.Value); err != nil && !c.Optional {
		return fmt.Errorf("the kernel parameter %s cannot be set back to %s: %w", c.Key, *e.Prior.Value, err)
	}
	return nil
}

func (sysctlKind) drift(o *observer, e *entry) (string, hostapi.DriftCode) {
	c := e.Item.Sysctl
	var diffs []string
	if !e.Skipped {
		now, err := o.readSysctl(c.Key)
		if err != nil {
			diffs = append(diffs, "missing")
		} else if now != sysctlValue(c.Value) {
			diffs = append(diffs, fmt.Sprintf("value %s, recorded %s", now, c.Value))
		}
	}
	if !bytes.Contains(o.sysctls, []byte(sysctlLine(c))) {
		diffs = append(diffs, "not in "+sysctlFile)
	}
	return strings.Join(diffs, "; "), ""
}
