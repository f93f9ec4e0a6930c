package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// prune ends the plan with the removal of blobs that nothing on their host refers to any more once the plan is done. A site with hosts that were left out keeps everything: what
// they lack may come from there. Nothing that is pruned is transferred again: a host is only ever sent what it needs itself.
func (m *maker) prune() {
	if m.plan.Paused != nil {
		return // hosts that wait use what they are not to have
	}
	keeps := map[string]bool{} // sites
	for _, s := range m.plan.Skipped {
		keeps[s.Site] = true
	}
	used := map[string]map[string]bool{} // by host
	for _, h := range m.Desired.Hosts {
		used[h.Name] = map[string]bool{}
		for i := range h.Items {
			for _, b := range blobsOf(Action{Item: &h.Items[i]}) {
				used[h.Name][b.SHA256] = true
			}
		}
	}
	var steps []Step
	for _, h := range m.hosts {
		if keeps[h.Site().Name] || used[h.Name] == nil {
			continue
		}
		unused := slices.DeleteFunc(slices.Clone(m.Seen[h.Name].Blobs), func(b hostapi.Blob) bool { return used[h.Name][b.SHA256] })
		if len(unused) == 0 {
			continue
		}
		slices.SortFunc(unused, func(a, b hostapi.Blob) int { return strings.Compare(a.SHA256, b.SHA256) })
		n, bytes := total(unused)
		steps = append(steps, Step{Host: h.Name, Site: h.Site().Name, Actions: []Action{{
			Verb: Prune, Unused: unused, Reason: fmt.Sprintf("%s, %s, that nothing uses", number(n, "artifacts"), size(bytes)),
		}}})
	}
	m.phase(Phase{Name: "prune", Title: "Artifacts that nothing uses", Steps: steps})
}

func total(blobs []hostapi.Blob) (n int, bytes int64) {
	for _, b := range blobs {
		n++
		bytes += b.Size
	}
	return n, bytes
}
