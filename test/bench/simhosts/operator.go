package simhosts

import (
	"context"
	"fmt"
	"time"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/etcd"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/kube"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// Measured is what one plan of the whole fleet took in the operator's process.
type Measured struct {
	Hosts         int     `json:"hosts"`
	LoadSeconds   float64 `json:"loadSeconds"`
	Connect       float64 `json:"connectSeconds"`
	Plan          float64 `json:"planSeconds"`
	Total         float64 `json:"totalSeconds"`
	Actions       int     `json:"actions"`
	RoundTrips    int     `json:"roundTrips"` // most of any host, after connecting
	BytesSent     int64   `json:"bytesSent"`
	BytesReceived int64   `json:"bytesReceived"`
}

// Plan does what `trivet plan` does: it reads the topology, connects to every host, observes all and makes the plan. The objects of the API, which no simulated host serves, are
// taken to be as desired.
func Plan(ctx context.Context, f *Fleet, helper string, parallel int) (*Measured, error) {
	m := &Measured{Hosts: f.Hosts}
	source := f.Source(parallel)
	start := time.Now()
	t, err := f.Parse(source)
	if err != nil {
		return nil, err
	}
	m.LoadSeconds = time.Since(start).Seconds()
	lap := time.Now()
	e, err := bootstrap.Connect(ctx, bootstrap.Options{
		Topology: t, Artifacts: &fleettest.Fleet{}, Helper: func(string) (string, error) { return helper, nil },
		API: func(e *bootstrap.Engine, _ func() (*identity.Identity, error)) bootstrap.API {
			return sameObjects{cluster: e.Cluster()}
		},
	})
	if err != nil {
		return nil, err
	}
	defer e.Close()
	if err := e.Unreachable(); err != nil {
		return nil, err
	}
	m.Connect = time.Since(lap).Seconds()
	lap = time.Now()
	p, err := e.Plan(ctx)
	if err != nil {
		return nil, err
	}
	m.Plan, m.Total = time.Since(lap).Seconds(), time.Since(start).Seconds()
	m.Actions = p.Actions()
	for _, h := range e.Hosts() {
		s := h.Stats()
		m.RoundTrips = max(m.RoundTrips, s.RoundTrips)
		m.BytesSent += s.BytesSent
		m.BytesReceived += s.BytesReceived
	}
	if !p.Empty() {
		return m, fmt.Errorf("the plan of a running cluster has %d actions, the first: %s", p.Actions(), First(p))
	}
	return m, nil
}

// First describes the first action of a plan.
func First(p *plan.Plan) string {
	for _, ph := range p.Phases {
		for _, s := range ph.Steps {
			for _, a := range s.Actions {
				return fmt.Sprintf("%s, host %q: %s %s (%s)", ph.Name, s.Host, a.Verb, a.ID, a.Reason)
			}
		}
	}
	return "none"
}

// sameObjects is an API in which every object, member and node is as desired. It does nothing else.
type sameObjects struct {
	bootstrap.API
	cluster *topology.Cluster
}

func (o sameObjects) Membership(context.Context) (*etcd.Membership, error) {
	out := &etcd.Membership{}
	for i, h := range o.cluster.HostsWith(topology.RoleEtcd) {
		out.Members = append(out.Members, etcd.Member{ID: uint64(i + 1), Name: h.Name, PeerURLs: []string{desired.PeerURL(h.Address)}})
	}
	return out, nil
}

func (o sameObjects) Nodes(context.Context) (map[string]kube.NodeInfo, error) {
	out := map[string]kube.NodeInfo{}
	for _, h := range o.cluster.Nodes() {
		out[h.Name] = kube.NodeInfo{Name: h.Name, State: "Ready", NetworkReady: true}
	}
	return out, nil
}

func (sameObjects) Compare(_ context.Context, objects []desired.Object) ([]plan.ObjectState, error) {
	out := make([]plan.ObjectState, len(objects))
	for i := range objects {
		out[i] = plan.ObjectState{Object: &objects[i], Exists: true}
	}
	return out, nil
}

func (sameObjects) Orphans(context.Context, []desired.Object) ([]desired.Object, error) {
	return nil, nil
}

func (sameObjects) CompareManifests(context.Context, []desired.Object) (*plan.Manifests, error) {
	return &plan.Manifests{}, nil
}

func (sameObjects) Close() {}
