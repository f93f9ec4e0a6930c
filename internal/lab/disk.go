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

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// A host's folder holds host.json, its SSH host key, its console log, the mount point
// "root" and its disk.
func hostFolder(labDir, host string) string { return filepath.Join(labDir, "hosts", host) }

const hostKeyFile = "ssh_host_ed25519_key"

// realFolders of a host are no part of the overlay: containerd, kubelet and etcd keep data
// there that an overlay cannot hold. Whole parents, so that below them every folder can be
// made, renamed and removed as on any machine, which a mount point could not.
var realFolders = []struct{ inHost, onDisk string }{
	{"var/lib", "var-lib"},
	{"opt", "opt"},
}

// makeDisk gives a host an empty disk and an identity, unless it has them.
func makeDisk(ctx context.Context, dir string, h Host, base, authorized string) error {
	var hr hostRecord
	err := readJSON(filepath.Join(dir, "host.json"), &hr)
	if err == nil {
		return moveDisk(dir, h, hr)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := emptyDisk(ctx, dir, base); err != nil {
		return err
	}
	hostKey, err := ensureHostKey(dir, h.Name)
	if err != nil {
		return err
	}
	id, err := newMachineID()
	if err != nil {
		return err
	}
	hr = hostRecord{MachineID: id, HostKey: hostKey, Base: base, Address: h.Address, Network: h.Network}
	err = onRoot(dir, base, func(root string) error {
		return errors.Join(identify(dir, root, h, hr, authorized), unix.Unmount(root, 0))
	})
	if err != nil {
		return fmt.Errorf("prepare the disk: %w", err)
	}
	return writeJSON(filepath.Join(dir, "host.json"), hr)
}

// moveDisk tells a disk of the host's new address.
func moveDisk(dir string, h Host, hr hostRecord) error {
	if hr.placed(h) {
		return nil
	}
	err := onRoot(dir, hr.Base, func(root string) error {
		return errors.Join(writeHosts(root, h), unix.Unmount(root, 0))
	})
	if err != nil {
		return fmt.Errorf("change the address on the disk: %w", err)
	}
	hr.Address, hr.Network = h.Address, h.Network
	return writeJSON(filepath.Join(dir, "host.json"), hr)
}

func emptyDisk(ctx context.Context, dir, base string) error {
	disk := filepath.Join(dir, "disk")
	if err := removeAll(disk); err != nil {
		return err
	}
	for _, name := range []string{"root", "disk/upper", "disk/work"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return err
		}
	}
	for _, f := range realFolders {
		if err := copyTree(ctx, filepath.Join(base, f.inHost), filepath.Join(disk, f.onDisk)); err != nil {
			return fmt.Errorf("copy from the base image: %w", err)
		}
	}
	return nil
}

// ensureHostKey makes the host's SSH key in its folder, outside its disk: it can outlive it.
func ensureHostKey(dir, host string) (public string, err error) {
	path := filepath.Join(dir, hostKeyFile)
	data, err := os.ReadFile(path)
	if err == nil {
		signer, err := ssh.ParsePrivateKey(data)
		if err != nil {
			return "", fmt.Errorf("%s is not a private key", path)
		}
		return authorizedKey(signer.PublicKey()), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	private, public, err := newKey("root@" + host)
	if err != nil {
		return "", err
	}
	return public, writeFile(path, private, 0o600)
}

// identify writes what sets this host apart from its image.
func identify(dir, root string, h Host, hr hostRecord, authorized string) error {
	hostKey, err := os.ReadFile(filepath.Join(dir, hostKeyFile))
	if err != nil {
		return err
	}
	sshFolder := filepath.Join(root, "home", User, ".ssh")
	if err := os.Mkdir(sshFolder, 0o700); err != nil {
		return err
	}
	for _, f := range []struct {
		path string
		data string
		mode fs.FileMode
	}{
		{filepath.Join(root, "etc/machine-id"), hr.MachineID + "\n", 0o444},
		{filepath.Join(root, "etc/hostname"), h.Name + "\n", 0o644},
		{filepath.Join(root, "etc/ssh", hostKeyFile), string(hostKey), 0o600},
		{filepath.Join(root, "etc/ssh", hostKeyFile+".pub"), hr.HostKey + "\n", 0o644},
		{filepath.Join(sshFolder, "authorized_keys"), authorized + "\n", 0o600},
	} {
		if err := placeFile(f.path, f.data, f.mode); err != nil {
			return err
		}
	}
	for _, path := range []string{sshFolder, filepath.Join(sshFolder, "authorized_keys")} {
		if err := os.Chown(path, userID, userID); err != nil {
			return err
		}
	}
	return writeHosts(root, h)
}

func writeHosts(root string, h Host) error {
	return placeFile(filepath.Join(root, "etc/hosts"), hostsFile(h), 0o644)
}

func hostsFile(h Host) string {
	return fmt.Sprintf("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n%s\t%s\n", h.Address, h.Name)
}

// placeFile needs no care for crashes: until host.json is there, a disk is made anew.
func placeFile(path, data string, mode fs.FileMode) error {
	if err := os.WriteFile(path, []byte(data), mode); err != nil {
		return err
	}
	return os.Chmod(path, mode) // the file may have been there, and the umask is anyone's
}

// onRoot runs fn on a thread of its own in a mount namespace of its own, with the host's
// root mounted there. What fn starts lives on in that namespace, and the mount ends with
// the last of it: there is never anything to unmount on the machine.
func onRoot(dir, base string, fn func(root string) error) error {
	if !isFolder(base) {
		return fmt.Errorf("the base image %s below this host's disk is gone: give it an empty disk (trivet lab wipe) or take the lab down and up", base)
	}
	return onOwnThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("mount namespace: %w", err)
		}
		// Slave, not private: what the machine unmounts must not stay mounted here.
		if err := unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("mount namespace: %w", err)
		}
		root := filepath.Join(dir, "root")
		if err := unix.Mount("overlay", root, "overlay", 0, overlayOptions(base, filepath.Join(dir, "disk"))); err != nil {
			return fmt.Errorf("mount the host's root on %s: %w", root, err)
		}
		return fn(root)
	})
}

var overlayEscapes = strings.NewReplacer(`\`, `\\`, `:`, `\:`, `,`, `\,`)

func overlayOptions(base, disk string) string {
	return "lowerdir=" + overlayEscapes.Replace(base) +
		",upperdir=" + overlayEscapes.Replace(filepath.Join(disk, "upper")) +
		",workdir=" + overlayEscapes.Replace(filepath.Join(disk, "work"))
}

// checkStateDir refuses a file system that cannot hold a host's disk, and warns of one that is nearly full.
func checkStateDir(dir string, warn func(string)) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("state folder %s: %w", dir, err)
	}
	if st.Type == unix.OVERLAYFS_SUPER_MAGIC {
		return fmt.Errorf("state folder %s lies on an overlay, which cannot hold the disk of a host: choose a folder on a real file system", dir)
	}
	if full := roomFor(dir, st); full != "" {
		warn(full)
	}
	return nil
}

// evictsBelow is the part of a disk that has to be free, or kubelets take pods off their nodes: 15 %, and some room for what a lab writes
// (imagefs.available, https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction).
const evictsBelow = 0.18

// roomFor tells of a disk that is too full for kubelets, "" where it is not. All hosts of a lab have it in common.
func roomFor(dir string, st unix.Statfs_t) string {
	free := float64(st.Bavail) / float64(max(st.Blocks, 1))
	if free >= evictsBelow {
		return ""
	}
	return fmt.Sprintf("warning: %.0f %% of the disk below %s are free: where that falls to 15 %%, kubelets evict pods (DiskPressure); make room", free*100, dir)
}
