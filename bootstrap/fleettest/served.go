package fleettest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// served is what the API server tells clients over HTTP: certificate requests, which it approves and signs as told, nodes and namespaces. Everything else is not found.
type served struct {
	mu         sync.Mutex
	requests   map[string]*certificatesv1.CertificateSigningRequest
	namespaces map[string]*corev1.Namespace
	next       int
}

// Namespaces are those that clients made through the API server.
func (f *Fleet) Namespaces() []string {
	f.served.mu.Lock()
	defer f.served.mu.Unlock()
	var names []string
	for name := range f.served.namespaces {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Dial reaches the API server of a control plane: with the host's own keys, as the helper does it, or, for a tunnel, as a TLS server that knows clients by their certificates.
func (h *handler) Dial(ctx context.Context, to *hostapi.Endpoint) (net.Conn, error) {
	port := fmt.Sprint(h.fleet.Cluster.API.Port)
	if _, p, err := net.SplitHostPort(to.Address); err != nil || p != port {
		return nil, fmt.Errorf("host %s: connect to %s: connection refused", h.host, to.Address)
	}
	if err := h.fleet.API(nil).serves(h.host); err != nil {
		return nil, err
	}
	client, server := net.Pipe()
	handler := http.Handler(http.HandlerFunc(h.fleet.answer))
	if to.TLS == nil {
		config, err := h.servingTLS()
		if err != nil {
			return nil, err
		}
		server, handler = tls.Server(server, config), onlyAdmins(handler)
	}
	go func() {
		one := &oneConn{conn: server, closed: make(chan struct{})}
		_ = (&http.Server{Handler: handler, ConnState: one.state}).Serve(one) // it ends with its connection
	}()
	return client, nil
}

func (h *handler) servingTLS() (*tls.Config, error) {
	m := h.fleet.Machines[h.host]
	base := certs.KubernetesDir + "/" + certs.KubeAPIServer
	pair, err := tls.LoadX509KeyPair(m.Path(base+".crt"), m.Path(base+".key"))
	if err != nil {
		return nil, err
	}
	clients, err := os.ReadFile(m.Path(certs.KubernetesDir + "/client-ca.crt"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(clients)
	return &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, NextProtos: []string{"http/1.1"}}, nil
}

// onlyAdmins answers those whose certificate has the group that Trivet binds.
func onlyAdmins(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 || !slices.Contains(r.TLS.PeerCertificates[0].Subject.Organization, certs.GroupAdmins) {
			fail(w, http.StatusForbidden, "Forbidden")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// oneConn is a listener that has one connection.
type oneConn struct {
	conn   net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *oneConn) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (l *oneConn) state(_ net.Conn, s http.ConnState) {
	if s == http.StateClosed || s == http.StateHijacked {
		_ = l.Close() // it fails in no way
	}
}

const signingRequests = "/apis/certificates.k8s.io/v1/certificatesigningrequests"

// answer is the API server.
func (f *Fleet) answer(w http.ResponseWriter, r *http.Request) {
	f.served.mu.Lock()
	defer f.served.mu.Unlock()
	name := path.Base(r.URL.Path)
	switch dir := path.Dir(r.URL.Path); {
	case r.Method == http.MethodGet && r.URL.Path == "/api/v1/nodes":
		tell(w, http.StatusOK, f.nodeList())
	case r.URL.Path == "/api/v1/namespaces" || dir == "/api/v1/namespaces":
		resource(w, r, f.served.namespaces, name, func(n *corev1.Namespace) string {
			n.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}
			return n.Name
		})
	case r.Method == http.MethodPut && name == "approval" && path.Dir(dir) == signingRequests:
		f.approve(w, r)
	case r.Method == http.MethodGet && r.URL.Path == signingRequests:
		tell(w, http.StatusOK, f.requestList(strings.TrimPrefix(r.URL.Query().Get("fieldSelector"), "metadata.name=")))
	case r.URL.Path == signingRequests || dir == signingRequests:
		resource(w, r, f.served.requests, name, func(c *certificatesv1.CertificateSigningRequest) string {
			f.served.next++
			c.TypeMeta = metav1.TypeMeta{APIVersion: "certificates.k8s.io/v1", Kind: "CertificateSigningRequest"}
			c.Name = fmt.Sprintf("%s%d", c.GenerateName, f.served.next)
			return c.Name
		})
	default:
		fail(w, http.StatusNotFound, "NotFound")
	}
}

// resource makes, gives and deletes objects of one kind.
func resource[T any](w http.ResponseWriter, r *http.Request, all map[string]*T, name string, made func(*T) string) {
	switch r.Method {
	case http.MethodPost:
		object, err := read[T](r)
		if err != nil {
			fail(w, http.StatusBadRequest, err.Error())
			return
		}
		all[made(object)] = object
		tell(w, http.StatusCreated, object)
	case http.MethodGet, http.MethodDelete:
		object, ok := all[name]
		if !ok {
			fail(w, http.StatusNotFound, "NotFound")
			return
		}
		if r.Method == http.MethodDelete {
			delete(all, name)
		}
		tell(w, http.StatusOK, object)
	default:
		fail(w, http.StatusMethodNotAllowed, "MethodNotAllowed")
	}
}

func (f *Fleet) nodeList() *corev1.NodeList {
	out := &corev1.NodeList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "NodeList"}}
	for object := range f.Objects() {
		if name, ok := strings.CutPrefix(object, "Node/"); ok {
			out.Items = append(out.Items, corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}})
		}
	}
	slices.SortFunc(out.Items, func(a, b corev1.Node) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (f *Fleet) requestList(name string) *certificatesv1.CertificateSigningRequestList {
	out := &certificatesv1.CertificateSigningRequestList{TypeMeta: metav1.TypeMeta{APIVersion: "certificates.k8s.io/v1", Kind: "CertificateSigningRequestList"}}
	if c := f.served.requests[name]; c != nil {
		out.Items = append(out.Items, *c)
	}
	return out
}

// approve signs a request at once, as the controller manager would, with the authority whose key the control planes have.
func (f *Fleet) approve(w http.ResponseWriter, r *http.Request) {
	given, err := read[certificatesv1.CertificateSigningRequest](r)
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	c := f.served.requests[given.Name]
	if c == nil {
		fail(w, http.StatusNotFound, "NotFound")
		return
	}
	c.Status.Conditions = given.Status.Conditions
	signed, err := f.sign(c)
	if err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	c.Status.Certificate = signed
	tell(w, http.StatusOK, c)
}

func (f *Fleet) sign(c *certificatesv1.CertificateSigningRequest) ([]byte, error) {
	block, _ := pem.Decode(c.Spec.Request)
	if block == nil {
		return nil, errors.New("the request is not PEM")
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, err
	}
	cps := f.Cluster.HostsWith("control-plane")
	m := f.Machines[cps[0].Name]
	authority, err := tls.LoadX509KeyPair(m.Path(certs.KubernetesDir+"/online-ca.crt"), m.Path(certs.KubernetesDir+"/online-ca.key"))
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(int64(f.served.next)), Subject: pkix.Name{CommonName: request.Subject.CommonName, Organization: request.Subject.Organization},
		NotBefore: Now.Add(-time.Minute), NotAfter: Now.Add(time.Duration(*c.Spec.ExpirationSeconds) * time.Second),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, authority.Leaf, request.PublicKey, authority.PrivateKey)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

// read reads an object in whatever form a client writes it.
func read[T any](r *http.Request) (*T, error) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	o, _, err := scheme.Codecs.UniversalDeserializer().Decode(b, nil, nil)
	if err != nil {
		return nil, err
	}
	object, ok := o.(any).(*T)
	if !ok {
		return nil, fmt.Errorf("unexpected %T", o)
	}
	return object, nil
}

func tell(w http.ResponseWriter, code int, v any) {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		panic("fleettest: " + err.Error()) // these are plain objects
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(b.Bytes()) // whoever does not read it has gone
}

func fail(w http.ResponseWriter, code int, reason string) {
	tell(w, code, metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: int32(code), Reason: metav1.StatusReason(reason), Message: reason})
}
