package verify

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/trivet-dev/trivet/bootstrap/kube"
)

// probing follows the pods on the nodes, and begins every check as soon as the pods that it needs run: one that does not start holds up nothing but itself.
type probing struct {
	*run
	ready   []string // nodes on which a pod should run
	started time.Time
	known   kube.Converter[corev1.Pod] // used by the follower alone

	looks sync.WaitGroup // at the environment of pods that started
	work  sync.WaitGroup // checks

	lock     sync.Mutex
	peers    map[string][]string // whom each node asks
	why      map[string]string   // a node's pod is not up
	looked   map[string]string   // the pod, by node, whose environment was or is looked at
	replaced map[string]bool
	up       map[string]*agent
	begun    map[[2]string]bool // pairs of nodes
	finish   context.CancelFunc // ends the wait for pods
	last     *time.Timer        // ends it soon, when only pods are waited for that will hardly come
}

// probe carries out all checks that take a pod on every node.
func (r *run) probe(ctx context.Context, ready []string) {
	p := &probing{run: r, ready: ready, started: time.Now(), peers: r.sample(ready), why: make(map[string]string), looked: make(map[string]string),
		replaced: make(map[string]bool), up: make(map[string]*agent), begun: make(map[[2]string]bool)}
	// The more pods, the longer the scheduler and the controller take to make them.
	wait, cancel := context.WithTimeout(ctx, min(r.Timeout/3, startPatience)+time.Duration(len(ready))*50*time.Millisecond)
	defer cancel()
	p.finish = cancel
	p.onLoss(func(string, string) {
		p.lock.Lock()
		defer p.lock.Unlock()
		p.countDown()
	})
	p.lock.Lock()
	p.countDown() // in case all hosts are away
	p.lock.Unlock()
	err := r.Client.Follow(wait, "v1", "Pod", r.space, metav1.ListOptions{LabelSelector: appLabel + "=" + probeName},
		func(items map[string]*unstructured.Unstructured) (bool, error) { return false, p.see(ctx, items) })
	p.looks.Wait()
	p.missing(ctx, err)
	p.others(ctx)
	p.work.Wait()
}

// see looks at the pods as they are now.
func (p *probing) see(ctx context.Context, items map[string]*unstructured.Unstructured) error {
	pods, err := podsByNode(&p.known, items)
	if err != nil {
		return err
	}
	p.lock.Lock()
	defer p.lock.Unlock()
	for _, node := range p.ready {
		if p.up[node] != nil {
			continue
		}
		a, why := p.adopt(node, pods[node])
		if a == nil {
			p.why[node] = why
		} else if p.looked[node] != a.pod {
			p.looked[node] = a.pod
			p.looks.Go(func() { p.look(ctx, a) })
		}
	}
	return nil
}

// adopt makes an agent of a node's pod, or tells what it waits for.
func (r *run) adopt(node string, pod *corev1.Pod) (*agent, string) {
	if pod == nil {
		return nil, "the DaemonSet controller has made no pod for the node"
	}
	if why := kube.PodNotReady(pod); why != "" {
		return nil, why
	}
	ip, err := netip.ParseAddr(pod.Status.PodIP)
	if err != nil {
		return nil, "it has no address"
	}
	return &agent{node: node, pod: pod.Name, ip: ip, port: port, host: hostClientFor(node, r.Hosts[node])}, ""
}

// look begins the checks of a pod. A kubelet may start a pod before its own watch has told it of the Services that the pod should find in its environment: such
// a pod is replaced first, once.
func (p *probing) look(ctx context.Context, a *agent) {
	if p.connected(a.node) {
		ask := job{try: func(ctx context.Context) (string, error) { return p.serviceEnvironment(ctx, a) }}
		found, _ := ask.settle(ctx, time.Now) // a check of its own asks again
		p.lock.Lock()
		again := found == unset && !p.replaced[a.node]
		if again {
			p.replaced[a.node], p.why[a.node] = true, "the pod started before the kubelet knew the Services, and its successor has not started"
		}
		p.lock.Unlock()
		if again {
			_ = p.Client.Typed().CoreV1().Pods(p.space).Delete(ctx, a.pod, metav1.DeleteOptions{}) // one that stays is a pod that is not up
			return
		}
	}
	p.lock.Lock()
	defer p.lock.Unlock()
	p.up[a.node] = a
	p.add(Check{Name: CheckPod, Host: a.node, OK: true, Detail: a.ip.String(), Elapsed: time.Since(p.started)})
	p.unsettle()
	for _, j := range p.jobs(a) {
		p.work.Go(func() { p.carryOut(ctx, j) })
	}
	p.pairs(ctx, a.node)
	p.countDown()
}

// pairs begins the checks between a node and those it asks or that ask it, as far as they are up and it was not done. Holds lock.
func (p *probing) pairs(ctx context.Context, node string) {
	begin := func(from, to string) {
		a, b := p.up[from], p.up[to]
		if a == nil || b == nil || p.begun[[2]string{from, to}] || !p.connected(from) {
			return
		}
		p.begun[[2]string{from, to}] = true
		for _, j := range []job{p.nodeToPod(a, b), p.podToPod(a, b)} {
			p.work.Go(func() { p.carryOut(ctx, j) })
		}
	}
	for _, peer := range p.peers[node] {
		begin(node, peer)
	}
	for from := range p.up {
		if slices.Contains(p.peers[from], node) {
			begin(from, node)
		}
	}
}

// countDown ends the wait when all pods are up, and bounds it when the rest is on hosts that are away or on nodes that are lost. Holds lock.
func (p *probing) countDown() {
	left, away := 0, 0
	for _, node := range p.ready {
		if p.up[node] == nil {
			left++
			if !p.connected(node) || p.isLost(node) != "" {
				away++
			}
		}
	}
	switch {
	case left == 0:
		p.finish()
	case left == away && p.last == nil:
		p.last = time.AfterFunc(awayPatience, p.finish)
	}
}

// missing has the rows of pods that did not come up.
func (p *probing) missing(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	for _, node := range p.ready {
		if p.up[node] != nil {
			continue
		}
		check := Check{Name: CheckPod, Host: node, Elapsed: time.Since(p.started),
			Remedy: fmt.Sprintf("look at the units kubelet and containerd on %s, and whether the image %s is there: ctr -n k8s.io images ls (in /opt/trivet/bin)", node, p.Image)}
		why := cmp.Or(p.isLost(node), p.why[node])
		if why == "" {
			why = fmt.Sprintf("the API did not tell: %v", err)
		}
		check.Detail = "the test pod did not start: " + why
		switch {
		case !p.connected(node):
			check.Remedy = "bring the host " + node + " back: nothing answers there"
		case p.isLost(node) != "":
			check.Remedy = fmt.Sprintf("look at the unit kubelet on %s, and whether it reaches the control planes", node)
		}
		p.add(check)
	}
}

// others finds other peers for nodes whose chosen ones have no pod.
func (p *probing) others(ctx context.Context) {
	p.lock.Lock()
	defer p.lock.Unlock()
	var nodes []string
	for _, node := range p.ready {
		if p.up[node] != nil {
			nodes = append(nodes, node)
		}
	}
	p.peers = p.sample(nodes)
	for _, node := range nodes {
		p.pairs(ctx, node)
	}
}

// jobs lists the checks of one node's pod that need no other pod.
func (r *run) jobs(a *agent) []job {
	if !r.connected(a.node) {
		return r.apiJobs(a)
	}
	return slices.Concat([]job{r.environment(a), r.nodeToPod(a, a)}, r.serviceJobs(a), r.apiJobs(a))
}

// everyPair is the number of nodes up to which each asks every other.
const everyPair = 10

// sample tells whom each of the nodes asks: all others of a small cluster; of a large one the next in the same site and one in every other site.
func (r *run) sample(nodes []string) map[string][]string {
	out := make(map[string][]string, len(nodes))
	if len(nodes) <= everyPair {
		for _, node := range nodes {
			out[node] = slices.DeleteFunc(slices.Clone(nodes), func(n string) bool { return n == node })
		}
		return out
	}
	wanted := make(map[string]bool, len(nodes))
	for _, node := range nodes {
		wanted[node] = true
	}
	sites := make(map[string][]string)
	for _, h := range r.Cluster.Nodes() {
		if wanted[h.Name] {
			sites[h.Site().Name] = append(sites[h.Site().Name], h.Name)
		}
	}
	for home, members := range sites {
		for index, node := range members {
			for site, others := range sites {
				// Spread over the members, so that together the nodes of a site ask all of another.
				pick := others[index%len(others)]
				if site == home {
					pick = others[(index+1)%len(others)]
				}
				if pick != node {
					out[node] = append(out[node], pick)
				}
			}
			slices.Sort(out[node])
		}
	}
	return out
}

// environment checks the variables that a pod gets of Services older than itself.
func (r *run) environment(a *agent) job {
	return job{name: CheckEnvironment, host: a.node, peer: serviceName, remedy: "look at the journal of the kubelet on " + a.node + " for its watch of Services",
		try: func(ctx context.Context) (string, error) {
			found, err := r.serviceEnvironment(ctx, a)
			if err != nil {
				return "", err
			}
			if want := fmt.Sprintf("%s:%d", r.service, servicePort); found != want {
				return "", fmt.Errorf("pod %s on %s: VERIFY_SERVICE_HOST and VERIFY_SERVICE_PORT say %q, the Service is at %s", a.pod, a.node, found, want)
			}
			return found, nil
		}}
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
