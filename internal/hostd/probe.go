package hostd

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Probe looks at what a cluster needs of the host and tries its way to others. It takes no lock and leaves nothing behind.
func (h *Host) Probe(ctx context.Context, req *hostapi.ProbeRequest) (*hostapi.ProbeResult, error) {
	if len(req.Targets) > 0 {
		if err := checkToken(req.Token); err != nil {
			return nil, err
		}
	}
	r := &hostapi.ProbeResult{Container: h.container(), SELinux: h.selinux()}
	r.Clock = h.clockState(r.Container)
	r.Paths = h.paths(req.Paths)
	r.Features = h.features(req.Features)
	var wg sync.WaitGroup
	wg.Go(func() { r.Reached = reachAll(ctx, req) })
	wg.Go(func() { r.Sync = h.syncLatency(ctx, req.SyncPath) })
	wg.Go(func() { r.Units = h.unitsFound(ctx, req.Units) })
	wg.Wait()
	if ctx.Err() != nil {
		return nil, h.wrap(ctx.Err(), hostapi.ID{})
	}
	return r, nil
}

// container tells by what systemd knows, or by what the container's manager told the first process.
func (h *Host) container() string {
	if kind := h.line("/run/systemd/container"); kind != "" {
		return kind
	}
	for v := range strings.SplitSeq(h.line("/proc/1/environ"), "\x00") {
		if kind, ok := strings.CutPrefix(v, "container="); ok {
			return kind
		}
	}
	return ""
}

func (h *Host) selinux() string {
	switch h.line("/sys/fs/selinux/enforce") {
	case "1":
		return "enforcing"
	case "0":
		return "permissive"
	}
	return ""
}

// clockState is the kernel's own word. A container sees the clock of a machine that it knows nothing about, and a folder has no clock.
func (h *Host) clockState(container string) hostapi.ClockState {
	if container != "" || h.Root != "/" {
		return hostapi.ClockUnknown
	}
	return kernelClock()
}

func (h *Host) unitsFound(ctx context.Context, names []string) map[string]hostapi.UnitFound {
	if len(names) == 0 {
		return nil
	}
	states, err := h.Units.States(ctx, names)
	if err != nil {
		return nil // a host without systemd is found by its facts
	}
	out := map[string]hostapi.UnitFound{}
	for name, s := range states {
		if s.Load != "not-found" && s.Load != "" {
			if s.Started.IsZero() && s.Active != "active" {
				s.Started = h.Clock().UTC()
			}
			out[name] = hostapi.UnitFound{Active: s.Active, Load: s.Load, Started: s.Started, Failing: s.failing(), Restarts: s.Restarts}
		}
	}
	return out
}

// entriesCounted bounds how many entries of a folder are counted.
const entriesCounted = 16

func (h *Host) paths(asked []string) map[string]hostapi.PathFound {
	if len(asked) == 0 {
		return nil
	}
	mounts := h.mounts()
	out := map[string]hostapi.PathFound{}
	for _, p := range asked {
		var f hostapi.PathFound
		if d, err := os.Open(h.path(p)); err == nil {
			f.Exists = true
			names, _ := d.Readdirnames(entriesCounted)
			f.Entries = len(slices.DeleteFunc(names, func(n string) bool { return n == "lost+found" })) // a file system's own
			if info, err := d.Stat(); err == nil {
				f.Program = info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
			}
			d.Close()
		}
		real := h.nearest(p)
		if m, ok := mountOf(mounts, real); ok {
			f.Mount, f.FSType, f.ReadOnly, f.NoExec = m.point, m.fsType, m.readOnly, m.noExec
		}
		if free, total, inodes, err := fileSystem(h.path(real)); err == nil {
			f.Free, f.Total, f.FreeInodes = free, total, inodes
		}
		out[p] = f
	}
	return out
}

// nearest is the folder that a path is, or will be made below, with links followed.
func (h *Host) nearest(p string) string {
	for d := path.Clean("/" + p); ; d = path.Dir(d) {
		if real, err := filepath.EvalSymlinks(h.path(d)); err == nil {
			if rel, err := filepath.Rel(h.Root, real); err == nil && !strings.HasPrefix(rel, "..") {
				return path.Join("/", rel)
			}
			return d
		}
		if d == "/" {
			return d
		}
	}
}

// mount is a line of proc_pid_mountinfo(5).
type mount struct {
	point, fsType    string
	readOnly, noExec bool
}

func (h *Host) mounts() []mount {
	var out []mount
	for line := range strings.Lines(h.line("/proc/self/mountinfo")) {
		f := strings.Fields(line)
		dash := slices.Index(f, "-")
		if len(f) < 6 || dash < 6 || len(f) < dash+2 {
			continue
		}
		m := mount{point: unescapeMount(f[4]), fsType: f[dash+1]}
		options := strings.Split(f[5], ",")
		if len(f) > dash+3 {
			m.readOnly = slices.Contains(strings.Split(f[dash+3], ","), "ro")
		}
		m.readOnly = m.readOnly || slices.Contains(options, "ro")
		m.noExec = slices.Contains(options, "noexec")
		out = append(out, m)
	}
	return out
}

// mountOf finds the mount that a path lies on: the innermost one, and of several on one point the last.
func mountOf(all []mount, p string) (mount, bool) {
	var best mount
	for _, m := range all {
		below := m.point == "/" || p == m.point || strings.HasPrefix(p, m.point+"/")
		if below && len(m.point) >= len(best.point) {
			best = m
		}
	}
	return best, best.point != ""
}

// kernelOptions are the build options of kernel features that may be modules.
var kernelOptions = map[string]string{
	"bridge": "CONFIG_BRIDGE", "br_netfilter": "CONFIG_BRIDGE_NETFILTER", "nf_conntrack": "CONFIG_NF_CONNTRACK", "nf_tables": "CONFIG_NF_TABLES",
	"overlay": "CONFIG_OVERLAY_FS", "veth": "CONFIG_VETH", "vxlan": "CONFIG_VXLAN",
}

// features finds out without loading anything. What cannot be known is left out: a container sees neither modules nor, often, the kernel's options.
func (h *Host) features(asked []string) map[string]bool {
	if len(asked) == 0 {
		return nil
	}
	k := &kernelFeatures{Host: h}
	out := map[string]bool{}
	for _, name := range asked {
		known, has := false, false
		if controller, ok := strings.CutPrefix(name, "cgroup:"); ok {
			known, has = h.controller(controller)
		} else {
			known, has = k.module(name)
		}
		if known {
			out[name] = has
		}
	}
	return out
}

func (h *Host) controller(name string) (known, has bool) {
	if b, err := os.ReadFile(h.path(cgroupRoot + "/cgroup.controllers")); err == nil {
		return true, slices.Contains(strings.Fields(string(b)), name)
	}
	b, err := os.ReadFile(h.path("/proc/cgroups"))
	if err != nil {
		return false, false
	}
	for line := range strings.Lines(string(b)) {
		// subsys_name hierarchy num_cgroups enabled
		if f := strings.Fields(line); len(f) == 4 && f[0] == name {
			return true, f[3] == "1"
		}
	}
	return true, false
}

// kernelFeatures reads each source once.
type kernelFeatures struct {
	*Host
	read             bool
	modules, builtin map[string]bool // nil when not known
	options          map[string]string
}

func (k *kernelFeatures) module(name string) (known, has bool) {
	if k.moduleLoaded(name) || k.registered(name) {
		return true, true
	}
	if !k.read {
		k.read = true
		dir := "/lib/modules/" + k.kernelRelease()
		k.modules, k.builtin = k.moduleList(dir+"/modules.dep"), k.moduleList(dir+"/modules.builtin")
		k.options = k.buildOptions()
	}
	if k.modules[name] || k.builtin[name] {
		return true, true
	}
	if k.options != nil {
		switch k.options[kernelOptions[name]] {
		case "y":
			return true, true
		case "m":
			return k.modules != nil, false // built, and not installed here
		}
		return kernelOptions[name] != "", false
	}
	return k.modules != nil && k.builtin != nil, false
}

// registered tells of file systems that the kernel has at hand.
func (k *kernelFeatures) registered(name string) bool {
	for line := range strings.Lines(k.line("/proc/filesystems")) {
		if f := strings.Fields(line); len(f) > 0 && f[len(f)-1] == name {
			return true
		}
	}
	return false
}

func (k *kernelFeatures) moduleList(file string) map[string]bool {
	b, err := os.ReadFile(k.path(file))
	if err != nil {
		return nil
	}
	out := map[string]bool{}
	for line := range strings.Lines(string(b)) {
		file, _, _ := strings.Cut(strings.TrimSpace(line), ":")
		name, _, _ := strings.Cut(path.Base(file), ".ko")
		out[strings.ReplaceAll(name, "-", "_")] = true
	}
	return out
}

// buildOptions reads how the kernel was built; nil when that is kept nowhere.
func (k *kernelFeatures) buildOptions() map[string]string {
	b, err := os.ReadFile(k.path("/boot/config-" + k.kernelRelease()))
	if err != nil {
		if b, err = k.configGz(); err != nil {
			return nil
		}
	}
	out := map[string]string{}
	for line := range bytes.Lines(b) {
		if name, value, ok := strings.Cut(strings.TrimSpace(string(line)), "="); ok {
			out[name] = value
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func (k *kernelFeatures) configGz() ([]byte, error) {
	f, err := os.Open(k.path("/proc/config.gz"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	const most = 8 << 20
	b, err := io.ReadAll(io.LimitReader(z, most))
	return b, errors.Join(err, z.Close())
}
