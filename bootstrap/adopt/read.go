package adopt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/trivet-dev/trivet/bootstrap/etcd"
	"github.com/trivet-dev/trivet/bootstrap/kube"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/remote"
)

// Reach is the way to the hosts.
type Reach struct {
	// Connect connects to a host by the name of its node, which is the address that was asked for the first.
	Connect func(ctx context.Context, name, address string) (remote.Host, error)
	// Report is told what is done; it may be nil.
	Report   func(format string, args ...any)
	Parallel int
}

func (r *Reach) say(format string, args ...any) {
	if r.Report != nil {
		r.Report(format, args...)
	}
}

// reader holds the connections of one reading.
type reader struct {
	Reach
	found  *Found
	mu     sync.Mutex
	closer []io.Closer
	hosts  map[string]remote.Host // by node
}

// Read reads the cluster that the control plane at an address belongs to. Nodes that do not answer are in it, with the reason.
func Read(ctx context.Context, address string, reach Reach) (*Found, error) {
	r := &reader{Reach: reach, found: &Found{Address: address, Hosts: map[string]*Host{}}, hosts: map[string]remote.Host{}}
	defer r.close()
	first, seen, err := r.look(ctx, address, address)
	if err != nil {
		return nil, err
	}
	if err := controlPlane(address, seen); err != nil {
		return nil, err
	}
	client, err := r.api(first, seen)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	r.say("reading the API through %s", address)
	if err := r.objects(ctx, client.Typed()); err != nil {
		return nil, explained(address, err)
	}
	if r.found.First = r.itself(seen); r.found.First == "" {
		return nil, fmt.Errorf("host %s: its API server has no node with its machine id or one of its addresses, so it is not known which node it is: give the address of another control plane", address)
	}
	r.found.Hosts[r.found.First], r.hosts[r.found.First] = seen, first
	r.others(ctx)
	r.members(ctx)
	return r.found, ctx.Err()
}

func (r *reader) close() {
	for _, c := range r.closer {
		_ = c.Close()
	}
}

// look connects to a host, for reading only, and reads it.
func (r *reader) look(ctx context.Context, name, address string) (remote.Host, *Host, error) {
	live, err := r.Connect(ctx, name, address)
	if err != nil {
		return nil, nil, err
	}
	r.mu.Lock()
	r.closer = append(r.closer, live)
	r.mu.Unlock()
	h := remote.ReadOnly(live)
	o, err := h.Observe(ctx, hostapi.ObserveRequest{Files: wanted})
	if err != nil {
		return nil, nil, err
	}
	seen := &Host{Facts: o.Facts, Files: o.Files}
	if o.Record != nil {
		seen.Recorded = o.Record.Cluster
	}
	return h, seen, nil
}

// serverOf finds the API server in a kubeconfig without a key.
var serverOf = regexp.MustCompile(`(?m)^\s*server:\s*(\S+)`)

// controlPlane explains a host that is none of kubeadm's.
func controlPlane(address string, h *Host) error {
	switch {
	case h.Recorded != "":
		return fmt.Errorf("host %s belongs to cluster %q, which Trivet set up: there is nothing to adopt", address, h.Recorded)
	case h.has(manifestsDir+"/kube-apiserver.yaml") && h.has(adminConfig):
		return nil
	case h.has(manifestsDir + "/kube-apiserver.yaml"):
		return fmt.Errorf("host %s is a control plane and has no %s, by which its API is asked: make it there with `kubeadm init phase kubeconfig admin`, or give the address of another control plane", address, adminConfig)
	case h.has(kubeletAccess) || h.has(kubeletConfig):
		hint := ""
		if m := serverOf.FindStringSubmatch(h.text(kubeletAccess)); m != nil {
			hint = "; its kubelet asks the API server " + m[1]
		}
		return fmt.Errorf("host %s is a node and no control plane (it has no %s/kube-apiserver.yaml): give the address of a control plane%s", address, manifestsDir, hint)
	}
	return fmt.Errorf("host %s is no control plane of a kubeadm cluster: it has no %s/kube-apiserver.yaml; only clusters that kubeadm made can be described", address, manifestsDir)
}

// api makes the client of the host's own API server, with the identity in the host's admin.conf, which stays there.
func (r *reader) api(h remote.Host, seen *Host) (*kube.Client, error) {
	m, err := readManifest(seen.text(manifestsDir + "/kube-apiserver.yaml"))
	if err != nil {
		return nil, fmt.Errorf("host %s: %s/kube-apiserver.yaml: %w", r.found.Address, manifestsDir, err)
	}
	// 127.0.0.1 is in no serving certificate of kubeadm's; "kubernetes" is in all.
	to := hostapi.Endpoint{Network: "tcp", Address: net.JoinHostPort(m.flag("advertise-address", "127.0.0.1"), m.flag("secure-port", "6443")),
		TLS: &hostapi.TLS{Kubeconfig: adminConfig, ServerName: "kubernetes"}}
	return kube.NewReadOnly([]kube.Endpoint{{Name: r.found.Address, Dial: func(ctx context.Context) (net.Conn, error) { return h.Dial(ctx, to) }}})
}

// explained adds what to do about an API that does not answer as it should.
func explained(address string, err error) error {
	switch {
	case apierrors.IsUnauthorized(err), strings.Contains(err.Error(), "certificate has expired"):
		return fmt.Errorf("host %s: its API server does not accept %s: %w; look at `kubeadm certs check-expiration` there", address, adminConfig, err)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("host %s: the identity in %s may not read all of the cluster: %w", address, adminConfig, err)
	case errors.As(err, new(*kube.UnreachableError)):
		return fmt.Errorf("host %s: its API server does not answer: %w; look at `crictl ps -a` there", address, err)
	}
	return fmt.Errorf("host %s: reading the API: %w", address, err)
}

// objects reads what describes the cluster.
func (r *reader) objects(ctx context.Context, c kubernetes.Interface) error {
	config, err := configMap(ctx, c, "kube-system", "kubeadm-config")
	if err != nil {
		return err
	}
	r.found.ClusterConfig = config["ClusterConfiguration"]
	if r.found.ClusterConfig == "" {
		return errors.New("the cluster has no ConfigMap kubeadm-config with a ClusterConfiguration, so kubeadm did not make it: only kubeadm's clusters can be described")
	}
	for _, m := range []struct {
		namespace, name, key string
		to                   *string
	}{
		{"kube-system", "kubelet-config", "kubelet", &r.found.KubeletConfig},
		{"kube-system", "kube-proxy", "config.conf", &r.found.ProxyConfig},
		{"kube-system", "coredns", "Corefile", &r.found.Corefile},
		{"kube-flannel", "kube-flannel-cfg", "net-conf.json", &r.found.FlannelConfig},
	} {
		data, err := configMap(ctx, c, m.namespace, m.name)
		if err != nil {
			return err
		}
		*m.to = data[m.key]
	}
	nodes, err := c.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	r.found.Nodes = nodes.Items
	slices.SortFunc(r.found.Nodes, func(a, b corev1.Node) int { return strings.Compare(a.Name, b.Name) })
	if err := r.workloads(ctx, c); err != nil {
		return err
	}
	return r.podRanges(ctx, c)
}

// configMap reads one; nil when there is none.
func configMap(ctx context.Context, c kubernetes.Interface, namespace, name string) (map[string]string, error) {
	m, err := c.CoreV1().ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return m.Data, nil
}

// workloads reads DaemonSets, by which network plugins are known, and the name service.
func (r *reader) workloads(ctx context.Context, c kubernetes.Interface) error {
	sets, err := c.AppsV1().DaemonSets("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	images := func(t corev1.PodTemplateSpec) (out []string) {
		for _, c := range t.Spec.Containers {
			out = append(out, c.Image)
		}
		return out
	}
	for _, d := range sets.Items {
		r.found.Workloads = append(r.found.Workloads, Workload{Kind: "DaemonSet", Namespace: d.Namespace, Name: d.Name, Images: images(d.Spec.Template)})
	}
	dns, err := c.AppsV1().Deployments("kube-system").Get(ctx, "coredns", metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
	case err != nil:
		return err
	default:
		w := Workload{Kind: "Deployment", Namespace: dns.Namespace, Name: dns.Name, Images: images(dns.Spec.Template), Replicas: 1}
		if dns.Spec.Replicas != nil {
			w.Replicas = int(*dns.Spec.Replicas)
		}
		r.found.Workloads = append(r.found.Workloads, w)
	}
	return nil
}

// podRanges reads the ranges of network plugins that do not use those of the nodes.
func (r *reader) podRanges(ctx context.Context, c kubernetes.Interface) error {
	raw, err := c.CoreV1().RESTClient().Get().AbsPath("/apis/crd.projectcalico.org/v1/ippools").DoRaw(ctx)
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	if err == nil {
		var pools struct {
			Items []struct{ Spec struct{ CIDR string } }
		}
		if err := json.Unmarshal(raw, &pools); err != nil {
			return fmt.Errorf("Calico's address pools: %w", err)
		}
		for _, p := range pools.Items {
			r.found.PodRanges = append(r.found.PodRanges, p.Spec.CIDR)
		}
	}
	cilium, err := configMap(ctx, c, "kube-system", "cilium-config")
	if err != nil {
		return err
	}
	r.found.PodRanges = append(r.found.PodRanges, strings.Fields(cilium["cluster-pool-ipv4-cidr"])...)
	return nil
}

// itself finds the node that a host is.
func (r *reader) itself(h *Host) string {
	for _, n := range r.found.Nodes {
		if h.Facts.MachineID != "" && n.Status.NodeInfo.MachineID == h.Facts.MachineID {
			return n.Name
		}
	}
	for _, n := range r.found.Nodes {
		for _, i := range h.Facts.Interfaces {
			for _, a := range i.Addresses {
				if a.Addr() == internalIP(&n) {
					return n.Name
				}
			}
		}
	}
	return ""
}

// others reads the nodes besides the first.
func (r *reader) others(ctx context.Context) {
	type target struct{ name, address string }
	var targets []target
	for i := range r.found.Nodes {
		n := &r.found.Nodes[i]
		if n.Name == r.found.First {
			continue
		}
		ip := internalIP(n)
		if !ip.IsValid() {
			r.found.Hosts[n.Name] = &Host{Problem: "the node has no IPv4 address of type InternalIP"}
			continue
		}
		targets = append(targets, target{n.Name, ip.String()})
	}
	if len(targets) == 0 {
		return
	}
	r.say("reading %d more hosts", len(targets))
	gate := make(chan struct{}, max(r.Parallel, 1))
	var wg sync.WaitGroup
	for _, t := range targets {
		wg.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			live, seen, err := r.look(ctx, t.name, t.address)
			if err != nil {
				seen = &Host{Problem: err.Error()}
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			r.found.Hosts[t.name] = seen
			if live != nil {
				r.hosts[t.name] = live
			}
		})
	}
	wg.Wait()
}

// members asks the stacked members of etcd, each through its own host.
func (r *reader) members(ctx context.Context) {
	var endpoints []etcd.Endpoint
	for _, n := range r.found.Nodes {
		h, live := r.found.Hosts[n.Name], r.hosts[n.Name]
		if live == nil || !h.has(manifestsDir+"/etcd.yaml") {
			continue
		}
		m, err := readManifest(h.text(manifestsDir + "/kube-apiserver.yaml"))
		if err != nil {
			continue // what cannot be read is told with the manifests
		}
		e := etcd.Through(live, hostapi.Endpoint{Network: "tcp", Address: "127.0.0.1:2379", TLS: &hostapi.TLS{
			Authority: m.flag("etcd-cafile", pkiDir+"/etcd/ca.crt"), Certificate: m.flag("etcd-certfile", pkiDir+"/apiserver-etcd-client.crt"),
			Key: m.flag("etcd-keyfile", pkiDir+"/apiserver-etcd-client.key"), ServerName: "localhost",
		}})
		e.Name = n.Name
		endpoints = append(endpoints, e)
	}
	if len(endpoints) == 0 {
		return
	}
	r.say("asking etcd's members")
	client, err := etcd.NewReadOnly(endpoints)
	if err != nil {
		r.found.MembersWhy = err.Error()
		return
	}
	defer client.Close()
	r.found.Statuses = client.Status(ctx)
	if r.found.Members, err = client.Members(ctx); err != nil {
		r.found.MembersWhy = err.Error()
	}
}
