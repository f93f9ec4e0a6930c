// Package hostdtest stands in for a machine around hostd: a root folder with the files that hostd reads, and fakes of systemd, of the programs
// that it runs and of the kernel. The fakes keep their state as a machine does, and fail on calls that they do not know.
package hostdtest

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/hostd"
)

// Release is the kernel release of a Machine.
const Release = "6.1.0-test"

// Machine is a Debian host in a folder.
type Machine struct {
	Root     string
	Units    *Units
	Commands *Commands
	Kernel   *Kernel
	Hooks    *Hooks
	// Hook is handed to hostd, see hostd.Options.
	Hook func(point string)
	// Staging is handed to hostd, see hostd.Options.
	Staging string
	// Patience is handed to hostd, see hostd.Options.
	Patience time.Duration
	// NoSync leaves out fsync, for simulations of many hosts.
	NoSync bool
	// OnSync is handed to hostd, see hostd.Options.
	OnSync func(real string)
	// Clock is the machine's clock; nil for the real one.
	Clock func() time.Time
}

// skeleton are the files of a fresh machine.
func skeleton(name string) map[string]string {
	id := hostapi.Digest([]byte(name))
	return map[string]string{
		"/etc/hostname":                                 name + "\n",
		"/etc/machine-id":                               id[:32] + "\n",
		"/etc/os-release":                               "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
		"/etc/resolv.conf":                              "nameserver 192.0.2.53\n",
		"/etc/passwd":                                   "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n",
		"/etc/group":                                    "root:x:0:\ndaemon:x:1:\n",
		"/etc/shadow":                                   "root:*:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\n",
		"/etc/gshadow":                                  "root:*::\ndaemon:*::\n",
		"/proc/1/comm":                                  "systemd\n",
		"/proc/meminfo":                                 "MemTotal:        4194304 kB\nSwapTotal:             0 kB\n",
		"/proc/net/tcp":                                 "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1234 1 0 100 0 0 10 0\n",
		"/proc/self/mountinfo":                          "21 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n",
		"/proc/sys/kernel/hostname":                     name + "\n",
		"/proc/sys/kernel/osrelease":                    Release + "\n",
		"/proc/sys/kernel/random/boot_id":               id[32:40] + "-" + id[40:44] + "-" + id[44:48] + "-" + id[48:52] + "-" + id[52:64] + "\n",
		"/proc/sys/net/core/netdev_max_backlog":         "1000\n",
		"/proc/sys/net/ipv4/ip_forward":                 "0\n",
		"/proc/sys/net/bridge/bridge-nf-call-iptables":  "0\n",
		"/proc/sys/net/bridge/bridge-nf-call-ip6tables": "0\n",
		"/proc/sys/net/netfilter/nf_conntrack_max":      "65536\n",
		"/proc/sys/net/ipv4/conf/all/forwarding":        "0\n",
		"/proc/sys/net/ipv6/conf/all/forwarding":        "0\n",
		"/proc/sys/vm/overcommit_memory":                "0\n",
		"/proc/sys/vm/max_map_count":                    "65530\n",
		"/proc/sys/kernel/panic":                        "0\n",
		"/proc/sys/kernel/panic_on_oops":                "0\n",
		"/proc/sys/fs/inotify/max_user_watches":         "65536\n",
		"/proc/sys/fs/inotify/max_user_instances":       "128\n",
		"/sys/devices/system/cpu/online":                "0-1\n",
		"/sys/fs/cgroup/cgroup.controllers":             "cpuset cpu io memory pids\n",
		"/lib/modules/" + Release + "/modules.builtin":  "kernel/net/ipv4/tcp_cubic.ko\n",
		"/var/lib/dpkg/status":                          stanza("base-files", "12.4"),
	}
}

var folders = []string{
	"/opt", "/run", "/root", "/usr/lib", "/usr/sbin", "/usr/local/bin", "/var/lib/dpkg/info", "/etc/systemd/system", "/lib/systemd/system",
	"/etc/sysctl.d", "/etc/modules-load.d", "/usr/lib/tmpfiles.d", "/sys/module", "/sys/fs/cgroup/system.slice", "/var/tmp", "/tmp",
}

// New makes a machine of a name in an empty folder.
func New(root, name string) (*Machine, error) {
	for _, d := range folders {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			return nil, err
		}
	}
	for p, content := range skeleton(name) {
		if err := write(filepath.Join(root, p), content); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(filepath.Join(root, "/sys/module"), 0o755); err != nil {
		return nil, err
	}
	return Open(root), nil
}

// Open is the machine in a folder that New laid out, with nothing running.
func Open(root string) *Machine {
	m := &Machine{Root: root}
	m.Units = &Units{root: root, Active: map[string]string{}, Starts: map[string]int{}, Started: map[string]time.Time{}, FailStart: map[string]string{}, Words: map[string]string{}, read: map[string]string{}}
	m.Kernel = &Kernel{root: root, Links: []hostapi.Interface{
		{Name: "lo", MTU: 65536, Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}},
		{Name: "eth0", MTU: 1500, Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.10/24")}},
	}}
	m.Hooks = &Hooks{Programs: map[string]func(context.Context, []string, io.Writer) error{}}
	m.Commands = newCommands(m)
	m.Kernel.inUse = m.Commands.counts
	return m
}

// Options reach the machine.
func (m *Machine) Options() hostd.Options {
	return hostd.Options{
		Root: m.Root, Units: m.Units, Commands: m.Commands, Kernel: m.Kernel, Hooks: m.Hooks,
		Architecture: "amd64", Clock: m.Clock, Staging: m.Staging, Patience: m.Patience, NoSync: m.NoSync, Hook: m.Hook, OnSync: m.OnSync,
	}
}

// Host is a helper on the machine, as each connection has one.
func (m *Machine) Host() *hostd.Host { return hostd.New(m.Options()) }

// Path is where a path of the machine is.
func (m *Machine) Path(p string) string { return filepath.Join(m.Root, p) }

// PutBlob puts bytes into the store, as if they had been transferred.
func (m *Machine) PutBlob(content []byte) (hostapi.Blob, error) {
	b := hostapi.Blob{SHA256: hostapi.Digest(content), Size: int64(len(content))}
	staged := "/var/tmp/upload-" + b.SHA256[:12]
	if err := os.WriteFile(m.Path(staged), content, 0o600); err != nil {
		return b, err
	}
	return b, m.Host().Receive(context.Background(), &hostapi.Receive{Path: staged, Blob: b})
}

func write(real, content string) error {
	if err := os.MkdirAll(filepath.Dir(real), 0o755); err != nil {
		return err
	}
	return os.WriteFile(real, []byte(content), 0o644)
}

// Kernel is a hostd.Kernel over a folder.
type Kernel struct {
	root   string
	mu     sync.Mutex
	Links  []hostapi.Interface
	Killed []int
	// LinkRoutes counts the routes through interfaces.
	LinkRoutes map[string]int
	// Acct are netfilter's accounting objects. The fake programs' rules refer to them by "--nfacct-name".
	Acct  []string
	inUse func(counter string) bool
}

// Interfaces lists Links.
func (k *Kernel) Interfaces(context.Context) ([]hostapi.Interface, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.Links), nil
}

// AddLink makes an interface, as a component would.
func (k *Kernel) AddLink(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.Links = append(k.Links, hostapi.Interface{Name: name, MTU: 1450})
}

// DeleteLink removes an interface that is there.
func (k *Kernel) DeleteLink(_ context.Context, name string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := len(k.Links)
	k.Links = slices.DeleteFunc(k.Links, func(i hostapi.Interface) bool { return i.Name == name })
	if len(k.Links) == n {
		return fmt.Errorf("hostdtest: there is no link %s", name)
	}
	return nil
}

// Routes gives LinkRoutes.
func (k *Kernel) Routes(context.Context) (map[string]int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.LinkRoutes), nil
}

// Counters lists Acct.
func (k *Kernel) Counters(context.Context) ([]string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.Acct), nil
}

// DeleteCounter removes an accounting object that no rule counts with.
func (k *Kernel) DeleteCounter(_ context.Context, name string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.inUse(name) {
		return fmt.Errorf("hostdtest: a rule counts with %s: device or resource busy", name)
	}
	n := len(k.Acct)
	k.Acct = slices.DeleteFunc(k.Acct, func(c string) bool { return c == name })
	if len(k.Acct) == n {
		return fmt.Errorf("hostdtest: there is no counter %s", name)
	}
	return nil
}

// AddMount mounts something on a path.
func (k *Kernel) AddMount(path string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := os.MkdirAll(filepath.Join(k.root, path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(k.mountinfo(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = fmt.Fprintf(f, "99 21 0:50 / %s rw,relatime - tmpfs tmpfs rw\n", path)
	return err
}

func (k *Kernel) mountinfo() string { return filepath.Join(k.root, "/proc/self/mountinfo") }

// Unmount takes the last mount off a path.
func (k *Kernel) Unmount(_ context.Context, path string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	b, err := os.ReadFile(k.mountinfo())
	if err != nil {
		return err
	}
	lines := slices.Collect(strings.Lines(string(b)))
	for i, l := range slices.Backward(lines) {
		if f := strings.Fields(l); len(f) > 4 && f[4] == path {
			return os.WriteFile(k.mountinfo(), []byte(strings.Join(slices.Delete(lines, i, i+1), "")), 0o644)
		}
	}
	return fmt.Errorf("hostdtest: nothing is mounted on %s", path)
}

// Kill takes a process out of the control group that it is in.
func (k *Kernel) Kill(_ context.Context, pid int) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	found := false
	err := filepath.WalkDir(filepath.Join(k.root, "/sys/fs/cgroup"), func(p string, d os.DirEntry, err error) error {
		if err != nil || d.Name() != "cgroup.procs" {
			return err
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		pids := strings.Fields(string(b))
		i := slices.Index(pids, strconv.Itoa(pid))
		if i < 0 {
			return nil
		}
		found = true
		return os.WriteFile(p, []byte(strings.Join(slices.Delete(pids, i, i+1), "\n")), 0o644)
	})
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("hostdtest: there is no process %d", pid)
	}
	k.Killed = append(k.Killed, pid)
	return nil
}
