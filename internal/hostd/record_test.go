package hostd_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/hostd/hostdtest"
)

const recordFile = "/var/lib/trivet/record.json"

// recorded is a machine with two folders in its record, so that there is a version before too.
func recorded(t testing.TB) (m *hostdtest.Machine, record []byte) {
	t.Helper()
	m, err := hostdtest.New(fastDir(t), "node1")
	must(t, err)
	m.NoSync = true
	run(t, m, ensure(hostapi.Item{Directory: &hostapi.Directory{Path: "/etc/a", Mode: 0o755}})...)
	run(t, m, ensure(hostapi.Item{Directory: &hostapi.Directory{Path: "/etc/b", Mode: 0o755}})...)
	record, err = os.ReadFile(m.Path(recordFile))
	must(t, err)
	return m, record
}

// refusedRecord wants everything that reads the record to refuse, clearly, and to leave the host alone.
func refusedRecord(t *testing.T, m *hostdtest.Machine, what string) {
	t.Helper()
	before := tree(t, m.Root)
	wipe := append(remove(hostapi.ID{Kind: hostapi.KindDirectory, Name: "/etc/a"}), hostapi.Operation{Forget: true})
	_, observing := m.Host().Observe(t.Context(), hostapi.ObserveRequest{})
	for _, err := range []error{observing, stepErr(m, t.Context(), wipe...), m.Host().RaiseEpoch(t.Context(), &hostapi.RaiseEpoch{Epoch: 9, ClusterID: "id-main"})} {
		var he *hostapi.Error
		if !errors.As(err, &he) || he.Code != hostapi.CodeRecord || !strings.Contains(he.Message, recordFile) || !strings.Contains(he.Remedy, recordFile+".prev") {
			t.Fatalf("%s: the error is %v, want one of the record that names its file and the version before", what, err)
		}
	}
	sameTree(t, what, before, tree(t, m.Root))
}

func TestTruncatedRecord(t *testing.T) {
	m, record := recorded(t)
	for n := range len(record) {
		must(t, os.WriteFile(m.Path(recordFile), record[:n], 0o600))
		if _, err := m.Host().Observe(t.Context(), hostapi.ObserveRequest{}); err == nil {
			t.Fatalf("a record cut off after %d of %d bytes is taken for whole", n, len(record))
		}
	}
	for _, n := range []int{0, 1, len(record) / 2, len(record) - 1} {
		must(t, os.WriteFile(m.Path(recordFile), record[:n], 0o600))
		refusedRecord(t, m, "a record that was cut off")
	}
	must(t, os.WriteFile(m.Path(recordFile), make([]byte, len(record)), 0o600)) // as some file systems leave a file after a power cut
	refusedRecord(t, m, "a record of zeros")
	must(t, os.WriteFile(m.Path(recordFile), append(bytes.Clone(record), record...), 0o600))
	refusedRecord(t, m, "a record twice")
}

// TestForgetTakesTheHelper: the helper goes with the record, and where a kill kept it from that, or it was put there once more, by itself.
func TestForgetTakesTheHelper(t *testing.T) {
	m := newMachine(t)
	fresh := tree(t, m.Root)
	m.Staging = m.Path("/var/tmp/trivet-1000")
	place := func() {
		must(t, os.MkdirAll(m.Staging, 0o700))
		must(t, os.WriteFile(m.Staging+"/trivet-host-0123456789abcdef", nil, 0o700))
	}
	place()
	if run(t, m, ensure(hostapi.Item{Directory: &hostapi.Directory{Path: "/etc/a", Mode: 0o755}})...); observe(t, m).Blank() {
		t.Error("a host with a record counts as blank")
	}
	must(t, stepErr(m, t.Context(), remove(hostapi.ID{Kind: hostapi.KindDirectory, Name: "/etc/a"})...))
	for n, where := 1, " "; where != ""; n++ {
		if _, where = cutStep(t, m, n, hostapi.Operation{Forget: true}); where != "forgot the record" {
			continue
		}
		if _, err := os.Lstat(m.Staging); err != nil || !observe(t, m).Blank() {
			t.Errorf("killed when the record had gone, the host is blank but for the helper: %v", err)
		}
	}
	sameTree(t, "the host", fresh, tree(t, m.Root))
	place()
	run(t, m, hostapi.Operation{Forget: true})
	sameTree(t, "the host", fresh, tree(t, m.Root))
}

// TestFlippedBit: a record with any bit changed is refused, or says the same as before (the header's field names are read in any case of letters).
func TestFlippedBit(t *testing.T) {
	m, record := recorded(t)
	want := observe(t, m).Record
	for bit := range 8 * len(record) {
		if testing.Short() && bit%5 != 0 {
			continue
		}
		flipped := bytes.Clone(record)
		flipped[bit/8] ^= 1 << (bit % 8)
		must(t, os.WriteFile(m.Path(recordFile), flipped, 0o600))
		o, err := m.Host().Observe(t.Context(), hostapi.ObserveRequest{})
		if err == nil {
			if d := cmp.Diff(want, o.Record); d != "" {
				t.Fatalf("a record with bit %d flipped is believed (-want +got):\n%s", bit, d)
			}
			continue
		}
		wantCode(t, err, hostapi.CodeRecord)
	}
}

func TestLostRecord(t *testing.T) {
	m, record := recorded(t)
	must(t, os.Remove(m.Path(recordFile)))
	refusedRecord(t, m, "a record that is gone while its version before is there")
	// As the remedy says.
	prev, err := os.ReadFile(m.Path(recordFile + ".prev"))
	must(t, err)
	must(t, os.WriteFile(m.Path(recordFile), prev, 0o600))
	if o := observe(t, m); o.Record == nil || o.Record.ClusterID != "id-main" {
		t.Errorf("after the version before was copied the record is %+v", o.Record)
	}
	// A folder in its place is not a missing record.
	must(t, os.Remove(m.Path(recordFile)))
	must(t, os.Mkdir(m.Path(recordFile), 0o755))
	_, err = m.Host().Observe(t.Context(), hostapi.ObserveRequest{})
	wantCode(t, err, hostapi.CodeRecord)
	must(t, os.Remove(m.Path(recordFile)))
	must(t, os.WriteFile(m.Path(recordFile), record, 0o600))
	observe(t, m)
}

// TestNewerRecord: a helper that is older than the record does not guess what it means.
func TestNewerRecord(t *testing.T) {
	m, record := recorded(t)
	must(t, os.WriteFile(m.Path(recordFile), bytes.Replace(record, []byte(`"format":1`), []byte(`"format":2`), 1), 0o600))
	_, err := m.Host().Observe(t.Context(), hostapi.ObserveRequest{})
	if he := wantCode(t, err, hostapi.CodeRecord); !strings.Contains(he.Message, "format 2") || !strings.Contains(he.Remedy, "newer version") {
		t.Errorf("the error is %v", he)
	}
}

// smallDisk mounts a small tmpfs, on which a machine is laid out.
func smallDisk(t *testing.T, size string) *hostdtest.Machine {
	t.Helper()
	m, err := hostdtest.New(smallMount(t, size), "node1")
	must(t, err)
	return m
}

func smallMount(t *testing.T, size string) (root string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip(t.Name() + " mounts a small tmpfs, which takes root")
	}
	root = t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", root).CombinedOutput(); err != nil {
		t.Skipf("%s: no tmpfs can be mounted here: %v: %s", t.Name(), err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", root).Run() })
	return root
}

// TestRecordOnAFullDisk: where there is no room for the next record, nothing is done that it would have to describe, and the record there was is whole.
func TestRecordOnAFullDisk(t *testing.T) {
	m := smallDisk(t, "1m")
	run(t, m, ensure(hostapi.Item{Directory: &hostapi.Directory{Path: "/etc/a", Mode: 0o755}})...)
	want := observe(t, m).Record
	fill(t, m)
	many := manyItems(100)
	for _, it := range many {
		if it.File != nil {
			it.File.Content = nil // empty files would fit
		}
	}
	he := wantCode(t, stepErr(m, t.Context(), ensure(many...)...), hostapi.CodeDiskFull)
	if he.Op != 0 || he.Remedy == "" {
		t.Errorf("error %+v", he)
	}
	if d := cmp.Diff(want, observe(t, m).Record); d != "" {
		t.Errorf("the record (-want +got):\n%s", d)
	}
	if _, err := os.Lstat(m.Path("/etc/many")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("something was done that no record describes")
	}
	if _, err := os.Lstat(m.Path(recordFile + ".new")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("half a record was left behind")
	}
	must(t, os.Remove(m.Path("/var/filler")))
	run(t, m, ensure(many...)...)
	if d := observe(t, m).Drift; len(d) != 0 {
		t.Errorf("drift after space was found: %v", d)
	}
}

// fill leaves no room.
func fill(t *testing.T, m *hostdtest.Machine) {
	t.Helper()
	f, err := os.Create(m.Path("/var/filler"))
	must(t, err)
	defer f.Close()
	for chunk := make([]byte, 4096); ; {
		if _, err := f.Write(chunk); err != nil {
			return
		}
	}
}

func TestReadOnlyDisk(t *testing.T) {
	m := smallDisk(t, "2m")
	items := ensure(hostapi.Item{File: &hostapi.File{Path: "/etc/a", Mode: 0o644, Content: []byte("1")}})
	run(t, m, items...)
	must(t, exec.Command("mount", "-o", "remount,ro", m.Root).Run())
	observe(t, m)
	he := wantCode(t, stepErr(m, t.Context(), ensure(hostapi.Item{File: &hostapi.File{Path: "/etc/b", Mode: 0o644, Content: []byte("2")}})...), hostapi.CodeFailed)
	if !strings.Contains(he.Error(), "read-only") || !strings.Contains(he.Remedy, "dmesg") {
		t.Errorf("error %v", he)
	}
	must(t, exec.Command("mount", "-o", "remount,rw", m.Root).Run())
	run(t, m, items...)
}

func TestStoreMountedNoexec(t *testing.T) {
	m := smallDisk(t, "2m")
	blob, err := m.PutBlob([]byte("program"))
	must(t, err)
	must(t, exec.Command("mount", "-o", "remount,noexec", m.Root).Run())
	item := hostapi.Item{Artifact: &hostapi.Artifact{Path: "/opt/trivet/bin/x", Blob: blob}}
	he := wantCode(t, stepErr(m, t.Context(), ensure(item)...), hostapi.CodeFailed)
	if !strings.Contains(he.Message, "noexec") || he.Remedy == "" {
		t.Errorf("error %v", he)
	}
}
