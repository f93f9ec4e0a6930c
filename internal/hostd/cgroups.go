package hostd

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

const cgroupRoot = "/sys/fs/cgroup"

// systemdCgroups are never claimed.
var systemdCgroups = []string{"system.slice", "user.slice", "init.scope", "machine.slice", "system", "user", "init", "machine"}

// cgroups lists control groups of a name in every hierarchy, as paths of the host.
func (h *Host) cgroups(pattern string) ([]string, error) {
	roots := []string{cgroupRoot}
	if _, err := os.Stat(h.path(cgroupRoot + "/cgroup.controllers")); err != nil {
		entries, err := os.ReadDir(h.path(cgroupRoot))
		if err != nil {
			return nil, ignoreMissing(err)
		}
		roots = nil
		for _, e := range entries {
			if e.IsDir() { // cgroup v1 links joint hierarchies under their single names
				roots = append(roots, path.Join(cgroupRoot, e.Name()))
			}
		}
	}
	var found []string
	for _, r := range roots {
		got, err := h.pathsMatching(path.Join(r, pattern))
		if err != nil {
			return nil, err
		}
		for _, g := range got {
			if fi, err := os.Lstat(h.path(g)); err == nil && fi.IsDir() && !slices.Contains(systemdCgroups, path.Base(g)) {
				found = append(found, g)
			}
		}
	}
	return found, nil
}

// cgroupPatience is how long killed processes may take to leave their control groups.
const cgroupPatience = 20 * time.Second

// removeCgroups kills every process in control groups of a name, and removes the groups.
func (s *stepper) removeCgroups(ctx context.Context, name string) error {
	if err := s.stopSlices(ctx, name); err != nil {
		return err
	}
	deadline := time.Now().Add(cgroupPatience)
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		groups, err := s.cgroups(name)
		if err != nil {
			return err
		}
		left := 0
		for _, g := range groups {
			n, err := s.emptyCgroup(ctx, g)
			if err != nil {
				return err
			}
			left += n
		}
		if left == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fail(hostapi.CodeFailed, "reboot the host and go on", "%d processes in control groups %s do not die", left, name)
		}
		// cgroup v1 has nothing to watch for the death of a process that is not a child.
		time.Sleep(wait)
	}
}

// stopSlices lets systemd stop what it knows of the control groups as slices, with all that is in them; else it would go on listing them.
func (s *stepper) stopSlices(ctx context.Context, name string) error {
	groups, err := s.cgroups(name)
	if err != nil {
		return err
	}
	stopped := map[string]bool{}
	for _, g := range groups {
		slice := path.Base(g)
		if stopped[slice] || !strings.HasSuffix(slice, ".slice") {
			continue
		}
		stopped[slice] = true
		if st, err := s.freshState(ctx, slice); err == nil && st.known() && st.Active != "inactive" {
			_ = s.Units.Stop(ctx, slice, true) // what does not stop is killed below
		}
	}
	return nil
}

// emptyCgroup kills what is in a control group and below, removes the groups that are empty, and counts what is left.
func (s *stepper) emptyCgroup(ctx context.Context, dir string) (left int, err error) {
	names, err := os.ReadDir(s.path(dir))
	if err != nil {
		return 0, ignoreMissing(err)
	}
	for _, n := range names {
		if n.IsDir() {
			below, err := s.emptyCgroup(ctx, path.Join(dir, n.Name()))
			if err != nil {
				return 0, err
			}
			left += below
		}
	}
	procs, err := os.ReadFile(s.path(path.Join(dir, "cgroup.procs")))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return left, err
	}
	for _, f := range strings.Fields(string(procs)) {
		pid, err := strconv.Atoi(f)
		if err != nil || pid <= 1 {
			continue
		}
		left++
		if err := s.Kernel.Kill(ctx, pid); err != nil {
			return left, err
		}
	}
	if left > 0 {
		return left, nil
	}
	if s.Root != "/" {
		return 0, os.RemoveAll(s.path(dir)) // a folder that stands for a control group has real files in it
	}
	if err := os.Remove(s.path(dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 1, nil // a process that was just killed is still leaving
	}
	return 0, nil
}
