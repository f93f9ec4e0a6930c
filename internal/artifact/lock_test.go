package artifact

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func digestOf(c string) string { return strings.Repeat(c, 64) }

func TestLockPinsAndTells(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", LockName)
	l, err := LoadLock(path)
	if err != nil {
		t.Fatal(err)
	}
	e := Entry{Want: kubelet, SHA256: digestOf("a"), Provenance: SourceBuilt}
	if l.Pinned(e) {
		t.Error("pinned in an empty lock")
	}
	if err := l.Check(e); err != nil {
		t.Errorf("what is not pinned yet must pass: %v", err)
	}
	if err := l.Save(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Error("a lock without a change was written")
	}
	lib := Entry{Want: haproxy, SHA256: digestOf("c"), Provenance: Distribution, Distribution: "debian-12", Reference: "liblua=5.3"}
	main := Entry{Want: haproxy, SHA256: digestOf("d"), Provenance: Distribution, Distribution: "debian-12", Reference: "haproxy=2.6"}
	for _, x := range []Entry{main, e, lib} {
		if err := l.Pin(x); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Save(); err != nil {
		t.Fatal(err)
	}

	l, err = LoadLock(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []Entry{e, lib, main} {
		if err := l.Check(x); err != nil || !l.Pinned(x) {
			t.Errorf("%s after loading: %v", x, err)
		}
		if !slices.Contains(l.Pins(x.Want), x) {
			t.Errorf("the pins of %s are %v", x.Want, l.Pins(x.Want))
		}
	}
	changed := e
	changed.SHA256 = digestOf("b")
	err = l.Check(changed)
	var mismatch *LockMismatchError
	if !errors.As(err, &mismatch) {
		t.Fatalf("error %v, want a LockMismatchError", err)
	}
	wantError(t, err, path, "kubelet 1.37.2 amd64 binary", digestOf("a"), digestOf("b"), "remove that entry")

	newer := main // a security update has another version, and is a difference all the same
	newer.Reference, newer.SHA256 = "haproxy=2.6-1", digestOf("e")
	wantError(t, l.Check(newer), "haproxy amd64 package file haproxy for debian-12")

	published := changed // another provenance is another artifact
	published.Provenance = Upstream
	if err := l.Check(published); err != nil || l.Pinned(published) {
		t.Errorf("another provenance: %v", err)
	}
	if err := l.Pin(changed); err != nil {
		t.Fatal(err)
	}
	if err := l.Check(changed); err != nil {
		t.Errorf("after it was accepted: %v", err)
	}
}

func TestLockFileIsStable(t *testing.T) {
	entries := []Entry{
		{Want: kubelet, SHA256: digestOf("a"), Provenance: SourceBuilt},
		{Want: kubelet, SHA256: digestOf("b"), Provenance: Upstream},
		{Want: coredns, SHA256: digestOf("c"), Provenance: Upstream, Reference: "registry.k8s.io/coredns/coredns:v1.15.0"},
	}
	var texts []string
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}} {
		path := filepath.Join(t.TempDir(), LockName)
		l, err := LoadLock(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range order {
			if err := l.Pin(entries[i]); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Save(); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(b))
	}
	if texts[0] != texts[1] {
		t.Errorf("the order of pinning shows:\n%s\n%s", texts[0], texts[1])
	}
}

func TestBadLockFiles(t *testing.T) {
	entry := `{"name":"k","arch":"amd64","kind":"binary","provenance":"source","sha256":"` + digestOf("a") + `"}`
	tests := map[string]struct{ text, want string }{
		"cut off":    {"{\n\"format\": 1,\n\"artifacts\": [", "line 3"},
		"wrong type": {"{\n\"format\": \"1\"}", "line 2"},
		"newer":      {`{"format":7}`, "format 7"},
		"twice":      {`{"format":1,"artifacts":[` + entry + "," + entry + `]}`, "twice"},
		"bad digest": {strings.Replace(`{"format":1,"artifacts":[`+entry+`]}`, "aaaa", "zzzz", 1), "hexadecimal"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), LockName)
			if err := os.WriteFile(path, []byte(test.text), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := LoadLock(path)
			wantError(t, err, path, test.want)
		})
	}
}

// TestLockThatPinsAll refuses what it does not name, with what to add, and forgets what is not wanted.
func TestLockThatPinsAll(t *testing.T) {
	l, err := ParseLock("lock", []byte(`{"format": 1, "artifacts": []}`))
	if err != nil {
		t.Fatal(err)
	}
	e := Entry{Want: kubelet, SHA256: digestOf("a"), Provenance: SourceBuilt}
	image := Entry{Want: coredns, SHA256: digestOf("c"), Provenance: Upstream, Reference: "registry.k8s.io/coredns/coredns:v1.15.0"}
	if err := l.CheckAll([]Entry{e}, false); err != nil {
		t.Errorf("a lock that may be added to: %v", err)
	}
	err = l.CheckAll([]Entry{e, image}, true)
	var unpinned *UnpinnedError
	if !errors.As(err, &unpinned) || len(unpinned.Entries) != 2 {
		t.Fatalf("error %v, want an UnpinnedError of two", err)
	}
	lines := strings.SplitN(err.Error(), "\n", 2)
	if l, err = ParseLock("lock", []byte(`{"format": 1, "artifacts": [`+lines[1]+`]}`)); err != nil {
		t.Fatalf("what is to be added is no part of a lock: %v", err)
	}
	if err := l.CheckAll([]Entry{e, image}, true); err != nil {
		t.Errorf("after it was added: %v", err)
	}
	e.SHA256 = digestOf("b")
	wantError(t, l.CheckAll([]Entry{e, image}, true), "lock pins kubelet")
	l.Keep(func(w Want) bool { return w == coredns })
	if l.Pinned(e) || !l.Pinned(image) {
		t.Error("the wrong one was forgotten")
	}
}
