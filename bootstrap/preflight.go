package bootstrap

import (
	"context"
	"maps"

	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/preflight"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Preflight looks at all hosts of the cluster, and at the ways between them, for what is in the way of it. It changes nothing. Hosts that do not answer are findings.
func (e *Engine) Preflight(ctx context.Context) (preflight.Report, error) {
	seen, failed := e.observe(ctx, e.hosts, hostapi.ObserveRequest{})
	maps.Copy(failed, e.failed)
	in, err := preflight.Look(ctx, preflight.Config{Cluster: e.cluster, Hosts: e.hosts, Seen: seen, Failed: failed, Parallel: e.parallel(), Now: e.Now, Rand: e.Rand})
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
	return e.checkNew(nil).Err()
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
