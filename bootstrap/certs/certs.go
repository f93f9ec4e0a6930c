// Package certs is the catalogue of the cluster's certificates, as a table of values: which identity exists where, with what subject, usages,
// names and lifetime; and what follows from a row alone: issuing a certificate by it, and telling whether one is as it says.
package certs

import (
	"net/netip"
	"time"
)

// Authority names a certificate authority of the cluster.
type Authority string

// Authorities.
const (
	Etcd       Authority = "etcd"
	Kubernetes Authority = "kubernetes"
	FrontProxy Authority = "front-proxy"
	Online     Authority = "online" // signs CSRs on the control planes
)

// Authorities lists all authorities.
var Authorities = []Authority{Etcd, Kubernetes, FrontProxy, Online}

// Usage is what a certificate may be used for.
type Usage string

// Usages.
const (
	Client Usage = "client"
	Server Usage = "server"
)

// Spec describes one certificate of one host. A plan holds specs, never bytes.
type Spec struct {
	Identity      string        `json:"identity"` // row of the table: "etcd-server", "kubelet-client", …
	Authority     Authority     `json:"authority"`
	CommonName    string        `json:"commonName"`
	Organizations []string      `json:"organizations,omitempty"`
	Usages        []Usage       `json:"usages"`
	DNSNames      []string      `json:"dnsNames,omitempty"`
	Addresses     []netip.Addr  `json:"addresses,omitempty"`
	Lifetime      time.Duration `json:"lifetime"`
	RenewBefore   time.Duration `json:"renewBefore"`
	CertPath      string        `json:"certPath"`
	KeyPath       string        `json:"keyPath"`
	Owner         string        `json:"owner"`
	Group         string        `json:"group"`
}
