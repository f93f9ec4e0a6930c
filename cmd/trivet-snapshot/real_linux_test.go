package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/trivet-dev/trivet/bootstrap/etcd/etcdtest"
	"github.com/trivet-dev/trivet/internal/pki"
	"github.com/trivet-dev/trivet/internal/snapshot"
)

// keys writes a client's files: the members of etcdtest want none, and etcdctl reads what it is given.
func keys(t *testing.T) snapshot.Keys {
	t.Helper()
	authority, err := pki.NewAuthority(rand.Reader, time.Now(), "etcd", nil, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	key, err := pki.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := authority.Sign(rand.Reader, time.Now(), pki.Leaf{CommonName: "operator", Lifetime: time.Hour, Client: true}, &key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := pki.EncodeKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	out := snapshot.Keys{Authority: filepath.Join(dir, "ca"), Certificate: filepath.Join(dir, "crt"), Key: filepath.Join(dir, "key")}
	for path, content := range map[string][]byte{out.Authority: authority.CertificatePEM(), out.Certificate: pki.EncodeCertificate(cert), out.Key: pem} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// The real etcd, etcdctl and etcdutl: revisions rise, and the number that is kept is kept to.
func TestRealSnapshots(t *testing.T) {
	ctl, utl := etcdtest.Binary(t, "etcdctl", "TRIVET_ETCDCTL"), etcdtest.Binary(t, "etcdutl", "TRIVET_ETCDUTL")
	m := etcdtest.Start(t, 1)[0]
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{"http://" + m.Address}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close() //nolint:errcheck // nothing is left to do
	c := &snapshot.Config{Host: "m1", Site: "here", Folder: t.TempDir(), Keep: 2, KeepFor: 3600, Member: &snapshot.Member{
		Endpoint: "http://" + m.Address, Keys: keys(t), Etcdctl: ctl, Etcdutl: utl,
	}}
	var revision int64
	began := time.Now().UTC().Truncate(time.Second)
	for i := range 3 {
		resp, err := client.Put(t.Context(), "key", fmt.Sprint(i))
		if err != nil {
			t.Fatal(err)
		}
		revision = resp.Header.Revision
		if err := snapshot.Take(t.Context(), c, func() time.Time { return began.Add(time.Duration(i) * time.Minute) }, t.Logf); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	entries, err := os.ReadDir(c.Folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if s, ok := snapshot.ParseName(e.Name()); ok {
			names = append(names, fmt.Sprintf("%s r%d", s.Taken.Sub(began), s.Revision))
		}
	}
	if got, want := strings.Join(names, ", "), fmt.Sprintf("1m0s r%d, 2m0s r%d", revision-1, revision); got != want {
		t.Errorf("kept %s, want %s", got, want)
	}
	m.Stop()
	c.Member.Endpoint = "http://127.0.0.1:1"
	if err := snapshot.Take(t.Context(), c, time.Now, t.Logf); err == nil || !strings.Contains(err.Error(), "no snapshot was taken: etcd does not answer: ") {
		t.Errorf("without a member: %v", err)
	}
}
