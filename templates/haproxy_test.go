package templates_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trivet-dev/trivet/templates"
)

// TestBalancer has the real HAProxy stand before two servers that behave as API servers do. One that ends in good order costs nobody a request, also one that takes its time; one
// that is not ready for another reason lets go of those that wait for it.
func TestBalancer(t *testing.T) {
	if _, err := exec.LookPath("haproxy"); err != nil {
		t.Skip("needs the Debian package haproxy")
	}
	cert, trust, ca := selfSigned(t)
	ending, staying := &apiServer{t: t, cert: cert}, &apiServer{t: t, cert: cert}
	port := freePort(t, "127.0.0.2")
	ending.address, staying.address = fmt.Sprintf("127.0.0.2:%d", port), fmt.Sprintf("127.0.0.3:%d", port)
	ending.start()
	staying.start()
	local := freePort(t, "127.0.0.1")
	startHAProxy(t, templates.HAProxyConfig{LocalPort: local, Port: port, CA: ca, CheckInterval: "2s", Servers: []templates.Server{
		{Name: "ending", Address: netip.MustParseAddr("127.0.0.2"), Weight: 100}, {Name: "staying", Address: netip.MustParseAddr("127.0.0.3"), Weight: 100},
	}})

	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust, ServerName: "kubernetes"}, DisableKeepAlives: true}}
	request := func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("https://127.0.0.1:%d/", local), nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}
	var all sync.WaitGroup
	var failed atomic.Int32
	ctx, stop := context.WithCancel(t.Context())
	all.Go(func() {
		for tick := time.NewTicker(50 * time.Millisecond); ctx.Err() == nil; <-tick.C {
			all.Go(func() {
				if err := request(t.Context()); err != nil {
					failed.Add(1)
					t.Errorf("at %s: %v", time.Now().Format("05.000"), err)
				}
			})
		}
	})
	<-time.After(time.Second)
	ending.end(4 * time.Second)
	stop()
	all.Wait()
	if ending.answered.Load() == 0 || staying.answered.Load() == 0 {
		t.Errorf("one answered %d requests, the other one %d", ending.answered.Load(), staying.answered.Load())
	}

	staying.refuses.Store("[-]etcd failed: reason withheld\n")
	limited, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	staying.slow.Store(int64(time.Minute))
	if err := request(limited); err == nil || limited.Err() != nil {
		t.Errorf("a request at a server that has lost etcd ended with %v", err)
	}
}

// apiServer is as much of an API server as a balancer sees.
type apiServer struct {
	t       *testing.T
	address string
	cert    tls.Certificate
	server  *http.Server

	refuses  atomic.Value // what /readyz complains of
	slow     atomic.Int64 // nanoseconds to an answer, two seconds if it is not set
	answered atomic.Int32
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/readyz" {
		if why, _ := s.refuses.Load().(string); why != "" {
			http.Error(w, "[+]ping ok\n"+why+"readyz check failed", http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, "ok")
		return
	}
	wait := time.Duration(s.slow.Load())
	if wait == 0 {
		wait = 2 * time.Second
	}
	select {
	case <-r.Context().Done():
	case <-time.After(wait):
		s.answered.Add(1)
	}
}

func (s *apiServer) start() {
	l, err := net.Listen("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.server = &http.Server{Handler: s, TLSConfig: &tls.Config{Certificates: []tls.Certificate{s.cert}}}
	go s.server.ServeTLS(l, "", "")
	s.t.Cleanup(func() { s.server.Close() })
}

// end is what an API server does at SIGTERM: it says that it ends, serves on for a while, and takes no more then.
func (s *apiServer) end(delay time.Duration) {
	s.refuses.Store("[-]shutdown failed: reason withheld\n")
	<-time.After(delay)
	limited, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	if err := s.server.Shutdown(limited); err != nil {
		s.t.Error(err)
	}
}

func startHAProxy(t *testing.T, config templates.HAProxyConfig) {
	t.Helper()
	text, err := templates.Render(config)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "user ") || strings.HasPrefix(line, "group ") {
			lines[i] = "" // whoever runs the test
		}
	}
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("haproxy", "-db", "-f", file)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		cmd.Wait()
	})
	for deadline := time.Now().Add(20 * time.Second); ; {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", config.LocalPort))
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		<-time.After(20 * time.Millisecond)
	}
}

func freePort(t *testing.T, address string) int {
	t.Helper()
	l, err := net.Listen("tcp", address+":0")
	if err != nil {
		t.Skipf("needs the address %s: %v", address, err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kubernetes"}, DNSNames: []string{"kubernetes"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.crt")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool, file
}
