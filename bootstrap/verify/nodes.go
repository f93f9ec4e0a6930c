package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/trivet-dev/trivet/bootstrap/kube"
)

// errNotConnected is why a host is away where nobody says more.
var errNotConnected = errors.New("there is no connection to it")

// hosts has a row for each host: those that are away fail, and what would have been asked from them is left out.
func (r *run) hosts() {
	for _, h := range r.Cluster.Hosts {
		check := Check{Name: CheckHost, Host: h.Name, OK: true, Detail: "connected"}
		if !r.connected(h.Name) {
			check.OK, check.Detail = false, fmt.Sprintf("%v; what would have been asked from it was left out", cmp.Or(r.Away[h.Name], errNotConnected))
			check.Remedy = "bring the host or its site back, and run trivet verify again"
		}
		r.add(check)
	}
}

// nodeState is what the API has of a node.
type nodeState struct {
	why     string // it is not ready; "" when it is
	version string // of its kubelet
	since   time.Duration
}

// nodes checks the Node objects and tells which nodes are ready, and whether the API said anything. It waits for a while, and not for nodes whose hosts are away.
func (r *run) nodes(ctx context.Context) (ready []string, answered bool) {
	started := time.Now()
	states, err := r.nodeStates(ctx)
	if err != nil && len(states) == 0 {
		if ctx.Err() == nil {
			r.add(Check{Name: CheckAPI, Detail: fmt.Sprintf("it did not list the nodes: %v", err), Elapsed: time.Since(started),
				Remedy: "run trivet status: it tells whether etcd has a quorum, and how kube-apiserver is on each control plane"})
		}
		return nil, false
	}
	want := "v" + strings.TrimPrefix(r.Cluster.Kubernetes, "v")
	for _, name := range r.nodeNames() {
		s := states[name]
		check := Check{Name: CheckNodeReady, Host: name, Detail: "Ready", OK: true, Elapsed: s.since}
		version := Check{Name: CheckVersion, Host: name, Detail: s.version, OK: s.version == want, Elapsed: s.since}
		switch {
		case s.why != "":
			check.OK, check.Detail = false, "the Node is not Ready: "+s.why
			check.Remedy = fmt.Sprintf("look at the units kubelet and containerd on %s, and whether it reaches the control planes", name)
			if !r.connected(name) {
				check.Remedy = "bring the host " + name + " back"
			}
		default:
			ready = append(ready, name)
		}
		switch {
		case version.OK:
		case s.version == "":
			version.Detail, version.Remedy = "the kubelet has reported no version", "look at the unit kubelet on "+name
		default:
			version.Detail = fmt.Sprintf("the kubelet reports %s, the topology says %s", s.version, want)
			version.Remedy = "run trivet plan: it tells what differs"
		}
		r.add(check)
		r.add(version)
	}
	return ready, true
}

func (r *run) nodeStates(ctx context.Context) (map[string]nodeState, error) {
	names := r.nodeNames()
	started := time.Now()
	wait, cancel := context.WithTimeout(ctx, min(r.Timeout/3, nodePatience))
	defer cancel()
	states := make(map[string]nodeState)
	var known kube.Converter[corev1.Node]
	err := r.Client.Follow(wait, "v1", "Node", "", metav1.ListOptions{}, func(items map[string]*unstructured.Unstructured) (bool, error) {
		missing := 0
		for _, name := range names {
			now := nodeState{why: "no Node object: the kubelet has not registered it"}
			if u := items[name]; u != nil {
				node, err := known.Convert(u)
				if err != nil {
					return false, err
				}
				now = nodeState{why: kube.NotReady(node), version: node.Status.NodeInfo.KubeletVersion}
			}
			if old, ok := states[name]; ok && old.why == now.why {
				now.since = old.since
			} else {
				now.since = time.Since(started)
			}
			states[name] = now
			if now.why != "" && r.connected(name) {
				missing++
			}
		}
		return missing == 0, nil
	})
	return states, err
}

// watchNodes notices nodes that stop being ready: what waits for them need not wait longer.
func (r *run) watchNodes(ctx context.Context, ready []string) {
	var known kube.Converter[corev1.Node]
	_ = r.Client.Follow(ctx, "v1", "Node", "", metav1.ListOptions{}, func(items map[string]*unstructured.Unstructured) (bool, error) {
		for _, name := range ready {
			why := "the Node object is gone"
			if u := items[name]; u != nil {
				node, err := known.Convert(u)
				if err != nil {
					return false, err
				}
				why = kube.NotReady(node)
			}
			if why != "" {
				r.lose(name, why)
			}
		}
		return false, nil
	}) // it ends with ctx
}

// lose notes a node that stopped being ready and tells those who wait for it.
func (r *run) lose(node, why string) {
	r.mu.Lock()
	_, known := r.lost[node]
	if !known {
		r.lost[node] = "its node stopped being ready: " + why
	}
	tell := r.whenLost
	r.mu.Unlock()
	if !known {
		for _, do := range tell {
			do(node, r.isLost(node))
		}
	}
}

// isLost tells why a node is lost; "" when it is not.
func (r *run) isLost(node string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lost[node]
}

// onLoss has do called for each node that is lost from now on, and for those that are already.
func (r *run) onLoss(do func(node, why string)) {
	r.mu.Lock()
	r.whenLost = append(r.whenLost, do)
	already := maps.Clone(r.lost)
	r.mu.Unlock()
	for node, why := range already {
		do(node, why)
	}
}

// coreDNS checks the Deployment that answers names. While nodes are away, one replica is enough.
func (r *run) coreDNS(ctx context.Context, ready []string) {
	started := time.Now()
	wait, cancel := context.WithTimeout(ctx, min(r.Timeout/3, startPatience))
	defer cancel()
	check := Check{Name: CheckCoreDNS, Peer: "kube-system/coredns", OK: true, Detail: "available"}
	minimum := 0
	if away := len(r.nodeNames()) - len(ready); away > 0 {
		minimum, check.Detail = 1, fmt.Sprintf("available, while %d of %d nodes are not ready", away, len(ready)+away)
	}
	err := r.Client.DeploymentReady(wait, "kube-system", "coredns", minimum)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		check.OK, check.Detail = false, err.Error()
		check.Remedy = "kubectl -n kube-system describe deployment coredns, and its pods"
	}
	check.Elapsed = time.Since(started)
	r.add(check)
}

// partners chooses the nodes of the two pods that share things: ready ones whose hosts answer, workers before control planes, two where there are two.
func (r *run) partners(ready []string) (first, second string) {
	var nodes []string
	for _, preferred := range []bool{true, false} {
		for _, h := range r.Cluster.Nodes() {
			if slices.Contains(ready, h.Name) && r.connected(h.Name) && (len(h.Roles) == 1) == preferred {
				nodes = append(nodes, h.Name)
			}
		}
	}
	nodes = append(nodes, ready...) // none answers: the pods can start all the same
	if first, second = nodes[0], nodes[0]; len(nodes) > 1 {
		second = nodes[1]
	}
	return first, second
}
