package bootstrap

import (
	"context"
	"crypto/x509"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/observe"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/pki"
)

// Certificates are a cluster's authorities and all certificates on its hosts.
type Certificates struct {
	Cluster      string             `json:"cluster"`
	Time         time.Time          `json:"time"` // of the look, by this machine's clock
	Authorities  []AuthorityState   `json:"authorities"`
	Certificates []CertificateState `json:"certificates"`
	// Unread are the hosts that could not be read, with the reason.
	Unread map[string]string `json:"unread,omitempty"`
}

// AuthorityState is one certificate of an authority.
type AuthorityState struct {
	Name        string    `json:"name"`
	Signs       bool      `json:"signs"` // the others of a name are trusted, and sign nothing
	Subject     string    `json:"subject"`
	Fingerprint string    `json:"fingerprint"` // SHA-256, hex
	NotAfter    time.Time `json:"notAfter"`
}

// CertificateState is one certificate on a host.
type CertificateState struct {
	Host     string    `json:"host"`
	Name     string    `json:"name"` // in the table of certificates
	Path     string    `json:"path"`
	Subject  string    `json:"subject"`
	Issuer   string    `json:"issuer"` // name of the authority, or its subject where that is none of the cluster's
	NotAfter time.Time `json:"notAfter"`
	// Due says why the next apply issues it anew; "" when it does not.
	Due string `json:"due,omitempty"`
}

// Expired reports whether any certificate or any authority that signs has ended.
func (c *Certificates) Expired() bool {
	return slices.ContainsFunc(c.Certificates, func(s CertificateState) bool { return c.Time.After(s.NotAfter) }) ||
		slices.ContainsFunc(c.Authorities, func(a AuthorityState) bool { return a.Signs && c.Time.After(a.NotAfter) })
}

// Certificates reads the certificates of every host that answers. It needs neither etcd nor the API, nor an age identity.
func (e *Engine) Certificates(ctx context.Context) (*Certificates, error) {
	seen, failed := e.observe(ctx, e.hosts, hostapi.ObserveRequest{})
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	docs, err := observe.Documents(e.cluster, seen)
	if err != nil {
		return nil, err
	}
	if err := e.exists(docs.Inventory); err != nil {
		return nil, err
	}
	more, silent := e.observe(ctx, e.connected(e.meetElastic(ctx, docs.Inventory)), hostapi.ObserveRequest{})
	maps.Copy(seen, more)
	maps.Copy(failed, silent)
	out := &Certificates{Cluster: e.cluster.Name, Time: e.Now(), Unread: map[string]string{}}
	public := docs.Inventory.Public
	for _, name := range certs.Authorities {
		list, err := pki.DecodeCertificates([]byte(public.Authorities[string(name)]))
		if err != nil {
			return nil, fmt.Errorf("the certificate of the authority %q in the inventory: %w", name, err)
		}
		for i, c := range list {
			out.Authorities = append(out.Authorities, AuthorityState{Name: string(name), Signs: i == 0, Subject: c.Subject.String(), Fingerprint: pki.Fingerprint(c), NotAfter: c.NotAfter})
		}
	}
	for _, h := range e.cluster.Hosts {
		switch o := seen[h.Name]; {
		case o != nil:
			out.Certificates = append(out.Certificates, e.certificatesOn(h, o, public)...)
		case failed[h.Name] != nil:
			out.Unread[h.Name] = failed[h.Name].Error()
		default:
			out.Unread[h.Name] = e.away(h.Name).Error()
		}
	}
	return out, nil
}

func (e *Engine) certificatesOn(h *topology.Host, o *hostapi.Observation, public inventory.Public) []CertificateState {
	if o.Record == nil {
		return nil
	}
	specs := certs.ForHost(e.cluster, h)
	var out []CertificateState
	for _, r := range o.Record.Items {
		kp := r.Item.KeyPair
		if kp == nil {
			continue
		}
		s := CertificateState{Host: h.Name, Name: strings.TrimSuffix(path.Base(kp.CertPath), path.Ext(kp.CertPath)), Path: kp.CertPath}
		spec, wanted := certs.Find(specs, s.Name)
		list, err := pki.DecodeCertificates(kp.Certificate)
		switch {
		case err != nil || len(list) == 0:
			s.Due = "unreadable"
		default:
			s.Subject, s.NotAfter, s.Issuer = list[0].Subject.String(), list[0].NotAfter, issuerOf(list[0], public)
		}
		if wanted && s.Due == "" {
			s.Due = spec.Check(kp.Certificate, []byte(public.Authorities[string(spec.Authority)]), e.Now())
		}
		out = append(out, s)
	}
	return out
}

// Renewal asks for the renewal of certificates by host and by name in the table of certificates; nothing named means all. What no host of the cluster has is refused.
func (e *Engine) Renewal(ctx context.Context, hosts, names []string) (*plan.Renewal, error) {
	inv, err := e.memory(ctx)
	if err != nil {
		return nil, err
	}
	e.meetElastic(ctx, inv)
	var known []string
	for _, h := range e.cluster.Hosts {
		if len(hosts) > 0 && !slices.Contains(hosts, h.Name) {
			continue
		}
		for _, s := range certs.ForHost(e.cluster, h) {
			known = append(known, s.Identity)
		}
	}
	for _, h := range hosts {
		if !slices.ContainsFunc(e.cluster.Hosts, func(x *topology.Host) bool { return x.Name == h }) {
			return nil, fmt.Errorf("cluster %q has no host %q", e.cluster.Name, h)
		}
	}
	for _, n := range names {
		if !slices.Contains(known, n) {
			slices.Sort(known)
			return nil, fmt.Errorf("no host that was asked about has a certificate %q: there are %s", n, strings.Join(slices.Compact(known), ", "))
		}
	}
	return &plan.Renewal{Hosts: hosts, Names: names, Before: e.Now()}, nil
}

// issuerOf names the authority that signed a certificate.
func issuerOf(c *x509.Certificate, public inventory.Public) string {
	for _, name := range certs.Authorities {
		list, err := pki.DecodeCertificates([]byte(public.Authorities[string(name)]))
		if err == nil && slices.ContainsFunc(list, func(a *x509.Certificate) bool { return c.CheckSignatureFrom(a) == nil }) {
			return string(name)
		}
	}
	return c.Issuer.String()
}
