package plan

import (
	"sort"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// blobsOf lists the blobs that an action needs in its host's store.
func blobsOf(a Action) []hostapi.Blob {
	switch i := a.Item; {
	case i == nil:
		return nil
	case i.Artifact != nil:
		return []hostapi.Blob{i.Artifact.Blob}
	case i.Image != nil:
		return []hostapi.Blob{i.Image.Archive}
	case i.Package != nil:
		return i.Package.Archives
	}
	return nil
}

// transfers adds the phases that bring missing blobs to the hosts: each blob crosses to a site once, to a host that needs it, and the site's other hosts take it from
// there. A host of the site that has it already serves it instead.
func (m *maker) transfers() {
	has := map[string]map[string]bool{} // host -> digests in its store
	owner := map[string]string{}        // site/digest -> host that has it or gets it from outside
	seedOf := map[string][]Action{}     // host -> uploads
	spreadOf := map[string][]Action{}   // host -> fetches
	for _, h := range m.hosts {
		set := map[string]bool{}
		for _, b := range m.Seen[h.Name].Blobs {
			set[b.SHA256] = true
			key := h.Site().Name + "/" + b.SHA256
			if owner[key] == "" {
				owner[key] = h.Name
			}
		}
		has[h.Name] = set
	}
	for _, h := range m.hosts {
		for _, b := range m.missing(h.Name, has[h.Name]) {
			key := h.Site().Name + "/" + b.SHA256
			t := &TransferOf{Name: m.BlobNames[b.SHA256], Blob: b}
			a := Action{Verb: Transfer, Transfer: t, Reason: "not in the host's store"}
			if from := owner[key]; from != "" {
				t.From = from
				spreadOf[h.Name] = append(spreadOf[h.Name], a)
				continue
			}
			owner[key] = h.Name
			seedOf[h.Name] = append(seedOf[h.Name], a)
		}
	}
	m.phase(Phase{Name: "seed", Title: "Artifacts to each site, once", Steps: m.transferSteps(seedOf)})
	m.phase(Phase{Name: PhaseSpread, Title: "Artifacts inside each site", Steps: m.transferSteps(spreadOf)})
}

// missing lists the blobs that a host's actions need and its store lacks, in a stable order.
func (m *maker) missing(host string, have map[string]bool) []hostapi.Blob {
	need := map[string]hostapi.Blob{}
	for _, a := range m.actions[host] {
		for _, b := range blobsOf(a) {
			if !have[b.SHA256] {
				need[b.SHA256] = b
			}
		}
	}
	out := make([]hostapi.Blob, 0, len(need))
	for _, b := range need {
		out = append(out, b)
	}
	sort.Slice(out, func(i, j int) bool {
		if ni, nj := m.BlobNames[out[i].SHA256], m.BlobNames[out[j].SHA256]; ni != nj {
			return ni < nj
		}
		return out[i].SHA256 < out[j].SHA256
	})
	return out
}

func (m *maker) transferSteps(by map[string][]Action) []Step {
	var out []Step
	for _, h := range m.hosts {
		out = append(out, Step{Host: h.Name, Site: h.Site().Name, Actions: by[h.Name]})
	}
	return out
}
