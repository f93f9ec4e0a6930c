package snapshot

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trivet-dev/trivet/internal/pki"
)

// fakeTool makes this test's program behave as etcdctl or etcdutl when it is called as such: it names the file of what is saved.
const fakeTool = "TRIVET_TEST_TOOL"

func TestMain(m *testing.M) {
	if path := os.Getenv(fakeTool); path != "" {
		switch filepath.Base(os.Args[0]) {
		case "etcdctl":
			body, err := os.ReadFile(path)
			if err != nil || os.WriteFile(os.Args[len(os.Args)-1], body, 0o600) != nil {
				os.Exit(1)
			}
			os.Exit(0)
		case "etcdutl":
			fmt.Println(`{"hash":1,"revision":7,"totalKey":3,"totalSize":4096,"version":"3.7.0"}`)
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

// site is a host with keys of one authority.
type site struct {
	config Config
	keys   Keys
}

func newSite(t *testing.T, authority *pki.Authority, name string) *site {
	t.Helper()
	dir := t.TempDir()
	key, err := pki.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := authority.Sign(rand.Reader, time.Now(), pki.Leaf{CommonName: name, DNSNames: []string{name}, Lifetime: time.Hour, Server: true, Client: true}, &key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := pki.EncodeKey(key)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{keys: Keys{Authority: filepath.Join(dir, "ca"), Certificate: filepath.Join(dir, "crt"), Key: filepath.Join(dir, "key")}}
	for path, content := range map[string][]byte{s.keys.Authority: authority.CertificatePEM(), s.keys.Certificate: pki.EncodeCertificate(cert), s.keys.Key: pem} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.config = Config{Host: name, Site: "site-of-" + name, Folder: t.TempDir(), Keep: 3, KeepFor: 1 << 40}
	return s
}

// serve answers until the test ends, and gives the address for others and the path of the socket.
func (s *site) serve(t *testing.T, from ...string) (address, socket string) {
	t.Helper()
	s.config.Receive = &Receive{Keys: s.keys, From: from}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	socket = filepath.Join(t.TempDir(), "sock")
	local, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- Serve(ctx, []net.Listener{l, local}, func() (*Config, error) { return &s.config, nil }, time.Now, time.Hour, t.Logf)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String(), socket
}

func (s *site) member(t *testing.T, body []byte) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, tool := range []string{"etcdctl", "etcdutl"} {
		if err := os.Symlink(self, filepath.Join(dir, tool)); err != nil {
			t.Fatal(err)
		}
	}
	saved := filepath.Join(dir, "saved")
	if err := os.WriteFile(saved, body, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(fakeTool, saved)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s.config.Member = &Member{Endpoint: "https://" + l.Addr().String(), Keys: s.keys, Etcdctl: filepath.Join(dir, "etcdctl"), Etcdutl: filepath.Join(dir, "etcdutl")}
}

func report(t *testing.T, socket string) Report {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}}}
	resp, err := client.Get("http://host/snapshots?verify=1")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read whole
	var r Report
	if err := json.NewDecoder(resp.Body).Decode(&r); err != nil {
		t.Fatal(err)
	}
	return r
}

func newAuthority(t *testing.T) *pki.Authority {
	t.Helper()
	a, err := pki.NewAuthority(rand.Reader, time.Now(), "etcd", nil, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// A snapshot is taken, arrives at a site that is there, and one that is away keeps neither from happening.
func TestTakeAndCopy(t *testing.T) {
	authority := newAuthority(t)
	one, two := newSite(t, authority, "one"), newSite(t, authority, "two")
	one.member(t, content('1'))
	address, socket := two.serve(t, "one")
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	away := closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	one.config.Copies = []Copy{{Host: "two", Address: address, Keys: one.keys}, {Host: "three", Address: away, Keys: one.keys}}

	err = Take(t.Context(), &one.config, func() time.Time { return noon }, t.Logf)
	if err == nil || !strings.Contains(err.Error(), "no copy on host three") || strings.Contains(err.Error(), "two") {
		t.Errorf("Take: %v; want a complaint about three alone", err)
	}
	_, own := one.serve(t)
	for _, r := range []Report{report(t, socket), report(t, own)} {
		if len(r.Snapshots) != 1 {
			t.Fatalf("%s has %+v", r.Host, r.Snapshots)
		}
		got := r.Snapshots[0]
		if got.Member != "one" || got.Revision != 7 || !got.Taken.Equal(noon) || got.Size != 4128 || got.Wrong != "" || got.SHA256 == "" {
			t.Errorf("%s has %+v", r.Host, got)
		}
	}
	last := report(t, own).Last
	if last == nil || last.Error != "" || last.Copies["two"] != "" || last.Copies["three"] == "" {
		t.Errorf("the last run is told as %+v", last)
	}
	entries, err := os.ReadDir(one.config.Folder)
	if err != nil || len(entries) != 2 {
		t.Errorf("the folder has %v, %v; want the snapshot and the note of the run", entries, err)
	}
	info, err := os.Stat(filepath.Join(one.config.Folder, report(t, own).Snapshots[0].Name()))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

// What etcdctl saved wrongly is no snapshot, and what is there stays.
func TestTakeDamaged(t *testing.T) {
	one := newSite(t, newAuthority(t), "one")
	one.config.Keep, one.config.KeepFor = 1, 1
	one.member(t, content('1'))
	if err := Take(t.Context(), &one.config, func() time.Time { return noon }, t.Logf); err != nil {
		t.Fatal(err)
	}
	one.member(t, content('2')[1:])
	err := Take(t.Context(), &one.config, func() time.Time { return noon.Add(time.Hour) }, t.Logf)
	if err == nil || !strings.Contains(err.Error(), "no snapshot was taken: what etcdctl saved is not good") {
		t.Errorf("Take: %v", err)
	}
	_, own := one.serve(t)
	r := report(t, own)
	if len(r.Snapshots) != 1 || !r.Snapshots[0].Taken.Equal(noon) || r.Last == nil || r.Last.Error == "" {
		t.Errorf("%+v", r)
	}
}

// A member that is down is told at once: etcdctl would wait for it.
func TestTakeWithoutMember(t *testing.T) {
	one := newSite(t, newAuthority(t), "one")
	one.member(t, content('1'))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	one.config.Member.Endpoint = "https://" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Take(t.Context(), &one.config, time.Now, t.Logf); err == nil || !strings.Contains(err.Error(), "no snapshot was taken: etcd does not answer") {
		t.Errorf("Take: %v", err)
	}
}

// Nobody else's snapshots are taken, nor under another's name, nor damaged ones.
func TestReceiveRefuses(t *testing.T) {
	authority := newAuthority(t)
	one, two, other := newSite(t, authority, "one"), newSite(t, authority, "two"), newSite(t, authority, "other")
	stranger := newSite(t, newAuthority(t), "one")
	stranger.keys.Authority = one.keys.Authority // it believes the receiver
	address, socket := two.serve(t, "one")
	good := Snapshot{Member: "one", Taken: noon, Revision: 7}
	for _, test := range []struct {
		name string
		by   *site
		as   string
		body []byte
		says string
	}{
		{"another host", other, good.Name(), content('x'), "Put \"https://"},
		{"another authority", stranger, good.Name(), content('x'), "Put \"https://"},
		{"another's name", one, Snapshot{Member: "other", Taken: noon, Revision: 7}.Name(), content('x'), "403"},
		{"no snapshot's name", one, "passwd", content('x'), "403"},
		{"damaged", one, good.Name(), append([]byte("y"), content('x')[1:]...), "it is damaged"},
		{"cut off", one, good.Name(), content('x')[:100], "it was cut off"},
		{"good", one, good.Name(), content('x'), ""},
		{"again", one, good.Name(), content('x'), ""},
	} {
		err := put(t, test.by, address, test.as, test.body)
		if test.says == "" && err != nil || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
			t.Errorf("%s: %v, want %q", test.name, err, test.says)
		}
	}
	if r := report(t, socket); len(r.Snapshots) != 1 || r.Snapshots[0].Name() != good.Name() || r.Snapshots[0].Wrong != "" {
		t.Errorf("%+v", r)
	}
	entries, err := os.ReadDir(two.config.Folder)
	if err != nil || len(entries) != 1 {
		t.Errorf("the folder has %v, %v", entries, err)
	}
}

// put sends a body under a name, as whoever has a certificate could.
func put(t *testing.T, by *site, address, name string, body []byte) error {
	t.Helper()
	config, err := by.keys.client("two")
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "https://"+address+"/snapshots/"+name, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: config}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // read whole
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s: %s", resp.Status, text)
	}
	return err
}

// It ends when nobody wants anything, for systemd to start it again.
func TestServeEnds(t *testing.T) {
	one := newSite(t, newAuthority(t), "one")
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "sock"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := Serve(ctx, []net.Listener{l}, func() (*Config, error) { return &one.config, nil }, time.Now, 50*time.Millisecond, t.Logf); err != nil || ctx.Err() != nil {
		t.Errorf("%v, %v", err, ctx.Err())
	}
}
