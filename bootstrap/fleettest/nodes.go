package fleettest

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/kube"
	"github.com/trivet-dev/trivet/bootstrap/plan"
)

// Drained lists the nodes whose pods were taken off, in order.
func (f *Fleet) Drained() []string {
	f.api.mu.Lock()
	defer f.api.mu.Unlock()
	return slices.Clone(f.api.drained)
}

// FailDrain makes drains of a node fail until err is nil.
func (f *Fleet) FailDrain(node string, err error) { f.FailGate(plan.GateKind("drain "+node), err) }

// Nodes implements the engine's API.
func (a *API) Nodes(context.Context) (map[string]kube.NodeInfo, error) {
	if err := a.answers(); err != nil {
		return nil, err
	}
	states, versions := map[string]string{}, map[string]string{}
	for name := range a.fleet.Objects() {
		node, _ := strings.CutPrefix(name, "Node/")
		states[node], versions[node] = "Ready", a.fleet.kubelet(node)
		if a.fleet.Machines[node] == nil || a.running("kubelet.service", []string{node}) != nil {
			states[node] = "the kubelet stopped posting its status"
		}
	}
	a.fleet.api.mu.Lock()
	defer a.fleet.api.mu.Unlock()
	out := map[string]kube.NodeInfo{}
	for name := range a.fleet.api.objects {
		if node, ok := strings.CutPrefix(name, "Node/"); ok {
			cordoned := a.fleet.api.cordoned[node]
			out[node] = kube.NodeInfo{Name: node, State: states[node], KubeletVersion: versions[node], Unschedulable: cordoned, CordonedByTrivet: cordoned, NetworkReady: !a.fleet.api.silent[node]}
		}
	}
	return out, nil
}

// kubelet is the version of the program on a host, "" where there is none.
func (f *Fleet) kubelet(host string) string {
	m := f.Machines[host]
	if m == nil {
		return ""
	}
	blob, err := os.Readlink(m.Path(desired.KubeletProgram))
	if err != nil {
		return ""
	}
	program, err := os.ReadFile(m.Path(blob))
	fields := strings.Fields(string(program)) // as artifacts.of writes it
	if err != nil || len(fields) < 2 {
		return ""
	}
	return "v" + fields[1]
}

// Drain implements execute.Cluster.
func (a *API) Drain(ctx context.Context, node string, report func(string)) error {
	return a.onNode(ctx, "drain "+node, func(s *apiState) error {
		s.cordoned[node] = true
		if err := s.gates["drain "+node]; err != nil {
			report(err.Error())
			return err
		}
		s.drained = append(s.drained, node)
		return nil
	})
}

// Uncordon implements execute.Cluster.
func (a *API) Uncordon(ctx context.Context, node string) error {
	return a.onNode(ctx, "uncordon "+node, func(s *apiState) error {
		delete(s.cordoned, node)
		return nil
	})
}

// DeleteNode implements execute.Cluster.
func (a *API) DeleteNode(ctx context.Context, node string) error {
	return a.onNode(ctx, "delete node "+node, func(s *apiState) error {
		delete(s.objects, "Node/"+node)
		delete(s.cordoned, node)
		return nil
	})
}

func (a *API) onNode(ctx context.Context, what string, do func(*apiState) error) error {
	if a.fleet.point("api", what) || a.fleet.currentSession().isDead() {
		return errDead
	}
	if err := a.answers(); err != nil {
		return err
	}
	a.fleet.api.mu.Lock()
	err := ctx.Err()
	if err == nil {
		err = do(a.fleet.api)
	}
	a.fleet.api.mu.Unlock()
	if err == nil && a.fleet.point("api", what+", done") {
		return errDead
	}
	return err
}

// SilenceNetwork has the network plugin of a node say nothing, until it is restarted.
func (f *Fleet) SilenceNetwork(node string) {
	f.api.mu.Lock()
	defer f.api.mu.Unlock()
	f.api.silent[node] = true
}

// said fails for nodes whose network plugin says nothing: nobody would wait for one that will not speak.
func (a *API) said(nodes []string) error {
	a.fleet.api.mu.Lock()
	defer a.fleet.api.mu.Unlock()
	for _, n := range nodes {
		if a.fleet.api.silent[n] {
			return fmt.Errorf("node %s: the network plugin has not reported yet", n)
		}
	}
	return nil
}

// Cordoned lists the nodes that are cordoned.
func (f *Fleet) Cordoned() []string {
	f.api.mu.Lock()
	defer f.api.mu.Unlock()
	return slices.Sorted(maps.Keys(f.api.cordoned))
}

// Cordon leaves a node as a run does that was killed in a drain.
func (f *Fleet) Cordon(node string) {
	f.api.mu.Lock()
	defer f.api.mu.Unlock()
	f.api.cordoned[node] = true
}

// AddNode registers a Node that is nobody's.
func (f *Fleet) AddNode(name string) {
	f.api.mu.Lock()
	defer f.api.mu.Unlock()
	f.api.objects["Node/"+name] = []byte("{}")
}
