//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var exampleHosts = []string{"bj1-cp1", "bj1-w1", "bj2-cp1", "sh1-cp1", "sh1-w1"}

// TestLifecycle takes the example topology through its life on real hosts: bring-up, a second apply that changes nothing, drift made by hand and mended, destroy that leaves
// the hosts as they were, and a second bring-up on the same hosts.
func TestLifecycle(t *testing.T) {
	o := newOperator(t, "e2e-lifecycle", example(t, "two-places-three-centres"))
	before := o.inspectAll(exampleHosts)

	o.exits(2, "plan")
	o.must("apply", "--yes")
	o.must("verify")
	o.unchanged()
	o.must("status")

	t.Run("drift", func(t *testing.T) { o.at(t).drift() })
	t.Run("images stay", func(t *testing.T) { o.at(t).imagesStay() })

	o.must("destroy", "--confirm", "main")
	o.asBefore(before)
	o.must("apply", "--yes")
	o.must("verify")
	o.unchanged()
}

func (o *operator) at(t *testing.T) *operator {
	c := *o
	c.t = t
	return &c
}

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
		if diff := cmp.Diff(strings.Split(was, "\n"), strings.Split(o.inspect(h), "\n")); diff != "" {
			o.t.Errorf("host %s is not as it was before (-before +after):\n%s", h, diff)
		}
	}
}

// unchanged checks that there is nothing to do, and that an apply says so and does nothing.
func (o *operator) unchanged() {
	o.t.Helper()
	o.must("plan")
	if r := o.must("apply", "--yes"); !strings.Contains(r.stdout, "No changes") {
		o.t.Errorf("a second apply does not say that nothing changed:\n%s", r.stdout)
	}
}

// drift changes a file, a mode and a unit by hand, on different hosts, and lets apply mend them alone.
func (o *operator) drift() {
	o.on("bj1-w1", "sh", "-c", "echo '# by hand' >> /etc/kubernetes/kubelet.yaml")
	o.on("sh1-w1", "systemctl", "stop", "kube-proxy.service")
	r := o.exits(2, "plan")
	for _, want := range []string{"bj1-w1", "kubelet", "sh1-w1", "kube-proxy.service"} {
		if !strings.Contains(r.stdout, want) {
			o.t.Errorf("the plan does not name %s:\n%s", want, r.stdout)
		}
	}
	if strings.Contains(r.stdout, "host bj2-cp1") {
		o.t.Errorf("the plan touches a host that did not change:\n%s", r.stdout)
	}
	if r := o.exits(1, "status"); !strings.Contains(r.stdout, "kube-proxy.service") {
		o.t.Errorf("status does not show the stopped unit:\n%s", r.stdout)
	}
	o.must("apply", "--yes")
	o.unchanged()
	if state := strings.TrimSpace(o.on("sh1-w1", "systemctl", "is-active", "kube-proxy.service")); state != "active" {
		o.t.Errorf("kube-proxy.service is %s after the apply", state)
	}
}

// imagesStay checks that the images that cannot be pulled again are there, pinned against the kubelet's garbage collection.
func (o *operator) imagesStay() {
	list := func() string {
		return o.on("bj1-w1", "/opt/trivet/bin/ctr", "-n", "k8s.io", "images", "ls", "-q")
	}
	for _, image := range []string{"coredns", "pause", "agnhost"} {
		if !strings.Contains(list(), image) {
			o.t.Errorf("image %s is not on bj1-w1:\n%s", image, list())
		}
	}
	labels := o.on("bj1-w1", "/opt/trivet/bin/ctr", "-n", "k8s.io", "images", "ls")
	for line := range strings.Lines(labels) {
		if strings.Contains(line, "registry.k8s.io/") && !strings.Contains(line, "io.cri-containerd.pinned=pinned") {
			o.t.Errorf("an image is not pinned: %s", line)
		}
	}
}

// inspect lists what a bring-up could leave behind on a host: files and their modes outside of what the system itself keeps changing, units, users, packages, modules to load,
// links, nft tables, chains and rules of iptables, mounts, sysctls and processes.
func (o *operator) inspect(host string) string {
	const script = `
export LC_ALL=C
echo "== files"
find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /var/log -o -path /var/cache -o -path /var/lib/systemd \
  -o -path /var/lib/apt -o -path '/var/lib/dpkg/*-old' -o -path /var/lib/dpkg/lock\* -o -path /var/lib/dpkg/triggers -o -path /etc/passwd- -o -path /etc/group- -o -path /etc/shadow- -o -path /etc/gshadow- \
  -o -path /var/lib/dpkg/available -o -path /etc/ld.so.cache \) -prune -o -printf '%M %u %g %p -> %l\n' | sort -k4
echo "== extra places"
ls -A /var/lib/containerd /opt /opt/trivet 2>&1 | sort
echo "== passwd"; sort /etc/passwd
echo "== group"; sort /etc/group
echo "== packages"; dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' | sort
echo "== unit files"; systemctl list-unit-files --no-legend --plain | awk '{print $1, $2}' | sort
echo "== failed or unknown units"; systemctl list-units --all --no-legend --plain --state=failed,not-found | awk '{print $1, $2, $3}' | grep -E 'kube|etcd|containerd|flannel|trivet|haproxy' | sort
echo "== links"; ip -o link | awk -F': ' '{print $2}' | sed 's/@.*//' | sort
echo "== routes"; ip route | sort
echo "== nft"; nft list tables | sort
echo "== iptables"; for p in iptables-nft iptables-legacy ip6tables-nft ip6tables-legacy; do echo "= $p"; $p-save | sed -e '/^#/d' -e 's/ \[[0-9:]*\]$//'; done 2>&1
echo "== mounts"; awk '{print $5}' /proc/self/mountinfo | grep -vE '^/run/user|^/proc/sys/fs/binfmt' | sort
echo "== sysctl"; cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/all/rp_filter /proc/sys/net/ipv4/conf/all/route_localnet
echo "== processes"; ps -eo comm= | grep -E 'kube|etcd|containerd|flannel|haproxy|pause|coredns|agnhost|trivet' | sort | uniq -c
exit 0`
	return o.on(host, "sh", "-c", script)
}
