package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Join makes the plan that brings workers into a running cluster, or brings up to date what is set up on those that are in it. Nothing is done to any other host, but that control planes
// keep the inventory and hosts of the workers' sites hand out artifacts; so the input has those alone as seen, and the workers alone in Desired. Members, manifests and other objects
// than the workers' Nodes are left as they are. One worker that fails keeps no other from being joined.
func Join(in Input, names []string) (*Plan, error) {
	m := newMaker(in)
	m.members = membership{joins: map[string]*join{}}
	m.plan.MaxFailed = len(names)
	var workers []*topology.Host
	for _, h := range in.Cluster.Hosts {
		if in.Seen[h.Name] == nil {
			continue
		}
		m.hosts = append(m.hosts, h)
		if slices.Contains(names, h.Name) {
			workers = append(workers, h)
		}
	}
	if err := m.refuseNames(); err != nil {
		return nil, err
	}
	for _, h := range in.Desired.Hosts {
		seen := in.Seen[h.Name]
		m.plan.Facts[h.Name] = factsDigest(seen)
		actions, err := diffHost(h, seen, in.Target.Public, in.Now, func(d hostapi.Drift) bool { return d.Code == hostapi.DriftNoRoute && !m.routed(h.Name) }, in.Renew)
		if err != nil {
			return nil, err
		}
		m.actions[h.Name] = actions
	}
	m.compareFormers()
	m.transfers()
	m.giveBackFormers()
	m.remember()
	m.hosts = workers
	m.wakeNetworks()
	m.register()
	nodes, objects := split(m.objectActions(), func(a Action) bool { return a.Verb == Create })
	m.phase(Phase{Name: "node-objects", Title: "Nodes with their pod ranges, before their kubelets", Steps: []Step{{Actions: nodes}}})
	m.objects(objects)
	m.nodes(nil, workers)
	m.uncordon()
	m.hooks()
	var ready []string
	for _, h := range workers {
		ready = append(ready, h.Name)
	}
	m.plan.Phases = append(m.plan.Phases, Phase{Name: "ready", Title: "Nodes Ready", Gates: m.nodeGates(ready)})
	m.plan.Issues = m.issues()
	return m.plan, nil
}

// Leave makes the plan that takes workers out of a running cluster, which are those in Departing, and touches no other host but for the inventory on control planes. The hosts that do
// not answer are taken out through the API. One that cannot leave keeps no other from it.
func Leave(in Input) (*Plan, error) {
	m := newMaker(in)
	m.plan.MaxFailed = len(in.Departing)
	for _, h := range in.Cluster.Hosts {
		if in.Seen[h.Name] != nil && !slices.ContainsFunc(in.Departing, func(d *topology.Host) bool { return d.Name == h.Name }) {
			m.hosts = append(m.hosts, h)
		}
	}
	m.leaveOutDeparting()
	var steps []Step
	for _, h := range m.Departing {
		if m.skipped(h.Name) {
			return nil, fmt.Errorf("host %s: %s", h.Name, m.plan.Skipped[0].Reason)
		}
		m.plan.Leaving = append(m.plan.Leaving, h.Name)
		steps = append(steps, m.departStep(h))
	}
	m.phase(Phase{Name: "leave-workers", Title: "Hosts that leave: workers", Steps: steps})
	m.store(PhaseFinish, "Inventory without what was left", "", "without "+strings.Join(m.plan.Leaving, ", "))
	m.hosts = nil
	m.hooks()
	return m.plan, nil
}
