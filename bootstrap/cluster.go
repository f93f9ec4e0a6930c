package bootstrap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/etcd"
	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/execute"
	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/kube"
	"github.com/trivet-dev/trivet/bootstrap/observe"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/hostapi"
	"github.com/trivet-dev/trivet/internal/remote"
)

// ownAPI is the API server of a control plane as its own host reaches it, with the operator's certificate that lies there.
func (e *Engine) ownAPI() hostapi.Endpoint { return e.apiAt(e.cluster.API.Port) }

// anyAPI is whichever API server is ready, by the balancer of a node: an API server that runs while the etcd member of its host is down is of no use.
func (e *Engine) anyAPI() hostapi.Endpoint { return e.apiAt(e.cluster.API.LocalPort) }

func (e *Engine) apiAt(port int) hostapi.Endpoint {
	return hostapi.Endpoint{Network: "tcp", Address: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), TLS: &hostapi.TLS{
		Authority:   desired.KubernetesCA,
		Certificate: certs.KubernetesDir + "/" + certs.Operator + ".crt",
		Key:         certs.KubernetesDir + "/" + certs.Operator + ".key",
		ServerName:  "kubernetes",
	}}
}

// connectedFirst lists the hosts that have a role, or still run what goes with it, those that are connected first. A member on a host that is to be none any more answers like the
// others until it is taken out: who does not ask it takes it for dead, and has it leave before another one has come.
func (e *Engine) connectedFirst(r topology.Role) []*topology.Host {
	hosts := slices.DeleteFunc(e.everyone(), func(h *topology.Host) bool { return !h.Has(r) && !slices.Contains(e.runs[h.Name], r) })
	slices.SortStableFunc(hosts, func(a, b *topology.Host) int {
		switch here, there := e.hosts[a.Name] != nil, e.hosts[b.Name] != nil; {
		case here == there:
			return 0
		case here:
			return -1
		}
		return 1
	})
	return hosts
}

// kube makes a client of the API through the control planes. Those that are not connected are known to it, with the reason.
func (e *Engine) kube() (*kube.Client, error) {
	var endpoints []kube.Endpoint
	for _, h := range e.connectedFirst(topology.RoleControlPlane) {
		if conn := e.hosts[h.Name]; conn != nil {
			endpoints = append(endpoints, kube.Through(conn, e.ownAPI(), e.anyAPI()))
		} else if len(endpoints) > 0 {
			endpoints = append(endpoints, kube.Away(h.Name, e.away(h.Name)))
		}
	}
	return kube.New(endpoints)
}

// etcd makes a client of the members through their hosts. Those that are not connected are known to it, with the reason.
func (e *Engine) etcd() (*etcd.Client, error) {
	var endpoints []etcd.Endpoint
	for _, h := range e.connectedFirst(topology.RoleEtcd) {
		if conn := e.hosts[h.Name]; conn != nil {
			endpoints = append(endpoints, etcd.Through(conn, hostapi.Endpoint{Network: "tcp", Address: "127.0.0.1:2379", TLS: &hostapi.TLS{
				Authority:   desired.EtcdCA,
				Certificate: certs.EtcdDir + "/" + certs.EtcdOperator + ".crt",
				Key:         certs.EtcdDir + "/" + certs.EtcdOperator + ".key",
				ServerName:  "localhost",
				Protocols:   []string{"h2"},
			}}))
		} else if len(endpoints) > 0 {
			endpoints = append(endpoints, etcd.Away(h.Name, e.away(h.Name)))
		}
	}
	return etcd.New(endpoints)
}

// API is what the engine asks of a cluster's etcd and of its API server. Close it.
type API interface {
	execute.Cluster
	// Compare tells how objects in the API compare with those that are desired, in their order.
	Compare(ctx context.Context, objects []desired.Object) ([]plan.ObjectState, error)
	// Orphans lists Trivet's own objects in the API that are not among those desired.
	Orphans(ctx context.Context, objects []desired.Object) ([]desired.Object, error)
	// CompareManifests tells how the API compares with the topology's manifests.
	CompareManifests(ctx context.Context, manifests []desired.Object) (*plan.Manifests, error)
	// Membership tells how every etcd member is, and the member list as a quorum of them has it.
	Membership(ctx context.Context) (*etcd.Membership, error)
	// Nodes tells, by name, what the API knows of every node.
	Nodes(ctx context.Context) (map[string]kube.NodeInfo, error)
	Close()
}

// keys is the identity of one run: just made, or opened when it is first needed.
type keys struct {
	engine    *Engine
	documents *observe.Cluster
	identity  *identity.Identity
}

var errNoIdentity = errors.New("it needs the age identity (--identity FILE, or TRIVET_AGE_IDENTITY)")

func (k *keys) learn(id *identity.Identity) { k.identity = id }

func (k *keys) open() (*identity.Identity, error) {
	if k.identity != nil {
		return k.identity, nil
	}
	if k.engine.Identities == nil {
		return nil, errNoIdentity
	}
	ids, err := k.engine.Identities()
	if err != nil {
		return nil, err
	}
	id, err := identity.Open(k.documents.Sealed, ids)
	if err != nil {
		return nil, err
	}
	if inv := k.documents.Inventory; inv != nil && inv.Public.Known() {
		if id, err = id.As(inv.Public); err != nil {
			return nil, err
		}
	}
	k.identity = id
	return id, nil
}

// liveCluster is etcd and the API of the cluster, through its hosts.
type liveCluster struct {
	engine *Engine
	// identity gives the run's identity; nil where nothing is to be signed.
	identity func() (*identity.Identity, error)
	mu       sync.Mutex // questions are put at the same time
	client   *kube.Client
}

// Close implements API.
func (c *liveCluster) Close() {
	if c.client != nil {
		c.client.Close()
	}
}

// Compare implements API.
func (c *liveCluster) Compare(ctx context.Context, objects []desired.Object) ([]plan.ObjectState, error) {
	client, err := c.kube()
	if err != nil {
		return nil, err
	}
	differences, err := client.Compare(ctx, objects)
	if err != nil {
		return nil, err
	}
	out := make([]plan.ObjectState, len(differences))
	for i := range differences {
		d := &differences[i]
		out[i] = plan.ObjectState{Object: &d.Object, Exists: d.Action != kube.ActionCreate, Fields: d.Fields}
	}
	return out, nil
}

func (c *liveCluster) kube() (*kube.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client != nil {
		return c.client, nil
	}
	client, err := c.engine.kube()
	if err == nil {
		c.client = client
	}
	return client, err
}

// EtcdHealthy waits until every member answers.
func (c *liveCluster) EtcdHealthy(ctx context.Context, members []string, report func(string)) error {
	client, err := c.engine.etcd()
	if err != nil {
		return err
	}
	defer client.Close()
	return c.explain(ctx, client.WaitHealthy(ctx, members, func(missing map[string]string) { report(summary(missing, "member")) }), "etcd.service", members)
}

// APIReady waits until every control plane's API server says so.
func (c *liveCluster) APIReady(ctx context.Context, hosts []string, report func(string)) error {
	client, err := c.kube()
	if err != nil {
		return err
	}
	err = client.HostsReady(ctx, hosts, func(states map[string]string) { report(summary(states, "control plane")) })
	return c.explain(ctx, err, "kube-apiserver.service", hosts)
}

// EtcdSpare waits until etcd on a host may stop: the others are asked one by one, and must be a quorum of the member list that a quorum agrees on.
func (c *liveCluster) EtcdSpare(ctx context.Context, host string, report func(string)) error {
	client, err := c.engine.etcd()
	if err != nil {
		return err
	}
	defer client.Close()
	return client.WaitSpare(ctx, host, report)
}

// spareEvery is how often control planes are asked while none can be spared.
const spareEvery = 500 * time.Millisecond

// APISpare waits until another API server than the host's is ready.
func (c *liveCluster) APISpare(ctx context.Context, host string, report func(string)) error {
	client, err := c.kube()
	if err != nil {
		return err
	}
	tick := time.NewTicker(spareEvery)
	defer tick.Stop()
	last := ""
	for {
		missing := map[string]string{}
		for name, err := range client.ReadyHosts(ctx) {
			switch {
			case name == host:
			case err == nil:
				return nil
			default:
				missing[name] = err.Error()
			}
		}
		if why := summary(missing, "control plane"); ctx.Err() == nil && why != last {
			last = why
			report(why)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the API server on %s may not stop now, since no other one is ready: %s: %w", host, last, context.Cause(ctx))
		}
	}
}

// NodesReady waits until every node is Ready by the word of the kubelet that runs now: what one said that was restarted since stands in the API for a while.
func (c *liveCluster) NodesReady(ctx context.Context, nodes []string, report func(string)) error {
	client, err := c.kube()
	if err != nil {
		return err
	}
	started := c.engine.kubeletStarts(ctx, nodes)
	return c.nodes(ctx, func(ctx context.Context, names []string, report func(map[string]string)) error {
		return client.NodesReady(ctx, names, started, report)
	}, nodes, kubeletUnit, report)
}

// NetworksReady waits until the network plugin says of every node that pods can talk.
func (c *liveCluster) NetworksReady(ctx context.Context, nodes []string, report func(string)) error {
	client, err := c.kube()
	if err != nil {
		return err
	}
	return c.nodes(ctx, client.NetworksReady, nodes, "flanneld.service", report)
}

// nodes waits for a condition of nodes, and shows the journals of the unit that is to blame where it does not come.
func (c *liveCluster) nodes(ctx context.Context, wait func(context.Context, []string, func(map[string]string)) error, nodes []string, unit string, report func(string)) error {
	var mu sync.Mutex
	var missing map[string]string
	waitedFor := func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Sorted(maps.Keys(missing))
	}
	waiting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go c.engine.watchCrashLoops(waiting, unit, waitedFor, cancel)
	err := wait(waiting, nodes, func(states map[string]string) {
		maps.DeleteFunc(states, func(_, why string) bool { return why == "" })
		mu.Lock()
		missing = states
		mu.Unlock()
		report(summary(states, "node"))
	})
	var inVain *crashLoop
	var late *kube.NodesError
	if err != nil && errors.As(context.Cause(waiting), &inVain) && errors.As(err, &late) {
		err = late.Because(inVain)
	}
	return c.explain(ctx, err, unit, waitedFor())
}

// DNSAvailable waits until CoreDNS has the replicas it should have, or as many as are enough.
func (c *liveCluster) DNSAvailable(ctx context.Context, minimum int, _ func(string)) error {
	client, err := c.kube()
	if err != nil {
		return err
	}
	return client.DeploymentReady(ctx, desired.DNSNamespace, desired.DNSName, minimum)
}

// explain adds the end of the unit's journal on the hosts that a gate waited for in vain, so that the reader need not go and look.
func (c *liveCluster) explain(ctx context.Context, err error, unit string, hosts []string) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	const lines, most = 15, 3
	ctx = context.WithoutCancel(ctx)
	for i, name := range hosts {
		host := c.engine.hosts[name]
		if host == nil || i == most {
			continue
		}
		if text, lerr := host.Logs(ctx, hostapi.Logs{Unit: unit, Lines: lines}); lerr == nil {
			err = fmt.Errorf("%w\n%s on %s, last lines:\n%s", err, unit, name, text)
		}
	}
	return err
}

// ApplyObjects applies objects to the API. In a cluster where nothing is bound yet the operator's group has no rights; then, and only then, a certificate of the group
// that needs none is made in memory, for these requests.
func (c *liveCluster) ApplyObjects(ctx context.Context, objects []desired.Object) error {
	client, err := c.kube()
	if err != nil {
		return err
	}
	allowed, err := client.Unrestricted(ctx)
	switch {
	case err != nil:
		return err
	case allowed:
	default:
		if client, err = c.bootstrapClient(); err != nil {
			return err
		}
		defer client.Close()
	}
	return client.Apply(ctx, objects)
}

// bootstrapClient reaches the API with a certificate that lives in this process only.
func (c *liveCluster) bootstrapClient() (*kube.Client, error) {
	e := c.engine
	id, err := c.identity()
	if err != nil {
		return nil, fmt.Errorf("the API does not allow the group %s everything, and setting that up is not possible: %w", certs.GroupAdmins, err)
	}
	authority := id.Authority(certs.Kubernetes)
	certPEM, keyPEM, err := certs.Issue(e.Rand, e.Now(), certs.ForBootstrap(), authority)
	if err != nil {
		return nil, fmt.Errorf("certificate for the first objects: %w", err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("certificate for the first objects: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(authority.Certificate())
	config := &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots, ServerName: "kubernetes", MinVersion: tls.VersionTLS12}
	to := hostapi.Endpoint{Network: "tcp", Address: e.ownAPI().Address}
	var endpoints []kube.Endpoint
	for _, h := range e.cluster.HostsWith(topology.RoleControlPlane) {
		if conn := e.hosts[h.Name]; conn != nil {
			endpoints = append(endpoints, kube.Endpoint{Name: h.Name, Dial: dialTLS(conn, to, config)})
		}
	}
	return kube.New(endpoints)
}

func dialTLS(host remote.Host, to hostapi.Endpoint, config *tls.Config) kube.Dial {
	return func(ctx context.Context) (net.Conn, error) {
		raw, err := host.Dial(ctx, to)
		if err != nil {
			return nil, err
		}
		conn := tls.Client(raw, config)
		if err := conn.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(err, raw.Close())
		}
		return conn, nil
	}
}

// summary says in one line what is missing, by name as long as there are few; the names are those of hosts. What is not missing has an empty reason; "" when nothing is.
func summary(states map[string]string, what string) string {
	const most = 3
	var out []string
	n := 0
	for _, name := range slices.Sorted(maps.Keys(states)) {
		why := states[name]
		if why == "" {
			continue
		}
		if n++; n <= most {
			out = append(out, name+": "+why)
		}
	}
	switch {
	case n == 0:
		return ""
	case n == 1:
		return what + " " + out[0]
	case n > most:
		out = append(out, fmt.Sprintf("and %d more", n-most))
	}
	return fmt.Sprintf("%d %ss: %s", n, what, strings.Join(out, "; "))
}

// Destroy gives the hosts back by their ownership records. Hosts that do not answer fail it before anything is done, unless they are to be forgotten.
func (e *Engine) Destroy(ctx context.Context) error {
	held, err := e.lock(ctx, purposeDestroy)
	if err != nil {
		return err
	}
	defer held.release()
	ctx, cancel := held.context(ctx)
	defer cancel(nil)
	return e.destroy(ctx, held.epoch)
}

func (e *Engine) emit(ev event.Event) {
	ev.Time = e.Now()
	e.Events(ev)
}
