//go:build e2e

package e2e

import (
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// mayChange lists what a host may have otherwise after a cluster has come and gone, and why. Everything else has to be as it was: every file with its owner, mode, size
// and digest.
var mayChange = []struct {
	paths   string // of files, as a regular expression
	content bool   // only the content may differ: the file is there before and after, with the same owner and mode
	why     string
}{
	{`/run/systemd/.*|/run/udev/.*|/run/user/.*|/run/utmp|/run/dbus/.*|/run/log/.*|/var/lib/systemd/.*`, false, "the running system's own notes: sessions, units, timers, journal"},
	{`/var/log/journal/.*|/var/log/(wtmp|btmp|lastlog|faillog)`, false, "who was logged in, and what systemd logged"},
	{`/var/log/(dpkg|alternatives|bootstrap)\.log|/var/log/apt/.*`, false, "the history of installed packages is not taken back"},
	{`/var/lib/dpkg/.*-old|/var/lib/dpkg/(lock.*|triggers/.*|available)|/var/lib/apt/.*|/var/cache/apt/.*|/var/cache/debconf/.*-old`, false, "the package manager's copies, locks and caches"},
	{`/var/lib/dpkg/(status|diversions|statoverride)|/var/cache/debconf/.*\.dat`, true, "the package manager writes them anew, in another order; the packages are compared below"},
	{`/etc/(passwd|group|shadow|gshadow|subuid|subgid)-`, false, "useradd's copies of the version before"},
	{`/etc/ld\.so\.cache`, true, "ldconfig writes it whenever a package brings a library"},
	{`/var/cache/ldconfig/aux-cache`, false, "ldconfig's own notes, which a new system does not have"},
	{`/run/adduser`, false, "the lock of adduser, which a package's script may have called; gone with the next boot"},
}

// sysctlCounters are parameters of the kernel that tell what happens on the machine, or that it draws anew.
const sysctlCounters = `^(fs\.(dentry-state|file-nr|inode-nr|inode-state|quota\..*|aio-nr|epoll.*|mount-nr)|kernel\.(ns_last_pid|pty\.nr|random\..*|tainted|sched_domain.*|perf_event_max_sample_rate)|` +
	`net\.netfilter\.nf_conntrack_count|net\.ipv[46]\.route\.gc.*|net\.ipv4\.tcp_fastopen_key|net\.ipv6\.conf\..*\.stable_secret) `

// sysctlsShared belong to no namespace, so that the hosts of a lab have them in common: whoever notes them second notes what the first has set. Tests of internal/hostd hold that
// they are given back where a host has them for itself.
const sysctlsShared = `^(fs\.inotify\.max_user_(instances|watches)|user\.max_inotify_(instances|watches)|fs\.file-max|kernel\.(panic|panic_on_oops|keys\.root_max(keys|bytes))|` +
	`vm\.(overcommit_memory|panic_on_oom|max_map_count|swappiness)) `

var allowed = sync.OnceValue(func() (out []struct {
	paths   *regexp.Regexp
	content bool
}) {
	for _, m := range mayChange {
		out = append(out, struct {
			paths   *regexp.Regexp
			content bool
		}{regexp.MustCompile(`^(` + m.paths + `)$`), m.content})
	}
	return out
})

// inspectAll inspects hosts, to compare with later.
func (o *operator) inspectAll(hosts []string) map[string]string {
	o.t.Helper()
	out := map[string]string{}
	for _, h := range hosts {
		out[h] = o.inspect(h)
	}
	return out
}

// asBefore checks that hosts are as they were when they were inspected.
func (o *operator) asBefore(before map[string]string) {
	o.t.Helper()
	for h, was := range before {
		old, now := lines(was), lines(o.inspect(h))
		if diff := cmp.Diff(old, now); diff != "" {
			o.t.Errorf("host %s is not as it was before (- before, + after):\n%s", h, strings.Join(changedLines(old, now), "\n"))
		}
	}
}

func lines(text string) []string { return strings.Split(text, "\n") }

// changedLines are those that only one side has.
func changedLines(old, now []string) []string {
	count := map[string]int{}
	for _, l := range old {
		count[l]--
	}
	for _, l := range now {
		count[l]++
	}
	var out []string
	for _, l := range old {
		if count[l] < 0 {
			out = append(out, "- "+l)
			count[l]++
		}
	}
	for _, l := range now {
		if count[l] > 0 {
			out = append(out, "+ "+l)
			count[l]--
		}
	}
	return out
}

// inspect lists what a bring-up could leave behind on a host: every file outside of /proc, /sys and /dev, units, users, packages, modules, links, addresses, routes, rules of
// nftables and iptables, mounts, parameters of the kernel and processes.
func (o *operator) inspect(host string) string {
	o.t.Helper()
	const script = `
export LC_ALL=C
echo "== files"
{ find / /run /tmp /dev/shm -xdev \( -path /proc -o -path /sys -o -path /dev \) -prune -o -type f -printf '%p\0' | sort -zu | xargs -0 sha256sum -z --
  printf '== modes\0'
  find / /run /tmp /dev/shm -xdev \( -path /proc -o -path /sys -o -path /dev \) -prune -o -printf '%M %U %G %y %p\t%l\0' | sort -zu; } 2>/dev/null | tr '\n\0' '?\n'
echo "== passwd"; sort /etc/passwd
echo "== group"; sort /etc/group
echo "== packages"; dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Version}\n' | sort
echo "== unit files"; systemctl list-unit-files --no-legend --plain | awk '{print $1, $2}' | sort
echo "== units"; systemctl list-units --all --no-legend --plain --type=service,socket,timer,path,target,slice | awk '$1 !~ /^(user|session|run-|apt-daily|dpkg-db|e2scrub|fstrim|logrotate|man-db|systemd-tmpfiles)/ {print $1, $2, $3}' | sort
echo "== modules"; awk '{print $1}' /proc/modules | sort
echo "== links"; ip -o link | awk -F': ' '{print $2}' | sed 's/@.*//' | sort
echo "== addresses"; ip -o -4 addr | awk '{print $2, $4}' | sort
echo "== routes"; ip route show table all | grep -v '^local \|^broadcast ' | sort
echo "== rules"; ip rule
echo "== nft"; nft list ruleset | sed -e 's/counter packets [0-9]* bytes [0-9]*/counter/'
echo "== iptables"; for p in iptables-nft iptables-legacy ip6tables-nft ip6tables-legacy; do echo "= $p"; $p-save | sed -e '/^#/d' -e 's/ \[[0-9:]*\]$//'; done 2>&1
echo "== mounts"; awk '{print $5}' /proc/self/mountinfo | grep -vE '^/run/user|^/proc/sys/fs/binfmt|^/run/credentials' | sort
echo "== sysctl"; sysctl -a 2>/dev/null | sort
echo "== processes"; ps -eo comm= | grep -E 'kube|etcd|containerd|flannel|haproxy|pause|coredns|agnhost|trivet' | sort | uniq -c
exit 0`
	return filtered(o.on(host, "sh", "-c", script))
}

var (
	sumLine     = regexp.MustCompile(`^[0-9a-f]{64}  (/.*)$`)
	modeLine    = regexp.MustCompile(`^\S{10} \d+ \d+ \S (/[^\t]*)\t`)
	counterLine = regexp.MustCompile(sysctlCounters)
	sharedLine  = regexp.MustCompile(sysctlsShared)
)

// filtered leaves out what may change.
func filtered(text string) string {
	var out []string
	for _, l := range lines(text) {
		if counterLine.MatchString(l) || sharedLine.MatchString(l) || excused(l) {
			continue
		}
		out = append(out, l)
	}
	return strings.Join(out, "\n")
}

func excused(line string) bool {
	sum := sumLine.FindStringSubmatch(line)
	mode := modeLine.FindStringSubmatch(line)
	for _, a := range allowed() {
		if sum != nil && a.paths.MatchString(sum[1]) || mode != nil && !a.content && a.paths.MatchString(mode[1]) {
			return true
		}
	}
	return false
}

// TestInspection holds that the comparison sees what it is for, and excuses no more than its list says.
func TestInspection(t *testing.T) {
	sum := strings.Repeat("0a", 32)
	for line, want := range map[string]bool{
		sum + "  /etc/hosts":                               false,
		sum + "  /etc/ld.so.cache":                         true,
		"-rw-r--r-- 0 0 f /etc/ld.so.cache\t":              false,
		"-rw------- 0 0 f /etc/passwd-\t":                  true,
		"-rw-r--r-- 0 0 f /etc/passwd\t":                   false,
		"drwxr-xr-x 0 0 d /run/netns\t":                    false,
		"-rw-r--r-- 0 0 f /var/log/pods/x\t":               false,
		"lrwxrwxrwx 0 0 l /etc/systemd/system/x\t/etc/foo": false,
	} {
		if got := excused(line); got != want {
			t.Errorf("%q is excused: %v, want %v", line, got, want)
		}
	}
	for line, want := range map[string]bool{"kernel.random.uuid = 1": true, "net.ipv4.ip_forward = 1": false} {
		if got := counterLine.MatchString(line); got != want {
			t.Errorf("%q is a counter: %v, want %v", line, got, want)
		}
	}
	for line, want := range map[string]bool{"kernel.panic = 1": true, "kernel.panic_on_warn = 0": false, "vm.overcommit_memory = 0": true, "net.ipv4.ip_forward = 1": false} {
		if got := sharedLine.MatchString(line); got != want {
			t.Errorf("%q is shared: %v, want %v", line, got, want)
		}
	}
	if got := changedLines([]string{"a", "b", "b"}, []string{"b", "c"}); cmp.Diff([]string{"- a", "- b", "+ c"}, got) != "" {
		t.Errorf("changed: %q", got)
	}
}
