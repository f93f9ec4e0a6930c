package upstream

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLocate(t *testing.T) {
	const github = "https://github.com/"
	tests := []struct {
		binary, version, arch string
		want                  File
	}{
		{"kubelet", "1.37.2", "arm64", File{URL: "https://dl.k8s.io/release/v1.37.2/bin/linux/arm64/kubelet", Sums: "https://dl.k8s.io/release/v1.37.2/bin/linux/arm64/kubelet.sha256"}},
		{"etcdctl", "3.6.5", "amd64", File{
			URL:     github + "etcd-io/etcd/releases/download/v3.6.5/etcd-v3.6.5-linux-amd64.tar.gz",
			Sums:    github + "etcd-io/etcd/releases/download/v3.6.5/SHA256SUMS",
			Members: map[string]string{"etcdctl": "etcd-v3.6.5-linux-amd64/etcdctl"},
		}},
		{"ctr", "2.4.2", "amd64", File{
			URL:     github + "containerd/containerd/releases/download/v2.4.2/containerd-static-2.4.2-linux-amd64.tar.gz",
			Sums:    github + "containerd/containerd/releases/download/v2.4.2/containerd-static-2.4.2-linux-amd64.tar.gz.sha256sum",
			Members: map[string]string{"ctr": "bin/ctr"},
		}},
		{"runc", "1.5.2", "amd64", File{URL: github + "opencontainers/runc/releases/download/v1.5.2/runc.amd64", Sums: github + "opencontainers/runc/releases/download/v1.5.2/runc.sha256sum"}},
		{"cni-host-local", "1.9.1", "amd64", File{
			URL:     github + "containernetworking/plugins/releases/download/v1.9.1/cni-plugins-linux-amd64-v1.9.1.tgz",
			Sums:    github + "containernetworking/plugins/releases/download/v1.9.1/cni-plugins-linux-amd64-v1.9.1.tgz.sha256",
			Members: map[string]string{"cni-host-local": "host-local"},
		}},
		{"flanneld", "0.28.10", "arm64", File{URL: github + "flannel-io/flannel/releases/download/v0.28.10/flanneld-arm64", Sums: "https://api.github.com/repos/flannel-io/flannel/releases/tags/v0.28.10"}},
	}
	for _, test := range tests {
		got, err := Endpoints{}.Locate(test.binary, test.version, test.arch)
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.binary, diff)
		}
	}
	for _, bad := range [][3]string{{"netscape", "4", "amd64"}, {"etcd", "", "amd64"}, {"etcd", "3/..", "amd64"}, {"etcd", "3.7.3", "mips"}} {
		if f, err := (Endpoints{}).Locate(bad[0], bad[1], bad[2]); err == nil {
			t.Errorf("%v is at %s", bad, f.URL)
		}
	}
}

func TestChecksum(t *testing.T) {
	a, b := strings.Repeat("a", 64), strings.Repeat("b", 64)
	tests := map[string]struct{ text, want string }{
		"bare":           {a + "\n", a},
		"upper case":     {strings.ToUpper(a), a},
		"lines":          {b + "  other\n" + a + "  file\n", a},
		"binary mode":    {a + " *file\n", a},
		"with a folder":  {a + "  ./dist/file\n", a},
		"signed":         {"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n" + a + "  file\n-----BEGIN PGP SIGNATURE-----\nabc\n", a},
		"GitHub":         {`{"assets":[{"name":"other","digest":"sha256:` + b + `"},{"name":"file","digest":"sha256:` + a + `"}]}`, a},
		"GitHub without": {`{"assets":[{"name":"file","digest":null}]}`, ""},
		"GitHub broken":  {`{"assets":`, ""},
		"another file":   {a + "  files\n", ""},
		"sha512":         {a + a + "  file\n", ""},
		"an error page":  {"<html>not found</html>", ""},
		"empty":          {"", ""},
	}
	for name, test := range tests {
		got, err := checksum([]byte(test.text), "file")
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%s: %q, %v; want %q", name, got, err, test.want)
		}
	}
}

func TestExtract(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, h := range []tar.Header{
		{Name: "./bin/", Typeflag: tar.TypeDir}, {Name: "./bin/link", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"},
		{Name: "./bin/one", Typeflag: tar.TypeReg, Size: 3}, {Name: "bin/two", Typeflag: tar.TypeReg, Size: 3},
	} {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := io.WriteString(w, filepath.Base(h.Name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(t.TempDir(), "a.tar.gz")
	if err := os.WriteFile(archive, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	keep := func(member string, r io.Reader) error {
		text, err := io.ReadAll(r)
		got[member] = string(text)
		return err
	}
	if err := Extract(archive, []string{"bin/two", "bin/one"}, keep); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"bin/one": "one", "bin/two": "two"}, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"bin/three", "bin/link", "bin"} {
		if err := Extract(archive, []string{"bin/one", bad}, keep); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if err := os.WriteFile(archive, b.Bytes()[:b.Len()/2], 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Extract(archive, []string{"bin/two"}, keep); err == nil || !strings.Contains(err.Error(), archive) {
		t.Errorf("half an archive: %v", err)
	}
}

func TestReachable(t *testing.T) {
	for status, ok := range map[int]bool{200: true, 302: true, 403: false, 407: false, 502: false} {
		asked := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked++
			if r.Method != http.MethodHead {
				t.Errorf("method %s", r.Method)
			}
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
		}))
		err := Endpoints{Kubernetes: server.URL}.Reachable(t.Context())
		server.Close()
		if (err == nil) != ok || asked != 1 {
			t.Errorf("status %d: %v after %d questions", status, err, asked)
		}
	}
}
