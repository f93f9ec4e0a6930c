package hostd_test

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/hostd/hostdtest"
)

// errCut is the panic of a helper that is killed.
var errCut = errors.New("cut off")

// cutStep runs a step that is killed at its n-th point of interest, counted from 1. It returns how many points there were, and where it was cut.
func cutStep(t testing.TB, m *hostdtest.Machine, n int, ops ...hostapi.Operation) (points int, where string) {
	t.Helper()
	m.Hook = func(p string) {
		if points++; points == n {
			where = p
			panic(errCut)
		}
	}
	defer func() {
		m.Hook = nil
		if v := recover(); v != nil && v != errCut {
			panic(v)
		}
	}()
	if err := m.Host().Step(t.Context(), testStep(ops...), nil); err != nil {
		t.Fatalf("the step failed by itself: %v", err)
	}
	return points, ""
}

// stage is one step of the life of a host.
type stage struct {
	name string
	// before brings a fresh machine to where the step begins.
	before func(t testing.TB, m *hostdtest.Machine)
	ops    func(t testing.TB, m *hostdtest.Machine) []hostapi.Operation
}

// changed is bringUp with everything changed that can change.
func changed(t testing.TB, m *hostdtest.Machine) []hostapi.Operation {
	t.Helper()
	items := bringUp(t, m)
	blob, err := m.PutBlob([]byte("containerd binary, next version"))
	must(t, err)
	unit := []byte(containerdUnit + "# next version\n")
	cert, key := secondPair(t)
	var removed []hostapi.ID
	var next []hostapi.Item
	for _, it := range items {
		switch id := it.ID(); id.Name {
		case "/usr/local/bin/containerd":
			it.Artifact.Blob = blob
		case "/etc/systemd/system/containerd.service":
			it.File.Content, it.File.SHA256 = unit, hostapi.Digest(unit)
		case "/etc/containerd/certs.d/config.toml":
			it.File.Content = []byte("version = 5\n")
			it.File.Mode = 0o600
		case "/etc/kubernetes/pki/etcd.crt":
			it.KeyPair.Certificate, it.KeyPair.Key, it.KeyPair.KeyPath = cert, key, "/etc/kubernetes/pki/private/etcd.key"
		case "net.ipv4.ip_forward":
			it.Sysctl.Value = "2"
		case "/opt/cni/bin/bridge":
			removed = append(removed, id)
			continue
		case "/var/lib/etcd":
			it.Directory.Mode = 0o750
		}
		next = append(next, it)
	}
	return append(ensure(next...), remove(removed...)...)
}

var stages = []stage{
	{"bring-up", func(testing.TB, *hostdtest.Machine) {}, func(t testing.TB, m *hostdtest.Machine) []hostapi.Operation { return ensure(bringUp(t, m)...) }},
	{"change", func(t testing.TB, m *hostdtest.Machine) { run(t, m, ensure(bringUp(t, m)...)...) }, changed},
	{"removal", func(t testing.TB, m *hostdtest.Machine) { run(t, m, ensure(bringUp(t, m)...)...) }, removeAll},
}

// fastDir is a folder in memory where there is one: this test makes hundreds of machines.
func fastDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "trivet-hostd-*")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// machineAt is a machine on which a stage begins. Foreign files are in the way of some items.
func machineAt(t testing.TB, s stage) (m *hostdtest.Machine, fresh map[string]string, configAtStart *string) {
	t.Helper()
	return machineIn(t, fastDir(t), s)
}

func machineIn(t testing.TB, root string, s stage) (m *hostdtest.Machine, fresh map[string]string, configAtStart *string) {
	t.Helper()
	m, err := hostdtest.New(root, "node1")
	must(t, err)
	m.NoSync = true
	must(t, os.WriteFile(m.Path("/usr/sbin/policy-rc.d"), []byte("#!/bin/sh\nexit 0\n"), 0o755))
	must(t, os.MkdirAll(m.Path("/etc/containerd/certs.d"), 0o755))
	must(t, os.WriteFile(m.Path("/etc/containerd/certs.d/config.toml"), []byte("foreign"), 0o644))
	configAtStart = new(string)
	m.Units.OnStart = func(string) {
		b, _ := os.ReadFile(m.Path("/etc/containerd/certs.d/config.toml"))
		bin, _ := os.Readlink(m.Path("/usr/local/bin/containerd"))
		*configAtStart = string(b) + bin
	}
	fresh = tree(t, m.Root)
	s.before(t, m)
	return m, fresh, configAtStart
}

// TestInterruptedAnywhere cuts a step off at every point of interest: before, inside and after every effect, and around every write of the
// record. Doing it again has to end in the same state as the uninterrupted step; giving the host back instead has to leave it as it was.
func TestInterruptedAnywhere(t *testing.T) {
	for _, s := range stages {
		t.Run(s.name, func(t *testing.T) {
			m, _, started := machineAt(t, s)
			ops := s.ops(t, m)
			points, _ := cutStep(t, m, 0, ops...)
			want, wantStarted := canonicalOf(t, m), *started
			if points < 30 {
				t.Fatalf("only %d points of interest", points)
			}
			t.Logf("%d points", points)
			every := 1
			if testing.Short() {
				every = 7
			}
			for n := 1; n <= points; n += every {
				m, fresh, started := machineAt(t, s)
				ops := s.ops(t, m)
				_, where := cutStep(t, m, n, ops...)
				// Cut off a second time while doing it again.
				cutStep(t, m, 1+n*7%points, ops...)
				run(t, m, ops...)
				at := fmt.Sprintf("cut off at point %d (%s), then done again", n, where)
				if d := cmp.Diff(want, canonicalOf(t, m)); d != "" {
					t.Fatalf("%s (-want +got):\n%s", at, d)
				}
				if *started != wantStarted {
					t.Fatalf("%s: containerd was last started with %q, want %q", at, *started, wantStarted)
				}
				m, fresh, _ = machineAt(t, s)
				_, where = cutStep(t, m, n, s.ops(t, m)...)
				run(t, m, removeAll(t, m)...)
				sameTree(t, fmt.Sprintf("cut off at point %d (%s), then given back", n, where), fresh, tree(t, m.Root))
				if len(m.Units.Active) != 0 {
					t.Errorf("cut off at point %d (%s), then given back: still active: %v", n, where, m.Units.Active)
				}
				if t.Failed() {
					return
				}
			}
		})
	}
}

var secondPairOnce = struct{ cert, key []byte }{}

func secondPair(t testing.TB) (cert, key []byte) {
	if secondPairOnce.cert == nil {
		secondPairOnce.cert, secondPairOnce.key = newAuthority(t).issue(t, "etcd")
	}
	return secondPairOnce.cert, secondPairOnce.key
}
