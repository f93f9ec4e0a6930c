package hostd_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/hostd/hostdtest"
)

const probeToken = "0123456789abcdef"

func put(t testing.TB, m *hostdtest.Machine, files map[string]string) {
	t.Helper()
	for p, content := range files {
		full := filepath.Join(m.Root, p)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func probe(t testing.TB, m *hostdtest.Machine, req hostapi.ProbeRequest) *hostapi.ProbeResult {
	t.Helper()
	r, err := m.Host().Probe(t.Context(), &req)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func gzipped(t testing.TB, s string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := io.WriteString(z, s)
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestProbeFeatures(t *testing.T) {
	const dir = "/lib/modules/" + hostdtest.Release
	listed := map[string]string{
		dir + "/modules.dep":     "kernel/drivers/net/vxlan/vxlan.ko.xz: kernel/net/ipv4/udp_tunnel.ko.xz\nkernel/net/bridge/br-netfilter.ko.zst:\n",
		dir + "/modules.builtin": "kernel/net/netfilter/nf_tables.ko\n",
	}
	asked := []string{"vxlan", "br_netfilter", "nf_tables", "overlay"}
	for _, tc := range []struct {
		name   string
		files  map[string]string
		remove string
		want   map[string]bool
	}{
		{"modules that are installed", listed, "", map[string]bool{"vxlan": true, "br_netfilter": true, "nf_tables": true, "overlay": false}},
		{"a container without modules", nil, dir, map[string]bool{}},
		{"no list of modules", nil, "", map[string]bool{}},
		{"loaded", map[string]string{"/sys/module/vxlan/refcnt": "0"}, dir, map[string]bool{"vxlan": true}},
		{"a file system at hand", map[string]string{"/proc/filesystems": "nodev\ttmpfs\n\text4\nnodev\toverlay\n"}, dir, map[string]bool{"overlay": true}},
		{"options of the kernel", map[string]string{"/boot/config-" + hostdtest.Release: "CONFIG_OVERLAY_FS=y\nCONFIG_VXLAN=m\n# CONFIG_NF_TABLES is not set\n"}, dir,
			map[string]bool{"overlay": true, "nf_tables": false, "br_netfilter": false}},
		{"options in /proc", map[string]string{"/proc/config.gz": gzipped(t, "CONFIG_VXLAN=y\n")}, dir,
			map[string]bool{"vxlan": true, "overlay": false, "nf_tables": false, "br_netfilter": false}},
		{"built as a module and not installed", map[string]string{
			dir + "/modules.dep": "", dir + "/modules.builtin": "", "/boot/config-" + hostdtest.Release: "CONFIG_VXLAN=m\nCONFIG_NF_TABLES=y\n",
		}, "", map[string]bool{"vxlan": false, "overlay": false, "nf_tables": true, "br_netfilter": false}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newMachine(t)
			if tc.remove != "" {
				if err := os.RemoveAll(m.Path(tc.remove)); err != nil {
					t.Fatal(err)
				}
			}
			put(t, m, tc.files)
			if d := cmp.Diff(tc.want, probe(t, m, hostapi.ProbeRequest{Features: asked}).Features); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestProbeControllers(t *testing.T) {
	asked := []string{"cgroup:cpu", "cgroup:memory", "cgroup:pids"}
	m := newMachine(t)
	put(t, m, map[string]string{"/sys/fs/cgroup/cgroup.controllers": "cpuset cpu io pids\n"})
	want := map[string]bool{"cgroup:cpu": true, "cgroup:memory": false, "cgroup:pids": true}
	if d := cmp.Diff(want, probe(t, m, hostapi.ProbeRequest{Features: asked}).Features); d != "" {
		t.Errorf("version 2 (-want +got):\n%s", d)
	}
	if err := os.Remove(m.Path("/sys/fs/cgroup/cgroup.controllers")); err != nil {
		t.Fatal(err)
	}
	put(t, m, map[string]string{"/proc/cgroups": "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t2\t60\t1\nmemory\t0\t70\t0\npids\t5\t60\t1\n"})
	if d := cmp.Diff(want, probe(t, m, hostapi.ProbeRequest{Features: asked}).Features); d != "" {
		t.Errorf("version 1 (-want +got):\n%s", d)
	}
}

func TestProbePaths(t *testing.T) {
	m := newMachine(t)
	put(t, m, map[string]string{
		"/var/lib/etcd/member/snap/db": "x", "/var/lib/etcd/lost+found/x": "x", "/sbin/lb": "#!/bin/sh\n", "/sbin/text": "x",
		"/proc/self/mountinfo": `21 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
22 21 8:2 / /opt rw,noexec,relatime - xfs /dev/sda2 rw
23 21 8:3 / /var/lib rw,relatime shared:2 master:1 - btrfs /dev/sda3 ro
24 23 0:9 / /var/lib/with\040space rw - tmpfs none rw
`,
	})
	if err := os.Chmod(m.Path("/sbin/lb"), 0o755); err != nil {
		t.Fatal(err)
	}
	got := probe(t, m, hostapi.ProbeRequest{Paths: []string{"/sbin", "/sbin/lb", "/sbin/text", "/var/lib/etcd", "/opt/trivet/store", "/var/libraries", "/var/lib/with space/x"}}).Paths
	for p, f := range got {
		if f.Total <= 0 || f.Free <= 0 || f.Free > f.Total {
			t.Errorf("%s: %d bytes free of %d", p, f.Free, f.Total)
		}
		f.Total, f.Free, f.FreeInodes = 0, 0, 0
		got[p] = f
	}
	want := map[string]hostapi.PathFound{
		"/var/lib/etcd":         {Exists: true, Entries: 1, Mount: "/var/lib", FSType: "btrfs", ReadOnly: true},
		"/opt/trivet/store":     {Mount: "/opt", FSType: "xfs", NoExec: true},
		"/sbin":                 {Exists: true, Entries: 2, Mount: "/", FSType: "ext4"},
		"/sbin/lb":              {Exists: true, Program: true, Mount: "/", FSType: "ext4"},
		"/sbin/text":            {Exists: true, Mount: "/", FSType: "ext4"},
		"/var/libraries":        {Mount: "/", FSType: "ext4"},
		"/var/lib/with space/x": {Mount: "/var/lib", FSType: "btrfs", ReadOnly: true}, // its folder does not exist here
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestProbeHost(t *testing.T) {
	m := newMachine(t)
	put(t, m, map[string]string{
		"/proc/1/environ": "HOME=/\x00container=systemd-nspawn\x00", "/sys/fs/selinux/enforce": "1",
		"/etc/systemd/system/ufw.service": "[Service]\n", "/etc/systemd/system/docker.service": "[Service]\n",
	})
	m.Units.Active["docker.service"] = "active"
	now := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	m.Clock = func() time.Time { return now }
	got := probe(t, m, hostapi.ProbeRequest{Units: []string{"docker.service", "firewalld.service", "ufw.service"}})
	want := &hostapi.ProbeResult{
		Container: "systemd-nspawn", SELinux: "enforcing",
		Units: map[string]hostapi.UnitFound{"docker.service": {Active: "active", Load: "loaded"}, "ufw.service": {Active: "inactive", Load: "loaded", Started: now}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestProbeSync measures, in the nearest folder that there is, and leaves nothing behind.
func TestProbeSync(t *testing.T) {
	m := newMachine(t)
	before := tree(t, m.Root)
	got := probe(t, m, hostapi.ProbeRequest{SyncPath: "/var/lib/etcd"}).Sync
	if got.Path != "/var/lib" || got.Error != "" || got.Writes == 0 || got.Median <= 0 || got.P99 < got.Median || got.Max < got.P99 {
		t.Errorf("%+v", got)
	}
	sameTree(t, "after the probe", before, tree(t, m.Root))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Host().Probe(ctx, &hostapi.ProbeRequest{SyncPath: "/var/lib/etcd"}); err == nil {
		t.Error("a cancelled probe succeeded")
	}
	sameTree(t, "after a cancelled probe", before, tree(t, m.Root))
}

// listening starts listeners and returns what became of the ports. The end of the test ends them.
func listening(t *testing.T, token string, ports ...hostapi.ProbePort) hostapi.ProbeListening {
	t.Helper()
	m := newMachine(t)
	ctx, cancel := context.WithCancel(t.Context())
	got, ended := make(chan hostapi.ProbeListening, 1), make(chan error, 1)
	go func() {
		ended <- m.Host().ProbeListen(ctx, &hostapi.ProbeListen{Token: token, Ports: ports}, func(l hostapi.ProbeListening) { got <- l })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("ProbeListen: %v", err)
		}
	})
	select {
	case l := <-got:
		return l
	case err := <-ended:
		ended <- err
		t.Fatalf("ProbeListen: %v", err)
	}
	return hostapi.ProbeListening{}
}

// freePort is one that nobody listens on, of a loopback address that other tests do not use.
func freePort(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.77.1:0")
	if err != nil {
		t.Skipf("no other loopback address here: %v", err)
	}
	defer l.Close()
	return netip.MustParseAddrPort(l.Addr().String())
}

func TestProbeReaches(t *testing.T) {
	a, b := freePort(t), freePort(t)
	taken, err := net.Listen("tcp", b.String())
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	go func() {
		for {
			c, err := taken.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "SSH-2.0-something else altogether\r\n")
			c.Close()
		}
	}()
	l := listening(t, probeToken,
		hostapi.ProbePort{Network: "tcp", Address: a}, hostapi.ProbePort{Network: "udp", Address: a},
		hostapi.ProbePort{Network: "tcp", Address: b}, hostapi.ProbePort{Network: "tcp", Address: netip.MustParseAddrPort("192.0.2.77:2380")},
		hostapi.ProbePort{Network: "sctp", Address: a})
	if l.Time.IsZero() || len(l.Ports) != 5 || !l.Ports[0].Listening || !l.Ports[1].Listening || !l.Ports[2].Taken ||
		!strings.Contains(l.Ports[3].Error, "assign requested address") || !strings.Contains(l.Ports[4].Error, "sctp") {
		t.Errorf("listening: %+v", l)
	}
	closed := freePort(t)
	r := probe(t, newMachine(t), hostapi.ProbeRequest{Token: probeToken, Timeout: time.Second, Targets: []hostapi.ProbeTarget{
		{Network: "tcp", Address: a, Echo: true, Count: 5},
		{Network: "udp", Address: a, Count: 3},
		{Network: "udp", Address: a, PacketSize: 8972},
		{Network: "tcp", Address: b},
		{Network: "tcp", Address: b, Echo: true},
		{Network: "tcp", Address: closed, Echo: true},
		{Network: "udp", Address: closed},
		{Network: "icmp", Address: a},
	}})
	var got []hostapi.ReachState
	for _, x := range r.Reached {
		got = append(got, x.State)
		if (x.State == hostapi.ReachOK) != (x.RTT > 0) || (x.State == hostapi.ReachOK) != (x.Error == "") || x.Worst < x.RTT {
			t.Errorf("%+v", x)
		}
	}
	want := []hostapi.ReachState{"ok", "ok", "ok", "ok", "foreign", "refused", "refused", "failed"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got := r.Reached[2].PacketSize; got != 8972 {
		t.Errorf("packets of %d bytes arrive over the loopback interface", got)
	}
}

// TestProbeWrongToken does not take another run's listener for its own.
func TestProbeWrongToken(t *testing.T) {
	a := freePort(t)
	listening(t, strings.Repeat("x", len(probeToken)), hostapi.ProbePort{Network: "tcp", Address: a}, hostapi.ProbePort{Network: "udp", Address: a})
	r := probe(t, newMachine(t), hostapi.ProbeRequest{Token: probeToken, Timeout: 300 * time.Millisecond, Targets: []hostapi.ProbeTarget{
		{Network: "tcp", Address: a, Echo: true}, {Network: "udp", Address: a},
	}})
	if r.Reached[0].State != hostapi.ReachForeign || r.Reached[1].State != hostapi.ReachTimeout {
		t.Errorf("%+v", r.Reached)
	}
}

// TestProbeListenEnds leaves the ports free, also while somebody is connected.
func TestProbeListenEnds(t *testing.T) {
	a := freePort(t)
	m := newMachine(t)
	ctx, cancel := context.WithCancel(t.Context())
	up, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- m.Host().ProbeListen(ctx, &hostapi.ProbeListen{Token: probeToken, Ports: []hostapi.ProbePort{{Network: "tcp", Address: a}, {Network: "udp", Address: a}}},
			func(hostapi.ProbeListening) { close(up) })
	}()
	<-up
	c, err := net.Dial("tcp", a.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	greeting := make([]byte, len(probeToken))
	if _, err := io.ReadFull(c, greeting); err != nil || string(greeting) != probeToken {
		t.Errorf("greeting %q, %v", greeting, err)
	}
	start := time.Now()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("ended after %s", took)
	}
	l, err := net.Listen("tcp", a.String())
	if err != nil {
		t.Fatalf("the port is not free again: %v", err)
	}
	l.Close()
}

func TestProbeRefuses(t *testing.T) {
	h := newMachine(t).Host()
	_, err := h.Probe(t.Context(), &hostapi.ProbeRequest{Token: "short", Targets: make([]hostapi.ProbeTarget, 1)})
	wantCode(t, err, hostapi.CodeFailed)
	called := func(hostapi.ProbeListening) { t.Error("listening") }
	wantCode(t, h.ProbeListen(t.Context(), &hostapi.ProbeListen{Token: "short"}, called), hostapi.CodeFailed)
	many := slices.Repeat([]hostapi.ProbePort{{Network: "tcp"}}, 100)
	wantCode(t, h.ProbeListen(t.Context(), &hostapi.ProbeListen{Token: probeToken, Ports: many}, called), hostapi.CodeFailed)
}
