package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func TestReference(t *testing.T) {
	tests := []struct{ image, version, want, err string }{
		{"coredns", "1.15.0", "registry.k8s.io/coredns/coredns:v1.15.0", ""},
		{"pause", "3.10.1", "registry.k8s.io/pause:3.10.1", ""},
		{"agnhost", "2.57", "registry.k8s.io/e2e-test-images/agnhost:2.57", ""},
		{"docker.io/library/nginx", "1.29", "docker.io/library/nginx:1.29", ""},
		{"quay.io/x/y", "sha256:" + strings.Repeat("a", 64), "quay.io/x/y@sha256:" + strings.Repeat("a", 64), ""},
		{"nginx", "1.29", "", "docker.io/library/nginx"},
		{"docker.io/library/nginx", "", "", "docker.io/library/nginx"},
		{"docker.io/Library/nginx", "1", "", "docker.io/Library/nginx"},
	}
	for _, test := range tests {
		got, err := Reference(test.image, test.version)
		if got != test.want || (err == nil) != (test.err == "") {
			t.Errorf("Reference(%q, %q) = %q, %v; want %q", test.image, test.version, got, err, test.want)
		}
		if err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("error %q lacks %q", err, test.err)
		}
	}
}

func archive(t *testing.T, image, binary string) []byte {
	t.Helper()
	img, err := FromBinary(image, "arm64", binary)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Write("registry.example/"+image+":1", img, &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestFromBinary(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "built")
	if err := os.WriteFile(binary, []byte("ELF"), 0o600); err != nil {
		t.Fatal(err)
	}
	first := archive(t, "agnhost", binary)
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(binary, later, later); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, archive(t, "agnhost", binary)) {
		t.Error("the same binary gives another archive")
	}

	img, err := tarball.Image(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(first)), nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if c.OS != "linux" || c.Architecture != "arm64" || len(c.RootFS.DiffIDs) != 1 {
		t.Errorf("config %+v", c)
	}
	if diff := cmp.Diff([]string{"/agnhost", "pause"}, append(c.Config.Entrypoint, c.Config.Cmd...)); diff != "" {
		t.Error(diff)
	}
	layers, err := img.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	r, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got := map[string]int64{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got[h.Name] = h.Mode
		if h.Uid != 0 || h.Gid != 0 || h.ModTime.Unix() != 0 {
			t.Errorf("%s belongs to %d:%d and is of %s", h.Name, h.Uid, h.Gid, h.ModTime)
		}
	}
	want := map[string]int64{"agnhost": 0o755, "agnhost-2": 0o777, "etc/group": 0o644, "etc/passwd": 0o644, "tmp/": 0o1777, "uploads/": 0o755}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files and modes (-want +got):\n%s", diff)
	}

	if _, err := FromBinary("nginx", "amd64", binary); err == nil || !strings.Contains(err.Error(), "agnhost, coredns, pause") {
		t.Errorf("an image without a recipe: %v", err)
	}
	if _, err := FromBinary("pause", "amd64", binary+"-absent"); err == nil {
		t.Error("an image of no binary")
	}
}

// A cluster runs these as they are configured: root in none but the test image.
func TestUsersAreNumeric(t *testing.T) {
	for name, k := range images {
		if name != "agnhost" && (k.config.User == "" || strings.Trim(k.config.User, "0123456789:") != "") {
			t.Errorf("%s runs as %q: the kubelet's runAsNonRoot check needs a number", name, k.config.User)
		}
	}
}
