package bootstrap

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/artifact"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Artifacts gives the files of a release. Resolve fetches or builds what is missing before it answers.
type Artifacts interface {
	Resolve(ctx context.Context, wants []artifact.Want) ([]artifact.Entry, error)
	Open(ctx context.Context, e artifact.Entry) (io.ReadCloser, error)
}

// Pins are Artifacts that remember, in a lock file, what they gave before. A cluster that runs is then planned for by what its hosts have recorded, and nothing is fetched or
// built but what has to be sent.
type Pins interface {
	// Pinned lists what is pinned for a want, of every provenance that it may have. Sizes are not known.
	Pinned(w artifact.Want) []artifact.Entry
}

// recorded is what the hosts' records say of artifacts.
type recorded struct {
	blobs    map[string]hostapi.Blob // of programs and images, by digest
	packages map[packageKey][][]hostapi.Blob
	needs    map[string][]string // architecture: distributions of nodes
}

// packageKey names a package as one distribution has it for an architecture.
type packageKey struct{ name, arch, distribution string }

// readRecords gathers what the hosts have, of items that were finished.
func readRecords(c *topology.Cluster, seen map[string]*hostapi.Observation) *recorded {
	r := &recorded{blobs: map[string]hostapi.Blob{}, packages: map[packageKey][][]hostapi.Blob{}, needs: map[string][]string{}}
	for _, h := range c.Hosts {
		o := seen[h.Name]
		if o == nil {
			continue
		}
		distribution := desired.Distribution(o.Facts)
		if h.IsNode() && !slices.Contains(r.needs[o.Facts.Architecture], distribution) {
			r.needs[o.Facts.Architecture] = append(r.needs[o.Facts.Architecture], distribution)
		}
		if o.Record == nil {
			continue
		}
		for _, x := range o.Record.Items {
			switch i := x.Item; {
			case x.Pending:
			case i.Artifact != nil:
				r.blobs[i.Artifact.Blob.SHA256] = i.Artifact.Blob
			case i.Image != nil:
				r.blobs[i.Image.Archive.SHA256] = i.Image.Archive
			case i.Package != nil:
				key := packageKey{i.Package.Name, o.Facts.Architecture, distribution}
				if !slices.ContainsFunc(r.packages[key], func(have []hostapi.Blob) bool { return slices.Equal(have, i.Package.Archives) }) {
					r.packages[key] = append(r.packages[key], i.Package.Archives)
				}
			}
		}
	}
	return r
}

// known answers a want from what is both pinned and recorded, as long as that leaves one answer. What is pinned counts: a record of anything else is no answer.
func (r *recorded) known(w artifact.Want, pinned []artifact.Entry) []artifact.Entry {
	if w.Kind == artifact.Package {
		return r.knownPackage(w, pinned)
	}
	var out []artifact.Entry
	for _, e := range pinned {
		if b, ok := r.blobs[e.SHA256]; ok && (w.Kind != artifact.Image || e.Reference != "") {
			e.Want, e.Size = w, b.Size
			out = append(out, e)
		}
	}
	if len(out) != 1 {
		return nil
	}
	return out
}

// knownPackage wants every distribution of the fleet to have one list of files, all of them pinned.
func (r *recorded) knownPackage(w artifact.Want, pinned []artifact.Entry) []artifact.Entry {
	var out []artifact.Entry
	for _, distribution := range r.needs[w.Arch] {
		lists := r.packages[packageKey{w.Name, w.Arch, distribution}]
		if len(lists) != 1 || len(lists[0]) == 0 {
			return nil
		}
		for _, b := range lists[0] {
			i := slices.IndexFunc(pinned, func(e artifact.Entry) bool {
				return e.SHA256 == b.SHA256 && (e.Distribution == "" || e.Distribution == distribution)
			})
			if i < 0 {
				return nil
			}
			e := pinned[i]
			e.Want, e.Size = w, b.Size
			if !slices.Contains(out, e) {
				out = append(out, e)
			}
		}
	}
	return out
}

// resolve answers the wants: by pins and records where that is possible, and by the artifacts for the rest, and for those that must be there to be sent.
func (e *Engine) resolve(ctx context.Context, s *state, wants []artifact.Want, must map[artifact.Want]bool) error {
	s.entries, s.known = nil, map[string]artifact.Want{}
	pins, ok := e.Artifacts.(Pins)
	var rest []artifact.Want
	records := readRecords(e.cluster, s.seen)
	for _, w := range wants {
		var found []artifact.Entry
		if ok && !must[w] {
			found = records.known(w, pins.Pinned(w))
		}
		if len(found) == 0 {
			rest = append(rest, w)
			continue
		}
		for _, x := range found {
			s.known[x.SHA256] = w
		}
		s.entries = append(s.entries, found...)
	}
	if len(rest) == 0 {
		return nil
	}
	entries, err := e.Artifacts.Resolve(ctx, rest)
	s.entries = append(s.entries, entries...)
	return err
}

// toSend lists the wants that were answered from records and that the plan sends from here.
func (s *state) toSend(p *plan.Plan) []artifact.Want {
	var out []artifact.Want
	for _, ph := range p.Phases {
		for _, step := range ph.Steps {
			for _, a := range step.Actions {
				if a.Transfer == nil || a.Transfer.From != "" {
					continue
				}
				if w, ok := s.known[a.Transfer.Blob.SHA256]; ok && !slices.Contains(out, w) {
					out = append(out, w)
				}
			}
		}
	}
	return out
}

// openBlob opens an artifact by its digest. One that the plan did not mean to send, since a host of the site has it, is got now.
func (e *Engine) openBlob(ctx context.Context, s *state, b hostapi.Blob) (io.ReadCloser, error) {
	entries := s.entries
	if w, ok := s.known[b.SHA256]; ok {
		var err error
		if entries, err = e.Artifacts.Resolve(ctx, []artifact.Want{w}); err != nil {
			return nil, err
		}
	}
	for _, x := range entries {
		if x.SHA256 == b.SHA256 {
			return e.Artifacts.Open(ctx, x)
		}
	}
	return nil, fmt.Errorf("no artifact has the digest %s: the artifacts changed since the plan was made; plan again", b.SHA256)
}
