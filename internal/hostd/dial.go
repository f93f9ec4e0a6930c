package hostd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"time"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// dialPatience bounds a connection attempt whose context has no deadline of its own.
const dialPatience = 15 * time.Second

// Dial connects from the host, with keys that stay on it.
func (h *Host) Dial(ctx context.Context, to *hostapi.Endpoint) (net.Conn, error) {
	c, err := h.dial(ctx, to)
	if err != nil {
		return nil, h.wrap(err, hostapi.ID{})
	}
	return c, nil
}

func (h *Host) dial(ctx context.Context, to *hostapi.Endpoint) (net.Conn, error) {
	if to.Network != "tcp" && to.Network != "unix" {
		return nil, fmt.Errorf("a host connects over tcp or unix, not %q", to.Network)
	}
	address := to.Address
	if to.Network == "unix" {
		address = h.path(address)
	}
	ctx, cancel := context.WithTimeout(ctx, dialPatience)
	defer cancel()
	conf, err := h.dialTLS(to.TLS)
	if err != nil {
		return nil, err
	}
	raw, err := (&net.Dialer{}).DialContext(ctx, to.Network, address)
	if err != nil || conf == nil {
		return raw, err
	}
	c := tls.Client(raw, conf)
	if err := c.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, fmt.Errorf("TLS with %s: %w", to.Address, err)
	}
	return c, nil
}

func (h *Host) dialTLS(t *hostapi.TLS) (*tls.Config, error) {
	if t == nil {
		return nil, nil
	}
	if t.Kubeconfig != "" {
		return h.kubeconfigTLS(t)
	}
	ca, err := os.ReadFile(h.path(t.Authority))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("%s holds no PEM certificate", t.Authority)
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: t.ServerName, NextProtos: t.Protocols}
	if t.Certificate == "" {
		return conf, nil
	}
	pair, err := tls.LoadX509KeyPair(h.path(t.Certificate), h.path(t.Key))
	if err != nil {
		return nil, fmt.Errorf("the key pair %s and %s cannot be used: %w", t.Certificate, t.Key, err)
	}
	conf.Certificates = []tls.Certificate{pair}
	return conf, nil
}

// quietLog keeps a server's complaints about its peers off stderr, which belongs to the helper's own errors.
func quietLog() *log.Logger { return log.New(io.Discard, "", 0) }
