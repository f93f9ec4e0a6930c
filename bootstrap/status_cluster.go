package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/etcd"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/kube"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/artifact"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/pki"
)

// statusOfCluster asks etcd and the API, at once, and the hosts for their snapshots, and gives the nodes.
func (e *Engine) statusOfCluster(ctx context.Context, s *Status, inv *inventory.Inventory, seen map[string]*hostapi.Observation) map[string]kube.NodeInfo {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	var nodes map[string]kube.NodeInfo
	var wg sync.WaitGroup
	api := e.API(e, nil)
	defer api.Close()
	ask := func(what func() error, failure *string) {
		wg.Go(func() {
			if err := what(); err != nil {
				*failure = trouble(err)
			}
		})
	}
	ask(func() (err error) { s.Etcd, err = statusOfMembers(ctx, api); return err }, &s.EtcdError)
	ask(func() (err error) { nodes, err = api.Nodes(ctx); return err }, &s.APIError)
	if !s.Destroying && !e.Remembered {
		ask(func() (err error) { s.Objects, err = e.statusOfObjects(ctx, api, inv, seen); return err }, &s.ObjectsError)
		wg.Go(func() { s.Snapshots = e.statusOfSnapshots(ctx, inv, seen) })
	}
	wg.Wait()
	if s.APIError != "" {
		s.Objects, s.ObjectsError = nil, "" // said once
	}
	return nodes
}

// trouble words an error for a status, which is no remedy for itself.
func trouble(err error) string {
	var unreachable *kube.UnreachableError
	switch {
	case errors.As(err, &unreachable):
		return "no API server answers: " + strings.Join(unreachable.Attempts, "; ")
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("no answer within %s", statusTimeout)
	}
	return err.Error()
}

// statusOfObjects compares the API's objects with those that are desired, as a plan does. Nodes that the cluster does not know yet are left out: their hosts are not set up.
func (e *Engine) statusOfObjects(ctx context.Context, api API, inv *inventory.Inventory, seen map[string]*hostapi.Observation) ([]ObjectDrift, error) {
	objects, err := e.objects(inv, seen)
	if err != nil {
		return nil, err
	}
	states, err := api.Compare(ctx, objects)
	if err != nil {
		return nil, err
	}
	orphans, err := api.Orphans(ctx, objects)
	if err != nil {
		return nil, err
	}
	manifests, err := api.CompareManifests(ctx, desired.Manifests(e.cluster))
	if err != nil {
		return nil, err
	}
	return slices.Concat(driftOf(states, orphans, false), driftOf(manifests.Objects, manifests.Orphans, true)), nil
}

// driftOf tells which objects are not as desired, and which are not wanted any more.
func driftOf(states []plan.ObjectState, orphans []desired.Object, ofManifests bool) []ObjectDrift {
	var out []ObjectDrift
	add := func(o *desired.Object, d ObjectDrift) {
		d.Kind, d.GroupKind, d.Namespace, d.Name, d.Manifest = o.Kind, o.GroupKind().String(), o.Namespace, o.Name, ofManifests
		out = append(out, d)
	}
	for _, st := range states {
		if !st.Exists || len(st.Fields) > 0 || st.Reason != "" || st.Problem != "" {
			add(st.Object, ObjectDrift{Missing: !st.Exists, Fields: st.Fields, Reason: st.Reason, Problem: st.Problem})
		}
	}
	for i := range orphans {
		add(&orphans[i], ObjectDrift{Unwanted: true})
	}
	return out
}

// statusOfMembers gives a row for each member. That no quorum agrees is told by the rows.
func statusOfMembers(ctx context.Context, api API) ([]etcd.Status, error) {
	found, err := api.Membership(ctx)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(found.Status, func(a, b etcd.Status) int { return strings.Compare(a.Name, b.Name) })
	return found.Status, nil
}

// Who keeps new pods off a node.
const (
	cordonedByTrivet = "trivet"
	cordonedByOthers = "others"
)

// statusOfNode takes over what the API knows of a host's node.
func (e *Engine) statusOfNode(hs *HostStatus, n kube.NodeInfo) {
	hs.Node = n.State
	switch {
	case n.CordonedByTrivet:
		hs.Cordoned = cordonedByTrivet
	case n.Unschedulable:
		hs.Cordoned = cordonedByOthers
	}
	hs.NoNetwork = e.cluster.Network.Plugin == release.PluginFlannel && n.Ready() && !n.NetworkReady
}

// statusOfInventory compares the cluster's memory with the topology, and the API's nodes with it.
func (e *Engine) statusOfInventory(s *Status, inv *inventory.Inventory, nodes map[string]kube.NodeInfo) {
	if s.From = inv.From; s.From != "" {
		s.Progress, s.Paused = progress(e.cluster, inv, nodes), e.cluster.Upgrade.Paused
	}
	if e.cluster.Kubernetes != inv.Kubernetes {
		s.Wanted = e.cluster.Kubernetes
	}
	known := map[string]bool{}
	for _, h := range e.cluster.Hosts {
		known[h.Name] = true
	}
	for _, h := range inv.Hosts {
		if !known[h.Name] {
			s.Leaving = append(s.Leaving, h.Name)
		}
		known[h.Name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(nodes)) {
		if !known[name] {
			s.UnknownNodes = append(s.UnknownNodes, name)
		}
	}
	s.Rotations, s.Authorities = plan.Rotations(e.cluster, inv, s.Time), plan.AuthorityNotes(inv.Public, s.Time)
}

// Progress counts the nodes whose kubelet is of the release that an upgrade goes to.
type Progress struct {
	Workers         int `json:"workers"`
	OfWorkers       int `json:"ofWorkers"`
	ControlPlanes   int `json:"controlPlanes"`
	OfControlPlanes int `json:"ofControlPlanes"`
}

// progress leaves out hosts that are there for the time of the upgrade.
func progress(c *topology.Cluster, inv *inventory.Inventory, nodes map[string]kube.NodeInfo) *Progress {
	if nodes == nil {
		return nil
	}
	p := &Progress{}
	for _, h := range c.Nodes() {
		has := nodes[h.Name].KubeletVersion == "v"+inv.Kubernetes
		switch {
		case h.Surge:
		case h.Has(topology.RoleControlPlane):
			p.OfControlPlanes++
			if has {
				p.ControlPlanes++
			}
		default:
			p.OfWorkers++
			if has {
				p.Workers++
			}
		}
	}
	return p
}

// SnapshotState sums up what hosts keep of etcd.
type SnapshotState struct {
	Count  int             `json:"count"`
	Newest time.Time       `json:"newest,omitzero"`
	Due    time.Time       `json:"due,omitzero"` // when the schedule had one taken last
	Wrong  []SnapshotWrong `json:"wrong,omitempty"`
}

// statusOfSnapshots asks the hosts that answer and have been set up to keep some; nil where there are none. Nothing is due from before the cluster was.
func (e *Engine) statusOfSnapshots(ctx context.Context, inv *inventory.Inventory, seen map[string]*hostapi.Observation) *SnapshotState {
	if !e.cluster.Etcd.Snapshots.Wanted {
		return nil
	}
	asked := slices.DeleteFunc(slices.Clone(e.cluster.Hosts), func(h *topology.Host) bool { return !keepsSnapshots(seen[h.Name]) })
	if len(asked) == 0 {
		return nil
	}
	found, err := e.snapshotsOn(ctx, asked, born(inv), false)
	if err != nil {
		return &SnapshotState{Wrong: []SnapshotWrong{{Detail: trouble(err)}}}
	}
	out := &SnapshotState{Due: found.Due, Wrong: found.Wrong}
	for _, h := range found.Hosts {
		for _, x := range h.Snapshots {
			out.Count++
			if x.Wrong == "" && x.Taken.After(out.Newest) {
				out.Newest = x.Taken
			}
		}
	}
	return out
}

// keepsSnapshots says whether a host that was seen has been set up to.
func keepsSnapshots(o *hostapi.Observation) bool {
	return o != nil && o.Record.Made(hostapi.ID{Kind: hostapi.KindUnit, Name: desired.SnapshotReceiver})
}

// born is when the cluster's etcd was given its authority, or has a new one since.
func born(inv *inventory.Inventory) time.Time {
	list, err := pki.DecodeCertificates([]byte(inv.Public.Authorities[string(certs.Etcd)]))
	if err != nil || len(list) == 0 {
		return time.Time{}
	}
	return list[len(list)-1].NotBefore.Add(pki.Skew)
}

// objects compiles the API's objects from what the hosts have recorded, so that no artifact is needed.
func (e *Engine) objects(inv *inventory.Inventory, seen map[string]*hostapi.Observation) ([]desired.Object, error) {
	if err := plan.Refuse(e.cluster, inv); err != nil {
		return nil, fmt.Errorf("not compared: %w", err)
	}
	facts := map[string]hostapi.Facts{}
	for name, o := range seen {
		facts[name] = o.Facts
	}
	target, err := desired.Allot(inv, e.cluster, facts)
	if err != nil {
		return nil, fmt.Errorf("not compared: %w", err)
	}
	all, err := desired.Objects(desired.Input{Cluster: e.cluster, Release: e.release, Inventory: target, Facts: facts, Artifacts: e.recordedDNS(seen)})
	if err != nil {
		return nil, fmt.Errorf("not compared: %w", err)
	}
	return slices.DeleteFunc(all, func(o desired.Object) bool { return o.Kind == "Node" && inv.Host(o.Name) == nil }), nil
}

// recordedDNS is CoreDNS's image under the reference that the hosts have recorded: the only thing about artifacts that objects depend on.
func (e *Engine) recordedDNS(seen map[string]*hostapi.Observation) []artifact.Entry {
	name, _, _ := strings.Cut(path.Base(e.release.CoreDNSImage()), ":")
	for _, h := range e.cluster.Hosts {
		o := seen[h.Name]
		if o == nil || o.Record == nil {
			continue
		}
		for _, r := range o.Record.Items {
			if im := r.Item.Image; im != nil && strings.HasPrefix(path.Base(im.Reference), name+":") {
				return []artifact.Entry{{Want: artifact.Want{Name: name, Version: e.release.CoreDNS, Arch: o.Facts.Architecture, Kind: artifact.Image}, Reference: im.Reference}}
			}
		}
	}
	return nil
}
