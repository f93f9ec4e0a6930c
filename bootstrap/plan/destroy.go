package plan

import (
	"slices"

	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Destroy makes the plan that gives hosts back: everything that their records own is removed, the last made first, and then the records. Hosts without control plane go
// first, so that the inventory, which says that the cluster is being destroyed, outlives them. Hosts that are away are left as they are. Those that have nothing but the helper lose that.
func Destroy(c *topology.Cluster, hosts []*topology.Host, current *inventory.Inventory, seen map[string]*hostapi.Observation, away map[string]string) *Plan {
	p := &Plan{Format: Format, Cluster: c.Name, Kubernetes: c.Kubernetes, Facts: map[string]string{}}
	m := &maker{Input: Input{Cluster: c, Seen: seen}, plan: p}
	if current != nil {
		marked := *current
		marked.Destroying = true
		p.Inventory, p.ClusterID, p.Generation = &marked, current.ClusterID, current.Generation
		p.Notes = leftBehind(c, current, seen)
	}
	for _, h := range c.Hosts {
		if why, ok := away[h.Name]; ok && seen[h.Name] == nil {
			m.skip(h, bare(h.Name, why)+"; what is on it stays, and it must not come back as it is: install it anew")
		}
	}
	var mark, workers, stop, controlPlanes []Step
	for _, h := range hosts {
		o := seen[h.Name]
		if o == nil {
			continue
		}
		p.Facts[h.Name] = factsDigest(o)
		if p.ClusterID == "" && o.Record != nil {
			p.ClusterID = o.Record.ClusterID
		}
		s := Step{Host: h.Name, Site: h.Site().Name, Actions: removeAll(o, "the cluster is destroyed")}
		before, after := m.removalHooks(h)
		if h.Has(topology.RoleControlPlane) {
			if d, ok := o.Documents[inventory.Document]; ok && current != nil && (!current.Destroying || older(d, current)) {
				mark = append(mark, Step{Host: h.Name, Site: s.Site, Actions: []Action{{Verb: Store, Document: inventory.Document, Reason: "the cluster is being destroyed"}}})
			}
			// An API server that loses etcd while it shuts down waits for it, so all of them stop first.
			first := s
			first.Actions, s.Actions = split(s.Actions, stopsFirst)
			surroundRemoval([]*Step{&first, &s}, before, after)
			stop = append(stop, first)
			controlPlanes = append(controlPlanes, s)
		} else {
			surroundRemoval([]*Step{&s}, before, after)
			workers = append(workers, s)
		}
	}
	m.phase(Phase{Name: "mark", Title: "Mark the cluster as being destroyed", Steps: mark})
	m.phase(Phase{Name: "workers", Title: "Give back workers", Steps: workers})
	m.phase(Phase{Name: "stop", Title: "Stop the control planes", Steps: stop})
	m.phase(Phase{Name: "control-planes", Title: "Give back etcd members and control planes", Steps: controlPlanes})
	return p
}

// leftBehind tells of hosts of the cluster that a destroy does not clean.
func leftBehind(c *topology.Cluster, current *inventory.Inventory, seen map[string]*hostapi.Observation) []string {
	var out []string
	for _, h := range current.Hosts {
		o := seen[h.Name]
		switch {
		case o == nil && slices.ContainsFunc(c.Hosts, func(x *topology.Host) bool { return x.Name == h.Name }): // it is among the hosts that are skipped
		case o == nil:
			out = append(out, "host "+h.Name+" is in the cluster and no longer in the topology, and does not answer: what it holds stays there, and nobody will know of it; bring it back first, unless it is gone")
		case o.Record == nil && current.Initialised && !current.Destroying: // one that goes on has given hosts back already
			out = append(out, "host "+h.Name+" is in the cluster and has no record of it any more: what was set up there stays, and may be running; look at it afterwards, or install the host anew")
		}
	}
	return out
}

// older reports whether a kept inventory is not the newest one, or cannot be read.
func older(d hostapi.Document, newest *inventory.Inventory) bool {
	inv, err := inventory.Parse(d.Content)
	return err != nil || newest.Newer(inv)
}

// removeAll takes a host's record apart, and takes all else away that is Trivet's. A host without a record has been sent artifacts before a run was interrupted, or was given back by one that
// did not come to its end: what the look at it put there, the helper, has to go again, since no later run comes by.
func removeAll(o *hostapi.Observation, reason string) []Action {
	if o.Blank() {
		return []Action{{Verb: Forget, Reason: "the helper; nothing else is left"}}
	}
	var out []Action
	if r := o.Record; r != nil {
		for i := len(r.Items) - 1; i >= 0; i-- {
			out = append(out, Action{Verb: Remove, ID: r.Items[i].Item.ID(), Reason: reason})
		}
	}
	return append(out, Action{Verb: Forget, Reason: "record, store and documents"})
}

func split(actions []Action, first func(Action) bool) (yes, no []Action) {
	for _, a := range actions {
		if first(a) {
			yes = append(yes, a)
		} else {
			no = append(no, a)
		}
	}
	return yes, no
}
