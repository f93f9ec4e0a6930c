package hostd

import (
	"cmp"
	"context"
	"encoding/hex"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// facts reads the host's properties. What cannot be read stays at its zero value: the engine decides what it cannot do without.
func (h *Host) facts(ctx context.Context, req hostapi.ObserveRequest) hostapi.Facts {
	f := hostapi.Facts{
		Hostname:          h.line("/proc/sys/kernel/hostname"),
		MachineID:         h.line("/etc/machine-id"),
		BootID:            h.line("/proc/sys/kernel/random/boot_id"),
		Architecture:      h.Architecture,
		Kernel:            h.kernelRelease(),
		OS:                h.osRelease(),
		Init:              h.line("/proc/1/comm"),
		CgroupVersion:     1,
		CPUs:              h.cpus(),
		ConntrackWritable: h.conntrackWritable(),
		Time:              h.Clock(),
	}
	if _, err := os.Stat(h.path(cgroupRoot + "/cgroup.controllers")); err == nil {
		f.CgroupVersion = 2
	}
	f.MemoryBytes, f.SwapBytes = h.memory()
	f.ResolvConf, f.Nameservers = h.resolver()
	var wg sync.WaitGroup
	wg.Go(func() { f.Listeners = h.listeners() })
	if v, err := h.Units.Version(ctx); err == nil {
		f.SystemdVersion = leadingNumber(v)
	}
	if links, err := h.Kernel.Interfaces(ctx); err == nil {
		f.Interfaces = hostInterfaces(links)
	}
	f.Packages = h.askedPackages(req.Packages)
	f.FreeBytes = h.free(req.Paths)
	wg.Wait()
	return f
}

// hostInterfaces leaves out those that carry no address of their own, such as a pod's end of a veth.
func hostInterfaces(all []hostapi.Interface) []hostapi.Interface {
	var out []hostapi.Interface
	for _, i := range all {
		if slices.ContainsFunc(i.Addresses, func(p netip.Prefix) bool { return !p.Addr().IsLinkLocalUnicast() }) {
			out = append(out, i)
		}
	}
	return out
}

func leadingNumber(s string) int {
	end := strings.IndexFunc(s, func(r rune) bool { return !unicode.IsDigit(r) })
	if end < 0 {
		end = len(s)
	}
	n, _ := strconv.Atoi(s[:end])
	return n
}

func (h *Host) osRelease() hostapi.OSRelease {
	var r hostapi.OSRelease
	text := h.line("/etc/os-release")
	if text == "" {
		text = h.line("/usr/lib/os-release")
	}
	for line := range strings.Lines(text) {
		k, v, _ := strings.Cut(strings.TrimSpace(line), "=")
		v = strings.Trim(v, `"'`)
		switch k {
		case "ID":
			r.ID = v
		case "VERSION_ID":
			r.VersionID = v
		case "PRETTY_NAME":
			r.Name = v
		}
	}
	return r
}

// cpus counts the processors that are online, whatever share of them the helper may use.
func (h *Host) cpus() int {
	n := 0
	for r := range strings.SplitSeq(h.line("/sys/devices/system/cpu/online"), ",") {
		first, last, isRange := strings.Cut(r, "-")
		a, err := strconv.Atoi(first)
		if err != nil {
			return runtime.NumCPU()
		}
		b := a
		if isRange {
			if b, err = strconv.Atoi(last); err != nil {
				return runtime.NumCPU()
			}
		}
		n += b - a + 1
	}
	return n
}

func (h *Host) memory() (total, swap int64) {
	for line := range strings.Lines(h.line("/proc/meminfo")) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kb, _ := strconv.ParseInt(f[1], 10, 64)
		switch f[0] {
		case "MemTotal:":
			total = kb << 10
		case "SwapTotal:":
			swap = kb << 10
		}
	}
	return total, swap
}

// resolver finds the file with the real upstream servers: systemd-resolved puts a stub into /etc/resolv.conf, which a pod cannot reach.
func (h *Host) resolver() (file string, servers []string) {
	const plain, upstream = "/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"
	servers = h.nameservers(plain)
	if slices.Contains(servers, "127.0.0.53") {
		if up := h.nameservers(upstream); len(up) > 0 {
			return upstream, up
		}
	}
	return plain, servers
}

func (h *Host) nameservers(file string) []string {
	var servers []string
	for line := range strings.Lines(h.line(file)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "nameserver" {
			servers = append(servers, f[1])
		}
	}
	return servers
}

// conntrackWritable says whether kube-proxy may set its conntrack parameters: not in a container, whose network namespace has them read-only.
// Where the module is not loaded yet, a parameter that only the first network namespace has tells.
func (h *Host) conntrackWritable() bool {
	p := h.path("/proc/sys/net/netfilter/nf_conntrack_max")
	if _, err := os.Stat(p); err == nil {
		return writable(p)
	}
	return writable(h.path("/proc/sys/net/core/netdev_max_backlog"))
}

func (h *Host) askedPackages(names []string) map[string]string {
	if len(names) == 0 {
		return nil
	}
	have, err := h.installed()
	if err != nil {
		return nil
	}
	out := map[string]string{}
	for _, n := range names {
		if v, ok := have[n]; ok {
			out[n] = v
		}
	}
	return out
}

// free looks at the file system that a path is on, or will be on once it is made.
func (h *Host) free(paths []string) map[string]int64 {
	if len(paths) == 0 {
		return nil
	}
	out := map[string]int64{}
	for _, p := range paths {
		for d := path.Clean("/" + p); ; d = path.Dir(d) {
			if n, err := freeBytes(h.path(d)); err == nil {
				out[p] = n
				break
			}
			if d == "/" {
				break
			}
		}
	}
	return out
}

// listeners are the listening TCP and the bound UDP sockets, with the process where it can be told.
func (h *Host) listeners() []hostapi.Listener {
	var out []hostapi.Listener
	inodes := map[string][]int{}
	for _, table := range []struct{ file, protocol, state string }{
		{"tcp", "tcp", "0A"}, {"tcp6", "tcp", "0A"}, {"udp", "udp", "07"}, {"udp6", "udp", "07"},
	} {
		b, err := os.ReadFile(h.path("/proc/net/" + table.file))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if len(f) < 10 || f[3] != table.state {
				continue
			}
			addr, port, ok := parseSocket(f[1])
			if !ok {
				continue
			}
			inodes[f[9]] = append(inodes[f[9]], len(out))
			out = append(out, hostapi.Listener{Protocol: table.protocol, Address: addr, Port: port})
		}
	}
	h.nameListeners(out, inodes)
	slices.SortFunc(out, func(a, b hostapi.Listener) int {
		return cmp.Or(cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port), a.Address.Compare(b.Address))
	})
	return out
}

// parseSocket reads an address of /proc/net/tcp: words of the machine's byte order (little-endian on all that Trivet supports), in hex.
func parseSocket(s string) (netip.Addr, int, bool) {
	a, p, ok := strings.Cut(s, ":")
	b, err := hex.DecodeString(a)
	port, perr := strconv.ParseUint(p, 16, 16)
	if !ok || err != nil || perr != nil || len(b)%4 != 0 {
		return netip.Addr{}, 0, false
	}
	for i := 0; i < len(b); i += 4 {
		slices.Reverse(b[i : i+4])
	}
	addr, ok := netip.AddrFromSlice(b)
	return addr.Unmap(), int(port), ok
}

// nameListeners looks through the open files of all processes until every socket has its process.
func (h *Host) nameListeners(out []hostapi.Listener, inodes map[string][]int) {
	procs, err := os.ReadDir(h.path("/proc"))
	if err != nil {
		return
	}
	for _, p := range procs {
		if len(inodes) == 0 {
			return
		}
		if _, err := strconv.Atoi(p.Name()); err != nil {
			continue
		}
		dir := h.path("/proc/" + p.Name() + "/fd")
		d, err := os.Open(dir)
		if err != nil {
			continue
		}
		fds, _ := d.Readdirnames(-1)
		d.Close()
		for _, fd := range fds {
			target, err := os.Readlink(filepath.Join(dir, fd))
			inode, ok := strings.CutPrefix(target, "socket:[")
			if err != nil || !ok {
				continue
			}
			inode = strings.TrimSuffix(inode, "]")
			for _, i := range inodes[inode] {
				out[i].Process = h.line("/proc/" + p.Name() + "/comm")
			}
			delete(inodes, inode)
		}
	}
}
