//go:build linux

package lab

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// recordVersion is the version of the form of lab.json.
const recordVersion = 1

// record is lab.json: what the lab consists of. It is written before anything is made.
// What runs is not in it: control groups and namespaces tell that.
type record struct {
	Version   int                         `json:"version"`
	Spec      Spec                        `json:"spec"`
	Gateways  map[netip.Prefix]netip.Addr `json:"gateways"`
	Cuts      []cut                       `json:"cuts,omitempty"`
	Losses    []loss                      `json:"losses,omitempty"`
	Unplugged []string                    `json:"unplugged,omitempty"` // hosts whose link is down
}

// hostRecord is host.json: a host's identity, written once its disk is complete.
type hostRecord struct {
	MachineID string       `json:"machine_id"`
	HostKey   string       `json:"host_key"`         // public, as in authorized_keys
	Base      string       `json:"base"`             // the image below its disk
	Address   netip.Addr   `json:"address"`          // as its /etc/hosts has it
	Network   netip.Prefix `json:"network,omitzero"` // its rack's, when the address was given
}

// placed tells whether a host has the address and the network that it shall have.
func (hr hostRecord) placed(h Host) bool {
	return hr.Address == h.Address && (!hr.Network.IsValid() || hr.Network == h.Network)
}

func readJSON(path string, into any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func writeJSON(path string, value any) error {
	data, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(path, append(data, '\n'), 0o600)
}

// writeFile replaces a file so that a reader, also after a crash, finds the old or the new.
func writeFile(path string, data []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

func loadRecord(dir string) (record, error) {
	var r record
	if err := readJSON(filepath.Join(dir, "lab.json"), &r); err != nil {
		return record{}, err
	}
	if r.Version != recordVersion {
		return record{}, fmt.Errorf("%s has version %d, this program knows version %d: use the program that made the lab, or run trivet lab down",
			filepath.Join(dir, "lab.json"), r.Version, recordVersion)
	}
	return r, nil
}

// fileLock is an exclusive flock. It ends with its holder, however that ends.
type fileLock struct {
	file *os.File
}

// takeLock waits for the lock; busy is called once if someone else has it.
func takeLock(ctx context.Context, path string, busy func()) (*fileLock, error) {
	return waitLock(ctx, path, busy, func() (*fileLock, error) { return tryLock(path) })
}

func waitLock(ctx context.Context, path string, busy func(), try func() (*fileLock, error)) (*fileLock, error) {
	told := false
	for {
		lock, err := try()
		if lock != nil || err != nil {
			return lock, err
		}
		if !told && busy != nil {
			busy()
			told = true
		}
		// flock cannot be waited for and cancelled at once.
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w while waiting for the lock %s", ctx.Err(), path)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func tryLock(path string) (*fileLock, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // the last lab went down, and the folder with it
	}
	if err != nil {
		return nil, err
	}
	return lockFile(f, path)
}

// takeFolderLock locks a folder itself, made if it is not there.
func takeFolderLock(ctx context.Context, path string) (*fileLock, error) {
	return waitLock(ctx, path, nil, func() (*fileLock, error) {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return nil, err
		}
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return lockFile(f, path)
	})
}

// lockFile locks an open file without waiting; no lock and no error means try again.
func lockFile(f *os.File, path string) (*fileLock, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		f.Close()
		return nil, nil
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	// A holder before us may have removed the file: then this lock guards nothing.
	held, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	named, err := os.Stat(path)
	if err != nil || !os.SameFile(held, named) {
		f.Close()
		return nil, nil
	}
	return &fileLock{file: f}, nil
}

func (l *fileLock) release() { l.file.Close() }

// mountsBelow lists the mount points in and below a folder, innermost first.
func mountsBelow(mountinfo []byte, dir string) []string {
	var found []string
	scanner := bufio.NewScanner(bytes.NewReader(mountinfo))
	for scanner.Scan() {
		fields := strings.Fields(scanner.Text())
		if len(fields) < 5 {
			continue
		}
		point := unescapeMount(fields[4])
		if point == dir || strings.HasPrefix(point, dir+"/") {
			found = append([]string{point}, found...)
		}
	}
	return found
}

var mountEscapes = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

func unescapeMount(s string) string { return mountEscapes.Replace(s) }

// removeAll removes a folder of ours, but never through a mount left in it.
func removeAll(dir string) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	mountinfo, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for _, point := range mountsBelow(mountinfo, abs) {
		if err := unix.Unmount(point, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount %s: %w", point, err)
		}
	}
	return os.RemoveAll(abs)
}
