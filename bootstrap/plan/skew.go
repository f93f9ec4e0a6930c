package plan

import (
	"fmt"
	"slices"

	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// No kubelet may be newer than an API server (https://kubernetes.io/releases/version-skew-policy), and each asks any of them through its balancer. The order of phases sees to that
// where every host changes. Where some do not, since they do not answer or are held back, those wait that would come to be newer: nodes on the way forward, API servers on the way back.

// programsChange lists the hosts on which programs of a part are to be others.
func (m *maker) programsChange(part string) map[string]bool {
	out := map[string]bool{}
	for _, h := range m.hosts {
		out[h.Name] = m.programChanges(m.actions[h.Name], part)
	}
	return out
}

func (m *maker) programChanges(actions []Action, part string) bool {
	return slices.ContainsFunc(actions, func(a Action) bool { return a.Verb == Update && kindOf(a) == hostapi.KindArtifact && a.Part == part })
}

// oldServers are the control planes that stay with the release that is left; servers are those that would have changed. One that does not answer may have changed already: its kubelet
// did after all API servers.
func (m *maker) oldServers(servers map[string]bool) (out []string) {
	for _, h := range m.Cluster.HostsWith(topology.RoleControlPlane) {
		was := m.Current.Host(h.Name)
		away := m.Seen[h.Name] == nil && was != nil && was.Has(topology.RoleControlPlane) && m.Nodes[h.Name].KubeletVersion != "v"+m.Target.Kubernetes
		if away || servers[h.Name] && !m.programChanges(m.actions[h.Name], desired.PartAPIServer) {
			out = append(out, h.Name)
		}
	}
	return out
}

// holdNodes has nodes wait on the way forward while an API server stays as it is, and with them new ones and the objects of the release. What has begun is finished.
func (m *maker) holdNodes(servers map[string]bool) {
	upgrades, back := m.upgrades()
	if !upgrades || back {
		return
	}
	old := m.oldServers(servers)
	if len(old) == 0 {
		return
	}
	m.objectsWait = true
	programs := m.programs()[false]
	why := fmt.Sprintf("its kubelet would be newer than %s of %s, which %s Kubernetes %s or may do so: control planes go first",
		verb(len(old), "the API server", "the API servers"), desired.Few(old), verb(len(old), "runs", "run"), m.Target.From)
	for _, h := range slices.Clone(m.hosts) {
		switch {
		case !h.IsNode() || m.skipped(h.Name) || m.unborn(h):
		case m.isNew(h):
			if !h.Surge {
				m.skip(h, why)
			}
			m.leaveOut(h)
		case m.untouched(h, programs) && !m.Nodes[h.Name].CordonedByTrivet:
			m.wait(h, false, true)
			m.skip(h, why)
		}
	}
}

// newerKubelets are the nodes that keep the release that is left on the way back, those included that were to have another kubelet. Of a node that does not answer the API knows which it has.
func (m *maker) newerKubelets() (out []string) {
	goes := map[string]bool{}
	for _, ph := range m.plan.Phases {
		for _, s := range ph.Steps {
			goes[s.Host] = goes[s.Host] || m.programChanges(s.Actions, desired.PartKubelet)
		}
	}
	for _, h := range m.Cluster.Nodes() {
		n, known := m.Nodes[h.Name]
		away := m.Seen[h.Name] == nil && !h.Surge && (m.Nodes == nil || known && n.KubeletVersion != "" && n.KubeletVersion != "v"+m.Target.Kubernetes)
		if away || m.kubelets[h.Name] && !goes[h.Name] {
			out = append(out, h.Name)
		}
	}
	return out
}

// holdServers has control planes wait on the way back, whose turn comes after all nodes, while a kubelet stays as it is. No worker may fail before them.
func (m *maker) holdServers(voters []*topology.Host) (held bool) {
	changes := slices.DeleteFunc(slices.Clone(voters), func(h *topology.Host) bool { return !m.programChanges(m.aside[h.Name], desired.PartAPIServer) })
	if len(changes) == 0 {
		return false
	}
	m.plan.MaxFailed = 0
	newer := m.newerKubelets()
	if len(newer) == 0 {
		return false
	}
	why := fmt.Sprintf("its API server would be older than %s of %s, which %s Kubernetes %s: nodes go first",
		verb(len(newer), "the kubelet", "the kubelets"), desired.Few(newer), verb(len(newer), "keeps", "keep"), m.Target.From)
	for _, h := range changes {
		m.aside[h.Name] = slices.DeleteFunc(m.aside[h.Name], func(a Action) bool { return kindOf(a) != hostapi.KindKeyPair })
		if !m.skipped(h.Name) {
			m.skip(h, why)
		}
	}
	m.objectsWait = true
	return true
}
