// Package verify checks a running cluster by using it: pods on every node ask each other, Services and the name service, and the hosts ask the pods. What it
// made is deleted afterwards. Hosts and nodes that are away are failed checks of their own; whatever can be checked without them is.
package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/trivet-dev/trivet/bootstrap/kube"
	"github.com/trivet-dev/trivet/bootstrap/topology"
	"github.com/trivet-dev/trivet/internal/remote"
)

// Config says what to check and with what.
type Config struct {
	Client  *kube.Client
	Cluster *topology.Cluster
	Hosts   map[string]remote.Host // connected, by name
	Away    map[string]error       // why a host is not among Hosts, by name; may be nil
	Image   string                 // an agnhost image that every node has
	Timeout time.Duration          // of the whole run; 0 is two minutes
	Report  func(Check)            // called as each check ends, one at a time; may be nil

	// patience is how long routes and Services may take to reach every node once the pods run; 0 is the usual.
	patience time.Duration
}

// Check is one answer about the cluster.
type Check struct {
	Name    string        `json:"name"`
	Host    string        `json:"host,omitempty"` // where it was asked; "" for the cluster as a whole
	Peer    string        `json:"peer,omitempty"` // what was asked
	OK      bool          `json:"ok"`
	Detail  string        `json:"detail"`           // what came back, and when that is wrong, what was tried
	Remedy  string        `json:"remedy,omitempty"` // with a failure
	Elapsed time.Duration `json:"elapsed"`
}

// Names of checks, in the order in which a report has them.
const (
	CheckHost        = "host answers"
	CheckAPI         = "api answers" // a row of failures only
	CheckNodeReady   = "node ready"
	CheckVersion     = "kubernetes version"
	CheckCoreDNS     = "coredns available"
	CheckPod         = "pod runs"
	CheckNodeToPod   = "node to pod"
	CheckPodToPod    = "pod to pod without NAT"
	CheckEnvironment = "service by environment"
	CheckDNS         = "service by DNS"
	CheckFromPod     = "service from pod"
	CheckFromHost    = "service from host"
	CheckHairpin     = "pod reaches itself by service"
	CheckLogs        = "logs by the API"
	CheckExec        = "exec by the API"
	CheckNetwork     = "containers share network"
	CheckIPC         = "containers share IPC"
	CheckUTS         = "containers share UTS"
	CheckVolume      = "containers share a volume"
	CheckOwnPID      = "containers have PIDs of their own"
	CheckPID         = "containers share PIDs when asked"
	CheckCleanup     = "namespace deleted" // a row of failures only
)

var order = []string{CheckHost, CheckAPI, CheckNodeReady, CheckVersion, CheckCoreDNS, CheckPod, CheckNodeToPod, CheckPodToPod, CheckEnvironment, CheckDNS, CheckFromPod, CheckFromHost,
	CheckHairpin, CheckLogs, CheckExec, CheckNetwork, CheckIPC, CheckUTS, CheckVolume, CheckOwnPID, CheckPID, CheckCleanup}

const (
	// parallel bounds requests at once, heavy those that start a process in a container.
	parallel       = 32
	heavy          = 4
	defaultTimeout = 2 * time.Minute
	// usualPatience is as long as whoever watches the API, such as CoreDNS, may wait before another try when an API server was away more than once: 30 s and as much again at most
	// (client-go 0.37.2, tools/cache/reflector.go).
	usualPatience = time.Minute
	leastPatience = 2 * time.Second // of one check, when the common patience is at its end
	// nodePatience bounds the wait for nodes to be ready.
	nodePatience = 15 * time.Second
	// startPatience bounds the start of pods, awayPatience that of pods on hosts that are away once all others run.
	startPatience = 60 * time.Second
	awayPatience  = 5 * time.Second
	// preparation bounds each request that makes something. An API server that loses its etcd member may take 20 s to find another.
	preparation = 45 * time.Second
	// farewell bounds the removal of what was made, which happens even when the run was cancelled.
	farewell = 15 * time.Second
)

// run is one verification under way.
type run struct {
	Config
	space   string // namespace
	service string // cluster address of the Service over all pods
	local   string // cluster address of the Service that leads to the pod of the same node
	exec    execFunc
	slots   chan struct{} // of jobs under way
	heavies chan struct{} // of those that are heavy

	mu       sync.Mutex
	checks   []Check
	settled  time.Time         // when routes and Services should have reached all nodes
	lost     map[string]string // nodes that were ready and are no more, and why
	whenLost []func(node, why string)
}

// Run carries out all checks. A failed check is a row of the report and stops no other; the error is for a run that could not be carried through. The report
// holds what was found until then.
func Run(ctx context.Context, cfg Config) (Report, error) {
	if cfg.Client == nil || cfg.Cluster == nil || cfg.Image == "" {
		return Report{}, errors.New("verify needs an API client, a cluster and a test image")
	}
	return runWith(ctx, cfg, cfg.Client.Exec)
}

// execFunc runs a command in a container.
type execFunc func(ctx context.Context, namespace, pod, container string, command ...string) (string, error)

func runWith(ctx context.Context, cfg Config, exec execFunc) (Report, error) {
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.patience <= 0 {
		cfg.patience = usualPatience
	}
	started := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, cfg.Timeout, fmt.Errorf("verify took more than %s", cfg.Timeout))
	defer cancel()
	r := &run{Config: cfg, exec: exec, slots: make(chan struct{}, parallel), heavies: make(chan struct{}, heavy), lost: make(map[string]string)}
	err := r.all(ctx)
	report := Report{Cluster: cfg.Cluster.Name, Checks: r.checks, Elapsed: time.Since(started)}
	if err != nil {
		report.Incomplete = err.Error()
	}
	report.blame(cfg.Cluster.Network.Plugin)
	report.sort()
	return report, err
}

func (r *run) all(ctx context.Context) error {
	r.hosts()
	ready, answered := r.nodes(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !answered {
		return nil // there is one row that tells why: everything else is asked of the API
	}
	if len(ready) == 0 {
		r.coreDNS(ctx, ready)
		return nil // nothing else can be asked: the rows tell why
	}
	defer r.remove(ctx)
	first, second := r.partners(ready)
	if err := r.setUp(ctx, first, second); err != nil {
		r.coreDNS(ctx, ready)
		return fmt.Errorf("preparing the checks: %w", err)
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go r.watchNodes(watching, ready)
	// All go side by side, each with waits of its own: CoreDNS, the pods on the nodes, and the pods that share things.
	var parts errgroup.Group
	parts.Go(func() error { r.coreDNS(ctx, ready); return nil })
	parts.Go(func() error { r.probe(ctx, ready); return nil })
	for _, j := range r.sharingJobs(first, second) {
		parts.Go(func() error { r.carryOut(ctx, j); return nil })
	}
	_ = parts.Wait() // failures are rows
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// job is a check that waits to be carried out. try gives what came back, or what was wrong.
type job struct {
	name, host, peer string
	once             bool // not to be repeated: try has an effect, or waits by itself
	heavy            bool
	try              func(ctx context.Context) (string, error)
	remedy           string
}

// carryOut adds the row of one check, once there is a slot for it. A job that waits by itself needs none.
func (r *run) carryOut(ctx context.Context, j job) {
	slots := r.slots
	if j.heavy {
		slots = r.heavies
	}
	if !j.once {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		case <-ctx.Done():
			return // the run's error tells why
		}
	}
	started := time.Now()
	detail, err := j.settle(ctx, r.settlement)
	if ctx.Err() != nil {
		return
	}
	check := Check{Name: j.name, Host: j.host, Peer: j.peer, OK: err == nil, Detail: detail, Elapsed: time.Since(started)}
	if err != nil {
		check.Detail, check.Remedy = err.Error(), j.remedy
	}
	r.add(check)
}

// settlement is when routes and Services should have reached all nodes, as known now: it moves with every pod that comes up.
func (r *run) settlement() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.settled
}

// unsettle notes that a pod has come up.
func (r *run) unsettle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settled = time.Now().Add(r.patience)
}

// settle tries until it works or patience ends: routes and Services take a moment to reach all nodes. That moment is one for all checks, so that a cluster
// with much amiss is told soon; each check has at least leastPatience.
func (j job) settle(ctx context.Context, until func() time.Time) (string, error) {
	if j.once {
		ctx, cancel := context.WithTimeout(ctx, startPatience)
		defer cancel()
		return j.try(ctx)
	}
	least := time.Now().Add(leastPatience)
	pause := time.NewTimer(0)
	defer pause.Stop()
	<-pause.C
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		detail, err := j.try(ctx)
		if err == nil {
			return detail, nil
		}
		if now := time.Now(); now.After(least) && now.After(until()) {
			return "", err
		}
		pause.Reset(wait)
		select {
		case <-pause.C:
		case <-ctx.Done():
			return "", err
		}
	}
}

// add takes a row and reports it.
func (r *run) add(c Check) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.checks = append(r.checks, c)
	if r.Report != nil {
		r.Report(c)
	}
}

// nodeNames lists the nodes that the topology has.
func (r *run) nodeNames() []string {
	var names []string
	for _, h := range r.Cluster.Nodes() {
		names = append(names, h.Name)
	}
	slices.Sort(names)
	return names
}

// connected reports whether something can be asked from a host.
func (r *run) connected(host string) bool { return r.Hosts[host] != nil }

func (r *run) serviceName() string {
	return strings.Join([]string{serviceName, r.space, "svc", r.Cluster.DNS.Domain}, ".")
}
