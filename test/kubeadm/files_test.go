package kubeadm

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// TestKubeadmFiles wants every file that is rendered to be whole: YAML and JSON that parse, and no value left out.
func TestKubeadmFiles(t *testing.T) {
	p := Parameters{
		Name: "cp1", Address: "10.0.0.1", Endpoint: "10.0.0.1", Kubernetes: Kubernetes, Token: "abcdef.0123456789abcdef", CertificateKey: "ff",
		ControlPlane: true, CgroupV1: true, PodCIDR: "10.244.0.0/24", Pause: "pause:1", Flannel: "flannel:1", Agnhost: "agnhost:1",
	}
	files, err := Files.ReadDir("files")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := Render(f.Name(), p)
		if err != nil {
			t.Errorf("%s: %v", f.Name(), err)
			continue
		}
		if strings.Contains(string(text), "<no value>") {
			t.Errorf("%s: a value is missing:\n%s", f.Name(), text)
		}
		switch filepath.Ext(f.Name()) {
		case ".yaml":
			for i, doc := range strings.Split(string(text), "\n---\n") {
				var v struct{ APIVersion, Kind string }
				if err := yaml.Unmarshal([]byte(doc), &v); err != nil || v.Kind == "" || v.APIVersion == "" {
					t.Errorf("%s, document %d: %+v %v", f.Name(), i, v, err)
				}
			}
		case ".conflist":
			if !json.Valid(text) {
				t.Errorf("%s is not JSON:\n%s", f.Name(), text)
			}
		}
	}
}

func TestTar(t *testing.T) {
	from := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(from, []byte("#!"), 0o600); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := writeTar(&b, []File{{Path: "/usr/bin/p", Mode: 0o755, From: from}, {Path: "/etc/c", Mode: 0o600, Content: []byte("text")}}); err != nil {
		t.Fatal(err)
	}
	type entry struct {
		Name, Content string
		Mode          int64
	}
	var got []entry
	for r := tar.NewReader(&b); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, entry{h.Name, string(content), h.Mode})
	}
	if diff := cmp.Diff([]entry{{"usr/bin/p", "#!", 0o755}, {"etc/c", "text", 0o600}}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
