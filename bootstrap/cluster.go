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

// apiEndpoint is the API server of a control plane as its own host reaches it, with the operator's certificate that lies there.
func (e *Engine) apiEndpoint() hostapi.Endpoint {
	return hostapi.Endpoint{Network: "tcp", Address: net.JoinHostPort("127.0.0.1", strconv.Itoa(e.cluster.API.Port)), TLS: &hostapi.TLS{
		Authority:   desired.KubernetesCA,
		Certificate: certs.KubernetesDir + "/" + certs.Operator + ".crt",
		Key:         certs.KubernetesDir + "/" + certs.Operator + ".key",
		ServerName:  "kubernetes",
	}}
}

// kube makes a client of the API through the connected control planes.
func (e *Engine) kube() (*kube.Client, error) {
	var endpoints []kube.Endpoint
	for _, h := range e.cluster.HostsWith(topology.RoleControlPlane) {
		if conn := e.hosts[h.Name]; conn != nil {
			endpoints = append(endpoints, kube.Through(conn, e.apiEndpoint()))
		}
	}
	return kube.New(endpoints)
}

// etcd makes a client of the members through their hosts.
func (e *Engine) etcd() (*etcd.Client, error) {
	var endpoints []etcd.Endpoint
	for _, h := range e.cluster.HostsWith(topology.RoleEtcd) {
		if conn := e.hosts[h.Name]; conn != nil {
			endpoints = append(endpoints, etcd.Through(conn, hostapi.Endpoint{Network: "tcp", Address: "127.0.0.1:2379", TLS: &hostapi.TLS{
				Authority:   desired.EtcdCA,
				Certificate: certs.EtcdDir + "/" + certs.EtcdOperator + ".crt",
				Key:         certs.EtcdDir + "/" + certs.EtcdOperator + ".key",
				ServerName:  "localhost",
				Protocols:   []string{"h2"},
			}}))
		}
	}
	return etcd.New(endpoints)
}

// API is what the engine asks of a cluster's etcd and of its API server. Close it.
type API interface {
	execute.Cluster
	// Compare tells how objects in the API compare with those that are desired, in their order.
	Compare(ctx context.Context, objects []desired.Object) ([]plan.ObjectState, error)
	// Members tells the state of every etcd member.
	Members(ctx context.Context) ([]etcd.Status, error)
	// Nodes tells, by name, the state of every node.
	Nodes(ctx context.Context) (map[string]string, error)
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
		if err := id.CheckAgainst(inv.Public); err != nil {
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

// Members implements API.
func (c *liveCluster) Members(ctx context.Context) ([]etcd.Status, error) {
	client, err := c.engine.etcd()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	out := client.Status(ctx)
	for _, h := range c.engine.cluster.HostsWith(topology.RoleEtcd) {
		if c.engine.hosts[h.Name] == nil {
			out = append(out, etcd.Status{Name: h.Name, Error: "its host does not answer"})
		}
	}
	slices.SortFunc(out, func(a, b etcd.Status) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Nodes implements API.
func (c *liveCluster) Nodes(ctx context.Context) (map[string]string, error) {
	client, err := c.kube()
	if err != nil {
		return nil, err
	}
	return client.NodeStates(ctx)
}

func (c *liveCluster) kube() (*kube.Client, error) {
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
	return c.explain(ctx, client.WaitReady(ctx, hosts...), "kube-apiserver.service", hosts)
}

// NodesReady waits until every node is Ready.
func (c *liveCluster) NodesReady(ctx context.Context, nodes []string, report func(string)) error {
	client, err := c.kube()
	if err != nil {
		return err
	}
	return c.nodes(ctx, client.NodesReady, nodes, "kubelet.service", report)
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
	var missing map[string]string
	err := wait(ctx, nodes, func(states map[string]string) {
		maps.DeleteFunc(states, func(_, why string) bool { return why == "" })
		missing = states
		report(summary(states, "node"))
	})
	return c.explain(ctx, err, unit, slices.Sorted(maps.Keys(missing)))
}

// DNSAvailable waits until CoreDNS has the replicas it should have.
func (c *liveCluster) DNSAvailable(ctx context.Context, report func(string)) error {
	client, err := c.kube()
	if err != nil {
		return err
	}
	return client.DeploymentAvailable(ctx, desired.DNSNamespace, desired.DNSName)
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
	to := hostapi.Endpoint{Network: "tcp", Address: e.apiEndpoint().Address}
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

// summary says in one line what is missing; the names are those of hosts.
func summary(missing map[string]string, what string) string {
	switch len(missing) {
	case 0:
		return "nothing"
	case 1:
		for n, why := range missing {
			return what + " " + n + ": " + why
		}
	}
	return fmt.Sprintf("%d %ss", len(missing), what)
}

// Destroy gives the hosts back by their ownership records. Hosts that do not answer fail it before anything is done.
func (e *Engine) Destroy(ctx context.Context) error {
	held, err := e.lock(ctx, "destroy")
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
