// Package kubetest runs a real kube-apiserver, and what else of a control plane a test asks for, on the loopback address.
package kubetest

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
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/etcd/etcdtest"
	"github.com/trivet-dev/trivet/bootstrap/kube"
)

// Server is a running API server.
type Server struct {
	dir     string
	address string
	admin   tls.Certificate
	ca      *x509.Certificate
	caKey   *ecdsa.PrivateKey
	process *etcdtest.Member
	// Store is the member of etcd behind the server.
	Store *etcdtest.Member
}

// Start runs etcd and kube-apiserver until the test ends, with more flags if a test has any. The server may not be ready yet.
func Start(t *testing.T, flags ...string) *Server {
	t.Helper()
	binary := etcdtest.Binary(t, "kube-apiserver", "TRIVET_KUBE_APISERVER")
	store := etcdtest.Start(t, 1)[0]
	port := etcdtest.Port(t)
	s := &Server{dir: t.TempDir(), address: fmt.Sprintf("127.0.0.1:%d", port), process: &etcdtest.Member{Name: "kube-apiserver"}}
	s.authority(t)
	s.admin = s.issue(t, "admin", "trivet-test", "system:masters")
	s.Store = store
	etcdtest.Run(t, s.process, binary, append(flags, "--etcd-servers=http://"+store.Address, "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", port), "--cert-dir="+s.path("serving"), "--client-ca-file="+s.path("ca.crt"), "--authorization-mode=RBAC",
		"--service-cluster-ip-range=10.96.0.0/16", "--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+s.path("ca.key"),
		"--service-account-signing-key-file="+s.path("ca.key"), "--endpoint-reconciler-type=none", "--allow-privileged=true", "--v=0")...)
	return s
}

// Stop kills the server.
func (s *Server) Stop() { s.process.Stop() }

// Endpoint reaches the server as a member of system:masters.
func (s *Server) Endpoint(name string) kube.Endpoint { return s.endpoint(name, s.admin) }

// EndpointAs reaches the server as a user of groups.
func (s *Server) EndpointAs(t *testing.T, name, user string, groups ...string) kube.Endpoint {
	t.Helper()
	return s.endpoint(name, s.issue(t, "user-"+user, user, groups...))
}

// EndpointAsStranger reaches the server with a certificate of an authority that it does not know.
func (s *Server) EndpointAsStranger(t *testing.T, name string) kube.Endpoint {
	t.Helper()
	other := &Server{dir: t.TempDir()}
	other.authority(t)
	return s.endpoint(name, other.issue(t, "admin", "trivet-test", "system:masters"))
}

func (s *Server) endpoint(name string, certificate tls.Certificate) kube.Endpoint {
	return kube.Endpoint{Name: name, Dial: func(ctx context.Context) (net.Conn, error) {
		// The server made its own certificate; what is tested here is not TLS.
		d := tls.Dialer{Config: &tls.Config{Certificates: []tls.Certificate{certificate}, InsecureSkipVerify: true}}
		return d.DialContext(ctx, "tcp", s.address)
	}}
}

// ControllerManager runs the named controllers, the signer of certificates among them if asked for.
func (s *Server) ControllerManager(t *testing.T, controllers string) {
	t.Helper()
	binary := etcdtest.Binary(t, "kube-controller-manager", "TRIVET_KUBE_CONTROLLER_MANAGER")
	s.kubeconfig(t)
	etcdtest.Run(t, &etcdtest.Member{Name: "kube-controller-manager"}, binary, "--kubeconfig="+s.path("kubeconfig"), "--controllers="+controllers,
		"--leader-elect=false", "--secure-port=0", "--cluster-signing-cert-file="+s.path("ca.crt"), "--cluster-signing-key-file="+s.path("ca.key"),
		"--service-account-private-key-file="+s.path("ca.key"), "--allocate-node-cidrs=false", "--v=0")
}

// Scheduler runs the scheduler.
func (s *Server) Scheduler(t *testing.T) {
	t.Helper()
	binary := etcdtest.Binary(t, "kube-scheduler", "TRIVET_KUBE_SCHEDULER")
	s.kubeconfig(t)
	etcdtest.Run(t, &etcdtest.Member{Name: "kube-scheduler"}, binary, "--kubeconfig="+s.path("kubeconfig"), "--leader-elect=false", "--secure-port=0", "--v=0")
}

func (s *Server) kubeconfig(t *testing.T) {
	t.Helper()
	s.write(t, "kubeconfig", fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: test
clusters:
- name: test
  cluster: {server: "https://%s", insecure-skip-tls-verify: true}
contexts:
- name: test
  context: {cluster: test, user: test}
users:
- name: test
  user: {client-certificate: %s, client-key: %s}
`, s.address, s.path("admin.crt"), s.path("admin.key")))
}

func (s *Server) path(name string) string { return filepath.Join(s.dir, name) }

func (s *Server) write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(s.path(name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) authority(t *testing.T) {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	s.ca, s.caKey = template, nil
	s.keyPair(t, "ca", template)
}

// issue makes a client certificate.
func (s *Server) issue(t *testing.T, file, user string, groups ...string) tls.Certificate {
	t.Helper()
	return s.keyPair(t, file, &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: user, Organization: groups}, NotBefore: time.Now().Add(-time.Minute),
		NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
}

func (s *Server) keyPair(t *testing.T, file string, template *x509.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if s.caKey == nil {
		s.caKey = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, s.ca, &key.PublicKey, s.caKey)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: encoded})
	s.write(t, file+".crt", string(certPEM))
	s.write(t, file+".key", string(keyPEM))
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}
