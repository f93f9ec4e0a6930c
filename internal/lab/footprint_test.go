//go:build linux

package lab

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// testLabs begins the names of the labs made here; others may be up on this machine.
const testLabs = "trivet-lt"

// footprint is what the labs made here could leave on the machine.
func footprint(t *testing.T, folders ...string) []string {
	t.Helper()
	found := []string{}
	listed := func(kind, dir, prefix string) {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), prefix) {
				found = append(found, kind+" "+filepath.Join(dir, e.Name()))
			}
		}
	}
	listed("network namespace", namespaceFolder, testLabs)
	listed("folder", "/var/lib", "trivet-lab-test")
	listed("folder", "/run/systemd/nspawn/propagate", testLabs)
	listed("folder", "/run/systemd/nspawn/unix-export", testLabs)
	trees, err := hierarchies()
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range trees {
		listed("control group", filepath.Join(h.path, cgroupFolder), "lt")
		if os.Getpid() != 1 && !isFolder("/run/systemd/system") {
			// Without a systemd of the machine's own, these were made by a host that escaped.
			listed("control group", h.path, "init.scope")
			listed("control group", h.path, "system.slice")
		}
	}
	folders = append(folders, filepath.Join(namespaceFolder, testLabs), "/var/lib/trivet-lab-test", "/run/systemd/nspawn/propagate/"+testLabs)
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		for _, dir := range folders {
			if point := unescapeMount(strings.Fields(line)[4]); strings.HasPrefix(point, dir) {
				found = append(found, "mount "+point)
			}
		}
	}
	links, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		found = append(found, "interface "+l.Name)
	}
	for _, key := range machineSysctls {
		data, err := os.ReadFile(filepath.Join("/proc/sys", key))
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, "sysctl "+key+" "+strings.TrimSpace(string(data)))
	}
	return append(found, labProcesses(t, folders)...)
}

// labProcesses lists the processes of test labs: by control group, and those that name one
// of the folders.
func labProcesses(t *testing.T, folders []string) []string {
	t.Helper()
	var found []string
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() || isZombie(pid) { // a zombie has ended; its parent collects it when it likes
			continue
		}
		groups, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
		args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		ours := strings.Contains(string(groups), "/"+cgroupFolder+"/lt")
		for _, dir := range folders {
			ours = ours || strings.Contains(string(args), dir)
		}
		if ours {
			found = append(found, fmt.Sprintf("process %d %s", pid, strings.ReplaceAll(string(args), "\x00", " ")))
		}
	}
	return found
}
