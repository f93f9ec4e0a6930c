//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// labFiles is all that this package puts into a lab's folder.
var labFiles = []string{"hosts", "access.json", "id_ed25519", "known_hosts", "age.key", "lab.json"}

// Down removes everything a lab made, also what a crash or a killed command left of it:
// it goes by names, not by a record. A lab that is not there is no error.
func Down(ctx context.Context, name string, o Options) error {
	o, err := o.withDefaults()
	if err != nil {
		return err
	}
	if err := checkName("lab", name, maxLabName); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return errors.New("taking a lab down needs root")
	}
	l := &Lab{name: name, dir: filepath.Join(o.StateDir, name), options: o}
	lock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer lock.release()
	// Processes first: nothing else can be removed for good while they run.
	if err := l.endHosts(ctx); err != nil {
		return err
	}
	if err := errors.Join(l.removeNamespaces(), l.removeNspawnFolders(), l.removeState()); err != nil {
		return err
	}
	if err := os.Remove(l.dir + ".lock"); err != nil {
		return err
	}
	return leaveStateDir(ctx, o.StateDir)
}

// endHosts kills every process in the lab's control groups and removes the groups.
func (l *Lab) endHosts(ctx context.Context) error {
	lab, err := openGroup(filepath.Join(cgroupFolder, l.name))
	if err != nil {
		return err
	}
	err = l.eachHost(lab.children(), func(host string) error {
		m := &machine{Host: Host{Name: host}, lab: l.name, dir: hostFolder(l.dir, host)}
		var err error
		if m.group, err = openGroup(hostGroup(l.name, host)); err != nil {
			return err
		}
		return m.kill(ctx)
	})
	if err != nil {
		return err
	}
	if err := lab.remove(ctx); err != nil {
		return err
	}
	group{name: cgroupFolder, in: lab.in}.removeIfEmpty() // other labs may be there
	return nil
}

func (l *Lab) removeNamespaces() error {
	entries, err := os.ReadDir(namespaceFolder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var errs []error
	for _, e := range entries {
		name := e.Name()
		if name == operatorNamespace(l.name) || name == routerNamespace(l.name) || strings.HasPrefix(name, hostNamespace(l.name, "")) {
			errs = append(errs, deleteNamespace(name))
		}
	}
	_ = os.Remove(namespaceFolder) // unless other labs are there
	return errors.Join(errs...)
}

// removeNspawnFolders removes what systemd-nspawn leaves in /run for each machine.
func (l *Lab) removeNspawnFolders() error {
	entries, err := os.ReadDir(filepath.Join(l.dir, "hosts"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var errs []error
	for _, e := range entries {
		errs = append(errs, l.removeNspawnFoldersOf(e.Name()))
	}
	for _, dir := range []string{"propagate", "unix-export", ""} {
		unix.Rmdir(filepath.Join("/run/systemd/nspawn", dir)) // refused while others' are there
	}
	return errors.Join(errs...)
}

func (l *Lab) removeNspawnFoldersOf(host string) error {
	var errs []error
	for _, kind := range []string{"propagate", "unix-export"} {
		path := filepath.Join("/run/systemd/nspawn", kind, machineName(l.name, host))
		if _, err := os.Lstat(path); err == nil {
			errs = append(errs, removeAll(path))
		}
	}
	return errors.Join(errs...)
}

// removeState removes the lab's folder. Commands may keep files of the lab there, which go
// with it; but without a lab.json the folder may be anyone's, and only our files go.
func (l *Lab) removeState() error {
	names := labFiles
	if _, err := os.Stat(filepath.Join(l.dir, "lab.json")); err == nil {
		entries, err := os.ReadDir(l.dir)
		if err != nil {
			return err
		}
		names = nil
		for _, e := range entries {
			if e.Name() != "lab.json" {
				names = append(names, e.Name())
			}
		}
		names = append(names, "lab.json") // last, so that the next Down can go on
	}
	for _, name := range names {
		if err := removeAll(filepath.Join(l.dir, name)); err != nil {
			return err
		}
	}
	err := os.Remove(l.dir)
	if errors.Is(err, unix.ENOTEMPTY) {
		return fmt.Errorf("%s holds files that are not the lab's: move them away and run trivet lab down again", l.dir)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// leaveStateDir gives the machine its sysctls back, and the state folder up, with the last lab.
func leaveStateDir(ctx context.Context, dir string) error {
	lock, err := takeFolderLock(ctx, dir)
	if err != nil {
		return err
	}
	defer lock.release()
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if filepath.Join(dir, e.Name()) != sysctlFile(dir) {
			return nil
		}
	}
	if err := restoreSysctls(dir); err != nil {
		return err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, unix.ENOTEMPTY) {
		return err
	}
	return nil
}
