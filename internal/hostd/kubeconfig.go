package hostd

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// kubeconfig is what is read of one: client-go's own types bring more to the host than the rest of this program.
type kubeconfig struct {
	CurrentContext string `json:"current-context"`
	Contexts       []struct {
		Name    string
		Context struct{ Cluster, User string }
	}
	Clusters []struct {
		Name    string
		Cluster struct {
			Data []byte `json:"certificate-authority-data"`
			File string `json:"certificate-authority"`
		}
	}
	Users []struct {
		Name string
		User struct {
			CertData []byte `json:"client-certificate-data"`
			CertFile string `json:"client-certificate"`
			KeyData  []byte `json:"client-key-data"`
			KeyFile  string `json:"client-key"`
		}
	}
}

// kubeconfigTLS makes a client of the current context of a kubeconfig on this host. Errors never carry the file's text.
func (h *Host) kubeconfigTLS(t *hostapi.TLS) (*tls.Config, error) {
	raw, err := os.ReadFile(h.path(t.Kubeconfig))
	if err != nil {
		return nil, err
	}
	var k kubeconfig
	if err := yaml.Unmarshal(raw, &k); err != nil {
		return nil, fmt.Errorf("%s is not a kubeconfig", t.Kubeconfig)
	}
	cluster, user := "", ""
	for _, c := range k.Contexts {
		if c.Name == k.CurrentContext {
			cluster, user = c.Context.Cluster, c.Context.User
		}
	}
	var ca, cert, key []byte
	var errs []error
	content := func(data []byte, file string) []byte {
		if len(data) > 0 || file == "" {
			return data
		}
		if !filepath.IsAbs(file) {
			file = filepath.Join(filepath.Dir(t.Kubeconfig), file)
		}
		b, err := os.ReadFile(h.path(file))
		errs = append(errs, err)
		return b
	}
	for _, c := range k.Clusters {
		if c.Name == cluster {
			ca = content(c.Cluster.Data, c.Cluster.File)
		}
	}
	for _, u := range k.Users {
		if u.Name == user {
			cert, key = content(u.User.CertData, u.User.CertFile), content(u.User.KeyData, u.User.KeyFile)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("%s: %w", t.Kubeconfig, err)
	}
	if len(ca) == 0 || len(cert) == 0 || len(key) == 0 {
		return nil, fmt.Errorf("%s has no current context with a certificate authority and a client certificate", t.Kubeconfig)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("the certificate authority in %s is no PEM certificate", t.Kubeconfig)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("the client certificate in %s cannot be used: %w", t.Kubeconfig, err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: t.ServerName, NextProtos: t.Protocols, Certificates: []tls.Certificate{pair}}, nil
}
