package bootstrap

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/internal/pki"
)

// kubeconfigTimeout is how long a kubeconfig waits for an API server that answers, and for the signer.
const kubeconfigTimeout = time.Minute

// Kubeconfig makes a kubeconfig for an administrator: a certificate that the CSR API signs for ttl, in a group of Trivet's own, and a server address at which a tunnel listens.
// It holds a private key: treat it as a secret.
func (e *Engine) Kubeconfig(ctx context.Context, user, server string, ttl time.Duration) ([]byte, error) {
	inv, err := e.memory(ctx)
	if err != nil {
		return nil, err
	}
	if err := e.exists(inv); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, kubeconfigTimeout)
	defer cancel()
	key, err := pki.GenerateKey(e.Rand)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificateRequest(e.Rand, &x509.CertificateRequest{Subject: pkix.Name{CommonName: user, Organization: []string{certs.GroupAdmins}}}, key)
	if err != nil {
		return nil, fmt.Errorf("certificate request: %w", err)
	}
	client, err := e.kube()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	cert, err := client.AdminCertificate(ctx, user, ttl, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
	if err != nil {
		return nil, err
	}
	keyPEM, err := pki.EncodeKey(key)
	if err != nil {
		return nil, err
	}
	name := e.cluster.Name
	return clientcmd.Write(clientcmdapi.Config{
		CurrentContext: name,
		Clusters: map[string]*clientcmdapi.Cluster{name: {Server: server, TLSServerName: "kubernetes",
			CertificateAuthorityData: []byte(inv.Public.Authorities[string(certs.Kubernetes)])}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{user: {ClientCertificateData: cert, ClientKeyData: keyPEM}},
		Contexts:  map[string]*clientcmdapi.Context{name: {Cluster: name, AuthInfo: user}},
	})
}

// exists is an error for a cluster that its hosts know nothing of.
func (e *Engine) exists(inv *inventory.Inventory) error {
	if inv == nil || !inv.Public.Known() {
		return fmt.Errorf("cluster %q does not exist yet: apply first", e.cluster.Name)
	}
	return nil
}
