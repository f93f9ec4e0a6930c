// Package verify checks a running cluster by using it: pods on every node ask each other, Services and the name service, and the hosts ask the pods. What it
// made is deleted afterwards.
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
	Hosts   map[string]remote.Host // connected, by name; checks from a host that is not there fail
	Image   string                 // an agnhost image that every node has
	Timeout time.Duration          // of the whole run; 0 is two minutes
	Report  func(Check)            // called as each check ends, one at a time; may be nil
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
)

var order = []string{CheckNodeReady, CheckVersion, CheckCoreDNS, CheckPod, CheckNodeToPod, CheckPodToPod, CheckEnvironment, CheckDNS, CheckFromPod, CheckFromHost,
	CheckHairpin, CheckLogs, CheckExec, CheckNetwork, CheckIPC, CheckUTS, CheckVolume, CheckOwnPID, CheckPID}

const (
	parallel       = 8
	defaultTimeout = 2 * time.Minute
	// patience is how long routes and Services may take to reach every node once the pods run.
	patience      = 15 * time.Second
	leastPatience = 2 * time.Second
	// startPatience bounds the start of pods.
	startPatience = 60 * time.Second
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
	agents  map[string]*agent // by node; those whose pod runs
	settled time.Time         // when routes and Services should have reached all nodes

	mu     sync.Mutex
	checks []Check
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
	started := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, cfg.Timeout, fmt.Errorf("verify took more than %s", cfg.Timeout))
	defer cancel()
	r := &run{Config: cfg, exec: exec, agents: make(map[string]*agent)}
	err := r.all(ctx)
	report := Report{Cluster: cfg.Cluster.Name, Checks: r.checks, Elapsed: time.Since(started)}
	report.sort()
	return report, err
}

func (r *run) all(ctx context.Context) error {
	ready := r.nodes(ctx)
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if len(ready) == 0 {
		r.coreDNS(ctx)
		return nil // nothing else can be asked: the rows tell why
	}
	defer r.remove(ctx)
	if err := r.setUp(ctx); err != nil {
		return fmt.Errorf("preparing the checks: %w", err)
	}
	// The long waits go side by side: pods on the nodes, the pods that share things, and CoreDNS.
	var waits errgroup.Group
	waits.Go(func() error { r.coreDNS(ctx); return nil })
	waits.Go(func() error { r.awaitPods(ctx, ready); return nil })
	_ = waits.Wait() // failures are rows
	r.settled = time.Now().Add(patience)
	r.environment(ctx)
	r.concurrently(ctx, r.jobs())
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// job is a check that waits to be carried out. try gives what came back, or what was wrong.
type job struct {
	name, host, peer string
	once             bool // not to be repeated: try has an effect, or waits by itself
	try              func(ctx context.Context) (string, error)
	remedy           string
}

// concurrently carries out jobs, a bounded number at once.
func (r *run) concurrently(ctx context.Context, jobs []job) {
	var group errgroup.Group
	group.SetLimit(parallel)
	for _, j := range jobs {
		group.Go(func() error {
			r.carryOut(ctx, j)
			return nil
		})
	}
	_ = group.Wait() // failures are rows
}

// carryOut adds the row of one check.
func (r *run) carryOut(ctx context.Context, j job) {
	started := time.Now()
	detail, err := j.settle(ctx, r.settled)
	if ctx.Err() != nil {
		return // the run's error tells why
	}
	check := Check{Name: j.name, Host: j.host, Peer: j.peer, OK: err == nil, Detail: detail, Elapsed: time.Since(started)}
	if err != nil {
		check.Detail, check.Remedy = err.Error(), j.remedy
	}
	r.add(check)
}

// settle tries until it works or patience ends: routes and Services take a moment to reach all nodes. That moment is one for all checks, so that a cluster
// with much amiss is told soon; each check has at least leastPatience.
func (j job) settle(ctx context.Context, until time.Time) (string, error) {
	if j.once {
		ctx, cancel := context.WithTimeout(ctx, startPatience)
		defer cancel()
		return j.try(ctx)
	}
	if least := time.Now().Add(leastPatience); until.Before(least) {
		until = least
	}
	end := time.NewTimer(time.Until(until))
	defer end.Stop()
	pause := time.NewTimer(0)
	defer pause.Stop()
	<-pause.C
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		detail, err := j.try(ctx)
		if err == nil || errors.Is(err, errNotConnected) {
			return detail, err
		}
		pause.Reset(wait)
		select {
		case <-pause.C:
		case <-end.C:
			return "", err
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

func (r *run) serviceName() string {
	return strings.Join([]string{serviceName, r.space, "svc", r.Cluster.DNS.Domain}, ".")
}
