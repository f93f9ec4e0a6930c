//go:build linux

package lab

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// testWaitingUnit starts a host one of whose units waits for a peer that is not there.
func testWaitingUnit(t *testing.T, l *Lab, h Host) {
	ctx := t.Context()
	run(t, l, h.Name, "sh", "-ec", `
cat >/etc/systemd/system/waits.service <<'UNIT'
[Service]
Type=notify
TimeoutStartSec=infinity
ExecStart=/bin/sleep infinity
[Install]
WantedBy=multi-user.target
UNIT
systemctl enable waits.service
sync`)
	if err := l.KillHost(ctx, h.Name); err != nil {
		t.Fatal(err)
	}
	if err := l.StartHost(ctx, h.Name); err != nil {
		t.Fatal(err)
	}
	status := statusOf(t, l, h.Name)
	if status.System != "starting" {
		t.Errorf("the host is %q, and its unit waits", status.System)
	}
	overSSH(t, l, h.Address, "true")
	run(t, l, h.Name, "sh", "-ec", "systemctl disable --now waits.service && rm /etc/systemd/system/waits.service && systemctl daemon-reload")
}

func statusOf(t *testing.T, l *Lab, host string) HostStatus {
	t.Helper()
	all, err := l.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if s.Name == host {
			return s
		}
	}
	t.Fatalf("no status of %s", host)
	return HostStatus{}
}

func testExitCode(t *testing.T, l *Lab, h Host) {
	out, err := l.Exec(t.Context(), h.Name, "sh", "-c", "echo said; echo why >&2; exit 7")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("exit 7 inside the host: %v", err)
	}
	if string(out) != "said\n" || !strings.Contains(err.Error(), "why") {
		t.Errorf("output %q, error %v", out, err)
	}
}

func testUnplug(t *testing.T, l *Lab, victim, neighbour Host) {
	ctx := t.Context()
	if err := l.UnplugHost(ctx, victim.Name); err != nil {
		t.Fatal(err)
	}
	if pings(ctx, l, neighbour.Name, victim.Address) || canDial(l, victim.Address) {
		t.Error("an unplugged host is reached")
	}
	if link := run(t, l, victim.Name, "ip", "-o", "link", "show", "eth0"); !strings.Contains(link, "NO-CARRIER") {
		t.Errorf("an unplugged host has a carrier: %s", link)
	}
	if !statusOf(t, l, victim.Name).Unplugged {
		t.Error("the status does not say that the host is unplugged")
	}
	if err := l.KillHost(ctx, victim.Name); err != nil {
		t.Fatal(err)
	}
	if err := l.StartHost(ctx, victim.Name); err != nil {
		t.Fatal(err)
	}
	if canDial(l, victim.Address) {
		t.Error("a restart plugged the host in")
	}
	if err := l.PlugHost(ctx, victim.Name); err != nil {
		t.Fatal(err)
	}
	if !pings(ctx, l, neighbour.Name, victim.Address) || !canDial(l, victim.Address) {
		t.Error("a host that was plugged in again is not reached")
	}
}

func testLoss(t *testing.T, l *Lab, a, b, far Host) {
	ctx := t.Context()
	if err := l.LosePackets(ctx, "north", 101); err == nil {
		t.Error("more packets can be lost than there are")
	}
	if err := l.LosePackets(ctx, "north", 50); err != nil {
		t.Fatal(err)
	}
	received := func(to Host) int {
		out, _ := l.Exec(ctx, a.Name, "ping", "-c40", "-i0.01", "-W1", "-q", to.Address.String())
		for field := range strings.SplitSeq(string(out), ",") {
			if n, ok := strings.CutSuffix(strings.TrimSpace(field), " received"); ok {
				count, err := strconv.Atoi(n)
				if err != nil {
					t.Fatal(err)
				}
				return count
			}
		}
		t.Fatalf("ping says %s", out)
		return 0
	}
	// Of 40 echoes a quarter comes back: none and nearly all are beyond any luck.
	if n := received(far); n == 0 || n > 30 {
		t.Errorf("%d of 40 echoes come back over a border that loses half", n)
	}
	if n := received(b); n != 40 {
		t.Errorf("%d of 40 echoes come back within the site", n)
	}
	if got := statusOf(t, l, a.Name).Loss; got != 50 {
		t.Errorf("the status says %d%% loss", got)
	}
	if err := l.LosePackets(ctx, "north", 0); err != nil {
		t.Fatal(err)
	}
	if n := received(far); n != 40 {
		t.Errorf("%d of 40 echoes come back over a mended border", n)
	}
}

func testFreeze(t *testing.T, l *Lab, h Host) {
	ctx := t.Context()
	if err := l.FreezeHost(ctx, h.Name); err != nil {
		t.Fatal(err)
	}
	if !statusOf(t, l, h.Name).Frozen {
		t.Error("the status does not say that the host is frozen")
	}
	if !canDial(l, h.Address) {
		t.Error("the kernel of a frozen host takes no connections")
	}
	limited, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if client, err := dial(limited, l.Access(), h.Address); err == nil {
		client.Close()
		t.Error("a frozen host answers")
	}
	if err := l.StopHost(ctx, h.Name); err == nil || !strings.Contains(err.Error(), "thaw") {
		t.Errorf("stopping a frozen host: %v", err)
	}
	if err := l.ThawHost(ctx, h.Name); err != nil {
		t.Fatal(err)
	}
	overSSH(t, l, h.Address, "true")
	if err := l.FreezeHost(ctx, h.Name); err != nil {
		t.Fatal(err)
	}
	if err := l.KillHost(ctx, h.Name); err != nil {
		t.Fatal(err)
	}
	if err := l.FreezeHost(ctx, h.Name); !errors.Is(err, errNoInit) {
		t.Errorf("freezing a host that is off: %v", err)
	}
	if err := l.StartHost(ctx, h.Name); err != nil {
		t.Fatal(err)
	}
	overSSH(t, l, h.Address, "true")
}

func testFull(t *testing.T, l *Lab, h Host) {
	ctx := t.Context()
	const folder = "/opt/some/where"
	run(t, l, h.Name, "sh", "-ec", "mkdir -p /opt/some/where/deep && cd /opt/some/where && echo kept >deep/file && ln -s deep/file link && chown 7:8 deep && chmod 750 .")
	list := func() string {
		return run(t, l, h.Name, "sh", "-c", `cd "$0" && find . -printf '%p %M %U %G %l\n' | sort; cat link`, folder)
	}
	before := list()
	if err := l.FillDisk(ctx, h.Name, "/etc/some", 0); err == nil || !strings.Contains(err.Error(), "/var/lib") {
		t.Errorf("filling a folder of the root: %v", err)
	}
	if err := l.FillDisk(ctx, h.Name, folder, 64<<10); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, list()); diff != "" {
		t.Errorf("a full folder has other content:\n%s", diff)
	}
	if got := statusOf(t, l, h.Name).Full; len(got) != 1 || got[0] != folder {
		t.Errorf("the status says that %q is full", got)
	}
	if out, err := l.Exec(ctx, h.Name, "dd", "if=/dev/zero", "of="+folder+"/big", "bs=4k", "count=64", "status=none"); err == nil || !strings.Contains(err.Error(), "No space left") {
		t.Errorf("writing to a full disk: %s, %v", out, err)
	}
	run(t, l, h.Name, "rm", folder+"/big")
	run(t, l, h.Name, "sh", "-c", "echo late >"+folder+"/late")
	if err := l.EmptyDisk(ctx, h.Name, folder); err != nil {
		t.Fatal(err)
	}
	if got := run(t, l, h.Name, "cat", folder+"/late"); got != "late" {
		t.Errorf("what was written to the full folder is %q", got)
	}
	run(t, l, h.Name, "sh", "-c", "rm "+folder+"/late; dd if=/dev/zero of="+folder+"/big bs=4k count=64 status=none && rm "+folder+"/big")
	if diff := cmp.Diff(before, list()); diff != "" {
		t.Errorf("an emptied folder has other content:\n%s", diff)
	}
	left, err := filepath.Glob(filepath.Join(hostFolder(l.dir, h.Name), "disk/opt/some/*.trivet-lab-next"))
	if err != nil || len(left) > 0 {
		t.Errorf("left over: %q, %v", left, err)
	}
	if err := l.EmptyDisk(ctx, h.Name, folder); err != nil {
		t.Errorf("emptying again: %v", err)
	}
	if _, err := os.Stat(filepath.Join(hostFolder(l.dir, h.Name), "disk/opt/some/where/deep/file")); err != nil {
		t.Error(err)
	}
}
