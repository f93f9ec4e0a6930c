package artifact

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	kubelet = Want{Name: "kubelet", Version: "1.37.2", Arch: "amd64", Kind: Binary}
	coredns = Want{Name: "coredns", Version: "1.15.0", Arch: "amd64", Kind: Image}
	haproxy = Want{Name: "haproxy", Arch: "amd64", Kind: Package}
)

func newFolder(t *testing.T) *Folder {
	t.Helper()
	f, err := CreateFolder(filepath.Join(t.TempDir(), "artifacts"))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func add(t *testing.T, f *Folder, e Entry, text string) Entry {
	t.Helper()
	e, err := f.Add(t.Context(), e, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func read(s Source, e Entry) (string, error) {
	r, err := s.Open(context.Background(), e)
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return string(b), err
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one with %q", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q lacks %q", err, p)
		}
	}
}

func TestFolderGivesWhatWasAdded(t *testing.T) {
	f := newFolder(t)
	k := add(t, f, Entry{Want: kubelet, Provenance: SourceBuilt}, "kubelet bytes")
	c := add(t, f, Entry{Want: coredns, Provenance: Upstream, Reference: "registry.k8s.io/coredns/coredns:v1.15.0"}, "image bytes")

	again, err := OpenFolder(f.Dir())
	if err != nil {
		t.Fatal(err)
	}
	got, err := again.Lookup(t.Context(), []Want{coredns, kubelet})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Entry{c, k}, got); diff != "" {
		t.Errorf("entries in the order of the wants (-want +got):\n%s", diff)
	}
	if text, err := read(again, k); err != nil || text != "kubelet bytes" {
		t.Errorf("read %q, %v", text, err)
	}
	left, err := os.ReadDir(filepath.Join(f.Dir(), scratchDir))
	if err != nil || len(left) != 0 {
		t.Errorf("left in the scratch directory: %v, %v", left, err)
	}
}

func TestLookupNamesAllThatIsMissing(t *testing.T) {
	f := newFolder(t)
	k := add(t, f, Entry{Want: kubelet, Provenance: SourceBuilt}, "x")
	other := kubelet
	other.Arch = "arm64"
	got, err := f.Lookup(t.Context(), []Want{kubelet, coredns, other})
	var missing *MissingError
	if !errors.As(err, &missing) {
		t.Fatalf("error %v, want a MissingError", err)
	}
	if diff := cmp.Diff([]Want{coredns, other}, missing.Wants); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Entry{k}, got); diff != "" {
		t.Error(diff)
	}
	wantError(t, err, f.Dir(), "coredns 1.15.0 amd64 image", "kubelet 1.37.2 arm64 binary", "trivet mirror")
}

func TestUpstreamGoesBeforeSource(t *testing.T) {
	f := newFolder(t)
	add(t, f, Entry{Want: kubelet, Provenance: SourceBuilt}, "built")
	up := add(t, f, Entry{Want: kubelet, Provenance: Upstream}, "published")
	got, err := f.Lookup(t.Context(), []Want{kubelet})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Entry{up}, got); diff != "" {
		t.Error(diff)
	}
}

func TestPackagesKeepTheirOrder(t *testing.T) {
	f := newFolder(t)
	var entries []Entry
	for i, ref := range []string{"libz=1", "liba=2", "haproxy=3"} {
		e := Entry{Want: haproxy, Provenance: Distribution, Reference: ref, Distribution: "debian-12"}
		e, err := f.store(e, strings.NewReader(fmt.Sprint(i)))
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
	if err := f.record(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
	add(t, f, Entry{Want: kubelet, Provenance: SourceBuilt}, "x") // sorts the index again
	got, err := f.Lookup(t.Context(), []Want{haproxy})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(entries, got); diff != "" {
		t.Errorf("dependencies first, as added (-want +got):\n%s", diff)
	}
	// A new closure takes the place of the whole old one.
	if err := f.record(t.Context(), entries[2:]); err != nil {
		t.Fatal(err)
	}
	if got, _ := f.Lookup(t.Context(), []Want{haproxy}); len(got) != 1 {
		t.Errorf("%d entries after the closure was replaced, want 1", len(got))
	}
}

func TestChangedBlobs(t *testing.T) {
	tests := map[string]struct {
		change func(path string) error
		lookup bool // whether Lookup, which looks at sizes only, still finds it
		errors []string
	}{
		"same length":  {func(p string) error { return os.WriteFile(p, []byte("kubelet bytez"), 0o644) }, true, []string{"has sha256"}},
		"cut off":      {func(p string) error { return os.Truncate(p, 3) }, false, []string{"has 3 bytes instead of 13"}},
		"not there":    {os.Remove, false, []string{"no such file"}},
		"grown":        {func(p string) error { return os.WriteFile(p, []byte("kubelet bytes and more"), 0o644) }, false, []string{"has 22 bytes"}},
		"only touched": {func(p string) error { return os.WriteFile(p, []byte("kubelet bytes"), 0o644) }, true, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFolder(t)
			e := add(t, f, Entry{Want: kubelet, Provenance: SourceBuilt}, "kubelet bytes")
			if !f.intact(e) {
				t.Fatal("not intact after Add")
			}
			if err := test.change(f.blob(e.SHA256)); err != nil {
				t.Fatal(err)
			}
			if _, err := f.Lookup(t.Context(), []Want{kubelet}); (err == nil) != test.lookup {
				t.Errorf("Lookup: %v", err)
			}
			_, err := read(f, e)
			if test.errors == nil {
				if err != nil || !f.intact(e) {
					t.Errorf("the right bytes were refused: %v", err)
				}
				return
			}
			wantError(t, err, append(test.errors, "kubelet 1.37.2 amd64 binary", "trivet mirror")...)
			if f.intact(e) {
				t.Error("still counts as intact")
			}
		})
	}
}

func TestAddRefusesOtherBytes(t *testing.T) {
	f := newFolder(t)
	e := Entry{Want: kubelet, Provenance: Upstream, SHA256: strings.Repeat("a", 64)}
	_, err := f.Add(t.Context(), e, strings.NewReader("x"))
	wantError(t, err, "kubelet", strings.Repeat("a", 64))
	if all, _ := f.Entries(); len(all) != 0 {
		t.Errorf("recorded all the same: %v", all)
	}
}

func TestDamagedIndex(t *testing.T) {
	digest := strings.Repeat("0", 64)
	tests := map[string]struct{ index, want string }{
		"cut off":           {`{"format":1,"entries":[{"name":"kub`, "damaged"},
		"not JSON":          {"\x00\x00\x00", "damaged"},
		"newer":             {`{"format":2}`, "format 2"},
		"path as a digest":  {`{"format":1,"entries":[{"name":"k","arch":"amd64","kind":"binary","provenance":"source","sha256":"../../../etc/passwd"}]}`, "hexadecimal"},
		"digest too short":  {`{"format":1,"entries":[{"name":"k","arch":"amd64","kind":"binary","provenance":"source","sha256":"00"}]}`, "hexadecimal"},
		"digest upper case": {`{"format":1,"entries":[{"name":"k","arch":"amd64","kind":"binary","provenance":"source","sha256":"` + strings.Repeat("A", 64) + `"}]}`, "hexadecimal"},
		"unknown kind":      {`{"format":1,"entries":[{"name":"k","arch":"amd64","kind":"virus","provenance":"source","sha256":"` + digest + `"}]}`, `kind "virus"`},
		"unknown origin":    {`{"format":1,"entries":[{"name":"k","arch":"amd64","kind":"binary","provenance":"street","sha256":"` + digest + `"}]}`, `provenance "street"`},
		"no reference":      {`{"format":1,"entries":[{"name":"k","arch":"amd64","kind":"image","provenance":"source","sha256":"` + digest + `"}]}`, "reference"},
		"negative size":     {`{"format":1,"entries":[{"name":"k","arch":"amd64","kind":"binary","provenance":"source","size":-1,"sha256":"` + digest + `"}]}`, "negative"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, indexName)
			if err := os.WriteFile(path, []byte(test.index), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := OpenFolder(dir)
			wantError(t, err, path, test.want)
		})
	}
}

func TestOpenFolder(t *testing.T) {
	_, err := OpenFolder(filepath.Join(t.TempDir(), "absent"))
	wantError(t, err, "absent", "trivet mirror")

	dir := t.TempDir()
	if _, err := OpenFolder(dir); err != nil {
		t.Errorf("an empty directory: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "holiday.jpg"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = OpenFolder(dir)
	wantError(t, err, dir, "not an artifact folder")
}

func TestAddersAtOnceLoseNothing(t *testing.T) {
	f := newFolder(t)
	const n = 24
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			mine, err := OpenFolder(f.Dir()) // as another process would
			if err != nil {
				t.Error(err)
				return
			}
			w := Want{Name: fmt.Sprintf("b%02d", i), Version: "1", Arch: "amd64", Kind: Binary}
			if _, err := mine.Add(t.Context(), Entry{Want: w, Provenance: SourceBuilt}, bytes.NewReader([]byte{byte(i % 3)})); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	all, err := f.Entries()
	if err != nil || len(all) != n {
		t.Errorf("%d entries, %v; want %d", len(all), err, n)
	}
}
