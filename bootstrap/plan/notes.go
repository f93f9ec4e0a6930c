package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/pki"
)

// An authority is near its end when less than this is left, or less than a fifth of its life.
const authorityNear = 90 * 24 * time.Hour

// AuthorityNotes warns of authorities near their end: certificates last no longer than the one that signed them.
func AuthorityNotes(public inventory.Public, now time.Time) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(public.Authorities)) {
		list, err := pki.DecodeCertificates([]byte(public.Authorities[name]))
		if err != nil || len(list) == 0 {
			out = append(out, fmt.Sprintf("the certificate of the authority %q in the inventory cannot be read: restore the inventory from another control plane", name))
			continue
		}
		for _, c := range list {
			left, life := c.NotAfter.Sub(now), c.NotAfter.Sub(c.NotBefore)
			switch end := c.NotAfter.UTC().Format(time.DateOnly); {
			case left <= 0:
				out = append(out, fmt.Sprintf("the authority %q ended on %s: nothing that it signed is accepted any more, and an apply replaces it", name, end))
			case left < authorityNear || left < life/5:
				out = append(out, fmt.Sprintf("the authority %q ends on %s, in %d days. Certificates that it signs end with it: replace it before that day, with %s in the rotation block of the topology",
					name, end, int(left.Hours()/24), rotationName(name)))
			}
		}
	}
	return out
}

// rotationName is what the topology calls an authority.
func rotationName(authority string) string { return strings.ReplaceAll(authority, "-", "_") + "_ca" }

// overrideNotes tells of foreign files that change what Trivet's items do. They are never mended: somebody may want them.
func overrideNotes(seen map[string]*hostapi.Observation) []string {
	hosts := map[string][]string{} // by what is there
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		for _, d := range seen[name].Overrides {
			text := d.ID.Name + ": " + d.What
			hosts[text] = append(hosts[text], name)
		}
	}
	var out []string
	for _, text := range slices.Sorted(maps.Keys(hosts)) {
		out = append(out, fmt.Sprintf("%s, on %s; it changes what the unit does and stays: remove it, and restart the unit, unless somebody wants it", text, desired.Few(hosts[text])))
	}
	return out
}
