package topology

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/tools/txtar"
)

// TestUnreadableFiles holds that what is no topology is refused with its reason, and that nothing hangs on it.
func TestUnreadableFiles(t *testing.T) {
	for name, c := range map[string]struct {
		make func(path string) error
		want string
	}{
		"loop":    {func(path string) error { return os.Symlink(filepath.Base(path), path) }, "too many levels of symbolic links"},
		"pipe":    {func(path string) error { return syscall.Mkfifo(path, 0o644) }, "is not a regular file"},
		"dangles": {func(path string) error { return os.Symlink("nowhere", path) }, "no such file or directory"},
		"large": {func(path string) error {
			return os.WriteFile(path, bytes.Repeat([]byte("# padding\n"), largestFile/10+1), 0o644)
		}, "larger than 16 MiB"},
		"utf-16":   {func(path string) error { return os.WriteFile(path, []byte("\xff\xfef\x00l\x00"), 0o644) }, "in UTF-16"},
		"binary":   {func(path string) error { return os.WriteFile(path, []byte("\x7fELF\x00\x00"), 0o644) }, "bytes that are no text"},
		"latin-1":  {func(path string) error { return os.WriteFile(path, []byte("fleet \"caf\xe9\" {\n}\n"), 0o644) }, "not UTF-8"},
		"only dir": {func(path string) error { return os.Mkdir(path, 0o755) }, "has no file that ends in .hcl"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := c.make(filepath.Join(dir, "main.hcl")); err != nil {
				t.Skipf("the file cannot be made here: %v", err)
			}
			topo, src, diags := Load(dir, Options{Home: "/home/op"})
			if topo != nil || len(diags) != 1 {
				t.Fatalf("want one error:\n%s", printed(t, src, diags))
			}
			if out := printed(t, src, diags); !strings.Contains(out, c.want) || strings.ContainsAny(out, "\x00\x7f") || !utf8.ValidString(out) {
				t.Errorf("want %q:\n%q", c.want, out)
			}
		})
	}
}

// TestControlCharactersAreNotPrinted holds that a topology cannot steer the terminal that shows its mistakes.
func TestControlCharactersAreNotPrinted(t *testing.T) {
	_, src, diags := Parse(map[string][]byte{"main.hcl": []byte("fleet \"f\" {\n\tssh { user = \"a\x1b[31mb:\" }\n}\n")}, testOptions())
	out := printed(t, src, diags)
	if len(diags) == 0 || strings.Contains(out, "\x1b") {
		t.Errorf("printed %q", out)
	}
}

func TestEtcdTimingSet(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/clean.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		"etcd {\n}":                                   false,
		"etcd {\n  quota = \"4Gi\"\n}":                false,
		"etcd {\n  heartbeat_interval = null\n}":      false,
		"etcd {\n  heartbeat_interval = \"100ms\"\n}": true,
		"etcd {\n  election_timeout = \"2s\"\n}":      true,
	} {
		main := string(archive.Files[0].Data)
		at := strings.LastIndex(main, "}")
		topo, src, diags := Parse(map[string][]byte{"main.hcl": []byte(main[:at] + text + "\n}\n")}, testOptions())
		if topo == nil {
			t.Fatal(printed(t, src, diags))
		}
		if got := topo.Clusters[0].Etcd; got.TimingSet != want || got.HeartbeatInterval != 100*time.Millisecond {
			t.Errorf("%s: %+v", text, got)
		}
	}
}
