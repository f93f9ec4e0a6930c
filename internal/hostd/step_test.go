package hostd_test

import (
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

func TestBringUpThenNothingToDo(t *testing.T) {
	m := newMachine(t)
	before := tree(t, m.Root)
	items := bringUp(t, m)
	first := run(t, m, ensure(items...)...)
	if want := strings.TrimSpace(strings.Repeat("done ", len(items))); first != want {
		t.Errorf("first run: %s\nwant: %s", first, want)
	}
	o := observe(t, m)
	if len(o.Drift) != 0 {
		t.Errorf("drift after the first run: %v", o.Drift)
	}
	if m.Units.Active["haproxy.service"] != "" {
		t.Error("installing the package started its service")
	}
	if _, err := os.Lstat(m.Path("/etc/systemd/system/multi-user.target.wants/haproxy.service")); err == nil {
		t.Error("the package's service was left enabled")
	}
	if m.Units.Active["containerd.service"] != "active" || m.Units.Starts["containerd.service"] != 1 {
		t.Errorf("containerd is %q after %d starts, want active after 1", m.Units.Active["containerd.service"], m.Units.Starts["containerd.service"])
	}
	if b, _ := os.ReadFile(m.Path("/proc/sys/net/ipv4/ip_forward")); string(b) != "1\n" {
		t.Errorf("ip_forward is %q", b)
	}
	generation := o.Record.Generation
	second := run(t, m, ensure(items...)...)
	if want := strings.TrimSpace(strings.Repeat("unchanged ", len(items))); second != want {
		t.Errorf("second run: %s", second)
	}
	if g := observe(t, m).Record.Generation; g != generation {
		t.Errorf("a run that changed nothing wrote the record: generation %d, was %d", g, generation)
	}
	// By-products of components, claimed above.
	m.Kernel.AddLink("cni0")
	must(t, os.MkdirAll(m.Path("/run/flannel"), 0o755))
	must(t, os.WriteFile(m.Path("/var/lib/etcd/data"), []byte("x"), 0o600))
	run(t, m, removeAll(t, m)...)
	sameTree(t, "the host after everything was removed", before, tree(t, m.Root))
	if len(m.Units.Active) != 0 || len(m.Commands.Images) != 0 || len(m.Kernel.Links) != 2 {
		t.Errorf("left: units %v, images %v, links %v", m.Units.Active, m.Commands.Images, m.Kernel.Links)
	}
	if o := observe(t, m); o.Record != nil || len(o.Blobs) != 0 {
		t.Errorf("after Forget there are a record %v and blobs %v", o.Record, o.Blobs)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestForeignFilesComeBack(t *testing.T) {
	m := newMachine(t)
	must(t, os.MkdirAll(m.Path("/etc/containerd"), 0o711))
	must(t, os.WriteFile(m.Path("/etc/containerd/config.toml"), []byte("mine"), 0o600))
	must(t, os.Symlink("/somewhere/else", m.Path("/usr/local/bin/ctr")))
	must(t, os.WriteFile(m.Path("/usr/local/bin/kubelet"), []byte("old kubelet"), 0o700))
	before := tree(t, m.Root)
	kubelet, err := m.PutBlob([]byte("new kubelet"))
	must(t, err)
	run(t, m, ensure(
		hostapi.Item{Directory: &hostapi.Directory{Path: "/etc/containerd", Mode: 0o755}},
		hostapi.Item{Artifact: &hostapi.Artifact{Path: "/usr/local/bin/ctr", Blob: kubelet}},
		hostapi.Item{Artifact: &hostapi.Artifact{Path: "/usr/local/bin/kubelet", Blob: kubelet}},
		hostapi.Item{File: &hostapi.File{Path: "/etc/containerd/config.toml", Mode: 0o644, Content: []byte("ours")}},
	)...)
	if b, _ := os.ReadFile(m.Path("/etc/containerd/config.toml")); string(b) != "ours" {
		t.Fatalf("config.toml is %q", b)
	}
	run(t, m, removeAll(t, m)...)
	sameTree(t, "after removal", before, tree(t, m.Root))
}

func TestStaleUnitsAreRestarted(t *testing.T) {
	m := newMachine(t)
	file := func(content string) hostapi.Item {
		return hostapi.Item{File: &hostapi.File{Path: "/etc/x/x.conf", Mode: 0o644, Content: []byte(content)}}
	}
	unitFile := hostapi.Item{File: &hostapi.File{Path: "/etc/systemd/system/x.service", Mode: 0o644, Content: []byte("[Service]\n")}}
	unit := hostapi.Item{Unit: &hostapi.Unit{Name: "x.service", Enabled: true, Running: true, Inputs: []hostapi.ID{{Kind: hostapi.KindFile, Name: "/etc/x/x.conf"}}}}
	run(t, m, ensure(file("1"), unitFile, unit)...)
	if n := m.Units.Starts["x.service"]; n != 1 {
		t.Fatalf("%d starts, want 1", n)
	}
	t.Run("changed in a step of its own", func(t *testing.T) {
		run(t, m, ensure(file("2"))...)
		items := observe(t, m).Record.Items
		if !items[len(items)-1].Stale {
			t.Error("the unit is not shown as stale")
		}
		if got := run(t, m, ensure(unit)...); got != "done" || m.Units.Starts["x.service"] != 2 {
			t.Errorf("%s with %d starts, want done with 2", got, m.Units.Starts["x.service"])
		}
		if got := run(t, m, ensure(unit)...); got != "unchanged" || m.Units.Starts["x.service"] != 2 {
			t.Errorf("%s with %d starts, want unchanged with 2", got, m.Units.Starts["x.service"])
		}
	})
	t.Run("changed after the unit in the same step", func(t *testing.T) {
		run(t, m, ensure(unit, file("3"))...)
		if !observe(t, m).Record.Items[2].Stale {
			t.Error("the unit is not stale, though its input changed after it was looked at")
		}
		run(t, m, ensure(file("3"), unit)...)
		if n := m.Units.Starts["x.service"]; n != 3 {
			t.Errorf("%d starts, want 3", n)
		}
	})
	t.Run("restarted by an action", func(t *testing.T) {
		run(t, m, append(ensure(file("4")), hostapi.Operation{Unit: &hostapi.UnitAction{Name: "x.service", Verb: "restart", Wait: true}})...)
		if observe(t, m).Record.Items[2].Stale {
			t.Error("still stale after a restart")
		}
	})
	t.Run("failing", func(t *testing.T) {
		m.Units.FailStart["x.service"] = "failed"
		err := stepErr(m, t.Context(), ensure(file("5"), unit)...)
		he := wantCode(t, err, hostapi.CodeFailed)
		if he.Op != 1 || he.Item != "unit:x.service" || !strings.Contains(he.Message, "journal of x.service") {
			t.Errorf("error %+v lacks the operation, the item or the journal", he)
		}
		if d := observe(t, m); !d.Record.Items[2].Pending {
			t.Error("the unit that failed to start is not pending")
		}
		delete(m.Units.FailStart, "x.service")
		run(t, m, ensure(file("5"), unit)...)
		if m.Units.Active["x.service"] != "active" {
			t.Error("the unit is not active after the second try")
		}
	})
}

func TestDriftIsNamed(t *testing.T) {
	tests := []struct {
		name string
		do   func(t *testing.T, path func(string) string)
		want hostapi.Drift
	}{
		{"file content", func(t *testing.T, p func(string) string) {
			must(t, os.WriteFile(p("/etc/containerd/certs.d/config.toml"), []byte("edited"), 0o640))
		}, hostapi.Drift{ID: hostapi.ID{Kind: hostapi.KindFile, Name: "/etc/containerd/certs.d/config.toml"}, What: "content differs"}},
		{"secret content", func(t *testing.T, p func(string) string) {
			must(t, os.WriteFile(p("/etc/kubernetes/encryption.yaml"), []byte("edited"), 0o600))
		}, hostapi.Drift{ID: hostapi.ID{Kind: hostapi.KindFile, Name: "/etc/kubernetes/encryption.yaml"}, What: "content differs"}},
		{"file mode", func(t *testing.T, p func(string) string) {
			must(t, os.Chmod(p("/etc/kubernetes/encryption.yaml"), 0o644))
		}, hostapi.Drift{ID: hostapi.ID{Kind: hostapi.KindFile, Name: "/etc/kubernetes/encryption.yaml"}, What: "mode 0644, recorded 0600", Code: hostapi.DriftAccess}},
		{"file content and mode", func(t *testing.T, p func(string) string) {
			must(t, os.WriteFile(p("/etc/kubernetes/encryption.yaml"), []byte("edited"), 0o600))
			must(t, os.Chmod(p("/etc/kubernetes/encryption.yaml"), 0o644))
		}, hostapi.Drift{ID: hostapi.ID{Kind: hostapi.KindFile, Name: "/etc/kubernetes/encryption.yaml"}, What: "content differs; mode 0644, recorded 0600"}},
		{"file gone", func(t *testing.T, p func(string) string) {
			must(t, os.Remove(p("/etc/kubernetes/encryption.yaml")))
		}, hostapi.Drift{ID: hostapi.ID{Kind: hostapi.KindFile, Name: "/etc/kubernetes/encryption.yaml"}, What: "missing"}},
		{"key swapped", func(t *testing.T, p func(string) string) {
			_, key := newAuthority(t).issue(t, "other")
			must(t, os.WriteFile(p("/etc/kubernetes/pki/etcd.key"), key, 0o600))
		}, hostapi.Drift{ID: hostapi.ID{Kind: hostapi.KindKeyPair, Name: "/etc/kubernetes/pki/etcd.crt"}, What: "the key does not match the certificate"}},
		{"sysctl", func(t *testing.T, p func(string) string) {
			must(t, os.WriteFile(p("/proc/sys/net/ipv4/ip_forward"), []byte("0\n"), 0o644))
		}, hostapi.Drift{ID: hostapi.ID{Kind: hostapi.KindSysctl, Name: "net.ipv4.ip_forward"}, What: "value 0, recorded 1"}},
		{"module", func(t *testing.T, p func(string) string) {
			must(t, os.RemoveAll(p("/sys/module/br_netfilter")))
		}, hostapi.Drift{ID: hostapi.ID{Kind: hostapi.KindModule, Name: "br_netfilter"}, What: "not loaded"}},
		{"folder mode", func(t *testing.T, p func(string) string) {
			must(t, os.Chmod(p("/var/lib/etcd"), 0o755))
		}, hostapi.Drift{ID: hostapi.ID{Kind: hostapi.KindDirectory, Name: "/var/lib/etcd"}, What: "mode 0755, recorded 0700", Code: hostapi.DriftAccess}},
		{"artifact", func(t *testing.T, p func(string) string) {
			must(t, os.Remove(p("/opt/cni/bin/bridge")))
		}, hostapi.Drift{ID: hostapi.ID{Kind: hostapi.KindArtifact, Name: "/opt/cni/bin/bridge"}, What: "missing"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine(t)
			m.NoSync = true
			items := bringUp(t, m)
			run(t, m, ensure(items...)...)
			tt.do(t, m.Path)
			if d := cmp.Diff([]hostapi.Drift{tt.want}, observe(t, m).Drift); d != "" {
				t.Errorf("drift (-want +got):\n%s", d)
			}
			got := run(t, m, ensure(items...)...)
			if n := strings.Count(got, "done"); n != 1 && tt.name != "file content" && tt.name != "artifact" {
				t.Errorf("mending did %d things: %s", n, got)
			}
			if d := observe(t, m).Drift; len(d) != 0 {
				t.Errorf("drift after mending: %v", d)
			}
		})
	}
}

func TestUnitAndImageDrift(t *testing.T) {
	m := newMachine(t)
	items := bringUp(t, m)
	run(t, m, ensure(items...)...)
	m.Units.Active["containerd.service"] = "failed"
	must(t, os.Remove(m.Path("/etc/systemd/system/multi-user.target.wants/containerd.service")))
	delete(m.Commands.Images, "registry.k8s.io/pause:3.10")
	im := m.Commands.Images["registry.k8s.io/coredns/coredns:v1.15.0"]
	im.Labels = nil
	m.Commands.Images["registry.k8s.io/coredns/coredns:v1.15.0"] = im
	want := []hostapi.Drift{
		{ID: hostapi.ID{Kind: hostapi.KindImage, Name: "registry.k8s.io/coredns/coredns:v1.15.0"}, What: "not pinned"},
		{ID: hostapi.ID{Kind: hostapi.KindImage, Name: "registry.k8s.io/pause:3.10"}, What: "missing"},
		{ID: hostapi.ID{Kind: hostapi.KindUnit, Name: "containerd.service"}, What: "not enabled (disabled); not running (failed)", Code: hostapi.DriftDown},
	}
	if d := cmp.Diff(want, observe(t, m).Drift); d != "" {
		t.Errorf("drift (-want +got):\n%s", d)
	}
	run(t, m, ensure(items...)...)
	if d := observe(t, m).Drift; len(d) != 0 {
		t.Errorf("drift after mending: %v", d)
	}
}

func TestSecretsStayOffTheWire(t *testing.T) {
	m := newMachine(t)
	items := bringUp(t, m)
	run(t, m, ensure(items...)...)
	o, err := m.Host().Observe(t.Context(), hostapi.ObserveRequest{Contents: true})
	must(t, err)
	b, err := json.Marshal(o)
	must(t, err)
	_, key := testPair(t)
	for _, secret := range []string{secretContent, hostapi.Digest([]byte(secretContent)), hostapi.Digest(key), "PRIVATE KEY"} {
		if strings.Contains(string(b), secret) {
			t.Errorf("the observation holds the secret or its digest: %s", secret)
		}
	}
	for _, c := range m.Commands.Log {
		if strings.Contains(c, secretContent) {
			t.Errorf("a command was given the secret: %s", c)
		}
	}
	if _, ok := o.Contents["/etc/containerd/certs.d/config.toml"]; !ok {
		t.Error("the content of a file that is not secret is missing")
	}
}

func TestEpochAndCluster(t *testing.T) {
	m := newMachine(t)
	dir := ensure(hostapi.Item{Directory: &hostapi.Directory{Path: "/etc/a", Mode: 0o755}})
	step := testStep(dir...)
	step.Epoch = 5
	must(t, m.Host().Step(t.Context(), step, nil))
	step.Epoch = 4
	wantCode(t, m.Host().Step(t.Context(), step, nil), hostapi.CodeStaleEpoch)
	must(t, m.Host().RaiseEpoch(t.Context(), &hostapi.RaiseEpoch{Epoch: 7, ClusterID: "id-main"}))
	wantCode(t, m.Host().RaiseEpoch(t.Context(), &hostapi.RaiseEpoch{Epoch: 7, ClusterID: "id-main"}), hostapi.CodeStaleEpoch)
	step.Epoch = 6
	wantCode(t, m.Host().Step(t.Context(), step, nil), hostapi.CodeStaleEpoch)
	step.Epoch = 8
	must(t, m.Host().Step(t.Context(), step, nil))
	if e := observe(t, m).Record.Epoch; e != 8 {
		t.Errorf("epoch %d, want 8", e)
	}
	step.ClusterID, step.Epoch = "id-other", 9
	he := wantCode(t, m.Host().Step(t.Context(), step, nil), hostapi.CodeOtherCluster)
	if !strings.Contains(he.Message, `"main"`) {
		t.Errorf("the error does not name the cluster that the host belongs to: %s", he.Message)
	}
	wantCode(t, m.Host().RaiseEpoch(t.Context(), &hostapi.RaiseEpoch{Epoch: 99, ClusterID: "id-other"}), hostapi.CodeOtherCluster)
}

func TestStepsSerialise(t *testing.T) {
	m := newMachine(t)
	inFirst, goOn := make(chan struct{}), make(chan struct{})
	m.Hook = func(p string) {
		if p == "before directory:/etc/a" {
			close(inFirst)
			<-goOn
		}
	}
	first, second := m.Host(), m.Host()
	done := make(chan error, 2)
	go func() {
		done <- first.Step(context.Background(), testStep(ensure(hostapi.Item{Directory: &hostapi.Directory{Path: "/etc/a", Mode: 0o755}})...), nil)
	}()
	<-inFirst
	started := make(chan struct{})
	go func() {
		close(started)
		done <- second.Step(context.Background(), testStep(ensure(hostapi.Item{Directory: &hostapi.Directory{Path: "/etc/b", Mode: 0o755}})...), nil)
	}()
	<-started
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	third := stepErr(m, ctx, hostapi.Operation{Prune: true})
	wantCode(t, third, hostapi.CodeCancelled)
	if _, err := os.Lstat(m.Path("/etc/b")); err == nil {
		t.Error("a second step ran while the first held the lock")
	}
	close(goOn)
	must(t, <-done)
	must(t, <-done)
	if n := len(observe(t, m).Record.Items); n != 2 {
		t.Errorf("%d items recorded, want 2: a step lost the other's record", n)
	}
}

func TestCancelledStepFinishesItsOperation(t *testing.T) {
	m := newMachine(t)
	ctx, cancel := context.WithCancel(t.Context())
	m.Hook = func(p string) {
		if p == "made /etc/a" {
			cancel()
		}
	}
	ops := ensure(
		hostapi.Item{Directory: &hostapi.Directory{Path: "/etc/a", Mode: 0o711}},
		hostapi.Item{Directory: &hostapi.Directory{Path: "/etc/b", Mode: 0o755}},
	)
	he := wantCode(t, stepErr(m, ctx, ops...), hostapi.CodeCancelled)
	if he.Op != 1 {
		t.Errorf("cancelled at operation %d, want 1", he.Op)
	}
	o := observe(t, m)
	if len(o.Record.Items) != 1 || o.Record.Items[0].Pending || len(o.Drift) != 0 {
		t.Errorf("recorded %+v with drift %v, want the finished operation alone", o.Record.Items, o.Drift)
	}
	m.Hook = nil
	run(t, m, ops...)
}

func TestObserveWritesNothing(t *testing.T) {
	m := newMachine(t)
	before := tree(t, m.Root)
	o := observe(t, m)
	if o.Record != nil {
		t.Error("an untouched host has a record")
	}
	sameTree(t, "after Observe", before, tree(t, m.Root))
	want := hostapi.Facts{
		Hostname: "node1", Architecture: "amd64", Kernel: "6.1.0-test", Init: "systemd", SystemdVersion: 252, CgroupVersion: 2, CPUs: 2,
		MemoryBytes: 4 << 30, OS: hostapi.OSRelease{ID: "debian", VersionID: "12", Name: "Debian GNU/Linux 12 (bookworm)"},
		Nameservers: []string{"192.0.2.53"}, ResolvConf: "/etc/resolv.conf", ConntrackWritable: true,
		MachineID: o.Facts.MachineID, BootID: o.Facts.BootID, Interfaces: o.Facts.Interfaces, Listeners: o.Facts.Listeners, Time: o.Facts.Time,
	}
	if d := cmp.Diff(want, o.Facts, cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) }), cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); d != "" {
		t.Errorf("facts (-want +got):\n%s", d)
	}
	if len(o.Facts.MachineID) != 32 || len(o.Facts.Listeners) != 1 || o.Facts.Listeners[0].Port != 22 || len(o.Facts.Interfaces) != 2 {
		t.Errorf("facts: machine id %q, listeners %v, interfaces %v", o.Facts.MachineID, o.Facts.Listeners, o.Facts.Interfaces)
	}
}
