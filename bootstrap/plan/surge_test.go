package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/trivet-dev/trivet/bootstrap/fleettest"
	"github.com/trivet-dev/trivet/bootstrap/kube"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// upgraded is a cluster of one control plane and workers that is asked for the next release, with surge hosts at hand.
func upgraded(t *testing.T, upgrade string, gone ...string) *world {
	t.Helper()
	s := fleettest.Settings{Kubernetes: "1.36.3", Cluster: "  upgrade {\n" + upgrade + "\n  }", Hosts: []fleettest.Host{{Name: "cp1", Site: "s1", Roles: []string{"control-plane", "etcd"}}}}
	for i := range 4 {
		s.Hosts = append(s.Hosts, fleettest.Host{Name: fmt.Sprintf("w%d", i+1), Site: []string{"s1", "s2"}[i/2], Roles: []string{"worker"}})
	}
	s.Hosts = append(s.Hosts, fleettest.Host{Name: "x1", Site: "s1", Roles: []string{"worker"}, Surge: true}, fleettest.Host{Name: "x2", Site: "s1", Roles: []string{"worker"}, Surge: true})
	w := newWorld(t, s)
	w.settle()
	s.Kubernetes = "1.37.2"
	if err := w.fleet.Change(s); err != nil {
		t.Fatal(err)
	}
	for _, name := range gone {
		w.fleet.Unreachable[name] = true
	}
	w.observe()
	return w
}

func phaseOf(p *plan.Plan, name string) plan.Phase {
	for _, ph := range p.Phases {
		if ph.Name == name {
			return ph
		}
	}
	return plan.Phase{}
}

// TestSurge wants surge hosts to come before workers go away, and as many more of their group to be away as there are of them.
func TestSurge(t *testing.T) {
	for _, c := range []struct {
		name, upgrade string
		gone          []string
		ready         []string
		limits        map[string]int
		skipped       string // why workers are
	}{
		{"with those that may be away", "max_unavailable = \"25%\"", nil, []string{"x1", "x2"}, map[string]int{"": 3}, ""},
		{"alone", "max_unavailable = 0", nil, []string{"x1", "x2"}, map[string]int{"": 2}, ""},
		{"in their group", "max_unavailable = 1\nper = \"site\"", nil, []string{"x1", "x2"}, map[string]int{"s1": 3, "s2": 1}, ""},
		{"one does not answer", "max_unavailable = 0", []string{"x2"}, []string{"x1"}, map[string]int{"": 1}, ""},
		{"none answers", "max_unavailable = 1", []string{"x1", "x2"}, nil, map[string]int{"": 1}, ""},
		{"none answers, and none may be away", "max_unavailable = 0", []string{"x1", "x2"}, nil, nil, "of the 4 nodes of the cluster 0 may be away (max_unavailable = 0), and no surge host stands in"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := upgraded(t, c.upgrade, c.gone...).plan()
			same(t, "surge hosts", c.ready, p.Surge)
			if surge := phaseOf(p, "surge"); len(c.ready) > 0 && (len(surge.Steps) != len(c.ready) || !slices.Equal(surge.Gates[0].Hosts, c.ready)) {
				t.Errorf("phase surge: %+v", surge)
			}
			same(t, "limits", c.limits, phaseOf(p, "nodes").Limits)
			if p.Settles != p.Complete() || p.GoesOn != (p.Settles && len(c.ready) > 0) {
				t.Errorf("complete %t, settles %t, goes on %t", p.Complete(), p.Settles, p.GoesOn)
			}
			if c.skipped == "" && !p.Complete() {
				t.Errorf("skipped: %+v", p.Skipped)
			}
			for _, s := range p.Skipped {
				if !strings.HasPrefix(s.Host, "w") || !strings.Contains(s.Reason, c.skipped) {
					t.Errorf("skipped: %+v", s)
				}
			}
		})
	}
}

// TestSurgeHostThatIsNotReady wants one that came and is not Ready to stand in for nobody, and nobody to wait for it.
func TestSurgeHostThatIsNotReady(t *testing.T) {
	w := upgraded(t, "max_unavailable = 1")
	in := w.input()
	now := map[string]bool{"cp1": true, "x1": true, "x2": true}
	for _, h := range in.Desired.Hosts {
		if !now[h.Name] {
			continue
		}
		w.seen[h.Name].Record = &hostapi.Record{Cluster: "main", ClusterID: w.current.ClusterID, Host: h.Name, Epoch: 1} // as it will be
		for _, i := range h.Items {
			w.seen[h.Name].Record.Items = append(w.seen[h.Name].Record.Items, hostapi.RecordedItem{Item: w.recorded(i)})
		}
	}
	in.Nodes["x1"] = kube.NodeInfo{Name: "x1", State: "Ready", NetworkReady: true}
	in.Nodes["x2"] = kube.NodeInfo{Name: "x2", State: "the kubelet stopped posting its status", NetworkReady: true}
	p, err := plan.Make(in)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "surge hosts", []string{"x1"}, p.Surge)
	same(t, "limits", map[string]int{"": 2}, phaseOf(p, "nodes").Limits)
	if !slices.ContainsFunc(p.Notes, func(n string) bool { return strings.Contains(n, "surge host x2 is not Ready: it stands in for nobody") }) {
		t.Errorf("notes: %q", p.Notes)
	}
}

// TestSurgeOutsideOfUpgrades wants nobody to look at surge hosts where the release stays.
func TestSurgeOutsideOfUpgrades(t *testing.T) {
	w := upgraded(t, "max_unavailable = 0")
	w.current.Kubernetes = "1.37.2"
	in := w.input()
	if len(in.Desired.Hosts) != 5 || in.Target.Host("x1") != nil {
		t.Errorf("%d hosts, x1 is %+v", len(in.Desired.Hosts), in.Target.Host("x1"))
	}
}
