package plan_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"slices"
	"testing"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/etcd"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/bootstrap/kube"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/artifact"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// world is a cluster as a plan sees it: nothing here is a host.
type world struct {
	t       *testing.T
	fleet   *fleettest.Fleet
	id      *identity.Identity
	current *inventory.Inventory
	seen    map[string]*hostapi.Observation
	objects []plan.ObjectState
	mute    bool // etcd does not answer
}

var threeSites = fleettest.Settings{Hosts: []fleettest.Host{
	{Name: "cp1", Site: "s1", Roles: []string{"control-plane", "etcd"}},
	{Name: "cp2", Site: "s2", Roles: []string{"control-plane", "etcd"}},
	{Name: "cp3", Site: "s3", Roles: []string{"control-plane", "etcd"}},
	{Name: "w1", Site: "s1", Roles: []string{"worker"}},
	{Name: "w2", Site: "s1", Roles: []string{"worker"}},
}}

// newWorld has hosts that nobody touched yet.
func newWorld(t *testing.T, s fleettest.Settings) *world {
	t.Helper()
	f, err := fleettest.New(fleettest.Dir(t), s)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, fleet: f, seen: map[string]*hostapi.Observation{}}
	if w.id, err = identity.New(rand.Reader, fleettest.Now, f.Cluster); err != nil {
		t.Fatal(err)
	}
	w.observe()
	return w
}

func (w *world) observe() {
	w.t.Helper()
	for _, h := range w.cluster().Hosts {
		if w.seen[h.Name] != nil {
			continue
		}
		o, err := w.fleet.Observe(h.Name)
		if err != nil {
			w.t.Fatal(err)
		}
		w.seen[h.Name] = o
	}
}

// cluster has those surge hosts that may be a part of it now, and answer.
func (w *world) cluster() *topology.Cluster {
	return desired.Members(w.current, w.fleet.Cluster, func(h *topology.Host) bool { return !w.fleet.Unreachable[h.Name] })
}

// input compiles, as the engine does before it plans.
func (w *world) input() plan.Input {
	w.t.Helper()
	c := w.cluster()
	facts := map[string]hostapi.Facts{}
	for n, o := range w.seen {
		facts[n] = o.Facts
	}
	target, err := desired.Allot(w.current, c, facts)
	if err != nil {
		w.t.Fatal(err)
	}
	target.Initialised = true
	rel, err := release.Lookup(c.Kubernetes)
	if err != nil {
		w.t.Fatal(err)
	}
	entries, err := w.fleet.Resolve(context.Background(), desired.Wants(c, rel, facts, true))
	if err != nil {
		w.t.Fatal(err)
	}
	d, err := desired.Compile(desired.Input{Cluster: c, Release: rel, Inventory: target, Facts: facts, Artifacts: entries})
	if err != nil {
		w.t.Fatal(err)
	}
	names := map[string]string{}
	for _, e := range entries {
		names[e.SHA256] = e.Name
		if e.Kind == artifact.Package {
			names[e.SHA256] = e.Reference
		}
	}
	return plan.Input{Members: w.members(), Nodes: w.nodes(), Cluster: c, Current: w.current, Target: target, Desired: d, Seen: w.seen, Objects: w.objects, BlobNames: names, Now: fleettest.Now}
}

func (w *world) plan() *plan.Plan {
	w.t.Helper()
	p, err := plan.Make(w.input())
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// settle makes the world what it is after an apply.
func (w *world) settle() {
	w.t.Helper()
	facts := map[string]hostapi.Facts{}
	for n, o := range w.seen {
		facts[n] = o.Facts
	}
	inv, err := desired.Allot(nil, w.fleet.Cluster, facts)
	if err != nil {
		w.t.Fatal(err)
	}
	inv.Initialised, inv.BringingUp, inv.Generation, inv.ClusterID, inv.Public = true, false, 3, w.id.ClusterID, w.id.Public()
	w.current = inv
	content, err := inv.Marshal()
	if err != nil {
		w.t.Fatal(err)
	}
	in := w.input()
	for _, h := range in.Desired.Hosts {
		o, have := w.seen[h.Name], map[string]bool{}
		o.Blobs = nil
		o.Record = &hostapi.Record{Cluster: "main", ClusterID: inv.ClusterID, Host: h.Name, Epoch: 1}
		for _, i := range h.Items {
			o.Record.Items = append(o.Record.Items, hostapi.RecordedItem{Item: w.recorded(i)})
			for _, b := range archives(i.Item) {
				if !have[b.SHA256] {
					have[b.SHA256] = true
					o.Blobs = append(o.Blobs, b)
				}
			}
		}
		o.Documents = map[string]hostapi.Document{}
		if slices.Contains(inv.Host(h.Name).Roles, "control-plane") {
			o.Documents[inventory.Document] = hostapi.Document{Name: inventory.Document, Generation: 2, Content: content}
			o.Documents[identity.Document] = hostapi.Document{Name: identity.Document, Generation: 1, Content: []byte("sealed")}
		}
	}
	w.objects = []plan.ObjectState{}
	for i := range in.Desired.Objects {
		w.objects = append(w.objects, plan.ObjectState{Object: &in.Desired.Objects[i], Exists: true})
	}
}

func archives(i hostapi.Item) []hostapi.Blob {
	switch {
	case i.Artifact != nil:
		return []hostapi.Blob{i.Artifact.Blob}
	case i.Image != nil:
		return []hostapi.Blob{i.Image.Archive}
	case i.Package != nil:
		return i.Package.Archives
	}
	return nil
}

// recorded is an item as its host keeps it.
func (w *world) recorded(i desired.Item) hostapi.Item {
	w.t.Helper()
	it := i.Item
	if it.File != nil {
		f := *it.File
		f.Content = nil
		it.File = &f
	}
	if it.KeyPair != nil {
		cert, _, err := certs.Issue(rand.Reader, fleettest.Now, *i.Certificate, w.id.Authority(i.Certificate.Authority))
		if err != nil {
			w.t.Fatal(err)
		}
		k := *it.KeyPair
		k.Certificate = cert
		it.KeyPair = &k
	}
	return it
}

// drift says that an item differs on a host.
func (w *world) drift(host string, kind hostapi.Kind, name, what string, code ...hostapi.DriftCode) {
	w.seen[host].Drift = append(w.seen[host].Drift, hostapi.Drift{ID: hostapi.ID{Kind: kind, Name: name}, What: what, Code: cmp.Or(code...)})
}

// members are those of the current inventory, all healthy, but for those in trouble.
func (w *world) members() *plan.Members {
	if w.current == nil || w.mute {
		return nil
	}
	out := &plan.Members{Trouble: map[uint64]string{}, Corrupt: map[uint64]bool{}}
	for i, name := range w.current.With(topology.RoleEtcd) {
		x := etcd.Member{ID: uint64(i + 1), Name: name, PeerURLs: []string{desired.PeerURL(w.current.Host(name).Address)}}
		out.List = append(out.List, x)
		if o := w.seen[name]; o == nil || o.Record == nil || slices.ContainsFunc(o.Drift, func(d hostapi.Drift) bool { return d.Code == hostapi.DriftDataGone }) {
			out.Trouble[x.ID] = "it does not answer"
		}
	}
	if n := len(out.List); n-len(out.Trouble) < etcd.Quorum(n) {
		return nil
	}
	return out
}

// nodes are those of the current inventory, all as they should be.
func (w *world) nodes() map[string]kube.NodeInfo {
	out := map[string]kube.NodeInfo{}
	if w.current != nil {
		for _, h := range w.current.Hosts {
			if h.PodCIDR.IsValid() {
				out[h.Name] = kube.NodeInfo{Name: h.Name, State: "Ready", NetworkReady: true}
			}
		}
	}
	return out
}
