package hostd_test

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/hostd/hostdtest"
)

func blobFile(m *hostdtest.Machine, b hostapi.Blob) string {
	return m.Path("/opt/trivet/store/sha256/" + b.SHA256)
}

// overwrite changes a blob in place, keeping its size. With hidden its time is put back too, as damage below the file system leaves it.
func overwrite(t testing.TB, m *hostdtest.Machine, b hostapi.Blob, hidden bool) {
	t.Helper()
	p := blobFile(m, b)
	fi, err := os.Stat(p)
	must(t, err)
	must(t, os.Chmod(p, 0o755))
	f, err := os.OpenFile(p, os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt([]byte("X"), 0)
	must(t, err)
	must(t, f.Close())
	if hidden {
		must(t, os.Chtimes(p, fi.ModTime(), fi.ModTime()))
	}
}

// TestDamagedBlob: an item whose blob was changed in place drifts, the store no longer lists the blob, it is not used, and once it was transferred anew, the units that
// run from it are restarted.
func TestDamagedBlob(t *testing.T) {
	for _, tt := range []struct {
		name   string
		hidden bool
	}{{"written to", false}, {"decayed", true}} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine(t)
			items := bringUp(t, m)
			run(t, m, ensure(items...)...)
			content := []byte("containerd binary")
			blob := hostapi.Blob{SHA256: hostapi.Digest(content), Size: int64(len(content))}
			overwrite(t, m, blob, tt.hidden)
			if d := observe(t, m).Drift; (len(d) == 0) != tt.hidden {
				t.Errorf("drift without Verify: %v", d)
			}
			o, err := m.Host().Observe(t.Context(), hostapi.ObserveRequest{Verify: true})
			must(t, err)
			id := hostapi.ID{Kind: hostapi.KindArtifact, Name: "/usr/local/bin/containerd"}
			want := []hostapi.Drift{{ID: id, What: "blob " + blob.SHA256[:12] + " was changed in place"}}
			if d := cmp.Diff(want, o.Drift); d != "" {
				t.Errorf("drift (-want +got):\n%s", d)
			}
			for _, b := range o.Blobs {
				if b == blob {
					t.Error("the store lists a blob that is damaged")
				}
			}
			if !tt.hidden {
				he := wantCode(t, stepErr(m, t.Context(), ensure(items...)...), hostapi.CodeDigest)
				if he.Item != id.String() || he.Remedy == "" {
					t.Errorf("error %+v", he)
				}
			}
			starts := m.Units.Starts["containerd.service"]
			_, err = m.PutBlob(content)
			must(t, err)
			if b, err := os.ReadFile(blobFile(m, blob)); err != nil || !bytes.Equal(b, content) {
				t.Errorf("a transfer left the damaged blob: %q, %v", b, err)
			}
			run(t, m, ensure(items...)...)
			if n := m.Units.Starts["containerd.service"]; n != starts+1 {
				t.Errorf("%d starts of what runs from the blob, want one more than %d", n, starts)
			}
			if got := run(t, m, ensure(items...)...); strings.Contains(got, "done") {
				t.Errorf("done again: %s", got)
			}
		})
	}
}

// TestDamagedArchives: what was made from an archive is as it was, but could not be made again.
func TestDamagedArchives(t *testing.T) {
	m := newMachine(t)
	items := bringUp(t, m)
	run(t, m, ensure(items...)...)
	deb, image := items[0].Package.Archives[1], items[len(items)-2].Image.Archive
	overwrite(t, m, deb, false)
	overwrite(t, m, image, false)
	want := []hostapi.Drift{
		{ID: items[len(items)-2].ID(), What: "blob " + image.SHA256[:12] + " was changed in place"},
		{ID: items[0].ID(), What: "blob " + deb.SHA256[:12] + " was changed in place"},
	}
	if d := cmp.Diff(want, observe(t, m).Drift); d != "" {
		t.Errorf("drift (-want +got):\n%s", d)
	}
	bringUp(t, m) // puts the blobs into the store again
	run(t, m, ensure(items...)...)
	if d := observe(t, m).Drift; len(d) != 0 {
		t.Errorf("drift after they were transferred anew: %v", d)
	}
}

// TestTouchedBlob: a blob that has another time and its own content is used, and not read again at each look.
func TestTouchedBlob(t *testing.T) {
	m := newMachine(t)
	blob, err := m.PutBlob([]byte("restored from a backup"))
	must(t, err)
	must(t, os.Chtimes(blobFile(m, blob), time.Now(), time.Now()))
	run(t, m, ensure(hostapi.Item{Artifact: &hostapi.Artifact{Path: "/opt/bin/x", Blob: blob}})...)
	if fi, err := os.Stat(blobFile(m, blob)); err != nil || !fi.ModTime().Equal(time.Unix(1, 0)) {
		t.Errorf("its time is %v, %v", fi.ModTime(), err)
	}
	if o := observe(t, m); len(o.Drift) != 0 || len(o.Blobs) != 1 {
		t.Errorf("drift %v, blobs %v", o.Drift, o.Blobs)
	}
}

// TestFetchReplacesADamagedBlob: asked to take a blob, a host does not trust the file that has its name and size.
func TestFetchReplacesADamagedBlob(t *testing.T) {
	a := newAuthority(t)
	seed, m := newMachine(t), newMachine(t)
	blob, err := seed.PutBlob([]byte("kubelet"))
	must(t, err)
	_, err = m.PutBlob([]byte("kubelet"))
	must(t, err)
	overwrite(t, m, blob, true)
	cert, key := a.issue(t, "peer")
	fetch := &hostapi.Fetch{From: serveOn(t, seed, a), ServerName: "seed", Certificate: cert, Key: key, Authority: a.pem, Blobs: []hostapi.Blob{blob}}
	var ev events
	must(t, m.Host().Fetch(t.Context(), fetch, ev.emit))
	if ev.all() != "done" {
		t.Errorf("events: %s", ev.all())
	}
	if b, err := os.ReadFile(blobFile(m, blob)); err != nil || string(b) != "kubelet" {
		t.Errorf("the blob is %q, %v", b, err)
	}
	// The seed says of itself that its copy is damaged, rather than sending it.
	overwrite(t, seed, blob, false)
	he := wantCode(t, newMachine(t).Host().Fetch(t.Context(), fetch, nil), hostapi.CodeDigest)
	if !strings.Contains(he.Message, fetch.From) || !strings.Contains(he.Message, "changed in place") {
		t.Errorf("the error does not say whose copy is damaged: %s", he.Message)
	}
}

// BenchmarkVerify is what it costs to take the digest of every blob: see MB/s.
func BenchmarkVerify(b *testing.B) {
	m := newMachine(b)
	const blobs, size = 8, 16 << 20
	for i := range blobs {
		_, err := m.PutBlob(bytes.Repeat([]byte{byte(i)}, size))
		must(b, err)
	}
	for _, verify := range []bool{false, true} {
		b.Run(map[bool]string{false: "by time", true: "by digest"}[verify], func(b *testing.B) {
			b.SetBytes(blobs * size)
			for range b.N {
				_, err := m.Host().Observe(b.Context(), hostapi.ObserveRequest{Verify: verify})
				must(b, err)
			}
		})
	}
}
