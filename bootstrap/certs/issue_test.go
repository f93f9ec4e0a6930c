package certs_test

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/pki"
)

type authorities map[certs.Authority]*pki.Authority

func newAuthorities(t *testing.T, c *topology.Cluster) authorities {
	t.Helper()
	out := authorities{}
	for _, name := range certs.Authorities {
		a, err := certs.NewAuthority(rand.Reader, now, c, name)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = a
	}
	return out
}

func (a authorities) pool(name certs.Authority) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a[name].Certificate())
	return pool
}

func issue(t *testing.T, s certs.Spec, a *pki.Authority, at time.Time) (certPEM, keyPEM []byte) {
	t.Helper()
	certPEM, keyPEM, err := certs.Issue(rand.Reader, at, s, a)
	if err != nil {
		t.Fatal(err)
	}
	return certPEM, keyPEM
}

// TestEveryIdentity issues every certificate of the clusters and has crypto/x509 verify chain, usages and names.
func TestEveryIdentity(t *testing.T) {
	for _, c := range []*topology.Cluster{twoPlaces(), apart()} {
		all := newAuthorities(t, c)
		for _, h := range c.Hosts {
			for _, s := range append(certs.ForHost(c, h), certs.ForBootstrap()) {
				t.Run(h.Name+"/"+s.Identity, func(t *testing.T) { verify(t, s, all) })
			}
		}
	}
}

func verify(t *testing.T, s certs.Spec, all authorities) {
	certPEM, keyPEM := issue(t, s, all[s.Authority], now)
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatalf("key and certificate: %v", err)
	}
	leaf := pair.Leaf
	check := func(authority certs.Authority, usage x509.ExtKeyUsage, name string) error {
		_, err := leaf.Verify(x509.VerifyOptions{
			Roots: all.pool(authority), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage}, DNSName: name,
		})
		return err
	}
	usages := map[certs.Usage]x509.ExtKeyUsage{certs.Client: x509.ExtKeyUsageClientAuth, certs.Server: x509.ExtKeyUsageServerAuth}
	for name, usage := range usages {
		want := slices.Contains(s.Usages, name)
		if got := check(s.Authority, usage, "") == nil; got != want {
			t.Errorf("verifies as a %s: %t, want %t", name, got, want)
		}
		for _, other := range certs.Authorities {
			if other != s.Authority && check(other, usage, "") == nil {
				t.Errorf("verifies as a %s of the %s authority", name, other)
			}
		}
	}
	names := slices.Clone(s.DNSNames)
	for _, a := range s.Addresses {
		names = append(names, a.String())
	}
	if slices.Contains(s.Usages, certs.Server) == (len(names) == 0) {
		t.Errorf("usages %v and names %v", s.Usages, names)
	}
	for _, name := range names {
		if err := check(s.Authority, x509.ExtKeyUsageServerAuth, name); err != nil {
			t.Errorf("name %s: %v", name, err)
		}
	}
	for _, name := range []string{"elsewhere.example", "198.51.100.7"} {
		if check(s.Authority, x509.ExtKeyUsageServerAuth, name) == nil {
			t.Errorf("verifies for %s", name)
		}
	}
	if leaf.Subject.CommonName != s.CommonName || !slices.Equal(leaf.Subject.Organization, s.Organizations) {
		t.Errorf("subject %s", leaf.Subject)
	}
	if want := now.Add(s.Lifetime); !leaf.NotAfter.Equal(want) {
		t.Errorf("ends %s, want %s", leaf.NotAfter, want)
	}
	if reason := s.Check(certPEM, all[s.Authority].CertificatePEM(), now); reason != "" {
		t.Errorf("Check: %s", reason)
	}
}

// TestConversations has the identities talk to each other over TLS as the components do, both sides verified.
func TestConversations(t *testing.T) {
	c := twoPlaces()
	all := newAuthorities(t, c)
	pair := func(hostName, identity string) tls.Certificate {
		t.Helper()
		spec, ok := certs.Find(certs.ForHost(c, host(t, c, hostName)), identity)
		if !ok {
			t.Fatalf("%s has no %s", hostName, identity)
		}
		p, err := tls.X509KeyPair(issue(t, spec, all[spec.Authority], now))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, test := range []struct {
		clientHost, client, serverHost, server, name string
		serverIssuer, clientIssuer                   certs.Authority
		refused                                      string
	}{
		{"bj1-cp1", certs.APIServerEtcdClient, "bj2-cp1", certs.EtcdServer, "10.12.1.11", certs.Etcd, certs.Etcd, ""},
		{"bj1-cp1", certs.EtcdOperator, "bj1-cp1", certs.EtcdServer, "127.0.0.1", certs.Etcd, certs.Etcd, ""},
		{"bj1-cp1", certs.EtcdServer, "bj1-cp1", certs.EtcdServer, "localhost", certs.Etcd, certs.Etcd, ""},
		{"bj1-cp1", certs.EtcdPeer, "sh1-cp1", certs.EtcdPeer, "10.21.1.11", certs.Etcd, certs.Etcd, ""},
		{"bj1-w1", certs.KubeletClient, "sh1-cp1", certs.KubeAPIServer, "127.0.0.1", certs.Kubernetes, certs.Kubernetes, ""},
		{"bj1-cp1", certs.Operator, "bj1-cp1", certs.KubeAPIServer, "10.96.0.1", certs.Kubernetes, certs.Kubernetes, ""},
		{"bj1-cp1", certs.APIServerKubeletClient, "sh1-w1", certs.KubeletServer, "10.21.1.101", certs.Kubernetes, certs.Kubernetes, ""},
		{"bj1-cp1", certs.APIServerKubeletClient, "sh1-w1", certs.KubeletServer, "bj1-w1", certs.Kubernetes, certs.Kubernetes, "not bj1-w1"},
		{"bj1-w1", certs.KubeletServer, "bj1-cp1", certs.KubeAPIServer, "kubernetes", certs.Kubernetes, certs.Kubernetes, "incompatible key usage"},
		{"bj1-w1", certs.KubeletClient, "bj1-cp1", certs.EtcdServer, "bj1-cp1", certs.Etcd, certs.Etcd, "unknown authority"},
		{"bj1-w1", certs.KubeletClient, "bj1-cp1", certs.KubeAPIServer, "kubernetes", certs.Kubernetes, certs.FrontProxy, "unknown authority"},
		{"bj1-w1", certs.KubeletClient, "bj1-cp1", certs.Operator, "bj1-cp1", certs.Kubernetes, certs.Kubernetes, "x509"},
	} {
		t.Run(test.client+" to "+test.server+" as "+test.name, func(t *testing.T) {
			clock := func() time.Time { return now }
			// Given as Certificates it would be withheld from servers that say they do not know its authority.
			present := pair(test.clientHost, test.client)
			presented := func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &present, nil }
			err := handshake(
				&tls.Config{
					GetClientCertificate: presented, RootCAs: all.pool(test.serverIssuer), ServerName: test.name, Time: clock,
				},
				&tls.Config{
					Certificates: []tls.Certificate{pair(test.serverHost, test.server)}, ClientCAs: all.pool(test.clientIssuer),
					ClientAuth: tls.RequireAndVerifyClientCert, Time: clock,
				})
			switch {
			case test.refused == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.refused != "" && (err == nil || !strings.Contains(err.Error(), test.refused)):
				t.Errorf("error %v, want one with %q", err, test.refused)
			}
		})
	}
}

// handshake returns why the first side that refused did so.
func handshake(client, server *tls.Config) error {
	a, b := net.Pipe()
	served := make(chan error, 1)
	go func() {
		defer func() { _ = b.Close() }()
		s := tls.Server(b, server)
		err := s.Handshake()
		if err == nil {
			_, err = s.Write([]byte("x"))
		}
		served <- err
	}()
	conn := tls.Client(a, client)
	err := conn.Handshake()
	if err == nil {
		// Only the first read tells a client of TLS 1.3 what the server thinks of its certificate.
		_, err = io.ReadFull(conn, make([]byte, 1))
	}
	_ = a.Close()
	if serverErr := <-served; serverErr != nil && (err == nil || strings.Contains(err.Error(), "remote error")) {
		return serverErr
	}
	return err
}

func TestIssueRefuses(t *testing.T) {
	c := twoPlaces()
	spec, _ := certs.Find(certs.ForHost(c, host(t, c, "bj1-w1")), certs.KubeletServer)
	if _, _, err := certs.Issue(rand.Reader, now, spec, nil); err == nil || !strings.Contains(err.Error(), "kubelet-server: the kubernetes authority") {
		t.Errorf("without an authority: %v", err)
	}
	a := newAuthorities(t, c)[certs.Kubernetes]
	if _, _, err := certs.Issue(rand.Reader, a.Certificate().NotAfter, spec, a); err == nil || !strings.Contains(err.Error(), "rotate it") {
		t.Errorf("with an authority that expired: %v", err)
	}
	if _, err := certs.NewAuthority(rand.Reader, now, c, "other"); err == nil {
		t.Error("an authority that is not in the list was made")
	}
}
