package debian

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	out := `Reading package lists...
The following NEW packages will be installed:
  haproxy liblua5.3-0
Inst liblua5.3-0 (5.3.6-2 Debian:12.15/oldstable [amd64])
Inst haproxy (2.6.12-1+deb12u4 Debian-Security:12/oldstable-security [amd64])
Conf liblua5.3-0 (5.3.6-2 Debian:12.15/oldstable [amd64])
Conf libc6:arm64 (2.36-9 Debian:12.15/oldstable [arm64])
Conf conntrack (1:1.4.7-1+b2 Debian:12.15/oldstable, Other:1/x [amd64])
Conf haproxy (2.6.12-1+deb12u4 Debian-Security:12/oldstable-security [amd64])
`
	got, err := parse(out)
	if err != nil {
		t.Fatal(err)
	}
	want := []File{{"liblua5.3-0", "5.3.6-2"}, {"libc6", "2.36-9"}, {"conntrack", "1:1.4.7-1+b2"}, {"haproxy", "2.6.12-1+deb12u4"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := parse(out + "Remv systemd-timesyncd [252]\n"); err == nil || !strings.Contains(err.Error(), "systemd-timesyncd") {
		t.Errorf("a closure that removes a package: %v", err)
	}
}

func TestDistribution(t *testing.T) {
	for release, want := range map[string]string{
		"PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\nVERSION_ID=\"12\"\n": "debian-12",
		"ID='ubuntu'\nVERSION_ID=24.04\n":                                     "ubuntu-24.04",
		"ID=debian\nPRETTY_NAME=sid\n":                                        "",
	} {
		got, err := distribution(release)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", release, got, err)
		}
	}
}

func TestNamesAreNotOptions(t *testing.T) {
	h := &MinimalHost{}
	for _, name := range []string{"", "-o", "--help", "?essential", "a b", "../x", "haproxy=1", "haproxy-"} { // the last means removal to apt
		if _, err := h.Closure(t.Context(), name); err == nil || !strings.Contains(err.Error(), "not the name") {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"g++", "liblua5.3-0", "nftables"} {
		if !nameForm.MatchString(name) {
			t.Errorf("%s is refused", name)
		}
	}
}

// The machine's own apt works out and fetches one real closure.
func TestClosureOfHAProxy(t *testing.T) {
	if err := Check(); err != nil {
		t.Skip("needs apt: ", err)
	}
	if lists, _ := filepath.Glob("/var/lib/apt/lists/*Packages*"); len(lists) == 0 {
		t.Skip("needs apt's package lists: run apt-get update")
	}
	a := Apt{Arch: runtime.GOARCH, WorkDir: t.TempDir()}
	host, err := a.MinimalHost(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	has := func(name string) func(File) bool { return func(f File) bool { return f.Name == name } }
	for _, name := range []string{"libc6", "apt", "systemd", "openssh-server", "adduser"} {
		if !slices.ContainsFunc(host.present, has(name)) {
			t.Errorf("a minimal host lacks %s", name)
		}
	}
	files, err := host.Closure(t.Context(), "haproxy")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 || files[len(files)-1].Name != "haproxy" || slices.ContainsFunc(files, has("libc6")) {
		t.Fatalf("closure %v: want haproxy last, and nothing that a minimal host has", files)
	}
	paths, err := a.Download(t.Context(), files[:1])
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(paths[files[0]])
	if err != nil || !strings.HasPrefix(string(b), "!<arch>\ndebian-binary") {
		t.Errorf("%s is no Debian package: %v", files[0].Reference(), err)
	}
	present, err := host.Closure(t.Context(), "openssh-server")
	if err != nil || len(present) != 1 || present[0].Name != "openssh-server" {
		t.Errorf("a package that a minimal host has: %v, %v", present, err)
	}
	_, err = host.Closure(t.Context(), "no-such-package-anywhere")
	if err == nil || !strings.Contains(err.Error(), "apt-get update") {
		t.Errorf("an unknown package: %v", err)
	}
}
