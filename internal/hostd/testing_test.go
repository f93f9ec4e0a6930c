package hostd_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/hostd/hostdtest"
)

func newMachine(t testing.TB) *hostdtest.Machine {
	t.Helper()
	m, err := hostdtest.New(t.TempDir(), "node1")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// testStep heads a step of the test cluster.
func testStep(ops ...hostapi.Operation) *hostapi.Step {
	return &hostapi.Step{Epoch: 1, Cluster: "main", ClusterID: "id-main", Host: "node1", Actor: "ops@desk", Ops: ops}
}

func ensure(items ...hostapi.Item) []hostapi.Operation {
	var ops []hostapi.Operation
	for _, it := range items {
		ops = append(ops, hostapi.Operation{Ensure: &it})
	}
	return ops
}

func remove(ids ...hostapi.ID) []hostapi.Operation {
	var ops []hostapi.Operation
	for _, id := range ids {
		ops = append(ops, hostapi.Operation{Remove: &id})
	}
	return ops
}

// events collects the state in which each operation ended.
type events struct {
	mu  sync.Mutex
	end map[int]string
}

func (e *events) emit(ev hostapi.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.end == nil {
		e.end = map[int]string{}
	}
	e.end[ev.Op] = ev.State
}

func (e *events) all() string {
	var s []string
	for i := range len(e.end) {
		s = append(s, e.end[i])
	}
	return strings.Join(s, " ")
}

func run(t testing.TB, m *hostdtest.Machine, ops ...hostapi.Operation) string {
	t.Helper()
	var ev events
	if err := m.Host().Step(t.Context(), testStep(ops...), ev.emit); err != nil {
		t.Fatalf("Step: %v", err)
	}
	return ev.all()
}

func observe(t testing.TB, m *hostdtest.Machine) *hostapi.Observation {
	t.Helper()
	o, err := m.Host().Observe(t.Context(), hostapi.ObserveRequest{})
	if err != nil {
		t.Fatalf("Observe: %v", err)
	}
	return o
}

func wantCode(t testing.TB, err error, code hostapi.Code) *hostapi.Error {
	t.Helper()
	he, ok := err.(*hostapi.Error)
	if !ok || he.Code != code {
		t.Fatalf("error is %#v, want a *hostapi.Error with code %q", err, code)
	}
	return he
}

// tree describes everything below a root: type, mode, owner, content or target. Folders in skip are left out.
func tree(t testing.TB, root string, skip ...string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := strings.TrimPrefix(p, root)
		for _, s := range skip {
			if rel == s {
				if d.IsDir() {
					return filepath.SkipDir
				}
				return nil
			}
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		st := fi.Sys().(*syscall.Stat_t)
		desc := fmt.Sprintf("%s %d:%d", fi.Mode(), st.Uid, st.Gid)
		switch {
		case fi.Mode().IsRegular():
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			desc += " " + string(b)
		case fi.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			desc += " -> " + target
		}
		out[rel] = desc
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func sameTree(t testing.TB, what string, want, got map[string]string) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// canonical is the state of a machine that an interruption must not change: files, what runs, and the record without its counters.
type canonical struct {
	Tree   map[string]string
	Active map[string]string
	Images map[string]hostdtest.Image
	Record string
	Drift  []hostapi.Drift
}

func canonicalOf(t testing.TB, m *hostdtest.Machine) canonical {
	t.Helper()
	o := observe(t, m)
	c := canonical{Tree: tree(t, m.Root, "/var/lib/trivet"), Active: m.Units.Active, Images: m.Commands.Images, Drift: o.Drift}
	if o.Record != nil {
		o.Record.Generation = 0
		b, err := json.MarshalIndent(o.Record, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		c.Record = string(b)
	}
	return c
}

// authority signs test certificates.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pem  []byte
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key := newKey(t)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{key, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue returns a certificate and key in PEM.
func (a *authority) issue(t testing.TB, name string) (cert, key []byte) {
	t.Helper()
	k := newKey(t)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:   time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &k.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	kder, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: kder})
}

const secretContent = "planted-secret-7f3a"

const containerdUnit = "[Service]\nExecStart=/usr/local/bin/containerd\n[Install]\nWantedBy=multi-user.target\n"

// bringUp is a step's worth of every kind of item, on a machine whose store has what they need.
func bringUp(t testing.TB, m *hostdtest.Machine) []hostapi.Item {
	t.Helper()
	blob := func(content []byte) hostapi.Blob {
		b, err := m.PutBlob(content)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	cert, key := testPair(t)
	return []hostapi.Item{
		{Package: &hostapi.Package{Name: "haproxy", Archives: []hostapi.Blob{
			blob(hostdtest.Deb("liblua", "5.3", map[string]string{"/usr/lib/liblua.so": "lua"})),
			blob(hostdtest.Deb("haproxy", "2.6", map[string]string{"/usr/sbin/haproxy": "bin", "/usr/lib/tmpfiles.d/haproxy.conf": "d /run/haproxy 2775 haproxy haproxy -\n", "/lib/systemd/system/haproxy.service": "[Service]\n"})),
		}}},
		{Package: &hostapi.Package{Name: "base-files"}},
		{User: &hostapi.User{Name: "etcd", Home: "/var/lib/etcd"}},
		{Module: &hostapi.Module{Name: "br_netfilter"}},
		{Module: &hostapi.Module{Name: "ip_vs", Optional: true}},
		{Sysctl: &hostapi.Sysctl{Key: "net.ipv4.ip_forward", Value: "1"}},
		{Sysctl: &hostapi.Sysctl{Key: "net.missing.one", Value: "1", Optional: true}},
		{Claim: &hostapi.Claim{What: hostapi.ClaimLink, Name: "cni0"}},
		{Claim: &hostapi.Claim{What: hostapi.ClaimTree, Name: "/run/flannel"}},
		{Directory: &hostapi.Directory{Path: "/var/lib/etcd", Mode: 0o700, Owner: "etcd", Group: "etcd", Data: true}},
		{Directory: &hostapi.Directory{Path: "/etc/kubernetes", Mode: 0o755}},
		{Artifact: &hostapi.Artifact{Path: "/usr/local/bin/containerd", Blob: blob([]byte("containerd binary"))}},
		{Artifact: &hostapi.Artifact{Path: "/opt/cni/bin/bridge", Blob: blob([]byte("bridge binary"))}},
		{File: &hostapi.File{Path: "/etc/systemd/system/containerd.service", Mode: 0o644, SHA256: hostapi.Digest([]byte(containerdUnit)), Content: []byte(containerdUnit)}},
		{File: &hostapi.File{Path: "/etc/kubernetes/encryption.yaml", Mode: 0o600, Secret: true, Version: "1", Content: []byte(secretContent)}},
		{File: &hostapi.File{Path: "/etc/containerd/certs.d/config.toml", Mode: 0o640, Owner: "etcd", Group: "etcd", Content: []byte("version = 4\n")}},
		{KeyPair: &hostapi.KeyPair{CertPath: "/etc/kubernetes/pki/etcd.crt", KeyPath: "/etc/kubernetes/pki/etcd.key", Owner: "etcd", Group: "etcd", Certificate: cert, Key: key}},
		{Unit: &hostapi.Unit{Name: "containerd.service", Enabled: true, Running: true, Inputs: []hostapi.ID{
			{Kind: hostapi.KindFile, Name: "/etc/systemd/system/containerd.service"}, {Kind: hostapi.KindFile, Name: "/etc/containerd/certs.d/config.toml"},
			{Kind: hostapi.KindArtifact, Name: "/usr/local/bin/containerd"},
		}}},
		{Image: &hostapi.Image{
			Reference: "registry.k8s.io/pause:3.10", Archive: blob(hostdtest.ImageArchive("registry.k8s.io/pause:3.10")),
			Tool: "/usr/local/bin/ctr", Address: "/run/containerd/containerd.sock", Namespace: "k8s.io",
		}},
		{Image: &hostapi.Image{
			Reference: "registry.k8s.io/coredns/coredns:v1.15.0", Archive: blob(hostdtest.ImageArchive("docker.io/library/coredns:1.15")),
			Tool: "/usr/local/bin/ctr", Address: "/run/containerd/containerd.sock", Namespace: "k8s.io",
		}},
	}
}

// testPair is the same for all machines of a test run, so that their end states can be compared.
var testPairOnce = struct {
	sync.Once
	cert, key []byte
}{}

func testPair(t testing.TB) (cert, key []byte) {
	testPairOnce.Do(func() { testPairOnce.cert, testPairOnce.key = newAuthority(t).issue(t, "etcd") })
	return testPairOnce.cert, testPairOnce.key
}

// removeAll are operations that give a host back.
func removeAll(t testing.TB, m *hostdtest.Machine) []hostapi.Operation {
	t.Helper()
	var ops []hostapi.Operation
	rec := observe(t, m).Record
	if rec != nil {
		for i := len(rec.Items) - 1; i >= 0; i-- {
			ops = append(ops, remove(rec.Items[i].Item.ID())...)
		}
	}
	return append(ops, hostapi.Operation{Forget: true})
}

func stepErr(m *hostdtest.Machine, ctx context.Context, ops ...hostapi.Operation) error {
	return m.Host().Step(ctx, testStep(ops...), nil)
}
