//go:build linux

package lab

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// hierarchy is one mounted control group tree.
type hierarchy struct {
	path    string
	unified bool // cgroup v2
	cpuset  bool // v1: a process can enter only after cpus and mems are set
}

// hierarchies finds the machine's control group trees: one per v1 controller, the v2
// tree, or both.
func hierarchies() ([]hierarchy, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	found, err := parseHierarchies(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, errors.New("this machine has no control groups mounted: mount cgroup2 on /sys/fs/cgroup")
	}
	return found, nil
}

func parseHierarchies(mountinfo io.Reader) ([]hierarchy, error) {
	var found []hierarchy
	devices := map[string]bool{}
	scanner := bufio.NewScanner(mountinfo)
	for scanner.Scan() {
		before, after, ok := strings.Cut(scanner.Text(), " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !ok || len(left) < 6 || len(right) < 3 {
			continue
		}
		kind, device, root := right[0], left[2], left[3]
		if (kind != "cgroup" && kind != "cgroup2") || root != "/" || devices[device] {
			continue
		}
		devices[device] = true
		found = append(found, hierarchy{
			path:    left[4],
			unified: kind == "cgroup2",
			cpuset:  kind == "cgroup" && slices.Contains(strings.Split(right[2], ","), "cpuset"),
		})
	}
	return found, scanner.Err()
}

// group is one control group, by the same name in every hierarchy.
type group struct {
	name string
	in   []hierarchy
}

func openGroup(name string) (group, error) {
	in, err := hierarchies()
	return group{name: name, in: in}, err
}

func (g group) paths() []string {
	paths := make([]string, 0, len(g.in))
	for _, h := range g.in {
		paths = append(paths, filepath.Join(h.path, g.name))
	}
	return paths
}

// create makes the group in every hierarchy, ready for a process to enter.
func (g group) create() error {
	onlyUnified := len(g.in) == 1 && g.in[0].unified
	for _, h := range g.in {
		dir := h.path
		for _, part := range strings.Split(g.name, "/") {
			if onlyUnified {
				if err := delegate(dir); err != nil {
					return err
				}
			}
			parent := dir
			dir = filepath.Join(dir, part)
			if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("control group: %w", err)
			}
			if h.cpuset {
				if err := copyCpuset(parent, dir); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// delegate lets the groups below dir use every controller that dir has (v2).
func delegate(dir string) error {
	available, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return fmt.Errorf("control group: %w", err)
	}
	file := filepath.Join(dir, "cgroup.subtree_control")
	enabled, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("control group: %w", err)
	}
	for _, c := range strings.Fields(string(available)) {
		if slices.Contains(strings.Fields(string(enabled)), c) {
			continue
		}
		if err := os.WriteFile(file, []byte("+"+c), 0); err != nil {
			return fmt.Errorf("control group: enable %s for the groups in %s: %w", c, dir, err)
		}
	}
	return nil
}

func copyCpuset(parent, dir string) error {
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(parent, name))
		if err != nil {
			return fmt.Errorf("control group: %w", err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), value, 0); err != nil {
			return fmt.Errorf("control group: %w", err)
		}
	}
	return nil
}

// enterThread puts the calling thread into the group's v1 hierarchies; a process started
// on it is born there. The v2 tree takes no single thread: there a process is cloned
// straight into the group, whose folder is returned open (nil where there is no v2).
func (g group) enterThread() (*os.File, error) {
	var unified *os.File
	for i, dir := range g.paths() {
		if g.in[i].unified {
			f, err := os.Open(dir)
			if err != nil {
				return nil, fmt.Errorf("control group: %w", err)
			}
			unified = f
			continue
		}
		err := os.WriteFile(filepath.Join(dir, "tasks"), []byte(strconv.Itoa(unix.Gettid())), 0)
		if err != nil {
			if unified != nil {
				unified.Close()
			}
			return nil, fmt.Errorf("enter control group %s: %w", dir, err)
		}
	}
	return unified, nil
}

// processes lists the live processes of the group and the groups below it.
func (g group) processes() ([]int, error) {
	seen := map[int]bool{}
	for _, dir := range g.paths() {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if vanished(err) {
				return nil // groups come and go while they are walked
			}
			if err != nil || !d.IsDir() {
				return err
			}
			data, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
			if err != nil && !vanished(err) && !errors.Is(err, unix.EOPNOTSUPP) {
				return err
			}
			for _, field := range strings.Fields(string(data)) {
				if pid, err := strconv.Atoi(field); err == nil && pid > 0 && !isZombie(pid) {
					seen[pid] = true
				}
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("control group %s: %w", dir, err)
		}
	}
	pids := make([]int, 0, len(seen))
	for pid := range seen {
		pids = append(pids, pid)
	}
	slices.Sort(pids)
	return pids, nil
}

func vanished(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV)
}

// has tells whether a process belongs to the group, in any hierarchy.
func (g group) has(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(data)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		if parts[2] == "/"+g.name || strings.HasPrefix(parts[2], "/"+g.name+"/") {
			return true
		}
	}
	return false
}

// freezer finds the file that freezes the group, and its words. On v1 each controller is
// a tree, on v2 every group can be frozen.
func (g group) freezer() (file, freeze, thaw string) {
	for _, dir := range g.paths() {
		if _, err := os.Stat(filepath.Join(dir, "freezer.state")); err == nil {
			return filepath.Join(dir, "freezer.state"), "FROZEN", "THAWED"
		}
	}
	for _, h := range g.in {
		if dir := filepath.Join(h.path, g.name); h.unified {
			if _, err := os.Stat(filepath.Join(dir, "cgroup.freeze")); err == nil {
				return filepath.Join(dir, "cgroup.freeze"), "1", "0"
			}
		}
	}
	return "", "", ""
}

// frozen tells whether the group is frozen, or is about to be.
func (g group) frozen() (bool, error) {
	file, _, thaw := g.freezer()
	if file == "" {
		return false, nil
	}
	data, err := os.ReadFile(file)
	if err != nil && !vanished(err) {
		return false, err
	}
	word := strings.TrimSpace(string(data))
	return word != "" && word != thaw, nil
}

// freeze stops or goes on with every process of the group, and waits until all are there.
func (g group) freeze(ctx context.Context, stop bool) error {
	file, word, thaw := g.freezer()
	if file == "" && stop {
		return fmt.Errorf("control group %s cannot be frozen: this machine has no freezer", g.name)
	}
	if file == "" {
		return nil
	}
	if !stop {
		word = thaw
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		// On v1 a group can stay half frozen until it is told again.
		if err := os.WriteFile(file, []byte(word), 0); err != nil {
			return fmt.Errorf("control group: %w", err)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("control group: %w", err)
		}
		if strings.TrimSpace(string(data)) == word {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("control group %s: %w", g.name, ctx.Err())
		case <-tick.C:
		}
	}
}

// kill ends every process of the group at once, and waits until none is left. Membership
// is asked again once the process is held by a pidfd, so a reused pid is never killed.
func (g group) kill(ctx context.Context) error {
	for {
		pids, err := g.processes()
		if err != nil || len(pids) == 0 {
			return err
		}
		for _, pid := range pids {
			p, err := openProcess(pid)
			if err != nil {
				continue // it ended meanwhile
			}
			if g.has(pid) {
				err = p.signal(unix.SIGKILL)
			}
			p.close()
			if err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("kill process %d of %s: %w", pid, g.name, err)
			}
		}
		if err := g.waitFirst(ctx, pids); err != nil {
			return err
		}
	}
}

// waitEmpty waits until the group has no process.
func (g group) waitEmpty(ctx context.Context) error {
	for {
		pids, err := g.processes()
		if err != nil || len(pids) == 0 {
			return err
		}
		if err := g.waitFirst(ctx, pids); err != nil {
			return err
		}
	}
}

// waitFirst waits for the end of the first of pids that is still of the group.
func (g group) waitFirst(ctx context.Context, pids []int) error {
	for _, pid := range pids {
		p, err := openProcess(pid)
		if err != nil {
			continue
		}
		if !g.has(pid) {
			p.close()
			continue
		}
		err = p.wait(ctx)
		p.close()
		return err
	}
	return ctx.Err()
}

// remove deletes an emptied group with the groups below it. The kernel lets go of a
// group's last process a moment after its end, and reports that nowhere.
func (g group) remove(ctx context.Context) error {
	for _, dir := range g.paths() {
		deadline := time.Now().Add(10 * time.Second)
		for {
			err := removeTree(dir)
			if err == nil {
				break
			}
			if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
				return fmt.Errorf("remove control group: %w", err)
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	return nil
}

func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if vanished(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeTree(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := unix.Rmdir(dir); err != nil && !errors.Is(err, unix.ENOENT) {
		return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
	}
	return nil
}

// removeIfEmpty deletes the group where nothing is below it.
func (g group) removeIfEmpty() {
	for _, dir := range g.paths() {
		unix.Rmdir(dir) // refused by the kernel while it is in use
	}
}

// children lists the names of the groups below, over all hierarchies.
func (g group) children() []string {
	var names []string
	for _, dir := range g.paths() {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if e.IsDir() && !slices.Contains(names, e.Name()) {
				names = append(names, e.Name())
			}
		}
	}
	return names
}

// memory is what the group uses, page cache included; 0 where nothing tells.
func (g group) memory() uint64 {
	for _, dir := range g.paths() {
		for _, file := range []string{"memory.usage_in_bytes", "memory.current"} {
			data, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil {
				continue
			}
			if n, err := strconv.ParseUint(strings.TrimSpace(string(data)), 10, 64); err == nil {
				return n
			}
		}
	}
	return 0
}
