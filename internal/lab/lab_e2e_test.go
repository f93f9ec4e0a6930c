//go:build linux

package lab

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// The tests of this file boot real hosts.
func needLab(t *testing.T) {
	t.Helper()
	if os.Getenv("TRIVET_LAB_TESTS") != "1" {
		t.Skip("boots real hosts: set TRIVET_LAB_TESTS=1 and run as root")
	}
	if os.Geteuid() != 0 {
		t.Skip("boots real hosts: needs root")
	}
	if missing := Requirements(); len(missing) > 0 {
		t.Skipf("boots real hosts: needs the Debian packages %s", strings.Join(missing, " "))
	}
}

// testSpec has two racks in its first site, one of which has a host where a gateway
// would usually be.
func testSpec(lab string) Spec {
	host := func(name, address string) Host {
		p := netip.MustParsePrefix(address)
		return Host{Name: name, Address: p.Addr(), Network: p.Masked()}
	}
	return Spec{Name: lab, Sites: []Site{
		{Name: "north", Hosts: []Host{host("north-a", "10.11.1.1/24"), host("north-b", "10.11.2.11/24")}},
		{Name: "a-site-with-a-long-name", Hosts: []Host{host("a-host-with-a-long-name", "10.12.1.11/24")}},
	}}
}

func testOptions(t *testing.T) Options {
	return Options{
		StateDir: filepath.Join("/var/lib", "trivet-lab-test"),
		Progress: func(msg string) { t.Log(msg) },
	}
}

// dial opens an SSH connection as an operator does, by the files that Access names alone.
func dial(ctx context.Context, a Access, address netip.Addr) (*ssh.Client, error) {
	key, err := os.ReadFile(a.PrivateKey)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.ParsePrivateKey(key)
	if err != nil {
		return nil, err
	}
	check, err := knownhosts.New(a.KnownHosts)
	if err != nil {
		return nil, err
	}
	target := net.JoinHostPort(address.String(), "22")
	conn, err := DialInNamespace(ctx, a.NetworkNamespace, "tcp", target)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	c, channels, requests, err := ssh.NewClientConn(conn, target, &ssh.ClientConfig{
		User: a.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: check,
		HostKeyAlgorithms: []string{ssh.KeyAlgoED25519},
	})
	if err != nil {
		conn.Close()
		return nil, err
	}
	return ssh.NewClient(c, channels, requests), nil
}

func overSSH(t *testing.T, l *Lab, address netip.Addr, command string) string {
	t.Helper()
	client, err := dial(t.Context(), l.Access(), address)
	if err != nil {
		t.Fatalf("ssh %s: %v", address, err)
	}
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	out, err := session.CombinedOutput(command)
	if err != nil {
		t.Fatalf("ssh %s %q: %v: %s", address, command, err, out)
	}
	return strings.TrimSpace(string(out))
}

func canDial(l *Lab, address netip.Addr) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn, err := DialInNamespace(ctx, l.Access().NetworkNamespace, "tcp", net.JoinHostPort(address.String(), "22"))
	if err == nil {
		conn.Close()
	}
	return err == nil
}

func pings(ctx context.Context, l *Lab, from string, to netip.Addr) bool {
	_, err := l.Exec(ctx, from, "ping", "-c1", "-W1", to.String())
	return err == nil
}

func run(t *testing.T, l *Lab, host string, argv ...string) string {
	t.Helper()
	out, err := l.Exec(t.Context(), host, argv...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func TestLab(t *testing.T) {
	needLab(t)
	o := testOptions(t)
	ctx := t.Context()
	spec := testSpec("lt")
	if err := Down(ctx, spec.Name, o); err != nil { // an aborted run's
		t.Fatal(err)
	}
	before := footprint(t)
	t.Cleanup(func() {
		if err := Down(context.Background(), spec.Name, o); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(before, footprint(t)); diff != "" {
			t.Errorf("the lab left something (-before +after):\n%s", diff)
		}
	})
	if _, err := OpenIn(spec.Name, o); err == nil || !strings.Contains(err.Error(), "trivet lab up") {
		t.Fatalf("opening a lab that is not up: %v", err)
	}
	start := time.Now()
	l, err := Up(ctx, spec, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("up after %s", time.Since(start).Round(time.Millisecond))
	a, b, far := spec.Sites[0].Hosts[0], spec.Sites[0].Hosts[1], spec.Sites[1].Hosts[0]

	t.Run("hosts", func(t *testing.T) { testHosts(t, l, spec) })
	t.Run("access", func(t *testing.T) { testAccess(t, l) })
	t.Run("network", func(t *testing.T) {
		for _, to := range []Host{b, far} {
			if !pings(ctx, l, a.Name, to.Address) {
				t.Errorf("%s does not reach %s", a.Name, to.Name)
			}
		}
		if got := run(t, l, a.Name, "ip", "-4", "route", "show", "default"); !strings.HasPrefix(got, "default via 10.11.1.2 dev eth0") {
			t.Errorf("default route %q", got)
		}
		// 192.0.2.1 is nowhere; the router must not know a way out.
		if out, err := l.Exec(ctx, a.Name, "ping", "-c1", "-W1", "192.0.2.1"); err == nil {
			t.Errorf("a host has a way out: %s", out)
		}
	})
	t.Run("up again", func(t *testing.T) {
		boots := bootIDs(t, l, spec)
		again, err := Up(ctx, spec, o)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(l.Access(), again.Access()); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(boots, bootIDs(t, l, spec)); diff != "" {
			t.Errorf("up again restarted hosts:\n%s", diff)
		}
	})
	t.Run("cut", func(t *testing.T) { testCut(t, l, o, spec) })
	t.Run("kill and start", func(t *testing.T) { testKill(t, l, b, a) })
	t.Run("units that wait for peers", func(t *testing.T) { testWaitingUnit(t, l, b) })
	t.Run("exit code", func(t *testing.T) { testExitCode(t, l, a) })
	t.Run("unplug", func(t *testing.T) { testUnplug(t, l, b, a) })
	t.Run("lose packets", func(t *testing.T) { testLoss(t, l, a, b, far) })
	t.Run("freeze", func(t *testing.T) { testFreeze(t, l, b) })
	t.Run("full disk", func(t *testing.T) { testFull(t, l, b) })
	t.Run("power off inside", func(t *testing.T) { testPowerOffInside(t, l, b, a) })
	t.Run("stop and wipe", func(t *testing.T) { testWipe(t, l, far) })
	t.Run("reimage", func(t *testing.T) { testReimage(t, l, far) })
	t.Run("unknown host", func(t *testing.T) {
		if err := l.KillHost(ctx, "nobody"); err == nil || !strings.Contains(err.Error(), "north-a") {
			t.Errorf("killing an unknown host: %v", err)
		}
	})
	t.Run("broken boot", func(t *testing.T) { testBrokenBoot(t, l, far) })
	t.Run("grown and moved", func(t *testing.T) { testGrow(t, l, o, spec) })
}

// testBrokenBoot starts a host that systemd cannot bring up.
func testBrokenBoot(t *testing.T, l *Lab, h Host) {
	ctx := t.Context()
	if err := l.StopHost(ctx, h.Name); err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(hostFolder(l.dir, h.Name), "disk/upper/etc/systemd/system/default.target")
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/lib/systemd/system/emergency.target", target); err != nil {
		t.Fatal(err)
	}
	err := l.StartHost(ctx, h.Name)
	if err == nil {
		t.Fatal("a host in emergency mode counts as up")
	}
	for _, want := range []string{h.Name, "console.log", "maintenance", "emergency.target"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
	t.Log(err)
	if err := l.KillHost(ctx, h.Name); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(target); err != nil {
		t.Fatal(err)
	}
	if err := l.StartHost(ctx, h.Name); err != nil {
		t.Fatal(err)
	}
}

// testGrow changes the topology under a lab that is up: one host leaves it, one comes, and one that runs gets another address.
func testGrow(t *testing.T, l *Lab, o Options, spec Spec) {
	ctx := t.Context()
	next, _ := merge(Spec{}, spec)
	next.Name = spec.Name
	dropped := next.Sites[0].Hosts[0]
	added := Host{Name: "added", Address: netip.MustParseAddr("10.13.1.11"), Network: netip.MustParsePrefix("10.13.1.0/24")}
	next.Sites[0].Hosts = next.Sites[0].Hosts[1:]
	moved := &next.Sites[0].Hosts[0]
	was := *moved
	*moved = Host{Name: was.Name, Address: netip.MustParseAddr("10.11.7.77"), Network: netip.MustParsePrefix("10.11.7.0/24")}
	next.Sites = append(next.Sites, Site{Name: "third", Hosts: []Host{added}})
	boots := bootIDs(t, l, spec)
	if _, err := Up(ctx, next, o); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(boots, bootIDs(t, l, spec)); diff != "" {
		t.Errorf("hosts were restarted, or are others:\n%s", diff)
	}
	if got := overSSH(t, l, moved.Address, "hostname && getent ahostsv4 $(hostname) | head -1"); !strings.HasPrefix(got, moved.Name+"\n10.11.7.77 ") {
		t.Errorf("the host with another address says %q", got)
	}
	if got := run(t, l, moved.Name, "ip", "-o", "-4", "addr", "show", "dev", "eth0"); strings.Count(got, "\n") != 0 || !strings.Contains(got, "10.11.7.77/24") {
		t.Errorf("its addresses:\n%s", got)
	}
	if pings(ctx, l, dropped.Name, was.Address) || pings(ctx, l, dropped.Name, netip.MustParseAddr("10.11.2.1")) {
		t.Error("the old address of the host, or the gateway of its old rack, answers")
	}
	if !pings(ctx, l, dropped.Name, added.Address) || !pings(ctx, l, added.Name, moved.Address) {
		t.Error("the hosts that were kept, added and given another address do not reach each other")
	}
	if err := l.KillHost(ctx, moved.Name); err != nil {
		t.Fatal(err)
	}
	if err := l.StartHost(ctx, moved.Name); err != nil { // from the same disk, at the new address
		t.Fatal(err)
	}
	elsewhere, _ := merge(Spec{}, next)
	elsewhere.Name = spec.Name
	elsewhere.Sites[2].Hosts, elsewhere.Sites[0].Hosts = append(elsewhere.Sites[2].Hosts, *moved), nil
	if _, err := Up(ctx, elsewhere, o); err == nil || !strings.Contains(err.Error(), "stop it first") {
		t.Errorf("carrying a host that runs to another site: %v", err)
	}
	testRemove(t, l, o, next, dropped)
}

// testRemove takes hosts out of a lab: one that runs and that the topology no longer has, and the only one of a site, which is dead.
func testRemove(t *testing.T, l *Lab, o Options, next Spec, dropped Host) {
	ctx := t.Context()
	taken, _ := merge(Spec{}, next)
	taken.Name = next.Name
	taken.Sites[0].Hosts = append(taken.Sites[0].Hosts, Host{Name: "heir", Address: dropped.Address, Network: dropped.Network})
	if _, err := Up(ctx, taken, o); err == nil || !strings.Contains(err.Error(), "trivet lab remove") {
		t.Errorf("a new host at the address of one that is still in the lab: %v", err)
	}
	if err := l.RemoveHost(ctx, dropped.Name); err != nil {
		t.Fatal(err)
	}
	if err := l.RemoveHost(ctx, dropped.Name); err == nil || !strings.Contains(err.Error(), "has no host") {
		t.Errorf("removing a host that is gone: %v", err)
	}
	if isFolder(hostFolder(l.dir, dropped.Name)) {
		t.Error("the disk of the removed host is left")
	}
	if known, _ := os.ReadFile(l.Access().KnownHosts); strings.Contains(string(known), dropped.Name) {
		t.Error("the removed host is still known")
	}
	if _, err := Up(ctx, taken, o); err != nil {
		t.Fatal(err)
	}
	if got := overSSH(t, l, dropped.Address, "hostname"); got != "heir" {
		t.Errorf("at the address of the removed host answers %q", got)
	}

	if err := l.CutSite(ctx, "third"); err != nil {
		t.Fatal(err)
	}
	if err := l.KillHost(ctx, "added"); err != nil {
		t.Fatal(err)
	}
	if err := l.RemoveHost(ctx, "added"); err != nil {
		t.Fatal(err)
	}
	if err := l.JoinSite(ctx, "third"); err == nil {
		t.Error("the site without hosts is still there")
	}
	if _, err := Up(ctx, taken, o); err != nil { // which has them: they come back, and not cut off
		t.Fatal(err)
	}
	if !pings(ctx, l, "heir", netip.MustParseAddr("10.13.1.11")) {
		t.Error("a host that came back is not reached")
	}
}

// testReimage installs a host anew that runs, and then one that is dead.
func testReimage(t *testing.T, l *Lab, h Host) {
	ctx := t.Context()
	for _, dead := range []bool{false, true} {
		id, known := run(t, l, h.Name, "cat", "/etc/machine-id"), knownHost(t, l, h)
		run(t, l, h.Name, "sh", "-c", "echo x >/var/lib/gone; echo x >/etc/gone; sync")
		if dead {
			if err := l.KillHost(ctx, h.Name); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.ReimageHost(ctx, h.Name); err != nil {
			t.Fatal(err)
		}
		if got := overSSH(t, l, h.Address, "hostname"); got != h.Name {
			t.Errorf("at the address of the new host answers %q", got)
		}
		if run(t, l, h.Name, "cat", "/etc/machine-id") == id || knownHost(t, l, h) == known {
			t.Error("the machine id or the host key is the old one")
		}
		run(t, l, h.Name, "sh", "-c", "! test -e /var/lib/gone && ! test -e /etc/gone")
	}
}

func knownHost(t *testing.T, l *Lab, h Host) string {
	t.Helper()
	known, err := os.ReadFile(l.Access().KnownHosts)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(known)) {
		if strings.HasPrefix(line, h.Address.String()+",") {
			return line
		}
	}
	t.Fatalf("%s is not known:\n%s", h.Name, known)
	return ""
}

func bootIDs(t *testing.T, l *Lab, spec Spec) map[string]string {
	t.Helper()
	ids := map[string]string{}
	for _, site := range spec.Sites {
		for _, h := range site.Hosts {
			ids[h.Name] = run(t, l, h.Name, "stat", "-c", "%Y", "/run/systemd/system") + " " + run(t, l, h.Name, "cat", "/etc/machine-id")
		}
	}
	return ids
}

func testHosts(t *testing.T, l *Lab, spec Spec) {
	for _, site := range spec.Sites {
		for _, h := range site.Hosts {
			run(t, l, h.Name, "systemctl", "is-system-running", "--wait") // up means that one can log in
		}
	}
	status, err := l.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range status {
		if !s.Running || s.System != "running" {
			failed, _ := l.Exec(t.Context(), s.Name, "systemctl", "--failed", "--no-legend", "--plain")
			t.Errorf("%s: %+v\n%s", s.Name, s, failed)
		}
		t.Logf("%s: %d MB", s.Name, s.Memory>>20)
	}
	ids := map[string]bool{}
	for _, site := range spec.Sites {
		for _, h := range site.Hosts {
			out := overSSH(t, l, h.Address, "sudo -n sh -c 'id -u; hostname; cat /etc/machine-id; readlink /proc/1/exe; findmnt -no PROPAGATION /'; id -un")
			lines := strings.Split(out, "\n")
			if len(lines) != 6 {
				t.Fatalf("%s: %q", h.Name, out)
			}
			ids[lines[2]] = true
			lines[2] = ""
			want := []string{"0", h.Name, "", "/usr/lib/systemd/systemd", "shared", "ops"}
			if diff := cmp.Diff(want, lines); diff != "" {
				t.Errorf("%s:\n%s", h.Name, diff)
			}
			if fs := run(t, l, h.Name, "sh", "-c", "mkdir -p /var/lib/containerd /opt/trivet && stat -fc %T /var/lib/containerd /opt/trivet && rmdir /var/lib/containerd /opt/trivet"); strings.Contains(fs, "overlay") {
				t.Errorf("%s: data folders lie on %s", h.Name, fs)
			}
			// A container runtime must be able to make control groups.
			run(t, l, h.Name, "sh", "-ec", `for d in /sys/fs/cgroup /sys/fs/cgroup/*/; do
				[ "$(stat -fc %T "$d")" = tmpfs ] && continue
				[ -e "$d/cgroup.procs" ] || continue
				mkdir "$d/probe"; rmdir "$d/probe"; done`)
		}
	}
	if len(ids) != spec.hostCount() {
		t.Errorf("machine ids are not unique: %v", ids)
	}
}

func testAccess(t *testing.T, l *Lab) {
	var stored Access
	if err := readJSON(filepath.Join(l.dir, "access.json"), &stored); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(l.Access(), stored); diff != "" {
		t.Error(diff)
	}
	for _, path := range []string{stored.PrivateKey, stored.KnownHosts, stored.AgeIdentity} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", path, info.Mode().Perm())
		}
	}
	if len(stored.AgeRecipients) != 1 || !strings.HasPrefix(stored.AgeRecipients[0], "age1") {
		t.Errorf("recipients %q", stored.AgeRecipients)
	}
}

func testCut(t *testing.T, l *Lab, o Options, spec Spec) {
	ctx := t.Context()
	a, b, far := spec.Sites[0].Hosts[0], spec.Sites[0].Hosts[1], spec.Sites[1].Hosts[0]
	if err := l.CutSite(ctx, "nowhere"); err == nil || !strings.Contains(err.Error(), "north") {
		t.Errorf("cutting an unknown site: %v", err)
	}
	if err := l.CutSite(ctx, "north"); err != nil {
		t.Fatal(err)
	}
	if pings(ctx, l, a.Name, far.Address) || pings(ctx, l, far.Name, a.Address) {
		t.Error("a site that is cut off is reached")
	}
	if !pings(ctx, l, a.Name, b.Address) {
		t.Error("racks of a site that is cut off do not reach each other")
	}
	if !canDial(l, a.Address) {
		t.Error("the operator is cut off too")
	}
	strict := o
	strict.OperatorCut = true
	ls, err := OpenIn(spec.Name, strict)
	if err != nil {
		t.Fatal(err)
	}
	if err := ls.CutSite(ctx, "north"); err != nil {
		t.Fatal(err)
	}
	if canDial(l, a.Address) || !canDial(l, far.Address) {
		t.Error("the operator should reach the other site only")
	}
	if _, err := Up(ctx, spec, o); err != nil {
		t.Errorf("up with a site cut off: %v", err)
	}
	if canDial(l, a.Address) {
		t.Error("up joined the site")
	}
	if err := l.JoinSite(ctx, "north"); err != nil {
		t.Fatal(err)
	}
	if !pings(ctx, l, a.Name, far.Address) || !pings(ctx, l, far.Name, a.Address) || !canDial(l, a.Address) {
		t.Error("the site that was joined is not reached")
	}
}

func testKill(t *testing.T, l *Lab, victim, neighbour Host) {
	ctx := t.Context()
	id := run(t, l, victim.Name, "cat", "/etc/machine-id")
	run(t, l, victim.Name, "sh", "-c", "echo kept >/var/lib/kept && ip link add left type bridge && sync")
	start := time.Now()
	if err := l.KillHost(ctx, victim.Name); err != nil {
		t.Fatal(err)
	}
	t.Logf("killed in %s", time.Since(start).Round(time.Millisecond))
	if pings(ctx, l, neighbour.Name, victim.Address) {
		t.Error("a dead host answers")
	}
	if _, err := l.Exec(ctx, victim.Name, "true"); !errors.Is(err, errNoInit) {
		t.Errorf("exec on a dead host: %v", err)
	}
	start = time.Now()
	if err := l.StartHost(ctx, victim.Name); err != nil {
		t.Fatal(err)
	}
	t.Logf("started in %s", time.Since(start).Round(time.Millisecond))
	if got := run(t, l, victim.Name, "cat", "/etc/machine-id", "/var/lib/kept"); got != id+"\nkept" {
		t.Errorf("not the same disk: %q", got)
	}
	if links := run(t, l, victim.Name, "ip", "-o", "link"); strings.Contains(links, "left") {
		t.Errorf("an interface survived a power cut:\n%s", links)
	}
	overSSH(t, l, victim.Address, "true")
}

// testPowerOffInside powers a host off where the lab does not see it coming.
func testPowerOffInside(t *testing.T, l *Lab, victim, neighbour Host) {
	ctx := t.Context()
	r, err := loadRecord(l.dir)
	if err != nil {
		t.Fatal(err)
	}
	m, err := l.machine(r, victim.Name)
	if err != nil {
		t.Fatal(err)
	}
	run(t, l, victim.Name, "systemctl", "poweroff", "--no-block")
	limited, cancel := context.WithTimeout(ctx, powerOffLimit)
	defer cancel()
	if err := m.group.waitEmpty(limited); err != nil {
		t.Fatal(err)
	}
	if pings(ctx, l, neighbour.Name, victim.Address) {
		t.Error("a host that is off answers")
	}
	if err := l.StartHost(ctx, victim.Name); err != nil {
		t.Fatal(err)
	}
}

func testWipe(t *testing.T, l *Lab, h Host) {
	ctx := t.Context()
	if err := l.WipeHost(ctx, h.Name); err == nil || !strings.Contains(err.Error(), "stop it first") {
		t.Fatalf("wiping a running host: %v", err)
	}
	id := run(t, l, h.Name, "cat", "/etc/machine-id")
	known, err := os.ReadFile(l.Access().KnownHosts)
	if err != nil {
		t.Fatal(err)
	}
	run(t, l, h.Name, "sh", "-c", "echo x >/var/lib/gone; echo x >/etc/gone")
	cycle := func(options ...WipeOption) {
		t.Helper()
		start := time.Now()
		if err := l.StopHost(ctx, h.Name); err != nil {
			t.Fatal(err)
		}
		t.Logf("stopped in %s", time.Since(start).Round(time.Millisecond))
		if err := l.WipeHost(ctx, h.Name, options...); err != nil {
			t.Fatal(err)
		}
		if err := l.StartHost(ctx, h.Name); err != nil {
			t.Fatal(err)
		}
		overSSH(t, l, h.Address, "true")
	}
	cycle(KeepHostKey)
	now, err := os.ReadFile(l.Access().KnownHosts)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(known), string(now)); diff != "" {
		t.Errorf("the host key was not kept:\n%s", diff)
	}
	if run(t, l, h.Name, "cat", "/etc/machine-id") == id {
		t.Error("the machine id was kept")
	}
	run(t, l, h.Name, "sh", "-c", "! test -e /var/lib/gone && ! test -e /etc/gone")
	cycle()
	if now, _ = os.ReadFile(l.Access().KnownHosts); string(now) == string(known) {
		t.Error("the host key was kept")
	}
}
