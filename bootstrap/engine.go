// Package bootstrap is the engine's one door: it connects to a cluster's hosts, plans, applies, destroys and reports. The command and the providers are thin over it.
package bootstrap

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"slices"
	"sort"
	"sync"
	"time"

	"filippo.io/age"

	"github.com/trivet-dev/trivet/bootstrap/event"
	"github.com/trivet-dev/trivet/bootstrap/identity"
	"github.com/trivet-dev/trivet/bootstrap/plan"
	"github.com/trivet-dev/trivet/bootstrap/preflight"
	"github.com/trivet-dev/trivet/bootstrap/release"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/remote"
	"github.com/trivet-dev/trivet/internal/remote/sshhost"
)

// Options are what an engine works with.
type Options struct {
	Topology *topology.Topology
	// Cluster names the cluster; it may be empty when the topology has one only.
	Cluster string
	// Connect connects to a host; nil means SSH as the topology says.
	Connect func(ctx context.Context, h *topology.Host) (remote.Host, error)
	// Only chooses the hosts to connect to at once; nil means all. What works on the others needs all: plans, applies, status.
	Only func(h *topology.Host) bool
	// Majority is content with most of the hosts to connect to: once they answer, the others get majorityGrace. What asks the API needs no more.
	Majority bool
	// API makes the engine's view of the cluster's etcd and API server; nil means both as they run on the cluster's hosts. identity, nil where nothing is to be
	// signed, gives the cluster's identity.
	API func(e *Engine, identity func() (*identity.Identity, error)) API
	// NetworkNamespace is the path of the namespace to dial from, for a lab; empty means this process's own.
	NetworkNamespace string
	// Helper gives the path of the host helper for an architecture.
	Helper    func(goarch string) (string, error)
	Artifacts Artifacts
	// Identities opens the sealed identity; asked only when certificates or secrets are made.
	Identities func() ([]age.Identity, error)
	// SudoPassword is asked when sudo wants one; nil means never.
	SudoPassword func(ctx context.Context, host string) (string, error)
	// Passphrase opens an encrypted private key; nil means never.
	Passphrase func(ctx context.Context, path string) (string, error)
	// SSHWords name settings in remedies about SSH, where users have others than the topology's.
	SSHWords sshhost.Words
	// PrivateKeys are those that are in memory alone, by the name that stands for a path in the topology.
	PrivateKeys map[string][]byte
	// GateTimeout bounds each gate, and the wait for a step of an earlier run; 10 minutes when zero.
	GateTimeout time.Duration
	// SkipPreflight names checks of the preflight whose errors a plan of new hosts goes on in spite of, as preflight.Known has them.
	SkipPreflight []string
	// ForgetUnreachable has a destroy go on without hosts that do not answer; what is on them stays there. Its run lock is then content with the control planes that answer.
	ForgetUnreachable bool
	// Remembered says that the topology was made of the cluster's own inventory. What the API should hold is not known then, and a status does not compare it.
	Remembered bool
	// Renew has plans issue certificates anew that are not due; nil for none.
	Renew  *plan.Renewal
	Events event.Sink
	Now    func() time.Time
	Rand   io.Reader
}

// Engine works on one cluster over live connections. Close it.
type Engine struct {
	Options
	// declared is the cluster as the topology has it; cluster is the one that there is to be now, which has surge hosts while the release changes (desired.Members).
	declared, cluster *topology.Cluster
	// given is the topology that the engine was made with, where it works with what the cluster remembers instead; else nil.
	given    *topology.Topology
	release  *release.Release
	pool     *sshhost.Pool
	hosts    map[string]remote.Host
	failed   map[string]error
	hostKeys sync.Map // by host, as its sshd showed them
	// departing are hosts that the inventory has and the cluster is not to have.
	departing []*topology.Host
	// formers are machines that hosts were, at other addresses, whose names other machines have in the topology.
	formers []plan.Former
	// patience bounds the look at a host: one that went silent counts as away.
	patience time.Duration
	// preflight is what was seen of hosts that are new to the cluster, by this engine's first plan.
	preflight *preflight.Input
	// unfit are the new workers that are left out for what it found.
	unfit map[string]error
	// runs has, by host, the roles of which the last look at the hosts found the unit in the record.
	runs map[string][]topology.Role
	// started is when each host's kubelet began, as the last look at the hosts told; hosts that were changed since are not in it.
	started map[string]time.Time
}

// Connect connects to every host of the cluster. Hosts that cannot be reached are kept, with the reason, in Unreachable.
func Connect(ctx context.Context, o Options) (*Engine, error) {
	c, err := o.Topology.Cluster(o.Cluster)
	if err != nil {
		return nil, err
	}
	rel, err := release.Lookup(c.Kubernetes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", topology.Place(c.KubernetesRange), err)
	}
	o.defaults()
	e := &Engine{Options: o, declared: c, cluster: c, release: rel, hosts: map[string]remote.Host{}, failed: map[string]error{}, patience: lookTimeout}
	if o.Connect == nil {
		e.pool = sshhost.NewPool(sshhost.Options{Learned: e.learned, Keys: e.PrivateKeys, HostKey: func(name, key string) { e.hostKeys.Store(name, key) }})
		reach, err := newReach(e)
		if err != nil {
			return nil, err
		}
		e.Options.Connect = reach.connect
	}
	e.connectAll(ctx)
	if err := ctx.Err(); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

func (o *Options) defaults() {
	if o.Events == nil {
		o.Events = event.Discard
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.API == nil {
		o.API = func(e *Engine, identity func() (*identity.Identity, error)) API {
			return &liveCluster{engine: e, identity: identity}
		}
	}
	if o.GateTimeout == 0 {
		o.GateTimeout = 10 * time.Minute
	}
}

func (e *Engine) parallel() int { return max(e.Topology.Fleet.SSH.Parallel, 1) }

// Cluster returns the cluster that the engine works on.
func (e *Engine) Cluster() *topology.Cluster { return e.cluster }

// HostKey returns the public key that a host's sshd showed when it was connected to, as authorized_keys has it; "" where it is not connected, or not over SSH.
func (e *Engine) HostKey(host string) string {
	key, _ := e.hostKeys.Load(host)
	s, _ := key.(string)
	return s
}

// Hosts returns the connected hosts by name.
func (e *Engine) Hosts() map[string]remote.Host { return e.hosts }

// Unreachable returns the hosts that could not be reached, in name order, as one error; nil when all answered.
func (e *Engine) Unreachable() error {
	names := make([]string, 0, len(e.failed))
	for n := range e.failed {
		names = append(names, n)
	}
	sort.Strings(names)
	var errs []error
	for _, n := range names {
		errs = append(errs, e.failed[n])
	}
	return errors.Join(errs...)
}

// majorityGrace is how much longer than most others a host may take to connect where a majority is enough.
const majorityGrace = 2 * time.Second

var errLate = fmt.Errorf("no connection within %s of most others, and those are enough here", majorityGrace)

func (e *Engine) connectAll(ctx context.Context) {
	e.connectTo(ctx, slices.DeleteFunc(slices.Clone(e.cluster.Hosts), func(h *topology.Host) bool { return e.Only != nil && !e.Only(h) }))
}

// connected are the connections to those of the hosts that have one.
func (e *Engine) connected(hosts []*topology.Host) map[string]remote.Host {
	out := map[string]remote.Host{}
	for _, h := range hosts {
		if conn := e.hosts[h.Name]; conn != nil {
			out[h.Name] = conn
		}
	}
	return out
}

func (e *Engine) connectTo(ctx context.Context, hosts []*topology.Host) {
	var mu sync.Mutex
	ctx, late := context.WithCancelCause(ctx)
	defer late(nil)
	each(ctx, e.parallel(), hosts, func(h *topology.Host) {
		conn, err := e.Options.Connect(ctx, h)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err != nil && errors.Is(context.Cause(ctx), errLate):
			e.failed[h.Name] = fmt.Errorf("host %s: %w", h.Name, errLate)
			return
		case err != nil:
			e.failed[h.Name] = err
			return
		}
		e.hosts[h.Name] = conn
		if e.Majority && len(e.hosts) == topology.Majority(len(hosts)) {
			time.AfterFunc(majorityGrace, func() { late(errLate) })
		}
	})
}

// each calls do for all items, a bounded number at once, and waits. Those whose turn has not come when ctx ends are left out.
func each[T any](ctx context.Context, parallel int, items []T, do func(T)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for _, item := range items {
		wg.Go(func() {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
			defer func() { <-slots }()
			do(item)
		})
	}
	wg.Wait()
}

// Close ends all connections.
func (e *Engine) Close() error {
	var errs []error
	for _, h := range e.hosts {
		errs = append(errs, h.Close())
	}
	if e.pool != nil {
		errs = append(errs, e.pool.Close())
	}
	return errors.Join(errs...)
}

// Actor names who runs this process, for locks and records.
func Actor() string {
	name, host := "unknown", "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	return fmt.Sprintf("%s@%s[%d]", name, host, os.Getpid())
}
