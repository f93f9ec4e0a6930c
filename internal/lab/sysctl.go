//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// machineSysctls belong to no namespace: a kubelet in a host sets them for the whole
// machine, and the lab raises the last. They get their values back with the last lab.
var machineSysctls = []string{
	"vm/overcommit_memory", "vm/panic_on_oom", "vm/max_map_count", "vm/swappiness",
	"kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes",
	"fs/file-max", "fs/inotify/max_user_watches", inotifyInstances,
}

// inotifyInstances counts per user, and root of every host is the same user.
const inotifyInstances = "fs/inotify/max_user_instances"

// instancesPerHost is what a systemd with kubelet and containerd was given on its own.
const instancesPerHost = 128

func sysctlFile(stateDir string) string { return filepath.Join(stateDir, "machine-sysctls.json") }

// keepSysctls notes the machine's values before the first lab can change them.
func keepSysctls(ctx context.Context, stateDir string, hosts int) error {
	lock, err := takeFolderLock(ctx, stateDir) // another lab may be the last to go down
	if err != nil {
		return err
	}
	defer lock.release()
	path := sysctlFile(stateDir)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		values := map[string]string{}
		for _, key := range machineSysctls {
			if data, err := os.ReadFile(filepath.Join("/proc/sys", key)); err == nil {
				values[key] = strings.TrimSpace(string(data))
			}
		}
		if err := writeJSON(path, values); err != nil {
			return err
		}
	}
	file := filepath.Join("/proc/sys", inotifyInstances)
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	current, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if need := instancesPerHost * (hosts + 1); current < need {
		return os.WriteFile(file, []byte(strconv.Itoa(need)), 0)
	}
	return nil
}

// restoreSysctls undoes what labs changed.
func restoreSysctls(stateDir string) error {
	var values map[string]string
	err := readJSON(sysctlFile(stateDir), &values)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var errs []error
	for key, value := range values {
		file := filepath.Join("/proc/sys", key)
		data, err := os.ReadFile(file)
		if err != nil || strings.TrimSpace(string(data)) == value {
			continue
		}
		errs = append(errs, os.WriteFile(file, []byte(value), 0))
	}
	return errors.Join(append(errs, os.Remove(sysctlFile(stateDir)))...)
}
