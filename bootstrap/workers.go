package bootstrap

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// AnotherMachine begins the drift of a worker in whose place another machine answers.
const AnotherMachine = "another machine answers"

// WorkerState is an elastic worker at a look.
type WorkerState struct {
	inventory.Host
	// Answered is the machine id of what answers; "" where nothing does, for the reason in Err.
	Answered string
	Err      error
	// Drift is what is not as it was set up, in words. Node is what the API says of the node, "" where it was not asked.
	Drift []string
	Node  string
}

// Workers looks at elastic workers of the cluster, of which it gives those that the cluster has; names nil means all. It contacts them and the control planes, and takes no lock.
func (e *Engine) Workers(ctx context.Context, names []string) ([]WorkerState, *inventory.Inventory, error) {
	inv, err := e.memory(ctx)
	if err != nil {
		return nil, nil, err
	}
	var out []WorkerState
	for _, h := range inv.ElasticHosts() {
		if names == nil || slices.Contains(names, h.Name) {
			out = append(out, WorkerState{Host: h})
		}
	}
	if len(out) == 0 {
		return nil, inv, nil
	}
	if err := e.as(inv); err != nil {
		return nil, nil, err
	}
	e.meet(ctx, e.cluster.HostsWith(topology.RoleControlPlane))
	var records []inventory.Host
	for _, w := range out {
		records = append(records, w.Host)
	}
	hosts := e.hostsOf(records)
	e.meet(ctx, hosts)
	seen, failed := e.observe(ctx, e.connected(hosts), hostapi.ObserveRequest{})
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	for i := range out {
		w := &out[i]
		if o := seen[w.Name]; o != nil {
			w.look(o, inv)
			w.due(e.certificatesOn(hosts[slices.IndexFunc(hosts, func(h *topology.Host) bool { return h.Name == w.Name })], o, inv.Public))
		} else {
			w.Err = cmp.Or(failed[w.Name], e.away(w.Name))
		}
	}
	e.nodesOf(ctx, out, inv, seen)
	return out, inv, nil
}

// look compares the machine that answers with what the cluster has.
func (w *WorkerState) look(o *hostapi.Observation, inv *inventory.Inventory) {
	w.Answered = o.Facts.MachineID
	switch {
	case w.MachineID != "" && w.MachineID != w.Answered:
		w.Drift = append(w.Drift, fmt.Sprintf(AnotherMachine+": its machine id is %s, that of the worker is %s", w.Answered, w.MachineID))
	case o.Record == nil || len(o.Record.Items) == 0:
		w.Drift = append(w.Drift, "not set up")
	case o.Record.ClusterID != inv.ClusterID:
		w.Drift = append(w.Drift, "set up for cluster "+o.Record.ClusterID)
	default:
		for _, d := range o.Drift {
			w.Drift = append(w.Drift, d.String())
		}
	}
	slices.Sort(w.Drift)
}

// due adds the certificates that are to be issued anew.
func (w *WorkerState) due(states []CertificateState) {
	for _, s := range states {
		if s.Due != "" {
			w.Drift = append(w.Drift, "certificate "+s.Path+": "+s.Due)
		}
	}
}

// nodesOf adds what the API knows of the workers' nodes, where it answers.
func (e *Engine) nodesOf(ctx context.Context, out []WorkerState, inv *inventory.Inventory, seen map[string]*hostapi.Observation) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	api := e.API(e, nil)
	defer api.Close()
	nodes, err := api.Nodes(ctx)
	if err != nil {
		return
	}
	facts := map[string]hostapi.Facts{}
	for name, o := range seen {
		facts[name] = o.Facts
	}
	objects, err := desired.Objects(desired.Input{Cluster: e.cluster, Release: e.release, Inventory: inv, Facts: facts})
	if err != nil {
		return
	}
	index := map[string]*WorkerState{}
	for i := range out {
		index[out[i].Name] = &out[i]
		out[i].Node = nodes[out[i].Name].State
	}
	states, err := api.Compare(ctx, slices.DeleteFunc(objects, func(o desired.Object) bool { return o.Kind != "Node" || index[o.Name] == nil }))
	if err != nil {
		return
	}
	for _, s := range states {
		if w := index[s.Object.Name]; w.Err == nil && (!s.Exists || len(s.Fields) > 0) {
			w.Drift = append(w.Drift, "node in the API: "+ObjectDrift{Missing: !s.Exists, Fields: s.Fields, Reason: s.Reason}.What())
		}
	}
}
