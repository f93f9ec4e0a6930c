package hostd_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/hostd"
	"github.com/trivet-dev/trivet/internal/hostd/hostdtest"
)

// TestForeignThingsStopAStepBeforeItBegins: what belongs to somebody else is found before the first operation, wherever in the step it comes, and the host stays as it was.
func TestForeignThingsStopAStepBeforeItBegins(t *testing.T) {
	before := hostapi.Item{File: &hostapi.File{Path: "/etc/before", Mode: 0o644, Content: []byte("x")}}
	data := hostapi.Item{Directory: &hostapi.Directory{Path: "/var/lib/etcd", Mode: 0o700, Data: true}}
	for _, tt := range []struct {
		name  string
		item  hostapi.Item
		there func(t *testing.T, m *hostdtest.Machine)
		says  string
	}{
		{"etcd data of another cluster", data, func(t *testing.T, m *hostdtest.Machine) {
			must(t, os.MkdirAll(m.Path("/var/lib/etcd/member/wal"), 0o700))
		}, "/var/lib/etcd/member"},
		{"a file in a folder that is there", data, func(t *testing.T, m *hostdtest.Machine) {
			must(t, os.MkdirAll(m.Path("/var/lib/etcd/lost+found"), 0o700))
			must(t, os.WriteFile(m.Path("/var/lib/etcd/safe-to-restart"), nil, 0o600))
		}, "/var/lib/etcd/safe-to-restart"},
		{"a link of another network", hostapi.Item{Claim: &hostapi.Claim{What: hostapi.ClaimLink, Name: "cni0"}}, func(_ *testing.T, m *hostdtest.Machine) {
			m.Kernel.AddLink("cni0")
		}, "cni0"},
		{"pods of another kubelet", hostapi.Item{Claim: &hostapi.Claim{What: hostapi.ClaimCgroup, Name: "kubepods*"}}, func(t *testing.T, m *hostdtest.Machine) {
			must(t, os.MkdirAll(m.Path("/sys/fs/cgroup/kubepods.slice"), 0o755))
		}, "kubepods.slice"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine(t)
			tt.there(t, m)
			fresh := tree(t, m.Root)
			he := wantCode(t, stepErr(m, t.Context(), ensure(before, tt.item)...), hostapi.CodeForeign)
			if he.Op != 1 || he.Item != tt.item.ID().String() || !strings.Contains(he.Message, tt.says) || he.Remedy == "" {
				t.Errorf("error %+v", he)
			}
			sameTree(t, "the refused host", fresh, tree(t, m.Root))
		})
	}
	t.Run("an empty folder", func(t *testing.T) {
		m := newMachine(t)
		must(t, os.MkdirAll(m.Path("/var/lib/etcd/lost+found"), 0o755))
		run(t, m, ensure(before, data)...)
	})
}

// TestLostData: precious data that was there and is gone is drift, and not made anew in silence. It counts as there from the first step that ends with some.
func TestLostData(t *testing.T) {
	m := newMachine(t)
	item := hostapi.Item{Directory: &hostapi.Directory{Path: "/var/lib/etcd", Mode: 0o700, Data: true, Precious: true}}
	other := hostapi.Item{File: &hostapi.File{Path: "/etc/other", Mode: 0o644, Content: []byte("x")}}
	run(t, m, ensure(item)...)
	run(t, m, ensure(item, other)...) // still empty: nothing is lost
	must(t, os.MkdirAll(m.Path("/var/lib/etcd/member"), 0o700))
	run(t, m, ensure(other)...)
	if d := observe(t, m).Drift; len(d) != 0 {
		t.Errorf("drift: %v", d)
	}
	want := []hostapi.Drift{{ID: item.ID(), What: "its data is gone", Code: hostapi.DriftDataGone}}
	for what, lose := range map[string]string{"emptied": "/var/lib/etcd/member", "removed": "/var/lib/etcd"} {
		must(t, os.RemoveAll(m.Path(lose)))
		if d := cmp.Diff(want, observe(t, m).Drift); d != "" {
			t.Errorf("%s: drift (-want +got):\n%s", what, d)
		}
		he := wantCode(t, stepErr(m, t.Context(), ensure(item)...), hostapi.CodeFailed)
		if !strings.Contains(he.Message, "/var/lib/etcd is gone") || he.Remedy == "" {
			t.Errorf("error %+v", he)
		}
		must(t, os.MkdirAll(m.Path("/var/lib/etcd/member"), 0o700))
		must(t, os.Chmod(m.Path("/var/lib/etcd"), 0o700))
	}
	must(t, os.RemoveAll(m.Path("/var/lib/etcd/member")))
	run(t, m, remove(item.ID())...)
	run(t, m, ensure(item)...)
	if d := observe(t, m).Drift; len(d) != 0 {
		t.Errorf("drift after the loss was accepted: %v", d)
	}
}

func TestForeignDropIns(t *testing.T) {
	m := newMachine(t)
	items := append(bringUp(t, m), hostapi.Item{File: &hostapi.File{Path: "/etc/systemd/system/containerd.service.d/10-ours.conf", Mode: 0o644, Content: []byte("[Unit]\n")}})
	run(t, m, ensure(items...)...)
	if o := observe(t, m).Overrides; len(o) != 0 {
		t.Errorf("overrides: %v", o)
	}
	id := hostapi.ID{Kind: hostapi.KindUnit, Name: "containerd.service"}
	add := func(p string) {
		must(t, os.MkdirAll(m.Path(p[:strings.LastIndex(p, "/")]), 0o755))
		must(t, os.WriteFile(m.Path(p), []byte("[Service]\nMemoryMax=1G\n"), 0o644))
	}
	add("/etc/systemd/system/containerd.service.d/override.conf")
	add("/etc/systemd/system/containerd.service.d/README")
	add("/etc/systemd/system/other.service.d/override.conf")
	want := []hostapi.Drift{{ID: id, What: "drop-in /etc/systemd/system/containerd.service.d/override.conf is not Trivet's"}}
	if d := cmp.Diff(want, observe(t, m).Overrides); d != "" {
		t.Errorf("overrides (-want +got):\n%s", d)
	}
	add("/run/systemd/system.control/containerd.service.d/50-MemoryMax.conf")
	want[0].What = "drop-ins /run/systemd/system.control/containerd.service.d/50-MemoryMax.conf, /etc/systemd/system/containerd.service.d/override.conf are not Trivet's"
	o := observe(t, m)
	if d := cmp.Diff(want, o.Overrides); d != "" {
		t.Errorf("overrides (-want +got):\n%s", d)
	}
	if len(o.Drift) != 0 {
		t.Errorf("they make drift, which no plan could mend: %v", o.Drift)
	}
	run(t, m, removeAll(t, m)...)
	if _, err := os.Stat(m.Path("/etc/systemd/system/containerd.service.d/override.conf")); err != nil {
		t.Errorf("the foreign drop-in went with the host's items: %v", err)
	}
}

// TestMaskedUnit: masking puts a link to /dev/null in the place of the unit's file.
func TestMaskedUnit(t *testing.T) {
	m := newMachine(t)
	items := bringUp(t, m)
	run(t, m, ensure(items...)...)
	const file = "/etc/systemd/system/containerd.service"
	must(t, os.Remove(m.Path(file)))
	must(t, os.Symlink("/dev/null", m.Path(file)))
	delete(m.Units.Active, "containerd.service")
	want := []hostapi.Drift{
		{ID: hostapi.ID{Kind: hostapi.KindFile, Name: file}, What: "not a file"},
		{ID: hostapi.ID{Kind: hostapi.KindUnit, Name: "containerd.service"}, What: "masked", Code: hostapi.DriftDown},
	}
	if d := cmp.Diff(want, observe(t, m).Drift); d != "" {
		t.Errorf("drift (-want +got):\n%s", d)
	}
	run(t, m, ensure(items...)...)
	if d := observe(t, m).Drift; len(d) != 0 || m.Units.Active["containerd.service"] != "active" {
		t.Errorf("after mending: drift %v, active %v", d, m.Units.Active)
	}
}

// TestClaimOfARunningUnit: what a unit has made and somebody took away is drift, which restarting the unit mends.
func TestClaimOfARunningUnit(t *testing.T) {
	m := newMachine(t)
	claim := hostapi.Item{Claim: &hostapi.Claim{What: hostapi.ClaimLink, Name: "flannel.1", Unit: "flanneld.service", Routes: true}}
	file := hostapi.Item{File: &hostapi.File{Path: "/etc/systemd/system/flanneld.service", Mode: 0o644, Content: []byte("[Service]\n")}}
	unit := hostapi.Item{Unit: &hostapi.Unit{Name: "flanneld.service", Running: true, Inputs: []hostapi.ID{claim.ID()}}}
	m.Units.OnStart = func(string) {
		if links, _ := m.Kernel.Interfaces(t.Context()); len(links) == 2 {
			m.Kernel.AddLink("flannel.1")
		}
		m.Kernel.LinkRoutes = map[string]int{"flannel.1": 3}
	}
	run(t, m, ensure(claim, file, unit)...)
	for _, tt := range []struct {
		name string
		take func()
		want string
		code hostapi.DriftCode
	}{
		{"link deleted", func() { must(t, m.Kernel.DeleteLink(t.Context(), "flannel.1")) }, "missing, while flanneld.service runs, which makes it", ""},
		{"link made again without routes", func() { m.Kernel.LinkRoutes = nil }, "no route leads through it, while flanneld.service runs, which makes them", hostapi.DriftNoRoute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			starts := m.Units.Starts["flanneld.service"]
			if d := observe(t, m).Drift; len(d) != 0 {
				t.Fatalf("drift before: %v", d)
			}
			tt.take()
			if d := cmp.Diff([]hostapi.Drift{{ID: claim.ID(), What: tt.want, Code: tt.code}}, observe(t, m).Drift); d != "" {
				t.Errorf("drift (-want +got):\n%s", d)
			}
			run(t, m, ensure(claim, unit)...)
			if n := m.Units.Starts["flanneld.service"]; n != starts+1 {
				t.Errorf("%d starts, want one more than %d", n, starts)
			}
			if d := observe(t, m).Drift; len(d) != 0 {
				t.Errorf("drift after: %v", d)
			}
			if got := run(t, m, ensure(claim, unit)...); got != "unchanged unchanged" {
				t.Errorf("done again: %s", got)
			}
		})
	}
	t.Run("unit stopped", func(t *testing.T) {
		delete(m.Units.Active, "flanneld.service")
		must(t, m.Kernel.DeleteLink(t.Context(), "flannel.1"))
		if d := observe(t, m).Drift; len(d) != 1 || d[0].ID != unit.ID() {
			t.Errorf("drift: %v, want the unit's alone", d)
		}
	})
	t.Run("an older record", func(t *testing.T) {
		m := newMachine(t)
		plain := hostapi.Item{Claim: &hostapi.Claim{What: hostapi.ClaimLink, Name: "flannel.1"}}
		m.Units.OnStart = func(string) { m.Kernel.AddLink("flannel.1") }
		run(t, m, ensure(plain, file, unit)...)
		m.Kernel.LinkRoutes = map[string]int{"flannel.1": 3}
		if got := run(t, m, ensure(claim, unit)...); got != "done unchanged" {
			t.Errorf("%s: knowing more of a claim restarts its unit", got)
		}
	})
	t.Run("routes wanted from now on", func(t *testing.T) {
		m := newMachine(t)
		alone := hostapi.Item{Claim: &hostapi.Claim{What: hostapi.ClaimLink, Name: "flannel.1", Unit: "flanneld.service"}}
		m.Units.OnStart = func(string) { m.Kernel.AddLink("flannel.1") }
		run(t, m, ensure(alone, file, unit)...)
		if got := run(t, m, ensure(claim, unit)...); got != "done unchanged" {
			t.Errorf("%s: routes that cannot be there yet restart their unit", got)
		}
		if d := observe(t, m); len(d.Drift) != 1 || d.Drift[0].Code != hostapi.DriftNoRoute || slices.ContainsFunc(d.Record.Items, func(i hostapi.RecordedItem) bool { return i.Stale }) {
			t.Errorf("drift %v, record %+v", d.Drift, d.Record.Items)
		}
	})
}

// TestFolderOfNamespaces: who makes network namespaces makes the folder for them, which goes with the claim unless it was there before, or others use it.
func TestFolderOfNamespaces(t *testing.T) {
	claim := hostapi.Item{Claim: &hostapi.Claim{What: hostapi.ClaimNetns, Name: "/run/netns/cni-*"}}
	for _, tt := range []struct {
		name        string
		before      bool
		left, after []string // in the folder, besides what is claimed; nil: there is no folder
	}{
		{"made for the claim", false, nil, nil},
		{"there before", true, []string{}, []string{}},
		{"used by others since", false, []string{"blue"}, []string{"blue"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine(t)
			dir := m.Path("/run/netns")
			if tt.before {
				must(t, os.MkdirAll(dir, 0o755))
			}
			run(t, m, ensure(claim)...)
			must(t, os.MkdirAll(dir, 0o755))
			for _, name := range append([]string{"cni-1"}, tt.left...) {
				must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
			}
			run(t, m, ensure(claim)...) // a later step does not take the folder for one that was there before
			run(t, m, remove(claim.ID())...)
			entries, err := os.ReadDir(dir)
			if tt.after == nil {
				if !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("the folder is there: %v, %v", entries, err)
				}
				return
			}
			var got []string
			for _, e := range entries {
				got = append(got, e.Name())
			}
			if err != nil || !slices.Equal(got, tt.after) {
				t.Errorf("the folder holds %q, %v, want %q", got, err, tt.after)
			}
		})
	}
}

// TestModeAloneIsNoReasonToRestart: whoever has read a file knows what is in it, whoever may open it now.
func TestModeAloneIsNoReasonToRestart(t *testing.T) {
	m := newMachine(t)
	conf := hostapi.Item{File: &hostapi.File{Path: "/etc/x/x.conf", Mode: 0o640, Content: []byte("1")}}
	file := hostapi.Item{File: &hostapi.File{Path: "/etc/systemd/system/x.service", Mode: 0o644, Content: []byte("[Service]\n")}}
	unit := hostapi.Item{Unit: &hostapi.Unit{Name: "x.service", Running: true, Inputs: []hostapi.ID{conf.ID()}}}
	run(t, m, ensure(conf, file, unit)...)
	must(t, os.Chmod(m.Path("/etc/x/x.conf"), 0o666))
	if got := run(t, m, ensure(conf, unit)...); got != "done unchanged" {
		t.Errorf("a mended mode: %s", got)
	}
	wider := hostapi.Item{File: &hostapi.File{Path: "/etc/x/x.conf", Mode: 0o644, Content: []byte("1")}}
	if got := run(t, m, ensure(wider, unit)...); got != "done unchanged" {
		t.Errorf("another mode: %s", got)
	}
	must(t, os.WriteFile(m.Path("/etc/x/x.conf"), []byte("2"), 0o666))
	must(t, os.Chmod(m.Path("/etc/x/x.conf"), 0o600))
	if got := run(t, m, ensure(wider, unit)...); got != "done done" {
		t.Errorf("content and mode: %s", got)
	}
	if fi, err := os.Stat(m.Path("/etc/x/x.conf")); err != nil || fi.Mode() != 0o644 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
}

// TestMissingTool: containerd that does not answer and a client that is not there are two things.
func TestMissingTool(t *testing.T) {
	m := newMachine(t)
	items := bringUp(t, m)
	run(t, m, ensure(items...)...)
	image := items[len(items)-2]
	ctr := m.Commands.Programs["ctr"]
	for _, tt := range []struct {
		name, drift, message string
		ctr                  func([]string) ([]byte, error)
	}{
		{"no client", "not known: /usr/local/bin/ctr is missing", "/usr/local/bin/ctr, which asks containerd, is missing on the host", nil},
		{"no answer", "not known: containerd does not answer", "containerd at /run/containerd/containerd.sock: connection refused",
			func([]string) ([]byte, error) { return nil, errors.New("connection refused") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m.Commands.Programs["ctr"] = tt.ctr
			d := observe(t, m).Drift
			if len(d) != 2 || d[0].What != tt.drift || d[1].What != tt.drift {
				t.Errorf("drift %v, want %q of both images", d, tt.drift)
			}
			he := wantCode(t, stepErr(m, t.Context(), ensure(image)...), hostapi.CodeFailed)
			if he.Message != tt.message || he.Remedy == "" {
				t.Errorf("error %v", he)
			}
			m.Commands.Programs["ctr"] = ctr
			run(t, m, ensure(image)...)
		})
	}
}

// TestContainerdHangs: the rest of a host is seen although nobody lists its images, and a step ends with what to do.
func TestContainerdHangs(t *testing.T) {
	m := newMachine(t)
	items := bringUp(t, m)
	run(t, m, ensure(items...)...)
	seen := len(observe(t, m).Record.Items)
	image := items[len(items)-2]
	hang := make(chan struct{})
	m.Commands.Hang, m.Patience = map[string]<-chan struct{}{"ctr": hang}, 50*time.Millisecond
	const drift = "not known: containerd hangs, it has not listed its images within 50ms"
	if o := observe(t, m); len(o.Drift) != 2 || o.Drift[0].What != drift || o.Drift[1].What != drift || len(o.Record.Items) != seen {
		t.Errorf("drift %v, %d items, want %q of both images and all items", o.Drift, len(o.Record.Items), drift)
	}
	for _, op := range []hostapi.Operation{ensure(image)[0], remove(image.ID())[0]} {
		he := wantCode(t, stepErr(m, t.Context(), op), hostapi.CodeFailed)
		if he.Message != "containerd at /run/containerd/containerd.sock: it has not listed its images within 50ms" || !strings.Contains(he.Remedy, "restart containerd") {
			t.Errorf("error %v", he)
		}
	}
	close(hang)
	m.Commands.Hang, m.Patience = nil, 0
	run(t, m, ensure(image)...)
	if d := observe(t, m).Drift; len(d) > 0 {
		t.Errorf("drift %v", d)
	}
}

// TestNoSystemd: what needs systemd says that it is not there; facts say what is in its place.
func TestNoSystemd(t *testing.T) {
	m := newMachine(t)
	must(t, os.WriteFile(m.Path("/proc/1/comm"), []byte("runit\n"), 0o644))
	o := m.Options()
	o.Units = nil
	h := hostd.New(o)
	seen, err := h.Observe(t.Context(), hostapi.ObserveRequest{})
	must(t, err)
	if seen.Facts.Init != "runit" || seen.Facts.SystemdVersion != 0 {
		t.Errorf("facts: init %q, systemd %d", seen.Facts.Init, seen.Facts.SystemdVersion)
	}
	fresh := tree(t, m.Root)
	he := wantCode(t, h.Step(t.Context(), testStep(ensure(hostapi.Item{Unit: &hostapi.Unit{Name: "x.service", Running: true}})...), nil), hostapi.CodeFailed)
	if !strings.Contains(he.Message, "systemd does not answer") || he.Remedy == "" {
		t.Errorf("error %v", he)
	}
	sameTree(t, "the host", fresh, tree(t, m.Root))
}
