package plan

import (
	"slices"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/internal/pki"
)

// Renewal asks for certificates to be issued anew before they are due.
type Renewal struct {
	Hosts []string // empty: of every host
	Names []string // rows of the certificate table, as in certs.Spec.Identity; empty: all
	// Before is when it was asked for: what was issued since is not issued again, so that a plan made anew does what is left.
	Before time.Time
}

// asked says whether a certificate, the leaf being first, is among those that were asked for.
func (r *Renewal) asked(host string, spec *certs.Spec, certificate []byte) bool {
	if r == nil || (len(r.Hosts) > 0 && !slices.Contains(r.Hosts, host)) || (len(r.Names) > 0 && !slices.Contains(r.Names, spec.Identity)) {
		return false
	}
	list, err := pki.DecodeCertificates(certificate)
	return err != nil || len(list) == 0 || list[0].NotBefore.Add(pki.Skew).Before(r.Before.Truncate(time.Second))
}
