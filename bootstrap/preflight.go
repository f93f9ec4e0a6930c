package bootstrap

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/preflight"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Preflight looks at all hosts of the cluster, surge hosts too, and at the ways between them, for what is in the way of it. It changes nothing. Hosts that do not answer are findings.
func (e *Engine) Preflight(ctx context.Context) (preflight.Report, error) {
	e.meet(ctx, e.declared.Surge)
	c := *e.declared
	c.Hosts = slices.SortedFunc(slices.Values(slices.Concat(c.Hosts, c.Surge)), func(a, b *topology.Host) int { return strings.Compare(a.Name, b.Name) })
	seen, failed := e.observe(ctx, e.hosts, hostapi.ObserveRequest{})
	maps.Copy(failed, e.failed)
	in, err := preflight.Look(ctx, preflight.Config{Cluster: &c, Hosts: e.hosts, Seen: seen, Failed: failed, Parallel: e.parallel(), Now: e.Now, Rand: e.Rand})
	if err != nil {
		return preflight.Report{}, err
	}
	return preflight.Check(in), nil
}

// lookAtNew makes the preflight of the hosts that are new to the cluster, once in an engine's life: a second plan finds them half set up, or as they were. Hosts that are away
// are for the plan to tell.
func (e *Engine) lookAtNew(ctx context.Context, s *sight) error {
	if e.preflight == nil {
		seen := maps.Clone(s.seen)
		for _, h := range e.cluster.Hosts {
			if plan.Forgot(s.documents.Inventory, h, seen[h.Name]) {
				delete(seen, h.Name) // not new: the plan leaves it out, and what runs there may be a member yet
			}
		}
		in, err := preflight.Look(ctx, preflight.Config{Cluster: e.cluster, Hosts: e.hosts, Seen: seen, OnlyNew: true, Parallel: e.parallel(), Now: e.Now, Rand: e.Rand})
		if err != nil {
			return err
		}
		e.preflight = &in
	}
	return e.inTheWay(s, e.checkNew(nil))
}

// inTheWay fails where something is in the way that is not the matter of new workers alone: those are left out.
func (e *Engine) inTheWay(s *sight, r preflight.Report) error {
	for _, f := range r.Errors() {
		if len(e.toBlame(s, f)) == 0 {
			return r.Err() // with everything, also what would have been left out
		}
	}
	return nil
}

// toBlame names the new workers that a finding is about; none where it is about anything else. Of two, either may be the one to blame.
func (e *Engine) toBlame(s *sight, f preflight.Finding) []string {
	var out []string
	for _, h := range e.cluster.Hosts {
		if h.Name != f.Host && h.Name != f.Peer || h.Has(topology.RoleControlPlane) || h.Has(topology.RoleEtcd) {
			continue
		}
		if o := s.seen[h.Name]; e.unfit[h.Name] != nil || o != nil && o.Record == nil {
			out = append(out, h.Name)
		}
	}
	return out
}

// leaveOut leaves new workers out that are not fit for the cluster, as if they were away, and says whether there are more of them than before.
func (e *Engine) leaveOut(s *state, r preflight.Report) (more bool, err error) {
	found := map[string][]string{}
	for _, f := range r.Errors() {
		for _, name := range e.toBlame(&s.sight, f) {
			text := fmt.Sprintf("%s (%s): %s", f.Message, f.Check, f.Remedy)
			if f.Peer != "" {
				text = f.String()
			}
			found[name] = append(found[name], text)
		}
	}
	for name, texts := range found {
		if e.unfit == nil {
			e.unfit = map[string]error{}
		}
		if e.unfit[name] == nil {
			e.unfit[name] = fmt.Errorf("host %s: it is not fit for the cluster: %s", name, strings.Join(texts, "; "))
		}
	}
	for name, why := range e.unfit {
		if s.seen[name] == nil {
			continue
		}
		delete(s.seen, name)
		s.away[name], more = why, true
	}
	if more {
		err = s.allot(e.cluster)
	}
	return more, err
}

// fit makes the plan without the new workers that are not fit for the cluster: some are known to be only once it is known what they would get.
func (e *Engine) fit(ctx context.Context, s *state) (*plan.Plan, preflight.Report, error) {
	r := e.checkNew(nil)
	if _, err := e.leaveOut(s, r); err != nil {
		return nil, r, err
	}
	for {
		p, err := e.plan(ctx, s)
		if err != nil {
			return nil, r, err
		}
		r = e.checkNew(needs(p))
		if err := e.inTheWay(&s.sight, r); err != nil {
			return nil, r, err
		}
		more, err := e.leaveOut(s, r)
		if err != nil || !more {
			return p, r, err
		}
	}
}

// checkNew judges what lookAtNew saw; needs are the bytes that hosts will get, where they are known.
func (e *Engine) checkNew(needs map[string]int64) preflight.Report {
	in := *e.preflight
	in.Needs = needs
	return preflight.Check(in).Skip(e.SkipPreflight)
}

// time gives a cluster that is not there yet the intervals of etcd. Once it has them they stay: members must agree on them.
func (s *state) time(etcd inventory.Etcd) {
	if inv := s.documents.Inventory; (inv == nil || !inv.Initialised) && s.target.Etcd == (inventory.Etcd{}) {
		s.target.Etcd = etcd
	}
}

// measured are the intervals of etcd that follow from the round trips between its members, none where none was tried.
func measured(r preflight.Report) inventory.Etcd {
	if r.Etcd == nil {
		return inventory.Etcd{}
	}
	return inventory.Etcd{Heartbeat: r.Etcd.Heartbeat, Election: r.Etcd.Election}
}

// needs sums up the artifacts that a plan sends to each host.
func needs(p *plan.Plan) map[string]int64 {
	out := map[string]int64{}
	for _, ph := range p.Phases {
		for _, s := range ph.Steps {
			for _, a := range s.Actions {
				if a.Transfer != nil {
					out[s.Host] += a.Transfer.Blob.Size
				}
			}
		}
	}
	return out
}
