package artifact

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/internal/artifact/download"
)

// mirror serves f and lets a test change an answer first.
func mirror(t *testing.T, f *Folder, before func(w http.ResponseWriter, r *http.Request) (done bool)) string {
	t.Helper()
	files := http.FileServer(http.Dir(f.Dir()))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if before == nil || !before(w, r) {
			files.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func urlSource(t *testing.T, base string) (*URL, string) {
	t.Helper()
	cache := filepath.Join(t.TempDir(), "cache")
	s := NewURL(base+"/", nil, WithCache(cache), WithDownloader(&download.Client{Pause: time.Millisecond, Stall: 5 * time.Second}))
	return s.(*URL), cache
}

func TestURLGivesWhatTheFolderHas(t *testing.T) {
	f := newFolder(t)
	e := add(t, f, Entry{Want: kubelet, Provenance: SourceBuilt}, "kubelet bytes")
	var blobs atomic.Int32
	s, cache := urlSource(t, mirror(t, f, func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.URL.Path, "/blobs/") {
			blobs.Add(1)
		}
		return false
	}))
	got, err := s.Lookup(t.Context(), []Want{kubelet})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Entry{e}, got); diff != "" {
		t.Error(diff)
	}
	for range 2 {
		if text, err := read(s, e); err != nil || text != "kubelet bytes" {
			t.Errorf("read %q, %v", text, err)
		}
	}
	if n := blobs.Load(); n != 1 {
		t.Errorf("the blob was asked for %d times, want once", n)
	}
	path, err := s.Fetch(t.Context(), e)
	if err != nil || !strings.HasPrefix(path, cache) {
		t.Errorf("Fetch gives %s, %v", path, err)
	}
	_, err = s.Lookup(t.Context(), []Want{coredns})
	var missing *MissingError
	if !errors.As(err, &missing) {
		t.Errorf("error %v, want a MissingError", err)
	}
}

func TestURLRefusesTamperedBlob(t *testing.T) {
	f := newFolder(t)
	e := add(t, f, Entry{Want: kubelet, Provenance: SourceBuilt}, "kubelet bytes")
	s, cache := urlSource(t, mirror(t, f, func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/blobs/") {
			return false
		}
		_, _ = w.Write([]byte("kubelet bytez"))
		return true
	}))
	_, err := read(s, e)
	wantError(t, err, "kubelet", e.SHA256, "changed on the way")
	var digest *download.DigestError
	if !errors.As(err, &digest) {
		t.Errorf("error %v, want a DigestError", err)
	}
	left, _ := filepath.Glob(filepath.Join(cache, "blobs", "sha256", "*"))
	if len(left) > 0 {
		t.Errorf("kept: %v", left)
	}
}

// A server that dies after half of the file must be asked for the other half only.
func TestURLResumes(t *testing.T) {
	f := newFolder(t)
	text := strings.Repeat("0123456789", 100_000)
	e := add(t, f, Entry{Want: kubelet, Provenance: SourceBuilt}, text)
	var ranges []string
	s, _ := urlSource(t, mirror(t, f, func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/blobs/") {
			return false
		}
		ranges = append(ranges, r.Header.Get("Range"))
		if len(ranges) > 1 {
			return false
		}
		w.Header().Set("Content-Length", "1000000")
		_, _ = w.Write([]byte(text[:500_000]))
		panic(http.ErrAbortHandler)
	}))
	if got, err := read(s, e); err != nil || got != text {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if diff := cmp.Diff(2, len(ranges)); diff != "" {
		t.Fatalf("requests %v", ranges)
	}
	if ranges[0] != "" || !strings.HasPrefix(ranges[1], "bytes=") || ranges[1] == "bytes=0-" {
		t.Errorf("ranges asked for: %q", ranges)
	}
}

// What an earlier run left may belong to another file, or be damaged.
func TestURLStartsOverAfterDamagedPartial(t *testing.T) {
	f := newFolder(t)
	e := add(t, f, Entry{Want: kubelet, Provenance: SourceBuilt}, "kubelet bytes")
	for name, partial := range map[string]string{"shorter": "other", "same length": "somethingelse", "longer": "something much longer"} {
		t.Run(name, func(t *testing.T) {
			s, cache := urlSource(t, mirror(t, f, nil))
			path := filepath.Join(cache, scratchDir, e.SHA256+".partial")
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Join(cache, "blobs"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(partial), 0o644); err != nil {
				t.Fatal(err)
			}
			if got, err := read(s, e); err != nil || got != "kubelet bytes" {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

func TestURLErrors(t *testing.T) {
	empty := newFolder(t)
	s, _ := urlSource(t, mirror(t, empty, nil))
	_, err := s.Lookup(t.Context(), []Want{kubelet})
	wantError(t, err, "is not an artifact mirror", indexName)

	s, _ = urlSource(t, mirror(t, empty, func(w http.ResponseWriter, _ *http.Request) bool {
		_, _ = w.Write([]byte(`{"format":1,"entries":[{"name":"kubelet","version":"1.37.2","arch":"amd64","kind":"binary","provenance":"source","sha256":"../../x"}]}`))
		return true
	}))
	_, err = s.Lookup(t.Context(), []Want{kubelet})
	wantError(t, err, "hexadecimal")

	base := strings.Replace(mirror(t, empty, func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusForbidden)
		return true
	}), "http://", "http://me:hunter2@", 1)
	s, _ = urlSource(t, base)
	_, err = s.Lookup(t.Context(), []Want{kubelet})
	wantError(t, err, "403")
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error shows the password: %v", err)
	}

	s, _ = urlSource(t, "http://me:hunter2@127.0.0.1:1")
	_, err = s.Lookup(t.Context(), []Want{kubelet})
	wantError(t, err, "connection refused", "4 attempts")
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error shows the password: %v", err)
	}
}

func TestURLGivesUpOnSilence(t *testing.T) {
	f := newFolder(t)
	e := add(t, f, Entry{Want: kubelet, Provenance: SourceBuilt}, "kubelet bytes")
	release := make(chan struct{})
	base := mirror(t, f, func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Length", "13")
		w.(http.Flusher).Flush()
		select {
		case <-release:
		case <-r.Context().Done():
		}
		return true
	})
	defer close(release)
	s := NewURL(base, nil, WithCache(t.TempDir()), WithDownloader(&download.Client{Pause: time.Millisecond, Stall: 50 * time.Millisecond, Attempts: 2}))
	_, err := read(s, e)
	wantError(t, err, "no data came for 50ms", "2 attempts")
}
