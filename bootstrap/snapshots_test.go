package bootstrap_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/remote"
	"github.com/trivet-dev/trivet/internal/snapshot"
)

var withSnapshots = fleettest.Settings{
	Cluster: "etcd {\n  snapshots {\n    schedule = \"hourly\"\n  }\n}",
	Hosts: []fleettest.Host{
		{Name: "cp1", Site: "s1", Roles: []string{"control-plane", "etcd"}}, {Name: "w1", Site: "s2", Roles: []string{"worker"}},
	},
}

// answering is a host whose socket is answered by the program for the host's folder, as systemd has it started.
type answering struct {
	remote.Host
	t    *testing.T
	root func(string) string
}

// Dial implements remote.Host.
func (a answering) Dial(ctx context.Context, to hostapi.Endpoint) (net.Conn, error) {
	if to.Network != "unix" || to.Address != desired.SnapshotSocket {
		return a.Host.Dial(ctx, to)
	}
	path := filepath.Join(a.t.TempDir(), "sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	config := func() (*snapshot.Config, error) {
		c, err := snapshot.ReadConfig(a.root("/etc/trivet/snapshot.json"))
		if err == nil {
			c.Folder = a.root(c.Folder)
		}
		return c, err
	}
	serving, cancel := context.WithCancel(a.t.Context())
	done := make(chan error, 1)
	go func() {
		done <- snapshot.Serve(serving, []net.Listener{l}, config, time.Now, time.Hour, func(string, ...any) {})
	}()
	a.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			a.t.Error(err)
		}
	})
	var d net.Dialer
	return d.DialContext(ctx, "unix", path)
}

// put writes a snapshot into a host's folder.
func put(t *testing.T, f *fleettest.Fleet, host string, s snapshot.Snapshot, damage bool) {
	t.Helper()
	body := bytes.Repeat([]byte("x"), 4096)
	sum := sha256.Sum256(body)
	if damage {
		body[0] = 'y'
	}
	path := filepath.Join(f.Machines[host].Path(desired.SnapshotFolder), s.Name())
	if err := os.WriteFile(path, append(body, sum[:]...), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestSnapshots lists what hosts have after an apply, and tells what is late, damaged or silent.
func TestSnapshots(t *testing.T) {
	f := newFleet(t, withSnapshots)
	apply(t, open(t, f))
	for host, want := range map[string][]string{
		"cp1": {"/opt/trivet/bin/trivet-snapshot", "/etc/systemd/system/trivet-snapshot.timer", "/etc/systemd/system/trivet-snapshot-receive.socket"},
		"w1":  {"/opt/trivet/bin/trivet-snapshot", "/etc/etcd/pki/etcd-snapshots.key", "/etc/systemd/system/trivet-snapshot-receive.socket"},
	} {
		for _, path := range want {
			if _, err := os.Lstat(f.Machines[host].Path(path)); err != nil {
				t.Errorf("host %s: %v", host, err)
			}
		}
	}
	if p, err := open(t, f).Plan(t.Context()); err != nil || !p.Empty() {
		t.Errorf("after an apply: %v, %v", p, err)
	}
	later := 0 * time.Hour
	answers := func(o *bootstrap.Options) {
		o.Now = func() time.Time { return fleettest.Now.Add(later) }
		o.Connect = func(ctx context.Context, h *topology.Host) (remote.Host, error) {
			conn, err := f.Connect(ctx, h)
			if err != nil {
				return nil, err
			}
			return answering{conn, t, f.Machines[h.Name].Path}, nil
		}
	}
	look := func(verify bool) (*bootstrap.Snapshots, string) {
		t.Helper()
		e := open(t, f, answers)
		s, err := e.Snapshots(t.Context(), verify)
		if err != nil {
			t.Fatal(err)
		}
		var wrong []string
		for _, w := range s.Wrong {
			wrong = append(wrong, w.Host+"@"+w.Site+": "+w.Detail)
		}
		return s, strings.Join(wrong, "\n")
	}
	if _, wrong := look(false); !strings.Contains(wrong, "@s1: it has no snapshot") || !strings.Contains(wrong, "@s2: it has no snapshot") {
		t.Errorf("before the first: %s", wrong)
	}
	status := func() *bootstrap.SnapshotState {
		t.Helper()
		s, err := open(t, f, answers).Status(t.Context())
		if err != nil || s.Snapshots == nil || s.Healthy() == (len(s.Snapshots.Wrong) > 0) {
			t.Fatalf("status: %+v, %v", s, err)
		}
		return s.Snapshots
	}
	if s := status(); len(s.Wrong) > 0 || s.Count > 0 {
		t.Errorf("nothing is due from before the cluster was: %+v", s)
	}
	later = 2 * time.Hour
	if s := status(); len(s.Wrong) != 2 || !strings.Contains(s.Wrong[0].Detail, "it has no snapshot") {
		t.Errorf("two hours later: %+v", s)
	}
	later = 0
	good := snapshot.Snapshot{Member: "cp1", Taken: fleettest.Now, Revision: 5}
	put(t, f, "cp1", good, false)
	put(t, f, "w1", good, false)
	if s, wrong := look(true); wrong != "" || len(s.Hosts) != 2 || len(s.Hosts[1].Snapshots) != 1 || s.Hosts[1].Snapshots[0].Revision != 5 {
		t.Errorf("with one each: %+v, %s", s, wrong)
	}
	if s := status(); s.Count != 2 || !s.Newest.Equal(fleettest.Now) || len(s.Wrong) > 0 {
		t.Errorf("with one each: %+v", s)
	}
	put(t, f, "w1", good, true)
	if _, wrong := look(true); !strings.Contains(wrong, "w1@s2: "+good.Name()+": its content has the hash") || !strings.Contains(wrong, "@s2: it has no snapshot") {
		t.Errorf("with a damaged copy: %s", wrong)
	}
	f.Unreachable = map[string]bool{"w1": true}
	if _, wrong := look(false); !strings.Contains(wrong, "w1@s2: host w1: connect to") || strings.Contains(wrong, "@s1") {
		t.Errorf("with a site away: %s", wrong)
	}
	f.Unreachable = nil

	none := withSnapshots
	none.Cluster = ""
	if err := f.Change(none); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, f).Snapshots(t.Context(), false); err == nil || !strings.Contains(err.Error(), "takes no snapshots of etcd: write a snapshots block") {
		t.Errorf("without the block: %v", err)
	}
	apply(t, open(t, f))
	for _, host := range []string{"cp1", "w1"} {
		if _, err := os.Lstat(f.Machines[host].Path(desired.SnapshotFolder)); !os.IsNotExist(err) {
			t.Errorf("host %s after the block is gone: %v", host, err)
		}
	}
}
