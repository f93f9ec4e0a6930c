package verify

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/trivet-dev/trivet/bootstrap/kube"
)

// nodes checks the Node objects and tells which nodes are ready. It waits for a while, and not for a node that stays away.
func (r *run) nodes(ctx context.Context) (ready []string) {
	names := r.nodeNames()
	started := time.Now()
	wait, cancel := context.WithTimeout(ctx, min(r.Timeout/3, 2*patience))
	defer cancel()
	state := make(map[string]string)
	since := make(map[string]time.Duration)
	err := r.Client.NodesReady(wait, names, func(now map[string]string) {
		for name, why := range now {
			if old, known := state[name]; !known || old != why {
				since[name] = time.Since(started)
			}
		}
		state = now
	})
	for _, name := range names {
		check := Check{Name: CheckNodeReady, Host: name, Detail: "Ready", OK: true, Elapsed: since[name]}
		why, known := state[name]
		switch {
		case !known:
			check.OK, check.Detail = false, fmt.Sprintf("the API did not tell: %v", err)
			check.Remedy = "look at the unit kube-apiserver on the control planes"
		case why != "":
			check.OK, check.Detail = false, "the Node is not Ready: "+why
			check.Remedy = "look at the units kubelet and containerd on " + name
		default:
			ready = append(ready, name)
		}
		r.add(check)
	}
	r.versions(ctx, names)
	return ready
}

// versions compares what kubelets report with the topology.
func (r *run) versions(ctx context.Context, names []string) {
	started := time.Now()
	want := "v" + strings.TrimPrefix(r.Cluster.Kubernetes, "v")
	found := make(map[string]string)
	err := r.Client.Follow(ctx, "v1", "Node", "", metav1.ListOptions{}, func(items map[string]*unstructured.Unstructured) (bool, error) {
		for name, u := range items {
			version, _, _ := unstructured.NestedString(u.Object, "status", "nodeInfo", "kubeletVersion")
			found[name] = version
		}
		return true, nil
	})
	for _, name := range names {
		check := Check{Name: CheckVersion, Host: name, Detail: found[name], OK: found[name] == want, Elapsed: time.Since(started)}
		switch {
		case err != nil:
			check.OK, check.Detail, check.Remedy = false, fmt.Sprintf("listing nodes: %v", err), "look at the unit kube-apiserver on the control planes"
		case found[name] == "":
			check.Detail, check.Remedy = "the kubelet has reported no version", "look at the unit kubelet on "+name
		case !check.OK:
			check.Detail = fmt.Sprintf("the kubelet reports %s, the topology says %s", found[name], want)
			check.Remedy = "run trivet plan: it tells what differs"
		}
		r.add(check)
	}
}

// coreDNS checks the Deployment that answers names.
func (r *run) coreDNS(ctx context.Context) {
	started := time.Now()
	wait, cancel := context.WithTimeout(ctx, min(r.Timeout/3, startPatience))
	defer cancel()
	check := Check{Name: CheckCoreDNS, Peer: "kube-system/coredns", OK: true, Detail: "available"}
	if err := r.Client.DeploymentAvailable(wait, "kube-system", "coredns"); err != nil {
		check.OK, check.Detail = false, err.Error()
		check.Remedy = "kubectl -n kube-system describe deployment coredns, and its pods"
	}
	check.Elapsed = time.Since(started)
	r.add(check)
}

// awaitPods waits for the pods on the ready nodes and makes an agent of each.
func (r *run) awaitPods(ctx context.Context, ready []string) {
	started := time.Now()
	wait, cancel := context.WithTimeout(ctx, min(r.Timeout/3, startPatience))
	defer cancel()
	why := make(map[string]string)
	err := r.Client.Follow(wait, "v1", "Pod", r.space, metav1.ListOptions{LabelSelector: appLabel + "=" + probeName},
		func(items map[string]*unstructured.Unstructured) (bool, error) {
			pods, err := podsByNode(items)
			if err != nil {
				return false, err
			}
			missing := 0
			for _, node := range ready {
				if r.agents[node] != nil {
					continue
				}
				if why[node] = r.adopt(node, pods[node]); why[node] == "" {
					r.add(Check{Name: CheckPod, Host: node, OK: true, Detail: r.agents[node].ip.String(), Elapsed: time.Since(started)})
					continue
				}
				missing++
			}
			return missing == 0, nil
		})
	if ctx.Err() != nil {
		return
	}
	for _, node := range ready {
		if r.agents[node] == nil {
			r.add(Check{Name: CheckPod, Host: node, Detail: fmt.Sprintf("the test pod did not start: %s (%v)", why[node], err), Elapsed: time.Since(started),
				Remedy: fmt.Sprintf("look at the units kubelet and containerd on %s, and whether the image %s is there: crictl images", node, r.Image)})
		}
	}
}

// adopt makes an agent of a node's pod, or tells what it waits for.
func (r *run) adopt(node string, pod *corev1.Pod) string {
	if pod == nil {
		return "the DaemonSet controller has made no pod for the node"
	}
	if why := kube.PodNotReady(pod); why != "" {
		return why
	}
	ip, err := netip.ParseAddr(pod.Status.PodIP)
	if err != nil {
		return "it has no address"
	}
	r.agents[node] = &agent{node: node, pod: pod.Name, ip: ip, host: hostClientFor(node, r.Hosts[node])}
	return ""
}

// environment checks the variables that a pod gets of Services older than itself. A kubelet may start a pod before its own watch has told it of the
// Service: such a pod is replaced, once.
func (r *run) environment(ctx context.Context) {
	var group errgroup.Group
	group.SetLimit(parallel)
	nodes := r.running()
	found := make([]string, len(nodes))
	for i, node := range nodes {
		group.Go(func() error {
			look := job{try: func(ctx context.Context) (string, error) { return r.serviceEnvironment(ctx, r.agents[node]) }}
			found[i], _ = look.settle(ctx, r.settled) // asked again below
			return nil
		})
	}
	_ = group.Wait()
	var late []string
	for i, node := range nodes {
		if found[i] == unset {
			late = append(late, node)
		}
	}
	if len(late) > 0 {
		r.replace(ctx, late)
	}
	var jobs []job
	for _, node := range nodes {
		a := r.agents[node]
		jobs = append(jobs, job{name: CheckEnvironment, host: node, peer: serviceName, remedy: "look at the journal of the kubelet on " + node + " for its watch of Services",
			try: func(ctx context.Context) (string, error) {
				found, err := r.serviceEnvironment(ctx, a)
				if err != nil {
					return "", err
				}
				if want := fmt.Sprintf("%s:%d", r.service, servicePort); found != want {
					return "", fmt.Errorf("pod %s on %s: VERIFY_SERVICE_HOST and VERIFY_SERVICE_PORT say %q, the Service is at %s", a.pod, a.node, found, want)
				}
				return found, nil
			}})
	}
	r.concurrently(ctx, jobs)
}

// unset is what serviceEnvironment gives when neither variable is there.
const unset = ":"

// serviceEnvironment reads the pod's variables as "host:port".
func (r *run) serviceEnvironment(ctx context.Context, a *agent) (string, error) {
	prefix := strings.ToUpper(serviceName) + "_SERVICE_"
	var parts []string
	for _, name := range []string{prefix + "HOST", prefix + "PORT"} {
		value, err := a.get(ctx, "envvar?var="+name)
		if err != nil && strings.Contains(err.Error(), "not set") {
			value, err = "", nil
		}
		if err != nil {
			return "", err
		}
		parts = append(parts, value)
	}
	return strings.Join(parts, ":"), nil
}

// replace deletes the pods of nodes and waits for their successors.
func (r *run) replace(ctx context.Context, nodes []string) {
	waiting := make(map[string]string) // for another pod than this
	for _, node := range nodes {
		waiting[node] = r.agents[node].pod
		_ = r.Client.Typed().CoreV1().Pods(r.space).Delete(ctx, r.agents[node].pod, metav1.DeleteOptions{}) // one that stays fails its check
	}
	wait, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	_ = r.Client.Follow(wait, "v1", "Pod", r.space, metav1.ListOptions{LabelSelector: appLabel + "=" + probeName},
		func(items map[string]*unstructured.Unstructured) (bool, error) {
			pods, err := podsByNode(items)
			if err != nil {
				return false, err
			}
			for node := range waiting {
				if pod := pods[node]; pod != nil && pod.Name != waiting[node] && r.adopt(node, pod) == "" {
					delete(waiting, node)
				}
			}
			return len(waiting) == 0, nil
		})
}

// running lists the nodes whose pod runs.
func (r *run) running() []string {
	var out []string
	for _, node := range r.nodeNames() {
		if r.agents[node] != nil {
			out = append(out, node)
		}
	}
	return out
}

// everyPair is the number of nodes up to which each asks every other.
const everyPair = 10

// peers are the nodes that a node's pod and host ask: all others of a small cluster; of a large one the next in the same site and one in every other site.
func (r *run) peers(node string) []string {
	nodes := r.running()
	if len(nodes) <= everyPair {
		return slices.DeleteFunc(slices.Clone(nodes), func(n string) bool { return n == node })
	}
	sites := make(map[string][]string)
	var home string
	for _, h := range r.Cluster.Nodes() {
		if r.agents[h.Name] != nil {
			sites[h.Site().Name] = append(sites[h.Site().Name], h.Name)
		}
		if h.Name == node {
			home = h.Site().Name
		}
	}
	index := slices.Index(sites[home], node)
	var out []string
	for site, members := range sites {
		// Spread over the members, so that together the nodes of a site ask all of another.
		pick := members[index%len(members)]
		if site == home {
			pick = members[(index+1)%len(members)]
		}
		if pick != node {
			out = append(out, pick)
		}
	}
	slices.Sort(out)
	return out
}

// jobs lists the checks that need the pods to run.
func (r *run) jobs() []job {
	var jobs []job
	for _, node := range r.running() {
		jobs = append(jobs, r.serviceJobs(r.agents[node])...)
		jobs = append(jobs, r.apiJobs(r.agents[node])...)
		jobs = append(jobs, r.reachJobs(r.agents[node])...)
	}
	return append(jobs, r.sharingJobs()...)
}
