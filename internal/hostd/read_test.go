package hostd_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// TestReadFiles reads what patterns match, and neither keys nor what is no file.
func TestReadFiles(t *testing.T) {
	m := newMachine(t)
	a := newAuthority(t)
	_, key := a.issue(t, "x")
	put := func(path, content string) {
		must(t, os.MkdirAll(filepath.Dir(m.Path(path)), 0o755))
		must(t, os.WriteFile(m.Path(path), []byte(content), 0o600))
	}
	put("/etc/k/pki/ca.crt", string(a.pem))
	put("/etc/k/pki/ca.key", string(key))
	put("/etc/k/admin.conf", "users: [{user: {client-key-data: cGxhbnRlZA==}}]")
	put("/etc/k/manifests/a.yaml", "kind: Pod")
	put("/etc/k/manifests/b.yaml", strings.Repeat("#", 1<<20+1))
	must(t, os.MkdirAll(m.Path("/etc/k/manifests/c.yaml"), 0o755))
	before := tree(t, m.Path("/"))
	o, err := m.Host().Observe(t.Context(), hostapi.ObserveRequest{Files: []string{"/etc/k/pki/*", "/etc/k/*.conf", "/etc/k/manifests/*.yaml", "/etc/none/*", "["}})
	must(t, err)
	sameTree(t, "reading", before, tree(t, m.Path("/")))
	want := map[string]string{
		"/etc/k/pki/ca.crt": string(a.pem), "/etc/k/manifests/a.yaml": "kind: Pod",
		"/etc/k/pki/ca.key": "it holds a key, which stays on its host", "/etc/k/admin.conf": "it holds a key, which stays on its host",
		"/etc/k/manifests/b.yaml": "it has more than 1024 KiB", "/etc/k/manifests/c.yaml": "it is not a regular file",
	}
	for path, text := range want {
		f, ok := o.Files[path]
		if !ok || string(f.Content)+f.Withheld != text {
			t.Errorf("%s: %v, %q %q, want %q", path, ok, f.Content, f.Withheld, text)
		}
	}
	if len(o.Files) != len(want) {
		t.Errorf("%d files, want %d: %v", len(o.Files), len(want), o.Files)
	}
}

// TestDialTLSWithKubeconfig connects with the identity of a kubeconfig's current context, from data in it or from files that it names.
func TestDialTLSWithKubeconfig(t *testing.T) {
	a := newAuthority(t)
	seed, m := newMachine(t), newMachine(t)
	address := serveOn(t, seed, a)
	cert, key := a.issue(t, "client")
	must(t, os.WriteFile(m.Path("/etc/c.pem"), cert, 0o644))
	must(t, os.WriteFile(m.Path("/etc/k.pem"), key, 0o600))
	data := func(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
	write := func(user, context string) {
		must(t, os.WriteFile(m.Path("/etc/admin.conf"), fmt.Appendf(nil, `apiVersion: v1
kind: Config
current-context: %s
contexts:
- {name: other, context: {cluster: none, user: none}}
- {name: admin, context: {cluster: k, user: admin}}
clusters:
- {name: k, cluster: {server: "https://10.0.0.1:6443", certificate-authority-data: %s}}
users:
- name: admin
  user: {%s}
`, context, data(a.pem), user), 0o600))
	}
	for name, user := range map[string]string{
		"data":  "client-certificate-data: " + data(cert) + ", client-key-data: " + data(key),
		"files": "client-certificate: /etc/c.pem, client-key: k.pem",
	} {
		write(user, "admin")
		c, err := m.Host().Dial(t.Context(), &hostapi.Endpoint{Network: "tcp", Address: address, TLS: &hostapi.TLS{Kubeconfig: "/etc/admin.conf", ServerName: "seed", Protocols: []string{"http/1.1"}}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_, err = io.WriteString(c, "GET /nothing HTTP/1.1\r\nHost: seed\r\nConnection: close\r\n\r\n")
		must(t, err)
		if b, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 404") {
			t.Errorf("%s: answer %q, %v", name, b, err)
		}
		_ = c.Close()
	}
	write("token: planted-token-41", "other")
	_, err := m.Host().Dial(t.Context(), &hostapi.Endpoint{Network: "tcp", Address: address, TLS: &hostapi.TLS{Kubeconfig: "/etc/admin.conf", ServerName: "seed"}})
	wantCode(t, err, hostapi.CodeFailed)
	if err == nil || strings.Contains(err.Error(), "planted") || !strings.Contains(err.Error(), "/etc/admin.conf") {
		t.Errorf("error %v", err)
	}
}
