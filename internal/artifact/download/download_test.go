package download

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var content = bytes.Repeat([]byte("0123456789"), 1000)

func digest(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// Servers answer a request for the rest of a file in many ways; the result is the same.
func TestFileWithPartial(t *testing.T) {
	tests := map[string]struct {
		partial []byte
		serve   http.HandlerFunc
		want    string // part of the error; empty: the file is there
	}{
		"range served": {partial: content[:4000], serve: func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") != "bytes=4000-" {
				http.Error(w, "the range was not asked for", http.StatusTeapot)
				return
			}
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
		}},
		"range ignored": {partial: content[:4000], serve: func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) }},
		"already whole, size unknown": {partial: content, serve: func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content)) // 416
		}},
		"another range": {partial: content[:4000], want: "instead of the one asked for", serve: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 10-%d/%d", len(content)-1, len(content)))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(content[10:])
		}},
		"gone": {serve: http.NotFound, want: "404 Not Found"},
		"longer than it was": {partial: append(bytes.Clone(content), 'x'), serve: func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(test.serve)
			defer server.Close()
			path := filepath.Join(t.TempDir(), "sub", "file")
			if test.partial != nil {
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path+".partial", test.partial, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			c := &Client{Pause: time.Millisecond}
			err := c.File(t.Context(), server.URL+"/file", path, digest(content), -1)
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("error %v lacks %q", err, test.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			left, _ := filepath.Glob(path + ".*")
			if len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

func TestRetries(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok"))
	}))
	defer server.Close()
	got, err := (&Client{Pause: time.Millisecond}).Text(t.Context(), server.URL)
	if err != nil || string(got) != "ok" || asked != 3 {
		t.Errorf("%q, %v after %d requests", got, err, asked)
	}
	asked = -100
	_, err = (&Client{Pause: time.Millisecond, Attempts: 2}).Text(t.Context(), server.URL)
	if err == nil || !strings.Contains(err.Error(), "503") || !strings.Contains(err.Error(), "2 attempts") || asked != -98 {
		t.Errorf("%v after %d requests", err, asked+100)
	}
}

func TestTextIsSmall(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, maxText+1))
	}))
	defer server.Close()
	if _, err := (&Client{}).Text(t.Context(), server.URL); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("error %v", err)
	}
}
