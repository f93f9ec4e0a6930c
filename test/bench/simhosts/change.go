package simhosts

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"filippo.io/age"

	"github.com/trivet-dev/trivet/bootstrap"
	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/kube"
	"github.com/trivet-dev/trivet/bootstrap/plan"
)

// Changed is what one change of a running cluster took in the operator's process.
type Changed struct {
	Hosts   int     `json:"hosts"`
	Connect float64 `json:"connectSeconds"`
	Plan    float64 `json:"planSeconds"`
	Apply   float64 `json:"applySeconds"`
	Total   float64 `json:"totalSeconds"`
	// Contacted are the hosts that were asked for more than a look, which all hosts are asked for.
	Contacted []string `json:"contacted"`
}

// Change does what `trivet apply` does, and looks, after the clock has stopped, whether there is nothing left to do.
func Change(ctx context.Context, o bootstrap.Options) (*Changed, error) {
	m, start := &Changed{}, time.Now()
	e, err := bootstrap.Connect(ctx, o)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	if err := e.Unreachable(); err != nil {
		return nil, err
	}
	m.Hosts, m.Connect = len(e.Hosts()), time.Since(start).Seconds()
	lap := time.Now()
	p, err := e.Plan(ctx)
	if err != nil {
		return nil, err
	}
	m.Plan, lap = time.Since(lap).Seconds(), time.Now()
	if err := e.Apply(ctx, p); err != nil {
		return nil, err
	}
	m.Apply, m.Total = time.Since(lap).Seconds(), time.Since(start).Seconds()
	trips := map[string]int{}
	for name, h := range e.Hosts() {
		trips[name] = h.Stats().RoundTrips
	}
	look := slices.Min(slices.Collect(maps.Values(trips)))
	for _, name := range slices.Sorted(maps.Keys(trips)) {
		if trips[name] > look {
			m.Contacted = append(m.Contacted, name)
		}
	}
	if p, err = e.Plan(ctx); err != nil {
		return nil, err
	} else if !p.Empty() {
		return nil, fmt.Errorf("after the change a plan has %d actions, the first: %s", p.Actions(), First(p))
	}
	return m, nil
}

// Add adds the spare host to the cluster of simulated hosts.
func Add(ctx context.Context, f *Fleet, helper string, parallel int) (*Changed, error) {
	t, err := f.Parse([]byte(withSpare(f.Hosts, parallel).HCL(f.Recipient)))
	if err != nil {
		return nil, err
	}
	key, err := age.ParseX25519Identity(f.Identity)
	if err != nil {
		return nil, err
	}
	api := &growing{joined: map[string]bool{}}
	return Change(ctx, bootstrap.Options{
		Topology: t, Artifacts: &fleettest.Fleet{}, Helper: func(string) (string, error) { return helper, nil },
		Identities: func() ([]age.Identity, error) { return []age.Identity{key}, nil },
		API: func(e *bootstrap.Engine, _ func() (*identity.Identity, error)) bootstrap.API {
			api.sameObjects = sameObjects{cluster: e.Cluster()}
			api.spare = spare
			return api
		},
	})
}

// growing is an API that has no Node of the spare host until it is given one. A node is Ready as soon as its kubelet was started, which the plan afterwards looks for on the host.
type growing struct {
	sameObjects
	spare  string
	joined map[string]bool
}

func (g *growing) Nodes(ctx context.Context) (map[string]kube.NodeInfo, error) {
	out, err := g.sameObjects.Nodes(ctx)
	if !g.joined[g.spare] {
		delete(out, g.spare)
	}
	return out, err
}

func (g *growing) Compare(ctx context.Context, objects []desired.Object) ([]plan.ObjectState, error) {
	out, err := g.sameObjects.Compare(ctx, objects)
	for i := range out {
		if objects[i].Kind == "Node" && objects[i].Name == g.spare {
			out[i].Exists = g.joined[g.spare]
		}
	}
	return out, err
}

func (g *growing) ApplyObjects(_ context.Context, objects []desired.Object) error {
	for _, o := range objects {
		if o.Kind != "Node" || o.Name != g.spare {
			return fmt.Errorf("%s %s is applied, and only the Node of %s is new", o.Kind, o.Name, g.spare)
		}
		g.joined[o.Name] = true
	}
	return nil
}

func (g *growing) NodesReady(_ context.Context, nodes []string, _ func(string)) error {
	if slices.Contains(nodes, g.spare) && !g.joined[g.spare] {
		return fmt.Errorf("there is no node %s", g.spare)
	}
	return nil
}

func (*growing) NetworksReady(context.Context, []string, func(string)) error { return nil }
func (*growing) DNSAvailable(context.Context, int, func(string)) error       { return nil }
